// ONNX files: what others make of them (golden/check_onnx.py), and what cannot be written.
#include "catch.h"

#include <algorithm>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/onnx.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/tensor/npy.h>
#include <tapegrad/tensor/random.h>

#include "python.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::error_text;
using tg::test::TemporaryFolder;

namespace {

// <name>.onnx, and an input with our answer in <name>.npz.
void write(const TemporaryFolder& folder, const std::string& name, const OnnxGraph& graph,
           const tg::Tensor& x, const tg::Variable& y) {
  graph.save(folder.file(name + ".onnx"));
  tg::save_npz(folder.file(name + ".npz"), {{"x", x}, {"out.y", y.value()}});
}

nn::OnnxSizes sizes_of(const tg::Tensor& x) {
  nn::OnnxSizes sizes = {"batch"};
  for (std::int64_t d = 1; d < x.dim(); ++d) sizes.emplace_back(x.size(d));
  return sizes;
}

// OpenCV reads only files that know the number of examples, and takes only float32.
template <class M>
void write_module(const TemporaryFolder& folder, const std::string& name, const M& module,
                  const tg::Tensor& x) {
  const tg::Variable y = module(x);
  OnnxGraph graph(name);
  nn::OnnxSizes in = sizes_of(x), out = sizes_of(y.value());
  if (x.dtype() == tg::float32) in[0] = out[0] = x.size(0);
  graph.output("y", graph.append(module, graph.input("x", x.dtype(), in)), out);
  write(folder, name, graph, x, y);
}

}  // namespace

TEST_CASE("onnx: the checker and an evaluator agree with us", "[nn]") {
  if (!tg::test::python_has("numpy, onnx")) return;
  const TemporaryFolder folder;
  tg::manual_seed(0);
  const tg::Tensor x = tg::randn({3, 5});
  const tg::Tensor ids = tg::tensor({{1, 4, 2, 0}, {3, 0, 0, 0}, {0, 0, 0, 0}});

  write_module(folder, "linear", nn::Linear(5, 2), x);
  write_module(folder, "linear_no_bias", nn::Linear(5, 2, {.bias = false}), x);
  write_module(folder, "linear_3d", nn::Linear(5, 2), tg::randn({2, 3, 5}));
  const nn::Linear wide(5, 2, {.dtype = tg::float64});
  write_module(folder, "linear_double", wide, x.to(tg::float64));
  write_module(folder, "tanh", nn::Tanh(), x);
  write_module(folder, "sigmoid", nn::Sigmoid(), x);
  write_module(folder, "relu", nn::ReLU(), x);
  write_module(folder, "leaky_relu", nn::LeakyReLU(0.2), x);
  write_module(folder, "elu", nn::ELU(0.7), x);
  write_module(folder, "gelu", nn::GELU(), x);
  write_module(folder, "silu", nn::SiLU(), x);
  write_module(folder, "softplus", nn::Softplus(), x);
  write_module(folder, "softmax", nn::Softmax(1), x);
  write_module(folder, "log_softmax", nn::LogSoftmax(-1), x);
  write_module(folder, "flatten", nn::Flatten(), tg::randn({2, 3, 4}));
  const nn::Sequential chain{nn::Linear(5, 8), nn::Dropout(0.5), nn::Tanh(), nn::Linear(8, 3),
                             nn::Softmax(1)};
  chain.eval();
  write_module(folder, "chain", chain, x);

  write_module(folder, "embedding", nn::Embedding(5, 3, {.padding_idx = 0}), ids);
  const nn::Embedding zero(5, 3, {.padding_idx = 2, .padding_mode = nn::PaddingMode::zero_output});
  zero.weight.set_value(tg::ones({5, 3}));
  write_module(folder, "embedding_zero_output", zero, ids);
  write_module(folder, "embedding_lora", nn::Embedding(5, 3, {.lora_rank = 2}), ids);
  for (const auto& [mode, name] :
       {std::pair(tg::BagMode::mean, "mean"), std::pair(tg::BagMode::sum, "sum"),
        std::pair(tg::BagMode::max, "max")}) {
    write_module(folder, std::string("bag_") + name, nn::EmbeddingBag(5, 3, {.mode = mode}), ids);
    write_module(folder, std::string("bag_padded_") + name,
                 nn::EmbeddingBag(5, 3, {.mode = mode, .padding_idx = 0}), ids);
  }

  const nn::Embedding words(5, 3, {.padding_idx = 0});
  const nn::Linear head(3, 2);
  for (const bool largest : {false, true}) {
    OnnxGraph graph("classifier");
    const OnnxValue in = graph.input("x", tg::int64, {"batch", "steps"});
    const OnnxValue looked_up = graph.append(words, in);
    const OnnxValue mask = graph.not_equal(in, 0);
    const OnnxValue text =
        largest ? graph.masked_max(looked_up, mask) : graph.masked_mean(looked_up, mask);
    graph.output("y", graph.append(head, text), {"batch", std::int64_t{2}});
    write(folder, largest ? "masked_max" : "masked_mean", graph, ids,
          head(largest ? nn::masked_max(words(ids), words.mask(ids))
                       : nn::masked_mean(words(ids), words.mask(ids))));
  }

  const tg::test::Answer answer = tg::test::python("check_onnx.py", {folder.path()});
  INFO(answer.text);
  CHECK(answer.status == 0);
  CHECK(std::ranges::count(answer.text, '\n') == 27);
  if (tg::test::python_has("cv2")) {
    CHECK(answer.text.find("chain.onnx: 5 nodes, opset 13, IR 7; OpenCV agrees") !=
          std::string::npos);
  }
}

TEST_CASE("onnx: what cannot be written", "[nn]") {
  OnnxGraph graph("g");
  CHECK(error_text<tg::ValueError>([&] { graph.bytes(); }) ==
        "OnnxGraph: the graph has no output; name one");
  const OnnxValue ids = graph.input("ids", tg::int64, {"batch", "steps"});
  CHECK(error_text<tg::ValueError>([&] { graph.input("ids", tg::int64, {"n"}); }) ==
        "OnnxGraph: name 'ids' is taken already");
  CHECK(error_text<tg::ValueError>([&] {
          graph.output("ids", ids, {"n", "m"});
        }) == "OnnxGraph: name 'ids' is taken already");
  CHECK(error_text<tg::ValueError>([&] { graph.output("y", ids, {"batch"}); }) ==
        "OnnxGraph: output 'y' has 2 dimensions, got sizes for 1");
  CHECK(error_text<tg::ValueError>([&] { graph.append(nn::RNNCell(2, 3), ids); }) ==
        "OnnxGraph: RNNCell(2, 3): there is no description of this class; append its layers one by "
        "one");
  struct Own : nn::Linear {
    Own() : Linear(2, 3) {}
  };
  CHECK_FALSE(error_text<tg::ValueError>([&] { graph.append(Own(), ids); }).empty());
  CHECK(error_text<tg::ValueError>([&] {
          graph.append(nn::Embedding(5, 3, {.max_norm = 1.0}), ids);
        }).ends_with("max_norm writes to the table at each lookup, which ONNX cannot say"));
  CHECK(error_text<tg::ValueError>([&] {
          graph.append(nn::Sequential{nn::Tanh(), [](const tg::Variable& x) { return x; }}, ids);
        }) ==
        "OnnxGraph: Sequential: a part of it is a function, which cannot be described; needed "
        "modules only");
}
