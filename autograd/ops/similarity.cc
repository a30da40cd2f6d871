// How alike vectors are, as compositions, with PyTorch's formulas: the functions of
// tensor/ops/similarity.cc with history. Read next: autograd/ops/recurrent.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>

namespace tapegrad {

Variable normalize(const Variable& x, double p, std::int64_t dim, double eps) {
  return x / clamp(norm(x, p, dim, true), eps);
}

Variable cosine_similarity(const Variable& a, const Variable& b, std::int64_t dim, double eps) {
  const Shape shape = broadcast_shapes(a.sizes(), b.sizes(), "cosine_similarity");
  wrap_dim(dim, shape.dim(), "cosine_similarity");
  return sum(normalize(expand(a, shape), 2, dim, eps) * normalize(expand(b, shape), 2, dim, eps),
             dim);
}

Variable pairwise_distance(const Variable& a, const Variable& b, double p, double eps,
                           bool keepdim) {
  return norm(a - b + eps, p, -1, keepdim);
}

// (..., m, d) and (..., n, d) -> all differences (..., m, n, d) -> (..., m, n)
Variable cdist(const Variable& a, const Variable& b, double p) {
  const bool tracked = tape().recording() && (a.requires_grad() || b.requires_grad());
  const bool fits = a.dim() >= 2 && b.dim() >= 2 && a.size(-1) == b.size(-1) && p >= 0;
  // Without history a row at a time will do, and says what does not fit.
  if (!tracked || !fits) return Variable(cdist(a.value(), b.value(), p));
  return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1);
}

}  // namespace tapegrad
