// Rows of convolution and pooling of images. Read next: op_cases_views.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// x with a border of `value`.
Tensor bordered(const Tensor& x, const Size2d& border, double value) {
  Shape shape = x.shape();
  shape[shape.dim() - 2] += 2 * border.height;
  shape[shape.dim() - 1] += 2 * border.width;
  Tensor y = full(shape, value, x.dtype());
  narrow(narrow(y, -2, border.height, x.size(-2)), -1, border.width, x.size(-1)).copy_(x);
  return y;
}

// Stacks function(window) for all windows of size x, whose last dimensions are height and width.
template <class Function>
Tensor by_window(const Tensor& x, const Size2d& kernel, const Size2d& stride,
                 const Size2d& dilation, const Function& function) {
  const std::int64_t height = dilation.height * (kernel.height - 1) + 1;
  const std::int64_t width = dilation.width * (kernel.width - 1) + 1;
  std::vector<Tensor> rows;
  for (std::int64_t t = 0; t + height <= x.size(-2); t += stride.height) {
    std::vector<Tensor> row;
    for (std::int64_t u = 0; u + width <= x.size(-1); u += stride.width) {
      row.push_back(function(
          slice(slice(x, -2, t, t + height, dilation.height), -1, u, u + width, dilation.width)));
    }
    rows.push_back(stack(row, -1));
  }
  return stack(rows, -2);
}

// The window (batch, channels, height, width) times the weight.
Tensor conv_by_hand(const Tensor& x, const Tensor& weight, const ConvOptions2d& options = {}) {
  return by_window(bordered(x, options.padding, 0), {weight.size(2), weight.size(3)},
                   options.stride, options.dilation, [&](const Tensor& window) {
                     return matmul(flatten(window, 1), transpose(flatten(weight, 1)));
                   });
}

Tensor largest(const Tensor& window) { return max(flatten(window, -2), -1).values; }
Tensor average(const Tensor& window) { return mean(flatten(window, -2), -1); }

constexpr ConvOptions2d kOptions{.stride = {2, 1}, .padding = {1, 3}, .dilation = {2, 1}};

}  // namespace

std::vector<OpCase> images_cases() {
  return {
      {"conv2d",
       [](auto& v) { return conv2d(v[0], v[1], v[2]); },
       [](auto& v) {
         return conv_by_hand(v[0], v[1]) + reshape(v[2], {2, 1, 1});
       },
       {uniform({2, 3, 4, 5}), uniform({2, 3, 3, 2}), uniform({2})}},
      {"conv2d with all options",
       [](auto& v) { return conv2d(v[0], v[1], {}, kOptions); },
       [](auto& v) { return conv_by_hand(v[0], v[1], kOptions); },
       {uniform({2, 2, 5, 3}), uniform({3, 2, 3, 2})}},
      {"conv2d in groups",
       [](auto& v) { return conv2d(v[0], v[1], {}, {.groups = 2}); },
       [](auto& v) {
         return cat({conv_by_hand(narrow(v[0], 1, 0, 2), narrow(v[1], 0, 0, 1)),
                     conv_by_hand(narrow(v[0], 1, 2, 2), narrow(v[1], 0, 1, 1))},
                    1);
       },
       {uniform({2, 4, 3, 4}), uniform({2, 2, 2, 3})}},
      {"conv2d of the same size",
       [](auto& v) { return conv2d(v[0], v[1], {}, {.padding = same_padding}); },
       [](auto& v) {
         return conv_by_hand(v[0], v[1], {.padding = {1, 2}});
       },
       {uniform({1, 2, 3, 4}), uniform({2, 2, 3, 5})}},
      {"conv2d of one image",
       [](auto& v) { return conv2d(v[0], v[1]); },
       [](auto& v) { return squeeze(conv_by_hand(unsqueeze(v[0], 0), v[1]), 0); },
       {uniform({2, 4, 3}), uniform({3, 2, 2, 2})}},
      {"conv2d of no batch",
       [](auto& v) { return conv2d(v[0], v[1]); },
       [](auto& v) { return conv_by_hand(v[0], v[1]); },
       {uniform({0, 2, 4, 3}), uniform({3, 2, 2, 2})}},
      {"max_pool1d_with_indices",
       [](auto& v) { return max_pool1d_with_indices(v[0], 2); },
       [](auto& v) {
         const auto both = max(reshape(v[0], {2, 2, 3, 2}), -1);
         return std::vector<Tensor>{both.values, both.indices + arange(0, 6, 2)};
       },
       {distinct({2, 2, 6})}},
      {"max_pool2d",
       [](auto& v) { return max_pool2d(v[0], 2); },
       [](auto& v) { return by_window(v[0], 2, 2, 1, largest); },
       {distinct({2, 2, 5, 4})}},
      {"max_pool2d with all options",
       [](auto& v) {
         return max_pool2d(
             v[0], {3, 2},
             {.stride = Size2d{1, 2}, .padding = {1, 0}, .dilation = {2, 1}, .ceil_mode = false});
       },
       [](auto& v) {
         return by_window(bordered(v[0], {1, 0}, -99), {3, 2}, {1, 2}, {2, 1}, largest);
       },
       {distinct({2, 6, 5})}},
      {"max_pool2d_with_indices",
       [](auto& v) {
         return max_pool2d_with_indices(v[0], {2, 1});
       },
       [](auto& v) {
         const auto both = max(reshape(v[0], {2, 2, 2, 3}), 2);
         return std::vector<Tensor>{both.values,
                                    (both.indices + tensor({{0}, {2}})) * 3 + arange(0, 3)};
       },
       {distinct({2, 4, 3})}},
      {"avg_pool2d",
       [](auto& v) {
         return avg_pool2d(v[0], 3, {.stride = Size2d{2, 1}, .padding = {1, 0}});
       },
       [](auto& v) {
         return by_window(bordered(v[0], {1, 0}, 0), 3, {2, 1}, 1, average);
       },
       {uniform({2, 2, 5, 4})}},
      {"avg_pool2d with a divisor",
       [](auto& v) { return avg_pool2d(v[0], 2, {.divisor_override = 3}); },
       [](auto& v) { return by_window(v[0], 2, 2, 1, average) * 4 / 3; },
       {uniform({2, 2, 5, 4})}},
      {"adaptive_avg_pool2d",
       [](auto& v) {
         return adaptive_avg_pool2d(v[0], {2, 3});
       },
       [](auto& v) {
         return by_window(v[0], {2, 1}, {1, 1}, 1, average);
       },
       {uniform({2, 2, 3, 3})}},
      {"adaptive_avg_pool2d of equal parts",
       [](auto& v) {
         return adaptive_avg_pool2d(v[0], {2, 1});
       },
       [](auto& v) {
         return by_window(v[0], {2, 3}, {2, 3}, 1, average);
       },
       {uniform({2, 2, 4, 3})}},
  };
}

}  // namespace tapegrad
