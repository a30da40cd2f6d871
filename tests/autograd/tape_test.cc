// Tests of the tape: its six invariants, which autograd/tape.h lists, how it is printed, what is
// recorded, and threads. Read next: backward_test.cc.
#include <cstdint>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"

namespace tapegrad {
namespace {

// A small network with a lookup, broadcasting, a diamond, slices, and an input used twice.
Variable network(const Variable& table, const Variable& w) {
  const Variable x = embedding(table, tensor({1, 3, 1}));   // (3, 4)
  const Variable h = tanh(matmul(x, w)) + select(w, 0, 0);  // (3, 4)
  const Variable joined = cat({select(h, 0, 1), select(h, 0, 2), select(x, 0, 0)});
  return mean(square(h) * h) + sum(joined);
}

struct Leaves {
  Generator generator{1};
  Variable table = parameter(randn({5, 4}, float32, generator));
  Variable w = parameter(randn({4, 4}, float32, generator));
};

std::uint64_t number(const Variable& result) { return result.node()->as_entry().number(); }

// Whether the numbers of the entries increase, and every entry has a greater number than its
// inputs.
bool in_order() {
  const Entry* previous = nullptr;
  for (const Entry* entry = tape().oldest(); entry != nullptr; entry = Tape::next(entry)) {
    if (previous != nullptr && previous->number() >= entry->number()) return false;
    previous = entry;
    for (std::size_t i = 0; i < entry->input_count(); ++i) {
      Node* input = entry->input(i);
      if (input == nullptr || input->is_leaf()) continue;
      if (input->as_entry().number() >= entry->number()) return false;
    }
  }
  return true;
}

std::string printed_tape() {
  std::ostringstream out;
  out << tape();
  return out.str();
}

Variable chain(const Variable& start, int length) {
  Variable x = start;
  for (int i = 0; i < length; ++i) x = x * 1.0;
  return x;
}

// An operation whose rule throws.
Variable broken(const Variable& x) {
  return record("broken", x.value().clone(), from(x, [](const Variable&) -> Variable {
                  throw std::runtime_error("the rule gave up");
                }));
}

}  // namespace

// Invariants --------------------------------------------------------------------------------------

TEST_CASE("1. An entry comes after the entries of all its inputs", "[autograd]") {
  const Leaves leaves;
  const Variable loss = network(leaves.table, leaves.w);
  CHECK(tape().size() > 10);
  CHECK(in_order());

  // Also after older entries are gone, and when a backward pass records entries.
  Variable a = leaves.w * 2.0;
  const Variable b = leaves.w * 3.0;
  a = Variable();
  const Variable c = b * 4.0;
  CHECK(in_order());
  const auto first = grad(loss, {leaves.w}, {.create_graph = true});
  CHECK(number(first[0]) > number(c));
  CHECK(in_order());
}

TEST_CASE("2. An entry is on the tape exactly as long as something refers to it", "[autograd]") {
  const Variable w = parameter(ones({2}));
  CHECK(tape().size() == 0);  // leaves are not entries
  {
    const Variable kept = w * 2.0;
    CHECK(tape().size() == 1);
    Variable y = exp(kept);
    Variable copy = y;
    CHECK(tape().size() == 2);
    y = Variable();
    CHECK(tape().size() == 2);  // the copy refers to it
    Variable z = copy * copy;
    CHECK(tape().size() == 3);
    copy = Variable();
    CHECK(tape().size() == 3);  // z refers to it
    const Tensor elements = z.value();
    z = Variable();
    CHECK(tape().size() == 1);  // a Tensor does not refer to it
    exp(kept);
    CHECK(tape().size() == 1);
  }
  CHECK(tape().size() == 0);

  SECTION("an entry in the middle stays as long as entries computed from it") {
    Variable y = chain(w, 5);
    Variable z = exp(y);
    y = Variable();
    CHECK(tape().size() == 6);
    z = Variable();
    CHECK(tape().size() == 0);
  }
  SECTION("a detached value, a hook and a gradient keep no entries") {
    Variable y = w * 2.0;
    const Variable cut = y.detach();
    y.register_hook([](const Variable&) {});
    sum(y).backward();
    y = Variable();
    CHECK(tape().size() == 0);
    CHECK(cut.item<float>({0}) == 2.0F);
    CHECK(w.has_grad());
  }
  SECTION("a consumed entry releases its inputs") {
    const Variable loss = sum(chain(w, 7));
    CHECK(tape().size() == 8);
    loss.backward();
    CHECK(tape().size() == 1);  // loss itself is still held
  }
}

TEST_CASE("3. An entry never refers to a newer one", "[autograd]") {
  // A rule that takes y does not capture it: a cycle would never be dropped.
  const Variable w = parameter(full({3}, 0.5));
  {
    const Variable y = tanh(w);
    const Variable z = sigmoid(exp(y)) / sqrt(y) + softmax(y, 0);
    CHECK(in_order());
    const auto first = grad(sum(z), {w}, {.create_graph = true});
    const auto second = grad(sum(first[0]), {w}, {.create_graph = true});
    CHECK(in_order());
    CHECK(tape().size() > 0);
  }
  CHECK(tape().size() == 0);
}

TEST_CASE("4. A pending gradient is a reference", "[autograd]") {
  // Drops the only other references to the entries before the backward pass reaches them.
  Variable w = parameter(tensor({1.0, 2.0}));
  Variable first = w * 2.0;
  Variable second = first * 3.0;
  Variable last = sum(second * 4.0);
  second.register_hook([&](const Variable&) { first = Variable(); });
  last.register_hook([&](const Variable&) { second = Variable(); });
  const Variable loss = std::exchange(last, Variable());
  loss.backward();
  CHECK(equal(w.grad(), tensor({24.0, 24.0})));

  SECTION("even the loss itself may be dropped") {
    Variable vanishing = sum(w * 5.0);
    vanishing.register_hook([&](const Variable&) { vanishing = Variable(); });
    w.zero_grad();
    vanishing.backward();
    CHECK(equal(w.grad(), tensor({5.0, 5.0})));
    CHECK(tape().size() == 1);  // loss
  }
}

TEST_CASE(
    "5. Nothing walks the history recursively: 1,000,000 entries can be recorded, differentiated "
    "and dropped with a small stack",
    "[autograd][deep]") {
  constexpr int kLength = 1'000'000;
  const Variable w = parameter(tensor(2.0));
  SECTION("differentiated") {
    Variable end = chain(w, kLength);
    CHECK(tape().size() == kLength);
    end.backward();
    CHECK(w.grad().item<float>() == 1.0F);
    end = Variable();
  }
  SECTION("dropped without a backward pass") {
    Variable end = chain(w, kLength);
    CHECK(tape().size() == kLength);
    end = Variable();
  }
  SECTION("differentiated and retained") {
    Variable end = chain(w, kLength);
    end.backward({.retain_graph = true});
    CHECK(tape().size() == kLength);
    end = Variable();
  }
  SECTION("ended by an exception in the middle") {
    Variable end = chain(broken(chain(w, kLength / 2)), kLength / 2);
    CHECK_THROWS_AS(end.backward(), std::runtime_error);
    end = Variable();
  }
  SECTION("every result used twice, and captured") {
    Variable end = w;
    for (int i = 0; i < kLength / 2; ++i) end = end * end;
    grad(end, {w});
    end = Variable();
  }
  CHECK(tape().size() == 0);
}

TEST_CASE(
    "6. After a training step, after an exception, and after a forgotten NoGrad, tape().size() is "
    "what it was before",
    "[autograd]") {
  Leaves leaves;
  const Variable other = leaves.w * 2.0;  // an entry that stays
  const std::size_t before = tape().size();

  SECTION("a training step") {
    for (int step = 0; step < 3; ++step) {
      leaves.table.zero_grad();
      leaves.w.zero_grad();
      network(leaves.table, leaves.w).backward();
      leaves.w.set_value(leaves.w.value() - 0.1 * leaves.w.grad());
      CHECK(tape().size() == before);
    }
  }
  SECTION("an exception while recording") {
    const auto step = [&] {
      const Variable y = network(leaves.table, leaves.w);
      matmul(exp(y * leaves.w), ones({3, 3}));
    };
    CHECK_THROWS_AS(step(), ShapeError);
  }
  SECTION("an exception in a rule") {
    const auto step = [&] { network(broken(leaves.table * 1.0), leaves.w * 1.0).backward(); };
    CHECK_THROWS_AS(step(), std::runtime_error);
  }
  SECTION("an exception in a hook") {
    const auto step = [&] {
      const Variable y = leaves.w * 1.0;
      y.register_hook([](const Variable&) -> Variable { throw std::runtime_error("no"); });
      network(leaves.table, y).backward();
    };
    CHECK_THROWS_AS(step(), std::runtime_error);
  }
  SECTION("an exception under create_graph") {
    const auto step = [&] {
      grad(network(broken(leaves.table * 1.0), leaves.w * 1.0), {leaves.table},
           {.create_graph = true});
    };
    CHECK_THROWS_AS(step(), std::runtime_error);
  }
  SECTION("a forgotten NoGrad") {
    for (int i = 0; i < 3; ++i) {
      const Tensor evaluated = network(leaves.table, leaves.w).value();
      CHECK(tape().size() == before);
    }
  }
  CHECK(tape().size() == before);
  CHECK(Tape::is_recording());
}

// Printing ----------------------------------------------------------------------------------------

TEST_CASE("a tape prints one line for each entry, newest last", "[autograd]") {
  CHECK(printed_tape().empty());
  const Tensor a = ones({2, 2});
  const Variable w = parameter(ones({2, 3}));
  Variable y = tanh(matmul(a, w));
  const Variable loss = mean(square(y));
  CHECK(printed_tape() ==
        "#0 matmul (2, 3) <- leaf (2, 3)\n"
        "#1 tanh (2, 3) <- #0\n"
        "#2 square (2, 3) <- #1\n"
        "#3 mean () <- #2\n");

  const Variable both = y * w;
  CHECK(printed_tape().ends_with("#4 mul (2, 3) <- #1, leaf (2, 3)\n"));
  std::ostringstream out;
  std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
  tape().print();
  std::cout.rdbuf(before);
  CHECK(out.str() == printed_tape());
  loss.backward();
  y = Variable();
  CHECK(printed_tape() ==
        "#1 tanh (2, 3)\n"
        "#3 mean ()\n"
        "#4 mul (2, 3) <- #1, leaf (2, 3)\n");
}

TEST_CASE("a variable is printed as its value and its entry", "[autograd]") {
  const auto printed = [](const Variable& x) {
    std::ostringstream out;
    out << x;
    return out.str();
  };
  Variable w = parameter(tensor({1.0, 2.0}));
  std::ostringstream value;
  value << w.value();
  CHECK(printed(w) == value.str() + " (leaf, requires_grad)");
  CHECK(printed(Variable(w.value())) == value.str());
  const Variable y = exp(w);
  CHECK(printed(y).ends_with(" (#0 exp)"));
  w.set_requires_grad(false);
  CHECK(printed(w) == value.str());
}

// What is recorded --------------------------------------------------------------------------------

TEST_CASE("nothing is recorded while a NoGrad exists", "[autograd]") {
  const Variable w = parameter(ones({2}));
  {
    const NoGrad outer;
    CHECK_FALSE(Tape::is_recording());
    {
      const NoGrad inner;
      CHECK_FALSE(exp(w).requires_grad());
    }
    CHECK_FALSE(Tape::is_recording());
    const Variable y = exp(w);
    CHECK_FALSE(y.requires_grad());
    CHECK(y.is_leaf());
    CHECK(tape().size() == 0);
  }
  CHECK(Tape::is_recording());
  CHECK(exp(w).requires_grad());
}

TEST_CASE("operations on constants and frozen leaves are not recorded", "[autograd]") {
  const Variable a = ones({2});
  Variable frozen = parameter(ones({2}));
  const Variable w = parameter(ones({2}));
  frozen.set_requires_grad(false);
  const Variable from_constants = exp(a) * frozen;
  CHECK(tape().size() == 0);
  CHECK_FALSE(from_constants.requires_grad());

  const Variable mixed = from_constants * w;
  const Entry* entry = tape().newest();
  CHECK(entry->input(0) == nullptr);
  CHECK(entry->input(1) == w.node());
  sum(mixed).backward();
  CHECK_FALSE(frozen.has_grad());
  frozen.set_requires_grad(true);
  CHECK((a * frozen).requires_grad());
}

TEST_CASE("integers have no gradient", "[autograd]") {
  const Variable x = parameter(tensor({1.5, 2.5}));
  CHECK_FALSE(x.to(int64).requires_grad());
  CHECK_FALSE(x.to(boolean).requires_grad());
  CHECK(x.to(float64).requires_grad());
  CHECK(tape().size() == 0);
}

TEST_CASE("the rule of an input that requires no gradient is not kept", "[autograd]") {
  // y = x w: if x is a constant, the rule for dx, which captures w, is not kept.
  const auto data = std::make_shared<int>();
  std::vector<float> memory(4, 1.0F);
  Tensor w_value = from_data(memory.data(), {2, 2}, data);
  const Variable x = parameter(ones({2, 2}));
  Variable y;
  {
    const Variable constant = std::move(w_value);
    y = matmul(constant, x);  // the rule for dx captures the constant
    CHECK(data.use_count() == 2);
    y = add(constant, x);  // no rule captures it
  }
  CHECK(data.use_count() == 1);
  sum(y).backward();
  CHECK(equal(x.grad(), ones({2, 2})));
}

TEST_CASE("a detached variable is a constant with the same value", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable y = w * 3.0;
  const Variable cut = y.detach();
  CHECK_FALSE(cut.requires_grad());
  CHECK(cut.value().shares_memory_with(y.value()));
  sum(y * cut).backward();
  CHECK(equal(w.grad(), 3.0 * cut.value()));
  CHECK_FALSE(w.detach().requires_grad());
}

// Threads -----------------------------------------------------------------------------------------

TEST_CASE("using history of another thread throws", "[autograd][threads]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable y = sum(exp(w));
  std::string from_record;
  std::string from_backward;
  std::string from_grad;
  std::size_t left = 1;
  std::thread([&] {
    try {
      y* w;
    } catch (const AutogradError& error) {
      from_record = error.what();
    }
    try {
      y.backward();
    } catch (const AutogradError& error) {
      from_backward = error.what();
    }
    try {
      grad(y, {w});
    } catch (const AutogradError& error) {
      from_grad = error.what();
    }
    left = tape().size();
  }).join();
  CHECK(from_record ==
        "mul: an input was recorded on another thread, and history cannot leave its thread; "
        "pass its detach() or value() instead");
  CHECK(from_backward ==
        "backward: this was recorded on another thread, and history cannot leave its thread; call "
        "it there");
  CHECK(from_grad ==
        "grad: this was recorded on another thread, and history cannot leave its thread; call it "
        "there");
  CHECK(left == 0);
  y.backward();  // its own thread can still use it
  CHECK(allclose(w.grad(), exp(w.value())));
}

TEST_CASE("threads that only read leaves may share them", "[autograd][threads]") {
  Generator generator(3);
  const Variable w = parameter(randn({8, 8}, float64, generator));
  const Tensor x = randn({4, 8}, float64, generator);
  const Tensor expected = grad(sum(tanh(matmul(x, w))), {w})[0].value();
  std::vector<Tensor> results(4);
  std::vector<std::thread> threads;
  for (Tensor& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const NoGrad guard;
        const Variable copy = w;
        result = tanh(matmul(x, copy)).value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& result : results) CHECK(equal(result, tanh(matmul(x, w.value()))));
  CHECK(equal(grad(sum(tanh(matmul(x, w))), {w})[0].value(), expected));
}

TEST_CASE("each thread has a tape of its own", "[autograd][threads]") {
  const Variable w = parameter(ones({2}));
  const Variable y = exp(w);
  Variable survivor;
  std::thread([&] {
    CHECK(tape().size() == 0);
    const NoGrad guard;
    CHECK_FALSE(Tape::is_recording());
  }).join();
  CHECK(Tape::is_recording());
  CHECK(tape().size() == 1);
  std::thread([&] { survivor = exp(parameter(zeros({2}))); }).join();
  CHECK(equal(survivor.value(), ones({2})));  // outlives its thread, whose tape stays until then
  survivor = Variable();
  CHECK(tape().size() == 1);
}

}  // namespace tapegrad
