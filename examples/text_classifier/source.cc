// Reading, decompressing, decoding. Read next: table.h.
#include "text_classifier/source.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#ifdef TEXT_CLASSIFIER_ZLIB
#include <zlib.h>
#endif

namespace text_classifier {
namespace {

constexpr std::string_view kGzip = "\x1F\x8B";

#ifdef TEXT_CLASSIFIER_ZLIB
// Text becomes 3 to 10 times as large. A small file that becomes huge is not a text, but made to
// fill the memory.
constexpr std::size_t kLargestRatio = 200;
constexpr std::size_t kAlwaysAllowed = std::size_t{16} << 20;

// One or more gzip files one after the other (RFC 1952).
std::string decompressed(std::string_view bytes, const std::string& name) {
  const auto fail = [&](const char* reason) {
    throw tapegrad::FormatError(name + ": damaged gzip file: " + reason);
  };
  z_stream stream{};
  constexpr int kGzipOnly = 16;
  if (inflateInit2(&stream, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};

  std::string text;
  std::string block(std::size_t{1} << 16, '\0');
  std::size_t given = 0;
  for (bool finished = false; !finished;) {
    if (stream.avail_in == 0) {
      const std::size_t next = std::min(bytes.size() - given, std::size_t{1} << 30);
      if (next == 0) fail("it was cut off");
      // zlib does not write to its input, though the pointer is not const.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + given));
      stream.avail_in = static_cast<uInt>(next);
      given += next;
    }
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      fail(stream.msg != nullptr ? stream.msg : "wrong data");
    }
    text.append(block, 0, block.size() - stream.avail_out);
    if (text.size() > kAlwaysAllowed && text.size() / kLargestRatio > bytes.size()) {
      fail("it becomes more than 200 times as large, which a text does not");
    }
    if (status == Z_STREAM_END) {
      finished = stream.avail_in == 0 && given == bytes.size();
      if (!finished) inflateReset(&stream);
    }
  }
  return text;
}
#else
std::string decompressed(std::string_view, const std::string& name) {
  throw tapegrad::FormatError(name + ": this program was built without zlib; use gunzip first");
}
#endif

std::string bytes_of(const std::string& path, const char* operation) {
  if (path != "-") {
    refuse_pipe(path, operation, ", or give the name - and pass it as standard input");
    return tapegrad::read_file(path, operation);
  }
  std::string bytes{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (std::cin.bad())
    throw tapegrad::IoError(std::string(operation) + ": cannot read standard input");
  return bytes;
}

}  // namespace

std::string name_of_source(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

std::string read_source(const std::string& path, const char* operation) {
  const std::string name = name_of_source(path);
  std::string bytes = bytes_of(path, operation);
  if (bytes.starts_with(kGzip)) bytes = decompressed(bytes, name);
  std::string text = tapegrad::nn::to_utf8(std::move(bytes), name);
  if (text.find('\n') == std::string::npos) std::ranges::replace(text, '\r', '\n');
  return text;
}

void refuse_pipe(const std::string& path, const char* operation, const char* or_else) {
  std::error_code ignored;
  const auto type = std::filesystem::status(path, ignored).type();
  if (type != std::filesystem::file_type::fifo && type != std::filesystem::file_type::socket &&
      type != std::filesystem::file_type::character) {
    return;
  }
  throw tapegrad::IoError(std::string(operation) + ": cannot read " + path +
                          ": it is a pipe or a device; write its output into a file first" +
                          or_else);
}

}  // namespace text_classifier
