// A small training, the same for every number of ranks: a table, a dense layer, and batches that
// each rank computes by itself and takes its part of. Read next: training.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/distributed/communicator.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_embedding.h>
#include <tapegrad/optim/optimizer.h>

namespace tapegrad::distributed::test {

using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer>(std::vector<NamedParameter>)>;

struct Training {
  MakeOptimizer make;
  DType dtype = float64;
  int steps = 200;
  std::int64_t rows = 40;
  std::int64_t width = 4;
  std::int64_t batch = 7;   // examples of all ranks; every fifth batch has 2
  std::int64_t words = 3;   // per example
  double max_norm = 0;      // clips to it, if above 0
  bool rate_falls = false;  // with a schedule
  DistributedOptimizerOptions options = {};
  std::function<void(Variable& table, Variable& weight)> prepare = {};  // freezes, ties ...
  // The table is a ShardedEmbedding with these options, and `prepare` is not called.
  std::optional<ShardedEmbeddingOptions> sharded = std::nullopt;
  std::function<void(ShardedEmbedding& table)> prepare_sharded = {};
};

struct Trained {
  Tensor table, weight, bias;
  Traffic traffic;  // of the last step
};

// Trains, and checks that all ranks have the same bits. Collective.
Trained train(Communicator& comm, const Training& training);

// rank 0's result of train() on this many threads.
Trained train_on_threads(int ranks, const Training& training);

// The largest difference of the parameters, each relative to its largest element.
double difference(const Trained& a, const Trained& b);
bool same_bits(const Trained& a, const Trained& b);

// Every optimizer with options that select its different rules, with their names.
struct NamedOptimizer {
  std::string name;
  MakeOptimizer make;
};
std::vector<NamedOptimizer> all_optimizers();

}  // namespace tapegrad::distributed::test
