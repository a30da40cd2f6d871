// The checks of the weights, and the draw. Read next: nn/data/loader.h.
#include <tapegrad/nn/data/sampler.h>

#include <algorithm>
#include <string>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

WeightedRandomSampler::WeightedRandomSampler(const Tensor& weights, std::int64_t num_samples,
                                             bool replacement, GeneratorRef generator)
    : weights_(weights.to(float64).clone()),
      num_samples_(num_samples),
      replacement_(replacement),
      generator_(generator) {
  const std::string start = "WeightedRandomSampler: ";
  if (weights.dim() != 1) {
    throw ShapeError(start + "weights have shape " + to_string(weights.sizes()) +
                     ", needed (examples)");
  }
  if (!all(isfinite(weights_) && weights_ >= 0).item<bool>()) {
    throw ValueError(start + "a weight is negative, infinite or nan, needed numbers from 0");
  }
  const auto positive = sum(weights_ > 0).item<std::int64_t>();
  if (positive == 0) throw ValueError(start + "no weight is above 0, needed at least one");
  if (num_samples < 1) {
    throw ValueError(start + "num_samples is " + std::to_string(num_samples) +
                     ", needed at least 1");
  }
  if (!replacement && num_samples > positive) {
    throw ValueError(start + "num_samples is " + std::to_string(num_samples) + " for " +
                     std::to_string(positive) +
                     " weights above 0, needed no more without replacement");
  }
}

std::vector<std::int64_t> WeightedRandomSampler::draw(Generator& generator) const {
  return to_vector<std::int64_t>(multinomial(weights_, num_samples_, replacement_, generator));
}

}  // namespace tapegrad::nn
