#include <tapegrad/nn/rnn_cell.h>

#include <algorithm>
#include <cmath>
#include <span>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random.h>

namespace tapegrad::nn {

Parameter RNNCell::draw(const std::string& name, const Shape& shape, std::int64_t hidden_size,
                        DType dtype) {
  const double bound = hidden_size > 0 ? 1.0 / std::sqrt(static_cast<double>(hidden_size)) : 0;
  return register_parameter(name, uniform_(empty(shape, dtype), -bound, bound));
}

namespace {

RNNCellOptions checked(std::int64_t input_size, std::int64_t hidden_size, RNNCellOptions options) {
  if (input_size < 0 || hidden_size < 0) {
    throw ValueError("RNNCell: negative size in " + std::to_string(input_size) + " -> " +
                     std::to_string(hidden_size));
  }
  return options;
}

std::span<const std::int64_t> batch_of(const Variable& x) {
  const std::span<const std::int64_t> sizes = x.sizes();
  return sizes.first(sizes.empty() ? 0 : sizes.size() - 1);
}

}  // namespace

// The members are made, and so drawn, in the order in which they are declared.
RNNCell::RNNCell(std::int64_t input_size, std::int64_t hidden_size, RNNCellOptions options)
    : weight_ih(draw("weight_ih", {hidden_size, input_size}, hidden_size,
                     checked(input_size, hidden_size, options).dtype)),
      weight_hh(draw("weight_hh", {hidden_size, hidden_size}, hidden_size, options.dtype)),
      bias_ih(options.bias ? draw("bias_ih", {hidden_size}, hidden_size, options.dtype)
                           : Parameter()),
      bias_hh(options.bias ? draw("bias_hh", {hidden_size}, hidden_size, options.dtype)
                           : Parameter()),
      options_(options) {}

Variable RNNCell::operator()(const Variable& x, const Variable& h) const {
  // Without this, a state of batch 1 would broadcast over the batch of x, or the other way round.
  if (!std::ranges::equal(batch_of(x), batch_of(h))) {
    throw ShapeError("RNNCell: x is " + to_string(x.sizes()) + " and h is " + to_string(h.sizes()) +
                     ", needed the same batch");
  }
  const Variable sum = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
  return options_->nonlinearity == Nonlinearity::tanh ? tanh(sum) : relu(sum);
}

Variable RNNCell::operator()(const Variable& x, const Variable& h, const Tensor& mask) const {
  if (mask.dtype() != boolean || !std::ranges::equal(mask.sizes(), batch_of(h))) {
    throw ShapeError("RNNCell: mask is " + std::string(name(mask.dtype())) + " " +
                     to_string(mask.sizes()) + " and h is " + to_string(h.sizes()) +
                     ", needed boolean of the same batch");
  }
  return where(unsqueeze(mask, -1), (*this)(x, h), h);
}

Variable RNNCell::operator()(const Variable& x) const {
  Shape shape = x.shape();
  if (shape.empty()) throw ShapeError("RNNCell: got a number, needed (batch, input_size)");
  shape[shape.dim() - 1] = hidden_size();
  return (*this)(x, zeros(shape, weight_hh.dtype()));
}

Variable RNNCell::initial_state(std::int64_t batch) const {
  return zeros({batch, hidden_size()}, weight_hh.dtype());
}

std::string RNNCell::description() const {
  std::string text =
      "RNNCell(" + std::to_string(input_size()) + ", " + std::to_string(hidden_size());
  if (!bias_ih.defined()) text += ", bias=false";
  if (options_->nonlinearity == Nonlinearity::relu) text += ", nonlinearity=relu";
  return text + ")";
}

void RNNCell::become(const Module& other) const {
  Module::become(other);
  *options_ = *static_cast<const RNNCell&>(other).options_;
}

}  // namespace tapegrad::nn
