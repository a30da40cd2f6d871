// The formulas of the distributions. Read next: nn/compression/pruning.h.
#include <tapegrad/nn/distributions.h>

#include <cmath>
#include <numbers>
#include <string>

namespace tapegrad::distributions {
namespace {

void require_floating(const char* distribution, const Variable& x) {
  if (is_floating_point(x.dtype())) return;
  throw DTypeError(std::string(distribution) + ": got " + name(x.dtype()) +
                   ", needed a floating-point type; convert it with to(float32)");
}

// p * x, and 0 where p is 0 even if x is infinite.
Variable weighted(const Variable& p, const Variable& x) {
  return p * masked_fill(x, p.value() == 0, 0);
}

}  // namespace

// Categorical -------------------------------------------------------------------------------------

Categorical::Categorical(const Variable& logits) {
  require_floating("Categorical", logits);
  if (logits.dim() == 0 || logits.size(-1) == 0) {
    throw ShapeError("Categorical: logits are " + to_string(logits.sizes()) +
                     ", needed (..., classes) with at least one class");
  }
  log_probs_ = log_softmax(logits, -1);
}

Categorical Categorical::from_probs(const Variable& probs) {
  require_floating("Categorical", probs);
  if (any(probs.value() < 0).item<bool>()) {
    throw ValueError("Categorical: a probability is negative");
  }
  if (probs.dim() > 0 && !all(sum(probs.value(), -1) > 0).item<bool>()) {
    throw ValueError("Categorical: the probabilities of a distribution have no positive sum");
  }
  return Categorical(log(probs));
}

Variable Categorical::probs() const { return exp(log_probs_); }

Tensor Categorical::sample(Generator& generator) const {
  Shape shape = log_probs_.shape();
  shape.erase(shape.dim() - 1);
  const std::int64_t rows = checked_numel(shape, "Categorical");
  if (rows == 0) return zeros(shape, int64);
  const Tensor weights = exp(log_probs_.value()).reshape({rows, log_probs_.size(-1)});
  return reshape(multinomial(weights, 1, true, generator), shape);
}

Variable Categorical::log_prob(const Tensor& classes) const {
  if (classes.dtype() != int64) {
    throw DTypeError(std::string("Categorical: classes are ") + name(classes.dtype()) +
                     ", needed int64");
  }
  Shape batch = log_probs_.shape();
  batch.erase(batch.dim() - 1);
  const Shape shape = broadcast_shapes(batch, classes.sizes(), "Categorical");
  Shape full = shape;
  full.push_back(log_probs_.size(-1));
  const Tensor index = unsqueeze(expand(classes, shape), -1);
  return squeeze(gather(expand(log_probs_, full), -1, index), -1);
}

Variable Categorical::entropy() const { return -sum(weighted(probs(), log_probs_), -1); }

Variable kl_divergence(const Categorical& p, const Categorical& q) {
  return sum(weighted(p.probs(), p.logits() - q.logits()), -1);
}

// Normal ------------------------------------------------------------------------------------------

Normal::Normal(const Variable& loc, const Variable& scale) : loc_(loc), scale_(scale) {
  require_floating("Normal", loc);
  require_floating("Normal", scale);
  if (!all(scale.value() > 0).item<bool>()) {
    throw ValueError("Normal: a scale is not above 0; exp() or softplus() make it positive");
  }
}

Tensor Normal::sample(Generator& generator) const {
  const NoGrad guard;
  return rsample(generator).value();
}

Variable Normal::rsample(Generator& generator) const {
  const Shape shape = broadcast_shapes(loc_.sizes(), scale_.sizes(), "Normal");
  return loc_ + scale_ * randn(shape, loc_.dtype(), generator);
}

Variable Normal::log_prob(const Variable& value) const {
  const Variable z = (value - loc_) / scale_;
  return -0.5 * square(z) - log(scale_) - 0.5 * std::log(2 * std::numbers::pi);
}

Variable Normal::entropy() const {
  const Shape shape = broadcast_shapes(loc_.sizes(), scale_.sizes(), "Normal");
  return expand(log(scale_), shape) + (0.5 + 0.5 * std::log(2 * std::numbers::pi));
}

Variable kl_divergence(const Normal& p, const Normal& q) {
  const Variable ratio = square(p.scale() / q.scale());
  const Variable distance = square((p.loc() - q.loc()) / q.scale());
  return 0.5 * (ratio + distance - 1 - log(ratio));
}

// Bernoulli ---------------------------------------------------------------------------------------

Bernoulli::Bernoulli(const Variable& logits) : logits_(logits) {
  require_floating("Bernoulli", logits);
}

Bernoulli Bernoulli::from_probs(const Variable& probs) {
  require_floating("Bernoulli", probs);
  if (!all(probs.value() >= 0 && probs.value() <= 1).item<bool>()) {
    throw ValueError("Bernoulli: a probability is outside of [0, 1]");
  }
  return Bernoulli(log(probs) - log1p(-probs));
}

Tensor Bernoulli::sample(Generator& generator) const {
  return bernoulli(probs().value(), generator);
}

// log sigmoid(logits) for 1, log sigmoid(-logits) for 0.
Variable Bernoulli::log_prob(const Variable& value) const {
  return weighted(value, logsigmoid(logits_)) + weighted(1 - value, logsigmoid(-logits_));
}

Variable Bernoulli::entropy() const {
  const Variable p = probs();
  return -weighted(p, logsigmoid(logits_)) - weighted(1 - p, logsigmoid(-logits_));
}

Variable kl_divergence(const Bernoulli& p, const Bernoulli& q) {
  const Variable one = p.probs();
  return weighted(one, logsigmoid(p.logits()) - logsigmoid(q.logits())) +
         weighted(1 - one, logsigmoid(-p.logits()) - logsigmoid(-q.logits()));
}

}  // namespace tapegrad::distributions
