// How alike vectors are, as compositions, with PyTorch's formulas. Read next:
// tensor/ops/recurrent.cc.
#include <string>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad {

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  return x / clamp(norm(x, p, dim, true), eps);
}

// sum (a / |a|) (b / |b|): dividing first keeps the products of small and of large vectors finite.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  detail::require_floating("cosine_similarity", a);
  detail::require_floating("cosine_similarity", b);
  const Shape shape = broadcast_shapes(a.sizes(), b.sizes(), "cosine_similarity");
  wrap_dim(dim, shape.dim(), "cosine_similarity");
  return sum(normalize(expand(a, shape), 2, dim, eps) * normalize(expand(b, shape), 2, dim, eps),
             dim);
}

// |a - b + eps| over the last dimension; eps keeps the gradient finite where a == b.
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  return norm(a - b + eps, p, -1, keepdim);
}

// A row of a at a time, so that the differences take the memory of b and not of a times b.
Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  detail::require_floating("cdist", a);
  detail::require_floating("cdist", b);
  if (a.dim() < 2 || b.dim() < 2 || a.size(-1) != b.size(-1)) {
    throw ShapeError("cdist: got shapes " + to_string(a.sizes()) + " and " + to_string(b.sizes()) +
                     ", needed (..., m, d) and (..., n, d)");
  }
  if (!(p >= 0)) throw ValueError("cdist: p is " + std::to_string(p) + ", needed 0 or more");
  Shape batch = broadcast_shapes(a.sizes().first(a.sizes().size() - 2),
                                 b.sizes().first(b.sizes().size() - 2), "cdist");
  const std::int64_t batches = checked_numel(batch, "cdist");
  const auto flat = [&](const Tensor& x) {  // (..., rows, d) -> (batches, rows, d)
    Shape shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return reshape(expand(x, shape), {batches, x.size(-2), x.size(-1)});
  };
  const Tensor left = flat(a);
  const Tensor right = flat(b);
  const std::int64_t m = a.size(-2);
  const std::int64_t n = b.size(-2);
  Tensor out = Tensor::uninitialized(Shape{batches, m, n}, result_type(a, b));
  for (std::int64_t i = 0; i < batches; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      out[i][j].copy_(norm(right[i] - left[i][j], p, -1));
    }
  }
  batch.push_back(m);
  batch.push_back(n);
  return reshape(out, batch);
}

}  // namespace tapegrad
