// Rows of convolution and pooling of sequences. Read next: op_cases_images.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// Convolution from primitives, one window at a time.
Tensor conv_by_hand(const Tensor& x, const Tensor& weight, std::int64_t stride, std::int64_t before,
                    std::int64_t after, std::int64_t dilation) {
  const Tensor padded = cat({zeros({x.size(0), x.size(1), before}, x.dtype()), x,
                             zeros({x.size(0), x.size(1), after}, x.dtype())},
                            2);
  const std::int64_t span = dilation * (weight.size(2) - 1) + 1;
  std::vector<Tensor> steps;
  for (std::int64_t t = 0; t + span <= padded.size(2); t += stride) {
    const Tensor window = slice(padded, 2, t, t + span, dilation);  // (batch, channels, kernel)
    steps.push_back(matmul(flatten(window, 1), transpose(flatten(weight, 1))));
  }
  return stack(steps, 2);
}

// Applies a function to each window of `kernel` steps.
template <class Function>
Tensor pool_by_hand(const Tensor& x, std::int64_t kernel, std::int64_t stride,
                    const Function& function) {
  std::vector<Tensor> steps;
  for (std::int64_t t = 0; t + kernel <= x.size(-1); t += stride) {
    steps.push_back(function(narrow(x, -1, t, kernel)));
  }
  return stack(steps, -1);
}

}  // namespace

std::vector<OpCase> convolution_cases() {
  return {
      {"conv1d",
       [](auto& v) { return conv1d(v[0], v[1], v[2]); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 0, 0, 1) + unsqueeze(v[2], 1); },
       {uniform({2, 3, 5}), uniform({2, 3, 3}), uniform({2})}},
      {"conv1d with all options",
       [](auto& v) { return conv1d(v[0], v[1], {}, {.stride = 2, .padding = 3, .dilation = 2}); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 2, 3, 3, 2); },
       {uniform({2, 2, 4}), uniform({3, 2, 3})}},
      {"conv1d of the same length",
       [](auto& v) { return conv1d(v[0], v[1], {}, {.padding = same_padding}); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 1, 2, 1); },
       {uniform({1, 2, 3}), uniform({2, 2, 4})}},
      {"conv1d of one sequence",
       [](auto& v) { return conv1d(v[0], v[1]); },
       [](auto& v) { return squeeze(conv_by_hand(unsqueeze(v[0], 0), v[1], 1, 0, 0, 1), 0); },
       {uniform({2, 4}), uniform({3, 2, 2})}},
      {"conv1d of no batch",
       [](auto& v) { return conv1d(v[0], v[1]); },
       [](auto& v) { return conv_by_hand(v[0], v[1], 1, 0, 0, 1); },
       {uniform({0, 2, 4}), uniform({3, 2, 2})}},
      {"max_pool1d",
       [](auto& v) { return max_pool1d(v[0], 2); },
       [](auto& v) {
         return pool_by_hand(v[0], 2, 2, [](const Tensor& w) { return max(w, -1).values; });
       },
       {distinct({2, 2, 5})}},
      {"max_pool1d with all options",
       [](auto& v) { return max_pool1d(v[0], 3, {.stride = 1, .padding = 1, .dilation = 2}); },
       [](auto& v) {
         const Tensor low = full({2, 1}, -99, v[0].dtype());
         return pool_by_hand(cat({low, v[0], low}, 1), 5, 1,
                             [](const Tensor& w) { return max(slice(w, -1, 0, 5, 2), -1).values; });
       },
       {distinct({2, 6})}},
      {"avg_pool1d",
       [](auto& v) { return avg_pool1d(v[0], 3, {.stride = 2, .padding = 1}); },
       [](auto& v) {
         const Tensor zero = zeros({2, 2, 1}, v[0].dtype());
         return pool_by_hand(cat({zero, v[0], zero}, 2), 3, 2,
                             [](const Tensor& w) { return mean(w, -1); });
       },
       {uniform({2, 2, 5})}},
      {"avg_pool1d of what there is",
       [](auto& v) { return avg_pool1d(v[0], 2, {.padding = 1, .count_include_pad = false}); },
       [](auto& v) {
         return stack({select(v[0], 1, 0), (select(v[0], 1, 1) + select(v[0], 1, 2)) / 2,
                       select(v[0], 1, 3)},
                      1);
       },
       {uniform({1, 4})}},
  };
}

}  // namespace tapegrad
