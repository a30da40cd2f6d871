// Probability distributions, for policy gradients and variational models: draws, logarithms of
// probabilities, entropies, divergences. The parameters are Variables, so gradients flow into them;
// all shapes broadcast. Read next: nn/distributions.cc.
//
//   const distributions::Categorical policy(net(state));          // logits
//   const Tensor action = policy.sample();
//   const Variable loss = -policy.log_prob(action) * reward;      // REINFORCE (Williams 1992)
#pragma once

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::distributions {

// One of n classes. The last dimension of `logits` are the classes: probabilities up to a factor,
// as logarithms.
class Categorical {
 public:
  // ShapeError for 0-d logits or no classes, DTypeError unless floating-point.
  explicit Categorical(const Variable& logits);
  // They need not sum to 1. ValueError for a negative one, and where all are 0.
  static Categorical from_probs(const Variable& probs);

  const Variable& logits() const& { return log_probs_; }  // normalized: their exp sums to 1
  Variable logits() const&& { return log_probs_; }
  Variable probs() const;
  // int64 classes of the shape of the logits without the last dimension.
  Tensor sample(Generator& generator = default_generator()) const;
  // Of int64 classes, whose shape broadcasts with that of a sample.
  Variable log_prob(const Tensor& classes) const;
  Variable entropy() const;  // -sum p log p
 private:
  Variable log_probs_;
};

// The normal distribution with mean `loc` and standard deviation `scale`.
class Normal {
 public:
  // DTypeError unless floating-point, ValueError unless each scale is above 0.
  Normal(const Variable& loc, const Variable& scale);

  const Variable& loc() const& { return loc_; }
  Variable loc() const&& { return loc_; }
  const Variable& scale() const& { return scale_; }
  Variable scale() const&& { return scale_; }
  Tensor sample(Generator& generator = default_generator()) const;
  // loc + scale * noise, with gradients to loc and scale (Kingma and Welling 2013).
  Variable rsample(Generator& generator = default_generator()) const;
  Variable log_prob(const Variable& value) const;
  Variable entropy() const;  // 1/2 + log(2 pi) / 2 + log(scale)
 private:
  Variable loc_, scale_;
};

// 1 with the probability sigmoid(logits), else 0.
class Bernoulli {
 public:
  explicit Bernoulli(const Variable& logits);          // DTypeError unless floating-point
  static Bernoulli from_probs(const Variable& probs);  // ValueError outside of [0, 1]

  const Variable& logits() const& { return logits_; }
  Variable logits() const&& { return logits_; }
  Variable probs() const { return sigmoid(logits_); }
  Tensor sample(Generator& generator = default_generator()) const;  // 0 and 1, of the logits' type
  Variable log_prob(const Variable& value) const;                   // of 0 and 1
  Variable entropy() const;

 private:
  Variable logits_;
};

// The Kullback-Leibler divergence of q from p, the mean under p of log p - log q.
Variable kl_divergence(const Categorical& p, const Categorical& q);
Variable kl_divergence(const Normal& p, const Normal& q);
Variable kl_divergence(const Bernoulli& p, const Bernoulli& q);

}  // namespace tapegrad::distributions
