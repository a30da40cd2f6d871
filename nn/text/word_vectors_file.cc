// Reads and writes files of word vectors. A line of text is split from the right: the last `dim`
// fields are the elements, and the rest is the word. Declared in nn/text/word_vectors.h. Read next:
// nn/text/similarity.h.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <unordered_set>
#include <utility>

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/file_ops.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {
namespace {

static_assert(std::endian::native == std::endian::little, "floats are copied as bytes");

using Format = WordVectorsFormat;

constexpr std::size_t kReadAtOnce = std::size_t{1} << 18;
constexpr std::size_t kLongestWord = std::size_t{1} << 16;  // in a binary file
constexpr std::size_t kLongestLine = std::size_t{1} << 24;  // enough for a million elements
constexpr std::size_t kLinesToJudge = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Text --------------------------------------------------------------------------------------------

// A part of a file for an error text: on one line, and not too long.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  const bool cut = text.size() > kLongest;
  text = text.substr(0, kLongest);
  if (cut) text = text.substr(0, first_invalid_utf8(text));
  const bool readable = is_utf8(text);
  std::string shown = "`";
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    shown += value < 0x20 || value == 0x7F || (value > 0x7F && !readable) ? '?' : byte;
  }
  return shown + (cut ? "...`" : "`");
}

bool is_space_or_tab(char byte) { return byte == ' ' || byte == '\t'; }

std::string_view without_trailing_blanks(std::string_view text) {
  while (!text.empty() && is_space_or_tab(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view trimmed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = without_trailing_blanks(line);
  while (!line.empty() && is_space_or_tab(line.front())) line.remove_prefix(1);
  return line;
}

// Removes the last field from a trimmed line and returns it; the rest stays trimmed.
std::string_view take_last_field(std::string_view& line) {
  const std::size_t begin = line.find_last_of(" \t") + 1;  // npos + 1 is 0
  const std::string_view field = line.substr(begin);
  line = without_trailing_blanks(line.substr(0, begin));
  return field;
}

// Rounds once, to float32; 1e-46 becomes 0. Rejects nan, infinity and 1e39, because they would
// spread through a whole model.
std::optional<float> parse_number(std::string_view field) {
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  const char* const end = field.data() + field.size();
  float number = 0;
  const auto [stop, error] = std::from_chars(field.data(), end, number);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    double wide = 0;
    const auto again = std::from_chars(field.data(), end, wide);
    if (again.ec != std::errc() || std::abs(wide) > 1) return std::nullopt;
    return static_cast<float>(wide);
  }
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  return number;
}

// The remedy for a field such as `0,1`, to be appended to an error text; empty for fields that are
// no numbers with a point either.
std::string advice_for_comma(std::string_view field) {
  std::string with_point(field);
  std::ranges::replace(with_point, ',', '.');
  if (with_point == field || !parse_number(with_point)) return "";
  return "; the decimal separator is a point: " + in_quotes(with_point);
}

struct VectorsHeader {
  std::uint64_t rows = 0;
  std::uint64_t dim = 0;
};

// Exactly two integers, without signs.
std::optional<VectorsHeader> parse_vectors_header(std::string_view line) {
  line = trimmed(line);
  VectorsHeader header;
  for (std::uint64_t* const number : {&header.dim, &header.rows}) {
    const std::string_view field = take_last_field(line);
    const char* const end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(field.data(), end, *number);
    if (error != std::errc() || stop != end || *number > INT64_MAX) return std::nullopt;
  }
  return line.empty() ? std::optional(header) : std::nullopt;
}

// How many numbers a line ends with. The first field is the word and does not count.
std::size_t count_numbers(std::string_view line) {
  line = trimmed(line);
  std::size_t numbers = 0;
  while (parse_number(take_last_field(line)) && !line.empty()) ++numbers;
  return numbers;
}

// The first lines that are complete and not blank.
std::vector<std::string_view> first_lines(std::string_view text, bool ends_file) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < kLinesToJudge) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && !ends_file) break;
    const std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty()) lines.push_back(line);
    text.remove_prefix(std::min(text.size(), end == std::string_view::npos ? end : end + 1));
  }
  return lines;
}

// The dim of text without a header: the most frequent count of numbers in a line; among equally
// frequent counts, the earliest. (A word may itself end in a number.) 0 if no line has numbers.
std::size_t judge_dim(const std::vector<std::string_view>& lines) {
  std::vector<std::pair<std::size_t, int>> votes;
  for (const std::string_view line : lines) {
    const std::size_t numbers = count_numbers(line);
    if (numbers == 0) continue;
    const auto same = std::ranges::find(votes, numbers, &std::pair<std::size_t, int>::first);
    if (same == votes.end()) {
      votes.emplace_back(numbers, 1);
    } else {
      ++same->second;
    }
  }
  if (votes.empty()) return 0;
  return std::ranges::max_element(votes, {}, &std::pair<std::size_t, int>::second)->first;
}

bool most_have(const std::vector<std::string_view>& lines, std::uint64_t dim) {
  const auto agreeing = std::ranges::count_if(
      lines, [dim](std::string_view line) { return count_numbers(line) == dim; });
  return 2 * static_cast<std::size_t>(agreeing) >= lines.size();
}

// Whether `data` is exactly the content of a binary file after its header.
bool is_exactly_binary(std::string_view data, const VectorsHeader& header) {
  for (std::uint64_t row = 0; row < header.rows; ++row) {
    while (data.starts_with('\n')) data.remove_prefix(1);
    const std::size_t space = data.find(' ');
    if (space == std::string_view::npos || (data.size() - space - 1) / 4 < header.dim) return false;
    data.remove_prefix(space + 1 + 4 * header.dim);
  }
  return data.find_first_not_of('\n') == std::string_view::npos;
}

// Whether float32 elements follow the header rather than text. `data` is the start of the content
// after the header. It is text if most lines have as many numbers as the header announces.
// Otherwise it is binary if it has bytes that text cannot have, or if it has exactly the size of a
// binary file and no numbers, neither with a point nor with a comma.
bool is_binary(std::string_view data, bool ends_file, const VectorsHeader& header) {
  const std::vector<std::string_view> lines = first_lines(data, ends_file);
  if (!lines.empty() && most_have(lines, header.dim)) return false;
  const bool controls = std::ranges::any_of(data, [](char byte) {
    return static_cast<unsigned char>(byte) < ' ' && byte != '\t' && byte != '\r' && byte != '\n';
  });
  const std::size_t invalid = first_invalid_utf8(data);  // the block may end inside a character
  if (controls || (invalid < data.size() && (ends_file || invalid + 4 < data.size()))) return true;
  const bool commas = std::ranges::any_of(lines, [](std::string_view line) {
    return !advice_for_comma(take_last_field(line)).empty();
  });
  return ends_file && header.rows > 0 && judge_dim(lines) == 0 && !commas &&
         is_exactly_binary(data, header);
}

// Reading -----------------------------------------------------------------------------------------

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

// Detection of the format -------------------------------------------------------------------------

// What to do with a file that is often mistaken for word vectors; null for all others.
const char* advice_for_other(std::string_view start) {
  static constexpr std::pair<std::string_view, const char*> kOthers[] = {
      {"\xBA\x16\x4F\x2F",  // 793712314
       "this is a whole fastText model, which has other parts besides the vectors; read the .vec "
       "file that fastText wrote beside it, or the output of `fasttext print-word-vectors "
       "model.bin < "
       "words.txt`"},
      {"\x1F\x8B", "this is compressed by gzip; unpack it with gunzip"},
      {"PK\x03\x04", "this is a zip archive; unpack it with unzip"},
  };
  for (const auto& [magic, advice] : kOthers) {
    if (start.starts_with(magic)) return advice;
  }
  return nullptr;
}

// The start of a file.
struct Start {
  std::string_view text;  // the first lines; the first one is complete
  bool ends_file;         // whether this is all of the file

  std::string_view first_line() const { return text.substr(0, text.find('\n')); }
  std::string_view other_lines() const {
    return text.substr(std::min(first_line().size() + 1, text.size()));
  }
};

// peek(n) returns the next n bytes, fewer only at the end of the file.
template <class Peek>
Start peek_start(const Peek& peek) {
  for (std::size_t bytes = kReadAtOnce;; bytes *= 2) {
    const std::string_view text = peek(bytes);
    const bool ends_file = text.size() < bytes;
    if (ends_file || bytes >= kLongestLine || std::ranges::count(text, '\n') > 1) {
      return {text, ends_file};
    }
  }
}

// The header, if the format has one. If the format is not given, a first line of two integers is a
// header.
std::optional<VectorsHeader> find_header(const BlockReader& reader, const Start& start,
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
std::size_t find_text_dim(const BlockReader& reader, const Start& start,
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

  const Start start = peek_start([&](std::size_t bytes) { return reader.peek(bytes); });
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

WordVectors load_word_vectors(const std::string& path, const WordVectorsOptions& options) {
  if (options.max_words && *options.max_words < 0) {
    throw ValueError(options.operation + ": max_words is " + std::to_string(*options.max_words) +
                     ", needed 0 or more");
  }
  BlockReader reader(path, options.operation);
  return reader.file().within_memory([&] { return read_vectors(reader, options); });
}

// Writing -----------------------------------------------------------------------------------------

namespace {

[[noreturn]] void reject_word(std::string_view word, std::size_t row, const std::string& reason) {
  throw ValueError("save_word_vectors: word " + std::to_string(row) + " " + in_quotes(word) +
                   " could not be read back: " + reason);
}

void check_word(std::string_view word, std::size_t row, Format format) {
  using namespace std::string_view_literals;
  if (word.empty()) reject_word(word, row, "it is empty");
  if (!is_utf8(word)) reject_word(word, row, "it is not UTF-8");
  if (word.find_first_of("\n\r\0"sv) != std::string_view::npos) {
    reject_word(word, row, "it holds a line end or NUL");
  }
  if (format == Format::glove_text) {
    if (trimmed(word) != word) reject_word(word, row, "it begins or ends with a space");
  } else if (word.find_first_of(" \t") != std::string_view::npos) {
    reject_word(word, row, "it holds a space; GloVe text allows that");
  } else if (format == Format::word2vec_binary && word.size() >= kLongestWord) {
    reject_word(word, row,
                "it has " + std::to_string(word.size()) + " bytes, at most " +
                    std::to_string(kLongestWord - 1) + " are read; use word2vec text");
  }
}

// Appends the shortest decimal form that is read back as the same float.
void append_number(std::string& text, float number) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  text.append(digits.data(), end);
}

// The bytes of a file, a block of rows at a time, since all of them may be several times as large
// as the vectors.
class FileText {
 public:
  FileText(const WordVectors& vectors, Format format)
      : words_(vectors.words()),
        elements_(vectors.vectors().span<float>()),
        dim_(static_cast<std::size_t>(vectors.dim())),
        format_(format) {
    if (format == Format::glove_text) return;
    header_ = std::to_string(vectors.size()) + ' ' + std::to_string(vectors.dim()) + '\n';
  }

  // The next block, which is valid until the next call; empty at the end.
  std::string_view next() {
    block_ = std::exchange(header_, {});
    while (block_.size() < kReadAtOnce && row_ < words_.size()) append_row();
    return block_;
  }

 private:
  void append_row() {
    const std::span<const float> vector = elements_.subspan(row_ * dim_, dim_);
    block_ += words_[row_++];
    if (format_ == Format::word2vec_binary) {
      block_ += ' ';
      block_.append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
    } else {
      for (const float number : vector) {
        block_ += ' ';
        append_number(block_, number);
      }
    }
    block_ += '\n';
  }

  const std::vector<std::string>& words_;
  const std::span<const float> elements_;
  const std::size_t dim_;
  const Format format_;
  std::size_t row_ = 0;
  std::string header_;
  std::string block_;
};

}  // namespace

void save_word_vectors(const std::string& path, const WordVectors& vectors, Format format) {
  if (vectors.size() == 0 || vectors.dim() == 0) {
    throw ValueError("save_word_vectors: got vectors " + to_string(vectors.vectors().sizes()) +
                     ", needed at least one word and one element");
  }
  for (std::size_t row = 0; row < vectors.words().size(); ++row) {
    check_word(vectors.words()[row], row, format);
  }
  FileText first_blocks(vectors, format);
  std::string text;
  const Start start = peek_start([&](std::size_t bytes) {
    while (text.size() < bytes) {
      const std::string_view block = first_blocks.next();
      if (block.empty()) break;
      text += block;
    }
    return std::string_view(text).substr(0, bytes);
  });
  const auto rows = static_cast<std::uint64_t>(vectors.size());
  const auto dim = static_cast<std::uint64_t>(vectors.dim());
  if (format == Format::word2vec_binary &&
      !is_binary(start.other_lines(), start.ends_file, {rows, dim})) {
    throw ValueError(
        "save_word_vectors: the bytes of these elements look like text and would be read as "
        "another format; use word2vec text");
  }
  if (format == Format::glove_text) {
    const std::vector<std::string_view> lines = first_lines(start.text, start.ends_file);
    if (parse_vectors_header(start.first_line()) || text.starts_with(kByteOrderMark) ||
        advice_for_other(text) != nullptr || judge_dim(lines) != dim) {
      throw ValueError("save_word_vectors: without a header, the first lines, such as " +
                       in_quotes(trimmed(start.first_line())) + ", would be read as another " +
                       "format; use word2vec text or binary");
    }
  }
  FileText blocks(vectors, format);
  const auto next = [&] {
    const std::string_view block = blocks.next();
    return std::as_bytes(std::span(block.data(), block.size()));
  };
  write_file_atomically(path, next, "save_word_vectors");
}

}  // namespace tapegrad::nn
