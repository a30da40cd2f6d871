// The methods of Tensor and Variable: tensor/methods.cc and autograd/methods.cc include this after
// the functions that they call, and instantiate it. Internal. Read next: tensor/methods.cc.
#pragma once

#include <tapegrad/tensor/methods.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

namespace detail {
inline const Tensor& value_of(const Tensor& x) { return x; }
}  // namespace detail

template <class Self>
Self Methods<Self>::add(const Self& other) const {
  return tapegrad::add(self(), other);
}
template <class Self>
Self Methods<Self>::add(Scalar other) const {
  return tapegrad::add(self(), other);
}
template <class Self>
Self Methods<Self>::sub(const Self& other) const {
  return tapegrad::sub(self(), other);
}
template <class Self>
Self Methods<Self>::sub(Scalar other) const {
  return tapegrad::sub(self(), other);
}
template <class Self>
Self Methods<Self>::mul(const Self& other) const {
  return tapegrad::mul(self(), other);
}
template <class Self>
Self Methods<Self>::mul(Scalar other) const {
  return tapegrad::mul(self(), other);
}
template <class Self>
Self Methods<Self>::div(const Self& other) const {
  return tapegrad::div(self(), other);
}
template <class Self>
Self Methods<Self>::div(Scalar other) const {
  return tapegrad::div(self(), other);
}
template <class Self>
Self Methods<Self>::pow(const Self& other) const {
  return tapegrad::pow(self(), other);
}
template <class Self>
Self Methods<Self>::pow(Scalar other) const {
  return tapegrad::pow(self(), other);
}
template <class Self>
Self Methods<Self>::maximum(const Self& other) const {
  return tapegrad::maximum(self(), other);
}
template <class Self>
Self Methods<Self>::minimum(const Self& other) const {
  return tapegrad::minimum(self(), other);
}
template <class Self>
Self Methods<Self>::neg() const {
  return tapegrad::neg(self());
}
template <class Self>
Self Methods<Self>::abs() const {
  return tapegrad::abs(self());
}
template <class Self>
Self Methods<Self>::sign() const {
  return tapegrad::sign(self());
}
template <class Self>
Self Methods<Self>::square() const {
  return tapegrad::square(self());
}
template <class Self>
Self Methods<Self>::reciprocal() const {
  return tapegrad::reciprocal(self());
}
template <class Self>
Self Methods<Self>::sqrt() const {
  return tapegrad::sqrt(self());
}
template <class Self>
Self Methods<Self>::rsqrt() const {
  return tapegrad::rsqrt(self());
}
template <class Self>
Self Methods<Self>::exp() const {
  return tapegrad::exp(self());
}
template <class Self>
Self Methods<Self>::expm1() const {
  return tapegrad::expm1(self());
}
template <class Self>
Self Methods<Self>::log() const {
  return tapegrad::log(self());
}
template <class Self>
Self Methods<Self>::log1p() const {
  return tapegrad::log1p(self());
}
template <class Self>
Self Methods<Self>::log2() const {
  return tapegrad::log2(self());
}
template <class Self>
Self Methods<Self>::sin() const {
  return tapegrad::sin(self());
}
template <class Self>
Self Methods<Self>::cos() const {
  return tapegrad::cos(self());
}
template <class Self>
Self Methods<Self>::tan() const {
  return tapegrad::tan(self());
}
template <class Self>
Self Methods<Self>::tanh() const {
  return tapegrad::tanh(self());
}
template <class Self>
Self Methods<Self>::sigmoid() const {
  return tapegrad::sigmoid(self());
}
template <class Self>
Self Methods<Self>::relu() const {
  return tapegrad::relu(self());
}
template <class Self>
Self Methods<Self>::erf() const {
  return tapegrad::erf(self());
}
template <class Self>
Self Methods<Self>::floor() const {
  return tapegrad::floor(self());
}
template <class Self>
Self Methods<Self>::ceil() const {
  return tapegrad::ceil(self());
}
template <class Self>
Self Methods<Self>::round() const {
  return tapegrad::round(self());
}
template <class Self>
Self Methods<Self>::clamp(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return tapegrad::clamp(self(), min, max);
}
template <class Self>
Self Methods<Self>::clip(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return tapegrad::clamp(self(), min, max);
}
template <class Self>
Tensor Methods<Self>::eq(const Self& other) const {
  return tapegrad::eq(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::eq(Scalar other) const {
  return tapegrad::eq(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::ne(const Self& other) const {
  return tapegrad::ne(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::ne(Scalar other) const {
  return tapegrad::ne(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::lt(const Self& other) const {
  return tapegrad::lt(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::lt(Scalar other) const {
  return tapegrad::lt(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::le(const Self& other) const {
  return tapegrad::le(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::le(Scalar other) const {
  return tapegrad::le(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::gt(const Self& other) const {
  return tapegrad::gt(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::gt(Scalar other) const {
  return tapegrad::gt(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::ge(const Self& other) const {
  return tapegrad::ge(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::ge(Scalar other) const {
  return tapegrad::ge(detail::value_of(self()), other);
}
template <class Self>
Tensor Methods<Self>::isnan() const {
  return tapegrad::isnan(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::isinf() const {
  return tapegrad::isinf(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::isfinite() const {
  return tapegrad::isfinite(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::logical_not() const {
  return tapegrad::logical_not(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::logical_and(const Self& other) const {
  return tapegrad::logical_and(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::logical_or(const Self& other) const {
  return tapegrad::logical_or(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::logical_xor(const Self& other) const {
  return tapegrad::logical_xor(detail::value_of(self()), detail::value_of(other));
}
template <class Self>
Tensor Methods<Self>::any() const {
  return tapegrad::any(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::any(std::int64_t dim, bool keepdim) const {
  return tapegrad::any(detail::value_of(self()), dim, keepdim);
}
template <class Self>
Tensor Methods<Self>::all() const {
  return tapegrad::all(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::all(std::int64_t dim, bool keepdim) const {
  return tapegrad::all(detail::value_of(self()), dim, keepdim);
}
template <class Self>
Self Methods<Self>::sum() const {
  return tapegrad::sum(self());
}
template <class Self>
Self Methods<Self>::sum(const Dims& dims, bool keepdim) const {
  return tapegrad::sum(self(), dims, keepdim);
}
template <class Self>
Self Methods<Self>::mean() const {
  return tapegrad::mean(self());
}
template <class Self>
Self Methods<Self>::mean(const Dims& dims, bool keepdim) const {
  return tapegrad::mean(self(), dims, keepdim);
}
template <class Self>
Self Methods<Self>::var(const Dims& dims, bool unbiased, bool keepdim) const {
  return tapegrad::var(self(), dims, unbiased, keepdim);
}
template <class Self>
Self Methods<Self>::std(const Dims& dims, bool unbiased, bool keepdim) const {
  return tapegrad::std(self(), dims, unbiased, keepdim);
}
template <class Self>
Self Methods<Self>::prod() const {
  return tapegrad::prod(self());
}
template <class Self>
Self Methods<Self>::prod(std::int64_t dim, bool keepdim) const {
  return tapegrad::prod(self(), dim, keepdim);
}
template <class Self>
Self Methods<Self>::norm(double p) const {
  return tapegrad::norm(self(), p);
}
template <class Self>
Self Methods<Self>::norm(double p, const Dims& dims, bool keepdim) const {
  return tapegrad::norm(self(), p, dims, keepdim);
}
template <class Self>
Self Methods<Self>::cumsum(std::int64_t dim) const {
  return tapegrad::cumsum(self(), dim);
}
template <class Self>
Self Methods<Self>::max() const {
  return tapegrad::max(self());
}
template <class Self>
typename MethodTypes<Self>::Pair Methods<Self>::max(std::int64_t dim, bool keepdim) const {
  return tapegrad::max(self(), dim, keepdim);
}
template <class Self>
Self Methods<Self>::min() const {
  return tapegrad::min(self());
}
template <class Self>
typename MethodTypes<Self>::Pair Methods<Self>::min(std::int64_t dim, bool keepdim) const {
  return tapegrad::min(self(), dim, keepdim);
}
template <class Self>
Tensor Methods<Self>::argmax() const {
  return tapegrad::argmax(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::argmax(std::int64_t dim, bool keepdim) const {
  return tapegrad::argmax(detail::value_of(self()), dim, keepdim);
}
template <class Self>
Tensor Methods<Self>::argmin() const {
  return tapegrad::argmin(detail::value_of(self()));
}
template <class Self>
Tensor Methods<Self>::argmin(std::int64_t dim, bool keepdim) const {
  return tapegrad::argmin(detail::value_of(self()), dim, keepdim);
}
template <class Self>
Self Methods<Self>::logsumexp(const Dims& dims, bool keepdim) const {
  return tapegrad::logsumexp(self(), dims, keepdim);
}
template <class Self>
Self Methods<Self>::softmax(std::int64_t dim) const {
  return tapegrad::softmax(self(), dim);
}
template <class Self>
Self Methods<Self>::log_softmax(std::int64_t dim) const {
  return tapegrad::log_softmax(self(), dim);
}
template <class Self>
typename MethodTypes<Self>::Pair Methods<Self>::sort(std::int64_t dim, bool descending) const {
  return tapegrad::sort(self(), dim, descending);
}
template <class Self>
Tensor Methods<Self>::argsort(std::int64_t dim, bool descending) const {
  return tapegrad::argsort(detail::value_of(self()), dim, descending);
}
template <class Self>
typename MethodTypes<Self>::Pair Methods<Self>::topk(std::int64_t k, std::int64_t dim,
                                                     bool largest) const {
  return tapegrad::topk(self(), k, dim, largest);
}
template <class Self>
Self Methods<Self>::matmul(const Self& other) const {
  return tapegrad::matmul(self(), other);
}
template <class Self>
Self Methods<Self>::mm(const Self& other) const {
  return tapegrad::mm(self(), other);
}
template <class Self>
Self Methods<Self>::bmm(const Self& other) const {
  return tapegrad::bmm(self(), other);
}
template <class Self>
Self Methods<Self>::mv(const Self& other) const {
  return tapegrad::mv(self(), other);
}
template <class Self>
Self Methods<Self>::dot(const Self& other) const {
  return tapegrad::dot(self(), other);
}
template <class Self>
Self Methods<Self>::outer(const Self& other) const {
  return tapegrad::outer(self(), other);
}
template <class Self>
Self Methods<Self>::addmm(const Self& a, const Self& b, double beta, double alpha) const {
  return tapegrad::addmm(self(), a, b, beta, alpha);
}
template <class Self>
Self Methods<Self>::reshape(const Shape& shape) const {
  return tapegrad::reshape(self(), shape);
}
template <class Self>
Self Methods<Self>::view(const Shape& shape) const {
  return tapegrad::view(self(), shape);
}
template <class Self>
Self Methods<Self>::expand(const Shape& shape) const {
  return tapegrad::expand(self(), shape);
}
template <class Self>
Self Methods<Self>::broadcast_to(const Shape& shape) const {
  return tapegrad::broadcast_to(self(), shape);
}
template <class Self>
Self Methods<Self>::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  return tapegrad::flatten(self(), start_dim, end_dim);
}
template <class Self>
Self Methods<Self>::unflatten(std::int64_t dim, const Shape& sizes) const {
  return tapegrad::unflatten(self(), dim, sizes);
}
template <class Self>
Self Methods<Self>::squeeze() const {
  return tapegrad::squeeze(self());
}
template <class Self>
Self Methods<Self>::squeeze(std::int64_t dim) const {
  return tapegrad::squeeze(self(), dim);
}
template <class Self>
Self Methods<Self>::unsqueeze(std::int64_t dim) const {
  return tapegrad::unsqueeze(self(), dim);
}
template <class Self>
Self Methods<Self>::permute(const Dims& dims) const {
  return tapegrad::permute(self(), dims);
}
template <class Self>
Self Methods<Self>::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return tapegrad::transpose(self(), dim0, dim1);
}
template <class Self>
Self Methods<Self>::t() const {
  return tapegrad::transpose(self());
}
template <class Self>
Self Methods<Self>::T() const {
  return tapegrad::transpose(self());
}
template <class Self>
std::vector<Self> Methods<Self>::split(std::int64_t split_size, std::int64_t dim) const {
  return tapegrad::split(self(), split_size, dim);
}
template <class Self>
std::vector<Self> Methods<Self>::split(const Shape& split_sizes, std::int64_t dim) const {
  return tapegrad::split(self(), split_sizes, dim);
}
template <class Self>
std::vector<Self> Methods<Self>::chunk(std::int64_t chunks, std::int64_t dim) const {
  return tapegrad::chunk(self(), chunks, dim);
}
template <class Self>
std::vector<Self> Methods<Self>::unbind(std::int64_t dim) const {
  return tapegrad::unbind(self(), dim);
}
template <class Self>
Self Methods<Self>::repeat(const Shape& repeats) const {
  return tapegrad::repeat(self(), repeats);
}
template <class Self>
Self Methods<Self>::tile(const Shape& repeats) const {
  return tapegrad::tile(self(), repeats);
}
template <class Self>
Self Methods<Self>::flip(const Dims& dims) const {
  return tapegrad::flip(self(), dims);
}
template <class Self>
Self Methods<Self>::roll(const Shape& shifts, const Dims& dims) const {
  return tapegrad::roll(self(), shifts, dims);
}
template <class Self>
Self Methods<Self>::tril(std::int64_t diagonal) const {
  return tapegrad::tril(self(), diagonal);
}
template <class Self>
Self Methods<Self>::triu(std::int64_t diagonal) const {
  return tapegrad::triu(self(), diagonal);
}
template <class Self>
Self Methods<Self>::select(std::int64_t dim, std::int64_t index) const {
  return tapegrad::select(self(), dim, index);
}
template <class Self>
Self Methods<Self>::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  return tapegrad::narrow(self(), dim, start, length);
}
template <class Self>
Self Methods<Self>::slice(std::int64_t dim, std::int64_t start, std::int64_t end,
                          std::int64_t step) const {
  return tapegrad::slice(self(), dim, start, end, step);
}
template <class Self>
Self Methods<Self>::index_select(std::int64_t dim, const Tensor& index) const {
  return tapegrad::index_select(self(), dim, index);
}
template <class Self>
Self Methods<Self>::gather(std::int64_t dim, const Tensor& index) const {
  return tapegrad::gather(self(), dim, index);
}
template <class Self>
Self Methods<Self>::take_along_dim(const Tensor& index, std::int64_t dim) const {
  return tapegrad::take_along_dim(self(), index, dim);
}
template <class Self>
Self Methods<Self>::scatter(std::int64_t dim, const Tensor& index, const Self& source) const {
  return tapegrad::scatter(self(), dim, index, source);
}
template <class Self>
Self Methods<Self>::scatter_add(std::int64_t dim, const Tensor& index, const Self& source) const {
  return tapegrad::scatter_add(self(), dim, index, source);
}
template <class Self>
Self Methods<Self>::index_add(std::int64_t dim, const Tensor& index, const Self& source) const {
  return tapegrad::index_add(self(), dim, index, source);
}
template <class Self>
Self Methods<Self>::index(std::initializer_list<Index> indices) const {
  return tapegrad::index(self(), indices);
}
template <class Self>
Self Methods<Self>::masked_select(const Tensor& mask) const {
  return tapegrad::masked_select(self(), mask);
}
template <class Self>
Self Methods<Self>::masked_fill(const Tensor& mask, Scalar value) const {
  return tapegrad::masked_fill(self(), mask, value);
}
template <class Self>
Tensor Methods<Self>::nonzero() const {
  return tapegrad::nonzero(detail::value_of(self()));
}
template <class Self>
Self Methods<Self>::float_() const {
  return self().to(float32);
}
template <class Self>
Self Methods<Self>::double_() const {
  return self().to(float64);
}
template <class Self>
Self Methods<Self>::long_() const {
  return self().to(int64);
}
template <class Self>
Self Methods<Self>::bool_() const {
  return self().to(boolean);
}

template <class Self>
Self Methods<Self>::operator[](std::int64_t index) const {
  return tapegrad::select(self(), 0, index);
}

template <class Self>
Self Methods<Self>::operator[](const Tensor& index) const {
  const Self& x = self();
  Shape shape;
  if (index.dtype() == boolean) {
    bool fits = index.dim() > 0 && index.dim() <= x.dim();
    for (std::int64_t i = 0; fits && i < index.dim(); ++i) fits = index.size(i) == x.size(i);
    if (!fits) {
      throw ShapeError("operator[]: got a mask of shape " + to_string(index.sizes()) +
                       " for a tensor of shape " + to_string(x.sizes()) +
                       ", needed the sizes of its first dimensions");
    }
    if (index.dim() == x.dim()) return tapegrad::masked_select(x, index);
    shape.push_back(index.numel());
    for (std::int64_t i = index.dim(); i < x.dim(); ++i) shape.push_back(x.size(i));
    const Tensor rows = tapegrad::nonzero(tapegrad::flatten(index));
    return tapegrad::index_select(tapegrad::reshape(x, shape), 0, tapegrad::flatten(rows));
  }
  if (index.dtype() != int64) {
    throw DTypeError(std::string("operator[]: got an index of type ") + name(index.dtype()) +
                     ", needed int64 ids or a boolean mask; convert with to(int64)");
  }
  if (x.dim() == 0) throw IndexError("operator[]: a 0-d tensor has no dimension to index");
  const std::int64_t rows = x.size(0);
  const Tensor ids = tapegrad::contiguous(tapegrad::flatten(index));
  for (const std::int64_t id : ids.span<std::int64_t>()) {
    wrap_index(id, rows, "operator[]");
  }
  for (const std::int64_t size : index.sizes()) shape.push_back(size);
  for (std::int64_t i = 1; i < x.dim(); ++i) shape.push_back(x.size(i));
  const Tensor wrapped = tapegrad::where(ids < 0, ids + rows, ids);
  return tapegrad::reshape(tapegrad::index_select(x, 0, wrapped), shape);
}

}  // namespace tapegrad
