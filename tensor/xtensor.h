// The bridge to xtensor: views a Tensor as an xtensor expression, and turns an xtensor container
// into a Tensor, both without a copy. This header is optional (tapegrad.h does not include it)
// because it needs xtensor's headers. Read next: tensor/ops.h.
//
//   auto view = mutable_xtensor_view<float>(x);   // shares x's memory; x must outlive the view
//   view *= 2;
//   Tensor y = from_xtensor(xt::xarray<float>(xt::sin(view)));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <tapegrad/tensor/tensor.h>

// With g++ and C++20, xtensor before 0.26 mistakes the shape of an xarray, svector<size_t, 4>, for
// the shape of an xtensor<T, 4>: xt::eval returns the wrong type, and immediate reductions crash.
// (The overload that prevents this is only compiled if __cplusplus == 201703L; xtensor issue 1970.)
#if XTENSOR_VERSION_MAJOR == 0 && XTENSOR_VERSION_MINOR < 26 && defined(__GNUC__) && \
    !defined(__clang__) && __cplusplus > 201703L
template <>
struct xt::detail::xtype_for_shape<xt::svector<std::size_t, 4, std::allocator<std::size_t>, true>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};
#endif
static_assert(std::is_same_v<decltype(xt::eval(std::declval<xt::xarray<float>&>() +
                                               std::declval<xt::xarray<float>&>())),
                             xt::xarray<float>>,
              "xtensor takes the result of an xarray expression for another type");

namespace tapegrad {

namespace detail {

// The elements at `data`, with these sizes and strides, as an xtensor expression.
template <class T>
auto adapt(T* data, std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides,
           std::int64_t numel) {
  xt::dynamic_shape<std::size_t> shape(sizes.begin(), sizes.end());
  xt::dynamic_shape<std::ptrdiff_t> steps(strides.begin(), strides.end());
  // The pointer is moved; otherwise the adaptor would hold a reference to it.
  return xt::adapt(std::move(data), static_cast<std::size_t>(numel), xt::no_ownership(), shape,
                   steps);
}

template <class T>
void check_element_type(const Tensor& x, const char* operation) {
  if (x.dtype() != dtype_of<T>::value) {
    throw DTypeError(std::string(operation) + ": tensor is " + name(x.dtype()) + ", asked for " +
                     name(dtype_of<T>::value) + "; convert with to(" + name(dtype_of<T>::value) +
                     ")");
  }
}

}  // namespace detail

// A read-only view of x's elements, for any strides. T must be the element type (DTypeError). The
// view does not keep the memory alive: x must outlive it.
template <class T>
auto xtensor_view(const Tensor& x) {
  detail::check_element_type<T>(x, "xtensor_view");
  return detail::adapt<const T>(x.data<T>(), x.sizes(), x.strides(), x.numel());
}
template <class T>
void xtensor_view(const Tensor&& x) = delete;

// A view to write to. Calling this counts as one write to the memory. ValueError for an expanded
// tensor.
template <class T>
auto mutable_xtensor_view(Tensor& x) {
  detail::check_element_type<T>(x, "mutable_xtensor_view");
  return detail::adapt<T>(x.mutable_data<T>(), x.sizes(), x.strides(), x.numel());
}

// Turns a container (xarray or xtensor, row- or column-major) into a Tensor that owns it. Pass the
// container with std::move.
template <class Container>
Tensor from_xtensor(Container&& container) {
  static_assert(
      !std::is_lvalue_reference_v<Container>,
      "from_xtensor takes ownership of the container: pass it with std::move, or pass a copy");
  auto owner = std::make_shared<std::remove_cvref_t<Container>>(std::move(container));
  Shape sizes;
  Strides strides;
  for (const auto size : owner->shape()) sizes.push_back(static_cast<std::int64_t>(size));
  for (const auto step : owner->strides()) strides.push_back(static_cast<std::int64_t>(step));
  const Tensor flat = from_data(owner->data(), Shape(owner->size()), owner);
  return Tensor::view_of(flat, sizes, strides, 0);
}

}  // namespace tapegrad
