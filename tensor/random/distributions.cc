// The distributions: each uses PyTorch's formula and precision, and the same words of the
// generator. The transform to normal elements is in tensor/random/box_muller.cc. Read next:
// tensor/random/box_muller.h.
#include <tapegrad/tensor/random/distributions.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/random/box_muller.h>

namespace tapegrad::draw {
namespace {

using detail::GeneratorLock;

constexpr std::size_t kChunk = 512;  // words fetched at a time
constexpr std::uint64_t kBits53 = (std::uint64_t{1} << 53) - 1;
constexpr std::size_t kNormalBlock = 16;  // elements of one Box-Muller block
constexpr std::size_t kBlocks = 2048;     // elements filled before they are transformed

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw ValueError(text.str());
}

// Calls write(i, word) with the next n words of the stream, or write(i, pair) with two at a time.
template <class Write>
void for_each_word(Generator& generator, std::size_t n, Write write) {
  std::array<std::uint32_t, kChunk> words;
  for (std::size_t done = 0; done < n; done += kChunk) {
    const std::size_t count = std::min(kChunk, n - done);
    generator.random(std::span(words.data(), count));
    for (std::size_t i = 0; i < count; ++i) write(done + i, words[i]);
  }
}

template <class Write>
void for_each_pair(Generator& generator, std::size_t n, Write write) {
  std::array<std::uint32_t, kChunk> words;
  for (std::size_t done = 0; done < n; done += kChunk / 2) {
    const std::size_t count = std::min(kChunk / 2, n - done);
    generator.random(std::span(words.data(), 2 * count));
    for (std::size_t i = 0; i < count; ++i) {
      write(done + i, static_cast<std::uint64_t>(words[2 * i]) << 32 | words[2 * i + 1]);
    }
  }
}

// Uniform in [0, 1), with as many bits as the type's mantissa. (Converting from signed integers is
// faster, and the bits fit.)
float unit(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word & 0xffffffU)) * 0x1p-24F;
}
double unit(std::uint64_t pair) {
  return static_cast<double>(static_cast<std::int64_t>(pair & kBits53)) * 0x1p-53;
}
double unit_double(Generator& generator) { return unit(generator.random64()); }

// Calls write(i, u) with n uniform elements u of type T.
template <class T, class Write>
void for_each_unit(Generator& generator, std::size_t n, Write write) {
  if constexpr (std::is_same_v<T, float>) {
    for_each_word(generator, n, [&](std::size_t i, std::uint32_t word) { write(i, unit(word)); });
  } else {
    for_each_pair(generator, n, [&](std::size_t i, std::uint64_t pair) { write(i, unit(pair)); });
  }
}

template <class T>
void fill_unit(Generator& generator, std::span<T> y) {
  T* const out = y.data();
  for_each_unit<T>(generator, y.size(), [out](std::size_t i, T u) { out[i] = u; });
}

// a * b + c rounded once. For float it is computed in double, where the product is exact; about one
// result in 2^29 is rounded differently from a true fused multiply-add.
float fused(float a, float b, float c) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
}
double fused(double a, double b, double c) { return std::fma(a, b, c); }

void check_std(double std) {
  if (!(std >= 0)) fail("normal: std is ", std, ", must be at least 0");
}

void check_probability(double p) {
  if (!(p >= 0 && p <= 1)) fail("bernoulli: p is ", p, ", must be between 0 and 1");
}

}  // namespace

template <FloatingElement T>
void uniform(Generator& generator, std::span<T> y, double from, double to) {
  if (!(from <= to)) fail("uniform: from is ", from, " and to is ", to, ", must be from <= to");
  constexpr double kMax = std::numeric_limits<T>::max();
  if (from < -kMax || to > kMax || to - from > kMax) {
    fail("uniform: the range from ", from, " to ", to, " is too wide for the element type");
  }
  const GeneratorLock lock(generator);
  const T low = static_cast<T>(from);
  const T range = static_cast<T>(to) - low;
  if (low == 0 && range == 1) return fill_unit(generator, y);
  T* const out = y.data();
  for_each_unit<T>(generator, y.size(), [=](std::size_t i, T u) { out[i] = fused(u, range, low); });
}

template <FloatingElement T>
void normal_one_by_one(Generator& generator, std::span<T> y, double mean, double std) {
  check_std(std);
  const GeneratorLock lock(generator);
  for (T& value : y) {
    double z;
    if (const std::optional<double> spare = generator.take_spare_normal()) {
      z = *spare;
    } else {
      const double angle = 2.0 * std::numbers::pi * unit_double(generator);
      const double radius = std::sqrt(-2.0 * std::log(1.0 - unit_double(generator)));
      generator.keep_spare_normal(radius * std::sin(angle));
      z = radius * std::cos(angle);
    }
    value = static_cast<T>(fused(z, std, mean));
  }
}

template <FloatingElement T>
void normal(Generator& generator, std::span<T> y, double mean, double std) {
  if (y.size() < kNormalBlock) return normal_one_by_one(generator, y, mean, std);
  check_std(std);
  const GeneratorLock lock(generator);
  const T m = static_cast<T>(mean);
  const T s = static_cast<T>(std);
  for (std::size_t done = 0; done < y.size(); done += kBlocks) {
    const std::span<T> part = y.subspan(done, std::min(kBlocks, y.size() - done));
    fill_unit(generator, part);
    detail::box_muller(part.data(), part.size() / kNormalBlock * kNormalBlock, m, s);
  }
  if (y.size() % kNormalBlock != 0) {
    const std::span<T> last = y.last(kNormalBlock);
    fill_unit(generator, last);
    detail::box_muller(last.data(), kNormalBlock, m, s);
  }
}

void randint(Generator& generator, std::span<std::int64_t> y, std::int64_t low, std::int64_t high) {
  if (low >= high) fail("randint: low is ", low, " and high is ", high, ", must be low < high");
  const GeneratorLock lock(generator);
  std::int64_t* const out = y.data();
  // Unsigned, because high - low may not fit into a signed integer; the additions wrap around.
  const std::uint64_t base = static_cast<std::uint64_t>(low);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - base;
  if (range <= 0xffffffffU) {
    const auto narrow = static_cast<std::uint32_t>(range);
    for_each_word(generator, y.size(), [=](std::size_t i, std::uint32_t word) {
      out[i] = static_cast<std::int64_t>(base + word % narrow);
    });
  } else {
    for_each_pair(generator, y.size(), [=](std::size_t i, std::uint64_t pair) {
      out[i] = static_cast<std::int64_t>(base + pair % range);
    });
  }
}

void randperm(Generator& generator, std::span<std::int64_t> y) {
  const GeneratorLock lock(generator);
  const std::size_t n = y.size();
  std::int64_t* const out = y.data();
  std::iota(y.begin(), y.end(), std::int64_t{0});
  if (n == 0) return;
  if (n <= 0xffffffffU) {
    for_each_word(generator, n - 1, [=](std::size_t i, std::uint32_t word) {
      std::swap(out[i], out[i + word % static_cast<std::uint32_t>(n - i)]);
    });
  } else {
    for_each_pair(generator, n - 1, [=](std::size_t i, std::uint64_t pair) {
      std::swap(out[i], out[i + pair % (n - i)]);
    });
  }
}

template <TensorElement T>
void bernoulli(Generator& generator, std::span<T> y, double p) {
  check_probability(p);
  const GeneratorLock lock(generator);
  T* const out = y.data();
  // Tests u < p on the integer from which u is computed, by the sign of a difference, because a
  // branch on a random condition would be slow.
  const auto threshold = static_cast<std::uint64_t>(std::ceil(p * 0x1p53));
  for_each_pair(generator, y.size(), [=](std::size_t i, std::uint64_t pair) {
    out[i] = static_cast<T>(static_cast<int>(((pair & kBits53) - threshold) >> 63));
  });
}

template <TensorElement T, FloatingElement P>
void bernoulli(Generator& generator, std::span<T> y, std::span<const P> p) {
  if (y.size() != p.size()) {
    fail("bernoulli: ", p.size(), " probabilities for ", y.size(), " elements");
  }
  for (const P probability : p) check_probability(static_cast<double>(probability));
  const GeneratorLock lock(generator);
  T* const out = y.data();
  const P* const in = p.data();
  for_each_unit<P>(generator, y.size(),
                   [=](std::size_t i, P u) { out[i] = static_cast<T>(u < in[i]); });
}

namespace {

template <class T>
void fill_exponential(Generator& generator, std::span<T> y, double rate) {
  T* const out = y.data();
  const double scale = -1.0 / rate;
  for_each_unit<double>(generator, y.size(), [=](std::size_t i, double u) {
    out[i] = static_cast<T>(scale * std::log(1.0 - u));
  });
}

}  // namespace

template <FloatingElement T>
void exponential(Generator& generator, std::span<T> y, double rate) {
  if (!(rate > 0)) fail("exponential: rate is ", rate, ", must be greater than 0");
  const GeneratorLock lock(generator);
  fill_exponential(generator, y, rate);
}

// Multinomial ------------------------------------------------------------------------------------
namespace {

template <class T>
void check_weights(std::span<const T> weights, std::size_t row, std::size_t samples,
                   bool replacement) {
  T sum = 0;
  std::size_t positive = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (!(weights[j] >= 0 && std::isfinite(weights[j]))) {
      fail("multinomial: weight ", weights[j], " at row ", row, ", column ", j,
           "; weights must be finite and at least 0");
    }
    sum += weights[j];
    if (weights[j] > 0) ++positive;
  }
  if (!std::isfinite(sum)) fail("multinomial: the weights of row ", row, " sum to infinity");
  if (positive == 0) fail("multinomial: row ", row, " has no weight greater than 0");
  if (!replacement && samples > positive) {
    fail("multinomial: ", samples, " samples without replacement, but row ", row, " has only ",
         positive, " weights greater than 0; draw with replacement or fewer");
  }
}

template <class T>
void sample_with_replacement(Generator& generator, std::span<std::int64_t> y,
                             std::span<const T> weights) {
  std::vector<T> cumulative(weights.size());
  std::partial_sum(weights.begin(), weights.end(), cumulative.begin());
  const T sum = cumulative.back();
  for (T& value : cumulative) value /= sum;
  for (std::int64_t& position : y) {
    const double u = unit_double(generator);
    const auto found =
        std::lower_bound(cumulative.begin(), cumulative.end(), u,
                         [](T value, double bound) { return static_cast<double>(value) < bound; });
    position = found - cumulative.begin();
  }
}

// An exponential variable divided by a weight is the time at which that position arrives, so the
// first n arrivals are a sample without replacement (Efraimidis and Spirakis 2006). They are
// selected with the algorithm of PyTorch's topk, so that equal keys come in the same order.
template <class T>
void sample_without_replacement(Generator& generator, std::span<std::int64_t> y,
                                std::span<const T> weights) {
  using Key = std::pair<T, std::int64_t>;
  constexpr std::size_t kFewOutOfMany = 64;
  std::vector<T> time(weights.size());
  fill_exponential(generator, std::span<T>(time), 1.0);
  std::vector<Key> keys(weights.size());
  for (std::size_t j = 0; j < keys.size(); ++j) {
    const T key = weights[j] > 0 ? weights[j] / time[j] : T{0};  // never 0 / 0
    keys[j] = {key, static_cast<std::int64_t>(j)};
  }
  const auto before = [](const Key& a, const Key& b) { return a.first > b.first; };
  const auto end_of_sample = keys.begin() + static_cast<std::ptrdiff_t>(y.size());
  if (y.size() * kFewOutOfMany <= keys.size()) {
    std::partial_sort(keys.begin(), end_of_sample, keys.end(), before);
  } else {
    std::nth_element(keys.begin(), end_of_sample - 1, keys.end(), before);
    std::sort(keys.begin(), end_of_sample - 1, before);
  }
  std::transform(keys.begin(), end_of_sample, y.begin(), [](const Key& key) { return key.second; });
}

}  // namespace

template <FloatingElement T>
void multinomial(Generator& generator, std::span<std::int64_t> y, std::span<const T> weights,
                 std::size_t rows, bool replacement) {
  if (y.empty()) return;
  if (rows == 0 || y.size() % rows != 0 || weights.size() % rows != 0) {
    fail("multinomial: ", y.size(), " samples and ", weights.size(), " weights do not make ", rows,
         " rows");
  }
  const std::size_t samples = y.size() / rows;
  const std::size_t categories = weights.size() / rows;
  for (std::size_t row = 0; row < rows; ++row) {
    check_weights(weights.subspan(row * categories, categories), row, samples, replacement);
  }
  const GeneratorLock lock(generator);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::span<std::int64_t> y_row = y.subspan(row * samples, samples);
    const std::span<const T> weights_row = weights.subspan(row * categories, categories);
    if (replacement) {
      sample_with_replacement(generator, y_row, weights_row);
    } else {
      sample_without_replacement(generator, y_row, weights_row);
    }
  }
}

#define TAPEGRAD_INSTANTIATE(T)                                                                   \
  template void uniform(Generator&, std::span<T>, double, double);                                \
  template void normal(Generator&, std::span<T>, double, double);                                 \
  template void normal_one_by_one(Generator&, std::span<T>, double, double);                      \
  template void exponential(Generator&, std::span<T>, double);                                    \
  template void multinomial(Generator&, std::span<std::int64_t>, std::span<const T>, std::size_t, \
                            bool);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

#define TAPEGRAD_INSTANTIATE(T)                                              \
  template void bernoulli(Generator&, std::span<T>, double);                 \
  template void bernoulli(Generator&, std::span<T>, std::span<const float>); \
  template void bernoulli(Generator&, std::span<T>, std::span<const double>);
TAPEGRAD_INSTANTIATE(bool)
TAPEGRAD_INSTANTIATE(std::int64_t)
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad::draw
