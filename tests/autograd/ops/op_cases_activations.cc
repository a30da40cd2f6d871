// Rows of the activations. Read next: op_cases_reductions.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> activations_cases() {
  // Not at the kinks, and on both sides of them.
  const Tensor x = distinct({5, 9}) + 0.03;
  return {
      {"relu6", [](auto& v) { return relu6(v[0] * 3); }, {x}, kElementwise},
      {"hardtanh", [](auto& v) { return hardtanh(v[0]); }, {x}, kElementwise},
      {"hardtanh bounds", [](auto& v) { return hardtanh(v[0], -0.5, 2); }, {x}, kElementwise},
      {"hardsigmoid", [](auto& v) { return hardsigmoid(v[0]); }, {x}, kElementwise},
      {"hardswish", [](auto& v) { return hardswish(v[0]); }, {x}, kElementwise},
      {"selu", [](auto& v) { return selu(v[0]); }, {x}, kElementwise},
      {"celu", [](auto& v) { return celu(v[0]); }, {x}, kElementwise},
      {"celu alpha", [](auto& v) { return celu(v[0], 0.7); }, {x}, kElementwise},
      {"mish", [](auto& v) { return mish(v[0]); }, {x}, kElementwise},
      {"logsigmoid", [](auto& v) { return logsigmoid(v[0]); }, {x}, kElementwise},
      {"softshrink", [](auto& v) { return softshrink(v[0]); }, {x}, kElementwise},
      {"softshrink lambd", [](auto& v) { return softshrink(v[0], 1); }, {x}, kElementwise},
      {"hardshrink", [](auto& v) { return hardshrink(v[0]); }, {x}, kElementwise},
      {"hardshrink lambd", [](auto& v) { return hardshrink(v[0], 1); }, {x}, kElementwise},
      {"threshold", [](auto& v) { return threshold(v[0], 0.5, -2); }, {x}, kElementwise},
      {"prelu", [](auto& v) { return prelu(v[0], v[1]); }, {x, uniform({1})}},
      {"prelu channels", [](auto& v) { return prelu(v[0], v[1]); }, {x, uniform({9})}},
      {"glu", [](auto& v) { return glu(v[0]); }, {uniform({2, 6})}},
      {"glu dim", [](auto& v) { return glu(v[0], 0); }, {uniform({4, 3})}},
  };
}

}  // namespace tapegrad
