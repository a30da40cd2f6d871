// Sums of shifted rows: the inner loops of convolution without a copy of the windows. If the rows
// of an image lie one after the other with their padding, the element that a place of the kernel
// sees is at the same distance from the result's element everywhere. So a convolution is a matrix
// product whose row p of B is x + offsets[p], and these rows overlap (tensor/ops/conv2d.h). Read
// next: tensor/kernels/channels.inl.

namespace shifted {

using std::ptrdiff_t;
using std::size_t;

// The result is computed in tiles of kRows x kVectors vectors of sums, as in matmul.inl.
#if defined(__AVX512F__)
template <class T>
constexpr int kTileRows = sizeof(T) == 4 ? 14 : 8;
constexpr int kGradientRows = 6;
#else
template <class T>
constexpr int kTileRows = 6;
constexpr int kGradientRows = 3;
#endif
constexpr int kTileVectors = 2;
constexpr int kGradientColumns = 4;

inline size_t least(size_t a, size_t b) { return a < b ? a : b; }
// Calls function(begin, size) for `count` items in parts of at most `most`, of sizes as equal as
// possible: a small tile keeps the multipliers less busy.
template <class Function>
inline void even_parts(size_t count, size_t most, const Function& function) {
  size_t begin = 0;
  for (size_t parts = (count + most - 1) / most; parts > 0; --parts) {
    const size_t size = (count - begin + parts - 1) / parts;
    function(begin, size);
    begin += size;
  }
}

template <class T, int kRows, int kVectors>
void tile(T* y, ptrdiff_t y_row, const T* w, ptrdiff_t w_row, const T* x, const ptrdiff_t* offsets,
          size_t k) {
  constexpr int kWidth = static_cast<int>(kLanes<T>);
  Batch<T> sum[kRows][kVectors];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Batch<T>(T(0));
  }
  for (size_t p = 0; p < k; ++p, ++w) {
    const T* const in = x + offsets[p];
    Batch<T> row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) row[v] = lanes::load(in + v * kWidth);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const Batch<T> element(w[i * w_row]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[i][v] = lanes::fma(element, row[v], sum[i][v]);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i, y += y_row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) lanes::store(y + v * kWidth, sum[i][v]);
  }
}

template <class T>
using TileFunction = void (*)(T*, ptrdiff_t, const T*, ptrdiff_t, const T*, const ptrdiff_t*,
                              size_t);

template <class T, int... kRow>
TileFunction<T> pick(size_t rows, std::integer_sequence<int, kRow...>) {
  static constexpr TileFunction<T> kTiles[] = {tile<T, kRow + 1, kTileVectors>...};
  return kTiles[rows - 1];
}

// dw[i][p] += sum of dy[i][q] * x[offsets[p] + q] over images and q: kRows x `columns` sums.
template <class T, int kRows>
void gradient_tile(T* dw, ptrdiff_t dw_row, const T* dy, ptrdiff_t dy_row, ptrdiff_t dy_image,
                   const T* x, ptrdiff_t x_image, const ptrdiff_t* offsets, size_t columns,
                   size_t images, size_t n) {
  constexpr int kColumns = kGradientColumns;
  Batch<T> sum[kRows][kColumns];
  const T* in[kColumns];  // columns that are missing repeat the last one
#pragma GCC unroll 4
  for (int p = 0; p < kColumns; ++p) {
    in[p] = x + offsets[least(static_cast<size_t>(p), columns - 1)];
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) sum[i][p] = Batch<T>(T(0));
  }
  for (size_t image = 0; image < images; ++image, dy += dy_image) {
    for (size_t q = 0; q < n; q += kLanes<T>) {
      Batch<T> row[kRows];
#pragma GCC unroll 6
      for (int i = 0; i < kRows; ++i) row[i] = lanes::load(dy + i * dy_row + q);
#pragma GCC unroll 4
      for (int p = 0; p < kColumns; ++p) {
        const Batch<T> element = lanes::load(in[p] + q);
#pragma GCC unroll 6
        for (int i = 0; i < kRows; ++i) sum[i][p] = lanes::fma(row[i], element, sum[i][p]);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kColumns; ++p) in[p] += x_image;
  }
#pragma GCC unroll 4
  for (int p = 0; p < kColumns; ++p) {
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const T total = lanes::first(lanes::sum(sum[i][p]));
      if (static_cast<size_t>(p) < columns) dw[i * dw_row + p] += total;
    }
  }
}

template <class T>
using GradientFunction = void (*)(T*, ptrdiff_t, const T*, ptrdiff_t, ptrdiff_t, const T*,
                                  ptrdiff_t, const ptrdiff_t*, size_t, size_t, size_t);

template <class T, int... kRow>
GradientFunction<T> pick_gradient(size_t rows, std::integer_sequence<int, kRow...>) {
  static constexpr GradientFunction<T> kTiles[] = {gradient_tile<T, kRow + 1>...};
  return kTiles[rows - 1];
}

}  // namespace shifted

template <class T>
void shifted_sums(T* y, std::ptrdiff_t y_row, const T* w, std::ptrdiff_t w_row, const T* x,
                  const std::ptrdiff_t* offsets, std::size_t m, std::size_t n, std::size_t k) {
  using namespace shifted;
  constexpr size_t kWide = 8 * kLanes<T>, kNarrow = kTileVectors * kLanes<T>;
  size_t q = 0;
  if (m == 1) {  // a tile of one row needs more vectors to keep the multipliers busy
    for (; q + kWide <= n; q += kWide) tile<T, 1, 8>(y + q, y_row, w, w_row, x + q, offsets, k);
  }
  constexpr auto kRows = std::make_integer_sequence<int, kTileRows<T>>();
  for (; q < n; q += kNarrow) {
    even_parts(m, static_cast<size_t>(kTileRows<T>), [&](size_t i, size_t rows) {
      const auto at = static_cast<ptrdiff_t>(i);
      pick<T>(rows, kRows)(y + at * y_row + q, y_row, w + at * w_row, w_row, x + q, offsets, k);
    });
  }
}

template <class T>
void shifted_products(T* dw, std::ptrdiff_t dw_row, const T* dy, std::ptrdiff_t dy_row,
                      std::ptrdiff_t dy_image, const T* x, std::ptrdiff_t x_image,
                      const std::ptrdiff_t* offsets, std::size_t m, std::size_t n, std::size_t k,
                      std::size_t images) {
  using namespace shifted;
  constexpr auto kRows = std::make_integer_sequence<int, kGradientRows>();
  constexpr size_t kColumns = kGradientColumns;
  even_parts(m, static_cast<size_t>(kGradientRows), [&](size_t i, size_t rows) {
    const auto at = static_cast<ptrdiff_t>(i);
    const auto function = pick_gradient<T>(rows, kRows);
    for (size_t p = 0; p < k; p += kColumns) {
      function(dw + at * dw_row + static_cast<ptrdiff_t>(p), dw_row, dy + at * dy_row, dy_row,
               dy_image, x, x_image, offsets + p, least(kColumns, k - p), images, n);
    }
  });
}
