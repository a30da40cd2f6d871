// ShardedEmbedding: n ranks that keep a part of the rows each train the table that one rank trains.
// Read next: sharded_loader_test.cc.
#include <tapegrad/distributed/sharded_embedding.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/checkpoint.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_table.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/optim/weight_average.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "../catch.h"
#include "collectives.h"
#include "training.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::difference;
using test::expect;
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

// A table of one rank, and a sharded one on 1 to 4 ranks, twice.
void check_training(Training plain, const ShardedEmbeddingOptions& options = {}) {
  const Trained one = train_on_threads(1, plain);
  plain.sharded = options;
  for (int n = 1; n <= 4; ++n) {
    CAPTURE(n);
    const Trained several = train_on_threads(n, plain);
    CHECK(difference(several, one) < 1e-6);
    CHECK(same_bits(train_on_threads(n, plain), several));
  }
}

std::string refusal(int ranks, const std::function<void(Communicator&)>& function) {
  try {
    run_on_threads(ranks, function);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(0, text.find("; in rank"));
  }
  return "not refused";
}

struct Model : nn::Module {
  ShardedEmbedding words;
  nn::Linear head;
  explicit Model(Communicator& comm, std::uint64_t seed = 1) : Model(comm, Generator(seed)) {}

  Variable operator()(const Tensor& ids) const { return head(mean(words(ids), 1)); }

 private:
  Model(Communicator& comm, Generator own)
      : words(register_module("words",
                              ShardedEmbedding(11, 4, comm, {.padding_idx = 0, .generator = own}))),
        head(register_module("head", nn::Linear(4, 3, {.generator = own}))) {}
};

// The same on one rank.
struct PlainModel : nn::Module {
  nn::Embedding words;
  nn::Linear head;
  explicit PlainModel(std::uint64_t seed = 1) : PlainModel(Generator(seed)) {}
  Variable operator()(const Tensor& ids) const { return head(mean(words(ids), 1)); }

 private:
  explicit PlainModel(Generator own)
      : words(register_module("words", nn::Embedding(11, 4, {.padding_idx = 0, .generator = own}))),
        head(register_module("head", nn::Linear(4, 3, {.generator = own}))) {}
};

}  // namespace

TEST_CASE("sharded: every optimizer trains the table of one rank", "[threads]") {
  for (const test::NamedOptimizer& optimizer : test::all_optimizers()) {
    CAPTURE(optimizer.name);
    Training training{.make = optimizer.make};
    const Trained one = train_on_threads(1, training);
    training.sharded.emplace();
    const Trained three = train_on_threads(3, training);
    CHECK(difference(three, one) < 1e-6);
    CHECK(same_bits(train_on_threads(3, training), three));
  }
}

TEST_CASE("sharded: uneven batches, ranks without an example, more ranks than rows") {
  check_training({.make = kAdam});
  check_training({.make = kAdam, .batch = 1});
  check_training({.make = kAdam, .rows = 3});
  check_training({.make = kAdam, .width = 1});
}

TEST_CASE("sharded: clipping knows the rows of all ranks") {
  const Training plain{.make = make<optim::SGD>(optim::SGDOptions{.lr = 0.1})};
  Training clipped = plain;
  clipped.max_norm = 0.05;
  check_training(clipped);
  CHECK(difference(train_on_threads(1, clipped), train_on_threads(1, plain)) > 0.01);
}

TEST_CASE("sharded: schedules, padding, frozen rows, sparse steps") {
  check_training({.make = kAdam, .rate_falls = true});
  check_training(
      {.make = kAdam,
       .prepare = [](Variable& table, Variable&) { table.row_policy().set_sparse(true); }},
      {.sparse = true});
  // With decay, which would move the padding row if it were trained.
  Training training{.make = make<optim::Adam>(optim::AdamOptions{.lr = 0.01, .weight_decay = 0.1}),
                    .prepare =
                        [](Variable& table, Variable&) {
                          table.row_policy().set_padding_row(2);
                          table.row_policy().freeze_rows(std::vector<std::int64_t>{0, 3, 5});
                        },
                    .prepare_sharded =
                        [](ShardedEmbedding& table) {
                          table.freeze_rows({0, 3, 5});
                        }};
  check_training(training, {.padding_idx = 2});
  check_training(training, {.padding_idx = 2 - training.rows});
}

TEST_CASE("sharded: the initial table is that of nn::Embedding") {
  for (const std::int64_t rows : {0, 1, 3, 4095, 8191, 8192, 9001, 12288}) {
    for (const std::int64_t width : {1, 3}) {
      for (const DType dtype : {float32, float64}) {
        CAPTURE(rows, width, dtype);
        Generator seed(4);
        const nn::Embedding whole(rows, width, {.dtype = dtype, .generator = seed});
        const Tensor after = rand({1}, float64, seed);
        run_on_threads(3, [&](Communicator& comm) {
          Generator own(4);
          const ShardedEmbedding table(rows, width, comm, {.dtype = dtype, .generator = own});
          expect(equal(table.full_weight(), whole.weight.value()), "the table");
          expect(table.weight.size(0) == (rows - comm.rank() + 2) / 3, "rows of a rank");
          expect(equal(rand({1}, float64, own), after), "the generator");
        });
      }
    }
  }
}

TEST_CASE("sharded: lookups of any shape, no ids, several before a step, without a step") {
  run_on_threads(3, [](Communicator& comm) {
    const Tensor weight = reshape(arange(0, 14, 1, float64), {7, 2});
    ShardedEmbedding table(7, 2, comm, {.weight = weight});
    optim::SGD sgd(table.parameters(), {.lr = 1});
    DistributedOptimizer optimizer(sgd, comm);
    const Tensor ids = tensor({{6, 0, 6}, {3, 3, 1}});
    expect(equal(table(ids).value(), embedding(Variable(weight), ids).value()), "2-d");
    expect(table(tensor(5)).value().shape() == Shape{2}, "0-d");
    expect(table(zeros({0, 4}, int64)).value().shape() == Shape{0, 4, 2}, "empty");
    {
      const NoGrad guard;
      expect(!table(ids).requires_grad(), "NoGrad");
    }
    // Each rank adds 1 to row 6, and its number to row `rank`; a third lookup has no backward().
    sum(table(tensor({6}))).backward();
    (sum(table(tensor({comm.rank()}))) * static_cast<double>(comm.rank())).backward();
    const Variable unused = table(tensor({5}));
    optimizer.average_gradients();
    optimizer.step();
    Tensor want = weight.clone();
    const auto subtract = [&](std::int64_t row, double x) {
      want.index_put_({row}, select(want, 0, row) - x);
    };
    subtract(6, 1);
    for (const int r : {1, 2}) subtract(r, r / 3.0);
    expect(max(abs(table.full_weight() - want)).item<double>() < 1e-15, "the step");
    // zero_grad() drops what was not used.
    sum(table(tensor({4}))).backward();
    optimizer.zero_grad();
    sum(table(tensor({6}))).backward();
    optimizer.step();
    subtract(6, 1);
    expect(max(abs(table.full_weight() - want)).item<double>() < 1e-15, "after zero_grad()");
    // Without zero_grad(), the mean of the last step is added again, as for any parameter.
    sum(table(tensor({6}))).backward();
    optimizer.step();
    subtract(6, 2);
    expect(max(abs(table.full_weight() - want)).item<double>() < 1e-15, "without zero_grad()");
  });
}

TEST_CASE("sharded: a dense gradient, a gradient of the rows themselves, counts") {
  run_on_threads(2, [](Communicator& comm) {
    ShardedEmbedding table(4, 1, comm, {.weight = zeros({4, 1}, float64)});
    optim::SGD sgd(table.parameters(), {.lr = 1});
    DistributedOptimizer optimizer(sgd, comm);
    // Rank 0 has 3 examples, rank 1 has 1. A penalty of the own rows is not averaged.
    const std::int64_t count = comm.rank() == 0 ? 3 : 1;
    const Variable loss = sum(table(tensor({1, 2}))) * (comm.rank() + 1.0);
    (loss + sum(table.weight)).backward();
    optimizer.step(count);
    const double mean = (3 * 1 + 1 * 2) / 4.0;
    expect(equal(table.full_weight(), tensor({{-1.0}, {-1 - mean}, {-1 - mean}, {-1.0}})), "step");
  });
}

TEST_CASE("sharded: state dicts hold the whole table, for any number of ranks") {
  StateDict model_state, optimizer_state;
  const auto step = [](auto& model, auto& optimizer, const Tensor& ids) {
    optimizer.zero_grad();
    nn::cross_entropy(model(ids), remainder(select(ids, 1, 0), 3)).backward();
    optimizer.step();
  };
  Generator data(6);
  const Tensor ids = randint(0, 11, {6, 3}, data);
  // One rank, the plain layer.
  PlainModel plain;
  optim::Adam plain_adam(plain.parameters(), {.lr = 0.1});
  for (int i = 0; i < 5; ++i) step(plain, plain_adam, ids);
  run_on_threads(3, [&](Communicator& comm) {
    Model model(comm);
    optim::Adam adam(model.parameters(), {.lr = 0.1});
    DistributedOptimizer optimizer(adam, comm);
    for (int i = 0; i < 5; ++i) step(model, optimizer, ids);  // the same batch on all ranks
    StateDict state = model.state_dict();
    expect(state.at("words.weight").shape() == Shape{11, 4}, "the table");
    StateDict its_state = optimizer.state_dict();
    expect(its_state.at("state.words.weight.exp_avg").shape() == Shape{11, 4}, "a moment");
    if (comm.rank() == 0) model_state = state, optimizer_state = its_state;
  });
  const auto near = [](const Tensor& a, const Tensor& b) {
    return max(abs(a - b)).item<double>() < 1e-5;
  };
  CHECK(near(model_state.at("words.weight"), plain.words.weight.value()));
  CHECK(near(optimizer_state.at("state.words.weight.exp_avg_sq"),
             plain_adam.state_dict().at("state.words.weight.exp_avg_sq")));
  // Other ranks, and the plain layer, continue.
  PlainModel continued(2);
  continued.load_state_dict(model_state);
  optim::Adam its_adam(continued.parameters(), {.lr = 0.1});
  its_adam.load_state_dict(optimizer_state);
  step(continued, its_adam, ids);
  for (const int ranks : {1, 2, 4}) {
    run_on_threads(ranks, [&](Communicator& comm) {
      Model model(comm, 2);
      optim::Adam adam(model.parameters(), {.lr = 0.1});
      DistributedOptimizer optimizer(adam, comm);
      model.load_state_dict(model_state);
      optimizer.load_state_dict(optimizer_state);
      step(model, optimizer, ids);
      expect(near(model.words.full_weight(), continued.words.weight.value()), "continued");
    });
  }
}

TEST_CASE("sharded: a clone has rows of its own, and replace_module() brings them") {
  run_on_threads(2, [](Communicator& comm) {
    Model model(comm);
    const Tensor before = model.words.full_weight();
    Model copy = clone(model);
    optim::SGD sgd(copy.parameters(), {.lr = 1});
    DistributedOptimizer optimizer(sgd, comm);
    sum(copy(tensor({{1, 2}}))).backward();
    optimizer.step();
    expect(equal(model.words.full_weight(), before), "the original");
    const Tensor after = copy.words.full_weight();
    expect(!equal(after, before), "the clone was trained");
    Model other(comm, 3);
    other.replace_module("words", copy.words);
    expect(equal(other.words.full_weight(), after), "replaced");
    expect(equal(other.state_dict().at("words.weight"), after), "saved");
    expect(equal(other.words(tensor({1})).value(), copy.words(tensor({1})).value()), "looked up");
  });
}

TEST_CASE("sharded: gradients that come after zero_grad(), twice, or never") {
  run_on_threads(2, [](Communicator& comm) {
    const Tensor weight = reshape(arange(0, 22, 1, float64), {11, 2}) * 0.1;
    const Tensor ids = tensor({1, 2, 2, 5});
    ShardedEmbedding table(11, 2, comm, {.weight = weight});
    nn::Embedding plain(11, 2, {.weight = weight});
    optim::SGD sgd(table.parameters(), {.lr = 0.3}), plain_sgd(plain.parameters(), {.lr = 0.3});
    DistributedOptimizer optimizer(sgd, comm);
    const auto check = [&](const char* what) {
      const Tensor all = table.full_weight();
      expect(max(abs(all - plain.weight.value())).item<double>() < 1e-14, what);
      expect(!equal(all, weight), "it was trained");
    };
    const auto both = [&](const auto& steps) {
      steps(table, optimizer);
      steps(plain, plain_sgd);
    };
    both([&](auto& words, auto& its_optimizer) {
      const Variable loss = sum(square(words(ids)));
      its_optimizer.zero_grad();
      loss.backward();
      its_optimizer.step();
    });
    check("zero_grad() between forward and backward");
    both([&](auto& words, auto& its_optimizer) {
      const Variable loss = sum(square(words(ids)));
      for (int i = 0; i < 2; ++i) {
        its_optimizer.zero_grad();
        loss.backward({.retain_graph = true});
        its_optimizer.step();
      }
    });
    check("a graph that is used for two steps");
    both([&](auto& words, auto& its_optimizer) {
      its_optimizer.zero_grad();
      const Variable kept = sum(square(words(tensor({9}))));
      sum(words(tensor({8}))).backward();
      its_optimizer.zero_grad();  // drops it
      sum(words(ids)).backward();
      its_optimizer.step();
      kept.backward();
      its_optimizer.zero_grad();  // drops this, too
      its_optimizer.step();
    });
    check("gradients that were dropped");
    // Lookups whose results are gone, or have no gradient to come, are forgotten.
    const auto shared = distributed::detail::sharded_table_of(table.weight);
    for (int i = 0; i < 1000; ++i) table(ids);
    expect(shared->lookups.size() <= 17, "lookups without a step");
    std::vector<Variable> results;
    for (int i = 0; i < 100; ++i) results.push_back(table(ids));
    expect(shared->lookups.size() >= 100, "lookups whose results are used");
    for (const Variable& result : results) sum(result).backward();
    results.clear();
    optimizer.step();
    expect(shared->lookups.empty(), "after a step");
    for (int i = 0; i < 100; ++i) sum(plain(ids)).backward();
    plain_sgd.step();
    check("many lookups of one step");
  });
}

TEST_CASE("sharded: to() drops the gradients of lookups, as it does others") {
  run_on_threads(2, [](Communicator& comm) {
    ShardedEmbedding table(4, 2, comm);
    optim::SGD sgd(table.parameters(), {.lr = 1});
    DistributedOptimizer optimizer(sgd, comm);
    sum(table(tensor({1}))).backward();
    table.to(float64);
    const Tensor before = table.full_weight();
    sum(table(tensor({2}))).backward();
    optimizer.step();
    expect(equal(select(table.full_weight(), 0, 1), select(before, 0, 1)), "dropped");
    expect(equal(select(table.full_weight(), 0, 2), select(before, 0, 2) - 1), "trained");
  });
}

TEST_CASE("sharded: tied tables have one gradient") {
  run_on_threads(2, [](Communicator& comm) {
    const Tensor weight = zeros({4, 2}, float64);
    ShardedEmbedding a(4, 2, comm, {.weight = weight}), b(4, 2, comm, {.weight = weight});
    tie(b.weight, a.weight);
    optim::SGD sgd(b.parameters(), {.lr = 1});
    DistributedOptimizer optimizer(sgd, comm);
    sum(a(tensor({0, 1})) + b(tensor({1, 2})) * 10).backward();
    optimizer.step();
    const Tensor want = tensor({{-1.0, -1.0}, {-11.0, -11.0}, {-10.0, -10.0}, {0.0, 0.0}});
    expect(equal(a.full_weight(), want), "a");
    expect(equal(b.full_weight(), want), "b");
    expect(equal(b.state_dict().at("weight"), want), "saved");
  });
}

TEST_CASE("sharded: a table is trained again after its optimizer is gone") {
  run_on_threads(2, [](Communicator& comm) {
    ShardedEmbedding table(4, 2, comm);
    {
      optim::SGD sgd(table.parameters(), {.lr = 1});
      DistributedOptimizer optimizer(sgd, comm);
      sum(table(tensor({1}))).backward();
      optimizer.step();
    }
    sum(table(tensor({1}))).backward();
    bool refused = false;
    try {
      table(tensor({1}));
    } catch (const ValueError&) {
      refused = true;
    }
    expect(refused, "nothing would train it");
    optim::SGD sgd(table.parameters(), {.lr = 1});
    const DistributedOptimizer optimizer(sgd, comm);
    table(tensor({1}));
  });
}

// docs/distributed.md derives these numbers.
TEST_CASE("sharded: the traffic of a lookup and of a step") {
  for (std::int64_t n = 1; n <= 4; ++n) {
    run_on_threads(static_cast<int>(n), [n](Communicator& comm) {
      ShardedEmbedding table(100, 16, comm);
      optim::Adam adam(table.parameters(), {.lr = 0.1});
      DistributedOptimizer optimizer(adam, comm);
      std::vector<std::int64_t> ids;
      std::int64_t of_others = 0, served = 0;  // rows that this rank asks for, and gives to others
      for (std::int64_t r = 0; r < n; ++r) {
        for (std::int64_t id = 10 * r; id <= 11 * r; ++id) {  // rank r has r + 1 rows
          if (id % n == comm.rank() && r != comm.rank()) ++served;
          if (r != comm.rank()) continue;
          ids.push_back(id);
          ids.push_back(id);  // sent once
          if (id % n != r) ++of_others;
        }
      }
      const auto sent_by = [&](const auto& function) {
        const Traffic before = comm.traffic();
        function();
        const Traffic after = comm.traffic();
        return std::pair(after.bytes - before.bytes, after.messages - before.messages);
      };
      const std::int64_t row = 16 * 4, counts = 16 * (n - 1), messages = 4 * (n - 1);
      Variable x;
      const auto lookup = sent_by([&] { x = table(tensor(ids)); });
      expect(lookup == std::pair(counts + 8 * of_others + row * served, messages), "lookup");
      expect(sent_by([&] { sum(x).backward(); }) == std::pair(std::int64_t{0}, std::int64_t{0}),
             "backward");
      const auto step = sent_by([&] { optimizer.step(1); });
      const std::int64_t plan = (n - 1) * 8 * (4 + 1);
      expect(step == std::pair(plan + counts + (8 + row) * of_others, messages + n - 1), "step");
    });
  }
}

TEST_CASE("sharded: what is refused") {
  const auto layer = [](std::int64_t rows, std::int64_t width, ShardedEmbeddingOptions options) {
    return refusal(1, [&](Communicator& comm) { ShardedEmbedding(rows, width, comm, options); });
  };
  CHECK(layer(-1, 2, {}) == "ShardedEmbedding: negative size in (-1, 2)");
  CHECK(layer(3, 2, {.weight = zeros({2, 2})}) ==
        "ShardedEmbedding: weight is float32 (2, 2), needed floating-point (3, 2)");
  CHECK(layer(3, 2, {.padding_idx = 3}).find("padding_idx") != std::string::npos);
  CHECK(refusal(2, [](Communicator& comm) {
          ShardedEmbedding table(5, 2, comm);
          table(tensor({0, 5}));
        }).find("5 out of range for 5 rows") != std::string::npos);
  CHECK(refusal(2, [](Communicator& comm) {
          ShardedEmbedding table(5, 2, comm);
          table.freeze_rows({5});
        }) == "ShardedEmbedding::freeze_rows: row 5 out of range for 5 rows");
  // A plain optimizer never gets the gradients.
  CHECK(refusal(2, [](Communicator& comm) {
          ShardedEmbedding table(5, 2, comm);
          optim::SGD sgd(table.parameters(), {.lr = 1});
          for (int i = 0; i < 2; ++i) {
            sum(table(tensor({0}))).backward();
            sgd.step();
          }
        }).find("make a DistributedOptimizer that holds this weight") != std::string::npos);
  CHECK(refusal(2, [](Communicator& comm) {
          ShardedEmbedding a(5, 2, comm), b(5, 2, comm);
          ShardedEmbedding larger(6, 2, comm);
          tie(b.weight, a.weight);
          b(tensor({0}));
          tie(b.weight, larger.weight);
          b(tensor({0}));
        }).find("tie") != std::string::npos);
  // The threads' own communicator, and one of this rank alone.
  CHECK(refusal(1,
                [](Communicator& comm) {
                  ShardedEmbedding table(5, 2, comm);
                  optim::SGD sgd(table.parameters(), {.lr = 1});
                  run_on_threads(1, [&](Communicator& other) { DistributedOptimizer(sgd, other); });
                }) ==
        "rank 0: DistributedOptimizer: 'weight' belongs to a ShardedEmbedding with another "
        "communicator; give both the same one");
  // What knows the rows of one rank, saved or loaded as if it knew all.
  const auto saved = [](const auto& save) {
    return refusal(2, [&](Communicator& comm) {
      Model model(comm);
      optim::Adam adam(model.parameters(), {});
      DistributedOptimizer optimizer(adam, comm);
      sum(model(tensor({{1, 2}}))).backward();
      optimizer.step();
      save(comm, model, adam, optimizer);
    });
  };
  CHECK(saved([](Communicator& comm, auto&, auto& adam, auto&) {
          save_checkpoint(comm, "not_written.ckpt", adam);
        }) ==
        "checkpoint: 'words.weight' is the weight of a ShardedEmbedding, and rank 0 has a part of "
        "its rows; give the DistributedOptimizer, not the one inside");
  CHECK(saved([](Communicator& comm, auto& model, auto&, auto&) {
          optim::WeightAverage average(model.parameters());
          load_checkpoint(comm, "not_read.ckpt", average);
        }).find("in a file of its own") != std::string::npos);
  CHECK(saved([](Communicator& comm, auto&, auto& adam, auto& optimizer) {
          optimizer.load_state_dict(adam.state_dict());
          comm.barrier();
        }).find("4), needed all 11 rows of the ShardedEmbedding") != std::string::npos);
  CHECK(refusal(2, [](Communicator& comm) {
          ShardedEmbedding table(5 + comm.rank(), 2, comm);
          optim::SGD sgd(table.parameters(), {.lr = 1});
          DistributedOptimizer optimizer(sgd, comm);
        }).find("float32 (6, 2) in rows of the ranks, but rank 0 has") != std::string::npos);
  for (const double norm_type : {0.0, -1.0, std::nan("")}) {
    CHECK(refusal(1, [&](Communicator& comm) {
            Model model(comm);
            optim::SGD sgd(model.parameters(), {.lr = 1});
            DistributedOptimizer(sgd, comm).clip_grad_norm(1, norm_type);
          }).find("norm_type is") != std::string::npos);
  }
}

TEST_CASE("clip_grad_norm of DistributedOptimizer: a norm that is not finite") {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const double limit : {1.0, std::numeric_limits<double>::infinity()}) {
      for (const double norm_type : {2.0, std::numeric_limits<double>::infinity()}) {
        CAPTURE(bad, limit, norm_type);
        const auto learn = [&](auto& model, auto& its_optimizer, bool is_first, const auto& clip) {
          sum(model.words(tensor({2}))).backward();
          sum(model.head(ones({1, 4}))).backward();
          if constexpr (requires { its_optimizer.average_gradients(); }) {
            its_optimizer.average_gradients();
          }
          // Rows of rank 0 only.
          Variable table = model.words.weight;
          if (is_first) table.set_grad(table.grad() + bad);
          return clip();
        };
        PlainModel plain;
        optim::SGD plain_sgd(plain.parameters(), {.lr = 1});
        const double want = learn(plain, plain_sgd, true, [&] {
          return optim::clip_grad_norm(plain.parameters(), limit, norm_type);
        });
        run_on_threads(3, [&](Communicator& comm) {
          Model model(comm);
          optim::SGD sgd(model.parameters(), {.lr = 1});
          DistributedOptimizer optimizer(sgd, comm);
          const double norm = learn(model, optimizer, comm.rank() == 0,
                                    [&] { return optimizer.clip_grad_norm(limit, norm_type); });
          expect(std::isnan(norm) == std::isnan(want) && std::isinf(norm) == std::isinf(want),
                 "norm");
          const Tensor head = model.head.weight.grad(), plain_head = plain.head.weight.grad();
          expect(allclose(head, plain_head, 1e-6, 1e-6, true), "scaled");
        });
      }
    }
  }
}

TEST_CASE(
    "clip_grad_norm of DistributedOptimizer is optim's, with a table on one rank or on several") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double norm_type : {1.0, 2.0, 3.0, infinity}) {
    for (const double limit : {0.0, 0.1, 100.0}) {
      CAPTURE(norm_type, limit);
      PlainModel plain;
      const Tensor ids = tensor({{1, 2, 5}, {7, 7, 0}});
      sum(square(plain(ids))).backward();
      const double want = optim::clip_grad_norm(plain.parameters(), limit, norm_type);
      run_on_threads(3, [&](Communicator& comm) {
        Model model(comm);
        optim::SGD sgd(model.parameters(), {.lr = 1});
        DistributedOptimizer optimizer(sgd, comm);
        sum(square(model(ids))).backward();
        const double norm = optimizer.clip_grad_norm(limit, norm_type);
        expect(std::abs(norm - want) <= 1e-5 * want, "norm");
        const Tensor head = model.head.weight.grad();
        expect(max(abs(head - plain.head.weight.grad())).item<double>() < 1e-5, "scaled");
        const Tensor own = model.words.weight.grad();
        const Tensor rows = plain.words.weight.grad().index({Slice{comm.rank(), 11, 3}});
        expect(max(abs(own - rows)).item<double>() < 1e-5, "scaled rows");
      });
    }
  }
}
