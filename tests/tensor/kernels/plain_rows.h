// The plain references of kernels: rows that are gathered, added and put in bags, and the matrix
// product. Read next: plain_convolution.h.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tapegrad::kernel::plain {

using std::size_t;

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

}  // namespace tapegrad::kernel::plain
