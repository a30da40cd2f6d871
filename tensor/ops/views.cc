// Operations that change the shape: reshape and others, which return views if the strides allow it,
// and joining and splitting. Read next: tensor/ops/rearrange.cc.
#include <algorithm>
#include <cstring>
#include <string>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad {

using detail::existing_dim;
using detail::fast_wrap_dim;
using detail::ViewLayout;

namespace detail {
namespace {

[[noreturn, gnu::cold, gnu::noinline]] void throw_no_dimensions(const char* operation) {
  throw IndexError(std::string(operation) +
                   ": got a 0-d tensor, needed at least one dimension; reshape(x, {1}) gives one");
}

}  // namespace

std::size_t existing_dim(std::int64_t dim, std::size_t dims, const char* operation) {
  if (dims == 0) throw_no_dimensions(operation);
  return fast_wrap_dim(dim, dims, operation);
}

void check_room(const char* operation, std::span<const std::int64_t> sizes) {
  if (sizes.size() < static_cast<std::size_t>(Shape::kMaxDims)) [[likely]]
    return;
  throw ShapeError(std::string(operation) + ": shape " + to_string(sizes) +
                   " has no room for another dimension, at most " +
                   std::to_string(Shape::kMaxDims) + " are possible");
}

DimSet dim_set(const Dims& dims, std::int64_t count, const char* operation) {
  if (dims.empty()) return (DimSet{1} << count) - 1;
  DimSet set = 0;
  for (const std::int64_t dim : dims) {
    const std::size_t wrapped = fast_wrap_dim(dim, static_cast<std::size_t>(count), operation);
    if (contains(set, wrapped)) {
      throw ValueError(std::string(operation) + ": dimension " + std::to_string(wrapped) +
                       " is listed twice in " + to_string(dims));
    }
    set |= DimSet{1} << wrapped;
  }
  return set;
}

}  // namespace detail

namespace {

using Sizes = std::span<const std::int64_t>;

[[noreturn, gnu::cold, gnu::noinline]] void throw_bad_reshape(const char* operation,
                                                              const Tensor& x, Sizes shape,
                                                              const char* reason) {
  throw ShapeError(std::string(operation) + ": shape " + to_string(x.sizes()) + " with " +
                   std::to_string(x.numel()) + " elements does not fit " + to_string(shape) + ": " +
                   reason);
}

// Writes `shape` to `sizes` and replaces -1 by numel / (product of the other sizes).
void infer_sizes(const char* operation, const Tensor& x, Sizes shape, std::int64_t* sizes) {
  std::int64_t product = 1;
  std::size_t unknown = shape.size();
  bool overflow = false;
  bool zero = false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    sizes[i] = shape[i];
    if (shape[i] == -1) {
      if (unknown != shape.size()) {
        throw_bad_reshape(operation, x, shape, "only one size can be -1");
      }
      unknown = i;
      continue;
    }
    if (shape[i] < 0) throw_bad_reshape(operation, x, shape, "sizes cannot be negative");
    zero = zero || shape[i] == 0;
    overflow = __builtin_mul_overflow(product, shape[i], &product) || overflow;
  }
  if (zero) product = 0;
  if (overflow && !zero) {
    throw_bad_reshape(operation, x, shape, "more elements than can be addressed");
  }
  const std::int64_t numel = x.numel();
  if (unknown == shape.size()) {
    if (product != numel) {
      throw_bad_reshape(operation, x, shape, "the number of elements must stay the same");
    }
    return;
  }
  if (product == 0) {
    throw_bad_reshape(operation, x, shape, "-1 is ambiguous if another size is 0");
  }
  if (numel % product != 0) {
    throw_bad_reshape(operation, x, shape, "the other sizes do not divide the number of elements");
  }
  sizes[unknown] = numel / product;
}

void set_contiguous_strides(ViewLayout& layout) {
  std::uint64_t step = 1;  // can overflow only if another size is 0; then no stride is ever used
  for (std::size_t i = layout.dim; i-- > 0;) {
    layout.strides[i] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(std::max<std::int64_t>(layout.sizes[i], 1));
  }
}

// Sets strides that give x's memory the sizes in `layout`; returns false if there are none. A block
// is a run of x's dimensions that could be merged into one dimension; the new sizes must divide
// every block exactly.
bool find_strides(const Tensor& x, ViewLayout& layout) {
  if (x.is_contiguous()) {
    set_contiguous_strides(layout);
    return true;
  }
  const Sizes from_sizes = x.sizes();
  const Sizes from_strides = x.strides();
  std::size_t to = layout.dim;
  std::int64_t block = 1;                         // elements of the block so far
  std::int64_t block_step = from_strides.back();  // the stride of its last dimension
  for (std::size_t from = from_sizes.size(); from-- > 0;) {
    block *= from_sizes[from];
    const bool ends =
        from == 0 || (from_sizes[from - 1] != 1 && from_strides[from - 1] != block * block_step);
    if (!ends) continue;
    std::int64_t cut = 1;
    while (to > 0 && (cut < block || layout.sizes[to - 1] == 1)) {
      --to;
      layout.strides[to] = cut * block_step;
      cut *= layout.sizes[to];
    }
    if (cut != block) return false;
    block = 1;
    if (from > 0) block_step = from_strides[from - 1];
  }
  return to == 0;
}

ViewLayout reshaped(const char* operation, const Tensor& x, const Shape& shape) {
  ViewLayout layout;
  layout.dim = static_cast<std::size_t>(shape.dim());
  infer_sizes(operation, x, shape, layout.sizes.data());
  return layout;
}

[[noreturn, gnu::cold, gnu::noinline]] void throw_bad_expand(const char* operation, Sizes sizes,
                                                             Sizes shape) {
  throw ShapeError(std::string(operation) + ": shape " + to_string(sizes) + " does not expand to " +
                   to_string(shape) +
                   ", needed equal sizes or 1, aligned at the right; -1 keeps a size");
}

Tensor expand(const char* operation, const Tensor& x, const Shape& shape) {
  const Sizes sizes = x.sizes();
  const Sizes strides = x.strides();
  const auto dims = static_cast<std::size_t>(shape.dim());
  if (sizes.size() > dims) throw_bad_expand(operation, sizes, shape);
  const std::size_t added = dims - sizes.size();
  ViewLayout layout;
  for (std::size_t i = 0; i < dims; ++i) {
    const std::int64_t size = shape.begin()[i];
    if (i < added) {
      if (size < 0) throw_bad_expand(operation, sizes, shape);
      layout.append(size, 0);
      continue;
    }
    const std::int64_t old_size = sizes[i - added];
    if (size == old_size || size == -1) {
      layout.append(old_size, strides[i - added]);
    } else {
      if (old_size != 1 || size < 0) throw_bad_expand(operation, sizes, shape);
      layout.append(size, 0);
    }
  }
  checked_numel(layout.shape(), operation);
  return layout.of(x);
}

}  // namespace

// Views -------------------------------------------------------------------------------------------

Tensor reshape(const Tensor& x, const Shape& shape) {
  ViewLayout layout = reshaped("reshape", x, shape);
  if (find_strides(x, layout)) return layout.of(x);
  set_contiguous_strides(layout);
  return layout.of(x.contiguous());
}

Tensor view(const Tensor& x, const Shape& shape) {
  ViewLayout layout = reshaped("view", x, shape);
  if (!find_strides(x, layout)) {
    throw ShapeError("view: shape " + to_string(x.sizes()) + " with strides " +
                     to_string(x.strides()) + " cannot be viewed as " + to_string(shape) +
                     " without a copy; use reshape, which copies if needed");
  }
  return layout.of(x);
}

Tensor flatten(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
  const Sizes sizes = x.sizes();
  const std::size_t start = fast_wrap_dim(start_dim, sizes.size(), "flatten");
  const std::size_t end = fast_wrap_dim(end_dim, sizes.size(), "flatten");
  if (sizes.empty()) return reshape(x, 1);
  if (start > end) {
    throw ValueError("flatten: start_dim " + std::to_string(start) + " comes after end_dim " +
                     std::to_string(end));
  }
  if (start == end) return x;
  Shape shape(sizes.first(start));
  std::int64_t joined = 1;
  for (std::size_t i = start; i <= end; ++i) joined = checked_multiply(joined, sizes[i], "flatten");
  shape.push_back(joined);
  for (const std::int64_t size : sizes.subspan(end + 1)) shape.push_back(size);
  return reshape(x, shape);
}

Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes) {
  const auto position = static_cast<std::int64_t>(existing_dim(dim, x, "unflatten"));
  Shape shape = x.shape();
  const std::int64_t size = shape[position];
  std::int64_t product = 1;
  std::int64_t unknown = -1;
  for (std::int64_t i = 0; i < sizes.dim(); ++i) {
    if (sizes[i] == -1 && unknown < 0) {
      unknown = i;
    } else if (sizes[i] < 0) {
      product = -1;
      break;
    } else {
      product = checked_multiply(product, sizes[i], "unflatten");
    }
  }
  const bool fits =
      unknown < 0 ? product == size && !sizes.empty() : product > 0 && size % product == 0;
  if (!fits) {
    throw ShapeError("unflatten: sizes " + to_string(sizes) + " do not multiply to " +
                     std::to_string(size) + ", the size of dimension " + std::to_string(position));
  }
  shape.erase(position);
  for (std::int64_t i = 0; i < sizes.dim(); ++i) {
    shape.insert(position + i, i == unknown ? size / product : sizes[i]);
  }
  return view(x, shape);  // splitting one dimension never needs a copy
}

Tensor squeeze(const Tensor& x) {
  const Sizes sizes = x.sizes();
  const Sizes strides = x.strides();
  ViewLayout layout;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 1) layout.append(sizes[i], strides[i]);
  }
  return layout.of(x);
}

Tensor squeeze(const Tensor& x, std::int64_t dim) {
  const Sizes sizes = x.sizes();
  const std::size_t position = fast_wrap_dim(dim, sizes.size(), "squeeze");
  if (sizes.empty() || sizes[position] != 1) return x;
  ViewLayout layout(x);
  layout.erase(position);
  return layout.of(x);
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  const Sizes sizes = x.sizes();
  const Sizes strides = x.strides();
  const std::size_t position = fast_wrap_dim(dim, sizes.size() + 1, "unsqueeze");
  detail::check_room("unsqueeze", sizes);
  ViewLayout layout;
  for (std::size_t i = 0; i < position; ++i) layout.append(sizes[i], strides[i]);
  layout.append(1, position < sizes.size() ? sizes[position] * strides[position] : 1);
  for (std::size_t i = position; i < sizes.size(); ++i) layout.append(sizes[i], strides[i]);
  return layout.of(x);
}

Tensor permute(const Tensor& x, const Dims& dims) {
  const Sizes sizes = x.sizes();
  const Sizes strides = x.strides();
  if (dims.dim() != x.dim()) {
    throw ShapeError("permute: got dimensions " + to_string(dims) + " for shape " +
                     to_string(sizes) + ", needed each of its dimensions once");
  }
  detail::dim_set(dims, x.dim(), "permute");
  ViewLayout layout;
  for (const std::int64_t dim : dims) {
    const std::size_t from = fast_wrap_dim(dim, sizes.size(), "permute");
    layout.append(sizes[from], strides[from]);
  }
  return layout.of(x);
}

Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  ViewLayout layout(x);
  const std::size_t first = fast_wrap_dim(dim0, layout.dim, "transpose");
  const std::size_t second = fast_wrap_dim(dim1, layout.dim, "transpose");
  if (first == second) return x;
  std::swap(layout.sizes[first], layout.sizes[second]);
  std::swap(layout.strides[first], layout.strides[second]);
  return layout.of(x);
}

Tensor transpose(const Tensor& x) {
  if (x.dim() < 2) {
    throw ShapeError("transpose: got shape " + to_string(x.sizes()) +
                     ", needed at least 2 dimensions; unsqueeze(x, 0) turns a vector into a row");
  }
  return transpose(x, -2, -1);
}

Tensor expand(const Tensor& x, const Shape& shape) { return expand("expand", x, shape); }
Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  return expand("broadcast_to", x, shape);
}

Tensor contiguous(const Tensor& x) { return x.contiguous(); }
Tensor clone(const Tensor& x) { return x.clone(); }

// Joining -----------------------------------------------------------------------------------------

namespace {

// Copies the pieces into the result. The result and each piece consist of `count` rows; a row of
// the result is the concatenation of the pieces' rows.
Tensor join(const composition::Joined& to, std::span<const Tensor> pieces) {
  DType dtype = pieces[0].dtype();
  for (const Tensor& piece : pieces) dtype = promote(dtype, piece.dtype());
  Tensor out = Tensor::uninitialized(to.shape, dtype);
  if (out.numel() == 0) return out;
  std::int64_t count = 1;
  for (std::int64_t d = 0; d < to.dim; ++d) count *= to.shape[d];
  auto* at = out.mutable_data<std::byte>();
  const std::size_t item = item_size(dtype);
  const std::size_t row = static_cast<std::size_t>(out.numel() / count) * item;
  for (const Tensor& piece : pieces) {
    if (piece.numel() == 0) continue;
    const Tensor source = piece.to(dtype).contiguous();
    const auto* from = source.data<std::byte>();
    const std::size_t part = static_cast<std::size_t>(source.numel() / count) * item;
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(at + static_cast<std::size_t>(i) * row, from + static_cast<std::size_t>(i) * part,
                  part);
    }
    at += part;
  }
  return out;
}

}  // namespace

Tensor cat(std::span<const Tensor> tensors, std::int64_t dim) {
  return join(composition::joined(tensors, dim), tensors);
}
Tensor stack(std::span<const Tensor> tensors, std::int64_t dim) {
  return join(composition::stacked(tensors, dim), tensors);
}

// Splitting ---------------------------------------------------------------------------------------

std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim) {
  return composition::split(x, split_size, dim);
}
std::vector<Tensor> split(const Tensor& x, const Shape& split_sizes, std::int64_t dim) {
  return composition::split(x, split_sizes, dim);
}
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  return composition::chunk(x, chunks, dim);
}
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim) {
  return composition::unbind(x, dim);
}

}  // namespace tapegrad
