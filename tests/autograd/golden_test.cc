// Compares values, gradients and element types with PyTorch's: all cases of ops, values and
// promotion in tests/golden, whose README.md explains their names. Losses are compared in
// tests/nn/losses_test.cc.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>

#include "catch.h"
#include "golden_file.h"

namespace tapegrad {
namespace {

using Variables = std::vector<Variable>;

// One call as a file describes it: inputs by position, options by name.
class Call {
 public:
  Call(const GoldenFile& file, std::string name, Variables inputs)
      : file_(file), name_(std::move(name)), inputs_(std::move(inputs)) {}

  const Variable& operator[](std::size_t i) const { return inputs_.at(i); }
  const Tensor& value(std::size_t i) const { return inputs_.at(i).value(); }
  const Variables& inputs() const { return inputs_; }
  // The part after the dot.
  std::string variant() const { return name_.substr(name_.find('.') + 1); }

  bool has(const std::string& option) const { return file_.has(name_ + ".arg." + option); }
  double number(const std::string& option, double otherwise = 0) const {
    return file_.option(name_, option, otherwise);
  }
  std::int64_t integer(const std::string& option, std::int64_t otherwise = 0) const {
    return has(option) ? argument(option).item<std::int64_t>() : otherwise;
  }
  bool flag(const std::string& option, bool otherwise = false) const {
    return has(option) ? argument(option).item<bool>() : otherwise;
  }
  Shape list(const std::string& option) const {
    return has(option) ? Shape(to_vector<std::int64_t>(argument(option))) : Shape();
  }
  // An option as a Scalar of the type that it was saved with.
  std::optional<Scalar> scalar(const std::string& option) const {
    if (!has(option)) return std::nullopt;
    const Tensor& x = argument(option);
    if (x.dtype() == boolean) return Scalar(x.item<bool>());
    if (x.dtype() == int64) return Scalar(x.item<std::int64_t>());
    return Scalar(x.item<double>());
  }
  std::optional<DType> dtype() const {
    constexpr DType kWords[] = {float32, float64, int64, boolean};
    if (!has("dtype")) return std::nullopt;
    return kWords[integer("dtype")];
  }

 private:
  const Tensor& argument(const std::string& option) const {
    return file_.at(name_ + ".arg." + option);
  }

  const GoldenFile& file_;
  std::string name_;
  Variables inputs_;
};

// How to call one op: a function of a Call that returns one or several results.
struct Operation {
  template <class Function>
  Operation(Function /*function*/)  // NOLINT: the table below reads better
      : call([](const Call& c) -> Variables {
          using Result = std::invoke_result_t<Function, const Call&>;
          if constexpr (std::is_convertible_v<Result, Variable>) {
            return {Function()(c)};
          } else if constexpr (std::is_convertible_v<Result, Variables>) {
            return Function()(c);
          } else {
            const auto result = Function()(c);
            return {result.values, result.indices};
          }
        }) {}
  Variables (*call)(const Call&);
};

// op(in0, in1), op(in0, number) or op(number, in0).
template <class Function>
Variable binary(const Call& c, const Function& function) {
  if (const auto right = c.scalar("scalar_right")) return function(c[0], *right);
  if (const auto left = c.scalar("scalar_left")) return function(*left, c[0]);
  return function(c[0], c[1]);
}
template <class Function>
Tensor compare(const Call& c, const Function& function) {
  if (const auto right = c.scalar("scalar_right")) return function(c.value(0), *right);
  return function(c.value(0), c.value(1));
}

// Reduces over `dim` if it is given, otherwise over all dimensions.
template <class Over, class Everything>
auto reduce(const Call& c, const Over& over, const Everything& everything) {
  using Result = std::common_type_t<decltype(everything(c[0]))>;
  if (!c.has("dim")) return Variables{Result(everything(c[0]))};
  const auto result = over(c[0], c.integer("dim"), c.flag("keepdim"));
  if constexpr (std::is_convertible_v<decltype(result), Variable>) {
    return Variables{result};
  } else {
    return Variables{result.values, result.indices};
  }
}

using Table = std::map<std::string, Operation>;

const Table& elementwise() {
  static const Table table = {
      {"add", [](auto& c) { return binary(c, [](auto& a, auto& b) { return a + b; }); }},
      {"sub", [](auto& c) { return binary(c, [](auto& a, auto& b) { return a - b; }); }},
      {"mul", [](auto& c) { return binary(c, [](auto& a, auto& b) { return a * b; }); }},
      {"div", [](auto& c) { return binary(c, [](auto& a, auto& b) { return a / b; }); }},
      {"remainder", [](auto& c) { return binary(c, [](auto& a, auto& b) { return a % b; }); }},
      {"pow", [](auto& c) { return binary(c, [](auto& a, auto& b) { return pow(a, b); }); }},
      {"maximum", [](auto& c) { return maximum(c[0], c[1]); }},
      {"minimum", [](auto& c) { return minimum(c[0], c[1]); }},
      {"eq", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a == b; }); }},
      {"ne", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a != b; }); }},
      {"lt", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a < b; }); }},
      {"le", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a <= b; }); }},
      {"gt", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a > b; }); }},
      {"ge", [](auto& c) { return compare(c, [](auto& a, auto& b) { return a >= b; }); }},
      {"logical_and", [](auto& c) { return logical_and(c.value(0), c.value(1)); }},
      {"logical_or", [](auto& c) { return logical_or(c.value(0), c.value(1)); }},
      {"logical_not", [](auto& c) { return logical_not(c.value(0)); }},
      {"isnan", [](auto& c) { return isnan(c.value(0)); }},
      {"isfinite", [](auto& c) { return isfinite(c.value(0)); }},
      {"where", [](auto& c) { return where(c.value(0), c[1], c[2]); }},
      {"where_sqrt",
       [](auto& c) {
         const Tensor chosen = c.value(0) > 0;
         return c.variant() == "trap" ? where(chosen, sqrt(c[0]), 0)
                                      : where(chosen, sqrt(where(chosen, c[0], 1)), 0);
       }},
      {"neg", [](auto& c) { return neg(c[0]); }},
      {"abs", [](auto& c) { return abs(c[0]); }},
      {"sign", [](auto& c) { return sign(c[0]); }},
      {"square", [](auto& c) { return square(c[0]); }},
      {"reciprocal", [](auto& c) { return reciprocal(c[0]); }},
      {"sqrt", [](auto& c) { return sqrt(c[0]); }},
      {"rsqrt", [](auto& c) { return rsqrt(c[0]); }},
      {"exp", [](auto& c) { return exp(c[0]); }},
      {"expm1", [](auto& c) { return expm1(c[0]); }},
      {"log", [](auto& c) { return log(c[0]); }},
      {"log1p", [](auto& c) { return log1p(c[0]); }},
      {"sin", [](auto& c) { return sin(c[0]); }},
      {"cos", [](auto& c) { return cos(c[0]); }},
      {"tanh", [](auto& c) { return tanh(c[0]); }},
      {"sigmoid", [](auto& c) { return sigmoid(c[0]); }},
      {"relu", [](auto& c) { return relu(c[0]); }},
      {"leaky_relu", [](auto& c) { return leaky_relu(c[0], c.number("negative_slope", 0.01)); }},
      {"elu", [](auto& c) { return elu(c[0], c.number("alpha", 1)); }},
      {"gelu",
       [](auto& c) {
         return gelu(c[0], c.integer("approximate") == 1 ? GeluApproximation::tanh
                                                         : GeluApproximation::none);
       }},
      {"silu", [](auto& c) { return silu(c[0]); }},
      {"softplus",
       [](auto& c) {
         const double beta = c.number("beta", 1);
         const double threshold = c.number("threshold", 20);
         return beta == 1 && threshold == 20 ? softplus(c[0]) : softplus(c[0], beta, threshold);
       }},
      {"softsign", [](auto& c) { return softsign(c[0]); }},
      {"erf", [](auto& c) { return erf(c[0]); }},
      {"floor", [](auto& c) { return floor(c[0]); }},
      {"ceil", [](auto& c) { return ceil(c[0]); }},
      {"round", [](auto& c) { return round(c[0]); }},
      {"clamp", [](auto& c) { return clamp(c[0], c.scalar("min"), c.scalar("max")); }},
      {"clamp_each",
       [](auto& c) { return clamp(c[0], c[1], c.inputs().size() > 2 ? c[2] : Variable()); }},
      {"logaddexp", [](auto& c) { return logaddexp(c[0], c[1]); }},
      {"lerp", [](auto& c) { return lerp(c[0], c[1], c.number("weight")); }},
      {"lerp_each", [](auto& c) { return lerp(c[0], c[1], c[2]); }},
      {"relu6", [](auto& c) { return relu6(c[0]); }},
      {"hardtanh",
       [](auto& c) { return hardtanh(c[0], c.number("min_val", -1), c.number("max_val", 1)); }},
      {"hardsigmoid", [](auto& c) { return hardsigmoid(c[0]); }},
      {"hardswish", [](auto& c) { return hardswish(c[0]); }},
      {"selu", [](auto& c) { return selu(c[0]); }},
      {"celu", [](auto& c) { return celu(c[0], c.number("alpha", 1)); }},
      {"mish", [](auto& c) { return mish(c[0]); }},
      {"logsigmoid", [](auto& c) { return logsigmoid(c[0]); }},
      {"softshrink", [](auto& c) { return softshrink(c[0], c.number("lambd", 0.5)); }},
      {"hardshrink", [](auto& c) { return hardshrink(c[0], c.number("lambd", 0.5)); }},
      {"threshold",
       [](auto& c) { return threshold(c[0], c.number("threshold"), c.number("value")); }},
      {"prelu", [](auto& c) { return prelu(c[0], c[1]); }},
      {"to", [](auto& c) { return c[0].to(*c.dtype()); }},
  };
  return table;
}

const Table& reductions() {
  static const Table table = {
      {"sum",
       [](auto& c) {
         return c.has("dim") ? sum(c[0], c.list("dim"), c.flag("keepdim")) : sum(c[0]);
       }},
      {"mean",
       [](auto& c) {
         return c.has("dim") ? mean(c[0], c.list("dim"), c.flag("keepdim")) : mean(c[0]);
       }},
      {"var",
       [](auto& c) {
         return var(c[0], c.list("dim"), c.flag("unbiased", true), c.flag("keepdim"));
       }},
      {"std",
       [](auto& c) {
         return std(c[0], c.list("dim"), c.flag("unbiased", true), c.flag("keepdim"));
       }},
      {"norm",
       [](auto& c) {
         const double p = c.number("p", 2);
         return c.has("dim") ? norm(c[0], p, c.list("dim"), c.flag("keepdim")) : norm(c[0], p);
       }},
      {"logsumexp", [](auto& c) { return logsumexp(c[0], c.list("dim"), c.flag("keepdim")); }},
      {"prod",
       [](auto& c) {
         return c.has("dim") ? prod(c[0], c.integer("dim"), c.flag("keepdim")) : prod(c[0]);
       }},
      {"any",
       [](auto& c) {
         return c.has("dim") ? any(c.value(0), c.integer("dim"), c.flag("keepdim"))
                             : any(c.value(0));
       }},
      {"all",
       [](auto& c) {
         return c.has("dim") ? all(c.value(0), c.integer("dim"), c.flag("keepdim"))
                             : all(c.value(0));
       }},
      {"max",
       [](auto& c) {
         return reduce(
             c, [](auto& x, auto dim, bool keep) { return max(x, dim, keep); },
             [](auto& x) { return max(x); });
       }},
      {"min",
       [](auto& c) {
         return reduce(
             c, [](auto& x, auto dim, bool keep) { return min(x, dim, keep); },
             [](auto& x) { return min(x); });
       }},
      {"argmax",
       [](auto& c) {
         return c.has("dim") ? argmax(c.value(0), c.integer("dim"), c.flag("keepdim"))
                             : argmax(c.value(0));
       }},
      {"argmin",
       [](auto& c) {
         return c.has("dim") ? argmin(c.value(0), c.integer("dim"), c.flag("keepdim"))
                             : argmin(c.value(0));
       }},
      {"softmax", [](auto& c) { return softmax(c[0], c.integer("dim")); }},
      {"log_softmax", [](auto& c) { return log_softmax(c[0], c.integer("dim")); }},
      {"softmin", [](auto& c) { return softmin(c[0], c.integer("dim")); }},
      {"glu", [](auto& c) { return glu(c[0], c.integer("dim", -1)); }},
      {"cumprod", [](auto& c) { return cumprod(c[0], c.integer("dim")); }},
      {"var_correction",
       [](auto& c) {
         return var(c[0], c.list("dim"),
                    {.correction = c.number("correction"), .keepdim = c.flag("keepdim")});
       }},
      {"std_correction",
       [](auto& c) {
         return std(c[0], c.list("dim"),
                    {.correction = c.number("correction"), .keepdim = c.flag("keepdim")});
       }},
      {"amax", [](auto& c) { return amax(c[0], c.list("dim"), c.flag("keepdim")); }},
      {"amin", [](auto& c) { return amin(c[0], c.list("dim"), c.flag("keepdim")); }},
      {"median",
       [](auto& c) -> Variables {
         if (!c.has("dim")) return {median(c[0])};
         const auto found = median(c[0], c.integer("dim"), c.flag("keepdim"));
         if (c.flag("first")) return {found.values};
         return {found.values, Variable(found.indices)};
       }},
      {"cumsum", [](auto& c) { return cumsum(c[0], c.integer("dim")); }},
      {"sort", [](auto& c) { return sort(c[0], c.integer("dim", -1), c.flag("descending")); }},
      {"topk",
       [](auto& c) {
         return topk(c[0], c.integer("k"), c.integer("dim", -1), c.flag("largest", true));
       }},
      {"topk_values",
       [](auto& c) {
         return topk(c[0], c.integer("k"), c.integer("dim", -1), c.flag("largest", true)).values;
       }},
      {"cosine_similarity",
       [](auto& c) { return cosine_similarity(c[0], c[1], c.integer("dim", 1)); }},
      {"pairwise_distance",
       [](auto& c) {
         return pairwise_distance(c[0], c[1], c.number("p", 2), 1e-6, c.flag("keepdim"));
       }},
      {"cdist", [](auto& c) { return cdist(c[0], c[1], c.number("p", 2)); }},
      {"normalize", [](auto& c) { return normalize(c[0], c.number("p", 2), c.integer("dim", 1)); }},
  };
  return table;
}

const Table& products_and_shapes() {
  static const Table table = {
      {"matmul",
       [](auto& c) {
         return c.variant() == "transposed" ? matmul(transpose(c[0]), transpose(c[1]))
                                            : matmul(c[0], c[1]);
       }},
      {"mm", [](auto& c) { return mm(c[0], c[1]); }},
      {"bmm", [](auto& c) { return bmm(c[0], c[1]); }},
      {"mv", [](auto& c) { return mv(c[0], c[1]); }},
      {"dot", [](auto& c) { return dot(c[0], c[1]); }},
      {"outer", [](auto& c) { return outer(c[0], c[1]); }},
      {"einsum",
       [](auto& c) {
         // The equations of make_compositions.py.
         static const std::vector<std::string> equations = {"ij,jk->ik",
                                                            "ij,jk",
                                                            "bij,bjk->bik",
                                                            "ij->ji",
                                                            "ij->",
                                                            "ij->i",
                                                            "ii->i",
                                                            "ii",
                                                            "i,j->ij",
                                                            "i,i->",
                                                            "i,i->i",
                                                            "ij,ij->i",
                                                            "bn,anm,bm->ba",
                                                            "...ij,...jk->...ik",
                                                            "...ij,jk",
                                                            "b...i->b...",
                                                            "bhid,bhjd->bhij",
                                                            "ijj->ji",
                                                            "iji->j",
                                                            "ij,kl->",
                                                            "ca,b->abc",
                                                            "ij,jk,kl->il",
                                                            " i j , j -> i ",
                                                            "ij,ij->ij",
                                                            "ij,jk->ik",
                                                            "ij,jk->ik",
                                                            "i,->i",
                                                            "...,..."};
         return einsum(equations.at(static_cast<std::size_t>(c.integer("call"))), c.inputs());
       }},
      {"addmm",
       [](auto& c) { return addmm(c[0], c[1], c[2], c.number("beta", 1), c.number("alpha", 1)); }},
      {"linear",
       [](auto& c) { return linear(c[0], c[1], c.inputs().size() > 2 ? c[2] : Variable()); }},
      {"reshape", [](auto& c) { return reshape(c[0], c.list("shape")); }},
      {"view", [](auto& c) { return view(c[0], c.list("shape")); }},
      {"flatten",
       [](auto& c) { return flatten(c[0], c.integer("start_dim"), c.integer("end_dim", -1)); }},
      {"unflatten", [](auto& c) { return unflatten(c[0], c.integer("dim"), c.list("shape")); }},
      {"squeeze",
       [](auto& c) { return c.has("dim") ? squeeze(c[0], c.integer("dim")) : squeeze(c[0]); }},
      {"unsqueeze", [](auto& c) { return unsqueeze(c[0], c.integer("dim")); }},
      {"permute", [](auto& c) { return permute(c[0], c.list("dims")); }},
      {"transpose", [](auto& c) { return transpose(c[0], c.integer("dim0"), c.integer("dim1")); }},
      {"expand", [](auto& c) { return expand(c[0], c.list("shape")); }},
      {"broadcast_to", [](auto& c) { return broadcast_to(c[0], c.list("shape")); }},
      {"contiguous", [](auto& c) { return contiguous(transpose(c[0])); }},
      {"cat", [](auto& c) { return cat(c.inputs(), c.integer("dim")); }},
      {"stack", [](auto& c) { return stack(c.inputs(), c.integer("dim")); }},
      {"split",
       [](auto& c) {
         return c.has("split_sizes") ? split(c[0], c.list("split_sizes"), c.integer("dim"))
                                     : split(c[0], c.integer("split_size"), c.integer("dim"));
       }},
      {"chunk", [](auto& c) { return chunk(c[0], c.integer("chunks"), c.integer("dim")); }},
      {"unbind", [](auto& c) { return unbind(c[0], c.integer("dim")); }},
      {"repeat", [](auto& c) { return repeat(c[0], c.list("repeats")); }},
      {"tile", [](auto& c) { return tile(c[0], c.list("repeats")); }},
      {"flip", [](auto& c) { return flip(c[0], c.list("dims")); }},
      {"repeat_interleave",
       [](auto& c) {
         const auto dim =
             c.has("dim") ? std::optional<std::int64_t>(c.integer("dim")) : std::nullopt;
         return c.has("repeats") ? repeat_interleave(c[0], c.integer("repeats"), dim)
                                 : repeat_interleave(c[0], c.value(1), dim);
       }},
      {"meshgrid",
       [](auto& c) {
         return meshgrid(std::span<const Variable>(c.inputs()),
                         c.flag("xy") ? GridIndexing::xy : GridIndexing::ij);
       }},
      {"diag", [](auto& c) { return diag(c[0], c.integer("diagonal")); }},
      {"pad",
       [](auto& c) {
         return pad(c[0], c.list("padding"), static_cast<PadMode>(c.integer("padding_mode")),
                    c.scalar("value").value_or(0));
       }},
      {"roll", [](auto& c) { return roll(c[0], c.list("shifts"), c.list("dims")); }},
  };
  return table;
}

const Table& indexing_and_creation() {
  static const Table table = {
      {"select", [](auto& c) { return select(c[0], c.integer("dim"), c.integer("index")); }},
      {"narrow",
       [](auto& c) {
         return narrow(c[0], c.integer("dim"), c.integer("start"), c.integer("length"));
       }},
      {"slice",
       [](auto& c) {
         return slice(c[0], c.integer("dim"), c.integer("start"), c.integer("end"),
                      c.integer("step"));
       }},
      {"getitem",
       [](auto& c) { return (c.flag("transposed") ? transpose(c[0]) : c[0])[c.value(1)]; }},
      {"multi_index",
       [](auto& c) {
         const Variable& x = c[0];
         switch (c.integer("call")) {
           case 0:
             return x(1, 2);
           case 1:
             return x(ellipsis, -1);
           case 2:
             return x(Slice{}, newaxis, Slice{1, 3});
           case 3:
             return x(Slice{.step = 2}, 1);
           case 4:
             return x(0, ellipsis, Slice{0, 1});
           default:
             return x(newaxis, -1);
         }
       }},
      {"index_select", [](auto& c) { return index_select(c[0], c.integer("dim"), c.value(1)); }},
      {"gather", [](auto& c) { return gather(c[0], c.integer("dim"), c.value(1)); }},
      {"take_along_dim",
       [](auto& c) { return take_along_dim(c[0], c.value(1), c.integer("dim")); }},
      {"scatter", [](auto& c) { return scatter(c[0], c.integer("dim"), c.value(1), c[2]); }},
      {"scatter_value",
       [](auto& c) { return scatter(c[0], c.integer("dim"), c.value(1), c.number("value")); }},
      {"scatter_reduce",
       [](auto& c) {
         static const std::vector<std::string> kNames = {"sum", "prod", "mean", "amax", "amin"};
         return scatter_reduce(c[0], c.integer("dim"), c.value(1), c[2],
                               kNames.at(static_cast<std::size_t>(c.integer("reduce"))),
                               c.flag("include_self"));
       }},
      {"nonzero_as_tuple",
       [](auto& c) -> Variables {
         const std::vector<Tensor> positions = nonzero(c.value(0), as_tuple);
         return {positions.begin(), positions.end()};
       }},
      {"functional_batch_norm",
       [](auto& c) {
         return batch_norm(c[0], c.value(1).clone(), c.value(2).clone(), c[3], c[4],
                           {.training = c.flag("training"),
                            .momentum = c.number("momentum", 0.1),
                            .eps = c.number("eps", 1e-5)});
       }},
      {"running_statistics",
       [](auto& c) -> Variables {
         const Tensor mean = c.value(1).clone(), var = c.value(2).clone();
         batch_norm(c[0], mean, var, {}, {}, {.training = true, .momentum = c.number("momentum")});
         return {mean, var};
       }},
      {"unique",
       [](auto& c) -> Variables {
         const UniqueElements found = unique(c.value(0));
         return {found.values, found.inverse, found.counts};
       }},
      {"bincount",
       [](auto& c) {
         return bincount(c.value(0), c.inputs().size() > 1 ? c.value(1) : Tensor(),
                         c.integer("minlength"));
       }},
      {"scatter_add",
       [](auto& c) { return scatter_add(c[0], c.integer("dim"), c.value(1), c[2]); }},
      {"index_add", [](auto& c) { return index_add(c[0], c.integer("dim"), c.value(1), c[2]); }},
      {"masked_select", [](auto& c) { return masked_select(c[0], c.value(1)); }},
      {"masked_fill", [](auto& c) { return masked_fill(c[0], c.value(1), *c.scalar("value")); }},
      {"embedding",
       [](auto& c) {
         return c.has("padding_idx") ? embedding(c[0], c.value(1), c.integer("padding_idx"))
                                     : embedding(c[0], c.value(1));
       }},
      {"one_hot", [](auto& c) { return one_hot(c.value(0), c.integer("num_classes")); }},
      {"nonzero", [](auto& c) { return nonzero(c.value(0)); }},
      {"arange",
       [](auto& c) {
         return arange(*c.scalar("start"), *c.scalar("end"), *c.scalar("step"),
                       c.dtype().value_or(int64));
       }},
      {"linspace",
       [](auto& c) {
         return linspace(c.number("start"), c.number("end"), c.integer("steps"), *c.dtype());
       }},
      {"eye", [](auto& c) { return eye(c.integer("n"), c.integer("m")); }},
      {"allclose",
       [](auto& c) {
         return tensor(allclose(c.value(0), c.value(1), c.number("rtol", 1e-5),
                                c.number("atol", 1e-8), c.flag("equal_nan")));
       }},
      {"equal", [](auto& c) { return tensor(equal(c.value(0), c.value(1))); }},
  };
  return table;
}

const Operation* find(const std::string& op) {
  for (const Table* table :
       {&elementwise(), &reductions(), &products_and_shapes(), &indexing_and_creation()}) {
    if (const auto found = table->find(op); found != table->end()) return &found->second;
  }
  return nullptr;
}

// Cases that are not run here: losses, which belong to nn, and operations that this library does
// not have.
const std::set<std::string> kNotHere = {"cross_entropy", "nll_loss",        "mse_loss",
                                        "l1_loss",       "bce_with_logits", "cosine_embedding_loss",
                                        "atan2"};

// PyTorch 1.13 has no kernel for these boolean calls; here they work.
const std::set<std::string> kNotRefused = {"argmax.bool", "pow.bool_bool", "pow.bool_scalar_bool"};

// PyTorch divides the product by each factor, so that the gradient of a nan element is nan; here it
// is the product of the other elements.
const std::set<std::string> kOtherGradient = {"prod.nan"};

// PyTorch multiplies float64 gradients by factors rounded to float32: 1/6, and celu's alpha.
const std::set<std::string> kGradientInSingle = {"hardsigmoid", "celu"};

// The tolerances of README.md, relative to the largest finite expected element. Elementwise
// operations are compared relative to each element, because their special inputs range from 1e-30
// to 1e30.
bool agrees(const Tensor& got, const Tensor& expected, bool each, bool in_single = false) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape()) return false;
  if (!is_floating_point(got.dtype())) return equal(got, expected);
  const bool twice = expected.dtype() == float64 && !in_single;
  const double relative = twice ? 1e-12 : 5e-6;
  const double absolute = twice ? 1e-15 : 1e-7;
  if (each) return allclose(got, expected, relative, absolute, true);
  double largest = 0;
  for (const double x : to_vector<double>(expected)) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  return allclose(got, expected, 0, relative * largest + absolute, true);
}

// Runs one case in its own types (prefix "") or in float32 ("f32.") and checks all its roles.
void check_case(const GoldenFile& file, const Operation& operation, const std::string& name,
                const std::string& prefix) {
  INFO(name << ' ' << prefix);
  const std::string op = name.substr(0, name.find('.'));
  // PyTorch's gelu in float32 is inexact for small results.
  const bool each = elementwise().contains(op) && op != "gelu";
  const auto cast = [&](const Tensor& x) {
    return prefix.empty() || !is_floating_point(x.dtype()) ? x : x.to(float32);
  };
  Variables inputs;
  Variables leaves;
  std::vector<std::string> gradients;
  for (std::size_t i = 0; file.has(name + ".in" + std::to_string(i)); ++i) {
    const Tensor value = cast(file.at(name + ".in" + std::to_string(i)));
    const std::string gradient = name + "." + prefix + "grad" + std::to_string(i);
    if (file.has(gradient)) {
      inputs.push_back(parameter(value.clone()));
      leaves.push_back(inputs.back());
      gradients.push_back(gradient);
    } else {
      inputs.push_back(value);
    }
  }
  const Call call(file, name, inputs);
  if (!file.has(name + ".out0")) {
    if (!kNotRefused.contains(name)) CHECK_THROWS_AS(operation.call(call), Error);
    return;
  }
  Variables outputs;
  try {
    outputs = operation.call(call);
  } catch (const Error& error) {
    FAIL_CHECK(error.what());
    return;
  }
  CHECK_FALSE(file.has(name + "." + prefix + "out" + std::to_string(outputs.size())));
  Variable total;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const Tensor& expected = file.at(name + "." + prefix + "out" + std::to_string(k));
    const bool right = agrees(outputs[k].value(), expected, each);
    INFO("out" << k << " is\n" << outputs[k].value() << "\nneeded\n" << expected);
    CHECK(right);
    const std::string weight = name + ".g" + std::to_string(k);
    if (leaves.empty() || !file.has(weight) || !outputs[k].requires_grad()) continue;
    const Variable term = sum(outputs[k] * cast(file.at(weight)));
    total = total.defined() ? total + term : term;
  }
  if (leaves.empty() || kOtherGradient.contains(name)) return;
  REQUIRE(total.defined());
  for (const bool create_graph : {false, true}) {
    const Variables found =
        grad(total, leaves, {.create_graph = create_graph, .retain_graph = true});
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Tensor& expected = file.at(gradients[i]);
      const bool right = agrees(found[i].value(), expected, false, kGradientInSingle.contains(op));
      INFO(gradients[i] << " is\n"
                        << found[i].value() << "\nneeded\n"
                        << expected << "\ncreate_graph " << create_graph);
      CHECK(right);
    }
  }
}

void check_file(const std::string& file_name, std::size_t cases = 200) {
  const GoldenFile file(file_name);
  std::size_t count = 0;
  std::string missing;
  for (const std::string& op : file.operations()) {
    if (kNotHere.contains(op)) continue;
    const Operation* const operation = find(op);
    if (operation == nullptr) {
      missing += ' ' + op;
      continue;
    }
    for (const std::string& name : file.cases(op)) {
      ++count;
      check_case(file, *operation, name, "");
      if (file.has(name + ".f32.out0")) check_case(file, *operation, name, "f32.");
    }
  }
  INFO("ops that no table here knows:" << missing);
  CHECK(missing.empty());
  CHECK(count >= cases);
  CHECK(tape().size() == 0);
}

}  // namespace

TEST_CASE("values and gradients of every operation equal PyTorch's", "[autograd][golden]") {
  check_file("ops.safetensors");
}

TEST_CASE("the remainder and indexing equal PyTorch's", "[autograd][golden]") {
  check_file("operators.safetensors", 38);
}

TEST_CASE("operations composed of others equal PyTorch's", "[autograd][golden]") {
  check_file("compositions.safetensors", 170);
}

TEST_CASE("scatter_reduce, positions and running statistics equal PyTorch's",
          "[autograd][golden]") {
  check_file("rest.safetensors", 86);
}

TEST_CASE("results for special values, kinks, ties and empty tensors equal PyTorch's",
          "[autograd][golden]") {
  check_file("values.safetensors");
}

TEST_CASE("element types of results, and rejected types, equal PyTorch's", "[autograd][golden]") {
  check_file("promotion.safetensors");
}

}  // namespace tapegrad
