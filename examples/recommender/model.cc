// Lookups, the loss, and the two interactions. Read next: saved_model.h.
#include "recommender/model.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/tensor/ops.h>

namespace recommender {
namespace {

tg::nn::Embedding table(std::int64_t rows, std::int64_t dim) {
  const auto draw = [](const tg::Variable& x) { tg::nn::init::normal_(x, 0, 0.1); };
  return tg::nn::Embedding(rows, dim, {.initializer = draw});
}

tg::nn::Embedding biases(std::int64_t rows) {
  return tg::nn::Embedding(rows, 1, {.initializer = tg::nn::init::zeros_});
}

}  // namespace

// The rows of a batch.
struct Model::Looked {
  tg::Variable p, q;                  // (n, dim)
  tg::Variable user_bias, item_bias;  // (n, 1)
};

Model::Model(const Sizes& sizes)
    : users(register_module("users", table(sizes.users, sizes.dim))),
      items(register_module("items", table(sizes.items, sizes.dim))),
      user_bias(register_module("user_bias", biases(sizes.users))),
      item_bias(register_module("item_bias", biases(sizes.items))),
      mean(register_buffer("mean", tg::zeros({1}))) {}

Model::Looked Model::look_up(const tg::Tensor& user_ids, const tg::Tensor& item_ids) const {
  return {users(user_ids), items(item_ids), user_bias(user_ids), item_bias(item_ids)};
}

tg::Variable Model::predict(const Looked& x) const {
  return squeeze(x.user_bias + x.item_bias, 1) + interaction(x.p, x.q) + mean;
}

tg::Variable Model::operator()(const tg::Tensor& user_ids, const tg::Tensor& item_ids) const {
  return predict(look_up(user_ids, item_ids));
}

tg::Variable Model::loss(const tg::Tensor& user_ids, const tg::Tensor& item_ids,
                         const tg::Tensor& ratings, double l2) const {
  const Looked x = look_up(user_ids, item_ids);
  const tg::Variable squares =
      sum(square(x.p)) + sum(square(x.q)) + sum(square(x.user_bias)) + sum(square(x.item_bias));
  return tg::nn::mse_loss(predict(x), ratings) +
         squares * (l2 / static_cast<double>(ratings.numel()));
}

tg::Variable MatrixFactorization::interaction(const tg::Variable& p, const tg::Variable& q) const {
  return sum(p * q, {1});
}

NeuralModel::NeuralModel(const Sizes& sizes)
    : Model(sizes),
      layer(register_module("layer", tg::nn::Linear(2 * sizes.dim, sizes.hidden))),
      head(register_module("head", tg::nn::Linear(sizes.dim + sizes.hidden, 1))) {
  head.weight.set_value(tg::cat({tg::ones({1, sizes.dim}), tg::zeros({1, sizes.hidden})}, 1));
  head.bias.set_value(tg::zeros({1}));
}

tg::Variable NeuralModel::interaction(const tg::Variable& p, const tg::Variable& q) const {
  const tg::Variable hidden = relu(layer(tg::cat({p, q}, 1)));  // (n, hidden)
  return squeeze(head(tg::cat({p * q, hidden}, 1)), 1);
}

std::unique_ptr<Model> make_model(const Sizes& sizes) {
  if (sizes.kind == ModelKind::neural) return std::make_unique<NeuralModel>(sizes);
  return std::make_unique<MatrixFactorization>(sizes);
}

}  // namespace recommender
