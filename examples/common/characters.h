// Hashed n-grams of characters, beside the words of a text or instead of them: words with the same
// beginning, end or parts share rows of the table, so that unknown words, names and misspelled
// words say something too (Bojanowski and others, 2017). Read next: characters.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace examples {

// The n-grams of `shortest` to `longest` code points share `buckets` rows of the table, by their
// hash. A longest of 0 means none.
struct Characters {
  static constexpr std::int64_t kLongest = 9;
  static constexpr std::int64_t kMostBuckets = 100'000'000;
  static constexpr std::int64_t kDefaultBuckets = 65'536;

  std::int64_t shortest = 0;
  std::int64_t longest = 0;
  std::int64_t buckets = 0;

  bool used() const { return longest > 0; }
  bool operator==(const Characters&) const = default;
};

// Parses `1-5` or `3`, and `` as none. ValueError, which begins with `option`, for anything else.
Characters parse_characters(const std::string& text, std::int64_t buckets,
                            const std::string& option);

// A text is cut after so many code points for each word that it may have.
constexpr std::int64_t kCharactersPerWord = 20;
constexpr std::int64_t most_characters(std::int64_t words) {
  constexpr std::int64_t kEnough = 1'000'000'000;
  return kCharactersPerWord * (words < kEnough ? words : kEnough);
}

// Appends `first_row` + the bucket of each n-gram of the tokens. A word is read with a space before
// and after it, so that `␣ab` is the beginning of a word and `ab␣` is its end; a space alone is not
// counted. Tokens of Chinese and Japanese, which are single characters, form one word as long as
// they follow each other. At most `most` code points of the tokens are read.
void append_characters(std::span<const std::string> tokens, const Characters& characters,
                       std::int64_t first_row, std::int64_t most, std::vector<std::int64_t>& ids);

}  // namespace examples
