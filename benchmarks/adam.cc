// The claim: a step of an optimizer is one pass over memory, at the speed of the memory.
//
// A row is a step over one parameter of 50 million elements (5 million with --short) with a dense
// gradient, in gigabytes per second. Only the bytes that a single pass must move are counted: Adam
// reads parameter, gradient and two moments and writes all but the gradient, 28 bytes per element;
// SGD moves 12. The peer is libtorch, with its default settings and "tuned" (peer.h).
// Read next: threads.cc.
#include <tapegrad/tapegrad.h>

#include <string>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram plain("peer_libtorch");
    measure::PeerProgram tuned("peer_libtorch", " tuned", measure::kKeepMemory);
    const std::int64_t count = report.settings().brief ? 5'000'000 : 50'000'000;
    const std::string millions = std::to_string(count / 1'000'000) + " million parameters";

    const auto compare = [&](const char* name, double bytes, const std::string& workload,
                             auto& optimizer) {
      report.compare(std::string(name) + ", " + millions,
                     measure::rate("GB/s", 1e-9 * bytes * static_cast<double>(count)),
                     measure::ours([&optimizer] { optimizer.step(); }),
                     measure::together({plain.at(workload), tuned.at(workload)}));
    };
    const auto parameter = [&] {
      tg::Variable p = tg::parameter(tg::full({count}, 0.5));
      p.set_grad(tg::full({count}, 0.01));
      return p;
    };

    report.begin("A step of an optimizer");
    {
      tg::optim::Adam adam({parameter()}, {.lr = 1e-3});
      compare("Adam", 28, "optimizer adam " + std::to_string(count), adam);
    }
    {
      tg::optim::SGD sgd({parameter()}, {.lr = 1e-3});
      compare("SGD", 12, "optimizer sgd " + std::to_string(count), sgd);
    }
  });
}
