// Conv2d and pooling of images, for use in a Sequential. Read next: nn/images.cc.
//
//   Sequential lenet{Conv2d(1, 6, 5, {.padding = 2}), ReLU(), MaxPool2d(2),   // (batch, 6, 14, 14)
//                    Conv2d(6, 16, 5), ReLU(), MaxPool2d(2), Flatten(),        // (batch, 400)
//                    Linear(400, 120), ReLU(), Linear(120, 10)};
//   Variable logits = lenet(images);                                // images (batch, 1, 28, 28)
//
// An image is (batch, channels, height, width), or the same without batch. A size is one number for
// both directions, or {height, width}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct Conv2dOptions {
  Size2d stride = 1;
  Size2d padding = 0;  // rows above and below, columns left and right; or same_padding
  Size2d dilation = 1;
  std::int64_t groups = 1;  // the channels of each group are convolved separately
  bool bias = true;
  PadMode padding_mode = PadMode::zeros;  // the elements of the padding
  DType dtype = float32;
  GeneratorRef generator{};  // draws the initial weights; options() does not keep it
};

// conv2d() with weight and bias drawn uniformly from +-1 / sqrt(in_channels / groups * the places
// of the kernel).
class Conv2d : public Module, public Forward<Conv2d> {
 public:
  // ValueError for a kernel, stride or dilation below 1, for negative channels or padding, and for
  // groups that do not divide both channels.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, const Size2d& kernel_size,
         Conv2dOptions options = {});

  // (batch, in_channels, height, width) -> (batch, out_channels, rows, columns of windows).
  Variable operator()(const Variable& x) const;

  const Conv2dOptions& options() const& { return *options_; }
  Conv2dOptions options() const&& { return *options_; }
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (out_channels, in_channels / groups, kernel height, kernel width)
  Parameter bias;    // (out_channels); undefined if there is none

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<Conv2dOptions> options_;
};

// max_pool2d().
class MaxPool2d : public WindowPooling<Size2d, MaxPoolOptions2d>, public Forward<MaxPool2d> {
 public:
  explicit MaxPool2d(const Size2d& kernel_size, MaxPoolOptions2d options = {});
  Variable operator()(const Variable& x) const;
  // Also the indices (PyTorch: return_indices=True), as max_pool2d_with_indices() returns them.
  VariableAndIndices forward_with_indices(const Variable& x) const;
  std::string description() const override;
};

// avg_pool2d().
class AvgPool2d : public WindowPooling<Size2d, AvgPoolOptions2d>, public Forward<AvgPool2d> {
 public:
  explicit AvgPool2d(const Size2d& kernel_size, AvgPoolOptions2d options = {});
  Variable operator()(const Variable& x) const;
  std::string description() const override;
};

// adaptive_avg_pool2d(). AdaptiveAvgPool2d(1) is the mean of each channel.
class AdaptiveAvgPool2d : public Module, public Forward<AdaptiveAvgPool2d> {
 public:
  explicit AdaptiveAvgPool2d(const Size2d& output_size);  // ValueError for sizes below 1
  Variable operator()(const Variable& x) const;
  Size2d output_size() const { return *output_size_; }
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<Size2d> output_size_;
};

}  // namespace tapegrad::nn
