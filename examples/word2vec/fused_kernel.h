// What the fused loss computes on plain arrays. Read next: fused_kernel.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

// Computes the scores of the groups from `first` to before `last`, and returns their loss.
// Different groups may be computed at the same time. The instruction set is chosen when the program
// starts, where compiler and system can do that.
double run_scores(const FusedWork<float>& work, std::size_t first, std::size_t last);
double run_scores(const FusedWork<double>& work, std::size_t first, std::size_t last);

// Then adds the gradients of these groups to the rows of a part. It must visit all groups in their
// order. So each row is summed in the same order, however many parts there are.
void run_gradients(const FusedWork<float>& work, std::size_t first, std::size_t last,
                   FusedPart& part);
void run_gradients(const FusedWork<double>& work, std::size_t first, std::size_t last,
                   FusedPart& part);

// Subtracts rate * rows[i] from table[ids[i]] for each i; both have rows of dim elements.
void subtract_rows(float* table, std::span<const std::int64_t> ids, const float* rows,
                   std::size_t dim, float rate);

}  // namespace word2vec
