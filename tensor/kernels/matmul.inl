// The matrix product C (m, n) = A (m, k) B (k, n), register-tiled after Goto and van de Geijn,
// "Anatomy of high-performance matrix multiplication" (2008). One inner loop, `tile`, keeps a block
// of C in registers while it loops over k: it loads a row of B as vectors and multiplies it by
// elements of A, which are broadcast. So A may have any strides, but rows of B must be contiguous.
//
//   in place  A and B are read without a copy while they fit into the caches. Only if the rows of
//             B are not contiguous (a transposed weight), it is copied, one panel at a time, into
//             L1.
//   packed    Larger operands are copied piece by piece into `workspace`, B in panels and A in
//             blocks, so that the inner loop reads memory in order.
//   narrow    If C has few rows or columns, matmul_narrow.inl is faster.
//
// The order in which an element of C is summed depends on k, on the strides of A and B, and on the
// shorter side of C (narrow products use another order). It does not depend on the longer side, so
// threads that split that side get the same bits. Read next: tensor/kernels/matmul_narrow.inl.

#include "matmul_copy.inl"

namespace product {

// A tile has kTileRows x 2 vectors of sums: with one row of B and a broadcast element they fill the
// registers, 32 with AVX-512, else 16. Tiles of one to three rows have more vectors, because a
// multiply-add takes four cycles and two start in each cycle: at least eight independent sums are
// needed.
#if defined(__AVX512F__)
constexpr int kWideRows = 3, kWideVectors = 8;
template <class T>  // fewer for float64, which checks gradients: each number of rows takes its time
constexpr int kTileRows = sizeof(T) == 4 ? 14 : 8;  // to compile
constexpr bool kMasksAreFree = true;  // for loads: no tiles of exactly one vector are compiled
#else
constexpr int kWideRows = 3, kWideVectors = 4;
template <class T>
constexpr int kTileRows = 6;
constexpr bool kMasksAreFree = false;
#endif
constexpr int kTileVectors = 2;

template <class T>
constexpr size_t kPanel = size_t{kTileVectors} * kLanes<T>;  // columns of a tile
template <class T>
constexpr size_t kWide = size_t{kWideVectors} * kLanes<T>;

// k is split into parts of kBlockDepth, for which a panel of B takes at most 48 KiB: larger parts
// need fewer passes over C, smaller ones fit better into L1. A block of A is read from L2 or L3
// once per panel, which costs little, so it may be large; then B is packed fewer times.
constexpr size_t kBlockDepth = 384;
template <class T>
constexpr size_t kBlockRows = 4096 / sizeof(T);

// Packing is worth its cost for operands of at least half an L2 cache that are read at least
// kPackReads times.
template <class T>
constexpr size_t kPackSize = (size_t{1} << 19) / sizeof(T);
constexpr size_t kPackReads = 64;

// C (kRows, kVectors vectors) = or += A (kRows, k) B. If kPartial, the last vector of B and C has
// only `last` lanes.
template <class T, int kRows, int kVectors, bool kPartial>
void tile(T* c, ptrdiff_t ldc, const T* a, ptrdiff_t a_row, ptrdiff_t a_column, const T* b,
          ptrdiff_t b_row, size_t k, bool accumulate, size_t last) {
  constexpr int kWidth = static_cast<int>(kLanes<T>);
  Batch<T> sum[kRows][kVectors];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Batch<T>(T(0));
  }
  for (size_t p = 0; p < k; ++p, a += a_column, b += b_row) {
    Batch<T> row[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const T* const in = b + v * kWidth;
      row[v] = kPartial && v == kVectors - 1 ? lanes::load(in, last) : lanes::load(in);
    }
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const Batch<T> element(a[i * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[i][v] = lanes::fma(element, row[v], sum[i][v]);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i, c += ldc) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      T* const out = c + v * kWidth;
      if (kPartial && v == kVectors - 1 && (!kMasksAreFree || last < kLanes<T>)) {
        lanes::store(out, accumulate ? lanes::load(out, last) + sum[i][v] : sum[i][v], last);
      } else {
        lanes::store(out, accumulate ? lanes::load(out) + sum[i][v] : sum[i][v]);
      }
    }
  }
}

template <class T>
using TileFunction = void (*)(T*, ptrdiff_t, const T*, ptrdiff_t, ptrdiff_t, const T*, ptrdiff_t,
                              size_t, bool, size_t);

template <class T, int kVectors, bool kPartial, int... kRow>
inline TileFunction<T> pick(size_t rows, std::integer_sequence<int, kRow...>) {
  static constexpr TileFunction<T> kTiles[] = {tile<T, kRow + 1, kVectors, kPartial>...};
  return kTiles[rows - 1];
}

// The tile function for this number of rows and columns. Only `tiled` uses more than kPanel
// columns.
template <class T>
inline TileFunction<T> pick(size_t rows, size_t columns) {
  constexpr auto kFew = std::make_integer_sequence<int, kWideRows>();
  constexpr auto kAll = std::make_integer_sequence<int, kTileRows<T>>();
  if (columns == kWide<T>) return pick<T, kWideVectors, false>(rows, kFew);
  if (columns > kPanel<T>) return pick<T, kWideVectors / 2, false>(rows, kFew);
  if (columns == kPanel<T>) return pick<T, kTileVectors, false>(rows, kAll);
  if (columns > kLanes<T>) return pick<T, kTileVectors, true>(rows, kAll);
  if constexpr (!kMasksAreFree) {
    if (columns == kLanes<T>) return pick<T, 1, false>(rows, kAll);
  }
  return pick<T, 1, true>(rows, kAll);
}

// A block of A in the layout that tiles read: tile t begins at element `step` * t.
template <class T>
struct Left {
  Matrix<T> matrix;
  ptrdiff_t step;
};

template <class T>
Left<T> pack_left(T* y, Matrix<T> a, size_t m, size_t k, size_t tile_rows) {
  const ptrdiff_t rows = static_cast<ptrdiff_t>(tile_rows);
  if (a.row != 1) {
    const ptrdiff_t y_row = static_cast<ptrdiff_t>(k + kPad<T>);
    copy(y, y_row, a, m, k);
    return {{y, y_row, 1}, rows * y_row};
  }
  const ptrdiff_t step = static_cast<ptrdiff_t>(k) * rows;  // the columns of a tile are adjacent
  T* out = y;
  for (size_t i = 0; i < m; i += tile_rows, out += step) {
    copy(out, rows, Matrix<T>{a.at(i, 0), a.column, 1}, k, least(tile_rows, m - i));
  }
  return {{y, 1, rows}, step};
}

template <class T>
size_t tiled_workspace(size_t m, size_t k) {
  const size_t depth = least(k, kBlockDepth);
  const size_t rows = least(m, kBlockRows<T>) + kTileRows<T>;
  return depth * kPanel<T> + rows * (depth + kPad<T>);
}

template <class T>
void tiled(T* c, ptrdiff_t ldc, Matrix<T> a, Matrix<T> b, size_t m, size_t n, size_t k,
           bool accumulate, T* workspace) {
  const bool same_cache_sets = a.row * static_cast<ptrdiff_t>(sizeof(T)) % 4096 == 0;
  const bool pack_a = n >= kPackReads && (m * k >= kPackSize<T> || same_cache_sets);
  const bool pack_b = b.column != 1 || (m >= kPackReads && k * n >= kPackSize<T>);
  const size_t depth = part(k, kBlockDepth), block_rows = part(m, kBlockRows<T>);
  const size_t tile_rows = part(block_rows, static_cast<size_t>(kTileRows<T>));
  for (size_t p = 0; p < k; p += depth, accumulate = true) {
    const size_t kc = least(depth, k - p);
    for (size_t i = 0; i < m; i += block_rows) {
      const size_t mc = least(block_rows, m - i);
      Left<T> left = {a.from(i, p), static_cast<ptrdiff_t>(tile_rows) * a.row};
      if (pack_a) left = pack_left(workspace + depth * kPanel<T>, left.matrix, mc, kc, tile_rows);

      size_t columns = m <= kWideRows && !pack_b ? kWide<T> : kPanel<T>;
      for (size_t j = 0; j < n; j += columns) {
        while (columns > kPanel<T> && n - j < columns) columns /= 2;
        columns = least(columns, n - j);
        const T* panel = b.at(p, j);
        if (pack_b) {
          copy(workspace, kPanel<T>, {panel, b.row, b.column}, kc, columns);
          panel = workspace;
        }
        const size_t rest = columns % kLanes<T>, last = rest > 0 ? rest : kLanes<T>;
        const T* rows = left.matrix.data;
        T* y = c + static_cast<ptrdiff_t>(i) * ldc + j;
        for (size_t t = 0; t < mc; t += tile_rows, rows += left.step) {
          pick<T>(least(tile_rows, mc - t), columns)(
              y, ldc, rows, left.matrix.row, left.matrix.column, panel,
              pack_b ? static_cast<ptrdiff_t>(kPanel<T>) : b.row, kc, accumulate, last);
          y += static_cast<ptrdiff_t>(tile_rows) * ldc;
        }
      }
    }
  }
}

}  // namespace product

#include "matmul_narrow.inl"

template <class T>
void matmul(T* c, std::ptrdiff_t ldc, const T* a_data, std::ptrdiff_t a_row,
            std::ptrdiff_t a_column, const T* b_data, std::ptrdiff_t b_row, std::ptrdiff_t b_column,
            std::size_t m, std::size_t n, std::size_t k, bool accumulate, T* workspace) {
  using namespace product;
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::size_t i = 0; i < m && !accumulate; ++i, c += ldc) fill(c, T(0), n);
    return;
  }
  // The stride of a dimension of size 1 has no meaning: treat it as contiguous.
  const Matrix<T> a = {a_data, m == 1 ? 1 : a_row, k == 1 ? 1 : a_column};
  const Matrix<T> b = {b_data, k == 1 ? 1 : b_row, n == 1 ? 1 : b_column};
  if (n < kLanes<T> && m >= kLanes<T> && a.row == 1 && a.column != 1) {
    flipped(c, ldc, a, b, m, n, k, accumulate, workspace);
  } else if (dots_win<T>(n, k, 1) && (b.row == 1 || m >= 8)) {
    narrow(c, ldc, 1, a, b.transposed(), m, n, k, accumulate, workspace);
  } else if (dots_win<T>(m, k, 2) && b.column != 1) {  // a tile would need a copy of B
    narrow(c, 1, ldc, b.transposed(), a, n, m, k, accumulate, workspace);
  } else {
    tiled(c, ldc, a, b, m, n, k, accumulate, workspace);
  }
}

template <class T>
std::size_t matmul_workspace(std::size_t m, std::size_t n, std::size_t k) {
  using namespace product;
  std::size_t size = tiled_workspace<T>(m, k);
  const auto at_least = [&size](std::size_t other) { size = size < other ? other : size; };
  if (n < kLanes<T>) at_least(n * kFlipRows + tiled_workspace<T>(n, k));
  if (dots_win<T>(n, k, 1)) at_least(narrow_workspace<T>(m, n, k));
  if (dots_win<T>(m, k, 2)) at_least(narrow_workspace<T>(n, m, k));
  return size;
}
