// softmax, log_softmax and logsumexp. Read next: sorting_test.cc.
#include "catch.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("softmax, log_softmax and logsumexp over every dimension") {
  const Tensor plain = sin(scrambled({3, 7, 37}, float64)) * 5;
  for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    for (std::int64_t dim = -3; dim < 3; ++dim) {
      const Tensor powers = exp(plain);
      const Tensor expected = powers / sum(powers, dim, true);
      CHECK(matches(softmax(x, dim), expected, 1e-14));
      CHECK(softmax(x, dim).is_contiguous());
      CHECK(matches(log_softmax(x, dim), log(expected), 1e-13));
      CHECK(matches(softmax(x.to(float32), dim), expected.to(float32), 1e-6));
    }
  }
}

TEST_CASE("softmax of rows with infinities and NaN, as in PyTorch") {
  const Tensor rows = tensor({{1e30, 0.0, -1e30},
                              {kInf, 0.0, 1.0},
                              {-kInf, -kInf, -kInf},
                              {-kInf, 0.0, 0.0},
                              {kNaN, 0.0, 1.0}});
  const double half = std::log(0.5);
  CHECK(matches(softmax(rows, 1),
                tensor({{1.0, 0.0, 0.0},
                        {kNaN, kNaN, kNaN},
                        {kNaN, kNaN, kNaN},
                        {0.0, 0.5, 0.5},
                        {kNaN, kNaN, kNaN}}),
                1e-6));
  CHECK(matches(log_softmax(rows, 1),
                tensor({{0.0, -1e30, -2e30},
                        {kNaN, kNaN, kNaN},
                        {kNaN, kNaN, kNaN},
                        {-kInf, half, half},
                        {kNaN, kNaN, kNaN}}),
                1e-6));
  CHECK(matches(logsumexp(rows, 1), tensor({1e30, kInf, -kInf, -half, kNaN}), 1e-6));
}
