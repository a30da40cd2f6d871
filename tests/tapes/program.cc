// Running a program. Read next: check.h.
#include "tapes/program.h"

#include <tapegrad/autograd/ops.h>

#include "tapes/operation.h"

namespace tapegrad::tapes {

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::gradients:
      return "gradients";
    case Mode::single:
      return "single";
    case Mode::mixed:
      return "mixed";
    case Mode::special:
      return "special";
    case Mode::large:
      return "large";
  }
  return "";
}

int Program::operations() const {
  int count = 0;
  for (const Step& step : steps) count += step.is_leaf() ? 0 : 1;
  return count;
}

Tensor tensor_of(const Step& leaf) {
  return reshape(tensor(leaf.elements).to(leaf.dtype), leaf.shape);
}

Results inputs_of(const Step& step, const Values& values) {
  Results inputs;
  inputs.reserve(step.inputs.size());
  for (const Ref& ref : step.inputs) {
    inputs.push_back(
        values[static_cast<std::size_t>(ref.step)].at(static_cast<std::size_t>(ref.output)));
  }
  return inputs;
}

Values run(const Program& program, const std::vector<Variable>& leaves) {
  Values values;
  values.reserve(program.steps.size());
  std::size_t leaf = 0;
  for (const Step& step : program.steps) {
    if (step.is_leaf()) {
      values.push_back({leaves.at(leaf++)});
    } else {
      values.push_back(step.operation->call(inputs_of(step, values), step.a));
    }
  }
  return values;
}

std::vector<Variable> leaves_of(const Program& program) {
  std::vector<Variable> leaves;
  for (const Step& step : program.steps) {
    if (!step.is_leaf()) continue;
    const Tensor value = tensor_of(step);
    const bool differentiable = is_floating_point(step.dtype) && !step.constant;
    leaves.push_back(differentiable ? parameter(value) : Variable(value));
  }
  return leaves;
}

std::vector<Ref> outputs_of(const Program& program, const Values& values) {
  std::vector<Ref> outputs;
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    if (program.steps[s].is_leaf()) continue;
    for (std::size_t o = 0; o < values[s].size(); ++o) {
      const Ref ref{static_cast<int>(s), static_cast<int>(o)};
      if (!is_floating_point(values[s][o].dtype())) continue;
      bool used = false;
      for (const Step& step : program.steps) {
        for (const Ref& input : step.inputs) used = used || input == ref;
      }
      if (!used) outputs.push_back(ref);
    }
  }
  return outputs;
}

Program without_unused(const Program& program, const std::vector<int>& kept) {
  const std::size_t count = program.steps.size();
  std::vector<bool> needed(count, false);
  for (const int step : kept) needed[static_cast<std::size_t>(step)] = true;
  for (std::size_t s = count; s-- > 0;) {
    if (!needed[s]) continue;
    for (const Ref& input : program.steps[s].inputs) {
      needed[static_cast<std::size_t>(input.step)] = true;
    }
  }
  Program result{program.seed, program.mode};
  std::vector<int> position(count, -1);
  for (std::size_t s = 0; s < count; ++s) {
    if (!needed[s]) continue;
    position[s] = static_cast<int>(result.steps.size());
    Step step = program.steps[s];
    for (Ref& input : step.inputs) input.step = position[static_cast<std::size_t>(input.step)];
    result.steps.push_back(std::move(step));
  }
  return result;
}

}  // namespace tapegrad::tapes
