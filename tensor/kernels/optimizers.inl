// One step of an optimizer over consecutive elements, in a single pass over memory. Memory traffic
// is the whole cost: 28 bytes per element for Adam in single precision. The formulas are in
// kernels.h; the branches on options are outside of the loop. Multiplications and additions are
// fused explicitly, so that the bits of an element do not depend on whether it is in a whole or in
// a partial vector. Read next: tensor/kernels/matmul.inl.

template <bool kHasMax, class T>
TAPEGRAD_FLATTEN void adam_loop(T* p, T* m, T* v, T* vmax, const T* g, std::size_t n,
                                const AdamArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> beta1 = constant(a.beta1), rest1 = constant(1 - a.beta1);
  const Batch<T> beta2 = constant(a.beta2), rest2 = constant(1 - a.beta2);
  const Batch<T> eps = constant(a.eps), l2 = constant(a.l2), shrink = constant(a.shrink);
  // PyTorch divides by sqrt_bias2. Multiplying saves a division and differs by one unit in the last
  // place.
  const Batch<T> minus_step = constant(-a.step_size), unbias2 = constant(1 / a.sqrt_bias2);
  const Batch<T> sign = constant(a.sign), zero(T(0));
  const bool decays = a.l2 != 0;
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> value = lanes::load(p + i, count...);
    Batch<T> gradient = g != nullptr ? lanes::load(g + i, count...) * sign : zero;
    if (decays) gradient = lanes::fma(value, l2, gradient);
    const Batch<T> mean = lanes::fma(rest1, gradient, beta1 * lanes::load(m + i, count...));
    const Batch<T> square =
        lanes::fma(rest2 * gradient, gradient, beta2 * lanes::load(v + i, count...));
    lanes::store(m + i, mean, count...);
    lanes::store(v + i, square, count...);
    Batch<T> top = square;
    if constexpr (kHasMax) {
      top = lanes::maximum(lanes::load(vmax + i, count...), square);
      lanes::store(vmax + i, top, count...);
    }
    const Batch<T> scale = lanes::fma(xsimd::sqrt(top), unbias2, eps);
    lanes::store(p + i, lanes::fma(value, shrink, minus_step * mean / scale), count...);
  });
}

template <class T>
void adam(T* p, T* m, T* v, T* vmax, const T* g, std::size_t n, const AdamArguments& arguments) {
  if (vmax != nullptr) {
    adam_loop<true>(p, m, v, vmax, g, n, arguments);
  } else {
    adam_loop<false>(p, m, v, vmax, g, n, arguments);
  }
}

template <class T>
TAPEGRAD_FLATTEN void adam_jump(T* p, T* m, T* v, const T* vmax, std::size_t n,
                                const AdamJumpArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> shrink = constant(a.shrink), m_factor = constant(a.m_factor);
  const Batch<T> v_factor = constant(a.v_factor), eps = constant(a.eps_center);
  const Batch<T> s0 = constant(a.s[0]), s1 = constant(a.s[1]), s2 = constant(a.s[2]);
  const Batch<T> s3 = constant(a.s[3]), s4 = constant(a.s[4]), s5 = constant(a.s[5]);
  const Batch<T> one(T(1));
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> mean = lanes::load(m + i, count...);
    const Batch<T> square = lanes::load(v + i, count...);
    const Batch<T> top = vmax != nullptr ? lanes::load(vmax + i, count...) : square;
    const Batch<T> h = one / (xsimd::sqrt(top) + eps);
    const Batch<T> minus_u = -(eps * h);
    Batch<T> series = lanes::fma(minus_u, s5, s4);
    series = lanes::fma(minus_u, series, s3);
    series = lanes::fma(minus_u, series, s2);
    series = lanes::fma(minus_u, series, s1);
    series = lanes::fma(minus_u, series, s0);
    const Batch<T> value = lanes::fma(-(mean * h), series, lanes::load(p + i, count...));
    lanes::store(p + i, shrink * value, count...);
    lanes::store(m + i, m_factor * mean, count...);
    lanes::store(v + i, v_factor * square, count...);
  });
}

template <class T>
TAPEGRAD_FLATTEN void map_pairs(T* p, T* b, std::size_t n, const PairMap& map) {
  const Batch<T> pp(static_cast<T>(map.pp)), pb(static_cast<T>(map.pb));
  const Batch<T> bp(static_cast<T>(map.bp)), bb(static_cast<T>(map.bb));
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> x = lanes::load(p + i, count...);
    const Batch<T> y = lanes::load(b + i, count...);
    lanes::store(p + i, lanes::fma(pb, y, pp * x), count...);
    lanes::store(b + i, lanes::fma(bb, y, bp * x), count...);
  });
}

template <class T>
TAPEGRAD_FLATTEN void sgd(T* p, T* buf, const T* g, std::size_t n, const SgdArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> minus_rate = constant(-a.lr), momentum = constant(a.momentum);
  const Batch<T> rest = constant(1 - a.dampening), decay = constant(a.weight_decay);
  const Batch<T> sign = constant(a.sign), zero(T(0));
  const bool decays = a.weight_decay != 0, first = a.first, nesterov = a.nesterov;
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> value = lanes::load(p + i, count...);
    Batch<T> gradient = g != nullptr ? lanes::load(g + i, count...) * sign : zero;
    if (decays) gradient = lanes::fma(value, decay, gradient);
    if (buf != nullptr) {
      const Batch<T> velocity =
          first ? gradient : lanes::fma(rest, gradient, momentum * lanes::load(buf + i, count...));
      lanes::store(buf + i, velocity, count...);
      gradient = nesterov ? lanes::fma(momentum, velocity, gradient) : velocity;
    }
    lanes::store(p + i, lanes::fma(minus_rate, gradient, value), count...);
  });
}

template <class T>
TAPEGRAD_FLATTEN void adagrad(T* p, T* sum, const T* g, std::size_t n, const AdagradArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> minus_rate = constant(-a.rate), decay = constant(a.weight_decay);
  const Batch<T> eps = constant(a.eps), sign = constant(a.sign), zero(T(0));
  const bool decays = a.weight_decay != 0;
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> value = lanes::load(p + i, count...);
    Batch<T> gradient = g != nullptr ? lanes::load(g + i, count...) * sign : zero;
    if (decays) gradient = lanes::fma(value, decay, gradient);
    const Batch<T> squares = lanes::fma(gradient, gradient, lanes::load(sum + i, count...));
    lanes::store(sum + i, squares, count...);
    const Batch<T> scale = xsimd::sqrt(squares) + eps;
    lanes::store(p + i, value + minus_rate * gradient / scale, count...);
  });
}

template <bool kCentered, class T>
TAPEGRAD_FLATTEN void rmsprop_loop(T* p, T* v, T* buf, T* mean, const T* g, std::size_t n,
                                   const RmspropArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> minus_rate = constant(-a.lr), momentum = constant(a.momentum);
  const Batch<T> alpha = constant(a.alpha), rest = constant(1 - a.alpha);
  const Batch<T> eps = constant(a.eps), decay = constant(a.weight_decay);
  const Batch<T> sign = constant(a.sign), zero(T(0));
  const bool decays = a.weight_decay != 0;
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> value = lanes::load(p + i, count...);
    Batch<T> gradient = g != nullptr ? lanes::load(g + i, count...) * sign : zero;
    if (decays) gradient = lanes::fma(value, decay, gradient);
    const Batch<T> square =
        lanes::fma(rest * gradient, gradient, alpha * lanes::load(v + i, count...));
    lanes::store(v + i, square, count...);
    Batch<T> variance = square;
    if constexpr (kCentered) {
      const Batch<T> center = lanes::fma(rest, gradient, alpha * lanes::load(mean + i, count...));
      lanes::store(mean + i, center, count...);
      variance = lanes::maximum(lanes::fma(lanes::negate(center), center, square), zero);
    }
    const Batch<T> scale = xsimd::sqrt(variance) + eps;
    if (buf != nullptr) {
      const Batch<T> velocity = momentum * lanes::load(buf + i, count...) + gradient / scale;
      lanes::store(buf + i, velocity, count...);
      lanes::store(p + i, lanes::fma(minus_rate, velocity, value), count...);
    } else {
      lanes::store(p + i, value + minus_rate * gradient / scale, count...);
    }
  });
}

template <class T>
void rmsprop(T* p, T* v, T* buf, T* mean, const T* g, std::size_t n,
             const RmspropArguments& arguments) {
  if (mean != nullptr) {
    rmsprop_loop<true>(p, v, buf, mean, g, n, arguments);
  } else {
    rmsprop_loop<false>(p, v, buf, mean, g, n, arguments);
  }
}

template <class T>
TAPEGRAD_FLATTEN void adadelta(T* p, T* v, T* u, const T* g, std::size_t n,
                               const AdadeltaArguments& a) {
  const auto constant = [](double x) { return Batch<T>(static_cast<T>(x)); };
  const Batch<T> minus_rate = constant(-a.lr), decay = constant(a.weight_decay);
  const Batch<T> rho = constant(a.rho), rest = constant(1 - a.rho);
  const Batch<T> eps = constant(a.eps), sign = constant(a.sign), zero(T(0));
  const bool decays = a.weight_decay != 0;
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> value = lanes::load(p + i, count...);
    Batch<T> gradient = g != nullptr ? lanes::load(g + i, count...) * sign : zero;
    if (decays) gradient = lanes::fma(value, decay, gradient);
    const Batch<T> square =
        lanes::fma(rest * gradient, gradient, rho * lanes::load(v + i, count...));
    lanes::store(v + i, square, count...);
    const Batch<T> moved = lanes::load(u + i, count...);
    const Batch<T> delta = xsimd::sqrt(moved + eps) / xsimd::sqrt(square + eps) * gradient;
    lanes::store(u + i, lanes::fma(rest * delta, delta, rho * moved), count...);
    lanes::store(p + i, lanes::fma(minus_rate, delta, value), count...);
  });
}
