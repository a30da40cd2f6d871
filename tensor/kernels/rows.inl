// Tables of rows, such as embeddings: gathers rows, adds rows to a table, and sums bags of rows
// without copying them first. A table is larger than the cache and its rows are read in random
// order, so rows are prefetched a few steps ahead. Read next: tensor/kernels/convolution.inl.

constexpr std::size_t kAhead = 32;  // rows

template <class T>
void prefetch_row(const T* row, std::size_t columns) {
  constexpr std::size_t kLine = 64 / sizeof(T);
  // The hardware prefetches what follows after eight lines.
  const std::size_t n = columns < 8 * kLine ? columns : 8 * kLine;
  for (std::size_t j = 0; j < n; j += kLine) __builtin_prefetch(row + j);
  if (n > 1) __builtin_prefetch(row + n - 1);  // a row may begin anywhere in a cache line
}

template <class T>
TAPEGRAD_FLATTEN void gather_rows(T* y, const T* table, const std::int64_t* ids, std::size_t n,
                                  std::size_t columns) {
  for (std::size_t i = 0; i < n; ++i, y += columns) {
    if (i + kAhead < n) {
      prefetch_row(table + static_cast<std::size_t>(ids[i + kAhead]) * columns, columns);
    }
    fill_with(y, columns, Vector<T>{table + static_cast<std::size_t>(ids[i]) * columns});
  }
}

template <bool kScaled, class T>
void scatter_add_rows(T* table, const std::int64_t* ids, const T* rows, const std::int64_t* pick,
                      const T* scale, std::size_t n, std::size_t columns, std::int64_t skip) {
  for (std::size_t i = 0; i < n; ++i) {
    if (i + kAhead < n && ids[i + kAhead] != skip) {
      prefetch_row(table + static_cast<std::size_t>(ids[i + kAhead]) * columns, columns);
    }
    if (ids[i] == skip) continue;
    T* const to = table + static_cast<std::size_t>(ids[i]) * columns;
    const T* from = rows + (pick != nullptr ? static_cast<std::size_t>(pick[i]) : i) * columns;
    const Vector<T> sum{to}, x{from};
    if constexpr (kScaled) {
      const Batch<T> factor(scale[i]);
      fill_with(to, columns, [&](auto... at) { return lanes::fma(factor, x(at...), sum(at...)); });
    } else {
      fill_with(to, columns, [&](auto... at) { return sum(at...) + x(at...); });
    }
  }
}

template <class T>
TAPEGRAD_FLATTEN void scatter_add_rows(T* table, const std::int64_t* ids, const T* rows,
                                       const std::int64_t* pick, const T* scale, std::size_t n,
                                       std::size_t columns, std::int64_t skip) {
  if (scale != nullptr) {
    scatter_add_rows<true>(table, ids, rows, pick, scale, n, columns, skip);
  } else {
    scatter_add_rows<false>(table, ids, rows, pick, scale, n, columns, skip);
  }
}

// Bags ---------------------------------------------------------------------------------------

// Prefetches the row of the id that is kAhead positions after i, if there is one.
template <class T>
void prefetch_ahead(const T* table, const std::int64_t* ids, std::int64_t i, std::int64_t end,
                    std::size_t columns) {
  const std::int64_t next = i + static_cast<std::int64_t>(kAhead);
  if (next < end) prefetch_row(table + static_cast<std::size_t>(ids[next]) * columns, columns);
}

// A stripe is a few vectors of columns. Its sums stay in registers while all rows of a bag are
// read. The last vector may be partial, with `rest` lanes.
// More whole vectors are faster, but each number of them is compiled as a loop of its own, so only
// the sums of float32 use many.
template <class T>
constexpr std::size_t kStripe = sizeof(T) == 4 ? 8 : 4;
constexpr std::size_t kMaxStripe = 4;  // for bag_max

// An integer as a type. (std::integral_constant would be shared with other files.)
template <std::size_t kValue>
struct Constant {
  constexpr operator std::size_t() const { return kValue; }
};

template <std::size_t kVectors, class T, class F>
void for_each_in_stripe(std::size_t rest, const F& f) {
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    (f(Constant<kIndex>(), kIndex * kLanes<T>), ...);
  }
  (std::make_index_sequence<kVectors>());
  if (rest > 0) f(Constant<kVectors>(), kVectors * kLanes<T>, rest);
}

// Calls step(begin, number of whole vectors as a constant, rest) for each stripe of the columns.
template <class T, std::size_t kMost, std::size_t kVectors = kMost, class Step>
void for_each_stripe(std::size_t columns, const Step& step, std::size_t begin = 0) {
  constexpr std::size_t kWidth = kVectors * kLanes<T>;
  for (; kVectors == kMost && columns - begin > kWidth + kLanes<T> - 1; begin += kWidth) {
    step(begin, Constant<kVectors>(), std::size_t{0});
  }
  if (columns - begin >= kWidth) {
    step(begin, Constant<kVectors>(), columns - begin - kWidth);
  } else if constexpr (kVectors > 0) {
    for_each_stripe<T, kMost, kVectors - 1>(columns, step, begin);
  }
}

template <bool kScaled, class T>
void bag_sum(T* y, const T* table, const std::int64_t* ids, const T* scale,
             const std::int64_t* bounds, std::size_t bags, std::size_t columns, std::int64_t skip,
             bool mean) {
  const std::int64_t end = bounds[bags];
  for_each_stripe<T, kStripe<T>>(columns, [&](std::size_t begin, auto vectors, std::size_t rest) {
    for (std::size_t b = 0; b < bags; ++b) {
      Batch<T> sums[vectors + 1];
      for (Batch<T>& sum : sums) sum = Batch<T>(T(0));
      std::int64_t count = 0;
      for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
        if (begin == 0) prefetch_ahead(table, ids, i, end, columns);
        if (ids[i] == skip) continue;
        ++count;
        const T* row = table + static_cast<std::size_t>(ids[i]) * columns + begin;
        for_each_in_stripe<vectors, T>(rest, [&](auto v, std::size_t at, auto... partial) {
          const Batch<T> x = Vector<T, 0>{row}(at, partial...);
          sums[v] = kScaled ? lanes::fma(Batch<T>(scale[i]), x, sums[v]) : sums[v] + x;
        });
      }
      const Batch<T> divisor(mean && count > 0 ? static_cast<T>(count) : T(1));
      T* to = y + b * columns + begin;
      for_each_in_stripe<vectors, T>(rest, [&](auto v, std::size_t at, auto... partial) {
        lanes::store(to + at, mean ? sums[v] / divisor : sums[v], partial...);
      });
    }
  });
}

template <class T>
TAPEGRAD_FLATTEN void bag_sum(T* y, const T* table, const std::int64_t* ids, const T* scale,
                              const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                              std::int64_t skip, bool mean) {
  if (scale != nullptr) {
    bag_sum<true>(y, table, ids, scale, bounds, bags, columns, skip, mean);
  } else {
    bag_sum<false>(y, table, ids, scale, bounds, bags, columns, skip, mean);
  }
}

// Besides the largest element so far, each lane keeps its position in the bag, stored as bits.
template <class T>
TAPEGRAD_FLATTEN void bag_max(T* y, std::int64_t* winners, const T* table, const std::int64_t* ids,
                              const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                              std::int64_t skip) {
  using Position = typename Bits<T>::value_type;
  const auto position = [](std::int64_t i) {
    return lanes::from_bits<T>(Bits<T>(static_cast<Position>(i)));
  };
  const std::int64_t end = bounds[bags];
  for_each_stripe<T, kMaxStripe>(columns, [&](std::size_t begin, auto vectors, std::size_t rest) {
    for (std::size_t b = 0; b < bags; ++b) {
      const std::int64_t* const bag = ids + bounds[b];
      const std::int64_t size = bounds[b + 1] - bounds[b];
      std::int64_t first = 0;
      while (first < size && bag[first] == skip) ++first;
      const bool empty = first == size;
      Batch<T> best[vectors + 1], where[vectors + 1];
      for (Batch<T>& value : best) value = Batch<T>(empty ? T(0) : -math::kInfinity<T>);
      for (Batch<T>& place : where) place = position(first);
      for (std::int64_t i = first; i < size; ++i) {
        if (begin == 0) prefetch_ahead(table, ids, bounds[b] + i, end, columns);
        if (bag[i] == skip) continue;
        const T* row = table + static_cast<std::size_t>(bag[i]) * columns + begin;
        for_each_in_stripe<vectors, T>(rest, [&](auto v, std::size_t at, auto... partial) {
          const Batch<T> x = Vector<T, 0>{row}(at, partial...);
          // Keeps the first of equal elements, and the first NaN.
          const auto stays = (best[v] >= x) | !(best[v] == best[v]);
          best[v] = xsimd::select(stays, best[v], x);
          where[v] = xsimd::select(stays, where[v], position(i));
        });
      }
      for_each_in_stripe<vectors, T>(rest, [&](auto v, std::size_t at, auto... partial) {
        lanes::store(y + b * columns + begin + at, best[v], partial...);
        if (winners == nullptr) return;
        T bits[kLanes<T>];
        lanes::store(bits, where[v]);
        std::int64_t* const to = winners + b * columns + begin + at;
        const std::size_t n = sizeof...(partial) > 0 ? rest : kLanes<T>;
        for (std::size_t j = 0; j < n; ++j) {
          to[j] = empty ? -1 : bag[__builtin_bit_cast(Position, bits[j])];
        }
      });
    }
  });
}

template <class T>
TAPEGRAD_FLATTEN void bag_dots(T* y, const T* x, const T* table, const std::int64_t* ids,
                               const std::int64_t* bounds, std::size_t bags, std::size_t columns,
                               std::int64_t skip) {
  const std::int64_t end = bounds[bags];
  for (std::size_t b = 0; b < bags; ++b, x += columns) {
    for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
      prefetch_ahead(table, ids, i, end, columns);
      const T* row = table + static_cast<std::size_t>(ids[i]) * columns;
      Batch<T> sum(T(0));
      for_each_vector<T>(columns, [&](std::size_t j, auto... partial) {
        sum = lanes::fma(Vector<T, 0>{x}(j, partial...), Vector<T, 0>{row}(j, partial...), sum);
      });
      y[i] = ids[i] == skip ? T(0) : lanes::first(lanes::sum(sum));
    }
  }
}
