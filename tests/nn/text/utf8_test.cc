// Tests of UTF-8: decoding and encoding of every code point, lowercase letters, CJK. Read next:
// text_file_test.cc.
#include <tapegrad/nn/text/utf8.h>

#include "catch.h"

using namespace tapegrad::nn;

namespace {

std::string lower(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    append_utf8(result, to_lower(point.value));
    i += point.length;
  }
  return result;
}

}  // namespace

TEST_CASE("UTF-8: every code point survives encoding and decoding") {
  std::size_t wrong = 0;
  for (char32_t c = 1; c <= 0x10FFFF; ++c) {
    if (c == 0xD800) c = 0xE000;
    std::string text;
    append_utf8(text, c);
    const CodePoint point = decode_utf8(text, 0);
    if (point.value != c || point.length != text.size() || point.malformed()) ++wrong;
    if (first_invalid_utf8(text) != std::string_view::npos) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("UTF-8: the first byte that is not UTF-8 is found") {
  const std::size_t none = std::string_view::npos;
  CHECK(first_invalid_utf8("") == none);
  CHECK(first_invalid_utf8("Grüße, 世界 😀") == none);
  CHECK(first_invalid_utf8("ab\xFF") == 2);
  CHECK(first_invalid_utf8("ab\x80") == 2);            // continuation without a lead
  CHECK(first_invalid_utf8("\xC3") == 0);              // cut short
  CHECK(first_invalid_utf8("x\xE4\xB8") == 1);         // cut short
  CHECK(first_invalid_utf8("x\xE4\xB8!") == 1);        // continuation missing
  CHECK(first_invalid_utf8("\xC0\xAF") == 0);          // overlong /
  CHECK(first_invalid_utf8("\xE0\x80\xAF") == 0);      // overlong
  CHECK(first_invalid_utf8("\xF0\x80\x80\xAF") == 0);  // overlong
  CHECK(first_invalid_utf8("\xED\xA0\x80") == 0);      // surrogate
  CHECK(first_invalid_utf8("\xF4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(first_invalid_utf8("\xF8\x88\x80\x80\x80") == 0);
  const std::string ascii(20, 'a');  // read eight bytes at a time
  for (std::size_t length = 0; length <= ascii.size(); ++length) {
    const std::string start = ascii.substr(0, length);
    CHECK(is_utf8(start));
    CHECK(is_utf8(start + "ü" + ascii));
    CHECK(first_invalid_utf8(start + "\xFF" + ascii) == length);
    CHECK(first_invalid_utf8(start + "\xC3") == length);
  }
}

TEST_CASE("UTF-8: values that it cannot represent are replaced") {
  for (const char32_t c : {0xD800U, 0xDFFFU, 0x110000U, 0xFFFFFFFFU}) {
    std::string text = "a";
    append_utf8(text, c);
    CHECK(text == "a\uFFFD");
    CHECK_FALSE(decode_utf8(text, 1).malformed());
  }
}

TEST_CASE("to_lower: letters of ASCII, Latin-1, Greek and Cyrillic") {
  CHECK(lower("ABCXYZ [1]") == "abcxyz [1]");
  CHECK(lower("ÀÉÑÖØÞ×ß÷ÿ") == "àéñöøþ×ß÷ÿ");
  CHECK(lower("ΑΒΓΣΩ ΆΈΉΊΌΎΏ ΪΫ") == "αβγσω άέήίόύώ ϊϋ");
  CHECK(lower("АБВЯ ЁЂЏІЇ") == "абвя ёђџії");
  CHECK(lower("世界ひらカタ") == "世界ひらカタ");
}

TEST_CASE("is_cjk: true for Chinese and Japanese characters only") {
  for (const char32_t c : U"世一龥〇々ひカー㐀ｱ𠀀") {
    if (c != 0) CHECK(is_cjk(c));
  }
  for (const char32_t c : U"aZ9éЖω한、。・「！ ") CHECK_FALSE(is_cjk(c));
}
