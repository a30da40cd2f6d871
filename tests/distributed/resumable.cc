// Read next: mpi_program.cc.
#include "resumable.h"

#include <filesystem>
#include <utility>
#include <vector>

#include <tapegrad/distributed/checkpoint.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_embedding.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/tapegrad.h>

namespace tapegrad::distributed::test {
namespace {

template <class Table>
struct Classifier : nn::Module {
  Table words;
  nn::Dropout dropout;
  nn::Linear head;

  Classifier(Table table, double p, DType dtype, Generator& own)
      : words(register_module("words", std::move(table))),
        dropout(register_module("dropout", nn::Dropout(p))),
        head(register_module("head", nn::Linear(6, 3, {.generator = own}))) {
    to(dtype);
  }
  Variable operator()(const Tensor& ids) const { return head(dropout(mean(words(ids), 1))); }
};

template <class Table>
Tensor train(Communicator& comm, const Resumable& training, const Table& table, Generator& own) {
  Generator data(2), orders(3);
  Classifier<Table> model(table, training.dropout, training.dtype, own);
  optim::Adam adam(model.parameters(), {.lr = 0.02});
  optim::ExponentialLR schedule(adam, {.gamma = 0.9});
  DistributedOptimizer optimizer(adam, comm);
  ShardedLoader loader(nn::TensorDataset(randint(0, 100, {50, 4}, data), randint(0, 3, {50}, data)),
                       comm, {.batch_size = 8, .shuffle = true}, orders);
  std::int64_t step = 0;
  const auto load_or_save = [&](auto function) {
    function(comm, training.path, model, optimizer, schedule, loader, orders, "step", step);
  };
  if (std::filesystem::exists(training.path)) {
    load_or_save([](auto&... parts) { load_checkpoint(parts...); });
  }
  std::int64_t batches = training.stop_after;
  for (std::int64_t pass = loader.passes(); pass < training.passes && batches != 0; ++pass) {
    for (const auto& [batch, count] : loader) {
      const auto& [ids, labels] = batch;
      optimizer.zero_grad();
      nn::cross_entropy(model(ids), labels).backward();
      optimizer.step(count);
      if (++step % training.save_every == 0) {
        load_or_save([](auto&... parts) { save_checkpoint(parts...); });
      }
      if (--batches == 0) break;
    }
    if (batches != 0) schedule.step();
  }
  optimizer.check_replicas();
  std::vector<Tensor> all;
  for (const auto& [name, value] : model.state_dict())
    all.push_back(value.reshape({value.numel()}));
  return cat(all);
}

}  // namespace

Tensor train_resumable(Communicator& comm, const Resumable& training) {
  Generator own(1);
  if (training.sharded) {
    return train(comm, training, ShardedEmbedding(100, 6, comm, {.generator = own}), own);
  }
  return train(comm, training, nn::Embedding(100, 6, {.generator = own}), own);
}

}  // namespace tapegrad::distributed::test
