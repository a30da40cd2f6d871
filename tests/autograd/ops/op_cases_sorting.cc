// Rows of sort and topk. Read next: op_cases_normalization.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> sorting_cases() {
  return {
      {"sort", [](auto& v) { return sort(v[0]); }, {distinct({2, 5})}},
      {"sort descending", [](auto& v) { return sort(v[0], 0, true); }, {distinct({5, 2})}},
      {"topk", [](auto& v) { return topk(v[0], 2); }, {distinct({2, 5})}},
      {"topk smallest", [](auto& v) { return topk(v[0], 3, 0, false); }, {distinct({5, 2})}},
  };
}

}  // namespace tapegrad
