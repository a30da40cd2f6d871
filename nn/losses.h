// Losses: how far a model's answer is from the right one, as a number to be made small. Names,
// options and corner cases are those of torch.nn.functional. Read next: nn/init.h.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

// What becomes of the losses of single examples.
enum class Reduction { none, mean, sum };

struct CrossEntropyOptions {
  Tensor weight{};                   // (classes): how much each class counts
  std::int64_t ignore_index = -100;  // examples of this class do not count
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  // in [0, 1]: this part of the target is spread over all classes
};

// -log softmax(logits) at the right class.
//
// logits is (batch, classes), (classes), or (batch, classes, positions...); targets is the same
// without classes, int64: loss_i = -weight[y_i] * log p[y_i]. The mean is over the weights of the
// examples that count, so nan if there are none (the gradient is 0 then). Targets may instead be
// probabilities, of the shape and type of logits: loss_i = -sum over c of t[c] * weight[c] * log
// p[c], and the mean is over the examples.
//
// IndexError for a target out of range; ShapeError, DTypeError and ValueError as the options ask.
Variable cross_entropy(const Variable& logits, const Variable& targets,
                       const CrossEntropyOptions& options = {});

struct NllLossOptions {
  Tensor weight{};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};

// The same, given log p (of log_softmax) instead of logits.
Variable nll_loss(const Variable& log_probabilities, const Tensor& targets,
                  const NllLossOptions& options = {});

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

// (input - target)^2, |input - target|. ShapeError unless both have the same shape: broadcasting
// would compare every answer with every target.
Variable mse_loss(const Variable& input, const Variable& target, const LossOptions& options = {});
Variable l1_loss(const Variable& input, const Variable& target, const LossOptions& options = {});

struct BceWithLogitsOptions {
  Tensor weight{};  // broadcasts to logits
  Reduction reduction = Reduction::mean;
  Tensor pos_weight{};  // broadcasts to logits: how much a target of 1 counts
};

// -weight * (pos_weight * t * log s + (1 - t) * log(1 - s)) with s = sigmoid(logits), computed so
// that it neither overflows nor cancels. targets has the shape of logits.
Variable bce_with_logits(const Variable& logits, const Variable& targets,
                         const BceWithLogitsOptions& options = {});

}  // namespace tapegrad::nn
