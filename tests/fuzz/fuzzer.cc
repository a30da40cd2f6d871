// The entry points of libFuzzer, and what all fuzzers share. Read next:
// tests/fuzz/safetensors_file.h.
#include "fuzz/fuzzer.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "sanitized.h"

#ifdef ADDRESS_SANITIZED
#define COUNTS_MEMORY 1
#endif
#ifdef COUNTS_MEMORY
// As in <sanitizer/allocator_interface.h>, which g++ has not.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_allocation)(const volatile void*,
                                                                               std::size_t),
                                                         void (*on_release)(const volatile void*));
extern "C" std::size_t __sanitizer_get_allocated_size(const volatile void* block);
#endif

// Defined by libFuzzer, or by replay.cc.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace tapegrad::test {

void fail(const std::string& text) {
  std::fprintf(stderr, "\nFAILED: %s\n", text.c_str());
  std::abort();
}

// Memory ------------------------------------------------------------------------------------------

namespace {

thread_local bool is_counting = false;
thread_local std::int64_t bytes_now = 0;
thread_local std::int64_t bytes_at_most = 0;

#ifdef COUNTS_MEMORY
void on_allocation(const volatile void*, std::size_t bytes) {
  if (!is_counting) return;
  bytes_now += static_cast<std::int64_t>(bytes);
  bytes_at_most = std::max(bytes_at_most, bytes_now);
}

void on_release(const volatile void* block) {
  if (!is_counting || block == nullptr) return;
  bytes_now -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(block));
}

const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(on_allocation, on_release);
#endif

}  // namespace

MemoryMeter::MemoryMeter() {
  bytes_now = bytes_at_most = 0;
  is_counting = true;
}
MemoryMeter::~MemoryMeter() { is_counting = false; }
std::size_t MemoryMeter::peak() const { return static_cast<std::size_t>(bytes_at_most); }

// Comparing ---------------------------------------------------------------------------------------

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  const std::size_t bytes = static_cast<std::size_t>(x.numel()) * item_size(x.dtype());
  return bytes == 0 || std::memcmp(x.data<std::byte>(), y.data<std::byte>(), bytes) == 0;
}

bool same_bits(const StateDict& a, const StateDict& b) {
  return a.size() == b.size() && std::ranges::all_of(a, [&](const StateDict::value_type& entry) {
           const Tensor* const other = b.find(entry.first);
           return other != nullptr && same_bits(entry.second, *other);
         });
}

// Mutating ----------------------------------------------------------------------------------------

std::string mutate_bytes(std::string bytes, Random& random) {
  const std::size_t size = bytes.size();
  const std::size_t most = std::max<std::size_t>(random.one_in(2) ? size : size + 16, 1);
  bytes.resize(most);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, most));
  return bytes;
}

std::string interesting_integer(Random& random) {
  static constexpr std::string_view kFixed[] = {"0",
                                                "1",
                                                "2",
                                                "3",
                                                "-1",
                                                "-0",
                                                "00",
                                                "1.0",
                                                "1e2",
                                                "18446744073709551615",
                                                "18446744073709551616",
                                                "9223372036854775807",
                                                "9223372036854775808",
                                                "-9223372036854775808",
                                                "99999999999999999999999",
                                                ""};
  if (random.one_in(2)) return std::string(random.pick(kFixed));
  if (random.one_in(2)) return std::to_string(random.below(20));
  return std::to_string((std::uint64_t{1} << random.below(64)) + random.below(3) - 1);
}

void put_special_elements(std::string& bytes, Random& random) {
  static constexpr std::uint64_t kFour[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
                                            0xFFFFFFFF, 0x00000001, 0x80000000, 0x7F7FFFFF,
                                            0x31313131, 0x20312031, 0x3F800000, 0};
  static constexpr std::uint64_t kEight[] = {0x7FF0000000000000,
                                             0x7FF8000000000000,
                                             0x7FFFFFFFFFFFFFFF,
                                             0x8000000000000000,
                                             0xFFFFFFFFFFFFFFFF,
                                             1,
                                             0x43E0000000000000,  // 2^63
                                             0x3FF0000000000000,  // 1
                                             0};
  const bool four = random.one_in(2);
  const std::size_t size = four ? 4 : 8;
  if (bytes.size() < size) return;
  const std::uint64_t value = four ? random.pick(kFour) : random.pick(kEight);
  std::memcpy(bytes.data() + random.below(bytes.size() / size) * size, &value, size);
}

namespace {

struct Piece {
  std::size_t begin;
  std::size_t size;
};

// A line with its line end.
Piece some_line(const std::string& text, Random& random) {
  const std::size_t at = random.below(text.size());
  const std::size_t before = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
  return {begin, end - begin};
}

// A run of digits, or an empty piece.
Piece some_number(const std::string& text, Random& random) {
  static constexpr std::string_view kDigits = "0123456789";
  std::size_t begin = text.find_first_of(kDigits, random.below(text.size()));
  if (begin == std::string::npos) begin = text.find_first_of(kDigits);
  if (begin == std::string::npos) return {0, 0};
  while (begin > 0 && kDigits.find(text[begin - 1]) != std::string_view::npos) --begin;
  return {begin, std::min(text.find_first_not_of(kDigits, begin), text.size()) - begin};
}

Piece some_piece(const std::string& text, Random& random) {
  const std::size_t begin = random.below(text.size());
  return {begin, 1 + random.below(std::min<std::size_t>(text.size() - begin, 12))};
}

void change_text(std::string& text, Random& random, std::span<const std::string_view> tokens) {
  if (text.empty() || random.one_in(5)) {
    const std::size_t at = random.below(text.size() + 1);
    if (!tokens.empty()) text.insert(at, random.pick(tokens));
    return;
  }
  switch (random.below(9)) {
    case 0: {  // replaces a piece
      const Piece piece = some_piece(text, random);
      if (!tokens.empty()) text.replace(piece.begin, piece.size, random.pick(tokens));
      break;
    }
    case 1: {
      const Piece line = some_line(text, random);
      text.erase(line.begin, line.size);
      break;
    }
    case 2: {  // repeats a line elsewhere
      const Piece line = some_line(text, random);
      const std::string copy = text.substr(line.begin, line.size);
      text.insert(some_line(text, random).begin, copy);
      break;
    }
    case 3: {
      const Piece number = some_number(text, random);
      if (number.size > 0) text.replace(number.begin, number.size, interesting_integer(random));
      break;
    }
    case 4: {
      const Piece piece = some_piece(text, random);
      text.erase(piece.begin, piece.size);
      break;
    }
    case 5: {  // repeats a piece elsewhere
      const Piece piece = some_piece(text, random);
      const std::string copy = text.substr(piece.begin, piece.size);
      text.insert(random.below(text.size()), copy);
      break;
    }
    case 6:
      if (random.one_in(4)) text.resize(random.below(text.size()));
      break;
    case 7: {  // changes a line end
      const Piece line = some_line(text, random);
      const std::size_t end = line.begin + line.size;
      static constexpr std::string_view kEnds[] = {"\r\n", "\n\n", "", "\r", "\n"};
      if (text[end - 1] == '\n') text.replace(end - 1, 1, random.pick(kEnds));
      break;
    }
    default:
      text = mutate_bytes(std::move(text), random);
  }
}

}  // namespace

std::string mutate_text(std::string text, Random& random,
                        std::span<const std::string_view> tokens) {
  for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
    change_text(text, random, tokens);
  }
  return text;
}

}  // namespace tapegrad::test

// The entry points of libFuzzer -------------------------------------------------------------------

using namespace tapegrad::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    run(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const std::exception& error) {
    fail(std::string("an exception escaped: ") + error.what());
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Random random(seed);
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::string changed =
      random.one_in(16) ? mutate_bytes(input, random) : mutate(input, random);
  if (changed.empty() || changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}
