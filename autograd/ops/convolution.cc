// Convolution of sequences: the windows of a sequence are copied into a matrix
// (tensor/ops/convolution.h), so that a convolution is one matrix product. Read next:
// autograd/ops/conv2d.cc.
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/windows.h>

namespace tapegrad {

using detail::conv_windows;
using detail::filled;
using detail::unfold;

namespace {

void check_sequence(const char* operation, const Variable& x) {
  if (!is_floating_point(x.dtype())) {
    throw DTypeError(std::string(operation) + ": x is " + name(x.dtype()) +
                     ", needed float32 or float64");
  }
  if (x.dim() == 2 || x.dim() == 3) return;
  throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) +
                   ", needed (batch, channels, length) or (channels, length)");
}

// Convolves each group of channels separately and joins the results.
Variable grouped_conv1d(const Variable& x, const Variable& weight, const Variable& bias,
                        const ConvOptions& options) {
  ConvOptions alone = options;
  alone.groups = 1;
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0) / options.groups;
  std::vector<Variable> parts;
  for (std::int64_t g = 0; g < options.groups; ++g) {
    parts.push_back(conv1d(narrow(x, 1, g * in, in), narrow(weight, 0, g * out, out),
                           bias.defined() ? narrow(bias, 0, g * out, out) : Variable(), alone));
  }
  return cat(parts, 1);
}

}  // namespace

// y = a matrix with one row for each window of x, times the weight as a matrix
Variable conv1d(const Variable& x, const Variable& weight, const Variable& bias,
                const ConvOptions& options) {
  check_sequence("conv1d", x);
  const std::int64_t groups = options.groups;
  if (groups < 1 || (weight.dim() == 3 && weight.size(0) % groups != 0)) {
    throw ValueError("conv1d: " + std::to_string(groups) + " groups for weight " +
                     to_string(weight.sizes()) + ", needed a divisor of its out_channels");
  }
  if (weight.dim() != 3 || weight.size(1) * groups != x.size(-2) || weight.dtype() != x.dtype()) {
    const bool swapped = weight.dim() == 3 && x.dim() == 3 && weight.size(1) * groups == x.size(2);
    throw ShapeError("conv1d: x is " + std::string(name(x.dtype())) + " " + to_string(x.sizes()) +
                     " and weight " + name(weight.dtype()) + " " + to_string(weight.sizes()) +
                     ", needed (batch, channels, length) and (out_channels, channels" +
                     (groups == 1 ? "" : " / " + std::to_string(groups)) + ", kernel) of " +
                     "one type" + (swapped ? "; did you mean transpose(x, 1, 2)?" : "") +
                     (weight.dtype() == x.dtype()
                          ? ""
                          : "; convert x with to(" + std::string(name(weight.dtype())) + ")"));
  }
  if (bias.defined() && bias.shape() != Shape{weight.size(0)}) {
    throw ShapeError("conv1d: bias is " + to_string(bias.sizes()) + ", needed (" +
                     std::to_string(weight.size(0)) + "), one for each of the out_channels");
  }
  if (x.dim() == 2) return squeeze(conv1d(unsqueeze(x, 0), weight, bias, options), 0);
  if (groups > 1) return grouped_conv1d(x, weight, bias, options);
  const std::int64_t out_channels = weight.size(0);
  const std::int64_t kernel = weight.size(2);
  Windows windows =
      conv_windows("conv1d", x.size(2), kernel, options.stride, options.padding, options.dilation);
  const Variable steps =  // (batch, length, in)
      filled("conv1d", transpose(x), 1, windows, options.padding_mode);
  const Variable seen = flatten(unfold(steps, windows), 2);  // (batch, windows, kernel * in)
  const Variable matrix = reshape(transpose(weight), {out_channels, kernel * x.size(1)});
  return transpose(linear(seen, matrix, bias));  // (batch, out, windows)
}

}  // namespace tapegrad
