// Matrix products. Read next: einsum_test.cc.
#include "catch.h"
#include "error_text.h"
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
  CHECK(error_text<DTypeError>([] {
          addmm(ones({2, 2}, float64), ones({2, 2}), ones({2, 2}));
        }) == "addmm: got float32 x float64, needed one numeric type; convert with to(float64)");
}

TEST_CASE("linear says that the input's type should change", "[tensor]") {
  CHECK(error_text<DTypeError>([] {
          linear(ones({2, 3}, float64), ones({4, 3}));
        }) ==
        "linear: got input float64 and weight float32, needed one numeric type; convert the input "
        "with to(float32)");
  CHECK(error_text<DTypeError>([] {
          linear(ones({2, 3}, int64), ones({4, 3}, float64), ones({4}, float64));
        }) ==
        "linear: got input int64 and weight float64, needed one numeric type; convert the input "
        "with to(float64)");
}

TEST_CASE("batches that do not broadcast are shown with their whole shapes", "[tensor]") {
  CHECK(error_text<ShapeError>([] {
          matmul(ones({2, 3, 4}), ones({5, 4, 6}));
        }) ==
        "matmul: the batches of (2, 3, 4) x (5, 4, 6) do not broadcast: sizes 2 and 5, needed "
        "equal sizes or 1");
  CHECK(error_text<ShapeError>([] {
          matmul(ones({2, 7, 3, 4}), ones({5, 4, 6}));
        }) ==
        "matmul: the batches of (2, 7, 3, 4) x (5, 4, 6) do not broadcast: sizes 7 and 5, needed "
        "equal sizes or 1");
  CHECK(error_text<ShapeError>([] {
          cdist(ones({2, 3, 4}), ones({5, 6, 4}));
        }) ==
        "cdist: the batches of (2, 3, 4) x (5, 6, 4) do not broadcast: sizes 2 and 5, needed equal "
        "sizes or 1");
  CHECK(matmul(ones({2, 1, 3, 4}), ones({5, 4, 6})).shape() == Shape{2, 5, 3, 6});
}
