// Losses as modules, as in torch.nn: the functions of nn/losses.h with their options kept. Read
// next: nn/functional.h.
//
//   nn::CrossEntropyLoss loss_function({.label_smoothing = 0.1});
//   Variable loss = loss_function(logits, labels);
#pragma once

#include <utility>

#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

// The call takes the arguments of the function, without options, and throws its errors.
template <class Options, auto function, class... Inputs>
class LossWith : public Module {
 public:
  explicit LossWith(Options options = {}) : options_(std::move(options)) {}
  Variable operator()(const Inputs&... inputs) const {
    return hooked([this](const Inputs&... in) { return function(in..., *options_); }, inputs...);
  }
  Options options() const { return *options_; }

 protected:
  void assign_from(const Module& other) override {
    Module::assign_from(other);
    *options_ = *static_cast<const LossWith&>(other).options_;
  }

 private:
  Shared<Options> options_;
};

struct CrossEntropyLoss : LossWith<CrossEntropyOptions, cross_entropy, Variable, Variable>,
                          Forward<CrossEntropyLoss> {
  using LossWith::LossWith;
};
struct NLLLoss : LossWith<NllLossOptions, nll_loss, Variable, Tensor>, Forward<NLLLoss> {
  using LossWith::LossWith;
};
struct MSELoss : LossWith<LossOptions, mse_loss, Variable, Variable>, Forward<MSELoss> {
  using LossWith::LossWith;
};
struct L1Loss : LossWith<LossOptions, l1_loss, Variable, Variable>, Forward<L1Loss> {
  using LossWith::LossWith;
};
struct BCEWithLogitsLoss
    : LossWith<BceWithLogitsOptions, binary_cross_entropy_with_logits, Variable, Variable>,
      Forward<BCEWithLogitsLoss> {
  using LossWith::LossWith;
};
struct BCELoss : LossWith<BceOptions, bce_loss, Variable, Variable>, Forward<BCELoss> {
  using LossWith::LossWith;
};
struct SmoothL1Loss : LossWith<SmoothL1Options, smooth_l1_loss, Variable, Variable>,
                      Forward<SmoothL1Loss> {
  using LossWith::LossWith;
};
struct HuberLoss : LossWith<HuberOptions, huber_loss, Variable, Variable>, Forward<HuberLoss> {
  using LossWith::LossWith;
};
struct KLDivLoss : LossWith<KlDivOptions, kl_div, Variable, Variable>, Forward<KLDivLoss> {
  using LossWith::LossWith;
};
struct HingeEmbeddingLoss : LossWith<HingeEmbeddingOptions, hinge_embedding_loss, Variable, Tensor>,
                            Forward<HingeEmbeddingLoss> {
  using LossWith::LossWith;
};
struct CosineEmbeddingLoss
    : LossWith<MarginOptions, cosine_embedding_loss, Variable, Variable, Tensor>,
      Forward<CosineEmbeddingLoss> {
  using LossWith::LossWith;
};
struct MarginRankingLoss : LossWith<MarginOptions, margin_ranking_loss, Variable, Variable, Tensor>,
                           Forward<MarginRankingLoss> {
  using LossWith::LossWith;
};
struct TripletMarginLoss
    : LossWith<TripletMarginOptions, triplet_margin_loss, Variable, Variable, Variable>,
      Forward<TripletMarginLoss> {
  using LossWith::LossWith;
};
struct MultiMarginLoss : LossWith<MultiMarginOptions, multi_margin_loss, Variable, Tensor>,
                         Forward<MultiMarginLoss> {
  using LossWith::LossWith;
};

}  // namespace tapegrad::nn
