// Draws from a discrete distribution in constant time, however many outcomes it has. Read next:
// alias_table.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>

#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

namespace examples {

// A generator whose seed costs nothing, for many short streams: PCG32 (O'Neill 2014, "PCG: A Family
// of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation").
class SmallGenerator {
 public:
  explicit SmallGenerator(std::uint64_t seed) : state_(seed + kIncrement) { random(); }

  std::uint32_t random() {
    const std::uint64_t old = state_;
    state_ = old * 6364136223846793005U + kIncrement;
    const auto shifted = static_cast<std::uint32_t>((old >> 18 ^ old) >> 27);
    return std::rotr(shifted, static_cast<int>(old >> 59));
  }

 private:
  static constexpr std::uint64_t kIncrement = 1442695040888963407U;
  std::uint64_t state_;
};

// What the next functions draw from: a tapegrad::Generator, or a SmallGenerator.
template <class T>
concept RandomWords = requires(T& generator) {
  { generator.random() } -> std::same_as<std::uint32_t>;
};

// A number from 0 to n - 1 with equal probabilities (up to n / 2^32), from one word of the
// generator.
template <RandomWords Generator>
std::int64_t draw_below(std::int64_t n, Generator& generator) {
  return static_cast<std::int64_t>(
      (std::uint64_t{generator.random()} * static_cast<std::uint64_t>(n)) >> 32);
}

// A number in [0, 1).
template <RandomWords Generator>
double draw_unit(Generator& generator) {
  return generator.random() * 0x1p-32;
}

// The alias method (Walker 1977; Vose 1991). Each of n columns of equal width holds at most two
// outcomes: its own, below a height, and above it another one, its alias. So a draw is a column and
// a height.
class AliasTable {
 public:
  // Outcome i has the probability weights[i] / sum. ValueError if there is no weight, if one is
  // negative or not finite, or if all are 0.
  explicit AliasTable(std::span<const double> weights);

  template <RandomWords Generator>
  std::int64_t draw(Generator& generator) const {
    const std::int64_t column = draw_below(size(), generator);
    const Column& drawn = columns_[static_cast<std::size_t>(column)];
    return generator.random() < drawn.height ? column : drawn.alias;
  }
  std::int64_t size() const { return static_cast<std::int64_t>(columns_.size()); }

 private:
  // Small, because a draw waits for the memory. Heights are in units of 2^-32.
  struct Column {
    std::uint32_t height = 0;
    std::uint32_t alias = 0;
  };
  std::vector<Column> columns_;
};

}  // namespace examples
