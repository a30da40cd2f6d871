// The rows. A new operation gets one here; a test reads ops.h and complains if it has none. Inputs
// stay away from kinks, ties and poles, where differences say nothing. Read next: ops_test.cc.
#include "op_cases.h"

#include <cmath>
#include <limits>

#include <tapegrad/tensor/random.h>

namespace tapegrad {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr OpTraits kElementwise{.elementwise = true};

// Inputs ------------------------------------------------------------------------------------------

Generator& generator() {
  static Generator own(20240229);
  return own;
}

// A float64 that float32 holds too, so that both types start from the same number.
Tensor exact(const Tensor& x) { return x.to(float32).to(float64); }

Tensor uniform(const Shape& shape, double low = -2, double high = 2) {
  return exact(rand(shape, float64, generator()) * (high - low) + low);
}
Tensor positive(const Shape& shape) { return uniform(shape, 0.3, 3); }
// Either sign, nowhere near zero.
Tensor away(const Shape& shape) {
  const Tensor sign = randint(0, 2, shape, generator()) * 2 - 1;
  return exact(uniform(shape, 0.3, 2) * sign);
}
// No two alike, at least 0.2 apart.
Tensor distinct(const Shape& shape) {
  const std::int64_t count = checked_numel(shape, "distinct");
  const Tensor order = randperm(count, generator()).to(float64);
  return reshape(exact((order - static_cast<double>(count) / 2 + 0.25) * 0.2), shape);
}

// A mask or index among the inputs, at either level.
const Tensor& plain(const Tensor& x) { return x; }
const Tensor& plain(const Variable& x) { return x.value(); }

Tensor mask() { return tensor({{true, false, true}, {false, false, true}}); }

// Bags of a table's rows, one after the other: the plainest way.
Tensor bags_by_hand(const Tensor& table, const Tensor& ids, const std::vector<std::int64_t>& bounds,
                    BagMode mode, std::int64_t padding = -1, const Tensor& factors = {}) {
  std::vector<Tensor> results;
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    std::vector<Tensor> rows;
    for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
      const auto id = flatten(ids)[i].item<std::int64_t>();
      if (id == padding) continue;
      rows.push_back(factors.defined() ? table[id] * flatten(factors)[i] : table[id]);
    }
    if (rows.empty()) {
      results.push_back(zeros({table.size(1)}, table.dtype()));
    } else if (mode == BagMode::max) {
      results.push_back(max(stack(rows), 0).values);
    } else {
      results.push_back(mode == BagMode::sum ? sum(stack(rows), {0}) : mean(stack(rows), {0}));
    }
  }
  return stack(results);
}

// Rows --------------------------------------------------------------------------------------------

std::vector<OpCase> arithmetic() {
  return {
      {"add",
       [](auto& v) { return add(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"add scalar", [](auto& v) { return add(v[0], 2.5); }, {uniform({2, 3})}, kElementwise},
      {"sub",
       [](auto& v) { return sub(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"sub scalar", [](auto& v) { return sub(v[0], 2.5); }, {uniform({2, 3})}, kElementwise},
      {"sub from scalar", [](auto& v) { return sub(2.5, v[0]); }, {uniform({2, 3})}, kElementwise},
      {"mul",
       [](auto& v) { return mul(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"mul scalar", [](auto& v) { return mul(v[0], -1.5); }, {uniform({2, 3})}, kElementwise},
      {"div",
       [](auto& v) { return div(v[0], v[1]); },
       {uniform({2, 3}), away({2, 3})},
       kElementwise},
      {"div scalar", [](auto& v) { return div(v[0], -1.5); }, {uniform({2, 3})}, kElementwise},
      {"div scalar by", [](auto& v) { return div(2.5, v[0]); }, {away({2, 3})}, kElementwise},
      {"pow",
       [](auto& v) { return pow(v[0], v[1]); },
       {positive({2, 3}), away({2, 3})},
       kElementwise},
      {"pow 3", [](auto& v) { return pow(v[0], 3); }, {away({2, 3})}, kElementwise},
      {"pow 1.5", [](auto& v) { return pow(v[0], 1.5); }, {positive({2, 3})}, kElementwise},
      {"pow -1", [](auto& v) { return pow(v[0], -1.0); }, {away({2, 3})}, kElementwise},
      {"pow 0", [](auto& v) { return pow(v[0], 0); }, {away({2, 3})}, kElementwise},
      {"pow of scalar", [](auto& v) { return pow(2.5, v[0]); }, {uniform({2, 3})}, kElementwise},
      {"maximum",
       [](auto& v) { return maximum(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"minimum",
       [](auto& v) { return minimum(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"where",
       [](auto& v) { return where(plain(v[2]), v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3}), mask()},
       kElementwise},
      {"where scalar",
       [](auto& v) { return where(plain(v[1]), v[0], 2.5); },
       {uniform({2, 3}), mask()},
       kElementwise},
      {"where scalar first",
       [](auto& v) { return where(plain(v[1]), 2.5, v[0]); },
       {uniform({2, 3}), mask()},
       kElementwise},
      {"operator+",
       [](auto& v) { return v[0] + v[1]; },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"operator+ scalar", [](auto& v) { return v[0] + 2.5; }, {uniform({2, 3})}, kElementwise},
      {"operator+ scalar first",
       [](auto& v) { return 2.5 + v[0]; },
       {uniform({2, 3})},
       kElementwise},
      {"operator-",
       [](auto& v) { return v[0] - v[1]; },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"operator- scalar", [](auto& v) { return v[0] - 2.5; }, {uniform({2, 3})}, kElementwise},
      {"operator- scalar first",
       [](auto& v) { return 2.5 - v[0]; },
       {uniform({2, 3})},
       kElementwise},
      {"operator- unary", [](auto& v) { return -v[0]; }, {uniform({2, 3})}, kElementwise},
      {"operator*",
       [](auto& v) { return v[0] * v[1]; },
       {uniform({2, 3}), uniform({2, 3})},
       kElementwise},
      {"operator* scalar", [](auto& v) { return v[0] * 2.5; }, {uniform({2, 3})}, kElementwise},
      {"operator* scalar first",
       [](auto& v) { return 2.5 * v[0]; },
       {uniform({2, 3})},
       kElementwise},
      {"operator/",
       [](auto& v) { return v[0] / v[1]; },
       {uniform({2, 3}), away({2, 3})},
       kElementwise},
      {"operator/ scalar", [](auto& v) { return v[0] / 2.5; }, {uniform({2, 3})}, kElementwise},
      {"operator/ scalar first", [](auto& v) { return 2.5 / v[0]; }, {away({2, 3})}, kElementwise},
  };
}

std::vector<OpCase> functions() {
  return {
      {"neg", [](auto& v) { return neg(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"abs", [](auto& v) { return abs(v[0]); }, {away({2, 3})}, kElementwise},
      {"sign", [](auto& v) { return sign(v[0]); }, {away({2, 3})}, kElementwise},
      {"square", [](auto& v) { return square(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"reciprocal", [](auto& v) { return reciprocal(v[0]); }, {away({2, 3})}, kElementwise},
      {"sqrt", [](auto& v) { return sqrt(v[0]); }, {positive({2, 3})}, kElementwise},
      {"rsqrt", [](auto& v) { return rsqrt(v[0]); }, {positive({2, 3})}, kElementwise},
      {"exp", [](auto& v) { return exp(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"expm1", [](auto& v) { return expm1(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"log", [](auto& v) { return log(v[0]); }, {positive({2, 3})}, kElementwise},
      {"log1p", [](auto& v) { return log1p(v[0]); }, {positive({2, 3})}, kElementwise},
      {"log2", [](auto& v) { return log2(v[0]); }, {positive({2, 3})}, kElementwise},
      {"sin", [](auto& v) { return sin(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"cos", [](auto& v) { return cos(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"tan", [](auto& v) { return tan(v[0]); }, {uniform({2, 3}, -1.2, 1.2)}, kElementwise},
      {"tanh", [](auto& v) { return tanh(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"sigmoid", [](auto& v) { return sigmoid(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"relu", [](auto& v) { return relu(v[0]); }, {away({2, 3})}, kElementwise},
      {"leaky_relu", [](auto& v) { return leaky_relu(v[0]); }, {away({2, 3})}, kElementwise},
      {"leaky_relu slope",
       [](auto& v) { return leaky_relu(v[0], 0.3); },
       {away({2, 3})},
       kElementwise},
      {"elu", [](auto& v) { return elu(v[0]); }, {away({2, 3})}, kElementwise},
      {"elu alpha", [](auto& v) { return elu(v[0], 0.7); }, {away({2, 3})}, kElementwise},
      {"gelu", [](auto& v) { return gelu(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"gelu tanh",
       [](auto& v) { return gelu(v[0], GeluApproximation::tanh); },
       {uniform({2, 3})},
       kElementwise},
      {"silu", [](auto& v) { return silu(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"softplus", [](auto& v) { return softplus(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"softplus large",
       [](auto& v) { return softplus(v[0]); },
       {uniform({2, 3}, 21, 23)},
       kElementwise},
      {"softsign", [](auto& v) { return softsign(v[0]); }, {away({2, 3})}, kElementwise},
      {"erf", [](auto& v) { return erf(v[0]); }, {uniform({2, 3})}, kElementwise},
      {"floor", [](auto& v) { return floor(v[0]); }, {away({2, 3})}, kElementwise},
      {"ceil", [](auto& v) { return ceil(v[0]); }, {away({2, 3})}, kElementwise},
      {"round", [](auto& v) { return round(v[0]); }, {away({2, 3})}, kElementwise},
      {"clamp", [](auto& v) { return clamp(v[0], -0.9, 0.8); }, {distinct({3, 7})}, kElementwise},
      {"clamp low", [](auto& v) { return clamp(v[0], 0.2); }, {distinct({3, 7})}, kElementwise},
      {"clamp high",
       [](auto& v) { return clamp(v[0], std::nullopt, 0.2); },
       {distinct({3, 7})},
       kElementwise},
  };
}

std::vector<OpCase> reductions() {
  return {
      {"sum", [](auto& v) { return sum(v[0]); }, {uniform({2, 3, 2})}},
      {"sum of nothing", [](auto& v) { return sum(v[0]); }, {uniform({0, 3})}},
      {"sum of a number", [](auto& v) { return sum(v[0]); }, {uniform({})}},
      {"sum dims",
       [](auto& v) {
         return sum(v[0], {0, -1});
       },
       {uniform({2, 3, 2})}},
      {"sum keepdim", [](auto& v) { return sum(v[0], 1, true); }, {uniform({2, 3, 2})}},
      {"sum over nothing", [](auto& v) { return sum(v[0], 0); }, {uniform({0, 3})}},
      {"mean", [](auto& v) { return mean(v[0]); }, {uniform({2, 3})}},
      {"mean one", [](auto& v) { return mean(v[0]); }, {uniform({1})}},
      {"mean dims",
       [](auto& v) {
         return mean(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"mean keepdim", [](auto& v) { return mean(v[0], -1, true); }, {uniform({2, 3})}},
      {"var", [](auto& v) { return var(v[0]); }, {uniform({2, 3})}},
      {"var dims",
       [](auto& v) {
         return var(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"var biased", [](auto& v) { return var(v[0], 1, false, true); }, {uniform({2, 3})}},
      {"std", [](auto& v) { return std(v[0]); }, {uniform({2, 3})}},
      {"std dims",
       [](auto& v) {
         return std(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"std biased", [](auto& v) { return std(v[0], 1, false, true); }, {uniform({2, 3})}},
      {"prod", [](auto& v) { return prod(v[0]); }, {away({2, 3})}},
      {"prod with a zero",
       [](auto& v) {
         return prod(v[0] * tensor({{1, 0, 1}}));
       },
       {away({1, 3})}},
      {"prod of nothing", [](auto& v) { return prod(v[0]); }, {uniform({0})}},
      {"prod of a number", [](auto& v) { return prod(v[0]); }, {uniform({})}},
      {"prod dim", [](auto& v) { return prod(v[0], 1); }, {away({2, 5})}},
      {"prod keepdim", [](auto& v) { return prod(v[0], 0, true); }, {away({3, 2})}},
      {"norm", [](auto& v) { return norm(v[0]); }, {away({2, 3})}},
      {"norm 1", [](auto& v) { return norm(v[0], 1.0); }, {away({2, 3})}},
      {"norm 3", [](auto& v) { return norm(v[0], 3.0); }, {away({2, 3})}},
      {"norm 0.5", [](auto& v) { return norm(v[0], 0.5); }, {away({2, 3})}},
      {"norm infinity", [](auto& v) { return norm(v[0], kInfinity); }, {distinct({2, 3})}},
      {"norm dims",
       [](auto& v) {
         return norm(v[0], 2.0, {0, 2});
       },
       {away({2, 3, 2})}},
      {"norm keepdim", [](auto& v) { return norm(v[0], 3.0, 1, true); }, {away({2, 3})}},
      {"logsumexp",
       [](auto& v) {
         return logsumexp(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"logsumexp keepdim", [](auto& v) { return logsumexp(v[0], -1, true); }, {uniform({2, 3})}},
      {"softmax", [](auto& v) { return softmax(v[0], 1); }, {uniform({2, 3})}},
      {"softmax first", [](auto& v) { return softmax(v[0], 0); }, {uniform({3, 2, 2})}},
      {"softmax of nothing", [](auto& v) { return softmax(v[0], 1); }, {uniform({0, 3})}},
      {"softmax of one", [](auto& v) { return softmax(v[0], 0); }, {uniform({1})}},
      {"log_softmax", [](auto& v) { return log_softmax(v[0], 1); }, {uniform({2, 3})}},
      {"log_softmax middle", [](auto& v) { return log_softmax(v[0], -2); }, {uniform({2, 3, 2})}},
      {"log_softmax of nothing", [](auto& v) { return log_softmax(v[0], 1); }, {uniform({0, 3})}},
      {"cumsum", [](auto& v) { return cumsum(v[0], 1); }, {uniform({2, 4})}},
      {"cumsum first", [](auto& v) { return cumsum(v[0], 0); }, {uniform({3, 2})}},
      {"max", [](auto& v) { return max(v[0]); }, {distinct({2, 3})}},
      {"max dim", [](auto& v) { return max(v[0], 1); }, {distinct({2, 3})}},
      {"max keepdim", [](auto& v) { return max(v[0], 0, true); }, {distinct({3, 2, 2})}},
      {"min", [](auto& v) { return min(v[0]); }, {distinct({2, 3})}},
      {"min dim", [](auto& v) { return min(v[0], 1); }, {distinct({2, 3})}},
      {"min keepdim", [](auto& v) { return min(v[0], 0, true); }, {distinct({3, 2, 2})}},
      {"sort", [](auto& v) { return sort(v[0]); }, {distinct({2, 5})}},
      {"sort descending", [](auto& v) { return sort(v[0], 0, true); }, {distinct({5, 2})}},
      {"topk", [](auto& v) { return topk(v[0], 2); }, {distinct({2, 5})}},
      {"topk smallest", [](auto& v) { return topk(v[0], 3, 0, false); }, {distinct({5, 2})}},
      {"sum_to",
       [](auto& v) {
         return sum_to(v[0], {3, 1});
       },
       {uniform({2, 3, 2})}},
      {"sum_to a number", [](auto& v) { return sum_to(v[0], {}); }, {uniform({2, 3})}},
      {"cosine_similarity",
       [](auto& v) { return cosine_similarity(v[0], v[1]); },
       {away({2, 3}), away({2, 3})}},
      {"cosine_similarity broadcast",
       [](auto& v) { return cosine_similarity(v[0], v[1], -1); },
       {away({1, 3}), away({4, 3})}},
      {"pairwise_distance",
       [](auto& v) { return pairwise_distance(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})}},
      {"pairwise_distance 3",
       [](auto& v) { return pairwise_distance(v[0], v[1], 3.0, 1e-6, true); },
       {uniform({2, 3}), uniform({2, 3})}},
      {"cdist", [](auto& v) { return cdist(v[0], v[1]); }, {uniform({2, 3}), uniform({4, 3})}},
      {"cdist 1",
       [](auto& v) { return cdist(v[0], v[1], 1.0); },
       {uniform({2, 3}), uniform({4, 3})}},
      {"normalize", [](auto& v) { return normalize(v[0]); }, {away({2, 3})}},
      {"normalize 3", [](auto& v) { return normalize(v[0], 3.0, 0); }, {away({3, 2})}},
  };
}

// The formula over dims, from primitives.
Tensor standardized(const Tensor& x, const Dims& dims) {
  return (x - mean(x, dims, true)) / sqrt(var(x, dims, false, true) + 1e-5);
}

std::vector<OpCase> normalization() {
  return {
      {"layer_norm",
       [](auto& v) { return layer_norm(v[0], 5, v[1], v[2]); },
       [](auto& v) { return standardized(v[0], 1) * v[1] + v[2]; },
       {uniform({3, 5}), uniform({5}), uniform({5})}},
      {"layer_norm plain", [](auto& v) { return layer_norm(v[0], 4); }, {uniform({2, 3, 4})}},
      {"layer_norm of matrices",
       [](auto& v) {
         return layer_norm(v[0], {3, 2}, v[1], {}, 0.5);
       },
       {uniform({2, 3, 2}), uniform({3, 2})}},
      {"layer_norm shifted",
       [](auto& v) { return layer_norm(v[0], {5}, {}, v[1]); },
       {uniform({2, 5}), uniform({5})}},
      {"layer_norm of nothing",
       [](auto& v) { return layer_norm(v[0], 5, v[1], v[2]); },
       {uniform({0, 5}), uniform({5}), uniform({5})}},
      {"rms_norm",
       [](auto& v) { return rms_norm(v[0], 5, v[1]); },
       [](auto& v) {
         const double eps = v[0].dtype() == float32 ? 0x1p-23 : 0x1p-52;
         return v[0] / sqrt(mean(square(v[0]), 1, true) + eps) * v[1];
       },
       {uniform({3, 5}), uniform({5})}},
      {"rms_norm of matrices",
       [](auto& v) {
         return rms_norm(v[0], {3, 2}, {}, 0.5);
       },
       [](auto& v) {
         return v[0] / sqrt(mean(square(v[0]), {1, 2}, true) + 0.5);
       },
       {uniform({2, 3, 2})}},
      {"batch_norm",
       [](auto& v) { return batch_norm(v[0], v[1], v[2]); },
       [](auto& v) { return standardized(v[0], 0) * v[1] + v[2]; },
       {uniform({4, 3}), uniform({3}), uniform({3})}},
      {"batch_norm of sequences",
       [](auto& v) { return batch_norm(v[0], v[1]); },
       [](auto& v) {
         return standardized(v[0], {0, 2}) * unsqueeze(v[1], 1);
       },
       {uniform({2, 3, 4}), uniform({3})}},
  };
}

std::vector<OpCase> products() {
  return {
      {"matmul", [](auto& v) { return matmul(v[0], v[1]); }, {uniform({2, 3}), uniform({3, 4})}},
      {"matmul vectors", [](auto& v) { return matmul(v[0], v[1]); }, {uniform({3}), uniform({3})}},
      {"matmul by vector",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 3}), uniform({3})}},
      {"matmul vector by",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({3}), uniform({3, 2})}},
      {"matmul batches by vector",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({3})}},
      {"matmul vector by batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({3}), uniform({2, 3, 2})}},
      {"matmul batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({2, 3, 2})}},
      {"matmul batches by matrix",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({3, 2})}},
      {"matmul matrix by batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3, 2})}},
      {"matmul broadcast",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 1, 2, 3}), uniform({2, 3, 2})}},
      {"matmul nothing inside",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 0}), uniform({0, 3})}},
      {"matmul no rows",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({0, 3}), uniform({3, 2})}},
      {"matmul one by one",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({1, 1}), uniform({1, 1})}},
      {"mm", [](auto& v) { return mm(v[0], v[1]); }, {uniform({2, 3}), uniform({3, 4})}},
      {"bmm", [](auto& v) { return bmm(v[0], v[1]); }, {uniform({2, 2, 3}), uniform({2, 3, 2})}},
      {"mv", [](auto& v) { return mv(v[0], v[1]); }, {uniform({2, 3}), uniform({3})}},
      {"dot", [](auto& v) { return dot(v[0], v[1]); }, {uniform({4}), uniform({4})}},
      {"outer", [](auto& v) { return outer(v[0], v[1]); }, {uniform({2}), uniform({3})}},
      {"addmm",
       [](auto& v) { return addmm(v[0], v[1], v[2]); },
       {uniform({2, 4}), uniform({2, 3}), uniform({3, 4})}},
      {"addmm scaled",
       [](auto& v) { return addmm(v[0], v[1], v[2], 0.5, -2.0); },
       {uniform({4}), uniform({2, 3}), uniform({3, 4})}},
      {"linear",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({2, 3}), uniform({4, 3}), uniform({4})}},
      {"linear without bias",
       [](auto& v) { return linear(v[0], v[1]); },
       {uniform({2, 3}), uniform({4, 3})}},
      {"linear of steps",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({2, 2, 3}), uniform({2, 3}), uniform({2})}},
      {"linear of a vector",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({3}), uniform({4, 3}), uniform({4})}},
      {"linear of nothing",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({0, 3}), uniform({4, 3}), uniform({4})}},
  };
}

// Convolution, window by window, from primitives.
Tensor conv_by_hand(const Tensor& x, const Tensor& weight, std::int64_t stride, std::int64_t before,
                    std::int64_t behind, std::int64_t dilation) {
  const Tensor padded = cat({zeros({x.size(0), x.size(1), before}, x.dtype()), x,
                             zeros({x.size(0), x.size(1), behind}, x.dtype())},
                            2);
  const std::int64_t span = dilation * (weight.size(2) - 1) + 1;
  std::vector<Tensor> steps;
  for (std::int64_t t = 0; t + span <= padded.size(2); t += stride) {
    const Tensor window = slice(padded, 2, t, t + span, dilation);  // (batch, channels, kernel)
    steps.push_back(matmul(flatten(window, 1), transpose(flatten(weight, 1))));
  }
  return stack(steps, 2);
}

// A function of each window of `kernel` steps.
template <class Function>
Tensor pool_by_hand(const Tensor& x, std::int64_t kernel, std::int64_t stride,
                    const Function& function) {
  std::vector<Tensor> steps;
  for (std::int64_t t = 0; t + kernel <= x.size(-1); t += stride) {
    steps.push_back(function(narrow(x, -1, t, kernel)));
  }
  return stack(steps, -1);
}

std::vector<OpCase> windows() {
  return {
      {"conv1d",
       [](auto& v) { return conv1d(v[0], v[1], v[2]); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 0, 0, 1) + unsqueeze(v[2], 1); },
       {uniform({2, 3, 5}), uniform({2, 3, 3}), uniform({2})}},
      {"conv1d with all options",
       [](auto& v) { return conv1d(v[0], v[1], {}, {.stride = 2, .padding = 3, .dilation = 2}); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 2, 3, 3, 2); },
       {uniform({2, 2, 4}), uniform({3, 2, 3})}},
      {"conv1d of the same length",
       [](auto& v) { return conv1d(v[0], v[1], {}, {.padding = same_padding}); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 1, 2, 1); },
       {uniform({1, 2, 3}), uniform({2, 2, 4})}},
      {"conv1d of one sequence",
       [](auto& v) { return conv1d(v[0], v[1]); },
       [](auto& v) { return squeeze(conv_by_hand(unsqueeze(v[0], 0), v[1], 1, 0, 0, 1), 0); },
       {uniform({2, 4}), uniform({3, 2, 2})}},
      {"conv1d of no batch",
       [](auto& v) { return conv1d(v[0], v[1]); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 0, 0, 1); },
       {uniform({0, 2, 4}), uniform({3, 2, 2})}},
      {"max_pool1d",
       [](auto& v) { return max_pool1d(v[0], 2); },
       [](auto& v) {
         return pool_by_hand(v[0], 2, 2, [](const Tensor& w) { return max(w, -1).values; });
       },
       {distinct({2, 2, 5})}},
      {"max_pool1d with all options",
       [](auto& v) { return max_pool1d(v[0], 3, {.stride = 1, .padding = 1, .dilation = 2}); },
       [](auto& v) {
         const Tensor low = full({2, 1}, -99, v[0].dtype());
         return pool_by_hand(cat({low, v[0], low}, 1), 5, 1,
                             [](const Tensor& w) { return max(slice(w, -1, 0, 5, 2), -1).values; });
       },
       {distinct({2, 6})}},
      {"avg_pool1d",
       [](auto& v) { return avg_pool1d(v[0], 3, {.stride = 2, .padding = 1}); },
       [](auto& v) {
         const Tensor zero = zeros({2, 2, 1}, v[0].dtype());
         return pool_by_hand(cat({zero, v[0], zero}, 2), 3, 2,
                             [](const Tensor& w) { return mean(w, -1); });
       },
       {uniform({2, 2, 5})}},
      {"avg_pool1d of what there is",
       [](auto& v) { return avg_pool1d(v[0], 2, {.padding = 1, .count_include_pad = false}); },
       [](auto& v) {
         return stack({select(v[0], 1, 0), (select(v[0], 1, 1) + select(v[0], 1, 2)) / 2,
                       select(v[0], 1, 3)},
                      1);
       },
       {uniform({1, 4})}},
  };
}

std::vector<OpCase> attention() {
  const auto by_hand = [](auto& v) {
    return matmul(softmax(matmul(v[0], transpose(v[1])) / std::sqrt(3.0), -1), v[2]);
  };
  return {
      {"bilinear",
       [](auto& v) { return bilinear(v[0], v[1], v[2], v[3]); },
       [](auto& v) {
         std::vector<Tensor> columns;
         for (std::int64_t o = 0; o < v[2].size(0); ++o) {
           columns.push_back(sum(matmul(v[0], v[2][o]) * v[1], 1) + v[3][o]);
         }
         return stack(columns, 1);
       },
       {uniform({3, 2}), uniform({3, 4}), uniform({2, 2, 4}), uniform({2})}},
      {"bilinear of vectors",
       [](auto& v) { return bilinear(v[0], v[1], v[2]); },
       [](auto& v) { return stack({dot(v[0], mv(v[2][0], v[1]))}); },
       {uniform({2}), uniform({3}), uniform({1, 2, 3})}},
      {"scaled_dot_product_attention",
       [](auto& v) { return scaled_dot_product_attention(v[0], v[1], v[2]); },
       by_hand,
       {uniform({2, 4, 3}), uniform({2, 5, 3}), uniform({2, 5, 2})}},
      {"scaled_dot_product_attention mask",  // the second query sees nothing
       [](auto& v) {
         return scaled_dot_product_attention(v[0], v[1], v[2], {.mask = plain(v[3])});
       },
       [](auto& v) {
         return stack(
             {matmul(
                  softmax(mv(index_select(v[1], 0, tensor({0, 2})), v[0][0]) / std::sqrt(3.0), 0),
                  index_select(v[2], 0, tensor({0, 2}))),
              zeros({2}, v[0].dtype())});
       },
       {uniform({2, 3}), uniform({3, 3}), uniform({3, 2}),
        tensor({{true, false, true}, {false, false, false}})}},
      {"scaled_dot_product_attention causal",
       [](auto& v) {
         return scaled_dot_product_attention(v[0], v[0], v[0], {.is_causal = true, .scale = 0.5});
       },
       [](auto& v) {
         std::vector<Tensor> rows;
         for (std::int64_t i = 0; i < 3; ++i) {
           const Tensor seen = narrow(v[0], 0, 0, i + 1);
           rows.push_back(matmul(softmax(0.5 * mv(seen, v[0][i]), 0), seen));
         }
         return stack(rows);
       },
       {uniform({3, 2})}},
      {"attention_weights",
       [](auto& v) { return attention_weights(v[0], v[1], {.mask = plain(v[2])}); },
       [](auto& v) {
         return softmax(matmul(v[0], transpose(v[1])) / std::sqrt(3.0) + v[2].to(v[0].dtype()), -1);
       },
       {uniform({2, 3}), uniform({4, 3}), tensor({{0, 1, 2, -1}, {3, 0, 0, 1}})}},
  };
}

// The three ways to pass a list.
template <class T>
std::span<const T> spanned(const std::vector<T>& v) {
  return std::span<const T>(v);
}

std::vector<OpCase> shapes() {
  return {
      {"reshape",
       [](auto& v) {
         return reshape(v[0], {3, -1});
       },
       {uniform({2, 3, 2})}},
      {"reshape nothing",
       [](auto& v) {
         return reshape(v[0], {3, 0, 2});
       },
       {uniform({0, 3})}},
      {"view",
       [](auto& v) {
         return view(contiguous(v[0]), {3, 4});
       },
       {uniform({2, 6})}},
      {"flatten", [](auto& v) { return flatten(v[0]); }, {uniform({2, 3, 2})}},
      {"flatten some", [](auto& v) { return flatten(v[0], 1, 2); }, {uniform({2, 3, 2})}},
      {"unflatten",
       [](auto& v) {
         return unflatten(v[0], 1, {2, -1});
       },
       {uniform({2, 6})}},
      {"squeeze", [](auto& v) { return squeeze(v[0]); }, {uniform({1, 3, 1})}},
      {"squeeze dim", [](auto& v) { return squeeze(v[0], 0); }, {uniform({1, 3, 1})}},
      {"unsqueeze", [](auto& v) { return unsqueeze(v[0], -1); }, {uniform({2, 3})}},
      {"permute",
       [](auto& v) {
         return permute(v[0], {2, 0, -2});
       },
       {uniform({2, 3, 4})}},
      {"transpose", [](auto& v) { return transpose(v[0]); }, {uniform({2, 3, 4})}},
      {"transpose dims", [](auto& v) { return transpose(v[0], 0, -1); }, {uniform({2, 3, 4})}},
      {"expand",
       [](auto& v) {
         return expand(v[0], {2, -1, 4});
       },
       {uniform({3, 1})}},
      {"broadcast_to",
       [](auto& v) {
         return broadcast_to(v[0], {2, 3});
       },
       {uniform({3})}},
      {"contiguous", [](auto& v) { return contiguous(transpose(v[0])); }, {uniform({2, 3})}},
      {"cat",
       [](auto& v) {
         return cat({v[0], v[1], v[2]});
       },
       {uniform({2, 3}), uniform({1, 3}), uniform({0, 3})}},
      {"cat vector", [](auto& v) { return cat(v, -1); }, {uniform({2, 1}), uniform({2, 3})}},
      {"cat span", [](auto& v) { return cat(spanned(v)); }, {uniform({2, 3})}},
      {"stack",
       [](auto& v) {
         return stack({v[0], v[1], v[2]});
       },
       {uniform({2, 3}), uniform({2, 3}), uniform({2, 3})}},
      {"stack vector", [](auto& v) { return stack(v, -1); }, {uniform({2, 3}), uniform({2, 3})}},
      {"stack span", [](auto& v) { return stack(spanned(v), 1); }, {uniform({3})}},
      {"split", [](auto& v) { return split(v[0], 2, 1); }, {uniform({2, 5})}},
      {"split sizes",
       [](auto& v) {
         return split(v[0], {1, 0, 3}, 0);
       },
       {uniform({4, 2})}},
      {"chunk", [](auto& v) { return chunk(v[0], 3); }, {uniform({7, 2})}},
      {"unbind", [](auto& v) { return unbind(v[0], 1); }, {uniform({2, 3, 2})}},
      {"repeat",
       [](auto& v) {
         return repeat(v[0], {2, 1, 3});
       },
       {uniform({3, 2})}},
      {"tile", [](auto& v) { return tile(v[0], 3); }, {uniform({3, 2})}},
      {"flip",
       [](auto& v) {
         return flip(v[0], {0, -1});
       },
       {uniform({2, 3, 2})}},
      {"roll",
       [](auto& v) {
         return roll(v[0], {1, -4}, {0, 1});
       },
       {uniform({2, 3})}},
      {"roll flat", [](auto& v) { return roll(v[0], 2); }, {uniform({2, 3})}},
      {"tril", [](auto& v) { return tril(v[0]); }, {uniform({3, 3})}},
      {"tril batch", [](auto& v) { return tril(v[0], 1); }, {uniform({2, 2, 3})}},
      {"triu", [](auto& v) { return triu(v[0]); }, {uniform({3, 3})}},
      {"triu batch", [](auto& v) { return triu(v[0], -1); }, {uniform({2, 3, 2})}},
  };
}

std::vector<OpCase> indexing() {
  return {
      {"select", [](auto& v) { return select(v[0], 1, -2); }, {uniform({2, 3, 2})}},
      {"narrow", [](auto& v) { return narrow(v[0], 1, 1, 2); }, {uniform({2, 4})}},
      {"narrow to nothing", [](auto& v) { return narrow(v[0], 0, 1, 0); }, {uniform({2, 3})}},
      {"slice", [](auto& v) { return slice(v[0], 0, -6, 100, 2); }, {uniform({7, 2})}},
      {"slice last", [](auto& v) { return slice(v[0], -1, 1, 3); }, {uniform({2, 4})}},
      {"slice to nothing", [](auto& v) { return slice(v[0], 0, 3, 1); }, {uniform({4, 2})}},
      {"index",
       [](auto& v) {
         return index(v[0], {1, newaxis, Slice{1, {}, 2}, ellipsis, -1});
       },
       {uniform({2, 4, 2, 3})}},
      {"index_select",
       [](auto& v) { return index_select(v[0], 1, plain(v[1])); },
       {uniform({2, 3}), tensor({2, 0, 2, 2})}},
      {"index_select nothing",
       [](auto& v) { return index_select(v[0], 0, zeros({0}, int64)); },
       {uniform({2, 3})}},
      {"gather",
       [](auto& v) { return gather(v[0], 0, plain(v[1])); },
       {uniform({3, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"take_along_dim",
       [](auto& v) { return take_along_dim(v[0], plain(v[1]), 1); },
       {uniform({2, 3}), tensor({{2, 0, 0, 1}})}},
      {"scatter",
       [](auto& v) { return scatter(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 5}), uniform({2, 4}), tensor({{2, 0, 1, 3}, {3, 1, 0, 2}})}},
      {"scatter_add",
       [](auto& v) { return scatter_add(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 3}), uniform({2, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"scatter_add part",
       [](auto& v) { return scatter_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 5}), uniform({4, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"index_add",
       [](auto& v) { return index_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 2}), uniform({5, 2}), tensor({2, 0, 2, 1, 2})}},
      {"masked_select",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 3}), mask()}},
      {"masked_select broadcast",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 1, 3}), mask()}},
      {"masked_fill",
       [](auto& v) { return masked_fill(v[0], plain(v[1]), -1.5); },
       {uniform({2, 2, 3}), mask()}},
      {"embedding",
       [](auto& v) { return embedding(v[0], plain(v[1])); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding padding",
       // The value with the padded row cut out, so that differences do not see it either.
       [](auto& v) { return embedding(v[0], plain(v[1]), 4) * (plain(unsqueeze(v[1], -1)) != 4); },
       [](auto& v) { return embedding(v[0], v[1]) * (unsqueeze(v[1], -1) != 4); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding zeros for padding",
       [](auto& v) {
         return embedding(v[0], plain(v[1]), {.padding_idx = 4, .zero_padding = true});
       },
       [](auto& v) { return embedding(v[0], v[1]) * (unsqueeze(v[1], -1) != 4); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding_bag",
       [](auto& v) { return embedding_bag(v[0], plain(v[1])); },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 3, 6}, BagMode::mean);
       },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding_bag sum",  // the second bag is empty, the last one nothing but padding
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::sum, .padding_idx = -1});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6, 8}, BagMode::sum, 4);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1, 4, 4}), tensor({0, 4, 4, 6})}},
      {"embedding_bag mean",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.include_last_offset = true, .padding_idx = 4});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6, 8}, BagMode::mean, 4);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1, 4, 4}), tensor({0, 4, 4, 6, 8})}},
      {"embedding_bag weighted",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::sum, .per_sample_weights = v[3]});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6}, BagMode::sum, -1, v[3]);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1}), tensor({0, 4, 4}), uniform({6})}},
      {"embedding_bag weighted with padding",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), {},
                              {.mode = BagMode::sum, .per_sample_weights = v[2], .padding_idx = 1});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 3, 6}, BagMode::sum, 1, v[2]);
       },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}}), uniform({2, 3})}},
      {"embedding_bag max",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::max, .padding_idx = 4});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 5, 5, 7, 9}, BagMode::max, 4);
       },
       {distinct({5, 3}), tensor({1, 4, 2, 0, 3, 3, 1, 4, 4}), tensor({0, 5, 5, 7})}},
      {"place",
       [](auto& v) {
         return place(v[0], {7, 2}, 0, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({7, 2}, v[0].dtype());
         slice(whole, 0, 1, 7, 2).copy_(v[0]);
         return whole;
       },
       {uniform({3, 2})}},
      {"place selected",
       [](auto& v) {
         return place(v[0], {2, 3, 2}, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({2, 3, 2}, v[0].dtype());
         select(whole, 1, 2).copy_(v[0]);
         return whole;
       },
       {uniform({2, 2})}},
  };
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> all;
    for (const auto& family : {arithmetic(), functions(), reductions(), normalization(), products(),
                               attention(), windows(), shapes(), indexing()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return cases;
}

}  // namespace tapegrad
