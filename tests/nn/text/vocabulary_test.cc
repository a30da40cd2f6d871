// Tests of Vocabulary: the order of the ids, encoding, and its file. Read next: word_index_test.cc.
#include <tapegrad/nn/text/vocabulary.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace tapegrad::nn;
using Ids = std::vector<std::int64_t>;
using Texts = std::vector<std::vector<std::string>>;
using tapegrad::test::error_text;

namespace {

const Texts kTexts = {{"b", "a", "c"}, {"c", "a", "<pad>", "d"}};

std::string load_error(std::string_view content) {
  const TemporaryFile file(content);
  const std::string text =
      error_text<tapegrad::FormatError>([&] { Vocabulary::load(file.path()); });
  if (!text.starts_with(file.path() + ":")) return text;
  return text.substr(file.path().size() + 1);
}

}  // namespace

TEST_CASE("Vocabulary: ids by decreasing count, then by first occurrence") {
  const Vocabulary words = Vocabulary::build(kTexts, Tokenizer{2});
  REQUIRE(words.size() == 11);
  CHECK(words.word(0) == "<pad>");
  CHECK(words.word(1) == "<unk>");
  CHECK(words.word(2) == "a");
  CHECK(words.word(3) == "c");
  CHECK(words.word(4) == "b");
  CHECK(words.word(5) == "b a");
  CHECK(words.word(6) == "a c");
  CHECK(words.word(7) == "d");
  CHECK(words.word(8) == "c a");
  for (std::int64_t id = 0; id < words.size(); ++id) CHECK(words.find(words.word(id)) == id);
  CHECK_FALSE(words.find("e"));
  const std::vector<std::string> all = words.words();
  REQUIRE(all.size() == 11);
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i] == words.word(static_cast<std::int64_t>(i)));
  CHECK(Vocabulary::build(kTexts, Tokenizer{2}, 2).size() == 4);
  CHECK(Vocabulary::build({}, Tokenizer{}).size() == 2);
}

TEST_CASE("Vocabulary: words in `also` are kept even if they are rare") {
  const std::vector<std::string> also = {"x", "d", "<unk>", "x", "a"};
  const Vocabulary all = Vocabulary::build(kTexts, Tokenizer{2}, 1, also);
  REQUIRE(all.size() == 12);
  CHECK(all.find("d") == 7);
  CHECK(all.find("x") == 11);  // after all words that occur
  const Vocabulary frequent = Vocabulary::build(kTexts, Tokenizer{2}, 2, also);
  REQUIRE(frequent.size() == 6);
  CHECK(frequent.find("d") == 4);
  CHECK_FALSE(frequent.find("b"));
}

TEST_CASE("Vocabulary: unknown words become <unk>, unknown n-grams are left out") {
  const Vocabulary words = Vocabulary::build(kTexts, Tokenizer{2});
  CHECK(words.encode("B a, e") == Ids{4, 2, 1, 1, 5});  // b a , e | b a | (a ,) (, e)
  CHECK(words.encode("").empty());
}

TEST_CASE("Vocabulary: build_and_encode returns the ids of each text") {
  const std::vector<std::string> also = {"d"};
  for (const std::int64_t min_count : {1, 2, 3}) {
    const auto [words, ids] = Vocabulary::build_and_encode(kTexts, Tokenizer{3}, min_count, also);
    REQUIRE(ids.size() == kTexts.size());
    for (std::size_t i = 0; i < ids.size(); ++i) CHECK(ids[i] == words.encode(kTexts[i]));
  }
}

TEST_CASE("Vocabulary: errors for ids out of range and invalid tokens") {
  const Vocabulary words = Vocabulary::build(kTexts, Tokenizer{});
  for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{6}, INT64_MAX}) {
    CHECK(error_text<tapegrad::IndexError>([&] { words.word(id); }) ==
          "vocabulary: id " + std::to_string(id) + " is out of range for 6 tokens");
  }
  for (const char* token : {"", "a\nb"}) {
    CHECK(error_text<tapegrad::ValueError>([&] {
            Vocabulary::build(Texts{{"x", token}}, Tokenizer{});
          }) == "vocabulary: a token must be one line and not empty");
  }
  const std::vector<std::string> damaged = {"\xFF"};
  CHECK(error_text<tapegrad::ValueError>([&] {
          Vocabulary::build(kTexts, Tokenizer{}, 1, damaged);
        }) == "vocabulary: a token must be UTF-8");
  for (const std::int64_t longest : {0, 10}) {
    CHECK(error_text<tapegrad::ValueError>([&] {
            Vocabulary::build(kTexts, Tokenizer{longest});
          }) == "vocabulary: longest_ngram is " + std::to_string(longest) + ", needed 1 to 9");
  }
}

TEST_CASE("Vocabulary: copying, moving, saving and loading preserve it") {
  const TemporaryFile file;
  {
    Vocabulary first = Vocabulary::build(kTexts, Tokenizer{2});
    const Vocabulary copy = first;
    const Vocabulary moved = std::move(first);
    CHECK(copy.find("b a") == 5);
    CHECK(moved.word(5) == "b a");
    copy.save(file.path());
  }
  CHECK(file.content() ==
        "tapegrad vocabulary 1; words-2 ngrams=2; 11 tokens\n<pad>\n<unk>\na\nc\nb\nb a\na c\nd\nc "
        "a\n"
        "a <pad>\n<pad> d\n");
  const Vocabulary loaded = Vocabulary::load(file.path());
  CHECK(loaded.size() == 11);
  CHECK(loaded.find("b a") == 5);
  CHECK(loaded.tokenizer().longest_ngram == 2);
}

TEST_CASE("Vocabulary: a file that is not a valid vocabulary throws with its line") {
  const std::string head = "tapegrad vocabulary 1; words-1 ngrams=1; ";
  CHECK(load_error(head + "3 tokens\n<pad>\n<unk>\na\n") == "");
  CHECK(load_error("") == "1: empty file; needed a vocabulary");
  CHECK(load_error("<pad>\n<unk>\n") == "1: not a vocabulary file");
  CHECK(load_error("tapegrad vocabulary 2; words-1 ngrams=1; 2 tokens\n<pad>\n<unk>\n") ==
        "1: vocabulary of a version other than 1");
  CHECK(load_error("tapegrad vocabulary 1; letters; 2 tokens\n<pad>\n<unk>\n") ==
        "1: tokenizer: got `letters`, needed `words-1 ngrams=N` or `words-2 ngrams=N` with N from "
        "1 to 9");
  for (const char* count : {"tokens\n", " tokens\n", "x tokens\n", "1 tokens\n", "-3 tokens\n",
                            "99999999999999999999 tokens\n", "3 token\n", ""}) {
    CHECK(load_error(head + count) == "1: the header must end with `; N tokens`");
  }
  const std::string cut_off =
      ": the file ends here, but its header announces 3 tokens; was it cut off?";
  CHECK(load_error(head + "3 tokens\n<pad>\n<unk>\n") == "3" + cut_off);
  CHECK(load_error(head + "3 tokens\n<pad>\n<unk>\nab") == "3" + cut_off);
  CHECK(load_error(head + "3 tokens") == "1" + cut_off);
  CHECK(load_error(head + "3 tokens\n<pad>\n<unk>\na\nb\n") ==
        "5: more tokens than the 3 that the header announces");
  CHECK(load_error(head + "4 tokens\n<pad>\n<unk>\na\na\n") == "5: token `a` occurs twice");
  CHECK(load_error(head + "4 tokens\n<pad>\n<unk>\n\na\n") == "4: empty token");
  CHECK(load_error(head + "3 tokens\n<pad>\n<unk>\n\xFF\n") == "4: token is not UTF-8");
  CHECK(load_error(head + "2 tokens\n<unk>\n<pad>\n") ==
        "2: the first tokens must be <pad> and <unk>");
}

TEST_CASE("Vocabulary: the error names a file that cannot be read or written") {
  CHECK(error_text<tapegrad::IoError>([] {
          Vocabulary::load("/no/such");
        }).starts_with("vocabulary: cannot open /no/such: "));
  CHECK(error_text<tapegrad::IoError>([] {
          Vocabulary::build({}, Tokenizer{}).save("/no/such/words.txt");
        }).find("/no/such") != std::string::npos);
}

TEST_CASE("Vocabulary: a million tokens load quickly") {
  std::string text = "tapegrad vocabulary 1; words-1 ngrams=1; 1000000 tokens\n<pad>\n<unk>\n";
  for (int i = 2; i < 1'000'000; ++i) text += "token" + std::to_string(i) + "\n";
  const TemporaryFile file(text);
  const auto begin = std::chrono::steady_clock::now();
  const Vocabulary words = Vocabulary::load(file.path());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  CHECK(words.size() == 1'000'000);
  CHECK(words.find("token999999") == 999'999);
  INFO("loaded in " << seconds.count() << " s");
  CHECK(seconds.count() < 10);  // 0.2 in a release build; sanitizers and busy machines are slower
}

TEST_CASE("Vocabulary: a file of an older version keeps its tokenizer") {
  const std::string head = "tapegrad vocabulary 1; words-1 ngrams=1; 4 tokens\n<pad>\n<unk>\n";
  const auto older = Vocabulary::from_text(head + "ex\nample\n", "older");
  CHECK(older.encode("ex\u00ADample") == std::vector<std::int64_t>{2, 3});
  CHECK(older.text() == head + "ex\nample\n");
  const std::vector<std::vector<std::string>> texts = {tokenize("ex\u00ADample")};
  CHECK(Vocabulary::build(texts).encode("ex\u00ADample") == std::vector<std::int64_t>{2});
}
