// UTF-8: decoding, checking and writing, and the properties of characters that a tokenizer needs.
// Read next: nn/text/utf8.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tapegrad::nn {

// U+FFFD, which replaces bytes that are not UTF-8.
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct CodePoint {
  char32_t value = kReplacementCharacter;
  std::size_t length = 1;  // in bytes

  // A malformed byte has length 1; a replacement character in the text itself has length 3.
  bool malformed() const { return value == kReplacementCharacter && length == 1; }
};

// The code point that begins at `position`, which must be less than text.size(). Sequences that RFC
// 3629 forbids are malformed: overlong forms, surrogates, values above U+10FFFF, incomplete
// sequences.
CodePoint decode_utf8(std::string_view text, std::size_t position);

// Position of the first byte that is not UTF-8, or std::string_view::npos.
std::size_t first_invalid_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) {
  return first_invalid_utf8(text) == std::string_view::npos;
}

// Appends a code point. A surrogate or a value above U+10FFFF, which UTF-8 cannot represent,
// becomes the replacement character.
void append_utf8(std::string& text, char32_t code_point);

// Converts Windows-1252. It is Latin-1 (ISO 8859-1), where each byte is the code point of the same
// value, with quotes, dashes and letters in place of the control characters 0x80 to 0x9F. Five of
// these have no meaning; they become the replacement character.
std::string windows1252_to_utf8(std::string_view bytes);
bool is_windows1252(char byte);  // whether it has a meaning

// Converts UTF-16, without a byte order mark. Half of a surrogate pair, and a last odd byte, become
// the replacement character.
std::string utf16_to_utf8(std::string_view bytes, bool big_endian);

// Returns the lowercase letter of an uppercase letter of ASCII, Latin-1, Greek or Cyrillic
// (Russian, Ukrainian, Serbian), and all other code points unchanged. In these alphabets, lowercase
// letters have a fixed distance from the uppercase letters.
char32_t to_lower(char32_t code_point);

// Whether it is a Chinese or Japanese character: Han, Hiragana or Katakana, which are written
// without spaces between words. Korean Hangul does not count, because it has spaces.
bool is_cjk(char32_t code_point);

}  // namespace tapegrad::nn
