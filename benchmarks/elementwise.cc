// The claim: an elementwise function of the public API runs nearly as fast as a simple loop that is
// written by hand with SIMD.
//
// A row is exp, tanh, sigmoid or log of a Variable of 4,096 float32 elements with recording off, in
// billion elements per second; each call allocates a new tensor. The peer is a loop over xsimd's
// functions from one buffer into another, compiled for this processor. The elements are between -4
// and 4, for log between 0.1 and 4.1. Read next: matrix_product.cc.
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <string>
#include <vector>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram xsimd("peer_xsimd");
    constexpr std::int64_t kCount = 4096;
    const tg::NoGrad guard;
    report.begin("Functions of 4,096 elements, recording off");
    const auto compare = [&](const std::string& name, double middle, double swing,
                             tg::Variable (*function)(const tg::Variable&)) {
      std::vector<float> values;
      for (int i = 0; i < kCount; ++i) {
        values.push_back(static_cast<float>(middle + swing * std::sin(i)));
      }
      report.compare(
          name, measure::rate("G/s", 1e-9 * static_cast<double>(kCount)),
          measure::ours([function, x = tg::Variable(tg::tensor(values))] { function(x); }),
          xsimd.at(name + " " + std::to_string(kCount) + " " + std::to_string(middle) + " " +
                   std::to_string(swing)));
    };
    compare("exp", 0, 4, [](const tg::Variable& x) { return exp(x); });
    compare("tanh", 0, 4, [](const tg::Variable& x) { return tanh(x); });
    compare("sigmoid", 0, 4, [](const tg::Variable& x) { return sigmoid(x); });
    compare("log", 2.1, 2, [](const tg::Variable& x) { return log(x); });
  });
}
