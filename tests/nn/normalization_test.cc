// LayerNorm, RMSNorm and BatchNorm1d: comparisons with PyTorch, and errors. Read next:
// convolution_test.cc.
#include <optional>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/functional.h>
#include <tapegrad/nn/normalization.h>

#include "catch.h"
#include "error_text.h"
#include "nn/golden_layer.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

TEST_CASE("LayerNorm agrees with PyTorch") {
  test::check_cases("layer_norm", 12, [](const std::string& which, DType dtype) {
    return nn::LayerNorm(test::list(which, "shape"),
                         {.eps = test::number(which, "eps", 1e-5),
                          .elementwise_affine = test::flag(which, "elementwise_affine", true),
                          .dtype = dtype});
  });
}

TEST_CASE("RMSNorm agrees with its formula") {
  test::check_cases("rms_norm", 9, [](const std::string& which, DType dtype) {
    const bool given = test::layers().has(which + ".arg.eps");
    return nn::RMSNorm(test::list(which, "shape"),
                       {.eps = given ? std::optional(test::number(which, "eps", 0)) : std::nullopt,
                        .elementwise_affine = test::flag(which, "elementwise_affine", true),
                        .dtype = dtype});
  });
}

TEST_CASE("BatchNorm1d agrees with PyTorch, in training and in eval mode") {
  const std::vector<std::string> cases = test::layers().cases("batch_norm1d");
  CHECK(cases.size() == 20);
  for (const std::string& which : cases) {
    test::check_layer(
        which,
        [&](DType dtype) {
          const bool cumulative = test::flag(which, "cumulative", false);
          nn::BatchNorm1d layer(
              test::integer(which, "features"),
              {.eps = test::number(which, "eps", 1e-5),
               .momentum =
                   cumulative ? std::nullopt : std::optional(test::number(which, "momentum", 0.1)),
               .affine = test::flag(which, "affine", true),
               .track_running_stats = test::flag(which, "track_running_stats", true),
               .dtype = dtype});
          layer.train(test::flag(which, "training", true));
          return layer;
        },
        [](nn::BatchNorm1d& layer, const test::Values& in) {
          if (in.size() == 1) return test::Values{layer(in[0])};
          const Variable first = layer(in[0]);
          const Variable second = layer(in[1]);
          layer.eval();
          return test::Values{first, second, layer(in[2])};
        });
  }
}

TEST_CASE("BatchNorm1d counts batches and resets its statistics") {
  nn::BatchNorm1d layer(2);
  const Tensor x = randn({4, 2});
  layer(x);
  layer(x);
  CHECK(layer.num_batches_tracked->item<std::int64_t>() == 2);
  const nn::BatchNorm1d copy = clone(layer);
  layer.reset_running_stats();
  CHECK(layer.num_batches_tracked->item<std::int64_t>() == 0);
  CHECK(equal(*layer.running_var, ones({2})));
  CHECK(copy.num_batches_tracked->item<std::int64_t>() == 2);
  layer.eval();
  layer(x);
  CHECK(layer.num_batches_tracked->item<std::int64_t>() == 0);
  nn::BatchNorm1d none(2, {.track_running_stats = false});
  CHECK(none.buffers().empty());
  none.reset_running_stats();
}

TEST_CASE("layers of another type than x say so") {
  const Tensor x = zeros({2, 4, 3}, float64);
  const auto text = [&](const auto& layer) { return error_text<DTypeError>([&] { layer(x); }); };
  const auto end = [](const std::string& which) {
    return "got x float64 and " + which + " float32, needed one type; convert x with to(float32)";
  };
  CHECK(text(nn::LayerNorm(3)) == "layer_norm: " + end("weight"));
  CHECK(text(nn::GroupNorm(2, 4)) == "group_norm: " + end("weight"));
  CHECK(text(nn::PReLU()) == "prelu: " + end("weight"));
  CHECK(text(nn::BatchNorm1d(4, {.track_running_stats = false})) == "batch_norm: " + end("weight"));
  nn::BatchNorm1d tracks(4, {.affine = false});
  const Tensor mean = tracks.running_mean->clone();
  CHECK(text(tracks) == "batch_norm: " + end("running_mean"));
  tracks.eval();
  CHECK(text(tracks) == "batch_norm: " + end("running_mean"));
  CHECK(equal(*tracks.running_mean, mean));
  CHECK(error_text<DTypeError>([&] { batch_norm(x, Variable(), Variable(zeros({4}))); }) ==
        "batch_norm: " + end("bias"));
}

TEST_CASE("batch_norm checks weight and bias also where the running statistics normalize") {
  const Tensor x = zeros({2, 4}), mean = zeros({4}), var = ones({4});
  const auto text = [&](const Variable& weight, const Variable& bias) {
    return error_text<Error>([&] { batch_norm(x, mean, var, weight, bias); });
  };
  CHECK(text(ones({3}), {}) == "batch_norm: weight is (3), needed (4), one for each channel");
  CHECK(text(ones({1}), {}) == "batch_norm: weight is (1), needed (4), one for each channel");
  CHECK(text(ones({4}), zeros({4}, float64)) ==
        "batch_norm: got x float32 and bias float64, needed one type; convert x with to(float64)");
  CHECK(text(ones({4}), zeros({4})) == "");
}

TEST_CASE("normalization explains arguments that do not fit") {
  CHECK(error_text<ShapeError>([] {
          nn::LayerNorm(3)(zeros({2, 4}));
        }) == "layer_norm: x is (2, 4) and normalized_shape (3), needed the last sizes of x");
  CHECK(error_text<ShapeError>([] { nn::LayerNorm(3)(zeros({})); }) ==
        "layer_norm: x is () and normalized_shape (3), needed the last sizes of x");
  CHECK(error_text<DTypeError>([] {
          nn::LayerNorm(3)(zeros({2, 3}, float64));
        }) ==
        "layer_norm: got x float64 and weight float32, needed one type; convert x with "
        "to(float32)");
  CHECK(error_text<ShapeError>([] {
          layer_norm(zeros({2, 3}), 3, ones({2}));
        }) == "layer_norm: weight is float32 (2), needed float32 (3)");
  CHECK(error_text<DTypeError>([] {
          layer_norm(zeros({2, 3}, int64), 3);
        }).find("int64") != std::string::npos);
  CHECK(error_text<ShapeError>([] { nn::LayerNorm(Shape{}); }) ==
        "LayerNorm: normalized_shape is (), needed at least one size, none of them negative");
  CHECK(error_text<ShapeError>([] {
          nn::RMSNorm({2, -1});
        }) ==
        "RMSNorm: normalized_shape is (2, -1), needed at least one size, none of them negative");
  CHECK(error_text<ShapeError>([] {
          nn::RMSNorm(3)(zeros({2, 4}));
        }) == "rms_norm: x is (2, 4) and normalized_shape (3), needed the last sizes of x");
  CHECK(error_text<ValueError>([] { nn::BatchNorm1d(-1); }) == "BatchNorm1d: negative size in -1");
  CHECK(error_text<ShapeError>([] {
          nn::BatchNorm1d(3)(zeros({2, 4}));
        }) == "BatchNorm1d: x is (2, 4), needed (batch, 3) or (batch, 3, length)");
  CHECK(error_text<ValueError>([] {
          nn::BatchNorm1d(3)(zeros({1, 3}));
        }) ==
        "batch_norm: x is (1, 3), needed more than one element for each channel to compute a "
        "variance; use a larger batch, or eval()");
  nn::BatchNorm1d without(3, {.track_running_stats = false});
  without.eval();
  CHECK(error_text<ValueError>([&] {
          without(zeros({1, 3}));
        }) ==
        "BatchNorm1d: x is (1, 3), needed more than one element for each channel: without running "
        "statistics, eval mode uses those of the batch; use a larger batch, or "
        "track_running_stats");
  CHECK(without(zeros({2, 3})).shape() == Shape{2, 3});
  CHECK(error_text<ShapeError>([] { batch_norm(zeros({3})); }) ==
        "batch_norm: x is (3), needed (batch, channels), (batch, channels, length) or (batch, "
        "channels, height, width)");
  CHECK(error_text<ShapeError>([] {
          batch_norm(zeros({4, 3}), {}, Variable(zeros({4})));
        }) == "batch_norm: bias is (4), needed (3), one for each channel");
}

TEST_CASE("batch_norm with running statistics: errors, and statistics that may be missing") {
  const Variable x = parameter(tensor({{1.0, 2.0, 3.0}, {0.0, -1.0, 4.0}}));
  const Tensor mean = zeros({3}), var = ones({3});
  CHECK(equal(nn::functional::batch_norm(x, {}, {}, {}, {}, {.training = true}).value(),
              batch_norm(x).value()));
  CHECK(error_text<ValueError>([&] { batch_norm(x, Tensor(), Tensor()); }) ==
        "batch_norm: got no running statistics and training = false, needed both, or neither in "
        "training");
  CHECK(error_text<ValueError>([&] { batch_norm(x, mean, {}, {}, {}, {.training = true}); }) ==
        "batch_norm: got running_mean without running_var, needed both, or neither in training");
  CHECK(error_text<ShapeError>([&] { batch_norm(x, mean, ones({4})); }) ==
        "batch_norm: running_var is (4), needed (3), one for each channel");
  const Variable one = parameter(ones({1, 3}));
  CHECK_THROWS_AS(batch_norm(one, mean, var, {}, {}, {.training = true}), ValueError);
  CHECK(equal(mean, zeros({3})));  // an error changes nothing
  batch_norm(x, mean, var, {}, {}, {.training = true});
  CHECK(allclose(mean, tensor({0.05, 0.05, 0.35}, float32)));
}

TEST_CASE("normalization describes itself") {
  CHECK(nn::LayerNorm({2, 3}).description() == "LayerNorm((2, 3), eps=1e-05)");
  CHECK(nn::LayerNorm(3, {.elementwise_affine = false}).description() ==
        "LayerNorm((3), eps=1e-05, elementwise_affine=false)");
  CHECK(nn::RMSNorm(3).description() == "RMSNorm((3))");
  CHECK(nn::BatchNorm1d(3, {.momentum = std::nullopt}).description() ==
        "BatchNorm1d(3, eps=1e-05, momentum=none)");
  CHECK(nn::BatchNorm1d(3, {.affine = false}).description() ==
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=false)");
}

TEST_CASE("replace_module transfers the options of a normalization layer") {
  struct Model : nn::Module {
    nn::LayerNorm norm;
    Model() : norm(register_module("norm", nn::LayerNorm(2))) {}
  };
  Model model;
  model.replace_module("norm", nn::LayerNorm(3, {.eps = 0.5}));
  CHECK(model.norm.description() == "LayerNorm((3), eps=0.5)");
  CHECK(model.norm(ones({1, 3})).shape() == Shape{1, 3});
}
