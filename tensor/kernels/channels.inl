// Convolution with the channels of the result in vectors: the inner loops for layers with many
// channels. convolution.inl puts pixels into vectors; here an element of the image is broadcast and
// multiplied by the weights of one place for up to kChannelPanel channels. So no lane is lost to
// the gaps between rows, the loads of vectors are aligned, and the gradient of the weight needs no
// sums across lanes. The price is a transposed copy of the result. Read next:
// tensor/kernels/recurrent.inl.

namespace channels {

using product::copy;
using product::least;
using product::Matrix;
using shifted::even_parts;
using std::ptrdiff_t;
using std::size_t;

constexpr int kVectors = 2;  // of a tile, as in matmul.inl
constexpr ptrdiff_t kPanel = static_cast<ptrdiff_t>(kChannelPanel);

// y[i][o] = bias[o] + sum over p of w[p][o] * x[offsets[p] + i] for kPixels adjacent pixels and
// kWide vectors of channels. The rows of y and w are kPanel elements apart.
template <class T, int kPixels, int kWide>
void sums_tile(T* y, const T* w, const T* bias, const T* x, const ptrdiff_t* offsets, size_t k) {
  constexpr int kWidth = static_cast<int>(kLanes<T>);
  Batch<T> sum[kPixels][kWide];
#pragma GCC unroll 14
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v) sum[i][v] = lanes::load(bias + v * kWidth);
  }
  for (size_t p = 0; p < k; ++p, w += kPanel) {
    const T* const in = x + offsets[p];
    Batch<T> row[kWide];
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v) row[v] = lanes::load(w + v * kWidth);
#pragma GCC unroll 14
    for (int i = 0; i < kPixels; ++i) {
      const Batch<T> element(in[i]);
#pragma GCC unroll 2
      for (int v = 0; v < kWide; ++v) sum[i][v] = lanes::fma(element, row[v], sum[i][v]);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kPixels; ++i, y += kPanel) {
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v) lanes::store(y + v * kWidth, sum[i][v]);
  }
}

// dw[i][o] += sum over t, u of x[offsets[i] + t * x_row + u] * dy[t][u][o] for kPlaces places of
// the kernel and kWide vectors of channels.
template <class T, int kPlaces, int kWide>
void products_tile(T* dw, const T* dy, const T* x, ptrdiff_t x_row, const ptrdiff_t* offsets,
                   size_t rows, size_t columns) {
  constexpr int kWidth = static_cast<int>(kLanes<T>);
  Batch<T> sum[kPlaces][kWide];
#pragma GCC unroll 14
  for (int i = 0; i < kPlaces; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v) sum[i][v] = lanes::load(dw + i * kPanel + v * kWidth);
  }
  for (size_t t = 0; t < rows; ++t, x += x_row) {
    const T* in[kPlaces];
#pragma GCC unroll 14
    for (int i = 0; i < kPlaces; ++i) in[i] = x + offsets[i];
    for (size_t u = 0; u < columns; ++u, dy += kPanel) {
      Batch<T> row[kWide];
#pragma GCC unroll 2
      for (int v = 0; v < kWide; ++v) row[v] = lanes::load(dy + v * kWidth);
#pragma GCC unroll 14
      for (int i = 0; i < kPlaces; ++i) {
        const Batch<T> element(in[i][u]);
#pragma GCC unroll 2
        for (int v = 0; v < kWide; ++v) sum[i][v] = lanes::fma(element, row[v], sum[i][v]);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kPlaces; ++i, dw += kPanel) {
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v) lanes::store(dw + v * kWidth, sum[i][v]);
  }
}

template <class T>
using SumsFunction = void (*)(T*, const T*, const T*, const T*, const ptrdiff_t*, size_t);
template <class T, int kWide, int... kCount>
SumsFunction<T> pick_sums(size_t count, std::integer_sequence<int, kCount...>) {
  static constexpr SumsFunction<T> kTiles[] = {sums_tile<T, kCount + 1, kWide>...};
  return kTiles[count - 1];
}

template <class T>
using ProductsFunction = void (*)(T*, const T*, const T*, ptrdiff_t, const ptrdiff_t*, size_t,
                                  size_t);
template <class T, int kWide, int... kCount>
ProductsFunction<T> pick_products(size_t count, std::integer_sequence<int, kCount...>) {
  static constexpr ProductsFunction<T> kTiles[] = {products_tile<T, kCount + 1, kWide>...};
  return kTiles[count - 1];
}

// Calls function(v, two) for the vectors v of `channels` channels, two at a time if there are two.
template <class T, class Function>
void for_vectors(size_t channels, const Function& function) {
  for (size_t v = 0; v < channels; v += kVectors * kLanes<T>) {
    function(v, channels - v > kLanes<T>);
  }
}

}  // namespace channels

template <class T>
void channel_sums(T* y, std::ptrdiff_t y_row, const T* w, const T* bias, const T* x,
                  std::ptrdiff_t x_row, const std::ptrdiff_t* offsets, std::size_t m,
                  std::size_t rows, std::size_t columns, std::size_t k, T* workspace) {
  using namespace channels;
  constexpr auto kTiles = std::make_integer_sequence<int, shifted::kTileRows<T>>();
  // Some rows of the result stay in L1 until they are transposed.
  const size_t few = 128 / columns / 4 * 4, block = few > 4 ? few : 4;
  for (size_t o = 0; o < m; o += kChannelPanel, w += k * kChannelPanel, bias += kChannelPanel) {
    const size_t count = least(kChannelPanel, m - o);
    for (size_t first = 0; first < rows; first += block) {
      const size_t part = least(block, rows - first);
      for_vectors<T>(count, [&](size_t v, bool two) {
        T* to = workspace + v;
        const T* in = x + static_cast<ptrdiff_t>(first) * x_row;
        for (size_t t = 0; t < part; ++t, in += x_row) {
          even_parts(columns, static_cast<size_t>(shifted::kTileRows<T>), [&](size_t u, size_t n) {
            const auto tile = two ? pick_sums<T, kVectors>(n, kTiles) : pick_sums<T, 1>(n, kTiles);
            tile(to, w + v, bias + v, in + u, offsets, k);
            to += n * kChannelPanel;
          });
        }
      });
      copy(y + static_cast<ptrdiff_t>(o) * y_row + first * columns, y_row,
           Matrix<T>{workspace, 1, kPanel}, count, part * columns);
    }
  }
}

template <class T>
void channel_products(T* dw, const T* dy, std::ptrdiff_t dy_row, const T* x, std::ptrdiff_t x_row,
                      const std::ptrdiff_t* offsets, std::size_t m, std::size_t rows,
                      std::size_t columns, std::size_t k, T* workspace) {
  using namespace channels;
  constexpr auto kTiles = std::make_integer_sequence<int, shifted::kTileRows<T>>();
  for (size_t o = 0; o < m; o += kChannelPanel, dw += k * kChannelPanel) {
    const size_t count = least(kChannelPanel, m - o);
    copy(workspace, kPanel, Matrix<T>{dy + static_cast<ptrdiff_t>(o) * dy_row, 1, dy_row},
         rows * columns, count);
    for_vectors<T>(count, [&](size_t v, bool two) {
      even_parts(k, static_cast<size_t>(shifted::kTileRows<T>), [&](size_t p, size_t n) {
        const auto tile =
            two ? pick_products<T, kVectors>(n, kTiles) : pick_products<T, 1>(n, kTiles);
        tile(dw + p * kChannelPanel + v, workspace + v, x, x_row, offsets + p, rows, columns);
      });
    });
  }
}

// Rows of n elements with zeros after them, up to a whole vector.
template <class T>
void padded_rows(T* y, std::ptrdiff_t y_row, const T* x, std::ptrdiff_t x_row, std::size_t rows,
                 std::size_t n) {
  for (std::size_t t = 0; t < rows; ++t, y += y_row, x += x_row) {
    std::size_t i = 0;
    for (; i + kLanes<T> <= n; i += kLanes<T>) lanes::store(y + i, lanes::load(x + i));
    if (i < n) lanes::store(y + i, lanes::load(x + i, n - i));
  }
}
