// The texts of autograd's errors. Read next: autograd/print.cc.
#include <tapegrad/autograd/errors.h>

#include <string>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::detail {
namespace {

std::string quoted(const Entry& entry) {
  return "'" + std::string(entry.name()) + "' (#" + std::to_string(entry.number()) + ")";
}

std::string described(const Tensor& x) {
  return std::string(name(x.dtype())) + " " + to_string(x.sizes());
}

}  // namespace

void check_differentiable(const char* operation, DType dtype) {
  if (is_floating_point(dtype)) return;
  throw DTypeError(
      std::string(operation) + ": " + name(dtype) +
      " cannot require a gradient, needed float32 or float64; convert with to(float32)");
}

void check_same(const char* operation, const Tensor& given, const Tensor& needed) {
  if (given.same_sizes(needed) && given.dtype() == needed.dtype()) return;
  throw ShapeError(std::string(operation) + ": got " + described(given) + ", needed " +
                   described(needed));
}

Tensor checked_start(const char* operation, const Variable& output, const Tensor& given) {
  const std::string start = std::string(operation) + ": ";
  if (!output.is_leaf() && &output.node()->as_entry().owner() != &tape()) {
    throw AutogradError(
        start +
        "this was recorded on another thread, and history cannot leave its thread; call it "
        "there");
  }
  if (!output.requires_grad()) {
    throw AutogradError(
        start +
        "this value does not depend on anything that requires a gradient, or it was "
        "computed while recording was off (NoGrad)");
  }
  if (given.defined()) {
    if (given.shape() == output.shape()) return given.to(output.dtype());
    throw ShapeError(start + "got a gradient of shape " + to_string(given.sizes()) +
                     ", needed the output's shape " + to_string(output.sizes()));
  }
  if (output.numel() == 1) return ones_like(output.value());
  throw AutogradError(start + "the output has shape " + to_string(output.sizes()) +
                      ", needed one element; reduce it with sum() or mean(), or pass a gradient "
                      "of its shape");
}

void check_rows(const Entry& from, const RowSparse& given, std::span<const std::int64_t> sizes) {
  const Tensor& ids = given.ids;
  if (sizes.size() == 2 && ids.dim() == 1 && given.rows.shape() == Shape{ids.numel(), sizes[1]}) {
    return;
  }
  throw ShapeError("backward: a rule of '" + std::string(from.name()) + "' returned ids " +
                   to_string(ids.sizes()) + " and rows " + to_string(given.rows.sizes()) +
                   ", needed (count) and (count, width) for a table of shape " + to_string(sizes));
}

void throw_no_leaf(bool is_constant) {
  throw AutogradError(
      is_constant ? "leaf: this is a constant, needed a leaf; make one with parameter(tensor)"
                  : "leaf: this is the result of an operation, and only leaves store a "
                    "gradient; compute it with grad(output, {this}), or call retain_grad() "
                    "before backward()");
}

void throw_no_grad() {
  throw AutogradError(
      "grad: there is no gradient; call backward() on a value computed from this, or check "
      "has_grad() first");
}

void throw_no_row_grad(bool has_dense) {
  throw AutogradError(has_dense ? "row_grad: the gradient is dense; use grad()"
                                : "row_grad: there is no gradient; check has_row_grad() first");
}

void throw_frozen_result() {
  throw AutogradError(
      "set_requires_grad: this is the result of an operation, and only leaves can be frozen; "
      "detach() returns the value without history");
}

void throw_stale(const Entry& firing) {
  throw AutogradError("backward: a value that " + quoted(firing) +
                      " needs was overwritten in place since it was recorded; call backward() "
                      "before changing it, or change a clone()");
}

void throw_consumed(const Entry& entry) {
  throw AutogradError("backward: an earlier pass has consumed the history of " + quoted(entry) +
                      "; to use it twice, call backward({.retain_graph = true}) the "
                      "first time; to go on from an earlier step, such as with the state of a "
                      "recurrent layer, pass its detach() to the next one");
}

void throw_other_thread(const char* operation) {
  throw AutogradError(
      std::string(operation) +
      ": an input was recorded on another thread, and history cannot leave its thread; "
      "pass its detach() or value() instead");
}

void throw_nested() {
  throw AutogradError(
      "backward: called by a rule or a hook while a pass is running; a rule must return its "
      "gradient as an expression instead");
}

void throw_bad_gradient(const Entry* from, std::span<const std::int64_t> given,
                        std::span<const std::int64_t> needed) {
  throw ShapeError(
      "backward: " +
      (from != nullptr ? "the gradient from a rule of '" + std::string(from->name()) + "'"
                       : std::string("the gradient given or returned by a hook")) +
      " has shape " + to_string(given) + ", needed the input's shape " + to_string(needed));
}

void throw_no_inputs() {
  throw AutogradError("grad: got no inputs, needed the Variables to differentiate by");
}

void throw_untracked_input(std::size_t position) {
  throw AutogradError("grad: input " + std::to_string(position) +
                      " does not require a gradient; make it with parameter()");
}

void throw_unused_input(std::size_t position) {
  throw AutogradError("grad: the output does not depend on input " + std::to_string(position) +
                      "; to allow this, pass {.allow_unused = true}");
}

}  // namespace tapegrad::detail
