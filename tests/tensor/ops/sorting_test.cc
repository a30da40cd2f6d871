// sort, argsort and topk. Read next: matmul_test.cc.
#include <cmath>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("sort is stable in both directions, and NaN is the largest") {
  const Tensor x = tensor({1.0, kNaN, 5.0, -kInf, kNaN, kInf, -1.0, 5.0});
  const ValuesAndIndices up = sort(x);
  CHECK(matches(up.values, tensor({-kInf, -1.0, 1.0, 5.0, 5.0, kInf, kNaN, kNaN})));
  CHECK(matches(up.indices, tensor({3, 6, 0, 2, 7, 5, 1, 4})));
  const ValuesAndIndices down = sort(x, 0, true);
  CHECK(matches(down.values, tensor({kNaN, kNaN, kInf, 5.0, 5.0, 1.0, -1.0, -kInf})));
  CHECK(matches(down.indices, tensor({1, 4, 5, 2, 7, 0, 6, 3})));
  CHECK(matches(argsort(x), up.indices));
  CHECK(matches(argsort(tensor({true, false, true, false})), tensor({1, 3, 0, 2})));
}

TEST_CASE("sort along any dimension of any layout") {
  const Tensor plain = scrambled({3, 5, 4}, int64);
  for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    for (std::int64_t dim = -3; dim < 3; ++dim) {
      for (const bool descending : {false, true}) {
        const ValuesAndIndices sorted = sort(x, dim, descending);
        CHECK(matches(gather(x, dim, sorted.indices), sorted.values));
        const std::int64_t size = x.size(dim);
        const Tensor first = narrow(sorted.values, dim, 0, size - 1);
        const Tensor second = narrow(sorted.values, dim, 1, size - 1);
        CHECK(all(descending ? first > second : first < second).item<bool>());
        for (std::int64_t k = 0; k <= size; ++k) {
          const ValuesAndIndices top = topk(x, k, dim, descending);
          CHECK(matches(top.values, narrow(sorted.values, dim, 0, k).clone()));
          CHECK(matches(top.indices, narrow(sorted.indices, dim, 0, k).clone()));
        }
      }
    }
  }
}

TEST_CASE("topk returns the first of equal elements") {
  const Tensor x = tensor({1.0, 3.0, kNaN, 3.0, 1.0, 3.0, 2.0});
  CHECK(matches(topk(x, 3).indices, tensor({2, 1, 3})));
  CHECK(matches(topk(x, 3, 0, false).indices, tensor({0, 4, 6})));
  CHECK(error_text<ValueError>([&] { topk(x, 8); }) ==
        "topk: got k 8, needed 0 to 7, the size of dimension 0");
  CHECK_THROWS_AS(topk(x, -1), ValueError);
  CHECK_THROWS_AS(topk(x, 1, 1), IndexError);
}

TEST_CASE("sorting 0-d and empty tensors") {
  const ValuesAndIndices number = sort(full({}, 2.0));
  CHECK(number.values.dim() == 0);
  CHECK(number.indices.item<int>() == 0);
  CHECK(topk(full({}, 2.0), 1).values.dim() == 0);
  CHECK(sort(zeros({0})).indices.shape() == Shape{0});
  CHECK(sort(zeros({2, 0}), 0).values.shape() == Shape{2, 0});
  CHECK(topk(zeros({0, 3}), 2).values.shape() == Shape{0, 2});
  CHECK(topk(zeros({0}), 0).values.shape() == Shape{0});
}

TEST_CASE("the median of nothing, of a number, and beside NaN") {
  CHECK(error_text<IndexError>([] { median(zeros({0})); }) ==
        "median: dimension 0 of shape (0) has no elements, needed at least one");
  CHECK(error_text<IndexError>([] {
          median(zeros({3, 0}), -1);
        }) == "median: dimension 1 of shape (3, 0) has no elements, needed at least one");
  CHECK(median(zeros({0, 3}), 1).values.shape() == Shape{0});
  CHECK(median(full({}, 2.5)).item() == 2.5);
  CHECK(median(tensor({4, 1, 3, 2})).item<int>() == 2);  // the lower one of two
  const ValuesAndIndices found = median(tensor({5.0, kNaN, 1.0}), 0);
  CHECK(std::isnan(found.values.item()));
  CHECK(found.indices.item<int>() == 1);
}

TEST_CASE("unique elements: none, NaN, and an inverse that gives the elements back") {
  const UniqueElements none = unique(zeros({2, 0}));
  CHECK(none.values.shape() == Shape{0});
  CHECK(none.inverse.shape() == Shape{2, 0});
  CHECK(none.counts.shape() == Shape{0});
  CHECK(unique(tensor({kNaN, 1.0, kNaN})).values.numel() == 3);  // NaN is not equal to NaN
  const Tensor x = tensor({{3, 1, 3}, {-2, 1, 3}});
  const UniqueElements some = unique(x);
  CHECK(matches(some.values, tensor({-2, 1, 3})));
  CHECK(matches(some.counts, tensor({1, 2, 3})));
  CHECK(matches(reshape(index_select(some.values, 0, flatten(some.inverse)), x.shape()), x));
}

TEST_CASE("bincount refuses what it cannot count") {
  CHECK(matches(bincount(zeros({0}, int64), Tensor(), 2), tensor({0, 0})));
  CHECK(error_text<ValueError>([] {
          bincount(tensor({1, -1}));
        }) == "bincount: an id is -1, needed small numbers from 0 on");
  CHECK_THROWS_AS(bincount(tensor({1.0})), ShapeError);
  CHECK_THROWS_AS(bincount(tensor({{1}})), ShapeError);
  CHECK_THROWS_AS(bincount(tensor({1, 2}), ones({3})), ShapeError);
  CHECK_THROWS_AS(bincount(tensor({1}), Tensor(), -1), ValueError);
}
