// Rows of recurrent networks: a sequence or a step as one operation, compared with plain loops and
// with the composition from primitives. Read next: losses.cc.
#include <cmath>

#include <tapegrad/autograd/ops/recurrent.h>

#include "tapes/operation.h"

namespace tapegrad::tapes {

RecurrentInputs recurrent_inputs(Recurrence kind, const Results& x, const Attributes& a) {
  // The operation leaves these checks to its callers.
  const std::int64_t gates = gate_count(kind), hidden = x[2].size(1);
  const Shape state{x[0].size(-2), hidden};
  const bool fits = x[1].shape() == Shape{gates * hidden, x[0].size(-1)} &&
                    x[2].size(0) == gates * hidden && x[3].shape() == Shape(gates * hidden) &&
                    x[4].shape() == x[3].shape() && x[5].shape() == state &&
                    (kind != Recurrence::lstm || x[6].shape() == state) &&
                    (x[0].dim() == 2 || x[0].size(0) > 0);
  if (!fits) throw ShapeError("recurrence: sizes do not match");
  RecurrentInputs in{x[0], x[1], x[2], x[3], x[4], x[5]};
  if (kind == Recurrence::lstm) in.c = x[6];
  in.mask = x.back().value();
  in.reverse = a.flag;
  return in;
}

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <Recurrence kind>
Results fused(const Results& x, const Attributes& a) {
  return {recurrence(kind, recurrent_inputs(kind, x, a))};
}
template <Recurrence kind>
Results composed(const Results& x, const Attributes& a) {
  return {recurrence_from_primitives(kind, recurrent_inputs(kind, x, a))};
}

// h, and c for lstm, of one sequence: a step with the input x and the weights of `in`.
void advance(Recurrence kind, const Plains& in, const double* x, std::vector<double>& h,
             std::vector<double>& c) {
  const std::size_t hidden = h.size();
  const std::int64_t width = in[1].shape[1];
  std::vector<double> from_x(hidden * static_cast<std::size_t>(gate_count(kind)));
  std::vector<double> from_h(from_x.size());
  for (std::size_t g = 0; g < from_x.size(); ++g) {
    const auto row = static_cast<std::int64_t>(g);
    from_x[g] = in[3][row];
    from_h[g] = in[4][row];
    for (std::int64_t i = 0; i < width; ++i) from_x[g] += in[1][row * width + i] * x[i];
    for (std::size_t i = 0; i < hidden; ++i) {
      from_h[g] += in[2].x[g * hidden + i] * h[i];
    }
  }
  const auto gate = [&](std::size_t which, std::size_t i) {
    return from_x[which * hidden + i] + from_h[which * hidden + i];
  };
  for (std::size_t i = 0; i < hidden; ++i) {
    switch (kind) {
      case Recurrence::tanh:
        h[i] = std::tanh(gate(0, i));
        break;
      case Recurrence::relu:
        h[i] = std::max(gate(0, i), 0.0);
        break;
      case Recurrence::lstm:
        c[i] = sigmoid(gate(1, i)) * c[i] + sigmoid(gate(0, i)) * std::tanh(gate(2, i));
        h[i] = sigmoid(gate(3, i)) * std::tanh(c[i]);
        break;
      case Recurrence::gru: {
        const double n =
            std::tanh(from_x[2 * hidden + i] + sigmoid(gate(0, i)) * from_h[2 * hidden + i]);
        const double z = sigmoid(gate(1, i));
        h[i] = (1 - z) * n + z * h[i];
        break;
      }
    }
  }
}

auto plain_sequence(Recurrence kind) {
  return [=](const Plains& in, const Attributes& a) -> Plains {
    const std::int64_t steps = in[0].shape[0], batch = in[0].shape[1], width = in[0].shape[2];
    const std::int64_t hidden = in[2].shape[1];
    const bool has_c = kind == Recurrence::lstm;
    Plain y = filled({steps + (has_c ? 1 : 0), batch, hidden}, in[0].dtype);
    for (std::int64_t b = 0; b < batch; ++b) {
      const auto row = [&](const Plain& state) {
        const auto begin = state.x.begin() + b * hidden;
        return std::vector<double>(begin, begin + hidden);
      };
      std::vector<double> h = row(in[5]), c;
      if (has_c) c = row(in[6]);
      for (std::int64_t turn = 0; turn < steps; ++turn) {
        const std::int64_t t = a.flag ? steps - 1 - turn : turn;
        if (in.back()[t * batch + b] != 0) {
          advance(kind, in, in[0].x.data() + (t * batch + b) * width, h, c);
        }
        for (std::int64_t i = 0; i < hidden; ++i) {
          y[(t * batch + b) * hidden + i] = h[static_cast<std::size_t>(i)];
        }
      }
      for (std::int64_t i = 0; has_c && i < hidden; ++i) {
        y[(steps * batch + b) * hidden + i] = c[static_cast<std::size_t>(i)];
      }
    }
    return {y};
  };
}

auto draw_sequence(Recurrence kind) {
  return [=](Draw& d) {
    const std::int64_t gates = gate_count(kind);
    const bool large = d.mode() == Mode::large;
    const std::int64_t hidden = large ? d.random.integer(20, 40) : d.size_of_one_or_more();
    Shape x = large ? Shape{5, d.random.integer(32, 70), 16} : d.any(kSmall, 3, 3);
    if (large) d.of(x);
    d.require(x[0] > 0);
    d.of({gates * hidden, x[2]}, kSmall);
    d.of({gates * hidden, hidden}, {-1.5, 1.5});
    d.of(gates * hidden);
    d.of(gates * hidden);
    d.of({x[1], hidden});
    if (kind == Recurrence::lstm) d.of({x[1], hidden});
    d.mask({x[0], x[1]});
    d.a.flag = d.random.chance(0.4);
  };
}

// One step: the mask has no steps.
template <Recurrence kind>
Results step(const Results& x, const Attributes& a) {
  return {recurrent_step(kind, recurrent_inputs(kind, x, a))};
}
auto draw_step(Recurrence kind) {
  return [=](Draw& d) {
    const std::int64_t gates = gate_count(kind), hidden = d.size_of_one_or_more();
    d.require(d.mode() != Mode::large);
    const Shape x = d.any(kSmall, 2, 2);
    d.of({gates * hidden, x[1]}, kSmall);
    d.of({gates * hidden, hidden}, {-1.5, 1.5});
    d.of(gates * hidden);
    d.of(gates * hidden);
    d.of({x[0], hidden});
    if (kind == Recurrence::lstm) d.of({x[0], hidden});
    d.mask(x[0]);
  };
}
auto plain_step(Recurrence kind) {
  return [=](const Plains& in, const Attributes& a) -> Plains {
    Plains sequence = in;
    sequence[0].shape.insert(0, 1);
    sequence.back().shape.insert(0, 1);
    Plain y = plain_sequence(kind)(sequence, a)[0];
    if (kind != Recurrence::lstm) y.shape.erase(0);
    return {y};
  };
}

template <Recurrence kind>
Operation sequence_row(const std::string& name) {
  return {"recurrence " + name,
          fused<kind>,
          "recurrence(Recurrence::" + name + ", recurrent_inputs(Recurrence::" + name +
              ", x, {.flag = a.flag}))",
          draw_sequence(kind),
          plain_sequence(kind),
          {.special = false, .slack = 8, .composed = composed<kind>}};
}
template <Recurrence kind>
Operation step_row(const std::string& name) {
  return {"recurrent_step " + name,
          step<kind>,
          "recurrent_step(Recurrence::" + name + ", recurrent_inputs(Recurrence::" + name +
              ", x, {.flag = a.flag}))",
          draw_step(kind),
          plain_step(kind),
          {.special = false, .slack = 8}};
}

}  // namespace

std::vector<Operation> recurrent_rows() {
  return {
      sequence_row<Recurrence::tanh>("tanh"), sequence_row<Recurrence::relu>("relu"),
      sequence_row<Recurrence::lstm>("lstm"), sequence_row<Recurrence::gru>("gru"),
      step_row<Recurrence::tanh>("tanh"),     step_row<Recurrence::relu>("relu"),
      step_row<Recurrence::lstm>("lstm"),     step_row<Recurrence::gru>("gru"),
  };
}

}  // namespace tapegrad::tapes
