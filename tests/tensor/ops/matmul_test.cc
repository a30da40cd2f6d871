// Matrix products. Read next: views_test.cc.
#include "catch.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("a product over an inner size of 0 is 0", "[tensor]") {
  CHECK(equal(matmul(ones({3, 0}), ones({0, 4})), zeros({3, 4})));
  CHECK(equal(matmul(ones({2, 3, 0}), ones({0, 4})), zeros({2, 3, 4})));
  CHECK(equal(matmul(ones({2, 3, 0}), ones({2, 0, 4})), zeros({2, 3, 4})));
  CHECK(matmul(ones({0, 3, 2}), ones({2, 4})).shape() == Shape{0, 3, 4});
  CHECK(equal(linear(ones({2, 3, 0}), ones({4, 0}), ones({4})), ones({2, 3, 4})));
}

TEST_CASE("addmm refuses mixed types", "[tensor]") {
  CHECK(message_of<DTypeError>([] {
          addmm(ones({2, 2}, float64), ones({2, 2}), ones({2, 2}));
        }) == "addmm: got float32 x float64, needed one numeric type; convert with to(float64)");
}
