// The sizes and strides of a view that is being built, and the checks that views share. They are
// kept on the stack, because views are created in the innermost loops of a training step.
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

  ViewLayout() : dim(0) {}  // NOLINT: only the used elements are set
  explicit ViewLayout(const Tensor& x) : dim(x.sizes().size()) {  // NOLINT
    const auto from_sizes = x.sizes();
    const auto from_strides = x.strides();
    for (std::size_t i = 0; i < dim; ++i) {
      sizes[i] = from_sizes[i];
      strides[i] = from_strides[i];
    }
  }

  // Requires dim < Shape::kMaxDims, which is not checked.
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
  // A view of x's memory with this layout, starting `offset` elements after x's first one.
  Tensor of(const Tensor& x, std::int64_t offset = 0) const {
    return Tensor::view_of(x, {sizes.data(), dim}, {strides.data(), dim}, offset);
  }
};

// wrap_dim with the usual case inline.
inline std::size_t fast_wrap_dim(std::int64_t dim, std::size_t dims, const char* operation) {
  const auto count = static_cast<std::int64_t>(dims);
  const std::int64_t wrapped = dim < 0 ? dim + count : dim;
  if (wrapped >= 0 && wrapped < count) [[likely]]
    return static_cast<std::size_t>(wrapped);
  return static_cast<std::size_t>(wrap_dim(dim, count, operation));
}

// The same for an operation that is not defined for a 0-d tensor: IndexError.
std::size_t existing_dim(std::int64_t dim, std::size_t dims, const char* operation);
template <class X>
std::size_t existing_dim(std::int64_t dim, const X& x, const char* operation) {
  return existing_dim(dim, x.sizes().size(), operation);
}

// ShapeError if a tensor of these sizes already has the largest possible number of dimensions.
void check_room(const char* operation, std::span<const std::int64_t> sizes);

// A set of dimensions, one bit each. An empty list of dims means all of them. IndexError;
// ValueError if a dimension is listed twice.
using DimSet = std::uint32_t;
DimSet dim_set(const Dims& dims, std::int64_t count, const char* operation);
constexpr bool contains(DimSet set, std::size_t dim) { return (set >> dim & 1U) != 0; }

}  // namespace tapegrad::detail
