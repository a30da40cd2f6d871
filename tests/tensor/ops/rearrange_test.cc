// repeat, tile, flip, roll, tril and triu. Read next: indexing_test.cc.
#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEMPLATE_TEST_CASE("repeat, tile, flip, roll, tril and triu in every layout", "", bool,
                   std::int64_t, float, double) {
  const DType dtype = dtype_of<TestType>::value;
  const Tensor plain = scrambled({2, 3, 4}, dtype);
  for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    const auto same_as = [&](const Tensor& y, auto&& source) {
      if (y.dtype() != dtype || !y.is_contiguous() || y.shares_memory_with(x)) return false;
      bool same = true;
      for_each_index(y.shape(), [&](const Shape& i) {
        const std::optional<Shape> from = source(i);
        same = same && y.item<double>(i) == (from ? x.item<double>(*from) : 0.0);
      });
      return same;
    };
    using Source = std::optional<Shape>;
    CHECK(repeat(x, {2, 1, 3, 2}).shape() == Shape{2, 2, 9, 8});
    CHECK(same_as(repeat(x, {2, 1, 3, 2}), [](const Shape& i) -> Source {
      return Shape{i[1], i[2] % 3, i[3] % 4};
    }));
    CHECK(same_as(repeat(x, {1, 1, 1}), [](const Shape& i) -> Source { return i; }));
    CHECK(tile(x, {3}).shape() == Shape{2, 3, 12});
    CHECK(same_as(tile(x, {2, 3}), [](const Shape& i) -> Source {
      return Shape{i[0], i[1] % 3, i[2] % 4};
    }));
    CHECK(same_as(flip(x, {1}), [](const Shape& i) -> Source {
      return Shape{i[0], 2 - i[1], i[2]};
    }));
    CHECK(same_as(flip(x, {0, -1}), [](const Shape& i) -> Source {
      return Shape{1 - i[0], i[1], 3 - i[2]};
    }));
    CHECK(same_as(flip(x, {}), [](const Shape& i) -> Source { return i; }));
    CHECK(same_as(roll(x, 5, 2), [](const Shape& i) -> Source {
      return Shape{i[0], i[1], (i[2] + 3) % 4};
    }));
    CHECK(same_as(roll(x, {-1, -9}, {0, 1}), [](const Shape& i) -> Source {
      return Shape{(i[0] + 1) % 2, i[1], i[2]};
    }));
    CHECK(same_as(roll(x, 0, 0), [](const Shape& i) -> Source { return i; }));
    CHECK(matches(roll(x, 5), reshape(roll(reshape(x, {24}), 5, 0), {2, 3, 4})));
    for (std::int64_t diagonal = -4; diagonal <= 4; ++diagonal) {
      CHECK(same_as(tril(x, diagonal), [=](const Shape& i) {
        return i[2] - i[1] <= diagonal ? Source(i) : std::nullopt;
      }));
      CHECK(same_as(triu(x, diagonal), [=](const Shape& i) {
        return i[2] - i[1] >= diagonal ? Source(i) : std::nullopt;
      }));
    }
  }
}

TEST_CASE("rearranging 0-d and empty tensors, and errors") {
  const Tensor number = full({}, 3.0);
  const Tensor none = zeros({2, 0});
  CHECK(repeat(number, {2}).shape() == Shape{2});
  CHECK(repeat(number, {}).item<float>() == 3.0F);
  CHECK(repeat(none, {3, 1}).shape() == Shape{6, 0});
  CHECK(repeat(ones({3}), {0}).shape() == Shape{0});
  CHECK(flip(number, 0).item<float>() == 3.0F);
  CHECK(flip(none, 1).shape() == Shape{2, 0});
  CHECK(roll(number, 1).item<float>() == 3.0F);
  CHECK(roll(none, {1, -3}, {0, 1}).shape() == Shape{2, 0});
  CHECK(tril(none).shape() == Shape{2, 0});
  CHECK(matches(tril(ones({2, 2}), INT64_MAX), ones({2, 2})));
  CHECK(matches(triu(ones({2, 2}), INT64_MAX), zeros({2, 2})));
  CHECK(matches(triu(ones({2, 2}), INT64_MIN), ones({2, 2})));
  CHECK(matches(roll(tensor({1, 2, 3}), {1, 1}, {0, 0}), tensor({2, 3, 1})));

  CHECK(error_text<ShapeError>([&] { repeat(none, {2}); }) ==
        "repeat: got repeats (2) for shape (2, 0), needed one for each dimension");
  CHECK_THROWS_AS(repeat(ones({3}), {-1}), ShapeError);
  CHECK_THROWS_AS(repeat(ones({2}), {std::int64_t{1} << 62}), ShapeError);
  CHECK(error_text<ValueError>([&] {
          flip(none, {0, -2});
        }) == "flip: dimension 0 is listed twice in (0, -2)");
  CHECK_THROWS_AS(flip(none, {2}), IndexError);
  CHECK(error_text<ValueError>([&] {
          roll(none, {1, 2}, {0});
        }) == "roll: got shifts (1, 2) and dimensions (0), needed the same number of both");
  CHECK_THROWS_AS(roll(none, {1, 2}), ValueError);
  CHECK(error_text<ShapeError>([&] { tril(ones({3})); }) ==
        "tril: got shape (3), needed matrices: at least 2 dimensions");
}
