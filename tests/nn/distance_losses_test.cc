// Losses over distances, margins and sampled classes: PyTorch's values and gradients, formulas, and
// errors. Cross entropy and similar losses are in losses_test.cc.
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <tapegrad/autograd/functional.h>
#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/golden_layer.h"
#include "tensor/expect.h"

using namespace tapegrad;
using nn::Reduction;
using tapegrad::test::error_text;
using tapegrad::test::flag;
using tapegrad::test::layers;
using tapegrad::test::matches;
using tapegrad::test::number;

namespace {

using Inputs = std::vector<Variable>;
using Loss = Variable (*)(const std::string& which, Reduction reduction, Inputs& v);

const std::map<std::string, Loss>& losses() {
  static const std::map<std::string, Loss> table = {
      {"smooth_l1_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::smooth_l1_loss(v[0], v[1],
                                   {.reduction = reduction, .beta = number(which, "beta", 1)});
       }},
      {"huber_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::huber_loss(v[0], v[1],
                               {.reduction = reduction, .delta = number(which, "delta", 1)});
       }},
      {"kl_div",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::kl_div(v[0], v[1],
                           {.reduction = reduction,
                            .batchmean = flag(which, "batchmean", false),
                            .log_target = flag(which, "log_target", false)});
       }},
      {"hinge_embedding_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::hinge_embedding_loss(
             v[0], v[1].value(), {.margin = number(which, "margin", 1), .reduction = reduction});
       }},
      {"cosine_embedding_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::cosine_embedding_loss(
             v[0], v[1], v[2].value(),
             {.margin = number(which, "margin", 0), .reduction = reduction});
       }},
      {"margin_ranking_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::margin_ranking_loss(
             v[0], v[1], v[2].value(),
             {.margin = number(which, "margin", 0), .reduction = reduction});
       }},
      {"triplet_margin_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::triplet_margin_loss(v[0], v[1], v[2],
                                        {.margin = number(which, "margin", 1),
                                         .p = number(which, "p", 2),
                                         .swap = flag(which, "swap", false),
                                         .reduction = reduction});
       }},
      {"multi_margin_loss",
       [](const std::string& which, Reduction reduction, Inputs& v) {
         return nn::multi_margin_loss(v[0], v[1].value(),
                                      {.p = static_cast<int>(number(which, "p", 1)),
                                       .margin = number(which, "margin", 1),
                                       .weight = v.size() > 2 ? v[2].value() : Tensor(),
                                       .reduction = reduction});
       }},
      {"bce_loss",
       [](const std::string&, Reduction reduction, Inputs& v) {
         return nn::bce_loss(
             v[0], v[1],
             {.weight = v.size() > 2 ? v[2].value() : Tensor(), .reduction = reduction});
       }},
  };
  return table;
}

Reduction reduction_of(const std::string& which) {
  return static_cast<Reduction::Kind>(static_cast<int>(number(which, "reduction", 1)));
}

// Calls function(case, loss, inputs). Inputs for which the file has a gradient are leaves.
template <class Function>
void for_each_case(DType dtype, const Function& function) {
  for (const auto& [operation, loss] : losses()) {
    const std::vector<std::string> cases = layers().cases(operation);
    CHECK(cases.size() >= 6);
    for (const std::string& which : cases) {
      CAPTURE(which, dtype);
      Inputs inputs;
      for (int i = 0; layers().has(which + ".in" + std::to_string(i)); ++i) {
        Tensor in = layers().at(which + ".in" + std::to_string(i));
        if (is_floating_point(in.dtype())) in = in.to(dtype);
        const bool wanted = layers().has(which + ".grad" + std::to_string(i));
        inputs.push_back(wanted ? parameter(in.clone()) : Variable(in));
      }
      function(which, loss, inputs);
    }
  }
}

}  // namespace

TEST_CASE("losses over distances and margins have PyTorch's values and gradients") {
  for (const DType dtype : {float64, float32}) {
    for_each_case(dtype, [&](const std::string& which, Loss call, Inputs& inputs) {
      const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
      const double tolerance = dtype == float64 ? 1e-13 : 5e-6;
      const Variable loss = call(which, reduction_of(which), inputs);
      CHECK(error_of(loss.value(), layers().at(prefix + "out0")) <= tolerance);
      const Tensor weight = layers().at(which + ".g0").to(dtype);
      loss.backward(weight, {.retain_graph = true});
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::string name = prefix + "grad" + std::to_string(i);
        if (!layers().has(name)) continue;
        CAPTURE(name);
        CHECK(error_of(inputs[i].grad(), layers().at(name)) <= tolerance);
        const Inputs again = grad(
            loss, {inputs[i]}, {.grad_output = weight, .create_graph = true, .allow_unused = true});
        CHECK(error_of(again[0].value(), layers().at(name)) <= tolerance);
      }
    });
  }
}

TEST_CASE("losses over distances and margins can be differentiated twice") {
  for_each_case(float64, [](const std::string& which, Loss call, Inputs& inputs) {
    // These cases are not differentiable: a logarithm of 0, a vector of zeros, and a mean over
    // nothing.
    for (const char* const variant : {".edges", ".zeros", ".empty"}) {
      if (which.ends_with(variant)) return;
    }
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
      return call(which, reduction_of(which), all);
    };
    CHECK(gradcheck(function, checked, {.second_order = true}));
  });
}

// Many classes ------------------------------------------------------------------------------------

TEST_CASE("negative sampling agrees with its formula") {
  Generator generator(5);
  const Variable input = parameter(randn({3, 4}, float64, generator));
  const Variable target = parameter(randn({3, 4}, float64, generator));
  const Variable negatives = parameter(randn({3, 5, 4}, float64, generator));
  const auto losses = [](const Inputs& v) {
    return nn::negative_sampling_loss(v[0], v[1], v[2], {.reduction = Reduction::none});
  };
  const Tensor right = sigmoid(sum(input.value() * target.value(), 1));
  const Tensor wrong = sigmoid(-sum(unsqueeze(input.value(), 1) * negatives.value(), 2));
  const Tensor expected = -log(right) - sum(log(wrong), 1);
  CHECK(allclose(losses({input, target, negatives}).value(), expected, 1e-13));
  CHECK(nn::negative_sampling_loss(input, target, negatives).item<double>() ==
        Approx(mean(expected).item<double>()));
  CHECK(gradcheck([&](Inputs& v) { return losses(v); },
                  {input.detach(), target.detach(), negatives.detach()}, {.second_order = true}));
  // Without negatives, and with scores whose sigmoid is 0.
  CHECK(nn::negative_sampling_loss(full({1, 1}, 100.0), full({1, 1}, -10.0), zeros({1, 0, 1}))
            .item<float>() == 1000);
}

TEST_CASE("sampled softmax is cross entropy if each class is sampled as often as expected") {
  Generator generator(6);
  const Tensor input = randn({4, 3}, float64, generator);
  const Tensor table = randn({5, 3}, float64, generator);
  const Variable bias = randn({5}, float64, generator);
  const Tensor targets = tensor({0, 4, 2, 2});
  const Tensor even = full({5}, 0.2, float64);
  const auto sampled = [&](const Variable& x, const Variable& weight) {
    return nn::sampled_softmax_loss(x, targets, weight, arange(5), even, {.bias = bias});
  };
  const auto whole = [&](const Variable& x, const Variable& weight) {
    return nn::cross_entropy(linear(x, weight, bias), targets);
  };
  const Inputs a = {parameter(input.clone()), parameter(table.clone())};
  const Inputs b = {parameter(input.clone()), parameter(table.clone())};
  const Variable loss = sampled(a[0], a[1]);
  CHECK(loss.item<double>() == Approx(whole(b[0], b[1]).item<double>()));
  loss.backward();
  whole(b[0], b[1]).backward();
  CHECK(a[1].has_row_grad());
  CHECK(allclose(a[0].grad(), b[0].grad(), 1e-12, 1e-14));
  CHECK(allclose(a[1].grad(), b[1].grad(), 1e-12, 1e-14));

  // Samples with their correction, computed by hand.
  const Tensor samples = tensor({1, 2, 2});
  const Tensor chance = tensor({0.1, 0.2, 0.3, 0.3, 0.1}, float64);
  const Tensor scores = matmul(input, transpose(table)) - log(chance * 3.0);
  for (const bool remove : {true, false}) {
    Tensor expected = zeros({4}, float64);
    for (std::int64_t i = 0; i < 4; ++i) {
      const auto own = targets.item<std::int64_t>({i});
      double total = std::exp(scores.item<double>({i, own}));
      for (const std::int64_t c : {1, 2, 2}) {
        if (!remove || c != own) total += std::exp(scores.item<double>({i, c}));
      }
      expected[i].fill_(std::log(total) - scores.item<double>({i, own}));
    }
    const Variable losses =
        nn::sampled_softmax_loss(input, targets, table, samples, chance,
                                 {.reduction = Reduction::none, .remove_accidental_hits = remove});
    CHECK(allclose(losses.value(), expected, 1e-12));
  }
  CHECK(gradcheck(
      [&](Inputs& v) { return nn::sampled_softmax_loss(v[0], targets, v[1], samples, chance); },
      {input, table}, {.second_order = true}));
}

// Unusual arguments -------------------------------------------------------------------------------

// The answers are PyTorch 1.13's.
TEST_CASE("losses with targets other than 1 and -1, and targets that broadcast") {
  const Tensor x = tensor({0.5, -2.0, 3.0}, float64);
  const auto each = [&](const Tensor& targets) {
    return nn::hinge_embedding_loss(x, targets, {.reduction = nn::Reduction::none}).value();
  };
  const auto close = [](const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && allclose(a, b, 1e-6, 1e-7);
  };
  CHECK(close(each(tensor({1, -1, 0})), tensor({0.5, 3.0, 3.0}, float64)));
  CHECK(close(each(tensor({2.0, 0.5, -1.0})), tensor({1.0, 1.0, 0.0}, float64)));
  CHECK(close(each(tensor({true, false, true})), tensor({0.5, 1.0, 3.0}, float64)));
  for (const Tensor& one : {full({}, 1.0), full({1}, 1.0)}) CHECK(close(each(one), x));
  const Tensor both = tensor({{0.5, -2.0, 3.0}, {0.5, 3.0, 0.0}}, float64);
  CHECK(close(each(tensor({{1.0, 1.0, 1.0}, {-1.0, -1.0, -1.0}})), both));
  CHECK(close(each(tensor({{1.0}, {-1.0}})), both));
  CHECK(nn::hinge_embedding_loss(x, tensor({{1}, {-1}})).value().item<double>() ==
        Approx(0.8333333134651184));

  const auto ranked = [&](const Tensor& targets) {
    return nn::margin_ranking_loss(x, 2.0 * x, targets,
                                   {.margin = 0.5, .reduction = nn::Reduction::none})
        .value();
  };
  CHECK(close(ranked(tensor({1.0, -1.0, 0.0})), tensor({1.0, 2.5, 0.5}, float64)));
  CHECK(close(ranked(tensor({2.0, 0.5, -1.0})), tensor({1.5, 0.0, 0.0}, float64)));
  CHECK(close(ranked(tensor({1})), tensor({1.0, 0.0, 3.5}, float64)));
  CHECK_THROWS_AS(ranked(full({}, 1.0)), ShapeError);
  CHECK_THROWS_AS(ranked(tensor({1, 1})), ShapeError);

  const Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}}, float64);
  const Tensor b = tensor({{1.0, 0.0}, {0.0, 1.0}}, float64);
  const auto angles = [&](const Tensor& targets) {
    return nn::cosine_embedding_loss(a, b, targets, {.reduction = nn::Reduction::none}).value();
  };
  CHECK(close(angles(tensor({0, 1})), tensor({0.0, 0.2}, float64)));
  CHECK(close(angles(tensor({2.0, 0.5})), tensor({0.0, 0.0}, float64)));
  CHECK(close(angles(tensor({1})), tensor({0.5527864098548889, 0.2}, float64)));
  CHECK(close(angles(tensor({-1})), tensor({0.4472135901451111, 0.8}, float64)));
  CHECK_THROWS_AS(angles(full({}, 1)), ShapeError);
  CHECK_THROWS_AS(angles(tensor({{1, -1}})), ShapeError);

  manual_seed(2);
  const Tensor y = randn({4}, float64);
  for (const Tensor& targets : {tensor({0.0, 2.0, 1.0, -1.0}), full({1}, -1.0)}) {
    CHECK(gradcheck([&](Inputs& v) { return nn::hinge_embedding_loss(v[0], targets); }, {y}));
    CHECK(gradcheck([&](Inputs& v) { return nn::margin_ranking_loss(v[0], v[1], targets); },
                    {y, y + 0.3}));
  }
}

TEST_CASE("cosine_embedding_loss of float32 vectors whose squares overflow") {
  const Tensor small = tensor({{3.0, 4.0}, {1.0, -2.0}}), other = tensor({{4.0, 3.0}, {2.0, 1.0}});
  const auto loss = [](const Variable& a, const Variable& b) {
    return nn::cosine_embedding_loss(a, b, tensor({1, -1}), {.margin = -1});
  };
  const Variable a = parameter(small), b = parameter(other);
  const Variable expected = loss(a, b);
  CHECK(matches(expected.value(), tensor((0.04 + 1.0) / 2), 1e-6));
  expected.backward();
  for (const float scale : {1e9F, 1e20F, 1e30F}) {
    const Variable large = parameter(small * scale), far = parameter(other * scale);
    const Variable result = loss(large, far);
    CHECK(matches(result.value(), expected.value(), 1e-6));
    result.backward();
    CHECK(matches(large.grad() * scale, a.grad(), 1e-6));
    CHECK(matches(far.grad() * scale, b.grad(), 1e-6));
  }
  const Variable mixed = nn::cosine_embedding_loss(tensor({{1e25, 0.0}, {0.0, 2.0}}), small,
                                                   tensor({1, 1}), Reduction::none);
  CHECK(matches(mixed.value(), tensor({0.4, 1 + 2 / std::sqrt(5.0)}), 1e-6));
}

// The answers are PyTorch 1.13's.
TEST_CASE("multi_margin_loss of one row") {
  const auto each = [](const Tensor& x, const Tensor& targets) {
    return nn::multi_margin_loss(x, targets, {.reduction = nn::Reduction::none}).value();
  };
  CHECK(equal(each(full({}, 2.0), full({}, 0)), full({}, 0.0)));
  CHECK(equal(each(full({}, 2.0), tensor({0})), tensor({0.0})));
  CHECK(equal(each(tensor({2.0}), full({}, 0)), full({}, 0.0)));
  CHECK(equal(each(tensor({2.0, 1.0}), tensor({0})), tensor({0.0})));
  CHECK(equal(each(tensor({2.0, 1.0}), tensor({1})), tensor({1.0})));
  CHECK(equal(each(tensor({{2.0, 1.0}}), full({}, 1)), full({}, 1.0)));
  CHECK_THROWS_AS(each(full({}, 2.0), full({}, 1)), IndexError);
  const Variable x = parameter(full({}, 2.0));
  nn::multi_margin_loss(x, full({}, 0)).backward();
  CHECK(equal(x.grad(), full({}, 0.0)));
}

TEST_CASE("kl_div is 0 where the target is 0, also for an input of log 0") {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  for (const bool log_target : {false, true}) {
    const Tensor shares = tensor({0.0, 0.5, 0.5}, float64);
    const Tensor target = log_target ? log(shares) : shares;
    for (const double input : {kNever, -1.0}) {
      const Variable x = parameter(tensor({input, -0.5, -2.0}, float64));
      const Variable losses =
          nn::kl_div(x, target, {.reduction = nn::Reduction::none, .log_target = log_target});
      CHECK(losses.value()[0].item<double>() == 0);
      CHECK(losses.value()[1].item<double>() == Approx(0.5 * (std::log(0.5) + 0.5)));
      sum(losses).backward();
      CHECK(allclose(x.grad(), tensor({0.0, -0.5, -0.5}, float64)));
    }
    // Something happens that was held impossible.
    const Tensor impossible = tensor({-1.0, kNever, -2.0}, float64);
    CHECK(nn::kl_div(impossible, target, {.log_target = log_target}).value().item<double>() ==
          -kNever);
  }
}

TEST_CASE("losses that subtract say that booleans must be converted") {
  const Tensor x = tensor({0.5, 0.25});
  const Tensor yes = tensor({true, false});
  const auto check = [&](const std::string& name, const auto& loss) {
    CHECK(error_text<DTypeError>([&] { loss(x, yes); }) ==
          name + ": target is boolean, needed float32; convert it with to(float32)");
    CHECK(error_text<DTypeError>([&] { loss(yes, x.to(float64)); }) ==
          name + ": input is boolean, needed float64; convert it with to(float64)");
  };
  check("mse_loss", [](auto& a, const auto& b) { nn::mse_loss(a, b); });
  check("l1_loss", [](auto& a, const auto& b) { nn::l1_loss(a, b); });
  check("smooth_l1_loss", [](auto& a, const auto& b) { nn::smooth_l1_loss(a, b); });
  check("huber_loss", [](auto& a, const auto& b) { nn::huber_loss(a, b); });
  check("bce_loss", [](auto& a, const auto& b) { nn::bce_loss(a, b); });
  check("binary_cross_entropy_with_logits",
        [](auto& a, const auto& b) { nn::binary_cross_entropy_with_logits(a, b); });
  CHECK(nn::mse_loss(x, tensor({1, 0})).value().item<double>() == Approx(0.15625));
}

// Errors ------------------------------------------------------------------------------------------

TEST_CASE("losses over distances and margins explain arguments that do not fit") {
  const Tensor x = zeros({3, 2});
  const Tensor signs = tensor({1, -1, 1});
  CHECK(error_text<ShapeError>([&] { nn::smooth_l1_loss(x, zeros({3})); }) ==
        "smooth_l1_loss: input and target differ: (3, 2) and (3); reshape or expand one of them");
  CHECK(error_text<ValueError>([&] { nn::smooth_l1_loss(x, x, {.beta = -1}); }) ==
        "smooth_l1_loss: beta is -1, needed a number above 0, or 0");
  CHECK(error_text<ValueError>([&] { nn::huber_loss(x, x, {.delta = 0}); }) ==
        "huber_loss: delta is 0, needed a number above 0");
  CHECK(error_text<ShapeError>([&] { nn::kl_div(x, zeros({3})); }) ==
        "kl_div: input and target differ: (3, 2) and (3); reshape or expand one of them");
  CHECK(error_text<ShapeError>([&] { nn::hinge_embedding_loss(x, signs); }) ==
        "hinge_embedding_loss: targets have shape (3), needed (3, 2)");
  CHECK(error_text<ShapeError>([&] {
          nn::cosine_embedding_loss(zeros({2}), zeros({2}), tensor({1}));
        }) == "cosine_embedding_loss: targets have shape (1), needed ()");
  CHECK(error_text<DTypeError>([&] {
          nn::margin_ranking_loss(zeros({2}), zeros({2}), tensor({true, false}));
        }) == "margin_ranking_loss: targets are boolean, needed 1 and -1");
  CHECK(error_text<ShapeError>([&] {
          nn::cosine_embedding_loss(x, x, tensor({1, 1}));
        }) == "cosine_embedding_loss: targets have shape (2), needed (3)");
  CHECK(error_text<ShapeError>([&] {
          nn::cosine_embedding_loss(zeros({1, 3, 2}), zeros({1, 3, 2}), signs);
        }) == "cosine_embedding_loss: vectors are (1, 3, 2), needed (batch, dim) or (dim)");
  CHECK(error_text<ShapeError>([&] { nn::margin_ranking_loss(x, x, signs); }) ==
        "margin_ranking_loss: targets have shape (3), needed (3, 2)");
  CHECK(error_text<ShapeError>([&] {
          nn::triplet_margin_loss(x, x, zeros({3, 1}));
        }) ==
        "triplet_margin_loss: input and target differ: (3, 2) and (3, 1); reshape or expand one of "
        "them");
  CHECK(error_text<ValueError>([&] {
          nn::multi_margin_loss(x, tensor({0, 1, 1}), {.p = 3});
        }) == "multi_margin_loss: p is 3, needed 1 or 2");
  CHECK(error_text<IndexError>([&] {
          nn::multi_margin_loss(x, tensor({0, 2, 1}));
        }) == "multi_margin_loss: target 2 at row 1 out of range for 2 classes");
  CHECK(error_text<ShapeError>([&] {
          nn::multi_margin_loss(zeros({1, 3, 2}), signs);
        }) == "multi_margin_loss: x is (1, 3, 2), needed (batch, classes) or (classes)");
  CHECK(error_text<ValueError>([&] { nn::bce_loss(x - 1.0, x); }) ==
        "bce_loss: an input is outside [0, 1], needed probabilities; for other values use "
        "binary_cross_entropy_with_logits");
  CHECK(error_text<ShapeError>([&] { nn::bce_loss(x, x, {.weight = ones({3})}); }) ==
        "bce_loss: weight has shape (3), needed one that broadcasts to (3, 2)");
  CHECK(error_text<ShapeError>([&] {
          nn::negative_sampling_loss(x, x, zeros({3, 2}));
        }) ==
        "negative_sampling_loss: input is (3, 2) and negatives (3, 2), needed (batch, dim) and "
        "(batch, k, dim)");
  CHECK(error_text<ShapeError>([&] {
          nn::sampled_softmax_loss(x, tensor({0, 1, 1}), zeros({4, 2}), tensor({1}), ones({3}));
        }) ==
        "sampled_softmax_loss: input is (3, 2), targets (3), weight (4, 2), samples (1), "
        "probabilities (3), needed (batch, dim), (batch), (classes, dim), (k), (classes)");
  CHECK(error_text<IndexError>([&] {
          nn::sampled_softmax_loss(x, tensor({0, 1, 7}), zeros({4, 2}), tensor({1}), ones({4}));
        }) != "");
}

TEST_CASE("the second derivative of smooth_l1_loss and huber_loss where both inputs are equal",
          "[losses]") {
  const Tensor x = tensor({0.5, -1.0}, float64);
  const Tensor diagonal = tensor({{1.0, 0.0}, {0.0, 1.0}}, float64);
  const auto smooth = [&](const Variable& v) {
    return nn::smooth_l1_loss(v, x, {.reduction = Reduction::sum, .beta = 0.5});
  };
  const auto huber = [&](const Variable& v) {
    return nn::huber_loss(v, x, {.reduction = Reduction::sum, .delta = 3});
  };
  CHECK(equal(hessian(smooth, x), diagonal * 2));  // 1 / beta
  CHECK(equal(hessian(huber, x), diagonal));
}
