// picked(): records elements picked along a dimension, the result of max, min, sort and topk.
//
// Internal. Read next: autograd/ops/minmax.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

// Records `result`, the values and indices that the operation on Tensors returned. The rule adds
// each gradient at the position that its element came from.
VariableAndIndices picked(const char* name, const Variable& x, ValuesAndIndices result,
                          std::int64_t dim, bool keepdim);

}  // namespace tapegrad
