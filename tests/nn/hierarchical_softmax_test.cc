// HierarchicalSoftmax: the tree, the formula, and errors. Module::apply().
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/hierarchical_softmax.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using nn::Reduction;
using tapegrad::test::error_text;

TEST_CASE("a hierarchical softmax is a distribution, with frequent classes near the root") {
  nn::HierarchicalSoftmax model({1, 40, 3, 2, 20}, 3, {.dtype = float64});
  CHECK(model.weight.shape() == Shape{4, 3});
  std::vector<std::int64_t> depths;
  for (std::int64_t c = 0; c < 5; ++c) depths.push_back(model.depth(c));
  CHECK(depths == std::vector<std::int64_t>{4, 1, 3, 4, 2});
  Generator generator(3);
  const Tensor input = randn({6, 3}, float64, generator);
  // The weight is 0, so each turn has probability 1/2.
  CHECK(allclose(exp(model.log_probabilities(input)).value()[0],
                 tensor({0.0625, 0.5, 0.125, 0.0625, 0.25}, float64), 1e-13));
  model.weight.set_value(randn({4, 3}, float64, generator));
  const Variable log_p = model.log_probabilities(input);
  CHECK(allclose(sum(exp(log_p.value()), 1), ones({6}, float64), 1e-13));
  const Tensor targets = tensor({0, 1, 2, 3, 4, 1});
  const Variable whole = nn::nll_loss(log_p, targets);
  const Variable loss = model(input, targets);
  CHECK(loss.item<double>() == Approx(whole.item<double>()).epsilon(1e-13));
  loss.backward();
  CHECK(model.weight.has_row_grad());
  const Tensor gradient = model.weight.grad();
  model.weight.zero_grad();
  whole.backward();
  CHECK(allclose(model.weight.grad(), gradient, 1e-12, 1e-14));
  CHECK(gradcheck([&](auto& v) { return model(v[0], targets); }, {input}));

  const nn::HierarchicalSoftmax total({3, 2, 1}, 3, {.reduction = Reduction::sum});
  const Variable nothing = total(zeros({0, 3}), zeros({0}, int64));
  CHECK(nothing.item<double>() == 0);
  nothing.backward();
  CHECK(equal(total.weight.grad(), zeros({2, 3})));
  CHECK(total.log_probabilities(zeros({0, 3})).shape() == Shape{0, 3});

  const nn::HierarchicalSoftmax each({1, 1}, 2, {.reduction = Reduction::none});
  CHECK(allclose(each(zeros({3, 2}), tensor({0, 1, 0})).value(), full({3}, 0.693147181)));
}

TEST_CASE("a hierarchical softmax explains arguments that do not fit") {
  CHECK(error_text<ValueError>([] { nn::HierarchicalSoftmax({5}, 2); }) ==
        "HierarchicalSoftmax: 1 classes, needed two or more");
  CHECK(error_text<ValueError>([] {
          nn::HierarchicalSoftmax({5, -1}, 2);
        }) == "HierarchicalSoftmax: count -1, needed 0 or more");
  const nn::HierarchicalSoftmax model({5, 1}, 2);
  CHECK(error_text<ShapeError>([&] {
          model(zeros({3, 4}), zeros({3}, int64));
        }) ==
        "HierarchicalSoftmax: input is (3, 4) and targets (3), needed (batch, 2) and (batch)");
  CHECK_THROWS_AS(model(zeros({1, 2}), tensor({2})), IndexError);
  CHECK(model.description() == "HierarchicalSoftmax(2, 2)");
}

TEST_CASE("apply() calls a function for every module, the outermost last") {
  const nn::Sequential model{nn::Linear(2, 3), nn::Sequential{nn::Linear(3, 1), nn::Linear(1, 1)}};
  std::string order;
  model.apply([&](const nn::Module& module) {
    order += module.description() + ' ';
    if (const auto* linear = dynamic_cast<const nn::Linear*>(&module)) {
      nn::init::zeros_(linear->bias);
    }
  });
  CHECK(order == "Linear(2, 3) Linear(3, 1) Linear(1, 1) Sequential Sequential ");
  for (const NamedParameter& each : model.parameters()) {
    if (each.name.ends_with("bias"))
      CHECK(equal(each.variable.value(), zeros_like(each.variable.value())));
  }
}
