// OpenBLAS as a peer. `sgemm M N K AT BT` computes C = A B of float32 matrices, always into the
// same C. AT or BT is 1 if A or B is stored transposed. Read next: peers/libtorch.cc.
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
  bool a_turned = false;
  bool b_turned = false;
  arguments >> kind >> m >> n >> k >> a_turned >> b_turned;
  if (kind != "sgemm" || !arguments) return nullptr;
  const auto numbers = [](int rows, int columns) {
    const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    return std::make_shared<std::vector<float>>(count, 0.5F);
  };
  return measure::timed([=, a = numbers(m, k), b = numbers(k, n), c = numbers(m, n)] {
    cblas_sgemm(CblasRowMajor, a_turned ? CblasTrans : CblasNoTrans,
                b_turned ? CblasTrans : CblasNoTrans, m, n, k, 1.0F, a->data(), a_turned ? m : k,
                b->data(), b_turned ? k : n, 0.0F, c->data(), n);
  });
}

}  // namespace

int main() { return measure::answer_requests(openblas_get_config(), prepare); }
