// Reads from a file descriptor, because streams of the standard library wait for a full buffer.
// Read next: explain.h.
#include "text_classifier/input_lines.h"

#include <fcntl.h>
#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "text_classifier/source.h"

namespace text_classifier {
namespace {

namespace tg = tapegrad;

constexpr std::size_t kBuffer = 1 << 18;  // a few thousand short lines

[[noreturn]] void fail(const std::string& path) {
  throw tg::IoError("predict: cannot read " + name_of_source(path) + ": " + std::strerror(errno));
}

// A compressed file or UTF-16 has no lines that could be answered one by one.
void check_beginning(std::string_view bytes, const std::string& path) {
  const std::string name = "predict: " + name_of_source(path);
  if (bytes.starts_with("\x1F\x8B")) {
    throw tg::FormatError(name +
                          " is compressed with gzip, needed text; convert it with gunzip -c FILE");
  }
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    throw tg::FormatError(
        name + " is UTF-16, needed UTF-8; convert it with iconv -f UTF-16 -t UTF-8 FILE");
  }
}

}  // namespace

InputLine input_line(std::string_view bytes, std::int64_t number) {
  InputLine line{number, {}, {}};
  if (bytes.size() > kLongestLine) {
    line.error = "longer than " + std::to_string(kLongestLine) + " bytes";
    return line;
  }
  try {
    // Without a name: the error is part of an answer, which tells the line by itself.
    const std::string utf8 = tg::nn::to_utf8(std::string(bytes), "");
    line.text = tg::nn::trim(utf8);
  } catch (const tg::FormatError& error) {
    line.error = error.what();
  }
  return line;
}

InputLines::InputLines(const std::string& path)
    : path_(path),
      file_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      buffer_(kBuffer) {
  if (file_ < 0) fail(path_);
}

InputLines::~InputLines() {
  if (path_ != "-") ::close(file_);
}

std::vector<InputLine> InputLines::next() {
  std::vector<InputLine> lines;
  while (lines.empty() && !ended_) {
    const ssize_t count = ::read(file_, buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path_);
    std::string_view rest(buffer_.data(), static_cast<std::size_t>(count));
    if (std::exchange(first_, false)) check_beginning(rest, path_);
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      take_line(rest.substr(0, end), lines);
      rest.remove_prefix(end + 1);
    }
    ended_ = count == 0;
    // A line that is too long is kept only as far as needed to know that it is.
    pending_.append(rest.substr(0, kLongestLine + 1 - std::min(pending_.size(), kLongestLine + 1)));
    if (ended_ && !pending_.empty()) take_line({}, lines);
  }
  return lines;
}

// The end of a line, which follows the bytes that are pending.
void InputLines::take_line(std::string_view bytes, std::vector<InputLine>& lines) {
  ++count_;
  if (pending_.empty()) {
    lines.push_back(input_line(bytes, count_));
    return;
  }
  pending_.append(bytes);
  lines.push_back(input_line(pending_, count_));
  pending_.clear();
}

}  // namespace text_classifier
