// Tests of data sets and padding: PyTorch's values, views, errors. Read next: loader_test.cc.
#include "catch.h"
#include "error_text.h"

#include <vector>

#include <tapegrad/nn/data/dataset.h>
#include <tapegrad/tensor/ops.h>

#include "golden_file.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::Indices;
using nn::SequenceDataset;
using nn::TensorDataset;
using tg::test::error_text;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("data.safetensors");
  return file;
}

}  // namespace

TEST_CASE("pad_sequence: pads as PyTorch does", "[nn]") {
  for (const std::string& which : golden().cases("pad_sequence")) {
    CAPTURE(which);
    std::vector<tg::Tensor> sequences;
    while (golden().has(which + ".in" + std::to_string(sequences.size()))) {
      sequences.push_back(golden().at(which + ".in" + std::to_string(sequences.size())));
    }
    const tg::Tensor padded =
        nn::pad_sequence(sequences, {.batch_first = golden().option(which, "batch_first", 0) != 0,
                                     .padding_value = golden().option(which, "padding_value", 0)});
    CHECK(padded.dtype() == golden().at(which + ".out0").dtype());
    CHECK(equal(padded, golden().at(which + ".out0")));
  }
  CHECK(error_text<tg::ValueError>([] { nn::pad_sequence(std::vector<tg::Tensor>{}); }) ==
        "pad_sequence: got no sequences, needed at least one");
  CHECK(error_text<tg::ShapeError>([] {
          nn::pad_sequence({tg::ones({2, 3}), tg::ones({2, 4})});
        }) == "pad_sequence: got (2, 3) and (2, 4), needed sizes that differ only in the first");
  CHECK(error_text<tg::DTypeError>([] {
          nn::pad_sequence({tg::ones({2}), tg::tensor({1})});
        }) == "pad_sequence: got float32 and int64, needed one type");
}

TEST_CASE("pad_sequence: views, empty steps, and every element type", "[nn]") {
  const tg::Tensor steps = transpose(tg::tensor({{1, 2, 3}, {4, 5, 6}}), 0, 1);  // (3, 2), no copy
  REQUIRE_FALSE(steps.is_contiguous());
  const tg::Tensor one = tg::tensor({{7, 8}});
  CHECK(equal(nn::pad_sequence({steps, one}, {.batch_first = true, .padding_value = -1}),
              tg::tensor({{{1, 4}, {2, 5}, {3, 6}}, {{7, 8}, {-1, -1}, {-1, -1}}})));
  CHECK(equal(nn::pad_sequence({steps, one}, {.padding_value = -1}),
              tg::tensor({{{1, 4}, {7, 8}}, {{2, 5}, {-1, -1}}, {{3, 6}, {-1, -1}}})));
  for (const tg::DType dtype : {tg::float32, tg::float64, tg::int64, tg::boolean}) {
    const tg::Tensor padded =
        nn::pad_sequence({tg::ones({2}, dtype), tg::ones({0}, dtype)}, {.batch_first = true});
    CHECK(padded.dtype() == dtype);
    CHECK(equal(padded, tg::tensor({{1, 1}, {0, 0}}).to(dtype)));
  }
  CHECK(nn::pad_sequence({tg::ones({2, 0}), tg::ones({1, 0})}).shape() == tg::Shape{2, 2, 0});
  CHECK(nn::pad_sequence({tg::ones({0})}, {.batch_first = true}).shape() == tg::Shape{1, 0});
  CHECK(error_text<tg::ShapeError>([] { nn::pad_sequence({tg::tensor(1)}); }) ==
        "pad_sequence: got () and (), needed sizes that differ only in the first");
}

TEST_CASE("ConcatDataset: several data sets as one", "[nn]") {
  const TensorDataset first(tg::arange(3), tg::arange(3) * 10);
  const TensorDataset second(tg::arange(3, 5), tg::arange(3, 5) * 10);
  const nn::ConcatDataset both({first, second});
  CHECK(both.size() == 5);
  const auto [x, y] = both.batch(Indices{4, 0, 3, 2, 4});
  CHECK(equal(x, tg::tensor({4, 0, 3, 2, 4})));
  CHECK(equal(y, x * 10));
  CHECK(equal(both.batch(Indices{1})[0], tg::tensor({1})));
  CHECK(equal(both.batch(Indices{3, 4})[1], tg::tensor({30, 40})));
  CHECK(both.batch(Indices{})[0].shape() == tg::Shape{0});
  CHECK(both.datasets().size() == 2);
  CHECK(error_text<tg::IndexError>([&] {
          both.batch(Indices{0, 5});
        }) == "ConcatDataset: position 5 out of range for 5 examples");
  CHECK_THROWS_AS(both.batch(Indices{-1}), tg::IndexError);
  CHECK(error_text<tg::ValueError>([] { nn::ConcatDataset(std::vector<TensorDataset<2>>()); }) ==
        "ConcatDataset: got no data sets, needed at least one");

  const TensorDataset none(tg::zeros({0}, tg::int64), tg::zeros({0}, tg::int64));
  const nn::ConcatDataset with_empty({none, first, none, second});
  CHECK(equal(with_empty.batch(Indices{4, 0, 2})[0], tg::tensor({4, 0, 2})));
  const nn::Subset part(second, {1});
  CHECK(equal(nn::ConcatDataset({part, part}).batch(Indices{1, 0})[1], tg::tensor({40, 40})));
  const TensorDataset wide(tg::ones({2, 3})), slim(tg::ones({2, 2}));
  CHECK_THROWS_AS(nn::ConcatDataset({wide, slim}).batch(Indices{0, 2}), tg::ShapeError);
}

TEST_CASE("data sets throw for tensors without examples", "[nn]") {
  CHECK(error_text<tg::ShapeError>([] {
          TensorDataset(tg::ones({3, 2}), tg::ones({2}));
        }) == "TensorDataset: got (3, 2), (2), needed the same first size, the number of examples");
  CHECK_FALSE(error_text<tg::ShapeError>([] { TensorDataset(tg::tensor(1)); }).empty());
  CHECK(error_text<tg::ShapeError>([] {
          nn::SequenceDataset({tg::ones({1}), tg::ones({2})}, tg::arange(3));
        }) ==
        "SequenceDataset: got 2 sequences and labels of (3), needed one label for each sequence");
  const SequenceDataset data({tg::ones({1}), tg::ones({2})}, tg::arange(2));
  CHECK(error_text<tg::ValueError>([&] { data.batch(Indices{}); }) ==
        "pad_sequence: got no sequences, needed at least one");
}
