// Rows of copies by index or by mask. Read next: op_cases_embedding_bag.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> gather_scatter_cases() {
  return {
      {"index_select",
       [](auto& v) { return index_select(v[0], 1, plain(v[1])); },
       {uniform({2, 3}), tensor({2, 0, 2, 2})}},
      {"index_select nothing",
       [](auto& v) { return index_select(v[0], 0, zeros({0}, int64)); },
       {uniform({2, 3})}},
      {"gather",
       [](auto& v) { return gather(v[0], 0, plain(v[1])); },
       {uniform({3, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"take_along_dim",
       [](auto& v) { return take_along_dim(v[0], plain(v[1]), 1); },
       {uniform({2, 3}), tensor({{2, 0, 0, 1}})}},
      {"scatter",
       [](auto& v) { return scatter(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 5}), uniform({2, 4}), tensor({{2, 0, 1, 3}, {3, 1, 0, 2}})}},
      {"scatter_add",
       [](auto& v) { return scatter_add(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 3}), uniform({2, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"scatter_add part",
       [](auto& v) { return scatter_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 5}), uniform({4, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"index_add",
       [](auto& v) { return index_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 2}), uniform({5, 2}), tensor({2, 0, 2, 1, 2})}},
      {"masked_select",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 3}), mask()}},
      {"masked_select broadcast",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 1, 3}), mask()}},
      {"masked_fill",
       [](auto& v) { return masked_fill(v[0], plain(v[1]), -1.5); },
       {uniform({2, 2, 3}), mask()}},
  };
}

}  // namespace tapegrad
