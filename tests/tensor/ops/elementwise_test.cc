// Broadcasting of two operands. Read next: inplace_test.cc.
#include "catch.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("both operands are broadcast along the rows", "[tensor]") {
  const Tensor column = tensor({{2.0}, {3.0}, {4.0}});
  const Tensor expected = tensor({{2.0, 2.0}, {3.0, 3.0}, {4.0, 4.0}});
  CHECK(equal(expand(ones({}), {3, 2}) * column, expected));
  CHECK(equal(column * expand(ones({}), {3, 2}), expected));
  CHECK(equal(expand(column, {3, 2}) * ones({1, 1}), expected));
  CHECK(equal(expand(column, {3, 2}) == expand(column, {3, 2}), ones({3, 2}, boolean)));
  CHECK(equal(expand(tensor(1), {3, 2}) * column.to(int64), expected.to(int64)));
}
