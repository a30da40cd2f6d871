// Rows of what layers are made of: normalisation, products, windows, attention. Read next:
// op_cases_shapes.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// The formula over dims, from primitives.
Tensor standardized(const Tensor& x, const Dims& dims) {
  return (x - mean(x, dims, true)) / sqrt(var(x, dims, false, true) + 1e-5);
}

// Convolution, window by window, from primitives.
Tensor conv_by_hand(const Tensor& x, const Tensor& weight, std::int64_t stride, std::int64_t before,
                    std::int64_t behind, std::int64_t dilation) {
  const Tensor padded = cat({zeros({x.size(0), x.size(1), before}, x.dtype()), x,
                             zeros({x.size(0), x.size(1), behind}, x.dtype())},
                            2);
  const std::int64_t span = dilation * (weight.size(2) - 1) + 1;
  std::vector<Tensor> steps;
  for (std::int64_t t = 0; t + span <= padded.size(2); t += stride) {
    const Tensor window = slice(padded, 2, t, t + span, dilation);  // (batch, channels, kernel)
    steps.push_back(matmul(flatten(window, 1), transpose(flatten(weight, 1))));
  }
  return stack(steps, 2);
}

// A function of each window of `kernel` steps.
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

std::vector<OpCase> normalization() {
  return {
      {"layer_norm",
       [](auto& v) { return layer_norm(v[0], 5, v[1], v[2]); },
       [](auto& v) { return standardized(v[0], 1) * v[1] + v[2]; },
       {uniform({3, 5}), uniform({5}), uniform({5})}},
      {"layer_norm plain", [](auto& v) { return layer_norm(v[0], 4); }, {uniform({2, 3, 4})}},
      {"layer_norm of matrices",
       [](auto& v) {
         return layer_norm(v[0], {3, 2}, v[1], {}, 0.5);
       },
       {uniform({2, 3, 2}), uniform({3, 2})}},
      {"layer_norm shifted",
       [](auto& v) { return layer_norm(v[0], {5}, {}, v[1]); },
       {uniform({2, 5}), uniform({5})}},
      {"layer_norm of nothing",
       [](auto& v) { return layer_norm(v[0], 5, v[1], v[2]); },
       {uniform({0, 5}), uniform({5}), uniform({5})}},
      {"rms_norm",
       [](auto& v) { return rms_norm(v[0], 5, v[1]); },
       [](auto& v) {
         const double eps = v[0].dtype() == float32 ? 0x1p-23 : 0x1p-52;
         return v[0] / sqrt(mean(square(v[0]), 1, true) + eps) * v[1];
       },
       {uniform({3, 5}), uniform({5})}},
      {"rms_norm of matrices",
       [](auto& v) {
         return rms_norm(v[0], {3, 2}, {}, 0.5);
       },
       [](auto& v) {
         return v[0] / sqrt(mean(square(v[0]), {1, 2}, true) + 0.5);
       },
       {uniform({2, 3, 2})}},
      {"batch_norm",
       [](auto& v) { return batch_norm(v[0], v[1], v[2]); },
       [](auto& v) { return standardized(v[0], 0) * v[1] + v[2]; },
       {uniform({4, 3}), uniform({3}), uniform({3})}},
      {"batch_norm of sequences",
       [](auto& v) { return batch_norm(v[0], v[1]); },
       [](auto& v) {
         return standardized(v[0], {0, 2}) * unsqueeze(v[1], 1);
       },
       {uniform({2, 3, 4}), uniform({3})}},
  };
}

std::vector<OpCase> products() {
  return {
      {"matmul", [](auto& v) { return matmul(v[0], v[1]); }, {uniform({2, 3}), uniform({3, 4})}},
      {"matmul vectors", [](auto& v) { return matmul(v[0], v[1]); }, {uniform({3}), uniform({3})}},
      {"matmul by vector",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 3}), uniform({3})}},
      {"matmul vector by",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({3}), uniform({3, 2})}},
      {"matmul batches by vector",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({3})}},
      {"matmul vector by batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({3}), uniform({2, 3, 2})}},
      {"matmul batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({2, 3, 2})}},
      {"matmul batches by matrix",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 2, 3}), uniform({3, 2})}},
      {"matmul matrix by batches",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3, 2})}},
      {"matmul broadcast",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 1, 2, 3}), uniform({2, 3, 2})}},
      {"matmul nothing inside",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({2, 0}), uniform({0, 3})}},
      {"matmul no rows",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({0, 3}), uniform({3, 2})}},
      {"matmul one by one",
       [](auto& v) { return matmul(v[0], v[1]); },
       {uniform({1, 1}), uniform({1, 1})}},
      {"mm", [](auto& v) { return mm(v[0], v[1]); }, {uniform({2, 3}), uniform({3, 4})}},
      {"bmm", [](auto& v) { return bmm(v[0], v[1]); }, {uniform({2, 2, 3}), uniform({2, 3, 2})}},
      {"mv", [](auto& v) { return mv(v[0], v[1]); }, {uniform({2, 3}), uniform({3})}},
      {"dot", [](auto& v) { return dot(v[0], v[1]); }, {uniform({4}), uniform({4})}},
      {"outer", [](auto& v) { return outer(v[0], v[1]); }, {uniform({2}), uniform({3})}},
      {"addmm",
       [](auto& v) { return addmm(v[0], v[1], v[2]); },
       {uniform({2, 4}), uniform({2, 3}), uniform({3, 4})}},
      {"addmm scaled",
       [](auto& v) { return addmm(v[0], v[1], v[2], 0.5, -2.0); },
       {uniform({4}), uniform({2, 3}), uniform({3, 4})}},
      {"linear",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({2, 3}), uniform({4, 3}), uniform({4})}},
      {"linear without bias",
       [](auto& v) { return linear(v[0], v[1]); },
       {uniform({2, 3}), uniform({4, 3})}},
      {"linear of steps",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({2, 2, 3}), uniform({2, 3}), uniform({2})}},
      {"linear of a vector",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({3}), uniform({4, 3}), uniform({4})}},
      {"linear of nothing",
       [](auto& v) { return linear(v[0], v[1], v[2]); },
       {uniform({0, 3}), uniform({4, 3}), uniform({4})}},
  };
}

std::vector<OpCase> windows() {
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

std::vector<OpCase> attention() {
  const auto by_hand = [](auto& v) {
    return matmul(softmax(matmul(v[0], transpose(v[1])) / std::sqrt(3.0), -1), v[2]);
  };
  return {
      {"bilinear",
       [](auto& v) { return bilinear(v[0], v[1], v[2], v[3]); },
       [](auto& v) {
         std::vector<Tensor> columns;
         for (std::int64_t o = 0; o < v[2].size(0); ++o) {
           columns.push_back(sum(matmul(v[0], v[2][o]) * v[1], 1) + v[3][o]);
         }
         return stack(columns, 1);
       },
       {uniform({3, 2}), uniform({3, 4}), uniform({2, 2, 4}), uniform({2})}},
      {"bilinear of vectors",
       [](auto& v) { return bilinear(v[0], v[1], v[2]); },
       [](auto& v) { return stack({dot(v[0], mv(v[2][0], v[1]))}); },
       {uniform({2}), uniform({3}), uniform({1, 2, 3})}},
      {"scaled_dot_product_attention",
       [](auto& v) { return scaled_dot_product_attention(v[0], v[1], v[2]); },
       by_hand,
       {uniform({2, 4, 3}), uniform({2, 5, 3}), uniform({2, 5, 2})}},
      {"scaled_dot_product_attention mask",  // the second query sees nothing
       [](auto& v) {
         return scaled_dot_product_attention(v[0], v[1], v[2], {.mask = plain(v[3])});
       },
       [](auto& v) {
         return stack(
             {matmul(
                  softmax(mv(index_select(v[1], 0, tensor({0, 2})), v[0][0]) / std::sqrt(3.0), 0),
                  index_select(v[2], 0, tensor({0, 2}))),
              zeros({2}, v[0].dtype())});
       },
       {uniform({2, 3}), uniform({3, 3}), uniform({3, 2}),
        tensor({{true, false, true}, {false, false, false}})}},
      {"scaled_dot_product_attention causal",
       [](auto& v) {
         return scaled_dot_product_attention(v[0], v[0], v[0], {.is_causal = true, .scale = 0.5});
       },
       [](auto& v) {
         std::vector<Tensor> rows;
         for (std::int64_t i = 0; i < 3; ++i) {
           const Tensor seen = narrow(v[0], 0, 0, i + 1);
           rows.push_back(matmul(softmax(0.5 * mv(seen, v[0][i]), 0), seen));
         }
         return stack(rows);
       },
       {uniform({3, 2})}},
      {"attention_weights",
       [](auto& v) { return attention_weights(v[0], v[1], {.mask = plain(v[2])}); },
       [](auto& v) {
         return softmax(matmul(v[0], transpose(v[1])) / std::sqrt(3.0) + v[2].to(v[0].dtype()), -1);
       },
       {uniform({2, 3}), uniform({4, 3}), tensor({{0, 1, 2, -1}, {3, 0, 0, 1}})}},
  };
}

}  // namespace tapegrad
