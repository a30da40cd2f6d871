// A loop over several operands with different strides: the shape is collapsed into as few
// dimensions as the strides allow, and the loop calls a function for each row of the innermost one.
//
// Internal. Read next: tensor/ops/elementwise.cc.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad::detail {

// The operands are broadcast to `shape`. Requires that they can be, which is not checked.
//
//   StridedLoop<2> loop(out.sizes(), {&a, &b});
//   loop.for_each_row([&](const auto& offset) {   // where operand i's row begins, in elements
//     kernel(a + offset[0], b + offset[1], loop.row_size());
//   });
template <std::size_t kOperands>
class StridedLoop {
 public:
  using Offsets = std::array<std::int64_t, kOperands>;

  StridedLoop(std::span<const std::int64_t> shape,
              const std::array<const Tensor*, kOperands>& operands) {
    for (const std::int64_t size : shape) {
      if (size != 0) continue;
      dims_ = 1;  // no rows; products of the other sizes might overflow
      return;
    }
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) continue;
      Offsets strides;
      for (std::size_t i = 0; i < kOperands; ++i) {
        const auto sizes = operands[i]->sizes();
        const std::size_t missing = shape.size() - sizes.size();
        strides[i] =
            d < missing || sizes[d - missing] == 1 ? 0 : operands[i]->strides()[d - missing];
      }
      append(shape[d], strides);
    }
  }

  std::int64_t row_size() const { return dims_ == 0 ? 1 : sizes_[dims_ - 1]; }
  std::int64_t row_stride(std::size_t operand) const {
    return dims_ == 0 ? 1 : strides_[dims_ - 1][operand];
  }

  template <class Function>
  void for_each_row(Function&& function) const {
    Offsets offsets{};
    for (std::size_t d = 0; d < dims_; ++d) {
      if (sizes_[d] == 0) return;
    }
    if (dims_ < 2) {
      function(offsets);
      return;
    }
    const std::size_t outer = dims_ - 1;
    std::array<std::int64_t, Shape::kMaxDims> position{};
    while (true) {
      function(offsets);
      std::size_t d = outer;
      while (true) {
        if (d == 0) return;
        --d;
        for (std::size_t i = 0; i < kOperands; ++i) offsets[i] += strides_[d][i];
        if (++position[d] < sizes_[d]) break;
        for (std::size_t i = 0; i < kOperands; ++i) offsets[i] -= strides_[d][i] * sizes_[d];
        position[d] = 0;
      }
    }
  }

 private:
  // Appends a dimension, or merges it into the previous one if the strides of all operands allow
  // it.
  void append(std::int64_t size, const Offsets& strides) {
    if (dims_ > 0) {
      bool even = true;
      for (std::size_t i = 0; i < kOperands; ++i) {
        even = even && strides_[dims_ - 1][i] == strides[i] * size;
      }
      if (even) {
        sizes_[dims_ - 1] *= size;
        strides_[dims_ - 1] = strides;
        return;
      }
    }
    sizes_[dims_] = size;
    strides_[dims_] = strides;
    ++dims_;
  }

  std::size_t dims_ = 0;
  std::array<std::int64_t, Shape::kMaxDims> sizes_{};
  std::array<Offsets, Shape::kMaxDims> strides_{};
};

}  // namespace tapegrad::detail
