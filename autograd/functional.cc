// Derivatives of functions, by backward passes. Read next: autograd/gradcheck.h.
#include <tapegrad/autograd/functional.h>

#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>

namespace tapegrad {
namespace {

// function(x) at a new leaf.
struct Evaluated {
  Variable x;
  Variable y;
};
Evaluated evaluated(const char* operation, const VariableFunction& function, const Tensor& x) {
  if (!is_floating_point(x.dtype())) {
    throw DTypeError(std::string(operation) + ": x is " + name(x.dtype()) +
                     ", needed a floating-point type; convert it with to(float32)");
  }
  if (!Tape::is_recording()) {
    throw AutogradError(std::string(operation) +
                        ": recording is off, so no derivative would be found; call it where no "
                        "NoGrad exists");
  }
  const Variable leaf = parameter(x.clone());
  return {leaf, function(leaf)};
}

void require_one_element(const char* operation, const Variable& y) {
  if (y.numel() == 1) return;
  throw ShapeError(std::string(operation) + ": the function returned " + to_string(y.sizes()) +
                   ", needed one element, such as a sum; use jacobian for several");
}

void require_shape(const char* operation, const Tensor& v, const Variable& x, const char* what) {
  if (v.shape() == x.shape()) return;
  throw ShapeError(std::string(operation) + ": v is " + to_string(v.sizes()) + ", needed " +
                   to_string(x.sizes()) + ", the shape of " + what);
}

// The gradient of y by x, zeros if y does not depend on x.
Variable gradient(const Variable& y, const Variable& x, GradOptions options) {
  if (!y.requires_grad()) return zeros_like(x.value());
  options.allow_unused = true;
  const Variable found = grad(y, x, std::move(options));
  return found.defined() ? found : Variable(zeros_like(x.value()));
}

// The gradients of all elements of y by x: (*y, *x).
Tensor gradients_of_elements(const Variable& y, const Variable& x) {
  std::vector<Tensor> rows;
  const Tensor units = eye(y.numel(), y.dtype());
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const Tensor unit = reshape(units[i], y.shape());
    rows.push_back(gradient(y, x, {.grad_output = unit, .retain_graph = true}).value());
  }
  Shape shape = y.shape();
  for (const std::int64_t size : x.sizes()) shape.push_back(size);
  return rows.empty() ? zeros(shape, x.dtype()) : reshape(stack(rows), shape);
}

}  // namespace

Tensor jacobian(const VariableFunction& function, const Tensor& x) {
  const Evaluated at = evaluated("jacobian", function, x);
  return gradients_of_elements(at.y, at.x);
}

Tensor hessian(const VariableFunction& function, const Tensor& x) {
  const Evaluated at = evaluated("hessian", function, x);
  require_one_element("hessian", at.y);
  return gradients_of_elements(gradient(at.y, at.x, {.create_graph = true}), at.x);
}

DerivativeProduct vjp(const VariableFunction& function, const Tensor& x, const Tensor& v) {
  const Evaluated at = evaluated("vjp", function, x);
  if (v.defined()) {
    require_shape("vjp", v, at.y, "the function's result");
  } else {
    require_one_element("vjp", at.y);
  }
  return {at.y.value(), gradient(at.y, at.x, {.grad_output = v}).value()};
}

// v^T J is linear in v, and its derivative by v, times the vector, is J times the vector.
DerivativeProduct jvp(const VariableFunction& function, const Tensor& x, const Tensor& v) {
  const Evaluated at = evaluated("jvp", function, x);
  require_shape("jvp", v, at.x, "x");
  if (!at.y.requires_grad()) return {at.y.value(), zeros_like(at.y.value())};
  const Variable any = parameter(ones_like(at.y.value()));
  const Variable product = gradient(sum(at.y * any), at.x, {.create_graph = true});
  return {at.y.value(), gradient(product, any, {.grad_output = v}).value()};
}

DerivativeProduct hvp(const VariableFunction& function, const Tensor& x, const Tensor& v) {
  const Evaluated at = evaluated("hvp", function, x);
  require_one_element("hvp", at.y);
  require_shape("hvp", v, at.x, "x");
  const Variable slope = gradient(at.y, at.x, {.create_graph = true});
  return {at.y.value(), gradient(slope, at.x, {.grad_output = v}).value()};
}

}  // namespace tapegrad
