// The claim: our own matrix product, without a third-party BLAS, keeps up with OpenBLAS at the
// sizes of small models.
//
// A row is matmul(a, b) of contiguous float32 matrices, (m, k) x (k, n), in billion floating-point
// operations per second (2 m n k each), one thread. The peer is OpenBLAS's cblas_sgemm into the
// same C each time; ours makes a new tensor, as users do. Read next: adam.cc.
#include <tapegrad/tapegrad.h>

#include <string>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram openblas("peer_openblas");
    struct Size {
      std::int64_t m, n, k;
    };
    report.begin("Matrix product, m x n x k, float32");
    for (const Size size :
         {Size{32, 128, 128}, Size{64, 64, 64}, Size{128, 128, 128}, Size{512, 512, 512},
          Size{32, 512, 128}, Size{32, 128, 512}, Size{1, 128, 128}}) {
      const auto& [m, n, k] = size;
      const tg::Tensor a = tg::full({m, k}, 0.5);
      const tg::Tensor b = tg::full({k, n}, 0.5);
      const auto with = [&size](const char* between) {
        return std::to_string(size.m) + between + std::to_string(size.n) + between +
               std::to_string(size.k);
      };
      report.compare(with(" x "), measure::rate("GFLOP/s", 2e-9 * static_cast<double>(m * n * k)),
                     measure::ours([&a, &b] { matmul(a, b); }), openblas.at("sgemm " + with(" ")));
    }
  });
}
