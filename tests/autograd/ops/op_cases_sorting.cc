// Rows of sort and topk. Read next: op_cases_normalization.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> sorting_cases() {
  return {
      {"sort", [](auto& v) { return sort(v[0]); }, {distinct({2, 5})}},
      {"sort descending", [](auto& v) { return sort(v[0], 0, true); }, {distinct({5, 2})}},
      {"median", [](auto& v) { return median(v[0]); }, {distinct({2, 4})}},
      {"median dim", [](auto& v) { return median(v[0], 0); }, {distinct({5, 2})}},
      {"median keepdim", [](auto& v) { return median(v[0], 1, true); }, {distinct({3, 4})}},
      {"topk", [](auto& v) { return topk(v[0], 2); }, {distinct({2, 5})}},
      {"topk smallest", [](auto& v) { return topk(v[0], 3, 0, false); }, {distinct({5, 2})}},
  };
}

}  // namespace tapegrad
