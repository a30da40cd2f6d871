// The kernels: the loops over elements, as functions on raw contiguous memory. Each is compiled
// three times (baseline x86-64, AVX2+FMA, AVX-512; see isa_*.cc), and one set is chosen at the
// first use. Read next: tensor/kernels/elementwise.inl.
//
// Internal: nothing here is part of the public interface.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapegrad::kernel {

// y = f(x). The formulas are those of PyTorch's functions of the same name.
enum class Unary : std::uint8_t {
  kNeg,
  kAbs,
  kSign,
  kSquare,
  kReciprocal,
  kSqrt,
  kRsqrt,
  kExp,
  kExpm1,
  kLog,
  kLog1p,
  kLog2,
  kSin,
  kCos,
  kTan,
  kTanh,
  kSigmoid,
  kRelu,
  kErf,
  kSoftplus,  // log(1 + exp(x)); x above 20
  kSilu,      // x * sigmoid(x)
  kGelu,      // x * (1 + erf(x / sqrt(2))) / 2
  kFloor,
  kCeil,
  kRound,  // half to even
  kCount
};

// y = f(a, b), elementwise.
enum class Binary : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kPow,
  kMaximum,          // NaN if either is NaN
  kMinimum,          // NaN if either is NaN
  kTanhBackward,     // a = dy, b = y:  dy * (1 - y * y)
  kSigmoidBackward,  // a = dy, b = y:  dy * y * (1 - y)
  kReluBackward,     // a = dy, b = y:  y > 0 ? dy : 0  (NaN y passes dy)
  // a = dy, b = x:  dy * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi))
  kGeluBackward,
  kCount
};

enum class Compare : std::uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kCount };

// Whether an operand of a binary kernel has one element for each output element (vector) or a
// single one for all of them (scalar).
enum class Operands : std::uint8_t { kVectorVector, kVectorScalar, kScalarVector, kCount };

// One step of Adam or AdamW over n consecutive elements (Kingma and Ba 2015; Loshchilov and Hutter
// 2019), in PyTorch's order of operations:
//   g += l2 * p;  p *= 1 - lr * decay;  m = beta1 * m + (1 - beta1) * g;
//   v = beta2 * v + (1 - beta2) * g * g;  vmax = max(vmax, v) if amsgrad;
//   p -= step_size * m / (sqrt(v or vmax) / sqrt_bias2 + eps)
struct AdamArguments {
  double beta1, beta2, eps;
  double l2;          // Adam's weight_decay; 0 for AdamW
  double shrink;      // 1 - lr * weight_decay for AdamW; 1 for Adam
  double step_size;   // lr / (1 - beta1^t)
  double sqrt_bias2;  // sqrt(1 - beta2^t)
  double sign;        // -1 to maximize, else 1; g is multiplied by it first
};

// One step of SGD over n consecutive elements, in PyTorch's order:
//   g = sign * g + weight_decay * p;
//   buf = first ? g : momentum * buf + (1 - dampening) * g;
//   g = nesterov ? g + momentum * buf : buf;  p -= lr * g
struct SgdArguments {
  double lr, momentum, dampening, weight_decay, sign;
  bool nesterov, first;
};

// Applies several steps of Adam or AdamW with gradient 0 at once, over n consecutive elements. Step
// k after the last gradient changes an element by
//   c_k m / (sqrt(v) + eps y_k)   with m and v at the last gradient, c_k and y_k equal for all,
// and 1 / (sqrt(v) + eps y) is expanded around y = center:
//   h = 1 / (sqrt(v or vmax) + eps_center),  u = eps_center * h  (in [0, 1]),
//   p = shrink * (p - m h (s[0] - u (s[1] - u (s[2] - ...)))),  m *= m_factor,  v *= v_factor
// where s[j] = sum over k of c_k (y_k / center - 1)^j. (optim/lazy/closed_form_steps.h computes
// them.)
struct AdamJumpArguments {
  double shrink, m_factor, v_factor;
  double eps_center;  // eps * center
  double s[6];
};

// A linear map of pairs: (p, b) = (pp p + pb b, bp p + bb b).
struct PairMap {
  double pp, pb, bp, bb;
};

// One step of Adagrad over n consecutive elements (Duchi et al. 2011), in PyTorch's order:
//   g = sign * g + weight_decay * p;  sum += g * g;  p -= rate * g / (sqrt(sum) + eps)
struct AdagradArguments {
  double rate;  // lr / (1 + (t - 1) * lr_decay)
  double weight_decay, eps, sign;
};

// One step of RMSprop over n consecutive elements (Hinton 2012; centered, Graves 2013), in
// PyTorch's order:
//   g = sign * g + weight_decay * p;  v = alpha * v + (1 - alpha) * g * g;
//   centered:  mean = alpha * mean + (1 - alpha) * g;  scale = sqrt(v - mean * mean) + eps;
//   else:  scale = sqrt(v) + eps;
//   with momentum:  buf = momentum * buf + g / scale;  p -= lr * buf;  else:  p -= lr * g / scale
// v - mean * mean is a variance. If rounding makes it negative, 0 is used instead; PyTorch's step
// is NaN then.
struct RmspropArguments {
  double lr, alpha, eps, weight_decay, momentum, sign;
};

// One step of Adadelta over n consecutive elements (Zeiler 2012), in PyTorch's order:
//   g = sign * g + weight_decay * p;  v = rho * v + (1 - rho) * g * g;
//   d = sqrt(u + eps) / sqrt(v + eps) * g;  u = rho * u + (1 - rho) * d * d;  p -= lr * d
struct AdadeltaArguments {
  double lr, rho, eps, weight_decay, sign;
};

// The elements that shifted_sums may read and write beyond a row: two of the longest vectors.
inline constexpr std::size_t kShiftedSlack = 32;

// The channels that channel_sums and channel_products keep side by side, two of the longest
// vectors. Weights lie in panels of this many channels: (panels, k, kChannelPanel).
inline constexpr std::size_t kChannelPanel = 32;

// All kernels for one element type T (float or double). Pointers need only the alignment of T. An
// output may be the same memory as an input of the same type, starting at the same element; any
// other overlap is not allowed. n may be 0.
template <class T>
struct Kernels {
  using UnaryFunction = void (*)(T* y, const T* x, std::size_t n);
  using BinaryFunction = void (*)(T* y, const T* a, const T* b, std::size_t n);
  using CompareFunction = void (*)(bool* y, const T* a, const T* b, std::size_t n);
  static constexpr std::size_t kOperands = static_cast<std::size_t>(Operands::kCount);

  // elementwise.inl --------------------------------------------------------------------------
  UnaryFunction unary[static_cast<std::size_t>(Unary::kCount)];
  BinaryFunction binary[static_cast<std::size_t>(Binary::kCount)][kOperands];
  CompareFunction compare[static_cast<std::size_t>(Compare::kCount)][kOperands];
  void (*where)(T* y, const bool* condition, const T* a, const T* b, std::size_t n);
  void (*clamp)(T* y, const T* x, T low, T high, std::size_t n);  // NaN stays NaN
  void (*fill)(T* y, T value, std::size_t n);
  void (*axpy)(T* y, T alpha, const T* x, std::size_t n);             // y += alpha * x
  void (*multiply_add)(T* y, const T* a, const T* b, std::size_t n);  // y += a * b
  void (*add_row)(T* y, const T* x, const T* row, std::size_t rows, std::size_t columns);  // bias

  // reductions.inl ---------------------------------------------------------------------------
  // Sums are pairwise over blocks, so that the error grows with log n; the order of additions
  // depends only on n. max and min return NaN if any element is NaN, and -inf / inf for n == 0.
  T (*sum)(const T* x, std::size_t n);
  T (*sum_of_squares)(const T* x, std::size_t n);
  T (*dot)(const T* a, const T* b, std::size_t n);
  T (*max)(const T* x, std::size_t n);
  T (*min)(const T* x, std::size_t n);
  // y[j] (+)= sum over i of x[i * columns + j]
  void (*sum_columns)(T* y, const T* x, std::size_t rows, std::size_t columns, bool accumulate);

  // softmax.inl: over the last dimension of (rows, columns), subtracting each row's maximum ---
  void (*softmax)(T* y, const T* x, std::size_t rows, std::size_t columns);
  void (*log_softmax)(T* y, const T* x, std::size_t rows, std::size_t columns);
  void (*logsumexp)(T* y, const T* x, std::size_t rows, std::size_t columns);  // y is (rows)
  // dx = y * (dy - sum(dy * y))
  void (*softmax_backward)(T* dx, const T* dy, const T* y, std::size_t rows, std::size_t columns);
  // dx = dy - exp(y) * sum(dy)
  void (*log_softmax_backward)(T* dx, const T* dy, const T* y, std::size_t rows,
                               std::size_t columns);

  // normalization.inl: over the last dimension of (rows, columns), columns > 0 ----------------
  // y = (x - mean) * scale * weight + bias with scale = 1 / sqrt(variance + eps), where the
  // variance divides by `columns`; mean and scale are (rows), weight and bias (columns). bias may
  // be null; if it is, weight may be null, too.
  void (*layer_norm)(T* y, T* mean, T* scale, const T* x, const T* weight, const T* bias,
                     std::size_t rows, std::size_t columns, T eps);
  // With g = dy * weight (or dy if weight is null) and n = (x - mean) * scale, for each row:
  // dx = scale * (g - mean of g - n * mean of (g * n)); dx must not be dy or x
  void (*layer_norm_backward)(T* dx, const T* dy, const T* x, const T* mean, const T* scale,
                              const T* weight, std::size_t rows, std::size_t columns);
  // dweight += sum over rows of dy * (x - mean) * scale, in the order of rows
  void (*layer_norm_weight_backward)(T* dweight, const T* dy, const T* x, const T* mean,
                                     const T* scale, std::size_t rows, std::size_t columns);

  // rows.inl: tables of rows; the indices must be valid ------------------------------------------
  // y[i] = table[ids[i]]
  void (*gather_rows)(T* y, const T* table, const std::int64_t* ids, std::size_t n,
                      std::size_t columns);
  // table[ids[i]] += scale[i] * rows[pick[i]], in the order of i, for all ids[i] other than `skip`.
  // A null pick means rows[i], a null scale means 1.
  void (*scatter_add_rows)(T* table, const std::int64_t* ids, const T* rows,
                           const std::int64_t* pick, const T* scale, std::size_t n,
                           std::size_t columns, std::int64_t skip);

  // Bags: bag b consists of the ids at positions bounds[b] ... bounds[b + 1] - 1, and its result is
  // row b of y. Ids equal to `skip` are ignored; a bag without other ids gives zeros.
  //
  // y[b] = sum of scale[i] * table[ids[i]], in the order of i, divided by the number of ids if
  // `mean`; a null scale means 1
  void (*bag_sum)(T* y, const T* table, const std::int64_t* ids, const T* scale,
                  const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                  std::int64_t skip, bool mean);
  // y[b][j] = max of table[ids[i]][j], NaN if any is NaN; winners[b][j] = the first ids[i] with
  // this value, or -1 if there is none. winners may be null. A bag must have fewer than 2^32 ids.
  void (*bag_max)(T* y, std::int64_t* winners, const T* table, const std::int64_t* ids,
                  const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                  std::int64_t skip);
  // y[i] = dot(x[b], table[ids[i]]) where i is in bag b; 0 if ids[i] is `skip`
  void (*bag_dots)(T* y, const T* x, const T* table, const std::int64_t* ids,
                   const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                   std::int64_t skip);

  // matmul.inl ---------------------------------------------------------------------------------
  // C = A B, or C += A B if `accumulate`: A (m, k), B (k, n), C (m, n) with rows ldc elements
  // apart. Element (i, j) of A is a[i * a_row + j * a_column], and B likewise, so A and B may be
  // transposed. They are read in place if that is fast, otherwise packed into `workspace`.
  void (*matmul)(T* c, std::ptrdiff_t ldc, const T* a, std::ptrdiff_t a_row,
                 std::ptrdiff_t a_column, const T* b, std::ptrdiff_t b_row, std::ptrdiff_t b_column,
                 std::size_t m, std::size_t n, std::size_t k, bool accumulate, T* workspace);
  // The size of the workspace that matmul needs for these sizes, in elements. It must be
  // 64-byte aligned.
  std::size_t (*matmul_workspace)(std::size_t m, std::size_t n, std::size_t k);

  // convolution.inl: rows of n elements that lie at `offsets` from x. The last tile may be larger
  // than the rest of the row: memory is read and written up to kShiftedSlack elements beyond n.
  // y[i][q] = sum over p of w[i][p] * x[offsets[p] + q]: w (m, k), y (m, n)
  void (*shifted_sums)(T* y, std::ptrdiff_t y_row, const T* w, std::ptrdiff_t w_row, const T* x,
                       const std::ptrdiff_t* offsets, std::size_t m, std::size_t n, std::size_t k);
  // dw[i][p] += sum over images and q of dy[i][q] * x[offsets[p] + q]. The elements of dy beyond n
  // must be 0, those of x finite.
  void (*shifted_products)(T* dw, std::ptrdiff_t dw_row, const T* dy, std::ptrdiff_t dy_row,
                           std::ptrdiff_t dy_image, const T* x, std::ptrdiff_t x_image,
                           const std::ptrdiff_t* offsets, std::size_t m, std::size_t n,
                           std::size_t k, std::size_t images);

  // channels.inl: convolution of an image whose result has `m` channels and rows x columns pixels.
  // w, bias and dw have panels of kChannelPanel channels. The channels of the last panel beyond m
  // must exist; what they contain is not used.
  std::size_t lanes;  // the elements of a vector
  // y[o][t * columns + u] = bias[o] + sum over p of w[p][o] * x[offsets[p] + t * x_row + u]: the
  // workspace has (columns * 4 + 128) * kChannelPanel elements.
  void (*channel_sums)(T* y, std::ptrdiff_t y_row, const T* w, const T* bias, const T* x,
                       std::ptrdiff_t x_row, const std::ptrdiff_t* offsets, std::size_t m,
                       std::size_t rows, std::size_t columns, std::size_t k, T* workspace);
  // dw[p][o] += sum over t, u of dy[o][t * columns + u] * x[offsets[p] + t * x_row + u]: the
  // workspace has rows * columns * kChannelPanel elements.
  void (*channel_products)(T* dw, const T* dy, std::ptrdiff_t dy_row, const T* x,
                           std::ptrdiff_t x_row, const std::ptrdiff_t* offsets, std::size_t m,
                           std::size_t rows, std::size_t columns, std::size_t k, T* workspace);
  // y[t][i] = x[t][i] for i below n, row by row. After each row, zeros are written up to the end of
  // a vector.
  void (*padded_rows)(T* y, std::ptrdiff_t y_row, const T* x, std::ptrdiff_t x_row,
                      std::size_t rows, std::size_t n);

  // recurrent.inl: one step of a recurrent layer, after the matrix products, for `rows` sequences
  // with states of `hidden` elements. `gates`, `a` and `b` contain the products of inputs and
  // states without bias; a row contains one gate after the other. A step replaces `gates` by the
  // values that its backward step needs. In a backward step, dh is at first the gradient of the new
  // state; it is replaced by the part of the old state's gradient that does not go through the
  // products. `da` is the gradient of the gates' sums.
  //
  // h = tanh(a + bias) or relu;  da = dh * (1 - h * h) or where(h <= 0, 0, dh)
  void (*rnn_step)(T* h, const T* a, const T* bias, std::size_t rows, std::size_t hidden,
                   bool relu);
  void (*rnn_step_backward)(T* da, T* dh, const T* h, std::size_t rows, std::size_t hidden,
                            bool relu);
  // i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of gates + bias (4 hidden elements per row);
  // c = f * c_before + i * g;  h = o * tanh(c)
  void (*lstm_step)(T* h, T* c, T* gates, const T* bias, const T* c_before, std::size_t rows,
                    std::size_t hidden);
  // dc is treated like dh: at first the gradient of c, at the end that of c_before.
  void (*lstm_step_backward)(T* da, T* dh, T* dc, const T* gates, const T* c, const T* c_before,
                             std::size_t rows, std::size_t hidden);
  // gates: products of inputs, b: of states (3 hidden elements per row), bias: for r, z, n and m
  // (4 hidden);
  // r, z = sigmoid(gates + b + bias);  m = b + bias;  n = tanh(gates + bias + r * m);
  // h = n + z * (h_before - n)
  void (*gru_step)(T* h, T* gates, T* m, const T* b, const T* bias, const T* h_before,
                   std::size_t rows, std::size_t hidden);
  // da: the gradients of r, z, n and m (4 hidden elements per row)
  void (*gru_step_backward)(T* da, T* dh, const T* gates, const T* m, const T* h_before,
                            std::size_t rows, std::size_t hidden);

  // optimizers.inl: each one pass over memory ------------------------------------------------
  // vmax may be null (no amsgrad); a null g means zeros.
  void (*adam)(T* p, T* m, T* v, T* vmax, const T* g, std::size_t n, const AdamArguments&);
  void (*adam_jump)(T* p, T* m, T* v, const T* vmax, std::size_t n, const AdamJumpArguments&);
  void (*map_pairs)(T* p, T* b, std::size_t n, const PairMap&);
  // buf may be null (no momentum); a null g means zeros.
  void (*sgd)(T* p, T* buf, const T* g, std::size_t n, const SgdArguments&);
  // A null g means zeros.
  void (*adagrad)(T* p, T* sum, const T* g, std::size_t n, const AdagradArguments&);
  // buf may be null (no momentum), mean may be null (not centered); a null g means zeros.
  void (*rmsprop)(T* p, T* v, T* buf, T* mean, const T* g, std::size_t n, const RmspropArguments&);
  // A null g means zeros.
  void (*adadelta)(T* p, T* v, T* u, const T* g, std::size_t n, const AdadeltaArguments&);
};

// The kernels for this machine, chosen once: the best level that the processor and the operating
// system support, or the level in the environment variable TAPEGRAD_SIMD (base, avx2 or avx512). If
// the machine does not support that level, the first use throws a ValueError.
template <class T>
const Kernels<T>& kernels();

namespace detail {
template <class T>
inline constinit const Kernels<T>* chosen_kernels = nullptr;  // null until the first use
template <class T>
const Kernels<T>& choose_kernels();
}  // namespace detail

template <class T>
const Kernels<T>& kernels() {
  const Kernels<T>* const chosen = __atomic_load_n(&detail::chosen_kernels<T>, __ATOMIC_RELAXED);
  return chosen != nullptr ? *chosen : detail::choose_kernels<T>();
}

// The name of the chosen level: "base", "avx2" or "avx512".
const char* level();

// The kernels of one level by name. ValueError for an unknown name and for a level that the machine
// does not support.
template <class T>
const Kernels<T>& kernels_for(const char* level);

}  // namespace tapegrad::kernel
