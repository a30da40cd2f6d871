// Views of parts, and NumPy's basic indexing. Read next: gather_scatter_test.cc.
#include <tapegrad/tensor/ops/fused.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("select and narrow are views") {
  const Tensor x = scrambled({2, 3, 4});
  for (std::int64_t dim = 0; dim < 3; ++dim) {
    for (std::int64_t i = 0; i < x.size(dim); ++i) {
      const Tensor part = select(x, dim, i);
      CHECK(part.shares_memory_with(x));
      CHECK(matches(part, select(x, dim - 3, i - x.size(dim))));
      for_each_index(part.shape(), [&](const Shape& at) {
        Shape index = at;
        index.insert(dim, i);
        REQUIRE(part.item<float>(at) == x.item<float>(index));
      });
      CHECK(matches(part, squeeze(narrow(x, dim, i, 1), dim)));
    }
  }
  CHECK(matches(x[1], select(x, 0, 1)));
  CHECK(matches(narrow(x, 2, 1, 2), cat({narrow(x, 2, 1, 1), narrow(x, -1, -2, 1)}, 2)));
  CHECK(narrow(x, 1, 3, 0).shape() == Shape{2, 0, 4});
  CHECK(narrow(transpose(x, 0, 2), 0, 1, 3).item<float>({2, 1, 1}) == x.item<float>({1, 1, 3}));

  CHECK(error_text<IndexError>([&] { select(x, 1, 3); }) ==
        "select: index 3 out of range for size 3");
  CHECK_THROWS_AS(select(x, 1, -4), IndexError);
  CHECK_THROWS_AS(select(x, 1, INT64_MIN), IndexError);
  CHECK_THROWS_AS(select(x, 3, 0), IndexError);
  CHECK(error_text<IndexError>([&] { select(full({}, 1.0), 0, 0); }) ==
        "select: got a 0-d tensor, needed at least one dimension; reshape(x, {1}) gives one");
  CHECK(error_text<IndexError>([&] { narrow(x, 2, 2, 3); }) ==
        "narrow: start 2 and length 3 out of range for size 4 of dimension 2");
  CHECK_THROWS_AS(narrow(x, 2, 5, 0), IndexError);
  CHECK_THROWS_AS(narrow(x, 2, 0, -1), IndexError);
  CHECK_THROWS_AS(narrow(x, 2, -5, 1), IndexError);
  CHECK_THROWS_AS(narrow(x, 2, 1, INT64_MAX), IndexError);
}

TEST_CASE("slice clamps as Python does") {
  const Tensor x = arange(7);
  for (std::int64_t start = -9; start <= 9; ++start) {
    for (std::int64_t end = -9; end <= 9; ++end) {
      for (std::int64_t step = 1; step <= 8; ++step) {
        const auto clamped = [](std::int64_t at) {
          return std::min<std::int64_t>(std::max<std::int64_t>(at < 0 ? at + 7 : at, 0), 7);
        };
        std::vector<std::int64_t> expected;
        for (std::int64_t i = clamped(start); i < clamped(end); i += step) expected.push_back(i);
        REQUIRE(to_vector<std::int64_t>(slice(x, 0, start, end, step)) == expected);
      }
    }
  }
  CHECK(to_vector<std::int64_t>(slice(x, 0, 1, INT64_MAX, INT64_MAX)) ==
        std::vector<std::int64_t>{1});
  CHECK(to_vector<std::int64_t>(slice(x, 0, INT64_MIN, INT64_MAX, 3)) ==
        std::vector<std::int64_t>{0, 3, 6});
  CHECK(slice(x, 0, 0, 7, 2).shares_memory_with(x));
  CHECK(error_text<ValueError>([&] { slice(x, 0, 0, 5, 0); }) ==
        "slice: step 0, needed a positive one; flip reverses");
  CHECK_THROWS_AS(slice(x, 0, 0, 5, -1), ValueError);
  CHECK_THROWS_AS(slice(x, 1, 0, 5), IndexError);
}

TEST_CASE("index follows NumPy") {
  const Tensor x = scrambled({4, 5, 6});
  CHECK(matches(index(x, {1}), x[1]));
  CHECK(matches(index(x, {1, Slice{1, 5}, newaxis, Slice{.step = 2}}),
                unsqueeze(slice(slice(x[1], 0, 1, 5), 1, 0, 6, 2), 1)));
  CHECK(matches(index(x, {ellipsis, -1}), select(x, 2, 5)));
  CHECK(matches(index(x, {0, ellipsis, Slice{-2}}), slice(x[0], 1, -2, 6)));
  CHECK(matches(index(x, {newaxis, ellipsis}), unsqueeze(x, 0)));
  CHECK(matches(index(x, {ellipsis, newaxis}), unsqueeze(x, -1)));
  CHECK(matches(index(x, {Slice{}, Slice{}, Slice{}, ellipsis}), x));
  CHECK(matches(index(x, {3, 4, 5}), full({}, static_cast<double>(x.item<float>({3, 4, 5})))));
  CHECK(index(x, {Slice{5, 2}}).shape() == Shape{0, 5, 6});
  CHECK(index(x, {1, Slice{1, 5}}).shares_memory_with(x));
  CHECK(matches(index(transpose(x, 0, 2), {2, Slice{.end = 3}}),
                narrow(transpose(select(x, 2, 2)), 0, 0, 3)));
  CHECK(index(full({}, 2.0), {newaxis, ellipsis}).shape() == Shape{1});

  CHECK(error_text<IndexError>([&] {
          index(x, {0, 0, 0, 0});
        }) == "index: got 4 indices for shape (4, 5, 6)");
  CHECK(error_text<IndexError>([&] {
          index(x, {ellipsis, ellipsis});
        }) == "index: more than one ellipsis");
  CHECK(error_text<IndexError>([&] {
          index(x, {0, 5});
        }) == "index: index 5 out of range for size 5");
  CHECK(error_text<ValueError>([&] { index(x, {Slice{.step = -1}}); }) ==
        "index: step -1, needed a positive one; flip reverses");
  CHECK_THROWS_AS(index(x, {newaxis, newaxis, newaxis, newaxis, newaxis, newaxis}), ShapeError);
}

TEST_CASE("as_strided stays within the memory of x") {
  const Tensor x = arange(10);
  CHECK(matches(as_strided(x, {3, 4}, {3, 1}), tensor({{0, 1, 2, 3}, {3, 4, 5, 6}, {6, 7, 8, 9}})));
  CHECK(matches(as_strided(x, {2, 2}, {0, 1}, 8), tensor({{8, 9}, {8, 9}})));
  CHECK(as_strided(x, {0, 3}, {100, 100}, 5).numel() == 0);
  CHECK(as_strided(x, {}, {}, 9).item<int>() == 9);
  CHECK(error_text<IndexError>([&] {
          as_strided(x, {3, 4}, {3, 1}, 1);
        }) ==
        "as_strided: sizes (3, 4), strides (3, 1) and offset 1 reach outside of the 10 elements "
        "from x's first to its last");
  CHECK_THROWS_AS(as_strided(x, {2}, {-1}, 5), IndexError);
  CHECK_THROWS_AS(as_strided(x, {2}, {1}, -1), IndexError);
  CHECK_THROWS_AS(as_strided(x, {3}, {INT64_MAX}), IndexError);
  CHECK_THROWS_AS(as_strided(zeros({0}), {1}, {1}), IndexError);
  CHECK_THROWS_AS(as_strided(x, {2, 2}, {1}), ShapeError);
  CHECK_THROWS_AS(as_strided(slice(x, 0, 0, 10, 2), {10}, {1}), IndexError);
}

TEST_CASE("part_at of an empty piece is empty for any step", "[tensor]") {
  const Tensor whole = ones({6});
  CHECK(part_at(whole, ones({0}), 0, 0, 2).numel() == 0);
  CHECK(part_at(whole, ones({0}), 0, 1, 4).numel() == 0);
  CHECK(part_at(whole, ones({3}), 0, 1, 2).numel() == 3);
}
