// WeightedRandomSampler: the examples of a pass, drawn by weight. Read next: nn/data/sampler.cc.
#pragma once

#include <cstdint>
#include <vector>

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::nn {

// Draws num_samples positions in each pass of a DataLoader. The probability of example i is
// weights[i] divided by the sum of the weights. It evens out classes of different frequency:
//
//   DataLoader loader(data, {.batch_size = 32, .sampler = WeightedRandomSampler(weights, 1000)});
//
// The positions are PyTorch's. A given generator must outlive the loader.
class WeightedRandomSampler {
 public:
  // weights is (examples). ShapeError for other shapes; ValueError for a negative or infinite
  // weight, for no positive weight, for num_samples below 1, and without replacement for more
  // samples than positive weights.
  WeightedRandomSampler(const Tensor& weights, std::int64_t num_samples, bool replacement = true,
                        GeneratorRef generator = {});

  std::int64_t num_samples() const { return num_samples_; }
  std::int64_t size() const { return weights_.size(0); }  // the number of examples
  // num_samples positions, drawn from the generator.
  std::vector<std::int64_t> draw(Generator& generator) const;
  Generator& generator() const { return generator_; }

 private:
  Tensor weights_;  // float64
  std::int64_t num_samples_;
  bool replacement_;
  GeneratorRef generator_;
};

}  // namespace tapegrad::nn
