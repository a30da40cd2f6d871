// The generator and the draws into memory: the words of MT19937, numbers that PyTorch prints, how
// many words each draw uses, and errors. The comparison with golden files is in random_test.cc.
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/state_dict.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/distributions.h>
#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "tensor/temporary_folder.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

// n numbers drawn by `draw(generator, span)`.
template <class T, class Draw>
std::vector<T> drawn(Generator& generator, std::size_t n, Draw&& draw) {
  std::vector<T> y(n);
  draw(generator, std::span<T>(y));
  return y;
}

template <class T>
std::vector<T> uniforms(Generator& generator, std::size_t n, double from = 0, double to = 1) {
  return drawn<T>(generator, n,
                  [&](Generator& g, std::span<T> y) { draw::uniform(g, y, from, to); });
}

template <class T>
std::vector<T> normals(Generator& generator, std::size_t n, double mean = 0, double std = 1) {
  return drawn<T>(generator, n,
                  [&](Generator& g, std::span<T> y) { draw::normal(g, y, mean, std); });
}

std::vector<std::int64_t> samples(Generator& generator, std::size_t n, std::vector<float> weights,
                                  bool replacement, std::size_t rows = 1) {
  return drawn<std::int64_t>(generator, n, [&](Generator& g, std::span<std::int64_t> y) {
    draw::multinomial(g, y, std::span<const float>(weights), rows, replacement);
  });
}

// Compares with printed numbers, which have four decimals.
template <class T>
void check_printed(const std::vector<T>& got, const std::vector<double>& printed) {
  REQUIRE(got.size() >= printed.size());
  for (std::size_t i = 0; i < printed.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(got[i]) - printed[i]) < 0.5001e-4);
  }
}

// How many words a draw uses.
template <class Draw>
std::size_t words_taken(Draw&& draw) {
  Generator generator(11);
  draw(generator);
  const std::uint32_t next = generator.random();
  Generator counting(11);
  std::size_t words = 0;
  while (counting.random() != next) ++words;
  return words;
}

}  // namespace

TEST_CASE("generator: the words are MT19937's") {
  for (const std::uint64_t seed : {0ULL, 1ULL, 42ULL, 4294967295ULL}) {
    Generator generator(seed);
    std::mt19937 reference(static_cast<std::uint32_t>(seed));
    for (int i = 0; i < 2000; ++i) REQUIRE(generator.random() == reference());
    const std::uint64_t high = reference();
    REQUIRE(generator.random64() == (high << 32 | reference()));
    // Many at once, across several refills.
    std::vector<std::uint32_t> words(3000);
    generator.random(words);
    for (const std::uint32_t word : words) REQUIRE(word == reference());
    REQUIRE(generator.random() == reference());
  }
}

TEST_CASE("generator: seeds") {
  CHECK(Generator().initial_seed() == 67280421310721U);
  CHECK(Generator(5).initial_seed() == 5);

  // Only the low 32 bits are used; a negative seed is the unsigned number with the same bits.
  CHECK(Generator(7).random() == Generator(7 + (std::uint64_t{1} << 32)).random());
  Generator negative;
  negative.manual_seed(static_cast<std::uint64_t>(-1));
  CHECK(negative.initial_seed() == 0xffffffffffffffffU);
  CHECK(negative.random() == Generator(0xffffffffU).random());

  Generator unpredictable(3);
  const std::uint64_t chosen = unpredictable.seed();
  CHECK(unpredictable.initial_seed() == chosen);
  CHECK(unpredictable.random() == Generator(chosen).random());

  manual_seed(9);
  CHECK(default_generator().initial_seed() == 9);
  CHECK(default_generator().random() == Generator(9).random());
}

TEST_CASE("generator: a copy is independent, and seeding drops the spare normal number") {
  Generator a(1);
  normals<float>(a, 3);  // stores a spare number
  Generator b = a;
  CHECK(normals<float>(a, 3) == normals<float>(b, 3));
  CHECK(a.random() == b.random());

  Generator seeded_again(5);
  normals<float>(seeded_again, 1);
  seeded_again.manual_seed(5);
  Generator fresh(5);
  CHECK(normals<double>(seeded_again, 2) == normals<double>(fresh, 2));
}

TEST_CASE("generator: the state has PyTorch's layout") {
  // torch.get_rng_state() after manual_seed(0) and randn(3).
  Generator generator(0);
  normals<float>(generator, 3);
  const Generator::State state = generator.state();
  STATIC_REQUIRE(sizeof(state) == 5056);
  CHECK(state.seed == 0);
  CHECK(state.left == 617);
  CHECK(state.seeded == 1);
  CHECK(state.next == 8);
  CHECK(state.words[0] == 2443250962U);
  CHECK(state.words[1] == 1093594115U);
  CHECK(state.words[623] == 1678096082U);
  CHECK(state.has_normal == 1);
  CHECK(state.normal == Approx(0.5684312772806678).epsilon(1e-15));

  // Resumes at every kind of position: unused, within a block, at its end, with and without a spare
  // number.
  for (const std::size_t words : {0U, 1U, 300U, 623U, 624U, 625U}) {
    for (const std::size_t numbers : {0U, 1U, 2U}) {
      Generator first(3);
      normals<float>(first, numbers);
      for (std::size_t i = 0; i < words; ++i) first.random();
      std::array<std::byte, sizeof(Generator::State)> bytes;
      const Generator::State saved = first.state();
      std::memcpy(bytes.data(), &saved, sizeof(saved));
      Generator::State loaded;
      std::memcpy(&loaded, bytes.data(), sizeof(loaded));
      Generator second(99);
      second.set_state(loaded);
      CHECK(second.initial_seed() == 3);
      CHECK(normals<double>(first, 3) == normals<double>(second, 3));
      CHECK(uniforms<float>(first, 1000) == uniforms<float>(second, 1000));
    }
  }

  // PyTorch sets next = 0 in a generator that was not used yet.
  Generator::State unused = Generator(8).state();
  unused.next = 0;
  Generator from_unused(1);
  from_unused.set_state(unused);
  CHECK(from_unused.random() == Generator(8).random());
}

TEST_CASE("generator: a state dict is an exact copy") {
  for (const std::size_t words : {0U, 1U, 623U, 624U}) {
    for (const std::size_t numbers : {0U, 1U, 2U}) {
      Generator first(3);
      normals<float>(first, numbers);  // an odd number leaves a spare one
      for (std::size_t i = 0; i < words; ++i) first.random();
      const tapegrad::StateDict saved = first.state_dict();
      Generator second(99);
      normals<float>(second, 1);
      second.load_state_dict(saved);
      CHECK(second.initial_seed() == 3);
      CHECK(normals<double>(first, 3) == normals<double>(second, 3));
      CHECK(uniforms<float>(first, 1000) == uniforms<float>(second, 1000));
    }
  }
  const tapegrad::StateDict saved = tapegrad::default_generator().state_dict();
  const tapegrad::Tensor drawn = tapegrad::randn({5});
  tapegrad::default_generator().load_state_dict(saved);
  CHECK(equal(tapegrad::randn({5}), drawn));

  // The tensor has the bytes of torch.get_rng_state().
  const Generator::State state = Generator(8).state();
  const tapegrad::Tensor bytes = Generator(8).state_dict().at("state");
  REQUIRE(bytes.numel() * 8 == static_cast<std::int64_t>(sizeof(state)));
  CHECK(std::memcmp(bytes.data<std::byte>(), &state, sizeof(state)) == 0);
}

TEST_CASE("generator: an invalid state dict is rejected and nothing changes") {
  Generator generator(0);
  normals<float>(generator, 1);
  const tapegrad::Tensor before = generator.state_dict().at("state");
  const std::string text =
      "Generator: the state is not one of a generator, needed one tensor \"state\", int64 (632); "
      "pass what state_dict() returned";
  const auto refuse = [&](const tapegrad::StateDict& saved, const std::string& why) {
    CHECK(tapegrad::test::error_text<tapegrad::FormatError>(
              [&] { generator.load_state_dict(saved); }) == why);
    CHECK(equal(generator.state_dict().at("state"), before));
  };
  refuse({}, text);
  refuse({{"state", before}, {"more", before}}, text);
  refuse({{"state", before.to(tapegrad::float64)}}, text);
  refuse({{"state", narrow(before, 0, 0, 631)}}, text);
  refuse({{"state", tapegrad::zeros({632}, tapegrad::int64)}},
         "Generator: set_state: these bytes are not the state of a generator; pass one that "
         "state() returned");
}

TEST_CASE("generator: an invalid state is rejected and nothing changes") {
  const char* const text =
      "set_state: these bytes are not the state of a generator; pass one that state() returned";
  Generator generator(0);
  generator.random();
  const auto refuse = [&](auto&& spoil) {
    Generator::State state = generator.state();
    spoil(state);
    REQUIRE_THROWS_AS(generator.set_state(state), ValueError);
    REQUIRE_THROWS_WITH(generator.set_state(state), text);
  };
  refuse([](Generator::State& s) { s.seeded = 0; });
  refuse([](Generator::State& s) { s.left = 0; });
  refuse([](Generator::State& s) { s.has_normal = 2; });
  refuse([](Generator::State& s) {
    s.has_normal = 1;
    s.normal = std::numeric_limits<double>::infinity();
  });
  refuse([](Generator::State& s) { s.left = 625; });
  refuse([](Generator::State& s) { s.left = -1; });
  refuse([](Generator::State& s) { s.next = 2; });
  refuse([](Generator::State& s) { s.next = std::uint64_t{1} << 40; });
  refuse([](Generator::State& s) { s.words[7] = std::uint64_t{1} << 32; });
  std::mt19937 reference(0);
  reference();
  CHECK(generator.random() == reference());
}

TEST_CASE("generator: several threads use the default one") {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kDraws = 50'000;
  manual_seed(17);
  std::array<std::vector<double>, kThreads> parts;
  std::vector<std::thread> threads;
  for (std::vector<double>& part : parts) {
    threads.emplace_back([&part] {
      for (std::size_t i = 0; i < kDraws; ++i) {
        part.push_back(uniforms<double>(default_generator(), 1)[0]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  // Together the threads drew each number once.
  std::vector<double> all;
  for (const std::vector<double>& part : parts) all.insert(all.end(), part.begin(), part.end());
  Generator alone(17);
  std::vector<double> expected = uniforms<double>(alone, kThreads * kDraws);
  std::sort(all.begin(), all.end());
  std::sort(expected.begin(), expected.end());
  CHECK(all == expected);
}

TEST_CASE("draw: numbers that PyTorch prints") {
  Generator g;
  check_printed(uniforms<float>(g.manual_seed(0), 5), {0.4963, 0.7682, 0.0885, 0.1320, 0.3074});
  check_printed(normals<float>(g.manual_seed(0), 5), {1.5410, -0.2934, -2.1788, 0.5684, -1.0845});
  check_printed(normals<float>(g.manual_seed(0), 16), {-1.1258, -1.1524, -0.2506, -0.4339, 0.8487});
  check_printed(normals<float>(g.manual_seed(42), 16), {1.9269, 1.4873, 0.9007, -2.1055});

  using Ints = std::vector<std::int64_t>;
  CHECK(drawn<std::int64_t>(g.manual_seed(0), 10, [](Generator& own, std::span<std::int64_t> y) {
          draw::randperm(own, y);
        }) == Ints{4, 1, 7, 5, 3, 9, 0, 8, 6, 2});
  CHECK(drawn<std::int64_t>(g.manual_seed(42), 10, [](Generator& own, std::span<std::int64_t> y) {
          draw::randperm(own, y);
        }) == Ints{2, 6, 1, 8, 4, 5, 0, 9, 3, 7});
  const auto randint = [&g](std::size_t n, std::int64_t low, std::int64_t high) {
    return drawn<std::int64_t>(
        g, n, [&](Generator& own, std::span<std::int64_t> y) { draw::randint(own, y, low, high); });
  };
  g.manual_seed(0);
  CHECK(randint(8, 0, 10) == Ints{4, 9, 3, 0, 3, 9, 7, 3});
  CHECK(randint(2, -(std::int64_t{1} << 40), (std::int64_t{1} << 41) + 3) ==
        Ints{41325783600, 1191346011555});
  g.manual_seed(0);
  CHECK(samples(g, 4, {1, 2, 3, 4}, false) == Ints{2, 1, 3, 0});
  CHECK(samples(g, 6, {1, 2, 3, 4}, true) == Ints{3, 3, 1, 2, 2, 1});
  check_printed(drawn<float>(g.manual_seed(0), 4,
                             [](Generator& own, std::span<float> y) { draw::exponential(own, y); }),
                {3.5083, 1.2304, 0.6150, 2.5351});
  CHECK(drawn<float>(g.manual_seed(0), 4, [](Generator& own, std::span<float> y) {
          draw::bernoulli(own, y, 0.5);
        }) == std::vector<float>{0, 0, 1, 0});

  // Linear(2, 1): the weight, then the bias, each in +- 1 / sqrt(2).
  const double bound = 1 / std::sqrt(2.0);
  g.manual_seed(0);
  check_printed(uniforms<float>(g, 2, -bound, bound), {-0.0053, 0.3793});
  check_printed(uniforms<float>(g, 1, -bound, bound), {-0.5820});
}

TEST_CASE("draw: a million float32 normal numbers have the bits of PyTorch's") {
  // The FNV-1a hash, word by word, of torch.manual_seed(0); torch.randn(1000000).
  Generator g(0);
  std::uint64_t hash = 1469598103934665603U;
  for (const float value : normals<float>(g, 1'000'000)) {
    hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 1099511628211U;
  }
  CHECK(hash == 0x1e86c98eda2c9673U);
}

TEST_CASE("draw: the spare normal number survives other draws and passes between types") {
  Generator g(0);
  check_printed(normals<float>(g, 3), {1.5410, -0.2934, -2.1788});
  check_printed(uniforms<float>(g, 2), {0.4556, 0.6323});
  check_printed(normals<float>(g, 16), {0.4913, -0.2041});
  check_printed(normals<double>(g, 2), {0.5684, -0.8265});
}

TEST_CASE("draw: number of words used") {
  const auto floats = [](std::size_t n, auto draw) {
    return words_taken([&](Generator& g) { drawn<float>(g, n, draw); });
  };
  const auto ints = [](std::size_t n, auto draw) {
    return words_taken([&](Generator& g) { drawn<std::int64_t>(g, n, draw); });
  };
  CHECK(floats(700, [](Generator& g, std::span<float> y) { draw::uniform(g, y); }) == 700);
  CHECK(floats(0, [](Generator& g, std::span<float> y) { draw::normal(g, y); }) == 0);
  CHECK(floats(15, [](Generator& g, std::span<float> y) { draw::normal(g, y); }) == 8 * 4);
  CHECK(floats(16, [](Generator& g, std::span<float> y) { draw::normal(g, y); }) == 16);
  CHECK(floats(17, [](Generator& g, std::span<float> y) { draw::normal(g, y); }) == 17 + 16);
  CHECK(floats(17, [](Generator& g, std::span<float> y) { draw::normal_one_by_one(g, y); }) ==
        9 * 4);
  CHECK(floats(300, [](Generator& g, std::span<float> y) { draw::bernoulli(g, y, 0.5); }) == 600);
  CHECK(floats(300, [](Generator& g, std::span<float> y) {
          draw::bernoulli(g, y, std::span<const float>(std::vector<float>(300, 0.5F)));
        }) == 300);
  CHECK(floats(9, [](Generator& g, std::span<float> y) { draw::exponential(g, y); }) == 18);
  CHECK(words_taken([](Generator& g) { uniforms<double>(g, 10); }) == 20);
  CHECK(words_taken([](Generator& g) { normals<double>(g, 18); }) == 2 * (18 + 16));
  using Span = std::span<std::int64_t>;
  CHECK(ints(9, [](Generator& g, Span y) { draw::randperm(g, y); }) == 8);
  CHECK(ints(0, [](Generator& g, Span y) { draw::randperm(g, y); }) == 0);
  CHECK(ints(9, [](Generator& g, Span y) { draw::randint(g, y, 0, 0xffffffff); }) == 9);
  CHECK(ints(9, [](Generator& g, Span y) { draw::randint(g, y, 0, 0x100000000); }) == 18);
  CHECK(words_taken([](Generator& g) { samples(g, 5, {1, 2, 3}, true); }) == 10);
  CHECK(words_taken([](Generator& g) { samples(g, 2, {1, 2, 3}, false); }) == 6);
  CHECK(words_taken([](Generator& g) { samples(g, 4, {1, 2, 3, 4, 5, 6}, false, 2); }) == 12);
}

TEST_CASE("draw: ranges and edges") {
  Generator g(2);
  // Every range of integers, also one whose size does not fit into int64.
  std::vector<std::int64_t> ints(1000);
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  draw::randint(g, std::span(ints), kMin, kMax);
  CHECK(*std::min_element(ints.begin(), ints.end()) < kMin / 2);
  CHECK(*std::max_element(ints.begin(), ints.end()) > kMax / 2);
  draw::randint(g, std::span(ints), -3, 3);
  CHECK(*std::min_element(ints.begin(), ints.end()) == -3);
  CHECK(*std::max_element(ints.begin(), ints.end()) == 2);

  const std::vector<float> same = uniforms<float>(g, 20, 2.5, 2.5);
  CHECK(same == std::vector<float>(20, 2.5F));
  CHECK(normals<double>(g, 20, 1.25, 0) == std::vector<double>(20, 1.25));

  for (const double p : {0.0, 1.0}) {
    const std::vector<std::int64_t> y = drawn<std::int64_t>(
        g, 1000,
        [&](Generator& own, std::span<std::int64_t> out) { draw::bernoulli(own, out, p); });
    CHECK(y == std::vector<std::int64_t>(1000, static_cast<std::int64_t>(p)));
  }
  // A position of weight 0 is never drawn, all others are.
  std::vector<std::int64_t> all = samples(g, 3, {0, 1e-30F, 5, 0, 1}, false);
  std::sort(all.begin(), all.end());
  CHECK(all == std::vector<std::int64_t>{1, 2, 4});
}

TEST_CASE("draw: moments and frequencies of the distributions") {
  Generator g(123);
  constexpr std::size_t kMany = 200'000;
  const auto mean_and_variance = [](const auto& y) {
    double mean = 0;
    for (const auto value : y) mean += static_cast<double>(value);
    mean /= static_cast<double>(y.size());
    double variance = 0;
    for (const auto value : y) variance += std::pow(static_cast<double>(value) - mean, 2);
    return std::pair(mean, variance / static_cast<double>(y.size()));
  };
  // Each within five standard errors.
  const auto [normal_mean, normal_variance] = mean_and_variance(normals<float>(g, kMany, 3, 2));
  CHECK(std::abs(normal_mean - 3) < 5 * 2 / std::sqrt(kMany));
  CHECK(std::abs(normal_variance / 4 - 1) < 5 * std::sqrt(2.0 / kMany));
  const auto [uniform_mean, uniform_variance] =
      mean_and_variance(uniforms<double>(g, kMany, -1, 1));
  CHECK(std::abs(uniform_mean) < 5 * std::sqrt(1.0 / 3 / kMany));
  CHECK(std::abs(uniform_variance * 3 - 1) < 0.01);
  std::vector<double> waits(kMany);
  draw::exponential(g, std::span(waits), 4);
  const auto [wait_mean, wait_variance] = mean_and_variance(waits);
  CHECK(std::abs(wait_mean * 4 - 1) < 5 / std::sqrt(kMany));
  CHECK(std::abs(wait_variance * 16 - 1) < 5 * std::sqrt(8.0 / kMany));
  CHECK(*std::min_element(waits.begin(), waits.end()) >= 0);

  const std::vector<float> weights = {1, 0, 3, 4};  // an eighth, none, three eighths, a half
  for (const bool replacement : {true, false}) {
    std::array<double, 4> counts{};
    constexpr int kRounds = 20'000;
    for (int i = 0; i < kRounds; ++i) {
      ++counts[static_cast<std::size_t>(samples(g, 1, weights, replacement)[0])];
    }
    CHECK(counts[1] == 0);
    for (std::size_t j = 0; j < 4; ++j) {
      const double p = static_cast<double>(weights[j]) / 8;
      CHECK(std::abs(counts[j] - kRounds * p) <= 5 * std::sqrt(kRounds * p * (1 - p)));
    }
  }
}

TEST_CASE("draw: invalid arguments are rejected before anything is drawn") {
  Generator g(0);
  std::vector<float> y(4, 7.0F);
  std::vector<std::int64_t> ints(4, 7);
  const std::span<float> out(y);
  const std::span<std::int64_t> positions(ints);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto multinomial = [&](std::vector<float> weights, std::size_t rows, bool replacement) {
    draw::multinomial(g, positions, std::span<const float>(weights), rows, replacement);
  };
  const float inf = std::numeric_limits<float>::infinity();

  CHECK_THROWS_WITH(draw::uniform(g, out, 1, 0.5),
                    "uniform: from is 1 and to is 0.5, must be from <= to");
  CHECK_THROWS_WITH(draw::uniform(g, out, 0, nan),
                    "uniform: from is 0 and to is nan, must be from <= to");
  CHECK_THROWS_WITH(draw::uniform(g, out, -3e38, 3e38),
                    "uniform: the range from -3e+38 to 3e+38 is too wide for the element type");
  CHECK_THROWS_WITH(draw::normal(g, out, 0, -1), "normal: std is -1, must be at least 0");
  CHECK_THROWS_WITH(draw::normal(g, out, 0, nan), "normal: std is nan, must be at least 0");
  CHECK_THROWS_WITH(draw::randint(g, positions, 5, 5),
                    "randint: low is 5 and high is 5, must be low < high");
  CHECK_THROWS_WITH(draw::bernoulli(g, out, 1.5), "bernoulli: p is 1.5, must be between 0 and 1");
  const std::vector<float> probabilities = {0, 1, 0.5F, -0.25F};
  CHECK_THROWS_WITH(draw::bernoulli(g, out, std::span<const float>(probabilities)),
                    "bernoulli: p is -0.25, must be between 0 and 1");
  CHECK_THROWS_WITH(draw::bernoulli(g, out, std::span<const float>(probabilities).first(2)),
                    "bernoulli: 2 probabilities for 4 elements");
  CHECK_THROWS_WITH(draw::exponential(g, out, 0), "exponential: rate is 0, must be greater than 0");
  CHECK_THROWS_WITH(multinomial({1, 2, 3, -1}, 2, true),
                    "multinomial: weight -1 at row 1, column 1; weights must be finite and at "
                    "least 0");
  CHECK_THROWS_WITH(multinomial({1, static_cast<float>(nan)}, 1, true),
                    "multinomial: weight nan at row 0, column 1; weights must be finite and at "
                    "least 0");
  CHECK_THROWS_WITH(multinomial({inf, 1}, 1, true),
                    "multinomial: weight inf at row 0, column 0; weights must be finite and at "
                    "least 0");
  CHECK_THROWS_WITH(multinomial({3e38F, 3e38F}, 1, true),
                    "multinomial: the weights of row 0 sum to infinity");
  CHECK_THROWS_WITH(multinomial({1, 1, 0, 0}, 2, true),
                    "multinomial: row 1 has no weight greater than 0");
  CHECK_THROWS_WITH(multinomial({}, 1, true), "multinomial: row 0 has no weight greater than 0");
  CHECK_THROWS_WITH(multinomial({1, 0, 2, 3, 0}, 1, false),
                    "multinomial: 4 samples without replacement, but row 0 has only 3 weights "
                    "greater than 0; draw with replacement or fewer");
  CHECK_THROWS_WITH(multinomial({1, 2, 3}, 2, true),
                    "multinomial: 4 samples and 3 weights do not make 2 rows");
  CHECK_THROWS_WITH(multinomial({}, 0, true),
                    "multinomial: 4 samples and 0 weights do not make 0 rows");
  CHECK_THROWS_AS(draw::normal(g, out, 0, -1), ValueError);

  CHECK(y == std::vector<float>(4, 7.0F));
  CHECK(ints == std::vector<std::int64_t>(4, 7));
  CHECK(g.random() == Generator(0).random());
}
