// Convolution of images, as one entry of the tape. Its gradients are kernels; under create_graph
// they are matrix products with copies of the windows. Read next: autograd/ops/pooling.cc.
#include <array>
#include <string>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/windows.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/conv2d.h>

namespace tapegrad {
namespace {

void check_image(const char* operation, const Variable& x) {
  if (!is_floating_point(x.dtype())) {
    throw DTypeError(std::string(operation) + ": x is " + name(x.dtype()) +
                     ", needed float32 or float64");
  }
  if (x.dim() == 3 || x.dim() == 4) return;
  throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) +
                   ", needed (batch, channels, height, width) or (channels, height, width)");
}

void check_weight(const Variable& x, const Variable& weight, const Variable& bias,
                  std::int64_t groups) {
  if (groups < 1 || (weight.dim() == 4 && weight.size(0) % groups != 0)) {
    throw ValueError("conv2d: " + std::to_string(groups) + " groups for weight " +
                     to_string(weight.sizes()) + ", needed a divisor of its out_channels");
  }
  if (weight.dim() != 4 || weight.size(1) * groups != x.size(-3) || weight.dtype() != x.dtype()) {
    const bool swapped = weight.dim() == 4 && x.dim() == 4 && weight.size(1) * groups == x.size(3);
    throw ShapeError("conv2d: x is " + std::string(name(x.dtype())) + " " + to_string(x.sizes()) +
                     " and weight " + name(weight.dtype()) + " " + to_string(weight.sizes()) +
                     ", needed (batch, channels, height, width) and (out_channels, channels" +
                     (groups == 1 ? "" : " / " + std::to_string(groups)) +
                     ", kernel height, kernel width) of one type" +
                     (swapped ? "; did you mean permute(x, {0, 3, 1, 2})?" : "") +
                     (weight.dtype() == x.dtype()
                          ? ""
                          : "; convert x with to(" + std::string(name(weight.dtype())) + ")"));
  }
  if (!bias.defined() || (bias.shape() == Shape{weight.size(0)} && bias.dtype() == x.dtype())) {
    return;
  }
  throw ShapeError("conv2d: bias is " + std::string(name(bias.dtype())) + " " +
                   to_string(bias.sizes()) + ", needed " + name(x.dtype()) + " (" +
                   std::to_string(weight.size(0)) + "), one for each of the out_channels");
}

// The gradients from matrix products, one for each group: the windows of x are a matrix with
// channels * kernel columns, the weight is (out, channels * kernel).
std::array<Variable, 3> composed_gradients(const Variable& dy, const Variable& x,
                                           const Variable& weight, const Convolution2d& convolution,
                                           const std::array<bool, 3>& wanted) {
  const Windows &rows = convolution.rows, &columns = convolution.columns;
  const std::int64_t batch = x.size(0), groups = convolution.groups;
  const std::int64_t in = weight.size(1), out = weight.size(0) / groups;
  const std::int64_t windows = rows.count() * columns.count();
  const std::int64_t depth = in * rows.kernel * columns.kernel;
  const Variable by_group =  // (groups, batch * windows, out)
      reshape(permute(reshape(dy, {batch, groups, out, windows}), {1, 0, 3, 2}),
              {groups, batch * windows, out});
  std::array<Variable, 3> gradients;
  if (wanted[0]) {
    const Variable seen = matmul(by_group, reshape(weight, {groups, out, depth}));
    const Variable by_window = permute(reshape(seen, {groups, batch, rows.count(), columns.count(),
                                                      in, rows.kernel * columns.kernel}),
                                       {1, 2, 3, 0, 4, 5});
    gradients[0] = detail::fold2d(reshape(by_window, {batch, rows.count(), columns.count(),
                                                      groups * in, rows.kernel, columns.kernel}),
                                  rows, columns);
  }
  if (wanted[1]) {
    const Variable seen = permute(
        reshape(detail::unfold2d(x, rows, columns), {batch, windows, groups, depth}), {2, 0, 1, 3});
    const Variable product =  // (groups, out, depth)
        matmul(transpose(by_group), reshape(seen, {groups, batch * windows, depth}));
    gradients[1] = reshape(product, weight.shape());
  }
  if (wanted[2]) gradients[2] = sum(dy, {0, 2, 3});
  return gradients;
}

}  // namespace

// y = the windows of x times the weight    dx = dy W, summed where windows overlap,
// dW = dy^T times the windows of x,        db = dy, summed over batch and places
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias,
                const ConvOptions2d& options) {
  check_image("conv2d", x);
  check_weight(x, weight, bias, options.groups);
  if (x.dim() == 3) return squeeze(conv2d(unsqueeze(x, 0), weight, bias, options), 0);
  Convolution2d convolution{
      detail::conv_windows("conv2d", x.size(2), weight.size(2), options.stride.height,
                           options.padding.height, options.dilation.height, detail::kRows),
      detail::conv_windows("conv2d", x.size(3), weight.size(3), options.stride.width,
                           options.padding.width, options.dilation.width, detail::kColumns),
      options.groups};
  Variable image =
      detail::filled("conv2d", x, 2, convolution.rows, options.padding_mode, detail::kRows);
  image = detail::filled("conv2d", image, 3, convolution.columns, options.padding_mode,
                         detail::kColumns);
  Tensor y = conv2d_forward(image.value(), weight.value(), bias.defined() ? bias.value() : Tensor(),
                            convolution);
  describe(
      "conv2d",
      [&] {
        const Windows &rows = convolution.rows, &columns = convolution.columns;
        return Attributes{{"stride", Shape{rows.stride, columns.stride}},
                          {"padding", Shape{rows.before, columns.before}},
                          {"dilation", Shape{rows.dilation, columns.dilation}},
                          {"groups", convolution.groups}};
      },
      image, weight, bias);
  return record_fused(
      "conv2d", std::move(y), std::array<Variable, 3>{image, weight, bias},
      [image, weight, convolution](const Tensor& dy, const std::array<bool, 3>& wanted) {
        return conv2d_backward(dy, image.value(), weight.value(), convolution, wanted);
      },
      [image, weight, convolution](const Variable& dy, const std::array<bool, 3>& wanted) {
        return composed_gradients(dy, image, weight, convolution, wanted);
      });
}

}  // namespace tapegrad
