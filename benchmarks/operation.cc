// The claim: the overhead of a small operation, its recording and its backward pass, takes tens of
// nanoseconds; in libtorch it takes thousands.
//
// A row is the time of one operation in a chain of 1,000, in nanoseconds: with its share of the
// backward pass, or with recording off (NoGrad). Each operation is applied to the last result; the
// other operand of add and mul is a constant. The peer is libtorch with the same chain, and
// backward() or torch::NoGradGuard.
// Read next: mlp.cc.
#include <tapegrad/tapegrad.h>

#include <string>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

namespace {

template <class Apply>
void compare(measure::Report& report, measure::PeerProgram& libtorch, const std::string& name,
             const Apply& apply) {
  for (const bool recorded : {true, false}) {
    for (const std::int64_t elements : {1, 16, 256}) {
      tg::Variable x = tg::parameter(tg::full({elements}, 0.5));
      const tg::Tensor dy = tg::ones({elements});
      const auto forward = [&x, &apply, c = tg::Variable(tg::full({elements}, 0.9995))] {
        tg::Variable y = x;
        for (int i = 0; i < 1000; ++i) y = apply(y, c);
        return y;
      };
      const std::string workload =
          "operation " + name + " " + std::to_string(elements) + (recorded ? " 1" : " 0");
      const std::string row = name + ", " + std::to_string(elements) +
                              (elements == 1 ? " element" : " elements") +
                              (recorded ? ", forward + backward" : ", recording off");
      report.compare(row, measure::nanoseconds_each(1000), measure::ours([&] {
                       if (recorded) {
                         x.zero_grad();
                         forward().backward(dy);
                       } else {
                         const tg::NoGrad guard;
                         forward();
                       }
                     }),
                     libtorch.at(workload));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram libtorch("peer_libtorch", "", measure::kKeepMemory);
    report.begin("One small operation");
    using V = tg::Variable;
    compare(report, libtorch, "add", [](const V& y, const V& c) { return y + c; });
    compare(report, libtorch, "mul", [](const V& y, const V& c) { return y * c; });
    compare(report, libtorch, "tanh", [](const V& y, const V&) { return tanh(y); });
  });
}
