// Initial values: comparisons with PyTorch, and errors.
#include <cmath>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"

using namespace tapegrad;
using tapegrad::test::error_text;
namespace init = tapegrad::nn::init;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("init.safetensors");
  return file;
}

init::KaimingOptions kaiming(const std::string& which) {
  return {.a = golden().option(which, "a", 0),
          .mode = golden().option(which, "mode", 0) == 0 ? init::FanMode::fan_in
                                                         : init::FanMode::fan_out,
          .nonlinearity = static_cast<init::Nonlinearity>(
              static_cast<int>(golden().option(which, "nonlinearity", 4)))};
}

// For each case: sets the seed, fills a leaf of the shape and type of the expected result, and
// compares.
template <class Fill>
void check_cases(const std::string& operation, std::size_t count, double tolerance32,
                 const Fill& fill) {
  const std::vector<std::string> cases = golden().cases(operation);
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    CAPTURE(which);
    const Tensor& expected = golden().at(which + ".out0");
    Variable x = parameter(zeros_like(expected));
    manual_seed(static_cast<std::uint64_t>(golden().option(which, "seed", 0)));
    fill(which, x);
    const double error = error_of(x.value(), expected);
    CHECK(error <= (expected.dtype() == float32 ? tolerance32 : 1e-13));
  }
}

}  // namespace

TEST_CASE("trunc_normal_ draws PyTorch's values between the bounds") {
  const GoldenFile file("layers.safetensors");
  const std::vector<std::string> cases = file.cases("trunc_normal_");
  CHECK(cases.size() == 12);
  for (const std::string& which : cases) {
    CAPTURE(which);
    const Tensor& expected = file.at(which + ".out0");
    const Variable x = parameter(zeros_like(expected));
    const double a = file.option(which, "a", -2);
    const double b = file.option(which, "b", 2);
    manual_seed(7);
    init::trunc_normal_(x, file.option(which, "mean", 0), file.option(which, "std", 1), a, b);
    CHECK(equal(tapegrad::rand({1}), file.at(which + ".next")));
    CHECK(error_of(x.value(), expected) <= (expected.dtype() == float32 ? 5e-7 : 1e-14));
    CHECK(all(x.value() >= a && x.value() <= b).item<bool>());
  }
  const Variable x = parameter(zeros({2}));
  CHECK(error_text<Error>([&] { init::trunc_normal_(x, 0, 1, 2, -2); }) ==
        "trunc_normal_: the bounds are 2.000000 and -2.000000, needed the lower one first");
}

TEST_CASE("initialization draws PyTorch's values") {
  const auto option = [](const std::string& which, const char* name) {
    REQUIRE(golden().has(which + ".arg." + name));
    return golden().option(which, name, 0);
  };
  check_cases("uniform_", 6, 2.5e-7, [&](const std::string& which, const Variable& x) {
    init::uniform_(x, option(which, "a"), option(which, "b"));
  });
  check_cases("normal_", 6, 1e-6, [&](const std::string& which, const Variable& x) {
    init::normal_(x, option(which, "mean"), option(which, "std"));
  });
  check_cases("constant_", 6, 0, [&](const std::string& which, const Variable& x) {
    init::constant_(x, option(which, "val"));
  });
  check_cases("xavier_uniform_", 16, 2.5e-7, [&](const std::string& which, const Variable& x) {
    init::xavier_uniform_(x, option(which, "gain"));
  });
  check_cases("xavier_normal_", 12, 1e-6, [&](const std::string& which, const Variable& x) {
    init::xavier_normal_(x, option(which, "gain"));
  });
  check_cases("kaiming_uniform_", 20, 2.5e-7, [&](const std::string& which, const Variable& x) {
    init::kaiming_uniform_(x, kaiming(which));
  });
  check_cases("kaiming_normal_", 20, 1e-6, [&](const std::string& which, const Variable& x) {
    init::kaiming_normal_(x, kaiming(which));
  });
  check_cases("orthogonal_", 24, 1e-5, [&](const std::string& which, const Variable& x) {
    init::orthogonal_(x, option(which, "gain"));
  });
}

TEST_CASE("gains are PyTorch's") {
  const std::vector<std::string> cases = golden().cases("calculate_gain");
  REQUIRE(cases.size() == 8);
  for (const std::string& which : cases) {
    CAPTURE(which);
    const double gain =
        init::calculate_gain(kaiming(which).nonlinearity, golden().option(which, "a", 0.01));
    CHECK(gain == Approx(golden().at(which + ".out0").item<double>()).epsilon(1e-15));
  }
  CHECK(init::calculate_gain(init::Nonlinearity::leaky_relu) == Approx(1.4141428569978354));
}

TEST_CASE("rows or columns of an orthogonal matrix are orthonormal") {
  for (const Shape& shape : {Shape{40, 40}, Shape{7, 90}, Shape{90, 7}, Shape{8, 2, 3}}) {
    CAPTURE(shape);
    Variable x = parameter(zeros(shape, float64));
    init::orthogonal_(x, 2.0);
    const Tensor matrix = reshape(x.value(), {shape[0], -1});
    const bool wide = matrix.size(0) <= matrix.size(1);
    const Tensor gram =
        wide ? matmul(matrix, transpose(matrix)) : matmul(transpose(matrix), matrix);
    CHECK(allclose(gram, 4.0 * eye(gram.size(0), float64), 0, 1e-14));
  }
}

TEST_CASE("initialization keeps the leaf, and does not change snapshots") {
  Variable x = parameter(zeros({2, 3}));
  const Tensor before = x.value();
  const Node* const node = x.node();
  init::ones_(x);
  CHECK(equal(x.value(), ones({2, 3})));
  init::eye_(x);
  CHECK(equal(x.value(), tensor({{1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}})));
  init::zeros_(x);
  CHECK(equal(x.value(), before));
  CHECK(x.node() == node);
  CHECK(x.requires_grad());
  CHECK(equal(before, zeros({2, 3})));
}

TEST_CASE("initialization with a given generator does not use the default one") {
  Variable x = parameter(zeros({4, 5}));
  Variable y = parameter(zeros({4, 5}));
  manual_seed(11);
  init::orthogonal_(x);
  manual_seed(12);
  const Tensor next = rand({3});
  manual_seed(12);
  Generator own(11);
  init::orthogonal_(y, 1.0, own);
  CHECK(equal(x.value(), y.value()));
  CHECK(equal(rand({3}), next));
}

TEST_CASE("initialization by fans needs two dimensions") {
  Variable bias = parameter(zeros({3}));
  const std::string rest =
      ": got shape (3), needed two dimensions or more; for a bias use "
      "zeros_() or uniform_()";
  CHECK(error_text<Error>([&] { init::xavier_uniform_(bias); }) == "xavier_uniform_" + rest);
  CHECK(error_text<Error>([&] { init::xavier_normal_(bias); }) == "xavier_normal_" + rest);
  CHECK(error_text<Error>([&] { init::kaiming_uniform_(bias); }) == "kaiming_uniform_" + rest);
  CHECK(error_text<Error>([&] { init::kaiming_normal_(bias); }) == "kaiming_normal_" + rest);
  CHECK(error_text<Error>([&] { init::orthogonal_(bias); }) == "orthogonal_" + rest);
  CHECK(error_text<Error>([&] { init::eye_(bias); }) ==
        "eye_: got shape (3), needed two dimensions");
  CHECK_THROWS_AS(init::zeros_(Variable(zeros({3}))), AutogradError);
  Variable nothing = parameter(zeros({0, 3}));
  init::kaiming_uniform_(nothing);  // no elements, so nothing is drawn
  init::orthogonal_(nothing);
}
