// A hash of eight bytes at a time. Read next: commands.h.
#include "text_classifier/fingerprint.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace text_classifier {

// Multiplying by an odd number and exclusive or with the high half can both be undone, so two
// numbers at the same place never give the same hash.
void Fingerprint::add(std::uint64_t number) {
  hash_ = (hash_ ^ number) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 32;
}

void Fingerprint::add(std::string_view bytes) {
  add(static_cast<std::uint64_t>(bytes.size()));
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t block = 0;
    std::memcpy(&block, bytes.data() + i, std::min(sizeof block, bytes.size() - i));
    add(block);
  }
}

std::string Fingerprint::hex() const {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
  return digits;
}

}  // namespace text_classifier
