// Sizes and strides of a view while it is put together, and the checks that every view makes: kept
// on the stack, since views are taken in the innermost loops of a training step.
//
// Internal. Read next: tensor/ops/views.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad::detail {

struct ViewLayout {
  std::array<std::int64_t, Shape::kMaxDims> sizes;    // only the first dim are set
  std::array<std::int64_t, Shape::kMaxDims> strides;  // only the first dim are set
  std::size_t dim;

  ViewLayout() : dim(0) {}  // NOLINT: the arrays are filled as far as they are used
  explicit ViewLayout(const Tensor& x) : dim(x.sizes().size()) {  // NOLINT
    const auto from_sizes = x.sizes();
    const auto from_strides = x.strides();
    for (std::size_t i = 0; i < dim; ++i) {
      sizes[i] = from_sizes[i];
      strides[i] = from_strides[i];
    }
  }

  // The caller has made sure that there is room.
  void append(std::int64_t size, std::int64_t stride) {
    sizes[dim] = size;
    strides[dim] = stride;
    ++dim;
  }
  void erase(std::size_t position) {
    --dim;
    for (std::size_t i = position; i < dim; ++i) {
      sizes[i] = sizes[i + 1];
      strides[i] = strides[i + 1];
    }
  }

  std::span<const std::int64_t> shape() const { return {sizes.data(), dim}; }
  // x's memory seen through this layout, `offset` elements behind x's first one.
  Tensor of(const Tensor& x, std::int64_t offset = 0) const {
    return Tensor::view(x, {sizes.data(), dim}, {strides.data(), dim}, offset);
  }
};

// wrap_dim, whose usual case needs no call.
inline std::size_t fast_wrap_dim(std::int64_t dim, std::size_t dims, const char* operation) {
  const auto count = static_cast<std::int64_t>(dims);
  const std::int64_t wrapped = dim < 0 ? dim + count : dim;
  if (wrapped >= 0 && wrapped < count) [[likely]]
    return static_cast<std::size_t>(wrapped);
  return static_cast<std::size_t>(wrap_dim(dim, count, operation));
}

// The same for an operation that a 0-d tensor has no use for: IndexError.
std::size_t existing_dim(std::int64_t dim, std::size_t dims, const char* operation);
template <class X>
std::size_t existing_dim(std::int64_t dim, const X& x, const char* operation) {
  return existing_dim(dim, x.sizes().size(), operation);
}

// ShapeError where a tensor of these sizes has as many dimensions as a tensor can have.
void check_room(const char* operation, std::span<const std::int64_t> sizes);

// A set of dimensions, one bit each; no dims stand for all of them. IndexError, and ValueError for
// a dimension that is listed twice.
using DimSet = std::uint32_t;
DimSet dim_set(const Dims& dims, std::int64_t count, const char* operation);
constexpr bool contains(DimSet set, std::size_t dim) { return (set >> dim & 1U) != 0; }

}  // namespace tapegrad::detail
