// Plain references of all kernels: simple loops that define what each kernel computes. Only the
// tests call them, to compare all levels with them. Read next: lanes.inl, and the files after it,
// for the vectorized versions.
#include "tensor/kernels/plain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace tapegrad::kernel {
namespace {

using std::size_t;

// Elementwise --------------------------------------------------------------------------------

template <Unary kOp, class T>
T apply(T x) {
  if constexpr (kOp == Unary::kNeg) return -x;
  if constexpr (kOp == Unary::kAbs) return std::abs(x);
  if constexpr (kOp == Unary::kSign) return x > 0 ? T(1) : x < 0 ? T(-1) : T(0);
  if constexpr (kOp == Unary::kSquare) return x * x;
  if constexpr (kOp == Unary::kReciprocal) return 1 / x;
  if constexpr (kOp == Unary::kSqrt) return std::sqrt(x);
  if constexpr (kOp == Unary::kRsqrt) return 1 / std::sqrt(x);
  if constexpr (kOp == Unary::kExp) return std::exp(x);
  if constexpr (kOp == Unary::kExpm1) return std::expm1(x);
  if constexpr (kOp == Unary::kLog) return std::log(x);
  if constexpr (kOp == Unary::kLog1p) return std::log1p(x);
  if constexpr (kOp == Unary::kLog2) return std::log2(x);
  if constexpr (kOp == Unary::kSin) return std::sin(x);
  if constexpr (kOp == Unary::kCos) return std::cos(x);
  if constexpr (kOp == Unary::kTan) return std::tan(x);
  if constexpr (kOp == Unary::kTanh) return std::tanh(x);
  if constexpr (kOp == Unary::kSigmoid) {
    return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
  }
  if constexpr (kOp == Unary::kRelu) return x <= 0 ? T(0) : x;
  if constexpr (kOp == Unary::kErf) return std::erf(x);
  if constexpr (kOp == Unary::kSoftplus) return x > 20 ? x : std::log1p(std::exp(x));
  if constexpr (kOp == Unary::kSilu) return x * apply<Unary::kSigmoid>(x);
  if constexpr (kOp == Unary::kGelu) {
    return x * T(0.5) * (1 + std::erf(x * T(0.70710678118654752)));
  }
  if constexpr (kOp == Unary::kFloor) return std::floor(x);
  if constexpr (kOp == Unary::kCeil) return std::ceil(x);
  if constexpr (kOp == Unary::kRound) return std::nearbyint(x);
}

template <Binary kOp, class T>
T apply(T a, T b) {
  if constexpr (kOp == Binary::kAdd) return a + b;
  if constexpr (kOp == Binary::kSub) return a - b;
  if constexpr (kOp == Binary::kMul) return a * b;
  if constexpr (kOp == Binary::kDiv) return a / b;
  if constexpr (kOp == Binary::kPow) return std::pow(a, b);
  if constexpr (kOp == Binary::kMaximum) return std::isnan(a) || a > b ? a : b;
  if constexpr (kOp == Binary::kMinimum) return std::isnan(a) || a < b ? a : b;
  if constexpr (kOp == Binary::kTanhBackward) return a * (1 - b * b);
  if constexpr (kOp == Binary::kSigmoidBackward) return a * b * (1 - b);
  if constexpr (kOp == Binary::kReluBackward) return b <= 0 ? T(0) : a;
  if constexpr (kOp == Binary::kGeluBackward) {
    const double x = static_cast<double>(b);
    const double distribution = 0.5 * std::erfc(-x / std::sqrt(2.0));
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0));
    return static_cast<T>(static_cast<double>(a) * (distribution + x * density));
  }
}

template <Compare kOp, class T>
bool holds(T a, T b) {
  if constexpr (kOp == Compare::kEq) return a == b;
  if constexpr (kOp == Compare::kNe) return a != b;
  if constexpr (kOp == Compare::kLt) return a < b;
  if constexpr (kOp == Compare::kLe) return a <= b;
  if constexpr (kOp == Compare::kGt) return a > b;
  if constexpr (kOp == Compare::kGe) return a >= b;
}

template <Unary kOp, class T>
void unary(T* y, const T* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = apply<kOp>(x[i]);
}

template <Operands kOperands>
constexpr size_t kStepA = kOperands == Operands::kScalarVector ? 0 : 1;
template <Operands kOperands>
constexpr size_t kStepB = kOperands == Operands::kVectorScalar ? 0 : 1;

template <Binary kOp, Operands kOperands, class T>
void binary(T* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = apply<kOp>(a[i * kStepA<kOperands>], b[i * kStepB<kOperands>]);
  }
}

template <Compare kOp, Operands kOperands, class T>
void compare(bool* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = holds<kOp>(a[i * kStepA<kOperands>], b[i * kStepB<kOperands>]);
  }
}

template <class T>
void where(T* y, const bool* condition, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = condition[i] ? a[i] : b[i];
}

template <class T>
void clamp(T* y, const T* x, T low, T high, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = std::min(std::max(x[i], low), high);
}

template <class T>
void fill(T* y, T value, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = value;
}

template <class T>
void axpy(T* y, T alpha, const T* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += alpha * x[i];
}

template <class T>
void multiply_add(T* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

template <class T>
void add_row(T* y, const T* x, const T* row, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) y[i * columns + j] = x[i * columns + j] + row[j];
  }
}

// Reductions, in long double to avoid rounding errors --------------------------------------------

template <class T>
T sum(const T* x, size_t n) {
  long double total = 0;
  for (size_t i = 0; i < n; ++i) total += x[i];
  return static_cast<T>(total);
}

template <class T>
T dot(const T* a, const T* b, size_t n) {
  long double total = 0;
  for (size_t i = 0; i < n; ++i) total += static_cast<long double>(a[i]) * b[i];
  return static_cast<T>(total);
}

template <class T>
T sum_of_squares(const T* x, size_t n) {
  return dot(x, x, n);
}

template <class T>
T max(const T* x, size_t n) {
  T result = -std::numeric_limits<T>::infinity();
  for (size_t i = 0; i < n; ++i) result = apply<Binary::kMaximum>(result, x[i]);
  return result;
}

template <class T>
T min(const T* x, size_t n) {
  T result = std::numeric_limits<T>::infinity();
  for (size_t i = 0; i < n; ++i) result = apply<Binary::kMinimum>(result, x[i]);
  return result;
}

template <class T>
void sum_columns(T* y, const T* x, size_t rows, size_t columns, bool accumulate) {
  for (size_t j = 0; j < columns; ++j) {
    long double total = accumulate ? y[j] : T(0);
    for (size_t i = 0; i < rows; ++i) total += x[i * columns + j];
    y[j] = static_cast<T>(total);
  }
}

// Softmax --------------------------------------------------------------------------------------

template <class T>
void logsumexp(T* y, const T* x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, x += columns) {
    const T top = max(x, columns);
    const T shift = std::isinf(top) ? T(0) : top;
    long double total = 0;
    for (size_t j = 0; j < columns; ++j) total += std::exp(x[j] - shift);
    y[i] = static_cast<T>(shift + std::log(total));
  }
}

template <class T>
void log_softmax(T* y, const T* x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const T top = max(x, columns);
    long double total = 0;
    for (size_t j = 0; j < columns; ++j) total += std::exp(x[j] - top);
    for (size_t j = 0; j < columns; ++j) y[j] = static_cast<T>(x[j] - top - std::log(total));
  }
}

template <class T>
void softmax(T* y, const T* x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, x += columns, y += columns) {
    const T top = max(x, columns);
    for (size_t j = 0; j < columns; ++j) y[j] = std::exp(x[j] - top);
    const T total = sum(y, columns);
    for (size_t j = 0; j < columns; ++j) y[j] /= total;
  }
}

template <class T>
void softmax_backward(T* dx, const T* dy, const T* y, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, dx += columns, dy += columns, y += columns) {
    const T total = dot(dy, y, columns);
    for (size_t j = 0; j < columns; ++j) dx[j] = y[j] * (dy[j] - total);
  }
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, dx += columns, dy += columns, y += columns) {
    const T total = sum(dy, columns);
    for (size_t j = 0; j < columns; ++j) dx[j] = dy[j] - std::exp(y[j]) * total;
  }
}

// Normalization ----------------------------------------------------------------------------------

template <class T>
void layer_norm(T* y, T* mean, T* scale, const T* x, const T* weight, const T* bias, size_t rows,
                size_t columns, T eps) {
  for (size_t i = 0; i < rows; ++i, y += columns, x += columns) {
    mean[i] = sum(x, columns) / static_cast<T>(columns);
    long double squares = 0;
    for (size_t j = 0; j < columns; ++j) {
      squares += static_cast<long double>(x[j] - mean[i]) * (x[j] - mean[i]);
    }
    const T variance = static_cast<T>(squares / static_cast<long double>(columns));
    scale[i] = T(1) / std::sqrt(variance + eps);
    for (size_t j = 0; j < columns; ++j) {
      y[j] = (x[j] - mean[i]) * scale[i];
      if (weight != nullptr) y[j] *= weight[j];
      if (bias != nullptr) y[j] += bias[j];
    }
  }
}

template <class T>
void layer_norm_backward(T* dx, const T* dy, const T* x, const T* mean, const T* scale,
                         const T* weight, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, dx += columns, dy += columns, x += columns) {
    long double g_sum = 0, slope_sum = 0;
    for (size_t j = 0; j < columns; ++j) {
      dx[j] = weight == nullptr ? dy[j] : dy[j] * weight[j];
      g_sum += dx[j];
      slope_sum += static_cast<long double>(dx[j]) * ((x[j] - mean[i]) * scale[i]);
    }
    const T g_mean = static_cast<T>(g_sum / static_cast<long double>(columns));
    const T g_slope = static_cast<T>(slope_sum / static_cast<long double>(columns));
    for (size_t j = 0; j < columns; ++j) {
      dx[j] = scale[i] * (dx[j] - g_mean - (x[j] - mean[i]) * scale[i] * g_slope);
    }
  }
}

template <class T>
void layer_norm_weight_backward(T* dweight, const T* dy, const T* x, const T* mean, const T* scale,
                                size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, dy += columns, x += columns) {
    for (size_t j = 0; j < columns; ++j) dweight[j] += dy[j] * ((x[j] - mean[i]) * scale[i]);
  }
}

// Rows, the matrix product -----------------------------------------------------------------------

template <class T>
void gather_rows(T* y, const T* table, const std::int64_t* ids, size_t n, size_t columns) {
  for (size_t i = 0; i < n; ++i) {
    std::copy_n(table + static_cast<size_t>(ids[i]) * columns, columns, y + i * columns);
  }
}

template <class T>
void scatter_add_rows(T* table, const std::int64_t* ids, const T* rows, const std::int64_t* pick,
                      const T* scale, size_t n, size_t columns, std::int64_t skip) {
  for (size_t i = 0; i < n; ++i) {
    if (ids[i] == skip) continue;
    T* row = table + static_cast<size_t>(ids[i]) * columns;
    const size_t from = pick != nullptr ? static_cast<size_t>(pick[i]) : i;
    for (size_t j = 0; j < columns; ++j) {
      row[j] += scale != nullptr ? scale[i] * rows[from * columns + j] : rows[from * columns + j];
    }
  }
}

template <class T>
void bag_sum(T* y, const T* table, const std::int64_t* ids, const T* scale,
             const std::int64_t* bounds, size_t bags, size_t columns, std::int64_t skip,
             bool mean) {
  for (size_t b = 0; b < bags; ++b, y += columns) {
    for (size_t j = 0; j < columns; ++j) {
      long double total = 0;
      std::int64_t count = 0;
      for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
        if (ids[i] == skip) continue;
        const T factor = scale != nullptr ? scale[i] : T(1);
        total +=
            static_cast<long double>(factor) * table[static_cast<size_t>(ids[i]) * columns + j];
        ++count;
      }
      y[j] = static_cast<T>(mean && count > 0 ? total / static_cast<long double>(count) : total);
    }
  }
}

template <class T>
void bag_max(T* y, std::int64_t* winners, const T* table, const std::int64_t* ids,
             const std::int64_t* bounds, size_t bags, size_t columns, std::int64_t skip) {
  for (size_t b = 0; b < bags; ++b) {
    for (size_t j = 0; j < columns; ++j) {
      T best = 0;
      std::int64_t winner = -1;
      for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
        if (ids[i] == skip) continue;
        const T x = table[static_cast<size_t>(ids[i]) * columns + j];
        if (winner >= 0 && (std::isnan(best) || x <= best)) continue;
        best = x;
        winner = ids[i];
      }
      y[b * columns + j] = best;
      if (winners != nullptr) winners[b * columns + j] = winner;
    }
  }
}

template <class T>
void bag_dots(T* y, const T* x, const T* table, const std::int64_t* ids, const std::int64_t* bounds,
              size_t bags, size_t columns, std::int64_t skip) {
  for (size_t b = 0; b < bags; ++b, x += columns) {
    for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
      y[i] = ids[i] == skip ? T(0) : dot(x, table + static_cast<size_t>(ids[i]) * columns, columns);
    }
  }
}

template <class T>
void matmul(T* c, std::ptrdiff_t ldc, const T* a, std::ptrdiff_t a_row, std::ptrdiff_t a_column,
            const T* b, std::ptrdiff_t b_row, std::ptrdiff_t b_column, size_t m, size_t n, size_t k,
            bool accumulate, T*) {
  for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(m); ++i) {
    for (std::ptrdiff_t j = 0; j < static_cast<std::ptrdiff_t>(n); ++j) {
      long double total = accumulate ? c[i * ldc + j] : T(0);
      for (std::ptrdiff_t l = 0; l < static_cast<std::ptrdiff_t>(k); ++l) {
        total +=
            static_cast<long double>(a[i * a_row + l * a_column]) * b[l * b_row + j * b_column];
      }
      c[i * ldc + j] = static_cast<T>(total);
    }
  }
}

size_t matmul_workspace(size_t, size_t, size_t) { return 0; }

// Convolution ---------------------------------------------------------------------------------

template <class T>
void shifted_sums(T* y, std::ptrdiff_t y_row, const T* w, std::ptrdiff_t w_row, const T* x,
                  const std::ptrdiff_t* offsets, size_t m, size_t n, size_t k) {
  for (size_t i = 0; i < m; ++i, y += y_row, w += w_row) {
    for (size_t q = 0; q < n; ++q) {
      long double total = 0;
      for (size_t p = 0; p < k; ++p) {
        total += static_cast<long double>(w[p]) * x[offsets[p] + static_cast<std::ptrdiff_t>(q)];
      }
      y[q] = static_cast<T>(total);
    }
  }
}

template <class T>
void shifted_products(T* dw, std::ptrdiff_t dw_row, const T* dy, std::ptrdiff_t dy_row,
                      std::ptrdiff_t dy_image, const T* x, std::ptrdiff_t x_image,
                      const std::ptrdiff_t* offsets, size_t m, size_t n, size_t k, size_t images) {
  for (size_t i = 0; i < m; ++i, dw += dw_row, dy += dy_row) {
    for (size_t p = 0; p < k; ++p) {
      long double total = dw[p];
      for (size_t image = 0; image < images; ++image) {
        const T* row = dy + static_cast<std::ptrdiff_t>(image) * dy_image;
        const T* in = x + static_cast<std::ptrdiff_t>(image) * x_image + offsets[p];
        for (size_t q = 0; q < n; ++q) total += static_cast<long double>(row[q]) * in[q];
      }
      dw[p] = static_cast<T>(total);
    }
  }
}

// Element (p, o) of panels of kChannelPanel channels.
size_t panel_element(size_t p, size_t o, size_t k) {
  return o / kChannelPanel * kChannelPanel * k + p * kChannelPanel + o % kChannelPanel;
}

template <class T>
void channel_sums(T* y, std::ptrdiff_t y_row, const T* w, const T* bias, const T* x,
                  std::ptrdiff_t x_row, const std::ptrdiff_t* offsets, size_t m, size_t rows,
                  size_t columns, size_t k, T*) {
  for (size_t o = 0; o < m; ++o, y += y_row) {
    for (size_t i = 0; i < rows * columns; ++i) {
      const T* in = x + static_cast<std::ptrdiff_t>(i / columns) * x_row + i % columns;
      long double total = bias[panel_element(0, o, 1)];
      for (size_t p = 0; p < k; ++p) {
        total += static_cast<long double>(w[panel_element(p, o, k)]) * in[offsets[p]];
      }
      y[i] = static_cast<T>(total);
    }
  }
}

template <class T>
void channel_products(T* dw, const T* dy, std::ptrdiff_t dy_row, const T* x, std::ptrdiff_t x_row,
                      const std::ptrdiff_t* offsets, size_t m, size_t rows, size_t columns,
                      size_t k, T*) {
  for (size_t o = 0; o < m; ++o, dy += dy_row) {
    for (size_t p = 0; p < k; ++p) {
      T& sum = dw[panel_element(p, o, k)];
      long double total = sum;
      for (size_t i = 0; i < rows * columns; ++i) {
        const T* in = x + static_cast<std::ptrdiff_t>(i / columns) * x_row + i % columns;
        total += static_cast<long double>(dy[i]) * in[offsets[p]];
      }
      sum = static_cast<T>(total);
    }
  }
}

template <class T>
void padded_rows(T* y, std::ptrdiff_t y_row, const T* x, std::ptrdiff_t x_row, size_t rows,
                 size_t n) {
  for (size_t t = 0; t < rows; ++t, y += y_row, x += x_row) {
    for (size_t i = 0; i < n; ++i) y[i] = x[i];
  }
}

// Recurrence ---------------------------------------------------------------------------------

template <class T>
void rnn_step(T* h, const T* a, const T* bias, size_t rows, size_t hidden, bool relu) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const T sum = a[k] + bias[k % hidden];
    h[k] = relu ? apply<Unary::kRelu>(sum) : std::tanh(sum);
  }
}

template <class T>
void rnn_step_backward(T* da, T* dh, const T* h, size_t rows, size_t hidden, bool relu) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    da[k] = relu ? apply<Binary::kReluBackward>(dh[k], h[k])
                 : apply<Binary::kTanhBackward>(dh[k], h[k]);
    dh[k] = 0;
  }
}

template <class T>
void lstm_step(T* h, T* c, T* gates, const T* bias, const T* c_before, size_t rows, size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t j = k % hidden;
    T* const gate = gates + k / hidden * 4 * hidden + j;
    T& i = gate[0];
    T& f = gate[hidden];
    T& g = gate[2 * hidden];
    T& o = gate[3 * hidden];
    i = apply<Unary::kSigmoid>(i + bias[j]);
    f = apply<Unary::kSigmoid>(f + bias[hidden + j]);
    g = std::tanh(g + bias[2 * hidden + j]);
    o = apply<Unary::kSigmoid>(o + bias[3 * hidden + j]);
    c[k] = f * c_before[k] + i * g;
    h[k] = o * std::tanh(c[k]);
  }
}

template <class T>
void lstm_step_backward(T* da, T* dh, T* dc, const T* gates, const T* c, const T* c_before,
                        size_t rows, size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t at = k / hidden * 4 * hidden + k % hidden;
    const T i = gates[at], f = gates[at + hidden];
    const T g = gates[at + 2 * hidden], o = gates[at + 3 * hidden];
    const T top = std::tanh(c[k]);
    const T cell = dc[k] + dh[k] * o * (1 - top * top);
    da[at] = cell * g * i * (1 - i);
    da[at + hidden] = cell * c_before[k] * f * (1 - f);
    da[at + 2 * hidden] = cell * i * (1 - g * g);
    da[at + 3 * hidden] = dh[k] * top * o * (1 - o);
    dc[k] = cell * f;
    dh[k] = 0;
  }
}

template <class T>
void gru_step(T* h, T* gates, T* m, const T* b, const T* bias, const T* h_before, size_t rows,
              size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t j = k % hidden;
    T* const gate = gates + k / hidden * 3 * hidden + j;
    const T* const state = b + k / hidden * 3 * hidden + j;
    T& r = gate[0];
    T& z = gate[hidden];
    T& n = gate[2 * hidden];
    r = apply<Unary::kSigmoid>(r + state[0] + bias[j]);
    z = apply<Unary::kSigmoid>(z + state[hidden] + bias[hidden + j]);
    m[k] = state[2 * hidden] + bias[3 * hidden + j];
    n = std::tanh(n + bias[2 * hidden + j] + r * m[k]);
    h[k] = n + z * (h_before[k] - n);
  }
}

template <class T>
void gru_step_backward(T* da, T* dh, const T* gates, const T* m, const T* h_before, size_t rows,
                       size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const T* const gate = gates + k / hidden * 3 * hidden + k % hidden;
    T* const to = da + k / hidden * 4 * hidden + k % hidden;
    const T r = gate[0], z = gate[hidden], n = gate[2 * hidden];
    const T dn = dh[k] * (1 - z) * (1 - n * n);
    to[0] = dn * m[k] * r * (1 - r);
    to[hidden] = dh[k] * (h_before[k] - n) * z * (1 - z);
    to[2 * hidden] = dn;
    to[3 * hidden] = dn * r;
    dh[k] *= z;
  }
}

// Optimizers ---------------------------------------------------------------------------------

template <class T>
void adam(T* p, T* m, T* v, T* vmax, const T* g, size_t n, const AdamArguments& a) {
  const T beta1 = static_cast<T>(a.beta1), rest1 = static_cast<T>(1 - a.beta1);
  const T beta2 = static_cast<T>(a.beta2), rest2 = static_cast<T>(1 - a.beta2);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.l2 != 0) gradient += static_cast<T>(a.l2) * p[i];
    p[i] *= static_cast<T>(a.shrink);
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    if (vmax != nullptr) vmax[i] = apply<Binary::kMaximum>(vmax[i], v[i]);
    const T root = std::sqrt(vmax != nullptr ? vmax[i] : v[i]);
    const T scale = root / static_cast<T>(a.sqrt_bias2) + static_cast<T>(a.eps);
    p[i] -= static_cast<T>(a.step_size) * m[i] / scale;
  }
}

template <class T>
void adam_jump(T* p, T* m, T* v, const T* vmax, size_t n, const AdamJumpArguments& a) {
  for (size_t i = 0; i < n; ++i) {
    const T h = 1 / (std::sqrt(vmax != nullptr ? vmax[i] : v[i]) + static_cast<T>(a.eps_center));
    const T u = static_cast<T>(a.eps_center) * h;
    T series = 0;
    for (size_t j = 6; j-- > 0;) series = static_cast<T>(a.s[j]) - u * series;
    p[i] = static_cast<T>(a.shrink) * (p[i] - m[i] * h * series);
    m[i] *= static_cast<T>(a.m_factor);
    v[i] *= static_cast<T>(a.v_factor);
  }
}

template <class T>
void map_pairs(T* p, T* b, size_t n, const PairMap& map) {
  for (size_t i = 0; i < n; ++i) {
    const T x = p[i];
    p[i] = static_cast<T>(map.pp) * x + static_cast<T>(map.pb) * b[i];
    b[i] = static_cast<T>(map.bp) * x + static_cast<T>(map.bb) * b[i];
  }
}

template <class T>
void sgd(T* p, T* buf, const T* g, size_t n, const SgdArguments& a) {
  const T momentum = static_cast<T>(a.momentum), rest = static_cast<T>(1 - a.dampening);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    if (buf != nullptr) {
      buf[i] = a.first ? gradient : momentum * buf[i] + rest * gradient;
      gradient = a.nesterov ? gradient + momentum * buf[i] : buf[i];
    }
    p[i] -= static_cast<T>(a.lr) * gradient;
  }
}

template <class T>
void adagrad(T* p, T* sum, const T* g, size_t n, const AdagradArguments& a) {
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    sum[i] += gradient * gradient;
    p[i] -= static_cast<T>(a.rate) * gradient / (std::sqrt(sum[i]) + static_cast<T>(a.eps));
  }
}

template <class T>
void rmsprop(T* p, T* v, T* buf, T* mean, const T* g, size_t n, const RmspropArguments& a) {
  const T alpha = static_cast<T>(a.alpha), rest = static_cast<T>(1 - a.alpha);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    v[i] = alpha * v[i] + rest * gradient * gradient;
    T variance = v[i];
    if (mean != nullptr) {
      mean[i] = alpha * mean[i] + rest * gradient;
      variance = apply<Binary::kMaximum>(v[i] - mean[i] * mean[i], T(0));
    }
    const T scale = std::sqrt(variance) + static_cast<T>(a.eps);
    if (buf != nullptr) {
      buf[i] = static_cast<T>(a.momentum) * buf[i] + gradient / scale;
      p[i] -= static_cast<T>(a.lr) * buf[i];
    } else {
      p[i] -= static_cast<T>(a.lr) * gradient / scale;
    }
  }
}

template <class T>
void adadelta(T* p, T* v, T* u, const T* g, size_t n, const AdadeltaArguments& a) {
  const T rho = static_cast<T>(a.rho), rest = static_cast<T>(1 - a.rho);
  const T eps = static_cast<T>(a.eps);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    v[i] = rho * v[i] + rest * gradient * gradient;
    const T delta = std::sqrt(u[i] + eps) / std::sqrt(v[i] + eps) * gradient;
    u[i] = rho * u[i] + rest * delta * delta;
    p[i] -= static_cast<T>(a.lr) * delta;
  }
}

// The table --------------------------------------------------------------------------------------

template <class T, size_t... kOps>
void add_unary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.unary[kOps] = unary<static_cast<Unary>(kOps), T>), ...);
}

template <class T, size_t... kOps>
void add_binary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.binary[kOps][0] = binary<static_cast<Binary>(kOps), Operands::kVectorVector, T>,
    kernels.binary[kOps][1] = binary<static_cast<Binary>(kOps), Operands::kVectorScalar, T>,
    kernels.binary[kOps][2] = binary<static_cast<Binary>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T, size_t... kOps>
void add_compare(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.compare[kOps][0] = compare<static_cast<Compare>(kOps), Operands::kVectorVector, T>,
    kernels.compare[kOps][1] = compare<static_cast<Compare>(kOps), Operands::kVectorScalar, T>,
    kernels.compare[kOps][2] = compare<static_cast<Compare>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T>
Kernels<T> make_kernels() {
  Kernels<T> kernels{};
  add_unary(kernels, std::make_index_sequence<static_cast<size_t>(Unary::kCount)>());
  add_binary(kernels, std::make_index_sequence<static_cast<size_t>(Binary::kCount)>());
  add_compare(kernels, std::make_index_sequence<static_cast<size_t>(Compare::kCount)>());
  kernels.where = where<T>;
  kernels.clamp = clamp<T>;
  kernels.fill = fill<T>;
  kernels.axpy = axpy<T>;
  kernels.multiply_add = multiply_add<T>;
  kernels.add_row = add_row<T>;
  kernels.sum = sum<T>;
  kernels.sum_of_squares = sum_of_squares<T>;
  kernels.dot = dot<T>;
  kernels.max = max<T>;
  kernels.min = min<T>;
  kernels.sum_columns = sum_columns<T>;
  kernels.softmax = softmax<T>;
  kernels.log_softmax = log_softmax<T>;
  kernels.logsumexp = logsumexp<T>;
  kernels.softmax_backward = softmax_backward<T>;
  kernels.log_softmax_backward = log_softmax_backward<T>;
  kernels.layer_norm = layer_norm<T>;
  kernels.layer_norm_backward = layer_norm_backward<T>;
  kernels.layer_norm_weight_backward = layer_norm_weight_backward<T>;
  kernels.gather_rows = gather_rows<T>;
  kernels.scatter_add_rows = scatter_add_rows<T>;
  kernels.bag_sum = bag_sum<T>;
  kernels.bag_max = bag_max<T>;
  kernels.bag_dots = bag_dots<T>;
  kernels.shifted_sums = shifted_sums<T>;
  kernels.shifted_products = shifted_products<T>;
  kernels.lanes = 1;
  kernels.channel_sums = channel_sums<T>;
  kernels.channel_products = channel_products<T>;
  kernels.padded_rows = padded_rows<T>;
  kernels.matmul = matmul<T>;
  kernels.matmul_workspace = matmul_workspace;
  kernels.rnn_step = rnn_step<T>;
  kernels.rnn_step_backward = rnn_step_backward<T>;
  kernels.lstm_step = lstm_step<T>;
  kernels.lstm_step_backward = lstm_step_backward<T>;
  kernels.gru_step = gru_step<T>;
  kernels.gru_step_backward = gru_step_backward<T>;
  kernels.adam = adam<T>;
  kernels.adam_jump = adam_jump<T>;
  kernels.map_pairs = map_pairs<T>;
  kernels.sgd = sgd<T>;
  kernels.adagrad = adagrad<T>;
  kernels.rmsprop = rmsprop<T>;
  kernels.adadelta = adadelta<T>;
  return kernels;
}

}  // namespace

template <>
const Kernels<float>& plain_kernels<float>() {
  static const Kernels<float> kernels = make_kernels<float>();
  return kernels;
}

template <>
const Kernels<double>& plain_kernels<double>() {
  static const Kernels<double> kernels = make_kernels<double>();
  return kernels;
}

}  // namespace tapegrad::kernel
