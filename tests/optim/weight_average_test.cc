// The averages against plain arithmetic; how parameters get them and lose them; the saved state.
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/weight_average.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;

TEST_CASE("WeightAverage: an exponential average, and a mean") {
  Variable x = parameter(full({2}, 1.0, float64));
  optim::WeightAverage moving({NamedParameter("x", x)}, {.decay = 0.9});
  optim::WeightAverage mean({x});
  double expected = 0, total = 0;
  for (int t = 1; t <= 20; ++t) {
    const double value = t * t;
    x.set_value(full({2}, value, float64));
    moving.update();
    mean.update();
    expected = t == 1 ? value : 0.9 * expected + 0.1 * value;
    total += value;
    CHECK_THAT(moving.average(0)[0].item(), Catch::Matchers::WithinRel(expected, 1e-13));
    CHECK_THAT(mean.average(0)[1].item(), Catch::Matchers::WithinRel(total / t, 1e-13));
  }
  CHECK(mean.updates() == 20);
}

TEST_CASE("WeightAverage: the parameters have the averages for a while, or for good") {
  Variable x = parameter(tensor({1.0, 2.0}));
  const Variable y = x;  // another handle of the leaf
  optim::WeightAverage average({x});
  average.update();
  x.set_value(tensor({3.0, 4.0}));
  average.update();
  {
    const auto averaged = average.applied();
    CHECK(equal(y.value(), tensor({2.0, 3.0})));
  }
  CHECK(equal(y.value(), tensor({3.0, 4.0})));
  average.copy_to_parameters();
  CHECK(equal(y.value(), tensor({2.0, 3.0})));
  x.set_value(zeros({2}, x.dtype()));  // the average does not share its memory
  CHECK(equal(average.average(0), tensor({2.0, 3.0})));
}

TEST_CASE("WeightAverage: a model that is converted meanwhile keeps its values") {
  nn::Linear layer(2, 2);
  optim::WeightAverage average(layer.parameters());
  average.update();
  {
    const auto averaged = average.applied();
    layer.to(float64);
  }
  CHECK(layer.weight.dtype() == float64);
}

TEST_CASE("WeightAverage: pending steps of a table are taken before it is averaged") {
  Generator generator(4);
  Variable table = parameter(randn({5, 2}, float64, generator));
  optim::Adam adam({table}, {.lr = 0.1});
  optim::WeightAverage average({table});
  for (int t = 0; t < 3; ++t) {
    adam.zero_grad();
    sum(embedding(table, tensor({t}))).backward();
    adam.step();
  }
  average.update();
  CHECK(equal(average.average(0), table.value()));
}

TEST_CASE("WeightAverage: saves and loads its state, all or nothing") {
  Variable x = parameter(tensor({1.0, 2.0})), y = parameter(tensor({5.0}));
  const std::vector<NamedParameter> list = {NamedParameter("x", x), NamedParameter("y", y)};
  optim::WeightAverage first(list, {.decay = 0.5});
  first.update();
  x.set_value(tensor({3.0, 4.0}));
  first.update();
  optim::WeightAverage second(list, {.decay = 0.5});
  second.load_state_dict(first.state_dict());
  first.update();
  second.update();
  CHECK(equal(first.average(0), second.average(0)));
  CHECK(second.updates() == 3);
  StateDict wrong = {{"updates", full({}, 1)}, {"average.x", zeros({3}, x.dtype())}};
  CHECK(error_text<FormatError>([&] { second.load_state_dict(wrong); }) ==
        "WeightAverage: average.x is (3) of type float32, needed (2) of type float32");
  CHECK_THROWS_AS(second.load_state_dict({{"average.x", x.value()}}), FormatError);
  StateDict more = first.state_dict();
  more.insert("average.z", ones({1}));
  CHECK(error_text<FormatError>([&] { second.load_state_dict(more); }) ==
        "WeightAverage: the state has 4 entries, needed 3");
  CHECK(second.updates() == 3);
}

TEST_CASE("WeightAverage: errors") {
  const Variable x = parameter(ones({2}));
  CHECK_THROWS_AS(optim::WeightAverage({}), ValueError);
  CHECK_THROWS_AS(optim::WeightAverage({x * 2}), ValueError);
  CHECK_THROWS_AS(optim::WeightAverage({x}, {.decay = 1.5}), ValueError);
  const optim::WeightAverage none({x});
  CHECK(error_text<ValueError>([&] { (void)none.applied(); }) ==
        "WeightAverage: applied() before the first update(); call it after a step");
  CHECK_THROWS_AS(none.average(0), ValueError);
}
