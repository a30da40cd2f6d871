// Conv1d, and layers that pool windows, for use in a Sequential. Read next: nn/conv_parts.h.
//
//   Embedding words(20'000, 64);
//   Conv1d triples(64, 100, 3, {.padding = same_padding});
//   Variable features = relu(triples(transpose(words(tokens), 1, 2)));  // (batch, 100, steps)
//   Variable text = max(features, 2).values;                            // (batch, 100)
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

struct Conv1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;  // steps on both sides; or same_padding
  std::int64_t dilation = 1;
  std::int64_t groups = 1;  // the channels of each group are convolved separately
  bool bias = true;
  PadMode padding_mode = PadMode::zeros;  // the elements of the padding
  DType dtype = float32;
  GeneratorRef generator{};  // draws the initial weights; options() does not keep it
};

// conv1d() with weight and bias drawn uniformly from +-1 / sqrt(in_channels / groups *
// kernel_size).
class Conv1d : public Module, public Forward<Conv1d> {
 public:
  // ValueError for a kernel, stride or dilation below 1, for negative channels or padding, and for
  // groups that do not divide both channels.
  Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
         Conv1dOptions options = {});

  // (batch, in_channels, length) -> (batch, out_channels, windows), or both without batch.
  Variable operator()(const Variable& x) const;

  const Conv1dOptions& options() const& { return *options_; }
  Conv1dOptions options() const&& { return *options_; }
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (out_channels, in_channels / groups, kernel_size)
  Parameter bias;    // (out_channels); undefined if there is none

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<Conv1dOptions> options_;
};

// A layer that pools windows: the size of a window, and options.
template <class Size, class Options>
class WindowPooling : public Module {
 public:
  Size kernel_size() const { return settings_->kernel_size; }
  const Options& options() const& { return settings_->options; }
  Options options() const&& { return settings_->options; }

 protected:
  WindowPooling(const Size& kernel_size, const Options& options)
      : settings_({kernel_size, options}) {}
  void assign_from(const Module& other) override {
    Module::assign_from(other);
    *settings_ = *static_cast<const WindowPooling&>(other).settings_;
  }

 private:
  struct Settings {
    Size kernel_size;
    Options options;
  };
  Shared<Settings> settings_;
};

// max_pool1d().
class MaxPool1d : public WindowPooling<std::int64_t, MaxPoolOptions>, public Forward<MaxPool1d> {
 public:
  explicit MaxPool1d(std::int64_t kernel_size, MaxPoolOptions options = {});
  Variable operator()(const Variable& x) const;
  // Also the indices (PyTorch: return_indices=True), as max_pool1d_with_indices() returns them.
  VariableAndIndices forward_with_indices(const Variable& x) const;
  std::string description() const override;
};

// avg_pool1d().
class AvgPool1d : public WindowPooling<std::int64_t, AvgPoolOptions>, public Forward<AvgPool1d> {
 public:
  explicit AvgPool1d(std::int64_t kernel_size, AvgPoolOptions options = {});
  Variable operator()(const Variable& x) const;
  std::string description() const override;
};

// (..., length) -> (..., output_size): divides the length into output_size parts and reduces each
// to its maximum or mean. Part i goes from floor(i length / output_size) to ceil((i + 1) length /
// output_size), which is excluded. AdaptiveMaxPool1d(1) is the maximum over time (Collobert and
// others 2011).
class AdaptiveMaxPool1d : public Module, public Forward<AdaptiveMaxPool1d> {
 public:
  explicit AdaptiveMaxPool1d(std::int64_t output_size);
  Variable operator()(const Variable& x) const;
  std::int64_t output_size() const { return *output_size_; }
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<std::int64_t> output_size_;
};
class AdaptiveAvgPool1d : public Module, public Forward<AdaptiveAvgPool1d> {
 public:
  explicit AdaptiveAvgPool1d(std::int64_t output_size);
  Variable operator()(const Variable& x) const;
  std::int64_t output_size() const { return *output_size_; }
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<std::int64_t> output_size_;
};

}  // namespace tapegrad::nn
