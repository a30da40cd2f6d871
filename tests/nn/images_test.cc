// Conv2d, pooling of images, BatchNorm2d, GroupNorm and Dropout2d: comparisons with PyTorch and
// with plain loops, and errors. Read next: attention_test.cc.
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/images.h>
#include <tapegrad/nn/module/summary.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/tensor/threads.h>

#include "catch.h"
#include "error_text.h"
#include "nn/golden_layer.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;
using tapegrad::test::flag;
using tapegrad::test::integer;
using tapegrad::test::layers;

namespace {

std::optional<Size2d> size_of(const std::string& which, const std::string& name) {
  const std::string role = which + ".arg." + name;
  if (!layers().has(role)) return std::nullopt;
  const auto sizes = to_vector<std::int64_t>(layers().at(role));
  return sizes.size() == 1 ? Size2d(sizes[0]) : Size2d(sizes.at(0), sizes.at(1));
}
Size2d size_of(const std::string& which, const std::string& name, const Size2d& otherwise) {
  return size_of(which, name).value_or(otherwise);
}

MaxPoolOptions2d max_options(const std::string& which) {
  return {.stride = size_of(which, "stride"),
          .padding = size_of(which, "padding", 0),
          .dilation = size_of(which, "dilation", 1),
          .ceil_mode = flag(which, "ceil_mode", false)};
}

// Convolution with zeros as padding, in plain loops.
struct PlainConvolution {
  Tensor x, weight;
  ConvOptions2d options;

  // Calls function(o, t, u, position in x or -1, position in weight) for each multiply-add of image
  // n.
  template <class Function>
  void each(std::int64_t n, const Shape& result, const Function& function) const {
    const Shape in = x.shape(), kernel = weight.shape();
    const auto before = [](std::int64_t padding, std::int64_t dilation, std::int64_t size) {
      return padding == same_padding ? dilation * (size - 1) / 2 : padding;
    };
    const std::int64_t top = before(options.padding.height, options.dilation.height, kernel[2]);
    const std::int64_t left = before(options.padding.width, options.dilation.width, kernel[3]);
    for (std::int64_t o = 0; o < result[1]; ++o) {
      const std::int64_t first = o / (result[1] / options.groups) * kernel[1];
      for (std::int64_t i = 0; i < result[2] * result[3]; ++i) {
        const std::int64_t t = i / result[3], u = i % result[3];
        for (std::int64_t k = 0; k < kernel[1] * kernel[2] * kernel[3]; ++k) {
          const std::int64_t c = k / (kernel[2] * kernel[3]), a = k / kernel[3] % kernel[2],
                             b = k % kernel[3];
          const std::int64_t row = t * options.stride.height + a * options.dilation.height - top;
          const std::int64_t column = u * options.stride.width + b * options.dilation.width - left;
          if (row < 0 || row >= in[2] || column < 0 || column >= in[3]) continue;
          function(((n * result[1] + o) * result[2] + t) * result[3] + u,
                   ((n * in[1] + first + c) * in[2] + row) * in[3] + column,
                   o * kernel[1] * kernel[2] * kernel[3] + k);
        }
      }
    }
  }
};

void check_against_loops(const PlainConvolution& plain, Generator& generator) {
  const Variable x = parameter(plain.x), weight = parameter(plain.weight);
  const Variable bias = parameter(randn({weight.size(0)}, float64, generator));
  const Variable y = conv2d(x, weight, bias, plain.options);
  const Tensor dy = randn(y.shape(), float64, generator);
  Tensor want = zeros(y.shape(), float64), dx = zeros(x.shape(), float64),
         dweight = zeros(weight.shape(), float64);
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    plain.each(n, y.shape(), [&](std::int64_t to, std::int64_t from, std::int64_t place) {
      want.mutable_data<double>()[to] +=
          plain.x.data<double>()[from] * plain.weight.data<double>()[place];
      dx.mutable_data<double>()[from] += dy.data<double>()[to] * plain.weight.data<double>()[place];
      dweight.mutable_data<double>()[place] += dy.data<double>()[to] * plain.x.data<double>()[from];
    });
  }
  want = want + reshape(bias.value(), {weight.size(0), 1, 1});
  CHECK(error_of(y.value(), want) <= 1e-13);
  for (const bool create_graph : {false, true}) {
    const auto found = grad(sum(y * Variable(dy)), {x, weight, bias},
                            {.create_graph = create_graph, .retain_graph = true});
    CAPTURE(create_graph);
    CHECK(error_of(found[0].value(), dx) <= 1e-12);
    CHECK(error_of(found[1].value(), dweight) <= 1e-12);
    CHECK(error_of(found[2].value(), sum(dy, {0, 2, 3})) <= 1e-12);
  }
}

}  // namespace

// PyTorch's values --------------------------------------------------------------------------------

TEST_CASE("Conv2d agrees with PyTorch") {
  test::check_cases("conv2d", 34, [](const std::string& which, DType dtype) {
    return nn::Conv2d(integer(which, "in_channels"), integer(which, "out_channels"),
                      size_of(which, "kernel_size", 0),
                      {.stride = size_of(which, "stride", 1),
                       .padding = size_of(which, "padding", 0),
                       .dilation = size_of(which, "dilation", 1),
                       .groups = integer(which, "groups", 1),
                       .bias = flag(which, "bias", true),
                       .padding_mode = static_cast<PadMode>(integer(which, "padding_mode", 0)),
                       .dtype = dtype});
  });
}

TEST_CASE("pooling of images agrees with PyTorch") {
  test::check_cases("max_pool2d", 18, [](const std::string& which, DType) {
    return nn::MaxPool2d(size_of(which, "kernel_size", 0), max_options(which));
  });
  test::check_cases("avg_pool2d", 32, [](const std::string& which, DType) {
    AvgPoolOptions2d options{.stride = size_of(which, "stride"),
                             .padding = size_of(which, "padding", 0),
                             .ceil_mode = flag(which, "ceil_mode", false),
                             .count_include_pad = flag(which, "count_include_pad", true)};
    if (const auto divisor = integer(which, "divisor_override"); divisor > 0) {
      options.divisor_override = divisor;
    }
    return nn::AvgPool2d(size_of(which, "kernel_size", 0), options);
  });
  test::check_cases("adaptive_avg_pool2d", 7, [](const std::string& which, DType) {
    return nn::AdaptiveAvgPool2d(size_of(which, "output_size", 0));
  });
}

TEST_CASE("the indices of pooling agree with PyTorch") {
  const auto check = [](const std::string& layer, std::size_t count, const auto& pool) {
    const auto cases = layers().cases(layer);
    CHECK(cases.size() == count);
    for (const std::string& which : cases) {
      CAPTURE(which);
      const VariableAndIndices result = pool(which, Variable(layers().at(which + ".in0")));
      CHECK(equal(result.values.value(), layers().at(which + ".out0")));
      CHECK(equal(result.indices, layers().at(which + ".out1")));
    }
  };
  check("max_pool2d_indices", 17, [](const std::string& which, const Variable& x) {
    return nn::MaxPool2d(size_of(which, "kernel_size", 0), max_options(which))
        .forward_with_indices(x);
  });
  check("max_pool1d_indices", 4, [](const std::string& which, const Variable& x) {
    const auto stride = size_of(which, "stride");
    MaxPoolOptions options{.padding = integer(which, "padding", 0),
                           .dilation = integer(which, "dilation", 1),
                           .ceil_mode = flag(which, "ceil_mode", false)};
    if (stride.has_value()) options.stride = stride->height;
    return nn::MaxPool1d(integer(which, "kernel_size"), options).forward_with_indices(x);
  });
}

TEST_CASE("BatchNorm2d and GroupNorm agree with PyTorch") {
  const auto cases = layers().cases("batch_norm2d");
  CHECK(cases.size() == 14);
  for (const std::string& which : cases) {
    test::check_layer(
        which,
        [&](DType dtype) {
          nn::BatchNormOptions options{
              .eps = test::number(which, "eps", 1e-5),
              .momentum = test::number(which, "momentum", 0.1),
              .affine = flag(which, "affine", true),
              .track_running_stats = flag(which, "track_running_stats", true),
              .dtype = dtype};
          if (flag(which, "cumulative", false)) options.momentum = std::nullopt;
          nn::BatchNorm2d layer(integer(which, "features"), options);
          layer.train(flag(which, "training", true));
          return layer;
        },
        [](const nn::BatchNorm2d& layer, const test::Values& in) {
          return test::Values{layer(in[0])};
        },
        1e-5);
  }
  test::check_cases("group_norm", 10, [](const std::string& which, DType dtype) {
    return nn::GroupNorm(integer(which, "num_groups"), integer(which, "num_channels"),
                         {.eps = test::number(which, "eps", 1e-5),
                          .affine = flag(which, "affine", true),
                          .dtype = dtype});
  });
}

TEST_CASE("Dropout2d draws the same masks as PyTorch") {
  const auto cases = layers().cases("dropout2d");
  CHECK(cases.size() == 16);
  for (const std::string& which : cases) {
    for (const DType dtype : {float64, float32}) {
      CAPTURE(which, dtype);
      const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
      nn::Dropout2d layer(test::number(which, "p", -1));
      const Tensor x = layers().at(which + ".in0").to(dtype);
      manual_seed(7);
      const Tensor y = layer(x).value();
      CHECK(equal(rand({1}), layers().at(prefix + "next")));
      CHECK(error_of(y, layers().at(prefix + "out0")) <= (dtype == float64 ? 1e-15 : 5e-7));
      layer.eval();
      CHECK(equal(layer(x).value(), x));
    }
  }
}

TEST_CASE("second-order gradients of images agree with PyTorch") {
  using Values = test::Values;
  const std::vector<std::pair<std::string, Variable (*)(const Values&)>> rows = {
      {"conv2d",
       [](const Values& v) {
         return conv2d(v[0], v[1], v[2],
                       {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
       }},
      {"conv2d_plain", [](const Values& v) { return conv2d(v[0], v[1], v[2]); }},
      {"max_pool2d",
       [](const Values& v) {
         return square(max_pool2d(v[0], 3, {.stride = Size2d(2), .padding = 1}));
       }},
      {"avg_pool2d",
       [](const Values& v) {
         return square(
             avg_pool2d(v[0], 3, {.stride = Size2d(2), .padding = 1, .count_include_pad = false}));
       }},
      {"group_norm", [](const Values& v) { return group_norm(v[0], 2, v[1], v[2]); }},
      {"batch_norm", [](const Values& v) { return batch_norm(v[0], v[1], v[2]); }}};
  CHECK(layers().cases("second").size() == rows.size());
  for (const auto& [name, function] : rows) {
    const auto at = [&, which = "second." + name](const std::string& role, std::size_t i) {
      return layers().at(which + "." + role + std::to_string(i));
    };
    CAPTURE(name);
    Values leaves;
    while (layers().has("second." + name + ".in" + std::to_string(leaves.size()))) {
      leaves.push_back(parameter(at("in", leaves.size())));
    }
    const auto first =
        grad(sum(function(leaves) * Variable(at("g", 0))), leaves, {.create_graph = true});
    Variable total;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      CHECK(error_of(first[i].value(), at("first", i)) <= 1e-11);
      const Variable term = sum(first[i] * Variable(at("h", i)));
      total = total.defined() ? total + term : term;
    }
    const auto second = grad(total, leaves, {.allow_unused = true});
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const Tensor none = zeros_like(leaves[i].value());
      CHECK(error_of(second[i].defined() ? second[i].value() : none, at("second", i)) <= 1e-11);
    }
  }
}

// Plain loops -------------------------------------------------------------------------------------

TEST_CASE("conv2d and its gradients agree with plain loops for random sizes") {
  Generator generator(3);
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return randint(low, high + 1, {1}, generator).item<std::int64_t>();
  };
  int checked = 0;
  for (int i = 0; i < 150; ++i) {
    const std::int64_t groups = draw(1, 3), in = draw(1, 3), out = i % 10 == 0 ? 17 : draw(1, 4);
    ConvOptions2d options{.stride = {draw(1, 3), draw(1, 4)},
                          .padding = {draw(0, 3), draw(0, 3)},
                          .dilation = {draw(1, 3), draw(1, 2)},
                          .groups = groups};
    if (options.stride == Size2d(1) && draw(0, 1) == 1) options.padding = same_padding;
    const PlainConvolution plain{
        randn({draw(0, 3), groups * in, draw(1, 9), draw(1, 20)}, float64, generator),
        randn({groups * out, in, draw(1, 4), draw(1, 5)}, float64, generator), options};
    CAPTURE(plain.x.shape(), plain.weight.shape(), i);
    try {
      conv2d(plain.x, plain.weight, {}, options);
    } catch (const ShapeError&) {
      continue;  // no window fits
    }
    check_against_loops(plain, generator);
    ++checked;
  }
  CHECK(checked > 80);
}

TEST_CASE("conv2d with many channels agrees with plain loops") {
  Generator generator(4);
  const auto check = [&](Shape image, Shape kernel, const ConvOptions2d& options) {
    CAPTURE(image, kernel);
    const PlainConvolution plain{randn(image, float64, generator),
                                 randn(kernel, float64, generator), options};
    check_against_loops(plain, generator);
    const auto results = [&](DType dtype) {
      const Variable x = parameter(plain.x.to(dtype)), weight = parameter(plain.weight.to(dtype));
      const Variable bias = parameter(linspace(-1, 1, kernel[0]).to(dtype));
      const Variable y = conv2d(x, weight, bias, options);
      auto all = grad(sum(square(y)), {x, weight, bias}, {.retain_graph = true});
      all.push_back(y);
      return all;
    };
    const auto found = results(float32), want = results(float64);
    for (std::size_t i = 0; i < want.size() && want[i].numel() > 0; ++i) {
      const double scale = std::max(max(abs(want[i].value())).item<double>(), 1.0);
      CHECK(error_of(found[i].value().to(float64), want[i].value()) <= 2e-5 * scale);
    }
  };
  check({2, 16, 14, 14}, {32, 16, 3, 3}, {.padding = 1});
  check({2, 17, 7, 13}, {31, 17, 5, 3}, {.padding = {2, 0}});
  check({3, 12, 5, 6}, {70, 12, 3, 3}, {.padding = same_padding});
  check({2, 32, 4, 29}, {24, 16, 2, 3}, {.padding = 3, .groups = 2});
  check({2, 13, 9, 11}, {16, 13, 3, 3}, {.stride = {2, 3}, .padding = 1, .dilation = {2, 1}});
  check({1, 8, 1, 1}, {8, 8, 3, 3}, {.padding = 1});
  check({0, 16, 6, 5}, {16, 16, 3, 3}, {});
  check({1, 16, 2, 0}, {16, 16, 3, 3}, {.padding = 2});
  check({2, 48, 3, 17}, {48, 48, 1, 1}, {});
}

TEST_CASE("a convolution and its gradients have the same bits with any number of threads",
          "[threads]") {
  const int before = num_threads();
  for (const std::int64_t out : {5, 24}) {
    const Variable x = parameter(randn({19, 8, 15, 14})), weight = parameter(randn({out, 8, 3, 3}));
    const auto results = [&](int threads) {
      set_num_threads(threads);
      const Variable y = conv2d(x, weight, {}, {.padding = 1});
      auto all = grad(sum(square(y)), {x, weight}, {.retain_graph = true});
      all.push_back(y);
      return all;
    };
    const auto alone = results(1);
    for (const int threads : {2, 3, 8}) {
      const auto shared = results(threads);
      CAPTURE(out, threads);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        CHECK(equal(alone[i].value(), shared[i].value()));
      }
    }
  }
  set_num_threads(before);
}

TEST_CASE("padding never wins a window of max_pool2d, not even against -inf") {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  const Variable square = parameter(full({1, 2, 2}, kLowest));
  const VariableAndIndices all =
      max_pool2d_with_indices(square, 2, {.stride = Size2d(1), .padding = 1});
  CHECK(equal(all.values.value(), full({1, 3, 3}, kLowest)));
  CHECK(equal(all.indices, tensor({{{0, 0, 1}, {0, 0, 1}, {2, 2, 3}}})));
  sum(all.values).backward();
  CHECK(equal(square.grad(), tensor({{{4.0f, 2.0f}, {2.0f, 1.0f}}})));
  // A window of padding only: dilation steps over the image.
  const Variable one = parameter(ones({1, 1, 1}, float64));
  const VariableAndIndices hole =
      max_pool2d_with_indices(one, 2, {.stride = Size2d(1), .padding = 1, .dilation = 2});
  CHECK(equal(hole.values.value(), full({1, 1, 1}, kLowest, float64)));
  CHECK(hole.indices.item<std::int64_t>() == -1);
  const auto first = grad(sum(hole.values), {one}, {.create_graph = true});
  CHECK(first[0].item<double>() == 0);
}

// Errors and texts --------------------------------------------------------------------------------

TEST_CASE("layers of images explain arguments that do not fit") {
  const nn::Conv2d layer(3, 2, 3);
  CHECK(
      error_text<ShapeError>([&] {
        layer(zeros({2, 7, 8, 3}));
      }) ==
      "conv2d: x is float32 (2, 7, 8, 3) and weight float32 (2, 3, 3, 3), needed (batch, channels, "
      "height, width) and (out_channels, channels, kernel height, kernel width) of one type; did "
      "you mean permute(x, {0, 3, 1, 2})?");
  CHECK(
      error_text<ShapeError>([&] {
        layer(zeros({2, 3, 7, 8}, float64));
      }) ==
      "conv2d: x is float64 (2, 3, 7, 8) and weight float32 (2, 3, 3, 3), needed (batch, channels, "
      "height, width) and (out_channels, channels, kernel height, kernel width) of one type; "
      "convert x with to(float32)");
  CHECK(
      error_text<ShapeError>([&] {
        layer(zeros({3, 7}));
      }) ==
      "conv2d: x is (3, 7), needed (batch, channels, height, width) or (channels, height, width)");
  CHECK(error_text<DTypeError>([&] {
          layer(zeros({2, 3, 7, 7}, int64));
        }) == "conv2d: x is int64, needed float32 or float64");
  CHECK(
      error_text<ShapeError>([&] {
        layer(zeros({2, 3, 2, 7}));
      }) ==
      "conv2d: a window of 3 rows does not fit in 2 (height 2 and padding); pad small images to 3 "
      "rows");
  CHECK(
      error_text<ShapeError>([&] {
        layer(zeros({2, 3, 7, 1}));
      }) ==
      "conv2d: a window of 3 columns does not fit in 1 (width 1 and padding); pad small images to "
      "3 columns");
  CHECK(error_text<ShapeError>([] {
          conv2d(zeros({1, 2, 5, 5}), zeros({2, 1, 1, 1}), zeros({3}), {.groups = 2});
        }) == "conv2d: bias is float32 (3), needed float32 (2), one for each of the out_channels");
  CHECK(error_text<ValueError>([] {
          conv2d(zeros({1, 4, 3, 3}), zeros({3, 2, 1, 1}), {}, {.groups = 2});
        }) == "conv2d: 2 groups for weight (3, 2, 1, 1), needed a divisor of its out_channels");
  CHECK(error_text<ShapeError>([] {
          conv2d(zeros({1, 1, 3, 9}), zeros({1, 1, 3, 3}), {},
                 {.padding = 3, .padding_mode = PadMode::reflect});
        }) == "conv2d: padding of 3 for a height of 3, needed 2 or less to fill it with the image");
  CHECK(error_text<ValueError>([] {
          nn::Conv2d(3, 2, {0, 1});
        }) ==
        "Conv2d: channels 3 -> 2, kernel_size (0, 1), stride (1, 1), padding (0, 0), dilation (1, "
        "1); needed channels and padding from 0, the others from 1");
  CHECK(error_text<ValueError>([] {
          nn::Conv2d(3, 2, 3, {.stride = {1, 2}, .padding = same_padding});
        }) == "Conv2d: same_padding with stride (1, 2), needed stride 1");
  CHECK(error_text<ValueError>([] { nn::Conv2d(4, 3, 2, {.groups = 2}); }) ==
        "Conv2d: channels 4 -> 3 in 2 groups, needed a divisor of both");
  CHECK(
      error_text<ValueError>([] {
        max_pool2d(zeros({1, 3, 3}), 2, {.padding = {0, 2}});
      }) ==
      "max_pool2d: got padding 2 for a kernel of size 2, needed at most half of it: otherwise some "
      "windows would hold only padding");
  CHECK(error_text<ShapeError>([] {
          max_pool2d(zeros({3, 3}), 2);
        }) ==
        "max_pool2d: x is (3, 3), needed (batch, channels, height, width) or (channels, height, "
        "width)");
  CHECK(error_text<ShapeError>([] {
          avg_pool2d(zeros({1, 3, 5}), 4);
        }) ==
        "avg_pool2d: a window of 4 rows does not fit in 3 (height 3 and padding); pad small images "
        "to 4 rows");
  CHECK(error_text<ValueError>([] {
          avg_pool2d(zeros({1, 3, 5}), 2, {.divisor_override = 0});
        }) == "avg_pool2d: divisor_override is 0, needed another number");
  CHECK(error_text<ValueError>([] {
          nn::AdaptiveAvgPool2d({1, 0});
        }) == "AdaptiveAvgPool2d: output_size is (1, 0), needed 1 or more");
  CHECK(error_text<ShapeError>([] {
          nn::AdaptiveAvgPool2d(1)(zeros({3, 0, 4}));
        }) ==
        "adaptive_avg_pool2d: x is (3, 0, 4) and output_size (1, 1), needed sizes of 1 or more");
  CHECK(error_text<ShapeError>([] {
          nn::BatchNorm2d(3)(zeros({2, 3, 4}));
        }) == "BatchNorm2d: x is (2, 3, 4), needed (batch, 3, height, width)");
  CHECK(error_text<ValueError>([] {
          nn::BatchNorm2d(3)(zeros({1, 3, 1, 1}));
        }).find("needed more than one element for each channel") != std::string::npos);
  CHECK(error_text<ValueError>([] { nn::GroupNorm(2, 5); }) ==
        "GroupNorm: 5 channels in 2 groups, needed a divisor of the channels");
  CHECK(error_text<ValueError>([] {
          group_norm(zeros({2, 5}), 2);
        }) == "group_norm: 5 channels in 2 groups, needed a divisor of the channels");
  CHECK(error_text<ShapeError>([] { nn::GroupNorm(2, 4)(zeros({4})); }) ==
        "GroupNorm: x is (4), needed (batch, 4, ...)");
  CHECK(error_text<ShapeError>([] {
          nn::Dropout2d()(zeros({2, 3, 4}));
        }) ==
        "Dropout2d: x is (2, 3, 4), needed (batch, channels, height, width); for sequences, use "
        "Dropout1d");
}

TEST_CASE("layers of images describe themselves and count their work") {
  CHECK(nn::Conv2d(3, 4, 5).description() == "Conv2d(3, 4, kernel_size=(5, 5), stride=(1, 1))");
  CHECK(nn::Conv2d(4, 2, {3, 1},
                   {.padding = same_padding,
                    .dilation = 2,
                    .groups = 2,
                    .bias = false,
                    .padding_mode = PadMode::reflect})
            .description() ==
        "Conv2d(4, 2, kernel_size=(3, 1), stride=(1, 1), padding=same, dilation=(2, 2), groups=2, "
        "padding_mode=reflect, bias=false)");
  CHECK(nn::MaxPool2d(3, {.ceil_mode = true}).description() ==
        "MaxPool2d(kernel_size=(3, 3), stride=(3, 3), padding=(0, 0), dilation=(1, 1), "
        "ceil_mode=true)");
  CHECK(nn::AvgPool2d({3, 2}, {.count_include_pad = false, .divisor_override = 5}).description() ==
        "AvgPool2d(kernel_size=(3, 2), stride=(3, 2), padding=(0, 0), count_include_pad=false, "
        "divisor_override=5)");
  CHECK(nn::AdaptiveAvgPool2d({2, 3}).description() == "AdaptiveAvgPool2d((2, 3))");
  CHECK(nn::BatchNorm2d(4).description() == "BatchNorm2d(4, eps=1e-05, momentum=0.1)");
  CHECK(nn::GroupNorm(2, 4).description() == "GroupNorm(2, 4, eps=1e-05)");
  CHECK(nn::Dropout2d(0.25).description() == "Dropout2d(0.25)");
  // 4 * 3 * 3 weights and a bias for each of 2 * 6 channels and 5 * 3 places.
  CHECK(nn::summary(nn::Conv2d(4, 6, 3), zeros({2, 4, 7, 5})).mult_adds ==
        (4 * 9 + 1) * 2 * 6 * 15);
  CHECK(nn::summary(nn::GroupNorm(2, 4), zeros({2, 4, 5, 5})).mult_adds == 2 * 2 * 4 * 25);
}

TEST_CASE("a convolution keeps its input, not the windows") {
  const Variable x = parameter(randn({2, 3, 8, 8}));
  const nn::Conv2d layer(3, 4, 3);
  const std::size_t before = tape().size();
  const Variable y = layer(x);
  CHECK(tape().size() == before + 1);
  CHECK(equal(layer(transpose(transpose(x, 2, 3).value().contiguous(), 2, 3)).value(), y.value()));
}
