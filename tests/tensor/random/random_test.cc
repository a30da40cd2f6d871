// Random tensors, compared with PyTorch (golden/random.safetensors); and shapes, element types,
// layouts and errors.
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "catch.h"

using namespace tapegrad;

namespace {

// One case of the golden file: the tensors named <op>.<variant>.<role>, by role.
struct Case {
  std::map<std::string, Tensor> tensors;

  bool has(const std::string& role) const { return tensors.count(role) != 0; }
  const Tensor& at(const std::string& role) const {
    INFO(role);
    REQUIRE(has(role));
    return tensors.at(role);
  }
  template <class T = double>
  T argument(const std::string& name) const {
    return at("arg." + name).item<T>();
  }
  Shape shape() const { return at("out0").shape(); }
  DType dtype() const { return at("out0").dtype(); }
  Tensor blank() const { return empty(shape(), dtype()); }
};

using Answer = std::function<std::vector<Tensor>(const Case&)>;

std::vector<Tensor> sequence(const Case& c) {
  const std::vector<std::function<Tensor(std::int64_t)>> functions = {
      [](std::int64_t n) { return tapegrad::rand(n); },
      [](std::int64_t n) { return randn(n); },
      [](std::int64_t n) { return tapegrad::rand(n, float64); },
      [](std::int64_t n) { return randn(n, float64); },
      [](std::int64_t n) { return randint(-7, 12, n); },
      [](std::int64_t n) { return randperm(n); },
      [](std::int64_t n) { return bernoulli_(empty(n), 0.3); },
      [](std::int64_t n) { return exponential_(empty(n), 1.5); },
      [](std::int64_t n) { return randint(0, std::int64_t{1} << 33, n); },
  };
  const Tensor& calls = c.at("arg.calls");  // (k, 2)
  std::vector<Tensor> results;
  for (std::int64_t i = 0; i < calls.size(0); ++i) {
    const auto function = static_cast<std::size_t>(calls.item<std::int64_t>({i, 0}));
    results.push_back(functions.at(function)(calls.item<std::int64_t>({i, 1})));
  }
  return results;
}

// The mask of dropout only; the layer itself is in nn.
std::vector<Tensor> dropout_mask(const Case& c) {
  const double p = c.argument("p");
  if (p == 0) return {ones(c.shape(), c.dtype())};
  if (p == 1) return {zeros(c.shape(), c.dtype())};
  return {bernoulli_(c.blank(), 1 - p)};
}

Tensor normal_like_golden(const Case& c, bool transposed) {
  const double mean = c.argument("mean");
  const double std = c.argument("std");
  if (!transposed) return normal_(c.blank(), mean, std);
  return normal_(transpose(empty({c.shape()[1], c.shape()[0]}, c.dtype()), 0, 1), mean, std);
}

const std::map<std::string, Answer>& answers() {
  static const std::map<std::string, Answer> table = {
      {"rand", [](const Case& c) { return std::vector{tapegrad::rand(c.shape(), c.dtype())}; }},
      {"randn", [](const Case& c) { return std::vector{randn(c.shape(), c.dtype())}; }},
      {"randperm", [](const Case& c) { return std::vector{randperm(c.shape()[0])}; }},
      {"randint",
       [](const Case& c) {
         return std::vector{
             randint(c.argument<std::int64_t>("low"), c.argument<std::int64_t>("high"), c.shape())};
       }},
      {"uniform_",
       [](const Case& c) {
         return std::vector{uniform_(c.blank(), c.argument("low"), c.argument("high"))};
       }},
      {"normal_", [](const Case& c) { return std::vector{normal_like_golden(c, false)}; }},
      {"exponential_",
       [](const Case& c) { return std::vector{exponential_(c.blank(), c.argument("rate"))}; }},
      {"bernoulli_",
       [](const Case& c) { return std::vector{bernoulli_(c.blank(), c.argument("p"))}; }},
      {"bernoulli", [](const Case& c) { return std::vector{bernoulli(c.at("in0"))}; }},
      {"multinomial",
       [](const Case& c) {
         return std::vector{multinomial(c.at("in0"), c.argument<std::int64_t>("num_samples"),
                                        c.argument<bool>("replacement"))};
       }},
      {"dropout", dropout_mask},
      {"sequence", sequence},
  };
  return table;
}

// The largest |a - b| in units of |b|.
double relative_difference(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = to_vector<double>(a);
  const std::vector<double> y = to_vector<double>(b);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] != y[i]) worst = std::max(worst, std::abs(x[i] - y[i]) / std::abs(y[i]));
  }
  return worst;
}

// Whether the draw uses logarithms or cosines of <cmath>, which may differ in the last bit between
// systems; other draws are the same everywhere.
bool needs_cmath(const std::string& op, const Tensor& expected) {
  if (op == "exponential_" || op == "sequence") return true;
  return (op == "randn" || op == "normal_") &&
         (expected.dtype() == float64 || expected.numel() < 16);
}

Tensor transposed(std::int64_t rows, std::int64_t columns) {
  return transpose(zeros({columns, rows}), 0, 1);
}

}  // namespace

TEST_CASE("random: the same numbers as PyTorch") {
  std::map<std::string, Case> cases;
  for (const auto& [name, tensor] : load(TAPEGRAD_SOURCE_DIR "/tests/golden/random.safetensors")) {
    const std::size_t second_dot = name.find('.', name.find('.') + 1);
    cases[name.substr(0, second_dot)].tensors[name.substr(second_dot + 1)] = tensor;
  }
  std::map<std::string, int> count;
  for (const auto& entry : cases) {
    const std::string& name = entry.first;
    const Case& c = entry.second;
    INFO(name);
    const std::string op = name.substr(0, name.find('.'));
    const auto answer = answers().find(op);
    REQUIRE(answer != answers().end());
    ++count[op];
    manual_seed(c.argument<std::uint64_t>("seed"));
    const bool is_transposed = name.find("transposed") != std::string::npos;
    const std::vector<Tensor> results =
        is_transposed ? std::vector{normal_like_golden(c, true)} : answer->second(c);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const Tensor& expected = c.at("out" + std::to_string(i));
      INFO("out" << i);
      CHECK(results[i].shape() == expected.shape());
      if (op == "dropout") {
        CHECK(equal((results[i] * c.at("in0")) != 0, expected != 0));
        continue;
      }
      CHECK(results[i].dtype() == expected.dtype());
      if (is_transposed || needs_cmath(op, expected)) {
        CHECK(relative_difference(results[i], expected) <=
              (expected.dtype() == float64 ? 1e-15 : 0x1p-23));
      } else {
        CHECK(equal(results[i], expected));
      }
    }
  }
  for (const auto& entry : answers()) {
    INFO(entry.first);
    CHECK(count[entry.first] > 0);
  }
}

TEST_CASE("random: shapes, element types, and the generator that is used") {
  CHECK(tapegrad::rand({2, 3}).shape() == Shape{2, 3});
  CHECK(tapegrad::rand({}).numel() == 1);
  CHECK(randn({0, 4}).numel() == 0);
  CHECK(randn(3, float64).dtype() == float64);
  CHECK(randint(0, 5, {2, 2}).dtype() == int64);
  CHECK(randperm(0).shape() == Shape{0});
  CHECK(multinomial(ones({3, 4}), 2).shape() == Shape{3, 2});
  CHECK(multinomial(ones({4}, float64), 7, true).dtype() == int64);
  CHECK(bernoulli(full({3}, 0.5, float64)).dtype() == float64);

  // A separate generator does not change the default one.
  manual_seed(1);
  const Tensor expected = tapegrad::rand({4});
  manual_seed(1);
  Generator own(1);
  CHECK(equal(tapegrad::rand({4}, float32, own), expected));
  CHECK(!equal(randn({4}, float32, own), randn({4}, float32, own)));
  randint(0, 9, {3}, own);
  randperm(5, own);
  multinomial(ones({3}), 1, false, own);
  bernoulli(full({3}, 0.5), own);
  bernoulli_(empty({3}), 0.5, own);
  exponential_(empty({3}), 1.0, own);
  rand_like(expected, own);
  randn_like(expected, own);
  CHECK(equal(tapegrad::rand({4}), expected));
}

TEST_CASE("random: in place, also through views, in the order of memory") {
  manual_seed(0);
  const std::vector<float> stream = to_vector<float>(tapegrad::rand({12}));

  // A handle and a view write to the same elements.
  Tensor x = zeros({3, 4});
  const std::uint32_t version = x.version();
  manual_seed(0);
  const Tensor same = uniform_(x);
  CHECK(same.shares_memory_with(x));
  CHECK(x.version() > version);
  CHECK(to_vector<float>(x) == stream);
  x.zero_();
  manual_seed(0);
  uniform_(select(x, 0, 1));
  CHECK(x.item<float>({1, 3}) == stream[3]);
  CHECK(x.item<float>({0, 0}) == 0);
  CHECK(x.item<float>({2, 0}) == 0);

  // Transposed: filled in the order of memory.
  Tensor columns = transposed(3, 4);
  manual_seed(0);
  uniform_(columns);
  CHECK(to_vector<float>(transpose(columns, 0, 1)) == stream);

  // With gaps, as torch.zeros(3, 4)[:, ::2] and torch.zeros(3, 4).t()[::2].
  Tensor gaps = zeros({3, 4});
  manual_seed(0);
  uniform_(index(gaps, {Slice{}, Slice{0, 4, 2}}));
  CHECK(to_vector<float>(gaps) == std::vector<float>{stream[0], 0, stream[1], 0, stream[2], 0,
                                                     stream[3], 0, stream[4], 0, stream[5], 0});
  Tensor every_second = index(transpose(zeros({3, 4}), 0, 1), {Slice{0, 4, 2}});
  manual_seed(0);
  uniform_(every_second);
  CHECK(to_vector<float>(every_second) ==
        std::vector<float>{stream[0], stream[2], stream[4], stream[1], stream[3], stream[5]});

  // There, normal numbers are drawn one by one even if there are 16 of them.
  manual_seed(0);
  const Tensor lone = randn({1}, float64);
  Tensor wide = transpose(zeros({5, 4}, float64), 0, 1);
  manual_seed(0);
  normal_(wide, 10, 2);
  CHECK(wide.item<double>({0, 0}) == Approx(lone.item<double>() * 2 + 10));

  // A probability for each position, whatever the layout: torch gives [[0, 1, 1], [0, 1, 0]].
  manual_seed(0);
  const Tensor coins = bernoulli_(transposed(2, 3), tensor({0.1, 0.9, 0.5}));
  CHECK(to_vector<std::int64_t>(coins) == std::vector<std::int64_t>{0, 1, 1, 0, 1, 0});
  const Tensor mask = bernoulli_(empty({6}, boolean), tensor({1.0}));
  CHECK(to_vector<std::int64_t>(mask) == std::vector<std::int64_t>(6, 1));
}

TEST_CASE("random: *_like keeps the order of the dimensions") {
  manual_seed(0);
  const Tensor expected = tapegrad::rand({2, 3, 4});
  const Tensor x = permute(zeros({2, 3, 4}), {2, 0, 1});
  manual_seed(0);
  const Tensor y = rand_like(x);
  CHECK(y.shape() == Shape{4, 2, 3});
  CHECK(Shape(y.strides()) == Shape{1, 12, 4});
  CHECK(equal(y, permute(expected, {2, 0, 1})));
  CHECK(rand_like(zeros({2, 3}, float64)).dtype() == float64);

  // No gaps and no shared elements in the result.
  const Tensor of_gaps = randn_like(index(zeros({2, 20}), {Slice{}, Slice{0, 20, 2}}));
  CHECK(Shape(of_gaps.strides()) == Shape{10, 1});
  const Tensor of_expanded = rand_like(expand(zeros({3, 1}), {3, 4}));
  CHECK(Shape(of_expanded.strides()) == Shape{4, 1});
}

TEST_CASE("random: error texts") {
  manual_seed(0);
  const std::uint32_t next = Generator(0).random();
  Tensor ints = zeros({2, 3}, int64);
  Tensor x = ones({2, 3});

  CHECK_THROWS_WITH(tapegrad::rand({2}, int64), "rand: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(randn({2}, boolean), "randn: tensor is boolean, needed float32 or float64");
  CHECK_THROWS_WITH(rand_like(ints), "rand_like: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(randn_like(ints), "randn_like: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(uniform_(ints), "uniform_: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(normal_(ints), "normal_: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(exponential_(ints), "exponential_: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(bernoulli(ints), "bernoulli: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(bernoulli_(x, ints), "bernoulli_: tensor is int64, needed float32 or float64");
  CHECK_THROWS_WITH(multinomial(ints, 1),
                    "multinomial: tensor is int64, needed float32 or float64");
  CHECK_THROWS_AS(uniform_(ints), DTypeError);

  CHECK_THROWS_WITH(normal_(x, 0, -1), "normal: std is -1, must be at least 0");
  CHECK_THROWS_WITH(uniform_(x, 2, 1), "uniform: from is 2 and to is 1, must be from <= to");
  CHECK_THROWS_WITH(bernoulli_(x, -0.5), "bernoulli: p is -0.5, must be between 0 and 1");
  CHECK_THROWS_WITH(bernoulli(x * 2), "bernoulli: p is 2, must be between 0 and 1");
  CHECK_THROWS_WITH(randint(3, 3, {2}), "randint: low is 3 and high is 3, must be low < high");
  CHECK_THROWS_WITH(randperm(-1), "randperm: n is -1, must be at least 0");
  CHECK_THROWS_AS(randperm(-1), ValueError);
  CHECK_THROWS_WITH(bernoulli_(x, ones({2})),
                    "bernoulli_: probabilities of shape (2) do not broadcast to (2, 3)");
  CHECK_THROWS_AS(bernoulli_(x, ones({2})), ShapeError);

  CHECK_THROWS_WITH(multinomial(ones({2, 2, 2}), 1),
                    "multinomial: weights of shape (2, 2, 2), needed (categories) or (rows, "
                    "categories)");
  CHECK_THROWS_WITH(multinomial(x, 0), "multinomial: num_samples is 0, must be at least 1");
  CHECK_THROWS_WITH(multinomial(x, 4),
                    "multinomial: 4 samples without replacement, but row 0 has only 3 weights "
                    "greater than 0; draw with replacement or fewer");
  CHECK_THROWS_WITH(multinomial(zeros({0}), 1), "multinomial: row 0 has no weight greater than 0");
  CHECK_THROWS_WITH(uniform_(expand(zeros({2, 1}), {2, 3})),
                    "uniform_: tensor of shape (2, 3) is expanded: several positions share one "
                    "element; clone() it first");

  CHECK(equal(x, ones({2, 3})));
  CHECK(default_generator().random() == next);
}
