// UTF-8 without a library: decoding, checking, and the few facts about letters that a tokenizer
// needs. Read next: text_file.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace text_classifier {

// What stands for bytes that are not UTF-8.
inline constexpr char32_t kReplacement = 0xFFFD;

struct CodePoint {
  char32_t value = kReplacement;
  std::size_t length = 1;  // bytes taken

  // A malformed byte is taken alone; a replacement character that was written takes three.
  bool malformed() const { return value == kReplacement && length == 1; }
};

// The code point at `position` < text.size(). Refuses what RFC 3629 refuses: overlong forms,
// surrogates, values above U+10FFFF, sequences cut short.
CodePoint decode_utf8(std::string_view text, std::size_t position);

// Position of the first byte that is not UTF-8, or std::string_view::npos.
std::size_t first_invalid_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

// Each byte of Latin-1 (ISO 8859-1) is the code point of the same number.
std::string latin1_to_utf8(std::string_view bytes);

// Small letter of a capital: ASCII, Latin-1, Greek and Cyrillic (Russian, Ukrainian, Serbian),
// which are the alphabets whose small letters lie at a fixed distance. All else stays as it is.
char32_t to_lower(char32_t code_point);

// Chinese and Japanese characters: Han, Hiragana, Katakana. Words of these are written without
// spaces between them. Korean Hangul has spaces, and is not among them.
bool is_cjk(char32_t code_point);

}  // namespace text_classifier
