// Operations that copy elements into another order or number: repeat, tile, flip, roll, tril, triu,
// and those of tensor/ops/rearrange.h.
// Read next: tensor/ops/indexing.cc.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/rearrange.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad {
namespace {

// (outer, size, ...) -> (outer, count * size, ...): copies each of the outer parts `count` times.
Tensor repeat_along(const Tensor& x, std::int64_t dim, std::int64_t count) {
  if (count == 1) return x;
  const Tensor in = x.contiguous();
  Shape shape = in.shape();
  shape[dim] *= count;
  Tensor out = Tensor::uninitialized(shape, in.dtype());
  if (out.numel() == 0) return out;
  std::size_t part = item_size(in.dtype());
  for (std::int64_t i = dim; i < shape.dim(); ++i) part *= static_cast<std::size_t>(in.size(i));
  auto* to = out.mutable_data<std::byte>();
  const auto* from = in.data<std::byte>();
  const auto* const end = from + static_cast<std::size_t>(in.numel()) * item_size(in.dtype());
  for (; from != end; from += part) {
    for (std::int64_t i = 0; i < count; ++i, to += part) std::memcpy(to, from, part);
  }
  return out;
}

// Copies x and sets zeros in each row of its matrices: columns(row) returns the first and the end
// column, which are clamped to the width.
template <class Columns>
Tensor with_zeros(const char* operation, const Tensor& x, const Columns& columns) {
  if (x.dim() < 2) {
    throw ShapeError(std::string(operation) + ": got shape " + to_string(x.sizes()) +
                     ", needed matrices: at least 2 dimensions");
  }
  Tensor out = x.clone();
  if (out.numel() == 0) return out;
  const std::int64_t height = x.size(-2);
  const std::int64_t width = x.size(-1);
  const std::size_t item = item_size(x.dtype());
  auto* row = out.mutable_data<std::byte>();
  for (std::int64_t i = 0; i < out.numel() / width; ++i) {
    const auto [from, to] = columns(i % height);
    const std::int64_t first = std::clamp<std::int64_t>(from, 0, width);
    const std::int64_t last = std::clamp<std::int64_t>(to, first, width);
    std::memset(row + static_cast<std::size_t>(first) * item, 0,
                static_cast<std::size_t>(last - first) * item);
    row += static_cast<std::size_t>(width) * item;
  }
  return out;
}

}  // namespace

Tensor repeat(const Tensor& x, const Shape& repeats) {
  const std::int64_t added = repeats.dim() - x.dim();
  if (added < 0) {
    throw ShapeError("repeat: got repeats " + to_string(repeats) + " for shape " +
                     to_string(x.sizes()) + ", needed one for each dimension");
  }
  Shape shape = x.shape();
  for (std::int64_t i = 0; i < added; ++i) shape.insert(0, 1);
  Tensor out = reshape(x, shape);
  for (std::int64_t i = 0; i < shape.dim(); ++i) {
    shape[i] = checked_multiply(shape[i], repeats[i], "repeat");
  }
  checked_numel(shape, "repeat");  // refuses negative repeats, too
  for (std::int64_t i = shape.dim() - 1; i >= 0; --i) out = repeat_along(out, i, repeats[i]);
  return out.shares_memory_with(x) ? out.clone() : out;
}

Tensor tile(const Tensor& x, const Shape& repeats) { return composition::tile(x, repeats); }

Tensor flip(const Tensor& x, const Dims& dims) {
  Tensor out = x;
  if (!dims.empty()) detail::dim_set(dims, x.dim(), "flip");
  for (const std::int64_t dim : dims) {
    if (x.dim() == 0) break;
    const std::size_t axis = detail::fast_wrap_dim(dim, x.sizes().size(), "flip");
    out = index_select(out, dim, arange(x.sizes()[axis] - 1, -1, -1));
  }
  return out.shares_memory_with(x) ? x.clone() : out;
}

Tensor roll(const Tensor& x, const Shape& shifts, const Dims& dims) {
  if (dims.empty() && shifts.dim() == 1) {  // rolls the flattened tensor
    return reshape(roll(reshape(x, x.numel()), shifts, 0), x.shape());
  }
  if (shifts.dim() != dims.dim() || dims.empty()) {
    throw ValueError("roll: got shifts " + to_string(shifts) + " and dimensions " +
                     to_string(dims) + ", needed the same number of both");
  }
  Tensor out = x;
  for (std::int64_t i = 0; i < dims.dim(); ++i) {
    const std::size_t axis = detail::existing_dim(dims[i], x, "roll");
    const std::int64_t size = x.sizes()[axis];
    if (size == 0) continue;
    const std::int64_t start = (size - shifts[i] % size) % size;
    const auto dim = static_cast<std::int64_t>(axis);
    out = cat({narrow(out, dim, start, size - start), narrow(out, dim, 0, start)}, dim);
  }
  return out.shares_memory_with(x) ? x.clone() : out;
}

namespace {
// Clamps a diagonal so that adding a row index cannot overflow; all diagonals outside of the matrix
// give the same result.
std::int64_t near(std::int64_t diagonal) {
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  return std::clamp(diagonal, -kFar, kFar);
}
}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  return with_zeros("tril", x, [d = near(diagonal)](std::int64_t row) {
    return std::pair(row + d + 1, INT64_MAX);
  });
}
Tensor triu(const Tensor& x, std::int64_t diagonal) {
  return with_zeros("triu", x, [d = near(diagonal)](std::int64_t row) {
    return std::pair(std::int64_t{0}, row + d);
  });
}

Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::optional<std::int64_t> dim) {
  return composition::repeat_interleave(x, full({1}, repeats), dim);
}
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::optional<std::int64_t> dim) {
  return composition::repeat_interleave(x, repeats, dim);
}
Tensor diag(const Tensor& x, std::int64_t diagonal) { return composition::diag(x, diagonal); }
std::vector<Tensor> meshgrid(std::span<const Tensor> axes, GridIndexing indexing) {
  return composition::meshgrid(axes, indexing);
}
Tensor pad(const Tensor& x, const Shape& padding, PadMode mode, Scalar value) {
  return composition::pad(x, padding, mode, value);
}

}  // namespace tapegrad
