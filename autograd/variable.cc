// The functions of Variable, and the check that a value captured by a rule is not stale. Read next:
// autograd/node.cc.
#include <tapegrad/autograd/variable.h>

#include <tapegrad/autograd/errors.h>
#include <tapegrad/autograd/tape.h>

namespace tapegrad {
Variable parameter(Tensor value, bool requires_grad) {
  detail::check_differentiable("parameter", value.dtype());
  return {Tensor(), new Leaf(std::move(value), requires_grad)};
}

void Variable::set_requires_grad(bool requires_grad) {
  if (holds_leaf()) {
    node_->as_leaf().requires_grad = requires_grad;
  } else if (node_ && !requires_grad) {
    detail::throw_frozen_result();
  } else if (!node_ && requires_grad) {
    detail::check_differentiable("set_requires_grad", dtype());
    *this = parameter(value());
  }
}

Leaf& Variable::leaf() const {
  if (!holds_leaf()) detail::throw_no_leaf(!node_);
  return node_->as_leaf();
}

// The value has changed since this handle was made. Outside a rule that is fine: value() returns
// the present value. In a rule that captured the handle, the gradient would be wrong.
void Variable::check_stale() const {
  if (const Entry* const firing = tape().firing_) detail::throw_stale(*firing);
}

// A copy takes the present version. The exception is a copy made while a rule runs: a copy of a
// captured handle must stay as stale as the original.
void Variable::renew_version() noexcept {
  if (Tape::current_ != nullptr && Tape::current_->firing_ != nullptr) return;
  version_ = holds_leaf() ? node_->as_leaf().version() : value_.version();
}

void Variable::set_value(Tensor value) {
  Leaf& target = leaf();
  detail::check_same("set_value", value, target.stored());
  // Optimizers write to the leaf's memory, so nothing else may share it.
  const bool own = value.is_exclusive() && value.is_contiguous();
  target.set_value(own ? std::move(value) : value.clone());
  version_ = target.version();
}

NoGrad::NoGrad() : recording_before_(std::exchange(tape().recording_, false)) {}
NoGrad::~NoGrad() { tape().recording_ = recording_before_; }

}  // namespace tapegrad
