// The matrix product C (m, n) = A (m, k) B (k, n), register-tiled after Goto and van de Geijn,
// "Anatomy of high-performance matrix multiplication" (2008). One inner loop, `tile`, keeps a
// block of C in registers while it walks along k: a row of B comes in as vectors, an element of A
// is broadcast and multiplied with them. So A may have any strides; rows of B must be contiguous.
//
//   in place  A and B are read where they lie as long as caches can take it; only panels of a B
//             whose rows are not contiguous (a transposed weight) are copied, each into L1.
//   packed    Larger operands are copied piece by piece into `workspace`, so that the inner loop
//             reads memory in order: a panel of B at a time, and A in blocks.
//   narrow    Where C has a few rows or columns, tiles would be mostly empty. `dots` runs vectors
//             along k instead and adds their lanes at the end; `flipped` computes the transpose.
//
// An element of C is summed in an order that depends on k, on how A and B lie and, as narrow
// products differ, on the shorter side of C: threads that split the longer side get equal bits.
//
// xsimd has no shuffles within 16 bytes that work on all instruction sets (its zip differs between
// them), hence the compilers' own vectors in `interleave`. Read next: table.cc.

namespace product {

using std::ptrdiff_t;
using std::size_t;

// A tile of kTileRows x 2 vectors of sums, one row of B and a broadcast fill the registers: 32 with
// AVX-512, else 16. Few rows take more vectors, to have enough sums in flight: a multiply-add takes
// four cycles, and two can start in each.
#if defined(__AVX512F__)
constexpr int kTileRows = 14, kWideRows = 3, kWideVectors = 8, kDots = 16;
#else
constexpr int kTileRows = 6, kWideRows = 3, kWideVectors = 4, kDots = 8;
#endif
constexpr int kTileVectors = 2;

template <class T>
constexpr int kWidth = static_cast<int>(kLanes<T>);
template <class T>
constexpr size_t kPanel = kTileVectors* kLanes<T>;  // columns of a tile
template <class T>
constexpr size_t kWide = kWideVectors* kLanes<T>;

// k goes in steps of kBlockDepth, for which a panel of B takes 48 KiB (AVX-512) or less; a block of
// A, kBlockRows of them, streams from L2 or L3 once for each panel, which is slow enough.
constexpr size_t kBlockDepth = 384;
template <class T>
constexpr size_t kBlockRows = 4096 / sizeof(T);
// Packing pays for operands of half an L2 that are read this many times over.
template <class T>
constexpr size_t kPackSize = (size_t{1} << 19) / sizeof(T);
constexpr size_t kPackReads = 64;
constexpr size_t kDotDepth = 4096, kDotRows = 64;  // blocks of narrow products
constexpr size_t kFlipRows = 512;
template <class T>
constexpr size_t kPad = 64 /
                        sizeof(T);  // keeps rows of a packed matrix off each other's cache sets

template <class T>
struct Matrix {
  const T* data;
  ptrdiff_t row, column;

  const T* at(size_t i, size_t j) const {
    return data + static_cast<ptrdiff_t>(i) * row + static_cast<ptrdiff_t>(j) * column;
  }
  Matrix from(size_t i, size_t j) const { return {at(i, j), row, column}; }
  Matrix transposed() const { return {data, column, row}; }
};

inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

// `size` cut into the fewest equal parts of at most `limit`: their length.
inline size_t part(size_t size, size_t limit) {
  if (size <= limit) return size;
  const size_t parts = (size + limit - 1) / limit;
  return (size + parts - 1) / parts;
}

// Copying ------------------------------------------------------------------------------------

// Sixteen bytes hold kQuarter numbers (four floats). For each sixteen bytes, a and b become
// a0 b0 a1 b1 .. of their lower halves and of their upper halves.
template <class T>
constexpr int kQuarter = 16 / static_cast<int>(sizeof(T));

template <class T, class V, int... kElement>
inline void interleave(V& a, V& b, std::integer_sequence<int, kElement...>) {
  constexpr int kCount = sizeof...(kElement), kQ = kQuarter<T>;
  const V low = __builtin_shufflevector(
      a, b, (kElement / kQ * kQ + kElement % kQ / 2 + kElement % 2 * kCount)...);
  const V high = __builtin_shufflevector(
      a, b, (kElement / kQ * kQ + kElement % kQ / 2 + kQ / 2 + kElement % 2 * kCount)...);
  a = low;
  b = high;
}

// Transposes the kQuarter x kQuarter squares that v holds side by side, one row of each in a
// vector.
template <class T, class V>
inline void transpose_quarters(V* v) {
  constexpr auto kElements = std::make_integer_sequence<int, sizeof(V) / sizeof(T)>();
  if constexpr (kQuarter<T> == 4) {
    interleave<T>(v[0], v[2], kElements);
    interleave<T>(v[1], v[3], kElements);
    interleave<T>(v[2], v[3], kElements);
  }
  interleave<T>(v[0], v[1], kElements);
}

template <class T>
struct QuarterOf {
  typedef T Type __attribute__((vector_size(16)));
};

template <class T>
inline typename QuarterOf<T>::Type load_quarter(const T* p) {
  typename QuarterOf<T>::Type v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// Squares of twice that size are transposed in vectors of two quarters, the second from half a
// square below, which leaves half of the shuffling to the loads. (64-byte shuffles are no faster.)
#if defined(__AVX2__)
inline __m256 load_pair(const float* low, const float* high) {
  return _mm256_loadu2_m128(high, low);
}
inline __m256d load_pair(const double* low, const double* high) {
  return _mm256_loadu2_m128d(high, low);
}
template <class T>
constexpr int kSquare = 2 * kQuarter<T>;
#else
template <class T>
inline auto load_pair(const T* low, const T*) {
  return load_quarter(low);
}
template <class T>
constexpr int kSquare = kQuarter<T>;
#endif

// y (kSide, kSide), rows y_row apart = the transpose of x, rows x_row apart.
template <int kSide, class T>
inline void transpose_square(T* y, ptrdiff_t y_row, const T* x, ptrdiff_t x_row) {
  constexpr int kQ = kQuarter<T>;
  const auto load = [&](const T* p) {
    if constexpr (kSide == kQ) {
      return load_quarter(p);
    } else {
      return load_pair(p, p + kQ * x_row);
    }
  };
#pragma GCC unroll 4
  for (int j = 0; j < kSide; j += kQ) {
    decltype(load(x)) v[kQ];
#pragma GCC unroll 4
    for (int i = 0; i < kQ; ++i) v[i] = load(x + i * x_row + j);
    transpose_quarters<T>(v);
#pragma GCC unroll 4
    for (int i = 0; i < kQ; ++i) __builtin_memcpy(y + (j + i) * y_row, &v[i], sizeof v[i]);
  }
}

template <class T>
void copy_rows(T* y, ptrdiff_t y_row, Matrix<T> x, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i, y += y_row, x.data += x.row) {
    size_t j = 0;
    if (x.column == 1) {
      for (; j + kLanes<T> <= columns; j += kLanes<T>) lanes::store(y + j, lanes::load(x.data + j));
      if (j < columns) lanes::store(y + j, lanes::load(x.data + j, columns - j), columns - j);
    } else {
      for (; j < columns; ++j) y[j] = x.data[static_cast<ptrdiff_t>(j) * x.column];
    }
  }
}

// copy() for x with contiguous columns, in squares, and its rest; returns how many rows it did.
template <int kSide, class T>
inline size_t copy_squares(T* y, ptrdiff_t y_row, Matrix<T> x, size_t rows, size_t columns) {
  const size_t square_rows = rows / kSide * kSide;
  size_t j = 0;
  for (; j + kSide <= columns && square_rows > 0; j += kSide) {
    for (size_t i = 0; i < square_rows; i += kSide) {
      transpose_square<kSide>(y + static_cast<ptrdiff_t>(i) * y_row + j, y_row, x.at(i, j),
                              x.column);
    }
  }
  if (j < columns) copy_rows(y + j, y_row, x.from(0, j), square_rows, columns - j);
  return square_rows;
}

// y (rows, columns), its rows contiguous and y_row apart = x with any strides.
template <class T>
void copy(T* y, ptrdiff_t y_row, Matrix<T> x, size_t rows, size_t columns) {
  size_t i = 0;
  if (x.row == 1 && x.column != 1) {
    i = copy_squares<kSquare<T>>(y, y_row, x, rows, columns);
    i += copy_squares<kQuarter<T>>(y + static_cast<ptrdiff_t>(i) * y_row, y_row, x.from(i, 0),
                                   rows - i, columns);
  }
  copy_rows(y + static_cast<ptrdiff_t>(i) * y_row, y_row, x.from(i, 0), rows - i, columns);
}

// Tiles --------------------------------------------------------------------------------------

// C (kRows, kVectors vectors) = or += A (kRows, k) B. Where kPartial, the last vector of B and C
// has only `last` lanes.
template <class T, int kRows, int kVectors, bool kPartial>
void tile(T* c, ptrdiff_t ldc, const T* a, ptrdiff_t a_row, ptrdiff_t a_column, const T* b,
          ptrdiff_t b_row, size_t k, bool accumulate, size_t last) {
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
      const T* const in = b + v * kWidth<T>;
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
      T* const out = c + v * kWidth<T>;
      if (kPartial && v == kVectors - 1) {
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

// The tile for so many rows and columns; more than kPanel columns only as `tiled` asks for them.
template <class T>
inline TileFunction<T> pick(size_t rows, size_t columns) {
  constexpr auto kFew = std::make_integer_sequence<int, kWideRows>();
  constexpr auto kAll = std::make_integer_sequence<int, kTileRows>();
  if (columns == kWide<T>) return pick<T, kWideVectors, false>(rows, kFew);
  if (columns > kPanel<T>) return pick<T, kWideVectors / 2, false>(rows, kFew);
  if (columns == kPanel<T>) return pick<T, 2, false>(rows, kAll);
  if (columns > kLanes<T>) return pick<T, 2, true>(rows, kAll);
  if (columns == kLanes<T>) return pick<T, 1, false>(rows, kAll);
  return pick<T, 1, true>(rows, kAll);
}

// A block of A as tiles read it: tile t begins `step` * t numbers later.
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
  const ptrdiff_t step = static_cast<ptrdiff_t>(k) * rows;  // columns of a tile side by side
  T* out = y;
  for (size_t i = 0; i < m; i += tile_rows, out += step) {
    copy(out, rows, Matrix<T>{a.at(i, 0), a.column, 1}, k, least(tile_rows, m - i));
  }
  return {{y, 1, rows}, step};
}

template <class T>
size_t tiled_workspace(size_t m, size_t k) {
  const size_t depth = least(k, kBlockDepth);
  return depth * kPanel<T> + (least(m, kBlockRows<T>) + kTileRows) * (depth + kPad<T>);
}

template <class T>
void tiled(T* c, ptrdiff_t ldc, Matrix<T> a, Matrix<T> b, size_t m, size_t n, size_t k,
           bool accumulate, T* workspace) {
  const bool same_cache_sets = a.row * static_cast<ptrdiff_t>(sizeof(T)) % 4096 == 0;
  const bool pack_a = n >= kPackReads && (m * k >= kPackSize<T> || same_cache_sets);
  const bool pack_b = b.column != 1 || (m >= kPackReads && k * n >= kPackSize<T>);
  const size_t depth = part(k, kBlockDepth), block_rows = part(m, kBlockRows<T>);
  const size_t tile_rows = part(block_rows, kTileRows);
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
        const T* rows = left.matrix.data;
        T* y = c + static_cast<ptrdiff_t>(i) * ldc + j;
        for (size_t t = 0; t < mc; t += tile_rows, rows += left.step) {
          pick<T>(least(tile_rows, mc - t), columns)(
              y, ldc, rows, left.matrix.row, left.matrix.column, panel,
              pack_b ? static_cast<ptrdiff_t>(kPanel<T>) : b.row, kc, accumulate,
              columns % kLanes<T>);
          y += static_cast<ptrdiff_t>(tile_rows) * ldc;
        }
      }
    }
  }
}

// Narrow products ----------------------------------------------------------------------------

// C (m, n) = or += A B for few columns and A with contiguous columns: the transpose by tiles.
template <class T>
void flipped(T* c, ptrdiff_t ldc, Matrix<T> a, Matrix<T> b, size_t m, size_t n, size_t k,
             bool accumulate, T* workspace) {
  if (n == 1 && ldc == 1) {  // C is its own transpose
    const ptrdiff_t row = static_cast<ptrdiff_t>(m);
    return tiled(c, row, b.transposed(), a.transposed(), 1, m, k, accumulate, workspace);
  }
  for (size_t i = 0; i < m; i += kFlipRows) {
    const size_t rows = least(kFlipRows, m - i);
    const Matrix<T> right = a.from(i, 0).transposed();
    tiled(workspace, static_cast<ptrdiff_t>(rows), b.transposed(), right, n, rows, k, false,
          workspace + n * kFlipRows);
    for (size_t r = 0; r < rows; ++r, c += ldc) {
      for (size_t j = 0; j < n; ++j) {
        const T y = workspace[j * rows + r];
        c[j] = accumulate ? c[j] + y : y;
      }
    }
  }
}

// C (kRows, kColumns) of any strides = or += A (kRows, k) B^T, where A and B (kColumns, k) have
// contiguous rows.
template <class T, int kRows, int kColumns>
[[gnu::always_inline]] inline void dots(T* c, ptrdiff_t c_row, ptrdiff_t c_column, const T* a,
                                        ptrdiff_t a_row, const T* b, ptrdiff_t b_row, size_t k,
                                        bool accumulate) {
  constexpr int kQ = kQuarter<T>, kSums = (kRows * kColumns + kQ - 1) / kQ * kQ;
  Batch<T> sum[kSums];
#pragma GCC unroll 16
  for (int s = 0; s < kSums; ++s) sum[s] = Batch<T>(T(0));
  const auto step = [&](auto load) {
    Batch<T> columns[kColumns];
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) columns[j] = load(b + j * b_row);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Batch<T> row = load(a + i * a_row);
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j) {
        sum[i * kColumns + j] = lanes::fma(row, columns[j], sum[i * kColumns + j]);
      }
    }
  };
  for (; k >= kLanes<T>; k -= kLanes<T>, a += kLanes<T>, b += kLanes<T>) {
    step([](const T* p) { return lanes::load(p); });
  }
  if (k > 0) step([k](const T* p) { return lanes::load(p, k); });

  // kQ sums at a time: transposed and added up, then their quarters.
  T out[kSums];
#pragma GCC unroll 16
  for (int s = 0; s < kSums; s += kQ) {
    typename Batch<T>::register_type v[kQ];
#pragma GCC unroll 4
    for (int i = 0; i < kQ; ++i) v[i] = sum[s + i];
    transpose_quarters<T>(v);
    T quarters[kLanes<T>];
    if constexpr (kQ == 4) v[0] = (v[0] + v[2]) + (v[1] + v[3]);
    if constexpr (kQ == 2) v[0] = v[0] + v[1];
    lanes::store(quarters, Batch<T>(v[0]));
    auto total = load_quarter(quarters);
#pragma GCC unroll 4
    for (int q = kQ; q < kWidth<T>; q += kQ) total += load_quarter(quarters + q);
    __builtin_memcpy(out + s, &total, sizeof total);
  }
#pragma GCC unroll 16
  for (int s = 0; s < kRows * kColumns; ++s) {
    T& y = c[s / kColumns * c_row + s % kColumns * c_column];
    y = accumulate ? y + out[s] : out[s];
  }
}

template <class T, int kColumns>
void dot_rows(T* c, ptrdiff_t c_row, ptrdiff_t c_column, Matrix<T> a, const T* b, ptrdiff_t b_row,
              size_t m, size_t k, bool accumulate) {
  constexpr int kRows = kColumns == 1 ? 8 : kDots / kColumns;
  for (; m >= kRows; m -= kRows, a.data += kRows * a.row, c += kRows * c_row) {
    dots<T, kRows, kColumns>(c, c_row, c_column, a.data, a.row, b, b_row, k, accumulate);
  }
  for (; m > 0; --m, a.data += a.row, c += c_row) {
    dots<T, 1, kColumns>(c, c_row, c_column, a.data, a.row, b, b_row, k, accumulate);
  }
}

// x, or a copy of it at y, with contiguous rows.
template <class T>
Matrix<T> with_rows(T* y, size_t y_row, Matrix<T> x, size_t rows, size_t columns) {
  if (x.column == 1) return x;
  copy(y, static_cast<ptrdiff_t>(y_row), x, rows, columns);
  return {y, static_cast<ptrdiff_t>(y_row), 1};
}

template <class T>
size_t narrow_workspace(size_t m, size_t n, size_t k) {
  return (n + least(m, kDotRows)) * (least(k, kDotDepth) + kPad<T>);
}

// C (m, n) of any strides = or += A B^T, few rows in B (n, k).
template <class T>
void narrow(T* c, ptrdiff_t c_row, ptrdiff_t c_column, Matrix<T> a, Matrix<T> b, size_t m, size_t n,
            size_t k, bool accumulate, T* workspace) {
  const size_t depth = part(k, kDotDepth), row = depth + kPad<T>;
  for (size_t p = 0; p < k; p += depth, accumulate = true) {
    const size_t kc = least(depth, k - p);
    const Matrix<T> right = with_rows(workspace, row, b.from(0, p), n, kc);
    const size_t rows = a.column == 1 ? m : kDotRows;
    for (size_t i = 0; i < m; i += rows) {
      const size_t mc = least(rows, m - i);
      const Matrix<T> left = with_rows(workspace + n * row, row, a.from(i, p), mc, kc);
      for (size_t j = 0; j < n; j += 4) {
        const auto function = n - j >= 4   ? dot_rows<T, 4>
                              : n - j == 3 ? dot_rows<T, 3>
                              : n - j == 2 ? dot_rows<T, 2>
                                           : dot_rows<T, 1>;
        function(c + static_cast<ptrdiff_t>(i) * c_row + static_cast<ptrdiff_t>(j) * c_column,
                 c_row, c_column, left, right.at(j, 0), right.row, mc, kc, accumulate);
      }
    }
  }
}

// Whether dots beat tiles where C has `few` rows or columns. For each row or column of the longer
// side, a tile takes about k / `share` multiply-adds; dots take few * k / lanes, and about four
// more each to add the lanes.
template <class T>
inline bool dots_win(size_t few, size_t k, size_t share) {
  return few < kLanes<T> && few * (k / kLanes<T> + 4) < k / share;
}

}  // namespace product

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
  // The stride of a dimension of one element may be anything: call it contiguous.
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
