// Internal. Reads a file of lines, or of bytes, in blocks, so that the memory does not depend on
// its size. Read next: nn/text/word_vectors_read.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/nn/text/word_vectors_format.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad::nn::detail {

// Reads a file through a buffer, which grows as far as a call needs. A view is valid until the next
// call.
class BlockReader {
 public:
  BlockReader(const std::string& path, const std::string& operation)
      : path_(path),
        operation_(operation),
        file_(tapegrad::detail::system_file_ops(), path, operation.c_str()) {}

  const tapegrad::detail::OpenFile& file() const { return file_; }
  std::uint64_t size() const { return file_.size(); }

  [[noreturn]] void fail(std::uint64_t line, const std::string& text) const {
    throw FormatError(operation_ + ": " + path_ + ":" + std::to_string(line) + ": " + text);
  }

  // The next bytes, fewer only at the end of the file. They are not consumed.
  std::string_view peek(std::size_t bytes) {
    if (held() < bytes) fill(bytes);
    return {buffer_.data() + begin_, std::min(bytes, held())};
  }
  void skip(std::size_t bytes) { begin_ += bytes; }

  // The next line without its line end; nullopt at the end of the file.
  std::optional<std::string_view> next_line() {
    ++line_;
    for (std::size_t searched = 0;;) {
      const std::string_view text(buffer_.data() + begin_, held());
      const std::size_t end = text.find('\n', searched);
      if (end != std::string_view::npos) {
        skip(end + 1);
        return text.substr(0, end);
      }
      searched = text.size();
      if (searched > kLongestLine) {
        fail(line_, "a line of more than " + std::to_string(kLongestLine) +
                        " bytes: this is not a text file of word vectors");
      }
      if (peek(searched + 1).size() == searched) break;
    }
    if (held() == 0) return std::nullopt;
    const std::string_view rest(buffer_.data() + begin_, held());
    begin_ = end_;
    return rest;
  }
  std::uint64_t line() const { return line_; }  // of the last next_line(), counted from 1

 private:
  std::size_t held() const { return end_ - begin_; }

  void fill(std::size_t bytes) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, held());
    end_ = held();
    begin_ = 0;
    if (buffer_.size() < bytes) buffer_.resize(std::max({bytes, kReadAtOnce, 2 * buffer_.size()}));
    while (end_ < bytes) {
      const std::size_t count = file_.read_some(buffer_.data() + end_, buffer_.size() - end_);
      if (count == 0) return;
      end_ += count;
    }
  }

  std::string path_;
  std::string operation_;  // what errors begin with
  tapegrad::detail::OpenFile file_;
  std::vector<char> buffer_ = std::vector<char>(kReadAtOnce);
  std::size_t begin_ = 0;  // the unread bytes are those from begin_ to end_
  std::size_t end_ = 0;
  std::uint64_t line_ = 0;
};

}  // namespace tapegrad::nn::detail
