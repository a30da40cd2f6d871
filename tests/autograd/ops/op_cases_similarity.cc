// Rows of similarity. Read next: op_cases_attention.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> similarity_cases() {
  return {
      {"cosine_similarity",
       [](auto& v) { return cosine_similarity(v[0], v[1]); },
       {away({2, 3}), away({2, 3})}},
      {"cosine_similarity broadcast",
       [](auto& v) { return cosine_similarity(v[0], v[1], -1); },
       {away({1, 3}), away({4, 3})}},
      {"pairwise_distance",
       [](auto& v) { return pairwise_distance(v[0], v[1]); },
       {uniform({2, 3}), uniform({2, 3})}},
      {"pairwise_distance 3",
       [](auto& v) { return pairwise_distance(v[0], v[1], 3.0, 1e-6, true); },
       {uniform({2, 3}), uniform({2, 3})}},
      {"cdist", [](auto& v) { return cdist(v[0], v[1]); }, {uniform({2, 3}), uniform({4, 3})}},
      {"cdist 1",
       [](auto& v) { return cdist(v[0], v[1], 1.0); },
       {uniform({2, 3}), uniform({4, 3})}},
      {"normalize", [](auto& v) { return normalize(v[0]); }, {away({2, 3})}},
      {"normalize 3", [](auto& v) { return normalize(v[0], 3.0, 0); }, {away({3, 2})}},
  };
}

}  // namespace tapegrad
