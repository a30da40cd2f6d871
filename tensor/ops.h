// The operations on tensors: free functions with PyTorch's names and semantics, found by
// argument-dependent lookup. None of them changes its arguments; in-place operations are members of
// Tensor. Each heading names the file of tensor/ops/ that holds its functions. autograd/ops.h has
// the same headings in the same order, and two more. Read next: tensor/ops/create.cc.
//
// For all operations: two operands are broadcast by NumPy's rule, and their element types are
// promoted, boolean < int64 < float32 < float64 (a 0-d tensor or a scalar promotes the other
// operand only if it is of a higher kind, as in PyTorch). `dim` may be negative. ShapeError,
// IndexError, DTypeError and ValueError name the operation, the shapes and a fix.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/tensor/tensor.h>

// Some C headers define macros of these names.
#pragma push_macro("max")
#pragma push_macro("min")
#undef max
#undef min

namespace tapegrad {

// Creation (create.cc) ---------------------------------------------------------------------------
Tensor zeros(const Shape& shape, DType dtype = float32);
Tensor ones(const Shape& shape, DType dtype = float32);
// zeros(2, 3) is zeros({2, 3}).
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 1) Tensor zeros(Sizes... sizes) { return zeros(Shape{sizes...}); }
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 1) Tensor ones(Sizes... sizes) { return ones(Shape{sizes...}); }
Tensor full(const Shape& shape, Scalar value);  // int64, boolean or float32 by the value's kind
Tensor full(const Shape& shape, Scalar value, DType dtype);
Tensor empty(const Shape& shape, DType dtype = float32);  // elements not set
// After `using namespace std`, these would otherwise be std::empty, a bool.
template <class Sizes>
requires std::same_as<Sizes, std::vector<std::int64_t>> ||
    std::same_as<Sizes, std::span<const std::int64_t>>
        Tensor empty(const Sizes& sizes) {
  return empty(Shape(sizes));
}
template <class T>
requires std::integral<T> Tensor empty(std::initializer_list<T> sizes) {
  return empty(Shape(std::vector<std::int64_t>(sizes.begin(), sizes.end())));
}
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, Scalar value);
Tensor empty_like(const Tensor& x);
Tensor eye(std::int64_t n, DType dtype = float32);                  // (n, n)
Tensor eye(std::int64_t n, std::int64_t m, DType dtype = float32);  // (n, m)
// start, start + step, ... up to but without end: ceil((end - start) / step) elements; int64 if all
// arguments are integers.
Tensor arange(Scalar end);
Tensor arange(Scalar start, Scalar end, Scalar step = 1);
Tensor arange(Scalar start, Scalar end, Scalar step, DType dtype);
// `steps` evenly spaced values from start to end, both included.
Tensor linspace(double start, double end, std::int64_t steps, DType dtype = float32);
namespace detail {
template <TensorElement T>
std::vector<T> elements(const Tensor& x);
}
// All elements in row-major order, converted to T: bool, any integer, float, double. ValueError if
// T is an integer type and an element does not fit into it.
template <Number T>
std::vector<T> to_vector(const Tensor& x) {
  const auto converted = [](const auto& values) {
    std::vector<T> result;
    result.reserve(values.size());
    for (const auto value : values) result.push_back(detail::number_cast<T>(value, "to_vector"));
    return result;
  };
  if constexpr (TensorElement<T> && !std::is_same_v<T, std::int64_t>) {
    return detail::elements<T>(x);
  } else if (is_floating_point(x.dtype())) {
    return converted(detail::elements<double>(x));
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return detail::elements<T>(x);
  } else {
    return converted(detail::elements<std::int64_t>(x));
  }
}

// Elementwise (elementwise.cc) --------------------------------------------------------------------
// The element type of `a op b` by PyTorch's rule.
DType result_type(const Tensor& a, const Tensor& b);

Tensor add(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, Scalar b);
Tensor sub(const Tensor& a, const Tensor& b);  // DTypeError for boolean
Tensor sub(const Tensor& a, Scalar b);
Tensor sub(Scalar a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, Scalar b);
Tensor div(const Tensor& a, const Tensor& b);  // true division: integers give float32
Tensor div(const Tensor& a, Scalar b);
Tensor div(Scalar a, const Tensor& b);
// a % b: what is left of a after division by b, with the sign of b as in Python, so that x % n is
// in [0, n). DTypeError for boolean, ValueError for an integer divided by 0.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, Scalar b);
Tensor remainder(Scalar a, const Tensor& b);
Tensor pow(const Tensor& a, const Tensor& b);  // an integer to a negative one is 0, 1 or -1
Tensor pow(const Tensor& a, Scalar b);         // an integer to a negative one: ValueError
Tensor pow(Scalar a, const Tensor& b);
Tensor maximum(const Tensor& a, const Tensor& b);  // NaN where either is NaN
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor eq(const Tensor& a, const Tensor& b);  // comparisons give boolean
Tensor eq(const Tensor& a, Scalar b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, Scalar b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, Scalar b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, Scalar b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, Scalar b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, Scalar b);
Tensor logical_and(const Tensor& a, const Tensor& b);  // nonzero counts as true
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);
// a where condition (boolean) is true, else b; all three are broadcast. A NaN or an infinity in the
// operand that is not chosen has no effect.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor where(const Tensor& condition, Scalar a, const Tensor& b);
Tensor where(const Tensor& condition, Scalar a, Scalar b);

// Integers and booleans are converted to float32 first if the function's results are not whole
// numbers.
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
enum class GeluApproximation { none, tanh };
Tensor gelu(const Tensor& x, GeluApproximation approximate = GeluApproximation::none);
Tensor silu(const Tensor& x);
Tensor softplus(const Tensor& x);  // beta = 1; returns x above 20
// log(1 + exp(beta x)) / beta, and x where beta x > threshold.
Tensor softplus(const Tensor& x, double beta, double threshold = 20);
Tensor softsign(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // half to even
Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max = std::nullopt);
// The same with a bound for each element, broadcast; an undefined one is none.
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max = {});
Tensor logaddexp(const Tensor& a, const Tensor& b);  // log(exp(a) + exp(b)), without overflow
// start + weight * (end - start).
Tensor lerp(const Tensor& start, const Tensor& end, double weight);
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, b); }
inline Tensor operator+(Scalar a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, b); }
inline Tensor operator-(Scalar a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, b); }
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, b); }
inline Tensor operator/(Scalar a, const Tensor& b) { return div(a, b); }
inline Tensor operator%(const Tensor& a, const Tensor& b) { return remainder(a, b); }
inline Tensor operator%(const Tensor& a, Scalar b) { return remainder(a, b); }
inline Tensor operator%(Scalar a, const Tensor& b) { return remainder(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
inline Tensor operator==(const Tensor& a, Scalar b) { return eq(a, b); }
inline Tensor operator==(Scalar a, const Tensor& b) { return eq(b, a); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
inline Tensor operator!=(const Tensor& a, Scalar b) { return ne(a, b); }
inline Tensor operator!=(Scalar a, const Tensor& b) { return ne(b, a); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<(const Tensor& a, Scalar b) { return lt(a, b); }
inline Tensor operator<(Scalar a, const Tensor& b) { return gt(b, a); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator<=(const Tensor& a, Scalar b) { return le(a, b); }
inline Tensor operator<=(Scalar a, const Tensor& b) { return ge(b, a); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>(const Tensor& a, Scalar b) { return gt(a, b); }
inline Tensor operator>(Scalar a, const Tensor& b) { return lt(b, a); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
inline Tensor operator>=(const Tensor& a, Scalar b) { return ge(a, b); }
inline Tensor operator>=(Scalar a, const Tensor& b) { return le(b, a); }
inline Tensor operator&&(const Tensor& a, const Tensor& b) { return logical_and(a, b); }
inline Tensor operator||(const Tensor& a, const Tensor& b) { return logical_or(a, b); }
inline Tensor operator!(const Tensor& x) { return logical_not(x); }
// Of boolean tensors only (DTypeError otherwise): integers have no bitwise operations here.
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
Tensor operator~(const Tensor& x);
inline Tensor operator+(const Tensor& x) { return x; }

// Activations (activations.cc) --------------------------------------------------------------------
// Less usual ones, for floating-point types; relu, elu, gelu and others stand above.
Tensor relu6(const Tensor& x);  // min(max(x, 0), 6)
Tensor hardtanh(const Tensor& x, double min_val = -1, double max_val = 1);
Tensor hardsigmoid(const Tensor& x);  // relu6(x + 3) / 6
Tensor hardswish(const Tensor& x);    // x hardsigmoid(x)
Tensor selu(const Tensor& x);
Tensor celu(const Tensor& x, double alpha = 1);  // relu(x) + min(0, alpha (exp(x / alpha) - 1))
Tensor mish(const Tensor& x);                    // x tanh(softplus(x))
Tensor logsigmoid(const Tensor& x);
Tensor softshrink(const Tensor& x, double lambd = 0.5);  // x moved towards 0 by lambd
Tensor hardshrink(const Tensor& x, double lambd = 0.5);  // x, and 0 for |x| <= lambd
// x above the threshold, otherwise value.
Tensor threshold(const Tensor& x, double threshold, double value);
// x above 0, weight x below; weight has one element, or one for each channel (dimension 1).
Tensor prelu(const Tensor& x, const Tensor& weight);
// The first half of x along dim, times the sigmoid of the second half.
Tensor glu(const Tensor& x, std::int64_t dim = -1);

// Reductions (reductions.cc) ----------------------------------------------------------------------
// Over all elements, or over the listed dimensions, which are removed or kept with size 1
// (keepdim). Integers and booleans are summed as int64; mean, var, std and norm need a
// floating-point type.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim = false);
Tensor mean(const Tensor& x);  // NaN if x has no elements
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim = false);
// var and std divide by n - 1 if unbiased, else by n; an empty list of dims means all of them.
Tensor var(const Tensor& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
Tensor std(const Tensor& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
// std, under a name that can be written after `using namespace std`.
Tensor stddev(const Tensor& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
struct VarOptions {
  double correction = 1;  // the divisor is n - correction, but not below 0
  bool keepdim = false;
};
Tensor var(const Tensor& x, const Dims& dims, const VarOptions& options);
Tensor std(const Tensor& x, const Dims& dims, const VarOptions& options);
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, std::int64_t dim, bool keepdim = false);
// (sum |x|^p)^(1/p); p = infinity gives the largest |x|, p = 0 the number of nonzero elements.
Tensor norm(const Tensor& x, double p = 2.0);
Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim = false);
Tensor cumsum(const Tensor& x, std::int64_t dim);
Tensor cumprod(const Tensor& x, std::int64_t dim);

// Sums x over its broadcast dimensions to `shape`, which must broadcast to x's shape: the gradient
// of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

bool equal(const Tensor& a, const Tensor& b);  // same shape and equal elements
// |a - b| <= atol + rtol * |b| for all elements. Infinities of the same sign are close; two NaN are
// close only with equal_nan.
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8,
              bool equal_nan = false);

// Minimum and maximum (minmax.cc) -----------------------------------------------------------------
// With a dim they also return indices: int64 positions along the dimension, the first one on ties.
// If there is a NaN, the result is NaN.
struct ValuesAndIndices {
  Tensor values;
  Tensor indices;
};
Tensor max(const Tensor& x);  // ValueError if x has no elements
Tensor min(const Tensor& x);
ValuesAndIndices max(const Tensor& x, std::int64_t dim, bool keepdim = false);
ValuesAndIndices min(const Tensor& x, std::int64_t dim, bool keepdim = false);
// Over the listed dimensions, by default all of them. IndexError if one has size 0.
Tensor amax(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor amin(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor argmax(const Tensor& x);  // position in row-major order
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x);
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim = false);

// Softmax (softmax.cc) ----------------------------------------------------------------------------
Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim = false);
Tensor softmax(const Tensor& x, std::int64_t dim);
Tensor log_softmax(const Tensor& x, std::int64_t dim);
Tensor softmin(const Tensor& x, std::int64_t dim);  // softmax(-x)

// Sorting (sorting.cc) ----------------------------------------------------------------------------
// Stable; NaN is sorted as the largest value.
ValuesAndIndices sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);
// The lower one of two in the middle; NaN if there is a NaN.
Tensor median(const Tensor& x);
ValuesAndIndices median(const Tensor& x, std::int64_t dim, bool keepdim = false);
// The distinct elements in order, for each element of x the position of its value, and how often
// each value occurs.
struct UniqueElements {
  Tensor values;   // 1-d
  Tensor inverse;  // of x's shape, int64
  Tensor counts;   // 1-d, int64
};
UniqueElements unique(const Tensor& x);
// How often each of 0, 1, ... occurs in the 1-d int64 ids, or the sum of the weights at these
// places; at least minlength elements. ValueError for a negative id.
Tensor bincount(const Tensor& ids, const Tensor& weights = {}, std::int64_t minlength = 0);

// Normalization (normalization.cc) ----------------------------------------------------------------
// Normalizes over the last dimensions of x, whose sizes must be normalized_shape: (x - mean) /
// sqrt(var + eps) * weight + bias, where var divides by n. weight and bias have the shape
// normalized_shape, or are undefined.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);

// Matrix products (matmul.cc) ---------------------------------------------------------------------
// (m, k) x (k, n) -> (m, n). A 1-d operand is treated as a row on the left and as a column on the
// right, and its added dimension is removed from the result. Dimensions before the last two are
// batch dimensions and are broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor mm(const Tensor& a, const Tensor& b);     // 2-d only
Tensor bmm(const Tensor& a, const Tensor& b);    // 3-d only, equal batches
Tensor mv(const Tensor& a, const Tensor& b);     // (m, k) x (k)
Tensor dot(const Tensor& a, const Tensor& b);    // (k) x (k)
Tensor outer(const Tensor& a, const Tensor& b);  // (m) x (n) -> (m, n)
// beta * c + alpha * (a x b); c broadcasts to (m, n).
Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);
// x weight^T + bias: (..., in) x (out, in) + (out) -> (..., out); bias may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// Einstein sums (einsum.cc) -----------------------------------------------------------------------
// einsum("bij,bjk->bik", {a, b}): each letter is a dimension; sums over those that the result does
// not have. A letter that a tensor has twice stands for its diagonal, "..." for any dimensions,
// which are broadcast. Without "->" the result has the letters that occur once, in the order of the
// alphabet.
Tensor einsum(const std::string& equation, std::span<const Tensor> operands);
inline Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands) {
  return einsum(equation, std::span<const Tensor>(operands));
}
inline Tensor einsum(const std::string& equation, std::initializer_list<Tensor> operands) {
  return einsum(equation, std::span<const Tensor>(operands.begin(), operands.size()));
}

// Views (views.cc) --------------------------------------------------------------------------------
// A result shares x's memory where no copy is needed.
Tensor reshape(const Tensor& x, const Shape& shape);  // one size may be -1; copies if needed
Tensor view(const Tensor& x, const Shape& shape);     // never copies: ShapeError instead
Tensor flatten(const Tensor& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes);
Tensor squeeze(const Tensor& x);  // removes all sizes of 1
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
Tensor permute(const Tensor& x, const Dims& dims);
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
Tensor transpose(const Tensor& x);                   // the last two dimensions
Tensor expand(const Tensor& x, const Shape& shape);  // stride 0; -1 keeps a size
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor contiguous(const Tensor& x);
Tensor clone(const Tensor& x);  // own memory, contiguous
Tensor cat(std::span<const Tensor> tensors, std::int64_t dim = 0);
Tensor stack(std::span<const Tensor> tensors, std::int64_t dim = 0);
inline Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim = 0) {
  return cat(std::span<const Tensor>(tensors), dim);
}
inline Tensor cat(std::initializer_list<Tensor> tensors, std::int64_t dim = 0) {
  return cat(std::span<const Tensor>(tensors.begin(), tensors.size()), dim);
}
inline Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim = 0) {
  return stack(std::span<const Tensor>(tensors), dim);
}
inline Tensor stack(std::initializer_list<Tensor> tensors, std::int64_t dim = 0) {
  return stack(std::span<const Tensor>(tensors.begin(), tensors.size()), dim);
}
std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim = 0);
std::vector<Tensor> split(const Tensor& x, const Shape& split_sizes, std::int64_t dim);
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim = 0);

// Rearranging (rearrange.cc) ----------------------------------------------------------------------
Tensor repeat(const Tensor& x, const Shape& repeats);  // as torch.Tensor.repeat
Tensor tile(const Tensor& x, const Shape& repeats);
Tensor flip(const Tensor& x, const Dims& dims);
Tensor roll(const Tensor& x, const Shape& shifts, const Dims& dims = {});
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
// Each element (each slice along dim) `repeats` times, one after the other; without dim x is
// flattened. repeats is one count or one for each position.
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats,
                         std::optional<std::int64_t> dim = std::nullopt);
Tensor repeat_interleave(const Tensor& x, const Tensor& repeats,
                         std::optional<std::int64_t> dim = std::nullopt);
// The diagonal of a matrix, or a matrix that is 0 except for the diagonal x.
Tensor diag(const Tensor& x, std::int64_t diagonal = 0);
// Grids of coordinates from 1-d axes: result i has the elements of axis i along dimension i. With
// xy the first two dimensions are swapped.
enum class GridIndexing { ij, xy };
std::vector<Tensor> meshgrid(std::span<const Tensor> axes,
                             GridIndexing indexing = GridIndexing::ij);
inline std::vector<Tensor> meshgrid(std::initializer_list<Tensor> axes,
                                    GridIndexing indexing = GridIndexing::ij) {
  return meshgrid(std::span<const Tensor>(axes.begin(), axes.size()), indexing);
}
// The content of padding: zeros (or another constant); the elements mirrored at the ends, without
// repeating the end elements; the end elements repeated; or the elements continued from the other
// end.
enum class PadMode { zeros, reflect, replicate, circular };
// Elements added before and after the last dimension, then the one before it, and so on: pad(x,
// {left, right, top, bottom}). `value` is for the mode zeros, in which negative numbers remove
// elements.
Tensor pad(const Tensor& x, const Shape& padding, PadMode mode = PadMode::zeros, Scalar value = 0);

// Indexing (indexing.cc) --------------------------------------------------------------------------
// These return views:
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);  // removes dim
Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length);
// x[start:end:step] along dim, clamped to the size as in Python; step > 0.
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t end,
             std::int64_t step = 1);
Tensor as_strided(const Tensor& x, const Shape& sizes, const Strides& strides,
                  std::int64_t offset = 0);  // relative to x's first element; bounds checked

// NumPy's basic indexing; returns a view.
//
//   index(x, {0, Slice{1, 5}, newaxis, ellipsis, Slice{.step = 2}});
struct Slice {
  std::optional<std::int64_t> start{};
  std::optional<std::int64_t> end{};
  std::int64_t step = 1;
};
struct NewAxis {};
struct Ellipsis {};
inline constexpr NewAxis newaxis{};
inline constexpr Ellipsis ellipsis{};
class Index {
 public:
  enum class Kind { kInteger, kSlice, kNewAxis, kEllipsis };
  template <std::integral T>
  Index(T position)
      : kind(Kind::kInteger), integer(static_cast<std::int64_t>(position)) {}  // NOLINT
  Index(Slice part) : kind(Kind::kSlice), range(part) {}                       // NOLINT
  Index(NewAxis) : kind(Kind::kNewAxis) {}                                     // NOLINT
  Index(Ellipsis) : kind(Kind::kEllipsis) {}                                   // NOLINT
  Kind kind;
  std::int64_t integer = 0;
  Slice range{};
};
Tensor index(const Tensor& x, std::initializer_list<Index> indices);
Tensor index(const Tensor& x, std::span<const Index> indices);

// Gathering and scattering (gather_scatter.cc) ----------------------------------------------------
// These copy. The int64 indices are checked first: an IndexError names the operation, the position
// in the flattened index, the value and the range.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);  // index is 1-d
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
Tensor take_along_dim(const Tensor& x, const Tensor& index, std::int64_t dim);  // broadcasts
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, Scalar value);
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
// Reduces the elements of source at each index to one: reduce is "sum", "prod", "mean", "amax" or
// "amin" (ValueError for others). With include_self the element of x takes part; elements of x that
// no index names stay as they are. The mean of integers is rounded down. If there is a NaN, the
// largest and the smallest element are NaN.
Tensor scatter_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                      const std::string& reduce, bool include_self = true);
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor masked_select(const Tensor& x, const Tensor& mask);  // 1-d
Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
Tensor nonzero(const Tensor& x);  // (count, dim) int64
// nonzero(x, as_tuple): the positions along each dimension, each (count) int64. For a 0-d x, those
// of a vector of one element.
struct AsTuple {};
inline constexpr AsTuple as_tuple{};
std::vector<Tensor> nonzero(const Tensor& x, AsTuple);
Tensor one_hot(const Tensor& ids, std::int64_t classes);  // int64, (..., classes)
Tensor one_hot(const Tensor& ids);  // classes: the largest id + 1; ValueError without ids

// Embedding (embedding_bag.cc) --------------------------------------------------------------------
// Looks up rows of a (rows, width) table: ids (...) -> (..., width).
Tensor embedding(const Tensor& weight, const Tensor& ids);

// Similarity (similarity.cc) ----------------------------------------------------------------------
// As in torch.nn.functional.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim = 1, double eps = 1e-8);
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2.0, double eps = 1e-6,
                         bool keepdim = false);
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2.0);  // (m, d) x (n, d) -> (m, n)
Tensor normalize(const Tensor& x, double p = 2.0, std::int64_t dim = 1, double eps = 1e-12);

}  // namespace tapegrad

#pragma pop_macro("min")
#pragma pop_macro("max")
