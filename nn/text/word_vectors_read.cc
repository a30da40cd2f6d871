// Reads files of word vectors, block by block. Declared in nn/text/word_vectors.h. Read next:
// nn/text/word_vectors_write.cc.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <unordered_set>
#include <utility>

#include <tapegrad/nn/text/block_reader.h>
#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/nn/text/word_vectors_format.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {
namespace detail {
namespace {

static_assert(std::endian::native == std::endian::little, "floats are copied as bytes");

using Format = WordVectorsFormat;

// The vectors so far ------------------------------------------------------------------------------

// Collects the selected vectors, and counts the others in a report.
class VectorsBuilder {
 public:
  VectorsBuilder(const BlockReader& reader, const WordVectorsOptions& options) : reader_(reader) {
    if (options.max_words) most_ = static_cast<std::uint64_t>(*options.max_words);
    strict_ = options.strict;
    if (!options.vocabulary) return;
    filtered_ = true;
    wanted_.insert(options.vocabulary->begin(), options.vocabulary->end());
  }

  WordVectorsReport report;

  bool full() const { return words_.size() >= most_; }
  std::uint64_t most() const { return most_; }

  void expect(std::uint64_t rows, std::uint64_t dim) {
    if (filtered_) rows = std::min<std::uint64_t>(rows, wanted_.size());
    elements_.reserve(std::min(rows, most_) * dim);
  }

  // Whether to call keep() for this word, which is in `line`. If not, the report counts the word.
  bool wants(std::string_view word, std::uint64_t line) {
    ++report.entries;
    if (!is_utf8(word)) {
      ++report.not_utf8;
      add_fault(line, "the word " + in_quotes(word) + " is not UTF-8");
      return false;
    }
    if (filtered_ && !wanted_.contains(word)) {
      ++report.skipped;
      return false;
    }
    if (rows_.contains(word)) {
      ++report.duplicates;
      return false;
    }
    return true;
  }

  void keep(std::string_view word, std::span<const float> row) {
    rows_.insert(words_.emplace_back(word));
    elements_.insert(elements_.end(), row.begin(), row.end());
  }

  void malformed(std::uint64_t line, const std::string& reason) {
    if (strict_) reader_.fail(line, reason);
    ++report.malformed;
    add_fault(line, reason);
  }

  // FormatError if no line was usable; `line` is the last line.
  WordVectors finish(std::uint64_t line, std::uint64_t dim) {
    const std::int64_t faults = report.malformed + report.not_utf8;
    if (report.entries == 0 && !full()) reader_.fail(line, "no word vectors in this file");
    if (report.entries == faults && faults > 0) {
      reader_.fail(static_cast<std::uint64_t>(report.faults[0].line),
                   report.faults[0].reason + "; none of " + std::to_string(faults) +
                       " lines holds a word and " + std::to_string(dim) + " numbers");
    }
    rows_.clear();
    elements_.shrink_to_fit();
    const auto elements = std::make_shared<std::vector<float>>(std::move(elements_));
    std::vector<std::string> words(std::make_move_iterator(words_.begin()),
                                   std::make_move_iterator(words_.end()));
    const Shape shape{words.size(), dim};
    return WordVectors(std::move(words), from_data(elements->data(), shape, elements),
                       std::move(report));
  }

 private:
  void add_fault(std::uint64_t line, const std::string& reason) {
    if (report.faults.size() >= WordVectorsReport::kMostFaults) return;
    report.faults.push_back({static_cast<std::int64_t>(line), reason});
  }

  const BlockReader& reader_;
  bool strict_ = false;
  bool filtered_ = false;
  std::uint64_t most_ = UINT64_MAX;
  std::unordered_set<std::string_view> wanted_;  // views of options.vocabulary
  std::deque<std::string> words_;                // a deque, because its elements never move
  std::unordered_set<std::string_view> rows_;    // views of words_
  std::vector<float> elements_;
};

// The rows ----------------------------------------------------------------------------------------

// Removes fields.size() fields from the end of a line and stores them. Returns the rest, which is
// the word; it is empty if there are too few fields.
std::string_view split_from_right(std::string_view line, std::span<std::string_view> fields) {
  std::string_view word = trimmed(line);
  std::size_t left = fields.size();
  while (left > 0 && !word.empty()) fields[--left] = take_last_field(word);
  return word;
}

// Parses the fields. Returns the position of the first field that is not a number, or
// fields.size().
std::size_t parse_numbers(std::span<const std::string_view> fields, std::span<float> row) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::optional<float> number = parse_number(fields[i]);
    if (!number) return i;
    row[i] = *number;
  }
  return fields.size();
}

WordVectors read_text(BlockReader& reader, const std::optional<VectorsHeader>& header,
                      std::size_t dim, VectorsBuilder builder) {
  std::vector<float> row(dim);
  std::vector<std::string_view> fields(dim);
  if (header) reader.next_line();
  std::optional<std::string_view> line;
  while (!builder.full() && (line = reader.next_line())) {
    if (trimmed(*line).empty()) continue;
    const std::string_view word = split_from_right(*line, fields);
    if (word.empty()) {
      ++builder.report.entries;
      builder.malformed(reader.line(),
                        "fewer than " + std::to_string(dim) + " numbers after a word");
      continue;
    }
    if (word.find('\0') != std::string_view::npos) {
      ++builder.report.entries;
      builder.malformed(reader.line(), "NUL in the word " + in_quotes(word));
      continue;
    }
    if (!builder.wants(word, reader.line())) continue;
    const std::size_t parsed = parse_numbers(fields, row);
    if (parsed == dim) {
      builder.keep(word, row);
    } else {
      builder.malformed(reader.line(), in_quotes(fields[parsed]) + " is not a number" +
                                           advice_for_comma(fields[parsed]));
    }
  }
  const auto entries = static_cast<std::uint64_t>(builder.report.entries);
  if (header && entries > 0 && entries != header->rows && !(builder.full() && line)) {
    reader.fail(reader.line(), "the file has " + std::to_string(entries) +
                                   " vectors, but its header announces " +
                                   std::to_string(header->rows) +
                                   "; was it cut off? If not, correct the first line");
  }
  return builder.finish(reader.line(), dim);
}

void skip_newlines(BlockReader& reader) {  // after a vector, word2vec writes one, gensim none
  while (reader.peek(1) == "\n") reader.skip(1);
}

// A row of a binary file: the word, a space, and dim float32 elements.
struct BinaryRow {
  std::string_view word;
  std::string_view elements;
};

// Reads the next row; `number` is its number, counted from 1. The result is valid until the next
// call.
BinaryRow take_binary_row(BlockReader& reader, const VectorsHeader& header, std::uint64_t number) {
  skip_newlines(reader);
  const std::size_t length = reader.peek(kLongestWord).find(' ');
  const std::size_t needed = length + 1 + static_cast<std::size_t>(header.dim) * sizeof(float);
  if (length == std::string_view::npos && reader.peek(kLongestWord).size() == kLongestWord) {
    reader.fail(number, "no space ends the word of this vector; is its dim " +
                            std::to_string(header.dim) + ", as the header says?");
  }
  if (length == std::string_view::npos || reader.peek(needed).size() < needed) {
    reader.fail(number, "the file ends in vector " + std::to_string(number) + " of " +
                            std::to_string(header.rows) + "; was it cut off?");
  }
  const std::string_view bytes = reader.peek(needed);
  reader.skip(needed);
  return {bytes.substr(0, length), bytes.substr(length + 1)};
}

WordVectors read_binary(BlockReader& reader, const VectorsHeader& header, VectorsBuilder builder) {
  const auto dim = static_cast<std::size_t>(header.dim);
  std::vector<float> row(dim);
  reader.next_line();
  std::uint64_t number = 0;
  while (number < header.rows && !builder.full()) {
    ++number;
    const auto [word, elements] = take_binary_row(reader, header, number);
    if (!builder.wants(word, number)) continue;
    std::memcpy(row.data(), elements.data(), elements.size());
    const auto wrong = std::ranges::find_if_not(row, [](float x) { return std::isfinite(x); });
    if (word.empty()) {
      builder.malformed(number, "no word before the elements");
    } else if (wrong != row.end()) {
      builder.malformed(number, "element " + std::to_string(wrong - row.begin() + 1) + " is " +
                                    (std::isnan(*wrong) ? "not a number" : "infinite"));
    } else {
      builder.keep(word, row);
    }
  }
  if (number == header.rows) {
    skip_newlines(reader);
    if (!reader.peek(1).empty()) {
      reader.fail(number, "bytes follow the last of " + std::to_string(header.rows) +
                              " vectors; does the header say what the file holds?");
    }
  }
  return builder.finish(number, dim);
}

// The header, and the whole file ------------------------------------------------------------------

// The header, if the format has one. If the format is not given, a first line of two integers is a
// header.
std::optional<VectorsHeader> find_header(const BlockReader& reader, const FileStart& start,
                                         std::optional<Format> format) {
  if (format == Format::glove_text) return std::nullopt;
  const std::optional<VectorsHeader> header = parse_vectors_header(start.first_line());
  if (format && !header) {
    reader.fail(1, "needed the header of " + std::string(name(*format)) + ", two integers, got " +
                       in_quotes(trimmed(start.first_line())) + "; GloVe text has none");
  }
  return header;
}

void check_header(const BlockReader& reader, const VectorsHeader& header,
                  std::uint64_t rows_to_read, std::uint64_t smallest_number) {
  if (header.dim == 0) reader.fail(1, "the header announces vectors of 0 elements");
  if (header.rows == 0) reader.fail(1, "the header announces 0 vectors");
  // Checked before memory is allocated for the announced size.
  const bool long_row = header.dim > reader.size() / smallest_number;
  if (long_row || rows_to_read > reader.size() / (header.dim * smallest_number + 1)) {
    reader.fail(1, "the header announces " + std::to_string(header.rows) + " vectors of " +
                       std::to_string(header.dim) + " elements, more than the file's " +
                       std::to_string(reader.size()) + " bytes can hold; was it cut off?");
  }
}

// The dim of a text file.
std::size_t find_text_dim(const BlockReader& reader, const FileStart& start,
                          const std::optional<VectorsHeader>& header) {
  if (!header && start.text.find('\0') != std::string_view::npos) {
    reader.fail(1, "this is binary, but has no word2vec header; is it another kind of file?");
  }
  const std::vector<std::string_view> lines =
      first_lines(header ? start.other_lines() : start.text, start.ends_file);
  const std::size_t dim = judge_dim(lines);
  if (dim == 0 && !(lines.empty() && start.ends_file)) {
    const std::uint64_t line = header ? 2 : 1;
    if (lines.empty()) reader.fail(line, "needed a word and its numbers, got blank lines");
    std::string_view text = lines[0];
    const std::string quoted = in_quotes(text);
    reader.fail(line, "needed a word and its numbers, got " + quoted +
                          advice_for_comma(take_last_field(text)));
  }
  if (header && !lines.empty() && !most_have(lines, header->dim)) {
    reader.fail(1, "the header announces " + std::to_string(header->dim) +
                       " elements for a vector, but the lines have " + std::to_string(dim));
  }
  return header ? static_cast<std::size_t>(header->dim) : dim;
}

WordVectors read_vectors(BlockReader& reader, const WordVectorsOptions& options) {
  if (const char* const advice = advice_for_other(reader.peek(4))) reader.fail(1, advice);
  if (reader.peek(kByteOrderMark.size()) == kByteOrderMark) reader.skip(kByteOrderMark.size());

  const FileStart start = peek_start([&](std::size_t bytes) { return reader.peek(bytes); });
  const std::optional<VectorsHeader> header = find_header(reader, start, options.format);
  VectorsBuilder builder(reader, options);
  Format format = Format::glove_text;
  if (header) {
    const bool binary = is_binary(start.other_lines(), start.ends_file, *header);
    format = options.format.value_or(binary ? Format::word2vec_binary : Format::word2vec_text);
    const std::uint64_t smallest_number = format == Format::word2vec_binary ? 4 : 2;  // bytes
    const std::uint64_t rows_to_read = std::min(header->rows, builder.most());
    check_header(reader, *header, rows_to_read, smallest_number);
    builder.expect(rows_to_read, header->dim);
  }
  builder.report.format = format;
  if (format == Format::word2vec_binary) return read_binary(reader, *header, std::move(builder));
  return read_text(reader, header, find_text_dim(reader, start, header), std::move(builder));
}

}  // namespace
}  // namespace detail

WordVectors load_word_vectors(const std::string& path, const WordVectorsOptions& options) {
  if (options.max_words && *options.max_words < 0) {
    throw ValueError(options.operation + ": max_words is " + std::to_string(*options.max_words) +
                     ", needed 0 or more");
  }
  detail::BlockReader reader(path, options.operation);
  return reader.file().within_memory([&] { return detail::read_vectors(reader, options); });
}

}  // namespace tapegrad::nn
