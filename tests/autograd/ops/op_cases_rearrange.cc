// Rows of repeat, tile, flip, roll, tril and triu. Read next: op_cases_indexing.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> rearrange_cases() {
  return {
      {"repeat",
       [](auto& v) {
         return repeat(v[0], {2, 1, 3});
       },
       {uniform({3, 2})}},
      {"tile", [](auto& v) { return tile(v[0], 3); }, {uniform({3, 2})}},
      {"flip",
       [](auto& v) {
         return flip(v[0], {0, -1});
       },
       {uniform({2, 3, 2})}},
      {"roll",
       [](auto& v) {
         return roll(v[0], {1, -4}, {0, 1});
       },
       {uniform({2, 3})}},
      {"roll flat", [](auto& v) { return roll(v[0], 2); }, {uniform({2, 3})}},
      {"tril", [](auto& v) { return tril(v[0]); }, {uniform({3, 3})}},
      {"tril batch", [](auto& v) { return tril(v[0], 1); }, {uniform({2, 2, 3})}},
      {"triu", [](auto& v) { return triu(v[0]); }, {uniform({3, 3})}},
      {"triu batch", [](auto& v) { return triu(v[0], -1); }, {uniform({2, 3, 2})}},
  };
}

}  // namespace tapegrad
