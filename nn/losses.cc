// Cross entropy, whose forward and backward are fused for class targets, and losses composed of
// primitives. Read next:
// nn/loss_modules.h.
#include <tapegrad/nn/losses.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::nn {

Reduction::Kind Reduction::of(const char* name) {
  for (const auto& [known, kind] : {std::pair("none", Kind::none), std::pair("mean", Kind::mean),
                                    std::pair("sum", Kind::sum)}) {
    if (name == std::string_view(known)) return kind;
  }
  throw ValueError("Reduction: got \"" + std::string(name) +
                   "\", needed \"none\", \"mean\" or \"sum\"");
}

namespace {

Variable reduced(const Variable& losses, Reduction reduction) {
  switch (Reduction::Kind(reduction)) {
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::none:
      break;
  }
  return losses;
}

// Class targets -----------------------------------------------------------------------------------

// The classes of logits and their weights, with the checks that cross_entropy, nll_loss and
// multi_margin_loss share.
struct Classes {
  std::int64_t dim;    // of the classes
  std::int64_t count;  // of classes
  Shape logits;        // the shape of x
  Shape batch;         // the same without classes
  Tensor weight;       // (classes) in x's type, or undefined

  Classes(const char* operation, const Variable& x, const Tensor& its_weight)
      : dim(x.dim() == 1 ? 0 : 1),
        count(0),
        logits(x.shape()),
        batch(x.shape()),
        weight(its_weight) {
    const std::string start = std::string(operation) + ": ";
    if (!is_floating_point(x.dtype())) {
      throw DTypeError(start + "logits are " + name(x.dtype()) + ", needed float32 or float64");
    }
    if (x.dim() == 0) {
      throw ShapeError(start + "logits have shape (), needed (batch, classes) or (classes)");
    }
    count = x.size(dim);
    batch.erase(dim);
    if (!weight.defined()) return;
    if (weight.dim() != 1 || weight.size(0) != count) {
      throw ShapeError(start + "weight has shape " + to_string(weight.sizes()) + ", needed (" +
                       std::to_string(count) + "), one for each class");
    }
    weight = weight.to(x.dtype()).contiguous();
  }

  void check_targets(const char* operation, const Tensor& targets,
                     std::optional<std::int64_t> ignored) const {
    const std::string start = std::string(operation) + ": ";
    if (targets.shape() != batch) {
      if (seem_last(targets)) {
        throw ShapeError(start + "logits have shape " + to_string(logits) +
                         ", whose classes are dimension 1, and targets " +
                         to_string(targets.sizes()) + ", needed targets " + to_string(batch) +
                         "; if the classes are last, flatten: flatten(logits, 0, -2) and "
                         "flatten(targets)");
      }
      throw ShapeError(start + "targets have shape " + to_string(targets.sizes()) + ", needed " +
                       to_string(batch) + ", one class for each row of logits");
    }
    if (targets.dtype() != int64) {
      throw DTypeError(start + "targets are " + name(targets.dtype()) + ", needed int64 classes");
    }
    const Tensor flat = targets.contiguous();
    const auto classes = flat.span<std::int64_t>();
    for (std::size_t row = 0; row < classes.size(); ++row) {
      if (classes[row] == ignored || (classes[row] >= 0 && classes[row] < count)) continue;
      throw IndexError(start + "target " + std::to_string(classes[row]) + " at row " +
                       std::to_string(row) + " out of range for " + std::to_string(count) +
                       " classes");
    }
  }

 private:
  // Whether the targets would fit if the classes were the last dimension.
  bool seem_last(const Tensor& targets) const {
    if (logits.dim() < 3) return false;
    Shape rows = logits;
    rows.erase(rows.dim() - 1);
    return targets.shape() == rows || targets.shape() == Shape{checked_numel(rows, "targets")};
  }
};

// Cross entropy of (rows, classes) logits, with a fused forward and backward. w are the class
// weights, s is the smoothing, and norm is the sum of the w[y_i] for a mean, else 1:
//   q[i][c] = ((1 - s) * w[y_i] * (c == y_i) + s / classes * w[c]) / norm, 0 in ignored rows
//   loss_i  = -sum over c of q[i][c] * log p[i][c]
//   dx[i]   = dy_i * (p[i] * sum over c of q[i][c] - q[i])
class FusedCrossEntropy {
 public:
  FusedCrossEntropy(const Tensor& logits, const Tensor& targets, const Tensor& weight,
                    const CrossEntropyOptions& options)
      : log_p_(log_softmax(logits, 1)),
        targets_(targets.contiguous()),
        weight_(weight),
        rows_(logits.size(0)),
        count_(logits.size(1)),
        ignored_(options.ignore_index),
        reduction_(options.reduction),
        own_(1 - options.label_smoothing),
        shared_(count_ > 0 ? options.label_smoothing / static_cast<double>(count_) : 0) {
    visit_floating(log_p_.dtype(), [&](auto zero) { measure<decltype(zero)>(); });
  }

  Tensor forward() const {
    Tensor losses = zeros(reduction_ == Reduction::none ? Shape{rows_} : Shape{}, log_p_.dtype());
    visit_floating(log_p_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const T* log_p = log_p_.data<T>();
      T* loss = losses.mutable_data<T>();
      double total = 0;
      for_each_row<T>([&](std::int64_t i, std::int64_t y, double w) {
        const T* row = log_p + i * count_;
        double sum = own_ * w * static_cast<double>(row[y]);
        if (shared_ != 0) sum += shared_ * weighted_sum(row);
        if (reduction_ == Reduction::none) {
          loss[i] = static_cast<T>(-sum);
        } else {
          total -= sum;
        }
      });
      if (reduction_ != Reduction::none) *loss = static_cast<T>(total / norm_);
    });
    return losses;
  }

  Tensor backward(const Tensor& dy) const {
    Tensor dx = zeros_like(log_p_);
    visit_floating(log_p_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const Tensor scales = dy.contiguous();
      const T* scale = scales.data<T>();
      const T* log_p = log_p_.data<T>();
      T* out = dx.mutable_data<T>();
      const T* weight = weights<T>();
      const auto exp = kernel::kernels<T>().unary[static_cast<std::size_t>(kernel::Unary::kExp)];
      const auto count = static_cast<std::size_t>(count_);
      for_each_row<T>([&](std::int64_t i, std::int64_t y, double w) {
        T* row = out + i * count_;
        const double here =
            static_cast<double>(scale[reduction_ == Reduction::none ? i : 0]) / norm_;
        const T factor = static_cast<T>(here * (own_ * w + shared_ * total_weight_));
        exp(row, log_p + i * count_, count);
        for (std::size_t c = 0; c < count; ++c) row[c] *= factor;
        if (shared_ != 0) {
          const T share = static_cast<T>(here * shared_);
          for (std::size_t c = 0; c < count; ++c) row[c] -= weight ? share * weight[c] : share;
        }
        row[y] -= static_cast<T>(here * own_ * w);
      });
    });
    return dx;
  }

  // The same from primitives. Higher derivatives use it, and it is the reference for the fused
  // code.
  Variable composed_backward(const Variable& x, const Variable& dy) const {
    const Tensor& targets = targets_.value();
    const Tensor counts = targets != ignored_;
    const Tensor classes = where(counts, targets, 0);
    Tensor q = one_hot(classes, count_).to(x.dtype());
    if (weight_.defined()) {
      const Tensor& weight = weight_.value();
      q = q * unsqueeze(index_select(weight, 0, classes), 1) * own_ + weight * shared_;
    } else {
      q = q * own_ + shared_;
    }
    q = where(unsqueeze(counts, 1), q / norm_, 0);
    const Variable scale = reduction_ == Reduction::none ? unsqueeze(dy, 1) : dy;
    return scale * (softmax(x, 1) * Variable(sum(q, 1, true)) - Variable(q));
  }

 private:
  // Calls function(row, class, weight) for the rows that are not ignored.
  template <class T, class Function>
  void for_each_row(const Function& function) const {
    const std::int64_t* targets = targets_.value().data<std::int64_t>();
    const T* weight = weights<T>();
    for (std::int64_t i = 0; i < rows_; ++i) {
      const std::int64_t y = targets[i];
      if (y != ignored_) function(i, y, weight ? static_cast<double>(weight[y]) : 1.0);
    }
  }
  template <class T>
  const T* weights() const {
    return weight_.defined() ? weight_.value().data<T>() : nullptr;
  }
  template <class T>
  double weighted_sum(const T* row) const {
    const T* weight = weights<T>();
    const auto n = static_cast<std::size_t>(count_);
    return static_cast<double>(weight ? kernel::kernels<T>().dot(row, weight, n)
                                      : kernel::kernels<T>().sum(row, n));
  }
  template <class T>
  void measure() {
    if (reduction_ == Reduction::mean) {
      norm_ = 0;
      for_each_row<T>([this](std::int64_t, std::int64_t, double w) { norm_ += w; });
    }
    total_weight_ = static_cast<double>(count_);
    if (weight_.defined()) total_weight_ = sum(weight_.value()).item<double>();
  }

  Tensor log_p_;
  Variable targets_;  // constants, so that backward notices if they are overwritten
  Variable weight_;
  std::int64_t rows_;
  std::int64_t count_;
  std::int64_t ignored_;
  Reduction reduction_;
  double own_;     // 1 - s
  double shared_;  // s / classes
  double norm_ = 1;
  double total_weight_ = 0;
};

Variable cross_entropy_of_rows(const Variable& x, const Tensor& targets, const Tensor& weight,
                               const CrossEntropyOptions& options) {
  FusedCrossEntropy fused(x.value(), targets, weight, options);
  Tensor losses = fused.forward();
  const auto arguments = [&] {
    constexpr const char* kReductions[] = {"none", "mean", "sum"};
    Attributes attributes{
        {"target", targets},
        {"ignore_index", options.ignore_index},
        {"label_smoothing", options.label_smoothing},
        {"reduction",
         std::string(kReductions[static_cast<int>(Reduction::Kind(options.reduction))])}};
    if (weight.defined()) attributes.push_back({"weight", weight});
    return attributes;
  };
  describe("cross_entropy", arguments, x);
  return record_fused(
      "cross_entropy", std::move(losses), x,
      [fused](const Tensor& dy) { return fused.backward(dy); },
      [fused, x](const Variable& dy) { return fused.composed_backward(x, dy); });
}

// loss = -sum over c of t[c] * w[c] * log p[c]
Variable cross_entropy_of_probabilities(const Variable& logits, const Variable& targets,
                                        const Classes& classes,
                                        const CrossEntropyOptions& options) {
  if (options.ignore_index >= 0) {
    throw ValueError("cross_entropy: ignore_index is " + std::to_string(options.ignore_index) +
                     ", needed class targets for it, but got probabilities");
  }
  Variable shares = targets;
  if (options.label_smoothing > 0) {
    shares = shares * (1 - options.label_smoothing) +
             options.label_smoothing / static_cast<double>(classes.count);
  }
  if (classes.weight.defined()) {
    Shape along = Shape(std::vector<std::int64_t>(static_cast<std::size_t>(logits.dim()), 1));
    along[classes.dim] = classes.count;
    shares = shares * reshape(Variable(classes.weight), along);
  }
  return reduced(-sum(shares * log_softmax(logits, classes.dim), {classes.dim}), options.reduction);
}

}  // namespace

Variable cross_entropy(const Variable& logits, const Variable& targets,
                       const CrossEntropyOptions& options) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    std::ostringstream text;
    text << "cross_entropy: label_smoothing is " << options.label_smoothing
         << ", needed a number in [0, 1]";
    throw ValueError(text.str());
  }
  const Classes classes("cross_entropy", logits, options.weight);
  if (is_floating_point(targets.dtype()) && targets.shape() == logits.shape()) {
    return cross_entropy_of_probabilities(logits, targets, classes, options);
  }
  classes.check_targets("cross_entropy", targets.value(), options.ignore_index);
  if (logits.dim() == 2) {
    return cross_entropy_of_rows(logits, targets.value(), classes.weight, options);
  }
  // (batch, classes, positions...) -> (batch, positions..., classes) -> (rows, classes)
  Variable rows = logits;
  if (logits.dim() > 2) {
    Dims order;
    for (std::int64_t d = 0; d < logits.dim(); ++d) {
      if (d != classes.dim) order.push_back(d);
    }
    order.push_back(classes.dim);
    rows = permute(rows, order);
  }
  const std::int64_t count = checked_numel(classes.batch, "cross_entropy");
  const Variable losses =
      cross_entropy_of_rows(reshape(rows, {count, classes.count}),
                            reshape(targets.value(), {count}), classes.weight, options);
  return options.reduction == Reduction::none ? reshape(losses, classes.batch) : losses;
}

// loss = -weight[y] * log p[y]; the mean is the sum of the losses divided by the sum of the weights
Variable nll_loss(const Variable& log_probabilities, const Tensor& targets,
                  const NllLossOptions& options) {
  const Classes classes("nll_loss", log_probabilities, options.weight);
  classes.check_targets("nll_loss", targets, options.ignore_index);
  const Tensor ignored = targets == options.ignore_index;
  const Tensor index = where(ignored, 0, targets);
  Tensor weight = ones_like(targets).to(log_probabilities.dtype());
  if (classes.weight.defined()) {
    weight =
        reshape(index_select(classes.weight, 0, reshape(index, {index.numel()})), targets.shape());
  }
  weight = where(ignored, 0, weight);
  const Variable picked =
      squeeze(gather(log_probabilities, classes.dim, unsqueeze(index, classes.dim)), classes.dim);
  const Variable losses = masked_fill(picked, ignored, 0) * Variable(-weight);
  if (options.reduction != Reduction::mean) return reduced(losses, options.reduction);
  return sum(losses) / Variable(sum(weight));
}

// Distances ---------------------------------------------------------------------------------------

namespace {

void check_same_shape(const char* operation, const Variable& input, const Variable& target) {
  if (input.shape() == target.shape()) return;
  throw ShapeError(std::string(operation) +
                   ": input and target differ: " + to_string(input.sizes()) + " and " +
                   to_string(target.sizes()) + "; reshape or expand one of them");
}

// The same, for losses that subtract: booleans are refused, as in PyTorch.
void check_numbers(const char* operation, const Variable& input, const Variable& target) {
  for (const Variable* const x : {&input, &target}) {
    if (x->dtype() != boolean) continue;
    const DType other = (x == &input ? target : input).dtype();
    const std::string needed = name(is_floating_point(other) ? other : float32);
    throw DTypeError(std::string(operation) + ": " + (x == &input ? "input" : "target") +
                     " is boolean, needed " + needed + "; convert it with to(" + needed + ")");
  }
  check_same_shape(operation, input, target);
}

}  // namespace

Variable mse_loss(const Variable& input, const Variable& target, const LossOptions& options) {
  check_numbers("mse_loss", input, target);
  return reduced(square(input - target), options.reduction);
}

Variable l1_loss(const Variable& input, const Variable& target, const LossOptions& options) {
  check_numbers("l1_loss", input, target);
  return reduced(abs(input - target), options.reduction);
}

// Binary classes ----------------------------------------------------------------------------------

namespace {

// y = log(1 + e^x), accurate for every x      dx = dy * sigmoid(x)
Variable log_of_one_plus_exp(const Variable& x) {
  return record("log_of_one_plus_exp", relu(x.value()) + log1p(exp(-abs(x.value()))),
                from(x, [x](const Variable& dy) { return dy * sigmoid(x); }));
}

void check_weight(const char* which, const Tensor& weight, const Variable& logits) {
  if (!weight.defined() || broadcastable_to(weight.sizes(), logits.sizes())) return;
  throw ShapeError(std::string("binary_cross_entropy_with_logits: ") + which + " has shape " +
                   to_string(weight.sizes()) + ", needed one that broadcasts to " +
                   to_string(logits.sizes()));
}

}  // namespace

// loss = w * ((1 - t) * x + (1 + (pos_weight - 1) * t) * log(1 + e^-x))
Variable binary_cross_entropy_with_logits(const Variable& logits, const Variable& targets,
                                          const BceWithLogitsOptions& options) {
  check_numbers("binary_cross_entropy_with_logits", logits, targets);
  check_weight("weight", options.weight, logits);
  check_weight("pos_weight", options.pos_weight, logits);
  Variable missed = log_of_one_plus_exp(-logits);
  if (options.pos_weight.defined()) {
    missed = missed * (1 + Variable(options.pos_weight - 1) * targets);
  }
  Variable losses = (1 - targets) * logits + missed;
  if (options.weight.defined()) losses = losses * Variable(options.weight);
  return reduced(losses, options.reduction);
}

// A float32 constant, as in PyTorch's bce_loss and cosine_embedding_loss.
constexpr double kTiny = 1e-12f;

// y = -(t log x + (1 - t) log(1 - x))      dx = dy (x - t) / (x (1 - x)), which PyTorch bounds
// dt = dy (log(1 - x) - log x)
Variable bce_loss(const Variable& input, const Variable& targets, const BceOptions& options) {
  check_numbers("bce_loss", input, targets);
  if (options.weight.defined() && !broadcastable_to(options.weight.sizes(), input.sizes())) {
    throw ShapeError("bce_loss: weight has shape " + to_string(options.weight.sizes()) +
                     ", needed one that broadcasts to " + to_string(input.sizes()));
  }
  const Tensor& x = input.value();
  if (any(logical_not(x >= 0 && x <= 1)).item<bool>()) {
    throw ValueError(
        "bce_loss: an input is outside [0, 1], needed probabilities; for other values use "
        "binary_cross_entropy_with_logits");
  }
  const auto log_of = [](const Variable& p) { return clamp(log(p), -100); };
  const auto log_of_rest = [](const Variable& p) { return clamp(log1p(-p), -100); };
  const Tensor value =
      ((targets.value() - 1) * log_of_rest(x) - targets.value() * log_of(x)).value();
  const Variable losses =
      record("bce_loss", value,
             from(input,
                  [input, targets](const Variable& dy) {
                    return dy * (input - targets) / clamp(input * (1 - input), kTiny);
                  }),
             from(targets, [input, log_of, log_of_rest](const Variable& dy) {
               return dy * (log_of_rest(input) - log_of(input));
             }));
  return reduced(options.weight.defined() ? losses * Variable(options.weight) : losses,
                 options.reduction);
}

// Robust distances --------------------------------------------------------------------------------

namespace {

void check_positive(const char* operation, const char* option, double value, bool zero_too) {
  if (value > 0 || (zero_too && value == 0)) return;
  std::ostringstream text;
  text << operation << ": " << option << " is " << value << ", needed a number above 0"
       << (zero_too ? ", or 0" : "");
  throw ValueError(text.str());
}

// max(0, x)
Variable hinge(const Variable& x) { return clamp(x, 0); }

}  // namespace

Variable smooth_l1_loss(const Variable& input, const Variable& target,
                        const SmoothL1Options& options) {
  check_numbers("smooth_l1_loss", input, target);
  check_positive("smooth_l1_loss", "beta", options.beta, true);
  const Variable difference = input - target;
  const Variable d = abs(difference);
  if (options.beta == 0) return reduced(d, options.reduction);
  // The square is of the difference: abs() has no second derivative at 0.
  return reduced(where(d.value() < options.beta, square(difference) * (0.5 / options.beta),
                       d - 0.5 * options.beta),
                 options.reduction);
}

Variable huber_loss(const Variable& input, const Variable& target, const HuberOptions& options) {
  check_numbers("huber_loss", input, target);
  check_positive("huber_loss", "delta", options.delta, false);
  const Variable difference = input - target;
  const Variable d = abs(difference);  // not in the square, as in smooth_l1_loss()
  return reduced(where(d.value() <= options.delta, square(difference) * 0.5,
                       (d - 0.5 * options.delta) * options.delta),
                 options.reduction);
}

// t (log t - x), 0 where t = 0, also for x = -inf, where PyTorch gives NaN
Variable kl_div(const Variable& input, const Variable& target, const KlDivOptions& options) {
  check_same_shape("kl_div", input, target);
  constexpr double kNever = -std::numeric_limits<double>::infinity();  // log 0
  Variable losses;
  if (options.log_target) {
    const Tensor none = target.value() == kNever;
    const Variable some = where(none, 0, target);
    losses = where(none, 0, exp(some) * (some - where(none, 0, input)));
  } else {
    const Tensor none = target.value() == 0;
    const Variable x = where(none && input.value() == kNever, 0, input);
    losses = target * log(where(none, 1, target)) - target * x;
  }
  if (!options.batchmean) return reduced(losses, options.reduction);
  const double batch = input.dim() == 0 ? 1 : static_cast<double>(input.size(0));
  return sum(losses) / batch;
}

// Margins -----------------------------------------------------------------------------------------

namespace {

// Checks that targets broadcast with x, as in PyTorch; `same_dims` also requires as many
// dimensions.
void check_target_shape(const char* operation, const Tensor& targets, const Shape& x,
                        bool same_dims) {
  bool fits = !same_dims || targets.dim() == x.dim();
  for (std::int64_t i = 1; fits && i <= std::min(targets.dim(), x.dim()); ++i) {
    const std::int64_t theirs = targets.size(-i);
    const std::int64_t ours = x[x.dim() - i];
    fits = theirs == ours || theirs == 1 || ours == 1;
  }
  if (fits) return;
  throw ShapeError(std::string(operation) + ": targets have shape " + to_string(targets.sizes()) +
                   ", needed " + to_string(x));
}

}  // namespace

// x where t = 1; max(0, margin - x) where t = -1; both added up for other t
Variable hinge_embedding_loss(const Variable& input, const Tensor& targets,
                              const HingeEmbeddingOptions& options) {
  check_target_shape("hinge_embedding_loss", targets, input.shape(), false);
  return reduced(
      where(targets != -1, input, 0) + where(targets != 1, hinge(options.margin - input), 0),
      options.reduction);
}

namespace {

// The vectors (..., dim); those whose squares could overflow are divided by their length, which
// changes no angle.
Variable without_overflow(const Variable& x) {
  if (!is_floating_point(x.dtype())) return x;
  const Tensor length = norm(x.value(), 2, {-1}, true);
  const Tensor is_long = length > 1e8;
  return any(is_long).item<bool>() ? x / where(is_long, length, 1) : x;
}

}  // namespace

// 1 - cos where t = 1; max(0, cos - margin) where t = -1; 0 for other t
Variable cosine_embedding_loss(const Variable& a, const Variable& b, const Tensor& targets,
                               const MarginOptions& options) {
  check_same_shape("cosine_embedding_loss", a, b);
  if (a.dim() != 1 && a.dim() != 2) {
    throw ShapeError("cosine_embedding_loss: vectors are " + to_string(a.sizes()) +
                     ", needed (batch, dim) or (dim)");
  }
  check_target_shape("cosine_embedding_loss", targets, a.dim() == 1 ? Shape{} : Shape{a.size(0)},
                     true);
  const Variable u = without_overflow(a), v = without_overflow(b);
  const Variable sizes = (sum(square(u), -1) + kTiny) * (sum(square(v), -1) + kTiny);
  const Variable cosine = sum(u * v, -1) / sqrt(sizes);
  return reduced(
      where(targets == 1, 1 - cosine, 0) + where(targets == -1, hinge(cosine - options.margin), 0),
      options.reduction);
}

Variable margin_ranking_loss(const Variable& a, const Variable& b, const Tensor& targets,
                             const MarginOptions& options) {
  check_same_shape("margin_ranking_loss", a, b);
  check_target_shape("margin_ranking_loss", targets, a.shape(), true);
  if (targets.dtype() == boolean) {
    throw DTypeError("margin_ranking_loss: targets are boolean, needed 1 and -1");
  }
  return reduced(hinge(options.margin - Variable(targets.to(a.dtype())) * (a - b)),
                 options.reduction);
}

Variable triplet_margin_loss(const Variable& anchor, const Variable& positive,
                             const Variable& negative, const TripletMarginOptions& options) {
  check_same_shape("triplet_margin_loss", anchor, positive);
  check_same_shape("triplet_margin_loss", anchor, negative);
  const auto distance = [&](const Variable& a, const Variable& b) {
    return pairwise_distance(a, b, options.p, options.eps);
  };
  Variable far = distance(anchor, negative);
  if (options.swap) far = minimum(far, distance(positive, negative));
  return reduced(hinge(options.margin + distance(anchor, positive) - far), options.reduction);
}

Variable multi_margin_loss(const Variable& x, const Tensor& targets,
                           const MultiMarginOptions& options) {
  if (options.p != 1 && options.p != 2) {
    throw ValueError("multi_margin_loss: p is " + std::to_string(options.p) + ", needed 1 or 2");
  }
  if (x.dim() > 2) {
    throw ShapeError("multi_margin_loss: x is " + to_string(x.sizes()) +
                     ", needed (batch, classes) or (classes)");
  }
  // A 0-d x has one class. One row of logits may have its target in a vector, and the other way
  // round; the result has the shape of targets.
  if (x.dim() == 0) return multi_margin_loss(reshape(x, {1}), targets, options);
  if (x.dim() == 1 && targets.shape() == Shape{1}) {
    return multi_margin_loss(unsqueeze(x, 0), targets, options);
  }
  if (x.dim() == 2 && x.size(0) == 1 && targets.dim() == 0) {
    return multi_margin_loss(squeeze(x, 0), targets, options);
  }
  const Classes classes("multi_margin_loss", x, options.weight);
  classes.check_targets("multi_margin_loss", targets, std::nullopt);
  const Tensor index = unsqueeze(targets, -1);
  const Tensor own = one_hot(targets, classes.count) != 0;
  Variable missed = masked_fill(hinge(options.margin - gather(x, -1, index) + x), own, 0);
  if (options.p == 2) missed = square(missed);
  if (classes.weight.defined()) {
    const Tensor picked = index_select(classes.weight, 0, flatten(targets));
    missed = missed * Variable(reshape(picked, index.shape()));
  }
  return reduced(sum(missed, -1) / static_cast<double>(classes.count), options.reduction);
}

// Many classes ------------------------------------------------------------------------------------

// -log s(u.v) - sum of log s(-u.n) = log(1 + e^-u.v) + sum of log(1 + e^u.n)
Variable negative_sampling_loss(const Variable& input, const Variable& target,
                                const Variable& negatives, const LossOptions& options) {
  check_same_shape("negative_sampling_loss", input, target);
  if (input.dim() != 2 || negatives.dim() != 3 || negatives.size(0) != input.size(0) ||
      negatives.size(2) != input.size(1)) {
    throw ShapeError("negative_sampling_loss: input is " + to_string(input.sizes()) +
                     " and negatives " + to_string(negatives.sizes()) +
                     ", needed (batch, dim) and (batch, k, dim)");
  }
  const Variable right = sum(input * target, 1);                              // (batch)
  const Variable wrong = squeeze(matmul(negatives, unsqueeze(input, 2)), 2);  // (batch, k)
  return reduced(log_of_one_plus_exp(-right) + sum(log_of_one_plus_exp(wrong), 1),
                 options.reduction);
}

// Cross entropy of the scores (target, samples...) - log(k p), with the target first
Variable sampled_softmax_loss(const Variable& input, const Tensor& targets, const Variable& weight,
                              const Tensor& samples, const Tensor& probabilities,
                              const SampledSoftmaxOptions& options) {
  const bool fits = input.dim() == 2 && weight.dim() == 2 && input.size(1) == weight.size(1) &&
                    targets.dim() == 1 && targets.size(0) == input.size(0) && samples.dim() == 1 &&
                    probabilities.shape() == Shape{weight.size(0)};
  if (!fits) {
    throw ShapeError("sampled_softmax_loss: input is " + to_string(input.sizes()) + ", targets " +
                     to_string(targets.sizes()) + ", weight " + to_string(weight.sizes()) +
                     ", samples " + to_string(samples.sizes()) + ", probabilities " +
                     to_string(probabilities.sizes()) +
                     ", needed (batch, dim), (batch), (classes, dim), (k), (classes)");
  }
  const Tensor expected =
      log(probabilities.to(input.dtype()) *
          static_cast<double>(samples.numel()));  // log of each class's expected count
  const auto corrected = [&](const Variable& scores, const Tensor& ids) {
    Variable result = scores - Variable(index_select(expected, 0, ids));
    if (options.bias.defined()) result = result + index_select(options.bias, 0, ids);
    return result;
  };
  const Variable own = corrected(sum(input * embedding(weight, targets), 1), targets);
  Variable others =
      corrected(matmul(input, transpose(embedding(weight, samples))), samples);  // (batch, k)
  if (options.remove_accidental_hits) {
    const double lowest = -std::numeric_limits<double>::infinity();
    others = masked_fill(others, unsqueeze(targets, 1) == samples, lowest);
  }
  return cross_entropy(cat({unsqueeze(own, 1), others}, 1), zeros_like(targets),
                       {.reduction = options.reduction});
}

}  // namespace tapegrad::nn
