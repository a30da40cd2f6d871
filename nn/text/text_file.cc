// Detection of the encoding, and splitting into lines. Read next: nn/text/csv.h.
#include <tapegrad/nn/text/text_file.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>

namespace tapegrad::nn {
namespace {

std::int64_t lines_before(std::string_view text, std::size_t position) {
  return std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(position), '\n');
}

std::string hex(char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02X",
                static_cast<unsigned>(static_cast<unsigned char>(byte)));
  return text;
}

bool looks_like_windows1252(std::string_view bytes) {
  std::size_t letters = 0;
  std::size_t accented = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte > ' ') ++letters;
    if (byte < 0x80) continue;
    if (!is_windows1252(bytes[i]) || !decode_utf8(bytes, i).malformed()) return false;
    ++accented;
  }
  return accented * 3 <= letters;
}

}  // namespace

void throw_format_error(const std::string& file, std::int64_t line, const std::string& message) {
  const std::string place = file.empty() ? "" : file + ":" + std::to_string(line) + ": ";
  throw FormatError(place + message);
}

std::string to_utf8(std::string bytes, const std::string& name, std::int64_t line) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    bytes = utf16_to_utf8(std::string_view(bytes).substr(2), bytes.starts_with("\xFE"));
  }
  if (const std::size_t nul = bytes.find('\0'); nul != std::string::npos) {
    throw_format_error(name, line + lines_before(bytes, nul), "NUL byte: this is binary, not text");
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  const std::size_t invalid = first_invalid_utf8(bytes);
  if (invalid == std::string::npos) return bytes;
  if (looks_like_windows1252(bytes)) return windows1252_to_utf8(bytes);
  throw_format_error(
      name, line + lines_before(bytes, invalid),
      "byte " + hex(bytes[invalid]) + " is neither UTF-8 nor Windows-1252; convert with iconv");
}

std::string read_text(const std::string& path, const char* operation) {
  return to_utf8(read_file(path, operation), path);
}

bool LineReader::next(std::string_view& line) {
  if (rest_.empty()) return false;
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++number_;
  return true;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace tapegrad::nn
