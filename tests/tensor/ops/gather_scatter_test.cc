// Copying elements by index or by mask. Read next: similarity_test.cc.
#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEMPLATE_TEST_CASE("lookups by row in every layout", "", bool, std::int64_t, float, double) {
  const DType dtype = dtype_of<TestType>::value;
  const Tensor plain = scrambled({5, 3}, dtype);
  const Tensor ids = tensor({{4, 0, 4}, {1, 1, 2}});
  for (const Tensor& table : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    for (const Tensor& i : {ids, stored_transposed(ids)}) {
      const Tensor y = embedding(table, i);
      REQUIRE(y.shape() == Shape{2, 3, 3});
      for_each_index(y.shape(), [&](const Shape& at) {
        REQUIRE(y.item<double>(at) ==
                plain.item<double>({ids.item<std::int64_t>({at[0], at[1]}), at[2]}));
      });
    }
    CHECK(matches(index_select(table, 0, ids[0]), embedding(plain, ids[0])));
    CHECK(matches(index_select(table, -1, tensor({2, 2, 0, 1})),
                  transpose(embedding(transpose(plain), tensor({2, 2, 0, 1}))).clone()));
    const Tensor rows = scrambled({4, 3}, dtype);
    Tensor expected = plain.to(int64).clone();
    for (std::int64_t i = 0; i < 4; ++i) {
      expected[i % 2].add_(rows[i].to(int64));
    }
    CHECK(matches(index_add(table, 0, tensor({0, 1, 0, 1}), stored_with_gaps(rows)),
                  expected.to(dtype)));
    CHECK(matches(index_add(transpose(table), 1, tensor({0, 1, 0, 1}), transpose(rows)),
                  transpose(expected.to(dtype)).clone()));
  }
  CHECK(embedding(plain, full({}, 2)).shape() == Shape{3});
  CHECK(embedding(plain, zeros({0, 4}, int64)).shape() == Shape{0, 4, 3});
  CHECK(index_select(plain, 0, zeros({0}, int64)).shape() == Shape{0, 3});
  CHECK(index_select(full({}, 1, dtype), 0, tensor({0})).dim() == 0);
  CHECK(index_select(plain, 1, full({}, 2)).shape() == Shape{5, 1});
}

TEST_CASE("an index out of range is reported before anything is written") {
  const Tensor table = scrambled({100, 2});
  Tensor ids = zeros({3, 4}, int64);
  ids.mutable_span<std::int64_t>()[7] = 10003;
  CHECK(error_text<IndexError>([&] { embedding(table, ids); }) ==
        "embedding: index 10003 out of range for 100 rows (position 7)");
  for (const std::int64_t bad :
       {std::int64_t{-1}, std::int64_t{100}, INT64_MIN, std::int64_t{1} << 40}) {
    const Tensor index = tensor({std::int64_t{0}, bad});
    const std::string text = "index " + std::to_string(bad) + " out of range for 100 ";
    CHECK(error_text<IndexError>([&] { embedding(table, index); }) ==
          "embedding: " + text + "rows (position 1)");
    CHECK(error_text<IndexError>([&] { index_select(table, 0, index); }) ==
          "index_select: " + text + "positions (position 1)");
    CHECK(error_text<IndexError>([&] {
            index_add(table, 0, index, zeros({2, 2}));
          }) == "index_add: " + text + "positions (position 1)");
    const Tensor pair = unsqueeze(index, 1);
    CHECK(error_text<IndexError>([&] { gather(table, 0, pair); }) ==
          "gather: " + text + "positions (position 1)");
    CHECK(error_text<IndexError>([&] {
            take_along_dim(table, expand(pair, {2, 2}), 0);
          }) == "gather: " + text + "positions (position 2)");
    CHECK(error_text<IndexError>([&] {
            scatter(table, 0, pair, zeros({2, 1}));
          }) == "scatter: " + text + "positions (position 1)");
    CHECK(error_text<IndexError>([&] {
            scatter_add(table, 0, pair, zeros({2, 1}));
          }) == "scatter_add: " + text + "positions (position 1)");
    CHECK(error_text<IndexError>([&] { one_hot(index, 100); }) ==
          "one_hot: " + text + "classes (position 1)");
  }
  CHECK(error_text<DTypeError>([&] { embedding(table, tensor({1.0})); }) ==
        "embedding: index is float32, needed int64; convert with to(int64)");
  CHECK(error_text<ShapeError>([&] { embedding(table[0], ids); }) ==
        "embedding: weight has shape (2), needed (rows, width)");
  CHECK(error_text<ShapeError>([&] { index_select(table, 0, ids); }) ==
        "index_select: index has shape (3, 4), needed one dimension; use gather for more");
  CHECK(
      error_text<ShapeError>([&] {
        index_add(table, 0, tensor({0, 1}), zeros({3, 2}));
      }) ==
      "index_add: got index (2) and source (3, 2) for x (100, 2), needed a 1-d index and a source "
      "(2, 2)");
  CHECK(error_text<DTypeError>([&] {
          index_add(table, 0, tensor({0}), zeros({1, 2}, float64));
        }) == "index_add: source is float64, needed float32; convert with to(float32)");
  CHECK_THROWS_AS(embedding(zeros({0, 3}), tensor({0})), IndexError);
}

TEST_CASE("gather, scatter and scatter_add along every dimension") {
  const Tensor plain = scrambled({3, 4, 2});
  for (std::int64_t dim = 0; dim < 3; ++dim) {
    // Smaller than x in other dimensions, longer along dim.
    Shape shape{2, 3, 2};
    shape[dim] = 5;
    const Tensor index =
        (scrambled(shape) - floor(scrambled(shape) / plain.size(dim)) * plain.size(dim)).to(int64);
    const Tensor source = scrambled(shape) + 0.5;
    for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
      Tensor gathered = zeros(shape);
      Tensor scattered = plain.clone();
      Tensor added = plain.clone();
      for_each_index(shape, [&](const Shape& at) {
        Shape there = at;
        there[dim] = index.item<std::int64_t>(at);
        const auto element = [](Tensor& tensor, const Shape& position) -> float& {
          std::int64_t offset = 0;
          for (std::int64_t i = 0; i < position.dim(); ++i)
            offset += position[i] * tensor.stride(i);
          return tensor.mutable_data<float>()[offset];
        };
        element(gathered, at) = plain.item<float>(there);
        element(scattered, there) = source.item<float>(at);
        element(added, there) += source.item<float>(at);
      });
      for (const Tensor& i : {index, stored_transposed(index)}) {
        CHECK(matches(gather(x, dim, i), gathered));
        CHECK(matches(scatter(x, dim, i, stored_with_gaps(source)), scattered));
        CHECK(matches(scatter_add(x, dim - 3, i, source), added));
      }
      CHECK(matches(x, plain));
    }
  }
  CHECK(gather(full({}, 2.0), 0, full({}, 0)).item<float>() == 2.0F);
  CHECK(gather(zeros({2, 3}), 0, zeros({0, 3}, int64)).shape() == Shape{0, 3});
  CHECK(
      matches(scatter_add(tensor({true, false}), 0, tensor({0, 1, 1}), tensor({true, true, true})),
              tensor({true, true})));
  CHECK(
      matches(scatter_add(tensor({INT64_MAX}), 0, tensor({0}), tensor({1})), tensor({INT64_MIN})));
  CHECK(error_text<ShapeError>([&] {
          gather(plain, 0, zeros({3, 5, 2}, int64));
        }) ==
        "gather: index of shape (3, 5, 2) does not fit into x of shape (3, 4, 2), needed no "
        "larger size except in dimension 0");
  CHECK_THROWS_AS(gather(plain, 0, zeros({3}, int64)), ShapeError);
  CHECK(error_text<ShapeError>([&] {
          scatter(zeros({3}), 0, tensor({0, 1, 2}), ones({2}));
        }) ==
        "scatter: index of shape (3) does not fit into source of shape (2), needed no larger size");
  CHECK(error_text<DTypeError>([&] { scatter(zeros({3}), 0, tensor({0}), tensor({1})); }) ==
        "scatter: source is int64, needed float32; convert with to(float32)");
}

// The answers are PyTorch 1.13's.
TEST_CASE("a 0-d tensor stands for a vector of one element") {
  const Tensor x = full({}, 2.0);
  const Tensor at = full({}, 0);
  const Tensor one = tensor({0});
  const Tensor three = tensor({0, 0, 0});
  const Tensor row = tensor({1.0, 2.0, 3.0});
  CHECK(matches(gather(x, 0, one), tensor({2.0})));
  CHECK(matches(gather(x, -1, three), tensor({2.0, 2.0, 2.0})));
  CHECK(gather(x, 0, zeros({0}, int64)).shape() == Shape{0});
  CHECK(matches(gather(row, 0, full({}, 1)), full({}, 2.0)));
  for (const Tensor& index : {at, one}) {
    for (const Tensor& source : {full({}, 5.0), tensor({5.0})}) {
      CHECK(matches(scatter(x, 0, index, source), full({}, 5.0)));
      CHECK(matches(scatter_add(x, 0, index, source), full({}, 7.0)));
      CHECK(matches(index_add(x, 0, index, source), full({}, 7.0)));
      CHECK(matches(scatter(row, 0, index, source), tensor({5.0, 2.0, 3.0})));
      CHECK(matches(scatter_add(row, 0, index, source), tensor({6.0, 2.0, 3.0})));
      CHECK(matches(index_add(row, 0, index, source), tensor({6.0, 2.0, 3.0})));
    }
    CHECK(matches(scatter(x, 0, index, ones({3})), full({}, 1.0)));
    CHECK(matches(scatter_add(row, 0, index, ones({3})), tensor({2.0, 2.0, 3.0})));
    CHECK_THROWS_AS(index_add(x, 0, index, ones({3})), ShapeError);
    CHECK_THROWS_AS(index_add(row, 0, index, ones({3})), ShapeError);
  }
  CHECK(matches(scatter_add(x, 0, three, ones({3})), full({}, 5.0)));
  CHECK(matches(index_add(x, 0, three, ones({3})), full({}, 5.0)));
  CHECK_THROWS_AS(scatter(x, 0, three, full({}, 1.0)), ShapeError);
  CHECK_THROWS_AS(index_add(x, 0, three, full({}, 1.0)), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, zeros({1, 1}, int64)), ShapeError);
  CHECK_THROWS_AS(gather(zeros({2, 3}), 0, one), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, tensor({1})), IndexError);
  CHECK_THROWS_AS(gather(x, 1, one), IndexError);
  CHECK(error_text<ShapeError>([&] { index_select(x, 0, three); }) ==
        "index_select: index has shape (3) for a 0-d x, needed one element");
}

TEST_CASE("take_along_dim broadcasts all dimensions except dim") {
  const Tensor x = scrambled({3, 4});
  CHECK(
      matches(take_along_dim(x, tensor({{2, 0, 1, 2}}), 0), gather(x, 0, tensor({{2, 0, 1, 2}}))));
  CHECK(matches(take_along_dim(x, tensor({{3}}), 1), narrow(x, 1, 3, 1).clone()));
  CHECK(matches(take_along_dim(x[0], argsort(x[0]), 0), sort(x[0]).values));
  CHECK(take_along_dim(narrow(x, 0, 0, 1), zeros({5, 2}, int64), 1).shape() == Shape{5, 2});
  CHECK_THROWS_AS(take_along_dim(x, tensor({0}), 0), ShapeError);
  CHECK_THROWS_AS(take_along_dim(x, zeros({2, 1}, int64), 1), ShapeError);
  CHECK_THROWS_AS(take_along_dim(x, zeros({1, 1}), 1), DTypeError);
}

TEST_CASE("masks") {
  const Tensor x = scrambled({2, 3});
  const Tensor mask = tensor({{true, false, true}, {false, false, true}});
  CHECK(matches(masked_select(x, mask), tensor({0., 74., 185.})));
  CHECK(matches(masked_select(stored_transposed(x), stored_transposed(mask)),
                tensor({0., 74., 185.})));
  CHECK(matches(masked_select(x, tensor({{true}, {false}})), tensor({0., 37., 74.})));
  CHECK(matches(masked_select(tensor({1, 2}), tensor({false, false})), zeros({0}, int64)));
  CHECK(masked_select(full({}, 2.0), full({}, true)).shape() == Shape{1});
  CHECK(matches(masked_fill(x, mask, -1.5), tensor({{-1.5, 37., -1.5}, {111., 148., -1.5}})));
  CHECK(matches(masked_fill(stored_with_gaps(x), stored_transposed(mask), 7),
                masked_fill(x, mask, 7.0)));
  CHECK(
      matches(masked_fill(x, mask[0], -kInf), tensor({{-kInf, 37., -kInf}, {-kInf, 148., -kInf}})));
  CHECK(matches(masked_fill(full({}, 5.0), mask[0], 1), tensor({1., 5., 1.})));
  CHECK(matches(masked_fill(tensor({1, 2, 3}), mask[0], -9.0), tensor({-9, 2, -9})));
  CHECK(matches(masked_fill(mask, mask, 0), zeros({2, 3}, boolean)));
  CHECK(masked_fill(zeros({0, 3}), mask[0], 1).shape() == Shape{0, 3});
  CHECK(matches(x, scrambled({2, 3})));
  CHECK(error_text<ValueError>([&] { masked_fill(tensor({1}), full({}, true), 1.5); }) ==
        "masked_fill: int64 cannot hold 1.500000; convert x with to(float32) first");
  CHECK_THROWS_AS(masked_fill(tensor({1}), full({}, true), kNaN), ValueError);
  CHECK(error_text<DTypeError>([&] { masked_fill(x, x, 1); }) ==
        "masked_fill: mask is float32, needed boolean; convert with to(boolean)");
  CHECK_THROWS_AS(masked_select(x, tensor({1, 0, 1})), DTypeError);
  CHECK_THROWS_AS(masked_select(x, tensor({true, false})), ShapeError);
}

TEST_CASE("nonzero and one_hot") {
  CHECK(matches(nonzero(tensor({{0, 3, 0}, {-1, 0, 2}})), tensor({{0, 1}, {1, 0}, {1, 2}})));
  CHECK(matches(nonzero(transpose(tensor({{0, 3, 0}, {-1, 0, 2}}))),
                tensor({{0, 1}, {1, 0}, {2, 1}})));
  CHECK(matches(nonzero(tensor({kNaN, 0.0, -0.0, 1e-30})), tensor({{0}, {3}})));
  CHECK(nonzero(zeros({2, 3})).shape() == Shape{0, 2});
  CHECK(nonzero(full({}, 3.0)).shape() == Shape{1, 0});
  CHECK(nonzero(full({}, 0.0)).shape() == Shape{0, 0});
  CHECK(nonzero(zeros({0, 3})).shape() == Shape{0, 2});
  CHECK(matches(one_hot(tensor({2, 0}), 3), tensor({{0, 0, 1}, {1, 0, 0}})));
  CHECK(one_hot(zeros({2, 2}, int64), 4).shape() == Shape{2, 2, 4});
  CHECK(one_hot(zeros({0}, int64), 4).shape() == Shape{0, 4});
  CHECK(error_text<ValueError>([&] { one_hot(tensor({0}), 0); }) ==
        "one_hot: got 0 classes, needed at least 1");
}
