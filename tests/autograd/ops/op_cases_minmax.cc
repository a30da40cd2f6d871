// Rows of minimum and maximum. Read next: op_cases_softmax.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> minmax_cases() {
  return {
      {"max", [](auto& v) { return max(v[0]); }, {distinct({2, 3})}},
      {"max dim", [](auto& v) { return max(v[0], 1); }, {distinct({2, 3})}},
      {"max keepdim", [](auto& v) { return max(v[0], 0, true); }, {distinct({3, 2, 2})}},
      {"min", [](auto& v) { return min(v[0]); }, {distinct({2, 3})}},
      {"min dim", [](auto& v) { return min(v[0], 1); }, {distinct({2, 3})}},
      {"amax", [](auto& v) { return amax(v[0]); }, {distinct({2, 3})}},
      {"amax dims",
       [](auto& v) {
         return amax(v[0], {0, 2}, true);
       },
       {distinct({3, 2, 2})}},
      {"amin", [](auto& v) { return amin(v[0], 1); }, {distinct({2, 3})}},
      {"min keepdim", [](auto& v) { return min(v[0], 0, true); }, {distinct({3, 2, 2})}},
  };
}

}  // namespace tapegrad
