// Writes files of word vectors, a block of rows at a time, and refuses what could not be read back.
// Declared in nn/text/word_vectors.h. Read next: nn/text/similarity.h.
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/nn/text/word_vectors_format.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {
namespace detail {
namespace {

using Format = WordVectorsFormat;

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

// ValueError if a reader would take the start of the file for another format.
void check_start(const WordVectors& vectors, Format format) {
  FileText blocks(vectors, format);
  std::string text;
  const FileStart start = peek_start([&](std::size_t bytes) {
    while (text.size() < bytes) {
      const std::string_view block = blocks.next();
      if (block.empty()) break;
      text += block;
    }
    return std::string_view(text).substr(0, bytes);
  });
  const VectorsHeader header{static_cast<std::uint64_t>(vectors.size()),
                             static_cast<std::uint64_t>(vectors.dim())};
  if (format == Format::word2vec_binary &&
      !is_binary(start.other_lines(), start.ends_file, header)) {
    throw ValueError(
        "save_word_vectors: the bytes of these elements look like text and would be read as "
        "another format; use word2vec text");
  }
  if (format != Format::glove_text) return;
  if (parse_vectors_header(start.first_line()) || text.starts_with(kByteOrderMark) ||
      advice_for_other(text) != nullptr ||
      judge_dim(first_lines(start.text, start.ends_file)) != header.dim) {
    throw ValueError("save_word_vectors: without a header, the first lines, such as " +
                     in_quotes(trimmed(start.first_line())) + ", would be read as another " +
                     "format; use word2vec text or binary");
  }
}

}  // namespace
}  // namespace detail

void save_word_vectors(const std::string& path, const WordVectors& vectors,
                       WordVectorsFormat format) {
  if (vectors.size() == 0 || vectors.dim() == 0) {
    throw ValueError("save_word_vectors: got vectors " + to_string(vectors.vectors().sizes()) +
                     ", needed at least one word and one element");
  }
  for (std::size_t row = 0; row < vectors.words().size(); ++row) {
    detail::check_word(vectors.words()[row], row, format);
  }
  detail::check_start(vectors, format);
  detail::FileText blocks(vectors, format);
  const auto next = [&] {
    const std::string_view block = blocks.next();
    return std::as_bytes(std::span(block.data(), block.size()));
  };
  write_file_atomically(path, next, "save_word_vectors");
}

}  // namespace tapegrad::nn
