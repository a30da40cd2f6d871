// Losses: PyTorch's values and gradients, the fused cross entropy compared with its composition,
// corner cases and errors.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"

using namespace tapegrad;
using nn::Reduction;
using tapegrad::test::error_text;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const GoldenFile& golden() {
  static const GoldenFile file("ops.safetensors");
  return file;
}

using Inputs = std::vector<Variable>;

Reduction reduction_of(const std::string& which) {
  return static_cast<Reduction::Kind>(static_cast<int>(golden().option(which, "reduction", 1)));
}

Variable call(const std::string& which, Inputs& v) {
  const Reduction reduction = reduction_of(which);
  const auto ignored = static_cast<std::int64_t>(golden().option(which, "ignore_index", -100));
  const Tensor third = v.size() > 2 ? v[2].value() : Tensor();
  if (which.starts_with("cross_entropy")) {
    return nn::cross_entropy(v[0], v[1],
                             {.weight = third,
                              .ignore_index = ignored,
                              .reduction = reduction,
                              .label_smoothing = golden().option(which, "label_smoothing", 0)});
  }
  if (which.starts_with("nll_loss")) {
    return nn::nll_loss(v[0], v[1].value(),
                        {.weight = third, .ignore_index = ignored, .reduction = reduction});
  }
  if (which.starts_with("mse_loss")) return nn::mse_loss(v[0], v[1], {.reduction = reduction});
  if (which.starts_with("l1_loss")) return nn::l1_loss(v[0], v[1], {.reduction = reduction});
  const bool positive = golden().option(which, "has_pos_weight", 0) != 0;
  const bool weighted = v.size() > (positive ? 3 : 2);
  return nn::binary_cross_entropy_with_logits(
      v[0], v[1],
      {.weight = weighted ? third : Tensor(),
       .reduction = reduction,
       .pos_weight = positive ? v.back().value() : Tensor()});
}

// Calls function(case, inputs) with inputs of the given type. Inputs for which the file has a
// gradient are leaves.
template <class Function>
void for_each_case(DType dtype, const Function& function) {
  for (const char* operation :
       {"cross_entropy", "nll_loss", "mse_loss", "l1_loss", "bce_with_logits"}) {
    const std::vector<std::string> cases = golden().cases(operation);
    REQUIRE(cases.size() >= 3);
    for (const std::string& which : cases) {
      CAPTURE(which, dtype);
      Inputs inputs;
      for (int i = 0; golden().has(which + ".in" + std::to_string(i)); ++i) {
        const std::string end = std::to_string(i);
        Tensor in = golden().at(which + ".in" + end);
        if (is_floating_point(in.dtype())) in = in.to(dtype);
        inputs.push_back(golden().has(which + ".grad" + end) ? parameter(in.clone())
                                                             : Variable(in));
      }
      function(which, inputs);
    }
  }
}

Tensor uniform(const Shape& shape, Generator& generator) { return rand(shape, float64, generator); }

}  // namespace

TEST_CASE("losses have PyTorch's values and gradients") {
  for (const DType dtype : {float64, float32}) {
    for_each_case(dtype, [&](const std::string& which, Inputs& inputs) {
      const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
      const double tolerance = dtype == float64 ? 1e-14 : 1e-6;
      const Variable loss = call(which, inputs);
      CHECK(error_of(loss.value(), golden().at(prefix + "out0")) <= tolerance);
      const Tensor weight = golden().at(which + ".g0").to(dtype);
      loss.backward(weight, {.retain_graph = true});
      Inputs leaves;
      std::vector<Tensor> expected;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::string name = prefix + "grad" + std::to_string(i);
        if (!golden().has(name)) continue;
        CHECK(error_of(inputs[i].grad(), golden().at(name)) <= tolerance);
        leaves.push_back(inputs[i]);
        expected.push_back(golden().at(name));
      }
      REQUIRE(!leaves.empty());
      // The same with create_graph, through differentiable rules.
      const Inputs again = grad(loss, leaves, {.grad_output = weight, .create_graph = true});
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        CHECK(error_of(again[i].value(), expected[i]) <= tolerance);
      }
    });
  }
}

TEST_CASE("gradients of losses pass gradcheck, to the second order") {
  for_each_case(float64, [](const std::string& which, Inputs& inputs) {
    // Options have no gradient; probabilities are checked as inputs.
    const Inputs options(inputs.begin(), inputs.end());
    Inputs checked;
    for (const Variable& input : inputs) {
      if (input.requires_grad()) checked.push_back(input.detach());
    }
    const auto function = [&](Inputs& v) {
      Inputs all = options;
      std::size_t next = 0;
      for (Variable& input : all) {
        if (input.requires_grad()) input = v[next++];
      }
      return call(which, all);
    };
    CHECK(gradcheck(function, checked, {.second_order = true}));
  });
}

TEST_CASE("the fused cross entropy agrees with its composition") {
  Generator generator(1);
  for (const std::int64_t classes : {1, 2, 4, 7, 16, 33, 1000}) {
    for (const std::int64_t batch : {1, 3, 32}) {
      for (int kind = 0; kind < 12; ++kind) {
        const auto reduction = static_cast<Reduction::Kind>(kind % 3);
        const double smoothing = kind % 2 == 0 ? 0.0 : 0.1;
        CAPTURE(classes, batch, kind);
        const Tensor x = randn({batch, classes}, float64, generator) * 3.0;
        const Tensor targets = randint(0, classes, {batch}, generator);
        const Tensor weight = kind < 6 ? Tensor() : uniform({classes}, generator) + 0.1;
        const Tensor w = weight.defined() ? weight : ones({classes}, float64);
        std::int64_t ignored = -100;
        if (batch > 1 && classes > 1) {  // the first, but not all
          ignored = targets.item<std::int64_t>({0});
          select(targets, 0, 1).fill_((ignored + 1) % classes);
        }

        // The formula of torch.nn.functional.cross_entropy, from primitives.
        Variable plain_x = parameter(x.clone());
        const Variable log_p = log_softmax(plain_x, 1);
        const Variable own = nn::nll_loss(
            log_p, targets, {.weight = w, .ignore_index = ignored, .reduction = Reduction::none});
        const Tensor counts = (targets != ignored).to(float64);
        const Variable spread = -sum(log_p * Variable(w), 1) * Variable(counts);
        Variable plain = (1 - smoothing) * own + smoothing / static_cast<double>(classes) * spread;
        if (reduction != Reduction::none) plain = sum(plain);
        if (reduction == Reduction::mean) {
          plain = plain / sum(index_select(w, 0, targets) * counts).item<double>();
        }

        for (const DType dtype : {float64, float32}) {
          Variable fused_x = parameter(x.to(dtype).clone());
          const Variable fused = nn::cross_entropy(fused_x, targets,
                                                   {.weight = weight,
                                                    .ignore_index = ignored,
                                                    .reduction = reduction,
                                                    .label_smoothing = smoothing});
          const double tolerance = dtype == float64 ? 1e-13 : 2e-6;
          CHECK(allclose(fused.value().to(float64), plain.value(), tolerance, tolerance));
          const Tensor dy = rand(plain.shape(), float64, generator);
          plain_x.zero_grad();
          plain.backward(dy, {.retain_graph = true});
          const Tensor strided = select(stack({dy, dy}, -1), -1, 0).to(dtype);
          fused.backward(strided, {.retain_graph = true});
          CHECK(allclose(fused_x.grad().to(float64), plain_x.grad(), tolerance, tolerance));
          const Inputs again =
              grad(fused, {fused_x}, {.grad_output = strided, .create_graph = true});
          CHECK(allclose(again[0].value().to(float64), plain_x.grad(), tolerance, tolerance));
        }
      }
    }
  }
}

TEST_CASE("cross entropy is one operation on the tape") {
  Variable x = parameter(ones({3, 4}));
  const std::size_t before = tape().size();
  const Variable loss = nn::cross_entropy(x, tensor({0, 1, 2}));
  CHECK(tape().size() == before + 1);
  CHECK(loss.item<float>() == Approx(std::log(4.0)));
}

TEST_CASE("cross entropy over positions equals that over rows, in any layout") {
  Generator generator(2);
  const Tensor x = randn({2, 5, 3, 2}, float64, generator);
  const Tensor targets = randint(0, 5, {2, 3, 2}, generator);
  const Tensor rows = reshape(permute(x, {0, 2, 3, 1}), {-1, 5});
  Variable a = parameter(x.clone());
  Variable b = parameter(rows.clone());
  const Variable losses = nn::cross_entropy(a, targets, {.reduction = Reduction::none});
  CHECK(losses.shape() == Shape{2, 3, 2});
  const Variable flat =
      nn::cross_entropy(b, reshape(targets, {-1}), {.reduction = Reduction::none});
  CHECK(equal(reshape(losses.value(), {-1}), flat.value()));
  nn::cross_entropy(a, targets).backward();
  nn::cross_entropy(b, reshape(targets, {-1})).backward();
  CHECK(equal(reshape(permute(a.grad(), {0, 2, 3, 1}), {-1, 5}), b.grad()));
  CHECK(equal(nn::nll_loss(log_softmax(x, 1), targets, {.reduction = Reduction::none}).value(),
              losses.value()));

  const Tensor odd_x = transpose(randn({4, 6}, float64, generator));  // not contiguous
  const Tensor odd_targets = select(randint(0, 4, {6, 2}, generator), 1, 1);
  CHECK(equal(nn::cross_entropy(odd_x, odd_targets).value(),
              nn::cross_entropy(odd_x.contiguous(), odd_targets.contiguous()).value()));
}

TEST_CASE("where every target is ignored, the mean is nan, the sum 0, and the gradient 0") {
  const Tensor targets = tensor({-100, -100});
  for (const double smoothing : {0.0, 0.2}) {
    for (const bool second_order : {false, true}) {
      Variable x = parameter(ones({2, 3}));
      const auto loss = [&](Reduction reduction) {
        return nn::cross_entropy(x, targets,
                                 {.reduction = reduction, .label_smoothing = smoothing});
      };
      const auto gradient = [&](const Variable& of) {
        if (second_order) return grad(of, {x}, {.create_graph = true})[0].value();
        x.zero_grad();
        of.backward();
        return x.grad();
      };
      CHECK(std::isnan(loss(Reduction::mean).item<float>()));
      CHECK(equal(gradient(loss(Reduction::mean)), zeros({2, 3})));
      CHECK(loss(Reduction::sum).item<float>() == 0);
      CHECK(equal(gradient(loss(Reduction::sum)), zeros({2, 3})));
      CHECK(equal(loss(Reduction::none).value(), zeros({2})));
    }
  }
  Variable log_p = parameter(zeros({2, 3}));
  const Variable loss = nn::nll_loss(log_p, targets);
  CHECK(std::isnan(loss.item<float>()));
  loss.backward();
  CHECK(equal(log_p.grad(), zeros({2, 3})));
}

TEST_CASE("an empty batch has the mean nan and the sum 0") {
  const Tensor targets = zeros({0}, int64);
  CHECK(std::isnan(nn::cross_entropy(zeros({0, 3}), targets).item<float>()));
  CHECK(nn::cross_entropy(zeros({0, 3}), targets, {.reduction = Reduction::sum}).item<float>() ==
        0);
  CHECK(std::isnan(nn::mse_loss(zeros({0}), zeros({0})).item<float>()));
  CHECK(std::isnan(nn::binary_cross_entropy_with_logits(zeros({0}), zeros({0})).item<float>()));
}

TEST_CASE("losses stay finite for extreme logits") {
  Variable x = parameter(tensor({{1e4, 1e4 - 1.0, -1e4}, {-kInfinity, 0.0, 1.0}}, float32));
  const Variable loss = nn::cross_entropy(x, tensor({0, 2}), {.reduction = Reduction::none});
  CHECK(allclose(loss.value(), tensor({0.3132616875, 0.3132616875})));
  sum(loss).backward();
  CHECK(allclose(x.grad(),
                 tensor({{-0.268941421, 0.268941421, 0.0}, {0.0, 0.268941421, -0.268941421}}), 1e-5,
                 1e-6));

  Variable z = parameter(tensor({0.0, 1e4, -1e4, 1e4}, float64));
  const Variable answers = nn::binary_cross_entropy_with_logits(
      z, tensor({1.0, 1.0, 1.0, 0.0}, float64), {.reduction = Reduction::none});
  CHECK(allclose(answers.value(), tensor({std::log(2.0), 0.0, 1e4, 1e4}, float64), 1e-15));
  sum(answers).backward();
  CHECK(equal(z.grad(), tensor({-0.5, 0.0, -1.0, 1.0}, float64)));
}

TEST_CASE("targets that were overwritten before backward are noticed") {
  Variable x = parameter(ones({2, 3}));
  Tensor targets = tensor({0, 1});
  const Variable loss = nn::cross_entropy(x, targets);
  targets.fill_(2);
  CHECK_THROWS_AS(loss.backward(), AutogradError);
}

TEST_CASE("losses explain arguments that do not fit") {
  const Tensor x = zeros({5, 4});
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x, tensor({0, 1, 2, 7, 1}));
        }) == "cross_entropy: target 7 at row 3 out of range for 4 classes");
  CHECK(error_text<Error>([&] {
          nn::nll_loss(x, tensor({0, -1, 2, 7, 1}));
        }) == "nll_loss: target -1 at row 1 out of range for 4 classes");
  CHECK_THROWS_AS(nn::cross_entropy(x, tensor({0, 1, 2, 7, 1})), IndexError);
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x, tensor({0, 1, 2}));
        }) ==
        "cross_entropy: targets have shape (3), needed (5), one class for each row of logits");
  // A language model's logits, with the classes last.
  const Tensor steps = zeros({2, 3, 4});
  const std::string hint =
      ", needed targets (2, 4); if the classes are last, flatten: flatten(logits, 0, -2) and "
      "flatten(targets)";
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(steps, zeros({2, 3}, int64));
        }) ==
        "cross_entropy: logits have shape (2, 3, 4), whose classes are dimension 1, and targets "
        "(2, 3)" +
            hint);
  CHECK(error_text<Error>([&] { nn::nll_loss(steps, zeros({6}, int64)); }) ==
        "nll_loss: logits have shape (2, 3, 4), whose classes are dimension 1, and targets (6)" +
            hint);
  CHECK(nn::cross_entropy(flatten(steps, 0, -2), flatten(zeros({2, 3}, int64)))
            .value()
            .item<float>() == Approx(std::log(4.0)));
  CHECK(error_text<Error>([&] { nn::cross_entropy(steps, zeros({5}, int64)); }) ==
        "cross_entropy: targets have shape (5), needed (2, 4), one class for each row of logits");
  CHECK(error_text<Error>([&] { nn::cross_entropy(x, zeros({5})); }) ==
        "cross_entropy: targets are float32, needed int64 classes");
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x.to(int64), tensor({0, 1, 2, 3, 1}));
        }) == "cross_entropy: logits are int64, needed float32 or float64");
  CHECK(error_text<Error>([&] { nn::cross_entropy(zeros({}), tensor(0)); }) ==
        "cross_entropy: logits have shape (), needed (batch, classes) or (classes)");
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x, tensor({0, 1, 2, 3, 1}), {.weight = ones({3})});
        }) == "cross_entropy: weight has shape (3), needed (4), one for each class");
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x, tensor({0, 1, 2, 3, 1}), {.label_smoothing = 1.5});
        }) == "cross_entropy: label_smoothing is 1.5, needed a number in [0, 1]");
  CHECK(error_text<Error>([&] {
          nn::cross_entropy(x, ones({5, 4}), {.ignore_index = 2});
        }) ==
        "cross_entropy: ignore_index is 2, needed class targets for it, but got probabilities");
  CHECK(error_text<Error>([] {
          nn::mse_loss(zeros({3, 1}), zeros({3}));
        }) == "mse_loss: input and target differ: (3, 1) and (3); reshape or expand one of them");
  CHECK_THROWS_AS(nn::l1_loss(zeros({3, 1}), zeros({3})), ShapeError);
  CHECK_THROWS_AS(nn::binary_cross_entropy_with_logits(zeros({3, 1}), zeros({3})), ShapeError);
  CHECK(error_text<Error>([] {
          nn::binary_cross_entropy_with_logits(zeros({3}), zeros({3}), {.weight = ones({2, 3})});
        }) ==
        "binary_cross_entropy_with_logits: weight has shape (2, 3), needed one that broadcasts to "
        "(3)");
}
