// Tests of the detection of a file's encoding, and of lines. Read next: csv_test.cc.
#include <tapegrad/nn/text/text_file.h>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace tapegrad::nn;
using tapegrad::test::error_text;

namespace {

std::string utf8_error(const std::string& bytes) {
  return error_text<tapegrad::FormatError>([&] { to_utf8(bytes, "f"); });
}

}  // namespace

TEST_CASE("to_utf8: Windows-1252 and UTF-16 are recognized, and other encodings throw") {
  CHECK(to_utf8("plain", "f") == "plain");
  CHECK(to_utf8("\xEF\xBB\xBFmarked", "f") == "marked");
  CHECK(to_utf8("caf\xE9 in Z\xFCrich", "f") == "café in Zürich");
  CHECK(to_utf8("\x93yes, it costs\x94 \x96 5 \x80", "f") == "“yes, it costs” – 5 €");
  using std::string_literals::operator""s;
  CHECK(to_utf8("\xFF\xFEh\0i\0\xE9\0"s, "f") == "hié");
  CHECK(to_utf8("\xFE\xFF\0h\0i\0\xE9"s, "f") == "hié");
  CHECK(to_utf8("\xFF\xFE\x3D\xD8\x00\xDE"s, "f") == "😀");         // a surrogate pair
  CHECK(to_utf8("\xFF\xFE\x3D\xD8h\0"s, "f") == "\xEF\xBF\xBDh");  // a half of one
  CHECK(to_utf8("\xFF\xFEh\0i"s, "f") == "h\xEF\xBF\xBD");         // an odd byte
  CHECK(utf8_error("\xFF\xFEh\0\0\0"s) == "f:1: NUL byte: this is binary, not text");

  CHECK(utf8_error("one\ntwo\nthr\xE9\x81"
                   "e\n") ==
        "f:3: byte 0xE9 is neither UTF-8 nor Windows-1252; convert with iconv");  // no meaning
  CHECK(utf8_error("caf\xC3\xA9 caf\xE9\n") ==
        "f:1: byte 0xE9 is neither UTF-8 nor Windows-1252; convert with iconv");  // damaged UTF-8
  CHECK(utf8_error("\xD6\xD0\xC8\xCB\xC3\xF1\t1\n") ==
        "f:1: byte 0xD6 is neither UTF-8 nor Windows-1252; convert with iconv");  // GB 2312
  CHECK(utf8_error(std::string("a\nb\0c", 5)) == "f:2: NUL byte: this is binary, not text");
}

TEST_CASE("LineReader: lines end with LF or CRLF, and the last one may lack its end") {
  LineReader lines("a\r\n\nb");
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

TEST_CASE("read_text: the error names a file that cannot be read") {
  const TemporaryFile file(
      "\xEF\xBB\xBF"
      "caf\xC3\xA9");
  CHECK(read_text(file.path()) == "café");
  CHECK(error_text<tapegrad::IoError>([] { read_text("/no/such/file"); }) ==
        "read_text: cannot open /no/such/file: No such file or directory");
  CHECK(error_text<tapegrad::IoError>([] { read_text("/"); }) ==
        "read_text: cannot read /: Is a directory");
}
