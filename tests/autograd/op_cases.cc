// The list of all rows. Add the row of a new operation to the file of its family (op_inputs.h lists
// the families); a test reads ops.h and fails if an operation has no row. Read next: op_inputs.h.
#include "autograd/op_cases.h"

#include "autograd/op_inputs.h"

namespace tapegrad {

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> all;
    for (const auto& family :
         {elementwise_cases(), activations_cases(), reductions_cases(), minmax_cases(),
          softmax_cases(), sorting_cases(), normalization_cases(), matmul_cases(),
          convolution_cases(), images_cases(), views_cases(), rearrange_cases(), indexing_cases(),
          gather_scatter_cases(), embedding_bag_cases(), similarity_cases(), attention_cases()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return cases;
}

}  // namespace tapegrad
