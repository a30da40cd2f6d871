// The methods of Tensor. Read next: tensor/dtype.h.
#include <tapegrad/tensor/methods_definitions.h>

namespace tapegrad {

template class Methods<Tensor>;

}  // namespace tapegrad
