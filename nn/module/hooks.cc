// The order in which a call runs its hooks, and the checks of what they leave. Read next:
// nn/module/summary.h.
#include <tapegrad/nn/module/hooks.h>

#include <string>
#include <utility>

#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

namespace {

void check_count(const char* what, const Module& module, std::size_t before, std::size_t after) {
  if (before == after) return;
  throw ValueError(std::string(what) + " of " + module.description() + ": left " +
                   std::to_string(after) + " Variables, needed " + std::to_string(before) +
                   "; replace elements of the vector, but keep its size");
}

// The module that backward hooks see, because the object that was called may no longer exist.
struct ModuleHandle : Module {
  explicit ModuleHandle(const Module& module) : Module(module), text(module.description()) {}
  std::string description() const override { return text; }
  std::string text;
};

}  // namespace

HookedCall::HookedCall(const Module& module, ModuleHooks hooks, std::vector<Variable> inputs)
    : module_(module), hooks_(std::move(hooks)), inputs_(std::move(inputs)) {
  const std::size_t count = inputs_.size();
  std::vector<FullBackwardHook> backward;
  for (const ModuleHook& hook : hooks_) {
    if (hook.before) hook.before(module_, inputs_);
    check_count("forward pre-hook", module_, count, inputs_.size());
    if (hook.backward) backward.push_back(hook.backward);
  }
  if (backward.empty()) return;
  const auto call_all = [handle = ModuleHandle(module_), list = std::move(backward)](
                            std::vector<Variable>& grad_inputs,
                            const std::vector<Variable>& grad_outputs) {
    for (const FullBackwardHook& hook : list) hook(handle, grad_inputs, grad_outputs);
  };
  backward_hook_.emplace("backward hook of " + module_.description(), call_all);
  inputs_ = backward_hook_->enter(inputs_);
}

std::vector<Variable> HookedCall::finish(std::vector<Variable> outputs) {
  const std::size_t count = outputs.size();
  for (const ModuleHook& hook : hooks_) {
    if (hook.after) hook.after(module_, inputs_, outputs);
    check_count("forward hook", module_, count, outputs.size());
  }
  return backward_hook_.has_value() ? backward_hook_->leave(outputs) : outputs;
}

}  // namespace tapegrad::nn
