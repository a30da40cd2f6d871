// export --c: the C file compiles without warnings, and answers as the model does. Read next:
// examples/text_classifier/export_c.h.
#include "text_classifier/export_c.h"

#include <tapegrad/nn/text/utf8.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/compress.h"
#include "text_classifier/evaluation.h"

using namespace text_classifier;
using namespace text_classifier_test;
using tapegrad::test::error_text;

namespace {

using Texts = std::vector<std::string>;

Texts all_bundled_questions() {
  Texts texts;
  for (const char* part : {"train", "test"}) {
    for (const Row& row : read_corpus(bundled_questions(part)).rows) texts.push_back(row.text);
  }
  return texts;
}

// Texts that are hard to read: many scripts, damage, joiners, upper case, long words and texts.
Texts hard_texts() {
  Texts texts = {
      "",
      " \t\r\n\v",
      "?",
      "WHO Wrote IT",
      "ÀÉÎÕÜ Þ × ÷ ß ÿ ΆΈΉΊΌΎΏ ΑΩΣΤΫ ЀЏАЯ Ђ İ ẞ",
      "体验2D巅峰：A股！東京タワー、ｗｈｙ？ ＡＺ０９",
      "한국어 문장 ภาษาไทย हिन्दी عربي עברית",
      "ex\u00ADam\u00ADple می\u200Cخواهم क्\u200Dष a\u2060b\uFEFFc x\u200By",
      "❤\uFE0F👩\u200D🚀so😀good🏳️‍🌈",
      "\xEF\xBB\xBFwho",
      "what's 3.5 in R2D2? <pad> <unk> a_b-c",
      "ab\xFF"
      "cd \xE4\xB8",
      "\xC3",
      "\xC3(who \xE2\x82",
      "\xED\xA0\x80 \xF4\x90\x80\x80 \xC0\xAF \xF0\x80\x80\xAF \xF8\x88\x80\x80\x80 \x80\xBF",
      "\xF0\x9F\x98",
      "\x01\x02who\x7Fis\x1F",
      std::string(3000, 'a'),
      std::string(3000, 'A') + " who is",
  };
  std::string many, chinese, thai;
  for (int i = 0; i < 700; ++i) many += "who is w" + std::to_string(i) + " ? ";
  for (int i = 0; i < 900; ++i) tg::nn::append_utf8(chinese, 0x4E00 + static_cast<char32_t>(i));
  for (int i = 0; i < 3000; ++i) tg::nn::append_utf8(thai, 0xE01 + static_cast<char32_t>(i % 40));
  for (const std::string& text : {many, chinese, thai, "who " + chinese + " is"}) {
    texts.push_back(text);
    texts.push_back(text.substr(0, text.size() - 1));  // the last character may be cut
  }
  return texts;
}

// All code points between letters and between Chinese characters, 64 in each text.
Texts all_code_points() {
  Texts texts;
  for (char32_t c = 1; c <= 0x10FFFF; ++c) {
    if ((c & 63U) == 0 || texts.empty()) texts.emplace_back();
    texts.back() += " a";
    tg::nn::append_utf8(texts.back(), c);
    texts.back() += "b体";
    tg::nn::append_utf8(texts.back(), c);
    texts.back() += "验";
  }
  return texts;
}

// Random weights, of words and n-grams of the questions.
Trained random_model(std::int64_t classes, std::int64_t dim, std::int64_t ngrams,
                     const Characters& characters, bool words, std::int64_t max_length,
                     int version = tg::nn::kNewestTokenizer, const Answering& answering = {},
                     const char* pool = "sqrt") {
  std::vector<std::vector<std::string>> tokens;
  if (words) {
    for (const std::string& text : all_bundled_questions())
      tokens.push_back(tg::nn::tokenize(text));
    for (const std::string& text : hard_texts()) {
      tokens.push_back(tg::nn::tokenize(text, version));
    }
  }
  const auto vocabulary = tg::nn::Vocabulary::build(tokens, {ngrams, version}, words ? 2 : 1);
  ModelSettings settings{.arch = "bag",
                         .vocabulary = vocabulary.size(),
                         .classes = classes,
                         .dim = dim,
                         .pool = pool,
                         .characters = characters,
                         .words = words};
  tg::manual_seed(3);
  Classifier model(settings);
  tg::nn::init::normal_(model.embedding.weight, 0, std::string(pool) == "sqrt" ? 0.3 : 4);
  tg::select(model.embedding.weight.leaf().writable_value(), 0, 0).zero_();
  model.eval();
  std::vector<std::string> labels;
  for (std::int64_t k = 0; k < classes; ++k) labels.push_back("L" + std::to_string(k));
  labels.front() = "\"é\\\n?\?=%d\"";
  return {model, vocabulary, labels, max_length, answering};
}

constexpr const char* kHarness = R"(
#include "model.c"
#include <stdio.h>
#include <stdlib.h>

int main(void) { /* each text on standard input ends with a NUL */
  size_t size = 0, room = 1 << 26, begin;
  char *text = malloc(room);
  size = fread(text, 1, room, stdin);
  for (begin = 0; begin < size;) {
    float probabilities[CLASSES];
    const int best = classify(text + begin, probabilities);
    int k;
    if (classify(text + begin, NULL) != best) return 1;
    printf("%d", best);
    for (k = 0; k < classify_classes; ++k) printf(" %.9g", (double)probabilities[k]);
    printf("\n");
    while (text[begin++] != 0) {
    }
  }
  free(text);
  return 0;
}
)";

constexpr const char* kCompiler = "cc -std=c99 -O1 -Wall -Wextra -Wpedantic -Werror ";

// Compiles the C file of a model, and compares its answers with the model's.
void check_answers(Trained trained, const Texts& texts) {
  const Session session;
  session.write("model.c", c_source(trained));
  session.write("main.c", kHarness);
  std::string input;
  for (const std::string& text : texts) input += text + '\0';
  const Output compiled = session.shell(std::string(kCompiler) + "main.c -o model -lm");
  INFO(compiled.error);
  REQUIRE(compiled.status == 0);
  const Output output = session.shell("./model", input);
  REQUIRE(output.status == 0);

  std::vector<tg::Tensor> ids;
  for (const std::string& text : texts) ids.push_back(trained.ids(text));
  const tg::Tensor expected = probabilities(trained, ids);
  std::istringstream answers(output.out);
  double largest = 0;
  for (std::int64_t i = 0; i < std::ssize(texts); ++i) {
    std::int64_t best = -1;
    answers >> best;
    for (std::int64_t k = 0; k < expected.size(1); ++k) {
      double probability = -1;
      answers >> probability;
      const double difference = std::abs(probability - expected.item<double>({i, k}));
      if (difference > 1e-6) {
        FAIL("`" << texts[static_cast<std::size_t>(i)] << "`, class " << k << ": " << probability
                 << ", the model has " << expected.item<double>({i, k}));
      }
      largest = std::max(largest, difference);
    }
    REQUIRE(best >= 0);
    REQUIRE(best < expected.size(1));
    const double of_best = expected.item<double>({i, best});
    REQUIRE(of_best >= max(select(expected, 0, i)).item<double>() - 1e-6);
  }
  CHECK(largest < 1e-6);
}

Texts all_texts() {
  Texts texts = all_bundled_questions();
  for (const std::string& text : hard_texts()) texts.push_back(text);
  return texts;
}

}  // namespace

TEST_CASE("export --c: words and n-grams, cut texts", "[text_export_c]") {
  const std::int64_t max_length = GENERATE(200, 5, 1);
  CAPTURE(max_length);
  check_answers(random_model(6, 8, 3, {}, true, max_length), all_texts());
}

TEST_CASE("export --c: models of older versions, and the temperature", "[text_export_c]") {
  const std::int64_t max_length = GENERATE(200, 5, 1);
  const Answering older{.length_unit = LengthUnit::kTokens, .temperature = 1};
  check_answers(random_model(6, 8, 3, {}, true, max_length, 1, older, "max"), all_texts());
  check_answers(random_model(3, 4, 2, {1, 4, 5000}, true, max_length, 1, older, "mean"),
                all_texts());
  const Answering warm{.length_unit = LengthUnit::kWords, .temperature = 2.345678901};
  check_answers(random_model(6, 8, 2, {}, true, max_length, 2, warm), all_texts());
  const Answering cold{.length_unit = LengthUnit::kWords, .temperature = 1 / 3.0};
  check_answers(random_model(6, 8, 2, {}, true, max_length, 2, cold), all_texts());
}

TEST_CASE("export --c: more classes than elements of a vector", "[text_export_c]") {
  check_answers(random_model(9, 3, 2, {}, true, 200), all_texts());
}

TEST_CASE("export --c: characters, with and without words", "[text_export_c]") {
  const bool words = GENERATE(true, false);
  const std::int64_t max_length = GENERATE(200, 3);
  CAPTURE(words, max_length);
  check_answers(random_model(3, 4, 2, {1, 4, 5000}, words, max_length), all_texts());
  check_answers(random_model(3, 2, 1, {3, 3, 700}, words, max_length), all_texts());
}

TEST_CASE("export --c: all code points, with both versions of the tokenizer", "[text_export_c]") {
  const int version = GENERATE(1, 2);
  check_answers(random_model(2, 2, 1, {2, 3, 50'000}, true, 200, version), all_code_points());
}

TEST_CASE("export --c: compressed models", "[text_export_c]") {
  const Trained words = random_model(6, 8, 2, {}, true, 200);
  const Trained both = random_model(9, 7, 2, {1, 3, 3000}, true, 20);
  const Trained characters = random_model(3, 4, 1, {1, 3, 3000}, false, 200);
  for (const Trained* model : {&words, &both, &characters}) {
    for (const std::int64_t size : {1'000'000, 12'000}) {
      CAPTURE(size);
      check_answers(compressed(*model, size, "compress"), all_texts());
    }
  }
}

TEST_CASE("export --c: the program writes the file, which is a program too", "[text_export_c]") {
  const Session session;
  session.write("train.tsv", "who wrote it\tHUM\nwho sang\tHUM\nwhere is it\tLOC\nwhere to\tLOC\n");
  session.run_well("train --train train.tsv --arch bag --ngrams 2 --epochs 30 --out m");
  session.run_well("export --model m --c model.c");
  REQUIRE(session.shell(std::string(kCompiler) + "-DCLASSIFY_MAIN model.c -o model -lm").status ==
          0);
  const std::string texts = "'Who was it?' 'WHERE now' '' 'zzqx'";
  CHECK(session.shell("./model " + texts).out ==
        session.run_well("predict --model m " + texts).out);

  session.run_well("train --train train.tsv --arch lstm --epochs 1 --out sequence");
  session.require_error("export --model sequence --c x.c",
                        "export: --c writes a bag, and this model is a lstm; needed a model of "
                        "--arch bag, or --onnx FILE for this one");
  CHECK_FALSE(std::ifstream(session.file("x.c")).good());
}

TEST_CASE("export --c: weights that are not finite, and long labels, are refused",
          "[text_export_c]") {
  Trained trained = random_model(2, 2, 1, {}, true, 200);
  Trained named = random_model(2, 2, 1, {}, true, 200);
  named.labels.back() = std::string(5000, 'x');
  CHECK(error_text<tg::ValueError>([&] {
          c_source(named);
        }).starts_with("export: --c: a label has 5000 bytes"));
  tg::select(trained.model.embedding.weight.leaf().writable_value(), 0, 1).fill_(NAN);
  CHECK(error_text<tg::ValueError>([&] {
          c_source(trained);
        }).starts_with("export: --c: the model has weights that are not finite"));
}
