// The evaluator, and layers without a state as ONNX.
#include "error_text.h"
#include "onnx_files.h"

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/lora_embedding.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/sequential.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::error_text;
using tg::test::kIds;
using tg::test::OnnxFiles;

TEST_CASE("onnx: the evaluator computes the examples that come with ONNX", "[nn]") {
  if (!tg::test::python_has("numpy, onnx")) return;
  const tg::test::Answer answer = tg::test::python("check_onnx.py", {"operators"});
  INFO(answer.text);
  CHECK(answer.status == 0);
  CHECK(answer.text.starts_with("54 operators agree with "));
}

TEST_CASE("onnx: the checker and evaluators agree about layers without a state", "[nn]") {
  OnnxFiles files;
  const tg::Tensor x = tg::randn({3, 5});

  files.write_module("linear", nn::Linear(5, 2), x);
  files.write_module("linear_no_bias", nn::Linear(5, 2, {.bias = false}), x);
  files.write_module("linear_3d", nn::Linear(5, 2), tg::randn({2, 3, 5}));
  const nn::Linear wide(5, 2, {.dtype = tg::float64});
  files.write_module("linear_double", wide, x.to(tg::float64));
  files.write_module("tanh", nn::Tanh(), x);
  files.write_module("sigmoid", nn::Sigmoid(), x);
  files.write_module("relu", nn::ReLU(), x);
  files.write_module("leaky_relu", nn::LeakyReLU(0.2), x);
  files.write_module("elu", nn::ELU(0.7), x);
  files.write_module("gelu", nn::GELU(), x);
  files.write_module("silu", nn::SiLU(), x);
  files.write_module("softplus", nn::Softplus(), x);
  files.write_module("softmax", nn::Softmax(1), x);
  files.write_module("log_softmax", nn::LogSoftmax(-1), x);
  files.write_module("flatten", nn::Flatten(), tg::randn({2, 3, 4}));
  files.write_module("chain",
                     nn::Sequential{nn::Linear(5, 8), nn::Dropout(0.5), nn::Tanh(),
                                    nn::Linear(8, 3), nn::AlphaDropout(0.5), nn::Softmax(1)},
                     x);

  files.write_module("embedding", nn::Embedding(5, 3, {.padding_idx = 0}), kIds);
  nn::Embedding zero(5, 3, {.padding_idx = 2, .padding_mode = nn::PaddingMode::zero_output});
  zero.weight.set_value(tg::ones({5, 3}));
  files.write_module("embedding_zero_output", zero, kIds);
  nn::LoraEmbedding lora(5, 3, {.rank = 2}, {.padding_idx = 0});
  // Small integers: their products are exact on every processor.
  lora.lora_a.weight.set_value(tg::randint(-3, 4, {5, 2}).to(tg::float32));
  lora.lora_b.set_value(tg::randint(-3, 4, {2, 3}).to(tg::float32));
  files.write_module("embedding_lora", lora, kIds);
  for (const auto& [mode, name] :
       {std::pair(tg::BagMode::mean, "mean"), std::pair(tg::BagMode::sum, "sum"),
        std::pair(tg::BagMode::max, "max")}) {
    files.write_module(std::string("bag_") + name, nn::EmbeddingBag(5, 3, {.mode = mode}), kIds);
    files.write_module(std::string("bag_padded_") + name,
                       nn::EmbeddingBag(5, 3, {.mode = mode, .padding_idx = 0}), kIds);
  }
  files.check({"linear", "linear_no_bias", "linear_3d", "tanh", "sigmoid", "relu", "leaky_relu",
               "elu", "gelu", "silu", "softplus", "softmax", "log_softmax", "flatten", "chain"});
}

TEST_CASE("onnx: the checker and evaluators agree about activations", "[nn]") {
  OnnxFiles files;
  const tg::Tensor x = tg::randn({3, 6}) * 3.0;
  const tg::Tensor wide = x.to(tg::float64);

  files.write_module("identity", nn::Identity(), x);
  files.write_module("softplus_beta", nn::Softplus(2), x);
  files.write_module("softplus_threshold", nn::Softplus(0.5, 1), x);
  files.write_module("softsign", nn::Softsign(), x);
  files.write_module("relu6", nn::ReLU6(), x);
  files.write_module("hardtanh", nn::Hardtanh(-0.5, 2), x);
  files.write_module("hardsigmoid", nn::Hardsigmoid(), x);
  files.write_module("hardswish", nn::Hardswish(), x);
  files.write_module("selu", nn::SELU(), x);
  files.write_module("celu", nn::CELU(0.7), x);
  files.write_module("celu_double", nn::CELU(0.7), wide);
  files.write_module("mish", nn::Mish(), x);
  files.write_module("logsigmoid", nn::LogSigmoid(), x);
  files.write_module("softshrink", nn::Softshrink(0.75), x);
  files.write_module("hardshrink", nn::Hardshrink(0.75), x);
  files.write_module("threshold", nn::Threshold(0.5, -2), x);
  files.write_module("threshold_zero", nn::Threshold(0.5, 0), x);
  files.write_module("prelu", nn::PReLU(), x);
  nn::PReLU slopes(6);
  slopes.weight.set_value(tg::arange(6).to(tg::float32) * 0.125);
  files.write_module("prelu_channels", slopes, x);
  files.write_module("prelu_steps", slopes, tg::randn({2, 6, 3}));
  files.write_module("glu", nn::GLU(), x);
  files.write_module("glu_channels", nn::GLU(1), tg::randn({2, 6, 3}));
  files.write_module("softmin", nn::Softmin(1), x);
  files.check({"mish", "softmin"});

  OnnxGraph graph("refused");
  const OnnxValue ids = graph.input("ids", tg::int64, {3, 6});
  CHECK_THROWS_AS(graph.append(nn::SELU(), ids), tg::DTypeError);
  CHECK(error_text<tg::ValueError>([&] {
          graph.append(nn::LSTM(2, 3, {.proj_size = 1}), graph.input("s", tg::float32, {4, 1, 2}));
        }) ==
        "OnnxGraph: LSTM(2, 3, proj_size=1): ONNX has no LSTM with proj_size; use one without, or "
        "export its parameters");
  CHECK_THROWS_AS(graph.append(slopes, graph.input("x", tg::float64, {3, 6})), tg::DTypeError);
  CHECK_THROWS_AS(graph.append(slopes, graph.input("row", tg::float32, {6})), tg::ValueError);
}
