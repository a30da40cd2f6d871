// Views, joining and splitting. Read next: rearrange_test.cc.
#include <cstdint>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("reshape of contiguous data shares memory, and -1 is inferred") {
  const Tensor x = scrambled({2, 3, 4});
  const Tensor y = reshape(x, {6, -1});
  CHECK(y.shape() == Shape{6, 4});
  CHECK(y.shares_memory_with(x));
  CHECK(y.item<float>({5, 3}) == x.item<float>({1, 2, 3}));
  CHECK(reshape(tensor({5.0}), {}).dim() == 0);
  CHECK(reshape(full({}, 5.0), {1, 1}).shape() == Shape{1, 1});
  CHECK(reshape(zeros({0, 3}), {-1}).shape() == Shape{0});
  CHECK(reshape(zeros({0, 3}), {-1, 2}).shape() == Shape{0, 2});
  CHECK(reshape(zeros({0, 3}), {5, 0, 7}).shape() == Shape{5, 0, 7});
  CHECK(reshape(zeros({0}), {std::int64_t{1} << 62, 8, 0}).numel() == 0);
}

TEST_CASE("reshape copies if the strides do not allow a view") {
  const Tensor x = transpose(scrambled({3, 4}));
  const Tensor y = reshape(x, {12});
  CHECK_FALSE(y.shares_memory_with(x));
  CHECK(matches(y, reshape(x.contiguous(), {12})));
  CHECK(reshape(x, {2, 2, 3}).shares_memory_with(x));  // splits a dimension
}

TEST_CASE("view succeeds exactly if suitable strides exist") {
  const Tensor base = scrambled({4, 6, 5});
  const std::vector<Tensor> layouts = {base,
                                       transpose(base, 0, 1),
                                       permute(base, {2, 0, 1}),
                                       narrow(base, 1, 1, 4),
                                       narrow(base, 2, 1, 3),
                                       slice(base, 0, 0, 4, 2),
                                       expand(unsqueeze(base, 0), {2, 4, 6, 5}),
                                       expand(narrow(base, 1, 2, 1), {4, 3, 5}),
                                       unsqueeze(transpose(base, 0, 1), -1),
                                       select(base, 1, 3)};
  for (const Tensor& x : layouts) {
    const Tensor plain = x.clone();
    std::vector<Shape> shapes = {{-1}, {2, -1}, {-1, 2}, {-1, 5}, {5, -1}, {4, -1}, {1, -1, 1}};
    shapes.push_back(x.shape());
    for (const Shape& shape : shapes) {
      std::int64_t known = 1;
      for (const std::int64_t size : shape) known *= size == -1 ? 1 : size;
      if (x.numel() % known != 0) continue;
      CHECK(matches(reshape(x, shape), reshape(plain, shape)));
      // If there is a view, it has the right elements. That there is none is checked by hand below.
      try {
        const Tensor seen = view(x, shape);
        CHECK(seen.shares_memory_with(x));
        CHECK(matches(seen, reshape(plain, shape)));
      } catch (const ShapeError&) {
        CHECK_FALSE(x.is_contiguous());
      }
    }
  }
  CHECK(view(transpose(base, 0, 1), {6, 2, 2, 5}).shares_memory_with(base));
  CHECK(view(permute(base, {2, 0, 1}), {5, 24}).shares_memory_with(base));
  CHECK(view(narrow(base, 1, 1, 4), {4, 20}).shares_memory_with(base));
  CHECK(view(expand(full({1}, 3.0), {12}), {3, 4}).stride(0) == 0);
}

TEST_CASE("view and reshape: error texts") {
  const Tensor x = scrambled({3, 4});
  CHECK(error_text<ShapeError>([&] { view(transpose(x), {12}); }) ==
        "view: shape (4, 3) with strides (1, 4) cannot be viewed as (12) without a copy; use "
        "reshape, which copies if needed");
  CHECK(error_text<ShapeError>([&] { reshape(x, {5}); }) ==
        "reshape: shape (3, 4) with 12 elements does not fit (5): the number of elements must stay "
        "the same");
  CHECK(error_text<ShapeError>([&] {
          reshape(x, {-1, -1});
        }) ==
        "reshape: shape (3, 4) with 12 elements does not fit (-1, -1): only one size can be -1");
  CHECK(
      error_text<ShapeError>([&] {
        reshape(x, {5, -1});
      }) ==
      "reshape: shape (3, 4) with 12 elements does not fit (5, -1): the other sizes do not divide "
      "the number of elements");
  CHECK(error_text<ShapeError>([&] {
          reshape(x, {-3, 4});
        }) ==
        "reshape: shape (3, 4) with 12 elements does not fit (-3, 4): sizes cannot be negative");
  CHECK(error_text<ShapeError>([&] {
          reshape(zeros({0, 3}), {0, -1});
        }) ==
        "reshape: shape (0, 3) with 0 elements does not fit (0, -1): -1 is ambiguous "
        "if another size is 0");
  const std::int64_t huge = std::int64_t{1} << 40;
  CHECK(error_text<ShapeError>([&] {
          reshape(x, {huge, huge});
        }) ==
        "reshape: shape (3, 4) with 12 elements does not fit (1099511627776, 1099511627776): more "
        "elements than can be addressed");
  CHECK_THROWS_AS(reshape(x, {huge, huge, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(Tensor(), {1}), ValueError);
}

TEST_CASE("flatten and unflatten") {
  const Tensor x = scrambled({2, 3, 4, 5});
  CHECK(flatten(x).shape() == Shape{120});
  CHECK(flatten(x, 1).shape() == Shape{2, 60});
  CHECK(flatten(x, 1, -2).shape() == Shape{2, 12, 5});
  CHECK(flatten(x, -2, -2).shape() == x.shape());
  CHECK(flatten(full({}, 1.0)).shape() == Shape{1});
  CHECK(
      matches(flatten(transpose(x, 1, 2), 1, 2), reshape(transpose(x, 1, 2).clone(), {2, 12, 5})));
  CHECK(error_text<ValueError>([&] { flatten(x, 2, 1); }) ==
        "flatten: start_dim 2 comes after end_dim 1");
  CHECK_THROWS_AS(flatten(x, 4), IndexError);

  CHECK(unflatten(x, 2, {2, 2}).shape() == Shape{2, 3, 2, 2, 5});
  CHECK(unflatten(x, -1, {-1, 5}).shape() == Shape{2, 3, 4, 1, 5});
  CHECK(unflatten(transpose(x, 0, 3), 0, {5, 1}).shares_memory_with(x));
  CHECK(error_text<ShapeError>([&] {
          unflatten(x, 1, {2, 2});
        }) == "unflatten: sizes (2, 2) do not multiply to 3, the size of dimension 1");
  CHECK_THROWS_AS(unflatten(x, 1, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(unflatten(x, 1, {}), ShapeError);
  CHECK_THROWS_AS(unflatten(x, 1, {0, -1}), ShapeError);
  CHECK_THROWS_AS(unflatten(full({}, 1.0), 0, {1}), IndexError);
}

TEST_CASE("squeeze and unsqueeze") {
  const Tensor x = scrambled({1, 3, 1, 2});
  CHECK(squeeze(x).shape() == Shape{3, 2});
  CHECK(squeeze(x, 0).shape() == Shape{3, 1, 2});
  CHECK(squeeze(x, -2).shape() == Shape{1, 3, 2});
  CHECK(squeeze(x, 1).shape() == x.shape());
  CHECK(squeeze(zeros({1, 1})).dim() == 0);
  CHECK(squeeze(full({}, 1.0), 0).dim() == 0);
  CHECK_THROWS_AS(squeeze(x, 4), IndexError);

  const Tensor y = transpose(scrambled({3, 2}));
  for (std::int64_t dim = 0; dim < 3; ++dim) {
    Shape shape{2, 3};
    shape.insert(dim, 1);
    CHECK(matches(unsqueeze(y, dim), reshape(y.clone(), shape)));
    CHECK(matches(unsqueeze(y, dim - 3), reshape(y.clone(), shape)));
    CHECK(unsqueeze(y, dim).shares_memory_with(y));
  }
  CHECK(unsqueeze(full({}, 1.0), 0).shape() == Shape{1});
  CHECK(error_text<IndexError>([&] { unsqueeze(y, 3); }) ==
        "unsqueeze: dimension 3 out of range, needed one in [-3, 2]");
  CHECK(
      error_text<ShapeError>([&] {
        unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 2}), 0);
      }) ==
      "unsqueeze: shape (1, 1, 1, 1, 1, 1, 1, 2) has no room for another dimension, at most 8 are "
      "possible");
}

TEST_CASE("permute and transpose") {
  const Tensor x = scrambled({2, 3, 4});
  const Tensor y = permute(x, {-1, 0, 1});
  CHECK(y.shape() == Shape{4, 2, 3});
  for_each_index(y.shape(), [&](const Shape& i) {
    REQUIRE(y.item<float>(i) == x.item<float>({i[1], i[2], i[0]}));
  });
  CHECK(matches(transpose(x), permute(x, {0, 2, 1})));
  CHECK(matches(transpose(x, 0, -1), permute(x, {2, 1, 0})));
  CHECK(transpose(full({}, 2.0), 0, -1).dim() == 0);
  CHECK(transpose(scrambled({3}), 0, 0).shape() == Shape{3});
  CHECK(permute(full({}, 2.0), {}).dim() == 0);
  CHECK(error_text<ShapeError>([&] {
          permute(x, {0, 1});
        }) ==
        "permute: got dimensions (0, 1) for shape (2, 3, 4), needed each of its dimensions once");
  CHECK(error_text<ValueError>([&] {
          permute(x, {0, 1, -2});
        }) == "permute: dimension 1 is listed twice in (0, 1, -2)");
  CHECK(error_text<IndexError>([&] { transpose(x, 0, 3); }) ==
        "transpose: dimension 3 out of range, needed one in [-3, 2]");
  CHECK(error_text<ShapeError>([&] { transpose(scrambled({3})); }) ==
        "transpose: got shape (3), needed at least 2 dimensions; unsqueeze(x, 0) turns a vector "
        "into a row");
}

TEST_CASE("expand and broadcast_to") {
  const Tensor x = scrambled({3, 1});
  const Tensor y = expand(x, {2, -1, 4});
  CHECK(y.shape() == Shape{2, 3, 4});
  CHECK(y.stride(0) == 0);
  CHECK(y.stride(2) == 0);
  CHECK(y.item<float>({1, 2, 3}) == x.item<float>({2, 0}));
  CHECK(broadcast_to(full({}, 4.0), {2, 2}).item<float>({1, 1}) == 4.0F);
  CHECK(expand(x, {3, 0}).numel() == 0);
  CHECK(matches(expand(transpose(x), {3, 3}).clone(),
                stack({select(x, 1, 0), select(x, 1, 0), select(x, 1, 0)})));
  CHECK(error_text<ShapeError>([&] {
          expand(x, {2, 4});
        }) ==
        "expand: shape (3, 1) does not expand to (2, 4), needed equal sizes or 1, aligned at the "
        "right; -1 keeps a size");
  CHECK(
      error_text<ShapeError>([&] { broadcast_to(x, {3}); }) ==
      "broadcast_to: shape (3, 1) does not expand to (3), needed equal sizes or 1, aligned at the "
      "right; -1 keeps a size");
  CHECK_THROWS_AS(expand(x, {-1, 3, 1}), ShapeError);
  CHECK_THROWS_AS(expand(x, {3, -2}), ShapeError);
  CHECK_THROWS_AS(expand(x, {std::int64_t{1} << 62, 3, 1}), ShapeError);
  Tensor wide = expand(x, {3, 2});
  CHECK_THROWS_AS(wide.fill_(1), ValueError);
}

TEST_CASE("cat and stack") {
  const Tensor a = scrambled({2, 3});
  const Tensor b = a + 100;
  CHECK(matches(
      cat({a, b}),
      tensor({{0., 37., 74.}, {111., 148., 185.}, {100., 137., 174.}, {211., 248., 285.}})));
  CHECK(matches(cat({a, transpose(transpose(b))}, -1),
                tensor({{0., 37., 74., 100., 137., 174.}, {111., 148., 185., 211., 248., 285.}})));
  CHECK(matches(cat({stored_transposed(a), stored_with_gaps(b)}, 1), cat({a, b}, 1)));
  for (std::int64_t dim = -3; dim < 3; ++dim) {
    const Tensor joined = stack({a, stored_with_gaps(b)}, dim);
    CHECK(matches(select(joined, dim, 0), a));
    CHECK(matches(select(joined, dim, 1), b));
  }
  CHECK(stack({full({}, 1.0), full({}, 2.0)}).shape() == Shape{2});
  // An empty vector can be joined with any shape.
  CHECK(cat({zeros({0}), a}, 0).shape() == Shape{2, 3});
  CHECK(cat({zeros({0}), a, zeros({0})}, 1).shape() == Shape{2, 3});
  CHECK(cat({zeros({0, 3}), a}).shape() == Shape{2, 3});
  CHECK(cat({zeros({0}), zeros({0})}).shape() == Shape{0});
  CHECK(stack({zeros({0, 2}), zeros({0, 2})}, 1).shape() == Shape{0, 2, 2});
  CHECK(cat({tensor({1, 2}), tensor({0.5})}).dtype() == float32);
  CHECK(stack({tensor({true}), tensor({7})}).dtype() == int64);

  CHECK(error_text<ShapeError>([&] {
          cat({a, zeros({2, 4})});
        }) == "cat: tensor 1 has shape (2, 4), which differs from (2, 3) in more than dimension 0");
  CHECK_THROWS_AS(cat({a, zeros({3})}), ShapeError);
  CHECK(error_text<ShapeError>([&] { cat({full({}, 1.0)}); }) ==
        "cat: got a 0-d tensor; use stack to join 0-d tensors");
  CHECK(error_text<ValueError>([&] { cat(std::vector<Tensor>{}); }) ==
        "cat: got no tensors to join");
  CHECK(error_text<ShapeError>([&] {
          stack({a, zeros({3, 2})});
        }) == "stack: tensor 1 has shape (3, 2), tensor 0 has (2, 3); needed equal shapes");
  CHECK_THROWS_AS(cat({a, b}, 2), IndexError);
  CHECK_THROWS_AS(stack({a, b}, 3), IndexError);
}

TEST_CASE("split, chunk and unbind are views") {
  const Tensor x = scrambled({7, 2});
  const std::vector<Tensor> parts = split(x, 3);
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].shape() == Shape{1, 2});
  CHECK(matches(cat(parts), x));
  CHECK(parts[1].shares_memory_with(x));
  const std::vector<Tensor> sized = split(x, {1, 0, 4, 2}, 0);
  REQUIRE(sized.size() == 4);
  CHECK(sized[1].shape() == Shape{0, 2});
  CHECK(matches(cat(sized), x));
  CHECK(split(zeros({0, 2}), 3).size() == 1);
  CHECK(split(zeros({0, 2}), 0).size() == 1);
  CHECK(error_text<ValueError>([&] { split(x, 0); }) ==
        "split: split_size 0 for size 7, needed a positive one");
  CHECK(error_text<ShapeError>([&] {
          split(x, {3, 3}, 0);
        }) == "split: sizes (3, 3) do not add up to 7, the size of dimension 0");
  CHECK_THROWS_AS(split(x, {8, -1}, 0), ShapeError);
  CHECK_THROWS_AS(split(full({}, 1.0), 1), IndexError);

  CHECK(chunk(x, 3).size() == 3);
  CHECK(chunk(scrambled({2, 6}), 4, 1).size() == 3);
  CHECK(chunk(zeros({0, 3}), 3).size() == 3);
  CHECK(error_text<ValueError>([&] { chunk(x, 0); }) == "chunk: got 0 chunks, needed at least 1");

  const std::vector<Tensor> columns = unbind(x, -1);
  REQUIRE(columns.size() == 2);
  CHECK(matches(stack(columns, 1), x));
  CHECK(columns[1].shares_memory_with(x));
  CHECK(error_text<IndexError>([&] { unbind(full({}, 1.0)); }) ==
        "unbind: got a 0-d tensor, needed at least one dimension; reshape(x, {1}) gives one");
}

TEST_CASE("the other sizes of an empty tensor may overflow", "[tensor]") {
  const std::int64_t huge = std::int64_t{1} << 62;
  Tensor x = zeros({0, huge, 8});
  CHECK(x.numel() == 0);
  CHECK(transpose(x).size(2) == huge);
  CHECK(transpose(x).numel() == 0);
  CHECK(transpose(x).is_contiguous());
  CHECK((x + x).shape() == x.shape());
  CHECK((transpose(x) + transpose(x)).numel() == 0);
  x.add_(x).fill_(1);
  CHECK(sum(x).item<float>() == 0);
  CHECK(select(zeros({0, 5}), 1, 3).numel() == 0);
  CHECK(error_text<ShapeError>([&] { flatten(x, 1, 2); }) ==
        "flatten: size overflows: 4611686018427387904 x 8 elements");
}
