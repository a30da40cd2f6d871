// One step of a recurrent layer after its matrix products, in one pass: the sums of the gates are
// replaced by the gates' values, and the new state is computed in the same loop. The formulas are
// in kernels.h. Read next: tensor/kernels/optimizers.inl.

template <bool kRelu, class T>
void rnn_step_loop(T* h, const T* a, const T* bias, std::size_t rows, std::size_t hidden) {
  const Vector<T> b{bias};
  for (std::size_t i = 0; i < rows; ++i, h += hidden, a += hidden) {
    const Vector<T> x{a};
    fill_with(h, hidden, [&](auto... at) {
      const Batch<T> sum = x(at...) + b(at...);
      return kRelu ? apply<Unary::kRelu>(sum) : math::tanh(sum);
    });
  }
}

template <class T>
TAPEGRAD_FLATTEN void rnn_step(T* h, const T* a, const T* bias, std::size_t rows,
                               std::size_t hidden, bool relu) {
  if (relu) {
    rnn_step_loop<true>(h, a, bias, rows, hidden);
  } else {
    rnn_step_loop<false>(h, a, bias, rows, hidden);
  }
}

template <class T>
TAPEGRAD_FLATTEN void rnn_step_backward(T* da, T* dh, const T* h, std::size_t rows,
                                        std::size_t hidden, bool relu) {
  if (relu) {
    combine<Binary::kReluBackward>(da, Vector<T>{dh}, Vector<T>{h}, rows * hidden);
  } else {
    combine<Binary::kTanhBackward>(da, Vector<T>{dh}, Vector<T>{h}, rows * hidden);
  }
  fill(dh, T(0), rows * hidden);
}

template <class T>
TAPEGRAD_FLATTEN void lstm_step(T* h, T* c, T* gates, const T* bias, const T* c_before,
                                std::size_t rows, std::size_t hidden) {
  for (std::size_t row = 0; row < rows;
       ++row, h += hidden, c += hidden, c_before += hidden, gates += 4 * hidden) {
    for_each_vector<T>(hidden, [&](std::size_t at, auto... count) {
      T* const to = gates + at;
      const auto sum = [&](std::size_t gate) {
        return lanes::load(to + gate * hidden, count...) +
               lanes::load(bias + gate * hidden + at, count...);
      };
      const Batch<T> i = math::sigmoid(sum(0)), f = math::sigmoid(sum(1));
      const Batch<T> g = math::tanh(sum(2)), o = math::sigmoid(sum(3));
      const Batch<T> cell = lanes::fma(f, lanes::load(c_before + at, count...), i * g);
      lanes::store(to, i, count...);
      lanes::store(to + hidden, f, count...);
      lanes::store(to + 2 * hidden, g, count...);
      lanes::store(to + 3 * hidden, o, count...);
      lanes::store(c + at, cell, count...);
      lanes::store(h + at, o * math::tanh(cell), count...);
    });
  }
}

template <class T>
TAPEGRAD_FLATTEN void lstm_step_backward(T* da, T* dh, T* dc, const T* gates, const T* c,
                                         const T* c_before, std::size_t rows, std::size_t hidden) {
  const Batch<T> zero(T(0)), one(T(1));
  for (std::size_t row = 0; row < rows; ++row, dh += hidden, dc += hidden, c += hidden,
                   c_before += hidden, gates += 4 * hidden, da += 4 * hidden) {
    for_each_vector<T>(hidden, [&](std::size_t at, auto... count) {
      const T* const from = gates + at;
      T* const to = da + at;
      const Batch<T> i = lanes::load(from, count...), f = lanes::load(from + hidden, count...);
      const Batch<T> g = lanes::load(from + 2 * hidden, count...);
      const Batch<T> o = lanes::load(from + 3 * hidden, count...);
      const Batch<T> top = math::tanh(lanes::load(c + at, count...));
      const Batch<T> dy = lanes::load(dh + at, count...);
      const Batch<T> cell =
          lanes::fma(dy * o, lanes::fma(-top, top, one), lanes::load(dc + at, count...));
      lanes::store(to, cell * g * i * (one - i), count...);
      lanes::store(to + hidden, cell * lanes::load(c_before + at, count...) * f * (one - f),
                   count...);
      lanes::store(to + 2 * hidden, cell * i * lanes::fma(-g, g, one), count...);
      lanes::store(to + 3 * hidden, dy * top * o * (one - o), count...);
      lanes::store(dc + at, cell * f, count...);
      lanes::store(dh + at, zero, count...);
    });
  }
}

template <class T>
TAPEGRAD_FLATTEN void gru_step(T* h, T* gates, T* m, const T* b, const T* bias, const T* h_before,
                               std::size_t rows, std::size_t hidden) {
  for (std::size_t row = 0; row < rows;
       ++row, h += hidden, m += hidden, h_before += hidden, gates += 3 * hidden, b += 3 * hidden) {
    for_each_vector<T>(hidden, [&](std::size_t at, auto... count) {
      T* const to = gates + at;
      const auto term = [&](const T* p, std::size_t part) {
        return lanes::load(p + part * hidden + at, count...);
      };
      const Batch<T> r = math::sigmoid(term(gates, 0) + term(b, 0) + term(bias, 0));
      const Batch<T> z = math::sigmoid(term(gates, 1) + term(b, 1) + term(bias, 1));
      const Batch<T> from_state = term(b, 2) + term(bias, 3);
      const Batch<T> n = math::tanh(lanes::fma(r, from_state, term(gates, 2) + term(bias, 2)));
      lanes::store(to, r, count...);
      lanes::store(to + hidden, z, count...);
      lanes::store(to + 2 * hidden, n, count...);
      lanes::store(m + at, from_state, count...);
      lanes::store(h + at, lanes::fma(z, term(h_before, 0) - n, n), count...);
    });
  }
}

template <class T>
TAPEGRAD_FLATTEN void gru_step_backward(T* da, T* dh, const T* gates, const T* m, const T* h_before,
                                        std::size_t rows, std::size_t hidden) {
  const Batch<T> one(T(1));
  for (std::size_t row = 0; row < rows; ++row, dh += hidden, m += hidden, h_before += hidden,
                   gates += 3 * hidden, da += 4 * hidden) {
    for_each_vector<T>(hidden, [&](std::size_t at, auto... count) {
      const T* const from = gates + at;
      T* const to = da + at;
      const Batch<T> r = lanes::load(from, count...), z = lanes::load(from + hidden, count...);
      const Batch<T> n = lanes::load(from + 2 * hidden, count...);
      const Batch<T> dy = lanes::load(dh + at, count...);
      const Batch<T> dn = dy * (one - z) * lanes::fma(-n, n, one);
      const Batch<T> dz = dy * (lanes::load(h_before + at, count...) - n) * z * (one - z);
      lanes::store(to, dn * lanes::load(m + at, count...) * r * (one - r), count...);
      lanes::store(to + hidden, dz, count...);
      lanes::store(to + 2 * hidden, dn, count...);
      lanes::store(to + 3 * hidden, dn * r, count...);
      lanes::store(dh + at, dy * z, count...);
    });
  }
}
