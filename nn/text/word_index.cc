// The hash function, and the growth of the table. Read next: nn/text/word_vectors.h.
#include <tapegrad/nn/text/word_index.h>

#include <cstring>

namespace tapegrad::nn::detail {

std::uint64_t WordIndex::hash_of(std::string_view word) {
  constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15U;  // 2^64 over the golden ratio
  const auto mixed = [](std::uint64_t x) {
    x = (x ^ (x >> 32)) * kFactor;
    return x ^ (x >> 29);
  };
  std::uint64_t hash = word.size();
  std::uint64_t part = 0;
  for (; word.size() >= sizeof part; word.remove_prefix(sizeof part)) {
    std::memcpy(&part, word.data(), sizeof part);
    hash = mixed(hash ^ part);
  }
  part = 0;
  std::memcpy(&part, word.data(), word.size());
  return mixed(hash ^ part);
}

void WordIndex::grow() {
  std::vector<Slot> old(slots_.empty() ? 1024 : 2 * slots_.size());
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    std::size_t i = slot.hash & mask;
    while (slots_[i].id >= 0) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

}  // namespace tapegrad::nn::detail
