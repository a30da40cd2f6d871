// UTF-8: decoding, checking, writing, and the few facts about letters that a tokenizer needs.
// Read next: nn/text/text_file.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tapegrad::nn {

// U+FFFD stands for bytes that are not UTF-8.
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct CodePoint {
  char32_t value = kReplacementCharacter;
  std::size_t length = 1;  // bytes taken

  // A malformed byte is taken alone; a replacement character that the text holds takes three.
  bool malformed() const { return value == kReplacementCharacter && length == 1; }
};

// The code point that begins at `position`, which must be less than text.size(). Malformed is what
// RFC 3629 refuses: overlong forms, surrogates, values above U+10FFFF, sequences that are cut
// short.
CodePoint decode_utf8(std::string_view text, std::size_t position);

// Position of the first byte that is not UTF-8, or std::string_view::npos.
std::size_t first_invalid_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) {
  return first_invalid_utf8(text) == std::string_view::npos;
}

// Adds a code point to the end. What UTF-8 cannot hold, a surrogate or a value above U+10FFFF,
// becomes the replacement character.
void append_utf8(std::string& text, char32_t code_point);

// Each byte of Latin-1 (ISO 8859-1) is the code point of the same value.
std::string latin1_to_utf8(std::string_view bytes);

// The small letter of a capital in ASCII, Latin-1, Greek and Cyrillic (Russian, Ukrainian,
// Serbian): in these alphabets the small letters lie at a fixed distance. All other code points
// stay as they are.
char32_t to_lower(char32_t code_point);

// Whether it is a Chinese or Japanese character: Han, Hiragana, Katakana. These scripts write words
// without spaces between them. Korean Hangul has spaces, and is not among them.
bool is_cjk(char32_t code_point);

}  // namespace tapegrad::nn
