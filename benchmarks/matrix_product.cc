// The claim: our own matrix product, without a third-party BLAS, is about as fast as OpenBLAS for
// the sizes of small models.
//
// A row is matmul(a, b) of float32 matrices, (m, k) x (k, n), in billion floating-point operations
// per second (2 m n k each), on one thread. In rows with A^T or B^T, this matrix is the transpose
// of a contiguous one, as in the gradients of a product. The peer is OpenBLAS's cblas_sgemm for the
// same product. It always writes into the same C; matmul allocates a new tensor.
// Read next: embedding_step.cc.
#include <tapegrad/tapegrad.h>

#include <string>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram openblas("peer_openblas");
    struct Product {
      std::int64_t m, n, k;
      bool a_turned = false;
      bool b_turned = false;
    };
    report.begin("Matrix product, m x n x k, float32");
    for (const Product& p :
         {Product{32, 128, 128}, Product{64, 64, 64}, Product{128, 128, 128},
          Product{256, 256, 256}, Product{512, 512, 512}, Product{1024, 1024, 1024},
          Product{32, 512, 128}, Product{32, 128, 512}, Product{1, 128, 128},
          Product{128, 128, 32, true, false}, Product{32, 128, 128, false, true},
          Product{256, 256, 256, true, false}, Product{256, 256, 256, false, true}}) {
      const auto matrix = [](std::int64_t rows, std::int64_t columns, bool turned) {
        return turned ? transpose(tg::full({columns, rows}, 0.5)) : tg::full({rows, columns}, 0.5);
      };
      const tg::Tensor a = matrix(p.m, p.k, p.a_turned);
      const tg::Tensor b = matrix(p.k, p.n, p.b_turned);
      const auto with = [&p](const char* between) {
        return std::to_string(p.m) + between + std::to_string(p.n) + between + std::to_string(p.k);
      };
      const std::string manner = p.a_turned ? ", A^T B" : p.b_turned ? ", A B^T" : "";
      report.compare(with(" x ") + manner,
                     measure::rate("GFLOP/s", 2e-9 * static_cast<double>(p.m * p.n * p.k)),
                     measure::ours([&a, &b] { matmul(a, b); }),
                     openblas.at("sgemm " + with(" ") + (p.a_turned ? " 1" : " 0") +
                                 (p.b_turned ? " 1" : " 0")));
    }
  });
}
