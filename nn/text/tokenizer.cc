// The tokenizer: one pass over the code points. Read next: nn/text/vocabulary.h.
#include <tapegrad/nn/text/tokenizer.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <utility>

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>

namespace tapegrad::nn {
namespace {

constexpr std::string_view kName = "words-";
constexpr std::string_view kNgrams = " ngrams=";

template <std::size_t N>
bool in_any(const std::pair<char32_t, char32_t> (&ranges)[N], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const auto& range) { return range.first <= c && c <= range.second; });
}

// Spaces and control characters; outside ASCII also joiners, direction marks and variation
// selectors.
bool is_blank(char32_t c) {
  if (c < 0x7F) return c <= ' ';
  constexpr std::pair<char32_t, char32_t> kBlank[] = {
      {0x7F, 0xA0},     {0xAD, 0xAD},     {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F},
      {0x3000, 0x3000}, {0xE000, 0xF8FF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFF}};
  return in_any(kBlank, c);
}

// Soft hyphen, zero-width joiner and non-joiner, direction marks, word joiner, variation selectors,
// byte order mark. They are inside of words: a soft hyphen is where a line may end, and Persian
// writes a non-joiner between the parts of a word.
bool is_joiner(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kJoiners[] = {
      {0xAD, 0xAD}, {0x200C, 0x200F}, {0x2060, 0x2060}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};
  return in_any(kJoiners, c);
}

// Punctuation and symbols: those of Latin-1 (where ª, µ and º are letters), the blocks from dashes
// to arrows and mathematics, Chinese and Japanese punctuation, half-width forms, emoji.
bool is_mark(char32_t c) {
  if (c < 0x7F) {
    return c > ' ' && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
  }
  constexpr std::pair<char32_t, char32_t> kMarks[] = {
      {0xA1, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},
      {0xF7, 0xF7},     {0x2010, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3001, 0x303F}, {0x30A0, 0x30A0},
      {0x30FB, 0x30FB}, {0xFE10, 0xFE6F}, {0xFF61, 0xFF65}, {0xFFE0, 0xFFEE}, {0x1F300, 0x1FAFF}};
  return in_any(kMarks, c);
}

// For each ASCII letter or digit its lowercase form, and 0 for all other bytes.
constexpr std::array<char, 256> kAsciiWord = [] {
  std::array<char, 256> table{};
  for (std::size_t c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  for (std::size_t c = 'a'; c <= 'z'; ++c) table[c] = static_cast<char>(c);
  for (std::size_t c = 'A'; c <= 'Z'; ++c) table[c] = static_cast<char>(c + ('a' - 'A'));
  return table;
}();

char32_t fold(char32_t c) {
  const bool full_width = c >= 0xFF01 && c <= 0xFF5E;
  return to_lower(full_width ? c - 0xFEE0 : c);
}

}  // namespace

std::vector<std::string> tokenize(std::string_view text, int version) {
  std::vector<std::string> tokens;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) tokens.push_back(std::exchange(word, {}));
  };
  for (std::size_t position = 0; position < text.size();) {
    if (const char c = kAsciiWord[static_cast<unsigned char>(text[position])]; c != 0) {
      word += c;  // the fast path for most bytes
      ++position;
      continue;
    }
    const CodePoint point = decode_utf8(text, position);
    position += point.length;
    const char32_t c = fold(point.value);
    if (is_blank(c)) {
      if (version == 1 || !is_joiner(c)) end_word();
    } else if (is_cjk(c) || is_mark(c)) {
      end_word();
      append_utf8(word, c);
      end_word();
    } else {
      append_utf8(word, c);
    }
  }
  end_word();
  return tokens;
}

std::vector<std::string> ngrams(std::vector<std::string> tokens, std::int64_t longest) {
  const std::vector<std::string> words = tokens;
  for_each_ngram(words, longest, [&](std::string_view token, int n) {
    if (n > 1) tokens.emplace_back(token);
  });
  return tokens;
}

std::string Tokenizer::description() const {
  return std::string(kName) + std::to_string(version) + std::string(kNgrams) +
         std::to_string(longest_ngram);
}

Tokenizer Tokenizer::from_description(std::string_view description) {
  for (int version = 1; version <= kNewestTokenizer; ++version) {
    const std::string before = std::string(kName) + std::to_string(version) + std::string(kNgrams);
    if (!description.starts_with(before)) continue;
    Tokenizer tokenizer{.version = version};
    const char* end = description.data() + description.size();
    const auto [stop, error] =
        std::from_chars(description.data() + before.size(), end, tokenizer.longest_ngram);
    const bool in_range = tokenizer.longest_ngram >= 1 && tokenizer.longest_ngram <= kLongestNgram;
    if (error == std::errc() && stop == end && in_range) return tokenizer;
  }
  throw ValueError("tokenizer: got `" + std::string(description) +
                   "`, needed `words-1 ngrams=N` or `words-2 ngrams=N` with N from 1 to 9");
}

}  // namespace tapegrad::nn
