// sort and topk: the elements in order, with their positions. Read next:
// autograd/ops/normalization.cc.
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

}  // namespace tapegrad
