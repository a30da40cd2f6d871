// Text: its encoding, its lines, and errors that name the file and the line.
// Read next: csv.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace text_classifier {

// Throws tapegrad::FormatError `file:line: message`.
[[noreturn]] void fail_at(const std::string& file, std::int64_t line, const std::string& message);

// The bytes as UTF-8, without a byte order mark. Latin-1 is recognised and converted: no NUL and no
// control bytes 0x80-0x9F, not one valid sequence of UTF-8 (that would be UTF-8 with damage), and
// accented letters in the minority (else it is some other alphabet). Anything else is refused with
// the line number; `name` is what the message calls the bytes, which begin in `line`.
std::string to_utf8(std::string bytes, const std::string& name, std::int64_t line = 1);

// A whole file through to_utf8. Throws tapegrad::IoError if it cannot be read.
std::string read_text(const std::string& path);

// Walks through the lines of a text; takes LF and CRLF. The text must outlive it.
//
//   Lines lines(text);
//   for (std::string_view line; lines.next(line);) std::cout << lines.number() << ' ' << line;
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool next(std::string_view& line);
  std::int64_t number() const { return number_; }  // of the last line, counted from 1

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

// Without the spaces, tabs and carriage returns at both ends.
std::string_view trim(std::string_view text);

}  // namespace text_classifier
