// The models: padding changes nothing, and the logits equal those of layers that the tests put
// together. Read next: examples/text_classifier/model.h.
#include "text_classifier/model.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"

using namespace text_classifier;

namespace {

ModelSettings small(const std::string& arch, const std::string& pool = "max") {
  ModelSettings settings;
  settings.arch = arch;
  settings.vocabulary = 20;
  settings.classes = 3;
  settings.dim = 4;
  settings.hidden = arch == "attention" ? 8 : 5;
  settings.heads = 2;
  settings.filters = 6;
  settings.pool = pool;
  return settings;
}

Classifier make(const ModelSettings& settings) {
  tg::manual_seed(1);
  Classifier model(settings);
  // Larger vectors than the initial ones, so that one word more or less changes the logits.
  tg::nn::init::uniform_(model.embedding.weight, -2, 2);
  select(model.embedding.weight.leaf().writable_value(), 0, 0).zero_();
  model.eval();
  return model;
}

// The state of one registered part of a model; its names are without the name of the part.
tg::StateDict part_of(const Classifier& model, const std::string& name) {
  tg::StateDict part;
  for (const auto& [full, tensor] : model.state_dict()) {
    if (full.starts_with(name + ".")) part.insert(full.substr(name.size() + 1), tensor);
  }
  return part;
}

tg::Tensor head_of(const Classifier& model, const tg::Variable& text) {
  tg::nn::Linear head(text.size(1), 3);
  head.load_state_dict(part_of(model, "head"));
  return head(text).value();
}

const std::vector<std::vector<std::int64_t>> kTexts = {
    {7}, {0}, {3, 4, 5, 6, 7, 8, 9}, {9, 8}, {2, 2, 2, 5, 6}};  // {0} has no words

// The texts, padded to the longest one, and by `more` steps beyond it.
tg::Tensor padded(const std::vector<std::vector<std::int64_t>>& texts, std::int64_t more = 0) {
  std::size_t steps = 0;
  for (const auto& text : texts) steps = std::max(steps, text.size());
  tg::Tensor ids = tg::zeros({texts.size(), steps + static_cast<std::size_t>(more)}, tg::int64);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    narrow(select(ids, 0, row), 0, 0, static_cast<std::int64_t>(texts[i].size()))
        .copy_(tg::tensor(texts[i]));
  }
  return ids;
}

}  // namespace

TEST_CASE("padding does not change the logits", "[text_model]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm", "gru", "cnn", "attention");
  const std::string pool = GENERATE("last", "mean", "max");
  const std::int64_t layers = GENERATE(1, 2);
  const bool both = GENERATE(false, true);
  CAPTURE(arch, pool, layers, both);
  ModelSettings settings = small(arch, pool);
  if (has_states(arch)) settings.layers = layers;
  if (is_recurrent(arch)) settings.bidirectional = both;
  const Classifier model = make(settings);
  const tg::Tensor together = model(padded(kTexts, 3)).value();
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    CAPTURE(i);
    const tg::Tensor alone = model(padded({kTexts[i]})).value();
    CHECK(allclose(narrow(together, 0, static_cast<std::int64_t>(i), 1), alone, 0, 1e-5));
  }
}

TEST_CASE("an lstm in both directions pools its outputs at the words", "[text_model]") {
  ModelSettings settings = small("lstm");
  settings.bidirectional = true;
  settings.layers = 2;
  const tg::Tensor ids = padded({{3, 4, 5, 6}, {9, 8, 2, 5}});
  for (const char* pool : {"last", "mean", "max"}) {
    CAPTURE(pool);
    settings.pool = pool;
    const Classifier model = make(settings);
    tg::nn::LSTM lstm(4, 5, {.num_layers = 2, .batch_first = true, .bidirectional = true});
    lstm.load_state_dict(part_of(model, "lstm"));
    const tg::Variable states = lstm(model.embedding(ids)).output;  // (2, 4, 10)
    // The forward direction ends at the last word, the backward direction at the first.
    const tg::Variable text =
        pool == std::string_view("last")
            ? tg::cat(
                  {narrow(select(states, 1, 3), 1, 0, 5), narrow(select(states, 1, 0), 1, 5, 5)}, 1)
        : pool == std::string_view("mean") ? mean(states, 1)
                                           : max(states, 1).values;
    CHECK(allclose(model(ids).value(), head_of(model, text), 1e-5, 1e-6));
  }
}

TEST_CASE("an rnn pools the states of its cell", "[text_model]") {
  const tg::Tensor ids = padded({{3, 4, 5, 6}, {9, 8, 2, 5}});
  for (const char* pool : {"last", "mean", "max"}) {
    CAPTURE(pool);
    const Classifier model = make(small("rnn", pool));
    tg::nn::RNNCell cell(4, 5);
    cell.load_state_dict(part_of(model, "cell"));
    std::vector<tg::Variable> all;
    tg::Variable state = cell.initial_state(2);
    for (std::int64_t t = 0; t < 4; ++t) {
      state = cell(select(model.embedding(ids), 1, t), state);
      all.push_back(state);
    }
    const tg::Variable states = stack(all, 1);
    const tg::Variable text = pool == std::string_view("last")   ? state
                              : pool == std::string_view("mean") ? mean(states, 1)
                                                                 : max(states, 1).values;
    CHECK(allclose(model(ids).value(), head_of(model, text), 1e-5, 1e-6));
  }
}

TEST_CASE("an rnn of several layers pools its outputs at the words", "[text_model]") {
  ModelSettings settings = small("rnn", "last");
  settings.layers = 2;
  const Classifier model = make(settings);
  tg::nn::RNN rnn(4, 5, {.num_layers = 2, .batch_first = true});
  rnn.load_state_dict(part_of(model, "rnn"));
  const tg::Tensor ids = padded({{3, 4, 5, 6}, {9, 8, 2, 5}});
  const tg::Variable last = select(rnn(model.embedding(ids)).output, 1, 3);
  CHECK(allclose(model(ids).value(), head_of(model, last), 1e-5, 1e-6));
}

TEST_CASE("attention pools the outputs of its encoder for words and positions", "[text_model]") {
  const tg::Tensor ids = padded({{3, 4, 5, 6}, {9, 8, 2, 5}});
  for (const char* pool : {"last", "mean", "max"}) {
    CAPTURE(pool);
    ModelSettings settings = small("attention", pool);
    settings.layers = 2;
    const Classifier model = make(settings);
    tg::nn::Linear widen(4, 8);
    widen.load_state_dict(part_of(model, "widen"));
    const tg::nn::TransformerEncoderLayer layer(
        8, 2, {.dim_feedforward = 32, .batch_first = true, .norm_first = true});
    tg::nn::TransformerEncoder encoder(layer, 2, tg::nn::LayerNorm(8));
    encoder.load_state_dict(part_of(model, "encoder"));
    encoder.eval();
    const tg::nn::PositionalEncoding positions(8, {.batch_first = true});
    const tg::Variable words = widen(model.embedding(ids)) * std::sqrt(8.0);
    const tg::Variable states = encoder(positions(words));  // (2, 4, 8)
    const tg::Variable text = pool == std::string_view("last")   ? select(states, 1, 3)
                              : pool == std::string_view("mean") ? mean(states, 1)
                                                                 : max(states, 1).values;
    CHECK(allclose(model(ids).value(), head_of(model, text), 1e-5, 1e-6));
  }
}

TEST_CASE("a bag adds its words, and multiplies them by their weights", "[text_model]") {
  const tg::Tensor ids = padded(kTexts);
  Classifier model = make(small("bag", "sqrt"));
  const auto text_of = [&](const tg::Tensor& table) {
    const tg::Tensor counts = clamp(sum(ids != 0, 1, true).to(tg::float32), 1);
    const tg::Tensor rows = index_select(table, 0, reshape(ids, {-1}));
    return sum(reshape(rows, {ids.size(0), -1, 4}), 1) / sqrt(counts);
  };
  const tg::Tensor table = model.embedding.weight.value().clone();
  CHECK(allclose(model(ids).value(), head_of(model, text_of(table)), 1e-5, 1e-6));
  const tg::Tensor mean = make(small("bag"))(ids).value();  // as in older versions
  CHECK_FALSE(allclose(model(ids).value(), mean, 1e-3, 1e-3));

  const tg::Tensor weights = tg::rand({20}) + 0.5;
  model.weigh_words(weights);
  const tg::Tensor weighted = model(ids).value();
  CHECK(allclose(weighted, head_of(model, text_of(table * unsqueeze(weights, 1))), 1e-5, 1e-5));
  model.multiply_by_weights();
  CHECK(allclose(model(ids).value(), weighted, 1e-5, 1e-5));
  CHECK(allclose(model.embedding.weight.value(), table * unsqueeze(weights, 1)));
}

TEST_CASE("a cnn keeps the largest value of each filter", "[text_model]") {
  const Classifier model = make(small("cnn"));
  const tg::Tensor ids = padded({{3, 4, 5, 6, 7, 8}});
  std::vector<tg::Variable> features;
  for (std::int64_t i = 0; i < 3; ++i) {
    tg::nn::Conv1d filters(4, 6, i + 3, {.padding = tg::same_padding});
    filters.load_state_dict(part_of(model, "convolutions." + std::to_string(i)));
    features.push_back(max(relu(filters(transpose(model.embedding(ids), 1, 2))), 2).values);
  }
  CHECK(allclose(model(ids).value(), head_of(model, cat(features, 1)), 1e-5, 1e-6));
}

TEST_CASE("a classifier refuses settings that do not fit", "[text_model]") {
  CHECK_THROWS_WITH(
      Classifier(small("tree")),
      "model: unknown architecture 'tree', needed bag, rnn, lstm, gru, cnn or attention");
  CHECK_THROWS_WITH(Classifier(small("gru", "sum")),
                    "model: unknown pooling 'sum', needed last, mean or max");
  ModelSettings settings = small("cnn");
  settings.layers = 2;
  CHECK_THROWS_WITH(Classifier(settings),
                    "model: several layers for 'cnn', needed rnn, lstm, gru or attention");
  settings = small("attention");
  settings.bidirectional = true;
  CHECK_THROWS_WITH(Classifier(settings),
                    "model: both directions for 'attention', needed rnn, lstm or gru");
  settings = small("attention");
  settings.hidden = 6;
  CHECK_THROWS_WITH(Classifier(settings),
                    "model: attention with hidden 6 and heads 2, needed a hidden that is a "
                    "multiple of twice the heads");
}
