// Comma-separated values as RFC 4180 describes them. Read next: nn/text/tokenizer.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::nn {

struct CsvRow {
  std::vector<std::string> fields;
  std::int64_t line = 0;  // where the row begins, counted from 1
};

// The rows of a text. They end with LF or CRLF; a field in quotes may hold commas, line ends and
// doubled quotes; a byte order mark and blank lines are skipped. A quote inside a field that does
// not begin with one is an ordinary character. Rows may differ in their numbers of fields.
// FormatError with `file` and the line for a quote that is never closed, and for text between a
// closing quote and the next comma.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file);

}  // namespace tapegrad::nn
