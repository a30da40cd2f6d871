// What the fused loss computes on plain arrays. Read next: fused_kernel.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace word2vec {

// A batch (batches.h) and two tables as arrays. Input i has the row input_slots[i] of its gradient,
// output o the row output_slots[o]; slots count from 0 in the order of their first occurrence,
// where the row is written, and later ones are added. Null: not wanted.
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
  T* scores = nullptr;  // (predictions, outputs_of_group): the gradients of the scores
  T* means = nullptr;   // (groups, dim); only with mean
  T* input_gradient = nullptr;
  const std::int32_t* input_slots = nullptr;
  T* output_gradient = nullptr;
  const std::int32_t* output_slots = nullptr;
};

// One of several threads that add to the gradients: its slots have the remainder `part`.
struct FusedPart {
  std::int32_t part = 0;
  std::int32_t parts = 1;
  std::int32_t seen_inputs = 0;  // slots that have occurred
  std::int32_t seen_outputs = 0;
};

// The functions for one instruction set.
template <class T>
struct FusedKernels {
  // Computes the scores of the groups from `first` to before `last`, and returns their loss.
  // Different groups may be computed at the same time.
  double (*scores)(const FusedWork<T>& work, std::size_t first, std::size_t last);

  // Then adds the gradients of these groups to the rows of a part. It must visit all groups in
  // their order. So each row is summed in the same order, however many parts there are.
  void (*gradients)(const FusedWork<T>& work, std::size_t first, std::size_t last, FusedPart& part);

  // Subtracts rate * rows[i] from table[ids[i]] for each i; both have rows of dim elements.
  void (*subtract_rows)(T* table, std::span<const std::int64_t> ids, const T* rows, std::size_t dim,
                        T rate);
};

// For a level of the library's kernels, "base", "avx2" or "avx512"; base for another name, and
// where the compiler has only this. The processor must support it.
template <class T>
const FusedKernels<T>& fused_kernels(std::string_view level);

// For the level that the library has chosen; it can be set by TAPEGRAD_SIMD.
template <class T>
const FusedKernels<T>& fused_kernels();

}  // namespace word2vec
