// Read next: optimizer_test.cc.
#include "training.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/lion.h>
#include <tapegrad/optim/nadam.h>
#include <tapegrad/optim/radam.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/schedule.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::distributed::test {
namespace {

template <class Algorithm, class Options>
NamedOptimizer named(std::string name, Options options) {
  return {std::move(name), [options](std::vector<NamedParameter> parameters) {
            return std::unique_ptr<optim::Optimizer>(
                std::make_unique<Algorithm>(std::move(parameters), options));
          }};
}

// The mean of the squares of tanh(mean of the rows . weight + bias) - target.
Variable loss_of(const Variable& rows, const Variable& weight, const Variable& bias,
                 const Tensor& targets) {
  const Variable x = mean(rows, 1);                   // (batch, width)
  const Variable y = tanh(matmul(x, weight) + bias);  // (batch, 2)
  return mean(square(y - targets));
}

}  // namespace

Trained train(Communicator& comm, const Training& training) {
  // Only rank 0 has the initial values; the others get them from it.
  Generator own(comm.rank() == 0 ? 3 : 100 + static_cast<std::uint64_t>(comm.rank()));
  const auto initial = [&](Shape shape) { return parameter(randn(shape, training.dtype, own)); };
  Variable table = initial({training.rows, training.width});
  Variable weight = initial({training.width, 2});
  Variable bias = initial({2});
  std::optional<ShardedEmbedding> sharded;
  if (training.sharded) {
    ShardedEmbeddingOptions options = *training.sharded;
    Generator of_rank_0(3);
    options.weight = randn({training.rows, training.width}, training.dtype, of_rank_0);
    sharded.emplace(training.rows, training.width, comm, options);
    if (training.prepare_sharded) training.prepare_sharded(*sharded);
    table = sharded->weight;
  } else if (training.prepare) {
    training.prepare(table, weight);
  }
  const std::unique_ptr<optim::Optimizer> inner =
      training.make({{"table", table}, {"weight", weight}, {"bias", bias}});
  std::optional<optim::ExponentialLR> schedule;
  if (training.rate_falls) schedule.emplace(*inner, optim::ExponentialLROptions{.gamma = 0.99});
  DistributedOptimizer optimizer(*inner, comm, training.options);

  Generator data(5);
  Traffic before;
  for (int step = 0; step < training.steps; ++step) {
    const std::int64_t size = step % 5 == 4 ? 2 : training.batch;
    // The square makes small ids frequent, so ranks have rows in common.
    const Tensor u = rand({size, training.words}, float64, data);
    const Tensor ids = (square(u) * static_cast<double>(training.rows)).to(int64);
    const Tensor targets = randn({size, 2}, training.dtype, data);
    const auto [first, count] = detail::part_of_batch(size, comm.rank(), comm.size());
    before = comm.traffic();
    optimizer.zero_grad();
    const Tensor own_ids = narrow(ids, 0, first, count);
    const Variable rows = sharded ? (*sharded)(own_ids) : embedding(table, own_ids);
    if (count > 0) loss_of(rows, weight, bias, narrow(targets, 0, first, count)).backward();
    optimizer.average_gradients(count);
    if (training.max_norm > 0 && sharded) {
      optimizer.clip_grad_norm(training.max_norm);
    } else if (training.max_norm > 0) {
      optim::clip_grad_norm({table, weight, bias}, training.max_norm);
    }
    optimizer.step();
    if (schedule) schedule->step();
  }
  const Traffic after = comm.traffic();
  optimizer.check_replicas();
  return {sharded ? sharded->full_weight() : table.value().clone(),
          weight.value().clone(),
          bias.value().clone(),
          {after.messages - before.messages, after.bytes - before.bytes}};
}

Trained train_on_threads(int ranks, const Training& training) {
  Trained result;
  run_on_threads(ranks, [&](Communicator& comm) {
    Trained mine = train(comm, training);
    if (comm.rank() == 0) result = std::move(mine);
  });
  return result;
}

double difference(const Trained& a, const Trained& b) {
  const auto of = [](const Tensor& x, const Tensor& y) {
    const double largest = max(abs(y)).item<double>();
    return max(abs(x - y)).item<double>() / std::max(largest, 1e-300);
  };
  return std::max({of(a.table, b.table), of(a.weight, b.weight), of(a.bias, b.bias)});
}

bool same_bits(const Trained& a, const Trained& b) {
  return equal(a.table, b.table) && equal(a.weight, b.weight) && equal(a.bias, b.bias);
}

std::vector<NamedOptimizer> all_optimizers() {
  using namespace optim;
  const SGDOptions heavy{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01};
  SGDOptions dampened = heavy, nesterov = heavy;
  dampened.dampening = 0.5;
  nesterov.nesterov = true;
  return {
      named<SGD>("SGD", SGDOptions{.lr = 0.1}),
      named<SGD>("SGD, momentum and decay", heavy),
      named<SGD>("SGD, dampened", dampened),
      named<SGD>("SGD, Nesterov", nesterov),
      named<Adam>("Adam", AdamOptions{.lr = 0.01}),
      named<Adam>("Adam, decay", AdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      named<Adam>("AMSGrad", AdamOptions{.lr = 0.01, .amsgrad = true}),
      named<AdamW>("AdamW", AdamWOptions{.lr = 0.01, .weight_decay = 0.1}),
      named<Adagrad>("Adagrad", AdagradOptions{.lr = 0.1, .lr_decay = 0.001}),
      named<Adagrad>("Adagrad, decay", AdagradOptions{.lr = 0.1, .weight_decay = 0.01}),
      named<RMSprop>("RMSprop", RMSpropOptions{.lr = 0.01}),
      named<RMSprop>("RMSprop, centered",
                     RMSpropOptions{.lr = 0.001, .momentum = 0.9, .centered = true}),
      named<Adadelta>("Adadelta", AdadeltaOptions{.lr = 1}),
      named<Adadelta>("Adadelta, decay", AdadeltaOptions{.lr = 1, .weight_decay = 0.01}),
      named<NAdam>("NAdam", NAdamOptions{.lr = 0.01}),
      named<NAdam>("NAdam, decay", NAdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      named<RAdam>("RAdam", RAdamOptions{.lr = 0.01}),
      named<RAdam>("RAdam, decay", RAdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      named<Lion>("Lion", LionOptions{.lr = 0.001}),
      named<Lion>("Lion, decay", LionOptions{.lr = 0.001, .weight_decay = 0.1}),
  };
}

}  // namespace tapegrad::distributed::test
