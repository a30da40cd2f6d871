// Tests of gradients of joined parts. Read next: indexing_test.cc.
#include <cstdint>

#include <tapegrad/autograd/ops.h>

#include "catch.h"

namespace tapegrad {

TEST_CASE("cat ignores empty vectors, as on Tensors", "[autograd]") {
  Variable x = parameter(ones({2, 3}));
  const Variable nothing = zeros({0});
  for (const std::int64_t dim : {0, 1, -1}) {
    const Variable joined = cat({nothing, x, nothing, x}, dim);
    CHECK(equal(joined.value(), cat({x.value(), x.value()}, dim)));
    sum(joined).backward();
    CHECK(equal(x.grad(), full({2, 3}, 2.0)));
    x.zero_grad();
  }
  CHECK(cat({nothing, parameter(zeros({0}))}).shape() == Shape{0});
}

}  // namespace tapegrad
