// Recurrent networks: one step, a whole sequence as one entry, and backpropagation through time,
// both from primitives and fused (tensor/ops/recurrent.cc). Read next: autograd/ops/attention.cc.
#include <tapegrad/autograd/ops/recurrent.h>

#include <array>
#include <memory>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>

namespace tapegrad {
namespace {

struct State {
  Variable h;
  Variable c;  // for lstm only
};

Variable part(const Variable& x, std::int64_t which, std::int64_t hidden) {
  return narrow(x, -1, which * hidden, hidden);
}

// One step from primitives: a = W_ih x + b_ih and b = W_hh h + b_hh, (batch, gates * hidden) each.
//
// tanh   h' = tanh(a + b)                                                  (Elman 1990)
// relu   h' = relu(a + b)
// lstm   i, f, o = sigmoid(a + b),  g = tanh(a + b)        (Hochreiter and Schmidhuber 1997,
//        c' = f c + i g,  h' = o tanh(c')                   Gers et al. 2000)
// gru    r, z = sigmoid(a + b),  n = tanh(a + r b)         (Cho et al. 2014)
//        h' = n + z (h - n)
State step(Recurrence kind, const Variable& a, const Variable& b, const State& before) {
  const std::int64_t hidden = (kind == Recurrence::lstm ? before.c : before.h).size(-1);
  switch (kind) {
    case Recurrence::tanh:
      return {tanh(a + b), Variable()};
    case Recurrence::relu:
      return {relu(a + b), Variable()};
    case Recurrence::lstm: {
      const Variable sum = a + b;
      const Variable i = sigmoid(part(sum, 0, hidden));
      const Variable f = sigmoid(part(sum, 1, hidden));
      const Variable g = tanh(part(sum, 2, hidden));
      const Variable o = sigmoid(part(sum, 3, hidden));
      const Variable c = f * before.c + i * g;
      return {o * tanh(c), c};
    }
    default: {
      const Variable r = sigmoid(part(a, 0, hidden) + part(b, 0, hidden));
      const Variable z = sigmoid(part(a, 1, hidden) + part(b, 1, hidden));
      const Variable n = tanh(part(a, 2, hidden) + r * part(b, 2, hidden));
      return {n + z * (before.h - n), Variable()};
    }
  }
}

// x, with zeros where the mask is false.
Variable masked_input(const RecurrentInputs& in) {
  return in.mask.defined() ? where(unsqueeze(in.mask, 2), in.x, 0) : in.x;
}

State initial(Recurrence kind, const RecurrentInputs& in) {
  const auto or_zeros = [&](const Variable& state, std::int64_t width) {
    return state.defined() ? state : Variable(zeros({in.x.size(1), width}, in.x.dtype()));
  };
  const bool lstm = kind == Recurrence::lstm;
  return {or_zeros(in.h, in.weight_hh.size(1)),
          lstm ? or_zeros(in.c, in.weight_hh.size(0) / 4) : Variable()};
}

// The steps in the order in which they are computed.
std::vector<std::int64_t> order(std::int64_t steps, bool reverse) {
  std::vector<std::int64_t> all;
  for (std::int64_t turn = 0; turn < steps; ++turn) {
    all.push_back(reverse ? steps - 1 - turn : turn);
  }
  return all;
}

// The mask of one step, as a column (batch, 1).
Tensor mask_at(const RecurrentInputs& in, std::int64_t t) {
  return unsqueeze(select(in.mask, 0, t), 1);
}

// Computes all steps: `states` receives h after each step. Returns the last state.
State run_from_primitives(Recurrence kind, const RecurrentInputs& in,
                          std::vector<Variable>& states) {
  const std::int64_t steps = in.x.size(0);
  const Variable x = masked_input(in);
  State state = initial(kind, in);
  states.resize(static_cast<std::size_t>(steps));
  for (const std::int64_t t : order(steps, in.reverse)) {
    const Variable a = linear(select(x, 0, t), in.weight_ih, in.bias_ih);
    const Variable b = linear(state.h, in.weight_hh, in.bias_hh);
    State next = step(kind, a, b, state);
    if (in.weight_hr.defined()) next.h = linear(next.h, in.weight_hr);
    if (in.mask.defined()) {
      next.h = where(mask_at(in, t), next.h, state.h);
      if (next.c.defined()) next.c = where(mask_at(in, t), next.c, state.c);
    }
    state = next;
    states[static_cast<std::size_t>(t)] = state.h;
  }
  return state;
}

}  // namespace

Variable recurrence_from_primitives(Recurrence kind, const RecurrentInputs& in) {
  std::vector<Variable> states;
  const State last = run_from_primitives(kind, in, states);
  if (kind == Recurrence::lstm) states.push_back(last.c);
  return stack(states);
}

ProjectedStates projected_lstm(const RecurrentInputs& in) {
  std::vector<Variable> states;
  const State last = run_from_primitives(Recurrence::lstm, in, states);
  return {stack(states), unsqueeze(last.c, 0)};
}

namespace {

// Backpropagation through time (Werbos 1990), from primitives -------------------------------------

// The inputs in the order of SequenceWanted.
std::array<Variable, 7> listed(const RecurrentInputs& in) {
  return {in.x, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh, in.h, in.c};
}

// The gradients of one step: of a and b (see step()), and of the state before it. `before` holds
// only the part of the state's gradient that does not flow through b.
struct StepBack {
  Variable da;
  Variable db;
  State before;
};

// From dh and dc, the gradients of the state after a step:
// tanh   da = db = dh (1 - h'^2)
// relu   da = db = dh where h' > 0
// lstm   dc += dh o (1 - tanh(c')^2);  da and db hold the gates i, f, g, o, in this order:
//        da = db = dc g i (1 - i),  dc c f (1 - f),  dc i (1 - g^2),  dh tanh(c') o (1 - o);
//        the gradient of c is dc f
// gru    dn = dh (1 - z) (1 - n^2);  da and db hold r, z, n; with m = W_hn h + b_hn:
//        da = dn m r (1 - r),  dh (h - n) z (1 - z),  dn;  db is the same, but dn r for n;
//        the gradient of h, besides that through b, is dh z
StepBack step_back(Recurrence kind, const State& after, const State& before, const Variable& a,
                   const Variable& b, const State& d) {
  const std::int64_t hidden = before.h.size(-1);
  switch (kind) {
    case Recurrence::tanh: {
      const Variable da = d.h * (1.0 - square(after.h));
      return {da, da, {}};
    }
    case Recurrence::relu: {
      const Variable da = where(after.h.value() <= 0, 0, d.h);
      return {da, da, {}};
    }
    case Recurrence::lstm: {
      const Variable sum = a + b;
      const Variable i = sigmoid(part(sum, 0, hidden));
      const Variable f = sigmoid(part(sum, 1, hidden));
      const Variable g = tanh(part(sum, 2, hidden));
      const Variable o = sigmoid(part(sum, 3, hidden));
      const Variable top = tanh(after.c);
      const Variable dc = d.c + d.h * o * (1.0 - square(top));
      const Variable da = cat({dc * g * i * (1.0 - i), dc * before.c * f * (1.0 - f),
                               dc * i * (1.0 - square(g)), d.h * top * o * (1.0 - o)},
                              -1);
      return {da, da, {Variable(), dc * f}};
    }
    default: {
      const Variable m = part(b, 2, hidden);
      const Variable r = sigmoid(part(a, 0, hidden) + part(b, 0, hidden));
      const Variable z = sigmoid(part(a, 1, hidden) + part(b, 1, hidden));
      const Variable n = tanh(part(a, 2, hidden) + r * m);
      const Variable dn = d.h * (1.0 - z) * (1.0 - square(n));
      const Variable dr = dn * m * r * (1.0 - r);
      const Variable dz = d.h * (before.h - n) * z * (1.0 - z);
      return {cat({dr, dz, dn}, -1), cat({dr, dz, dn * r}, -1), {d.h * z, Variable()}};
    }
  }
}

// All gradients in the order of listed(); dy is the gradient of recurrence()'s result y.
std::array<Variable, 7> backward_from_primitives(Recurrence kind, const RecurrentInputs& in,
                                                 const Variable& y, const Variable& dy) {
  const std::int64_t steps = in.x.size(0);
  const bool lstm = kind == Recurrence::lstm;
  const auto at = [](std::int64_t t) { return static_cast<std::size_t>(t); };
  const std::vector<std::int64_t> forward = order(steps, in.reverse);
  const Variable x = masked_input(in);

  // The states before and after each step. h comes from y; c is computed again.
  std::vector<State> before(at(steps));
  std::vector<State> after(at(steps));
  std::vector<Variable> a(at(steps));
  std::vector<Variable> b(at(steps));
  State state = initial(kind, in);
  for (const std::int64_t t : forward) {
    before[at(t)] = state;
    a[at(t)] = linear(select(x, 0, t), in.weight_ih, in.bias_ih);
    b[at(t)] = linear(state.h, in.weight_hh, in.bias_hh);
    if (lstm) {
      const Variable c = step(kind, a[at(t)], b[at(t)], state).c;
      state.c = in.mask.defined() ? where(mask_at(in, t), c, state.c) : c;
    }
    state.h = select(y, 0, t);
    after[at(t)] = state;
  }

  State d{zeros_like(initial(kind, in).h.value()), lstm ? select(dy, 0, steps) : Variable()};
  std::vector<Variable> da(at(steps));
  std::vector<Variable> db(at(steps));
  for (std::size_t turn = forward.size(); turn-- > 0;) {
    const std::int64_t t = forward[turn];
    d.h = d.h + select(dy, 0, t);
    StepBack back = step_back(kind, after[at(t)], before[at(t)], a[at(t)], b[at(t)], d);
    const auto choose = [&](const Variable& unmasked, const Variable& masked) {
      return in.mask.defined() ? where(mask_at(in, t), unmasked, masked) : unmasked;
    };
    const Variable nothing = zeros_like(back.da.value());
    da[at(t)] = choose(back.da, nothing);
    db[at(t)] = choose(back.db, nothing);
    Variable dh = matmul(back.db, in.weight_hh);
    if (back.before.h.defined()) dh = dh + back.before.h;
    d.h = choose(dh, d.h);
    if (lstm) d.c = choose(back.before.c, d.c);
  }

  std::vector<Variable> h_before;
  for (const State& each : before) h_before.push_back(each.h);
  const Variable all_da = flatten(stack(da), 0, 1);  // (steps * batch, gates * hidden)
  const Variable all_db = flatten(stack(db), 0, 1);
  return {matmul(stack(da), in.weight_ih),
          matmul(transpose(all_da), flatten(x, 0, 1)),
          matmul(transpose(all_db), flatten(stack(h_before), 0, 1)),
          sum(all_da, {0}),
          sum(all_db, {0}),
          d.h,
          d.c};
}

// The entry ---------------------------------------------------------------------------------------

const char* name_of(Recurrence kind) {
  return kind == Recurrence::lstm ? "lstm" : kind == Recurrence::gru ? "gru" : "rnn";
}
const char* name_of_step(Recurrence kind) {
  return kind == Recurrence::lstm ? "lstm_cell" : kind == Recurrence::gru ? "gru_cell" : "rnn_cell";
}

SequenceInputs values_of(const RecurrentInputs& in) {
  const auto value = [](const Variable& x) { return x.defined() ? x.value() : Tensor(); };
  return {value(in.x),       value(in.weight_ih), value(in.weight_hh), value(in.bias_ih),
          value(in.bias_hh), value(in.h),         value(in.c),         in.mask,
          in.reverse};
}

// The inputs of recurrent_step() as a sequence of one step. Inputs is RecurrentInputs or
// SequenceInputs.
template <class Inputs>
Inputs as_sequence(Inputs in) {
  std::int64_t batch = 1;
  for (const std::int64_t size : in.x.sizes().first(in.x.sizes().size() - 1)) batch *= size;
  in.x = reshape(in.x, {1, batch, in.x.size(-1)});
  const Shape state{batch, in.weight_hh.size(1)};
  if (in.h.defined()) in.h = reshape(in.h, state);
  if (in.c.defined()) in.c = reshape(in.c, state);
  if (in.mask.defined()) in.mask = reshape(in.mask, {1, batch});
  return in;
}

// The captures of both forms of the rule. If kStep, the inputs are those of recurrent_step().
template <bool kStep>
struct Kept {
  Recurrence kind;
  RecurrentInputs in;
  Tensor gates;
  Tensor inner;
  Shape sizes;  // of the states of the sequence

  std::array<Tensor, 7> fused(const Tensor& dy, const Tensor& y,
                              const std::array<bool, 7>& wanted) const {
    const SequenceInputs values = kStep ? as_sequence(values_of(in)) : values_of(in);
    const auto [x, weight_ih, weight_hh, bias_ih, bias_hh, h, c] = wanted;
    const SequenceGradients d =
        run_sequence_back(kind, values, {reshape(y, sizes), gates, inner}, reshape(dy, sizes),
                          {x, weight_ih, weight_hh, bias_ih, bias_hh, h, c});
    return in_shape(std::array{d.x, d.weight_ih, d.weight_hh, d.bias_ih, d.bias_hh, d.h, d.c},
                    wanted);
  }
  std::array<Variable, 7> composed(const Variable& dy, const Variable& y,
                                   const std::array<bool, 7>& wanted) const {
    return in_shape(backward_from_primitives(kind, kStep ? as_sequence(in) : in, reshape(y, sizes),
                                             reshape(dy, sizes)),
                    wanted);
  }

 private:
  template <class X>
  std::array<X, 7> in_shape(std::array<X, 7> d, const std::array<bool, 7>& wanted) const {
    if constexpr (kStep) {
      if (wanted[0]) d[0] = reshape(d[0], in.x.shape());
      if (wanted[5]) d[5] = reshape(d[5], in.h.shape());
      if (wanted[6]) d[6] = reshape(d[6], in.c.shape());
    }
    return d;
  }
};

// Records the result, in the given shape.
template <bool kStep>
Variable record_recurrence(Recurrence kind, const RecurrentInputs& in, SequenceResult result,
                           const Shape& shape) {
  const auto kept = std::allocate_shared<const Kept<kStep>>(
      memory::Allocator<Kept<kStep>>(),
      Kept<kStep>{kind, in, std::move(result.gates), std::move(result.inner),
                  result.states.shape()});
  const char* const name = kStep ? name_of_step(kind) : name_of(kind);
  const auto arguments = [&] {
    Attributes attributes;
    if (kind == Recurrence::tanh) attributes.push_back({"nonlinearity", std::string("tanh")});
    if (kind == Recurrence::relu) attributes.push_back({"nonlinearity", std::string("relu")});
    if (!kStep) attributes.push_back({"reverse", in.reverse});
    if (in.mask.defined()) attributes.push_back({"mask", in.mask});
    return attributes;
  };
  describe(name, arguments, in.x, in.weight_ih, in.weight_hh, in.bias_ih, in.bias_hh, in.h, in.c);
  return record_fused(
      name, reshape(result.states, shape), listed(in),
      [kept](const Tensor& dy, const Tensor& y, const std::array<bool, 7>& wanted) {
        return kept->fused(dy, y, wanted);
      },
      [kept](const Variable& dy, const Variable& y, const std::array<bool, 7>& wanted) {
        return kept->composed(dy, y, wanted);
      });
}

}  // namespace

Variable recurrence(Recurrence kind, const RecurrentInputs& in) {
  SequenceResult result = run_sequence(kind, values_of(in));
  const Shape shape = result.states.shape();
  return record_recurrence<false>(kind, in, std::move(result), shape);
}

Variable recurrent_step(Recurrence kind, const RecurrentInputs& in) {
  Shape shape = in.x.shape();  // (..., input) -> (..., hidden)
  shape[shape.dim() - 1] = in.weight_hh.size(1);
  if (kind == Recurrence::lstm) shape.insert(0, 2);
  return record_recurrence<true>(kind, in, run_sequence(kind, as_sequence(values_of(in))), shape);
}

}  // namespace tapegrad
