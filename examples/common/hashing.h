// The hash of words and of character n-grams. Models and exported C files depend on it, so it is
// the same on every machine and never changes. Read next: characters.h.
#pragma once

#include <cstdint>
#include <string_view>

namespace examples {

// FNV-1a with 64 bits: for each byte, hash = (hash xor byte) * kHashPrime, beginning with
// kHashStart (Fowler, Noll, Vo; draft-eastlake-fnv).
constexpr std::uint64_t kHashStart = 0xCBF29CE484222325;
constexpr std::uint64_t kHashPrime = 0x100000001B3;

constexpr std::uint64_t hash_of(std::string_view bytes, std::uint64_t hash = kHashStart) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kHashPrime;
  return hash;
}

// The upper half is mixed into the lower one, which depends less on the first bytes.
constexpr std::uint32_t to_32_bits(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash ^ hash >> 32U);
}

}  // namespace examples
