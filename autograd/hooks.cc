// Hooks: functions that are called with a gradient before it is used, and may replace it. Read
// next: autograd/backward_hook.h.
#include <algorithm>
#include <atomic>

#include <tapegrad/autograd/backward.h>

namespace tapegrad {

Hooks& Entry::hooks() {
  if (hooks_ == nullptr) hooks_ = new Hooks;
  return *hooks_;
}

std::size_t Variable::add_hook(Hook hook) const {
  static std::atomic<std::size_t> count = 0;
  if (!requires_grad()) {
    throw AutogradError(
        "register_hook: this variable does not require a gradient, needed one that does; make it "
        "with parameter(), or call set_requires_grad(true)");
  }
  const std::size_t number = ++count;
  Hooks& hooks = is_leaf() ? leaf().hooks : node_->as_entry().hooks();
  hooks.emplace_back(number, std::make_shared<const Hook>(std::move(hook)));
  return number;
}

void Variable::remove_hook(std::size_t hook) const {
  if (!node_) return;
  Hooks& hooks = is_leaf() ? leaf().hooks : node_->as_entry().hooks();
  std::erase_if(hooks, [hook](const auto& each) { return each.first == hook; });
}

// Iterates over a copy of the list, because a hook may add and remove hooks.
void BackwardPass::call_hooks(const Hooks& hooks, const Node& node, Variable& gradient) const {
  for (const auto& [number, hook] : Hooks(hooks)) {
    if (Variable changed = (*hook)(gradient); changed.defined()) {
      gradient = fitted(node, std::move(changed));
    }
  }
}

void BackwardPass::call_leaf_hooks() {
  for (LeafGradient& gradient : leaves_) {
    const Hooks& hooks = gradient.leaf->as_leaf().hooks;
    if (hooks.empty() || !make_dense(gradient).defined()) continue;
    call_hooks(hooks, *gradient.leaf, gradient.sum);
  }
}

}  // namespace tapegrad
