// Other shapes for the same elements: views where the strides allow it, and joining and splitting.
// Read next: tensor/ops/rearrange.cc.
#include <algorithm>
#include <cstring>
#include <string>

#include <tapegrad/tensor/ops.h>
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

std::size_t existing_dim(std::int64_t dim, const Tensor& x, const char* operation) {
  const std::size_t dims = x.sizes().size();
  if (dims == 0) throw_no_dimensions(operation);
  return fast_wrap_dim(dim, dims, operation);
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

[[noreturn, gnu::cold, gnu::noinline]] void throw_too_many_dims(const char* operation, Sizes a) {
  throw ShapeError(std::string(operation) + ": shape " + to_string(a) +
                   " has no room for another dimension, at most " +
                   std::to_string(Shape::kMaxDims) + " are possible");
}

// Writes `shape` to `sizes`, with -1 replaced by what is left of numel.
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
    throw_bad_reshape(operation, x, shape, "with a size 0 beside it, -1 could be anything");
  }
  if (numel % product != 0) {
    throw_bad_reshape(operation, x, shape, "the other sizes do not divide it");
  }
  sizes[unknown] = numel / product;
}

void set_contiguous_strides(ViewLayout& layout) {
  std::uint64_t step = 1;  // wraps only where another size is 0, so that no stride is ever used
  for (std::size_t i = layout.dim; i-- > 0;) {
    layout.strides[i] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(std::max<std::int64_t>(layout.sizes[i], 1));
  }
}

// Finds strides with which x's memory has the given sizes, if there are any. Runs of x's dimensions
// that one walks through evenly are blocks; the new sizes must cut every block exactly.
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
                     to_string(x.strides()) + " cannot be seen as " + to_string(shape) +
                     " without a copy; reshape copies where it must");
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
  return view(x, shape);  // cutting one dimension never needs a copy
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
  if (sizes.size() == static_cast<std::size_t>(Shape::kMaxDims)) {
    throw_too_many_dims("unsqueeze", sizes);
  }
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
                     ", needed at least 2 dimensions; unsqueeze(x, 0) makes a row of a vector");
  }
  return transpose(x, -2, -1);
}

Tensor expand(const Tensor& x, const Shape& shape) { return expand("expand", x, shape); }
Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  return expand("broadcast_to", x, shape);
}

// Joining -----------------------------------------------------------------------------------------

namespace {

std::int64_t product(Sizes sizes) {
  std::int64_t result = 1;
  for (const std::int64_t size : sizes) result *= size;
  return result;
}

DType common_dtype(const char* operation, std::span<const Tensor> tensors) {
  if (tensors.empty()) throw ValueError(std::string(operation) + ": got no tensors to join");
  DType dtype = tensors[0].dtype();
  for (const Tensor& x : tensors) dtype = promote(dtype, x.dtype());
  return dtype;
}

// Copies each piece to its place: `out` is `count` rows, and in each row the pieces' rows follow
// one another. pieces[i] has `count` rows too.
void join_rows(Tensor& out, std::int64_t count, std::span<const Tensor> pieces) {
  if (out.numel() == 0) return;
  auto* to = out.mutable_data<std::byte>();
  const std::size_t item = item_size(out.dtype());
  const std::size_t row = static_cast<std::size_t>(out.numel() / count) * item;
  for (const Tensor& piece : pieces) {
    if (piece.numel() == 0) continue;
    const Tensor source = piece.to(out.dtype()).contiguous();
    const auto* from = source.data<std::byte>();
    const std::size_t part = static_cast<std::size_t>(source.numel() / count) * item;
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(to + static_cast<std::size_t>(i) * row, from + static_cast<std::size_t>(i) * part,
                  part);
    }
    to += part;
  }
}

}  // namespace

Tensor cat(std::span<const Tensor> tensors, std::int64_t dim) {
  const DType dtype = common_dtype("cat", tensors);
  // An empty vector fits everywhere, so that a list can be built up from it.
  const auto is_empty_vector = [](const Tensor& x) { return x.dim() == 1 && x.numel() == 0; };
  const Tensor* first = &tensors[0];
  for (const Tensor& x : tensors) {
    if (x.dim() == 0) throw ShapeError("cat: got a 0-d tensor; stack joins those");
    if (is_empty_vector(*first)) first = &x;
  }
  const auto position = static_cast<std::int64_t>(existing_dim(dim, *first, "cat"));
  Shape shape = first->shape();
  shape[position] = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    if (is_empty_vector(x)) continue;
    bool fits = x.dim() == shape.dim();
    for (std::int64_t d = 0; fits && d < shape.dim(); ++d) {
      fits = d == position || x.sizes()[static_cast<std::size_t>(d)] == shape[d];
    }
    if (!fits) {
      throw ShapeError("cat: tensor " + std::to_string(i) + " has shape " + to_string(x.sizes()) +
                       ", which differs from " + to_string(first->sizes()) +
                       " in more than dimension " + std::to_string(position));
    }
    shape[position] += x.sizes()[static_cast<std::size_t>(position)];
  }
  Tensor out = Tensor::uninitialized(shape, dtype);
  join_rows(out, product(out.sizes().first(static_cast<std::size_t>(position))), tensors);
  return out;
}

Tensor stack(std::span<const Tensor> tensors, std::int64_t dim) {
  const DType dtype = common_dtype("stack", tensors);
  const Sizes sizes = tensors[0].sizes();
  const std::size_t position = fast_wrap_dim(dim, sizes.size() + 1, "stack");
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (!std::ranges::equal(tensors[i].sizes(), sizes)) {
      throw ShapeError("stack: tensor " + std::to_string(i) + " has shape " +
                       to_string(tensors[i].sizes()) + ", tensor 0 has " + to_string(sizes) +
                       "; needed equal shapes");
    }
  }
  if (sizes.size() == static_cast<std::size_t>(Shape::kMaxDims)) {
    throw_too_many_dims("stack", sizes);
  }
  Shape shape(sizes);
  shape.insert(static_cast<std::int64_t>(position), static_cast<std::int64_t>(tensors.size()));
  Tensor out = Tensor::uninitialized(shape, dtype);
  join_rows(out, product(sizes.first(position)), tensors);
  return out;
}

// Splitting: views --------------------------------------------------------------------------------

std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim) {
  const std::size_t position = existing_dim(dim, x, "split");
  const std::int64_t size = x.sizes()[position];
  if (split_size < 0 || (split_size == 0 && size > 0)) {
    throw ValueError("split: split_size " + std::to_string(split_size) + " for size " +
                     std::to_string(size) + ", needed a positive one");
  }
  std::vector<Tensor> parts;
  if (size == 0) {
    parts.push_back(x);
    return parts;
  }
  const auto at = static_cast<std::int64_t>(position);
  parts.reserve(static_cast<std::size_t>((size - 1) / split_size + 1));
  for (std::int64_t start = 0; start < size;) {
    const std::int64_t length = std::min(split_size, size - start);
    parts.push_back(narrow(x, at, start, length));
    start += length;
  }
  return parts;
}

std::vector<Tensor> split(const Tensor& x, const Shape& split_sizes, std::int64_t dim) {
  const std::size_t position = existing_dim(dim, x, "split");
  const std::int64_t size = x.sizes()[position];
  std::int64_t left = size;
  for (const std::int64_t part : split_sizes) {
    if (part < 0 || part > left) {
      left = -1;
      break;
    }
    left -= part;
  }
  if (left != 0) {
    throw ShapeError("split: sizes " + to_string(split_sizes) + " do not add up to " +
                     std::to_string(size) + ", the size of dimension " + std::to_string(position));
  }
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const std::int64_t part : split_sizes) {
    parts.push_back(narrow(x, static_cast<std::int64_t>(position), start, part));
    start += part;
  }
  return parts;
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  const std::size_t position = existing_dim(dim, x, "chunk");
  if (chunks <= 0) {
    throw ValueError("chunk: got " + std::to_string(chunks) + " chunks, needed at least 1");
  }
  const std::int64_t size = x.sizes()[position];
  if (size == 0) return std::vector<Tensor>(static_cast<std::size_t>(chunks), x);
  return split(x, (size - 1) / chunks + 1, static_cast<std::int64_t>(position));
}

std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim) {
  const auto position = static_cast<std::int64_t>(existing_dim(dim, x, "unbind"));
  const std::int64_t size = x.sizes()[static_cast<std::size_t>(position)];
  std::vector<Tensor> parts;
  parts.reserve(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) parts.push_back(select(x, position, i));
  return parts;
}

}  // namespace tapegrad
