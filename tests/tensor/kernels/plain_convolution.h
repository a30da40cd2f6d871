// The plain references of kernels: convolution. Read next: plain_recurrence.h.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <cstddef>

namespace tapegrad::kernel::plain {

using std::size_t;

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

}  // namespace tapegrad::kernel::plain
