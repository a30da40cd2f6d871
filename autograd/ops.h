// Operations that the tape remembers: the functions of tensor/ops.h, with the same names, shapes
// and errors, on Variables. A Tensor converts to a constant Variable, so both mix. Each heading
// names the file of autograd/ops/ that holds its functions, each with its formula, forward and
// rule; tensor/ops.h has the same headings in the same order. Read next:
// autograd/ops/elementwise.cc.
//
// Gradients at kinks are PyTorch's: relu'(0) = abs'(0) = 0; clamp passes its whole closed interval;
// maximum and minimum of two share equally on ties; max(x, dim) gives all to the index it returned,
// max(x) shares equally among ties.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

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
Variable softsign(const Variable& x);
Variable erf(const Variable& x);
Variable floor(const Variable& x);  // gradient 0, as ceil and round
Variable ceil(const Variable& x);
Variable round(const Variable& x);
Variable clamp(const Variable& x, std::optional<Scalar> min,
               std::optional<Scalar> max = std::nullopt);

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
inline Variable operator-(const Variable& x) { return neg(x); }

// Reductions (reductions.cc) ----------------------------------------------------------------------
Variable sum(const Variable& x);
Variable sum(const Variable& x, const Dims& dims, bool keepdim = false);
Variable mean(const Variable& x);
Variable mean(const Variable& x, const Dims& dims, bool keepdim = false);
Variable var(const Variable& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
Variable std(const Variable& x, const Dims& dims = {}, bool unbiased = true, bool keepdim = false);
Variable prod(const Variable& x);
Variable prod(const Variable& x, std::int64_t dim, bool keepdim = false);
Variable norm(const Variable& x, double p = 2.0);
Variable norm(const Variable& x, double p, const Dims& dims, bool keepdim = false);
Variable cumsum(const Variable& x, std::int64_t dim);
Variable sum_to(const Variable& x, const Shape& shape);

// Minimum and maximum (minmax.cc) -----------------------------------------------------------------
struct VariableAndIndices {
  Variable values;
  Tensor indices;
};
Variable max(const Variable& x);
Variable min(const Variable& x);
VariableAndIndices max(const Variable& x, std::int64_t dim, bool keepdim = false);
VariableAndIndices min(const Variable& x, std::int64_t dim, bool keepdim = false);

// Softmax (softmax.cc) ----------------------------------------------------------------------------
Variable logsumexp(const Variable& x, const Dims& dims, bool keepdim = false);
Variable softmax(const Variable& x, std::int64_t dim);
Variable log_softmax(const Variable& x, std::int64_t dim);

// Sorting (sorting.cc) ----------------------------------------------------------------------------
VariableAndIndices sort(const Variable& x, std::int64_t dim = -1, bool descending = false);
VariableAndIndices topk(const Variable& x, std::int64_t k, std::int64_t dim = -1,
                        bool largest = true);

// Normalization (normalization.cc) ----------------------------------------------------------------
Variable layer_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight = {},
                    const Variable& bias = {}, double eps = 1e-5);

// x / sqrt(mean of x^2 + eps) * weight over the last dimensions, which have the sizes
// normalized_shape. Without an eps, the distance from 1 to the next number of x's type.
Variable rms_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight = {},
                  std::optional<double> eps = std::nullopt);

// Each channel of (batch, channels) or (batch, channels, length) made of mean 0 and variance 1 over
// all the rest: (x - mean) / sqrt(var + eps) * weight + bias, where var divides by n. ValueError
// for a single number for each channel.
Variable batch_norm(const Variable& x, const Variable& weight = {}, const Variable& bias = {},
                    double eps = 1e-5);

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

// Convolution and pooling (convolution.cc) --------------------------------------------------------
// x is (batch, channels, length) or (channels, length), as in PyTorch; the result has the same
// number of dimensions and (length + 2 padding - dilation (kernel - 1) - 1) / stride + 1 steps,
// rounded down; up with ceil_mode, but for a window that would begin after the sequence.
// ShapeError where not even one window fits.

// As much padding as keeps the length, one more after than before where it is odd; for stride 1.
inline constexpr std::int64_t same_padding = -1;

// What stands there: zeros; the sequence mirrored at its ends, which are not repeated; its ends
// repeated; or the sequence once more, as on a ring.
enum class PadMode { zeros, reflect, replicate, circular };

struct ConvOptions {
  std::int64_t stride = 1;    // steps from one window to the next
  std::int64_t padding = 0;   // steps before and after the sequence; or same_padding
  std::int64_t dilation = 1;  // steps from one number of a window to the next
  std::int64_t groups = 1;    // of channels, in and out, that are convolved apart
  PadMode padding_mode = PadMode::zeros;
};

// y[o][t] = bias[o] + sum over c, k of weight[o][c][k] * x[c][t stride + k dilation - padding];
// weight is (out_channels, channels / groups, kernel), bias (out_channels) or undefined. ShapeError
// where the padding is longer than the sequence has steps to fill it with.
Variable conv1d(const Variable& x, const Variable& weight, const Variable& bias = {},
                const ConvOptions& options = {});

struct MaxPoolOptions {
  std::optional<std::int64_t> stride = std::nullopt;  // else the kernel's size
  std::int64_t padding = 0;                           // of -inf, at most half the kernel
  std::int64_t dilation = 1;
  bool ceil_mode = false;  // whether a last window may hang over the end
};
// The largest of each window; the first of equals gets the gradient.
Variable max_pool1d(const Variable& x, std::int64_t kernel_size,
                    const MaxPoolOptions& options = {});

struct AvgPoolOptions {
  std::optional<std::int64_t> stride = std::nullopt;  // else the kernel's size
  std::int64_t padding = 0;                           // of zeros, at most half the kernel
  bool count_include_pad = true;  // whether padding counts among the numbers divided by
  bool ceil_mode = false;         // whether a last window may hang over the end
};
Variable avg_pool1d(const Variable& x, std::int64_t kernel_size,
                    const AvgPoolOptions& options = {});

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

// Indexing (indexing.cc) --------------------------------------------------------------------------
Variable select(const Variable& x, std::int64_t dim, std::int64_t index);
Variable narrow(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t length);
Variable slice(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t end,
               std::int64_t step = 1);
Variable index(const Variable& x, std::initializer_list<Index> indices);

// Zeros of `shape`, but for `piece` at positions start, start + step, ... of dimension dim, or, if
// piece has one dimension fewer, at position start: the gradient of slice() and select().
Variable place(const Variable& piece, const Shape& shape, std::int64_t dim, std::int64_t start,
               std::int64_t step = 1);

// Gathering and scattering (gather_scatter.cc) ----------------------------------------------------
Variable index_select(const Variable& x, std::int64_t dim, const Tensor& index);
Variable gather(const Variable& x, std::int64_t dim, const Tensor& index);
Variable take_along_dim(const Variable& x, const Tensor& index, std::int64_t dim);
Variable scatter(const Variable& x, std::int64_t dim, const Tensor& index, const Variable& source);
Variable scatter_add(const Variable& x, std::int64_t dim, const Tensor& index,
                     const Variable& source);
Variable index_add(const Variable& x, std::int64_t dim, const Tensor& index,
                   const Variable& source);
Variable masked_select(const Variable& x, const Tensor& mask);
Variable masked_fill(const Variable& x, const Tensor& mask, Scalar value);

// Embedding (embedding_bag.cc) --------------------------------------------------------------------
// The gradient of a table is row-sparse: it costs what was looked up, not what the table holds.

// What the gradient of a row is multiplied with, by how often the row was looked up in this call:
// 1, 1 / count (PyTorch's scale_grad_by_freq) or 1 / sqrt(count).
enum class FrequencyScale { none, inverse, inverse_sqrt };

struct EmbeddingLookup {
  std::optional<std::int64_t> padding_idx = std::nullopt;  // negative counts from the end
  std::optional<double> max_norm = std::nullopt;           // embedding_renorm_() first
  double norm_type = 2;
  FrequencyScale frequency_scale = FrequencyScale::none;
  bool zero_padding = false;  // the result is 0 for padding_idx, whatever its row holds
};

// Rows of a (rows, width) table: (...) ids -> (..., width). The row padding_idx gets no gradient.
Variable embedding(const Variable& weight, const Tensor& ids,
                   std::optional<std::int64_t> padding_idx = std::nullopt);
Variable embedding(const Variable& weight, const Tensor& ids, EmbeddingLookup options);

enum class BagMode { sum, mean, max };

struct EmbeddingBagLookup {
  BagMode mode = BagMode::mean;
  bool include_last_offset = false;  // the last offset is not a bag: it is where the last bag ends
  Variable per_sample_weights{};     // of ids' shape: factors of the rows; for sum only
  std::optional<std::int64_t> padding_idx = std::nullopt;  // such ids are left out of the bags
  std::optional<double> max_norm = std::nullopt;           // embedding_renorm_() first
  double norm_type = 2;
  FrequencyScale frequency_scale = FrequencyScale::none;  // not for max
};

// For every bag of ids, the sum, mean or largest (column by column) of its rows: (bags, width).
// Bags are the rows of 2-d ids (offsets undefined), or parts of 1-d ids that begin at the 1-d
// offsets, the first of them 0. A bag without ids gives zeros. One pass over the rows; there is
// never a row for each id.
Variable embedding_bag(const Variable& weight, const Tensor& ids, const Tensor& offsets = {},
                       const EmbeddingBagLookup& options = {});

// In place, without history: the rows of the leaf `table` that ids mention and whose p-norm (p =
// norm_type > 0, perhaps infinity) is above max_norm are multiplied by max_norm / (norm + 1e-7).
// Frozen rows and columns stay as they are. If a row changes, what was recorded before and needs
// the old value throws in backward().
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
  // (..., queries, keys) or what broadcasts to it. Boolean: true where the query sees the key, as
  // PyTorch has it here (its MultiheadAttention means the opposite). Floating: is added to the
  // scores.
  Tensor mask{};
  bool is_causal = false;                      // query i sees the keys 0 ... i
  std::optional<double> scale = std::nullopt;  // of the scores; else 1 / sqrt(width)
};

// softmax(scale * query key^T + mask) value, (..., queries, width), (..., keys, width), (..., keys,
// n) -> (..., queries, n): each query's mean of the values, weighted by how well the keys fit it
// (Vaswani et al. 2017). A query that sees no key gets zeros, with gradient 0, as in PyTorch since
// 2.5; before, it was nan.
Variable scaled_dot_product_attention(const Variable& query, const Variable& key,
                                      const Variable& value, const AttentionOptions& options = {});
// The weights alone, (..., queries, keys): their rows sum to 1, or to 0 where no key is seen.
Variable attention_weights(const Variable& query, const Variable& key,
                           const AttentionOptions& options = {});

}  // namespace tapegrad
