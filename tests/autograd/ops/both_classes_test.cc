// Compares the operations on Tensors with those on Variables for unusual inputs: 0-d, empty, every
// element type, dimensions out of range. Both must return the same values, types and shapes, or
// throw the same error with the same text. Read next: ../golden_test.cc.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>

#include "autograd/declarations.h"
#include "catch.h"

namespace tapegrad {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Inputs ------------------------------------------------------------------------------------------

// The kind of an input. `values` are Tensors or Variables; masks and indices are Tensors for both
// classes. `few` is a shorter list of values, for operations with three inputs.
enum class Kind { values, few, indices, mask };

const std::vector<Tensor>& inputs_of(Kind kind) {
  static const std::vector<Tensor> few = {
      full({}, 1.5),
      full({}, 3),
      zeros({0}),
      tensor({0.5, -1.5, 2.0}),
      tensor({{1.0, -2.0, 0.5}, {-0.25, 3.0, 1.5}}, float64),
      transpose(tensor({{1.0, -2.0, 0.5}, {-0.25, 3.0, 1.5}})),
      tensor({{1, -2, 3}, {0, 5, -1}}),
      tensor({{{0.5, 1.5}, {-2.5, 2.0}, {1.0, 3.0}}, {{0.25, -1.0}, {2.5, 0.5}, {-0.5, 4.0}}}),
      zeros({0, 3}),
  };
  static const std::vector<Tensor> values = [] {
    std::vector<Tensor> all = few;
    for (const Tensor& x : {
             full({}, -2.5, float64),
             full({}, true),
             zeros({0}, int64),
             tensor({2, -1, 3}),
             tensor({true, false, true}),
             tensor({kNaN, kInfinity, -1.5}, float64),
             tensor({{0.5, -1.5, 2.0}}),
             tensor({{2.0}, {-3.0}}, float64),
             tensor({{true, false, false}, {true, true, false}}),
             tensor({{2.0, 0.0, -1.0}, {0.0, 1.5, 4.0}, {-0.5, 3.0, 1.0}}),
             zeros({2, 0}, float64),
             zeros({2, 0, 3}),
             ones({1, 1, 1, 1, 1, 1, 1, 2}),
         }) {
      all.push_back(x);
    }
    return all;
  }();
  static const std::vector<Tensor> indices = {
      full({}, 0),
      full({}, 1),
      full({}, 1.0),
      zeros({0}, int64),
      tensor({1, 0}),
      tensor({0, 2, 1}),
      tensor({0, 7}),
      tensor({{0, 1, 1}, {2, 0, 0}}),
      tensor({{0, 1, 0}}),
      tensor({{-1}, {0}}),
      tensor({{0.0, 1.0, 0.0}}),
      zeros({0, 3}, int64),
      tensor({{{0, 1}, {1, 0}, {0, 0}}}),
  };
  static const std::vector<Tensor> masks = {
      full({}, true),
      zeros({0}, boolean),
      tensor({true, false, true}),
      tensor({{true, false, true}, {false, false, true}}),
      tensor({{true}, {false}}),
      zeros({0, 3}, boolean),
      tensor({1, 0, 1}),
  };
  switch (kind) {
    case Kind::values:
      return values;
    case Kind::few:
      return few;
    case Kind::indices:
      return indices;
    default:
      return masks;
  }
}

// The values of an integer argument: a dimension, a position or a size.
constexpr std::int64_t kIntegers[] = {-9, -3, -2, -1, 0, 1, 2, 3, 7};

// A mask or index among the inputs, for both classes.
const Tensor& plain(const Tensor& x) { return x; }
const Tensor& plain(const Variable& x) { return x.value(); }

template <class T>
std::span<const T> spanned(const std::vector<T>& v) {
  return std::span<const T>(v);
}

// Rows --------------------------------------------------------------------------------------------

template <class Result, class T>
std::vector<T> listed(Result&& result) {
  if constexpr (std::is_convertible_v<Result, std::vector<T>>) {
    return std::forward<Result>(result);
  } else if constexpr (std::is_convertible_v<Result, T>) {
    return {std::forward<Result>(result)};
  } else {
    return {result.values, result.indices};
  }
}

template <class Function>
constexpr bool kTakesInteger = std::is_invocable_v<Function, std::vector<Tensor>&, std::int64_t>;

template <class Function, class T>
std::vector<T> call(std::vector<T>& inputs, std::int64_t n) {
  if constexpr (kTakesInteger<Function>) {
    return listed<decltype(Function()(inputs, n)), T>(Function()(inputs, n));
  } else {
    return listed<decltype(Function()(inputs)), T>(Function()(inputs));
  }
}

// One call of an operation: a function of a vector of Tensors or of Variables, and optionally of an
// integer. It is called with all combinations of inputs.
struct Row {
  template <class Function>
  Row(std::string its_name, std::vector<Kind> its_kinds, Function /*function*/)
      : name(std::move(its_name)),
        kinds(std::move(its_kinds)),
        takes_integer(kTakesInteger<Function>),
        on_tensors(call<Function, Tensor>),
        on_variables(call<Function, Variable>) {}

  std::string operation() const { return name.substr(0, name.find(' ')); }

  std::string name;  // the operation and, after a space, what is particular about the call
  std::vector<Kind> kinds;
  bool takes_integer;
  std::vector<Tensor> (*on_tensors)(std::vector<Tensor>& inputs, std::int64_t n);
  std::vector<Variable> (*on_variables)(std::vector<Variable>& inputs, std::int64_t n);
};

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
      {"min dim", kOne, [](auto& v, std::int64_t n) { return min(v[0], n, true); }},
  };
}

std::vector<Row> softmax_rows() {
  return {
      {"logsumexp", kOne, [](auto& v, std::int64_t n) { return logsumexp(v[0], n); }},
      {"logsumexp of all", kOne, [](auto& v) { return logsumexp(v[0], {}, true); }},
      {"softmax", kOne, [](auto& v, std::int64_t n) { return softmax(v[0], n); }},
      {"log_softmax", kOne, [](auto& v, std::int64_t n) { return log_softmax(v[0], n); }},
  };
}

std::vector<Row> sorting_rows() {
  return {
      {"sort", kOne, [](auto& v, std::int64_t n) { return sort(v[0], n); }},
      {"sort descending", kOne, [](auto& v) { return sort(v[0], -1, true); }},
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
      {"scatter_add", kInto,
       [](auto& v, std::int64_t n) { return scatter_add(v[0], n, plain(v[1]), v[2]); }},
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

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (const auto& family :
       {elementwise_rows(), reductions_rows(), minmax_rows(), softmax_rows(), sorting_rows(),
        normalization_rows(), matmul_rows(), views_rows(), rearrange_rows(), indexing_rows(),
        gather_scatter_rows(), embedding_bag_rows(), similarity_rows()}) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

// Comparison --------------------------------------------------------------------------------------

// The outcome of a call: tensors, or an error.
struct Outcome {
  std::vector<Tensor> values;
  std::string error;  // its class and its text
};

template <class X>
Outcome outcome_of(std::vector<X> (*function)(std::vector<X>&, std::int64_t),
                   std::vector<X>& inputs, std::int64_t n, std::vector<X>* results = nullptr) {
  Outcome outcome;
  try {
    std::vector<X> got = function(inputs, n);
    for (const X& each : got) outcome.values.push_back(plain(each));
    if (results != nullptr) *results = std::move(got);
  } catch (const Error& error) {
    outcome.error = std::string(typeid(error).name()) + " " + error.what();
  }
  return outcome;
}

std::string described(const Tensor& x) { return name(x.dtype()) + to_string(x.sizes()); }
std::string described(const Outcome& outcome) {
  if (!outcome.error.empty()) return outcome.error;
  std::string text = std::to_string(outcome.values.size()) + " results";
  for (const Tensor& x : outcome.values) text += " " + described(x);
  return text;
}

// Whether both are equal to the bit, with NaN equal to NaN.
bool same(const Outcome& a, const Outcome& b) {
  if (a.error != b.error || a.values.size() != b.values.size()) return false;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const Tensor& x = a.values[i];
    const Tensor& y = b.values[i];
    if (x.dtype() != y.dtype() || x.shape() != y.shape()) return false;
    if (!allclose(x, y, 0, 0, true)) return false;
  }
  return true;
}

bool is_value(Kind kind) { return kind == Kind::values || kind == Kind::few; }

// Describes what is wrong with the gradients of `results`; empty if all have their leaf's type and
// shape.
std::string fault_of_gradients(const std::vector<Variable>& results,
                               const std::vector<Variable>& leaves) {
  Variable total;
  for (const Variable& y : results) {
    if (!is_floating_point(y.dtype())) continue;
    if (!y.requires_grad()) return "a result has no history";
    const Variable term = sum(square(y));
    total = total.defined() ? total + term : term;
  }
  if (!total.defined()) return {};
  for (const bool create_graph : {false, true}) {
    try {
      const std::vector<Variable> gradients =
          grad(total, leaves,
               {.create_graph = create_graph, .retain_graph = true, .allow_unused = true});
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        if (!gradients[i].defined()) continue;
        const Tensor& dx = gradients[i].value();
        if (dx.shape() == leaves[i].shape() && dx.dtype() == leaves[i].dtype()) continue;
        return "a gradient is " + described(dx) + ", its leaf " + described(leaves[i].value());
      }
    } catch (const Error& error) {
      return error.what();
    }
  }
  return {};
}

void check_call(const Row& row, std::vector<Tensor> inputs, std::int64_t n) {
  std::vector<Variable> constants(inputs.begin(), inputs.end());
  std::vector<Variable> tracked;
  std::vector<Variable> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    tracked.push_back(inputs[i]);
    if (!is_value(row.kinds[i]) || !is_floating_point(inputs[i].dtype())) continue;
    tracked.back().set_requires_grad(true);
    leaves.push_back(tracked.back());
  }
  const auto call = [&] {
    std::string text = row.name + " of";
    for (const Tensor& x : inputs) text += " " + described(x);
    return row.takes_integer ? text + " and " + std::to_string(n) : text;
  };
  const Outcome expected = outcome_of(row.on_tensors, inputs, n);
  const Outcome on_constants = outcome_of(row.on_variables, constants, n);
  std::vector<Variable> results;
  const Outcome on_leaves = outcome_of(row.on_variables, tracked, n, &results);
  for (const Outcome* found : {&on_constants, &on_leaves}) {
    if (same(expected, *found)) continue;
    FAIL_CHECK(call() << "\non Tensors: " << described(expected) << "\non "
                      << (found == &on_leaves ? "leaves: " : "constants: ") << described(*found));
  }
  if (results.empty() || leaves.empty()) return;
  const std::string fault = fault_of_gradients(results, leaves);
  if (!fault.empty()) FAIL_CHECK(call() << ": " << fault);
}

// Calls f(inputs) for every combination of inputs of these kinds.
template <class Function>
void for_each_combination(const std::vector<Kind>& kinds, const Function& function) {
  std::vector<std::size_t> at(kinds.size(), 0);
  while (true) {
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < kinds.size(); ++i) inputs.push_back(inputs_of(kinds[i])[at[i]]);
    function(inputs);
    std::size_t i = 0;
    while (i < kinds.size() && ++at[i] == inputs_of(kinds[i]).size()) at[i++] = 0;
    if (i == kinds.size()) return;
  }
}

}  // namespace

TEST_CASE("operations on Tensors and Variables agree on unusual inputs", "[autograd]") {
  for (const Row& row : all_rows()) {
    for_each_combination(row.kinds, [&](const std::vector<Tensor>& inputs) {
      for (const std::int64_t n : kIntegers) {
        check_call(row, inputs, n);
        if (!row.takes_integer) break;
      }
    });
  }
  CHECK(tape().size() == 0);
}

// Completeness ------------------------------------------------------------------------------------

TEST_CASE("every operation of both classes has a row here for each of its overloads",
          "[autograd]") {
  const auto on_tensors = tensor_operations().operations;
  const auto on_variables = variable_operations().operations;
  std::map<std::string, int> rows;
  for (const Row& row : all_rows()) ++rows[row.operation()];
  int both = 0;
  for (const auto& [name, declared] : on_variables) {
    const auto found = on_tensors.find(name);
    if (found == on_tensors.end()) continue;
    ++both;
    INFO(name);
    CHECK(rows[name] >= std::min(declared.overloads, found->second.overloads));
  }
  CHECK(both > 100);
  for (const auto& [name, count] : rows) {
    INFO(name);
    CHECK((on_tensors.contains(name) && on_variables.contains(name)));
  }
}

TEST_CASE("both ops.h have the same headings, which name the file of each operation",
          "[autograd]") {
  const Declarations on_tensors = tensor_operations();
  const Declarations on_variables = variable_operations();
  const auto common = [](const Declarations& a, const Declarations& b) {
    std::vector<std::string> result;
    for (const std::string& heading : a.headings) {
      if (std::ranges::count(b.headings, heading) == 1) result.push_back(heading);
    }
    return result;
  };
  CHECK(common(on_tensors, on_variables).size() > 10);
  CHECK(common(on_tensors, on_variables) == common(on_variables, on_tensors));
  const auto check_files = [](const std::string& layer, const Declarations& declarations) {
    std::map<std::string, std::string> texts;
    for (const auto& [name, declared] : declarations.operations) {
      if (name.starts_with("operator")) continue;  // defined in ops.h
      const std::string path = layer + "/ops/" + declared.file;
      if (!texts.contains(path)) texts[path] = "\n" + text_of_file(path);
      INFO(name << " in " << path);
      CHECK(texts[path].find("\n" + declared.start) != std::string::npos);
    }
  };
  check_files("tensor", on_tensors);
  check_files("autograd", on_variables);
  for (const auto& [name, declared] : on_variables.operations) {
    const auto found = on_tensors.operations.find(name);
    if (found == on_tensors.operations.end()) continue;
    INFO(name);
    CHECK(declared.heading == found->second.heading);
    CHECK(declared.file == found->second.file);
  }
}

}  // namespace tapegrad
