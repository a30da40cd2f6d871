// Tests of word vectors: every format read and written, counted faults, errors, damaged files of
// every length, and initializing an Embedding. Read next: word_similarity_test.cc.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"
#include "tensor/expect.h"
#include "tensor/temporary_folder.h"

using namespace tapegrad;
using namespace tapegrad::nn;
using tapegrad::test::error_text;
using tapegrad::test::TemporaryFolder;
using Words = std::vector<std::string>;
using Rows = std::vector<std::int64_t>;
using Format = WordVectorsFormat;
using namespace std::string_view_literals;

namespace {

WordVectors read(std::string_view content, const WordVectorsOptions& options = {}) {
  return load_word_vectors(TemporaryFile(content).path(), options);
}

// The text of the FormatError after `load_word_vectors: <file>:`.
std::string read_error(std::string_view content, const WordVectorsOptions& options = {}) {
  const TemporaryFile file(content);
  const std::string text =
      error_text<FormatError>([&] { load_word_vectors(file.path(), options); });
  const std::string opening = "load_word_vectors: " + file.path() + ":";
  return text.starts_with(opening) ? text.substr(opening.size()) : text;
}

std::vector<float> numbers(const WordVectors& vectors) {
  return to_vector<float>(vectors.vectors());
}

std::string bytes_of(const std::vector<float>& row) {
  return {reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)};
}

// A file as word2vec (a newline after each vector) or gensim (none) writes it.
std::string binary(const std::vector<std::pair<std::string, std::vector<float>>>& rows,
                   const std::string& newline) {
  std::string file =
      std::to_string(rows.size()) + " " + std::to_string(rows[0].second.size()) + "\n";
  for (const auto& [word, row] : rows) file += word + " " + bytes_of(row) + newline;
  return file;
}

WordVectors some_vectors() {
  return WordVectors({"the", "caf\xC3\xA9", "42"},
                     tensor({{0.1, -0.25}, {1e-45, 3.4028235e38}, {0.0, -7e-10}}));
}

}  // namespace

TEST_CASE("word2vec text and fastText's .vec: a header, blanks and CRLF at the end of lines") {
  const WordVectors vectors = read("3 2\n</s> 0.5 -1.25 \nthe 1e-2 +2 \r\n42 1e-46 -4");
  CHECK(vectors.words() == Words{"</s>", "the", "42"});
  CHECK(numbers(vectors) == std::vector<float>{0.5F, -1.25F, 0.01F, 2, 0, -4});
  CHECK(vectors.vectors().dtype() == float32);
  CHECK(vectors.size() == 3);
  CHECK(vectors.dim() == 2);
  CHECK(vectors.find("42") == 2);
  CHECK(vectors.find("4") == std::nullopt);
  CHECK(to_vector<float>(vectors.vector("the")) == std::vector<float>{0.01F, 2});
  CHECK(vectors.report().format == Format::fasttext_vec);
  CHECK(vectors.report().entries == 3);
  CHECK(vectors.report().faults.empty());
  CHECK(read("\xEF\xBB\xBF"
             "1 2\r\nthe 1 2\r\n")
            .words() == Words{"the"});
  CHECK(read("2\t2\nthe\t1\t2\n\n  \nof\t3  4\n").words() == Words{"the", "of"});
}

TEST_CASE("GloVe text: no header, tokens may contain spaces") {
  const WordVectors vectors = read(
      "\xEF\xBB\xBF"
      "of 0.5 -1.25 1e-2\nnew york 4 5 6\n. . . 7 8 9\nat 98 1 2 3\nof 0 0 0\n");
  CHECK(vectors.words() == Words{"of", "new york", ". . .", "at 98"});
  CHECK(numbers(vectors) == std::vector<float>{0.5F, -1.25F, 0.01F, 4, 5, 6, 7, 8, 9, 1, 2, 3});
  CHECK(vectors.report().format == Format::glove_text);
  CHECK(vectors.report().duplicates == 1);
  // The first line's word ends in a number, but the other lines decide the dim.
  CHECK(read("at 98 1 2 3\nof 1 2 3\nthe 1 2 3\n").words() == Words{"at 98", "of", "the"});
}

TEST_CASE("a line without a word is counted, not read as a vector of another word") {
  for (const std::string header : {"", "3 2\n"}) {
    const WordVectors vectors = read(header + "the 1 2\n 3 4\nof 5 6\n");
    CHECK(vectors.words() == Words{"the", "of"});
    CHECK(numbers(vectors) == std::vector<float>{1, 2, 5, 6});
    CHECK(vectors.report().malformed == 1);
    CHECK(vectors.report().faults.at(0).line == (header.empty() ? 2 : 3));
    CHECK(vectors.report().faults[0].reason == "fewer than 2 numbers after a word");
  }
}

TEST_CASE("decimal commas are refused with the remedy") {
  CHECK(read_error("the 0,1 0,2\nof 0,3 0,4\n") ==
        "1: needed a word and its numbers, got `the 0,1 0,2`; the decimal separator is a point: "
        "`0.2`");
  CHECK(read_error("2 2\nthe 0,1 0,2\nof 0,3 0,4\n") ==
        "2: needed a word and its numbers, got `the 0,1 0,2`; the decimal separator is a point: "
        "`0.2`");
  const WordVectors vectors = read("the 0.5 0.2\nof 0.5 -0,4\nto 1 2\n");
  CHECK(vectors.words() == Words{"the", "to"});
  CHECK(vectors.report().faults.at(0).reason ==
        "`-0,4` is not a number; the decimal separator is a point: `-0.4`");
}

TEST_CASE("only two integers are a header, and the format can be given") {
  CHECK(read("42 1.5\nthe 2\n").words() == Words{"42", "the"});
  CHECK(read("42 1 2\nthe 3 4\n").dim() == 2);
  CHECK(read("-1 2\nthe 2\n").words() == Words{"-1", "the"});
  CHECK(read("1 2\nthe 3\n", {.format = Format::glove_text}).words() == Words{"1", "the"});
  CHECK(read_error("1 2\nthe 3\n") ==
        "1: the header announces 2 elements for a vector, but the lines have 1");
  CHECK(read_error("the 1 2\n", {.format = Format::fasttext_vec}) ==
        "1: needed the header of word2vec text, two integers, got `the 1 2`; GloVe text has none");
  CHECK(read_error("the 1 2\n", {.format = Format::word2vec_binary})
            .starts_with("1: needed the header of word2vec binary"));
}

TEST_CASE("the decimal separator is a point in every locale") {
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  const TemporaryFolder folder;
  Words words;
  for (int i = 0; i < 1234; ++i) words.push_back("w" + std::to_string(i));
  save_word_vectors(folder.file("v"), WordVectors(words, full({1234, 1}, 0.5)));
  const std::string text = read_file(folder.file("v"));
  const WordVectors back = load_word_vectors(folder.file("v"));
  std::locale::global(before);
  CHECK(text.starts_with("1234 1\nw0 0.5\n"));
  CHECK(back.vectors().item<float>({1233, 0}) == 0.5F);
}

TEST_CASE("word2vec binary: with the newline of word2vec, and without as gensim writes") {
  const std::string newline = GENERATE("", "\n");
  // 0x20202020 and 0x0A0A0A0A look like spaces and newlines.
  const std::vector<float> odd = {1.3563156e-19F, 6.6463464e-33F};
  const std::string file =
      binary({{"</s>", {0.5F, -1.25F}}, {"new", odd}, {"caf\xC3\xA9", odd}}, newline);
  const WordVectors vectors = read(file);
  CHECK(vectors.report().format == Format::word2vec_binary);
  CHECK(vectors.words() == Words{"</s>", "new", "caf\xC3\xA9"});
  CHECK(numbers(vectors) == std::vector<float>{0.5F, -1.25F, odd[0], odd[1], odd[0], odd[1]});
  CHECK(vectors.report().entries == 3);
  // All bytes are letters: the size of the file decides.
  const std::string letters = binary({{"x", {12.078431F, 12.078431F}}}, newline);
  CHECK(letters.find("AAAAAAAA") != std::string::npos);
  CHECK(read(letters).report().format == Format::word2vec_binary);
}

TEST_CASE("vocabulary keeps its words, and max_words the first rows") {
  const std::string text = "5 1\na 1\nb 2\nc 3\nb 4\nd x\n";
  const WordVectors some = read(text, {.vocabulary = Words{"c", "b", "z", "b"}});
  CHECK(some.words() == Words{"b", "c"});
  CHECK(numbers(some) == std::vector<float>{2, 3});
  CHECK(some.report().entries == 5);
  CHECK(some.report().skipped == 2);
  CHECK(some.report().duplicates == 1);
  CHECK(some.report().malformed == 0);  // not parsed
  CHECK(read(text, {.vocabulary = Words{}}).size() == 0);
  CHECK(read(text, {.vocabulary = Words{}}).vectors().shape() == Shape{0, 1});

  const WordVectors first = read(text, {.max_words = 2});
  CHECK(first.words() == Words{"a", "b"});
  CHECK(first.report().entries == 2);
  CHECK(read(text, {.vocabulary = Words{"c", "b"}, .max_words = 1}).words() == Words{"b"});
  CHECK(read(text, {.max_words = 0}).size() == 0);
  const std::string file = binary({{"a", {1, 2}}, {"b", {3, 4}}, {"c", {5, 6}}}, "\n");
  CHECK(read(file, {.max_words = 2}).words() == Words{"a", "b"});
  CHECK(read(file, {.vocabulary = Words{"c"}}).report().skipped == 2);
  CHECK(error_text<ValueError>([&] { read(text, {.max_words = -1}); }) ==
        "load_word_vectors: max_words is -1, needed 0 or more");
}

TEST_CASE("faulty lines are counted, and the first few are reported") {
  std::string content(
      "the 1 2\nof 1\na 1 2x\nb nan 1\nc 1 -inf\nd 1e39 1\ne 1,5 1\n 1 2\n"
      "caf\xE9 1 2\n\xED\xA0\x80 1 2\nf 0x1 1\ng 1 2\nh +-1 2\nj 3 4\n");
  for (int i = 0; i < 9; ++i) content += "fine" + std::to_string(i) + " 1 2\n";
  const WordVectors vectors = read(content);
  CHECK(vectors.size() == 12);
  for (const char* word : {"the", "g", "j", "fine8"}) CHECK(vectors.find(word));
  const WordVectorsReport& report = vectors.report();
  CHECK(report.entries == 23);
  CHECK(report.malformed == 9);
  CHECK(report.not_utf8 == 2);
  REQUIRE(report.faults.size() == WordVectorsReport::kMostFaults);
  const std::vector<std::pair<std::int64_t, std::string>> expected = {
      {2, "fewer than 2 numbers after a word"},
      {3, "`2x` is not a number"},
      {4, "`nan` is not a number"},
      {5, "`-inf` is not a number"},
      {6, "`1e39` is not a number"},
      {7, "`1,5` is not a number; the decimal separator is a point: `1.5`"},
      {8, "fewer than 2 numbers after a word"},
      {9, "the word `caf?` is not UTF-8"},
      {10, "the word `???` is not UTF-8"},
      {11, "`0x1` is not a number"}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(report.faults[i].line == expected[i].first);
    CHECK(report.faults[i].reason == expected[i].second);
  }
  CHECK(read_error(content, {.strict = true}) == "2: fewer than 2 numbers after a word");
  CHECK(read("caf\xE9 1 2\nof 3 4\n", {.strict = true}).report().not_utf8 == 1);

  const float nan = std::numeric_limits<float>::quiet_NaN();
  const WordVectors some =
      read(binary({{"a", {1, nan}}, {"b", {-1e38F * 10, 1}}, {"\xFF", {1, 1}}, {"c", {1, 2}}}, ""));
  CHECK(some.words() == Words{"c"});
  CHECK(some.report().malformed == 2);
  CHECK(some.report().not_utf8 == 1);
  CHECK(some.report().faults[0].line == 1);
  CHECK(some.report().faults[0].reason == "element 2 is not a number");
  CHECK(some.report().faults[1].reason == "element 1 is infinite");
}

TEST_CASE("faults that concern the whole file throw with their line") {
  CHECK(read_error("") == "1: no word vectors in this file");
  CHECK(read_error("\n\n") == "3: no word vectors in this file");
  CHECK(read_error("0 3\n") == "1: the header announces 0 vectors");
  CHECK(read_error("hello\n") == "1: needed a word and its numbers, got `hello`");
  CHECK(read_error("2 0\n") == "1: the header announces vectors of 0 elements");
  CHECK(read_error("the x\nof y\n") == "1: needed a word and its numbers, got `the x`");
  CHECK(read_error("the 1 2\nof 3 4\n", {.strict = true}) == "");
  CHECK(read_error("\xE9 1 2\n\xE8 1 2\n") ==
        "1: the word `?` is not UTF-8; none of 2 lines holds a word and 2 numbers");
  CHECK(read_error("2 3\nthe 1 2\nof 3 4\n") ==
        "1: the header announces 3 elements for a vector, but the lines have 2");
  CHECK(read_error("2 1\nthe 1 2\nof 3 4\n") ==
        "1: the header announces 1 elements for a vector, but the lines have 2");
  CHECK(read_error("3 2\nthe 1 2\nof 3 4\n") ==
        "4: the file has 2 vectors, but its header announces 3; was it cut off? If not, correct "
        "the first line");
  CHECK(read_error("1 2\nthe 1 2\nof 3 4\n").starts_with("4: the file has 2 vectors"));
  CHECK(read_error("the 1 2\n\0\0\0"sv) ==
        "1: this is binary, but has no word2vec header; is it another kind of file?");
  CHECK(read_error("\xBA\x16\x4F\x2F\x0C\0\0\0"sv)
            .starts_with("1: this is a whole fastText model, which has other parts besides the "
                         "vectors; read the .vec "
                         "file"));
  CHECK(read_error("\x1F\x8B\x08\0"sv) == "1: this is compressed by gzip; unpack it with gunzip");
  CHECK(read_error("PK\x03\x04..") == "1: this is a zip archive; unpack it with unzip");

  const std::string file = binary({{"a", {1, 2}}, {"b", {3, 4}}}, "\n");
  CHECK(read_error(file.substr(0, file.size() - 3)) ==
        "2: the file ends in vector 2 of 2; was it cut off?");
  CHECK(read_error(file + "c ") ==
        "2: bytes follow the last of 2 vectors; does the header say what the file holds?");
  CHECK(error_text<IoError>([] { load_word_vectors("/no/such"); }) ==
        "load_word_vectors: cannot open /no/such: No such file or directory");
  CHECK(error_text<IoError>([] { load_word_vectors("/tmp"); }) ==
        "load_word_vectors: cannot read /tmp: it is a folder");
}

TEST_CASE("the header is checked against the file's size before memory is allocated") {
  const std::string rest = "\nthe 1 2\n";
  for (const char* header :
       {"9223372036854775807 2", "2 9223372036854775807", "4611686018427387904 4611686018427387904",
        "1000000000 300", "1 1000000000", "100 1"}) {
    CAPTURE(header);
    CHECK(read_error(header + rest).find("more than the file's") != std::string::npos);
    CHECK(read_error(header + rest, {.format = Format::word2vec_binary})
              .find("more than the file's") != std::string::npos);
  }
  // Too large for an integer, so it is not a header but a word and a number.
  CHECK(read("99999999999999999999 2\nof 3\n").words() == Words{"99999999999999999999", "of"});
}

TEST_CASE("truncated files and changed bytes do no harm") {
  const TemporaryFolder folder;
  const std::string path = folder.file("vectors");
  const WordVectors vectors = some_vectors();
  std::vector<std::string> files = {binary({{"ab", {1, 2, 3}}, {"cd", {-4, 5e9F, 6e-9F}}}, "")};
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    save_word_vectors(path, vectors, format);
    files.push_back(tapegrad::read_file(path));
  }
  const auto survives = [&](const std::string& content) {
    write_file_atomically(path, content);
    for (const std::optional<Format> format :
         {std::optional<Format>(), std::optional(Format::word2vec_text),
          std::optional(Format::word2vec_binary), std::optional(Format::glove_text)}) {
      try {
        const WordVectors read = load_word_vectors(path, {.format = format});
        CHECK(read.size() <= static_cast<std::int64_t>(content.size()));
        CHECK(read.dim() <= static_cast<std::int64_t>(content.size()));
      } catch (const FormatError&) {
      }
    }
  };
  for (const std::string& file : files) {
    for (std::size_t length = 0; length < file.size(); ++length) survives(file.substr(0, length));
    for (std::size_t i = 0; i < file.size(); ++i) {
      for (const char byte : {'\0', ' ', '\n', '9', '\xFF'}) {
        std::string changed = file;
        changed[i] = byte;
        survives(changed);
      }
    }
  }
  // A binary file that is too short always throws.
  for (std::size_t length = 0; length + 1 < files[2].size(); ++length) {
    CAPTURE(length);
    CHECK(read_error(files[2].substr(0, length), {.format = Format::word2vec_binary}) != "");
  }
}

TEST_CASE("lines and vectors that extend over several blocks are read") {
  // 20,000 rows of 6 elements are about 1.3 MB, several blocks.
  manual_seed(1);
  Words words;
  for (int i = 0; i < 20'000; ++i) words.push_back("word" + std::to_string(i));
  const WordVectors vectors(words, randn({20'000, 6}));
  const TemporaryFolder folder;
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    save_word_vectors(folder.file("v"), vectors, format);
    const WordVectors back = load_word_vectors(folder.file("v"));
    CHECK(back.report().format == format);
    CHECK(back.words() == words);
    CHECK(equal(back.vectors(), vectors.vectors()));
  }
  // One line that is longer than a block.
  const WordVectors wide({"wide", "more"}, randn({2, 100'000}));
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    save_word_vectors(folder.file("v"), wide, format);
    CHECK(equal(load_word_vectors(folder.file("v")).vectors(), wide.vectors()));
  }
  write_file_atomically(folder.file("v"), std::string((1 << 24) + 99, 'a'));
  CHECK(error_text<FormatError>([&] { load_word_vectors(folder.file("v")); }) != "");
}

TEST_CASE("saved vectors are read back with the same words and bits") {
  const Format format =
      GENERATE(Format::word2vec_text, Format::word2vec_binary, Format::glove_text);
  const TemporaryFolder folder;
  const WordVectors vectors = some_vectors();
  save_word_vectors(folder.file("v"), vectors, format);
  CHECK(folder.files() == 1);
  const WordVectors back = load_word_vectors(folder.file("v"));
  CHECK(back.report().format == format);
  CHECK(back.words() == vectors.words());
  CHECK(equal(back.vectors(), vectors.vectors()));
  CHECK(std::signbit(back.vectors().item<float>({2, 1})));
}

TEST_CASE("text is saved with the shortest digits that give the same float") {
  const TemporaryFolder folder;
  save_word_vectors(folder.file("v"), some_vectors());
  CHECK(read_file(folder.file("v")) ==
        "3 2\nthe 0.1 -0.25\ncaf\xC3\xA9 1e-45 3.4028235e+38\n42 0 -7e-10\n");
  save_word_vectors(folder.file("v"), some_vectors(), Format::glove_text);
  CHECK(read_file(folder.file("v")) ==
        "the 0.1 -0.25\ncaf\xC3\xA9 1e-45 3.4028235e+38\n42 0 -7e-10\n");
  save_word_vectors(folder.file("v"), WordVectors({"a"}, tensor({{0.5, 2.0}})),
                    Format::word2vec_binary);
  CHECK(read_file(folder.file("v")) == "1 2\na " + bytes_of({0.5F, 2}) + "\n");
}

TEST_CASE("a file of several blocks has all rows") {
  const TemporaryFolder folder;
  manual_seed(1);
  Words words;
  for (int i = 0; i < 9000; ++i) words.push_back("word" + std::to_string(i));
  const WordVectors vectors(words, randn({9000, 20}));
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    save_word_vectors(folder.file("v"), vectors, format);
    CHECK(read_file(folder.file("v")).size() > std::size_t{2} << 18);  // two blocks and more
    const WordVectors again = load_word_vectors(folder.file("v"));
    CHECK(again.report().format == format);
    CHECK(again.words() == words);
    CHECK(equal(again.vectors(), vectors.vectors()));
  }
}

TEST_CASE("words that could not be read back throw before anything is written") {
  const TemporaryFolder folder;
  const std::string path = folder.file("v");
  write_file_atomically(path, "old");
  const auto refusal = [&](const std::string& word, Format format) {
    const WordVectors vectors({"fine", word}, tensor({{1.0, 2.0}, {3.0, 4.0}}));
    const std::string text =
        error_text<ValueError>([&] { save_word_vectors(path, vectors, format); });
    CHECK(read_file(path) == "old");
    return text;
  };
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    CHECK(refusal("", format) ==
          "save_word_vectors: word 1 `` could not be read back: it is empty");
    CHECK(refusal("a\nb", format) ==
          "save_word_vectors: word 1 `a?b` could not be read back: it holds a line end or NUL");
    CHECK(refusal("a\r", format).ends_with("it holds a line end or NUL"));
    CHECK(refusal(std::string("a\0b", 3), format).ends_with("it holds a line end or NUL"));
    CHECK(refusal("caf\xE9", format).ends_with("`caf?` could not be read back: it is not UTF-8"));
  }
  CHECK(refusal("new york", Format::word2vec_text) ==
        "save_word_vectors: word 1 `new york` could not be read back: it holds a space; GloVe text "
        "allows that");
  CHECK(refusal("a\tb", Format::word2vec_binary)
            .ends_with("it holds a space; GloVe text allows that"));
  CHECK(refusal(" a", Format::glove_text).ends_with("it begins or ends with a space"));
  // The first line would be read as a header, or the first lines as vectors of three elements.
  CHECK(error_text<ValueError>([&] {
          save_word_vectors(path, WordVectors({"7"}, tensor({{3.0}})), Format::glove_text);
        }) ==
        "save_word_vectors: without a header, the first lines, such as `7 3`, would be read "
        "as another format; use word2vec text or binary");
  CHECK(
      error_text<ValueError>([&] {
        save_word_vectors(path, WordVectors({"at 98", "in 99"}, ones({2, 2})), Format::glove_text);
      }).find("such as `at 98 1 1`") != std::string::npos);
  CHECK(error_text<ValueError>([&] {
          save_word_vectors(path,
                            WordVectors({"\xEF\xBB\xBF"
                                         "a"},
                                        ones({1, 2})),
                            Format::glove_text);
        }).find("would be read as another format") != std::string::npos);
  CHECK(error_text<ValueError>([&] {
          save_word_vectors(path, WordVectors({"PK\x03\x04"}, ones({1, 2})), Format::glove_text);
        }) ==
        "save_word_vectors: without a header, the first lines, such as `PK?? 1 1`, would be read "
        "as another format; use word2vec text or binary");
  // The bytes of this element are the text `1.25`.
  const auto digits = std::bit_cast<float>(std::array<char, 4>{'1', '.', '2', '5'});
  CHECK(
      error_text<ValueError>([&] {
        save_word_vectors(path, WordVectors({"a"}, full({1, 1}, digits)), Format::word2vec_binary);
      }) ==
      "save_word_vectors: the bytes of these elements look like text and would be read as "
      "another format; use word2vec text");
  CHECK(refusal(std::string(65536, 'a'), Format::word2vec_binary)
            .ends_with("it has 65536 bytes, at most 65535 are read; use word2vec text"));
  const WordVectors longest({std::string(65535, 'a')}, ones({1, 1}));
  const TemporaryFolder other;
  save_word_vectors(other.file("v"), longest, Format::word2vec_binary);
  CHECK(load_word_vectors(other.file("v")).words() == longest.words());
  CHECK(error_text<ValueError>([&] {
          save_word_vectors(path, WordVectors({}, zeros({0, 3})));
        }) == "save_word_vectors: got vectors (0, 3), needed at least one word and one element");
  CHECK(error_text<IoError>([&] {
          save_word_vectors(path + "/v", some_vectors());
        }).starts_with("save_word_vectors: cannot "));
  CHECK(read_file(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("GloVe text keeps words with spaces") {
  const TemporaryFolder folder;
  const Words words = {"of", "new york", ". . .", "at 98"};
  const WordVectors vectors(words, ones({4, 3}));
  save_word_vectors(folder.file("v"), vectors, Format::glove_text);
  CHECK(load_word_vectors(folder.file("v")).words() == words);
}

TEST_CASE("WordVectors checks its invariants") {
  CHECK(error_text<ValueError>([] {
          WordVectors({"a", "b", "a"}, zeros({3, 1}));
        }) == "WordVectors: `a` is both word 0 and word 2, needed different words");
  CHECK(error_text<ShapeError>([] {
          WordVectors({"a", "b"}, zeros({3, 1}));
        }) == "WordVectors: got 2 words and vectors (3, 1), needed (2, dim)");
  CHECK(error_text<DTypeError>([] {
          WordVectors({"a"}, zeros({1, 1}, int64));
        }) == "WordVectors: got int64 vectors, needed floating-point ones");
  CHECK(error_text<ValueError>([] {
          WordVectors({"a", "b"}, tensor({{1.0}, {test::kNaN}}));
        }) == "WordVectors: the vector of `b` has an element that is not finite");
  CHECK(error_text<ValueError>([] { some_vectors().vector("The"); }) ==
        "WordVectors: none of the 3 words is `The`; is its case the same?");
  const WordVectors vectors({"a", "b", "c"}, tensor({{3.0, 4.0}, {0.0, 0.0}, {0.0, -2.0}}));
  CHECK(equal(vectors.unit_vectors(), tensor({{0.6, 0.8}, {0.0, 0.0}, {0.0, -1.0}})));
  const WordVectors copy = vectors;  // shares everything
  CHECK(&copy.unit_vectors() == &vectors.unit_vectors());
}

// Initializing an Embedding -----------------------------------------------------------------------

namespace {

const Words kVocabulary = {"<pad>", "the", "unseen", "of", "unheard"};

WordVectors known_vectors() {
  return WordVectors({"of", "a", "the", "<pad>"},
                     tensor({{1.0, 2.0}, {9.0, 9.0}, {3.0, 6.0}, {7.0, 7.0}}));
}

}  // namespace

TEST_CASE("from_pretrained copies the vectors of known words, and draws the other rows") {
  manual_seed(4);
  const Embedding drawn(5, 2);
  manual_seed(4);
  const PretrainedEmbedding start =
      from_pretrained(known_vectors(), kVocabulary, {.padding_idx = 0});
  CHECK(start.known == Rows{1, 3});
  CHECK(start.embedding.padding_idx() == 0);
  CHECK(start.embedding.weight.requires_grad());
  const Tensor& table = start.embedding.weight.value();
  CHECK(table.dtype() == float32);
  CHECK(to_vector<float>(table[0]) == std::vector<float>{0, 0});
  CHECK(to_vector<float>(table[1]) == std::vector<float>{3, 6});
  CHECK(to_vector<float>(table[3]) == std::vector<float>{1, 2});
  CHECK(equal(table[2], drawn.weight.value()[2]));  // as in nn::Embedding
  CHECK(equal(table[4], drawn.weight.value()[4]));
  CHECK(from_pretrained(known_vectors(), kVocabulary).known == Rows{0, 1, 3});
}

TEST_CASE("from_pretrained: zeros, the mean, or draws with the statistics of known words") {
  const auto table = [](UnknownWords unknown) {
    return from_pretrained(known_vectors(), kVocabulary, {.padding_idx = -5, .unknown = unknown})
        .embedding.weight.value();
  };
  CHECK(to_vector<float>(table(UnknownWords::zeros)) ==
        std::vector<float>{0, 0, 3, 6, 0, 0, 1, 2, 0, 0});
  CHECK(to_vector<float>(table(UnknownWords::mean)) ==
        std::vector<float>{0, 0, 3, 6, 2, 4, 1, 2, 2, 4});

  // The columns of known words are 10 +- 1 and -3 +- 0.1. A thousand unknown words get the same
  // statistics.
  Words words;
  for (int i = 0; i < 1000; ++i) words.push_back(std::to_string(i));
  manual_seed(5);
  const Tensor known = randn({1000, 2}) * tensor({1.0, 0.1}) + tensor({10.0, -3.0});
  Words vocabulary = words;
  for (int i = 1000; i < 9000; ++i) vocabulary.push_back(std::to_string(i));
  const PretrainedEmbedding start = from_pretrained(WordVectors(words, known), vocabulary,
                                                    {.unknown = UnknownWords::normal_like});
  CHECK(start.known.size() == 1000);
  const Tensor unknown = narrow(start.embedding.weight.value(), 0, 1000, 8000);
  CHECK(allclose(mean(unknown, {0}), mean(known, {0}), 0, 0.05));
  CHECK(allclose(tapegrad::std(unknown, {0}), tapegrad::std(known, {0}), 0.05, 0));

  const WordVectors others({"x"}, ones({1, 2}));
  CHECK(from_pretrained(others, kVocabulary).known.empty());
  CHECK(error_text<ValueError>(
            [&] { from_pretrained(others, kVocabulary, {.unknown = UnknownWords::mean}); }) ==
        "from_pretrained: none of the 5 words has a vector, needed one for UnknownWords::mean; "
        "are the words in the case of the file?");
  CHECK(error_text<ValueError>([&] { from_pretrained(others, kVocabulary, {.padding_idx = 5}); }) ==
        "from_pretrained: padding_idx 5 out of range for 5 rows");
}

TEST_CASE("freeze_known keeps known rows to the bit while the others are trained") {
  const PretrainedEmbedding start =
      from_pretrained(known_vectors(), kVocabulary, {.freeze_known = true, .padding_idx = 0});
  const Tensor before = start.embedding.weight.value().clone();
  optim::SGD sgd(start.embedding.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  for (int step = 0; step < 3; ++step) {
    sgd.zero_grad();
    sum(square(start.embedding(tensor({0, 1, 2, 3, 4})))).backward();
    sgd.step();
  }
  const Tensor& after = start.embedding.weight.value();
  for (const std::int64_t row : {1, 3}) CHECK(equal(after[row], before[row]));
  for (const std::int64_t row : {2, 4}) CHECK_FALSE(equal(after[row], before[row]));

  const PretrainedEmbedding frozen =
      from_pretrained(known_vectors(), kVocabulary, {.freeze = true});
  CHECK_FALSE(frozen.embedding.weight.requires_grad());
}

TEST_CASE("from_pretrained passes the other options to the Embedding") {
  const PretrainedEmbedding start = from_pretrained(
      known_vectors(), kVocabulary,
      {.padding_idx = 0, .others = {.max_norm = 1.5, .sparse = true, .dtype = float64}});
  CHECK(start.embedding.options().sparse);
  CHECK(start.embedding.weight.row_policy().sparse());
  CHECK(start.embedding.options().max_norm == 1.5);
  CHECK(start.embedding.weight.dtype() == float64);
  CHECK(start.embedding.padding_idx() == 0);
  CHECK(error_text<ValueError>([&] {
          from_pretrained(known_vectors(), kVocabulary, {.others = {.padding_idx = 0}});
        }) ==
        "from_pretrained: others.padding_idx or others.freeze is set, but it is not read; set "
        "padding_idx and freeze of FromWordVectorsOptions instead");
}

TEST_CASE("copy_known_rows does not change other rows") {
  Tensor table = full({5, 2}, -1.0, float64);
  CHECK(copy_known_rows(known_vectors(), kVocabulary, table) == Rows{0, 1, 3});
  CHECK(to_vector<double>(table) == std::vector<double>{7, 7, 3, 6, -1, -1, 1, 2, -1, -1});
  Tensor wrong = zeros({5, 3});
  CHECK(error_text<ShapeError>([&] { copy_known_rows(known_vectors(), kVocabulary, wrong); }) ==
        "copy_known_rows: got a table (5, 3), needed (5, 2), words of the vocabulary by dim of "
        "the vectors");
  Tensor integers = zeros({5, 2}, int64);
  CHECK(error_text<DTypeError>([&] { copy_known_rows(known_vectors(), kVocabulary, integers); }) ==
        "copy_known_rows: got a table of int64, needed floating-point");
}

TEST_CASE("real GloVe vectors") {
  const auto folder = data_folder();
  if (!folder) return;
  const std::string path = *folder + "/glove/glove.6B.50d.first9163.txt";
  const WordVectors vectors = load_word_vectors(path);
  CHECK(vectors.vectors().shape() == Shape{9163, 50});
  CHECK(vectors.report().format == Format::glove_text);
  CHECK(vectors.report().faults.empty());
  CHECK(vectors.find("the") == 0);
  CHECK(vectors.vectors().item<float>({0, 0}) == 0.418F);
  const WordVectors two = load_word_vectors(path, {.vocabulary = Words{"king", "queen", "Queen"}});
  CHECK(two.size() == 2);
  CHECK(equal(two.vector("king"), vectors.vector("king")));
  CHECK(two.report().skipped == 9161);

  const TemporaryFolder copies;
  for (const Format format : {Format::word2vec_text, Format::word2vec_binary, Format::glove_text}) {
    save_word_vectors(copies.file("v"), vectors, format);
    CHECK(equal(load_word_vectors(copies.file("v")).vectors(), vectors.vectors()));
  }
}
