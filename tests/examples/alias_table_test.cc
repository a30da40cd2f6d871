// Draws have the probabilities of the weights. Read next: examples/common/alias_table.cc.
#include "common/alias_table.h"

#include <tapegrad/tensor/error.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "catch.h"

using namespace examples;

TEST_CASE("AliasTable draws each outcome as often as its weight says") {
  const std::vector<double> weights = {5, 0, 1, 1, 93, 0.5, 12, 1e-3};
  double sum = 0;
  for (const double weight : weights) sum += weight;
  const AliasTable table(weights);
  tapegrad::Generator generator(7);
  constexpr int kDraws = 200'000;
  std::vector<int> counts(weights.size());
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(table.draw(generator))];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double p = weights[i] / sum;
    CAPTURE(i, counts[i], p * kDraws);
    CHECK(std::abs(counts[i] - p * kDraws) <= 4.5 * std::sqrt(kDraws * p * (1 - p)));
  }
}

TEST_CASE("AliasTable: one outcome, equal weights, and weights that are refused") {
  tapegrad::Generator generator(1);
  CHECK(AliasTable(std::vector<double>{3}).draw(generator) == 0);
  const AliasTable equal(std::vector<double>(10, 0.1));
  for (int i = 0; i < 100; ++i) CHECK(equal.draw(generator) < 10);
  for (const std::vector<double>& wrong :
       {std::vector<double>{}, {0, 0}, {1, -1}, {1, std::nan("")}, {1, INFINITY}}) {
    CHECK_THROWS_AS(AliasTable(wrong), tapegrad::ValueError);
  }
}
