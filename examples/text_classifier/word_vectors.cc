// Line by line, from the right. Read next: metrics.h.
#include "word_vectors.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

#include <tapegrad/tensor/error.h>

#include "text_file.h"

namespace text_classifier {
namespace {

struct Head {
  std::int64_t words = 0;
  std::int64_t dim = 0;
};

// Exactly two integers.
std::optional<Head> parse_head(std::string_view line) {
  Head head;
  const char* end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, head.words);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, head.dim);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return head;
}

// Without its last field; empty if it has only one.
std::string_view without_last_field(std::string_view line) {
  return trim(line.substr(0, line.find_last_of(" \t") + 1));
}

std::int64_t count_fields(std::string_view line) {
  std::int64_t fields = 0;
  for (; !line.empty(); line = without_last_field(line)) ++fields;
  return fields;
}

// Numbers separated by spaces. As doubles, since 1e-46 is a fine 0.0f; not a number and
// infinity are refused, they would spread through the whole model.
void append_numbers(std::vector<float>& row, std::string_view text, const std::string& path,
                    std::int64_t line) {
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    if (*at == ' ' || *at == '\t') {
      ++at;
      continue;
    }
    double number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    const bool ended = stop == end || *stop == ' ' || *stop == '\t';
    const auto value = static_cast<float>(number);
    if (error != std::errc() || !ended || !std::isfinite(value)) {
      const std::string field(at, std::find(at, end, ' '));
      fail_at(path, line, "`" + field + "` is not a number");
    }
    row.push_back(value);
    at = stop;
  }
}

}  // namespace

WordVectors read_word_vectors(const std::string& path, const Vocabulary& vocabulary) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw tapegrad::IoError(path + ": cannot read: it is a folder");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw tapegrad::IoError(path + ": cannot open: " + std::strerror(errno));

  WordVectors vectors;
  std::optional<Head> head;
  std::vector<bool> seen(static_cast<std::size_t>(vocabulary.size()), false);
  std::int64_t number = 0;
  for (std::string buffer; std::getline(file, buffer);) {
    ++number;
    if (buffer.find('\0') != std::string::npos) {
      fail_at(path, number, "NUL byte: this is binary; the text format (.vec, .txt) is needed");
    }
    const std::string_view line = trim(buffer);  // word2vec ends its lines with a space
    if (number == 1) {
      head = parse_head(line);
      vectors.dim = head ? head->dim : count_fields(line) - 1;
      if (vectors.dim < 1) fail_at(path, 1, "expected a word and its numbers");
      if (head) continue;
    }
    if (line.empty()) continue;
    std::string_view token = line;
    for (std::int64_t i = 0; i < vectors.dim && !token.empty(); ++i) {
      token = without_last_field(token);
    }
    if (token.empty()) {
      fail_at(path, number, "fewer than " + std::to_string(vectors.dim) + " numbers after a word");
    }
    ++vectors.lines;
    const std::optional<std::int64_t> id = vocabulary.find(token);
    if (!id) {
      ++vectors.skipped;
    } else if (seen[static_cast<std::size_t>(*id)]) {
      ++vectors.duplicates;
    } else {
      seen[static_cast<std::size_t>(*id)] = true;
      vectors.ids.push_back(*id);
      append_numbers(vectors.rows, line.substr(token.size() + 1), path, number);
    }
  }
  if (file.bad()) throw tapegrad::IoError(path + ": cannot read to the end");
  if (vectors.lines == 0) fail_at(path, number + 1, "no word vectors in this file");
  if (head && head->words != vectors.lines) {
    fail_at(path, number,
            "the file ends after " + std::to_string(vectors.lines) +
                " vectors, but its head promises " + std::to_string(head->words));
  }
  return vectors;
}

}  // namespace text_classifier
