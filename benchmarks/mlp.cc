// The claim: most of the time of a small network's training step is arithmetic, not overhead of the
// framework in each operation.
//
// A row is one step of a network 64-64-1 in microseconds: forward (Linear, tanh, Linear), mean
// squared error, backward, SGD; batches of 1 and of 32, with eight different batches in turn. The
// peer is libtorch's nn::Sequential, "tuned" (peer.h). Read next: bag_classifier.cc.
#include <tapegrad/tapegrad.h>

#include <string>
#include <utility>
#include <vector>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram libtorch("peer_libtorch", " tuned", measure::kKeepMemory);
    report.begin("Network 64-64-1, one training step");
    for (const std::int64_t size : {1, 32}) {
      tg::manual_seed(0);
      tg::nn::Sequential model{tg::nn::Linear(64, 64), tg::nn::Tanh(), tg::nn::Linear(64, 1)};
      tg::optim::SGD sgd(model.parameters(), {.lr = 1e-2});
      std::vector<std::pair<tg::Tensor, tg::Tensor>> batches(8);
      for (auto& [x, y] : batches) {
        x = tg::randn({size, 64});
        y = tg::randn({size, 1});
      }
      std::size_t turn = 0;
      const auto step = [&] {
        const auto& [x, y] = batches[turn++ % batches.size()];
        sgd.zero_grad();
        tg::nn::mse_loss(model(x), y).backward();
        sgd.step();
      };
      report.compare("batch " + std::to_string(size), {"us", 1e6}, measure::ours(step),
                     libtorch.at("mlp " + std::to_string(size)));
    }
  });
}
