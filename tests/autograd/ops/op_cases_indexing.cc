// Rows of parts. Read next: op_cases_gather_scatter.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> indexing_cases() {
  return {
      {"select", [](auto& v) { return select(v[0], 1, -2); }, {uniform({2, 3, 2})}},
      {"narrow", [](auto& v) { return narrow(v[0], 1, 1, 2); }, {uniform({2, 4})}},
      {"narrow to nothing", [](auto& v) { return narrow(v[0], 0, 1, 0); }, {uniform({2, 3})}},
      {"slice", [](auto& v) { return slice(v[0], 0, -6, 100, 2); }, {uniform({7, 2})}},
      {"slice last", [](auto& v) { return slice(v[0], -1, 1, 3); }, {uniform({2, 4})}},
      {"slice to nothing", [](auto& v) { return slice(v[0], 0, 3, 1); }, {uniform({4, 2})}},
      {"index",
       [](auto& v) {
         return index(v[0], {1, newaxis, Slice{1, {}, 2}, ellipsis, -1});
       },
       {uniform({2, 4, 2, 3})}},
      {"place",
       [](auto& v) {
         return place(v[0], {7, 2}, 0, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({7, 2}, v[0].dtype());
         slice(whole, 0, 1, 7, 2).copy_(v[0]);
         return whole;
       },
       {uniform({3, 2})}},
      {"place selected",
       [](auto& v) {
         return place(v[0], {2, 3, 2}, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({2, 3, 2}, v[0].dtype());
         select(whole, 1, 2).copy_(v[0]);
         return whole;
       },
       {uniform({2, 2})}},
  };
}

}  // namespace tapegrad
