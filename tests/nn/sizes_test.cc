// Sizes near 2^63, whose products overflow: every layer refuses them.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"

using namespace tapegrad;

TEST_CASE("layers refuse sizes whose product overflows") {
  struct Layer {
    std::string name;
    std::function<void(std::int64_t)> make;
  };
  const std::vector<Layer> layers = {
      {"Linear, in", [](std::int64_t n) { nn::Linear(n, 3); }},
      {"Linear, out", [](std::int64_t n) { nn::Linear(3, n); }},
      {"Bilinear", [](std::int64_t n) { nn::Bilinear(n, n, 2); }},
      {"Embedding, rows", [](std::int64_t n) { nn::Embedding(n, 3); }},
      {"Embedding, dim", [](std::int64_t n) { nn::Embedding(3, n); }},
      {"EmbeddingBag", [](std::int64_t n) { nn::EmbeddingBag(n, 3); }},
      {"LoraEmbedding", [](std::int64_t n) { nn::LoraEmbedding(n, 3, {.rank = 2}); }},
      {"RNN", [](std::int64_t n) { nn::RNN(3, n); }},
      {"RNN, input", [](std::int64_t n) { nn::RNN(n, 3); }},
      {"RNN, both directions",
       [](std::int64_t n) { nn::RNN(0, n, {.num_layers = 2, .bidirectional = true}); }},
      {"LSTM", [](std::int64_t n) { nn::LSTM(3, n); }},
      {"LSTM of no inputs", [](std::int64_t n) { nn::LSTM(0, n); }},
      {"GRU", [](std::int64_t n) { nn::GRU(3, n); }},
      {"RNNCell", [](std::int64_t n) { nn::RNNCell(3, n); }},
      {"LSTMCell", [](std::int64_t n) { nn::LSTMCell(3, n); }},
      {"GRUCell", [](std::int64_t n) { nn::GRUCell(3, n); }},
      {"Conv1d, in", [](std::int64_t n) { nn::Conv1d(n, 3, 3); }},
      {"Conv1d, kernel", [](std::int64_t n) { nn::Conv1d(3, 3, n); }},
      {"Conv2d, in", [](std::int64_t n) { nn::Conv2d(n, 3, 3); }},
      {"Conv2d, kernel",
       [](std::int64_t n) {
         nn::Conv2d(3, 3, {n, 1});
       }},
      {"LayerNorm",
       [](std::int64_t n) {
         nn::LayerNorm({4, n});
       }},
      {"BatchNorm2d", [](std::int64_t n) { nn::BatchNorm2d{n}; }},
      {"GroupNorm", [](std::int64_t n) { nn::GroupNorm(1, n); }},
      {"BatchNorm1d", [](std::int64_t n) { nn::BatchNorm1d{n}; }},
      {"MultiheadAttention", [](std::int64_t n) { nn::MultiheadAttention(n, 1); }},
      {"MultiheadAttention, keys",
       [](std::int64_t n) { nn::MultiheadAttention(4, 1, {.kdim = n}); }},
      {"TransformerEncoderLayer", [](std::int64_t n) { nn::TransformerEncoderLayer(n, 1); }},
      {"TransformerDecoderLayer", [](std::int64_t n) { nn::TransformerDecoderLayer(n, 1); }},
      {"TransformerEncoderLayer, feedforward",
       [](std::int64_t n) { nn::TransformerEncoderLayer(4, 1, {.dim_feedforward = n}); }},
      {"PositionalEncoding", [](std::int64_t n) { nn::PositionalEncoding{n}; }},
  };
  for (const auto& [name, make] : layers) {
    for (const std::int64_t size :
         {std::int64_t{1} << 61, std::int64_t{1} << 62, INT64_MAX, INT64_MAX / 3 + 1}) {
      INFO(name << ", " << size);
      CHECK_THROWS_AS(make(size), Error);
    }
  }
  CHECK_THROWS_WITH(nn::LSTM(3, std::int64_t{1} << 62),
                    "LSTM: size overflows: 4 x 4611686018427387904 elements");
}

TEST_CASE("convolutions and pooling refuse steps whose product overflows") {
  const Tensor x = ones({1, 2, 9});
  const Tensor weight = ones({2, 2, 3});
  const std::int64_t huge = std::int64_t{1} << 62;
  for (const nn::Conv1dOptions& options :
       std::vector<nn::Conv1dOptions>{{.stride = huge}, {.padding = huge}, {.dilation = huge}}) {
    const nn::Conv1d layer(2, 2, 3, options);
    CHECK_THROWS_AS(layer(x), ValueError);
  }
  CHECK_THROWS_AS(nn::Conv1d(2, 2, 3, {.padding = same_padding, .dilation = huge})(x), Error);
  const Tensor image = ones({1, 2, 9, 9});
  for (const nn::Conv2dOptions& options : std::vector<nn::Conv2dOptions>{
           {.stride = {1, huge}}, {.padding = huge}, {.dilation = huge}}) {
    CHECK_THROWS_AS(nn::Conv2d(2, 2, 3, options)(image), ValueError);
  }
  CHECK_THROWS_AS(max_pool2d(image, huge), Error);
  CHECK_THROWS_AS(avg_pool2d(image, {2, 3}, {.padding = huge}), Error);
  CHECK_THROWS_AS(max_pool1d(x, huge, {}), Error);
  CHECK_THROWS_AS(max_pool1d(x, 2, {.stride = huge, .ceil_mode = true}), Error);
  CHECK_THROWS_AS(max_pool1d(x, 2, {.dilation = huge}), Error);
  CHECK_THROWS_AS(avg_pool1d(x, 2, {.padding = huge}), Error);
}
