// A task that depends on the order of words: does `a` come before `b`? Each text has a twin in
// which the two words are swapped, so every bag of words occurs equally often in both classes.
// Read next: examples/text_classifier/model.h.
#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "text_classifier/model.h"

using namespace text_classifier;

namespace {

constexpr std::int64_t kA = 2, kB = 3, kOthers = 10, kLongest = 8;

struct Texts {
  tg::Tensor ids;     // (texts, kLongest), 0 after the end of a text
  tg::Tensor labels;  // 1 where a comes before b
};

// Returns pairs of twins of 4 to 8 words. No two pairs have the same bag of words; `bags` holds the
// bags of earlier calls, which are not used again.
Texts pairs(std::int64_t count, std::mt19937& random, std::set<std::vector<std::int64_t>>& bags) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::vector<std::int64_t> ids, labels;
  while (std::ssize(labels) < 2 * count) {
    std::vector<std::int64_t> text(4 + below(kLongest - 3));
    for (std::int64_t& word : text) word = 4 + static_cast<std::int64_t>(below(kOthers));
    const std::size_t first = below(text.size() - 1);
    const std::size_t second = first + 1 + below(text.size() - first - 1);
    text[first] = kA;
    text[second] = kB;
    std::vector<std::int64_t> bag = text;
    std::ranges::sort(bag);
    if (!bags.insert(bag).second) continue;
    for (const std::int64_t label : {1, 0}) {
      ids.insert(ids.end(), text.begin(), text.end());
      ids.resize(static_cast<std::size_t>(std::ssize(labels) + 1) * kLongest);
      labels.push_back(label);
      std::swap(text[first], text[second]);
    }
  }
  return {reshape(tg::tensor(ids), {-1, kLongest}), tg::tensor(labels)};
}

struct Task {
  Texts train, test;  // no bag occurs in both
};

Task task() {
  std::mt19937 random(1);
  std::set<std::vector<std::int64_t>> bags;
  Texts train = pairs(250, random, bags);
  return {std::move(train), pairs(250, random, bags)};
}

// Trains a model, (texts, steps) -> logits (texts, 2), and returns its accuracy on the test texts.
template <class Model>
double accuracy(Model model, const Task& task, int epochs) {
  tg::optim::Adam adam(model.parameters(), {.lr = 0.01});
  model.train();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const tg::Tensor& batch : tg::split(tg::randperm(task.train.labels.numel()), 25)) {
      adam.zero_grad();
      const tg::Tensor ids = index_select(task.train.ids, 0, batch);
      const tg::Tensor labels = index_select(task.train.labels, 0, batch);
      tg::nn::cross_entropy(model(ids), labels).backward();
      adam.step();
    }
  }
  const tg::NoGrad guard;
  model.eval();
  const tg::Tensor predicted = argmax(model(task.test.ids).value(), 1);
  return mean((predicted == task.test.labels).to(tg::float64)).template item<double>();
}

double accuracy_of(const std::string& arch, const std::string& pool = "max", bool both = false) {
  ModelSettings settings;
  settings.arch = arch;
  settings.vocabulary = 4 + kOthers;
  settings.classes = 2;
  settings.dim = 16;
  settings.hidden = 16;
  settings.heads = 2;
  settings.pool = pool;
  settings.bidirectional = both;
  settings.dropout = 0;
  tg::manual_seed(1);
  return accuracy(Classifier(settings), task(), 20);
}

// A model like --arch attention, but without the positional encoding.
struct AttentionWithoutPositions : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::TransformerEncoder encoder;
  tg::nn::Linear head;

  AttentionWithoutPositions()
      : embedding(register_module("embedding", tg::nn::Embedding(4 + kOthers, 16))),
        encoder(register_module(
            "encoder", tg::nn::TransformerEncoder(
                           tg::nn::TransformerEncoderLayer(
                               16, 2, {.dim_feedforward = 64, .dropout = 0, .batch_first = true}),
                           1))),
        head(register_module("head", tg::nn::Linear(16, 2))) {}

  tg::Variable operator()(const tg::Tensor& ids) const {
    const tg::Variable states = encoder(embedding(ids), {.key_padding_mask = ids == 0});
    return head(tg::nn::masked_max(states, ids != 0));
  }
};

}  // namespace

TEST_CASE("every bag of words occurs equally often in both classes", "[text_order]") {
  const Task texts = task();
  std::set<std::vector<std::int64_t>> in_training;
  for (const Texts* part : {&texts.train, &texts.test}) {
    REQUIRE(part->ids.shape() == tg::Shape{500, kLongest});
    REQUIRE(sum(part->labels).item<std::int64_t>() == 250);
    for (std::int64_t i = 0; i < 500; i += 2) {
      const tg::Tensor bags = sort(narrow(part->ids, 0, i, 2), 1).values;
      REQUIRE(equal(select(bags, 0, 0), select(bags, 0, 1)));
      REQUIRE(in_training.insert(tg::to_vector<std::int64_t>(select(bags, 0, 0))).second);
      for (const std::int64_t row : {i, i + 1}) {
        const std::vector<std::int64_t> text =
            tg::to_vector<std::int64_t>(select(part->ids, 0, row).contiguous());
        const bool a_first = std::ranges::find(text, kA) < std::ranges::find(text, kB);
        REQUIRE(part->labels.item<std::int64_t>({row}) == (a_first ? 1 : 0));
      }
    }
  }
}

TEST_CASE("a bag cannot learn the order of words", "[text_order]") {
  // The logits of twins differ by rounding at most.
  CHECK(std::abs(accuracy_of("bag") - 0.5) < 0.02);
}

TEST_CASE("a recurrent network learns the order of words", "[text_order]") {
  const std::string arch = GENERATE("rnn", "lstm", "gru");
  const std::string pool = GENERATE("last", "max");
  CAPTURE(arch, pool);
  CHECK(accuracy_of(arch, pool) >= 0.99);
}

TEST_CASE("a recurrent network in both directions learns the order of words", "[text_order]") {
  const std::string arch = GENERATE("rnn", "lstm", "gru");
  CAPTURE(arch);
  CHECK(accuracy_of(arch, "max", true) >= 0.99);
}

TEST_CASE("attention learns the order of words only with positions", "[text_order]") {
  CHECK(accuracy_of("attention") >= 0.99);
  tg::manual_seed(1);
  CHECK(std::abs(accuracy(AttentionWithoutPositions(), task(), 20) - 0.5) < 0.02);
}
