// Rows of softmax, log_softmax and logsumexp. Read next: op_cases_sorting.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> softmax_cases() {
  return {
      {"logsumexp",
       [](auto& v) {
         return logsumexp(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"logsumexp keepdim", [](auto& v) { return logsumexp(v[0], -1, true); }, {uniform({2, 3})}},
      {"softmax", [](auto& v) { return softmax(v[0], 1); }, {uniform({2, 3})}},
      {"softmax first", [](auto& v) { return softmax(v[0], 0); }, {uniform({3, 2, 2})}},
      {"softmax of nothing", [](auto& v) { return softmax(v[0], 1); }, {uniform({0, 3})}},
      {"softmax of one", [](auto& v) { return softmax(v[0], 0); }, {uniform({1})}},
      {"log_softmax", [](auto& v) { return log_softmax(v[0], 1); }, {uniform({2, 3})}},
      {"log_softmax middle", [](auto& v) { return log_softmax(v[0], -2); }, {uniform({2, 3, 2})}},
      {"log_softmax of nothing", [](auto& v) { return log_softmax(v[0], 1); }, {uniform({0, 3})}},
      {"softmin", [](auto& v) { return softmin(v[0], 1); }, {uniform({2, 3})}},
  };
}

}  // namespace tapegrad
