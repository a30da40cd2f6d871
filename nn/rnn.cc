// RNN, LSTM and GRU: the checks of their arguments, then the loop over layers and directions. Read
// next: nn/convolution.h.
#include <tapegrad/nn/rnn.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/recurrent.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/tensor/random/dropout_mask.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

// Creating ----------------------------------------------------------------------------------------

RNNBase::RNNBase(const char* name, std::int64_t gates, std::int64_t input_size,
                 std::int64_t hidden_size, const Settings& settings, DType dtype)
    : name_(name), settings_(settings) {
  const auto text = [&](const std::string& rest) { return std::string(name) + ": " + rest; };
  if (input_size < 0 || hidden_size < 0) {
    throw ValueError(text("negative size in " + std::to_string(input_size) + " -> " +
                          std::to_string(hidden_size)));
  }
  if (settings.num_layers < 1) {
    throw ValueError(
        text("num_layers is " + std::to_string(settings.num_layers) + ", needed at least 1"));
  }
  if (!(settings.dropout >= 0 && settings.dropout <= 1)) {
    throw ValueError(text("dropout is " + std::to_string(settings.dropout) +
                          ", needed a probability in [0, 1]"));
  }
  if (settings.proj_size < 0 || (settings.proj_size > 0 && settings.proj_size >= hidden_size)) {
    throw ValueError(text("proj_size is " + std::to_string(settings.proj_size) +
                          ", needed 0 for none, or less than hidden_size, which is " +
                          std::to_string(hidden_size)));
  }
  if (settings.proj_size > 0 && gates != 4) {
    throw ValueError(text("proj_size is " + std::to_string(settings.proj_size) +
                          ", needed 0: only an LSTM projects its states"));
  }
  settings_->hidden_size = hidden_size;
  const std::int64_t h_size = settings.proj_size > 0 ? settings.proj_size : hidden_size;
  const double bound = hidden_size > 0 ? 1.0 / std::sqrt(static_cast<double>(hidden_size)) : 0;
  const auto draw = [&](const std::string& its_name, const Shape& shape) {
    return register_parameter(its_name,
                              uniform_(empty(shape, dtype), -bound, bound, settings.generator));
  };
  const std::int64_t rows = checked_multiply(gates, hidden_size, name);
  const int directions = settings.bidirectional ? 2 : 1;
  for (std::int64_t layer = 0; layer < settings.num_layers; ++layer) {
    const std::int64_t width = layer == 0 ? input_size : checked_multiply(directions, h_size, name);
    for (int direction = 0; direction < directions; ++direction) {
      const std::string end = "_l" + std::to_string(layer) + (direction == 0 ? "" : "_reverse");
      const Parameter weight_ih = draw("weight_ih" + end, {rows, width});
      const Parameter weight_hh = draw("weight_hh" + end, {rows, h_size});
      const Parameter bias_ih = settings.bias ? draw("bias_ih" + end, {rows}) : Parameter();
      const Parameter bias_hh = settings.bias ? draw("bias_hh" + end, {rows}) : Parameter();
      const Parameter weight_hr =
          settings.proj_size > 0 ? draw("weight_hr" + end, {h_size, hidden_size}) : Parameter();
      weights_.push_back({weight_ih, weight_hh, bias_ih, bias_hh, weight_hr});
    }
  }
}

std::size_t RNNBase::index_of(std::int64_t layer, bool reverse) const {
  const std::int64_t directions = is_bidirectional() ? 2 : 1;
  if (layer < 0 || layer >= num_layers() || (reverse && directions == 1)) {
    throw IndexError(std::string(name_) + ": no layer " + std::to_string(layer) +
                     (reverse ? " in reverse" : "") + " among " + std::to_string(num_layers()) +
                     (directions == 2 ? " of both directions" : " of one direction"));
  }
  return static_cast<std::size_t>(layer * directions + (reverse ? 1 : 0));
}

std::string RNNBase::description() const {
  std::ostringstream text;
  text << name_ << "(" << input_size() << ", " << hidden_size();
  if (num_layers() > 1) text << ", num_layers=" << num_layers();
  if (nonlinearity() == Nonlinearity::relu) text << ", nonlinearity=relu";
  if (!settings_->bias) text << ", bias=false";
  if (settings_->batch_first) text << ", batch_first=true";
  if (settings_->dropout > 0) text << ", dropout=" << settings_->dropout;
  if (is_bidirectional()) text << ", bidirectional=true";
  if (proj_size() > 0) text << ", proj_size=" << proj_size();
  text << ")";
  return text.str();
}

void RNNBase::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const RNNBase&>(other).settings_;
}

// Checking ----------------------------------------------------------------------------------------

void RNNBase::check(const Variable& x, const LSTMArguments& with) const {
  const auto text = [&](const std::string& rest) { return std::string(name_) + ": " + rest; };
  const Parameter& weight = weights_[0].weight_hh;
  const auto check_type = [&](const Variable& which, const char* what) {
    if (which.dtype() == weight.dtype()) return;
    const std::string needed = name(weight.dtype());
    throw DTypeError(text(what + std::string(" is ") + name(which.dtype()) +
                          ", needed the weights' " + needed + "; convert with to(" + needed + ")"));
  };
  if ((x.dim() != 2 && x.dim() != 3) || x.size(-1) != input_size()) {
    throw ShapeError(text("x is " + to_string(x.sizes()) + ", needed " +
                          (settings_->batch_first ? "(batch, steps, " : "(steps, batch, ") +
                          std::to_string(input_size()) + "), or the same without batch"));
  }
  check_type(x, "x");
  const bool has_batch = x.dim() == 3;
  const std::int64_t batch = has_batch ? x.size(settings_->batch_first ? 0 : 1) : 1;
  const std::int64_t steps = x.size(has_batch && settings_->batch_first ? 1 : 0);
  if (steps == 0) {
    throw ShapeError(text("x is " + to_string(x.sizes()) + ", needed at least one step"));
  }
  const auto check_state = [&](const Variable& which, const char* what, bool projected) {
    if (!which.defined()) return;
    Shape state{static_cast<std::int64_t>(weights_.size()),
                projected ? proj_size() : hidden_size()};
    if (has_batch) state.insert(1, batch);
    if (which.shape() != state) {
      throw ShapeError(text(what + std::string(" is ") + to_string(which.sizes()) + ", needed " +
                            to_string(state) + ": layers * directions, " +
                            (has_batch ? "batch, " : "") +
                            (projected ? "proj_size" : "hidden_size")));
    }
    check_type(which, what);
  };
  check_state(with.h, "h", proj_size() > 0);
  check_state(with.c, "c", false);
}

// A boolean (steps, batch), false where a step is skipped; undefined if no step is skipped.
Tensor RNNBase::counted_steps(const Variable& x, const LSTMArguments& with) const {
  const auto text = [&](const std::string& rest) { return std::string(name_) + ": " + rest; };
  const bool has_batch = x.dim() == 3;
  const bool batch_first = has_batch && settings_->batch_first;
  if (with.lengths.defined() && with.mask.defined()) {
    throw ValueError(text("got lengths and a mask, needed at most one of them"));
  }
  if (with.mask.defined()) {
    const Shape needed(x.sizes().first(x.sizes().size() - 1));
    if (with.mask.dtype() != boolean || with.mask.shape() != needed) {
      throw ShapeError(text("mask is " + std::string(name(with.mask.dtype())) + " " +
                            to_string(with.mask.sizes()) + ", needed boolean " + to_string(needed) +
                            " for x of " + to_string(x.sizes())));
    }
    if (!has_batch) return unsqueeze(with.mask, 1).clone();
    return (batch_first ? transpose(with.mask) : with.mask).clone();
  }
  if (!with.lengths.defined()) return {};
  const Shape needed = has_batch ? Shape{x.size(batch_first ? 0 : 1)} : Shape();
  if (with.lengths.dtype() != int64 || with.lengths.shape() != needed) {
    throw ShapeError(text("lengths are " + std::string(name(with.lengths.dtype())) + " " +
                          to_string(with.lengths.sizes()) + ", needed int64 " + to_string(needed) +
                          " for x of " + to_string(x.sizes())));
  }
  const std::int64_t steps = x.size(batch_first ? 1 : 0);
  const std::vector<std::int64_t> lengths = to_vector<std::int64_t>(with.lengths);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] >= 0 && lengths[i] <= steps) continue;
    throw ValueError(text("length " + std::to_string(lengths[i]) + " of sequence " +
                          std::to_string(i) + ", needed 0 to " + std::to_string(steps) +
                          ", the steps of x"));
  }
  if (std::ranges::all_of(lengths, [=](std::int64_t length) { return length == steps; })) return {};
  return unsqueeze(arange(steps), 1) < reshape(with.lengths, {1, with.lengths.numel()});
}

// Running -----------------------------------------------------------------------------------------

namespace {

// Variables that are joined later. A single one, the usual case, needs no list.
class Parts {
 public:
  void append(const Variable& part) {
    if (!first_.defined()) {
      first_ = part;
    } else {
      more_.push_back(part);
    }
  }
  // Undefined if there are none.
  Variable joined(std::int64_t dim) const {
    if (more_.empty()) return first_;
    std::vector<Variable> all = {first_};
    all.insert(all.end(), more_.begin(), more_.end());
    return cat(all, dim);
  }

 private:
  Variable first_;
  std::vector<Variable> more_;
};

// x (batch, steps, input_size), (steps, batch, input_size) or (steps, input_size) as (steps, batch,
// input_size).
Variable steps_first(const Variable& x, bool batch_first) {
  if (x.dim() == 2) return unsqueeze(x, 1);
  return batch_first ? contiguous(transpose(x, 0, 1)) : x;
}

// The inverse, for results whose first dimension is the steps.
void restore_dimensions(LSTMResult& result, bool has_batch, bool batch_first) {
  if (has_batch) {
    if (batch_first) result.output = transpose(result.output, 0, 1);
    return;
  }
  result.output = squeeze(result.output, 1);
  result.h = squeeze(result.h, 1);
  if (result.c.defined()) result.c = squeeze(result.c, 1);
}

// Selects one state, (batch, hidden_size), of (layers * directions, batch, hidden_size), or of the
// same without batch.
Variable initial_state(const Variable& all, std::int64_t which) {
  if (!all.defined()) return Variable();
  return all.dim() == 3 ? select(all, 0, which) : narrow(all, 0, which, 1);
}

// nn::dropout() of (steps, batch, features), in which dimension 1 holds the examples.
Variable dropped(const Variable& y, double p, GeneratorRef generator) {
  if (p == 0 || p == 1) return nn::dropout(y, p);
  return y * (dropout_mask(y.shape(), y.dtype(), p, generator, 1) / (1 - p));
}

}  // namespace

RNNResult RNNBase::run_without_c(Recurrence kind, const Variable& x,
                                 const RNNArguments& with) const {
  return hooked(
      [&](const Variable& in, const Variable& h) {
        LSTMResult result = run(kind, in, {.h = h, .lengths = with.lengths, .mask = with.mask});
        return RNNResult{std::move(result.output), std::move(result.h)};
      },
      x, with.h);
}

LSTMResult RNNBase::run(Recurrence kind, const Variable& x, const LSTMArguments& with) const {
  check(x, with);
  const Tensor mask = counted_steps(x, with);
  const bool lstm = kind == Recurrence::lstm;
  const std::int64_t directions = is_bidirectional() ? 2 : 1;
  Variable y = steps_first(x, settings_->batch_first);  // (steps, batch, input_size)
  const std::int64_t steps = y.size(0);
  const auto inputs_of = [&](std::int64_t which, bool reverse) {
    const Weights& of = weights_[static_cast<std::size_t>(which)];
    return RecurrentInputs{.x = y,
                           .weight_ih = of.weight_ih,
                           .weight_hh = of.weight_hh,
                           .bias_ih = of.bias_ih,
                           .bias_hh = of.bias_hh,
                           .h = initial_state(with.h, which),
                           .c = initial_state(with.c, which),
                           .mask = mask,
                           .reverse = reverse,
                           .weight_hr = of.weight_hr};
  };

  Parts last_h, last_c;  // (1, batch, size of h or of c) each
  for (std::int64_t layer = 0; layer < num_layers(); ++layer) {
    Parts outputs;  // (steps, batch, hidden_size) each
    for (std::int64_t direction = 0; direction < directions; ++direction) {
      const bool reverse = direction == 1;
      const RecurrentInputs in = inputs_of(layer * directions + direction, reverse);
      const bool projected = in.weight_hr.defined();
      ProjectedStates all;
      if (projected) all = projected_lstm(in);
      const Variable states = projected ? all.h : recurrence(kind, in);
      outputs.append(lstm && !projected ? narrow(states, 0, 0, steps) : states);
      last_h.append(narrow(states, 0, reverse ? 0 : steps - 1, 1));
      if (lstm) last_c.append(projected ? all.c : narrow(states, 0, steps, 1));
    }
    y = outputs.joined(-1);  // (steps, batch, directions * hidden_size)
    const bool is_last = layer + 1 == num_layers();
    if (!is_last && is_training()) y = dropped(y, settings_->dropout, settings_->generator);
  }

  // Skipped steps keep the state, but their output is 0.
  if (mask.defined()) y = masked_fill(y, unsqueeze(logical_not(mask), 2), 0);
  LSTMResult result{y, last_h.joined(0), last_c.joined(0)};
  restore_dimensions(result, x.dim() == 3, settings_->batch_first);
  return result;
}

RNN::RNN(std::int64_t input_size, std::int64_t hidden_size, RNNOptions options)
    : RNNBase("RNN", 1, input_size, hidden_size,
              {.num_layers = options.num_layers,
               .bias = options.bias,
               .batch_first = options.batch_first,
               .bidirectional = options.bidirectional,
               .dropout = options.dropout,
               .nonlinearity = options.nonlinearity,
               .generator = options.generator},
              options.dtype) {}

RNNResult RNN::operator()(const Variable& x, const RNNArguments& with) const {
  const bool relu = nonlinearity() == Nonlinearity::relu;
  return run_without_c(relu ? Recurrence::relu : Recurrence::tanh, x, with);
}

LSTM::LSTM(std::int64_t input_size, std::int64_t hidden_size, LSTMOptions options)
    : RNNBase("LSTM", 4, input_size, hidden_size,
              {.num_layers = options.num_layers,
               .bias = options.bias,
               .batch_first = options.batch_first,
               .bidirectional = options.bidirectional,
               .dropout = options.dropout,
               .nonlinearity = Nonlinearity::tanh,
               .generator = options.generator,
               .proj_size = options.proj_size},
              options.dtype) {}

LSTMResult LSTM::operator()(const Variable& x, const LSTMArguments& with) const {
  return hooked(
      [&](const Variable& in, const Variable& h, const Variable& c) {
        return run(Recurrence::lstm, in,
                   {.h = h, .c = c, .lengths = with.lengths, .mask = with.mask});
      },
      x, with.h, with.c);
}

GRU::GRU(std::int64_t input_size, std::int64_t hidden_size, GRUOptions options)
    : RNNBase("GRU", 3, input_size, hidden_size,
              {.num_layers = options.num_layers,
               .bias = options.bias,
               .batch_first = options.batch_first,
               .bidirectional = options.bidirectional,
               .dropout = options.dropout,
               .nonlinearity = Nonlinearity::tanh,
               .generator = options.generator,
               .proj_size = options.proj_size},
              options.dtype) {}

RNNResult GRU::operator()(const Variable& x, const RNNArguments& with) const {
  return run_without_c(Recurrence::gru, x, with);
}

}  // namespace tapegrad::nn
