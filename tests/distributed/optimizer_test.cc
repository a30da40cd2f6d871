// DistributedOptimizer: n ranks train the model that one rank trains with the whole batch; all
// ranks and all runs have the same bits. Read next: gradients_test.cc.
#include <tapegrad/distributed/optimizer.h>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/ops.h>

#include "../catch.h"
#include "training.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::difference;
using test::same_bits;
using test::train_on_threads;
using test::Trained;
using test::Training;

namespace {

template <class Algorithm, class Options>
test::MakeOptimizer make(Options options) {
  return [options](std::vector<NamedParameter> parameters) {
    return std::make_unique<Algorithm>(std::move(parameters), options);
  };
}
const auto kAdam = make<optim::Adam>(optim::AdamOptions{.lr = 0.01});

// Trains with 1 to 4 ranks, and again.
void check_training(const Training& training) {
  const Trained one = train_on_threads(1, training);
  for (int n = 2; n <= 4; ++n) {
    CAPTURE(n);
    const Trained several = train_on_threads(n, training);
    CHECK(difference(several, one) < 1e-6);
    CHECK(same_bits(train_on_threads(n, training), several));
  }
}

}  // namespace

// Invariants 1, 2 and 4.
TEST_CASE("every optimizer: n ranks train as one rank does with the whole batch") {
  for (const test::NamedOptimizer& optimizer : test::all_optimizers()) {
    CAPTURE(optimizer.name);
    const Training training{.make = optimizer.make};
    const Trained one = train_on_threads(1, training);
    const Trained three = train_on_threads(3, training);
    CHECK(difference(three, one) < 1e-6);
    CHECK(same_bits(train_on_threads(3, training), three));
    // The training moves the parameters far more than that.
    Training shorter = training;
    shorter.steps = 199;
    CHECK(difference(train_on_threads(1, shorter), one) > 1e-5);
  }
}

TEST_CASE("2, 3 and 4 ranks, with uneven batches and ranks without an example") {
  check_training({.make = kAdam});
  check_training({.make = kAdam, .batch = 1});
}

TEST_CASE("clipping by the norm of the mean") {
  check_training({.make = kAdam, .max_norm = 0.05});
  // The training is another one than without clipping.
  const Training plain{.make = make<optim::SGD>(optim::SGDOptions{.lr = 0.1})};
  Training clipped = plain;
  clipped.max_norm = 0.05;
  check_training(clipped);
  CHECK(difference(train_on_threads(2, clipped), train_on_threads(2, plain)) > 0.01);
}

TEST_CASE("a schedule of the learning rate") {
  check_training({.make = kAdam, .rate_falls = true});
}

TEST_CASE("rows are exchanged in two ways that give the same bits", "[threads]") {
  for (int n = 1; n <= 4; ++n) {
    CAPTURE(n);
    Training training{.make = kAdam, .dtype = float32, .steps = 60};
    training.options.rows = RowExchange::allgather;
    const Trained expected = train_on_threads(n, training);
    training.options.rows = RowExchange::owners;
    CHECK(same_bits(train_on_threads(n, training), expected));
    training.options.rows = RowExchange::automatic;
    CHECK(same_bits(train_on_threads(n, training), expected));
  }
}

TEST_CASE("the automatic exchange of rows sends fewer bytes") {
  // 4 ranks with 256 examples of 8 words and 40 rows: all ranks have almost all rows.
  Training training{.make = kAdam, .steps = 4, .width = 64, .batch = 256, .words = 8};
  training.rows = 400;
  training.options.rows = RowExchange::allgather;
  const Trained gathered = train_on_threads(4, training);
  training.options.rows = RowExchange::owners;
  const Trained owned = train_on_threads(4, training);
  training.options.rows = RowExchange::automatic;
  const Trained automatic = train_on_threads(4, training);
  CHECK(automatic.traffic.bytes < gathered.traffic.bytes);
  CHECK(automatic.traffic.bytes == owned.traffic.bytes);
  // With 2 ranks, `owners` never sends less.
  const Trained two = train_on_threads(2, training);
  training.options.rows = RowExchange::allgather;
  CHECK(train_on_threads(2, training).traffic.bytes == two.traffic.bytes);
}

TEST_CASE("buckets change nothing but the messages") {
  Training training{.make = kAdam, .dtype = float32, .steps = 30};
  const Trained expected = train_on_threads(3, training);
  for (const std::int64_t bytes : {1, 30, 40}) {
    training.options.bucket_bytes = bytes;
    CHECK(same_bits(train_on_threads(3, training), expected));
  }
  training.options.bucket_bytes = 0;
  CHECK_THROWS_AS(train_on_threads(1, training), ValueError);
}

TEST_CASE("float32: all ranks keep the same bits, with rows that few of them read") {
  for (const auto& optimizer : test::all_optimizers()) {
    CAPTURE(optimizer.name);
    const Training training{
        .make = optimizer.make, .dtype = float32, .steps = 60, .rows = 1000, .words = 2};
    REQUIRE_NOTHROW(train_on_threads(3, training));  // check_replicas() at the end
  }
}

TEST_CASE("frozen rows and columns, padding, constraints") {
  check_training({.make = kAdam, .prepare = [](Variable& table, Variable&) {
                    RowPolicy& policy = table.row_policy();
                    policy.freeze_rows(std::vector<std::int64_t>{0, 3});
                    policy.freeze_columns(std::vector<std::int64_t>{1});
                    policy.set_padding_row(2);
                  }});
  check_training({.make = kAdam, .prepare = [](Variable& table, Variable&) {
                    table.row_policy().set_constraint(
                        {.kind = RowConstraint::Kind::max_norm, .limit = 0.5});
                  }});
  const auto freeze_all = [](Variable& table, Variable&) { table.set_requires_grad(false); };
  check_training({.make = kAdam, .prepare = freeze_all});
}

TEST_CASE("tables whose rows move only with a gradient") {
  check_training({.make = kAdam, .prepare = [](Variable& table, Variable&) {
                    table.row_policy().set_sparse(true);
                  }});
}

TEST_CASE("the optimizer that is wrapped is not fused") {
  check_training({.make =
                      [](std::vector<NamedParameter> parameters) {
                        auto adam = kAdam(std::move(parameters));
                        adam->set_fused(false);
                        return adam;
                      },
                  .steps = 50});
}

TEST_CASE("several groups with their own rates") {
  check_training({.make = [](std::vector<NamedParameter> parameters) {
    auto adam =
        std::make_unique<optim::Adam>(std::vector{parameters[0]}, optim::AdamOptions{.lr = 0.02});
    adam->add_group({parameters[1], parameters[2]}, {.lr = 0.005, .weight_decay = 0.1});
    return adam;
  }});
}
