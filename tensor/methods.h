// PyTorch's methods: `x.sum()` beside `sum(x)`. Tensor, Variable and Parameter derive from Methods,
// so that all have the same. Each method is the function of its name with the object as the first
// argument; the functions are documented in tensor/ops.h and autograd/ops.h.
// Read next: tensor/methods_definitions.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <type_traits>
#include <vector>

#include <tapegrad/tensor/scalar.h>
#include <tapegrad/tensor/shape.h>

// Some C headers define macros of these names.
#pragma push_macro("max")
#pragma push_macro("min")
#undef max
#undef min

namespace tapegrad {

class Tensor;
class Variable;
class Index;
struct ValuesAndIndices;
struct VariableAndIndices;
struct UniqueElements;
struct VarOptions;
struct AsTuple;

// What max, min, sort and topk along a dimension return: values and indices.
template <class Self>
struct MethodTypes;
template <>
struct MethodTypes<Tensor> {
  using Pair = ValuesAndIndices;
};
template <>
struct MethodTypes<Variable> {
  using Pair = VariableAndIndices;
};

// Classes with history; the methods of a Tensor take them as operands, too, and return a Variable.
template <class T>
inline constexpr bool kHasHistory = std::is_same_v<T, Variable>;

// Self is Tensor or Variable. Object is the class that derives from this: Self, or a class that
// converts to Self, as Parameter does.
template <class Self, class Object = Self>
class Methods {
  using Pair = typename MethodTypes<Self>::Pair;
  template <class V>
  static constexpr bool kMixed = std::is_same_v<Self, Tensor>&& kHasHistory<V>;

 public:
  // Elementwise, with broadcasting
  Self add(const Self& other) const;
  Self add(Scalar other) const;
  Self sub(const Self& other) const;
  Self sub(Scalar other) const;
  Self mul(const Self& other) const;
  Self mul(Scalar other) const;
  Self div(const Self& other) const;
  Self div(Scalar other) const;
  Self remainder(const Self& other) const;
  Self remainder(Scalar other) const;
  Self pow(const Self& other) const;
  Self pow(Scalar other) const;
  Self maximum(const Self& other) const;
  Self minimum(const Self& other) const;
  Self neg() const;
  Self abs() const;
  Self sign() const;
  Self square() const;
  Self reciprocal() const;
  Self sqrt() const;
  Self rsqrt() const;
  Self exp() const;
  Self expm1() const;
  Self log() const;
  Self log1p() const;
  Self log2() const;
  Self sin() const;
  Self cos() const;
  Self tan() const;
  Self tanh() const;
  Self sigmoid() const;
  Self relu() const;
  Self erf() const;
  Self floor() const;
  Self ceil() const;
  Self round() const;
  Self clamp(std::optional<Scalar> min, std::optional<Scalar> max = std::nullopt) const;
  Self clip(std::optional<Scalar> min, std::optional<Scalar> max = std::nullopt) const;
  Self clamp(const Self& min, const Self& max) const;
  Self logaddexp(const Self& other) const;
  Self lerp(const Self& end, double weight) const;
  Self lerp(const Self& end, const Self& weight) const;
  Self where(const Tensor& condition, const Self& other) const;  // other where it is false
  Self where(const Tensor& condition, Scalar other) const;

  // Comparisons and conditions, which give boolean tensors without history
  Tensor eq(const Self& other) const;
  Tensor eq(Scalar other) const;
  Tensor ne(const Self& other) const;
  Tensor ne(Scalar other) const;
  Tensor lt(const Self& other) const;
  Tensor lt(Scalar other) const;
  Tensor le(const Self& other) const;
  Tensor le(Scalar other) const;
  Tensor gt(const Self& other) const;
  Tensor gt(Scalar other) const;
  Tensor ge(const Self& other) const;
  Tensor ge(Scalar other) const;
  Tensor isnan() const;
  Tensor isinf() const;
  Tensor isfinite() const;
  Tensor logical_not() const;
  Tensor logical_and(const Self& other) const;
  Tensor logical_or(const Self& other) const;
  Tensor logical_xor(const Self& other) const;
  Tensor any() const;
  Tensor any(std::int64_t dim, bool keepdim = false) const;
  Tensor all() const;
  Tensor all(std::int64_t dim, bool keepdim = false) const;

  // Reductions and sorting
  Self sum() const;
  Self sum(const Dims& dims, bool keepdim = false) const;
  Self mean() const;
  Self mean(const Dims& dims, bool keepdim = false) const;
  Self var(const Dims& dims = {}, bool unbiased = true, bool keepdim = false) const;
  Self std(const Dims& dims = {}, bool unbiased = true, bool keepdim = false) const;
  Self var(const Dims& dims, const VarOptions& options) const;
  Self std(const Dims& dims, const VarOptions& options) const;
  Self prod() const;
  Self prod(std::int64_t dim, bool keepdim = false) const;
  Self norm(double p = 2.0) const;
  Self norm(double p, const Dims& dims, bool keepdim = false) const;
  Self cumsum(std::int64_t dim) const;
  Self cumprod(std::int64_t dim) const;
  Self max() const;
  Pair max(std::int64_t dim, bool keepdim = false) const;
  Self min() const;
  Pair min(std::int64_t dim, bool keepdim = false) const;
  Self amax(const Dims& dims = {}, bool keepdim = false) const;
  Self amin(const Dims& dims = {}, bool keepdim = false) const;
  Tensor argmax() const;
  Tensor argmax(std::int64_t dim, bool keepdim = false) const;
  Tensor argmin() const;
  Tensor argmin(std::int64_t dim, bool keepdim = false) const;
  Self logsumexp(const Dims& dims, bool keepdim = false) const;
  Self softmax(std::int64_t dim) const;
  Self log_softmax(std::int64_t dim) const;
  Pair sort(std::int64_t dim = -1, bool descending = false) const;
  Tensor argsort(std::int64_t dim = -1, bool descending = false) const;
  Pair topk(std::int64_t k, std::int64_t dim = -1, bool largest = true) const;
  Self median() const;
  Pair median(std::int64_t dim, bool keepdim = false) const;
  UniqueElements unique() const;
  Tensor bincount(const Tensor& weights, std::int64_t minlength = 0) const;
  Tensor bincount() const;

  // Products
  Self matmul(const Self& other) const;
  Self mm(const Self& other) const;
  Self bmm(const Self& other) const;
  Self mv(const Self& other) const;
  Self dot(const Self& other) const;
  Self outer(const Self& other) const;
  Self addmm(const Self& a, const Self& b, double beta = 1, double alpha = 1) const;

  // Of a Tensor and a Variable or a Parameter, with the history of the second: x.matmul(w)
  template <class V>
  requires kMixed<V>
  auto add(const V& other) const { return recorded(other).add(other); }
  template <class V>
  requires kMixed<V>
  auto sub(const V& other) const { return recorded(other).sub(other); }
  template <class V>
  requires kMixed<V>
  auto mul(const V& other) const { return recorded(other).mul(other); }
  template <class V>
  requires kMixed<V>
  auto div(const V& other) const { return recorded(other).div(other); }
  template <class V>
  requires kMixed<V>
  auto pow(const V& other) const { return recorded(other).pow(other); }
  template <class V>
  requires kMixed<V>
  auto maximum(const V& other) const { return recorded(other).maximum(other); }
  template <class V>
  requires kMixed<V>
  auto minimum(const V& other) const { return recorded(other).minimum(other); }
  template <class V>
  requires kMixed<V>
  auto matmul(const V& other) const { return recorded(other).matmul(other); }
  template <class V>
  requires kMixed<V>
  auto mm(const V& other) const { return recorded(other).mm(other); }
  template <class V>
  requires kMixed<V>
  auto bmm(const V& other) const { return recorded(other).bmm(other); }
  template <class V>
  requires kMixed<V>
  auto mv(const V& other) const { return recorded(other).mv(other); }
  template <class V>
  requires kMixed<V>
  auto dot(const V& other) const { return recorded(other).dot(other); }
  template <class V>
  requires kMixed<V>
  auto outer(const V& other) const { return recorded(other).outer(other); }

  // Views and shapes
  Self reshape(const Shape& shape) const;
  Self view(const Shape& shape) const;
  Self expand(const Shape& shape) const;
  Self broadcast_to(const Shape& shape) const;
  Self flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
  Self unflatten(std::int64_t dim, const Shape& sizes) const;
  Self squeeze() const;
  Self squeeze(std::int64_t dim) const;
  Self unsqueeze(std::int64_t dim) const;
  Self permute(const Dims& dims) const;
  Self transpose(std::int64_t dim0, std::int64_t dim1) const;
  Self t() const;
  Self T() const;
  std::vector<Self> split(std::int64_t split_size, std::int64_t dim = 0) const;
  std::vector<Self> split(const Shape& split_sizes, std::int64_t dim) const;
  std::vector<Self> chunk(std::int64_t chunks, std::int64_t dim = 0) const;
  std::vector<Self> unbind(std::int64_t dim = 0) const;
  Self repeat(const Shape& repeats) const;
  Self tile(const Shape& repeats) const;
  Self flip(const Dims& dims) const;
  Self roll(const Shape& shifts, const Dims& dims = {}) const;
  Self tril(std::int64_t diagonal = 0) const;
  Self triu(std::int64_t diagonal = 0) const;
  Self diag(std::int64_t diagonal = 0) const;
  Self repeat_interleave(std::int64_t repeats,
                         std::optional<std::int64_t> dim = std::nullopt) const;
  Self repeat_interleave(const Tensor& repeats,
                         std::optional<std::int64_t> dim = std::nullopt) const;

  // The same with the sizes or dimensions as arguments: x.view(3, -1) is x.view({3, -1}).
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self reshape(Sizes... sizes)
  const { return reshape(Shape{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self view(Sizes... sizes)
  const { return view(Shape{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self expand(Sizes... sizes)
  const { return expand(Shape{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self repeat(Sizes... sizes)
  const { return repeat(Shape{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self tile(Sizes... sizes)
  const { return tile(Shape{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self permute(Sizes... sizes)
  const { return permute(Dims{sizes...}); }
  template <std::integral... Sizes>
  requires(sizeof...(Sizes) > 1) Self flip(Sizes... sizes)
  const { return flip(Dims{sizes...}); }

  // Selecting elements
  Self select(std::int64_t dim, std::int64_t index) const;
  Self narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const;
  Self slice(std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step = 1) const;
  Self index_select(std::int64_t dim, const Tensor& index) const;
  Self gather(std::int64_t dim, const Tensor& index) const;
  Self take_along_dim(const Tensor& index, std::int64_t dim) const;
  Self scatter(std::int64_t dim, const Tensor& index, const Self& source) const;
  Self scatter(std::int64_t dim, const Tensor& index, Scalar value) const;
  Self scatter_add(std::int64_t dim, const Tensor& index, const Self& source) const;
  Self scatter_reduce(std::int64_t dim, const Tensor& index, const Self& source,
                      const std::string& reduce, bool include_self = true) const;
  Self index_add(std::int64_t dim, const Tensor& index, const Self& source) const;
  Self index(std::initializer_list<Index> indices) const;
  Self masked_select(const Tensor& mask) const;
  Self masked_fill(const Tensor& mask, Scalar value) const;
  Tensor nonzero() const;
  std::vector<Tensor> nonzero(AsTuple) const;

  // Copies, and conversion of the element type
  Self clone() const;
  Self float_() const;
  Self double_() const;
  Self long_() const;
  Self bool_() const;

  // x[i] along the first dimension. A boolean mask of the first dimensions selects the elements (or
  // rows) where it is true; int64 ids select rows, in the shape of the ids, negative ones from the
  // end. Variables record it. IndexError, ShapeError, or DTypeError for other types.
  Self operator[](std::int64_t index) const;
  Self operator[](const Tensor& ids_or_mask) const;

  // Several indices at once: x(0, Slice{1, 3}), x(ellipsis, -1) or x[{0, 1}]. The
  // same as index().
  template <std::convertible_to<Index>... Indices>
  requires(sizeof...(Indices) > 0) Self operator()(const Indices&... indices) const {
    return index({Index(indices)...});
  }
  Self operator[](std::initializer_list<Index> indices) const { return index(indices); }

  // The only element as a double; ValueError for an integer that a double cannot hold (above 2^53),
  // and for more elements than one. item<float>() and the like return the type that one asks for.
  double item() const;
  // The only element, as in PyTorch: `if (x.sum() > 0)`, `float(loss)`. ValueError for more
  // elements: use all() or any().
  template <Number T>
  explicit operator T() const {
    if constexpr (std::same_as<T, bool>) {
      return is_true();
    } else {
      return self().template item<T>();
    }
  }

  // Calls set_requires_grad() and returns the variable; it does not compile for a Tensor.
  template <std::same_as<bool> Bool = bool>
  Object& requires_grad_(Bool requires_grad = true) & {
    static_assert(!std::same_as<Self, Tensor>,
                  "a Tensor has no gradient: write Variable w = parameter(x)");
    static_cast<Object&>(*this).set_requires_grad(requires_grad);
    return static_cast<Object&>(*this);
  }
  template <std::same_as<bool> Bool = bool>
  Object requires_grad_(Bool requires_grad = true) && {
    return requires_grad_(requires_grad);
  }

 protected:
  Methods() = default;
  Methods(const Methods&) = default;
  Methods& operator=(const Methods&) = default;
  ~Methods() = default;

 private:
  const Self& self() const { return static_cast<const Object&>(*this); }
  // This tensor as a Variable, whose class is not known here.
  template <class V>
  auto recorded(const V&) const {
    return std::conditional_t<kHasHistory<V>, Variable, V>(self());
  }
  bool is_true() const;
};

}  // namespace tapegrad

#pragma pop_macro("min")
#pragma pop_macro("max")
