// Convolution and pooling of sequences. Both copy the windows of a sequence into a matrix
// (tensor/ops/convolution.h), so that a convolution is one matrix product. Read next:
// autograd/ops/views.cc.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/convolution.h>

namespace tapegrad {
namespace {

Attributes window_attributes(const Windows& windows) {
  return {{"length", windows.length}, {"kernel", windows.kernel}, {"stride", windows.stride},
          {"before", windows.before}, {"after", windows.after},   {"dilation", windows.dilation}};
}

// y = the windows of x      dx = dy, summed where windows overlap
// Each of the two is the rule of the other.
Variable fold(const Variable& y, const Windows& windows);
Variable unfold(const Variable& x, const Windows& windows) {
  describe(
      "unfold", [&] { return window_attributes(windows); }, x);
  return record("unfold", windows_of(x.value(), windows),
                from(x, [windows](const Variable& dy) { return fold(dy, windows); }));
}
Variable fold(const Variable& y, const Windows& windows) {
  describe(
      "fold", [&] { return window_attributes(windows); }, y);
  return record("fold", sum_of_windows(y.value(), windows),
                from(y, [windows](const Variable& dy) { return unfold(dy, windows); }));
}

void check_sequence(const char* operation, const Variable& x) {
  if (!is_floating_point(x.dtype())) {
    throw DTypeError(std::string(operation) + ": x is " + name(x.dtype()) +
                     ", needed float32 or float64");
  }
  if (x.dim() == 2 || x.dim() == 3) return;
  throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) +
                   ", needed (batch, channels, length) or (channels, length)");
}

}  // namespace

// Convolution -------------------------------------------------------------------------------------

namespace {

// For each position of the padded sequence, the index of the step that is copied there.
Tensor padded_steps(const Windows& windows, PadMode mode) {
  const std::int64_t length = windows.length;
  const std::int64_t more = std::max(windows.before, windows.after);
  const std::int64_t most = mode == PadMode::reflect    ? length - 1
                            : mode == PadMode::circular ? length
                            : length == 0               ? 0
                                                        : more;
  if (more > most) {
    throw ShapeError("conv1d: padding of " + std::to_string(more) + " for a sequence of " +
                     std::to_string(length) + " steps, needed " +
                     std::to_string(std::max<std::int64_t>(most, 0)) +
                     " or less to fill it with the sequence");
  }
  std::vector<std::int64_t> steps;
  for (std::int64_t at = -windows.before; at < length + windows.after; ++at) {
    const std::int64_t last = length - 1;
    const std::int64_t mirrored = at < 0 ? -at : at > last ? 2 * last - at : at;
    const std::int64_t nearest = std::clamp<std::int64_t>(at, 0, std::max<std::int64_t>(last, 0));
    steps.push_back(mode == PadMode::reflect     ? mirrored
                    : mode == PadMode::replicate ? nearest
                                                 : (at + length) % length);
  }
  return tensor(steps);
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
                     "one type" + (swapped ? "; did you mean transpose(x, 1, 2)?" : ""));
  }
  if (bias.defined() && bias.shape() != Shape{weight.size(0)}) {
    throw ShapeError("conv1d: bias is " + to_string(bias.sizes()) + ", needed (" +
                     std::to_string(weight.size(0)) + "), one for each of the out_channels");
  }
  if (x.dim() == 2) return squeeze(conv1d(unsqueeze(x, 0), weight, bias, options), 0);
  if (groups > 1) return grouped_conv1d(x, weight, bias, options);
  const std::int64_t out_channels = weight.size(0);
  const std::int64_t kernel = weight.size(2);
  Windows windows{x.size(2),       kernel,          options.stride,
                  options.padding, options.padding, options.dilation};
  if (options.padding == same_padding) {
    if (options.stride != 1) {
      throw ValueError("conv1d: same_padding with stride " + std::to_string(options.stride) +
                       ", needed stride 1");
    }
    const std::int64_t total = checked_multiply(options.dilation, kernel - 1, "conv1d");
    windows.before = total / 2;
    windows.after = total - total / 2;
  }
  windows.check("conv1d");
  Variable steps = transpose(x);  // (batch, length, in)
  if (options.padding_mode != PadMode::zeros && windows.padded() > windows.length) {
    steps = index_select(steps, 1, padded_steps(windows, options.padding_mode));
    windows = {windows.padded(), kernel, options.stride, 0, 0, options.dilation};
  }
  const Variable seen = flatten(unfold(steps, windows), 2);  // (batch, windows, kernel * in)
  const Variable matrix = reshape(transpose(weight), {out_channels, kernel * x.size(1)});
  return transpose(linear(seen, matrix, bias));  // (batch, out, windows)
}

// Pooling -----------------------------------------------------------------------------------------

namespace {

void check_pooled_windows(const char* operation, const Windows& windows) {
  if (windows.before > windows.kernel / 2) {
    throw ValueError(std::string(operation) + ": got padding " + std::to_string(windows.before) +
                     " for a kernel of size " + std::to_string(windows.kernel) +
                     ", needed at most half of it: otherwise some windows would hold only padding");
  }
  windows.check(operation);
}

// (..., length) -> (..., windows, kernel), each channel separately.
Variable windows_for_pooling(const Variable& x, const Windows& windows) {
  Shape shape(x.sizes().first(x.sizes().size() - 1));
  const std::int64_t rows = checked_numel(shape, "pooling");
  shape.push_back(windows.count());
  shape.push_back(windows.kernel);
  return reshape(unfold(reshape(x, {rows, windows.length, 1}), windows), shape);
}

// The largest of each window, where padding never wins, not even against -inf: a place of padding
// holds the first step of its window again.
Variable max_of_padded(const Variable& x, const Windows& windows) {
  const double lowest = -std::numeric_limits<double>::infinity();
  std::vector<std::int64_t> steps;  // (windows, kernel)
  Tensor empty = zeros({windows.count()}, boolean);
  for (std::int64_t w = 0; w < windows.count(); ++w) {
    const std::int64_t begin = w * windows.stride - windows.before;
    const auto step = [&](std::int64_t k) { return begin + k * windows.dilation; };
    const auto inside = [&](std::int64_t at) { return at >= 0 && at < windows.length; };
    std::int64_t first = 0;
    while (first < windows.kernel && !inside(step(first))) ++first;
    if (first == windows.kernel) empty.mutable_data<bool>()[w] = true;
    for (std::int64_t k = 0; k < windows.kernel; ++k) {
      steps.push_back(inside(step(k)) ? step(k) : first == windows.kernel ? 0 : step(first));
    }
  }
  Shape shape(x.sizes().first(x.sizes().size() - 1));
  shape.push_back(windows.count());
  shape.push_back(windows.kernel);
  const Variable seen = windows.length == 0 ? windows_for_pooling(x, windows)
                                            : reshape(index_select(x, -1, tensor(steps)), shape);
  const Variable largest = max(seen, -1).values;
  return any(empty).item<bool>() ? masked_fill(largest, empty, lowest) : largest;
}

}  // namespace

Variable max_pool1d(const Variable& x, std::int64_t kernel_size, const MaxPoolOptions& options) {
  check_sequence("max_pool1d", x);
  Windows windows{x.size(-1),      kernel_size,     options.stride.value_or(kernel_size),
                  options.padding, options.padding, options.dilation};
  if (options.ceil_mode) windows.round_up();
  check_pooled_windows("max_pool1d", windows);
  if (windows.padded() > windows.length) return max_of_padded(x, windows);
  return max(windows_for_pooling(x, windows), -1).values;
}

Variable avg_pool1d(const Variable& x, std::int64_t kernel_size, const AvgPoolOptions& options) {
  check_sequence("avg_pool1d", x);
  Windows windows{x.size(-1), kernel_size, options.stride.value_or(kernel_size), options.padding,
                  options.padding};
  if (options.ceil_mode) windows.round_up();
  check_pooled_windows("avg_pool1d", windows);
  const Variable seen = windows_for_pooling(x, windows);
  // The divisor never counts positions beyond the padded end.
  Windows counted = windows;
  if (options.count_include_pad) {
    counted.length += 2 * options.padding;
    counted.before = 0;
    counted.after -= options.padding;
  }
  if (counted.before == 0 && counted.after == 0) return mean(seen, -1);
  const Tensor ones_seen = windows_of(ones({1, counted.length, 1}, x.dtype()), counted);
  return sum(seen, -1) / Variable(reshape(sum(ones_seen, 2), {windows.count()}));
}

}  // namespace tapegrad
