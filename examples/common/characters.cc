// Parses the range of lengths, and computes the buckets of n-grams.
#include "common/characters.h"

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>

#include "common/hashing.h"

namespace examples {
namespace {

bool is_cjk_token(std::string_view token) {
  return !token.empty() && tapegrad::nn::is_cjk(tapegrad::nn::decode_utf8(token, 0).value);
}

// Where the code points of a text begin, and its end.
std::vector<std::size_t> boundaries_of(std::string_view text) {
  std::vector<std::size_t> boundaries;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) boundaries.push_back(at);
  }
  boundaries.push_back(text.size());
  return boundaries;
}

// The n-grams of a word that has a space at both ends.
void append_word(std::string_view word, const std::vector<std::size_t>& at,
                 const Characters& characters, std::int64_t first_row,
                 std::vector<std::int64_t>& ids) {
  const std::size_t points = at.size() - 1;
  for (std::size_t begin = 0; begin < points; ++begin) {
    std::uint64_t hash = kHashStart;
    for (std::size_t n = 1;
         n <= static_cast<std::size_t>(characters.longest) && begin + n <= points; ++n) {
      const std::size_t last = begin + n - 1;
      hash = hash_of(word.substr(at[last], at[last + 1] - at[last]), hash);
      const bool is_space = n == 1 && (begin == 0 || begin + 1 == points);
      if (is_space || n < static_cast<std::size_t>(characters.shortest)) continue;
      ids.push_back(first_row + static_cast<std::int64_t>(to_32_bits(hash)) % characters.buckets);
    }
  }
}

}  // namespace

Characters parse_characters(const std::string& text, std::int64_t buckets,
                            const std::string& option) {
  if (text.empty()) return {};
  Characters characters{.buckets = buckets};
  const char* const end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, characters.shortest);
  characters.longest = characters.shortest;
  if (error == std::errc() && stop != end && *stop == '-') {
    const auto second = std::from_chars(stop + 1, end, characters.longest);
    stop = second.ptr;
    error = second.ec;
  }
  if (error != std::errc() || stop != end || characters.shortest < 1 ||
      characters.longest < characters.shortest || characters.longest > Characters::kLongest) {
    throw tapegrad::ValueError(option + " is '" + text +
                               "', needed the lengths of character n-grams, from 1 to " +
                               std::to_string(Characters::kLongest) + ", such as 1-5");
  }
  return characters;
}

void append_characters(std::span<const std::string> tokens, const Characters& characters,
                       std::int64_t first_row, std::int64_t most, std::vector<std::int64_t>& ids) {
  for (std::size_t i = 0; i < tokens.size() && most > 0;) {
    std::string word = " " + tokens[i];
    const bool is_cjk = is_cjk_token(tokens[i]);
    for (++i; is_cjk && i < tokens.size() && is_cjk_token(tokens[i]); ++i) word += tokens[i];
    std::vector<std::size_t> at = boundaries_of(word);
    if (const std::int64_t points = std::ssize(at) - 2; points > most) {
      at.resize(static_cast<std::size_t>(most) + 2);
      word.resize(at.back());
    }
    most -= std::ssize(at) - 2;
    word += ' ';
    at.push_back(word.size());
    append_word(word, at, characters, first_row, ids);
  }
}

}  // namespace examples
