// The methods of Parameter, and tie(). Read next: nn/module/clone.h.
#include <tapegrad/nn/module/parameter.h>

#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/methods_definitions.h>

namespace tapegrad {

template class Methods<Variable, Parameter>;

namespace {

template <class Operation>
void assign(Parameter& parameter, const char* name, Operation operation) {
  if (Tape::is_recording()) {
    throw AutogradError(std::string("operator") + name +
                        ": got a Parameter, which a result cannot replace; to train it, write this "
                        "where a NoGrad exists, or use an optimizer");
  }
  parameter.set_value(operation(parameter.variable()).value().to(parameter.dtype()));
}

}  // namespace

Parameter& Parameter::operator+=(const Variable& other) & {
  assign(*this, "+=", [&](const Variable& x) { return x + other; });
  return *this;
}
Parameter& Parameter::operator+=(Scalar other) & {
  assign(*this, "+=", [&](const Variable& x) { return x + other; });
  return *this;
}
Parameter& Parameter::operator-=(const Variable& other) & {
  assign(*this, "-=", [&](const Variable& x) { return x - other; });
  return *this;
}
Parameter& Parameter::operator-=(Scalar other) & {
  assign(*this, "-=", [&](const Variable& x) { return x - other; });
  return *this;
}
Parameter& Parameter::operator*=(const Variable& other) & {
  assign(*this, "*=", [&](const Variable& x) { return x * other; });
  return *this;
}
Parameter& Parameter::operator*=(Scalar other) & {
  assign(*this, "*=", [&](const Variable& x) { return x * other; });
  return *this;
}
Parameter& Parameter::operator/=(const Variable& other) & {
  assign(*this, "/=", [&](const Variable& x) { return x / other; });
  return *this;
}
Parameter& Parameter::operator/=(Scalar other) & {
  assign(*this, "/=", [&](const Variable& x) { return x / other; });
  return *this;
}

void tie(Parameter& target, const Parameter& source) {
  if (target.shape() != source.shape() || target.dtype() != source.dtype()) {
    throw ShapeError("tie: got " + std::string(name(target.dtype())) + " " +
                     to_string(target.sizes()) + " and " + name(source.dtype()) + " " +
                     to_string(source.sizes()) + ", needed the same shape and type");
  }
  target.slot_->variable = source.variable();
}

Parameter::Parameter(Variable leaf) : slot_(Slot(std::move(leaf))) {}

Parameter::Parameter(const Parameter& other) : slot_(other.slot_) {
  if (nn::MemberScan* const scan = nn::MemberScan::current(); scan != nullptr && other.defined()) {
    scan->visit(other.slot_.share(&Slot::registration),
                [&] { return "Parameter " + to_string(other.shape()); });
  }
}

}  // namespace tapegrad
