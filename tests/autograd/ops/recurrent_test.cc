// Compares recurrent networks as one entry with the same computed step by step from primitives:
// values, gradients, masks, both directions, second order; and tests the entry on the tape. Read
// next: ../nn/recurrent_test.cc.
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/recurrent.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"

using namespace tapegrad;

namespace {

using Variables = std::vector<Variable>;

const std::vector<Recurrence> kKinds = {Recurrence::tanh, Recurrence::relu, Recurrence::lstm,
                                        Recurrence::gru};

struct Sizes {
  std::int64_t steps, batch, input, hidden;
};

// Converts the inputs of a sequence to a list of leaves, and back.
struct Problem {
  Problem(Recurrence its_kind, Sizes sizes, DType dtype, bool bias = true, bool states = true)
      : kind(its_kind), has_bias(bias), has_states(states) {
    Generator generator(11);
    const auto draw = [&](const Shape& shape) {
      return (rand(shape, float64, generator) * 1.6 - 0.8).to(dtype);
    };
    const auto& [steps, batch, input, hidden] = sizes;
    const std::int64_t gates = gate_count(kind) * hidden;
    values = {draw({steps, batch, input}), draw({gates, input}), draw({gates, hidden})};
    if (bias) values.insert(values.end(), {draw({gates}), draw({gates})});
    if (states) values.push_back(draw({batch, hidden}));
    if (states && kind == Recurrence::lstm) values.push_back(draw({batch, hidden}));
  }
  RecurrentInputs inputs(const Variables& v) const {
    RecurrentInputs in{.x = v[0], .weight_ih = v[1], .weight_hh = v[2]};
    std::size_t next = 3;
    if (has_bias) {
      in.bias_ih = v[next++];
      in.bias_hh = v[next++];
    }
    if (has_states) in.h = v[next++];
    if (has_states && kind == Recurrence::lstm) in.c = v[next];
    in.mask = mask;
    in.reverse = reverse;
    return in;
  }
  Variables leaves() const {
    Variables result;
    for (const Tensor& value : values) result.push_back(parameter(value.clone()));
    return result;
  }

  Recurrence kind;
  bool has_bias, has_states;
  std::vector<Tensor> values;
  Tensor mask{};
  bool reverse = false;
};

Variable weighted(const Variable& y) {
  Generator generator(5);
  return sum(y * (rand(y.shape(), float64, generator) - 0.3).to(y.dtype()));
}

bool close(const Tensor& a, const Tensor& b) {
  const double tolerance = a.dtype() == float64 ? 1e-12 : 2e-5;
  return a.dtype() == b.dtype() && a.shape() == b.shape() && allclose(a, b, tolerance, tolerance);
}

// Compares values and gradients: fused, from primitives, and with create_graph.
void check(const Problem& problem) {
  const Variables fused = problem.leaves();
  const Variables plain = problem.leaves();
  const Variable y = recurrence(problem.kind, problem.inputs(fused));
  const Variable expected = recurrence_from_primitives(problem.kind, problem.inputs(plain));
  CHECK(close(y.value(), expected.value()));
  const Variable loss = weighted(y);
  const Variables recorded = grad(loss, fused, {.create_graph = true});
  const Variables once = grad(loss, fused, {.retain_graph = true});
  const Variables wanted = grad(weighted(expected), plain);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    CHECK(close(once[i].value(), wanted[i].value()));
    CHECK(close(recorded[i].value(), wanted[i].value()));
    // One input at a time, so that the other gradients are not computed.
    CHECK(close(grad(loss, {fused[i]}, {.retain_graph = true})[0].value(), wanted[i].value()));
  }
}

Tensor some_mask(std::int64_t steps, std::int64_t batch) {
  Tensor mask = zeros({steps, batch}, boolean);
  const auto truth = mask.mutable_span<bool>();
  for (std::size_t i = 0; i < truth.size(); ++i) truth[i] = i % 3 != 1 && i % 7 != 2;
  for (std::int64_t t = 0; t < steps; ++t) mask[t][batch - 1].fill_(false);  // all padding
  return mask;
}

}  // namespace

TEST_CASE("a sequence as one entry equals its single steps", "[autograd]") {
  for (const Recurrence kind : kKinds) {
    for (const DType dtype : {float64, float32}) {
      for (const auto& [steps, batch, input, hidden] : std::vector<Sizes>{{4, 3, 5, 7},
                                                                          {1, 2, 3, 4},
                                                                          {3, 1, 1, 1},
                                                                          {2, 0, 3, 4},
                                                                          {3, 2, 0, 4},
                                                                          {5, 9, 17, 33}}) {
        for (const bool reverse : {false, true}) {
          CAPTURE(static_cast<int>(kind), dtype, steps, batch, input, hidden, reverse);
          Problem problem(kind, {steps, batch, input, hidden}, dtype);
          problem.reverse = reverse;
          check(problem);
          if (batch > 0) problem.mask = some_mask(steps, batch);
          check(problem);
        }
      }
    }
  }
  CHECK(tape().size() == 0);
}

TEST_CASE("a sequence without bias, without initial states", "[autograd]") {
  for (const Recurrence kind : kKinds) {
    for (const bool reverse : {false, true}) {
      for (const bool bias : {false, true}) {
        CAPTURE(static_cast<int>(kind), reverse, bias);
        Problem problem(kind, {4, 3, 2, 5}, float64, bias, false);
        problem.reverse = reverse;
        check(problem);
        problem.mask = some_mask(4, 3);
        check(problem);
      }
    }
  }
}

TEST_CASE("a sequence of any layout", "[autograd]") {
  for (const Recurrence kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    const Problem problem(kind, {4, 3, 5, 6}, float64);
    const Variables leaves = problem.leaves();
    const Variable expected = recurrence(kind, problem.inputs(leaves));
    const Variables wanted = grad(weighted(expected), leaves);
    Variables seen;
    for (const Tensor& value : problem.values) {
      seen.push_back(value.dim() < 2 ? select(parameter(stack({value, value}, -1)), -1, 1)
                                     : transpose(parameter(transpose(value).clone())));
    }
    const Variable y = recurrence(kind, problem.inputs(seen));
    CHECK(close(y.value(), expected.value()));
    const Variables got = grad(weighted(y), seen);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CAPTURE(i);
      CHECK(close(got[i].value(), wanted[i].value()));
    }
  }
}

TEST_CASE("a sequence passes gradcheck of first and second order", "[autograd]") {
  for (const Recurrence kind : kKinds) {
    for (const bool reverse : {false, true}) {
      for (const bool masked : {false, true}) {
        CAPTURE(static_cast<int>(kind), reverse, masked);
        Problem problem(kind, {3, 2, 2, 2}, float64);
        problem.reverse = reverse;
        if (masked) problem.mask = tensor({{true, true}, {true, false}, {false, true}});
        const auto run = [&](Variables& v) { return recurrence(kind, problem.inputs(v)); };
        const Variables inputs(problem.values.begin(), problem.values.end());
        CHECK(gradcheck(run, inputs, {.second_order = true}));
      }
    }
  }
}

TEST_CASE("a step equals a sequence of one step", "[autograd]") {
  for (const Recurrence kind : kKinds) {
    CAPTURE(static_cast<int>(kind));
    const bool lstm = kind == Recurrence::lstm;
    Problem problem(kind, {1, 3, 4, 5}, float64);
    const Variables leaves = problem.leaves();
    const Variable whole = recurrence(kind, problem.inputs(leaves));
    RecurrentInputs in = problem.inputs(leaves);
    in.x = select(in.x, 0, 0);
    const Variable y = recurrent_step(kind, in);
    CHECK(y.shape() == (lstm ? Shape{2, 3, 5} : Shape{3, 5}));
    CHECK(equal(flatten(y.value()), flatten(whole.value())));
    const Variables wanted = grad(weighted(flatten(whole)), leaves);
    const Variables got = grad(weighted(flatten(y)), leaves);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CHECK(equal(got[i].value(), wanted[i].value()));
    }
    // An input without a batch dimension, and a batch of two dimensions.
    problem.values[0] = problem.values[0][0];
    const auto run = [&](const auto& look) {
      return [&](Variables& v) {
        RecurrentInputs own = problem.inputs(v);
        own.x = look(own.x);
        if (own.h.defined()) own.h = look(own.h);
        if (own.c.defined()) own.c = look(own.c);
        return recurrent_step(kind, own);
      };
    };
    const Variables inputs(problem.values.begin(), problem.values.end());
    CHECK(gradcheck(run([](const Variable& x) { return select(x, 0, 1); }), inputs,
                    {.second_order = true}));
    CHECK(gradcheck(run([](const Variable& x) { return unsqueeze(x, 0); }), inputs,
                    {.second_order = true}));
  }
}

TEST_CASE("masked inputs have no effect, even if they are nan", "[autograd]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Recurrence kind : kKinds) {
    for (const bool reverse : {false, true}) {
      CAPTURE(static_cast<int>(kind), reverse);
      Problem problem(kind, {4, 3, 2, 5}, float64);
      problem.reverse = reverse;
      problem.mask = some_mask(4, 3);
      const Variables clean = problem.leaves();
      const Variable expected = recurrence(kind, problem.inputs(clean));
      const Variables wanted = grad(weighted(expected), clean);
      problem.values[0] = where(unsqueeze(problem.mask, 2), problem.values[0], nan);
      const Variables leaves = problem.leaves();
      const Variable y = recurrence(kind, problem.inputs(leaves));
      CHECK(equal(y.value(), expected.value()));
      const Variable loss = weighted(y);
      for (const bool create_graph : {true, false}) {
        const Variables got = grad(loss, leaves, {.create_graph = create_graph});
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          CHECK(close(got[i].value(), wanted[i].value()));
        }
        CHECK(all(masked_select(got[0].value(),
                                logical_not(expand(unsqueeze(problem.mask, 2), {4, 3, 2}))) == 0)
                  .item<bool>());
      }
    }
  }
}

TEST_CASE("a sequence on the tape is one entry, is consumed once, and detects overwritten inputs",
          "[autograd]") {
  const Problem problem(Recurrence::lstm, {3, 2, 4, 5}, float32);
  const Variables leaves = problem.leaves();
  {
    const Variable y = recurrence(Recurrence::lstm, problem.inputs(leaves));
    CHECK(tape().size() == 1);
    CHECK(std::string(tape().newest()->name()) == "lstm");
    CHECK(tape().newest()->input_count() == 7);
    const Variable loss = sum(y);
    loss.backward();
    for (const Variable& leaf : leaves) CHECK(leaf.has_grad());
    CHECK_THROWS_AS(loss.backward(), AutogradError);
  }
  CHECK(tape().size() == 0);
  {
    // A frozen input has no cost and receives no gradient.
    Variables some = problem.leaves();
    some[1].set_requires_grad(false);
    sum(recurrence(Recurrence::lstm, problem.inputs(some))).backward();
    CHECK_FALSE(some[1].has_grad());
    CHECK(some[2].has_grad());
    const Variables constants(problem.values.begin(), problem.values.end());
    CHECK_FALSE(recurrence(Recurrence::lstm, problem.inputs(constants)).requires_grad());
    NoGrad guard;
    CHECK_FALSE(recurrence(Recurrence::lstm, problem.inputs(leaves)).requires_grad());
  }
  {
    Tensor x = problem.values[0].clone();
    Variables some = problem.leaves();
    some[0] = Variable(x);
    const Variable loss = sum(recurrence(Recurrence::lstm, problem.inputs(some)));
    x.fill_(1);
    CHECK_THROWS_AS(loss.backward(), AutogradError);
    CHECK_FALSE(some[1].has_grad());
  }
  {
    const Variable y = recurrence(Recurrence::lstm, problem.inputs(leaves));
    const Variable loss = sum(y);
    Tensor states = y.value();
    states.fill_(0);
    CHECK_THROWS_AS(loss.backward(), AutogradError);
  }
  CHECK(tape().size() == 0);
}
