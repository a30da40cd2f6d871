// Operations that are recorded on the tape: the functions of tensor/ops.h, with the same names,
// shapes and errors, on Variables. A Tensor converts to a constant Variable, so a call may mix
// both. Each heading names the file in autograd/ops/ that holds the formula, the forward
// computation and the rule of each function; tensor/ops.h has the same headings in the same order.
// Read next: autograd/ops/elementwise.cc.
//
// Gradients where a function has no derivative are PyTorch's: relu'(0) = abs'(0) = 0; clamp passes
// the gradient on in its whole closed interval; maximum(a, b) and minimum(a, b) give each half on
// ties; max(x, dim) gives all to the index that it returns; max(x) shares the gradient equally
// among ties.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/random/random.h>

// Some C headers define macros of these names.
#pragma push_macro("max")
#pragma push_macro("min")
#undef max
#undef min

namespace tapegrad {

// Tensors of a Variable's shape and type, without history -----------------------------------------
inline Tensor zeros_like(const Variable& x) { return zeros_like(x.value()); }
inline Tensor ones_like(const Variable& x) { return ones_like(x.value()); }
inline Tensor full_like(const Variable& x, Scalar value) { return full_like(x.value(), value); }
inline Tensor empty_like(const Variable& x) { return empty_like(x.value()); }
inline Tensor rand_like(const Variable& x, Generator& generator = default_generator()) {
  return rand_like(x.value(), generator);
}
inline Tensor randn_like(const Variable& x, Generator& generator = default_generator()) {
  return randn_like(x.value(), generator);
}

// Elementwise (elementwise.cc) --------------------------------------------------------------------
Variable add(const Variable& a, const Variable& b);
Variable add(const Variable& a, Scalar b);
Variable sub(const Variable& a, const Variable& b);
Variable sub(const Variable& a, Scalar b);
Variable sub(Scalar a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable mul(const Variable& a, Scalar b);
Variable div(const Variable& a, const Variable& b);
Variable div(const Variable& a, Scalar b);
Variable div(Scalar a, const Variable& b);
// y = a - b * floor(a / b); the gradient of b is -dy * floor(a / b).
Variable remainder(const Variable& a, const Variable& b);
Variable remainder(const Variable& a, Scalar b);
Variable remainder(Scalar a, const Variable& b);
Variable pow(const Variable& a, const Variable& b);
Variable pow(const Variable& a, Scalar b);
Variable pow(Scalar a, const Variable& b);
Variable maximum(const Variable& a, const Variable& b);
Variable minimum(const Variable& a, const Variable& b);
Variable where(const Tensor& condition, const Variable& a, const Variable& b);
Variable where(const Tensor& condition, const Variable& a, Scalar b);
Variable where(const Tensor& condition, Scalar a, const Variable& b);

Variable neg(const Variable& x);
Variable abs(const Variable& x);
Variable sign(const Variable& x);  // gradient 0
Variable square(const Variable& x);
Variable reciprocal(const Variable& x);
Variable sqrt(const Variable& x);
Variable rsqrt(const Variable& x);
Variable exp(const Variable& x);
Variable expm1(const Variable& x);
Variable log(const Variable& x);
Variable log1p(const Variable& x);
Variable log2(const Variable& x);
Variable sin(const Variable& x);
Variable cos(const Variable& x);
Variable tan(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
Variable relu(const Variable& x);
Variable leaky_relu(const Variable& x, double negative_slope = 0.01);
Variable elu(const Variable& x, double alpha = 1.0);
Variable gelu(const Variable& x, GeluApproximation approximate = GeluApproximation::none);
Variable silu(const Variable& x);
Variable softplus(const Variable& x);
Variable softplus(const Variable& x, double beta, double threshold = 20);
Variable softsign(const Variable& x);
Variable erf(const Variable& x);
Variable floor(const Variable& x);  // gradient 0; so have ceil and round
Variable ceil(const Variable& x);
Variable round(const Variable& x);
Variable clamp(const Variable& x, std::optional<Scalar> min,
               std::optional<Scalar> max = std::nullopt);
Variable clamp(const Variable& x, const Variable& min, const Variable& max = {});
Variable logaddexp(const Variable& a, const Variable& b);
Variable lerp(const Variable& start, const Variable& end, double weight);
Variable lerp(const Variable& start, const Variable& end, const Variable& weight);

inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator+(const Variable& a, Scalar b) { return add(a, b); }
inline Variable operator+(Scalar a, const Variable& b) { return add(b, a); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator-(const Variable& a, Scalar b) { return sub(a, b); }
inline Variable operator-(Scalar a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator*(const Variable& a, Scalar b) { return mul(a, b); }
inline Variable operator*(Scalar a, const Variable& b) { return mul(b, a); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
inline Variable operator/(const Variable& a, Scalar b) { return div(a, b); }
inline Variable operator/(Scalar a, const Variable& b) { return div(a, b); }
inline Variable operator%(const Variable& a, const Variable& b) { return remainder(a, b); }
inline Variable operator%(const Variable& a, Scalar b) { return remainder(a, b); }
inline Variable operator%(Scalar a, const Variable& b) { return remainder(a, b); }
inline Variable operator-(const Variable& x) { return neg(x); }
inline Variable operator+(const Variable& x) { return x; }

// Comparisons of the values: boolean Tensors, without history.
inline Tensor operator==(const Variable& a, const Variable& b) { return a.eq(b); }
inline Tensor operator==(const Variable& a, Scalar b) { return a.eq(b); }
inline Tensor operator==(Scalar a, const Variable& b) { return b.eq(a); }
inline Tensor operator!=(const Variable& a, const Variable& b) { return a.ne(b); }
inline Tensor operator!=(const Variable& a, Scalar b) { return a.ne(b); }
inline Tensor operator!=(Scalar a, const Variable& b) { return b.ne(a); }
inline Tensor operator<(const Variable& a, const Variable& b) { return a.lt(b); }
inline Tensor operator<(const Variable& a, Scalar b) { return a.lt(b); }
inline Tensor operator<(Scalar a, const Variable& b) { return b.gt(a); }
inline Tensor operator<=(const Variable& a, const Variable& b) { return a.le(b); }
inline Tensor operator<=(const Variable& a, Scalar b) { return a.le(b); }
inline Tensor operator<=(Scalar a, const Variable& b) { return b.ge(a); }
inline Tensor operator>(const Variable& a, const Variable& b) { return a.gt(b); }
inline Tensor operator>(const Variable& a, Scalar b) { return a.gt(b); }
inline Tensor operator>(Scalar a, const Variable& b) { return b.lt(a); }
inline Tensor operator>=(const Variable& a, const Variable& b) { return a.ge(b); }
inline Tensor operator>=(const Variable& a, Scalar b) { return a.ge(b); }
inline Tensor operator>=(Scalar a, const Variable& b) { return b.le(a); }
inline Tensor isnan(const Variable& x) { return isnan(x.value()); }
inline Tensor isinf(const Variable& x) { return isinf(x.value()); }
inline Tensor isfinite(const Variable& x) { return isfinite(x.value()); }

// Activations (activations.cc) --------------------------------------------------------------------
// The gradient at a kink is PyTorch's: 0 at the ends of hardtanh, relu6, hardsigmoid, softshrink,
// hardshrink and threshold.
Variable relu6(const Variable& x);
Variable hardtanh(const Variable& x, double min_val = -1, double max_val = 1);
Variable hardsigmoid(const Variable& x);
Variable hardswish(const Variable& x);
Variable selu(const Variable& x);
Variable celu(const Variable& x, double alpha = 1);
Variable mish(const Variable& x);
Variable logsigmoid(const Variable& x);
Variable softshrink(const Variable& x, double lambd = 0.5);
Variable hardshrink(const Variable& x, double lambd = 0.5);
Variable threshold(const Variable& x, double threshold, double value);
Variable prelu(const Variable& x, const Variable& weight);
Variable glu(const Variable& x, std::int64_t dim = -1);

// Reductions (reductions.cc) ----------------------------------------------------------------------
Variable sum(const Variable& x);
Variable sum(const Variable& x, const Dims& dims, bool keepdim = false);
Variable mean(const Variable& x);
Variable mean(const Variable& x, const Dims& dims, bool keepdim = false);
Variable var(const Variable& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
Variable std(const Variable& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
Variable stddev(const Variable& x, const Dims& dims = {}, bool unbiased = true,
                bool keepdim = false);
Variable var(const Variable& x, const Dims& dims, const VarOptions& options);
Variable std(const Variable& x, const Dims& dims, const VarOptions& options);
Variable prod(const Variable& x);
Variable prod(const Variable& x, std::int64_t dim, bool keepdim = false);
Variable norm(const Variable& x, double p = 2.0);
Variable norm(const Variable& x, double p, const Dims& dims, bool keepdim = false);
Variable cumsum(const Variable& x, std::int64_t dim);
Variable cumprod(const Variable& x, std::int64_t dim);
Variable sum_to(const Variable& x, const Shape& shape);

inline bool equal(const Variable& a, const Variable& b) { return equal(a.value(), b.value()); }
inline bool allclose(const Variable& a, const Variable& b, double rtol = 1e-5, double atol = 1e-8,
                     bool equal_nan = false) {
  return allclose(a.value(), b.value(), rtol, atol, equal_nan);
}

// Minimum and maximum (minmax.cc) -----------------------------------------------------------------
struct VariableAndIndices {
  Variable values;
  Tensor indices;
};
Variable max(const Variable& x);
Variable min(const Variable& x);
VariableAndIndices max(const Variable& x, std::int64_t dim, bool keepdim = false);
VariableAndIndices min(const Variable& x, std::int64_t dim, bool keepdim = false);
Variable amax(const Variable& x, const Dims& dims = {}, bool keepdim = false);
Variable amin(const Variable& x, const Dims& dims = {}, bool keepdim = false);

inline Tensor argmax(const Variable& x) { return argmax(x.value()); }
inline Tensor argmin(const Variable& x) { return argmin(x.value()); }
inline Tensor argmax(const Variable& x, std::int64_t dim, bool keepdim = false) {
  return argmax(x.value(), dim, keepdim);
}
inline Tensor argmin(const Variable& x, std::int64_t dim, bool keepdim = false) {
  return argmin(x.value(), dim, keepdim);
}

// Softmax (softmax.cc) ----------------------------------------------------------------------------
Variable logsumexp(const Variable& x, const Dims& dims, bool keepdim = false);
Variable softmax(const Variable& x, std::int64_t dim);
Variable log_softmax(const Variable& x, std::int64_t dim);
Variable softmin(const Variable& x, std::int64_t dim);

// Sorting (sorting.cc) ----------------------------------------------------------------------------
VariableAndIndices sort(const Variable& x, std::int64_t dim = -1, bool descending = false);
VariableAndIndices topk(const Variable& x, std::int64_t k, std::int64_t dim = -1,
                        bool largest = true);
Variable median(const Variable& x);
VariableAndIndices median(const Variable& x, std::int64_t dim, bool keepdim = false);

inline Tensor argsort(const Variable& x, std::int64_t dim = -1, bool descending = false) {
  return argsort(x.value(), dim, descending);
}

// Normalization (normalization.cc) ----------------------------------------------------------------
Variable layer_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight = {},
                    const Variable& bias = {}, double eps = 1e-5);

// x / sqrt(mean of x^2 + eps) * weight over the last dimensions, which have the sizes
// normalized_shape. The default eps is the machine epsilon of x's type.
Variable rms_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight = {},
                  std::optional<double> eps = std::nullopt);

// Normalizes each channel of (batch, channels), (batch, channels, length) or (batch, channels,
// height, width) over all other dimensions: (x - mean) / sqrt(var + eps) * weight + bias, where var
// divides by n. ValueError if a channel has a single element.
Variable batch_norm(const Variable& x, const Variable& weight = {}, const Variable& bias = {},
                    double eps = 1e-5);

struct BatchNormArguments {
  bool training = false;
  double momentum = 0.1;  // the share of the batch in the new running statistics
  double eps = 1e-5;
};
// As in torch.nn.functional. In training it normalizes with the batch's mean and variance, and
// changes running_mean and running_var, (channels) each, in place: running = (1 - momentum) running
// + momentum batch, where the batch's variance is unbiased. Otherwise it normalizes with the
// running statistics. They may be undefined in training only (ValueError).
Variable batch_norm(const Variable& x, Tensor running_mean, Tensor running_var,
                    const Variable& weight = {}, const Variable& bias = {},
                    const BatchNormArguments& options = {});

// Normalizes each of num_groups groups of channels of (batch, channels, ...) in each example (Wu
// and He 2018). weight and bias are (channels). ValueError if num_groups does not divide the
// channels.
Variable group_norm(const Variable& x, std::int64_t num_groups, const Variable& weight = {},
                    const Variable& bias = {}, double eps = 1e-5);

// Matrix products (matmul.cc) ---------------------------------------------------------------------
Variable matmul(const Variable& a, const Variable& b);
Variable mm(const Variable& a, const Variable& b);
Variable bmm(const Variable& a, const Variable& b);
Variable mv(const Variable& a, const Variable& b);
Variable dot(const Variable& a, const Variable& b);
Variable outer(const Variable& a, const Variable& b);
Variable addmm(const Variable& c, const Variable& a, const Variable& b, double beta = 1,
               double alpha = 1);
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});
// y[o] = a^T weight[o] b + bias[o]: (..., m), (..., n), (out, m, n), (out) -> (..., out).
Variable bilinear(const Variable& a, const Variable& b, const Variable& weight,
                  const Variable& bias = {});

// Einstein sums (einsum.cc) -----------------------------------------------------------------------
Variable einsum(const std::string& equation, std::span<const Variable> operands);
inline Variable einsum(const std::string& equation, const std::vector<Variable>& operands) {
  return einsum(equation, std::span<const Variable>(operands));
}
inline Variable einsum(const std::string& equation, std::initializer_list<Variable> operands) {
  return einsum(equation, std::span<const Variable>(operands.begin(), operands.size()));
}

// Convolution (convolution.cc) --------------------------------------------------------------------
// x is (batch, channels, length) or (channels, length), as in PyTorch; the result has the same
// number of dimensions and (length + 2 padding - dilation (kernel - 1) - 1) / stride + 1 steps,
// rounded down; with ceil_mode rounded up, except that no window may begin after the sequence.
// ShapeError if no window fits.

// Padding that keeps the length; if its total is odd, the end gets one step more than the start.
// For stride 1.
inline constexpr std::int64_t same_padding = -1;

struct ConvOptions {
  std::int64_t stride = 1;    // steps from one window to the next
  std::int64_t padding = 0;   // steps before and after the sequence; or same_padding
  std::int64_t dilation = 1;  // steps from one element of a window to the next
  std::int64_t groups = 1;    // groups of channels, in and out, that are convolved separately
  PadMode padding_mode = PadMode::zeros;
};

// y[o][t] = bias[o] + sum over c, k of weight[o][c][k] * x[c][t stride + k dilation - padding];
// weight is (out_channels, channels / groups, kernel), bias (out_channels) or undefined. ShapeError
// if the sequence is too short to fill the padding (all modes but zeros).
Variable conv1d(const Variable& x, const Variable& weight, const Variable& bias = {},
                const ConvOptions& options = {});

// Convolution of images (conv2d.cc) ---------------------------------------------------------------
// x is (batch, channels, height, width) or (channels, height, width), as in PyTorch. Height and
// width follow the rules of a sequence's length above, each with its own sizes.

// A height and a width. One number stands for both: 3 is {3, 3}.
struct Size2d {
  std::int64_t height;
  std::int64_t width;
  constexpr Size2d(std::int64_t both) : height(both), width(both) {}
  constexpr Size2d(std::int64_t its_height, std::int64_t its_width)
      : height(its_height), width(its_width) {}
  friend constexpr bool operator==(const Size2d&, const Size2d&) = default;
};

struct ConvOptions2d {
  Size2d stride = 1;
  Size2d padding = 0;  // rows above and below, columns left and right; or same_padding
  Size2d dilation = 1;
  std::int64_t groups = 1;
  PadMode padding_mode = PadMode::zeros;
};

// y[o][t][u] = bias[o] + sum over c, i, j of weight[o][c][i][j] * x[c][t stride + i dilation -
// padding][u stride + j dilation - padding]; weight is (out_channels, channels / groups, kernel
// height, kernel width), bias (out_channels) or undefined.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias = {},
                const ConvOptions2d& options = {});

// Pooling (pooling.cc) ----------------------------------------------------------------------------
// Of sequences and of images, whose shapes and windows are those of convolution above.
struct MaxPoolOptions {
  std::optional<std::int64_t> stride = std::nullopt;  // default: the kernel's size
  std::int64_t padding = 0;                           // with -inf, at most half the kernel
  std::int64_t dilation = 1;
  bool ceil_mode = false;  // whether the last window may extend beyond the end
};
// The largest element of each window; among equal elements, the first gets the gradient.
Variable max_pool1d(const Variable& x, std::int64_t kernel_size,
                    const MaxPoolOptions& options = {});
// Also the step of each largest element; -1 if its window consists of padding.
VariableAndIndices max_pool1d_with_indices(const Variable& x, std::int64_t kernel_size,
                                           const MaxPoolOptions& options = {});

struct AvgPoolOptions {
  std::optional<std::int64_t> stride = std::nullopt;  // default: the kernel's size
  std::int64_t padding = 0;                           // with zeros, at most half the kernel
  bool count_include_pad = true;                      // whether the divisor counts the padding
  bool ceil_mode = false;  // whether the last window may extend beyond the end
};
Variable avg_pool1d(const Variable& x, std::int64_t kernel_size,
                    const AvgPoolOptions& options = {});

struct MaxPoolOptions2d {
  std::optional<Size2d> stride = std::nullopt;  // default: the kernel's size
  Size2d padding = 0;                           // with -inf, at most half the kernel
  Size2d dilation = 1;
  bool ceil_mode = false;  // whether the last windows may extend beyond the end
};
// The largest element of each window; among equal elements, the first gets the gradient. Padding
// never wins.
Variable max_pool2d(const Variable& x, const Size2d& kernel_size,
                    const MaxPoolOptions2d& options = {});
// Also the index of each largest element in its flattened image: row * width + column; -1 if its
// window consists of padding.
VariableAndIndices max_pool2d_with_indices(const Variable& x, const Size2d& kernel_size,
                                           const MaxPoolOptions2d& options = {});

struct AvgPoolOptions2d {
  std::optional<Size2d> stride = std::nullopt;  // default: the kernel's size
  Size2d padding = 0;                           // with zeros, at most half the kernel
  bool ceil_mode = false;         // whether the last windows may extend beyond the end
  bool count_include_pad = true;  // whether the divisor counts the padding
  std::optional<std::int64_t> divisor_override = std::nullopt;  // instead of the window's size
};
Variable avg_pool2d(const Variable& x, const Size2d& kernel_size,
                    const AvgPoolOptions2d& options = {});

// Divides an image into output_size parts and takes their means. Part i of a length goes from
// floor(i length / output_size) to ceil((i + 1) length / output_size), which is excluded.
Variable adaptive_avg_pool2d(const Variable& x, const Size2d& output_size);

// Views (views.cc) --------------------------------------------------------------------------------
Variable reshape(const Variable& x, const Shape& shape);
Variable view(const Variable& x, const Shape& shape);
Variable flatten(const Variable& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Variable unflatten(const Variable& x, std::int64_t dim, const Shape& sizes);
Variable squeeze(const Variable& x);
Variable squeeze(const Variable& x, std::int64_t dim);
Variable unsqueeze(const Variable& x, std::int64_t dim);
Variable permute(const Variable& x, const Dims& dims);
Variable transpose(const Variable& x, std::int64_t dim0, std::int64_t dim1);
Variable transpose(const Variable& x);
Variable expand(const Variable& x, const Shape& shape);
Variable broadcast_to(const Variable& x, const Shape& shape);
Variable contiguous(const Variable& x);
Variable clone(const Variable& x);  // a copy in its own memory, recorded; detach() is a constant
Variable cat(std::span<const Variable> variables, std::int64_t dim = 0);
Variable stack(std::span<const Variable> variables, std::int64_t dim = 0);
inline Variable cat(const std::vector<Variable>& variables, std::int64_t dim = 0) {
  return cat(std::span<const Variable>(variables), dim);
}
inline Variable cat(std::initializer_list<Variable> variables, std::int64_t dim = 0) {
  return cat(std::span<const Variable>(variables.begin(), variables.size()), dim);
}
inline Variable stack(const std::vector<Variable>& variables, std::int64_t dim = 0) {
  return stack(std::span<const Variable>(variables), dim);
}
inline Variable stack(std::initializer_list<Variable> variables, std::int64_t dim = 0) {
  return stack(std::span<const Variable>(variables.begin(), variables.size()), dim);
}
std::vector<Variable> split(const Variable& x, std::int64_t split_size, std::int64_t dim = 0);
std::vector<Variable> split(const Variable& x, const Shape& split_sizes, std::int64_t dim);
std::vector<Variable> chunk(const Variable& x, std::int64_t chunks, std::int64_t dim = 0);
std::vector<Variable> unbind(const Variable& x, std::int64_t dim = 0);

// Rearranging (rearrange.cc) ----------------------------------------------------------------------
Variable repeat(const Variable& x, const Shape& repeats);
Variable tile(const Variable& x, const Shape& repeats);
Variable flip(const Variable& x, const Dims& dims);
Variable roll(const Variable& x, const Shape& shifts, const Dims& dims = {});
Variable tril(const Variable& x, std::int64_t diagonal = 0);
Variable triu(const Variable& x, std::int64_t diagonal = 0);
Variable repeat_interleave(const Variable& x, std::int64_t repeats,
                           std::optional<std::int64_t> dim = std::nullopt);
Variable repeat_interleave(const Variable& x, const Tensor& repeats,
                           std::optional<std::int64_t> dim = std::nullopt);
Variable diag(const Variable& x, std::int64_t diagonal = 0);
std::vector<Variable> meshgrid(std::span<const Variable> axes,
                               GridIndexing indexing = GridIndexing::ij);
inline std::vector<Variable> meshgrid(std::initializer_list<Variable> axes,
                                      GridIndexing indexing = GridIndexing::ij) {
  return meshgrid(std::span<const Variable>(axes.begin(), axes.size()), indexing);
}
Variable pad(const Variable& x, const Shape& padding, PadMode mode = PadMode::zeros,
             Scalar value = 0);

// Indexing (indexing.cc) --------------------------------------------------------------------------
Variable select(const Variable& x, std::int64_t dim, std::int64_t index);
Variable narrow(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t length);
Variable slice(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t end,
               std::int64_t step = 1);
Variable index(const Variable& x, std::initializer_list<Index> indices);

// A result of `shape` that is 0 outside `piece`, which stands at positions start, start + step, ...
// of dimension dim or, if it has one dimension fewer, at position start: the gradient of slice()
// and select().
Variable place(const Variable& piece, const Shape& shape, std::int64_t dim, std::int64_t start,
               std::int64_t step = 1);

// Gathering and scattering (gather_scatter.cc) ----------------------------------------------------
Variable index_select(const Variable& x, std::int64_t dim, const Tensor& index);
Variable gather(const Variable& x, std::int64_t dim, const Tensor& index);
Variable take_along_dim(const Variable& x, const Tensor& index, std::int64_t dim);
Variable scatter(const Variable& x, std::int64_t dim, const Tensor& index, const Variable& source);
Variable scatter(const Variable& x, std::int64_t dim, const Tensor& index, Scalar value);
Variable scatter_add(const Variable& x, std::int64_t dim, const Tensor& index,
                     const Variable& source);
// The gradient of "amax" and "amin" is shared equally among ties; that of "prod" is exact for
// zeros, but its own derivatives are not, as in PyTorch.
Variable scatter_reduce(const Variable& x, std::int64_t dim, const Tensor& index,
                        const Variable& source, const std::string& reduce,
                        bool include_self = true);
Variable index_add(const Variable& x, std::int64_t dim, const Tensor& index,
                   const Variable& source);
Variable masked_select(const Variable& x, const Tensor& mask);
Variable masked_fill(const Variable& x, const Tensor& mask, Scalar value);

// Embedding (embedding_bag.cc) --------------------------------------------------------------------
// The gradient of a table is row-sparse: its cost grows with the number of lookups, not with the
// size of the table.

// The factor for the gradient of a row, where count is how often this call looks the row up: 1, 1 /
// count (PyTorch's scale_grad_by_freq) or 1 / sqrt(count).
enum class FrequencyScale { none, inverse, inverse_sqrt };

struct EmbeddingLookup {
  std::optional<std::int64_t> padding_idx = std::nullopt;  // negative counts from the end
  std::optional<double> max_norm = std::nullopt;           // calls embedding_renorm_() first
  double norm_type = 2;
  FrequencyScale frequency_scale = FrequencyScale::none;
  bool zero_padding = false;  // the result is 0 for padding_idx, whatever the table holds there
};

// Rows of a (rows, width) table: (...) ids -> (..., width). The row padding_idx gets no gradient.
Variable embedding(const Variable& weight, const Tensor& ids,
                   std::optional<std::int64_t> padding_idx = std::nullopt);
Variable embedding(const Variable& weight, const Tensor& ids, EmbeddingLookup options);

enum class BagMode { sum, mean, max };

struct EmbeddingBagLookup {
  BagMode mode = BagMode::mean;
  bool include_last_offset = false;  // the last offset is the end of the last bag, not a new bag
  Variable per_sample_weights{};     // factors of the rows, of ids' shape; for sum only
  std::optional<std::int64_t> padding_idx = std::nullopt;  // bags ignore such ids
  std::optional<double> max_norm = std::nullopt;           // calls embedding_renorm_() first
  double norm_type = 2;
  FrequencyScale frequency_scale = FrequencyScale::none;  // not for max
};

// For every bag of ids, the sum, mean or largest (column by column) of its rows: (bags, width).
// Bags are the rows of 2-d ids (offsets undefined), or parts of 1-d ids that begin at the 1-d
// offsets, where the first offset is 0. The result for an empty bag is zeros. It takes one pass
// over the rows and never allocates a row for each id.
Variable embedding_bag(const Variable& weight, const Tensor& ids, const Tensor& offsets = {},
                       const EmbeddingBagLookup& options = {});

// In place, without history: multiplies the rows of the leaf `table` that occur in ids and whose
// p-norm (p = norm_type > 0, infinity included) is above max_norm by max_norm / (norm + 1e-7).
// Frozen rows and columns do not change. If a row changes, operations recorded earlier that need
// the old value throw in backward().
void embedding_renorm_(const Variable& table, const Tensor& ids, double max_norm,
                       double norm_type = 2);

// Similarity (similarity.cc) ----------------------------------------------------------------------
Variable cosine_similarity(const Variable& a, const Variable& b, std::int64_t dim = 1,
                           double eps = 1e-8);
Variable pairwise_distance(const Variable& a, const Variable& b, double p = 2.0, double eps = 1e-6,
                           bool keepdim = false);
Variable cdist(const Variable& a, const Variable& b, double p = 2.0);
Variable normalize(const Variable& x, double p = 2.0, std::int64_t dim = 1, double eps = 1e-12);

// Attention (attention.cc) ------------------------------------------------------------------------
struct AttentionOptions {
  // (..., queries, keys), or a shape that can be broadcast to it. Boolean: true where the query
  // sees the key, as in PyTorch's function of this name (in PyTorch's MultiheadAttention true means
  // the opposite). Floating-point: added to the scores.
  Tensor mask{};
  bool is_causal = false;                      // query i sees the keys 0 ... i
  std::optional<double> scale = std::nullopt;  // of the scores; default: 1 / sqrt(width)
  // Query i sees only the keys i - window ... i + window; with is_causal, i - window ... i.
  std::optional<std::int64_t> window = std::nullopt;
  // The share of the weights that are set to 0; the others grow by 1 / (1 - dropout_p). In training
  // only: pass 0 otherwise.
  double dropout_p = 0;
  Generator* generator = nullptr;  // draws them; null: the default generator
};

// softmax(scale * query key^T + mask) value, (..., queries, width), (..., keys, width), (..., keys,
// n) -> (..., queries, n): for each query a mean of the values, weighted by how well their keys
// match the query (Vaswani et al. 2017). The result for a query that sees no key is 0, with
// gradient 0, as in PyTorch since 2.5 (earlier versions return nan).
Variable scaled_dot_product_attention(const Variable& query, const Variable& key,
                                      const Variable& value, const AttentionOptions& options = {});
// Only the weights, (..., queries, keys). Each row sums to 1, or to 0 if the query sees no key.
Variable attention_weights(const Variable& query, const Variable& key,
                           const AttentionOptions& options = {});

}  // namespace tapegrad

#pragma pop_macro("min")
#pragma pop_macro("max")
