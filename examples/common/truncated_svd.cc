// Random directions are multiplied by A A^T until they lie where A is large; then a small matrix
// has the singular values. Read next: hashing.h.
#include "common/truncated_svd.h"

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace examples {
namespace {

namespace tg = tapegrad;

// Orthonormal columns that span the columns of x, as float32, for the next product.
tg::Tensor orthonormal_columns(const tg::Tensor& x) {
  const tg::Tensor rows = transpose(x).to(tg::float64).contiguous();
  return transpose(orthonormal_rows(rows)).to(tg::float32).contiguous();
}

// One rotation of Jacobi's method: makes a[p][q] 0.
void rotate(std::span<double> a, std::span<double> vectors, std::size_t n, std::size_t p,
            std::size_t q) {
  const double apq = a[p * n + q];
  if (apq == 0) return;
  const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
  const double c = 1 / std::sqrt(t * t + 1);
  const double s = t * c;
  const auto turn = [c, s](double& x, double& y) {
    const double old = x;
    x = c * old - s * y;
    y = s * old + c * y;
  };
  for (std::size_t k = 0; k < n; ++k) turn(a[k * n + p], a[k * n + q]);
  for (std::size_t k = 0; k < n; ++k) turn(a[p * n + k], a[q * n + k]);
  for (std::size_t k = 0; k < n; ++k) turn(vectors[p * n + k], vectors[q * n + k]);
}

// The sum of squares beside the diagonal.
double off_diagonal(std::span<const double> a, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) sum += i == j ? 0 : a[i * n + j] * a[i * n + j];
  }
  return sum;
}

}  // namespace

tg::Tensor orthonormal_rows(const tg::Tensor& x) {
  const tg::Tensor result = x.clone();
  for (std::int64_t i = 0; i < result.size(0); ++i) {
    tg::Tensor row = select(result, 0, i);
    const double before = norm(row).item<double>();
    if (i > 0) {
      const tg::Tensor above = narrow(result, 0, 0, i);  // (i, width)
      for (int pass = 0; pass < 2; ++pass) {
        row.copy_(row - matmul(matmul(above, row), above));
      }
    }
    const double after = norm(row).item<double>();
    const double factor = after > 1e-10 * before ? 1 / after : 0;
    row.copy_(row * factor);
  }
  return result;
}

Eigen symmetric_eigen(const tg::Tensor& matrix) {
  const auto n = static_cast<std::size_t>(matrix.size(0));
  tg::Tensor a = matrix.clone();
  tg::Tensor vectors = tg::eye(matrix.size(0), tg::float64);
  const auto elements = a.mutable_span<double>();
  const auto rows = vectors.mutable_span<double>();
  const double all = sum(square(matrix)).item<double>();
  for (int sweep = 0; sweep < 60 && off_diagonal(elements, n) > 1e-26 * all; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) rotate(elements, rows, n, p, q);
    }
  }
  std::vector<double> diagonal;
  for (std::size_t i = 0; i < n; ++i) diagonal.push_back(elements[i * n + i]);
  const auto [values, order] = sort(tg::tensor(diagonal), 0, true);
  return {values, index_select(vectors, 0, order)};
}

TruncatedSvd truncated_svd(const LinearOperator& a, const TruncatedSvdSettings& settings,
                           tg::Generator& generator, bool (*stopped)()) {
  const auto stop = [&] { return stopped != nullptr && stopped(); };
  const std::int64_t width =
      std::min(settings.rank + settings.oversampling, std::min(a.rows, a.columns));
  tg::Tensor q = tg::randn({a.columns, width}, tg::float32, generator);
  for (int i = 0; i < settings.iterations && !stop(); ++i) {
    q = orthonormal_columns(a.times(q));             // (rows, width)
    q = orthonormal_columns(a.transposed_times(q));  // (columns, width)
  }
  if (stop()) return {};
  // A is about A q q^T. B = A q is narrow, and B^T B = E^T diag(s^2) E gives all: the columns of
  // B E^T are u * s, and those of q E^T are v.
  const tg::Tensor b = a.times(q).to(tg::float64);  // (rows, width)
  const Eigen eigen = symmetric_eigen(matmul(transpose(b), b));
  const tg::Tensor turn =
      transpose(narrow(eigen.vectors, 0, 0, settings.rank)).contiguous();  // (width, rank)
  tg::Tensor s = sqrt(clamp(narrow(eigen.values, 0, 0, settings.rank), 0.0));
  const double largest = max(s).item<double>();
  const tg::Tensor there = s > 1e-6 * largest;
  s = where(there, s, 0.0);
  const tg::Tensor u = where(there, matmul(b, turn) / where(there, s, 1.0), 0.0);
  const tg::Tensor v = where(there, matmul(q.to(tg::float64), turn), 0.0);
  return {u.to(tg::float32), s.to(tg::float32), v.to(tg::float32)};
}

}  // namespace examples
