// The plain references of kernels: reductions, softmax and normalization of rows, in long double to
// avoid rounding errors. Read next: plain_rows.h.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <cmath>
#include <cstddef>
#include <limits>

namespace tapegrad::kernel::plain {

using std::size_t;

// Sums and extremes -------------------------------------------------------------------------------

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

// Softmax -----------------------------------------------------------------------------------------

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

// Normalization -----------------------------------------------------------------------------------

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

}  // namespace tapegrad::kernel::plain
