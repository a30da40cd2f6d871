// replace_module() transfers the settings of every layer that has some.
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <tapegrad/tapegrad.h>

#include "catch.h"

using namespace tapegrad;

namespace {

Tensor first(const Variable& y) { return y.value(); }
template <class First, class... Rest>
Tensor first(const std::tuple<First, Rest...>& y) {
  return first(std::get<0>(y));
}
template <class Result>
auto first(const Result& y) -> decltype(y.output.value()) {
  return y.output.value();
}

template <class M>
struct Holder : nn::Module {
  explicit Holder(const M& module) : layer(register_module("layer", module)) {}
  M layer;
};

// The outputs of a layer, of another one, and of the first after it was replaced.
struct Outputs {
  Tensor before, wanted, after;
};

template <class M, class... Inputs>
std::function<Outputs()> replaced(const M& old, const M& other, const Inputs&... inputs) {
  return [=] {
    Holder<M> holder(old);
    holder.eval();
    M model = other;
    model.eval();
    const M handle = holder.layer;
    const Tensor before = first(handle(inputs...));
    holder.replace_module("layer", other);
    return Outputs{before, first(model(inputs...)), first(handle(inputs...))};
  };
}

// By class; the inputs are such that the settings matter.
std::map<std::string, std::function<Outputs()>> cases() {
  manual_seed(5);
  const Tensor x = randn({2, 4, 6}), images = randn({2, 4, 6, 6}), row = randn({3, 4}),
               ids = tensor({{0, 1, 2}, {3, 0, 0}});
  const Tensor classes = tensor({0, 0, 1});
  nn::BatchNorm1d narrow(4, {.eps = 0.5}), wide(4);
  nn::Embedding zero(5, 3, {.padding_idx = 0, .padding_mode = nn::PaddingMode::zero_output});
  nn::Embedding table(5, 3, {.padding_idx = 0});
  table.weight.set_value(ones({5, 3}));
  zero.weight.set_value(ones({5, 3}));
  nn::LoraEmbedding weak(5, 3, {.rank = 2, .alpha = 1}), strong(5, 3, {.rank = 2, .alpha = 8});
  weak.lora_b.set_value(ones({2, 3}));
  strong.lora_b.set_value(ones({2, 3}));
  return {
      {"ActivationWith", replaced(nn::LeakyReLU(0.5), nn::LeakyReLU(0.25), x)},
      {"Unflatten", replaced(nn::Unflatten(2, {2, 3}), nn::Unflatten(2, {3, 2}), x)},
      {"MultiheadAttention", replaced(nn::MultiheadAttention(6, 2, {.batch_first = true}),
                                      nn::MultiheadAttention(6, 2), x, x, x)},
      {"Conv1d", replaced(nn::Conv1d(4, 2, 3), nn::Conv1d(4, 2, 3, {.stride = 2}), x)},
      {"Conv2d", replaced(nn::Conv2d(4, 2, 3), nn::Conv2d(4, 2, 3, {.stride = 2}), images)},
      {"WindowPooling", replaced(nn::MaxPool1d(2), nn::MaxPool1d(3), x)},
      {"AdaptiveAvgPool2d", replaced(nn::AdaptiveAvgPool2d(2), nn::AdaptiveAvgPool2d(3), images)},
      {"AdaptiveMaxPool1d", replaced(nn::AdaptiveMaxPool1d(2), nn::AdaptiveMaxPool1d(3), x)},
      {"AdaptiveAvgPool1d", replaced(nn::AdaptiveAvgPool1d(2), nn::AdaptiveAvgPool1d(3), x)},
      {"Embedding", replaced(table, zero, ids)},
      {"EmbeddingBag",
       replaced(nn::EmbeddingBag(5, 3), nn::EmbeddingBag(5, 3, {.mode = BagMode::sum}), ids)},
      {"HierarchicalSoftmax", replaced(nn::HierarchicalSoftmax({1, 40, 3}, 4),
                                       nn::HierarchicalSoftmax({40, 1, 3}, 4), row, classes)},
      {"LoraEmbedding", replaced(weak, strong, ids)},
      {"LossWith",
       replaced(nn::HuberLoss({.delta = 0.1}), nn::HuberLoss({.delta = 2.0}), row, -row)},
      {"LayerNorm", replaced(nn::LayerNorm({6}), nn::LayerNorm({6}, {.eps = 0.5}), x)},
      {"RMSNorm", replaced(nn::RMSNorm({6}), nn::RMSNorm({6}, {.eps = 0.5}), x)},
      {"BatchNorm", replaced(wide, narrow, row)},
      {"GroupNorm", replaced(nn::GroupNorm(2, 4), nn::GroupNorm(2, 4, {.eps = 0.5}), x)},
      {"QuantizedLinear",
       replaced(nn::QuantizedLinear(nn::Linear(4, 8)), nn::QuantizedLinear(nn::Linear(4, 3)), row)},
      {"QuantizedEmbedding", replaced(nn::QuantizedEmbedding(nn::Embedding(5, 8)),
                                      nn::QuantizedEmbedding(nn::Embedding(5, 3)), ids)},
      {"RNNBase", replaced(nn::RNN(6, 3), nn::RNN(6, 3, {.batch_first = true}), x)},
      {"RNNCell", replaced(nn::RNNCell(4, 3),
                           nn::RNNCell(4, 3, {.nonlinearity = nn::Nonlinearity::relu}), row)},
      {"Sequential", replaced(nn::Sequential{tanh}, nn::Sequential{relu}, row)},
      {"TransformerEncoderLayer",
       replaced(nn::TransformerEncoderLayer(6, 2, {.dim_feedforward = 8}),
                nn::TransformerEncoderLayer(6, 2, {.dim_feedforward = 8, .norm_first = true}), x)},
      {"TransformerDecoderLayer",
       replaced(nn::TransformerDecoderLayer(6, 2, {.dim_feedforward = 8}),
                nn::TransformerDecoderLayer(6, 2, {.dim_feedforward = 8, .norm_first = true}), x,
                x)},
      {"PositionalEncoding",
       replaced(nn::PositionalEncoding(6), nn::PositionalEncoding(6, {.batch_first = true}), x)},
      {"LearnedPositions",
       replaced(nn::LearnedPositions(6, {.max_len = 9}),
                nn::LearnedPositions(6, {.max_len = 9, .batch_first = true}), x)},
  };
}

// Random in training only; tests/nn/generator_test.cc replaces them.
const std::set<std::string> kDropouts = {"Dropout", "ChannelDropout", "AlphaDropout"};

}  // namespace

TEST_CASE("replace_module transfers the settings of every layer") {
  for (const auto& [name, outputs] : cases()) {
    INFO(name);
    const auto [before, wanted, after] = outputs();
    CHECK(equal(after, wanted));
    CHECK((before.shape() != wanted.shape() || !allclose(before, wanted, 1e-3, 1e-3)));
  }
}

TEST_CASE("every class that transfers settings has a row") {
  std::set<std::string> tested = kDropouts;
  for (const auto& [name, outputs] : cases()) tested.insert(name);
  std::size_t found = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(TAPEGRAD_SOURCE_DIR "/nn")) {
    if (file.path().extension() != ".h" || file.path().filename() == "module.h") continue;
    std::ifstream text(file.path());
    std::string current;
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (std::regex_search(line, match, std::regex(R"(^class (\w+))"))) current = match[1];
      if (line.find("void assign_from(") == std::string::npos) continue;
      INFO(file.path().string() << ": " << current);
      CHECK(tested.contains(current));
      ++found;
    }
  }
  CHECK(found == tested.size());
}
