// Each input, and each output, has two entries behind each other:
//
//   x -> gate -> collect -> (the computation) -> gate -> collect -> y
//
// All gates of one side are recorded before its collecting entries, so on the way back all those
// that collect have fired when the first gate does: there the gradients of a side are complete.
#include <tapegrad/autograd/backward_hook.h>

#include <algorithm>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>

namespace tapegrad {

namespace {

// What has been collected in one pass.
struct Notes {
  std::vector<Variable> grad_inputs;
  std::vector<Variable> grad_outputs;
  bool called = false;
};

}  // namespace

struct BackwardHook::Plan {
  std::string name;
  Function function;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  bool wanted = false;  // an input wants a gradient

  void call(Notes& notes) const {
    if (std::exchange(notes.called, true)) return;
    notes.grad_inputs.resize(inputs);
    notes.grad_outputs.resize(outputs);
    std::vector<Variable> changed = notes.grad_inputs;
    function(changed, notes.grad_outputs);
    check(notes.grad_inputs, changed);
    notes.grad_inputs = std::move(changed);
  }

  void check(const std::vector<Variable>& before, const std::vector<Variable>& after) const {
    if (after.size() != before.size()) {
      throw ShapeError(name + ": left " + std::to_string(after.size()) +
                       " gradients of inputs, needed " + std::to_string(before.size()));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!before[i].defined() || !after[i].defined()) continue;
      if (after[i].shape() != before[i].shape()) {
        throw ShapeError(name + ": the gradient of input " + std::to_string(i) + " became " +
                         to_string(after[i].sizes()) + ", needed the input's " +
                         to_string(before[i].sizes()));
      }
    }
  }
};

BackwardHook::BackwardHook(std::string name, Function function) : plan_(std::make_shared<Plan>()) {
  plan_->name = std::move(name);
  plan_->function = std::move(function);
}

namespace {

// One side of a passage. collect(i, dy) and pass(i, dy) are its rules.
template <class Pass, class Collect>
std::vector<Variable> side(const std::vector<Variable>& values, const Pass& pass,
                           const Collect& collect) {
  std::vector<Variable> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Variable& x = values[i];
    result.push_back(!x.defined() ? x : record("gate", x.value(), from(x, [=](const Variable& dy) {
                                                 return pass(i, dy);
                                               })));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!result[i].defined()) continue;
    const Variable gate = result[i];
    result[i] = record("collect", gate.value(),
                       from(gate, [=](const Variable& dy) { return collect(i, dy); }));
  }
  return result;
}

void note(std::vector<Variable>& list, std::size_t i, const Variable& gradient) {
  if (list.size() <= i) list.resize(i + 1);
  list[i] = gradient;
}

}  // namespace

std::vector<Variable> BackwardHook::enter(const std::vector<Variable>& inputs) {
  plan_->inputs = inputs.size();
  plan_->wanted = tape().recording() && std::ranges::any_of(inputs, &Variable::requires_grad);
  return side(
      inputs,
      [plan = plan_](std::size_t i, const Variable& dy) {
        Notes& notes = BackwardPass::running().notes<Notes>(plan.get());
        plan->call(notes);
        return notes.grad_inputs[i].defined() ? notes.grad_inputs[i] : dy * 0;
      },
      [plan = plan_](std::size_t i, const Variable& dy) {
        note(BackwardPass::running().notes<Notes>(plan.get()).grad_inputs, i, dy);
        return dy;
      });
}

std::vector<Variable> BackwardHook::leave(const std::vector<Variable>& outputs) {
  plan_->outputs = outputs.size();
  return side(
      outputs,
      [plan = plan_](std::size_t, const Variable& dy) {
        if (!plan->wanted) plan->call(BackwardPass::running().notes<Notes>(plan.get()));
        return dy;
      },
      [plan = plan_](std::size_t i, const Variable& dy) {
        note(BackwardPass::running().notes<Notes>(plan.get()).grad_outputs, i, dy);
        return dy;
      });
}

}  // namespace tapegrad
