// Hashed character n-grams: their hash and their rows; models of names, of languages, of Chinese
// and of misspelled words; what is refused. Read next: examples/common/characters.h.
#include "common/characters.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "common/hashing.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/saved_settings.h"
#include "text_classifier/trained.h"

using namespace text_classifier;
using namespace text_classifier_test;
using namespace examples;
using tapegrad::test::error_text;

namespace {

using Ids = std::vector<std::int64_t>;
using Words = std::vector<std::string>;

constexpr std::int64_t kBuckets = 1'000'003;

Ids characters_of(const Words& tokens, std::int64_t shortest, std::int64_t longest,
                  std::int64_t most = 1000) {
  Ids ids;
  append_characters(tokens, {shortest, longest, kBuckets}, 0, most, ids);
  return ids;
}

// The buckets of n-grams that are written out.
Ids buckets_of(const Words& ngrams) {
  Ids ids;
  for (const std::string& ngram : ngrams) ids.push_back(to_32_bits(hash_of(ngram)) % kBuckets);
  return ids;
}

// Made-up names: each language has syllables of its own, all of the same letters, and an ending
// that all share. No name occurs twice, so words alone know nothing about a new name.
struct Names {
  std::string train, test;
};

Names made_up_names() {
  const std::vector<Words> languages = {{"ka", "ri", "to", "mu"},
                                        {"ak", "ir", "ot", "um"},
                                        {"kra", "tri", "mot", "ruk"},
                                        {"ark", "irt", "tom", "kur"}};
  std::mt19937 random(1);  // the standard fixes its numbers
  std::set<std::string> seen;
  Names names;
  for (int i = 0; i < 800; ++i) {
    const std::size_t language = static_cast<std::size_t>(i) % languages.size();
    std::string name;
    do {
      name.clear();
      for (int syllable = 0; syllable < 4; ++syllable) name += languages[language][random() % 4];
      name += "son";
    } while (!seen.insert(name).second);
    (i < 600 ? names.train : names.test) += name + "\tL" + std::to_string(language) + "\n";
  }
  return names;
}

}  // namespace

TEST_CASE("hash_of: the published values of FNV-1a", "[text_characters]") {
  CHECK(hash_of("") == 0xCBF29CE484222325);
  CHECK(hash_of("a") == 0xAF63DC4C8601EC8C);
  CHECK(hash_of("foobar") == 0x85944171F73967E8);
  CHECK(hash_of("bar", hash_of("foo")) == hash_of("foobar"));
  CHECK(to_32_bits(0x0123456789ABCDEF) == (0x01234567U ^ 0x89ABCDEFU));
}

TEST_CASE("append_characters: the n-grams of words with their boundaries", "[text_characters]") {
  CHECK(characters_of({"abc"}, 1, 1) == buckets_of({"a", "b", "c"}));
  CHECK(characters_of({"ab"}, 1, 3) == buckets_of({" a", " ab", "a", "ab", "ab ", "b", "b "}));
  CHECK(characters_of({"ab", "c"}, 2, 2) == buckets_of({" a", "ab", "b ", " c", "c "}));
  CHECK(characters_of({"é"}, 1, 2) == buckets_of({" é", "é", "é "}));  // code points, not bytes
  CHECK(characters_of({"ab"}, 9, 9).empty());
  CHECK(characters_of({}, 1, 5).empty());
}

TEST_CASE("append_characters: neighboring Chinese and Japanese characters are one word",
          "[text_characters]") {
  CHECK(characters_of({"体", "验"}, 2, 2) == buckets_of({" 体", "体验", "验 "}));
  CHECK(characters_of({"体", "2d", "验"}, 2, 2) ==
        buckets_of({" 体", "体 ", " 2", "2d", "d ", " 验", "验 "}));
  CHECK(characters_of({"한국", "어"}, 2, 2) == buckets_of({" 한", "한국", "국 ", " 어", "어 "}));
}

TEST_CASE("append_characters: a text is cut, also within a word", "[text_characters]") {
  CHECK(characters_of({"abc", "de"}, 1, 1, 4) == buckets_of({"a", "b", "c", "d"}));
  CHECK(characters_of({"abc"}, 2, 2, 2) == buckets_of({" a", "ab", "b "}));
  CHECK(characters_of({"abc"}, 1, 1, 0).empty());
  CHECK(characters_of({"体", "验"}, 1, 1, 1) == buckets_of({"体"}));
}

TEST_CASE("parse_characters: a range or a length", "[text_characters]") {
  CHECK(parse_characters("1-5", 7, "x") == Characters{1, 5, 7});
  CHECK(parse_characters("3", 7, "x") == Characters{3, 3, 7});
  CHECK_FALSE(parse_characters("", 7, "x").used());
  for (const char* wrong : {"0-3", "5-1", "1-10", "a", "1-", "-1", "1-3 ", "1,3", "1-3-5", " 1",
                            "99999999999999999999"}) {
    CHECK(error_text<tg::ValueError>([&] { parse_characters(wrong, 7, "train: --chars"); }) ==
          "train: --chars is '" + std::string(wrong) +
              "', needed the lengths of character n-grams, from 1 to 9, such as 1-5");
  }
}

TEST_CASE("Trained: words and characters, words alone, characters alone", "[text_characters]") {
  const std::vector<Words> texts = {{"ab"}};
  const auto vocabulary = tg::nn::Vocabulary::build(texts);  // <pad>, <unk>, ab
  ModelSettings settings{
      .arch = "bag", .vocabulary = 3, .classes = 2, .dim = 4, .characters = {2, 2, kBuckets}};
  const Ids buckets = buckets_of({" a", "ab", "b "});
  const auto ids = [&](bool words, std::int64_t max_length, const char* text) {
    settings.words = words;
    const Trained trained{Classifier(settings), vocabulary, {"A", "B"}, max_length};
    return tg::to_vector<std::int64_t>(trained.ids(text));
  };
  CHECK(ids(true, 5, "AB") == Ids{2, 3 + buckets[0], 3 + buckets[1], 3 + buckets[2]});
  CHECK(ids(false, 5, "AB") == Ids{3 + buckets[0], 3 + buckets[1], 3 + buckets[2]});
  CHECK(ids(false, 1, "AB x") == ids(false, 5, "AB"));  // the second word is cut
  CHECK(ids(false, 5, " ") == Ids{0});
  CHECK(ids(false, INT64_MAX, "AB") == ids(false, 5, "AB"));

  // A bucket that was never trained says nothing: the answer is that of the bias.
  tg::manual_seed(0);
  settings.words = false;
  Trained trained{Classifier(settings), vocabulary, {"A", "B"}, 5};
  trained.model.eval();
  const tg::Tensor unseen = probabilities(trained, {trained.ids("zzqx"), trained.ids("")});
  CHECK(tg::allclose(select(unseen, 0, 0), select(unseen, 0, 1)));

  settings.arch = "rnn";
  CHECK(error_text<tg::ValueError>([&] { Classifier model(settings); }) ==
        "model: character n-grams for 'rnn', needed bag");
}

TEST_CASE("characters: names that no training text holds", "[text_characters]") {
  const Session session;
  const Names names = made_up_names();
  session.write("train.tsv", names.train);
  session.write("test.tsv", names.test);
  const auto accuracy = [&](const std::string& options) {
    return accuracy_in(session
                           .run_well("train --train train.tsv --test test.tsv --arch bag --out m "
                                     "--dim 16 --epochs 20 " +
                                     options)
                           .out);
  };
  CHECK(accuracy("") < 0.4);  // of four classes
  CHECK(accuracy("--chars 1-4 --words no --buckets 5000") > 0.97);
  CHECK(accuracy("--chars 1-4") > 0.97);
  // A name of known parts, and one of parts that nobody has seen.
  const std::string answers = session.run_well("predict --model m Kamurito karitomuka").out;
  CHECK(answers.find("L0  0.9") == 0);
  const std::string known = names.train.substr(0, names.train.find('\t'));
  CHECK(session.run_well("neighbors --model m " + known).out.starts_with(known));
  session.require_error("neighbors --model m zzqx", "the vocabulary has no 'zzqx'");
}

TEST_CASE("characters: misspelled words, languages, Chinese", "[text_characters]") {
  const Session session;
  session.write("train.tsv",
                "the weather is wonderful today\ten\nwhere is the beautiful garden\ten\n"
                "we have nothing against the neighbors\ten\nshe thought about everything\ten\n"
                "das Wetter ist heute wunderschön\tde\nwo ist der schöne Garten\tde\n"
                "wir haben nichts gegen die Nachbarn\tde\nsie dachte über alles nach\tde\n"
                "今天天气很好\tzh\n美丽的花园在哪里\tzh\n我们不反对邻居\tzh\n她想了很多\tzh\n");
  session.run_well(
      "train --train train.tsv --arch bag --chars 1-4 --words no --out m --epochs 60 --dim 8");
  const std::string out = session
                              .run_well(
                                  "predict --model m 'wunderschöner Nachbargarten' "
                                  "'nothings beautifull' '她很美丽'")
                              .out;
  CHECK(out.find("de  ") == 0);
  CHECK(out.find("\nen  ") != std::string::npos);
  CHECK(out.find("\nzh  ") != std::string::npos);
}

TEST_CASE("characters: the options that are refused", "[text_characters]") {
  const Session session;
  session.write("train.tsv", "a\tA\nb\tB\n");
  const auto refuse = [&](const std::string& options, const std::string& expected) {
    session.require_error("train --train train.tsv --out m " + options, "train: " + expected);
  };
  refuse("--arch bag --chars 5-1", "--chars is '5-1', needed the lengths of character n-grams");
  refuse("--arch lstm --chars 1-5",
         "--chars adds the character n-grams of a text in no order, and lstm reads words one after "
         "the other; needed --arch bag");
  refuse("--arch bag --buckets 5", "--buckets is the number of rows for character n-grams; needed");
  refuse("--arch bag --words no", "--words no leaves nothing to read; needed --chars too");
  refuse("--arch bag --words no --chars 3 --ngrams 2", "--ngrams are sequences of words");
  refuse("--arch bag --words no --chars 3 --min-count 2", "--min-count chooses words");
  refuse("--arch bag --words no --chars 3 --vectors f", "--vectors holds vectors of words");
  refuse("--arch bag --words maybe", "--words: maybe not in");
  refuse("--arch bag --chars 3 --buckets 0", "--buckets");
}

TEST_CASE("characters: the settings of a model are read strictly", "[text_characters]") {
  ModelSettings model{.arch = "bag", .characters = {1, 5, 9}};
  model.words = false;
  const std::string text = settings_text(model, 5, {"A", "B"});
  const SavedSettings read = parse_settings(text, "s");
  CHECK(read.model.characters == model.characters);
  CHECK_FALSE(read.model.words);
  CHECK(settings_text({.arch = "bag"}, 5, {"A"}).find("chars") == std::string::npos);

  const auto error_with = [&](const std::string& from, const std::string& to) {
    const std::string changed = replaced(text, from, to);
    return error_text<tg::FormatError>([&] { parse_settings(changed, "s"); });
  };
  CHECK(error_with("\"bag\"", "\"gru\"") == "s: needed no chars, unless arch is bag");
  CHECK(error_with("1,\n    5", "5, 1") == "s: needed chars of two lengths from 1 to 9");
  CHECK(error_with("1,\n    5", "1, 10") == "s: needed chars of two lengths from 1 to 9");
  CHECK(error_with("1,\n    5", "1") == "s: chars has another size, needed [shortest, longest]");
  CHECK(error_with("1,\n    5", "1, 2.5") == "s: chars holds 2.5, needed only integers");
  CHECK(error_with("\"buckets\": 9", "\"buckets\": 0") == "s: needed buckets from 1 to 100000000");
  CHECK(error_with("\"buckets\": 9", "\"x\": 0") == "s: buckets is missing");
  CHECK(error_with("\"words\": false", "\"words\": 0") == "s: words is 0, needed true or false");
}
