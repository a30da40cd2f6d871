// OpenBLAS as a peer: `sgemm M N K` is C = A B of contiguous float32 matrices, into the same C.
// Read next: peers/libtorch.cc.
#include <cblas.h>

#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "../peer.h"

namespace {

measure::Answer prepare(std::istream& arguments) {
  std::string kind;
  int m = 0;
  int n = 0;
  int k = 0;
  arguments >> kind >> m >> n >> k;
  if (kind != "sgemm" || !arguments) return nullptr;
  const auto numbers = [](int rows, int columns) {
    const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    return std::make_shared<std::vector<float>>(count, 0.5F);
  };
  return measure::timed([=, a = numbers(m, k), b = numbers(k, n), c = numbers(m, n)] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, a->data(), k, b->data(),
                n, 0.0F, c->data(), n);
  });
}

}  // namespace

int main() { return measure::answer_requests(openblas_get_config(), prepare); }
