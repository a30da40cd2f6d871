// Rows of matrix products. Read next: op_cases_convolution.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> matmul_cases() {
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
      {"einsum",
       [](auto& v) {
         return einsum("bij,bjk->bik", {v[0], v[1]});
       },
       {uniform({2, 3, 4}), uniform({2, 4, 2})}},
      {"einsum vector",
       [](auto& v) { return einsum("...i,jk,i", v); },
       {uniform({2, 3}), uniform({2, 2}), uniform({3})}},
      {"einsum diagonal", [](auto& v) { return einsum("iji->j", {v[0]}); }, {uniform({3, 2, 3})}},
  };
}

}  // namespace tapegrad
