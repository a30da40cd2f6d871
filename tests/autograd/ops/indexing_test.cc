// Tests of gradients of parts. Read next: recurrent_test.cc.
#include <cstdint>

#include <tapegrad/autograd/ops.h>

#include "catch.h"

namespace tapegrad {

TEST_CASE("the gradient of an empty slice with a step", "[autograd]") {
  for (const std::int64_t start : {0, 1, 5, 6}) {
    const Variable x = parameter(ones({6}, float64));
    const Variable part = slice(x, 0, start, start, 3);
    (sum(part) + sum(x)).backward();
    CHECK(equal(x.grad(), ones({6}, float64)));
    const auto once =
        grad(sum(slice(x, 0, start, start, 3) * 2.0) + sum(square(x)), {x}, {.create_graph = true});
    CHECK(equal(grad(sum(once[0]), {x})[0].value(), full({6}, 2.0, float64)));
  }
}

}  // namespace tapegrad
