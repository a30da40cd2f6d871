// Rows of what repeats, reorders and pads. Read next: op_cases_indexing.cc.
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
      {"repeat_interleave", [](auto& v) { return repeat_interleave(v[0], 2); }, {uniform({2, 3})}},
      {"repeat_interleave counts",
       [](auto& v) { return repeat_interleave(v[0], plain(v[1]), 0); },
       {uniform({3, 2}), tensor({2, 0, 1})}},
      {"diag", [](auto& v) { return diag(v[0], -1); }, {uniform({3})}},
      {"diag matrix", [](auto& v) { return diag(v[0], 1); }, {uniform({3, 4})}},
      {"meshgrid",
       [](auto& v) {
         return meshgrid({v[0], v[1]});
       },
       {uniform({3}), uniform({2})}},
      {"meshgrid xy",
       [](auto& v) {
         return meshgrid({v[0], v[1]}, GridIndexing::xy);
       },
       {uniform({3}), uniform({2})}},
      {"pad",
       [](auto& v) {
         return pad(v[0], {1, 2, -1, 1}, PadMode::zeros, 1.5);
       },
       {uniform({3, 2})}},
      {"pad reflect",
       [](auto& v) {
         return pad(v[0], {2, 1, 1, 0}, PadMode::reflect);
       },
       {uniform({2, 3})}},
      {"pad replicate",
       [](auto& v) {
         return pad(v[0], {2, 1}, PadMode::replicate);
       },
       {uniform({2, 3})}},
      {"pad circular",
       [](auto& v) {
         return pad(v[0], {2, 1}, PadMode::circular);
       },
       {uniform({2, 3})}},
  };
}

}  // namespace tapegrad
