// Decoding, Latin-1, small letters, and the judgement of a file's encoding.
#include "text_classifier/utf8.h"

#include "catch.h"
#include "examples/text_files.h"
#include "text_classifier/text_file.h"

using namespace text_classifier;

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

std::string utf8_error(const std::string& bytes) {
  return error_of<tapegrad::FormatError>([&] { to_utf8(bytes, "f"); });
}

}  // namespace

TEST_CASE("every code point survives encoding and decoding") {
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

TEST_CASE("the first byte that is not UTF-8 is found") {
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
}

TEST_CASE("small letters of ASCII, Latin-1, Greek and Cyrillic") {
  CHECK(lower("ABCXYZ [1]") == "abcxyz [1]");
  CHECK(lower("ÀÉÑÖØÞ×ß÷ÿ") == "àéñöøþ×ß÷ÿ");
  CHECK(lower("ΑΒΓΣΩ ΆΈΉΊΌΎΏ ΪΫ") == "αβγσω άέήίόύώ ϊϋ");
  CHECK(lower("АБВЯ ЁЂЏІЇ") == "абвя ёђџії");
  CHECK(lower("世界ひらカタ") == "世界ひらカタ");
}

TEST_CASE("Chinese and Japanese characters are told from others") {
  for (const char32_t c : U"世一龥〇々ひカー㐀ｱ𠀀") {
    if (c != 0) CHECK(is_cjk(c));
  }
  for (const char32_t c : U"aZ9éЖω한、。・「！ ") CHECK_FALSE(is_cjk(c));
}

TEST_CASE("Latin-1 is recognised, and nothing else is taken for it") {
  CHECK(to_utf8("plain", "f") == "plain");
  CHECK(to_utf8("\xEF\xBB\xBFmarked", "f") == "marked");
  CHECK(to_utf8("caf\xE9 in Z\xFCrich", "f") == "café in Zürich");

  CHECK(utf8_error("one\ntwo\nthr\xE9\x93"
                   "e\n") ==
        "f:3: byte 0xE9 is neither UTF-8 nor Latin-1; convert with iconv");  // control byte 0x93
  CHECK(utf8_error("caf\xC3\xA9 caf\xE9\n") ==
        "f:1: byte 0xE9 is neither UTF-8 nor Latin-1; convert with iconv");  // damaged UTF-8
  CHECK(utf8_error("\xD6\xD0\xC8\xCB\xC3\xF1\t1\n") ==
        "f:1: byte 0xD6 is neither UTF-8 nor Latin-1; convert with iconv");  // GB 2312
  CHECK(utf8_error(std::string("a\nb\0c", 5)) == "f:2: NUL byte: this is binary, not text");
}

TEST_CASE("lines end with LF or CRLF, and the last one may lack its end") {
  Lines lines("a\r\n\nb");
  std::string_view line;
  REQUIRE(lines.next(line));
  CHECK(line == "a");
  REQUIRE(lines.next(line));
  CHECK(line.empty());
  REQUIRE(lines.next(line));
  CHECK(line == "b");
  CHECK(lines.number() == 3);
  CHECK_FALSE(lines.next(line));
  CHECK(trim(" \t x y \r") == "x y");
  CHECK(trim(" \t ").empty());
}

TEST_CASE("a file that cannot be read is named") {
  const TemporaryFile file(
      "\xEF\xBB\xBF"
      "caf\xC3\xA9");
  CHECK(read_text(file.path()) == "café");
  CHECK(error_of<tapegrad::IoError>([] { read_text("/no/such/file"); }) ==
        "read_text: cannot open /no/such/file: No such file or directory");
  CHECK(error_of<tapegrad::IoError>([] { read_text("/"); }) ==
        "read_text: cannot read /: Is a directory");
}
