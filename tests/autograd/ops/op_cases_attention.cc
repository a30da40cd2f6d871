// Rows of attention. Read next: ../ops_test.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> attention_cases() {
  const auto by_hand = [](auto& v) {
    return matmul(softmax(matmul(v[0], transpose(v[1])) / std::sqrt(3.0), -1), v[2]);
  };
  return {
      {"scaled_dot_product_attention",
       [](auto& v) { return scaled_dot_product_attention(v[0], v[1], v[2]); },
       by_hand,
       {uniform({2, 4, 3}), uniform({2, 5, 3}), uniform({2, 5, 2})}},
      {"scaled_dot_product_attention mask",  // the second query sees no key
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
