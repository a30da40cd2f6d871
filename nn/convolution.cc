// Conv1d and the pooling layers: checks, calls of the operations, and descriptions. Read next:
// nn/images.h.
#include <tapegrad/nn/convolution.h>

#include <cmath>
#include <string>
#include <vector>

#include <tapegrad/nn/conv_parts.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

// Conv1d ------------------------------------------------------------------------------------------

namespace {

void check_convolution(std::int64_t in, std::int64_t out, std::int64_t kernel,
                       const Conv1dOptions& options) {
  const bool sizes = in >= 0 && out >= 0 && kernel >= 1;
  const bool steps = options.stride >= 1 && options.dilation >= 1 &&
                     (options.padding >= 0 || options.padding == same_padding);
  if (!sizes || !steps) {
    throw ValueError(
        "Conv1d: channels " + std::to_string(in) + " -> " + std::to_string(out) + ", kernel_size " +
        std::to_string(kernel) + ", stride " + std::to_string(options.stride) + ", padding " +
        std::to_string(options.padding) + ", dilation " + std::to_string(options.dilation) +
        "; needed channels and padding from 0, the others from 1");
  }
  detail::check_groups("Conv1d", in, out, options.groups);
  if (options.padding == same_padding && options.stride != 1) {
    throw ValueError("Conv1d: same_padding with stride " + std::to_string(options.stride) +
                     ", needed stride 1");
  }
}

}  // namespace

void detail::check_groups(const char* layer, std::int64_t in, std::int64_t out,
                          std::int64_t groups) {
  if (groups >= 1 && in % groups == 0 && out % groups == 0) return;
  throw ValueError(std::string(layer) + ": channels " + std::to_string(in) + " -> " +
                   std::to_string(out) + " in " + std::to_string(groups) +
                   " groups, needed a divisor of both");
}

const char* detail::name(PadMode mode) {
  return mode == PadMode::reflect     ? "reflect"
         : mode == PadMode::replicate ? "replicate"
         : mode == PadMode::circular  ? "circular"
                                      : "zeros";
}

// kaiming_uniform_() with a = sqrt(5) has the same bound as the bias.
Tensor detail::drawn_weight(const Shape& shape, DType dtype, const GeneratorRef& generator) {
  const Variable weight = parameter(empty(shape, dtype));
  init::kaiming_uniform_(weight, {.a = std::sqrt(5.0)}, generator);
  return weight.value();
}

Tensor detail::drawn_bias(std::int64_t out, std::int64_t fan_in, DType dtype,
                          const GeneratorRef& generator) {
  const double bound = fan_in == 0 ? 0 : 1.0 / std::sqrt(static_cast<double>(fan_in));
  return uniform_(empty({out}, dtype), -bound, bound, generator);
}

Conv1d::Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
               Conv1dOptions options)
    : weight((check_convolution(in_channels, out_channels, kernel_size, options),
              register_parameter(
                  "weight",
                  detail::drawn_weight({out_channels, in_channels / options.groups, kernel_size},
                                       options.dtype, options.generator)))),
      bias(options.bias ? register_parameter(
                              "bias", detail::drawn_bias(out_channels, weight.size(1) * kernel_size,
                                                         options.dtype, options.generator))
                        : Parameter()),
      options_(options) {
  options_->generator = {};
}

Variable Conv1d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        return conv1d(in, weight, bias,
                      {.stride = options_->stride,
                       .padding = options_->padding,
                       .dilation = options_->dilation,
                       .groups = options_->groups,
                       .padding_mode = options_->padding_mode});
      },
      x);
}

std::int64_t Conv1d::mult_adds(const std::vector<Variable>& /*inputs*/,
                               const std::vector<Variable>& outputs) const {
  const Variable& y = outputs.front();
  return y.numel() == 0 ? 0 : own_parameter_count() * (y.numel() / weight.size(0));
}

std::string Conv1d::description() const {
  std::string text = "Conv1d(" + std::to_string(weight.size(1) * options_->groups) + ", " +
                     std::to_string(weight.size(0)) +
                     ", kernel_size=" + std::to_string(weight.size(2)) +
                     ", stride=" + std::to_string(options_->stride);
  if (options_->padding == same_padding) {
    text += ", padding=same";
  } else if (options_->padding != 0) {
    text += ", padding=" + std::to_string(options_->padding);
  }
  if (options_->dilation != 1) text += ", dilation=" + std::to_string(options_->dilation);
  if (options_->groups != 1) text += ", groups=" + std::to_string(options_->groups);
  if (options_->padding_mode != PadMode::zeros) {
    text += std::string(", padding_mode=") + detail::name(options_->padding_mode);
  }
  return text + (bias.defined() ? ")" : ", bias=false)");
}

void Conv1d::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const Conv1d&>(other).options_;
}

// Pooling -----------------------------------------------------------------------------------------

MaxPool1d::MaxPool1d(std::int64_t kernel_size, MaxPoolOptions options)
    : WindowPooling(kernel_size, options) {}

Variable MaxPool1d::operator()(const Variable& x) const { return forward_with_indices(x).values; }

VariableAndIndices MaxPool1d::forward_with_indices(const Variable& x) const {
  VariableAndIndices result;
  result.values = hooked(
      [&](const Variable& in) {
        VariableAndIndices pooled = max_pool1d_with_indices(in, kernel_size(), options());
        result.indices = pooled.indices;
        return pooled.values;
      },
      x);
  return result;
}

std::string MaxPool1d::description() const {
  return "MaxPool1d(kernel_size=" + std::to_string(kernel_size()) +
         ", stride=" + std::to_string(options().stride.value_or(kernel_size())) +
         ", padding=" + std::to_string(options().padding) +
         ", dilation=" + std::to_string(options().dilation) +
         (options().ceil_mode ? ", ceil_mode=true)" : ")");
}

AvgPool1d::AvgPool1d(std::int64_t kernel_size, AvgPoolOptions options)
    : WindowPooling(kernel_size, options) {}

Variable AvgPool1d::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return avg_pool1d(in, kernel_size(), options()); }, x);
}

std::string AvgPool1d::description() const {
  return "AvgPool1d(kernel_size=" + std::to_string(kernel_size()) +
         ", stride=" + std::to_string(options().stride.value_or(kernel_size())) +
         ", padding=" + std::to_string(options().padding) +
         (options().ceil_mode ? ", ceil_mode=true" : "") +
         (options().count_include_pad ? ")" : ", count_include_pad=false)");
}

namespace {

std::int64_t checked_size(const char* layer, std::int64_t output_size) {
  if (output_size >= 1) return output_size;
  throw ValueError(std::string(layer) + ": output_size is " + std::to_string(output_size) +
                   ", needed 1 or more");
}

// Applies function(part) to each of `count` parts of the last dimension and stacks the results.
template <class Function>
Variable by_parts(const char* layer, const Variable& x, std::int64_t count,
                  const Function& function) {
  if ((x.dim() != 2 && x.dim() != 3) || x.size(-1) == 0) {
    throw ShapeError(std::string(layer) + ": x is " + to_string(x.sizes()) +
                     ", needed (batch, channels, length) or (channels, length) with a length of 1 "
                     "or more");
  }
  const std::int64_t length = x.size(-1);
  std::vector<Variable> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t start = i * length / count;
    const std::int64_t end = ((i + 1) * length + count - 1) / count;
    parts.push_back(function(narrow(x, -1, start, end - start)));
  }
  return stack(parts, -1);
}

}  // namespace

AdaptiveMaxPool1d::AdaptiveMaxPool1d(std::int64_t output_size)
    : output_size_(checked_size("AdaptiveMaxPool1d", output_size)) {}

Variable AdaptiveMaxPool1d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        return by_parts("AdaptiveMaxPool1d", in, *output_size_,
                        [](const Variable& part) { return max(part, -1).values; });
      },
      x);
}

std::string AdaptiveMaxPool1d::description() const {
  return "AdaptiveMaxPool1d(" + std::to_string(*output_size_) + ")";
}

void AdaptiveMaxPool1d::assign_from(const Module& other) {
  Module::assign_from(other);
  *output_size_ = *static_cast<const AdaptiveMaxPool1d&>(other).output_size_;
}

AdaptiveAvgPool1d::AdaptiveAvgPool1d(std::int64_t output_size)
    : output_size_(checked_size("AdaptiveAvgPool1d", output_size)) {}

Variable AdaptiveAvgPool1d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        return by_parts("AdaptiveAvgPool1d", in, *output_size_,
                        [](const Variable& part) { return mean(part, -1); });
      },
      x);
}

std::string AdaptiveAvgPool1d::description() const {
  return "AdaptiveAvgPool1d(" + std::to_string(*output_size_) + ")";
}

void AdaptiveAvgPool1d::assign_from(const Module& other) {
  Module::assign_from(other);
  *output_size_ = *static_cast<const AdaptiveAvgPool1d&>(other).output_size_;
}

}  // namespace tapegrad::nn
