// Draws from a discrete distribution in constant time, however many outcomes it has. Read next:
// alias_table.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>

#include <cstdint>
#include <span>
#include <vector>

namespace examples {

// A number from 0 to n - 1 with equal probabilities (up to n / 2^32), from one word of the
// generator.
inline std::int64_t draw_below(std::int64_t n, tapegrad::Generator& generator) {
  return static_cast<std::int64_t>(
      (std::uint64_t{generator.random()} * static_cast<std::uint64_t>(n)) >> 32);
}

// A number in [0, 1).
inline double draw_unit(tapegrad::Generator& generator) { return generator.random() * 0x1p-32; }

// The alias method (Walker 1977; Vose 1991). Each of n columns of equal width holds at most two
// outcomes: its own, below a height, and above it another one, its alias. So a draw is a column and
// a height.
class AliasTable {
 public:
  // Outcome i has the probability weights[i] / sum. ValueError if there is no weight, if one is
  // negative or not finite, or if all are 0.
  explicit AliasTable(std::span<const double> weights);

  std::int64_t draw(tapegrad::Generator& generator) const {
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
