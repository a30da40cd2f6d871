// Every layer that draws random numbers takes a generator: with one, it draws the same numbers as
// from the default generator, which stays as it was, and threads do not disturb each other.
// Read next: layers_test.cc.
#include "catch.h"

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tapegrad.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using tg::Generator;
using tg::GeneratorRef;
using tg::StateDict;
using tg::Tensor;

namespace {

bool same(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, value] : a) {
    if (!b.contains(name) || !equal(value, b.at(name))) return false;
  }
  return true;
}

// The parameters of a layer, and the output of a call.
StateDict with_output(const nn::Module& layer, const tg::Variable& output = {}) {
  StateDict result = layer.state_dict();
  if (output.defined()) result.insert("output", output.value());
  return result;
}

struct Case {
  std::string name;
  std::function<StateDict(GeneratorRef)> run;  // builds the layer, and calls it if it drops
};

template <class Layer>
StateDict dropped(const Layer& layer, const Tensor& x) {
  return with_output(layer, layer(x));
}

const std::vector<Case>& cases() {
  static const Tensor x = tg::ones({3, 5, 4});
  static const std::vector<Case> all = {
      {"Linear", [](auto g) { return with_output(nn::Linear(3, 2, {.generator = g})); }},
      {"Bilinear", [](auto g) { return with_output(nn::Bilinear(3, 4, 2, {.generator = g})); }},
      {"Conv1d", [](auto g) { return with_output(nn::Conv1d(4, 3, 2, {.generator = g})); }},
      {"Conv2d", [](auto g) { return with_output(nn::Conv2d(4, 3, 2, {.generator = g})); }},
      {"Embedding", [](auto g) { return with_output(nn::Embedding(7, 3, {.generator = g})); }},
      {"Embedding, resized",
       [](auto g) {
         nn::Embedding layer(5, 3, {.padding_idx = 0, .generator = g});
         layer.resize(8, g);
         layer.remap({0, -1, 2, -1}, g);
         return with_output(layer);
       }},
      {"EmbeddingBag",
       [](auto g) {
         nn::EmbeddingBag layer(5, 3, {.generator = g});
         layer.resize(8, g);
         layer.remap({-1, 2, -1}, g);
         return with_output(layer);
       }},
      {"LoraEmbedding",
       [](auto g) {
         nn::LoraEmbedding layer(5, 3, {.rank = 2, .generator = g}, {.generator = g});
         layer.resize(7, g);
         StateDict result = with_output(layer);
         result.insert("a", layer.lora_a.weight.value());
         return result;
       }},
      {"from_pretrained of word vectors",
       [](auto g) {
         const nn::WordVectors vectors({"a", "b"}, tg::ones({2, 3}));
         StateDict result;
         for (const auto unknown : {nn::UnknownWords::normal, nn::UnknownWords::normal_like}) {
           const auto layer = nn::from_pretrained(vectors, {"a", "c"},
                                                  {.unknown = unknown, .others = {.generator = g}});
           result.insert(std::to_string(static_cast<int>(unknown)), layer.embedding.weight.value());
         }
         return result;
       }},
      {"RNNCell", [](auto g) { return with_output(nn::RNNCell(3, 2, {.generator = g})); }},
      {"LSTMCell", [](auto g) { return with_output(nn::LSTMCell(3, 2, {.generator = g})); }},
      {"GRUCell", [](auto g) { return with_output(nn::GRUCell(3, 2, {.generator = g})); }},
      {"RNN",
       [](auto g) {
         const nn::RNN layer(4, 2, {.num_layers = 2, .dropout = 0.5, .generator = g});
         return with_output(layer, layer(x).output);
       }},
      {"LSTM",
       [](auto g) {
         const nn::LSTM layer(
             4, 2, {.num_layers = 3, .dropout = 0.5, .bidirectional = true, .generator = g});
         return with_output(layer, layer(x).output);
       }},
      {"GRU",
       [](auto g) {
         const nn::GRU layer(4, 2, {.num_layers = 2, .dropout = 0.5, .generator = g});
         return with_output(layer, layer(x).output);
       }},
      {"MultiheadAttention",
       [](auto g) {
         const nn::MultiheadAttention layer(4, 2,
                                            {.dropout = 0.5, .add_bias_kv = true, .generator = g});
         return with_output(layer, layer(x, x, x).output);
       }},
      {"MultiheadAttention, other keys",
       [](auto g) {
         const nn::MultiheadAttention layer(8, 2, {.kdim = 4, .vdim = 4, .generator = g});
         return with_output(layer);
       }},
      {"TransformerEncoder",
       [](auto g) {
         const nn::TransformerEncoder layer(
             nn::TransformerEncoderLayer(4, 2,
                                         {.dim_feedforward = 6, .dropout = 0.5, .generator = g}),
             2);
         return with_output(layer, layer(x));
       }},
      {"TransformerDecoder",
       [](auto g) {
         const nn::TransformerDecoder layer(
             nn::TransformerDecoderLayer(4, 2,
                                         {.dim_feedforward = 6, .dropout = 0.5, .generator = g}),
             2);
         return with_output(layer, layer(x, x));
       }},
      {"PositionalEncoding",
       [](auto g) {
         return dropped(nn::PositionalEncoding(4, {.dropout = 0.5, .generator = g}), x);
       }},
      {"LearnedPositions",
       [](auto g) {
         return dropped(nn::LearnedPositions(4, {.dropout = 0.5, .max_len = 9, .generator = g}), x);
       }},
      {"Dropout", [](auto g) { return dropped(nn::Dropout(0.5, g), x); }},
      {"Dropout1d", [](auto g) { return dropped(nn::Dropout1d(0.5, g), x); }},
      {"Dropout2d", [](auto g) { return dropped(nn::Dropout2d(0.5, g), unsqueeze(x, 0)); }},
      {"AlphaDropout", [](auto g) { return dropped(nn::AlphaDropout(0.5, g), x); }},
      {"replaced Dropout",
       [](auto g) {
         struct Net : nn::Module {
           nn::Dropout a{register_module("a", nn::Dropout(0.1))};
           nn::Dropout1d b{register_module("b", nn::Dropout1d(0.1))};
           nn::AlphaDropout c{register_module("c", nn::AlphaDropout(0.1))};
         };
         Net net;
         net.replace_module("a", nn::Dropout(0.5, g));
         net.replace_module("b", nn::Dropout1d(0.5, g));
         net.replace_module("c", nn::AlphaDropout(0.5, g));
         return with_output(net, net.a(x) + net.b(x) + net.c(x));
       }},
  };
  return all;
}

}  // namespace

TEST_CASE("a layer with a generator draws the same numbers, and not from the default one", "[nn]") {
  for (const Case& each : cases()) {
    CAPTURE(each.name);
    tg::manual_seed(3);
    const StateDict expected = each.run({});
    const StateDict after = tg::default_generator().state_dict();

    tg::manual_seed(4);
    const StateDict untouched = tg::default_generator().state_dict();
    Generator own(3);
    const StateDict seeded = own.state_dict();
    CHECK(same(each.run(own), expected));
    CHECK(same(own.state_dict(), after));
    CHECK_FALSE(same(own.state_dict(), seeded));
    CHECK(same(tg::default_generator().state_dict(), untouched));
  }
}

TEST_CASE(
    "threads that build models with generators of their own get the numbers that they get "
    "alone",
    "[nn][threads]") {
  const auto build = [](GeneratorRef generator) {
    std::vector<StateDict> models;
    for (const Case& each : cases()) models.push_back(each.run(generator));
    return models;
  };
  std::vector<std::vector<StateDict>> alone, together(2);
  for (const std::uint64_t seed : {5U, 6U}) {
    Generator own(seed);
    alone.push_back(build(own));
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      Generator own(5 + i);
      together[i] = build(own);
    });
  }
  threads.emplace_back([&] { build({}); });  // the default generator may be shared
  threads.emplace_back([&] { build({}); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t which = 0; which < cases().size(); ++which) {
      CAPTURE(i, cases()[which].name);
      CHECK(same(together[i][which], alone[i][which]));
    }
  }
}

TEST_CASE("layers keep a generator only to draw dropout", "[nn]") {
  static_assert(!std::is_constructible_v<GeneratorRef, Generator>, "a temporary would die");
  static_assert(!std::is_constructible_v<GeneratorRef, const Generator&>);
  Generator own(1);
  const auto is_default = [](const GeneratorRef& generator) {
    return &static_cast<Generator&>(generator) == &tg::default_generator();
  };
  CHECK(is_default({}));
  CHECK_FALSE(is_default(own));
  CHECK(is_default(nn::Embedding(3, 2, {.generator = own}).options().generator));
  CHECK(is_default(nn::EmbeddingBag(3, 2, {.generator = own}).options().generator));
  CHECK(is_default(nn::LoraEmbedding(3, 2, {.generator = own}).options().generator));
  CHECK(is_default(nn::Conv1d(3, 2, 1, {.generator = own}).options().generator));
  CHECK(is_default(nn::Conv2d(3, 2, 1, {.generator = own}).options().generator));
  const StateDict seeded = own.state_dict();
  const nn::Dropout dropout(0.5, own);
  clone(dropout)(tg::ones({4}));  // draws from the same one
  CHECK_FALSE(same(own.state_dict(), seeded));
}
