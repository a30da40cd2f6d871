// Reads blocks, cuts them where a line ends, and decodes them. Read next: corpus.h.
#include "common/text_stream.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace examples {
namespace {

[[noreturn]] void fail(const char* operation, const std::string& path, const std::string& reason) {
  throw tapegrad::IoError(std::string(operation) + ": cannot read " + path + ": " + reason);
}

// How many bytes to decode next: up to the last end of a line; if there is none, up to the last
// space; if there is none either, all but a character of UTF-8 that may be incomplete.
std::size_t end_of_block(std::string_view bytes) {
  for (const char* ends : {"\n", " \t"}) {
    const std::size_t last = bytes.find_last_of(ends);
    if (last != std::string_view::npos) return last + 1;
  }
  std::size_t end = bytes.size();
  while (end > 0 && bytes.size() - end < 3 &&
         (static_cast<unsigned char>(bytes[end - 1]) & 0xC0) == 0x80) {
    --end;
  }
  if (end > 0 && static_cast<unsigned char>(bytes[end - 1]) >= 0xC0) --end;
  return end == 0 ? bytes.size() : end;
}

}  // namespace

TextStream::TextStream(const std::string& path, const char* operation)
    : path_(path), operation_(operation) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    fail(operation, path, error ? error.message() : std::strerror(ENOENT));
  }
  if (std::filesystem::is_directory(status)) fail(operation, path, std::strerror(EISDIR));
  if (!std::filesystem::is_regular_file(status)) {
    fail(operation, path,
         "it is a pipe or a device, and it is read more than once; write it into a file first");
  }
  errno = 0;
  file_.open(path, std::ios::binary);
  if (!file_) fail(operation, path, std::strerror(errno));
}

bool TextStream::next(std::string_view& line) {
  if (position_ == block_.size() && !read_block()) return false;
  const std::size_t end = std::min(block_.find('\n', position_), block_.size());
  line = std::string_view(block_).substr(position_, end - position_);
  position_ = std::min(end + 1, block_.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

bool TextStream::read_block() {
  do {
    const std::size_t held = bytes_.size();
    bytes_.resize(held + kLongestLine);
    errno = 0;
    file_.read(bytes_.data() + held, static_cast<std::streamsize>(kLongestLine));
    if (file_.bad()) fail(operation_, path_, std::strerror(errno));
    bytes_.resize(held + static_cast<std::size_t>(file_.gcount()));
    if (bytes_.empty()) return false;
    if (lines_ == 0 && (bytes_.starts_with("\xFF\xFE") || bytes_.starts_with("\xFE\xFF"))) {
      tapegrad::nn::throw_format_error(path_, 1, "this is UTF-16; convert it to UTF-8 with iconv");
    }
    const std::size_t end = file_.eof() ? bytes_.size() : end_of_block(bytes_);
    const std::string_view block = std::string_view(bytes_).substr(0, end);
    block_ = tapegrad::nn::to_utf8(std::string(block), path_, lines_ + 1);
    lines_ += std::count(block.begin(), block.end(), '\n');
    bytes_.erase(0, end);
    position_ = 0;
  } while (block_.empty());  // a block may hold no more than a byte order mark
  return true;
}

}  // namespace examples
