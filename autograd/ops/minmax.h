// Elements picked along a dimension, with their positions: what max, min, sort and topk return.
//
// Internal. Read next: autograd/ops/minmax.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

// `result` as Tensors gave it, with the rule that returns each gradient to the position it came
// from.
VariableAndIndices picked(const char* name, const Variable& x, ValuesAndIndices result,
                          std::int64_t dim, bool keepdim);

}  // namespace tapegrad
