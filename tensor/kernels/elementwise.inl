// Kernels in which each output element depends on one element of each operand. First the formulas,
// one line each, on whole vectors; then the loops over memory. The last elements, fewer than a
// vector, go through the same formula as a partial vector, so that the result of an element does
// not depend on its position. Read next: tensor/kernels/math.inl.

template <Unary kOp, class T>
Batch<T> apply(Batch<T> x) {
  const Batch<T> zero(T(0)), one(T(1)), half(T(0.5));
  if constexpr (kOp == Unary::kNeg) return lanes::negate(x);
  if constexpr (kOp == Unary::kAbs) return xsimd::abs(x);
  if constexpr (kOp == Unary::kSign) {  // NaN and both zeros give +0, as in PyTorch
    return xsimd::select(x > zero, one, xsimd::select(x < zero, -one, zero));
  }
  if constexpr (kOp == Unary::kSquare) return x * x;
  if constexpr (kOp == Unary::kReciprocal) return one / x;
  if constexpr (kOp == Unary::kSqrt) return xsimd::sqrt(x);
  if constexpr (kOp == Unary::kRsqrt) return one / xsimd::sqrt(x);
  if constexpr (kOp == Unary::kExp) return math::exp(x);
  if constexpr (kOp == Unary::kExpm1) return math::expm1(x);
  if constexpr (kOp == Unary::kLog) return math::log(x);
  if constexpr (kOp == Unary::kLog1p) return math::log1p(x);
  if constexpr (kOp == Unary::kLog2) return math::log2(x);
  if constexpr (kOp == Unary::kSin) return math::trigonometric<math::Trigonometric::kSin>(x);
  if constexpr (kOp == Unary::kCos) return math::trigonometric<math::Trigonometric::kCos>(x);
  if constexpr (kOp == Unary::kTan) return math::trigonometric<math::Trigonometric::kTan>(x);
  if constexpr (kOp == Unary::kTanh) return math::tanh(x);
  if constexpr (kOp == Unary::kSigmoid) return math::sigmoid(x);
  if constexpr (kOp == Unary::kRelu) return xsimd::max(zero, x);  // keeps NaN: see lanes::clamp
  if constexpr (kOp == Unary::kErf) return math::erf(x);
  if constexpr (kOp == Unary::kSoftplus) return math::softplus(x);
  if constexpr (kOp == Unary::kSilu) return x * math::sigmoid(x);
  if constexpr (kOp == Unary::kGelu) {
    return x * half * (one + math::erf(x * Batch<T>(T(0.70710678118654752))));
  }
  // floor and ceil are computed from the nearest integer, because xsimd's own lose the sign of zero
  // on SSE2.
  if constexpr (kOp == Unary::kFloor) {
    const Batch<T> nearest = xsimd::nearbyint(x);
    return lanes::copy_sign(xsimd::select(nearest > x, nearest - one, nearest), x);
  }
  if constexpr (kOp == Unary::kCeil) {
    const Batch<T> nearest = xsimd::nearbyint(x);
    return lanes::copy_sign(xsimd::select(nearest < x, nearest + one, nearest), x);
  }
  if constexpr (kOp == Unary::kRound) return xsimd::nearbyint(x);
}

template <Binary kOp, class T>
Batch<T> apply(Batch<T> a, Batch<T> b) {
  const Batch<T> zero(T(0)), one(T(1));
  if constexpr (kOp == Binary::kAdd) return a + b;
  if constexpr (kOp == Binary::kSub) return a - b;
  if constexpr (kOp == Binary::kMul) return a * b;
  if constexpr (kOp == Binary::kDiv) return a / b;
  if constexpr (kOp == Binary::kPow) return math::pow(a, b);
  if constexpr (kOp == Binary::kMaximum) return lanes::maximum(a, b);
  if constexpr (kOp == Binary::kMinimum) return lanes::minimum(a, b);
  if constexpr (kOp == Binary::kTanhBackward) return a * (one - b * b);
  if constexpr (kOp == Binary::kSigmoidBackward) return a * b * (one - b);
  if constexpr (kOp == Binary::kReluBackward) return xsimd::select(b <= zero, zero, a);
  if constexpr (kOp == Binary::kGeluBackward) {
    const Batch<T> half(T(0.5));
    const Batch<T> distribution = half + half * math::erf(b * Batch<T>(T(0.70710678118654752)));
    const Batch<T> density = Batch<T>(T(0.39894228040143268)) * math::exp_below(-half * b * b);
    return a * (distribution + b * density);
  }
}

// Loops --------------------------------------------------------------------------------------

// Calls step(i) for each whole vector at i, and step(i, count) for a last partial one.
template <class T, class Step>
void for_each_vector(std::size_t n, const Step& step) {
  std::size_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) step(i);
  if (i < n) step(i, n - i);
}

// y[i...] = f(i...)
template <class T, class F>
void fill_with(T* y, std::size_t n, const F& f) {
  for_each_vector<T>(
      n, [&](std::size_t i, auto... count) { lanes::store(y + i, f(i, count...), count...); });
}

// Operands of f: Vector loads the elements at a position in memory, Scalar returns the same value
// at every position. Lanes after the end are set to kRest: 1 by default, where no function is slow
// or raises a floating-point exception, and 0 for sums.
template <class T, int kRest = 1>
struct Vector {
  const T* p;
  Batch<T> operator()(std::size_t i) const { return lanes::load(p + i); }
  Batch<T> operator()(std::size_t i, std::size_t count) const {
    return lanes::load(p + i, count, T(kRest));
  }
};

template <class T>
struct Scalar {
  Batch<T> value;
  Batch<T> operator()(std::size_t, std::size_t = 0) const { return value; }
};

template <Unary kOp, class T>
TAPEGRAD_FLATTEN void unary(T* y, const T* x, std::size_t n) {
  const Vector<T> vector{x};
  fill_with(y, n, [&](auto... place) { return apply<kOp>(vector(place...)); });
}

template <Binary kOp, class A, class B, class T>
void combine(T* y, const A& a, const B& b, std::size_t n) {
  fill_with(y, n, [&](auto... place) { return apply<kOp>(a(place...), b(place...)); });
}

// Computes powers with a common exponent without logarithms; returns false for other exponents.
template <class T>
bool simple_power(T* y, const T* x, T exponent, std::size_t n) {
  const Vector<T> v{x};
  const Batch<T> zero(T(0)), one(T(1)), infinity(math::kInfinity<T>);
  if (exponent == T(2)) {
    fill_with(y, n, [&](auto... at) { return v(at...) * v(at...); });
  } else if (exponent == T(3)) {
    fill_with(y, n, [&](auto... at) { return v(at...) * v(at...) * v(at...); });
  } else if (exponent == T(-1)) {
    fill_with(y, n, [&](auto... at) { return one / v(at...); });
  } else if (exponent == T(0.5)) {  // pow(-0, 0.5) is +0 and pow(-inf, 0.5) is inf
    fill_with(y, n, [&](auto... at) {
      const Batch<T> b = v(at...);
      return xsimd::select(b == -infinity, infinity, xsimd::sqrt(b + zero));
    });
  } else {
    return false;
  }
  return true;
}

template <Binary kOp, Operands kOperands, class T>
TAPEGRAD_FLATTEN void binary(T* y, const T* a, const T* b, std::size_t n) {
  if constexpr (kOperands == Operands::kVectorVector) {
    combine<kOp>(y, Vector<T>{a}, Vector<T>{b}, n);
  } else if constexpr (kOperands == Operands::kVectorScalar) {
    if constexpr (kOp == Binary::kPow) {
      if (n > 0 && simple_power(y, a, *b, n)) return;
    }
    if (n > 0) combine<kOp>(y, Vector<T>{a}, Scalar<T>{Batch<T>(*b)}, n);
  } else {
    if (n > 0) combine<kOp>(y, Scalar<T>{Batch<T>(*a)}, Vector<T>{b}, n);
  }
}

// Compares two elements or, if V is a vector, each of its lanes.
template <Compare kOp, class V>
auto holds(V a, V b) {
  if constexpr (kOp == Compare::kEq) return a == b;
  if constexpr (kOp == Compare::kNe) return !(a == b);  // xsimd 8: false for NaN with AVX
  if constexpr (kOp == Compare::kLt) return a < b;
  if constexpr (kOp == Compare::kLe) return a <= b;
  if constexpr (kOp == Compare::kGt) return a > b;
  if constexpr (kOp == Compare::kGe) return a >= b;
}

// a op b == b mirrored(op) a
constexpr Compare mirrored(Compare op) {
  switch (op) {
    case Compare::kLt:
      return Compare::kGt;
    case Compare::kLe:
      return Compare::kGe;
    case Compare::kGt:
      return Compare::kLt;
    case Compare::kGe:
      return Compare::kLe;
    default:
      return op;
  }
}

template <Compare kOp, Operands kOperands, class T>
void compare(bool* y, const T* a, const T* b, std::size_t n) {
  if (n == 0) return;  // a and b may be null then
  if constexpr (kOperands == Operands::kScalarVector) {
    return compare<mirrored(kOp), Operands::kVectorScalar>(y, b, a, n);
  }
  constexpr bool kScalarB = kOperands == Operands::kVectorScalar;
#if defined(__AVX512F__)
  for_each_vector<T>(n, [&](std::size_t i, auto... count) {
    const Batch<T> right = kScalarB ? Batch<T>(*b) : lanes::load(b + i, count...);
    lanes::store_truth<T>(y + i, holds<kOp>(lanes::load(a + i, count...), right), count...);
  });
#else
  const T scalar = *b;
  for (std::size_t i = 0; i < n; ++i) y[i] = holds<kOp>(a[i], kScalarB ? scalar : b[i]);
#endif
}

template <class T>
void where(T* y, const bool* condition, const T* a, const T* b, std::size_t n) {
#if defined(__AVX512F__)
  const Vector<T> u{a}, v{b};
  fill_with(y, n, [&](std::size_t i, auto... count) {
    return xsimd::select(lanes::load_truth<T>(condition + i, count...), u(i, count...),
                         v(i, count...));
  });
#else
  // As bytes, because g++ 12 does not vectorize the loop over bools.
  const auto* bytes = reinterpret_cast<const unsigned char*>(condition);
  for (std::size_t i = 0; i < n; ++i) {
    const T yes = a[i], no = b[i];
    y[i] = bytes[i] != 0 ? yes : no;
  }
#endif
}

template <class T>
void clamp(T* y, const T* x, T low, T high, std::size_t n) {
  const Vector<T> v{x};
  const Batch<T> least(low), most(high);
  fill_with(y, n, [&](auto... place) { return lanes::clamp(v(place...), least, most); });
}

template <class T>
void fill(T* y, T value, std::size_t n) {
  fill_with(y, n, Scalar<T>{Batch<T>(value)});
}

template <class T>
void axpy(T* y, T alpha, const T* x, std::size_t n) {
  const Vector<T> u{x}, v{y};
  const Batch<T> a(alpha);
  fill_with(y, n, [&](auto... place) { return lanes::fma(a, u(place...), v(place...)); });
}

template <class T>
void multiply_add(T* y, const T* a, const T* b, std::size_t n) {
  const Vector<T> u{a}, v{b}, w{y};
  fill_with(y, n, [&](auto... at) { return lanes::fma(u(at...), v(at...), w(at...)); });
}

template <class T>
TAPEGRAD_FLATTEN void add_row(T* y, const T* x, const T* row, std::size_t rows,
                              std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i, y += columns, x += columns) {
    combine<Binary::kAdd>(y, Vector<T>{x}, Vector<T>{row}, columns);
  }
}
