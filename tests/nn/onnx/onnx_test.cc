// Tests of ONNX files: the results of other programs that read them (golden/check_onnx.py), and
// errors.
#include "catch.h"
#include "error_text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

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
#include <tapegrad/nn/onnx/graph.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/nn/transformer.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/random/random.h>

#include "python.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxGraph;
using nn::OnnxValue;
using tg::test::error_text;
using tg::test::TemporaryFolder;

namespace {

// The files of a test: <name>.onnx, and <name>.npz with inputs and the outputs of this library.
class Files {
 public:
  // Seeds the generator, so that every run writes the same files.
  Files() { tg::manual_seed(0); }

  // `arrays` holds the inputs by their names, and the outputs as out.<name>.
  void write(const std::string& name, const OnnxGraph& graph, const tg::StateDict& arrays) {
    graph.save(folder_.file(name + ".onnx"));
    tg::save_npz(folder_.file(name + ".npz"), arrays);
    names_.push_back(name);
  }

  // y = module(x). OpenCV reads only files with all sizes known, and only float32.
  void write_module(const std::string& name, const nn::Module& module, const tg::Tensor& x,
                    const tg::Variable& y) {
    OnnxGraph graph(name);
    nn::OnnxSizes in = sizes_of(x), out = sizes_of(y.value());
    if (x.dtype() == tg::float32) {
      in[0] = x.size(0);
      out[0] = y.size(0);
    }
    graph.output("y", graph.append(module, graph.input("x", x.dtype(), in)), out);
    write(name, graph, {{"x", x}, {"out.y", y.value()}});
  }
  template <class M>
  void write_module(const std::string& name, M module, const tg::Tensor& x) {
    module.eval();
    write_module(name, module, x, module(x));
  }

  // Checks that each file is the one that the evaluators have accepted, byte by byte. Then, if
  // Python has onnx, that all files pass, and that OpenCV, if it is installed, agrees about the
  // given names.
  void check(std::initializer_list<const char*> known_to_opencv) const {
    check_hashes();
    if (!tg::test::python_has("numpy, onnx")) return;
    const tg::test::Answer answer = tg::test::python("check_onnx.py", {folder_.path()});
    {
      INFO(answer.text);
      CHECK(answer.status == 0);
      CHECK(std::ranges::count(answer.text, '\n') == std::ssize(names_));
    }
    const bool runtime = answer.text.find("onnxruntime not installed") == std::string::npos;
    const bool opencv = tg::test::python_has("cv2");
    std::istringstream lines(answer.text);
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      const std::string name = line.substr(0, line.find(".onnx: "));
      CHECK(line.find("opset 13, IR 7; ") != std::string::npos);
      // The recurrent networks of onnxruntime support float32 only.
      if (runtime && !name.ends_with("_double")) CHECK(line.ends_with("onnxruntime agrees"));
      if (opencv && std::ranges::find(known_to_opencv, name) != known_to_opencv.end()) {
        CHECK(line.find("OpenCV agrees") != std::string::npos);
      }
    }
  }

 private:
  // tests/golden/onnx.txt holds the name of a file and its hash on each line. TAPEGRAD_ONNX_HASHES
  // names a file to which the hashes are appended instead: write it only where the evaluators run.
  // The order of the nodes in some files depends on the order in which a compiler evaluates
  // arguments, and the hashes are those of g++.
  void check_hashes() const {
#ifdef __clang__
    return;
#endif
    std::set<std::pair<std::string, std::string>> accepted;
    std::ifstream golden(TAPEGRAD_SOURCE_DIR "/tests/golden/onnx.txt");
    for (std::string name, hash; golden >> name >> hash;) accepted.emplace(name, hash);
    const char* const output = std::getenv("TAPEGRAD_ONNX_HASHES");
    for (const std::string& name : names_) {
      const std::string hash = hash_of(tg::read_file(folder_.file(name + ".onnx")));
      INFO(name << ": the file differs from the one that the evaluators accepted");
      if (output == nullptr) {
        CHECK(accepted.contains({name, hash}));
      } else {
        std::ofstream(output, std::ios::app) << name << ' ' << hash << '\n';
      }
    }
  }

  // FNV-1a with 64 bits (Fowler, Noll and Vo).
  static std::string hash_of(const std::string& bytes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char byte : bytes) {
      hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
    std::ostringstream text;
    text << std::hex << hash;
    return text.str();
  }

  static nn::OnnxSizes sizes_of(const tg::Tensor& x) {
    nn::OnnxSizes sizes = {"first"};
    for (std::int64_t d = 1; d < x.dim(); ++d) sizes.emplace_back(x.size(d));
    return sizes;
  }

  TemporaryFolder folder_;
  std::vector<std::string> names_;
};

// The module with random parameters instead of initial zeros and ones.
template <class M>
M drawn(const M& module) {
  for (const tg::NamedParameter& each : module.parameters()) {
    tg::Variable parameter = each.variable;
    parameter.set_value(tg::randn(parameter.shape(), parameter.dtype()) * 0.5);
  }
  return module;
}

const tg::Tensor kIds = tg::tensor({{1, 4, 2, 0}, {3, 0, 0, 0}, {0, 0, 0, 0}});

}  // namespace

TEST_CASE("onnx: the evaluator computes the examples that come with ONNX", "[nn]") {
  if (!tg::test::python_has("numpy, onnx")) return;
  const tg::test::Answer answer = tg::test::python("check_onnx.py", {"operators"});
  INFO(answer.text);
  CHECK(answer.status == 0);
  CHECK(answer.text.starts_with("54 operators agree with "));
}

TEST_CASE("onnx: the checker and evaluators agree about layers without a state", "[nn]") {
  Files files;
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
  Files files;
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

TEST_CASE("onnx: the checker and evaluators agree about windows and norms", "[nn]") {
  Files files;
  const tg::Tensor x = tg::randn({2, 3, 7});  // (batch, channels, length)

  files.write_module("conv", nn::Conv1d(3, 4, 3), x);
  files.write_module("conv_strides", nn::Conv1d(3, 4, 2, {.stride = 2, .padding = 1}), x);
  files.write_module("conv_dilated", nn::Conv1d(3, 4, 3, {.padding = 2, .dilation = 2}), x);
  files.write_module("conv_same", nn::Conv1d(3, 4, 3, {.padding = tg::same_padding}), x);
  files.write_module("conv_same_even", nn::Conv1d(3, 4, 4, {.padding = tg::same_padding}), x);
  files.write_module("conv_no_bias", nn::Conv1d(3, 4, 1, {.bias = false}), x);
  files.write_module("conv_groups", nn::Conv1d(3, 6, 2, {.groups = 3}), x);
  files.write_module("conv_no_batch", nn::Conv1d(3, 4, 3), tg::select(x, 0, 0));
  files.write_module("max_pool", nn::MaxPool1d(2), x);
  files.write_module("max_pool_options",
                     nn::MaxPool1d(3, {.stride = 1, .padding = 1, .dilation = 2}), x);
  files.write_module("max_pool_no_batch", nn::MaxPool1d(3), tg::select(x, 0, 0));
  files.write_module("average_pool", nn::AvgPool1d(3, {.stride = 2, .padding = 1}), x);
  files.write_module("average_pool_uncounted",
                     nn::AvgPool1d(3, {.stride = 2, .padding = 1, .count_include_pad = false}), x);
  files.write_module("largest", nn::AdaptiveMaxPool1d(1), x);
  files.write_module("average", nn::AdaptiveAvgPool1d(1), x);

  files.write_module("layer_norm", drawn(nn::LayerNorm(7)), x);
  files.write_module("layer_norm_2d", drawn(nn::LayerNorm({3, 7}, {.eps = 0.1})), x);
  files.write_module("layer_norm_plain", nn::LayerNorm(7, {.elementwise_affine = false}), x);
  files.write_module("rms_norm", drawn(nn::RMSNorm(7)), x);
  files.write_module("rms_norm_eps", nn::RMSNorm(7, {.eps = 0.1, .elementwise_affine = false}), x);
  for (const bool affine : {true, false}) {
    const nn::BatchNorm1d norm = drawn(nn::BatchNorm1d(3, {.eps = 0.1, .affine = affine}));
    norm(tg::randn({9, 3}) * 2.0 + 1.0);  // sets its running statistics
    const std::string name = affine ? "batch_norm" : "batch_norm_plain";
    files.write_module(name, norm, tg::randn({4, 3}));
    files.write_module(name + "_steps", norm, x);
  }
  files.write_module("chain",
                     nn::Sequential{nn::Conv1d(3, 4, 3), nn::BatchNorm1d(4), nn::ReLU(),
                                    nn::MaxPool1d(2), nn::Flatten(), nn::Linear(8, 2)},
                     x);
  files.check({"conv", "conv_strides", "conv_dilated", "conv_same", "conv_no_bias", "max_pool",
               "average_pool_uncounted", "largest", "average", "rms_norm_eps", "batch_norm",
               "batch_norm_steps", "batch_norm_plain", "batch_norm_plain_steps", "chain"});
}

TEST_CASE("onnx: the checker and evaluators agree about images", "[nn]") {
  Files files;
  const tg::Tensor x = tg::randn({2, 3, 7, 6});  // (batch, channels, height, width)

  files.write_module("conv2d", nn::Conv2d(3, 4, 3), x);
  files.write_module("conv2d_options",
                     nn::Conv2d(3, 4, {2, 3}, {.stride = {2, 1}, .padding = {1, 2}}), x);
  files.write_module("conv2d_dilated", nn::Conv2d(3, 6, 2, {.dilation = {2, 3}, .groups = 3}), x);
  files.write_module("conv2d_same", nn::Conv2d(3, 4, {4, 3}, {.padding = tg::same_padding}), x);
  files.write_module("conv2d_no_batch", nn::Conv2d(3, 4, 1, {.bias = false}), tg::select(x, 0, 0));
  files.write_module("max_pool2d", nn::MaxPool2d(2), x);
  files.write_module(
      "max_pool2d_options",
      nn::MaxPool2d({3, 2}, {.stride = tg::Size2d{1, 2}, .padding = {1, 0}, .dilation = {2, 1}}),
      x);
  files.write_module("average_pool2d", nn::AvgPool2d({3, 2}, {.padding = {1, 0}}), x);
  files.write_module("average_pool2d_uncounted",
                     nn::AvgPool2d(3, {.padding = 1, .count_include_pad = false}), x);
  files.write_module("average2d", nn::AdaptiveAvgPool2d(1), x);
  files.write_module("group_norm", drawn(nn::GroupNorm(2, 4)), tg::randn({2, 4, 3, 2}));
  files.write_module("group_norm_steps", nn::GroupNorm(3, 3, {.affine = false}),
                     tg::randn({2, 3, 5}));
  nn::BatchNorm2d norm = drawn(nn::BatchNorm2d(3));
  // Not those of a batch, whose sums are rounded in another way on each instruction set.
  *norm.running_mean = tg::tensor({1.0, 0.25, -0.5}, tg::float32);
  *norm.running_var = tg::tensor({4.0, 2.5, 0.75}, tg::float32);
  files.write_module("batch_norm2d", norm, x);
  files.write_module("lenet",
                     nn::Sequential{nn::Conv2d(3, 4, 3), nn::ReLU(), nn::MaxPool2d(2),
                                    nn::Dropout2d(), nn::Flatten(), nn::Linear(16, 2)},
                     x);
  files.check({"conv2d", "conv2d_options", "max_pool2d", "average2d", "batch_norm2d", "lenet"});
  tg::nn::OnnxGraph graph("refused");
  const OnnxValue in = graph.input("x", tg::float32, {2, 3, 7, 6});
  CHECK_THROWS_AS(graph.append(nn::AvgPool2d(2, {.divisor_override = 3}), in), tg::ValueError);
  CHECK_THROWS_AS(graph.append(nn::MaxPool2d(2, {.ceil_mode = true}), in), tg::ValueError);
  CHECK_THROWS_AS(graph.append(nn::AdaptiveAvgPool2d({1, 2}), in), tg::ValueError);
}

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
void write_recurrent(Files& files, const std::string& name, const M& layer, const tg::Tensor& x,
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
void write_all_recurrent(Files& files, const std::string& kind, const Options& plain) {
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
  Files files;
  write_all_recurrent<nn::RNN>(files, "rnn", nn::RNNOptions());
  write_all_recurrent<nn::RNN>(files, "relu",
                               nn::RNNOptions{.nonlinearity = nn::Nonlinearity::relu});
  write_all_recurrent<nn::LSTM>(files, "lstm", nn::LSTMOptions());
  write_all_recurrent<nn::GRU>(files, "gru", nn::GRUOptions());
  files.check({"lstm", "lstm_both", "lstm_deep", "lstm_turned", "lstm_constant",
               "lstm_constant_both", "gru_constant", "gru_constant_both"});
}

TEST_CASE("onnx: the checker and evaluators agree about positions and attention", "[nn]") {
  Files files;
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
  Files files;
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
  Files files;
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
  Files files;
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
  Files files;
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
