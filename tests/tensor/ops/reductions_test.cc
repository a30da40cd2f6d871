// Sums, products, norms, any, all and cumsum. Read next: minmax_test.cc.
#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

namespace {

// The plain reference: one element for each remaining position, function(all elements reduced to
// it).
Tensor reduced(const Tensor& x, const std::vector<std::int64_t>& dims, bool keepdim,
               const std::function<double(const std::vector<double>&)>& function) {
  Shape kept = x.shape();
  for (const std::int64_t dim : dims) kept[dim] = 1;
  std::vector<double> results;
  for_each_index(kept, [&](const Shape& at) {
    Shape part_shape(std::vector<std::int64_t>(static_cast<std::size_t>(x.dim()), 1));
    for (const std::int64_t dim : dims) part_shape[dim] = x.shape()[dim];
    std::vector<double> elements;
    for_each_index(part_shape, [&](const Shape& inside) {
      Shape index = at;
      for (const std::int64_t dim : dims) index[dim] = inside[dim];
      elements.push_back(x.item<double>(index));
    });
    results.push_back(function(elements));
  });
  if (!keepdim) {
    for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) kept.erase(*dim);
  }
  return reshape(tensor(results), kept);
}

double plain_sum(const std::vector<double>& elements) {
  double total = 0;
  for (const double x : elements) total += x;
  return total;
}
double plain_mean(const std::vector<double>& elements) {
  return plain_sum(elements) / static_cast<double>(elements.size());
}
double plain_power(const std::vector<double>& elements, double p) {
  double total = 0;
  for (const double x : elements) total += std::pow(std::abs(x), p);
  return std::pow(total, 1 / p);
}
double plain_var(const std::vector<double>& elements, double correction) {
  const double mean = plain_mean(elements);
  double total = 0;
  for (const double x : elements) total += (x - mean) * (x - mean);
  return total / (static_cast<double>(elements.size()) - correction);
}

const std::vector<std::vector<std::int64_t>> kDimLists = {{0},    {1},    {2},      {0, 1},
                                                          {1, 2}, {0, 2}, {0, 1, 2}};

}  // namespace

TEMPLATE_TEST_CASE("reductions over every list of dimensions, in every layout", "", float, double) {
  const DType dtype = dtype_of<TestType>::value;
  const double tolerance = dtype == float32 ? 1e-5 : 1e-14;
  for (const Shape& shape : {Shape{3, 5, 4}, Shape{1, 6, 1}, Shape{2, 1, 33}}) {
    const Tensor plain = sin(scrambled(shape, dtype)) * 3;
    for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
      for (const std::vector<std::int64_t>& dims : kDimLists) {
        for (const bool keepdim : {false, true}) {
          const auto same = [&](const Tensor& y, const auto& function) {
            return matches(y, reduced(plain, dims, keepdim, function).to(dtype), tolerance);
          };
          CHECK(same(sum(x, dims, keepdim), plain_sum));
          CHECK(same(mean(x, dims, keepdim), plain_mean));
          CHECK(same(var(x, dims, true, keepdim), [](const auto& v) { return plain_var(v, 1); }));
          CHECK(same(tapegrad::std(x, dims, false, keepdim),
                     [](const auto& v) { return std::sqrt(plain_var(v, 0)); }));
          for (const double p : {1.0, 2.0, 3.0, 0.5}) {
            CHECK(
                same(norm(x, p, dims, keepdim), [p](const auto& v) { return plain_power(v, p); }));
          }
          CHECK(same(norm(x, kInf, dims, keepdim), [](const auto& v) {
            double largest = 0;
            for (const double value : v) largest = std::max(largest, std::abs(value));
            return largest;
          }));
          CHECK(same(logsumexp(x, dims, keepdim), [](const auto& v) {
            double total = 0;
            for (const double value : v) total += std::exp(value);
            return std::log(total);
          }));
          if (dims.size() > 1) continue;
          CHECK(same(prod(x, dims[0], keepdim), [](const auto& v) {
            double product = 1;
            for (const double value : v) product *= value;
            return product;
          }));
          const auto largest = [](const auto& v) {
            return static_cast<double>(std::max_element(v.begin(), v.end()) - v.begin());
          };
          const auto smallest = [](const auto& v) {
            return static_cast<double>(std::min_element(v.begin(), v.end()) - v.begin());
          };
          const Tensor top = reduced(plain, dims, keepdim, largest).to(int64);
          const Tensor bottom = reduced(plain, dims, keepdim, smallest).to(int64);
          CHECK(matches(max(x, dims[0] - 3, keepdim).indices, top));
          CHECK(matches(argmax(x, dims[0], keepdim), top));
          CHECK(matches(min(x, dims[0], keepdim).indices, bottom));
          CHECK(matches(argmin(x, dims[0], keepdim), bottom));
          CHECK(same(max(x, dims[0], keepdim).values,
                     [](const auto& v) { return *std::max_element(v.begin(), v.end()); }));
          CHECK(same(min(x, dims[0], keepdim).values,
                     [](const auto& v) { return *std::min_element(v.begin(), v.end()); }));
        }
      }
      CHECK(matches(sum(x), reduced(plain, {0, 1, 2}, false, plain_sum).to(dtype), tolerance));
      CHECK(matches(mean(x), reduced(plain, {0, 1, 2}, false, plain_mean).to(dtype), tolerance));
      CHECK(matches(prod(x), prod(reshape(plain, {-1}), 0), tolerance));
      CHECK(matches(sum(x, {}), sum(x, {0, 1, 2})));
      CHECK(matches(norm(x), norm(x, 2.0, {0, 1, 2})));
      CHECK(matches(max(x), max(reshape(plain, {-1}), 0).values));
      CHECK(matches(min(x), min(reshape(plain, {-1}), 0).values));
      CHECK(matches(argmax(x), argmax(reshape(plain, {-1}), 0)));
      CHECK(matches(argmin(x), argmin(reshape(plain, {-1}), 0)));
    }
  }
  const Tensor wide = expand(tensor({1.0, 2.0}).to(dtype), {1000, 2});
  CHECK(sum(wide).template item<double>() == 3000.0);
  CHECK(matches(sum(wide, 0), tensor({1000.0, 2000.0}).to(dtype)));
}

TEST_CASE("integers and booleans are summed as int64") {
  const Tensor ids = tensor({{7, -7, 0}, {std::int64_t{1} << 40, 3, -1}});
  CHECK(matches(sum(ids), full({}, (std::int64_t{1} << 40) + 2)));
  CHECK(matches(sum(transpose(ids), 0), tensor({std::int64_t{0}, (std::int64_t{1} << 40) + 2})));
  CHECK(matches(sum(tensor({true, false, true})), full({}, 2)));
  CHECK(matches(prod(tensor({{2, 3}, {-4, 5}}), 1), tensor({6, -20})));
  CHECK(matches(prod(transpose(tensor({{2, 3}, {-4, 5}})), 1, true), tensor({{-8}, {15}})));
  CHECK(matches(prod(tensor({true, true})), full({}, 1)));
  CHECK(matches(prod(tensor({INT64_MAX, 2})), full({}, -2)));
  CHECK(matches(cumsum(tensor({true, false, true}), 0), tensor({1, 1, 2})));
  CHECK(matches(sum(tensor({INT64_MAX, 1})), full({}, INT64_MIN)));
  CHECK(matches(max(tensor({true, false})), full({}, true)));
  CHECK(matches(min(ids, 0).values, tensor({7, -7, -1})));
  CHECK(matches(argmax(tensor({3, 9, 9})), full({}, 1)));
  CHECK(matches(logsumexp(tensor({0, 0}), 0), full({}, std::log(2.0)), 1e-6));
  CHECK(error_text<DTypeError>([&] { mean(ids); }) ==
        "mean: not defined for int64; convert with to(float32)");
  CHECK_THROWS_AS(var(ids), DTypeError);
  CHECK_THROWS_AS(norm(ids), DTypeError);
  CHECK(error_text<DTypeError>([&] { softmax(tensor({true}), 0); }) ==
        "softmax: not defined for boolean; convert with to(float32)");
}

TEST_CASE("reductions of empty tensors") {
  const Tensor none = zeros({0});
  const Tensor rows = zeros({0, 3});
  CHECK(sum(none).item<float>() == 0.0F);
  CHECK(matches(sum(rows, 0), zeros({3})));
  CHECK(sum(rows, 1).shape() == Shape{0});
  CHECK(std::isnan(mean(none).item<float>()));
  CHECK(matches(mean(rows, 0), full({3}, kNaN)));
  CHECK(std::isnan(var(none).item<float>()));
  CHECK(std::isnan(tapegrad::std(tensor({3.0})).item<float>()));
  CHECK(var(tensor({3.0}), {}, false).item<float>() == 0.0F);
  CHECK(prod(none).item<float>() == 1.0F);
  CHECK(matches(prod(rows, 0), ones({3})));
  CHECK(prod(rows, 1, true).shape() == Shape{0, 1});
  CHECK_FALSE(any(none).item<bool>());
  CHECK(all(none).item<bool>());
  CHECK(matches(all(rows, 0), ones({3}, boolean)));
  CHECK(norm(none).item<float>() == 0.0F);
  CHECK(norm(none, kInf).item<float>() == 0.0F);
  CHECK(matches(logsumexp(rows, 0), full({3}, -kInf)));
  CHECK(softmax(rows, 0).shape() == Shape{0, 3});
  CHECK(log_softmax(zeros({2, 0}), 1).shape() == Shape{2, 0});
  CHECK(cumsum(rows, 0).shape() == Shape{0, 3});
  CHECK(max(rows, 1).values.shape() == Shape{0});
  CHECK(error_text<ValueError>([&] { max(none); }) ==
        "max: tensor of shape (0) has no elements, needed at least one");
  CHECK(error_text<ValueError>([&] { argmin(rows); }) ==
        "argmin: tensor of shape (0, 3) has no elements, needed at least one");
  CHECK(error_text<IndexError>([&] { min(rows, 0); }) ==
        "min: dimension 0 of shape (0, 3) has no elements, needed at least one");
  CHECK_THROWS_AS(argmax(zeros({0, 0}), 1), IndexError);
}

TEST_CASE("reductions of 0-d tensors") {
  const Tensor x = full({}, -3.0);
  CHECK(sum(x).item<float>() == -3.0F);
  CHECK(sum(x, 0, true).dim() == 0);
  CHECK(mean(x, -1).item<float>() == -3.0F);
  CHECK(max(x, 0).indices.item<int>() == 0);
  CHECK(softmax(x, -1).item<float>() == 1.0F);
  CHECK(log_softmax(x, 0).item<float>() == 0.0F);
  CHECK(logsumexp(x, 0).item<float>() == -3.0F);
  CHECK(cumsum(x, 0).item<float>() == -3.0F);
  CHECK(norm(x).item<float>() == 3.0F);
  CHECK(prod(x, 0).item<float>() == -3.0F);
}

TEST_CASE("lists of dimensions are checked") {
  const Tensor x = zeros({2, 3});
  CHECK(error_text<ValueError>([&] {
          sum(x, {0, -2});
        }) == "sum: dimension 0 is listed twice in (0, -2)");
  CHECK(error_text<IndexError>([&] { mean(x, 2); }) ==
        "mean: dimension 2 out of range, needed one in [-2, 1]");
  CHECK_THROWS_AS(max(x, -3), IndexError);
  CHECK_THROWS_AS(softmax(x, 2), IndexError);
  CHECK_THROWS_AS(cumsum(x, 2), IndexError);
  CHECK_THROWS_AS(any(x, 2), IndexError);
}

TEST_CASE("NaN and infinities") {
  // NaN in each lane and in the partial vector at the end.
  for (std::int64_t size = 1; size <= 70; ++size) {
    for (std::int64_t bad = 0; bad < size; ++bad) {
      Tensor x = arange(size).to(float32);
      x.mutable_span<float>()[static_cast<std::size_t>(bad)] = std::nanf("");
      REQUIRE(std::isnan(sum(x).item<float>()));
      REQUIRE(std::isnan(logsumexp(x, 0).item<float>()));
    }
  }
  CHECK(any(tensor({0.0, kNaN})).item<bool>());
  CHECK(matches(any(tensor({{0, 0}, {0, 3}}), 1), tensor({false, true})));
  CHECK(matches(all(tensor({{0.5, 0.0}, {1.0, -3.0}}), 0, true), tensor({{true, false}})));
  CHECK(matches(cumsum(tensor({1.0, kInf, -kInf, 2.0}), 0), tensor({1.0, kInf, kNaN, kNaN})));
  CHECK(norm(tensor({3.0, 0.0, -1.0}), 0.0).item<float>() == 2.0F);
  CHECK(norm(tensor({3.0, 0.0, -1.0}), -kInf).item<float>() == 0.0F);
  CHECK(tapegrad::std(tensor({4096.0, 4096.5, 4097.0, 4095.25})).item<float>() ==
        Approx(0.7465196));
}

TEST_CASE("cumsum over every dimension") {
  const Tensor plain = sin(scrambled({3, 7, 37}, float64)) * 5;
  for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    for (std::int64_t dim = -3; dim < 3; ++dim) {
      CHECK(matches(cumsum(x, dim), cumsum(plain, dim)));
      CHECK(matches(narrow(cumsum(x, dim), dim, -1, 1).clone(), sum(plain, dim, true), 1e-13));
    }
  }
}

TEST_CASE("sum_to undoes broadcasting") {
  const Tensor plain = scrambled({4, 3, 5});
  for (const Tensor& x : {plain, stored_transposed(plain), stored_with_gaps(plain)}) {
    CHECK(matches(sum_to(x, {5}), sum(plain, {0, 1})));
    CHECK(matches(sum_to(x, {3, 5}), sum(plain, 0)));
    CHECK(matches(sum_to(x, {3, 1}), unsqueeze(sum(plain, {0, 2}), 1)));
    CHECK(matches(sum_to(x, {4, 1, 5}), sum(plain, 1, true)));
    CHECK(matches(sum_to(x, {1, 1, 1}), reshape(sum(plain), {1, 1, 1})));
    CHECK(matches(sum_to(x, {}), sum(plain)));
    CHECK(matches(sum_to(x, {1}), reshape(sum(plain), {1})));
    CHECK(matches(sum_to(x, {4, 3, 5}), plain));
  }
  CHECK(matches(sum_to(zeros({0, 3}), {3}), zeros({3})));
  CHECK(matches(sum_to(zeros({0, 3}), {1, 3}), zeros({1, 3})));
  CHECK(matches(sum_to(ones({1, 3}), {3}), ones({3})));
  CHECK(error_text<ShapeError>([&] { sum_to(plain, {4}); }) ==
        "sum_to: shape (4) does not broadcast to (4, 3, 5), so x cannot be summed to it");
  CHECK_THROWS_AS(sum_to(ones({3}), {1, 3}), ShapeError);
}

// The answers are PyTorch 1.13's; where float32 loses them, it gives inf or 0 for the norm.
TEST_CASE("squares that float32 cannot hold do not spoil norm, var and std") {
  for (const std::int64_t n : {2, 100, 3000}) {
    for (const double size : {1e20, 1e30, 3e-21, 1e-25, 1e-37}) {
      CAPTURE(n, size);
      const Tensor x = full({n}, size);
      const auto root = std::sqrt(static_cast<double>(n));
      CHECK(norm(x, 2).item<double>() == Approx(size * root));
      CHECK(norm(stored_with_gaps(full({3, n}, size)), 2, {1})[2].item<double>() ==
            Approx(size * root));
      CHECK(normalize(x, 2, 0, 0)[0].item<double>() == Approx(1 / root));
      CHECK(cosine_similarity(x, -x, 0, 0).item<double>() == Approx(-1));
      CHECK(pairwise_distance(x, -x, 2, 0).item<double>() == Approx(2 * size * root));
      CHECK(cdist(unsqueeze(x, 0), unsqueeze(-x, 0)).item<double>() == Approx(2 * size * root));
      const Tensor one = cat({full({1}, 0.0), full({n - 1}, size)}, 0);  // 0, size, size, ...
      CHECK(tapegrad::std(one).item<double>() == Approx(size / root));
      CHECK(tapegrad::std(one.to(float64)).item<double>() == Approx(size / root));
      const double variance = size * size / static_cast<double>(n);
      if (variance < 1e38 && variance > 1e-37) CHECK(var(one).item<double>() == Approx(variance));
    }
  }
  CHECK(norm(full({2}, 3e38), 2).item<double>() == kInf);  // too large for float32
  CHECK(tapegrad::std(tensor({3e38, -3e38}), Dims{}, false).item<double>() == Approx(3e38));
  CHECK(norm(zeros({3}), 2).item<double>() == 0);
  CHECK(tapegrad::std(ones({3})).item<double>() == 0);
  CHECK(norm(tensor({1.0, kInf}), 2).item<double>() == kInf);
  CHECK(std::isnan(norm(tensor({1.0, kNaN}), 2).item<double>()));
  CHECK(std::isnan(tapegrad::std(tensor({1.0, kInf})).item<double>()));
  CHECK(std::isnan(tapegrad::std(zeros({0})).item<double>()));
}

// The answers are PyTorch 1.13's.
TEST_CASE("allclose compares in the type of its arguments") {
  struct Case {
    double a, b, rtol, atol;
    bool in_float32, in_float64;
  };
  for (const auto& [a, b, rtol, atol, in_float32, in_float64] : {
           Case{0.1, 0, 0, 0.1, true, true},
           Case{0, 0.1, 0, 0.1, true, true},
           Case{0.3, 0.1, 0, 0.2, false, true},
           Case{1.1, 1, 0.1, 0, false, false},
           Case{1e-8, 0, 0, 1e-8, true, true},
           Case{kInf, kInf, 0, 0, true, true},
           Case{kInf, -kInf, 1, 1, false, false},
           Case{kInf, 1, 1, 1, false, false},
           Case{1, kInf, 1, 1, false, false},
           Case{3e38, -3e38, 10, 0, false, true},
           Case{1, 1.00001, 1e-5, 0, false, true},
           Case{1.7, 1, 0.7, 0, false, true},
           Case{kNaN, kNaN, 1, 1, false, false},
       }) {
    CAPTURE(a, b, rtol, atol);
    CHECK(allclose(full({}, a), full({}, b), rtol, atol) == in_float32);
    CHECK(allclose(full({}, a, float64), full({}, b, float64), rtol, atol) == in_float64);
  }
  // Integers beyond float32 stay different.
  CHECK_FALSE(allclose(tensor({16777217}), tensor({16777216}), 0, 0.5));
  CHECK(allclose(tensor({16777217}), tensor({16777216}), 0, 1));
  CHECK(allclose(full({}, kNaN), full({}, kNaN), 0, 0, true));
  // Other comparisons with a number are also in the tensor's type.
  const Tensor tenth = full({}, 0.1);
  CHECK((tenth == 0.1).item<bool>());
  CHECK((tenth <= 0.1).item<bool>());
  CHECK_FALSE((tenth > 0.1).item<bool>());
  CHECK_FALSE((tenth != 0.1).item<bool>());
  CHECK(matches(clamp(tenth, std::nullopt, 0.1), tenth));
}
