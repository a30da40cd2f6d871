// The claim: a step of a long history costs as much as a step of a short one. Time and memory grow
// linearly with the number of steps, and a step needs little of both.
//
// One workload is an RNNCell in a loop of 100, 1,000 and 10,000 steps, with batch 32, input size
// 128 and hidden size 128. The other is a chain of 1,000,000 operations on one element, products
// and sums in turn. (With --short, the chain has 100,000, and there is no loop of 10,000.) Both run
// forward and backward. Time is the time per step. Memory per step is the peak of a run minus the
// peak of a run of one step, divided by the number of steps, without the inputs and their
// gradients; each is measured in a process of its own.
//
// The peer is libtorch, "tuned" (peer.h). Each input is a tensor of its own, since libtorch needs
// quadratic time in a loop over slices of one tensor. The inputs are small, W_hh is orthogonal and
// the biases are 0, so that gradients neither vanish nor grow: denormal numbers would slow the
// processor down. Read next: matrix_product.cc.
#include <tapegrad/tapegrad.h>

#include <optional>
#include <string>
#include <vector>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kSize = 128;

// Forward and backward through `steps` steps of a cell.
class Loop {
 public:
  Loop() {
    tg::nn::init::orthogonal_(cell_.weight_hh);
    tg::nn::init::zeros_(cell_.bias_ih);
    tg::nn::init::zeros_(cell_.bias_hh);
  }
  void operator()(std::int64_t steps) {
    while (std::ssize(inputs_) < steps) {
      inputs_.push_back(tg::parameter(1e-4 * tg::randn({kBatch, kSize})));
    }
    tg::Variable h = cell_.initial_state(kBatch);
    for (std::int64_t t = 0; t < steps; ++t) h = cell_(inputs_[static_cast<std::size_t>(t)], h);
    cell_.zero_grad();
    for (tg::Variable& x : inputs_) x.zero_grad();
    sum(h).backward();
  }

 private:
  tg::nn::RNNCell cell_ = tg::nn::RNNCell(kSize, kSize);
  std::vector<tg::Variable> inputs_;
};

// Products and sums in turn, each computed from the last result.
class Chain {
 public:
  void operator()(std::int64_t operations) {
    tg::Variable y = x_;
    for (std::int64_t i = 0; i < operations; ++i) y = i % 2 == 0 ? y * c_ : y + c_;
    x_.zero_grad();
    y.backward();
  }

 private:
  tg::Variable x_ = tg::parameter(tg::full({}, 0.5));
  tg::Variable c_ = tg::full({}, 0.9995);
};

// A kind of row. `given` is the memory per step of inputs and gradients, which does not count.
struct Kind {
  std::string workload;
  std::string per;
  std::int64_t length;
  double given;
  const char* time_unit;
  double time_scale;
  const char* memory_unit;
  double memory_scale;

  std::string row() const {
    std::string digits = std::to_string(length);
    for (std::ptrdiff_t i = std::ssize(digits) - 3; i > 0; i -= 3) {
      digits.insert(static_cast<std::size_t>(i), ",");
    }
    return digits + " " + per;
  }
};

// Requires that the process has used little memory so far.
template <class History>
void compare_memory(measure::Report& report, measure::PeerProgram& libtorch, const Kind& kind) {
  const auto per_step = [&kind](double bytes) {
    return kind.memory_scale * (bytes / static_cast<double>(kind.length) - kind.given);
  };
  const double ours = per_step(measure::extra_memory(
      [work = History()](std::int64_t n) mutable { work(n); }, 1, kind.length + 1));
  std::optional<measure::Report::Peer> peer;
  if (const auto bytes =
          libtorch.figure(kind.workload + "_memory " + std::to_string(kind.length))) {
    peer = {libtorch.name(), per_step(*bytes), per_step(*bytes) / ours};
  }
  report.row(kind.row() + ": memory of each", kind.memory_unit, ours, peer);
}

template <class History>
void compare_time(measure::Report& report, measure::PeerProgram& libtorch, const Kind& kind) {
  report.compare(kind.row() + ": time of each",
                 {kind.time_unit, kind.time_scale / static_cast<double>(kind.length)},
                 measure::ours([&kind, work = History()]() mutable { work(kind.length); }),
                 libtorch.at(kind.workload + " " + std::to_string(kind.length)),
                 kind.length >= 10'000 ? 3 : 11);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram libtorch("peer_libtorch", " tuned", measure::kKeepMemory);
    const bool brief = report.settings().brief;
    std::vector<Kind> loops;
    const double input_and_gradient = 2 * sizeof(float) * kBatch * kSize;
    for (const std::int64_t steps : {100, 1'000, 10'000}) {
      if (brief && steps == 10'000) continue;
      loops.push_back(
          {"loop", "steps of RNNCell", steps, input_and_gradient, "us", 1e6, "kB", 1e-3});
    }
    const Kind chain{"chain", "operations", brief ? 100'000 : 1'000'000, 0, "us", 1e6, "B", 1};

    report.begin("Long histories");
    for (const Kind& loop : loops) compare_memory<Loop>(report, libtorch, loop);
    compare_memory<Chain>(report, libtorch, chain);
    for (const Kind& loop : loops) compare_time<Loop>(report, libtorch, loop);
    compare_time<Chain>(report, libtorch, chain);
  });
}
