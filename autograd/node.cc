// Reference counts of nodes, and changes of a leaf's value. Read next: autograd/row_sparse.h.
#include <tapegrad/autograd/node.h>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

void Node::retain_leaf() noexcept {
  if (TAPEGRAD_SINGLE_THREADED) {
    ++references_;
  } else {
    __atomic_add_fetch(&references_, 1U, __ATOMIC_RELAXED);
  }
}

void Node::release_leaf() noexcept {
  const std::uint32_t left = TAPEGRAD_SINGLE_THREADED
                                 ? --references_
                                 : __atomic_sub_fetch(&references_, 1U, __ATOMIC_ACQ_REL);
  if (left == 0) destroy(this);
}

Leaf::Leaf(Tensor value, bool wants_grad)
    : Node(true),
      requires_grad(wants_grad),
      value_(std::move(value)),
      changes_(0 - value_.version()) {}  // version() starts at 0, as in the first handle

Leaf::~Leaf() = default;

Tensor& Leaf::writable_value() {
  flush();
  return writable_stored();
}

Tensor& Leaf::writable_stored() {
  if (!value_.is_exclusive()) {
    Tensor copy = value_.clone();
    changes_ = version() + 1 - copy.version();
    value_ = std::move(copy);
  }
  return value_;
}

void Leaf::set_value(Tensor value) {
  flush();
  changes_ = version() + 1 - value.version();
  value_ = std::move(value);
}

}  // namespace tapegrad
