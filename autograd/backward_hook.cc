// The entries of a BackwardHook. Each input, and each output, passes through two entries:
//
//   x -> gate -> collect -> (the computation) -> gate -> collect -> y
//
// All gates of one side are recorded earlier than its collecting entries. In the backward pass all
// collecting entries have therefore fired when the first gate fires: there the gradients of this
// side are complete. Read next: autograd/errors.h.
#include <tapegrad/autograd/backward_hook.h>

#include <algorithm>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>

namespace tapegrad {

namespace {

// The gradients that one pass has collected.
struct Collected {
  std::vector<Variable> grad_inputs;
  std::vector<Variable> grad_outputs;
  bool called = false;
};

}  // namespace

struct BackwardHook::Shared {
  std::string name;
  Function function;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  bool input_requires_grad = false;

  void call(Collected& collected) const {
    if (std::exchange(collected.called, true)) return;
    collected.grad_inputs.resize(inputs);
    collected.grad_outputs.resize(outputs);
    std::vector<Variable> changed = collected.grad_inputs;
    function(changed, collected.grad_outputs);
    check(collected.grad_inputs, changed);
    collected.grad_inputs = std::move(changed);
  }

  void check(const std::vector<Variable>& before, const std::vector<Variable>& after) const {
    if (after.size() != before.size()) {
      throw ShapeError(name + ": the hook left " + std::to_string(after.size()) +
                       " gradients of inputs, needed " + std::to_string(before.size()));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!before[i].defined() || !after[i].defined()) continue;
      if (after[i].shape() != before[i].shape()) {
        throw ShapeError(name + ": the hook changed the gradient of input " + std::to_string(i) +
                         " to shape " + to_string(after[i].sizes()) +
                         ", needed the input's shape " + to_string(before[i].sizes()));
      }
    }
  }
};

BackwardHook::BackwardHook(std::string name, Function function)
    : shared_(std::make_shared<Shared>()) {
  shared_->name = std::move(name);
  shared_->function = std::move(function);
}

namespace {

// Records the entries of one side. open(i, dy) is the rule of gate i, collect(i, dy) the rule of
// the collecting entry i.
template <class Open, class Collect>
std::vector<Variable> record_side(const std::vector<Variable>& values, const Open& open,
                                  const Collect& collect) {
  std::vector<Variable> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Variable& x = values[i];
    result.push_back(!x.defined() ? x : record("gate", x.value(), from(x, [=](const Variable& dy) {
                                                 return open(i, dy);
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

void store(std::vector<Variable>& list, std::size_t i, const Variable& gradient) {
  if (list.size() <= i) list.resize(i + 1);
  list[i] = gradient;
}

}  // namespace

std::vector<Variable> BackwardHook::enter(const std::vector<Variable>& inputs) {
  shared_->inputs = inputs.size();
  shared_->input_requires_grad =
      Tape::is_recording() && std::ranges::any_of(inputs, &Variable::requires_grad);
  return record_side(
      inputs,
      [shared = shared_](std::size_t i, const Variable& dy) {
        Collected& collected = BackwardPass::running().state<Collected>(shared.get());
        shared->call(collected);
        return collected.grad_inputs[i].defined() ? collected.grad_inputs[i] : dy * 0;
      },
      [shared = shared_](std::size_t i, const Variable& dy) {
        store(BackwardPass::running().state<Collected>(shared.get()).grad_inputs, i, dy);
        return dy;
      });
}

std::vector<Variable> BackwardHook::leave(const std::vector<Variable>& outputs) {
  shared_->outputs = outputs.size();
  return record_side(
      outputs,
      [shared = shared_](std::size_t, const Variable& dy) {
        if (!shared->input_requires_grad)
          shared->call(BackwardPass::running().state<Collected>(shared.get()));
        return dy;
      },
      [shared = shared_](std::size_t i, const Variable& dy) {
        store(BackwardPass::running().state<Collected>(shared.get()).grad_outputs, i, dy);
        return dy;
      });
}

}  // namespace tapegrad
