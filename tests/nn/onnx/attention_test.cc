// Attention, encoders, and models of texts as ONNX.
#include "onnx_files.h"

#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/transformer.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::drawn;
using tg::test::kIds;
using tg::test::OnnxFiles;

TEST_CASE("onnx: the checker and evaluators agree about positions and attention", "[nn]") {
  OnnxFiles files;
  const tg::Tensor x = tg::randn({3, 4, 6});  // (batch, steps, dim)

  files.write_module("positions", nn::PositionalEncoding(6, {.max_len = 9, .batch_first = true}),
                     x);
  files.write_module("positions_turned", nn::PositionalEncoding(6, {.max_len = 9}), x);
  files.write_module("learned", nn::LearnedPositions(6, {.max_len = 9, .batch_first = true}), x);
  files.write_module("learned_turned", nn::LearnedPositions(6, {.max_len = 4}), x);

  const nn::MultiheadAttention self = drawn(nn::MultiheadAttention(6, 2, {.batch_first = true}));
  const nn::MultiheadAttention turned = drawn(nn::MultiheadAttention(6, 3, {.bias = false}));
  files.write_module("self", self, x, self(x, x, x).output);
  files.write_module("self_turned", turned, x, turned(x, x, x).output);
  const tg::Tensor alone = tg::select(x, 0, 0);
  files.write_module("self_no_batch", turned, alone, turned(alone, alone, alone).output);

  files.check({"positions", "learned", "self", "self_turned"});
}

TEST_CASE("onnx: the checker and evaluators agree about keys and values of their own widths",
          "[nn]") {
  OnnxFiles files;
  const nn::MultiheadAttention layer =
      drawn(nn::MultiheadAttention(6, 2, {.kdim = 3, .vdim = 5, .batch_first = true}));
  const tg::Tensor q = tg::randn({2, 4, 6}), k = tg::randn({2, 7, 3}), v = tg::randn({2, 7, 5});
  OnnxGraph graph("attention");
  const auto input = [&](const char* name, const tg::Tensor& x) {
    return graph.input(name, tg::float32, {"batch", x.size(1), x.size(2)});
  };
  const nn::OnnxAttentionResult result =
      graph.append(layer, input("q", q), input("k", k), input("v", v), {.need_weights = false});
  graph.output("y", result.output, {"batch", std::int64_t{4}, std::int64_t{6}});
  files.write("attention_widths", graph,
              {{"q", q}, {"k", k}, {"v", v}, {"out.y", layer(q, k, v).output.value()}});
  files.check({});
}

TEST_CASE("onnx: the checker and evaluators agree about masks of attention", "[nn]") {
  OnnxFiles files;
  const tg::Tensor x = tg::randn({3, 4, 6});  // (batch, steps, dim)
  const nn::OnnxSizes sizes = {"batch", "steps", std::int64_t{6}};
  const nn::MultiheadAttention self = drawn(nn::MultiheadAttention(6, 2, {.batch_first = true}));
  const tg::Tensor padding = kIds == 0;  // the third text holds only padding
  const tg::Tensor added = tg::masked_fill(tg::randn({4, 4}), nn::causal_mask(4), -INFINITY);
  const tg::Tensor empty_row = tg::tensor({{0, 1, 1, 0}, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 1, 0}});
  struct Masks {
    const char* name;
    tg::Tensor padding, mask;
    bool average;
  };
  for (const Masks& masks :
       {Masks{"none", {}, {}, true}, Masks{"padding", padding, {}, true},
        Masks{"causal", {}, nn::causal_mask(4), false},
        Masks{"both", padding, empty_row == 1, false}, Masks{"added", {}, added, true}}) {
    INFO(masks.name);
    const tg::Tensor keys = tg::randn({3, 4, 6}), values = tg::randn({3, 4, 6});
    const nn::AttentionResult want = self(x, keys, values,
                                          {.key_padding_mask = masks.padding,
                                           .attn_mask = masks.mask,
                                           .average_attn_weights = masks.average});
    OnnxGraph graph("attention");
    tg::StateDict arrays = {{"q", x},
                            {"k", keys},
                            {"v", values},
                            {"out.y", want.output.value()},
                            {"out.weights", want.weights.value()}};
    nn::OnnxAttentionCall call{.average_attn_weights = masks.average};
    if (masks.padding.defined()) {
      call.key_padding_mask = graph.input("padding", tg::boolean, {"batch", "keys"});
      arrays.insert("padding", padding);
    }
    if (masks.mask.defined()) call.attn_mask = graph.constant(masks.mask);
    const nn::OnnxAttentionResult result =
        graph.append(self, graph.input("q", tg::float32, sizes),
                     graph.input("k", tg::float32, {"batch", "keys", std::int64_t{6}}),
                     graph.input("v", tg::float32, {"batch", "keys", std::int64_t{6}}), call);
    graph.output("y", result.output, sizes);
    const nn::OnnxSizes weights = masks.average
                                      ? nn::OnnxSizes{"batch", "steps", "keys"}
                                      : nn::OnnxSizes{"batch", std::int64_t{2}, "steps", "keys"};
    graph.output("weights", result.weights, weights);
    files.write(std::string("attention_") + masks.name, graph, arrays);
  }
  files.check({});
}

TEST_CASE("onnx: the checker and evaluators agree about encoders", "[nn]") {
  OnnxFiles files;
  const tg::Tensor x = tg::randn({3, 4, 6});  // (batch, steps, dim)
  const nn::OnnxSizes sizes = {"batch", "steps", std::int64_t{6}};
  const tg::Tensor padding = kIds == 0;
  for (const bool first : {false, true}) {
    const nn::TransformerEncoderLayer layer = drawn(nn::TransformerEncoderLayer(
        6, 2,
        {.dim_feedforward = 5,
         .activation = first ? nn::FeedforwardActivation::gelu : nn::FeedforwardActivation::relu,
         .batch_first = true,
         .norm_first = first}));
    const std::string name = first ? "norm_first" : "norm_last";
    files.write_module("layer_" + name, layer, x);
    const nn::TransformerEncoder encoder(layer, 2,
                                         first ? std::optional(nn::LayerNorm(6)) : std::nullopt);
    files.write_module("encoder_" + name, encoder, x);
    OnnxGraph graph("encoder");
    const OnnxValue in = graph.input("x", tg::float32, sizes);
    const OnnxValue hidden = graph.input("padding", tg::boolean, {"batch", "steps"});
    graph.output("y", graph.append(encoder, in, {.key_padding_mask = hidden}), sizes);
    const tg::Variable y = encoder(x, {.key_padding_mask = padding});
    graph.output("one", graph.append(layer, in, {.mask = graph.constant(nn::causal_mask(4))}),
                 sizes);
    const tg::Variable one = layer(x, {.mask = nn::causal_mask(4)});
    files.write("masked_" + name, graph,
                {{"x", x}, {"padding", padding}, {"out.y", y.value()}, {"out.one", one.value()}});
  }
  files.check({});
}

TEST_CASE("onnx: the checker and evaluators agree about texts", "[nn]") {
  OnnxFiles files;
  const nn::Embedding words(5, 3, {.padding_idx = 0});
  const nn::Linear head(3, 2);
  const tg::Variable x = words(kIds);        // (batch, steps, dim)
  const tg::Tensor mask = words.mask(kIds);  // (batch, steps)

  OnnxGraph graph("texts");
  const OnnxValue ids = graph.input("ids", tg::int64, {"batch", "steps"});
  const OnnxValue looked_up = graph.append(words, ids);
  const OnnxValue counted = graph.not_equal(ids, 0);
  const nn::OnnxSizes sizes = {"batch", std::int64_t{3}};
  graph.output("mean", graph.append(head, graph.masked_mean(looked_up, counted)),
               {"batch", std::int64_t{2}});
  graph.output("max", graph.masked_max(looked_up, counted), sizes);
  graph.output("lengths", graph.lengths(counted), {"batch"});
  graph.output("step", graph.take_step(looked_up, graph.constant(tg::tensor({2, 0, 3}))), sizes);
  graph.output("first", graph.select(looked_up, 1, 0), sizes);
  graph.output("turned", graph.transpose(looked_up, 0, -1), {std::int64_t{3}, "steps", "batch"});
  graph.output("sum", graph.add(graph.mul(looked_up, 2), 1), {"batch", "steps", std::int64_t{3}});
  files.write("texts", graph,
              {{"ids", kIds},
               {"out.mean", head(nn::masked_mean(x, mask)).value()},
               {"out.max", nn::masked_max(x, mask).value()},
               {"out.lengths", tg::tensor({3, 1, 0})},
               {"out.step", tg::stack({tg::select(tg::select(x.value(), 0, 0), 0, 2),
                                       tg::select(tg::select(x.value(), 0, 1), 0, 0),
                                       tg::select(tg::select(x.value(), 0, 2), 0, 3)})},
               {"out.first", tg::select(x.value(), 1, 0)},
               {"out.turned", tg::transpose(x.value(), 0, -1)},
               {"out.sum", x.value() * 2.0 + 1.0}});
  files.check({});
}
