// Minimum, maximum, and their positions. Read next: softmax_test.cc.
#include "catch.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("minimum and maximum of NaN, infinities and ties") {
  const Tensor grid = tensor({{1.0, 3.0, 3.0, 0.0},
                              {2.0, 2.0, 2.0, 2.0},
                              {kNaN, 5.0, kNaN, -1.0},
                              {-kInf, -kInf, kInf, kInf}});
  for (const Tensor& x : {grid, stored_transposed(grid)}) {
    CHECK(matches(max(x, 1).values, tensor({3.0, 2.0, kNaN, kInf})));
    CHECK(matches(max(x, 1).indices, tensor({1, 0, 0, 2})));
    CHECK(matches(min(x, 1).values, tensor({0.0, 2.0, kNaN, -kInf})));
    CHECK(matches(min(x, 1).indices, tensor({3, 0, 0, 0})));
    CHECK(matches(max(x, 0).values, tensor({kNaN, 5.0, kNaN, kInf})));
    CHECK(matches(max(x, 0).indices, tensor({2, 2, 2, 3})));
    CHECK(matches(min(x, 0).indices, tensor({2, 3, 2, 2})));
    CHECK(argmax(x).item<int>() == 8);
    CHECK(std::isnan(min(x).item<float>()));
  }
  // NaN in each lane and in the partial vector at the end.
  for (std::int64_t size = 1; size <= 70; ++size) {
    for (std::int64_t bad = 0; bad < size; ++bad) {
      Tensor x = arange(size).to(float32);
      x.mutable_span<float>()[static_cast<std::size_t>(bad)] = std::nanf("");
      REQUIRE(argmax(x).item<std::int64_t>() == bad);
      REQUIRE(argmin(x, 0).item<std::int64_t>() == bad);
    }
  }
  CHECK(argmax(full({37}, -kInf)).item<int>() == 0);
}
