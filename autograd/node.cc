// Changes of a leaf's value. Read next: autograd/row_sparse.h.
#include <tapegrad/autograd/node.h>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

Leaf::Leaf(Tensor value, bool wants_grad)
    : Node(true),
      requires_grad(wants_grad),
      value_(std::move(value)),
      changes_(0 - value_.version()) {}  // version() starts at 0, as in the first handle

Leaf::~Leaf() { delete policy_; }

Tensor& Leaf::writable_value() {
  flush();
  return writable_stored();
}

Tensor& Leaf::writable_stored() {
  if (!value_.is_exclusive()) {
    Tensor copy = value_.clone();
    changes_ = version() - copy.version();  // the same elements; the write to come is the change
    value_ = std::move(copy);
  }
  return value_;
}

void Leaf::set_value(Tensor value) {
  flush();
  if (is_pruned()) value = where(row_policy().kept(), value, 0);
  changes_ = version() + 1 - value.version();
  value_ = std::move(value);
}

}  // namespace tapegrad
