// Products with few rows or columns, for which tiles would be mostly empty. `dots` uses vectors
// along k and adds their lanes at the end; `flipped` computes the transpose with tiles. Part of
// matmul.inl. Read next: tensor/kernels/matmul_copy.inl.

namespace product {

#if defined(__AVX512F__)
constexpr int kDots = 16;  // sums in registers, besides the operands
#else
constexpr int kDots = 8;
#endif
constexpr size_t kDotDepth = 4096, kDotRows = 64;  // the sizes of packed blocks
constexpr size_t kFlipRows = 512;

// C (m, n) = or += A B for few columns, where A has contiguous columns: computes the transpose with
// tiles.
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

  // Transposes kQ sums at a time and adds them up, then adds up their quarters.
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
    for (int q = kQ; q < static_cast<int>(kLanes<T>); q += kQ) total += load_quarter(quarters + q);
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

template <class T>
size_t narrow_workspace(size_t m, size_t n, size_t k) {
  return (n + least(m, kDotRows)) * (least(k, kDotDepth) + kPad<T>);
}

// C (m, n) of any strides = or += A B^T, where B (n, k) has few rows.
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

// Whether dots are faster than tiles if C has `few` rows or columns. For each row or column of the
// longer side, a tile takes about k / `share` multiply-adds; dots take few * k / lanes, and about
// four more for each sum to add its lanes.
template <class T>
inline bool dots_win(size_t few, size_t k, size_t share) {
  return few < kLanes<T> && few * (k / kLanes<T> + 4) < k / share;
}

}  // namespace product
