// The models: a vector and a bias for each user and each item, and what predicts a rating from
// them. Read next: model.cc.
#pragma once

#include <tapegrad/autograd/variable.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module/module.h>

#include <cstdint>
#include <memory>

#include "recommender/settings.h"

namespace recommender {

namespace tg = tapegrad;

struct Sizes {
  ModelKind kind = ModelKind::mf;
  std::int64_t users = 0;
  std::int64_t items = 0;
  std::int64_t dim = 0;
  std::int64_t hidden = 0;  // neural
};

// rating(u, i) = mean + b_u + b_i + interaction(p_u, q_i)
//
// Vectors are drawn from the normal distribution with the standard deviation 0.1; biases begin as
// 0. Rows that resize() adds are drawn in the same way. All draws are from the default generator.
struct Model : tg::nn::Module {
  tg::nn::Embedding users;      // p, (users, dim)
  tg::nn::Embedding items;      // q, (items, dim)
  tg::nn::Embedding user_bias;  // (users, 1)
  tg::nn::Embedding item_bias;  // (items, 1)
  tg::nn::Buffer mean;          // (1): of the ratings that are trained on

  explicit Model(const Sizes& sizes);

  // Pairs of ids, (n) int64 each, -> the ratings (n).
  tg::Variable operator()(const tg::Tensor& user_ids, const tg::Tensor& item_ids) const;

  // The mean over n ratings of
  //   (rating(u, i) - r)^2 + l2 (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2)
  // (Koren, Bell and Volinsky 2009, equation 5, divided by n).
  tg::Variable loss(const tg::Tensor& user_ids, const tg::Tensor& item_ids,
                    const tg::Tensor& ratings, double l2) const;

  virtual tg::Variable interaction(const tg::Variable& p, const tg::Variable& q) const = 0;

 private:
  struct Looked;
  Looked look_up(const tg::Tensor& user_ids, const tg::Tensor& item_ids) const;
  tg::Variable predict(const Looked& x) const;
};

// p_u . q_i (Koren, Bell and Volinsky 2009, "Matrix Factorization Techniques for Recommender
// Systems").
struct MatrixFactorization final : Model {
  using Model::Model;
  tg::Variable interaction(const tg::Variable& p, const tg::Variable& q) const override;
};

// head([p_u * q_i, relu(layer([p_u, q_i]))]), the sum of a generalized matrix factorization and a
// network with one hidden layer: NeuMF (He and others 2017, arXiv 1708.05031, equation 12), but
// both parts share their vectors. The weights of head for p_u * q_i begin as 1, the others as 0, so
// that the model begins as the matrix factorization.
struct NeuralModel final : Model {
  tg::nn::Linear layer;  // 2 dim -> hidden
  tg::nn::Linear head;   // dim + hidden -> 1

  explicit NeuralModel(const Sizes& sizes);
  tg::Variable interaction(const tg::Variable& p, const tg::Variable& q) const override;
};

std::unique_ptr<Model> make_model(const Sizes& sizes);

}  // namespace recommender
