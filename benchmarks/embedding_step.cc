// The claim: the cost of a training step on a table depends on the rows in the batch, not on the
// size of the table, although all rows get the values that a dense optimizer gives them.
//
// A row is one step (forward, backward, optimizer) on a table of 1,000,000 x 64 (100,000 with
// --short) and a batch of 1,000 distinct ids. All rows were looked up earlier; each is looked up
// every 1,000 steps on average. The peer is libtorch, with its default settings and "tuned"
// (peer.h): its Adam takes only dense gradients and walks over the whole table; its SGD takes
// row-sparse ones. Read next: adam.cc.
#include <tapegrad/tapegrad.h>

#include <string>
#include <vector>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

namespace {

// Batches of distinct ids. A round of rows / 1,000 batches contains each id once.
class Batches {
 public:
  explicit Batches(std::int64_t rows) : round_(static_cast<std::size_t>(rows / 1000)) {
    for (int round = 0; round < 4; ++round) {
      const tg::Tensor order = tg::randperm(rows);
      for (std::int64_t i = 0; i + 1000 <= rows; i += 1000) {
        ids_.push_back(narrow(order, 0, i, 1000).clone());
      }
    }
  }
  const tg::Tensor& next() { return ids_[at_++ % ids_.size()]; }
  std::size_t round() const { return round_; }

 private:
  std::size_t round_;
  std::vector<tg::Tensor> ids_;
  std::size_t at_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram plain("peer_libtorch");
    measure::PeerProgram tuned("peer_libtorch", " tuned", measure::kKeepMemory);
    const std::int64_t all = report.settings().brief ? 100'000 : 1'000'000;
    const auto compare = [&](const char* name, const std::string& workload, std::int64_t rows,
                             auto make) {
      tg::manual_seed(0);
      tg::nn::Embedding table(rows, 64);
      auto optimizer = make(table.parameters());
      Batches batches(rows);
      const auto step = [&] {
        optimizer.zero_grad();
        sum(square(table(batches.next()))).backward();
        optimizer.step();
      };
      for (std::size_t i = 0; i < 2 * batches.round(); ++i) step();
      const std::string request = "table " + workload + " " + std::to_string(rows);
      report.compare(name, {"us", 1e6}, measure::ours(step),
                     workload.empty() ? std::vector<measure::Contender>{}
                                      : measure::together({plain.at(request), tuned.at(request)}));
    };
    using Parameters = std::vector<tg::NamedParameter>;
    report.begin("A step on a table, 1,000 rows looked up");
    compare("Adam", "adam", all, [](Parameters p) { return tg::optim::Adam(std::move(p)); });
    compare("AdamW, decay", "", all, [](Parameters p) { return tg::optim::AdamW(std::move(p)); });
    compare("SGD", "sgd", all, [](Parameters p) { return tg::optim::SGD(std::move(p)); });
    compare("SGD, momentum", "", all,
            [](Parameters p) { return tg::optim::SGD(std::move(p), {.momentum = 0.9}); });
    // An L2 penalty changes Adam's moments, so each row replays its 100 pending steps one by one.
    compare("Adam, L2 penalty, 100,000 rows", "", 100'000,
            [](Parameters p) { return tg::optim::Adam(std::move(p), {.weight_decay = 0.01}); });
  });
}
