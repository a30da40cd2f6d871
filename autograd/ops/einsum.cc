// Einstein sums of Variables, composed of other operations. Read next: autograd/ops/windows.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops/einsum.h>

namespace tapegrad {

Variable einsum(const std::string& equation, std::span<const Variable> operands) {
  return composition::einsum(equation, operands);
}

}  // namespace tapegrad
