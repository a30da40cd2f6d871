// Reads a text of any size line by line, with memory for a few blocks. Read next: text_stream.cc.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace examples {

// Lines are decoded as nn::to_utf8() does. A line of more than kLongestLine bytes is returned in
// pieces, which are cut between words if it has spaces.
//
//   TextStream text("book.txt", "count_words");
//   for (std::string_view line; text.next(line);) ...
class TextStream {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{1} << 16;

  // IoError, which begins with `operation`, if the file cannot be read or is not a regular file.
  TextStream(const std::string& path, const char* operation);

  // The next line without its end, valid until the next call; false at the end of the file. IoError
  // if it cannot be read; FormatError with the file and the line for bytes that are no text.
  bool next(std::string_view& line);

 private:
  bool read_block();

  std::string path_;
  const char* operation_;
  std::ifstream file_;
  std::string bytes_;         // read, but not decoded yet
  std::string block_;         // decoded; it ends where a line or a piece of a line ends
  std::size_t position_ = 0;  // of the next line in block_
  std::int64_t lines_ = 0;    // before bytes_
};

}  // namespace examples
