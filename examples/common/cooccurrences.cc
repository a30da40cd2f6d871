// The hash table, and the keys. Read next: sparse_matrix.h.
#include "common/cooccurrences.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace examples {
namespace {

constexpr double kUnits = 0x1p30;  // of a count of 1
constexpr std::size_t kFirstTable = 1 << 12;
constexpr std::size_t kPairsAtOnce = 1 << 14;

// A one-to-one function of 64 bits whose results look random (SplitMix64; Steele, Lea and Flood
// 2014), and its inverse.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return x ^ x >> 31;
}
std::uint64_t unmix(std::uint64_t x) {
  x = (x ^ x >> 31 ^ x >> 62) * 0x319642b2d24d8ec3U;
  x = (x ^ x >> 27 ^ x >> 54) * 0x96de1b173f119089U;
  return x ^ x >> 30 ^ x >> 60;
}

std::uint64_t offset_of(std::uint64_t seed) { return mix(seed + 0x9e3779b97f4a7c15U); }

std::uint64_t pair_of(std::int32_t a, std::int32_t b) {
  const auto [first, second] = std::minmax(a, b);
  return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint32_t>(second);
}

}  // namespace

Cooccurrences::Cooccurrences(CountingSettings settings)
    : settings_(std::move(settings)), table_(kFirstTable) {
  for (std::int64_t distance = 0; distance <= settings_.window; ++distance) {
    const double weight = settings_.weight == DistanceWeight::inverse && distance > 0
                              ? 1 / static_cast<double>(distance)
                              : 1;
    weights_.push_back(static_cast<std::uint64_t>(std::llround(kUnits * weight)));
  }
}

void Cooccurrences::add(const Sentence& sentence, std::int64_t times) {
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    const std::size_t end = std::min(sentence.size(), i + weights_.size());
    for (std::size_t j = i + 1; j < end; ++j) {
      count(pair_of(sentence[i], sentence[j]), weights_[j - i] * static_cast<std::uint64_t>(times));
    }
  }
}

// The upper bits of a random number, scaled to the size of the table.
std::size_t Cooccurrences::slot_of(std::uint64_t key) const {
  return static_cast<std::size_t>((mix(key) >> 32) * table_.size() >> 32);
}

void Cooccurrences::count(std::uint64_t pair, std::uint64_t weight) {
  const std::uint64_t key = settings_.shuffle ? mix(pair + offset_of(*settings_.shuffle)) : pair;
  std::size_t slot = slot_of(key);
  while (table_[slot].count != 0 && table_[slot].key != key) {
    if (++slot == table_.size()) slot = 0;
  }
  if (table_[slot].count == 0) {
    table_[slot].key = key;
    ++used_;
  }
  table_[slot].count += weight;
  if (10 * used_ > 7 * table_.size()) grow_or_spill();
}

// While the table grows, there are two of them: the old one and one of twice the size.
void Cooccurrences::grow_or_spill() {
  const std::size_t bytes = table_.size() * sizeof(KeyCount);
  if (3 * bytes <= static_cast<std::size_t>(settings_.memory)) {
    std::vector<KeyCount> old(2 * table_.size());
    old.swap(table_);
    for (const KeyCount& entry : old) {
      if (entry.count == 0) continue;
      std::size_t slot = slot_of(entry.key);
      while (table_[slot].count != 0) {
        if (++slot == table_.size()) slot = 0;
      }
      table_[slot] = entry;
    }
    return;
  }
  if (!runs_) runs_.emplace(settings_.folder, settings_.program, settings_.memory / 4);
  const std::size_t size = table_.size();
  sort_table();
  runs_->add(table_);
  table_.assign(size, KeyCount{});
  used_ = 0;
}

// Leaves only the entries, sorted by their keys.
void Cooccurrences::sort_table() {
  std::erase_if(table_, [](const KeyCount& entry) { return entry.count == 0; });
  std::ranges::sort(table_, {}, &KeyCount::key);
}

void Cooccurrences::finish() {
  sort_table();
  size_ = static_cast<std::int64_t>(table_.size());
  if (!runs_) return;
  runs_->add(table_);
  std::vector<KeyCount>().swap(table_);
  file_ = runs_->merge();
  runs_.reset();
  size_ = file_->size();
}

std::span<const Cooccurrence> Cooccurrences::next() {
  const auto count = std::min(static_cast<std::size_t>(size_ - position_), kPairsAtOnce);
  std::span<const KeyCount> entries;
  if (file_) {
    block_.resize(count);
    file_->read(position_, block_);
    entries = block_;
  } else {
    entries = std::span<const KeyCount>(table_).subspan(static_cast<std::size_t>(position_), count);
  }
  position_ += static_cast<std::int64_t>(count);
  pairs_.clear();
  for (const KeyCount& entry : entries) {
    const std::uint64_t pair =
        settings_.shuffle ? unmix(entry.key) - offset_of(*settings_.shuffle) : entry.key;
    pairs_.push_back({static_cast<std::int32_t>(pair >> 32), static_cast<std::int32_t>(pair),
                      static_cast<double>(entry.count) / kUnits});
  }
  return pairs_;
}

}  // namespace examples
