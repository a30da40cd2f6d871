// Similarity of vectors, and distances between them: compositions (tensor/ops/compositions.h). Read
// next: autograd/ops/recurrent.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {

Variable normalize(const Variable& x, double p, std::int64_t dim, double eps) {
  return composition::normalize(x, p, dim, eps);
}
Variable cosine_similarity(const Variable& a, const Variable& b, std::int64_t dim, double eps) {
  return composition::cosine_similarity(a, b, dim, eps);
}
Variable pairwise_distance(const Variable& a, const Variable& b, double p, double eps,
                           bool keepdim) {
  return composition::pairwise_distance(a, b, p, eps, keepdim);
}

// (..., m, d) and (..., n, d) -> all differences (..., m, n, d) -> (..., m, n)
Variable cdist(const Variable& a, const Variable& b, double p) {
  const bool tracked = Tape::is_recording() && (a.requires_grad() || b.requires_grad());
  if (!tracked) return Variable(cdist(a.value(), b.value(), p));  // needs less memory
  Shape shape = composition::cdist_batch(a, b, p);
  if (shape.dim() + 3 <= Shape::kMaxDims) return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1);
  // With all dimensions of the batch, the differences would have more than kMaxDims dimensions.
  const Variable left = composition::flat_batches(a, shape);
  const Variable right = composition::flat_batches(b, shape);
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-2));
  return reshape(norm(unsqueeze(left, -2) - unsqueeze(right, -3), p, -1), shape);
}

}  // namespace tapegrad
