// What the layers of convolution share: checks and initial weights.
//
// Internal. Read next: nn/convolution.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn::detail {

// ValueError unless `groups` divides both numbers of channels.
void check_groups(const char* layer, std::int64_t in, std::int64_t out, std::int64_t groups);

const char* name(PadMode mode);

// Drawn uniformly from +-1 / sqrt(fan_in), as PyTorch draws them.
Tensor drawn_weight(const Shape& shape, DType dtype, const GeneratorRef& generator);
Tensor drawn_bias(std::int64_t out, std::int64_t fan_in, DType dtype,
                  const GeneratorRef& generator);

}  // namespace tapegrad::nn::detail
