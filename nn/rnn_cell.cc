// The recurrent cells: the checks that they share, then each cell. Read next: nn/rnn.h.
#include <tapegrad/nn/rnn_cell.h>

#include <algorithm>
#include <cmath>
#include <span>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/recurrent.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

// Common part -------------------------------------------------------------------------------------

namespace {

std::int64_t checked_hidden_size(const char* name, std::int64_t input_size,
                                 std::int64_t hidden_size) {
  if (input_size < 0 || hidden_size < 0) {
    throw ValueError(std::string(name) + ": negative size in " + std::to_string(input_size) +
                     " -> " + std::to_string(hidden_size));
  }
  return hidden_size;
}

std::span<const std::int64_t> batch_of(std::span<const std::int64_t> sizes) {
  return sizes.first(sizes.empty() ? 0 : sizes.size() - 1);
}

RecurrentInputs inputs_of(const RNNCellBase& cell, const Variable& x, const LSTMState& state,
                          const Tensor& mask = {}) {
  return {.x = x,
          .weight_ih = cell.weight_ih,
          .weight_hh = cell.weight_hh,
          .bias_ih = cell.bias_ih,
          .bias_hh = cell.bias_hh,
          .h = state.h,
          .c = state.c,
          .mask = mask.defined() ? mask.clone() : mask};  // the caller may overwrite it later
}

}  // namespace

Parameter RNNCellBase::draw(const std::string& name, const Shape& shape, std::int64_t hidden_size,
                            const LSTMCellOptions& options) {
  const double bound = hidden_size > 0 ? 1.0 / std::sqrt(static_cast<double>(hidden_size)) : 0;
  return register_parameter(
      name, uniform_(empty(shape, options.dtype), -bound, bound, options.generator));
}

// The members are initialized, and so drawn, in the order of their declarations.
RNNCellBase::RNNCellBase(const char* name, std::int64_t gates, std::int64_t input_size,
                         std::int64_t hidden_size, const LSTMCellOptions& options)
    : weight_ih(
          draw("weight_ih",
               {checked_multiply(gates, checked_hidden_size(name, input_size, hidden_size), name),
                input_size},
               hidden_size, options)),
      weight_hh(draw("weight_hh", {gates * hidden_size, hidden_size}, hidden_size, options)),
      bias_ih(options.bias ? draw("bias_ih", {gates * hidden_size}, hidden_size, options)
                           : Parameter()),
      bias_hh(options.bias ? draw("bias_hh", {gates * hidden_size}, hidden_size, options)
                           : Parameter()),
      name_(name) {}

void RNNCellBase::check(const Variable& x, const Variable& state, const char* name_of_state,
                        const Tensor& mask) const {
  const auto text = [&](const std::string& rest) { return std::string(name_) + ": " + rest; };
  if (x.dim() == 0) throw ShapeError(text("got a 0-d x, needed (batch, input_size)"));
  if (x.size(-1) != input_size()) {
    throw ShapeError(text("x is " + to_string(x.sizes()) + ", needed (batch, " +
                          std::to_string(input_size()) + ")"));
  }
  const auto check_type = [&](const Variable& which, const char* what) {
    if (which.dtype() == weight_hh.dtype()) return;
    const std::string needed = name(weight_hh.dtype());
    throw DTypeError(text(what + std::string(" is ") + name(which.dtype()) +
                          ", needed the weights' " + needed + "; convert with to(" + needed + ")"));
  };
  check_type(x, "x");
  if (state.defined()) {
    // Without this, a state of batch 1 would broadcast over the batch of x, or the other way round.
    if (!std::ranges::equal(batch_of(x.sizes()), batch_of(state.sizes())) || state.dim() == 0) {
      throw ShapeError(text("x is " + to_string(x.sizes()) + " and " + name_of_state + " is " +
                            to_string(state.sizes()) + ", needed the same batch"));
    }
    if (state.size(-1) != hidden_size()) {
      throw ShapeError(text(name_of_state + std::string(" is ") + to_string(state.sizes()) +
                            ", needed (batch, " + std::to_string(hidden_size()) + ")"));
    }
    check_type(state, name_of_state);
  }
  if (!mask.defined()) return;
  if (mask.dtype() != boolean || !std::ranges::equal(mask.sizes(), batch_of(x.sizes()))) {
    const std::string beside = state.defined()
                                   ? std::string(name_of_state) + " is " + to_string(state.sizes())
                                   : "x is " + to_string(x.sizes());
    throw ShapeError(text("mask is " + std::string(name(mask.dtype())) + " " +
                          to_string(mask.sizes()) + " and " + beside +
                          ", needed boolean of the same batch"));
  }
}

Variable RNNCellBase::step(Recurrence kind, const Variable& x, const Variable& h,
                           const Tensor& mask) const {
  return hooked(
      [&](const Variable& in, const Variable& state) {
        check(in, state, "h", mask);
        return recurrent_step(kind, inputs_of(*this, in, {.h = state}, mask));
      },
      x, h);
}

std::string RNNCellBase::description() const {
  return std::string(name_) + "(" + std::to_string(input_size()) + ", " +
         std::to_string(hidden_size()) + (bias_ih.defined() ? ")" : ", bias=false)");
}

// RNNCell -----------------------------------------------------------------------------------------

RNNCell::RNNCell(std::int64_t input_size, std::int64_t hidden_size, RNNCellOptions options)
    : RNNCellBase("RNNCell", 1, input_size, hidden_size,
                  {.bias = options.bias, .dtype = options.dtype, .generator = options.generator}),
      options_(options) {}

Variable RNNCell::operator()(const Variable& x, const Variable& h, const Tensor& mask) const {
  const bool relu = options_->nonlinearity == Nonlinearity::relu;
  return step(relu ? Recurrence::relu : Recurrence::tanh, x, h, mask);
}
Variable RNNCell::operator()(const Variable& x, const Variable& h) const {
  return (*this)(x, h, Tensor());
}
Variable RNNCell::operator()(const Variable& x) const { return (*this)(x, Variable(), Tensor()); }

Variable RNNCell::initial_state(std::int64_t batch) const {
  return zeros({batch, hidden_size()}, weight_hh.dtype());
}

std::string RNNCell::description() const {
  std::string text = RNNCellBase::description();
  if (options_->nonlinearity == Nonlinearity::relu) {
    text.insert(text.size() - 1, ", nonlinearity=relu");
  }
  return text;
}

void RNNCell::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const RNNCell&>(other).options_;
}

// LSTMCell ----------------------------------------------------------------------------------------

LSTMCell::LSTMCell(std::int64_t input_size, std::int64_t hidden_size, LSTMCellOptions options)
    : RNNCellBase("LSTMCell", 4, input_size, hidden_size, options) {}

LSTMState LSTMCell::operator()(const Variable& x, const LSTMState& state,
                               const Tensor& mask) const {
  return hooked(
      [&](const Variable& in, const Variable& h, const Variable& c) {
        check(in, h, "h", mask);
        check(in, c, "c");
        const Variable both = recurrent_step(Recurrence::lstm, inputs_of(*this, in, {h, c}, mask));
        return LSTMState{select(both, 0, 0), select(both, 0, 1)};
      },
      x, state.h, state.c);
}
LSTMState LSTMCell::operator()(const Variable& x, const LSTMState& state) const {
  return (*this)(x, state, Tensor());
}
LSTMState LSTMCell::operator()(const Variable& x) const {
  return (*this)(x, LSTMState{}, Tensor());
}

LSTMState LSTMCell::initial_state(std::int64_t batch) const {
  const Shape shape{batch, hidden_size()};
  return {zeros(shape, weight_hh.dtype()), zeros(shape, weight_hh.dtype())};
}

// GRUCell -----------------------------------------------------------------------------------------

GRUCell::GRUCell(std::int64_t input_size, std::int64_t hidden_size, GRUCellOptions options)
    : RNNCellBase("GRUCell", 3, input_size, hidden_size, options) {}

Variable GRUCell::operator()(const Variable& x, const Variable& h, const Tensor& mask) const {
  return step(Recurrence::gru, x, h, mask);
}
Variable GRUCell::operator()(const Variable& x, const Variable& h) const {
  return (*this)(x, h, Tensor());
}
Variable GRUCell::operator()(const Variable& x) const { return (*this)(x, Variable(), Tensor()); }

Variable GRUCell::initial_state(std::int64_t batch) const {
  return zeros({batch, hidden_size()}, weight_hh.dtype());
}

}  // namespace tapegrad::nn
