// The methods of Tensor, Variable and Parameter: tensor/methods.cc, autograd/methods.cc and
// nn/module/parameter.cc include this after the functions that they call, and instantiate it.
// Internal. Read next: tensor/methods.cc.
#pragma once

#include <tapegrad/tensor/methods.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {

namespace detail {

template <class Self>
const Tensor& value_of(const Self& x) {
  if constexpr (std::same_as<Self, Tensor>) {
    return x;
  } else {
    return x.value();
  }
}

}  // namespace detail

template <class Self, class Object>
Self Methods<Self, Object>::add(const Self& other) const {
  return tapegrad::add(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::add(Scalar other) const {
  return tapegrad::add(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::sub(const Self& other) const {
  return tapegrad::sub(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::sub(Scalar other) const {
  return tapegrad::sub(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::mul(const Self& other) const {
  return tapegrad::mul(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::mul(Scalar other) const {
  return tapegrad::mul(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::div(const Self& other) const {
  return tapegrad::div(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::div(Scalar other) const {
  return tapegrad::div(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::remainder(const Self& other) const {
  return tapegrad::remainder(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::remainder(Scalar other) const {
  return tapegrad::remainder(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::pow(const Self& other) const {
  return tapegrad::pow(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::pow(Scalar other) const {
  return tapegrad::pow(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::maximum(const Self& other) const {
  return tapegrad::maximum(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::minimum(const Self& other) const {
  return tapegrad::minimum(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::neg() const {
  return tapegrad::neg(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::abs() const {
  return tapegrad::abs(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::sign() const {
  return tapegrad::sign(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::square() const {
  return tapegrad::square(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::reciprocal() const {
  return tapegrad::reciprocal(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::sqrt() const {
  return tapegrad::sqrt(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::rsqrt() const {
  return tapegrad::rsqrt(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::exp() const {
  return tapegrad::exp(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::expm1() const {
  return tapegrad::expm1(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::log() const {
  return tapegrad::log(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::log1p() const {
  return tapegrad::log1p(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::log2() const {
  return tapegrad::log2(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::sin() const {
  return tapegrad::sin(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::cos() const {
  return tapegrad::cos(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::tan() const {
  return tapegrad::tan(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::tanh() const {
  return tapegrad::tanh(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::sigmoid() const {
  return tapegrad::sigmoid(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::relu() const {
  return tapegrad::relu(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::erf() const {
  return tapegrad::erf(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::floor() const {
  return tapegrad::floor(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::ceil() const {
  return tapegrad::ceil(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::round() const {
  return tapegrad::round(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::clamp(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return tapegrad::clamp(self(), min, max);
}
template <class Self, class Object>
Self Methods<Self, Object>::clip(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return tapegrad::clamp(self(), min, max);
}
template <class Self, class Object>
Self Methods<Self, Object>::where(const Tensor& condition, const Self& other) const {
  return tapegrad::where(condition, self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::where(const Tensor& condition, Scalar other) const {
  return tapegrad::where(condition, self(), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::eq(const Self& other) const {
  return tapegrad::eq(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::eq(Scalar other) const {
  return tapegrad::eq(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::ne(const Self& other) const {
  return tapegrad::ne(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::ne(Scalar other) const {
  return tapegrad::ne(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::lt(const Self& other) const {
  return tapegrad::lt(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::lt(Scalar other) const {
  return tapegrad::lt(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::le(const Self& other) const {
  return tapegrad::le(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::le(Scalar other) const {
  return tapegrad::le(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::gt(const Self& other) const {
  return tapegrad::gt(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::gt(Scalar other) const {
  return tapegrad::gt(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::ge(const Self& other) const {
  return tapegrad::ge(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::ge(Scalar other) const {
  return tapegrad::ge(detail::value_of(self()), other);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::isnan() const {
  return tapegrad::isnan(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::isinf() const {
  return tapegrad::isinf(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::isfinite() const {
  return tapegrad::isfinite(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::logical_not() const {
  return tapegrad::logical_not(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::logical_and(const Self& other) const {
  return tapegrad::logical_and(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::logical_or(const Self& other) const {
  return tapegrad::logical_or(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::logical_xor(const Self& other) const {
  return tapegrad::logical_xor(detail::value_of(self()), detail::value_of(other));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::any() const {
  return tapegrad::any(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::any(std::int64_t dim, bool keepdim) const {
  return tapegrad::any(detail::value_of(self()), dim, keepdim);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::all() const {
  return tapegrad::all(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::all(std::int64_t dim, bool keepdim) const {
  return tapegrad::all(detail::value_of(self()), dim, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::sum() const {
  return tapegrad::sum(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::sum(const Dims& dims, bool keepdim) const {
  return tapegrad::sum(self(), dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::mean() const {
  return tapegrad::mean(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::mean(const Dims& dims, bool keepdim) const {
  return tapegrad::mean(self(), dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::var(const Dims& dims, bool unbiased, bool keepdim) const {
  return tapegrad::var(self(), dims, unbiased, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::std(const Dims& dims, bool unbiased, bool keepdim) const {
  return tapegrad::std(self(), dims, unbiased, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::prod() const {
  return tapegrad::prod(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::prod(std::int64_t dim, bool keepdim) const {
  return tapegrad::prod(self(), dim, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::norm(double p) const {
  return tapegrad::norm(self(), p);
}
template <class Self, class Object>
Self Methods<Self, Object>::norm(double p, const Dims& dims, bool keepdim) const {
  return tapegrad::norm(self(), p, dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::cumsum(std::int64_t dim) const {
  return tapegrad::cumsum(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::max() const {
  return tapegrad::max(self());
}
template <class Self, class Object>
typename MethodTypes<Self>::Pair Methods<Self, Object>::max(std::int64_t dim, bool keepdim) const {
  return tapegrad::max(self(), dim, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::min() const {
  return tapegrad::min(self());
}
template <class Self, class Object>
typename MethodTypes<Self>::Pair Methods<Self, Object>::min(std::int64_t dim, bool keepdim) const {
  return tapegrad::min(self(), dim, keepdim);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::argmax() const {
  return tapegrad::argmax(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::argmax(std::int64_t dim, bool keepdim) const {
  return tapegrad::argmax(detail::value_of(self()), dim, keepdim);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::argmin() const {
  return tapegrad::argmin(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::argmin(std::int64_t dim, bool keepdim) const {
  return tapegrad::argmin(detail::value_of(self()), dim, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::logsumexp(const Dims& dims, bool keepdim) const {
  return tapegrad::logsumexp(self(), dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::softmax(std::int64_t dim) const {
  return tapegrad::softmax(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::log_softmax(std::int64_t dim) const {
  return tapegrad::log_softmax(self(), dim);
}
template <class Self, class Object>
typename MethodTypes<Self>::Pair Methods<Self, Object>::sort(std::int64_t dim,
                                                             bool descending) const {
  return tapegrad::sort(self(), dim, descending);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::argsort(std::int64_t dim, bool descending) const {
  return tapegrad::argsort(detail::value_of(self()), dim, descending);
}
template <class Self, class Object>
typename MethodTypes<Self>::Pair Methods<Self, Object>::topk(std::int64_t k, std::int64_t dim,
                                                             bool largest) const {
  return tapegrad::topk(self(), k, dim, largest);
}
template <class Self, class Object>
Self Methods<Self, Object>::matmul(const Self& other) const {
  return tapegrad::matmul(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::mm(const Self& other) const {
  return tapegrad::mm(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::bmm(const Self& other) const {
  return tapegrad::bmm(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::mv(const Self& other) const {
  return tapegrad::mv(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::dot(const Self& other) const {
  return tapegrad::dot(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::outer(const Self& other) const {
  return tapegrad::outer(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::addmm(const Self& a, const Self& b, double beta, double alpha) const {
  return tapegrad::addmm(self(), a, b, beta, alpha);
}
template <class Self, class Object>
Self Methods<Self, Object>::reshape(const Shape& shape) const {
  return tapegrad::reshape(self(), shape);
}
template <class Self, class Object>
Self Methods<Self, Object>::view(const Shape& shape) const {
  return tapegrad::view(self(), shape);
}
template <class Self, class Object>
Self Methods<Self, Object>::expand(const Shape& shape) const {
  return tapegrad::expand(self(), shape);
}
template <class Self, class Object>
Self Methods<Self, Object>::broadcast_to(const Shape& shape) const {
  return tapegrad::broadcast_to(self(), shape);
}
template <class Self, class Object>
Self Methods<Self, Object>::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  return tapegrad::flatten(self(), start_dim, end_dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::unflatten(std::int64_t dim, const Shape& sizes) const {
  return tapegrad::unflatten(self(), dim, sizes);
}
template <class Self, class Object>
Self Methods<Self, Object>::squeeze() const {
  return tapegrad::squeeze(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::squeeze(std::int64_t dim) const {
  return tapegrad::squeeze(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::unsqueeze(std::int64_t dim) const {
  return tapegrad::unsqueeze(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::permute(const Dims& dims) const {
  return tapegrad::permute(self(), dims);
}
template <class Self, class Object>
Self Methods<Self, Object>::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return tapegrad::transpose(self(), dim0, dim1);
}
template <class Self, class Object>
Self Methods<Self, Object>::t() const {
  return tapegrad::transpose(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::T() const {
  return tapegrad::transpose(self());
}
template <class Self, class Object>
std::vector<Self> Methods<Self, Object>::split(std::int64_t split_size, std::int64_t dim) const {
  return tapegrad::split(self(), split_size, dim);
}
template <class Self, class Object>
std::vector<Self> Methods<Self, Object>::split(const Shape& split_sizes, std::int64_t dim) const {
  return tapegrad::split(self(), split_sizes, dim);
}
template <class Self, class Object>
std::vector<Self> Methods<Self, Object>::chunk(std::int64_t chunks, std::int64_t dim) const {
  return tapegrad::chunk(self(), chunks, dim);
}
template <class Self, class Object>
std::vector<Self> Methods<Self, Object>::unbind(std::int64_t dim) const {
  return tapegrad::unbind(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::repeat(const Shape& repeats) const {
  return tapegrad::repeat(self(), repeats);
}
template <class Self, class Object>
Self Methods<Self, Object>::tile(const Shape& repeats) const {
  return tapegrad::tile(self(), repeats);
}
template <class Self, class Object>
Self Methods<Self, Object>::flip(const Dims& dims) const {
  return tapegrad::flip(self(), dims);
}
template <class Self, class Object>
Self Methods<Self, Object>::roll(const Shape& shifts, const Dims& dims) const {
  return tapegrad::roll(self(), shifts, dims);
}
template <class Self, class Object>
Self Methods<Self, Object>::tril(std::int64_t diagonal) const {
  return tapegrad::tril(self(), diagonal);
}
template <class Self, class Object>
Self Methods<Self, Object>::triu(std::int64_t diagonal) const {
  return tapegrad::triu(self(), diagonal);
}
template <class Self, class Object>
Self Methods<Self, Object>::select(std::int64_t dim, std::int64_t index) const {
  return tapegrad::select(self(), dim, index);
}
template <class Self, class Object>
Self Methods<Self, Object>::narrow(std::int64_t dim, std::int64_t start,
                                   std::int64_t length) const {
  return tapegrad::narrow(self(), dim, start, length);
}
template <class Self, class Object>
Self Methods<Self, Object>::slice(std::int64_t dim, std::int64_t start, std::int64_t end,
                                  std::int64_t step) const {
  return tapegrad::slice(self(), dim, start, end, step);
}
template <class Self, class Object>
Self Methods<Self, Object>::index_select(std::int64_t dim, const Tensor& index) const {
  return tapegrad::index_select(self(), dim, index);
}
template <class Self, class Object>
Self Methods<Self, Object>::gather(std::int64_t dim, const Tensor& index) const {
  return tapegrad::gather(self(), dim, index);
}
template <class Self, class Object>
Self Methods<Self, Object>::take_along_dim(const Tensor& index, std::int64_t dim) const {
  return tapegrad::take_along_dim(self(), index, dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::scatter(std::int64_t dim, const Tensor& index,
                                    const Self& source) const {
  return tapegrad::scatter(self(), dim, index, source);
}
template <class Self, class Object>
Self Methods<Self, Object>::scatter_add(std::int64_t dim, const Tensor& index,
                                        const Self& source) const {
  return tapegrad::scatter_add(self(), dim, index, source);
}
template <class Self, class Object>
Self Methods<Self, Object>::scatter_reduce(std::int64_t dim, const Tensor& index,
                                           const Self& source, const std::string& reduce,
                                           bool include_self) const {
  return tapegrad::scatter_reduce(self(), dim, index, source, reduce, include_self);
}
template <class Self, class Object>
Self Methods<Self, Object>::index_add(std::int64_t dim, const Tensor& index,
                                      const Self& source) const {
  return tapegrad::index_add(self(), dim, index, source);
}
template <class Self, class Object>
Self Methods<Self, Object>::index(std::initializer_list<Index> indices) const {
  return tapegrad::index(self(), indices);
}
template <class Self, class Object>
Self Methods<Self, Object>::masked_select(const Tensor& mask) const {
  return tapegrad::masked_select(self(), mask);
}
template <class Self, class Object>
Self Methods<Self, Object>::masked_fill(const Tensor& mask, Scalar value) const {
  return tapegrad::masked_fill(self(), mask, value);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::nonzero() const {
  return tapegrad::nonzero(detail::value_of(self()));
}
template <class Self, class Object>
std::vector<Tensor> Methods<Self, Object>::nonzero(AsTuple) const {
  return tapegrad::nonzero(detail::value_of(self()), as_tuple);
}
template <class Self, class Object>
Self Methods<Self, Object>::clone() const {
  return tapegrad::clone(self());
}
template <class Self, class Object>
Self Methods<Self, Object>::clamp(const Self& min, const Self& max) const {
  return tapegrad::clamp(self(), min, max);
}
template <class Self, class Object>
Self Methods<Self, Object>::logaddexp(const Self& other) const {
  return tapegrad::logaddexp(self(), other);
}
template <class Self, class Object>
Self Methods<Self, Object>::lerp(const Self& end, double weight) const {
  return tapegrad::lerp(self(), end, weight);
}
template <class Self, class Object>
Self Methods<Self, Object>::lerp(const Self& end, const Self& weight) const {
  return tapegrad::lerp(self(), end, weight);
}
template <class Self, class Object>
Self Methods<Self, Object>::var(const Dims& dims, const VarOptions& options) const {
  return tapegrad::var(self(), dims, options);
}
template <class Self, class Object>
Self Methods<Self, Object>::std(const Dims& dims, const VarOptions& options) const {
  return tapegrad::std(self(), dims, options);
}
template <class Self, class Object>
Self Methods<Self, Object>::cumprod(std::int64_t dim) const {
  return tapegrad::cumprod(self(), dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::amax(const Dims& dims, bool keepdim) const {
  return tapegrad::amax(self(), dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::amin(const Dims& dims, bool keepdim) const {
  return tapegrad::amin(self(), dims, keepdim);
}
template <class Self, class Object>
Self Methods<Self, Object>::median() const {
  return tapegrad::median(self());
}
template <class Self, class Object>
typename MethodTypes<Self>::Pair Methods<Self, Object>::median(std::int64_t dim,
                                                               bool keepdim) const {
  return tapegrad::median(self(), dim, keepdim);
}
template <class Self, class Object>
UniqueElements Methods<Self, Object>::unique() const {
  return tapegrad::unique(detail::value_of(self()));
}
template <class Self, class Object>
Tensor Methods<Self, Object>::bincount(const Tensor& weights, std::int64_t minlength) const {
  return tapegrad::bincount(detail::value_of(self()), weights, minlength);
}
template <class Self, class Object>
Tensor Methods<Self, Object>::bincount() const {
  return tapegrad::bincount(detail::value_of(self()));
}
template <class Self, class Object>
Self Methods<Self, Object>::diag(std::int64_t diagonal) const {
  return tapegrad::diag(self(), diagonal);
}
template <class Self, class Object>
Self Methods<Self, Object>::repeat_interleave(std::int64_t repeats,
                                              std::optional<std::int64_t> dim) const {
  return tapegrad::repeat_interleave(self(), repeats, dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::repeat_interleave(const Tensor& repeats,
                                              std::optional<std::int64_t> dim) const {
  return tapegrad::repeat_interleave(self(), repeats, dim);
}
template <class Self, class Object>
Self Methods<Self, Object>::scatter(std::int64_t dim, const Tensor& index, Scalar value) const {
  return tapegrad::scatter(self(), dim, index, value);
}
template <class Self, class Object>
Self Methods<Self, Object>::float_() const {
  return self().to(float32);
}
template <class Self, class Object>
Self Methods<Self, Object>::double_() const {
  return self().to(float64);
}
template <class Self, class Object>
Self Methods<Self, Object>::long_() const {
  return self().to(int64);
}
template <class Self, class Object>
Self Methods<Self, Object>::bool_() const {
  return self().to(boolean);
}

template <class Self, class Object>
Self Methods<Self, Object>::operator[](std::int64_t index) const {
  return tapegrad::select(self(), 0, index);
}

template <class Self, class Object>
Self Methods<Self, Object>::operator[](const Tensor& index) const {
  return composition::index_by(self(), index);
}

template <class Self, class Object>
double Methods<Self, Object>::item() const {
  const Self& x = self();
  if (x.dtype() != int64) return x.template item<double>();
  const auto integer = x.template item<std::int64_t>();
  constexpr std::int64_t kExact = std::int64_t{1} << 53;  // a double holds all integers up to it
  if (integer > kExact || integer < -kExact) {
    throw ValueError("item: " + std::to_string(integer) +
                     " may not fit in a double; write item<std::int64_t>()");
  }
  return static_cast<double>(integer);
}

template <class Self, class Object>
bool Methods<Self, Object>::is_true() const {
  const Self& x = self();
  if (x.numel() != 1) {
    throw ValueError("bool: got a tensor of shape " + to_string(x.sizes()) +
                     ", needed one element; use all() or any()");
  }
  return x.template item<bool>();
}

}  // namespace tapegrad
