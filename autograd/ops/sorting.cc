// sort, topk and median: the elements in order, with their positions. Read next:
// autograd/ops/normalization.cc.
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/minmax.h>

namespace tapegrad {

VariableAndIndices sort(const Variable& x, std::int64_t dim, bool descending) {
  describe(
      "sort",
      [&] {
        return Attributes{{"dim", dim}, {"descending", descending}};
      },
      x);
  return picked("sort", x, sort(x.value(), dim, descending), dim, true);
}
VariableAndIndices topk(const Variable& x, std::int64_t k, std::int64_t dim, bool largest) {
  describe(
      "topk",
      [&] {
        return Attributes{{"k", k}, {"dim", dim}, {"largest", largest}};
      },
      x);
  return picked("topk", x, topk(x.value(), k, dim, largest), dim, true);
}

// y = the median, an element of x       dx = dy at its position; a composition of gather
VariableAndIndices median(const Variable& x, std::int64_t dim, bool keepdim) {
  if (x.dim() == 0) return sort(x, dim);
  const std::int64_t position = wrap_dim(dim, x.dim(), "median");
  Tensor indices = median(x.value(), position, true).indices;
  const Variable values = gather(x, position, indices);
  if (keepdim) return {values, std::move(indices)};
  return {squeeze(values, position), squeeze(indices, position)};
}
Variable median(const Variable& x) { return median(flatten(x), 0).values; }

}  // namespace tapegrad
