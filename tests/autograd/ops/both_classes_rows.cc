// The rows of all operations, family by family. A new operation has a row here for each overload.
// Read next: both_classes_test.cc.
#include <limits>
#include <span>

#include "autograd/ops/both_classes.h"

namespace tapegrad::both_classes {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::span<const T> spanned(const std::vector<T>& v) {
  return std::span<const T>(v);
}

const std::vector<Kind> kOne = {Kind::values};
const std::vector<Kind> kTwo = {Kind::values, Kind::values};
const std::vector<Kind> kThree = {Kind::few, Kind::few, Kind::few};
const std::vector<Kind> kAtIndices = {Kind::values, Kind::indices};
const std::vector<Kind> kInto = {Kind::few, Kind::indices, Kind::few};
const std::vector<Kind> kMasked = {Kind::values, Kind::mask};

std::vector<Row> elementwise_rows() {
  return {
      {"add", kTwo, [](auto& v) { return add(v[0], v[1]); }},
      {"add scalar", kOne, [](auto& v, std::int64_t n) { return add(v[0], n); }},
      {"add fraction", kOne, [](auto& v) { return add(v[0], 2.5); }},
      {"sub", kTwo, [](auto& v) { return sub(v[0], v[1]); }},
      {"sub scalar", kOne, [](auto& v) { return sub(v[0], 2); }},
      {"sub from scalar", kOne, [](auto& v) { return sub(2.5, v[0]); }},
      {"mul", kTwo, [](auto& v) { return mul(v[0], v[1]); }},
      {"mul scalar", kOne, [](auto& v) { return mul(v[0], -1.5); }},
      {"div", kTwo, [](auto& v) { return div(v[0], v[1]); }},
      {"div scalar", kOne, [](auto& v, std::int64_t n) { return div(v[0], n); }},
      {"div of scalar", kOne, [](auto& v) { return div(2, v[0]); }},
      {"remainder", kTwo, [](auto& v) { return remainder(v[0], v[1]); }},
      {"remainder scalar", kOne, [](auto& v, std::int64_t n) { return remainder(v[0], n); }},
      {"remainder fraction", kOne, [](auto& v) { return remainder(v[0], 2.5); }},
      {"remainder of scalar", kOne, [](auto& v) { return remainder(2.5, v[0]); }},
      {"operator%", kTwo, [](auto& v) { return v[0] % v[1]; }},
      {"operator% scalar", kOne, [](auto& v) { return v[0] % 2; }},
      {"operator% scalar first", kOne, [](auto& v) { return 2.5 % v[0]; }},
      {"pow", kTwo, [](auto& v) { return pow(v[0], v[1]); }},
      {"pow scalar", kOne, [](auto& v, std::int64_t n) { return pow(v[0], n); }},
      {"pow 0.5", kOne, [](auto& v) { return pow(v[0], 0.5); }},
      {"pow of scalar", kOne, [](auto& v) { return pow(2.5, v[0]); }},
      {"maximum", kTwo, [](auto& v) { return maximum(v[0], v[1]); }},
      {"minimum", kTwo, [](auto& v) { return minimum(v[0], v[1]); }},
      {"where",
       {Kind::few, Kind::few, Kind::mask},
       [](auto& v) { return where(plain(v[2]), v[0], v[1]); }},
      {"where scalar", kMasked, [](auto& v) { return where(plain(v[1]), v[0], 2.5); }},
      {"where scalar first", kMasked, [](auto& v) { return where(plain(v[1]), 2, v[0]); }},
      {"neg", kOne, [](auto& v) { return neg(v[0]); }},
      {"abs", kOne, [](auto& v) { return abs(v[0]); }},
      {"sign", kOne, [](auto& v) { return sign(v[0]); }},
      {"square", kOne, [](auto& v) { return square(v[0]); }},
      {"reciprocal", kOne, [](auto& v) { return reciprocal(v[0]); }},
      {"sqrt", kOne, [](auto& v) { return sqrt(v[0]); }},
      {"rsqrt", kOne, [](auto& v) { return rsqrt(v[0]); }},
      {"exp", kOne, [](auto& v) { return exp(v[0]); }},
      {"expm1", kOne, [](auto& v) { return expm1(v[0]); }},
      {"log", kOne, [](auto& v) { return log(v[0]); }},
      {"log1p", kOne, [](auto& v) { return log1p(v[0]); }},
      {"log2", kOne, [](auto& v) { return log2(v[0]); }},
      {"sin", kOne, [](auto& v) { return sin(v[0]); }},
      {"cos", kOne, [](auto& v) { return cos(v[0]); }},
      {"tan", kOne, [](auto& v) { return tan(v[0]); }},
      {"tanh", kOne, [](auto& v) { return tanh(v[0]); }},
      {"sigmoid", kOne, [](auto& v) { return sigmoid(v[0]); }},
      {"relu", kOne, [](auto& v) { return relu(v[0]); }},
      {"leaky_relu", kOne, [](auto& v) { return leaky_relu(v[0], 0.3); }},
      {"elu", kOne, [](auto& v) { return elu(v[0], 0.7); }},
      {"gelu", kOne, [](auto& v) { return gelu(v[0]); }},
      {"gelu tanh", kOne, [](auto& v) { return gelu(v[0], GeluApproximation::tanh); }},
      {"silu", kOne, [](auto& v) { return silu(v[0]); }},
      {"softplus", kOne, [](auto& v) { return softplus(v[0]); }},
      {"softsign", kOne, [](auto& v) { return softsign(v[0]); }},
      {"softplus beta", kOne, [](auto& v) { return softplus(v[0], 2.5, 3); }},
      {"softplus beta 0", kOne,
       [](auto& v, std::int64_t n) { return softplus(v[0], static_cast<double>(n)); }},
      {"logaddexp", kTwo, [](auto& v) { return logaddexp(v[0], v[1]); }},
      {"lerp", kTwo, [](auto& v) { return lerp(v[0], v[1], 0.3); }},
      {"lerp each", kThree, [](auto& v) { return lerp(v[0], v[1], v[2]); }},
      {"clamp each", kThree, [](auto& v) { return clamp(v[0], v[1], v[2]); }},
      {"clamp each below", kTwo, [](auto& v) { return clamp(v[0], v[1]); }},
      {"erf", kOne, [](auto& v) { return erf(v[0]); }},
      {"floor", kOne, [](auto& v) { return floor(v[0]); }},
      {"ceil", kOne, [](auto& v) { return ceil(v[0]); }},
      {"round", kOne, [](auto& v) { return round(v[0]); }},
      {"clamp", kOne, [](auto& v, std::int64_t n) { return clamp(v[0], n, 2); }},
      {"clamp fraction", kOne, [](auto& v) { return clamp(v[0], std::nullopt, 0.5); }},
      {"clamp without limits", kOne, [](auto& v) { return clamp(v[0], std::nullopt); }},
      {"operator+", kTwo, [](auto& v) { return v[0] + v[1]; }},
      {"operator+ scalar", kOne, [](auto& v) { return v[0] + 2; }},
      {"operator+ scalar first", kOne, [](auto& v) { return 2.5 + v[0]; }},
      {"operator+ unary", kOne, [](auto& v) { return +v[0]; }},
      {"operator-", kTwo, [](auto& v) { return v[0] - v[1]; }},
      {"operator- scalar", kOne, [](auto& v) { return v[0] - 2.5; }},
      {"operator- scalar first", kOne, [](auto& v) { return 2 - v[0]; }},
      {"operator- unary", kOne, [](auto& v) { return -v[0]; }},
      {"operator*", kTwo, [](auto& v) { return v[0] * v[1]; }},
      {"operator* scalar", kOne, [](auto& v) { return v[0] * 2; }},
      {"operator* scalar first", kOne, [](auto& v) { return 2.5 * v[0]; }},
      {"operator/", kTwo, [](auto& v) { return v[0] / v[1]; }},
      {"operator/ scalar", kOne, [](auto& v) { return v[0] / 2.5; }},
      {"operator/ scalar first", kOne, [](auto& v) { return 2 / v[0]; }},
  };
}

std::vector<Row> activations_rows() {
  return {
      {"relu6", kOne, [](auto& v) { return relu6(v[0]); }},
      {"hardtanh", kOne, [](auto& v) { return hardtanh(v[0]); }},
      {"hardtanh bounds", kOne,
       [](auto& v, std::int64_t n) { return hardtanh(v[0], static_cast<double>(n), 1); }},
      {"hardsigmoid", kOne, [](auto& v) { return hardsigmoid(v[0]); }},
      {"hardswish", kOne, [](auto& v) { return hardswish(v[0]); }},
      {"selu", kOne, [](auto& v) { return selu(v[0]); }},
      {"celu", kOne, [](auto& v, std::int64_t n) { return celu(v[0], static_cast<double>(n)); }},
      {"mish", kOne, [](auto& v) { return mish(v[0]); }},
      {"logsigmoid", kOne, [](auto& v) { return logsigmoid(v[0]); }},
      {"softshrink", kOne,
       [](auto& v, std::int64_t n) { return softshrink(v[0], static_cast<double>(n)); }},
      {"hardshrink", kOne, [](auto& v) { return hardshrink(v[0]); }},
      {"threshold", kOne, [](auto& v) { return threshold(v[0], 0.5, -2); }},
      {"prelu", kTwo, [](auto& v) { return prelu(v[0], v[1]); }},
      {"glu", kOne, [](auto& v, std::int64_t n) { return glu(v[0], n); }},
  };
}

std::vector<Row> reductions_rows() {
  return {
      {"sum", kOne, [](auto& v) { return sum(v[0]); }},
      {"sum dim", kOne, [](auto& v, std::int64_t n) { return sum(v[0], n); }},
      {"sum dims", kOne,
       [](auto& v, std::int64_t n) {
         return sum(v[0], {0, n}, true);
       }},
      {"mean", kOne, [](auto& v) { return mean(v[0]); }},
      {"mean dim", kOne, [](auto& v, std::int64_t n) { return mean(v[0], n, true); }},
      {"var", kOne, [](auto& v) { return var(v[0]); }},
      {"var dim", kOne, [](auto& v, std::int64_t n) { return var(v[0], n, false); }},
      {"std", kOne, [](auto& v) { return std(v[0]); }},
      {"stddev", kOne, [](auto& v) { return stddev(v[0]); }},
      {"std dim", kOne, [](auto& v, std::int64_t n) { return std(v[0], n, true, true); }},
      {"prod", kOne, [](auto& v) { return prod(v[0]); }},
      {"prod dim", kOne, [](auto& v, std::int64_t n) { return prod(v[0], n); }},
      {"prod keepdim", kOne, [](auto& v, std::int64_t n) { return prod(v[0], n, true); }},
      {"norm", kOne, [](auto& v) { return norm(v[0]); }},
      {"norm p", kOne, [](auto& v, std::int64_t n) { return norm(v[0], static_cast<double>(n)); }},
      {"norm infinity", kOne,
       [](auto& v, std::int64_t n) { return norm(v[0], kInfinity, n, true); }},
      {"norm dim", kOne, [](auto& v, std::int64_t n) { return norm(v[0], 3.0, n); }},
      {"var correction", kOne,
       [](auto& v, std::int64_t n) { return var(v[0], n, {.correction = 2}); }},
      {"std correction", kOne,
       [](auto& v, std::int64_t n) {
         return std(v[0], {}, {.correction = static_cast<double>(n), .keepdim = true});
       }},
      {"cumprod", kOne, [](auto& v, std::int64_t n) { return cumprod(v[0], n); }},
      {"cumsum", kOne, [](auto& v, std::int64_t n) { return cumsum(v[0], n); }},
      {"sum_to", kOne, [](auto& v, std::int64_t n) { return sum_to(v[0], n); }},
      {"sum_to column", kOne,
       [](auto& v) {
         return sum_to(v[0], {2, 1});
       }},
  };
}

std::vector<Row> minmax_rows() {
  return {
      {"max", kOne, [](auto& v) { return max(v[0]); }},
      {"max dim", kOne, [](auto& v, std::int64_t n) { return max(v[0], n); }},
      {"min", kOne, [](auto& v) { return min(v[0]); }},
      {"amax", kOne, [](auto& v) { return amax(v[0]); }},
      {"amax dim", kOne, [](auto& v, std::int64_t n) { return amax(v[0], n, true); }},
      {"amin dims", kOne,
       [](auto& v, std::int64_t n) {
         return amin(v[0], {0, n});
       }},
      {"min dim", kOne, [](auto& v, std::int64_t n) { return min(v[0], n, true); }},
  };
}

std::vector<Row> softmax_rows() {
  return {
      {"logsumexp", kOne, [](auto& v, std::int64_t n) { return logsumexp(v[0], n); }},
      {"logsumexp of all", kOne, [](auto& v) { return logsumexp(v[0], {}, true); }},
      {"softmax", kOne, [](auto& v, std::int64_t n) { return softmax(v[0], n); }},
      {"softmin", kOne, [](auto& v, std::int64_t n) { return softmin(v[0], n); }},
      {"log_softmax", kOne, [](auto& v, std::int64_t n) { return log_softmax(v[0], n); }},
  };
}

std::vector<Row> sorting_rows() {
  return {
      {"sort", kOne, [](auto& v, std::int64_t n) { return sort(v[0], n); }},
      {"sort descending", kOne, [](auto& v) { return sort(v[0], -1, true); }},
      {"median", kOne, [](auto& v) { return median(v[0]); }},
      {"median dim", kOne, [](auto& v, std::int64_t n) { return median(v[0], n); }},
      {"topk", kOne, [](auto& v, std::int64_t n) { return topk(v[0], n); }},
      {"topk dim", kOne, [](auto& v, std::int64_t n) { return topk(v[0], 1, n, false); }},
  };
}

std::vector<Row> normalization_rows() {
  return {
      {"layer_norm", kOne, [](auto& v, std::int64_t n) { return layer_norm(v[0], n); }},
      {"layer_norm affine", kThree, [](auto& v) { return layer_norm(v[0], 3, v[1], v[2]); }},
      {"layer_norm weight", kTwo,
       [](auto& v) {
         return layer_norm(v[0], {2, 3}, v[1]);
       }},
  };
}

std::vector<Row> matmul_rows() {
  return {
      {"matmul", kTwo, [](auto& v) { return matmul(v[0], v[1]); }},
      {"matmul transposed", kTwo, [](auto& v) { return matmul(v[0], transpose(v[1])); }},
      {"mm", kTwo, [](auto& v) { return mm(v[0], v[1]); }},
      {"bmm", kTwo, [](auto& v) { return bmm(v[0], v[1]); }},
      {"bmm transposed", kTwo, [](auto& v) { return bmm(v[0], transpose(v[1])); }},
      {"mv", kTwo, [](auto& v) { return mv(v[0], v[1]); }},
      {"dot", kTwo, [](auto& v) { return dot(v[0], v[1]); }},
      {"outer", kTwo, [](auto& v) { return outer(v[0], v[1]); }},
      {"addmm", kThree, [](auto& v) { return addmm(v[0], v[1], v[2], 0.5, 2); }},
      {"addmm transposed", kThree,
       [](auto& v) { return addmm(v[0], v[1], transpose(v[2]), 0, 1); }},
      {"linear", kTwo, [](auto& v) { return linear(v[0], v[1]); }},
      {"linear bias", kThree, [](auto& v) { return linear(v[0], v[1], v[2]); }},
  };
}

std::vector<Row> einsum_rows() {
  return {
      {"einsum", kTwo,
       [](auto& v) {
         return einsum("ij,jk->ik", {v[0], v[1]});
       }},
      {"einsum ellipsis", kTwo, [](auto& v) { return einsum("...i,...i", v); }},
      {"einsum diagonal", kOne, [](auto& v) { return einsum("ii->i", spanned(v)); }},
      {"einsum unreadable", kOne, [](auto& v) { return einsum("i.j", v); }},
      {"einsum without tensors", kOne, [](auto& v) { return einsum("i", spanned(v).first(0)); }},
  };
}

std::vector<Row> views_rows() {
  return {
      {"reshape", kOne, [](auto& v, std::int64_t n) { return reshape(v[0], n); }},
      {"reshape two", kOne,
       [](auto& v, std::int64_t n) {
         return reshape(v[0], {n, -1});
       }},
      {"view", kOne, [](auto& v, std::int64_t n) { return view(v[0], n); }},
      {"flatten", kOne, [](auto& v, std::int64_t n) { return flatten(v[0], n); }},
      {"flatten to", kOne, [](auto& v, std::int64_t n) { return flatten(v[0], 0, n); }},
      {"unflatten", kOne,
       [](auto& v, std::int64_t n) {
         return unflatten(v[0], n, {1, -1});
       }},
      {"unflatten sizes", kOne,
       [](auto& v, std::int64_t n) {
         return unflatten(v[0], 0, {n, 1});
       }},
      {"squeeze", kOne, [](auto& v) { return squeeze(v[0]); }},
      {"squeeze dim", kOne, [](auto& v, std::int64_t n) { return squeeze(v[0], n); }},
      {"unsqueeze", kOne, [](auto& v, std::int64_t n) { return unsqueeze(v[0], n); }},
      {"permute", kOne,
       [](auto& v, std::int64_t n) {
         return permute(v[0], {n, 0});
       }},
      {"permute one", kOne, [](auto& v, std::int64_t n) { return permute(v[0], n); }},
      {"transpose", kOne, [](auto& v) { return transpose(v[0]); }},
      {"transpose dims", kOne, [](auto& v, std::int64_t n) { return transpose(v[0], 0, n); }},
      {"expand", kOne,
       [](auto& v, std::int64_t n) {
         return expand(v[0], {n, 3});
       }},
      {"expand more", kOne,
       [](auto& v, std::int64_t n) {
         return expand(v[0], {2, n, 2, 3});
       }},
      {"broadcast_to", kOne,
       [](auto& v, std::int64_t n) {
         return broadcast_to(v[0], {n, 3});
       }},
      {"contiguous", kOne, [](auto& v) { return contiguous(v[0]); }},
      {"clone", kOne, [](auto& v) { return clone(v[0]); }},
      {"cat", kTwo,
       [](auto& v, std::int64_t n) {
         return cat({v[0], v[1]}, n);
       }},
      {"cat three", kThree, [](auto& v, std::int64_t n) { return cat(v, n); }},
      {"cat one", kOne, [](auto& v, std::int64_t n) { return cat(spanned(v), n); }},
      {"cat none", kOne, [](auto& v) { return cat(spanned(v).first(0)); }},
      {"stack", kTwo,
       [](auto& v, std::int64_t n) {
         return stack({v[0], v[1]}, n);
       }},
      {"stack three", kThree, [](auto& v, std::int64_t n) { return stack(v, n); }},
      {"stack one", kOne, [](auto& v, std::int64_t n) { return stack(spanned(v), n); }},
      {"stack none", kOne, [](auto& v) { return stack(spanned(v).first(0)); }},
      {"split", kOne, [](auto& v, std::int64_t n) { return split(v[0], n); }},
      {"split dim", kOne, [](auto& v, std::int64_t n) { return split(v[0], 2, n); }},
      {"split sizes", kOne,
       [](auto& v, std::int64_t n) {
         return split(v[0], {n, 1}, 0);
       }},
      {"split sizes dim", kOne,
       [](auto& v, std::int64_t n) {
         return split(v[0], {0, 3}, n);
       }},
      {"chunk", kOne, [](auto& v, std::int64_t n) { return chunk(v[0], n); }},
      {"chunk dim", kOne, [](auto& v, std::int64_t n) { return chunk(v[0], 2, n); }},
      {"unbind", kOne, [](auto& v, std::int64_t n) { return unbind(v[0], n); }},
  };
}

std::vector<Row> rearrange_rows() {
  return {
      {"repeat", kOne,
       [](auto& v, std::int64_t n) {
         return repeat(v[0], {n, 2});
       }},
      {"tile", kOne, [](auto& v, std::int64_t n) { return tile(v[0], n); }},
      {"tile two", kOne,
       [](auto& v, std::int64_t n) {
         return tile(v[0], {2, n});
       }},
      {"flip", kOne, [](auto& v, std::int64_t n) { return flip(v[0], n); }},
      {"flip two", kOne,
       [](auto& v, std::int64_t n) {
         return flip(v[0], {0, n});
       }},
      {"flip none", kOne, [](auto& v) { return flip(v[0], {}); }},
      {"roll", kOne, [](auto& v, std::int64_t n) { return roll(v[0], n); }},
      {"roll dim", kOne, [](auto& v, std::int64_t n) { return roll(v[0], 2, n); }},
      {"roll dims", kOne,
       [](auto& v, std::int64_t n) {
         return roll(v[0], {1, n}, {0, -1});
       }},
      {"repeat_interleave", kOne,
       [](auto& v, std::int64_t n) { return repeat_interleave(v[0], n); }},
      {"repeat_interleave dim", kOne,
       [](auto& v, std::int64_t n) { return repeat_interleave(v[0], 2, n); }},
      {"repeat_interleave counts", kAtIndices,
       [](auto& v, std::int64_t n) { return repeat_interleave(v[0], plain(v[1]), n); }},
      {"diag", kOne, [](auto& v, std::int64_t n) { return diag(v[0], n); }},
      {"diag far", kOne,
       [](auto& v) { return diag(v[0], std::numeric_limits<std::int64_t>::min()); }},
      {"meshgrid", kTwo,
       [](auto& v) {
         return meshgrid({v[0], v[1]});
       }},
      {"meshgrid xy", kOne, [](auto& v) { return meshgrid(spanned(v), GridIndexing::xy); }},
      {"meshgrid none", kOne, [](auto& v) { return meshgrid(spanned(v).first(0)); }},
      {"pad", kOne,
       [](auto& v, std::int64_t n) {
         return pad(v[0], {n, 1}, PadMode::zeros, 2);
       }},
      {"pad reflect", kOne,
       [](auto& v, std::int64_t n) {
         return pad(v[0], {1, n}, PadMode::reflect);
       }},
      {"pad replicate", kOne,
       [](auto& v, std::int64_t n) {
         return pad(v[0], {n, 2}, PadMode::replicate);
       }},
      {"pad circular", kOne,
       [](auto& v, std::int64_t n) {
         return pad(v[0], {n, 0, 1, 1}, PadMode::circular);
       }},
      {"pad far", kOne,
       [](auto& v) {
         return pad(v[0], {std::numeric_limits<std::int64_t>::max(), 0});
       }},
      {"tril", kOne, [](auto& v, std::int64_t n) { return tril(v[0], n); }},
      {"triu", kOne, [](auto& v, std::int64_t n) { return triu(v[0], n); }},
  };
}

std::vector<Row> indexing_rows() {
  return {
      {"select", kOne, [](auto& v, std::int64_t n) { return select(v[0], n, 0); }},
      {"select index", kOne, [](auto& v, std::int64_t n) { return select(v[0], -1, n); }},
      {"narrow", kOne, [](auto& v, std::int64_t n) { return narrow(v[0], n, 0, 1); }},
      {"narrow start", kOne, [](auto& v, std::int64_t n) { return narrow(v[0], 0, n, 1); }},
      {"narrow length", kOne, [](auto& v, std::int64_t n) { return narrow(v[0], -1, 0, n); }},
      {"slice", kOne, [](auto& v, std::int64_t n) { return slice(v[0], n, 0, 2); }},
      {"slice start", kOne, [](auto& v, std::int64_t n) { return slice(v[0], -1, n, 3, 2); }},
      {"slice end", kOne, [](auto& v, std::int64_t n) { return slice(v[0], 0, -9, n); }},
      {"slice step", kOne, [](auto& v, std::int64_t n) { return slice(v[0], 0, 0, 9, n); }},
      {"index", kOne, [](auto& v, std::int64_t n) { return index(v[0], {n}); }},
      {"index none", kOne, [](auto& v) { return index(v[0], {}); }},
      {"index two", kOne,
       [](auto& v, std::int64_t n) {
         return index(v[0], {newaxis, ellipsis, n, newaxis});
       }},
      {"index slices", kOne,
       [](auto& v, std::int64_t n) {
         return index(v[0], {Slice{n}, Slice{.end = n}});
       }},
      {"index step", kOne,
       [](auto& v, std::int64_t n) {
         return index(v[0], {ellipsis, Slice{{}, {}, n}});
       }},
      {"index ellipses", kOne,
       [](auto& v) {
         return index(v[0], {ellipsis, 0, ellipsis});
       }},
      {"index of new axes only", kOne,
       [](auto& v) {
         return index(v[0], {newaxis, 0, newaxis, 0, newaxis});
       }},
  };
}

std::vector<Row> gather_scatter_rows() {
  return {
      {"index_select", kAtIndices,
       [](auto& v, std::int64_t n) { return index_select(v[0], n, plain(v[1])); }},
      {"gather", kAtIndices, [](auto& v, std::int64_t n) { return gather(v[0], n, plain(v[1])); }},
      {"take_along_dim", kAtIndices,
       [](auto& v, std::int64_t n) { return take_along_dim(v[0], plain(v[1]), n); }},
      {"scatter", kInto,
       [](auto& v, std::int64_t n) { return scatter(v[0], n, plain(v[1]), v[2]); }},
      {"scatter scalar", kAtIndices,
       [](auto& v, std::int64_t n) { return scatter(v[0], n, plain(v[1]), 2); }},
      {"scatter_add", kInto,
       [](auto& v, std::int64_t n) { return scatter_add(v[0], n, plain(v[1]), v[2]); }},
      {"scatter_reduce sum", kInto,
       [](auto& v, std::int64_t n) { return scatter_reduce(v[0], n, plain(v[1]), v[2], "sum"); }},
      {"scatter_reduce mean", kInto,
       [](auto& v, std::int64_t n) {
         return scatter_reduce(v[0], n, plain(v[1]), v[2], "mean", false);
       }},
      {"scatter_reduce amax", kInto,
       [](auto& v, std::int64_t n) { return scatter_reduce(v[0], n, plain(v[1]), v[2], "amax"); }},
      {"scatter_reduce prod", kInto,
       [](auto& v, std::int64_t n) {
         return scatter_reduce(v[0], n, plain(v[1]), v[2], "prod", false);
       }},
      {"scatter_reduce of another name", kInto,
       [](auto& v, std::int64_t n) { return scatter_reduce(v[0], n, plain(v[1]), v[2], "add"); }},
      {"index_add", kInto,
       [](auto& v, std::int64_t n) { return index_add(v[0], n, plain(v[1]), v[2]); }},
      {"masked_select", kMasked, [](auto& v) { return masked_select(v[0], plain(v[1])); }},
      {"masked_fill", kMasked, [](auto& v) { return masked_fill(v[0], plain(v[1]), 2); }},
      {"masked_fill fraction", kMasked,
       [](auto& v) { return masked_fill(v[0], plain(v[1]), 2.5); }},
  };
}

std::vector<Row> embedding_bag_rows() {
  return {
      {"embedding", kAtIndices, [](auto& v) { return embedding(v[0], plain(v[1])); }},
  };
}

std::vector<Row> similarity_rows() {
  return {
      {"cosine_similarity", kTwo, [](auto& v) { return cosine_similarity(v[0], v[1]); }},
      {"cosine_similarity dim", kTwo,
       [](auto& v, std::int64_t n) { return cosine_similarity(v[0], v[1], n); }},
      {"pairwise_distance", kTwo, [](auto& v) { return pairwise_distance(v[0], v[1]); }},
      {"pairwise_distance keepdim", kTwo,
       [](auto& v) { return pairwise_distance(v[0], v[1], 1.0, 0.5, true); }},
      {"cdist", kTwo, [](auto& v) { return cdist(v[0], v[1]); }},
      {"cdist p", kTwo,
       [](auto& v, std::int64_t n) {
         return cdist(v[0], v[1], n == 7 ? kNaN : static_cast<double>(n));
       }},
      {"normalize", kOne, [](auto& v, std::int64_t n) { return normalize(v[0], 2.0, n); }},
      {"normalize p", kOne,
       [](auto& v, std::int64_t n) { return normalize(v[0], static_cast<double>(n), -1); }},
  };
}

}  // namespace

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (const auto& family :
       {elementwise_rows(), activations_rows(), reductions_rows(), minmax_rows(), softmax_rows(),
        sorting_rows(), normalization_rows(), matmul_rows(), einsum_rows(), views_rows(),
        rearrange_rows(), indexing_rows(), gather_scatter_rows(), embedding_bag_rows(),
        similarity_rows()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

}  // namespace tapegrad::both_classes
