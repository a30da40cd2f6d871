// Row-sparse gradients give exactly the same elements as dense ones, and frozen rows and columns do
// not change by a bit.
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"

using namespace tapegrad;

namespace {

using Make = std::function<std::unique_ptr<optim::Optimizer>(Variable)>;

template <class Algorithm, class Options>
Make make(Options options) {
  return [options](Variable x) -> std::unique_ptr<optim::Optimizer> {
    return std::make_unique<Algorithm>(std::vector<NamedParameter>{NamedParameter("table", x)},
                                       options);
  };
}

std::vector<Make> all_kinds() {
  using namespace optim;
  return {
      make<SGD>(SGDOptions{.lr = 0.1}),
      make<SGD>(SGDOptions{.lr = 0.1, .weight_decay = 0.1}),
      make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9}),
      make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true}),
      make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.5, .maximize = true}),
      make<Adam>(AdamOptions{.lr = 0.1}),
      make<Adam>(AdamOptions{.lr = 0.1, .weight_decay = 0.1, .maximize = true}),
      make<Adam>(AdamOptions{.lr = 0.1, .amsgrad = true}),
      make<AdamW>(AdamWOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true}),
  };
}

// A gradient from two lookups, with repeated ids and with padding (row 2), which gets no gradient.
void look_up(const Variable& table, const Tensor& ids, const Tensor& scale) {
  const Variable first = embedding(table, ids, 2);
  const Variable second = embedding(table, flip(ids, {0}), 2);
  sum(first * first * Variable(scale) + second).backward();
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.data<char>(), y.data<char>(),
                     static_cast<std::size_t>(x.numel()) * item_size(x.dtype())) == 0;
}

}  // namespace

TEST_CASE("a row-sparse gradient gives exactly the same elements as its dense form") {
  const std::vector<Make> kinds = all_kinds();
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    for (const DType dtype : {float32, float64}) {
      CAPTURE(kind, dtype);
      Generator generator(5);
      const Tensor start = randn({23, 7}, dtype, generator);
      Variable sparse = parameter(start.clone());
      Variable dense = parameter(start.clone());
      const auto sparse_optimizer = kinds[kind](sparse);
      const auto dense_optimizer = kinds[kind](dense);
      for (int step = 0; step < 30; ++step) {
        // Few rows, all rows, and nothing but padding.
        Tensor ids = randint(0, 23, {step % 3 == 0 ? 4 : 60}, generator);
        if (step % 7 == 6) ids.fill_(2);
        look_up(sparse, ids, randn({ids.numel(), 1}, dtype, generator));
        REQUIRE(sparse.has_row_grad());
        dense.set_grad(sparse.grad());
        if (step % 2 == 1) {
          CHECK(optim::clip_grad_norm({sparse}, 0.5) ==
                Approx(optim::clip_grad_norm({dense}, 0.5)).epsilon(1e-6));
          dense.set_grad(sparse.grad());  // the norm is summed in another order
        }
        sparse_optimizer->step();
        dense_optimizer->step();
        CHECK(sparse.has_row_grad());  // it is still row-sparse
        REQUIRE(allclose(sparse.value(), dense.value(), 1e-5, dtype == float64 ? 1e-10 : 1e-6));
        sparse_optimizer->zero_grad();
      }
    }
  }
}

TEST_CASE("rows without a gradient move by momentum and decay only") {
  const Tensor ids = tensor({1, 3});
  const auto distance = [&](const Make& kind) {
    Variable table = parameter(ones({5, 2}, float64));
    const auto optimizer = kind(table);
    look_up(table, ids, ones({2, 1}, float64));
    optimizer->step();
    const Tensor after = table.value();
    optimizer->zero_grad();
    look_up(table, tensor({4, 4}), ones({2, 1}, float64));
    optimizer->step();
    return sum(abs(table.value() - after)[1]).item<double>();
  };
  CHECK(distance(make<optim::SGD>(optim::SGDOptions{.lr = 0.1})) == 0);
  CHECK(distance(make<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.5})) > 0.1);
  CHECK(distance(make<optim::SGD>(optim::SGDOptions{.lr = 0.1, .weight_decay = 0.5})) > 0.01);
  CHECK(distance(make<optim::Adam>(optim::AdamOptions{.lr = 0.1})) > 0.01);
}

TEST_CASE("frozen rows and columns stay the same to the byte over 1,000 steps of AdamW") {
  for (const bool by_rows : {false, true}) {
    for (const DType dtype : {float32, float64}) {
      CAPTURE(by_rows, dtype);
      Generator generator(7);
      Variable table = parameter(randn({12, 9}, dtype, generator));
      optim::AdamW optimizer({table}, {.lr = 0.01, .weight_decay = 0.1});
      const auto step = [&] {
        const Tensor ids = randint(0, 12, {6}, generator);
        if (by_rows) {
          look_up(table, ids, ones({6, 1}, dtype));
        } else {
          sum(square(table)).backward();
        }
        optimizer.step();
        optimizer.zero_grad();
      };
      for (int i = 0; i < 5; ++i) step();  // so that every row has a momentum
      table.row_policy().freeze_rows(std::vector<std::int64_t>{0, 4, 5, 11});
      table.row_policy().freeze_columns(std::vector<std::int64_t>{0, 3, 8});
      const Tensor before = table.value().clone();
      for (int i = 0; i < 1000; ++i) step();
      const Tensor& after = table.value();
      for (const std::int64_t row : {0, 4, 5, 11}) CHECK(same_bytes(before[row], after[row]));
      for (const std::int64_t column : {0, 3, 8}) {
        CHECK(same_bytes(select(before, 1, column), select(after, 1, column)));
      }
      const Tensor moved =
          to_vector<double>(sum((before != after).to(int64))) == std::vector<double>{8.0 * 6.0}
              ? tensor(true)
              : tensor(false);
      CHECK(moved.item<bool>());
    }
  }
}

TEST_CASE("a frozen row of a vector is an element, and a 0-d parameter has one row") {
  Variable bias = parameter(ones({4}));
  Variable scale = parameter(ones({}));
  bias.row_policy().freeze_rows(std::vector<std::int64_t>{1, 3});
  scale.row_policy().freeze_rows(std::vector<std::int64_t>{0});
  optim::SGD optimizer({bias, scale}, {.lr = 1, .momentum = 0.9, .weight_decay = 0.1});
  for (int i = 0; i < 3; ++i) {
    bias.set_grad(ones({4}));
    scale.set_grad(ones({}));
    optimizer.step();
  }
  CHECK(bias.item<float>({1}) == 1);
  CHECK(bias.item<float>({3}) == 1);
  CHECK(bias.item<float>({0}) < 0);
  CHECK(bias.item<float>({2}) == bias.item<float>({0}));
  CHECK(scale.item<float>() == 1);
}

TEST_CASE("columns of a tensor of three dimensions are slices of dimension 1") {
  Variable x = parameter(ones({2, 3, 2}));
  x.row_policy().freeze_columns(std::vector<std::int64_t>{1});
  optim::SGD optimizer({x}, {.lr = 1});
  x.set_grad(ones({2, 3, 2}));
  optimizer.step();
  CHECK(equal(select(x.value(), 1, 1), ones({2, 2})));
  CHECK(equal(select(x.value(), 1, 0), zeros({2, 2})));
  CHECK(equal(select(x.value(), 1, 2), zeros({2, 2})));
}

TEST_CASE("frozen rows and columns are left out of the norm") {
  Variable table = parameter(zeros({3, 2}));
  Variable other = parameter(zeros({2}));
  table.set_grad(tensor({{3.0, 100.0}, {4.0, 100.0}, {100.0, 100.0}}));
  other.set_grad(tensor({100.0, 100.0}));
  table.row_policy().freeze_rows(std::vector<std::int64_t>{2});
  table.row_policy().freeze_columns(std::vector<std::int64_t>{1});
  other.set_requires_grad(false);
  CHECK(optim::clip_grad_norm({table, other}, 1.0) == Approx(5));
  CHECK(table.grad().item<float>({0, 0}) == Approx(0.6));
  CHECK(equal(other.grad(), tensor({100.0, 100.0})));
}

TEST_CASE("the norm of a row-sparse gradient is the norm of its distinct rows") {
  Variable table = parameter(ones({4, 1}, float64));
  sum(embedding(table, tensor({1, 1, 3}))).backward();  // rows 1 and 3 with gradients 2 and 1
  const RowSparse before = table.row_grad();
  CHECK(optim::clip_grad_norm({table}, 1.0) == Approx(std::sqrt(5.0)));
  REQUIRE(table.has_row_grad());
  CHECK(allclose(table.grad(), tensor({{0.0}, {2.0}, {0.0}, {1.0}}, float64) / std::sqrt(5.0)));
  CHECK(equal(before.rows, tensor({{2.0}, {1.0}}, float64)));  // the user's handle does not change
  optim::clip_grad_value({table}, 0.5);
  CHECK(table.grad().item<double>({1, 0}) == 0.5);
  REQUIRE(table.has_row_grad());
}
