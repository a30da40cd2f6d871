// DistributedOptimizer: gradients that ranks do not share, what is refused, and the traffic. Read
// next: sharded_loader_test.cc.
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/lora_embedding.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/optim/sparse_adam.h>
#include <tapegrad/tensor/ops.h>

#include "../catch.h"
#include "collectives.h"
#include "training.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::expect;

namespace {

constexpr double kRate = 0.5;

// A parameter that is a table of 6 rows, of zeros, with plain SGD.
struct Table {
  Variable x = parameter(zeros({6, 2}, float64));
  optim::SGD sgd{{{"x", x}}, {.lr = kRate}};
  DistributedOptimizer optimizer;

  explicit Table(Communicator& comm, DistributedOptimizerOptions options = {})
      : optimizer(sgd, comm, options) {}
  void look_up(std::vector<std::int64_t> ids, double factor = 1) {
    (sum(embedding(x, tensor(ids))) * factor).backward();
  }
};

std::string refusal(int ranks, const std::function<void(Communicator&)>& function) {
  try {
    run_on_threads(ranks, function);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "not refused";
}

}  // namespace

TEST_CASE("the constructor sends rank 0's values") {
  run_on_threads(3, [](Communicator& comm) {
    Variable a = parameter(full({3, 4}, comm.rank() + 1, float32));
    Variable b = parameter(full({}, comm.rank() + 1, float64));
    Variable frozen = parameter(full({2}, comm.rank() + 1, float32));
    frozen.set_requires_grad(false);
    optim::SGD sgd({{"a", a}, {"b", b}, {"frozen", frozen}}, {.lr = 0.1});
    const DistributedOptimizer optimizer(sgd, comm);
    expect(equal(a.value(), ones({3, 4})), "a");
    expect(b.item() == 1, "b");
    expect(equal(frozen.value(), ones({2})), "frozen");
    expect(optimizer.lr() == 0.1 && optimizer.group_count() == 1, "options");
    expect(optimizer.parameters().size() == 3, "parameters");
  });
}

TEST_CASE("models that differ are refused, and the parameter is named") {
  const auto with = [](const std::string& name, const Shape& shape, bool second) {
    return [=](Communicator& comm) {
      const bool other = comm.rank() == 1;
      std::vector<NamedParameter> parameters{
          {other ? name : "head.weight", parameter(zeros(other ? shape : Shape{3, 4}))}};
      if (other && second) parameters.emplace_back("more", parameter(zeros({1})));
      optim::SGD sgd(parameters, {.lr = 0.1});
      DistributedOptimizer optimizer(sgd, comm);
    };
  };
  const std::string start = "rank 1: DistributedOptimizer: has ";
  CHECK(refusal(2, with("head.weight", {3, 4}, false)) == "not refused");
  CHECK_THAT(refusal(2, with("head.weights", {3, 4}, false)),
             Catch::Matchers::StartsWith(start + "'head.weights' float32 (3, 4), but rank 0 has "
                                                 "'head.weight' float32 (3, 4); create"));
  CHECK_THAT(refusal(3, with("head.weight", {3, 5}, false)),
             Catch::Matchers::StartsWith(start + "'head.weight' float32 (3, 5), but rank 0 has"));
  CHECK_THAT(
      refusal(2, with("head.weight", {3, 4}, true)),
      Catch::Matchers::StartsWith(start + "'more' float32 (1), but rank 0 has no more parameters"));
}

TEST_CASE("a parameter that one rank does not use, and one that none uses") {
  run_on_threads(3, [](Communicator& comm) {
    Variable some = parameter(ones({2}, float64)), none = parameter(ones({2}, float64));
    optim::Adam adam({{"some", some}, {"none", none}}, {.lr = kRate, .weight_decay = 1});
    DistributedOptimizer optimizer(adam, comm);
    if (comm.rank() != 1) (sum(some) * 3.0).backward();
    optimizer.average_gradients();
    expect(equal(some.grad(), full({2}, 2.0, float64)), "the mean of 3, nothing and 3");
    expect(!none.has_grad(), "a gradient from nowhere");
    optimizer.step();
    expect(equal(none.value(), ones({2}, float64)), "a step without a gradient");
    expect(some.value().item<double>({0}) < 1, "no step");
  });
}

TEST_CASE("rows of different ranks, and a rank without a row", "[threads]") {
  for (const RowExchange way : {RowExchange::allgather, RowExchange::owners}) {
    run_on_threads(3, [way](Communicator& comm) {
      Table table(comm, {.rows = way});
      if (comm.rank() == 0) table.look_up({5, 1, 5}, 3);
      if (comm.rank() == 2) table.look_up({1}, 6);
      table.optimizer.average_gradients();
      const RowSparse gradient = table.x.row_grad();
      expect(equal(gradient.ids, tensor({1, 5})), "ids in ascending order");
      expect(equal(gradient.rows, tensor({{3.0, 3.0}, {2.0, 2.0}}).to(float64)), "rows");
      table.optimizer.step();
      expect(table.x.value().item<double>({5, 0}) == -kRate * 2, "a step");
    });
  }
}

TEST_CASE("a table that is dense on one rank and row-sparse on another") {
  run_on_threads(3, [](Communicator& comm) {
    Table table(comm);
    if (comm.rank() == 0) table.look_up({4}, 3);
    if (comm.rank() == 1) (sum(table.x) * 6.0).backward();
    table.optimizer.average_gradients();
    expect(!table.x.has_row_grad(), "not dense");
    Tensor expected = full({6, 2}, 2.0, float64);
    select(expected, 0, 4).fill_(3);
    expect(equal(table.x.grad(), expected), "the mean");
  });
}

TEST_CASE("a batch of padding only") {
  run_on_threads(2, [](Communicator& comm) {
    nn::Embedding words(5, 2, {.padding_idx = 0});
    optim::SparseAdam adam(words.parameters(), {.lr = 0.1});  // refuses a dense gradient
    DistributedOptimizer optimizer(adam, comm);
    const Tensor before = words.weight.value().clone();
    sum(words(comm.rank() == 0 ? tensor({0, 0}) : tensor({3, 0}))).backward();
    optimizer.step(2);
    const Tensor change = words.weight.value() - before;
    expect(abs(change).item<float>({3, 0}) > 0.05F, "row 3 did not move");
    expect(sum(abs(change) > 0.0).item<std::int64_t>() == 2, "another row moved");
    optimizer.zero_grad();
    sum(words(tensor({0}))).backward();  // on both ranks
    optimizer.step(1);
    optimizer.check_replicas();
  });
}

TEST_CASE("the mean is weighted by counts, and a rank with count 0 is ignored") {
  run_on_threads(3, [](Communicator& comm) {
    Table table(comm);
    const std::int64_t count = comm.rank() == 0 ? 1 : comm.rank() == 1 ? 3 : 0;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    table.look_up({2}, comm.rank() == 0 ? 8 : comm.rank() == 1 ? 16 : nan);
    table.optimizer.average_gradients(count);
    expect(table.x.grad().item<double>({2, 0}) == 8.0 / 4 + 16.0 * 3 / 4, "weights");
    table.optimizer.step();

    table.optimizer.zero_grad();
    if (comm.rank() == 2) (sum(table.x) * nan).backward();  // only there, and dense
    if (comm.rank() == 0) table.look_up({1});
    table.optimizer.average_gradients(count);
    expect(equal(table.x.row_grad().ids, tensor({1})), "the dense gradient was not ignored");
    expect(table.x.grad().item<double>({1, 0}) == 0.25, "weights of the second step");
  });
}

TEST_CASE("gradients of several batches are added before the mean") {
  run_on_threads(2, [](Communicator& comm) {
    Table table(comm);
    table.look_up({2});
    table.look_up({2, comm.rank()}, 2);
    table.optimizer.average_gradients();
    expect(table.x.grad().item<double>({2, 0}) == 3, "row 2");
    expect(table.x.grad().item<double>({0, 0}) == 1, "row 0");
  });
}

TEST_CASE("a table that is tied to the last layer, and LoRA", "[threads]") {
  const auto train = [](Communicator& comm) {
    Generator own(4), data(5);
    Variable table = parameter(randn({10, 3}, float64, own));
    nn::LoraEmbedding lora(10, 4, {.rank = 2, .generator = own}, {.generator = own});
    std::vector<NamedParameter> parameters = lora.parameters();
    parameters.emplace_back("table", table);
    optim::Adam adam(parameters, {.lr = 0.01});
    DistributedOptimizer optimizer(adam, comm);
    for (int step = 0; step < 50; ++step) {
      const Tensor ids = randint(0, 10, {4}, data);
      const std::int64_t count = 4 / comm.size();
      const Tensor mine = narrow(ids, 0, comm.rank() * count, count);
      optimizer.zero_grad();
      const Variable scores = matmul(embedding(table, mine), transpose(table, 0, 1));
      (mean(square(scores)) + mean(square(lora(mine))).to(float64)).backward();
      optimizer.step(count);
    }
    optimizer.check_replicas();
    return std::pair(table.value().clone(), lora(arange(10)).value().clone());
  };
  std::pair<Tensor, Tensor> one, two;
  run_on_threads(1, [&](Communicator& comm) { one = train(comm); });
  run_on_threads(2, [&](Communicator& comm) {
    auto result = train(comm);
    if (comm.rank() == 0) two = std::move(result);
  });
  CHECK(max(abs(one.first - two.first)).item<double>() < 1e-9);
  CHECK(max(abs(one.second - two.second)).item<double>() < 1e-4);  // float32
}

TEST_CASE("what ranks do not agree on is refused on all of them, and nothing changes") {
  const auto begins = [](const std::string& text, const std::string& start) {
    CAPTURE(text, start);
    CHECK(text.rfind("DistributedOptimizer: " + start, 0) == 0);
  };
  const auto step_with = [](const std::function<void(Communicator&, Table&)>& function) {
    return refusal(3, [&](Communicator& comm) {
      Table table(comm);
      table.look_up({1}, comm.rank() + 1);
      try {
        function(comm, table);
      } catch (const ValueError&) {
        expect(table.x.grad().item<double>({1, 0}) == comm.rank() + 1, "the gradient changed");
        expect(equal(table.x.value(), zeros({6, 2}, float64)), "the parameter changed");
        throw;
      }
    });
  };
  begins(step_with([](Communicator& comm, Table& table) {
           comm.rank() == 1 ? table.optimizer.step(2) : table.optimizer.step();
         }),
         "rank 1 differs from rank 0 in whether it passes a count");
  begins(step_with([](Communicator& comm, Table& table) {
           table.optimizer.step(comm.rank() == 2 ? -1 : 1);
         }),
         "rank 2 has the count -1");
  begins(step_with([](Communicator&, Table& table) { table.optimizer.step(0); }),
         "the counts of all ranks are 0");
  begins(step_with([](Communicator& comm, Table& table) {
           if (comm.rank() == 2) table.x.set_requires_grad(false);
           table.optimizer.step();
         }),
         "rank 2 and rank 0 differ in whether parameter 'x' is frozen");
  begins(step_with([](Communicator& comm, Table& table) {
           table.x.row_policy().add_renormalized(1, 0.5);
           if (comm.rank() == 0) table.x.row_policy().take_renormalized();
           table.optimizer.step();
         }),
         "on rank 1 a lookup has scaled rows of parameter 'x' to max_norm");
  begins(refusal(2,
                 [](Communicator& comm) {
                   Table table(comm);
                   table.look_up({1});
                   table.optimizer.average_gradients();
                   comm.rank() == 1 ? table.optimizer.zero_grad() : table.optimizer.step();
                   table.optimizer.zero_grad();
                   table.look_up({1});
                   table.optimizer.step();
                 }),
         "rank 1 has taken 0 steps, but rank 0 has taken 1; take every step on all ranks");
  begins(refusal(2,
                 [](Communicator& comm) {
                   Table table(comm);
                   table.look_up({1});
                   table.optimizer.average_gradients(1);
                   table.optimizer.step(1);
                 }),
         "the gradients were averaged already; call step() without a count; in rank");
}

TEST_CASE("check_replicas() names the parameter and the ranks") {
  const std::string text = refusal(4, [](Communicator& comm) {
    Table table(comm);
    table.optimizer.check_replicas();
    if (comm.rank() == 1 || comm.rank() == 3) table.x.set_value(ones({6, 2}, float64));
    table.optimizer.check_replicas();
  });
  CHECK(text.rfind("DistributedOptimizer: parameter 'x' has other bits on ranks 1, 3 than", 0) ==
        0);
}

// docs/distributed.md derives these numbers.
TEST_CASE("the traffic of a step") {
  for (std::int64_t n = 1; n <= 4; ++n) {
    run_on_threads(static_cast<int>(n), [n](Communicator& comm) {
      Variable table = parameter(zeros({100, 16})), weight = parameter(zeros({24, 8}));
      optim::Adam adam({{"table", table}, {"weight", weight}}, {.lr = 0.1});
      DistributedOptimizer optimizer(adam, comm);
      const auto backward = [&] {
        optimizer.zero_grad();
        std::vector<std::int64_t> ids;
        for (std::int64_t i = 0; i <= comm.rank(); ++i) ids.push_back(10 * comm.rank() + i);
        (sum(embedding(table, tensor(ids))) + sum(weight)).backward();
      };
      backward();
      const Traffic before = comm.traffic();
      optimizer.step(1);
      const Traffic after = comm.traffic();
      const std::int64_t plan = 8 * (4 + 2);                       // 4 numbers, 2 parameters
      const std::int64_t dense = 2 * (24 * 8 * 4) / n;             // 192 divides by 1 to 4
      const std::int64_t rows = (comm.rank() + 1) * (8 + 16 * 4);  // an id and 16 floats each
      expect(after.bytes - before.bytes == (n - 1) * (plan + dense + rows), "bytes");
      expect(after.messages - before.messages == (n - 1) * (1 + 2 + 2), "messages");
    });
  }
}

TEST_CASE("the traffic of rows that go to their owners") {
  for (std::int64_t n = 1; n <= 4; ++n) {
    run_on_threads(static_cast<int>(n), [n](Communicator& comm) {
      Variable table = parameter(zeros({100, 16}));
      optim::Adam adam({{"table", table}}, {.lr = 0.1});
      DistributedOptimizer optimizer(adam, comm, {.rows = RowExchange::owners});
      std::vector<std::int64_t> ids;
      std::int64_t of_others = 0, owned = 0;
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t id = 10 * r; id <= 11 * r; ++id) {  // rank r has r + 1 rows
          if (id % n == comm.rank()) ++owned;
          if (r != comm.rank()) continue;
          ids.push_back(id);
          if (id % n != r) ++of_others;
        }
      }
      sum(embedding(table, tensor(ids))).backward();
      const Traffic before = comm.traffic();
      optimizer.step(1);
      const Traffic after = comm.traffic();
      const std::int64_t row = 8 + 16 * 4;
      expect(after.bytes - before.bytes ==
                 (n - 1) * (8 * (4 + 1) + 24) + row * (of_others + (n - 1) * owned),
             "bytes");
      expect(after.messages - before.messages == (n - 1) * (1 + 7), "messages");
    });
  }
}
