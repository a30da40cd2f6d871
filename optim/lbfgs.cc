// LBFGS: the two loops, the line search, and the conditions that end a step. The parameters are one
// vector here. Read next: optim/lazy/lazy_rows.h.
#include <tapegrad/optim/lbfgs.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

double number(const Tensor& x) { return x.item<double>(); }
double largest(const Tensor& x) { return x.numel() == 0 ? 0 : number(max(abs(x))); }

void check_number(bool valid, const char* option, double value, const char* needed) {
  if (valid) return;
  throw ValueError(std::string("LBFGS: ") + option + " is " + std::to_string(value) + ", needed " +
                   needed);
}

}  // namespace

LBFGS::LBFGS(std::vector<NamedParameter> parameters, LBFGSOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  check_number(options.lr >= 0, "lr", options.lr, "a number >= 0");
  check_number(options.max_iter >= 1, "max_iter", static_cast<double>(options.max_iter),
               "at least 1");
  check_number(options.history_size >= 1, "history_size", static_cast<double>(options.history_size),
               "at least 1");
  check_number(options.tolerance_grad >= 0, "tolerance_grad", options.tolerance_grad,
               "a number >= 0");
  check_number(options.tolerance_change >= 0, "tolerance_change", options.tolerance_change,
               "a number >= 0");
  if (parameters_.empty()) throw ValueError("LBFGS: got no parameters");
  for (const NamedParameter& parameter : parameters_) {
    if (!parameter.variable.is_leaf() || !parameter.requires_grad()) {
      throw ValueError("LBFGS: a parameter is not a leaf that requires a gradient");
    }
    if (parameter.dtype() != parameters_[0].dtype()) {
      throw DTypeError(std::string("LBFGS: got parameters of type ") +
                       name(parameters_[0].dtype()) + " and " + name(parameter.dtype()) +
                       ", needed one type; convert the model with to()");
    }
  }
}

void LBFGS::set_lr(double lr) {
  check_number(lr >= 0, "lr", lr, "a number >= 0");
  options_.lr = lr;
}

void LBFGS::restart() {
  iterations_ = 0;
  changes_.clear();
  steps_.clear();
}

// The parameters as one vector
// ---------------------------------------------------------------------

Tensor LBFGS::gathered() const {
  std::vector<Tensor> parts;
  for (const NamedParameter& parameter : parameters_) parts.push_back(flatten(parameter.value()));
  return cat(parts);
}

void LBFGS::scatter(const Tensor& x) {
  std::int64_t start = 0;
  for (NamedParameter& parameter : parameters_) {
    const Tensor part = narrow(x, 0, start, parameter.numel());
    parameter.set_value(reshape(part, parameter.shape()));
    start += parameter.numel();
  }
}

LBFGS::Evaluation LBFGS::evaluate(const std::function<Variable()>& loss) {
  ++evaluations_;
  std::vector<Variable> leaves;
  for (const NamedParameter& parameter : parameters_) leaves.push_back(parameter.variable);
  const Variable value = loss();
  std::vector<Tensor> parts;
  std::vector<Variable> found;
  try {
    found = grad(value, leaves, {.allow_unused = true});
  } catch (Error& error) {
    error.add_context("the function of LBFGS::step, which returns the loss without backward()");
    throw;
  }
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    parts.push_back(flatten(found[i].defined() ? found[i].value() : zeros_like(leaves[i].value())));
  }
  return {value.item(), cat(parts)};
}

LBFGS::Evaluation LBFGS::evaluate_at(const std::function<Variable()>& loss, const Tensor& x,
                                     double length, const Tensor& direction) {
  scatter(x + length * direction);
  return evaluate(loss);
}

// The direction -----------------------------------------------------------------------------------

void LBFGS::remember(const Tensor& change, const Tensor& step) {
  const double curvature = number(dot(change, step));
  if (!(curvature > 1e-10)) return;
  if (std::ssize(changes_) == options_.history_size) {
    changes_.erase(changes_.begin());
    steps_.erase(steps_.begin());
  }
  changes_.push_back(change);
  steps_.push_back(step);
  scale_ = curvature / number(dot(change, change));
}

Tensor LBFGS::direction(const Tensor& gradient) const {
  Tensor q = -gradient;
  std::vector<double> weights(steps_.size());
  for (std::size_t i = steps_.size(); i-- > 0;) {
    weights[i] = number(dot(steps_[i], q)) / number(dot(changes_[i], steps_[i]));
    q = q - weights[i] * changes_[i];
  }
  q = q * scale_;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const double back = number(dot(changes_[i], q)) / number(dot(changes_[i], steps_[i]));
    q = q + (weights[i] - back) * steps_[i];
  }
  return q;
}

// The length
// ---------------------------------------------------------------------------------------
namespace {

// A point of the search: its length, loss and slope along the direction.
struct Point {
  double length;
  double loss;
  double slope;
  Tensor gradient;
};

// The minimum of the cubic with the losses and slopes of two points, kept within bounds (formula
// 3.59).
double minimum_of_cubic(const Point& a, const Point& b, double low, double high) {
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double found =
      a.length <= b.length
          ? b.length - (b.length - a.length) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
          : a.length - (a.length - b.length) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return std::min(std::max(found, low), high);
}
// Which of the two has the lower loss; NaN is the highest.
std::size_t lower_end(const std::vector<Point>& bracket) {
  if (std::isnan(bracket[0].loss)) return 1;
  return bracket[1].loss < bracket[0].loss ? 1 : 0;
}

double minimum_of_cubic(const Point& a, const Point& b) {
  return minimum_of_cubic(a, b, std::min(a.length, b.length), std::max(a.length, b.length));
}

}  // namespace

// First it moves away from the start until two points enclose a good one; then it cuts the space
// between them.
LBFGS::Search LBFGS::search(const std::function<Variable()>& loss, const Tensor& x,
                            const Tensor& direction, double length, const Evaluation& start,
                            double slope) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;
  constexpr int kMostEvaluations = 25;
  const double size = largest(direction);
  const auto at = [&](double where) -> Point {
    Evaluation found = evaluate_at(loss, x, where, direction);
    const double along = number(dot(found.gradient, direction));
    return {where, found.loss, along, std::move(found.gradient)};
  };
  const auto too_high = [&](const Point& p) {
    return p.loss > start.loss + kDecrease * p.length * slope;
  };
  const auto is_flat = [&](const Point& p) { return std::abs(p.slope) <= -kCurvature * slope; };
  const auto result = [](Point p) -> Search { return {p.length, {p.loss, std::move(p.gradient)}}; };

  Point previous{0, start.loss, slope, start.gradient};
  Point current = at(length);
  std::vector<Point> bracket;
  int evaluations = 1;
  while (evaluations < kMostEvaluations) {
    if (too_high(current) || (evaluations > 1 && current.loss >= previous.loss) ||
        !std::isfinite(current.loss)) {
      bracket = {previous, current};
      break;
    }
    if (is_flat(current)) return result(current);
    if (current.slope >= 0) {
      bracket = {previous, current};
      break;
    }
    const double least = current.length + 0.01 * (current.length - previous.length);
    const double next = minimum_of_cubic(previous, current, least, current.length * 10);
    previous = std::move(current);
    current = at(next);
    ++evaluations;
  }
  if (bracket.empty()) bracket = {{0, start.loss, slope, start.gradient}, current};

  std::size_t low = lower_end(bracket);
  bool slow = false;
  while (evaluations < kMostEvaluations) {
    const double left = std::min(bracket[0].length, bracket[1].length);
    const double right = std::max(bracket[0].length, bracket[1].length);
    if ((right - left) * size < options_.tolerance_change) break;
    double next = minimum_of_cubic(bracket[0], bracket[1]);
    if (!std::isfinite(next)) next = (left + right) / 2;
    // Close to an end, twice: moves inside, so that the space shrinks.
    const double margin = 0.1 * (right - left);
    if (std::min(right - next, next - left) < margin) {
      if (slow || next >= right || next <= left) {
        next = std::abs(next - right) < std::abs(next - left) ? right - margin : left + margin;
        slow = false;
      } else {
        slow = true;
      }
    } else {
      slow = false;
    }
    Point point = at(next);
    ++evaluations;
    if (too_high(point) || !(point.loss < bracket[low].loss)) {
      bracket[1 - low] = std::move(point);
      low = lower_end(bracket);
      continue;
    }
    const bool good = is_flat(point);
    if (!good && point.slope * (bracket[1 - low].length - bracket[low].length) >= 0) {
      bracket[1 - low] = bracket[low];
    }
    bracket[low] = std::move(point);
    if (good) break;
  }
  return result(bracket[low]);
}

// The step
// -----------------------------------------------------------------------------------------

double LBFGS::step(const std::function<Variable()>& loss) {
  const std::int64_t most = options_.max_eval.value_or(options_.max_iter * 5 / 4);
  const std::int64_t evaluations_before = evaluations_;
  Evaluation now = evaluate(loss);
  const double first = now.loss;
  if (!std::isfinite(first)) {
    throw ValueError("LBFGS: the loss is " + std::to_string(first) + ", needed a finite one");
  }
  if (largest(now.gradient) <= options_.tolerance_grad) return first;
  for (std::int64_t i = 0; i < options_.max_iter; ++i) {
    ++iterations_;
    if (iterations_ == 1) {
      direction_ = -now.gradient;
      scale_ = 1;
    } else {
      remember(now.gradient - previous_gradient_, direction_ * length_);
      direction_ = direction(now.gradient);
    }
    previous_gradient_ = now.gradient;
    const double loss_before = now.loss;
    length_ = options_.lr;
    // The first direction is as long as the gradient.
    if (iterations_ == 1) length_ *= std::min(1.0, 1 / number(sum(abs(now.gradient))));
    const double slope = number(dot(now.gradient, direction_));
    if (slope > -options_.tolerance_change) break;

    const Tensor x = gathered();
    if (options_.line_search == LineSearch::strong_wolfe) {
      Search found = search(loss, x, direction_, length_, now, slope);
      length_ = found.length;
      now = std::move(found.end);
      scatter(x + length_ * direction_);
    } else {
      scatter(x + length_ * direction_);
      // Without a search, the loss after the last iteration is not needed.
      if (i + 1 < options_.max_iter) now = evaluate(loss);
    }
    if (i + 1 == options_.max_iter || evaluations_ - evaluations_before >= most) break;
    if (largest(now.gradient) <= options_.tolerance_grad) break;
    if (largest(direction_ * length_) <= options_.tolerance_change) break;
    if (std::abs(now.loss - loss_before) < options_.tolerance_change) break;
  }
  return first;
}

}  // namespace tapegrad::optim
