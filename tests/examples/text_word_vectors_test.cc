// GloVe, word2vec and fastText files; odd tokens; what is refused.
#include "text_classifier/word_vectors.h"

#include "catch.h"
#include "text_files.h"

using namespace text_classifier;
using Ids = std::vector<std::int64_t>;

namespace {

Vocabulary vocabulary() {
  const std::vector<std::vector<std::string>> texts = {{"the", "of", "new york", "42"}};
  return Vocabulary::build(texts, Tokenizer{2});  // ids 2, 3, 4, 5
}

WordVectors read(std::string_view content) {
  return read_word_vectors(TemporaryFile(content).path(), vocabulary());
}

std::string read_error(std::string_view content) {
  const TemporaryFile file(content);
  const std::string text =
      error_of<tapegrad::FormatError>([&] { read_word_vectors(file.path(), vocabulary()); });
  if (!text.starts_with(file.path() + ":")) return text;
  return text.substr(file.path().size() + 1);
}

}  // namespace

TEST_CASE("GloVe: no head, tokens may contain spaces") {
  const WordVectors vectors =
      read("of 0.5 -1.25 1e-2\nelsewhere 1 2 3\nnew york 4 5 6\n. . . 7 8 9\nof 0 0 0\n42 1 2 3\n");
  CHECK(vectors.dim == 3);
  CHECK(vectors.ids == Ids{3, 4, 5});
  CHECK(vectors.rows == std::vector<float>{0.5f, -1.25f, 0.01f, 4, 5, 6, 1, 2, 3});
  CHECK(vectors.lines == 6);
  CHECK(vectors.duplicates == 1);
  CHECK(vectors.skipped == 2);
}

TEST_CASE("word2vec and fastText: a head, lines that end with a space or CRLF") {
  const WordVectors vectors = read("3 2\n</s> 0 0 \nthe 1 2 \r\n42 1e-46 4\n");
  CHECK(vectors.dim == 2);
  CHECK(vectors.ids == Ids{2, 5});
  CHECK(vectors.rows == std::vector<float>{1, 2, 0, 4});
  CHECK(vectors.lines == 3);
  CHECK(vectors.skipped == 1);
}

TEST_CASE("columns may be aligned with several spaces") {
  const WordVectors vectors = read("the      1   2\nnew york 3  -4\n");
  CHECK(vectors.dim == 2);
  CHECK(vectors.ids == Ids{2, 4});
  CHECK(vectors.rows == std::vector<float>{1, 2, 3, -4});
}

TEST_CASE("only two integers are a head") {
  CHECK(read("42 1.5\nthe 2\n").ids == Ids{5, 2});
  CHECK(read("42 1 2\nthe 3 4\n").dim == 2);
}

TEST_CASE("what is not word vectors is refused with its line") {
  CHECK(read_error("") == "1: no word vectors in this file");
  CHECK(read_error("2 3\n") == "2: no word vectors in this file");
  CHECK(read_error("hello\n") == "1: expected a word and its numbers");
  CHECK(read_error("2 0\n") == "1: expected a word and its numbers");
  CHECK(read_error("the 1 2 3\nof 1 2\n") == "2: fewer than 3 numbers after a word");
  CHECK(read_error("the 1 2\nof 1 2x\n") == "2: `2x` is not a number");
  CHECK(read_error("the 1 2\nof 1 nan\n") == "2: `nan` is not a number");
  CHECK(read_error("the 1 2\nof inf 2\n") == "2: `inf` is not a number");
  CHECK(read_error("the 1 2\nof 1e39 2\n") == "2: `1e39` is not a number");
  CHECK(read_error("3 2\nthe 1 2\nof 3 4\n") ==
        "3: the file ends after 2 vectors, but its head promises 3");
  CHECK(read_error(std::string_view("the 1 2\n\0\0\0", 11)) ==
        "2: NUL byte: this is binary; the text format (.vec, .txt) is needed");
  CHECK(error_of<tapegrad::IoError>([] { read_word_vectors("/no/such", vocabulary()); }) ==
        "/no/such: cannot open: No such file or directory");
}

TEST_CASE("real GloVe vectors") {
  const auto folder = data_folder();
  if (!folder) return;
  const WordVectors vectors =
      read_word_vectors(*folder + "/glove/glove.6B.50d.first9163.txt", vocabulary());
  CHECK(vectors.dim == 50);
  CHECK(vectors.lines == 9163);
  CHECK(vectors.ids == Ids{2, 3, 5});
  CHECK(vectors.rows.size() == 150);
  CHECK(vectors.rows[0] == 0.418f);
}
