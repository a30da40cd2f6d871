// Operations in place. Read next: reductions_test.cc.
#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("in-place operations on integers reject floating-point results", "[tensor]") {
  Tensor x = tensor({1, 5});
  CHECK(error_text<DTypeError>([&] {
          x.add_(tensor({1, 1}), 0.5);
        }) ==
        "add_: result is float32, which does not fit into int64; convert with to(float32) first");
  CHECK(error_text<DTypeError>([&] { x.clamp_(1.5, 3); }) ==
        "clamp_: result is float32, which does not fit into int64; convert with to(float32) first");
  CHECK(equal(x, tensor({1, 5})));
  x.add_(tensor({1, 1}), 2).clamp_(0, 4);
  CHECK(equal(x, tensor({3, 4})));
}
