// Normalizes rows to mean 0 and variance 1 (Ba, Kiros and Hinton, "Layer normalization", 2016). A
// row is read several times; unless it is very long, only the first time from memory and then from
// the cache. Read next: tensor/kernels/rows.inl.

template <class T>
T sum_of_squared_deviations(const T* x, T mean, std::size_t n) {
  const Batch<T> middle(mean);
  return sum_terms<T>(n, [&](Batch<T> total, std::size_t i, auto... count) {
    if constexpr (sizeof...(count) == 0) {
      const Batch<T> deviation = lanes::load(x + i) - middle;
      return lanes::fma(deviation, deviation, total);
    } else {
      const Batch<T> deviation = lanes::load(x + i, count..., mean) - middle;
      return lanes::fma(deviation, deviation, total);
    }
  });
}

template <class T>
TAPEGRAD_FLATTEN void layer_norm(T* y, T* mean, T* scale, const T* x, const T* weight,
                                 const T* bias, std::size_t rows, std::size_t columns, T eps) {
  const T count = static_cast<T>(columns);
  for (std::size_t i = 0; i < rows; ++i, y += columns, x += columns) {
    mean[i] = sum(x, columns) / count;
    const T variance = sum_of_squared_deviations(x, mean[i], columns) / count;
    scale[i] = lanes::first(Batch<T>(T(1)) / xsimd::sqrt(Batch<T>(variance + eps)));
    const Batch<T> middle(mean[i]), factor(scale[i]);
    const Vector<T> in{x}, w{weight}, b{bias};
    if (weight == nullptr) {
      fill_with(y, columns, [&](auto... at) { return (in(at...) - middle) * factor; });
    } else if (bias == nullptr) {
      fill_with(y, columns, [&](auto... at) { return (in(at...) - middle) * factor * w(at...); });
    } else {
      fill_with(y, columns, [&](auto... at) {
        return lanes::fma((in(at...) - middle) * factor, w(at...), b(at...));
      });
    }
  }
}

template <class T>
TAPEGRAD_FLATTEN void layer_norm_backward(T* dx, const T* dy, const T* x, const T* mean,
                                          const T* scale, const T* weight, std::size_t rows,
                                          std::size_t columns) {
  const Batch<T> count(static_cast<T>(columns));
  for (std::size_t i = 0; i < rows; ++i, dx += columns, dy += columns, x += columns) {
    const Batch<T> middle(mean[i]), factor(scale[i]);
    const Vector<T> in{x}, from{dy}, w{weight};
    // dx first stores g.
    if (weight == nullptr) {
      fill_with(dx, columns, from);
    } else {
      fill_with(dx, columns, [&](auto... at) { return from(at...) * w(at...); });
    }
    const Vector<T> g{dx};
    const Batch<T> g_mean = Batch<T>(sum(dx, columns)) / count;
    const Vector<T, 0> g0{dx}, x0{x};
    const Batch<T> g_slope =
        Batch<T>(sum_terms<T>(columns,
                              [&](Batch<T> total, auto... at) {
                                return lanes::fma(g0(at...), (x0(at...) - middle) * factor, total);
                              })) /
        count;
    fill_with(dx, columns, [&](auto... at) {
      const Batch<T> slope = (in(at...) - middle) * factor * g_slope;
      return factor * (g(at...) - g_mean - slope);
    });
  }
}

template <class T>
TAPEGRAD_FLATTEN void layer_norm_weight_backward(T* dweight, const T* dy, const T* x, const T* mean,
                                                 const T* scale, std::size_t rows,
                                                 std::size_t columns) {
  const Vector<T> sums{dweight};
  for (std::size_t i = 0; i < rows; ++i, dy += columns, x += columns) {
    const Batch<T> middle(mean[i]), factor(scale[i]);
    const Vector<T> in{x}, from{dy};
    fill_with(dweight, columns, [&](auto... at) {
      return lanes::fma(from(at...), (in(at...) - middle) * factor, sums(at...));
    });
  }
}
