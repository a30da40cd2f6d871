// Operations that repeat elements, change their order, or set some to 0: repeat, tile, flip, roll,
// tril, triu, and those of tensor/ops/rearrange.h. Read next: autograd/ops/indexing.cc.
#include <cstdint>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/rearrange.h>

namespace tapegrad {

// y = x repeated             dx = dy summed over the repetitions
Variable repeat(const Variable& x, const Shape& repeats) {
  Tensor value = repeat(x.value(), repeats);
  Shape sizes = x.shape();
  while (sizes.dim() < repeats.dim()) sizes.insert(0, 1);
  describe(
      "repeat",
      [&] {
        return Attributes{{"repeats", repeats}};
      },
      x);
  return record("repeat", std::move(value), from(x, [sizes, repeats](const Variable& dy) {
                  if (dy.numel() == 0) return Variable(zeros(sizes, dy.dtype()));
                  Variable dx = dy;
                  std::int64_t outer = 1;
                  for (std::int64_t d = 0; d < sizes.dim(); ++d) {
                    // Splits dimension d into (repetition, position in x and later dimensions).
                    if (repeats[d] != 1) dx = sum(reshape(dx, {outer, repeats[d], -1}), 1);
                    outer *= sizes[d];
                  }
                  return reshape(dx, sizes);
                }));
}

Variable tile(const Variable& x, const Shape& repeats) { return composition::tile(x, repeats); }

Variable flip(const Variable& x, const Dims& dims) {
  describe(
      "flip",
      [&] {
        return Attributes{{"dims", dims}};
      },
      x);
  return record("flip", flip(x.value(), dims),
                from(x, [dims](const Variable& dy) { return flip(dy, dims); }));
}

Variable roll(const Variable& x, const Shape& shifts, const Dims& dims) {
  Shape back = shifts;
  for (std::int64_t i = 0; i < back.dim(); ++i) back[i] = -back[i];
  const auto arguments = [&] {
    Attributes attributes{{"shifts", shifts}};
    if (!dims.empty()) attributes.push_back({"dims", dims});
    return attributes;
  };
  describe("roll", arguments, x);
  return record("roll", roll(x.value(), shifts, dims),
                from(x, [back, dims](const Variable& dy) { return roll(dy, back, dims); }));
}

Variable tril(const Variable& x, std::int64_t diagonal) {
  describe(
      "tril",
      [&] {
        return Attributes{{"diagonal", diagonal}};
      },
      x);
  return record("tril", tril(x.value(), diagonal),
                from(x, [diagonal](const Variable& dy) { return tril(dy, diagonal); }));
}
Variable triu(const Variable& x, std::int64_t diagonal) {
  describe(
      "triu",
      [&] {
        return Attributes{{"diagonal", diagonal}};
      },
      x);
  return record("triu", triu(x.value(), diagonal),
                from(x, [diagonal](const Variable& dy) { return triu(dy, diagonal); }));
}

Variable repeat_interleave(const Variable& x, std::int64_t repeats,
                           std::optional<std::int64_t> dim) {
  return composition::repeat_interleave(x, full({1}, repeats), dim);
}
Variable repeat_interleave(const Variable& x, const Tensor& repeats,
                           std::optional<std::int64_t> dim) {
  return composition::repeat_interleave(x, repeats, dim);
}
Variable diag(const Variable& x, std::int64_t diagonal) { return composition::diag(x, diagonal); }
std::vector<Variable> meshgrid(std::span<const Variable> axes, GridIndexing indexing) {
  return composition::meshgrid(axes, indexing);
}
Variable pad(const Variable& x, const Shape& padding, PadMode mode, Scalar value) {
  return composition::pad(x, padding, mode, value);
}

}  // namespace tapegrad
