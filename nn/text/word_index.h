// Internal. WordIndex: a hash table of words, whose ids count in the order of insertion. A
// Vocabulary uses it; a lookup is the innermost loop of encoding texts. Read next:
// nn/text/vocabulary.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapegrad::nn::detail {

// One string holds all words, one after the other. An open-addressing table with linear probing, at
// most half full, holds the ids and the hashes. A successful lookup reads about two cache lines and
// compares one word.
class WordIndex {
 public:
  std::int64_t size() const { return static_cast<std::int64_t>(ends_.size()) - 1; }
  std::string_view word(std::int64_t id) const {
    const std::size_t begin = ends_[static_cast<std::size_t>(id)];
    return std::string_view(text_).substr(begin, ends_[static_cast<std::size_t>(id) + 1] - begin);
  }

  // Returns the word's id, and whether the word is new.
  std::pair<std::int64_t, bool> insert(std::string_view word) {
    if (2 * ends_.size() > slots_.size()) grow();
    const std::uint64_t hash = hash_of(word);
    Slot& slot = slots_[find_slot(word, hash)];
    if (slot.id >= 0) return {slot.id, false};
    slot = {size(), hash};
    text_ += word;
    ends_.push_back(text_.size());
    return {slot.id, true};
  }

  std::optional<std::int64_t> find(std::string_view word) const {
    if (slots_.empty()) return std::nullopt;
    const Slot& slot = slots_[find_slot(word, hash_of(word))];
    return slot.id >= 0 ? std::optional(slot.id) : std::nullopt;
  }

 private:
  struct Slot {
    std::int64_t id = -1;
    std::uint64_t hash = 0;
  };

  // Multiplies eight bytes at a time and xors the upper bits into the lower bits.
  static std::uint64_t hash_of(std::string_view word);
  void grow();

  // The index of the word's slot, or of the free slot for it.
  std::size_t find_slot(std::string_view wanted, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = hash & mask;
    while (slots_[i].id >= 0 && (slots_[i].hash != hash || word(slots_[i].id) != wanted)) {
      i = (i + 1) & mask;
    }
    return i;
  }

  std::string text_;
  std::vector<std::size_t> ends_ = {0};
  std::vector<Slot> slots_;  // their number is a power of two
};

}  // namespace tapegrad::nn::detail
