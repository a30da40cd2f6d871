// What the fuzzers of the readers share. Each of them is a file of this folder that defines run(),
// mutate() and good_inputs(); fuzzer.cc calls them for libFuzzer, and replay.cc for the ordinary
// tests. Read next: tests/fuzz/fuzzer.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::test {

class Random;

// Defined by each fuzzer ------------------------------------------------------------------------

// Reads the input, and checks everything that the reader promises.
void run(const std::string& input);

// Changes an input so that most of its structure stays valid.
std::string mutate(std::string input, Random& random);

// What the writers write. `replay --write-seeds` stores them as seeds.
std::vector<std::string> good_inputs();

// For run() -------------------------------------------------------------------------------------

// Ends the program with this text, which libFuzzer and ctest report as a failure.
[[noreturn]] void fail(const std::string& text);
inline void check(bool holds, const char* text) {
  if (!holds) fail(text);
}

// The bytes that are allocated at most at the same time while it exists. Counts only if
// AddressSanitizer is active; otherwise peak() is 0.
class MemoryMeter {
 public:
  MemoryMeter();
  ~MemoryMeter();
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;
  std::size_t peak() const;
};

// docs/reliability.md: a reader takes at most 32 times the size of the file, and 16 MB. The
// fuzzers' files are small, so they allow only 1 MB.
constexpr std::size_t kMemoryFactor = 32;
constexpr std::size_t kMemoryBase = std::size_t{1} << 20;

// What the reader returns, or nothing if it refuses the input with a tapegrad::Error. Other
// exceptions, and more memory than the size of the input justifies, are failures.
template <class Read>
auto attempt(std::size_t input_bytes, const Read& read, std::size_t factor = kMemoryFactor) {
  std::optional<std::invoke_result_t<Read>> result;
  const MemoryMeter meter;
  try {
    result.emplace(read());
  } catch (const Error& error) {
    const std::string_view text = error.what();
    check(!text.empty(), "the text of the error is empty");
  }
  const std::size_t most = kMemoryBase + factor * input_bytes;
  if (meter.peak() > most) {
    fail("the reader took " + std::to_string(meter.peak()) + " bytes for an input of " +
         std::to_string(input_bytes) + ", allowed are " + std::to_string(most));
  }
  return result;
}

// Whether type, shape and every bit are equal.
bool same_bits(const Tensor& a, const Tensor& b);
// The same for all entries, in any order.
bool same_bits(const StateDict& a, const StateDict& b);

// For mutate() ----------------------------------------------------------------------------------

// Random numbers from a seed (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(bits() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::uint64_t state_;
};

// Changes single bytes without knowledge of the format, by the mutator of libFuzzer.
std::string mutate_bytes(std::string bytes, Random& random);

// Replaces, moves and repeats pieces of a text, and inserts the tokens.
std::string mutate_text(std::string text, Random& random, std::span<const std::string_view> tokens);

// Integers as decimal text, where programs make mistakes: around powers of two, zero, negative,
// too long.
std::string interesting_integer(Random& random);

// Puts the bits of infinities, NaNs, and the largest and smallest numbers into the bytes.
void put_special_elements(std::string& bytes, Random& random);

}  // namespace tapegrad::test
