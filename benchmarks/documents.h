// Random documents that a classifier can learn from, the same in every program. A document has a
// label and word ids that follow Zipf's law (word r occurs 1/r as often as word 1). The words form
// groups of four neighbors by frequency, one for each label. Some words of a document, an eighth in
// a long one, are replaced by the word of its label in their group; the other words say nothing
// about the label.
//
// Read next: bag_classifier.cc.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

struct Documents {
  static constexpr std::int64_t kVocabulary = 100'000;
  static constexpr std::int64_t kClasses = 4;
  static constexpr std::uint64_t kToTrain = 1;  // seeds
  static constexpr std::uint64_t kToTest = 2;

  std::int64_t count;
  std::int64_t length;               // words in each document
  std::vector<std::int64_t> words;   // (count, length), the most frequent is 0
  std::vector<std::int64_t> labels;  // (count)

  Documents(std::int64_t how_many, std::int64_t how_long, std::uint64_t seed)
      : count(how_many), length(how_long) {
    std::vector<double> sums(kVocabulary);
    double sum = 0;
    for (std::size_t r = 0; r < sums.size(); ++r) {
      sum += 1.0 / static_cast<double>(r + 1);
      sums[r] = sum;
    }
    const double telling =
        2.2 / std::sqrt(static_cast<double>(length));  // so that long and short are equally hard
    std::mt19937_64 bits(seed);                        // the same random numbers on every platform
    const auto uniform = [&bits] { return static_cast<double>(bits() >> 11) * 0x1p-53; };
    for (std::int64_t i = 0; i < count; ++i) {
      const auto label = static_cast<std::int64_t>(bits() % kClasses);
      labels.push_back(label);
      for (std::int64_t t = 0; t < length; ++t) {
        const auto at = std::upper_bound(sums.begin(), sums.end() - 1, uniform() * sum);
        const std::int64_t word = at - sums.begin();
        const bool tells = uniform() < telling;
        words.push_back(tells ? word / kClasses * kClasses + label : word);
      }
    }
  }
};
