// Convolution of images on Tensors: the forward pass and the three gradients. An image is copied
// once, with its padding, and no windows are copied. With few channels, a result is a sum of
// shifted rows (tensor/kernels/convolution.inl); with enough channels to fill vectors, its channels
// are computed side by side (tensor/kernels/channels.inl).
//
// Internal. Read next: tensor/ops/conv2d_layout.h.
#pragma once

#include <array>
#include <cstdint>

#include <tapegrad/tensor/ops/convolution.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// x is (batch, channels, height, width), weight (out_channels, channels / groups, kernel height,
// kernel width), bias (out_channels) or undefined; all have one floating-point type. `rows` and
// `columns` are the windows along the height and the width.
struct Convolution2d {
  Windows rows;
  Windows columns;
  std::int64_t groups = 1;
};

// (batch, out_channels, rows.count(), columns.count()).
Tensor conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Convolution2d& convolution);

// The gradients of x, weight and bias that are `wanted`; the others are undefined. The weight's
// gradient is summed over fixed parts of the batch, so its bits do not depend on the number of
// threads.
std::array<Tensor, 3> conv2d_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                      const Convolution2d& convolution,
                                      const std::array<bool, 3>& wanted);

}  // namespace tapegrad
