// Threads that only read a model after training, while rows of its tables have pending steps.
// ThreadSanitizer runs these, too.
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "optim/kinds.h"

using namespace tapegrad;

namespace {

constexpr std::int64_t kRows = 60;
constexpr int kThreads = 3;

// A table whose rows have many pending steps, and its elements after a flush.
struct Trained {
  Variable table;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor expected;
};

Trained train(const Kind& kind, const std::function<void(RowPolicy&)>& set = {}) {
  const auto run = [&] {
    Generator generator(7);
    Trained result{parameter(randn({kRows, 5}, float32, generator)), nullptr, {}};
    if (set) set(result.table.row_policy());
    result.optimizer = kind.make(result.table);
    sum(sin(embedding(result.table, arange(kRows)))).backward();  // every row has moments
    result.optimizer->step();
    for (int step = 0; step < 12; ++step) {
      result.optimizer->zero_grad();
      sum(sin(embedding(result.table, tensor({step % 5, 11 * step % 60})))).backward();
      result.optimizer->step();
    }
    return result;
  };
  Trained result = run();
  result.expected = run().table.value().clone();
  return result;
}

// Calls read(thread) on several threads at once, and counts the calls that return false.
int wrong_reads(const std::function<bool(int)>& read) {
  std::atomic<int> wrong = 0;
  std::atomic<int> started = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      ++started;
      while (started < kThreads) std::this_thread::yield();
      if (!read(thread)) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

}  // namespace

TEST_CASE("threads look up rows that have pending steps", "[threads]") {
  for (const Kind& kind : all_kinds()) {
    INFO(kind.name);
    for (int round = 0; round < 5; ++round) {
      const Trained trained = train(kind);
      const int wrong = wrong_reads([&](int thread) {
        const NoGrad guard;
        bool right = true;
        for (std::int64_t i = 0; i < kRows; i += 2) {
          const std::int64_t first = thread == 2 ? kRows - 1 - i : i;
          const Tensor ids = tensor(std::vector<std::int64_t>{first, (i * 7 + thread) % kRows});
          const Tensor rows = embedding(trained.table, ids).value();
          right = right && allclose(rows, index_select(trained.expected, 0, ids));
        }
        return right;
      });
      CHECK(wrong == 0);
      CHECK(allclose(trained.table.value(), trained.expected));
    }
  }
}

TEST_CASE("threads read whole tables, rows and bags that have pending steps", "[threads]") {
  const Kind adam = kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01});
  for (int round = 0; round < 20; ++round) {
    const Trained trained = train(adam, [&](RowPolicy& policy) {
      if (round % 2 == 1) policy.set_constraint({RowConstraint::Kind::unit_norm});
      if (round % 4 >= 2) policy.freeze_columns(std::vector<std::int64_t>{1, 3});
    });
    const int wrong = wrong_reads([&](int thread) {
      const NoGrad guard;
      if (thread == 0) {
        const Tensor bags =
            embedding_bag(trained.table, reshape(arange(kRows), {kRows, 1})).value();
        return allclose(bags, trained.expected);
      }
      if (thread == 1 || round % 3 == 0) {
        const Variable copy = trained.table;
        return allclose((copy * 1.0).value(), trained.expected);
      }
      return allclose(embedding(trained.table, arange(kRows)).value(), trained.expected);
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("threads differentiate, save and explain a table that has pending steps", "[threads]") {
  const Kind adam = kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01});
  for (int round = 0; round < 20; ++round) {
    const Trained trained = train(adam);
    const int wrong = wrong_reads([&](int thread) {
      if (thread == 0) {
        const Variable loss = sum(square(embedding(trained.table, arange(kRows))));
        return allclose(grad(loss, trained.table).value(), trained.expected * 2);
      }
      if (thread == 1) {
        return trained.optimizer->state_dict().size() == 4 &&
               trained.optimizer->state(trained.table).step == 13;
      }
      const std::string reason =
          trained.optimizer->explain_update(trained.table, 11 * 11 % 60).reason;
      return reason.starts_with("moved by its gradient");
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("threads use a model at the same time after training", "[threads]") {
  manual_seed(1);
  const nn::Embedding embedding(kRows, 8, {.padding_idx = 0});
  const nn::LSTM layer(8, 8, {.batch_first = true});
  const nn::Linear head(8, 3);
  std::vector<NamedParameter> all = embedding.parameters();
  for (const auto& part : {layer.parameters(), head.parameters()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  const auto model = [&](const Tensor& ids) { return head(select(layer(embedding(ids)).h, 0, 0)); };
  optim::Adam adam(std::move(all));
  for (int step = 0; step < 10; ++step) {
    adam.zero_grad();
    const Tensor ids = randint(1, kRows, {2, 3});
    nn::cross_entropy(model(ids), tensor({0, 2})).backward();
    adam.step();
  }
  const Tensor ids = reshape(arange(kRows), {12, 5});
  std::vector<Tensor> outputs(kThreads);
  std::vector<std::size_t> tape_sizes(kThreads, 1);
  wrong_reads([&](int thread) {
    const auto i = static_cast<std::size_t>(thread);
    if (thread == 0) {
      const NoGrad guard;
      outputs[i] = model(ids).value();
    } else {
      outputs[i] = model(ids).value();  // with history, which is dropped
    }
    tape_sizes[i] = tape().size();
    return true;
  });
  for (const Tensor& output : outputs) CHECK(equal(output, outputs[0]));
  for (const std::size_t size : tape_sizes) CHECK(size == 0);
  CHECK(equal(model(ids).value(), outputs[0]));
}

TEST_CASE("threads look up rows that max_norm scales", "[threads]") {
  for (int round = 0; round < 20; ++round) {
    Generator generator(5);
    const Variable table = parameter(randn({kRows, 5}, float32, generator) * 2.0);
    const Variable twin = parameter(table.value().clone());
    const EmbeddingLookup lookup{.max_norm = 1.0};
    const Tensor expected = embedding(twin, arange(kRows), lookup).value();
    CHECK(wrong_reads([&](int) {
            const NoGrad guard;
            return allclose(embedding(table, arange(kRows), lookup).value(), expected);
          }) == 0);
  }
}

TEST_CASE("one thread for each part of a batch: gradients are added up afterwards", "[threads]") {
  manual_seed(2);
  const nn::Embedding embedding(kRows, 4);
  const nn::Linear head(4, 3);
  std::vector<Variable> leaves = {embedding.weight, head.weight, head.bias};
  optim::Adam adam({embedding.weight, head.weight, head.bias}, {.lr = 0.05});
  const Tensor ids = randint(0, kRows, {kThreads, 6});
  const Tensor labels = randint(0, 3, {kThreads, 6});
  const auto loss_of = [&](std::int64_t part) {
    return nn::cross_entropy(head(embedding(select(ids, 0, part))), select(labels, 0, part),
                             {.reduction = nn::Reduction::sum});
  };
  for (int step = 0; step < 6; ++step) {
    Variable whole = loss_of(0);
    for (int part = 1; part < kThreads; ++part) whole = whole + loss_of(part);
    const std::vector<Variable> expected = grad(whole, leaves);
    std::vector<std::vector<Variable>> parts(kThreads);
    CHECK(wrong_reads([&](int thread) {
            parts[static_cast<std::size_t>(thread)] = grad(loss_of(thread), leaves);
            return tape().size() == 0;
          }) == 0);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      Tensor total = parts[0][i].value();
      for (int part = 1; part < kThreads; ++part) {
        total = total + parts[static_cast<std::size_t>(part)][i].value();
      }
      CHECK(allclose(total, expected[i].value()));
      leaves[i].set_grad(total);
    }
    adam.step();
  }
}
