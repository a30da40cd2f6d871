// Tables of rows, as embeddings are: rows by number, and sums back into them. A table is larger
// than the cache and its rows are read in no order, so the ones a few steps ahead are asked for
// early. Read next: optimizers.inl.

constexpr std::size_t kAhead = 8;  // rows

template <class T>
void prefetch_row(const T* row, std::size_t columns) {
  constexpr std::size_t kLine = 64 / sizeof(T);
  const std::size_t n = columns < 8 * kLine ? columns : 8 * kLine;  // the hardware follows then
  for (std::size_t j = 0; j < n; j += kLine) __builtin_prefetch(row + j);
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

template <class T>
TAPEGRAD_FLATTEN void scatter_add_rows(T* table, const std::int64_t* ids, const T* rows,
                                       std::size_t n, std::size_t columns) {
  for (std::size_t i = 0; i < n; ++i, rows += columns) {
    if (i + kAhead < n) {
      prefetch_row(table + static_cast<std::size_t>(ids[i + kAhead]) * columns, columns);
    }
    T* row = table + static_cast<std::size_t>(ids[i]) * columns;
    combine<Binary::kAdd>(row, Vector<T>{row}, Vector<T>{rows}, columns);
  }
}
