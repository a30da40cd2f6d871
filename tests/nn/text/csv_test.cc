// Tests of the CSV parser, by the rules of RFC 4180. Read next: tokenizer_test.cc.
#include <tapegrad/nn/text/csv.h>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace tapegrad::nn;
using Fields = std::vector<std::string>;
using tapegrad::test::error_text;

namespace {

std::string csv_error(std::string_view text) {
  return error_text<tapegrad::FormatError>([&] { parse_csv(text, "f.csv"); });
}

}  // namespace

TEST_CASE("parse_csv: fields, with and without quotes") {
  const auto rows = parse_csv("a,b c,\n\"d\",\"e,f\",\"say \"\"hi\"\"\"\n,\"\"\n", "f.csv");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].fields == Fields{"a", "b c", ""});
  CHECK(rows[1].fields == Fields{"d", "e,f", "say \"hi\""});
  CHECK(rows[2].fields == Fields{"", ""});
  CHECK(parse_csv("5\" nail,x", "f.csv")[0].fields == Fields{"5\" nail", "x"});
}

TEST_CASE(
    "parse_csv: newlines in quotes, CRLF, a byte order mark, blank lines: the line numbers stay "
    "right") {
  const auto rows = parse_csv(
      "\xEF\xBB\xBF"
      "a,\"1\r\n2\n3\"\r\n\r\n\nb,c\r\nd,e",
      "f.csv");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].fields == Fields{"a", "1\r\n2\n3"});
  CHECK(rows[0].line == 1);
  CHECK(rows[1].fields == Fields{"b", "c"});
  CHECK(rows[1].line == 6);
  CHECK(rows[2].fields == Fields{"d", "e"});
  CHECK(rows[2].line == 7);
  CHECK(parse_csv("", "f.csv").empty());
  CHECK(parse_csv("\n\r\n", "f.csv").empty());
  CHECK(parse_csv("a\rb,c", "f.csv")[0].fields == Fields{"a\rb", "c"});
}

TEST_CASE("parse_csv: text that RFC 4180 does not allow throws with its line") {
  CHECK(csv_error("a,b\nc,\"d\ne\n") == "f.csv:2: quote is never closed");
  CHECK(csv_error("a,\"b\n\"\"c\nd") == "f.csv:1: quote is never closed");
  CHECK(csv_error("\"") == "f.csv:1: quote is never closed");
  CHECK(csv_error("a,b\n\"c\nd\" e,f\n") ==
        "f.csv:3: text after a closing quote; write a quote inside a field twice");
}

TEST_CASE("parse_csv: another separator") {
  const auto rows = parse_csv("a;\"b;c\";1,5\n", "f.csv", ';');
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].fields == Fields{"a", "b;c", "1,5"});
}
