// Counts which words of a text are near each other, in bounded memory. Read next: sorted_runs.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/corpus.h"
#include "common/sorted_runs.h"

namespace examples {

// What two words count that are d words apart: 1 / d, as in GloVe, or 1.
enum class DistanceWeight { inverse, one };

struct CountingSettings {
  std::int64_t window = 5;  // the largest distance
  DistanceWeight weight = DistanceWeight::inverse;
  std::int64_t memory = 500'000'000;  // bytes for counts
  std::string folder = ".";           // for a temporary file, if the memory is too small
  std::string program = "cooccurrences";
  // Set: the pairs come in a random order, which depends on this seed only. Unset: sorted.
  std::optional<std::uint64_t> shuffle = std::nullopt;
};

// The words `first` <= `second` are near each other; `count` is the sum of their weights. Each pair
// comes once and stands for both directions: X[first][second] and X[second][first]. If both are the
// same word, the window of each of two occurrences has the other one, so X is 2 * count.
struct Cooccurrence {
  std::int32_t first = 0;
  std::int32_t second = 0;
  double count = 0;
};

// A hash table counts pairs. When it is full, its entries are sorted and written as a run. At the
// end, runs are merged.
//
// Invariants:
// 1. Counts are integers, in units of 2^-30. So sums are exact, and the result depends neither on
//    the memory nor on the order of the sentences.
// 2. The order of the pairs is that of their keys. With `shuffle`, a key is a one-to-one random
//    function of the pair: merging the runs shuffles the pairs, too.
class Cooccurrences {
 public:
  explicit Cooccurrences(CountingSettings settings);

  // Counts the pairs of a sentence, as if it occurred `times` times (up to 1,000,000).
  void add(const Sentence& sentence, std::int64_t times = 1);
  // Ends the counting; needed before what follows.
  void finish();

  std::int64_t size() const { return size_; }  // pairs
  bool in_memory() const { return !file_; }

  // The next pairs of a pass, at most 16,384; empty at the end of the pass. Valid until the next
  // call.
  void rewind() { position_ = 0; }
  std::span<const Cooccurrence> next();

  static constexpr std::int64_t kLeastMemory = 1'000'000;

 private:
  void count(std::uint64_t pair, std::uint64_t weight);
  void grow_or_spill();
  void sort_table();
  std::size_t slot_of(std::uint64_t key) const;

  CountingSettings settings_;
  std::vector<std::uint64_t> weights_;  // by distance
  std::vector<KeyCount> table_;         // open addressing; a count of 0 is a free slot
  std::size_t used_ = 0;
  std::optional<SortedRuns> runs_;
  std::optional<TemporaryFile> file_;  // the result, if it is not in table_
  std::int64_t size_ = 0;
  std::int64_t position_ = 0;
  std::vector<KeyCount> block_;
  std::vector<Cooccurrence> pairs_;
};

}  // namespace examples
