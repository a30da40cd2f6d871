// The fused loss has the value and the gradients of the simple one. Read next:
// examples/word2vec/fused_loss.cc.
#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "word2vec/loss.h"

using namespace word2vec;
using tg::Tensor;
using tg::Variable;

namespace {

constexpr std::int64_t kWords = 9;

// Groups of 1 to 4 inputs; ids repeat, within a group too.
Batch batch_of(bool mean, std::int64_t groups, std::int64_t negatives, bool single = false) {
  Batch batch;
  tg::Generator generator(static_cast<std::uint64_t>(17 + groups));
  std::vector<std::int64_t> inputs, offsets;
  for (std::int64_t g = 0; g < groups; ++g) {
    offsets.push_back(static_cast<std::int64_t>(inputs.size()));
    const std::int64_t members = single ? 1 : 1 + g % 4;
    for (std::int64_t i = 0; i < members; ++i) {
      inputs.push_back(examples::draw_below(kWords, generator));
    }
  }
  batch.inputs = tg::tensor(inputs);
  batch.offsets = tg::tensor(offsets);
  batch.outputs = tg::randint(0, kWords, {groups, 1 + negatives}, generator);
  batch.mean = mean;
  return batch;
}

Variable table(std::int64_t dim, tg::DType dtype, double scale, std::uint64_t seed) {
  tg::Generator generator(seed);
  return tg::parameter((tg::randn({kWords, dim}, tg::float64, generator) * scale).to(dtype));
}

double largest_difference(const Tensor& a, const Tensor& b) {
  return max(abs(a - b)).to(tg::float64).item<double>();
}

}  // namespace

TEST_CASE("the fused loss and its gradients are those of the simple loss, up to rounding") {
  for (const bool mean : {false, true}) {
    for (const bool sum_gradient : {false, true}) {
      if (sum_gradient && !mean) continue;
      for (const bool single : {false, true}) {
        for (const std::int64_t dim : {1, 3, 4, 15, 16, 21, 100}) {
          for (const std::int64_t negatives : {1, 5, 8}) {
            for (const tg::DType dtype : {tg::float32, tg::float64}) {
              CAPTURE(mean, sum_gradient, single, dim, negatives, dtype == tg::float32);
              Batch batch = batch_of(mean, 13, negatives, single);
              batch.sum_gradient = sum_gradient;
              std::vector<Tensor> values, inputs, outputs;
              for (const auto loss : {simple_loss, fused_loss}) {
                const Variable input = table(dim, dtype, 0.5, 1),
                               output = table(dim, dtype, 0.5, 2);
                const Variable y = loss(input, output, batch);
                (y * 0.5).backward();
                CHECK(input.row_grad().ids.numel() <= kWords * 7);
                values.push_back(y.value());
                inputs.push_back(input.grad());
                outputs.push_back(output.grad());
              }
              const double unit = dtype == tg::float32 ? 1e-6 : 1e-14;
              const double size = values[0].to(tg::float64).item<double>();
              CHECK(largest_difference(values[0], values[1]) <= unit * size);
              CHECK(largest_difference(inputs[0], inputs[1]) <= 20 * unit);
              CHECK(largest_difference(outputs[0], outputs[1]) <= 20 * unit);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("a racy step is backward() and a step of SGD, up to rounding") {
  for (const bool mean : {false, true}) {
    for (const std::int64_t dim : {1, 5, 16, 37}) {
      CAPTURE(mean, dim);
      const Batch batch = batch_of(mean, 40, 5);
      Variable input = table(dim, tg::float32, 0.5, 1), output = table(dim, tg::float32, 0.5, 2);
      Tensor racy_input = input.value().clone(), racy_output = output.value().clone();
      const SharedTables tables{racy_input.mutable_span<float>(), racy_output.mutable_span<float>(),
                                dim};
      const double racy_loss = racy_step(tables, batch, 0.1F);

      const Tensor before = input.value().clone();
      tg::optim::SGD sgd({input, output}, {.lr = 0.1});
      const Variable loss = fused_loss(input, output, batch);
      loss.backward();
      sgd.step();
      CHECK(std::abs(racy_loss - loss.item<double>()) <= 1e-6 * racy_loss);
      CHECK(largest_difference(racy_input, input.value()) <= 1e-5);
      CHECK(largest_difference(racy_output, output.value()) <= 1e-5);
      CHECK(largest_difference(racy_input, before) > 1e-3);
    }
  }
}

TEST_CASE("the fused loss agrees with differences, also its gradients") {
  for (const bool mean : {false, true}) {
    const Batch batch = batch_of(mean, 5, 3);
    const auto loss = [&](const Variable& input, const Variable& output) {
      return fused_loss(input, output, batch);
    };
    const std::vector<Variable> tables = {table(6, tg::float64, 0.7, 3),
                                          table(6, tg::float64, 0.7, 4)};
    CHECK(tg::gradcheck(loss, tables));
    CHECK(tg::gradgradcheck(loss, tables));
  }
}

TEST_CASE("the fused loss: gradients that are recorded are those of the kernel") {
  for (const bool mean : {false, true}) {
    for (const bool sum_gradient : {false, true}) {
      if (sum_gradient && !mean) continue;
      Batch batch = batch_of(mean, 9, 4);
      batch.sum_gradient = sum_gradient;
      const Variable input = table(5, tg::float64, 0.7, 3), output = table(5, tg::float64, 0.7, 4);
      const auto recorded =
          tg::grad(fused_loss(input, output, batch) * 2, {input, output}, {.create_graph = true});
      (fused_loss(input, output, batch) * 2).backward();
      CHECK(largest_difference(recorded[0].value(), input.grad()) < 1e-13);
      CHECK(largest_difference(recorded[1].value(), output.grad()) < 1e-13);
      CHECK(recorded[0].requires_grad());
    }
  }
}

TEST_CASE("the fused loss: scores far from 0, tables without a gradient, NaN") {
  const Batch batch = batch_of(false, 8, 5);
  for (const double scale : {3.0, 8.0}) {  // scores up to some hundreds
    const Variable input = table(20, tg::float32, scale, 5), output = table(20, tg::float32, 1, 6);
    const float simple = simple_loss(input, output, batch).item<float>();
    CHECK(fused_loss(input, output, batch).item<float>() ==
          Approx(simple).epsilon(scale < 5 ? 1e-5 : 0.2));
  }
  const Variable input = table(20, tg::float32, 1, 5), output = table(20, tg::float32, 1, 6);
  const auto gradient_of = [&](const Variable& trained, const Variable& x, const Variable& y) {
    fused_loss(x, y, batch).backward();
    const Tensor gradient = trained.grad();
    Variable again = trained;
    again.zero_grad();
    return gradient;
  };
  const Tensor both = gradient_of(input, input, output);
  CHECK(largest_difference(both, gradient_of(input, input, Variable(output.value()))) == 0);
  {
    const tg::NoGrad guard;
    const std::size_t entries = tg::tape().size();
    const Variable loss = fused_loss(input, output, batch);
    CHECK(!loss.requires_grad());
    CHECK(tg::tape().size() == entries);
  }
  const Variable nan = tg::parameter(tg::full({kWords, 20}, NAN));
  CHECK(std::isnan(fused_loss(nan, output, batch).item<float>()));
}

TEST_CASE("the fused loss refuses batches and tables that do not fit") {
  const Variable input = table(4, tg::float32, 1, 1), output = table(4, tg::float32, 1, 2);
  const auto error_of = [&](const Variable& x, const Variable& y, const Batch& batch) {
    return tg::test::error_text<tg::Error>([&] { fused_loss(x, y, batch); });
  };
  const Batch good = batch_of(false, 3, 2);
  CHECK(error_of(input, output, good).empty());
  Batch bad = good;
  bad.outputs = tg::tensor({{1, 2, 3}});
  CHECK(error_of(input, output, bad) ==
        "fused_loss: tables (9, 4) and (9, 4), inputs (6), offsets (3), outputs (1, 3); needed "
        "(words, dim) twice, (inputs), (groups), (groups, 1 + negatives)");
  bad = good;
  bad.inputs = good.inputs + 9;
  CHECK(error_of(input, output, bad).find("but the table has 9 rows") != std::string::npos);
  for (const Tensor& offsets :
       {tg::tensor({1, 2, 3}), tg::tensor({0, 2, 1}), tg::tensor({0, 1, 6})}) {
    bad = good;
    bad.offsets = offsets;
    CHECK(error_of(input, output, bad) ==
          "fused_loss: offsets needs to begin with 0 and to grow, below the number of inputs");
  }
  CHECK(error_of(input, table(4, tg::float64, 1, 2), good) ==
        "fused_loss: needed two tables of float32 or of float64");
}
