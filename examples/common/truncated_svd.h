// The largest singular values of a matrix of which only products are known, and their vectors.
// Read next: truncated_svd.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <functional>

namespace examples {

// A matrix A (rows, columns) as two functions: x (columns, width) -> A x, and y (rows, width) ->
// A^T y, both float32.
struct LinearOperator {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::function<tapegrad::Tensor(const tapegrad::Tensor&)> times;
  std::function<tapegrad::Tensor(const tapegrad::Tensor&)> transposed_times;
};

struct TruncatedSvdSettings {
  std::int64_t rank = 1;           // singular values to find
  std::int64_t oversampling = 20;  // more columns to iterate with
  int iterations = 12;             // products with A A^T; more are more exact
};

// A is about u diag(s) v^T. A singular value of 0 has vectors of 0.
struct TruncatedSvd {
  tapegrad::Tensor u;  // (rows, rank) float32
  tapegrad::Tensor s;  // (rank), descending
  tapegrad::Tensor v;  // (columns, rank)
};

// Block power iteration from a random start (Halko, Martinsson and Tropp 2011, algorithms 4.4 and
// 5.1). The products are float32, everything else is float64. rank is at most the smaller size of
// A. Undefined tensors if stopped() returned true.
TruncatedSvd truncated_svd(const LinearOperator& a, const TruncatedSvdSettings& settings,
                           tapegrad::Generator& generator, bool (*stopped)() = nullptr);

// Orthonormal rows that span the rows of x (n, width) float64, by classical Gram-Schmidt, done
// twice. A row that depends on those above it becomes 0.
tapegrad::Tensor orthonormal_rows(const tapegrad::Tensor& x);

// The eigenvalues of a symmetric matrix (n, n) float64, descending, and the eigenvectors as rows,
// by Jacobi's rotations (1846).
struct Eigen {
  tapegrad::Tensor values;   // (n)
  tapegrad::Tensor vectors;  // (n, n)
};
Eigen symmetric_eigen(const tapegrad::Tensor& matrix);

}  // namespace examples
