// Matrices of any strides, and copies of them with contiguous rows; transposed matrices are copied
// through registers. Part of matmul.inl. Read next: tensor/kernels/isa.inl.
//
// This file uses the compilers' own vector types, because xsimd 8 has no shuffle that does the same
// on all instruction sets: its zip works on the whole vector on some and on each 16 bytes on
// others.

namespace product {

using std::ptrdiff_t;
using std::size_t;

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

// The length of the parts if `size` is split into as few equal parts of at most `limit` as
// possible.
inline size_t part(size_t size, size_t limit) {
  if (size <= limit) return size;
  const size_t parts = (size + limit - 1) / limit;
  return (size + parts - 1) / parts;
}

// Packed rows are this many elements farther apart, so that they do not map to the same cache sets.
template <class T>
constexpr size_t kPad = 64 / sizeof(T);

// kQuarter elements take 16 bytes (four floats). `interleave` works on each 16 bytes separately: a
// becomes a0 b0 a1 b1 ... of the lower halves, b the same of the upper halves.
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

// Transposes kQuarter x kQuarter squares that lie side by side in the vectors v[0], v[1], ...: each
// vector contains one row of every square.
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

// Squares of twice that size use vectors of two quarters, the second of which is loaded from the
// lower half of the square; this way the loads do half of the shuffling. (64-byte shuffles are not
// faster.)
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

// y = the transpose of x, both (kSide, kSide), with rows y_row and x_row elements apart.
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

// Copies row by row.
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

// For x with contiguous columns: copies squares, and the remaining columns of their rows. Returns
// the number of rows copied.
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

// y = x, both (rows, columns); y has contiguous rows y_row elements apart, x has any strides.
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

// Returns x if its rows are contiguous, else a copy at y.
template <class T>
Matrix<T> with_rows(T* y, size_t y_row, Matrix<T> x, size_t rows, size_t columns) {
  if (x.column == 1) return x;
  copy(y, static_cast<ptrdiff_t>(y_row), x, rows, columns);
  return {y, static_cast<ptrdiff_t>(y_row), 1};
}

}  // namespace product
