// Losses: functions that measure how far a model's output is from its target. Names, options and
// corner cases are those of torch.nn.functional; nn/loss_modules.h has them as modules. Read next:
// nn/losses.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

// How the losses of single examples are combined: Reduction::none, mean or sum, also written as in
// PyTorch: {.reduction = "sum"}. ValueError for other words. It converts to the options of each
// loss: cross_entropy(logits, targets, Reduction::sum).
class Reduction {
 public:
  enum class Kind { none, mean, sum };
  static const Reduction none, mean, sum;
  constexpr Reduction(Kind kind) : kind_(kind) {}  // NOLINT: implicit on purpose
  template <std::size_t size>
  Reduction(const char (&name)[size]) : kind_(of(name)) {}  // NOLINT
  constexpr operator Kind() const { return kind_; }         // NOLINT: for ==
  template <class Options>
  requires requires(Options options, Reduction reduction) { options.reduction = reduction; }
  operator Options() const {  // NOLINT
    Options options;
    options.reduction = *this;
    return options;
  }

 private:
  static Kind of(const char* name);
  Kind kind_;
};
inline constexpr Reduction Reduction::none{Kind::none};
inline constexpr Reduction Reduction::mean{Kind::mean};
inline constexpr Reduction Reduction::sum{Kind::sum};

struct CrossEntropyOptions {
  Tensor weight{};                   // (classes): a factor for each class
  std::int64_t ignore_index = -100;  // examples of this class are ignored
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  // in [0, 1]: this share of the target is spread over all classes
};

// -log softmax(logits) at the right class.
//
// logits is (batch, classes), (classes), or (batch, classes, positions...); targets has the same
// shape without classes, int64: loss_i = -weight[y_i] * log p[y_i]. The mean is weighted by
// weight[y_i] and leaves ignored examples out; if all are ignored, it is nan and its gradient 0.
// Targets may instead be probabilities, with the shape and type of logits: loss_i = -sum over c of
// t[c] * weight[c] * log p[c], and the mean is over all examples.
//
// IndexError for a target out of range; ShapeError, DTypeError and ValueError for other arguments
// and options that do not fit.
Variable cross_entropy(const Variable& logits, const Variable& targets,
                       const CrossEntropyOptions& options = {});

struct NllLossOptions {
  Tensor weight{};
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};

// The same loss for log p (the output of log_softmax) instead of logits.
Variable nll_loss(const Variable& log_probabilities, const Tensor& targets,
                  const NllLossOptions& options = {});

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

// (input - target)^2, |input - target|. ShapeError unless both have the same shape: broadcasting
// would compare every output with every target.
Variable mse_loss(const Variable& input, const Variable& target, const LossOptions& options = {});
Variable l1_loss(const Variable& input, const Variable& target, const LossOptions& options = {});

struct BceWithLogitsOptions {
  Tensor weight{};  // broadcasts to logits
  Reduction reduction = Reduction::mean;
  Tensor pos_weight{};  // broadcasts to logits: a factor for targets of 1
};

// -weight * (pos_weight * t * log s + (1 - t) * log(1 - s)) with s = sigmoid(logits), computed so
// that it neither overflows nor cancels. targets has the shape of logits.
Variable binary_cross_entropy_with_logits(const Variable& logits, const Variable& targets,
                                          const BceWithLogitsOptions& options = {});

struct BceOptions {
  Tensor weight{};  // broadcasts to input
  Reduction reduction = Reduction::mean;
};

// -weight * (t * log x + (1 - t) * log(1 - x)) for probabilities x, where no logarithm is below
// -100; binary_cross_entropy_with_logits() is more accurate. ValueError for an x outside [0, 1].
Variable bce_loss(const Variable& input, const Variable& targets, const BceOptions& options = {});

// Robust distances ----------------------------------------------------------------------------
// With d = input - target, of the same shape:

struct SmoothL1Options {
  Reduction reduction = Reduction::mean;
  double beta = 1;  // where the quadratic part ends; 0: l1_loss
};
// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2 (Girshick 2015).
Variable smooth_l1_loss(const Variable& input, const Variable& target,
                        const SmoothL1Options& options = {});

struct HuberOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;  // where the quadratic part ends
};
// d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2) (Huber 1964).
Variable huber_loss(const Variable& input, const Variable& target,
                    const HuberOptions& options = {});

struct KlDivOptions {
  Reduction reduction = Reduction::mean;  // over elements, as in PyTorch
  bool batchmean = false;                 // instead: the sum divided by the size of the batch
  bool log_target = false;                // target holds logarithms, too
};
// target * (log target - input), where input holds log probabilities; 0 where target is 0, even
// if input is -inf. The sum over a distribution is the Kullback-Leibler divergence.
Variable kl_div(const Variable& input, const Variable& target, const KlDivOptions& options = {});

// Margins ---------------------------------------------------------------------------------------
// Targets are 1 or -1. Others are computed with the formulas in nn/losses.cc, as in PyTorch.

struct HingeEmbeddingOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
// x where the target is 1, max(0, margin - x) where it is -1; x is a distance.
Variable hinge_embedding_loss(const Variable& input, const Tensor& targets,
                              const HingeEmbeddingOptions& options = {});

struct MarginOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, of the vectors (batch, dim)
// or (dim).
Variable cosine_embedding_loss(const Variable& a, const Variable& b, const Tensor& targets,
                               const MarginOptions& options = {});
// max(0, margin - target * (a - b)): the target is 1 if a should rank above b, and -1 if below.
Variable margin_ranking_loss(const Variable& a, const Variable& b, const Tensor& targets,
                             const MarginOptions& options = {});

struct TripletMarginOptions {
  double margin = 1;
  double p = 2;  // see pairwise_distance()
  double eps = 1e-6;
  bool swap = false;  // replaces |anchor - negative| by |positive - negative| if that is smaller
  Reduction reduction = Reduction::mean;
};
// max(0, margin + |anchor - positive| - |anchor - negative|) over the last dimension.
Variable triplet_margin_loss(const Variable& anchor, const Variable& positive,
                             const Variable& negative, const TripletMarginOptions& options = {});

struct MultiMarginOptions {
  int p = 1;  // 1 or 2
  double margin = 1;
  Tensor weight{};  // (classes)
  Reduction reduction = Reduction::mean;
};
// Sum over the other classes c of weight[y] * max(0, margin - x[y] + x[c])^p, divided by the number
// of classes, for x (batch, classes) or (classes) and targets y.
Variable multi_margin_loss(const Variable& x, const Tensor& targets,
                           const MultiMarginOptions& options = {});

// Many classes ------------------------------------------------------------------------------------
// A softmax over a whole vocabulary at each step costs too much. These two losses avoid it, and so
// does nn/hierarchical_softmax.h.

// -log s(input . target) - sum over k of log s(-input . negatives[k]), where s is the sigmoid:
// tells the word that is in the text from words that were drawn at random (Mikolov and others
// 2013). The arguments are (batch, dim), (batch, dim) and (batch, k, dim).
Variable negative_sampling_loss(const Variable& input, const Variable& target,
                                const Variable& negatives, const LossOptions& options = {});

struct SampledSoftmaxOptions {
  Variable bias{};  // (classes)
  Reduction reduction = Reduction::mean;
  bool remove_accidental_hits = true;  // ignore samples that are the target
};
// Cross entropy over the target and the sampled classes instead of all classes (Jean and others
// 2015). Row c of weight (classes, dim) belongs to class c. The samples (k) were drawn for the
// whole batch with the probabilities (classes). log(k * p) is subtracted from every score, so that
// the expected gradient approaches that of the full softmax as k grows. input is (batch, dim),
// targets (batch). The gradient of weight holds only the rows that were used.
Variable sampled_softmax_loss(const Variable& input, const Tensor& targets, const Variable& weight,
                              const Tensor& samples, const Tensor& probabilities,
                              const SampledSoftmaxOptions& options = {});

}  // namespace tapegrad::nn
