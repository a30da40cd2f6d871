// Internal. What files of word vectors look like: their numbers, and how their start tells the
// format. A line of text is split from the right: the last `dim` fields are the elements, and the
// rest is the word. Read next: nn/text/word_vectors_format.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::nn::detail {

inline constexpr std::size_t kReadAtOnce = std::size_t{1} << 18;
inline constexpr std::size_t kLongestWord = std::size_t{1} << 16;  // in a binary file
inline constexpr std::size_t kLongestLine = std::size_t{1} << 24;  // a million elements fit in
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A part of a file for an error text: on one line, and not too long.
std::string in_quotes(std::string_view text);

// A line without the blanks around it and its CR.
std::string_view trimmed(std::string_view line);

// Removes the last field from a trimmed line and returns it; the rest stays trimmed.
std::string_view take_last_field(std::string_view& line);

// Rounds once, to float32; 1e-46 becomes 0. Rejects nan, infinity and 1e39, because they would
// spread through a whole model.
std::optional<float> parse_number(std::string_view field);

// The remedy for a field such as `0,1`, to be appended to an error text; empty for fields that are
// no numbers with a point either.
std::string advice_for_comma(std::string_view field);

struct VectorsHeader {
  std::uint64_t rows = 0;
  std::uint64_t dim = 0;
};

// Exactly two integers, without signs.
std::optional<VectorsHeader> parse_vectors_header(std::string_view line);

// The first lines that are complete and not blank.
std::vector<std::string_view> first_lines(std::string_view text, bool ends_file);

// The dim of text without a header: the most frequent count of numbers in a line; among equally
// frequent counts, the earliest. (A word may itself end in a number.) 0 if no line has numbers.
std::size_t judge_dim(const std::vector<std::string_view>& lines);

// Whether at least half of the lines end with so many numbers.
bool most_have(const std::vector<std::string_view>& lines, std::uint64_t dim);

// Whether float32 elements follow the header rather than text. `data` is the start of the content
// after the header. It is text if most lines have as many numbers as the header announces.
// Otherwise it is binary if it has bytes that text cannot have, or if it has exactly the size of a
// binary file and no numbers, neither with a point nor with a comma.
bool is_binary(std::string_view data, bool ends_file, const VectorsHeader& header);

// What to do with a file that is often mistaken for word vectors; null for all others.
const char* advice_for_other(std::string_view start);

// The start of a file.
struct FileStart {
  std::string_view text;  // the first lines; the first one is complete
  bool ends_file;         // whether this is all of the file

  std::string_view first_line() const { return text.substr(0, text.find('\n')); }
  std::string_view other_lines() const {
    return text.substr(std::min(first_line().size() + 1, text.size()));
  }
};

// peek(n) returns the next n bytes, fewer only at the end of the file.
template <class Peek>
FileStart peek_start(const Peek& peek) {
  for (std::size_t bytes = kReadAtOnce;; bytes *= 2) {
    const std::string_view text = peek(bytes);
    const bool ends_file = text.size() < bytes;
    if (ends_file || bytes >= kLongestLine || std::ranges::count(text, '\n') > 1) {
      return {text, ends_file};
    }
  }
}

}  // namespace tapegrad::nn::detail
