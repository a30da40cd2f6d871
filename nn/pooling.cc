// masked_mean and masked_max, composed of primitives. Read next: nn/rnn_cell.h.
#include <tapegrad/nn/pooling.h>

#include <limits>
#include <string>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::nn {
namespace {

void check_pooling(const char* operation, const Variable& x, const Tensor& mask) {
  if (mask.dtype() != boolean) {
    throw DTypeError(
        std::string(operation) + ": mask is " + name(mask.dtype()) +
        ", needed boolean; compare the ids with the padding id, or use Embedding::mask()");
  }
  if (x.dim() != 3 || mask.dim() != 2 || mask.size(0) != x.size(0) || mask.size(1) != x.size(1)) {
    throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) + " and mask " +
                     to_string(mask.sizes()) + ", needed (batch, steps, dim) and (batch, steps)");
  }
}

}  // namespace

// y = (sum of x where mask is true) / (how many these are, at least 1)
Variable masked_mean(const Variable& x, const Tensor& mask) {
  check_pooling("masked_mean", x, mask);
  const Tensor counts = clamp(sum(mask, {1}, true), 1).to(x.dtype());  // (batch, 1)
  const Tensor left_out = unsqueeze(logical_not(mask), -1);            // (batch, steps, 1)
  return sum(masked_fill(x, left_out, 0), {1}) / counts;               // (batch, dim)
}

// y = max of x where mask is true, taken from the first of equal steps. A step that is left out
// wins nothing, not even if the others are -inf.
Variable masked_max(const Variable& x, const Tensor& mask) {
  check_pooling("masked_max", x, mask);
  if (x.size(1) == 0) return zeros({x.size(0), x.size(2)}, x.dtype());
  const double lowest = -std::numeric_limits<double>::infinity();
  const Tensor left_out = unsqueeze(logical_not(mask), -1);  // (batch, steps, 1)
  const ValuesAndIndices largest = max(masked_fill(x.value(), left_out, lowest), 1, true);
  const Tensor first = unsqueeze(argmax(mask.to(int64), 1, true), -1);  // (batch, 1, 1)
  const Tensor winners =
      where(largest.values == lowest, first, largest.indices);  // (batch, 1, dim)
  return masked_fill(squeeze(gather(x, 1, winners), 1), logical_not(any(mask, 1, true)), 0);
}

}  // namespace tapegrad::nn
