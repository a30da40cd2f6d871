// What the fused loss computes on plain arrays. Read next: fused_kernel.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace word2vec {

// A batch (batches.h) and two tables as arrays. The gradients are added to rows of zeros: input i
// has the row input_slots[i], output o the row output_slots[o]. Null: not wanted.
template <class T>
struct FusedWork {
  const T* input = nullptr;   // (words, dim)
  const T* output = nullptr;  // (words, dim)
  std::size_t dim = 0;
  std::span<const std::int64_t> inputs;
  std::span<const std::int64_t> offsets;  // of the groups
  const std::int64_t* outputs = nullptr;  // (groups, outputs_of_group)
  std::size_t outputs_of_group = 0;
  bool mean = false;
  bool sum_gradient = false;
  T* input_gradient = nullptr;
  const std::int32_t* input_slots = nullptr;
  T* output_gradient = nullptr;
  const std::int32_t* output_slots = nullptr;
};

// Returns the loss. The instruction set is chosen when the program starts, where compiler and
// system can do that.
double run(const FusedWork<float>& work);
double run(const FusedWork<double>& work);

}  // namespace word2vec
