// Lines of a stream as they arrive: the lines that are there are returned together, before the next
// read. Read next: input_lines.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

// A line as UTF-8, without spaces at its ends; or the reason why it is not a text.
struct InputLine {
  std::int64_t number = 0;  // counted from 1
  std::string text;
  std::string error;  // empty: the text can be used
};

// The text of some bytes. Windows-1252 is converted; the error says what is wrong with bytes that
// are neither UTF-8 nor Windows-1252, that have a NUL, or that are longer than kLongestLine.
InputLine input_line(std::string_view bytes, std::int64_t number);

inline constexpr std::size_t kLongestLine = 1'000'000;  // in bytes

// Reads a file, or standard input if the path is `-`. It needs memory for the lines of one read and
// for one line, however long the stream is.
class InputLines {
 public:
  explicit InputLines(const std::string& path);  // IoError if it cannot be opened
  ~InputLines();
  InputLines(const InputLines&) = delete;
  InputLines& operator=(const InputLines&) = delete;

  // Waits until at least one line is there, and returns all complete lines that are: one from a
  // terminal, thousands from a file. Returns no lines at the end. IoError if reading fails,
  // FormatError if the stream begins as gzip or UTF-16 does.
  std::vector<InputLine> next();

 private:
  void take_line(std::string_view bytes, std::vector<InputLine>& lines);

  std::string path_;
  int file_;
  std::string pending_;  // the beginning of a line whose end is not read yet
  bool first_ = true;    // nothing was read yet
  bool ended_ = false;
  std::int64_t count_ = 0;
  std::vector<char> buffer_;
};

}  // namespace text_classifier
