// RNN, LSTM and GRU as ONNX.
#include "onnx_files.h"

#include <tapegrad/nn/rnn.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::OnnxFiles;

namespace {

constexpr std::int64_t kSteps = 4, kBatch = 3, kIn = 5, kHidden = 2;

template <class M>
auto arguments_for(const tg::Tensor& h, const tg::Tensor& c, const tg::Tensor& lengths) {
  if constexpr (std::is_same_v<M, nn::LSTM>) {
    return nn::LSTMArguments{.h = h, .c = c, .lengths = lengths};
  } else {
    return nn::RNNArguments{.h = h, .lengths = lengths};
  }
}

// Writes output and final states, for these initial states and lengths if they are defined. OpenCV
// reads a GRU only with `constant` states.
template <class M>
void write_recurrent(OnnxFiles& files, const std::string& name, const M& layer, const tg::Tensor& x,
                     const tg::Tensor& h, const tg::Tensor& c, const tg::Tensor& lengths,
                     bool constant = false) {
  constexpr bool kIsLSTM = std::is_same_v<M, nn::LSTM>;
  const auto want = layer(x, arguments_for<M>(h, c, lengths));
  OnnxGraph graph(name);
  tg::StateDict arrays = {{"x", x}, {"out.y", want.output.value()}, {"out.last_h", want.h.value()}};
  const auto sizes = [&](const tg::Tensor& of) {
    nn::OnnxSizes result;
    for (const std::int64_t size : of.sizes()) {
      const bool known = constant || (size != kSteps && size != kBatch);
      result.push_back(known ? nn::OnnxSize(size) : size == kSteps ? "steps" : "batch");
    }
    return result;
  };
  const auto given = [&](const char* what, const tg::Tensor& value) {
    if (!value.defined()) return OnnxValue();
    if (constant) return graph.constant(value);
    arrays.insert(what, value);
    return graph.input(what, value.dtype(), sizes(value));
  };
  const OnnxValue in = graph.input("x", x.dtype(), sizes(x));
  nn::OnnxRecurrentArguments with{.h = given("h", h), .lengths = given("lengths", lengths)};
  if (kIsLSTM) with.c = given("c", c);
  const nn::OnnxRecurrentResult result = graph.append(layer, in, with);
  graph.output("y", result.output, sizes(want.output.value()));
  if (!constant || kIsLSTM) {  // OpenCV's GRU has no such output
    graph.output("last_h", result.h, sizes(want.h.value()));
  }
  if constexpr (kIsLSTM) {
    graph.output("last_c", result.c, sizes(want.c.value()));
    arrays.insert("out.last_c", want.c.value());
  }
  files.write(name, graph, arrays);
}

template <class M, class Options>
void write_all_recurrent(OnnxFiles& files, const std::string& kind, const Options& plain) {
  const tg::Tensor x = tg::randn({kSteps, kBatch, kIn});
  const auto states = [](std::int64_t count) { return tg::randn({count, kBatch, kHidden}); };
  const tg::Tensor lengths = tg::tensor({2, 0, 4});

  // Only the output; all sizes are known.
  const M one(kIn, kHidden, plain);
  files.write_module(kind, one, x, one(x).output);
  Options options = plain;
  options.bidirectional = true;
  const M both(kIn, kHidden, options);
  files.write_module(kind + "_both", both, x, both(x).output);
  options.num_layers = 3;
  const M deep(kIn, kHidden, options);
  files.write_module(kind + "_deep", deep, x, deep(x).output);
  const tg::Tensor alone = tg::select(x, 1, 0);  // without batch
  files.write_module(kind + "_no_batch", deep, alone, deep(alone).output);
  options.batch_first = true;
  options.bias = false;
  const M turned(kIn, kHidden, options);
  const tg::Tensor batch_first = tg::randn({kBatch, kSteps, kIn});
  files.write_module(kind + "_turned", turned, batch_first, turned(batch_first).output);
  options.batch_first = false;
  options.dtype = tg::float64;
  const M wide(kIn, kHidden, options);
  const tg::Tensor x64 = x.to(tg::float64);
  files.write_module(kind + "_double", wide, x64, wide(x64).output);

  // States and lengths; the sizes of steps and batch are known only when the model runs.
  write_recurrent(files, kind + "_states", one, x, states(1), states(1), {});
  write_recurrent(files, kind + "_ends", deep, x, {}, {}, {});
  write_recurrent(files, kind + "_lengths", one, x, {}, {}, lengths);
  write_recurrent(files, kind + "_all", deep, x, states(6), states(6), lengths);
  write_recurrent(files, kind + "_all_turned", turned, batch_first, states(6), states(6), lengths);
  write_recurrent(files, kind + "_all_no_batch", deep, alone, tg::randn({6, kHidden}),
                  tg::randn({6, kHidden}), tg::tensor(3));
  write_recurrent(files, kind + "_constant", one, x, states(1), states(1), {}, true);
  write_recurrent(files, kind + "_constant_both", both, x, states(2), states(2), {}, true);
}

}  // namespace

TEST_CASE("onnx: the checker and evaluators agree about recurrent networks", "[nn]") {
  OnnxFiles files;
  write_all_recurrent<nn::RNN>(files, "rnn", nn::RNNOptions());
  write_all_recurrent<nn::RNN>(files, "relu",
                               nn::RNNOptions{.nonlinearity = nn::Nonlinearity::relu});
  write_all_recurrent<nn::LSTM>(files, "lstm", nn::LSTMOptions());
  write_all_recurrent<nn::GRU>(files, "gru", nn::GRUOptions());
  files.check({"lstm", "lstm_both", "lstm_deep", "lstm_turned", "lstm_constant",
               "lstm_constant_both", "gru_constant", "gru_constant_both"});
}
