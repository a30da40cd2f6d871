// All rows. A new operation gets one in the file of its family (op_inputs.h lists them); a test
// reads ops.h and complains if it has none. Read next: op_inputs.h.
#include "autograd/op_cases.h"

#include "autograd/op_inputs.h"

namespace tapegrad {

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> all;
    for (const auto& family : {arithmetic(), functions(), reductions(), normalization(), products(),
                               attention(), windows(), shapes(), indexing()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return cases;
}

}  // namespace tapegrad
