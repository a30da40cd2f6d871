// Operations that are composed of other operations, written once for Tensor and Variable. Each is a
// template: tensor/ops/*.cc instantiates it for Tensor and autograd/ops/*.cc for Variable, to
// define the function of the same name that the two ops.h declare. Argument-dependent lookup finds
// the operations of class X, so the gradient of a Variable comes from the operations that the
// template calls.
//
// Internal. Read next: tensor/ops/rearrange.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/reduce_shape.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad::composition {

// The checks of matmul (matmul.cc).
void check_matmul(const Tensor& a, const Tensor& b);

// The common shape of all dimensions except the last two. The error shows the shapes whole
// (matmul.cc).
Shape broadcast_batches(const char* operation, std::span<const std::int64_t> a,
                        std::span<const std::int64_t> b);

// The checks of index; returns how many dimensions of x the indices use (indexing.cc).
std::int64_t check_indices(std::span<const std::int64_t> sizes, std::span<const Index> indices);

// DTypeError if an index or a mask does not have this element type (gather_scatter.cc).
void require_dtype(const char* operation, const char* argument, const Tensor& x, DType dtype);

// Elementwise -------------------------------------------------------------------------------------

template <class X>
X softsign(const X& x) {
  return x / (abs(x) + 1);
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))        (Hendrycks and Gimpel 2016)
template <class X>
X gelu_by_tanh(const X& x) {
  const double scale = std::sqrt(2.0 / std::numbers::pi);
  return 0.5 * x * (1.0 + tanh(scale * (x + 0.044715 * x * x * x)));
}

// Linear above threshold / beta, log(1 + exp(beta x)) / beta below.
template <class X>
X softplus(const X& x, double beta, double threshold) {
  detail::require_floating("softplus", x.dtype());
  if (beta == 0) throw ValueError("softplus: beta is 0, needed another number");
  const X scaled = x * beta;
  // The softplus with beta 1 is linear above 20 itself, so larger thresholds need the other form.
  const X curved = threshold > 20 ? relu(scaled) + log1p(exp(-abs(scaled))) : softplus(scaled);
  return where(scaled > threshold, x, curved / beta);
}

// log(exp(a) + exp(b)) = larger + log(1 + exp(smaller - larger)), without overflow.
template <class X>
X logaddexp(const X& a, const X& b) {
  detail::require_floating("logaddexp", a.dtype());
  detail::require_floating("logaddexp", b.dtype());
  const Tensor a_is_larger = a >= b;
  const X larger = where(a_is_larger, a, b);
  const X smaller = where(a_is_larger, b, a);
  // The difference of two equal infinities is NaN.
  const Tensor infinite = (smaller == larger) && larger.isinf();
  return larger + softplus(masked_fill(smaller - larger, infinite, 0));
}

// The start at weight 0, the end at weight 1, exactly at both.
template <class X>
X lerp(const X& start, const X& end, double weight) {
  detail::require_floating("lerp", start.dtype());
  detail::require_floating("lerp", end.dtype());
  return std::abs(weight) < 0.5 ? start + weight * (end - start)
                                : end - (end - start) * (1 - weight);
}
template <class X>
X lerp(const X& start, const X& end, const X& weight) {
  detail::require_floating("lerp", start.dtype());
  detail::require_floating("lerp", end.dtype());
  detail::require_floating("lerp", weight.dtype());
  return where(abs(weight) < 0.5, start + weight * (end - start),
               end - (end - start) * (1 - weight));
}

// Element by element; an undefined bound is none. Where min > max the result is max.
template <class X>
X clamp(const X& x, const X& min, const X& max) {
  if (!min.defined() && !max.defined()) {
    throw ValueError("clamp: min and max are undefined, needed at least one");
  }
  X result = x;
  if (min.defined()) result = where(result < min, min, result);
  if (max.defined()) result = where(result > max, max, result);
  return result;
}

// Reductions --------------------------------------------------------------------------------------

// The number of elements that are reduced to one.
template <class X>
double reduced_count(const char* operation, const X& x, const Dims& dims) {
  if (dims.empty()) return static_cast<double>(x.numel());
  double count = 1;
  detail::dim_set(dims, x.dim(), operation);
  for (const std::int64_t dim : dims) count *= x.dim() == 0 ? 1 : static_cast<double>(x.size(dim));
  return count;
}

template <class X>
X var(const X& x, const Dims& dims, const VarOptions& options) {
  const double count = composition::reduced_count("var", x, dims);
  const double divisor = std::max(0.0, count - options.correction);
  return var(x, dims, false, options.keepdim) * (count / divisor);
}
template <class X>
X std(const X& x, const Dims& dims, const VarOptions& options) {
  const double count = composition::reduced_count("std", x, dims);
  const double divisor = std::max(0.0, count - options.correction);
  return std(x, dims, false, options.keepdim) * std::sqrt(count / divisor);
}

// Each round multiplies every element by the product of as many elements before it as it already
// has (Hillis and Steele 1986). No quotient is formed, so gradients are correct for zeros, too.
template <class X>
X cumprod(const X& x, std::int64_t dim) {
  dim = wrap_dim(dim, x.dim(), "cumprod");
  X result = is_floating_point(x.dtype()) ? x : X(x.to(int64));
  if (x.dim() == 0) return result;
  const std::int64_t size = x.size(dim);
  for (std::int64_t step = 1; step < size; step *= 2) {
    result = cat({narrow(result, dim, 0, step),
                  narrow(result, dim, step, size - step) * narrow(result, dim, 0, size - step)},
                 dim);
  }
  return result;
}

// Sorting -----------------------------------------------------------------------------------------

// The positions of the medians along dim, whose size is kept as 1: of the lower one of two, and of
// a NaN if there is one.
inline Tensor median_positions(const Tensor& x, std::int64_t dim) {
  const std::int64_t last = x.size(dim) - 1;
  if (last < 0) {
    throw IndexError("median: dimension " + std::to_string(dim) + " of shape " +
                     to_string(x.sizes()) + " has no elements, needed at least one");
  }
  const ValuesAndIndices sorted = sort(x, dim);
  const Tensor has_nan = isnan(narrow(sorted.values, dim, last, 1));
  return where(has_nan, narrow(sorted.indices, dim, last, 1),
               narrow(sorted.indices, dim, last / 2, 1));
}

// Matrix products ---------------------------------------------------------------------------------

// For one vector and one matrix: the vector is a row on the left, a column on the right.
template <class X>
X matmul_of_vector(const X& a, const X& b) {
  return a.dim() == 1 ? squeeze(matmul(unsqueeze(a, 0), b), -2)
                      : squeeze(matmul(a, unsqueeze(b, 1)), -1);
}

// Joining -----------------------------------------------------------------------------------------
//
// Only the checks are shared: for Tensors the parts are copied in one pass, while for Variables the
// tape also records the parts.

// An empty vector may be joined with parts of any shape, so that a loop can start from it and
// append.
template <class X>
bool is_empty_vector(const X& x) {
  return x.dim() == 1 && x.numel() == 0;
}

struct Joined {
  Shape shape;       // of the result
  std::int64_t dim;  // the dimension along which the parts are joined
};

// The checks of cat.
template <class X>
Joined joined(std::span<const X> parts, std::int64_t dim) {
  if (parts.empty()) throw ValueError("cat: got no tensors to join");
  const X* first = &parts[0];
  for (const X& x : parts) {
    if (x.dim() == 0) throw ShapeError("cat: got a 0-d tensor; use stack to join 0-d tensors");
    if (is_empty_vector(*first)) first = &x;
  }
  const auto position = static_cast<std::int64_t>(detail::existing_dim(dim, *first, "cat"));
  Shape shape = first->shape();
  shape[position] = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_empty_vector(parts[i])) continue;
    const auto sizes = parts[i].sizes();
    bool fits = parts[i].dim() == shape.dim();
    for (std::int64_t d = 0; fits && d < shape.dim(); ++d) {
      fits = d == position || sizes[static_cast<std::size_t>(d)] == shape[d];
    }
    if (!fits) {
      throw ShapeError("cat: tensor " + std::to_string(i) + " has shape " + to_string(sizes) +
                       ", which differs from " + to_string(first->sizes()) +
                       " in more than dimension " + std::to_string(position));
    }
    const std::int64_t size = sizes[static_cast<std::size_t>(position)];
    if (size > std::numeric_limits<std::int64_t>::max() - shape[position]) {
      throw ShapeError("cat: the sizes of dimension " + std::to_string(position) +
                       " have a sum that does not fit into int64");
    }
    shape[position] += size;
  }
  return {shape, position};
}

// The checks of stack.
template <class X>
Joined stacked(std::span<const X> parts, std::int64_t dim) {
  if (parts.empty()) throw ValueError("stack: got no tensors to join");
  const auto sizes = parts[0].sizes();
  const std::size_t position = detail::fast_wrap_dim(dim, sizes.size() + 1, "stack");
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (!std::ranges::equal(parts[i].sizes(), sizes)) {
      throw ShapeError("stack: tensor " + std::to_string(i) + " has shape " +
                       to_string(parts[i].sizes()) + ", tensor 0 has " + to_string(sizes) +
                       "; needed equal shapes");
    }
  }
  detail::check_room("stack", sizes);
  Joined result{Shape(sizes), static_cast<std::int64_t>(position)};
  result.shape.insert(result.dim, static_cast<std::int64_t>(parts.size()));
  return result;
}

// Splitting ---------------------------------------------------------------------------------------

template <class X>
std::vector<X> split(const X& x, std::int64_t split_size, std::int64_t dim) {
  const std::size_t position = detail::existing_dim(dim, x, "split");
  const std::int64_t size = x.sizes()[position];
  if (split_size < 0 || (split_size == 0 && size > 0)) {
    throw ValueError("split: split_size " + std::to_string(split_size) + " for size " +
                     std::to_string(size) + ", needed a positive one");
  }
  std::vector<X> parts;
  if (size > 0) parts.reserve(static_cast<std::size_t>((size - 1) / split_size + 1));
  std::int64_t start = 0;
  do {  // an empty dimension gives one empty part
    const std::int64_t length = std::min(split_size, size - start);
    parts.push_back(narrow(x, static_cast<std::int64_t>(position), start, length));
    start += length;
  } while (start < size);
  return parts;
}

template <class X>
std::vector<X> split(const X& x, std::span<const std::int64_t> split_sizes, std::int64_t dim) {
  const std::size_t position = detail::existing_dim(dim, x, "split");
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
  std::vector<X> parts;
  parts.reserve(split_sizes.size());
  std::int64_t start = 0;
  for (const std::int64_t part : split_sizes) {
    parts.push_back(narrow(x, static_cast<std::int64_t>(position), start, part));
    start += part;
  }
  return parts;
}

template <class X>
std::vector<X> chunk(const X& x, std::int64_t chunks, std::int64_t dim) {
  const std::size_t position = detail::existing_dim(dim, x, "chunk");
  if (chunks <= 0) {
    throw ValueError("chunk: got " + std::to_string(chunks) + " chunks, needed at least 1");
  }
  const std::int64_t size = x.sizes()[position];
  if (size == 0) {  // the requested number of parts, all empty
    return composition::split(x, std::vector<std::int64_t>(static_cast<std::size_t>(chunks), 0),
                              dim);
  }
  return composition::split(x, (size - 1) / chunks + 1, dim);
}

template <class X>
std::vector<X> unbind(const X& x, std::int64_t dim) {
  const std::size_t position = detail::existing_dim(dim, x, "unbind");
  const std::int64_t size = x.sizes()[position];
  std::vector<X> parts;
  parts.reserve(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) {
    parts.push_back(select(x, static_cast<std::int64_t>(position), i));
  }
  return parts;
}

// Indexing ----------------------------------------------------------------------------------------

// Applies integers and slices first and then adds the new axes, so that no intermediate has more
// dimensions than x or the result.
template <class X>
X index(const X& x, std::span<const Index> indices) {
  const std::int64_t dims_of_ellipsis = x.dim() - check_indices(x.sizes(), indices);
  X part = x;
  std::int64_t dim = 0;
  for (const Index& i : indices) {
    if (i.kind == Index::Kind::kInteger) part = select(part, dim, i.integer);
    if (i.kind == Index::Kind::kEllipsis) dim += dims_of_ellipsis;
    if (i.kind == Index::Kind::kSlice) {
      const std::int64_t end = i.range.end.value_or(part.size(dim));
      part = slice(part, dim, i.range.start.value_or(0), end, i.range.step);
      ++dim;
    }
  }
  dim = 0;
  for (const Index& i : indices) {
    if (i.kind == Index::Kind::kNewAxis) part = unsqueeze(part, dim);
    if (i.kind == Index::Kind::kEllipsis) dim += dims_of_ellipsis;
    if (i.kind == Index::Kind::kNewAxis || i.kind == Index::Kind::kSlice) ++dim;
  }
  return part;
}

// x[index]: the rows of these ids, in the shape of the ids, or the elements where a mask of x's
// first dimensions is true.
template <class X>
X index_by(const X& x, const Tensor& index) {
  Shape shape;
  if (index.dtype() == boolean) {
    bool fits = index.dim() > 0 && index.dim() <= x.dim();
    for (std::int64_t i = 0; fits && i < index.dim(); ++i) fits = index.size(i) == x.size(i);
    if (!fits) {
      throw ShapeError("operator[]: got a mask of shape " + to_string(index.sizes()) +
                       " for a tensor of shape " + to_string(x.sizes()) +
                       ", needed the sizes of its first dimensions");
    }
    if (index.dim() == x.dim()) return masked_select(x, index);
    shape.push_back(index.numel());
    for (std::int64_t i = index.dim(); i < x.dim(); ++i) shape.push_back(x.size(i));
    const Tensor rows = nonzero(flatten(index));
    return index_select(reshape(x, shape), 0, flatten(rows));
  }
  if (index.dtype() != int64) {
    throw DTypeError(std::string("operator[]: got an index of type ") + name(index.dtype()) +
                     ", needed int64 ids or a boolean mask; convert with to(int64)");
  }
  if (x.dim() == 0) throw IndexError("operator[]: a 0-d tensor has no dimension to index");
  const std::int64_t rows = x.size(0);
  const Tensor ids = contiguous(flatten(index));
  for (const std::int64_t id : ids.span<std::int64_t>()) {
    wrap_index(id, rows, "operator[]");
  }
  for (const std::int64_t size : index.sizes()) shape.push_back(size);
  for (std::int64_t i = 1; i < x.dim(); ++i) shape.push_back(x.size(i));
  const Tensor wrapped = where(ids < 0, ids + rows, ids);
  return reshape(index_select(x, 0, wrapped), shape);
}

// Gathering ---------------------------------------------------------------------------------------

// All dimensions of x and index except `dim` are broadcast against each other.
template <class X>
X take_along_dim(const X& x, const Tensor& index, std::int64_t dim) {
  const auto position =
      static_cast<std::int64_t>(detail::fast_wrap_dim(dim, x.sizes().size(), "take_along_dim"));
  if (x.dim() != index.dim()) {
    throw ShapeError("take_along_dim: x has shape " + to_string(x.sizes()) + ", index " +
                     to_string(index.sizes()) + ", needed equal numbers of dimensions");
  }
  if (x.dim() == 0) return gather(x, dim, index);
  Shape x_shape = x.shape();
  Shape index_shape = index.shape();
  x_shape[position] = index_shape[position] = 1;
  const Shape common = broadcast_shapes(x_shape, index_shape, "take_along_dim");
  x_shape = index_shape = common;
  x_shape[position] = x.size(position);
  index_shape[position] = index.size(position);
  require_dtype("take_along_dim", "index", index, int64);
  return gather(expand(x, x_shape), position, expand(index, index_shape));
}

// Similarity --------------------------------------------------------------------------------------

template <class X>
X normalize(const X& x, double p, std::int64_t dim, double eps) {
  return x / clamp(norm(x, p, dim, true), eps);
}

// sum (a / |a|) (b / |b|): dividing first prevents overflow and underflow in the products.
template <class X>
X cosine_similarity(const X& a, const X& b, std::int64_t dim, double eps) {
  detail::require_floating("cosine_similarity", a.dtype());
  detail::require_floating("cosine_similarity", b.dtype());
  const Shape shape = broadcast_shapes(a.sizes(), b.sizes(), "cosine_similarity");
  wrap_dim(dim, shape.dim(), "cosine_similarity");
  return sum(composition::normalize(expand(a, shape), 2, dim, eps) *
                 composition::normalize(expand(b, shape), 2, dim, eps),
             dim);
}

// |a - b + eps| over the last dimension; eps keeps the gradient finite where a == b.
template <class X>
X pairwise_distance(const X& a, const X& b, double p, double eps, bool keepdim) {
  return norm(a - b + eps, p, -1, keepdim);
}

// The checks of cdist; returns the broadcast batch dimensions of a and b.
template <class X>
Shape cdist_batch(const X& a, const X& b, double p) {
  detail::require_floating("cdist", a.dtype());
  detail::require_floating("cdist", b.dtype());
  const auto left = a.sizes();
  const auto right = b.sizes();
  if (left.size() < 2 || right.size() < 2 || left.back() != right.back()) {
    throw ShapeError("cdist: got shapes " + to_string(left) + " and " + to_string(right) +
                     ", needed (..., m, d) and (..., n, d)");
  }
  if (!(p >= 0)) throw ValueError("cdist: p is " + std::to_string(p) + ", needed 0 or more");
  return broadcast_batches("cdist", left, right);
}

// (..., rows, d) -> (batches, rows, d)
template <class X>
X flat_batches(const X& x, const Shape& batch) {
  Shape shape = batch;
  shape.push_back(x.size(-2));
  shape.push_back(x.size(-1));
  return reshape(expand(x, shape), {checked_numel(batch, "cdist"), x.size(-2), x.size(-1)});
}

}  // namespace tapegrad::composition
