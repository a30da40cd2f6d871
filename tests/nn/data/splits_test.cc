// Tests of splits: PyTorch's parts, and folds. Read next: dataset_test.cc.
#include "catch.h"
#include "error_text.h"

#include <algorithm>

#include <tapegrad/nn/data/splits.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "golden_file.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::Indices;
using nn::TensorDataset;
using tg::test::error_text;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("data.safetensors");
  return file;
}

Indices numbers(const tg::Tensor& x) { return tg::to_vector<std::int64_t>(x); }

template <std::size_t N>
void check_split(const std::string& which, std::int64_t n, const tg::Scalar (&lengths)[N]) {
  CAPTURE(which);
  tg::manual_seed(static_cast<std::uint64_t>(golden().option(which, "seed", 0)));
  const auto parts = nn::random_split(TensorDataset(tg::arange(n) * 10), lengths);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Indices want = numbers(golden().at(which + ".out" + std::to_string(i)));
    CHECK(parts[i].indices() == want);
    if (want.empty()) continue;
    CHECK(numbers(parts[i].batch(Indices{0})[0]) == Indices{want[0] * 10});
  }
}

}  // namespace

TEST_CASE("random_split: PyTorch's parts", "[nn]") {
  check_split("random_split.lengths", 10, {7, 3});
  check_split("random_split.three", 50, {20, 0, 30});
  check_split("random_split.fractions", 10, {0.9, 0.1});
  check_split("random_split.rounded", 11, {0.3, 0.3, 0.4});
  check_split("random_split.rounded_twice", 29, {0.25, 0.25, 0.25, 0.25});
  check_split("random_split.all", 5, {1.0});
  check_split("random_split.one", 1, {1});
}

TEST_CASE("random_split: errors for wrong lengths", "[nn]") {
  const TensorDataset data(tg::arange(10));
  CHECK(error_text<tg::ValueError>([&] {
          nn::random_split(data, {7, 4});
        }) ==
        "random_split: got lengths {7, 4} for 10 examples, needed whole numbers that sum up to "
        "the number of examples, or fractions that sum up to 1");
  CHECK(error_text<tg::ValueError>([&] {
          nn::random_split(data, {0.7, 0.4});
        }) ==
        "random_split: got lengths {0.700000, 0.400000} for 10 examples, needed whole numbers that "
        "sum up to the number of examples, or fractions that sum up to 1");
  CHECK_FALSE(error_text<tg::ValueError>([&] { nn::random_split(data, {7.5, 2.5}); }).empty());
  CHECK(error_text<tg::ValueError>([&] {
          nn::random_split(data, {11, -1});
        }) == "random_split: got lengths {11, -1}, needed 0 or more");
}

TEST_CASE("k_folds: every example is in one test part", "[nn]") {
  tg::Generator generator(3);
  const auto folds = nn::k_folds(TensorDataset(tg::arange(11)), 4, generator);
  REQUIRE(folds.size() == 4);
  Indices tested;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(folds[i].test.size() == (i < 3 ? 3 : 2));
    Indices all = folds[i].train.indices();
    const Indices& test = folds[i].test.indices();
    all.insert(all.end(), test.begin(), test.end());
    tested.insert(tested.end(), test.begin(), test.end());
    std::ranges::sort(all);
    CHECK(all == numbers(tg::arange(11)));
  }
  tg::Generator again(3);
  CHECK(tested == numbers(tg::randperm(11, again)));
  const TensorDataset three(tg::arange(3));
  CHECK(nn::k_folds(three, 3).size() == 3);
  CHECK(error_text<tg::ValueError>([&] { nn::k_folds(three, 4); }) ==
        "k_folds: k is 4 for 3 examples, needed at least 2, and at most the number of examples");
  CHECK_FALSE(error_text<tg::ValueError>([&] { nn::k_folds(three, 1); }).empty());
}
