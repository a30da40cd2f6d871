// Mathematical functions on whole vectors: exp, log and related ones, sine, error function, power.
//
// Each function reduces its argument to a short interval and evaluates a polynomial there. The
// polynomials minimize the largest relative error (Remez's exchange algorithm, 1934), which is
// stated with the coefficients. For every argument, results are within 2 units in the last place of
// the exact value (tanh, tan, and functions composed of several others: 4); NaN, infinities,
// denormals and signed zeros give the same results as the standard library. Functions that are
// rarely needed in double precision call the standard library for each lane. Calls are qualified,
// because xsimd has functions of the same names. Read next: tensor/kernels/lanes.inl.

namespace math {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// c[0] + c[1] x + c[2] x^2 + ... by Horner's scheme.
template <class T, std::size_t kTerms>
Batch<T> polynomial(Batch<T> x, const T (&c)[kTerms]) {
  Batch<T> y(c[kTerms - 1]);
#pragma GCC unroll 32
  for (std::size_t i = kTerms - 1; i > 0; --i) y = lanes::fma(y, x, Batch<T>(c[i - 1]));
  return y;
}

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
                                                // and moves it to the lowest bits
  static constexpr int kMantissaBits = 23;
  static constexpr std::uint32_t kOneBits = 0x3F800000u;
  static constexpr float kSmallestNormal = 0x1p-126f;
  static constexpr float kLog2e = 1.44269504f;
  static constexpr float kLn2 = 0.693147181f;
  static constexpr float kLn2High = 0.693359375f;  // few bits, so that k * kLn2High is exact
  static constexpr float kLn2Low = -2.12194440e-4f;
  static constexpr float kExpLowest = -104.0f, kExpHighest = 89.0f;  // beyond: 0 and infinity
  static constexpr float kExpNormal = 87.0f;  // up to here, exp(x) and exp(-x) are normal numbers
  static constexpr float kTanhOne = 10.0f;    // beyond, tanh is 1
  // (exp(x) - 1 - x) / x^2 for |x| <= ln(2) / 2; error 2^-26.2 of exp(x) - 1
  static constexpr float kExp[] = {0.49999997f, 0.166665435f, 0.0416672006f, 0.00836652052f,
                                   0.00138825167f};
  // (log(1 + x) - x) / x^2 for -1/4 <= x <= 1/2; error 2^-27.6 of log(1 + x)
  static constexpr float kLog[] = {-0.5f,         0.333334506f, -0.250000954f,
                                   0.199908614f,  -0.16647315f, 0.144784003f,
                                   -0.131611735f, 0.104629405f, -0.045074068f};
};

template <>
struct Constants<double> {
  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int kMantissaBits = 52;
  static constexpr std::uint64_t kOneBits = 0x3FF0000000000000u;
  static constexpr double kSmallestNormal = 0x1p-1022;
  static constexpr double kLog2e = 1.4426950408889634;
  static constexpr double kLn2 = 0.69314718055994531;
  static constexpr double kLn2High = 6.93147180369123816490e-01;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kExpLowest = -746.0, kExpHighest = 710.0;
  static constexpr double kExpNormal = 708.0;
  static constexpr double kTanhOne = 20.0;
  // error 2^-61.7
  static constexpr double kExp[] = {0.5,
                                    0.16666666666666677,
                                    0.041666666666666512,
                                    0.0083333333333216898,
                                    0.0013888888888962344,
                                    0.00019841269885970133,
                                    2.4801587172621121e-05,
                                    2.7557244370219188e-06,
                                    2.755740255352828e-07,
                                    2.5108980206886362e-08,
                                    2.0875361417224313e-09};
  // error 2^-56.6
  static constexpr double kLog[] = {-0.5,
                                    0.33333333333333748,
                                    -0.25000000000010575,
                                    0.19999999999850265,
                                    -0.1666666666380045,
                                    0.14285714299930202,
                                    -0.12500000290605398,
                                    0.11111110772847894,
                                    -0.099999855443325264,
                                    0.09090893017404382,
                                    -0.083337043522986959,
                                    0.076933872329545891,
                                    -0.07138582621280691,
                                    0.06643361558870535,
                                    -0.062498484034237509,
                                    0.060830361808677465,
                                    -0.0596809438462595,
                                    0.0506958622242413,
                                    -0.029389219436159488,
                                    0.0080910904183578054};
};

// Exponential functions -----------------------------------------------------------------------

// x = k ln(2) + r with integral k and |r| <= ln(2) / 2. (k and r have separate functions, because
// g++ 12 would write a struct of both to memory.)
template <class T>
Batch<T> whole_ln2(Batch<T> x) {
  using C = Constants<T>;
  return lanes::fma(x, Batch<T>(C::kLog2e), Batch<T>(C::kMagic)) - Batch<T>(C::kMagic);
}

template <class T>
Batch<T> without_ln2(Batch<T> x, Batch<T> k) {
  using C = Constants<T>;
  return lanes::fma(k, Batch<T>(-C::kLn2Low), lanes::fma(k, Batch<T>(-C::kLn2High), x));
}

// 2^k for an integral k for which 2^k is a normal number.
template <class T>
Batch<T> power_of_two(Batch<T> k) {
  using C = Constants<T>;
  const Bits<T> shifted = lanes::bits(k + Batch<T>(C::kMagic)) << C::kMantissaBits;
  return lanes::from_bits<T>(shifted + Bits<T>(C::kOneBits));
}

// exp(r) for |r| <= ln(2) / 2.
template <class T>
Batch<T> exp_polynomial(Batch<T> r) {
  const Batch<T> one(T(1));
  return lanes::fma(lanes::fma(polynomial(r, Constants<T>::kExp), r, one), r, one);
}

// exp(x) for x for which exp(x) is a normal number.
template <class T>
Batch<T> exp_in_range(Batch<T> x) {
  const Batch<T> k = whole_ln2(x);
  return exp_polynomial(without_ln2(x, k)) * power_of_two(k);
}

// exp(x) for x up to kExpHighest.
template <class T>
Batch<T> exp_below(Batch<T> x) {
  using C = Constants<T>;
  const Batch<T> lowest(C::kExpLowest);
#if defined(__AVX512F__)
  x = xsimd::max(lowest, x);
  const Batch<T> k = whole_ln2(x), y = exp_polynomial(without_ln2(x, k));
  if constexpr (sizeof(T) == 4) {
    return _mm512_scalef_ps(y, k);
  } else {
    return _mm512_scalef_pd(y, k);
  }
#else
  if (xsimd::all(xsimd::abs(x) <= Batch<T>(C::kExpNormal))) return exp_in_range(x);
  // 2^k is the product of two factors, each a normal number. Gives the same bits as exp_in_range
  // for its arguments.
  const auto none = x <= lowest;  // set to 0 first, because an underflow in the product is slow
  x = xsimd::max(lowest, x);
  const Batch<T> k = whole_ln2(x), y = exp_polynomial(without_ln2(x, k));
  const Batch<T> magic(C::kMagic), half = lanes::fma(k, Batch<T>(T(0.5)), magic) - magic;
  return xsimd::select(none, Batch<T>(T(0)), y) * power_of_two(half) * power_of_two(k - half);
#endif
}

template <class T>
Batch<T> exp(Batch<T> x) {
  return exp_below(xsimd::min(Batch<T>(Constants<T>::kExpHighest), x));
}

// exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1), for x for which 2^k is a normal number.
template <class T>
Batch<T> expm1_in_range(Batch<T> x) {
  const Batch<T> k = whole_ln2(x), r = without_ln2(x, k), power = power_of_two(k);
  const Batch<T> y = lanes::fma(polynomial(r, Constants<T>::kExp), r * r, r);
  return lanes::fma(power, y, power - Batch<T>(T(1)));
}

// Computes half of the result and doubles it, because 2^k itself overflows just below the largest
// argument.
template <class T>
Batch<T> expm1(Batch<T> x) {
  using C = Constants<T>;
  const Batch<T> limited = lanes::clamp(x, Batch<T>(T(-40)), Batch<T>(C::kExpHighest));
  const Batch<T> k = whole_ln2(limited), r = without_ln2(limited, k);
  const Batch<T> y = lanes::fma(polynomial(r, C::kExp), r * r, r);
  const Batch<T> half_power = power_of_two(k - Batch<T>(T(1)));
  const Batch<T> half = lanes::fma(half_power, y, half_power - Batch<T>(T(0.5)));
  return lanes::copy_sign(half + half, x);
}

// a / b for 1 <= b < 2^100, within one unit in the last place. Division is slow on AVX-512: a
// reciprocal of 14 bits and one step of Newton's method take half the time.
template <class T>
Batch<T> quotient(Batch<T> a, Batch<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const __m512 reciprocal = _mm512_rcp14_ps(b), y = _mm512_mul_ps(a, reciprocal);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(b, y, a), reciprocal, y);
  }
#endif
  return a / b;
}

// tanh(x) = (exp(2x) - 1) / (exp(2x) + 1), without cancellation near 0.
template <class T>
Batch<T> tanh(Batch<T> x) {
  const Batch<T> limited = xsimd::min(Batch<T>(Constants<T>::kTanhOne), xsimd::abs(x));
  const Batch<T> e = expm1_in_range(limited + limited);
  return lanes::copy_sign(quotient(e, e + Batch<T>(T(2))), x);
}

// 1 / (1 + exp(-x)), through exp(-|x|), which cannot overflow.
template <class T>
Batch<T> sigmoid(Batch<T> x) {
  const Batch<T> one(T(1)), e = exp_below(x | Batch<T>(T(-0.0)));
  return quotient(xsimd::select(x < Batch<T>(T(0)), e, one), e + one);
}

// Logarithms -----------------------------------------------------------------------------------

template <class T>
Batch<T> log1p_polynomial(Batch<T> f) {
  return lanes::fma(f * f, polynomial(f, Constants<T>::kLog), f);
}

// x = (1 + f) 2^e with -1/4 <= f < 1/2, for positive normal x. On AVX-512 x may be denormal, and
// other x give values e and f for which the formula for log(x) returns the right result.
#if defined(__AVX512F__)

inline Batch<float> fraction(Batch<float> x) {
  return Batch<float>(_mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan)) -
         Batch<float>(1.0f);
}
inline Batch<double> fraction(Batch<double> x) {
  return Batch<double>(_mm512_getmant_pd(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan)) -
         Batch<double>(1.0);
}
inline Batch<float> exponent(Batch<float> x, Batch<float> f) {
  const __m512 e = _mm512_getexp_ps(x);  // the exponent of the largest power of two <= x
  return _mm512_mask_add_ps(e, _mm512_cmp_ps_mask(f, _mm512_setzero_ps(), _CMP_LT_OQ), e,
                            _mm512_set1_ps(1.0f));
}
inline Batch<double> exponent(Batch<double> x, Batch<double> f) {
  const __m512d e = _mm512_getexp_pd(x);
  return _mm512_mask_add_pd(e, _mm512_cmp_pd_mask(f, _mm512_setzero_pd(), _CMP_LT_OQ), e,
                            _mm512_set1_pd(1.0));
}

#else

// Adding the difference between the bits of 1 and of 0.75 gives a number with the exponent of x /
// 0.75.
template <class T>
constexpr auto kQuarterBits = typename Bits<T>::value_type{1} << (Constants<T>::kMantissaBits - 1);

template <class T>
Batch<T> fraction(Batch<T> x) {
  constexpr auto kQuarter = kQuarterBits<T>;
  const Bits<T> mantissa = (lanes::bits(x) + Bits<T>(kQuarter)) & Bits<T>(2 * kQuarter - 1);
  return lanes::from_bits<T>(mantissa + Bits<T>(Constants<T>::kOneBits - kQuarter)) -
         Batch<T>(T(1));
}

template <class T>
Batch<T> exponent(Batch<T> x, Batch<T>) {
  // The exponent is inserted into the lowest bits of 2^23 (2^52 in double); subtracting 2^23
  // converts it to floating point.
  constexpr T kHidden = T(1) / std::numeric_limits<T>::epsilon();
  constexpr T kBias = std::numeric_limits<T>::max_exponent - 1;
  const Bits<T> raw = (lanes::bits(x) + Bits<T>(kQuarterBits<T>)) >> Constants<T>::kMantissaBits;
  return lanes::from_bits<T>(raw | lanes::bits(Batch<T>(kHidden))) - Batch<T>(kHidden + kBias);
}

#endif

// finish(f, e) computes the logarithm of positive, finite x; the results for all other x are added
// here.
template <class T, class Finish>
Batch<T> logarithm(Batch<T> x, const Finish& finish) {
#if defined(__AVX512F__)
  const Batch<T> f = fraction(x);
  return finish(f, exponent(x, f));
#else
  using C = Constants<T>;
  const Batch<T> zero(T(0)), infinity(kInfinity<T>);
  const auto tiny = x < Batch<T>(C::kSmallestNormal), below_infinity = x < infinity;
  if (xsimd::all(below_infinity & !tiny)) {
    const Batch<T> f = fraction(x);
    return finish(f, exponent(x, f));
  }
  constexpr T kUp = sizeof(T) == 4 ? T(0x1p24) : T(0x1p53);  // scales denormals to normal numbers
  const Batch<T> normal = xsimd::select(tiny, x * Batch<T>(kUp), x), f = fraction(normal);
  const Batch<T> e = exponent(normal, f), up(T(C::kMantissaBits + 1));
  const Batch<T> y = xsimd::select(below_infinity, finish(f, xsimd::select(tiny, e - up, e)), x);
  const Batch<T> at_most_zero = xsimd::select(x == zero, -infinity, Batch<T>(kNan<T>));
  return xsimd::select(x > zero, y, at_most_zero);
#endif
}

template <class T>
Batch<T> log(Batch<T> x) {
  return logarithm(x, [](Batch<T> f, Batch<T> e) {
    return lanes::fma(e, Batch<T>(Constants<T>::kLn2), log1p_polynomial(f));
  });
}

template <class T>
Batch<T> log2(Batch<T> x) {
  return logarithm(x, [](Batch<T> f, Batch<T> e) {
    return lanes::fma(log1p_polynomial(f), Batch<T>(Constants<T>::kLog2e), e);
  });
}

// log(1 + x) = log(u) + (x - (u - 1)) / u with u = 1 + x rounded, for 0 <= x < 2^100.
template <class T>
Batch<T> log1p_in_range(Batch<T> x) {
  const Batch<T> one(T(1)), u = x + one;
  return math::log(u) + quotient(x - (u - one), u);
}

template <class T>
Batch<T> log1p(Batch<T> x) {
  const Batch<T> one(T(1)), infinity(kInfinity<T>), u = x + one;
  const Batch<T> lost = (x - (u - one)) / u;
  const auto ordinary = (x > -one) & (x < infinity);
  const Batch<T> y = math::log(u) + xsimd::select(ordinary, lost, Batch<T>(T(0)));
  return lanes::copy_sign(y, x);
}

// log(1 + exp(x)), or x if it is above 20, as in PyTorch.
template <class T>
Batch<T> softplus(Batch<T> x) {
  const Batch<T> threshold(T(20));
  return xsimd::select(x > threshold, x, math::log1p_in_range(math::exp(x)));
}

// Trigonometry -----------------------------------------------------------------------------------

enum class Trigonometric { kSin, kCos, kTan };

// x = q pi/2 + r with integral q and |r| <= pi/4, for |x| up to 1e6.
inline Batch<double> quarter_turns(Batch<double> x) {
  const Batch<double> magic(Constants<double>::kMagic);
  return lanes::fma(x, Batch<double>(0.63661977236758134), magic) - magic;
}

inline Batch<double> without_turns(Batch<double> x, Batch<double> q) {
  const Batch<double> high(-1.5707963267341256), low(-6.0771005065061922e-11);  // of -pi/2
  return lanes::fma(q, low, lanes::fma(q, high, x));
}

inline Batch<float> sin_polynomial(Batch<float> r) {
  static constexpr float kSin[] = {-0.166666552f, 0.0083321603f, -0.000195152184f};  // 2^-28.0
  const Batch<float> z = r * r;
  return lanes::fma(polynomial(z, kSin), z * r, r);
}

inline Batch<float> cos_polynomial(Batch<float> r) {
  static constexpr float kCos[] = {-0.5f, 0.0416666456f, -0.00138873153f,
                                   2.4433084e-05f};  // 2^-33.0
  const Batch<float> z = r * r;
  return lanes::fma(polynomial(z, kCos), z, Batch<float>(1.0f));
}

template <Trigonometric kF, class T>
T library(T x) {
  if constexpr (kF == Trigonometric::kSin) return std::sin(x);
  if constexpr (kF == Trigonometric::kCos) return std::cos(x);
  if constexpr (kF == Trigonometric::kTan) return std::tan(x);
}

template <Trigonometric kF>
Batch<float> trigonometric(Batch<float> x) {
  const Batch<float> size = xsimd::abs(x), zero(0.0f), limit(1e6f);
  const Batch<double> low = lanes::low_half(size), high = lanes::high_half(size);
  const Batch<double> low_turns = quarter_turns(low), high_turns = quarter_turns(high);
  const Batch<float> r =
      lanes::narrow(without_turns(low, low_turns), without_turns(high, high_turns));
  const Batch<float> turns = lanes::narrow(low_turns, high_turns);
  Bits<float> q = lanes::bits(turns + Batch<float>(Constants<float>::kMagic));  // in the low bits
  if constexpr (kF == Trigonometric::kCos) q = q + Bits<float>(1u);
  const Batch<float> s = sin_polynomial(r), c = cos_polynomial(r);
  const auto odd = lanes::from_bits<float>((q << 31) | lanes::bits(Batch<float>(1.0f))) < zero;
  Batch<float> y;
  if constexpr (kF == Trigonometric::kTan) {
    y = xsimd::select(odd, lanes::negate(c), s) / xsimd::select(odd, s, c);
  } else {
    y = xsimd::select(odd, c, s) ^ lanes::from_bits<float>((q & Bits<float>(2u)) << 30);
  }
  if constexpr (kF != Trigonometric::kCos) y = y ^ lanes::sign_bit(x);
  if (xsimd::any(size > limit)) {  // the reduction above is not exact enough there
    y = xsimd::select(size > limit, lanes::each(x, library<kF, float>), y);
  }
  return y;
}

template <Trigonometric kF>
Batch<double> trigonometric(Batch<double> x) {
  return lanes::each(x, library<kF, double>);
}

// The error function -------------------------------------------------------------------------

// x + x P(x^2) for |x| < 1, else 1 - exp(Q(|x|)), where Q approximates log(1 - erf(|x|)).
inline Batch<float> erf(Batch<float> x) {
  static constexpr float kSmall[] = {0.128379166f,   -0.37612626f,   0.112835854f,
                                     -0.0268538129f, 0.00518832821f, -0.000801019836f,
                                     7.85387747e-05f};  // 2^-29.6
  static constexpr float kLarge[] = {-1.1286943f,     -0.634969592f,   -0.106530815f,
                                     0.0240100268f,   -0.00375745795f, 0.000350587594f,
                                     -1.39620252e-05f};  // 2^-31.3
  const Batch<float> one(1.0f), size = xsimd::min(Batch<float>(4.0f), xsimd::abs(x));
  const Batch<float> small = lanes::fma(polynomial(x * x, kSmall), x, x);
  const Batch<float> large = one - exp_in_range(polynomial(size, kLarge) * size);
  return xsimd::select(size < one, small, lanes::copy_sign(large, x));
}

inline Batch<double> erf(Batch<double> x) {
  return lanes::each(x, [](double lane) { return std::erf(lane); });
}

// Powers -------------------------------------------------------------------------------------

// |a|^b = exp(b log|a|) in double precision, which is exact enough for a float.
inline Batch<float> pow(Batch<float> a, Batch<float> b) {
  const Batch<float> zero(0.0f), one(1.0f), half(0.5f), infinity(kInfinity<float>);
  const Batch<float> base = xsimd::abs(a);
  Batch<float> power =
      lanes::narrow(math::exp(lanes::low_half(b) * math::log(lanes::low_half(base))),
                    math::exp(lanes::high_half(b) * math::log(lanes::high_half(base))));
  // 1^b, a^0 and (-1)^(+-inf) are 1, even if the other operand is NaN.
  power = xsimd::select((b == zero) | (a == one) | ((base == one) & (xsimd::abs(b) == infinity)),
                        one, power);
  // A negative base with an exponent that is not an integer gives NaN; with an odd exponent the
  // result is negative.
  const auto integral = xsimd::nearbyint(b) == b;
  const auto even = xsimd::nearbyint(b * half) == b * half;
  power = xsimd::select((a < zero) & (base < infinity) & (xsimd::nearbyint(b) != b),
                        Batch<float>(kNan<float>), power);
  return xsimd::select(integral, xsimd::select(even, power, power | lanes::sign_bit(a)), power);
}

inline Batch<double> pow(Batch<double> a, Batch<double> b) {
  double x[kLanes<double>], y[kLanes<double>];
  lanes::store(x, a);
  lanes::store(y, b);
  for (std::size_t i = 0; i < kLanes<double>; ++i) x[i] = std::pow(x[i], y[i]);
  return lanes::load(x);
}

}  // namespace math
