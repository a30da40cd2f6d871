// ONNX graphs that cannot be written.
#include "error_text.h"
#include "onnx_files.h"

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/bilinear.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/images.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/lora_embedding.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/nn/transformer.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::error_text;

TEST_CASE("onnx: errors for graphs that cannot be written", "[nn]") {
  OnnxGraph graph("g");
  const auto value_error = [&](const auto& function) {
    return error_text<tg::ValueError>(function);
  };
  const auto type_error = [&](const auto& function) {
    return error_text<tg::DTypeError>(function);
  };
  CHECK(value_error([&] { graph.bytes(); }) ==
        "OnnxGraph: the graph has no output; add one with output()");
  const OnnxValue ids = graph.input("ids", tg::int64, {"batch", "steps"});
  const OnnxValue x = graph.input("x", tg::float32, {"batch", std::int64_t{2}});
  const OnnxValue mask = graph.input("mask", tg::boolean, {"batch", "steps"});
  CHECK(value_error([&] { graph.input("ids", tg::int64, {"n"}); }) ==
        "OnnxGraph: name 'ids' is taken already");
  CHECK(value_error([&] {
          graph.output("ids", ids, {"n", "m"});
        }) == "OnnxGraph: name 'ids' is taken already");
  CHECK(value_error([&] { graph.output("y", ids, {"batch"}); }) ==
        "OnnxGraph: output 'y' has 2 dimensions, but got sizes for 1");

  // Modules
  CHECK(value_error([&] { graph.append(nn::RNNCell(2, 3), x); }) ==
        "OnnxGraph: RNNCell(2, 3): this class cannot be exported; append its layers one by one");
  struct Own : nn::Linear {
    Own() : Linear(2, 3) {}
  };
  CHECK(value_error([&] { graph.append(Own(), x); }).ends_with("append its layers one by one"));
  struct OwnGRU : nn::GRU {
    OwnGRU() : GRU(2, 3) {}
  };
  CHECK(value_error([&] { graph.append(OwnGRU(), x, {.h = {}}); }) ==
        "OnnxGraph: GRU(2, 3): this class cannot be exported; needed RNN, LSTM or GRU, not a "
        "derived class");
  CHECK(value_error([&] {
          graph.append(nn::Embedding(5, 3, {.max_norm = 1.0}), ids);
        }).ends_with("max_norm writes to the table at each lookup, which ONNX cannot express"));
  CHECK(value_error([&] {
          graph.append(nn::Sequential{nn::Tanh(), [](const tg::Variable& y) { return y; }}, x);
        }) ==
        "OnnxGraph: Sequential: a part of it is a function, which cannot be exported; needed "
        "modules only");
  CHECK(value_error([&] { graph.append(nn::AdaptiveMaxPool1d(2), x); }) ==
        "OnnxGraph: AdaptiveMaxPool1d(2): ONNX has no pooling windows that depend on the length; "
        "needed an "
        "output_size of 1");
  CHECK(value_error([&] { graph.append(nn::BatchNorm1d(2, {.track_running_stats = false}), x); })
            .ends_with("without running statistics it uses the statistics of each batch; needed "
                       "track_running_stats = true"));

  // Values
  CHECK(type_error([&] {
          graph.append(nn::Linear(2, 3), ids);
        }).ends_with("x is int64, needed float32"));
  CHECK(type_error([&] { graph.append(nn::Tanh(), mask); }).ends_with("needed float32"));
  CHECK(type_error([&] {
          graph.append(nn::Embedding(5, 3), x);
        }).ends_with("ids is float32, needed int64"));
  CHECK(value_error([&] {
          graph.append(nn::LayerNorm({4, 3, 2}), x);
        }).ends_with("x has 2 dimensions, needed 3 or more"));
  CHECK(value_error([&] {
          graph.append(nn::PositionalEncoding(2), x);
        }).ends_with("x has 2 dimensions, needed 3"));
  CHECK(value_error([&] {
          graph.append(nn::Conv1d(2, 3, 1), graph.unsqueeze(graph.unsqueeze(x, 0), 0));
        }).ends_with("x has 4 dimensions, needed 2 to 3"));
  CHECK(value_error([&] { graph.append(nn::GRU(2, 3), x, {.c = x}); }) ==
        "OnnxGraph: GRU(2, 3): got an initial c, which only LSTM has");
  CHECK(value_error([&] {
          graph.append(nn::LSTM(2, 3), x, {.h = graph.select(x, 0, 0)});
        }).ends_with("h has 1 dimensions, needed 2"));
  CHECK(type_error([&] {
          graph.append(nn::LSTM(2, 3), x, {.lengths = mask});
        }).ends_with("lengths is boolean, needed int64"));
  const OnnxValue signal = graph.unsqueeze(x, 0);
  CHECK(
      value_error([&] {
        graph.append(nn::Conv1d(2, 3, 3, {.padding = 1, .padding_mode = tg::PadMode::reflect}),
                     signal);
      })
          .ends_with(
              "only padding with zeros can be exported; pad the input with a separate operation"));
  CHECK(value_error([&] {
          graph.append(nn::MaxPool1d(2, {.ceil_mode = true}), signal);
        }).ends_with("ceil_mode counts windows differently from ONNX; needed ceil_mode = false"));
  CHECK(value_error([&] {
          graph.append(nn::AvgPool1d(2, {.ceil_mode = true}), signal);
        }).ends_with("ceil_mode counts windows differently from ONNX; needed ceil_mode = false"));
  for (const nn::MultiheadAttentionOptions& options :
       {nn::MultiheadAttentionOptions{.add_bias_kv = true},
        nn::MultiheadAttentionOptions{.add_zero_attn = true}}) {
    CHECK(value_error([&] {
            graph.append(nn::MultiheadAttention(2, 1, options), x, x, x);
          }).ends_with("needed a layer without add_bias_kv and add_zero_attn"));
  }
  const nn::MultiheadAttention attention(2, 1);
  CHECK(type_error([&] {
          graph.append(attention, x, x, x, {.key_padding_mask = ids});
        }).ends_with("key_padding_mask is int64, needed boolean"));
  CHECK(value_error([&] {
          graph.append(attention, x, x, x, {.attn_mask = graph.unsqueeze(x, 0)});
        }).ends_with("attn_mask has 3 dimensions, needed 2"));

  // Operations
  CHECK(value_error([&] { graph.masked_mean(x, mask); }) ==
        "OnnxGraph: masked_mean: x has 2 dimensions and mask is boolean with 2, needed (batch, "
        "steps, dim) and boolean (batch, steps)");
  CHECK(value_error([&] {
          graph.masked_max(graph.unsqueeze(x, 0), ids);
        }).starts_with("OnnxGraph: masked_max: x has 3 dimensions and mask is int64 with 2"));
  CHECK(value_error([&] { graph.cat({}, 0); }) ==
        "OnnxGraph: Concat: got no inputs, needed at least one");
  CHECK(error_text<tg::IndexError>([&] { graph.transpose(x, 0, 2); }) ==
        "OnnxGraph: transpose: dimension 2 out of range for 2");
}

TEST_CASE("onnx: a call that throws in the middle leaves the graph unchanged", "[nn]") {
  OnnxGraph graph("g");
  const OnnxValue x = graph.input("x", tg::float32, {"batch", std::int64_t{2}});
  graph.output("y", graph.append(nn::Linear(2, 2), x), {"batch", std::int64_t{2}});
  const std::string before = graph.bytes();
  const nn::Sequential chain{nn::Linear(2, 2), nn::Tanh(), nn::AdaptiveAvgPool1d(2)};
  CHECK_THROWS_AS(graph.append(chain, x), tg::ValueError);
  CHECK(graph.bytes() == before);
  CHECK(graph.append(nn::Tanh(), x).name == "Tanh");  // the name is unused again
}
