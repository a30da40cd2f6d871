// Reading text files: encoding, lines, and errors with the file and the line. Read next:
// nn/text/text_file.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tapegrad::nn {

// Throws FormatError `file:line: message`, or only the message if `file` is empty.
[[noreturn]] void throw_format_error(const std::string& file, std::int64_t line,
                                     const std::string& message);

// Returns the bytes as UTF-8, without a byte order mark. UTF-16 is converted if it begins with a
// byte order mark; Windows-1252, and so Latin-1, is recognized and converted. Bytes that are not
// UTF-8 count as Windows-1252 if they hold no NUL, none of the five bytes without a meaning and no
// valid multi-byte sequence of UTF-8 (which would mean damaged UTF-8), and if at most a third of
// the letters are accented (more would mean another alphabet). FormatError with the line number for
// anything else. The error uses `name` as the file name, and `line` as the number of the first
// line; see throw_format_error().
std::string to_utf8(std::string bytes, const std::string& name, std::int64_t line = 1);

// Reads a whole file and converts it with to_utf8(). IoError, which begins with `operation`, if it
// cannot be read; FormatError as to_utf8().
std::string read_text(const std::string& path, const char* operation = "read_text");

// Returns the lines of a text one after the other, without their line ends, LF or CRLF. The last
// line may have no line end. The text must outlive the reader and the lines.
//
//   LineReader lines(text);
//   for (std::string_view line; lines.next(line);) std::cout << lines.number() << ' ' << line;
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  bool next(std::string_view& line);               // false at the end, and then `line` is unchanged
  std::int64_t number() const { return number_; }  // of the line last returned, counted from 1

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

// Removes spaces, tabs and carriage returns at both ends.
std::string_view trim(std::string_view text);

}  // namespace tapegrad::nn
