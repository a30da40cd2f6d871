// Conv2d and pooling of images: checks, calls of the operations, and descriptions. Read next:
// nn/normalization.h.
#include <tapegrad/nn/images.h>

#include <string>
#include <vector>

#include <tapegrad/nn/conv_parts.h>

namespace tapegrad::nn {
namespace {

// As PyTorch writes it: (3, 5).
std::string size_text(const Size2d& size) {
  return "(" + std::to_string(size.height) + ", " + std::to_string(size.width) + ")";
}

bool at_least(const Size2d& size, std::int64_t least) {
  return size.height >= least && size.width >= least;
}

void check_conv2d(std::int64_t in, std::int64_t out, const Size2d& kernel,
                  const Conv2dOptions& options) {
  const bool same = options.padding == Size2d(same_padding);
  if (in < 0 || out < 0 || !at_least(kernel, 1) || !at_least(options.stride, 1) ||
      !at_least(options.dilation, 1) || !(same || at_least(options.padding, 0))) {
    throw ValueError("Conv2d: channels " + std::to_string(in) + " -> " + std::to_string(out) +
                     ", kernel_size " + size_text(kernel) + ", stride " +
                     size_text(options.stride) + ", padding " + size_text(options.padding) +
                     ", dilation " + size_text(options.dilation) +
                     "; needed channels and padding from 0, the others from 1");
  }
  detail::check_groups("Conv2d", in, out, options.groups);
  if (same && options.stride != Size2d(1)) {
    throw ValueError("Conv2d: same_padding with stride " + size_text(options.stride) +
                     ", needed stride 1");
  }
}

std::int64_t places(const Variable& weight) {
  return weight.size(1) * weight.size(2) * weight.size(3);
}

}  // namespace

// Conv2d ------------------------------------------------------------------------------------------

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, const Size2d& kernel_size,
               Conv2dOptions options)
    : weight((check_conv2d(in_channels, out_channels, kernel_size, options),
              register_parameter("weight",
                                 detail::drawn_weight({out_channels, in_channels / options.groups,
                                                       kernel_size.height, kernel_size.width},
                                                      options.dtype, options.generator)))),
      bias(options.bias
               ? register_parameter("bias", detail::drawn_bias(out_channels, places(weight),
                                                               options.dtype, options.generator))
               : Parameter()),
      options_(options) {
  options_->generator = {};
}

Variable Conv2d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        return conv2d(in, weight, bias,
                      {.stride = options_->stride,
                       .padding = options_->padding,
                       .dilation = options_->dilation,
                       .groups = options_->groups,
                       .padding_mode = options_->padding_mode});
      },
      x);
}

std::int64_t Conv2d::mult_adds(const std::vector<Variable>& /*inputs*/,
                               const std::vector<Variable>& outputs) const {
  const Variable& y = outputs.front();
  return y.numel() == 0 ? 0 : own_parameter_count() * (y.numel() / weight.size(0));
}

std::string Conv2d::description() const {
  std::string text = "Conv2d(" + std::to_string(weight.size(1) * options_->groups) + ", " +
                     std::to_string(weight.size(0)) +
                     ", kernel_size=" + size_text({weight.size(2), weight.size(3)}) +
                     ", stride=" + size_text(options_->stride);
  if (options_->padding == Size2d(same_padding)) {
    text += ", padding=same";
  } else if (options_->padding != Size2d(0)) {
    text += ", padding=" + size_text(options_->padding);
  }
  if (options_->dilation != Size2d(1)) text += ", dilation=" + size_text(options_->dilation);
  if (options_->groups != 1) text += ", groups=" + std::to_string(options_->groups);
  if (options_->padding_mode != PadMode::zeros) {
    text += std::string(", padding_mode=") + detail::name(options_->padding_mode);
  }
  return text + (bias.defined() ? ")" : ", bias=false)");
}

void Conv2d::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const Conv2d&>(other).options_;
}

// Pooling -----------------------------------------------------------------------------------------

MaxPool2d::MaxPool2d(const Size2d& kernel_size, MaxPoolOptions2d options)
    : WindowPooling(kernel_size, options) {}

Variable MaxPool2d::operator()(const Variable& x) const { return forward_with_indices(x).values; }

VariableAndIndices MaxPool2d::forward_with_indices(const Variable& x) const {
  VariableAndIndices result;
  result.values = hooked(
      [&](const Variable& in) {
        VariableAndIndices pooled = max_pool2d_with_indices(in, kernel_size(), options());
        result.indices = pooled.indices;
        return pooled.values;
      },
      x);
  return result;
}

std::string MaxPool2d::description() const {
  return "MaxPool2d(kernel_size=" + size_text(kernel_size()) +
         ", stride=" + size_text(options().stride.value_or(kernel_size())) +
         ", padding=" + size_text(options().padding) +
         ", dilation=" + size_text(options().dilation) +
         (options().ceil_mode ? ", ceil_mode=true)" : ")");
}

AvgPool2d::AvgPool2d(const Size2d& kernel_size, AvgPoolOptions2d options)
    : WindowPooling(kernel_size, options) {}

Variable AvgPool2d::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return avg_pool2d(in, kernel_size(), options()); }, x);
}

std::string AvgPool2d::description() const {
  std::string text = "AvgPool2d(kernel_size=" + size_text(kernel_size()) +
                     ", stride=" + size_text(options().stride.value_or(kernel_size())) +
                     ", padding=" + size_text(options().padding);
  if (options().ceil_mode) text += ", ceil_mode=true";
  if (!options().count_include_pad) text += ", count_include_pad=false";
  if (options().divisor_override.has_value()) {
    text += ", divisor_override=" + std::to_string(*options().divisor_override);
  }
  return text + ")";
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(const Size2d& output_size) : output_size_(output_size) {
  if (at_least(output_size, 1)) return;
  throw ValueError("AdaptiveAvgPool2d: output_size is " + size_text(output_size) +
                   ", needed 1 or more");
}

Variable AdaptiveAvgPool2d::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return adaptive_avg_pool2d(in, *output_size_); }, x);
}

std::string AdaptiveAvgPool2d::description() const {
  return "AdaptiveAvgPool2d(" + size_text(*output_size_) + ")";
}

void AdaptiveAvgPool2d::assign_from(const Module& other) {
  Module::assign_from(other);
  *output_size_ = *static_cast<const AdaptiveAvgPool2d&>(other).output_size_;
}

}  // namespace tapegrad::nn
