// Program: a list of leaves and operations, which can be run, compared, shrunk and printed. Read
// next: operation.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad::tapes {

// An output of an earlier step.
struct Ref {
  int step = 0;
  int output = 0;
  friend bool operator==(const Ref&, const Ref&) = default;
};

// The arguments of an operation that are not tensors. What each one means stands in its row of the
// table.
struct Attributes {
  std::int64_t i = 0, j = 0, k = 0, l = 0;
  double p = 0, q = 0;
  bool flag = false, flag2 = false;
  Shape shape{}, dims{};
};

struct Operation;

// A leaf or a call of an operation.
struct Step {
  const Operation* operation = nullptr;  // null: a leaf
  std::vector<Ref> inputs{};
  Attributes a{};

  // A leaf: its elements in row-major order. Floating-point leaves are differentiated unless
  // constant.
  Shape shape{};
  DType dtype = float64;
  std::vector<double> elements{};
  bool constant = false;

  bool is_leaf() const { return operation == nullptr; }
};

// What is special in a program; it decides which checks run.
enum class Mode {
  gradients,  // float64, compared with differences of first and second order
  single,     // float32, each operation compared with float64
  mixed,      // all types of elements
  special,    // NaN, infinities, signed zeros
  large       // more elements than the thresholds of threading
};
const char* name_of(Mode mode);

struct Program {
  std::uint64_t seed = 0;
  Mode mode = Mode::gradients;
  std::vector<Step> steps{};

  int operations() const;  // steps that are not leaves
};

// The results of each step.
using Results = std::vector<Variable>;
using Values = std::vector<Results>;

Tensor tensor_of(const Step& leaf);

// The inputs of a step, from the results of earlier ones.
Results inputs_of(const Step& step, const Values& values);

// Calls all operations. `leaves` holds one Variable for each leaf, in their order.
Values run(const Program& program, const std::vector<Variable>& leaves);

// A leaf that requires a gradient for each floating-point leaf, a constant for each other one.
std::vector<Variable> leaves_of(const Program& program);

// The floating-point results that no later step uses.
std::vector<Ref> outputs_of(const Program& program, const Values& values);

// Removes the leaves and operations that no output of the listed steps depends on.
Program without_unused(const Program& program, const std::vector<int>& kept);

}  // namespace tapegrad::tapes
