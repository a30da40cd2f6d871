// Rows of normalization. Read next: op_cases_matmul.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// The formula over dims, from primitives.
Tensor standardized(const Tensor& x, const Dims& dims) {
  return (x - mean(x, dims, true)) / sqrt(var(x, dims, false, true) + 1e-5);
}

}  // namespace

std::vector<OpCase> normalization_cases() {
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
      {"group_norm",
       [](auto& v) { return group_norm(v[0], 2, v[1], v[2], 0.1); },
       [](auto& v) {
         const Tensor rows = reshape(v[0], {2, 2, 6});
         const Tensor centered = rows - mean(rows, -1, true);
         const Tensor n = centered / sqrt(mean(square(centered), -1, true) + 0.1);
         return reshape(n, {2, 4, 3}) * reshape(v[1], {4, 1}) + reshape(v[2], {4, 1});
       },
       {uniform({2, 4, 3}), uniform({4}), uniform({4})}},
      {"batch_norm of images",
       [](auto& v) { return batch_norm(v[0], v[1], v[2], 0.1); },
       [](auto& v) {
         const Tensor centered = v[0] - mean(v[0], {0, 2, 3}, true);
         const Tensor n = centered / sqrt(mean(square(centered), {0, 2, 3}, true) + 0.1);
         return n * reshape(v[1], {3, 1, 1}) + reshape(v[2], {3, 1, 1});
       },
       {uniform({2, 3, 2, 2}), uniform({3}), uniform({3})}},
  };
}

}  // namespace tapegrad
