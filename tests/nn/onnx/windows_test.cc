// Convolutions, pooling, images and norms as ONNX.
#include "onnx_files.h"

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/images.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/sequential.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::OnnxValue;
using tg::test::drawn;
using tg::test::OnnxFiles;

TEST_CASE("onnx: the checker and evaluators agree about windows and norms", "[nn]") {
  OnnxFiles files;
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
  OnnxFiles files;
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
