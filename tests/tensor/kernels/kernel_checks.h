// Helpers that the tests of the kernels share: inputs, distances in units in the last place, and
// memory that detects writes outside of the output. Read next: kernels_test.cc.
#pragma once

#include <tapegrad/tensor/error.h>
#include "tensor/kernels/plain.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.h"

namespace tapegrad::kernel::test {

using Sizes = std::vector<std::size_t>;

inline constexpr std::size_t kSizes[] = {0,  1,  3,  7,  8,  15, 16,  17,
                                         31, 32, 33, 63, 64, 65, 100, 1000};

template <class E>
constexpr std::size_t at(E e) {
  return static_cast<std::size_t>(e);
}

// The instruction sets that this machine supports.
inline std::vector<std::string> levels() {
  std::vector<std::string> found;
  for (const char* name : {"base", "avx2", "avx512"}) {
    try {
      kernels_for<float>(name);
      found.push_back(name);
    } catch (const ValueError&) {
    }
  }
  return found;
}

template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kEps = std::numeric_limits<T>::epsilon();

// A fixed sequence of numbers in [0, 1).
struct Sequence {
  std::uint64_t state = 1;
  double operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) * 0x1p-53;
  }
};

// Pseudo-random elements between -scale and scale.
template <class T>
std::vector<T> numbers(std::size_t n, double scale = 4, std::uint64_t seed = 1) {
  Sequence next{seed};
  std::vector<T> x(n);
  for (T& value : x) value = static_cast<T>((2 * next() - 1) * scale);
  return x;
}

// Elements of all magnitudes, the limits of the format, and points where the implementation of a
// function switches.
template <class T>
std::vector<T> difficult_numbers() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x = {T(0),
                      T(0.25),
                      T(0.5),
                      T(0.625),
                      T(0.75),
                      T(1),
                      T(1.5),
                      T(2),
                      T(2.5),
                      T(3),
                      T(3.5),
                      T(4),
                      T(9),
                      T(10),
                      T(19.99),
                      T(20),
                      T(20.01),
                      T(40),
                      T(87),
                      T(87.5),
                      T(88.7),
                      T(88.8),
                      T(103.9),
                      T(104),
                      T(707),
                      T(709.7),
                      T(710),
                      T(745),
                      T(746),
                      T(1e5),
                      T(1e6),
                      T(8388607.5),
                      T(8388609),
                      T(1e10),
                      T(1e30),
                      T(3.14159265358979),
                      T(1.57079632679490),
                      T(6.28318530717959),
                      T(0.693147180559945)};
  for (const T edge : {Limits::min(), Limits::denorm_min(), Limits::max(), Limits::epsilon(),
                       Limits::min() / 2, Limits::max() / 2, kInf<T>}) {
    x.push_back(edge);
  }
  for (const T edge : {T(1), T(0.75), T(1.5), T(3.14159265358979)}) {
    x.push_back(std::nextafter(edge, T(0)));
    x.push_back(std::nextafter(edge, T(9)));
  }
  Sequence next;
  for (int i = 0; i < 400; ++i) {
    const double digits = std::is_same_v<T, float> ? 40 : 300;
    x.push_back(static_cast<T>(std::pow(10, (2 * next() - 1) * digits)));
    x.push_back(static_cast<T>(std::pow(10, 3 * (2 * next() - 1))));
    x.push_back(static_cast<T>(1 + 0.1 * (2 * next() - 1)));
    x.push_back(static_cast<T>(100 * next()));
  }
  const std::size_t positive = x.size();
  for (std::size_t i = 0; i < positive; ++i) x.push_back(-x[i]);
  x.push_back(kNan<T>);
  return x;
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

// The distance from `want` in units in the last place; very large if only one of them is NaN.
template <class T>
double ulps(T got, T want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e30;
  if (got == want) return 0;
  if (std::isnan(got)) return 1e30;
  // Infinity counts as one unit beyond the largest finite number.
  const double largest = static_cast<double>(std::numeric_limits<T>::max());
  const double a = std::isinf(got) ? std::copysign(largest, got) : static_cast<double>(got);
  const double b = std::isinf(want) ? std::copysign(largest, want) : static_cast<double>(want);
  if (a == b) return 1;
  const double size = std::max(std::abs(b), static_cast<double>(std::numeric_limits<T>::min()));
  return std::abs(a - b) / std::ldexp(static_cast<double>(kEps<T>), std::ilogb(size));
}

// Fails for the first element whose distance is larger than `limit` ulps and also larger than
// slack[i].
template <class T>
void check_close(const std::vector<T>& got, const std::vector<T>& want, double limit,
                 const std::vector<double>& slack = {}) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (ulps(got[i], want[i]) <= limit) continue;
    if (!slack.empty() &&
        std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])) <= slack[i]) {
      continue;
    }
    INFO("element " << i << ": got " << got[i] << ", want " << want[i] << ", "
                    << ulps(got[i], want[i]) << " ulps");
    CHECK(false);
    return;
  }
}

template <class T>
void check_same(const std::vector<T>& got, const std::vector<T>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (same_bits(got[i], want[i])) continue;
    INFO("element " << i << " of " << got.size() << ": got " << got[i] << ", want " << want[i]);
    CHECK(false);
    return;
  }
}

// Runs kernel(y, n) on unaligned memory between guard elements, which must not change.
template <class T, class Kernel>
std::vector<T> guarded(std::size_t n, const Kernel& kernel) {
  std::vector<T> y(n + 21, T(77));
  kernel(y.data() + 1, n);
  for (std::size_t i = n + 1; i < y.size(); ++i) REQUIRE(y[i] == T(77));
  REQUIRE(y[0] == T(77));
  return {y.begin() + 1, y.begin() + 1 + static_cast<std::ptrdiff_t>(n)};
}

}  // namespace tapegrad::kernel::test
