// dropout_by_example: models with dropout that learn the same, however many ranks there are. Read
// next: checkpoint_test.cc.
#include <cstdint>
#include <vector>

#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tapegrad.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "../catch.h"

using namespace tapegrad;
using namespace tapegrad::distributed;

namespace {

constexpr std::int64_t kExamples = 22, kSteps = 5, kWidth = 4;

// Every place that drops: alone, steps first, whole channels, between layers of a recurrent
// network, and in attention.
struct Model : nn::Module {
  nn::Dropout dropout;
  nn::AlphaDropout alpha;
  nn::Dropout2d channels;
  nn::LSTM lstm;
  nn::TransformerEncoderLayer encoder;
  nn::Linear head;

  explicit Model(Generator& generator)
      : dropout(register_module("dropout", nn::Dropout(0.3, generator))),
        alpha(register_module("alpha", nn::AlphaDropout(0.2, generator))),
        channels(register_module("channels", nn::Dropout2d(0.3, generator))),
        lstm(register_module(
            "lstm",
            nn::LSTM(kWidth, kWidth,
                     {.num_layers = 2, .dropout = 0.3, .dtype = float64, .generator = generator}))),
        encoder(register_module("encoder", nn::TransformerEncoderLayer(kWidth, 2,
                                                                       {.dim_feedforward = 8,
                                                                        .dropout = 0.3,
                                                                        .batch_first = true,
                                                                        .dtype = float64,
                                                                        .generator = generator}))),
        head(register_module("head",
                             nn::Linear(kWidth, 2, {.dtype = float64, .generator = generator}))) {}

  // x is (examples, steps, width).
  Variable operator()(const Tensor& x) const {
    const Variable steps_first = dropout(transpose(Variable(x), 0, 1));
    const Variable y = encoder(transpose(lstm(steps_first).output, 0, 1));
    return head(mean(alpha(squeeze(channels(unsqueeze(y, -1)), -1)), 1));
  }
};

// The parameters after two passes, one after the other.
Tensor trained(int ranks, bool by_example) {
  Tensor result;
  run_on_threads(ranks, [&](Communicator& comm) {
    Generator weights(3), orders(4), numbers(5);
    const Tensor x = randn({kExamples, kSteps, kWidth}, float64, numbers);
    const Tensor y = randn({kExamples, 2}, float64, numbers);
    Model model(weights);
    optim::SGD sgd(model.named_parameters(), {.lr = 0.1});
    DistributedOptimizer optimizer(sgd, comm);
    // The last batch has 1 example, fewer than there are ranks; 7 are not divided evenly.
    const ShardedLoader loader(nn::TensorDataset(x, y), comm, {.batch_size = 7, .shuffle = true},
                               orders);
    const auto learn = [&](const auto& batch, std::int64_t count) {
      optimizer.zero_grad();
      mean(square(model(batch[0]) - batch[1])).backward();
      optimizer.step(count);
    };
    for (int pass = 0; pass < 2; ++pass) {
      for (const auto& [batch, count] : loader) {
        if (by_example) {
          const DropoutByExample part = dropout_by_example(comm, count);
          learn(batch, count);
        } else {
          learn(batch, count);
        }
      }
    }
    optimizer.check_replicas();
    std::vector<Tensor> all;
    for (const Variable& p : model.parameters()) all.push_back(p.value().flatten());
    if (comm.rank() == 0) result = cat(all);
  });
  return result;
}

double difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item<double>(); }

}  // namespace

TEST_CASE("dropout_by_example: 1, 2, 3 and 4 ranks train the same model", "[threads]") {
  const Tensor one = trained(1, true);
  for (int ranks = 2; ranks <= 4; ++ranks) {
    CAPTURE(ranks);
    const Tensor several = trained(ranks, true);
    CHECK(difference(several, one) < 1e-12);
    CHECK(equal(several, trained(ranks, true)));
    CHECK(difference(trained(ranks, false), one) > 1e-3);  // the test would find a difference
  }
}
