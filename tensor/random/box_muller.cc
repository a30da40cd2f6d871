// Box and Muller's transform (1958), eight points at a time, with the same rounding as PyTorch's
// AVX2 kernel: logarithm, sine and cosine are the polynomials of Moshier's Cephes library (logf,
// sinf, cosf), where each multiplication and the addition after it are rounded once. This makes
// initial weights equal to PyTorch's to the last bit. Read next: tensor/random/dropout_mask.h.
#include <tapegrad/tensor/random/box_muller.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

#include <tapegrad/tensor/kernels/kernels.h>

#if defined(__x86_64__)
#define TAPEGRAD_TARGET_FMA __attribute__((target("avx2,fma")))
#endif
#define TAPEGRAD_INLINE inline __attribute__((always_inline))

namespace tapegrad::detail {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlock = 2 * kLanes;

// a * b + c with one rounding, by the processor's instruction.
struct HardwareFma {
  static TAPEGRAD_INLINE float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
};

// The same in double, where the product is exact and the sum is rounded once more: about one result
// in 2^29 differs from HardwareFma by one unit in the last place.
struct DoubleFma {
  static TAPEGRAD_INLINE float apply(float a, float b, float c) {
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                              static_cast<double>(c));
  }
};

// ln u for normal u > 0: u = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = x - x^2/2 + x^3 P(x)
// for x = m - 1. ln 2 is split in two, the larger part exact in few bits.
template <class Fma>
TAPEGRAD_INLINE float log(float u) {
  constexpr float kSqrtHalf = 0.707106781186547524F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(u);
  const float half = std::bit_cast<float>((bits & 0x807fffffU) | 0x3f000000U);  // in [1/2, 1)
  const std::uint32_t small = half < kSqrtHalf ? ~0U : 0U;
  const float doubled = std::bit_cast<float>(std::bit_cast<std::uint32_t>(half) & small);
  // small is -1 if the mantissa is doubled; then the exponent is one less.
  const float e = static_cast<float>(static_cast<std::int32_t>((bits >> 23) - 126U + small));
  const float x = (half - 1.0F) + doubled;
  const float z = x * x;
  float y = 7.0376836292e-2F;
  y = Fma::apply(y, x, -1.1514610310e-1F);
  y = Fma::apply(y, x, 1.1676998740e-1F);
  y = Fma::apply(y, x, -1.2420140846e-1F);
  y = Fma::apply(y, x, 1.4249322787e-1F);
  y = Fma::apply(y, x, -1.6668057665e-1F);
  y = Fma::apply(y, x, 2.0000714765e-1F);
  y = Fma::apply(y, x, -2.4999993993e-1F);
  y = Fma::apply(y, x, 3.3333331174e-1F);
  y = y * x;
  y = Fma::apply(y, z, e * kLn2Low);
  y = Fma::apply(-z, 0.5F, y);
  return Fma::apply(e, kLn2High, x + y);
}

// sin a and cos a for a in [0, 2 pi]: x = a - j pi/4 (j even), with pi/4 in three parts; then one
// polynomial gives sin x and another one cos x. j decides which of them is sin a, and the signs.
template <class Fma>
TAPEGRAD_INLINE void sine_and_cosine(float a, float& sine, float& cosine) {
  constexpr float kFourOverPi = 1.27323954473516F;
  const std::uint32_t j =
      (static_cast<std::uint32_t>(static_cast<std::int32_t>(a * kFourOverPi)) + 1U) & ~1U;
  const float octants = static_cast<float>(static_cast<std::int32_t>(j));
  float x = Fma::apply(octants, -0.78515625F, a);
  x = Fma::apply(octants, -2.4187564849853515625e-4F, x);
  x = Fma::apply(octants, -3.77489497744594108e-8F, x);
  const float z = x * x;

  float c = 2.443315711809948e-5F;
  c = Fma::apply(c, z, -1.388731625493765e-3F);
  c = Fma::apply(c, z, 4.166664568298827e-2F);
  c = Fma::apply(c * z, z, -(z * 0.5F)) + 1.0F;

  float s = -1.9515295891e-4F;
  s = Fma::apply(s, z, 8.3321608736e-3F);
  s = Fma::apply(s, z, -1.6666654611e-1F);
  s = Fma::apply(s * z, x, x);

  const std::uint32_t swapped = (j & 2U) != 0U ? ~0U : 0U;
  const std::uint32_t s_bits = std::bit_cast<std::uint32_t>(s);
  const std::uint32_t c_bits = std::bit_cast<std::uint32_t>(c);
  const std::uint32_t exchange = (s_bits ^ c_bits) & swapped;
  sine = std::bit_cast<float>(s_bits ^ exchange ^ (j & 4U) << 29);
  cosine = std::bit_cast<float>(c_bits ^ exchange ^ ((j + 2U) & 4U) << 29);
}

template <class Fma>
TAPEGRAD_INLINE void transform(float* x, std::size_t n, float mean, float std) {
  constexpr auto kTwoPi = static_cast<float>(2.0 * std::numbers::pi);
  for (float* const end = x + n; x != end; x += kBlock) {
    std::array<float, kLanes> radius;
    std::array<float, kLanes> sine;
    std::array<float, kLanes> cosine;
    for (std::size_t j = 0; j < kLanes; ++j) radius[j] = -2.0F * log<Fma>(1.0F - x[j]);
    for (float& r : radius) r = std::sqrt(r);
    for (std::size_t j = 0; j < kLanes; ++j) {
      sine_and_cosine<Fma>(kTwoPi * x[j + kLanes], sine[j], cosine[j]);
    }
    for (std::size_t j = 0; j < kLanes; ++j) {
      x[j] = Fma::apply(radius[j] * cosine[j], std, mean);
      x[j + kLanes] = Fma::apply(radius[j] * sine[j], std, mean);
    }
  }
}

#if defined(TAPEGRAD_TARGET_FMA)
TAPEGRAD_TARGET_FMA void transform_fma(float* x, std::size_t n, float mean, float std) {
  transform<HardwareFma>(x, n, mean, std);
}
#endif

}  // namespace

void box_muller(float* x, std::size_t n, float mean, float std) {
#if defined(TAPEGRAD_TARGET_FMA)
  static const bool has_fma = kernel::level() != std::string_view("base");
  if (has_fma) return transform_fma(x, n, mean, std);
  transform<DoubleFma>(x, n, mean, std);
#elif defined(__FP_FAST_FMAF)
  transform<HardwareFma>(x, n, mean, std);
#else
  transform<DoubleFma>(x, n, mean, std);
#endif
}

void box_muller(double* x, std::size_t n, double mean, double std) {
  for (double* const end = x + n; x != end; x += kBlock) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - x[j]));
      const double angle = 2.0 * std::numbers::pi * x[j + kLanes];
      x[j] = std::fma(radius * std::cos(angle), std, mean);
      x[j + kLanes] = std::fma(radius * std::sin(angle), std, mean);
    }
  }
}

}  // namespace tapegrad::detail
