// Elements in another order or number: repeat, tile, flip, roll, tril, triu. Read next:
// autograd/ops/indexing.cc.
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>

namespace tapegrad {

// y = x over and over        dx = dy summed over the repetitions
Variable repeat(const Variable& x, const Shape& repeats) {
  Tensor value = repeat(x.value(), repeats);
  Shape sizes = x.shape();
  while (sizes.dim() < repeats.dim()) sizes.insert(0, 1);
  return record("repeat", std::move(value), from(x, [sizes, repeats](const Variable& dy) {
                  // Each dimension becomes (repetition, position); the repetitions are summed.
                  Variable dx = dy;
                  for (std::int64_t d = 0; d < sizes.dim(); ++d) {
                    dx = sum(unflatten(dx, d, {repeats[d], sizes[d]}), d);
                  }
                  return dx;
                }));
}

Variable tile(const Variable& x, const Shape& repeats) {
  Shape full = repeats;
  while (full.dim() < x.dim()) full.insert(0, 1);
  return repeat(x, full);
}

Variable flip(const Variable& x, const Dims& dims) {
  return record("flip", flip(x.value(), dims),
                from(x, [dims](const Variable& dy) { return flip(dy, dims); }));
}

Variable roll(const Variable& x, const Shape& shifts, const Dims& dims) {
  Shape back = shifts;
  for (std::int64_t i = 0; i < back.dim(); ++i) back[i] = -back[i];
  return record("roll", roll(x.value(), shifts, dims),
                from(x, [back, dims](const Variable& dy) { return roll(dy, back, dims); }));
}

Variable tril(const Variable& x, std::int64_t diagonal) {
  return record("tril", tril(x.value(), diagonal),
                from(x, [diagonal](const Variable& dy) { return tril(dy, diagonal); }));
}
Variable triu(const Variable& x, std::int64_t diagonal) {
  return record("triu", triu(x.value(), diagonal),
                from(x, [diagonal](const Variable& dy) { return triu(dy, diagonal); }));
}

}  // namespace tapegrad
