// Reductions. Sums are pairwise (Higham, "The accuracy of floating point summation", 1993): blocks
// of kBlock terms are summed in four vectors, and the sums of the blocks in a balanced tree, so
// that rounding errors grow with the logarithm of n. Read next: tensor/kernels/softmax.inl.

constexpr std::size_t kBlock = 1024;

// Sums the terms i ... i + n - 1, lane by lane. term(s, i) adds a vector of terms to s; term(s, i,
// count) adds a partial vector, whose other lanes must add 0.
template <class T, class Term>
TAPEGRAD_FLATTEN Batch<T> sum_block(std::size_t i, std::size_t n, const Term& term) {
  constexpr std::size_t k = kLanes<T>;
  const std::size_t end = i + n;
  Batch<T> s0(T(0)), s1(T(0)), s2(T(0)), s3(T(0));
  for (; i + 4 * k <= end; i += 4 * k) {
    s0 = term(s0, i);
    s1 = term(s1, i + k);
    s2 = term(s2, i + 2 * k);
    s3 = term(s3, i + 3 * k);
  }
  for (; i + k <= end; i += k) s0 = term(s0, i);
  if (i < end) s1 = term(s1, i, end - i);
  return (s0 + s1) + (s2 + s3);
}

template <class T, class Term>
Batch<T> sum_tree(std::size_t begin, std::size_t n, const Term& term) {
  if (n <= kBlock) return sum_block<T>(begin, n, term);
  const std::size_t half = (n + kBlock - 1) / kBlock / 2 * kBlock;
  // A statement of its own, so that memory is read in order.
  const Batch<T> first = sum_tree<T>(begin, half, term);
  return first + sum_tree<T>(begin + half, n - half, term);
}

template <class T, class Term>
T sum_terms(std::size_t n, const Term& term) {
  return lanes::first(lanes::sum(sum_tree<T>(0, n, term)));
}

template <class T>
T sum(const T* x, std::size_t n) {
  const Vector<T, 0> v{x};
  return sum_terms<T>(n, [&](Batch<T> s, auto... at) { return s + v(at...); });
}

template <class T>
T sum_of_squares(const T* x, std::size_t n) {
  const Vector<T, 0> v{x};
  return sum_terms<T>(n, [&](Batch<T> s, auto... at) {
    const Batch<T> b = v(at...);
    return lanes::fma(b, b, s);
  });
}

template <class T>
T dot(const T* a, const T* b, std::size_t n) {
  const Vector<T, 0> u{a}, v{b};
  return sum_terms<T>(n, [&](Batch<T> s, auto... at) { return lanes::fma(u(at...), v(at...), s); });
}

// The largest or smallest of n > 0 elements, in every lane: better(a, b) returns the one to keep,
// and `worst` is never kept. If n is not a multiple of the vector, the last vector overlaps the
// previous one.
template <class T, class Better>
Batch<T> extreme(const T* x, std::size_t n, T worst, const Better& better) {
  constexpr std::size_t k = kLanes<T>;
  if (n < k) return lanes::fold(lanes::load(x, n, worst), better);
  Batch<T> m0 = lanes::load(x), m1 = lanes::load(x + n - k), m2 = m0, m3 = m1;
  std::size_t i = k;
  for (; i + 4 * k <= n; i += 4 * k) {
    m0 = better(m0, lanes::load(x + i));
    m1 = better(m1, lanes::load(x + i + k));
    m2 = better(m2, lanes::load(x + i + 2 * k));
    m3 = better(m3, lanes::load(x + i + 3 * k));
  }
  for (; i + k <= n; i += k) m0 = better(m0, lanes::load(x + i));
  return lanes::fold(better(better(m0, m1), better(m2, m3)), better);
}

template <class T>
T max(const T* x, std::size_t n) {
  if (n == 0) return -math::kInfinity<T>;
  return lanes::first(extreme(x, n, -math::kInfinity<T>, lanes::maximum<T>));
}

template <class T>
T min(const T* x, std::size_t n) {
  if (n == 0) return math::kInfinity<T>;
  return lanes::first(extreme(x, n, math::kInfinity<T>, lanes::minimum<T>));
}

// Column sums are computed for panels of up to four vectors of columns. The rows are summed in
// blocks, and the blocks in a tree.
constexpr std::size_t kRowBlock = 64;

template <class T, std::size_t kVectors>
struct Panel {
  Batch<T> v[kVectors];
};

// `count` is the number of lanes in the last vector if it is partial, else 0.
template <class T, std::size_t kVectors>
Panel<T, kVectors> sum_panel(const T* x, std::size_t rows, std::size_t columns, std::size_t count) {
  Panel<T, kVectors> total;
  if (rows > kRowBlock) {
    const std::size_t half = (rows + kRowBlock - 1) / kRowBlock / 2 * kRowBlock;
    total = sum_panel<T, kVectors>(x, half, columns, count);
    const auto rest = sum_panel<T, kVectors>(x + half * columns, rows - half, columns, count);
    for (std::size_t j = 0; j < kVectors; ++j) total.v[j] += rest.v[j];
    return total;
  }
  for (Batch<T>& v : total.v) v = Batch<T>(T(0));
  if (count == 0) {
    for (std::size_t i = 0; i < rows; ++i, x += columns) {
      for (std::size_t j = 0; j < kVectors; ++j) total.v[j] += lanes::load(x + j * kLanes<T>);
    }
  } else {
    for (std::size_t i = 0; i < rows; ++i, x += columns) {
      for (std::size_t j = 0; j + 1 < kVectors; ++j) total.v[j] += lanes::load(x + j * kLanes<T>);
      total.v[kVectors - 1] += lanes::load(x + (kVectors - 1) * kLanes<T>, count);
    }
  }
  return total;
}

template <class T, std::size_t kVectors>
void sum_columns_panel(T* y, const T* x, std::size_t rows, std::size_t columns, std::size_t count,
                       bool accumulate) {
  const Panel<T, kVectors> total = sum_panel<T, kVectors>(x, rows, columns, count);
  for (std::size_t j = 0; j < kVectors; ++j, y += kLanes<T>) {
    if (count > 0 && j + 1 == kVectors) {
      lanes::store(y, accumulate ? lanes::load(y, count) + total.v[j] : total.v[j], count);
    } else {
      lanes::store(y, accumulate ? lanes::load(y) + total.v[j] : total.v[j]);
    }
  }
}

template <class T>
void sum_columns(T* y, const T* x, std::size_t rows, std::size_t columns, bool accumulate) {
  constexpr std::size_t k = kLanes<T>;
  if (columns == 1) {
    const T total = sum(x, rows);
    *y = accumulate ? *y + total : total;
    return;
  }
  if (rows == 0) {  // x may be null
    if (!accumulate) std::fill_n(y, columns, T(0));
    return;
  }
  std::size_t j = 0;
  for (; j + 4 * k <= columns; j += 4 * k) {
    sum_columns_panel<T, 4>(y + j, x + j, rows, columns, 0, accumulate);
  }
  for (; j + k <= columns; j += k) {
    sum_columns_panel<T, 1>(y + j, x + j, rows, columns, 0, accumulate);
  }
  if (j < columns) sum_columns_panel<T, 1>(y + j, x + j, rows, columns, columns - j, accumulate);
}
