// What the language models share: characters, batches, sampling, settings and the file. Read next:
// char_rnn_test.cc.
#include <tapegrad/nn/linear.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "examples/example_program.h"
#include "language_model/batches.h"
#include "language_model/sampling.h"
#include "language_model/saved_model.h"
#include "language_model/settings.h"
#include "language_model/vocabulary.h"

using namespace language_model;

namespace {

Ids counting(std::int64_t n) {
  Ids ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

Ids elements_of(const tg::Tensor& x) { return tg::to_vector<std::int64_t>(x); }

// Always prefers the token after the newest one, of `size`, and has no memory.
struct Counter final : LanguageModel {
  std::int64_t size, most;
  Counter(std::int64_t tokens, std::int64_t window) : size(tokens), most(window) {}
  tg::Variable logits(const tg::Tensor& ids, Memory&) const override {
    REQUIRE((most == 0 || ids.size(1) <= most));
    return (tg::one_hot((ids + 1) % size, size) * 10).to(tg::float32);
  }
  std::int64_t window() const override { return most; }
};

}  // namespace

TEST_CASE("Characters: ids in the order of the code points, and back") {
  const auto characters = Characters::of("b\u00e9a\n\u20acb\U0001f600");
  REQUIRE(characters->size() == 6);
  CHECK(characters->text() == "\nab\u00e9\u20ac\U0001f600");
  CHECK(characters->encode("ab\u20ac\n") == Ids{1, 2, 4, 0});
  CHECK(characters->decode(Ids{5, 3, 1}) == "\U0001f600\u00e9a");
  CHECK(characters->start() == 0);
  CHECK(Characters::of("xy")->start() == 0);
  CHECK(Characters::of("\tx\n")->start() == 1);
  CHECK(Characters::from_text(characters->text(), "file")->encode("\u00e9") == Ids{3});
  for (const std::string damaged : {"", "ba", "aa", "a\xff"}) {
    CHECK_THROWS_AS(Characters::from_text(damaged, "file"), tg::FormatError);
  }
  CHECK_THROWS_WITH(characters->encode_prompt("ac"),
                    "--prompt: the model has not learned the character 'c' (U+0063), because its "
                    "text does not have it");
  CHECK_THROWS_WITH(characters->encode_prompt("\t"),
                    "--prompt: the model has not learned the character U+0009, because its text "
                    "does not have it");
  CHECK_THROWS_WITH(characters->encode_prompt("a\xff"), "--prompt: byte 2 is not UTF-8");
}

TEST_CASE("Streams: each row continues, and an epoch predicts each token of a stream once") {
  Streams streams(counting(24), 2, 4);  // 23 predictions: 11 in each stream
  CHECK(streams.per_epoch() == 3);
  CHECK(equal(streams.at(0), tg::tensor({{0, 1, 2, 3, 4}, {11, 12, 13, 14, 15}})));
  CHECK(equal(streams.at(1), tg::tensor({{4, 5, 6, 7, 8}, {15, 16, 17, 18, 19}})));
  CHECK(equal(streams.at(2), tg::tensor({{8, 9, 10, 11}, {19, 20, 21, 22}})));
  CHECK(equal(streams.at(3), streams.at(0)));
  CHECK(!streams.continues(0));
  CHECK(streams.continues(1));
  CHECK(streams.continues(2));
  CHECK(!streams.continues(3));
  CHECK(streams.predictions_before(0) == 0);
  CHECK(streams.predictions_before(2) == 16);
  CHECK(streams.predictions_before(3) == 22);
  CHECK(streams.predictions_before(7) == 52);
  CHECK_THROWS_AS(Streams(counting(2), 2, 4), tg::ValueError);
}

TEST_CASE("Windows: each epoch predicts each token once, in another order") {
  SECTION("in the order of the text") {
    Windows windows(counting(12), 2, 3, 2, Order::of_text, 0);
    CHECK(windows.per_epoch() == 2);
    CHECK(equal(windows.at(0), tg::tensor({{0, 1, 2, 3, 4}, {3, 4, 5, 6, 7}})));
    CHECK(equal(windows.at(1), tg::tensor({{6, 7, 8, 9, 10}})));
    CHECK(windows.predictions_before(2) == 9);
  }
  SECTION("at random") {
    Windows windows(counting(1000), 5, 1, 10, Order::random, 3);
    CHECK(windows.per_epoch() == 100);  // the last one has 5 rows
    Ids last_epoch;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      Ids predicted;
      for (std::int64_t i = 0; i < 100; ++i) {
        const tg::Tensor batch = windows.at(100 * epoch + i);
        CHECK(batch.size(0) == (i == 99 ? 5 : 10));
        CHECK(equal(batch, select(batch, 1, 0).unsqueeze(1) + tg::arange(6)));
        for (const std::int64_t id : elements_of(select(batch, 1, 5))) predicted.push_back(id);
        CHECK(!windows.continues(100 * epoch + i));
      }
      CHECK(predicted != last_epoch);
      last_epoch = predicted;
      std::ranges::sort(predicted);
      Ids all = counting(1000);
      all.erase(all.begin(), all.begin() + 5);
      CHECK(predicted == all);
    }
    // A batch depends only on its number.
    Windows again(counting(1000), 5, 1, 10, Order::random, 3);
    CHECK(equal(again.at(150), windows.at(150)));
    CHECK(!equal(again.at(150), Windows(counting(1000), 5, 1, 10, Order::random, 4).at(150)));
  }
  SECTION("at random, with several predictions in a window") {
    Windows windows(counting(100), 1, 8, 4, Order::random, 1);
    CHECK(windows.per_epoch() == 3);  // 12 windows
    std::set<std::int64_t> all;
    for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
      std::set<std::int64_t> starts;
      for (std::int64_t i = 0; i < 3; ++i) {
        const tg::Tensor batch = windows.at(3 * epoch + i);
        REQUIRE(batch.shape() == tg::Shape{4, 9});
        CHECK(equal(batch, select(batch, 1, 0).unsqueeze(1) + tg::arange(9)));
        for (const std::int64_t id : elements_of(select(batch, 1, 0))) starts.insert(id);
      }
      CHECK(starts.size() == 12);  // all different
      all.merge(starts);
    }
    CHECK(all.size() == 92);  // each token can be the first one
  }
  CHECK_THROWS_AS(Windows(counting(5), 5, 1, 10, Order::random, 3), tg::ValueError);
  CHECK(Windows(counting(6), 5, 1, 10, Order::random, 3).at(7).shape() == tg::Shape{1, 6});
}

TEST_CASE("draw_token: temperatures from 0 to large, and what it refuses") {
  const tg::Tensor logits = tg::tensor({0.0F, 2.0F, -1.0F, 1.0F, 1.9F});
  tg::Generator generator(5);
  for (const double cold : {0.0, 1e-300, 1e-6, 1e-3}) {
    for (int i = 0; i < 50; ++i) CHECK(draw_token(logits, cold, generator) == 1);
  }
  constexpr int kDraws = 20'000;
  for (const double temperature : {0.5, 1.0, 2.0, 1e6}) {
    CAPTURE(temperature);
    const tg::Tensor expected = softmax(logits.to(tg::float64) / temperature, 0);
    std::vector<int> counts(5);
    for (int i = 0; i < kDraws; ++i) {
      ++counts[static_cast<std::size_t>(draw_token(logits, temperature, generator))];
    }
    for (std::int64_t id = 0; id < 5; ++id) {
      const auto p = expected.item<double>({id});
      const double share = static_cast<double>(counts[static_cast<std::size_t>(id)]) / kDraws;
      CHECK(std::abs(share - p) < 5 * std::sqrt(p * (1 - p) / kDraws));  // 5 standard deviations
    }
  }
  CHECK_THROWS_AS(draw_token(logits, -1, generator), tg::ValueError);
  CHECK_THROWS_AS(draw_token(logits, std::nan(""), generator), tg::ValueError);
  CHECK_THROWS_AS(draw_token(tg::tensor({0.0F, std::nanf("")}), 1, generator), tg::ValueError);
}

TEST_CASE("continue_text: a model sees its window, and the newest token last") {
  tg::Generator generator(1);
  for (const std::int64_t window : {0, 1, 3}) {
    const Counter model(7, window);
    CHECK(continue_text(model, {2, 3, 4, 5}, 5, 0, generator) == Ids{6, 0, 1, 2, 3});
    CHECK(continue_text(model, {2}, 0, 0, generator).empty());
  }
}

TEST_CASE("settings: to text and back, and values that are refused") {
  std::int64_t size = 5;
  double rate = 0.1;
  bool tie = true;
  std::string kind = "b";
  const std::vector<Setting> settings = {{"size", &size, "", 1, 10},
                                         {"rate", &rate, "", 0, 1},
                                         {"tie", &tie, ""},
                                         {"kind", &kind, "", 0, 0, {"a", "b"}}};
  const tg::Metadata values = values_of(settings);
  CHECK(values.at("size") == "5");
  size = 1;
  rate = 0;
  tie = false;
  kind = "a";
  set_values(settings, values, "file");
  CHECK(size == 5);
  CHECK(rate == 0.1);
  CHECK(tie);
  CHECK(kind == "b");
  const auto with = [&](const char* name, const char* value) {
    tg::Metadata changed = values;
    changed[name] = value;
    changed["rate"] = std::string(name) == "rate" ? value : "0.5";
    return changed;
  };
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, const char*>>{{"size", "0"},
                                                        {"size", "11"},
                                                        {"size", "5x"},
                                                        {"size", ""},
                                                        {"rate", "1.5"},
                                                        {"rate", "nan"},
                                                        {"tie", "yes"},
                                                        {"kind", "c"}}) {
    CHECK_THROWS_WITH(
        set_values(settings, with(name, value), "file"),
        std::string("file: the setting ") + name + " is '" + value + "', which is out of range");
    CHECK(rate == 0.1);  // nothing changed
  }
  tg::Metadata less = values;
  less.erase("tie");
  CHECK_THROWS_WITH(set_values(settings, less, "file"), "file: the setting tie is missing");
}

TEST_CASE("the file of a model: what is saved is loaded, and other files are refused") {
  const tapegrad::test::TemporaryFolder folder;
  const std::string path = folder.file("model");
  SavedModel saved;
  saved.settings = {{"hidden", "5"}};
  saved.vocabulary = "ab\u00e9\n";
  saved.text = "0123";
  saved.batches = 77;
  saved.state.insert("model.weight", tg::tensor({1.0F, 2.0F}));
  save_model(path, "char_rnn", saved);
  const SavedModel loaded = load_model(path, "char_rnn");
  CHECK(loaded.settings == saved.settings);
  CHECK(loaded.vocabulary == saved.vocabulary);
  CHECK(loaded.text == saved.text);
  CHECK(loaded.batches == 77);
  CHECK(equal(loaded.state.at("model.weight"), tg::tensor({1.0F, 2.0F})));
  CHECK_THROWS_WITH(load_model(path, "tiny_gpt"), path + ": a model of char_rnn, not of tiny_gpt");

  tg::save(path, saved.state);
  CHECK_THROWS_WITH(load_model(path, "char_rnn"),
                    path + ": not a model of char_rnn: it has no program");
  const tg::Metadata texts = {{"program", "char_rnn"}, {"format", "1"},  {"vocabulary", "a"},
                              {"text", "0"},           {"batches", "3"}, {"setting.hidden", "5"}};
  for (const auto& [key, value, error] : std::vector<std::array<std::string, 3>>{
           {"format", "2", "format 2, this program reads format 1"},
           {"batches", "-1", "the number of batches is '-1'"},
           {"batches", "3.5", "the number of batches is '3.5'"}}) {
    tg::Metadata changed = texts;
    changed[key] = value;
    tg::save(path, saved.state, changed);
    CHECK_THROWS_WITH(load_model(path, "char_rnn"), path + ": " + error);
  }
}
