// The methods of Variable, its assignment operators, and spellings of grad(). Read next:
// autograd/ops.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/methods_definitions.h>

namespace tapegrad {

template class Methods<Variable>;

namespace {

// x = operation(x, other): a new result bound to the name, or the value of a leaf under NoGrad.
template <class Operation, class Other>
void assign(Variable& x, const char* name, Operation operation, const Other& other) {
  if (!x.is_leaf() || !x.requires_grad()) {
    x = operation(x, other);
    return;
  }
  if (Tape::is_recording()) {
    throw AutogradError(std::string("operator") + name +
                        ": got a leaf that requires a gradient, and a result would replace it; " +
                        "to train it, write this where a NoGrad exists, or use an optimizer; to " +
                        "compute with it, bind the result to another name");
  }
  x.set_value(operation(x, other).value().to(x.dtype()));
}

}  // namespace

Variable& Variable::operator+=(const Variable& other) & {
  assign(
      *this, "+=", [](const Variable& a, const auto& b) { return a + b; }, other);
  return *this;
}
Variable& Variable::operator+=(Scalar other) & {
  assign(
      *this, "+=", [](const Variable& a, const auto& b) { return a + b; }, other);
  return *this;
}
Variable& Variable::operator-=(const Variable& other) & {
  assign(
      *this, "-=", [](const Variable& a, const auto& b) { return a - b; }, other);
  return *this;
}
Variable& Variable::operator-=(Scalar other) & {
  assign(
      *this, "-=", [](const Variable& a, const auto& b) { return a - b; }, other);
  return *this;
}
Variable& Variable::operator*=(const Variable& other) & {
  assign(
      *this, "*=", [](const Variable& a, const auto& b) { return a * b; }, other);
  return *this;
}
Variable& Variable::operator*=(Scalar other) & {
  assign(
      *this, "*=", [](const Variable& a, const auto& b) { return a * b; }, other);
  return *this;
}
Variable& Variable::operator/=(const Variable& other) & {
  assign(
      *this, "/=", [](const Variable& a, const auto& b) { return a / b; }, other);
  return *this;
}
Variable& Variable::operator/=(Scalar other) & {
  assign(
      *this, "/=", [](const Variable& a, const auto& b) { return a / b; }, other);
  return *this;
}

std::vector<Variable> grad(const Variable& output, std::initializer_list<Variable> inputs,
                           GradOptions options) {
  return grad(output, std::vector<Variable>(inputs), std::move(options));
}

Variable grad(const Variable& output, const Variable& input, GradOptions options) {
  return std::move(grad(output, {input}, std::move(options)).front());
}

}  // namespace tapegrad
