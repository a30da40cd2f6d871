// Softmax, log_softmax and logsumexp over rows. The maximum of the row is subtracted first so that
// exp cannot overflow. Short rows (2, 4 or 10 classes) fit in one vector and stay in registers;
// longer ones are read from the cache three times. Read next: tensor/kernels/normalization.inl.

// The largest element of a row, in every lane. It may ignore a NaN: exp(NaN - top) makes the whole
// row NaN anyway.
template <class T>
Batch<T> top_of(const T* x, std::size_t n) {
  return extreme(x, n, -math::kInfinity<T>,
                 [](Batch<T> a, Batch<T> b) { return xsimd::max(a, b); });
}

// Loads a row that fits in one vector and sets the other lanes to -inf, whose exp is 0.
template <class T>
Batch<T> load_row(const T* x, std::size_t columns) {
  if (columns == kLanes<T>) return lanes::load(x);
  return lanes::load(x, columns, -math::kInfinity<T>);
}

template <class T>
void store_row(T* y, Batch<T> row, std::size_t columns) {
  if (columns == kLanes<T>) {
    lanes::store(y, row);
  } else {
    lanes::store(y, row, columns);
  }
}

template <class T>
Batch<T> without_top(Batch<T> row) {
  return row - lanes::fold(row, [](Batch<T> a, Batch<T> b) { return xsimd::max(a, b); });
}

// The sum of exp(x - shift) over a row, in every lane. A function of its own, since it is long.
template <class T>
TAPEGRAD_FLATTEN [[gnu::noinline]] Batch<T> sum_of_exp(const T* x, Batch<T> shift, std::size_t n) {
  return lanes::sum(sum_tree<T>(0, n, [&](Batch<T> total, std::size_t i, auto... count) {
    if constexpr (sizeof...(count) == 0) {
      return total + math::exp(lanes::load(x + i) - shift);
    } else {
      return total + math::exp(lanes::load(x + i, count..., -math::kInfinity<T>) - shift);
    }
  }));
}

template <class T>
TAPEGRAD_FLATTEN void softmax(T* y, const T* x, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, y += columns, x += columns) {
    if (columns <= kLanes<T>) {
      const Batch<T> e = math::exp_below(without_top(load_row(x, columns)));
      store_row(y, e / lanes::sum(e), columns);
      continue;
    }
    const Vector<T> in{x}, out{y};
    const Batch<T> top = top_of(x, columns);
    fill_with(y, columns, [&](auto... at) { return math::exp_below(in(at...) - top); });
    const Batch<T> total(sum(y, columns));
    fill_with(y, columns, [&](auto... at) { return out(at...) / total; });
  }
}

template <class T>
TAPEGRAD_FLATTEN void log_softmax(T* y, const T* x, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, y += columns, x += columns) {
    if (columns <= kLanes<T>) {
      const Batch<T> row = without_top(load_row(x, columns));
      store_row(y, row - math::log(lanes::sum(math::exp_below(row))), columns);
      continue;
    }
    const Vector<T> in{x};
    const Batch<T> top = top_of(x, columns), log_total = math::log(sum_of_exp(x, top, columns));
    fill_with(y, columns, [&](auto... at) { return (in(at...) - top) - log_total; });
  }
}

template <class T>
TAPEGRAD_FLATTEN void logsumexp(T* y, const T* x, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, x += columns) {
    if (columns == 0) {
      y[i] = -math::kInfinity<T>;
      continue;
    }
    // An infinite maximum is not subtracted: inf - inf would be NaN.
    const Batch<T> top = top_of(x, columns), zero(T(0));
    const Batch<T> shift = xsimd::select(top - top == zero, top, zero);
    y[i] = lanes::first(shift + math::log(sum_of_exp(x, shift, columns)));
  }
}

template <class T>
TAPEGRAD_FLATTEN void softmax_backward(T* dx, const T* dy, const T* y, std::size_t rows,
                                       std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, dx += columns, dy += columns, y += columns) {
    const Vector<T> u{dy}, v{y};
    const Batch<T> total(dot(dy, y, columns));
    fill_with(dx, columns, [&](auto... at) { return v(at...) * (u(at...) - total); });
  }
}

template <class T>
TAPEGRAD_FLATTEN void log_softmax_backward(T* dx, const T* dy, const T* y, std::size_t rows,
                                           std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, dx += columns, dy += columns, y += columns) {
    const Vector<T> u{dy}, v{y};
    const Batch<T> minus_total(-sum(dy, columns));
    fill_with(dx, columns,
              [&](auto... at) { return lanes::fma(math::exp(v(at...)), minus_total, u(at...)); });
  }
}
