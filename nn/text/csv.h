// A parser for comma-separated values (RFC 4180). Read next: nn/text/csv.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::nn {

struct CsvRow {
  std::vector<std::string> fields;
  std::int64_t line = 0;  // the line in which the row begins, counted from 1
};

// Returns the rows of a text, whose fields stand between separators (Excel writes `;` where the
// comma is in numbers). Rows end with LF or CRLF. A quoted field may hold commas, line ends
// and doubled quotes. A byte order mark and blank lines are skipped. In a field that does not begin
// with a quote, quotes are ordinary characters. Rows may have different numbers of fields.
// FormatError with `file` and the line for a quote that is never closed, and for text between a
// closing quote and the next comma.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char separator = ',');

}  // namespace tapegrad::nn
