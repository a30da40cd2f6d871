// The files of word vectors, read and written. A line of text is split from the right: `dim`
// numbers, and whatever stands before them is the word. Declared in nn/text/word_vectors.h.
// Read next: nn/text/similarity.h.
#include <fcntl.h>

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

static_assert(std::endian::native == std::endian::little, "floats are copied as they lie");

using Format = WordVectorsFormat;

constexpr std::size_t kBlock = std::size_t{1} << 18;
constexpr std::size_t kLongestWord = std::size_t{1} << 16;  // in a binary file
constexpr std::size_t kLongestLine = std::size_t{1} << 24;  // of a million numbers and more
constexpr std::size_t kLinesToJudge = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Text --------------------------------------------------------------------------------------------

// A piece of a file for an error text: on one line, and not too long.
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

bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

std::string_view without_blanks_behind(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view trimmed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = without_blanks_behind(line);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  return line;
}

// Takes the last field off a trimmed line; what is left is trimmed too.
std::string_view take_last_field(std::string_view& line) {
  const std::size_t begin = line.find_last_of(" \t") + 1;  // npos + 1 is 0
  const std::string_view field = line.substr(begin);
  line = without_blanks_behind(line.substr(0, begin));
  return field;
}

// Rounded once, to float32; 1e-46 is a fine 0. Not a number, infinity and 1e39 are refused: they
// would spread through a whole model.
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

struct Header {
  std::uint64_t rows = 0;
  std::uint64_t dim = 0;
};

// Exactly two integers, without signs.
std::optional<Header> parse_header(std::string_view line) {
  line = trimmed(line);
  Header header;
  for (std::uint64_t* const number : {&header.dim, &header.rows}) {
    const std::string_view field = take_last_field(line);
    const char* const end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(field.data(), end, *number);
    if (error != std::errc() || stop != end || *number > INT64_MAX) return std::nullopt;
  }
  return line.empty() ? std::optional(header) : std::nullopt;
}

// Numbers at the end of a line, the first field not counted.
std::size_t count_numbers(std::string_view line) {
  line = trimmed(line);
  std::size_t numbers = 0;
  while (parse_number(take_last_field(line)) && !line.empty()) ++numbers;
  return numbers;
}

// The lines that are not blank, as far as they are whole.
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

// The dim of text without a header: the count of numbers that most lines have, and of two counts
// that are as frequent, the one that comes first. One line alone may have a word that ends in a
// number. 0 if no line has any.
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

// Whether `data` is what follows the header of a binary file, to the last byte.
bool is_exactly_binary(std::string_view data, const Header& header) {
  for (std::uint64_t row = 0; row < header.rows; ++row) {
    while (data.starts_with('\n')) data.remove_prefix(1);
    const std::size_t space = data.find(' ');
    if (space == std::string_view::npos || (data.size() - space - 1) / 4 < header.dim) return false;
    data.remove_prefix(space + 1 + 4 * header.dim);
  }
  return data.find_first_not_of('\n') == std::string_view::npos;
}

// Whether text or float32 follow the header; `data` is the beginning of that. Lines that are right
// decide it. Else text is what has no bytes that text cannot have, unless it has no numbers at all
// and the size that a binary file should have.
bool is_binary(std::string_view data, bool ends_file, const Header& header) {
  const std::vector<std::string_view> lines = first_lines(data, ends_file);
  if (!lines.empty() && most_have(lines, header.dim)) return false;
  const bool controls = std::ranges::any_of(data, [](char byte) {
    return static_cast<unsigned char>(byte) < ' ' && byte != '\t' && byte != '\r' && byte != '\n';
  });
  const std::size_t invalid = first_invalid_utf8(data);  // the block may end within a letter
  if (controls || (invalid < data.size() && (ends_file || invalid + 4 < data.size()))) return true;
  return ends_file && header.rows > 0 && judge_dim(lines) == 0 && is_exactly_binary(data, header);
}

// Reading -----------------------------------------------------------------------------------------

// A file through a buffer of the size that is asked for. Views end with the next call.
class BlockReader {
 public:
  explicit BlockReader(const std::string& path)
      : path_(path),
        file_(detail::system_file_ops(), path, O_RDONLY, 0, "load_word_vectors", "open", path),
        size_(file_.regular_size()) {}

  std::uint64_t size() const { return size_; }

  [[noreturn]] void fail(std::uint64_t line, const std::string& text) const {
    throw FormatError("load_word_vectors: " + path_ + ":" + std::to_string(line) + ": " + text);
  }

  // The next bytes, fewer only at the end of the file; they stay the next ones.
  std::string_view peek(std::size_t bytes) {
    if (held() < bytes) fill(bytes);
    return {buffer_.data() + begin_, std::min(bytes, held())};
  }
  void skip(std::size_t bytes) { begin_ += bytes; }

  // Without its line end; no answer at the end of the file.
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
                        " bytes: this is no text of word vectors");
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
    if (buffer_.size() < bytes) buffer_.resize(std::max({bytes, kBlock, 2 * buffer_.size()}));
    while (end_ < bytes) {
      const std::size_t count = file_.read_some(buffer_.data() + end_, buffer_.size() - end_);
      if (count == 0) return;
      end_ += count;
    }
  }

  std::string path_;
  detail::OpenFile file_;
  std::uint64_t size_;
  std::vector<char> buffer_ = std::vector<char>(kBlock);
  std::size_t begin_ = 0;  // of what is held
  std::size_t end_ = 0;
  std::uint64_t line_ = 0;
};

// What is kept of a file, and what is counted.
class Harvest {
 public:
  Harvest(const BlockReader& reader, const WordVectorsOptions& options) : reader_(reader) {
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
    numbers_.reserve(std::min(rows, most_) * dim);
  }

  // Whether the vector of this word, which stands in `line`, is to be kept; counts if it is not.
  bool wants(std::string_view word, std::uint64_t line) {
    ++report.entries;
    if (!is_utf8(word)) {
      ++report.not_utf8;
      note(line, "the word " + in_quotes(word) + " is not UTF-8");
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
    numbers_.insert(numbers_.end(), row.begin(), row.end());
  }

  void malformed(std::uint64_t line, const std::string& reason) {
    if (strict_) reader_.fail(line, reason);
    ++report.malformed;
    note(line, reason);
  }

  // FormatError if nothing could be used; `line` is the last one.
  WordVectors finish(std::uint64_t line, std::uint64_t dim) {
    const std::int64_t faults = report.malformed + report.not_utf8;
    if (report.entries == 0 && !full()) reader_.fail(line, "no word vectors in this file");
    if (report.entries == faults && faults > 0) {
      reader_.fail(static_cast<std::uint64_t>(report.faults[0].line),
                   report.faults[0].reason + "; none of " + std::to_string(faults) +
                       " lines holds a word and " + std::to_string(dim) + " numbers");
    }
    rows_.clear();
    numbers_.shrink_to_fit();
    const auto numbers = std::make_shared<std::vector<float>>(std::move(numbers_));
    std::vector<std::string> words(std::make_move_iterator(words_.begin()),
                                   std::make_move_iterator(words_.end()));
    const Shape shape{words.size(), dim};
    return WordVectors(std::move(words), from_data(numbers->data(), shape, numbers),
                       std::move(report));
  }

 private:
  void note(std::uint64_t line, const std::string& reason) {
    if (report.faults.size() >= WordVectorsReport::kMostFaults) return;
    report.faults.push_back({static_cast<std::int64_t>(line), reason});
  }

  const BlockReader& reader_;
  bool strict_ = false;
  bool filtered_ = false;
  std::uint64_t most_ = UINT64_MAX;
  std::unordered_set<std::string_view> wanted_;  // into options.vocabulary
  std::deque<std::string> words_;                // stays where it is while it grows
  std::unordered_set<std::string_view> rows_;    // into words_
  std::vector<float> numbers_;
};

WordVectors read_text(BlockReader& reader, const std::optional<Header>& header, std::size_t dim,
                      Harvest harvest) {
  std::vector<float> row(dim);
  std::vector<std::string_view> fields(dim);
  if (header) reader.next_line();
  std::optional<std::string_view> line;
  while (!harvest.full() && (line = reader.next_line())) {
    std::string_view word = trimmed(*line);
    if (word.empty()) continue;
    std::size_t left = dim;
    while (left > 0 && !word.empty()) fields[--left] = take_last_field(word);
    if (word.empty()) {
      ++harvest.report.entries;
      harvest.malformed(reader.line(),
                        "fewer than " + std::to_string(dim) + " numbers after a word");
      continue;
    }
    if (word.find('\0') != std::string_view::npos) {
      ++harvest.report.entries;
      harvest.malformed(reader.line(), "NUL in the word " + in_quotes(word));
      continue;
    }
    if (!harvest.wants(word, reader.line())) continue;
    std::size_t parsed = 0;
    for (; parsed < dim; ++parsed) {
      const std::optional<float> number = parse_number(fields[parsed]);
      if (!number) break;
      row[parsed] = *number;
    }
    if (parsed == dim) {
      harvest.keep(word, row);
    } else {
      harvest.malformed(reader.line(), in_quotes(fields[parsed]) + " is not a number");
    }
  }
  const auto entries = static_cast<std::uint64_t>(harvest.report.entries);
  if (header && entries > 0 && entries != header->rows && !(harvest.full() && line)) {
    reader.fail(reader.line(), "the file has " + std::to_string(entries) +
                                   " vectors, but its header announces " +
                                   std::to_string(header->rows) +
                                   "; was it cut off? If not, correct the first line");
  }
  return harvest.finish(reader.line(), dim);
}

WordVectors read_binary(BlockReader& reader, const Header& header, Harvest harvest) {
  const auto dim = static_cast<std::size_t>(header.dim);
  std::vector<float> row(dim);
  const auto skip_newlines = [&] {  // gensim writes none, word2vec one
    while (reader.peek(1) == "\n") reader.skip(1);
  };
  reader.next_line();
  std::uint64_t number = 0;
  while (number < header.rows && !harvest.full()) {
    ++number;
    skip_newlines();
    const std::size_t length = reader.peek(kLongestWord).find(' ');
    const std::size_t needed = length + 1 + dim * sizeof(float);
    if (length == std::string_view::npos && reader.peek(kLongestWord).size() == kLongestWord) {
      reader.fail(number, "no space ends the word of this vector; is its dim " +
                              std::to_string(dim) + ", as the header says?");
    }
    if (length == std::string_view::npos || reader.peek(needed).size() < needed) {
      reader.fail(number, "the file ends in vector " + std::to_string(number) + " of " +
                              std::to_string(header.rows) + "; was it cut off?");
    }
    const std::string_view bytes = reader.peek(needed);
    reader.skip(needed);
    const std::string_view word = bytes.substr(0, length);
    if (!harvest.wants(word, number)) continue;
    std::memcpy(row.data(), bytes.data() + length + 1, dim * sizeof(float));
    const auto wrong = std::ranges::find_if_not(row, [](float x) { return std::isfinite(x); });
    if (word.empty()) {
      harvest.malformed(number, "no word before the numbers");
    } else if (wrong != row.end()) {
      harvest.malformed(number, "number " + std::to_string(wrong - row.begin() + 1) + " is " +
                                    (std::isnan(*wrong) ? "not a number" : "infinite"));
    } else {
      harvest.keep(word, row);
    }
  }
  if (number == header.rows) {
    skip_newlines();
    if (!reader.peek(1).empty()) {
      reader.fail(number, "bytes follow the last of " + std::to_string(header.rows) +
                              " vectors; does the header say what the file holds?");
    }
  }
  return harvest.finish(number, dim);
}

// Files that are often taken for word vectors.
void refuse_others(BlockReader& reader) {
  static constexpr std::pair<std::string_view, const char*> kOthers[] = {
      {"\xBA\x16\x4F\x2F",  // 793712314
       "this is a whole fastText model, which has other parts beside the vectors; read the .vec "
       "file that fastText wrote beside it, or what `fasttext print-word-vectors model.bin < "
       "words.txt` prints"},
      {"\x1F\x8B", "this is compressed by gzip; unpack it with gunzip"},
      {"PK\x03\x04", "this is a zip archive; unpack it with unzip"},
  };
  const std::string_view start = reader.peek(4);
  for (const auto& [magic, advice] : kOthers) {
    if (start.starts_with(magic)) reader.fail(1, advice);
  }
}

// The first lines, whole.
std::string_view peek_start(BlockReader& reader, bool& ends_file) {
  for (std::size_t bytes = kBlock;; bytes *= 2) {
    const std::string_view start = reader.peek(bytes);
    ends_file = start.size() < bytes;
    if (ends_file || bytes >= kLongestLine || std::ranges::count(start, '\n') > 1) return start;
  }
}

void check_header(const BlockReader& reader, const Header& header, std::uint64_t rows_to_read,
                  std::uint64_t smallest_number) {
  if (header.dim == 0) reader.fail(1, "the header announces vectors of 0 numbers");
  if (header.rows == 0) reader.fail(1, "no word vectors in this file, says its header");
  // Nothing is allocated before the file is known to be that large.
  const bool long_row = header.dim > reader.size() / smallest_number;
  if (long_row || rows_to_read > reader.size() / (header.dim * smallest_number + 1)) {
    reader.fail(1, "the header announces " + std::to_string(header.rows) + " vectors of " +
                       std::to_string(header.dim) + " numbers, more than the file's " +
                       std::to_string(reader.size()) + " bytes can hold; was it cut off?");
  }
}

}  // namespace

WordVectors load_word_vectors(const std::string& path, const WordVectorsOptions& options) {
  if (options.max_words && *options.max_words < 0) {
    throw ValueError("load_word_vectors: max_words is " + std::to_string(*options.max_words) +
                     ", needed 0 or more");
  }
  BlockReader reader(path);
  refuse_others(reader);
  if (reader.peek(kByteOrderMark.size()) == kByteOrderMark) reader.skip(kByteOrderMark.size());

  bool ends_file = false;
  const std::string_view start = peek_start(reader, ends_file);
  const std::size_t first_end = std::min(start.find('\n'), start.size());
  std::optional<Header> header;
  if (options.format != Format::glove_text) header = parse_header(start.substr(0, first_end));
  if (options.format && options.format != Format::glove_text && !header) {
    reader.fail(1, "needed the header of " + std::string(name(*options.format)) +
                       ", two integers, got " + in_quotes(trimmed(start.substr(0, first_end))) +
                       "; GloVe text has none");
  }

  Harvest harvest(reader, options);
  const std::string_view data = start.substr(std::min(first_end + 1, start.size()));
  Format format = Format::glove_text;
  if (header) {
    format = options.format.value_or(is_binary(data, ends_file, *header) ? Format::word2vec_binary
                                                                         : Format::word2vec_text);
    const std::uint64_t smallest_number = format == Format::word2vec_binary ? 4 : 2;
    const std::uint64_t rows_to_read = std::min(header->rows, harvest.most());
    check_header(reader, *header, rows_to_read, smallest_number);
    harvest.expect(rows_to_read, header->dim);
  }
  harvest.report.format = format;
  if (format == Format::word2vec_binary) return read_binary(reader, *header, std::move(harvest));

  const std::vector<std::string_view> lines = first_lines(header ? data : start, ends_file);
  if (!header && start.find('\0') != std::string_view::npos) {
    reader.fail(1, "this is binary, and has no header of word2vec; is it another kind of file?");
  }
  const std::size_t dim = judge_dim(lines);
  if (dim == 0 && !(lines.empty() && ends_file)) {
    reader.fail(header ? 2 : 1, "needed a word and its numbers, got " +
                                    (lines.empty() ? "blank lines" : in_quotes(lines[0])));
  }
  if (header && !lines.empty() && !most_have(lines, header->dim)) {
    reader.fail(1, "the header announces " + std::to_string(header->dim) +
                       " numbers for a word, but the lines have " + std::to_string(dim));
  }
  return read_text(reader, header, header ? static_cast<std::size_t>(header->dim) : dim,
                   std::move(harvest));
}

// Writing -----------------------------------------------------------------------------------------

namespace {

[[noreturn]] void refuse_word(std::string_view word, std::size_t row, const std::string& reason) {
  throw ValueError("save_word_vectors: word " + std::to_string(row) + " " + in_quotes(word) +
                   " would not read back: " + reason);
}

void check_word(std::string_view word, std::size_t row, Format format) {
  using namespace std::string_view_literals;
  if (word.empty()) refuse_word(word, row, "it is empty");
  if (!is_utf8(word)) refuse_word(word, row, "it is not UTF-8");
  if (word.find_first_of("\n\r\0"sv) != std::string_view::npos) {
    refuse_word(word, row, "it holds a line end or NUL");
  }
  if (format == Format::glove_text) {
    if (trimmed(word) != word) refuse_word(word, row, "it begins or ends with a space");
  } else if (word.find_first_of(" \t") != std::string_view::npos) {
    refuse_word(word, row, "it holds a space; GloVe text may");
  }
}

// The shortest digits that read back as the same number.
void append_number(std::string& text, float number) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  text.append(digits.data(), end);
}

std::string file_text(const WordVectors& vectors, Format format) {
  std::string text;
  if (format != Format::glove_text) {
    text = std::to_string(vectors.size()) + ' ' + std::to_string(vectors.dim()) + '\n';
  }
  const auto dim = static_cast<std::size_t>(vectors.dim());
  const std::span<const float> numbers = vectors.vectors().span<float>();
  for (std::size_t row = 0; row < vectors.words().size(); ++row) {
    const std::span<const float> vector = numbers.subspan(row * dim, dim);
    text += vectors.words()[row];
    if (format == Format::word2vec_binary) {
      text += ' ';
      text.append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
    } else {
      for (const float number : vector) {
        text += ' ';
        append_number(text, number);
      }
    }
    text += '\n';
  }
  return text;
}

}  // namespace

void save_word_vectors(const std::string& path, const WordVectors& vectors, Format format) {
  if (vectors.size() == 0 || vectors.dim() == 0) {
    throw ValueError("save_word_vectors: got vectors " + to_string(vectors.vectors().sizes()) +
                     ", needed one word and one number at least");
  }
  for (std::size_t row = 0; row < vectors.words().size(); ++row) {
    check_word(vectors.words()[row], row, format);
  }
  const std::string text = file_text(vectors, format);
  if (format == Format::glove_text) {
    const std::vector<std::string_view> lines = first_lines(text, true);
    if (parse_header(lines[0]) || text.starts_with(kByteOrderMark) ||
        judge_dim(lines) != static_cast<std::size_t>(vectors.dim())) {
      throw ValueError("save_word_vectors: without a header, the first lines, such as " +
                       in_quotes(lines[0]) + ", would be mistaken for something else, needed " +
                       "word2vec text or binary");
    }
  }
  write_file_atomically(path, text, "save_word_vectors");
}

}  // namespace tapegrad::nn
