// Conv1d, pooling of windows, Bilinear and the kinds of dropout: comparisons with PyTorch, and
// errors. Read next: attention_test.cc.
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/bilinear.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/dropout.h>

#include "catch.h"
#include "error_text.h"
#include "nn/golden_layer.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;
using tapegrad::test::integer;

namespace {

std::optional<std::int64_t> stride_of(const std::string& which) {
  if (!test::layers().has(which + ".arg.stride")) return std::nullopt;
  return integer(which, "stride");
}

}  // namespace

// PyTorch's values --------------------------------------------------------------------------------

TEST_CASE("Conv1d agrees with PyTorch") {
  test::check_cases("conv1d", 29, [](const std::string& which, DType dtype) {
    return nn::Conv1d(integer(which, "in_channels"), integer(which, "out_channels"),
                      integer(which, "kernel_size"),
                      {.stride = integer(which, "stride", 1),
                       .padding = integer(which, "padding", 0),
                       .dilation = integer(which, "dilation", 1),
                       .groups = integer(which, "groups", 1),
                       .bias = test::flag(which, "bias", true),
                       .padding_mode = static_cast<PadMode>(integer(which, "padding_mode", 0)),
                       .dtype = dtype});
  });
}

TEST_CASE("pooling of windows agrees with PyTorch") {
  test::check_cases("max_pool1d", 20, [](const std::string& which, DType) {
    return nn::MaxPool1d(integer(which, "kernel_size"),
                         {.stride = stride_of(which),
                          .padding = integer(which, "padding", 0),
                          .dilation = integer(which, "dilation", 1),
                          .ceil_mode = test::flag(which, "ceil_mode", false)});
  });
  test::check_cases("avg_pool1d", 24, [](const std::string& which, DType) {
    return nn::AvgPool1d(integer(which, "kernel_size"),
                         {.stride = stride_of(which),
                          .padding = integer(which, "padding", 0),
                          .count_include_pad = test::flag(which, "count_include_pad", true),
                          .ceil_mode = test::flag(which, "ceil_mode", false)});
  });
  test::check_cases("adaptive_max_pool1d", 7, [](const std::string& which, DType) {
    return nn::AdaptiveMaxPool1d(integer(which, "output_size"));
  });
  test::check_cases("adaptive_avg_pool1d", 7, [](const std::string& which, DType) {
    return nn::AdaptiveAvgPool1d(integer(which, "output_size"));
  });
}

// PyTorch: max_pool1d(torch.tensor([[-inf, -inf]]), 2, 1, 1).sum() has the gradient [[2, 1]].
TEST_CASE("padding never wins a window of max_pool1d, not even against -inf") {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  const Variable pair = parameter(full({1, 2}, kLowest));
  sum(max_pool1d(pair, 2, {.stride = 1, .padding = 1})).backward();
  CHECK(equal(pair.grad(), tensor({{2.0f, 1.0f}})));
  manual_seed(1);
  const auto check = [&](std::int64_t length, std::int64_t kernel, std::int64_t stride,
                         std::int64_t padding, std::int64_t dilation, bool ceil_mode) {
    CAPTURE(length, kernel, stride, padding, dilation, ceil_mode);
    Tensor values = randint(-1, 2, {1, length}).to(float64);
    values = masked_fill(values, values == -1, kLowest);  // many are equal
    const Variable x = parameter(values);
    Variable y;
    try {
      y = max_pool1d(
          x, kernel,
          {.stride = stride, .padding = padding, .dilation = dilation, .ceil_mode = ceil_mode});
    } catch (const ShapeError&) {
      return;  // no window fits
    }
    Tensor want = zeros({1, length}, float64);
    for (std::int64_t w = 0; w < y.size(1); ++w) {
      std::int64_t winner = -1;  // the first of the largest
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t at = w * stride - padding + k * dilation;
        if (at < 0 || at >= length) continue;
        if (winner < 0 || values.item<double>({0, at}) > values.item<double>({0, winner})) {
          winner = at;
        }
      }
      CHECK(y.value().item<double>({0, w}) ==
            (winner < 0 ? kLowest : values.item<double>({0, winner})));
      if (winner >= 0) want.mutable_data<double>()[winner] += 1;
    }
    sum(y).backward();
    CHECK(equal(x.grad(), want));
  };
  for (std::int64_t length = 1; length <= 7; ++length) {
    for (std::int64_t kernel = 1; kernel <= 5; ++kernel) {
      for (std::int64_t padding = 0; padding <= kernel / 2; ++padding) {
        for (std::int64_t stride = 1; stride <= 3; ++stride) {
          for (std::int64_t dilation = 1; dilation <= 3; ++dilation) {
            for (const bool ceil_mode : {false, true}) {
              check(length, kernel, stride, padding, dilation, ceil_mode);
            }
          }
        }
      }
    }
  }
  CHECK(equal(max_pool1d(zeros({2, 3, 0}), 2, {.padding = 1}).value(), full({2, 3, 1}, kLowest)));
}

TEST_CASE("Bilinear agrees with PyTorch") {
  const std::vector<std::string> cases = test::layers().cases("bilinear");
  CHECK(cases.size() == 8);
  for (const std::string& which : cases) {
    test::check_layer(
        which,
        [&](DType dtype) {
          return nn::Bilinear(integer(which, "in1_features"), integer(which, "in2_features"),
                              integer(which, "out_features"),
                              {.bias = test::flag(which, "bias", true), .dtype = dtype});
        },
        [](const nn::Bilinear& layer, const test::Values& in) {
          return test::Values{layer(in[0], in[1])};
        });
  }
}

TEST_CASE("dropout of every kind and size draws the same masks as PyTorch") {
  const auto check = [](const std::string& layer, const auto& make) {
    const std::vector<std::string> cases = test::layers().cases(layer);
    CHECK(cases.size() == 16);
    for (const std::string& which : cases) {
      for (const DType dtype : {float64, float32}) {
        CAPTURE(which, dtype);
        const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
        auto module = make(test::number(which, "p", -1));
        const Tensor x = test::layers().at(which + ".in0").to(dtype);
        manual_seed(7);
        const Tensor y = module(x).value();
        CHECK(equal(rand({1}), test::layers().at(prefix + "next")));
        CHECK(error_of(y, test::layers().at(prefix + "out0")) <= (dtype == float64 ? 1e-15 : 5e-7));
        module.eval();
        CHECK(equal(module(x).value(), x));
      }
    }
  };
  check("dropout", [](double p) { return nn::Dropout(p); });
  check("dropout1d", [](double p) { return nn::Dropout1d(p); });
  check("alpha_dropout", [](double p) { return nn::AlphaDropout(p); });
}

// Errors ------------------------------------------------------------------------------------------

TEST_CASE("convolution and pooling explain arguments that do not fit") {
  const nn::Conv1d layer(3, 2, 3);
  CHECK(error_text<ShapeError>([&] {
          layer(zeros({2, 7, 3}));
        }) ==
        "conv1d: x is float32 (2, 7, 3) and weight float32 (2, 3, 3), needed (batch, channels, "
        "length) and (out_channels, channels, kernel) of one type; did you mean transpose(x, 1, "
        "2)?");
  CHECK(error_text<ShapeError>([&] {
          layer(zeros({2, 4, 7}));
        }) ==
        "conv1d: x is float32 (2, 4, 7) and weight float32 (2, 3, 3), needed (batch, channels, "
        "length) and (out_channels, channels, kernel) of one type");
  CHECK(error_text<ShapeError>([&] {
          layer(zeros({2, 3, 7}, float64));
        }) ==
        "conv1d: x is float64 (2, 3, 7) and weight float32 (2, 3, 3), needed (batch, channels, "
        "length) and (out_channels, channels, kernel) of one type; convert x with to(float32)");
  CHECK(error_text<ShapeError>([&] { layer(zeros({3})); }) ==
        "conv1d: x is (3), needed (batch, channels, length) or (channels, length)");
  CHECK(error_text<DTypeError>([&] {
          layer(zeros({2, 3, 7}, int64));
        }) == "conv1d: x is int64, needed float32 or float64");
  CHECK(error_text<ShapeError>([&] {
          layer(zeros({2, 3, 2}));
        }) ==
        "conv1d: a window of 3 steps does not fit in 2 (length 2 and padding); pad short sequences "
        "to 3 steps");
  CHECK(error_text<ShapeError>([&] {
          conv1d(zeros({2, 3, 4}), zeros({1, 3, 2}), zeros({2}));
        }) != "");
  CHECK(error_text<ValueError>([] { nn::Conv1d(3, 2, 0); }) ==
        "Conv1d: channels 3 -> 2, kernel_size 0, stride 1, padding 0, dilation 1; needed channels "
        "and padding from 0, the others from 1");
  CHECK(error_text<ValueError>([] {
          nn::Conv1d(3, 2, 3, {.stride = 2, .padding = same_padding});
        }) == "Conv1d: same_padding with stride 2, needed stride 1");
  CHECK(error_text<ValueError>([] {
          conv1d(zeros({1, 1, 3}), zeros({1, 1, 1}), {}, {.stride = 0});
        }) ==
        "conv1d: kernel 1, stride 0, padding 0, dilation 1, needed 1 or more, padding 0 or more");
  CHECK(error_text<ValueError>([] { nn::Conv1d(4, 3, 2, {.groups = 2}); }) ==
        "Conv1d: channels 4 -> 3 in 2 groups, needed a divisor of both");
  CHECK(error_text<ValueError>([] {
          conv1d(zeros({1, 4, 3}), zeros({3, 2, 1}), {}, {.groups = 2});
        }) == "conv1d: 2 groups for weight (3, 2, 1), needed a divisor of its out_channels");
  CHECK(error_text<ShapeError>([] {
          conv1d(zeros({1, 3, 5}), zeros({2, 2, 1}), {}, {.groups = 2});
        }) ==
        "conv1d: x is float32 (1, 3, 5) and weight float32 (2, 2, 1), needed (batch, channels, "
        "length) and (out_channels, channels / 2, kernel) of one type");
  CHECK(error_text<ShapeError>([] {
          conv1d(zeros({1, 2, 5}), zeros({2, 1, 1}), zeros({3}), {.groups = 2});
        }) == "conv1d: bias is (3), needed (2), one for each of the out_channels");
  CHECK(error_text<ShapeError>([] {
          conv1d(zeros({1, 1, 3}), zeros({1, 1, 3}), {},
                 {.padding = 3, .padding_mode = PadMode::reflect});
        }) ==
        "conv1d: padding of 3 for a sequence of 3 steps, needed 2 or less to fill it with the "
        "sequence");
  CHECK(error_text<ShapeError>([] {
          conv1d(zeros({1, 1, 3}), zeros({1, 1, 3}), {},
                 {.padding = 4, .padding_mode = PadMode::circular});
        }).find("needed 3 or less") != std::string::npos);
  CHECK(error_text<ShapeError>([] {
          conv1d(zeros({1, 1, 0}), zeros({1, 1, 3}), {},
                 {.padding = 2, .padding_mode = PadMode::replicate});
        }).find("needed 0 or less") != std::string::npos);
  CHECK(error_text<ShapeError>([] {
          max_pool1d(zeros({1, 1, 2}), 5, {.stride = 2, .ceil_mode = true});
        }) ==
        "max_pool1d: a window of 5 steps does not fit in 2 (length 2 and padding); pad short "
        "sequences to 5 steps");
  CHECK(error_text<ValueError>([] {
          avg_pool1d(zeros({1, 1, 3}), 2, {.stride = 0, .ceil_mode = true});
        }).find("stride 0") != std::string::npos);
  CHECK(
      error_text<ValueError>([] {
        max_pool1d(zeros({1, 1, 3}), 2, {.padding = 2});
      }) ==
      "max_pool1d: got padding 2 for a kernel of size 2, needed at most half of it: otherwise some "
      "windows would hold only padding");
  CHECK(error_text<ShapeError>([] {
          avg_pool1d(zeros({1, 1, 3}), 4);
        }) ==
        "avg_pool1d: a window of 4 steps does not fit in 3 (length 3 and padding); pad short "
        "sequences to 4 steps");
  CHECK(error_text<ValueError>([] { nn::AdaptiveMaxPool1d(0); }) ==
        "AdaptiveMaxPool1d: output_size is 0, needed 1 or more");
  CHECK(error_text<ShapeError>([] {
          nn::AdaptiveAvgPool1d(1)(zeros({2, 3, 0}));
        }) ==
        "AdaptiveAvgPool1d: x is (2, 3, 0), needed (batch, channels, length) or (channels, length) "
        "with a length of 1 or more");
  CHECK(error_text<ShapeError>([] {
          nn::Bilinear(2, 3, 4)(zeros({5, 2}), zeros({5, 4}));
        }) ==
        "bilinear: inputs (5, 2) and (5, 4) and weight (4, 2, 3), needed (..., m), (..., n) and "
        "(out, m, n)");
  CHECK(error_text<ValueError>([] { nn::Bilinear(2, -3, 4); }) ==
        "Bilinear: negative size in (2, -3) -> 4");
  CHECK(error_text<ValueError>([] { nn::Dropout1d(1.5); }) ==
        "Dropout1d: p is 1.500000, needed a probability in [0, 1]");
  CHECK(error_text<ShapeError>([] { nn::Dropout1d()(zeros({4})); }) ==
        "Dropout1d: x is (4), needed (batch, channels, length) or (channels, length)");
  CHECK(error_text<ValueError>([] { nn::AlphaDropout(-1); }) ==
        "AlphaDropout: p is -1.000000, needed a probability in [0, 1]");
}

TEST_CASE("convolution and pooling describe themselves") {
  CHECK(nn::Conv1d(3, 4, 5).description() == "Conv1d(3, 4, kernel_size=5, stride=1)");
  CHECK(
      nn::Conv1d(3, 4, 5, {.padding = same_padding, .dilation = 2, .bias = false}).description() ==
      "Conv1d(3, 4, kernel_size=5, stride=1, padding=same, dilation=2, bias=false)");
  CHECK(nn::Conv1d(4, 2, 3, {.groups = 2, .padding_mode = PadMode::reflect}).description() ==
        "Conv1d(4, 2, kernel_size=3, stride=1, groups=2, padding_mode=reflect)");
  CHECK(nn::AvgPool1d(3, {.count_include_pad = false, .ceil_mode = true}).description() ==
        "AvgPool1d(kernel_size=3, stride=3, padding=0, ceil_mode=true, count_include_pad=false)");
  CHECK(nn::MaxPool1d(3, {.ceil_mode = true}).description() ==
        "MaxPool1d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=true)");
  CHECK(nn::MaxPool1d(3).description() ==
        "MaxPool1d(kernel_size=3, stride=3, padding=0, dilation=1)");
  CHECK(nn::AvgPool1d(3, {.stride = 1}).description() ==
        "AvgPool1d(kernel_size=3, stride=1, padding=0)");
  CHECK(nn::AdaptiveMaxPool1d(1).description() == "AdaptiveMaxPool1d(1)");
  CHECK(nn::Bilinear(2, 3, 4).description() == "Bilinear(2, 3, 4)");
  CHECK(nn::Dropout1d(0.25).description() == "Dropout1d(0.25)");
}

// A tape that kept copies of windows would keep three elements for each element of a sequence.
TEST_CASE("convolution reads a sequence with adjacent channels without copying it") {
  const Variable words = parameter(randn({2, 7, 3}));
  const nn::Conv1d layer(3, 4, 3);
  const Tensor y = layer(transpose(words, 1, 2)).value();
  const Tensor same = layer(transpose(words, 1, 2).value().contiguous()).value();
  CHECK(equal(y, same));
  CHECK(y.shape() == Shape{2, 4, 5});
}
