// How long a model is trained: the parts that are held out, and the epoch with the smallest loss.
// Read next: examples/text_classifier/search.h.
#include "text_classifier/search.h"

#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "examples/text_classifier/temperature_curves.h"
#include "text_classifier/unknown_word.h"

using namespace text_classifier;
using tapegrad::test::error_text;

namespace {

// The curve of texts of two classes, of which nine in ten are right. `loss` is the loss of a right
// answer whose margin is the smallest.
TemperatureCurve curve_with(double loss, int texts = 100) {
  // The loss of a right answer is log(1 + exp(-margin)).
  const auto margin = static_cast<float>(-std::log(std::exp(loss) - 1));
  std::vector<float> logits;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < texts; ++i) {
    logits.insert(logits.end(), {margin * static_cast<float>(1 + i % 7), 0.0F});
    labels.push_back(i % 10 == 0 ? 1 : 0);
  }
  TemperatureCurve curve;
  curve.add(reshape(tg::tensor(logits), {-1, 2}), tg::tensor(labels));
  return curve;
}

// A curve whose smallest loss is the entropy of a class that is right in `right` of 100 texts.
TemperatureCurve curve_of(int right) { return text_classifier_test::curve_of(100, right, 1); }

std::vector<std::int64_t> labels_of(const std::vector<int>& counts) {
  std::vector<std::int64_t> labels;
  for (std::size_t label = 0; label < counts.size(); ++label) {
    labels.insert(labels.end(), static_cast<std::size_t>(counts[label]),
                  static_cast<std::int64_t>(label));
  }
  return labels;
}

}  // namespace

TEST_CASE("held-out parts have the shares of the classes", "[text_search]") {
  for (const int texts : {20, 480, 1999, 2000, 4000}) {
    CAPTURE(texts);
    const std::vector<std::int64_t> labels = labels_of({texts - texts / 5 - 2, texts / 5, 2});
    const auto parts = held_out_parts(labels, 7);
    const std::size_t part = static_cast<std::size_t>(texts) / (texts < kManyTexts ? 5 : 10);
    REQUIRE(parts.size() == (texts < kManyTexts ? 5 : 1));
    std::set<std::int64_t> seen;
    for (const auto& held_out : parts) {
      CHECK(held_out.size() >= part);
      CHECK(held_out.size() <= part + 1);
      std::vector<int> counts(3, 0);
      for (const std::int64_t text : held_out) {
        ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(text)])];
        CHECK(seen.insert(text).second);
      }
      CHECK(std::abs(counts[1] - static_cast<int>(part) / 5) <= 1);
      CHECK(counts[2] <= 1);
    }
    if (texts < kManyTexts) CHECK(std::ssize(seen) == texts);
    CHECK(held_out_parts(labels, 7) == parts);
    CHECK(held_out_parts(labels, 8) != parts);
  }
}

TEST_CASE("nothing is held out of very few texts, nor of a class with one", "[text_search]") {
  CHECK(held_out_parts(labels_of({10, 9}), 0).empty());
  CHECK(held_out_parts({}, 0).empty());
  const auto parts = held_out_parts(labels_of({30, 1, 1}), 0);
  REQUIRE(parts.size() == 5);
  for (const auto& part : parts) {
    for (const std::int64_t text : part) CHECK(text < 30);
  }
  CHECK(held_out_parts(labels_of(std::vector<int>(25, 1)), 0).empty());  // every class once
}

TEST_CASE("a search stops some epochs after the smallest loss, and finds it", "[text_search]") {
  EpochSearch search(1);
  CHECK_FALSE(search.done());
  int epochs = 0;
  for (bool goes_on = true; goes_on;) {
    ++epochs;
    goes_on = search.look_at(curve_of(epochs <= 6 ? 60 + 5 * epochs : 90 - epochs));
    REQUIRE(epochs < 50);
  }
  CHECK(epochs == 6 + 3 + 2);
  search.next_run();
  CHECK(search.done());
  CHECK(search.epochs() == 6);
  CHECK(search.texts() == 100);
  // 90 of 100 are right with a margin of 1.
  CHECK(search.temperature() == Approx(std::pow(1 / std::log(9.0), 100.0 / 120)).epsilon(0.01));
}

TEST_CASE("a loss that only grows by too sure probabilities does not end a search",
          "[text_search]") {
  // The same answers with larger and larger logits: temperature 1 gets worse, the best does not.
  EpochSearch search(1);
  CHECK(search.look_at(curve_with(0.5)));
  CHECK(search.look_at(curve_with(0.05)));
  CHECK(curve_with(0.05).loss() > curve_with(0.5).loss());
  CHECK(curve_with(0.05).least_loss() == Approx(curve_with(0.5).least_loss()).epsilon(1e-3));
}

TEST_CASE("the losses of all parts decide", "[text_search]") {
  EpochSearch search(2);
  for (int epoch = 1; search.look_at(curve_of(epoch == 2 ? 80 : 75)); ++epoch) {
  }
  CHECK(search.epochs() == 2);
  search.next_run();
  CHECK(search.part() == 1);
  CHECK_FALSE(search.done());
  const tapegrad::StateDict middle = search.state_dict();
  const auto second_part = [](EpochSearch& of) {
    int epochs = 1;
    while (of.look_at(curve_of(epochs == 4 ? 99 : 60))) ++epochs;
    of.next_run();
    return epochs;
  };
  CHECK(second_part(search) == 5);  // as many as the first part
  CHECK(search.done());
  CHECK(search.epochs() == 4);
  CHECK(search.texts() == 200);

  EpochSearch resumed(2);
  resumed.load_state_dict(middle);
  CHECK(second_part(resumed) == 5);
  CHECK(resumed.epochs() == 4);
  CHECK(resumed.temperature() == search.temperature());
  EpochSearch other(0);
  CHECK(error_text<tg::FormatError>([&] {
          other.load_state_dict(middle);
        }).starts_with("search.run is 1 with 1 variants, needed at most 0 with 1"));
}

TEST_CASE("a search compares variants over all parts", "[text_search]") {
  EpochSearch search(2, 2);
  const auto run = [&](int right) {
    int epochs = 1;
    while (search.look_at(curve_of(right - epochs % 2))) ++epochs;
    search.next_run();
    return epochs;
  };
  CHECK(search.runs() == 4);
  run(80);
  CHECK(search.variant() == 0);
  CHECK(search.part() == 1);
  run(70);
  CHECK(search.variant() == 1);
  CHECK(search.part() == 0);
  const tapegrad::StateDict middle = search.state_dict();
  run(75);
  run(90);
  CHECK(search.done());
  CHECK(search.best_variant() == 1);
  CHECK(search.epochs() == 2);
  CHECK(search.texts() == 200);

  EpochSearch resumed(2, 2);
  resumed.load_state_dict(middle);
  CHECK(resumed.run() == 2);
  CHECK(resumed.best_variant() == 0);
  while (resumed.look_at(curve_of(60))) {
  }
  resumed.next_run();
  while (resumed.look_at(curve_of(60))) {
  }
  resumed.next_run();
  CHECK(resumed.best_variant() == 0);
}

TEST_CASE("the state of a search that no search can have is refused", "[text_search]") {
  EpochSearch search(2, 2);
  for (const double loss : {0.5, 0.4, 0.6}) search.look_at(curve_with(loss));
  search.next_run();
  search.look_at(curve_with(0.5));
  const tg::StateDict good = search.state_dict();
  const auto refused = [&](const char* name, const tg::Tensor& value) {
    tg::StateDict state;
    for (const auto& [key, tensor] : good) state.insert(key, key == name ? value : tensor);
    return error_text<tg::FormatError>([&] { EpochSearch(2, 2).load_state_dict(state); });
  };
  const auto none_has = [](const std::string& what) {
    return "search." + what + ", which no search has in its run ";
  };
  CHECK(refused("seen", tg::tensor(-1)) == none_has("seen is -1") + "1");
  CHECK(refused("seen", tg::tensor(3)) == none_has("epochs is 3") + "1");  // the part had ended
  CHECK(refused("seen", tg::tensor(INT64_MAX)) == none_has("seen is 9223372036854775807") + "1");
  CHECK(refused("run", tg::tensor(0)) == none_has("epochs is 3") + "0");
  CHECK(refused("run", tg::tensor(4)) == none_has("seen is 1") + "4");
  CHECK(refused("run", tg::tensor(5)) ==
        "search.run is 5 with 2 variants, needed at most 4 with 2");
  CHECK(refused("epochs", tg::tensor({0, 3})) == none_has("epochs is 0") + "1");
  CHECK(refused("epochs", tg::tensor({INT64_MAX, INT64_MAX})) ==
        "a curve of temperatures has 0 numbers, needed 50");
  CHECK(refused("counts", tg::tensor({1, 2, 3, 4})) ==
        "counts of logits have 1 numbers, needed a multiple of 164");
  for (const double texts : {-1.0, 0.5, 1e300, std::nan("")}) {
    std::vector<double> curves = tg::to_vector<double>(good.at("curves"));
    curves[TemperatureCurve::kPoints] = texts;
    CHECK(refused("curves", tg::tensor(curves)) == "a curve of temperatures has " +
                                                       std::to_string(texts) +
                                                       " texts, needed an integer from 0 to 2^32");
  }
  EpochSearch again(2, 2);
  again.load_state_dict(good);
  CHECK(again.look_at(curve_with(0.5)));
  CHECK_FALSE(again.look_at(curve_with(0.5)));
}

TEST_CASE("a search without parts has nothing to do", "[text_search]") {
  const EpochSearch search(0);
  CHECK(search.done());
  CHECK(search.temperature() == 1);
}

TEST_CASE("a few texts move the temperature only a little", "[text_search]") {
  CHECK(cautious_temperature(TemperatureCurve()) == 1);
  TemperatureCurve all_right;
  all_right.add(tg::tensor({{2.0, 0.0}, {2.0, 0.0}}), tg::tensor({0, 0}));
  CHECK(all_right.temperature() == Approx(kLowestTemperature));
  CHECK(cautious_temperature(all_right) > 0.7);
}

TEST_CASE("texts of unknown words get the shares of the classes", "[text_search]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm", "gru", "cnn", "attention");
  const std::string pool = GENERATE("max", "sqrt");
  if (pool == "sqrt" && arch != "bag") return;
  CAPTURE(arch, pool);
  const auto vocabulary = tg::nn::Vocabulary::build(
      std::vector<std::vector<std::string>>{{"who", "where", "when", "how"}});
  const ModelSettings settings{.arch = arch,
                               .vocabulary = vocabulary.size(),
                               .classes = 3,
                               .dim = 8,
                               .hidden = 8,
                               .pool = pool};
  tg::manual_seed(1);
  Trained trained{Classifier(settings), vocabulary, {"A", "B", "C"}, 200};
  // As after a training: the biases are near the shares, but not equal to them.
  for (const tg::NamedParameter& parameter : trained.model.parameters()) {
    if (parameter.name == "head.bias") {
      tg::NamedParameter(parameter).set_value(tg::tensor({1.0, 0.5, -1.5}).to(tg::float32));
    }
  }
  const tg::StateDict before = trained.model.state_dict();
  const tg::Tensor table = before.at("embedding.weight").clone();
  const std::vector<double> shares = {0.7, 0.25, 0.05};
  fit_unknown_word(trained, shares);
  for (const char* text : {"zzqx", "Zzqx blorf", "zz qx blorf umph"}) {
    CAPTURE(text);
    const tg::Tensor p = softmax(trained.logits(unsqueeze(trained.ids(text), 0)), 1);
    // The vector of a bag with `sqrt` grows with the number of words; it is fitted for one.
    const bool is_exact = pool == "max" || text == std::string_view("zzqx");
    for (std::int64_t i = 0; i < 3; ++i) {
      CHECK(p.item<double>({0, i}) ==
            Approx(shares[static_cast<std::size_t>(i)]).margin(is_exact ? 0.06 : 0.25));
    }
  }
  // Only the row of unknown words has changed.
  const tg::Tensor now = trained.model.embedding.weight.value();
  CHECK(equal(narrow(now, 0, 2, 4), narrow(table, 0, 2, 4)));
  CHECK(equal(select(now, 0, 0), select(table, 0, 0)));
  CHECK_FALSE(equal(select(now, 0, 1), select(table, 0, 1)));
}
