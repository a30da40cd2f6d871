// Text files: their encoding, their lines, and errors that name the file and the line.
// Read next: nn/text/csv.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tapegrad::nn {

// Throws FormatError `file:line: message`.
[[noreturn]] void throw_format_error(const std::string& file, std::int64_t line,
                                     const std::string& message);

// The bytes as UTF-8, without a byte order mark. Latin-1 is recognized and converted. It is taken
// for Latin-1 if there is no NUL, no control byte 0x80-0x9F, not one valid sequence of UTF-8 (else
// it is UTF-8 with damage), and if accented letters are a minority (else it is some other
// alphabet). FormatError with the line number for anything else; `name` is what the error calls the
// bytes, and `line` is the line in which they begin.
std::string to_utf8(std::string bytes, const std::string& name, std::int64_t line = 1);

// A whole file, converted by to_utf8(). IoError if it cannot be read, FormatError as there.
std::string read_text(const std::string& path);

// The lines of a text one after the other, without their ends, LF or CRLF; the last one may have no
// end. The text must outlive the reader and the lines.
//
//   LineReader lines(text);
//   for (std::string_view line; lines.next(line);) std::cout << lines.number() << ' ' << line;
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  bool next(std::string_view& line);               // false at the end; `line` is then unchanged
  std::int64_t number() const { return number_; }  // of the last line, counted from 1

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

// Without the spaces, tabs and carriage returns at both ends.
std::string_view trim(std::string_view text);

}  // namespace tapegrad::nn
