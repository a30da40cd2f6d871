// A sparse matrix and its product with a dense one. Read next: ppmi.h.
#pragma once

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>

namespace examples {

// Compressed sparse rows: row i has the elements values[k] in columns[k], for k from offsets[i] to
// offsets[i + 1].
struct SparseMatrix {
  tapegrad::Tensor offsets;  // (rows + 1) int64
  tapegrad::Tensor columns;  // (elements) int64
  tapegrad::Tensor values;   // (elements) float32

  std::int64_t rows() const { return offsets.numel() - 1; }
  std::int64_t elements() const { return values.numel(); }
};

// (rows, columns) x (columns, width) float32 -> (rows, width). A row is a bag of ids with weights,
// so the product is embedding_bag().
inline tapegrad::Tensor matmul(const SparseMatrix& a, const tapegrad::Tensor& x) {
  const tapegrad::NoGrad guard;
  return embedding_bag(x, a.columns, a.offsets,
                       {.mode = tapegrad::BagMode::sum,
                        .include_last_offset = true,
                        .per_sample_weights = a.values})
      .value();
}

}  // namespace examples
