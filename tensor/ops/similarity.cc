// Similarities and distances between vectors, with PyTorch's formulas. Read next:
// tensor/ops/compositions.h.
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  return composition::normalize(x, p, dim, eps);
}
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  return composition::cosine_similarity(a, b, dim, eps);
}
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  return composition::pairwise_distance(a, b, p, eps, keepdim);
}

// One row of a at a time, so that the differences need n * d elements of memory and not m * n * d.
Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  Shape shape = composition::cdist_batch(a, b, p);
  const Tensor left = composition::flat_batches(a, shape);   // (batches, m, d)
  const Tensor right = composition::flat_batches(b, shape);  // (batches, n, d)
  const std::int64_t batches = left.size(0);
  const std::int64_t m = left.size(1);
  const std::int64_t n = right.size(1);
  Tensor out = Tensor::uninitialized(Shape{batches, m, n}, result_type(a, b));
  for (std::int64_t i = 0; i < batches; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      out[i][j].copy_(norm(right[i] - left[i][j], p, -1));
    }
  }
  shape.push_back(m);
  shape.push_back(n);
  return reshape(out, shape);
}

}  // namespace tapegrad
