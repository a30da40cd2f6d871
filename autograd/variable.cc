#include <tapegrad/autograd/variable.h>

#include <algorithm>
#include <atomic>
#include <ostream>
#include <string>

#include <tapegrad/autograd/tape.h>

namespace tapegrad {
namespace {

void check_differentiable(DType dtype, const char* operation) {
  if (!is_floating_point(dtype)) {
    throw DTypeError(
        std::string(operation) + ": " + name(dtype) +
        " cannot want a gradient, needed float32 or float64; convert with to(float32)");
  }
}

}  // namespace

Variable parameter(Tensor value, bool requires_grad) {
  check_differentiable(value.dtype(), "parameter");
  return {Tensor(), new Leaf(std::move(value), requires_grad)};
}

bool Variable::requires_grad() const {
  return node_ != nullptr && (!node_->is_leaf() || node_->as_leaf().requires_grad);
}

void Variable::set_requires_grad(bool requires_grad) {
  if (node_ != nullptr && node_->is_leaf()) {
    node_->as_leaf().requires_grad = requires_grad;
  } else if (node_ == nullptr) {
    if (!requires_grad) return;
    check_differentiable(dtype(), "set_requires_grad");
    *this = parameter(value());
  } else if (!requires_grad) {
    throw AutogradError(
        "set_requires_grad: this is the result of an operation, only leaves can be frozen; "
        "detach() gives it without history");
  }
}

Leaf& Variable::leaf() const {
  if (node_ == nullptr || !node_->is_leaf()) {
    throw AutogradError(node_ == nullptr
                            ? "leaf: this is a constant; parameter(tensor) makes a leaf"
                            : "leaf: this is the result of an operation, only leaves have a "
                              "gradient; ask grad(output, {this}) for it");
  }
  return node_->as_leaf();
}

std::uint32_t Variable::leaf_version() const noexcept { return node_->as_leaf().version(); }

const Tensor& Variable::leaf_value() const {
  if (version_ != leaf_version()) check_stale();
  return node_->as_leaf().value();
}

const Tensor& Variable::leaf_stored() const { return node_->as_leaf().stored(); }

// The value has changed since this handle was made. For a user that is fine: the value is what it
// is now. For a rule that captured the handle, the gradient would be wrong.
void Variable::check_stale() const {
  const Entry* const firing = tape().firing_;
  if (firing == nullptr) return;
  throw AutogradError("backward: a value that '" + std::string(firing->name()) + "' (#" +
                      std::to_string(firing->number()) +
                      ") needs was overwritten in place since it was recorded; call backward() "
                      "before changing it, or change a clone()");
}

// A copy sees the value as it is now, but not one that a rule makes of what it captured: that is as
// stale as the original.
void Variable::renew_version() noexcept {
  if (Tape::current_ != nullptr && Tape::current_->firing_ != nullptr) return;
  version_ = node_ != nullptr && node_->is_leaf() ? leaf_version() : value_.version();
}

bool Variable::has_grad() const { return !leaf().grad.empty(); }

bool Variable::has_row_grad() const { return !leaf().grad.rows.empty(); }

Tensor Variable::grad() const {
  if (!has_grad()) {
    throw AutogradError(
        "grad: there is no gradient; call backward() on something computed from this, or ask "
        "has_grad() first");
  }
  return leaf().dense_grad();
}

RowGradient Variable::row_grad() const {
  if (!has_row_grad()) {
    throw AutogradError(has_grad() ? "row_grad: the gradient is dense; take grad()"
                                   : "row_grad: there is no gradient; ask has_row_grad() first");
  }
  const RowPieces& pieces = leaf().coalesced_grad();
  return {pieces.ids, pieces.rows};
}

void Variable::set_grad(Tensor gradient) const {
  Leaf& target = leaf();
  if (gradient.shape() != target.stored().shape() || gradient.dtype() != target.stored().dtype()) {
    throw ShapeError("set_grad: got " + std::string(name(gradient.dtype())) + " " +
                     to_string(gradient.sizes()) + ", needed " + name(target.stored().dtype()) +
                     " " + to_string(target.stored().sizes()));
  }
  target.grad.clear();
  ++target.grad_changes;
  target.grad.dense = Variable(std::move(gradient));
}

void Variable::zero_grad() const {
  leaf().grad.clear();
  ++leaf().grad_changes;
}

void Variable::set_value(Tensor value) {
  Leaf& target = leaf();
  if (value.shape() != target.stored().shape() || value.dtype() != target.stored().dtype()) {
    throw ShapeError("set_value: got " + std::string(name(value.dtype())) + " " +
                     to_string(value.sizes()) + ", needed " + name(target.stored().dtype()) + " " +
                     to_string(target.stored().sizes()));
  }
  // The leaf's memory is its own, so that optimisers may write to it.
  const bool own = value.is_exclusive() && value.is_contiguous();
  target.set_value(own ? std::move(value) : value.clone());
  version_ = target.version();
}

std::size_t Variable::add_hook(Hook hook) const {
  static std::atomic<std::size_t> count = 0;
  if (node_ == nullptr || !requires_grad()) {
    throw AutogradError("register_hook: this variable does not want a gradient");
  }
  const std::size_t number = ++count;
  if (node_->is_leaf()) {
    node_->as_leaf().hooks.emplace_back(number, std::make_shared<const Hook>(std::move(hook)));
  } else {
    auto& hooks = node_->as_entry().hooks_;
    if (hooks == nullptr) hooks = std::make_unique<Hooks>();
    hooks->emplace_back(number, std::make_shared<const Hook>(std::move(hook)));
  }
  return number;
}

void Variable::remove_hook(std::size_t hook) const {
  if (node_ == nullptr) return;
  const auto remove_from = [hook](auto& hooks) {
    std::erase_if(hooks, [hook](const auto& entry) { return entry.first == hook; });
  };
  if (node_->is_leaf()) {
    remove_from(node_->as_leaf().hooks);
  } else if (auto& hooks = node_->as_entry().hooks_; hooks != nullptr) {
    remove_from(*hooks);
  }
}

std::ostream& operator<<(std::ostream& out, const Variable& variable) {
  out << variable.value();
  if (variable.requires_grad()) {
    if (variable.is_leaf()) {
      out << " (leaf, requires_grad)";
    } else {
      const Entry& entry = variable.node()->as_entry();
      out << " (#" << entry.number() << ' ' << entry.name() << ')';
    }
  }
  return out;
}

NoGrad::NoGrad() : before_(std::exchange(tape().recording_, false)) {}
NoGrad::~NoGrad() { tape().recording_ = before_; }

}  // namespace tapegrad
