// Hooks: functions that are called with a gradient before it is used, and may replace it; and the
// gradients that Variables store. Read next: autograd/backward_hook.h.
#include <algorithm>
#include <atomic>

#include <tapegrad/autograd/backward.h>
#include <tapegrad/autograd/errors.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

Variable where(const Tensor& condition, const Variable& a, Scalar b);  // from autograd/ops.h

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

// Retained gradients ------------------------------------------------------------------------------

namespace {

// retain_grad() stores the gradient of a result in a hook of number 0, so that it costs nothing
// where it is not used. The hook itself does nothing: the pass finds it.
constexpr std::size_t kRetains = 0;
struct RetainedGradient {
  std::shared_ptr<GradientSum> sum = std::make_shared<GradientSum>();
  Variable operator()(const Variable& /*gradient*/) const { return {}; }
};

// Null if the hooks do not include it.
std::shared_ptr<GradientSum> retained(const Hooks& hooks) {
  for (const auto& [number, hook] : hooks) {
    if (number == kRetains) return hook->target<RetainedGradient>()->sum;
  }
  return nullptr;
}

// What a pass adds to retained gradients at its end.
using RetainedParts = std::vector<std::pair<std::shared_ptr<GradientSum>, Tensor>>;
constexpr char kRetainedParts = 0;  // its address is the key of the pass's state

}  // namespace

void Variable::retain_grad() const {
  if (!requires_grad()) {
    throw AutogradError(
        "retain_grad: this variable does not require a gradient, needed one that does; make it "
        "with parameter(), or compute it from a parameter");
  }
  if (is_leaf() || retains_grad()) return;
  node_->as_entry().hooks().emplace_back(kRetains,
                                         std::make_shared<const Hook>(RetainedGradient()));
}

bool Variable::retains_grad() const {
  return !is_leaf() && retained(node_->as_entry().hooks()) != nullptr;
}

// The gradient that this variable stores.
GradientSum& Variable::gradient() const {
  if (!is_leaf()) {
    if (const auto sum = retained(node_->as_entry().hooks())) return *sum;
  }
  return leaf().grad;
}

Tensor Variable::grad() const {
  const GradientSum& sum = gradient();
  if (sum.empty()) detail::throw_no_grad();
  return sum.dense(stored());
}

RowSparse Variable::row_grad() const {
  const GradientSum& sum = gradient();
  if (!sum.is_row_sparse()) detail::throw_no_row_grad(!sum.empty());
  return sum.coalesced();
}

void Variable::set_grad(Tensor gradient) {
  detail::check_same("set_grad", gradient, leaf().stored());
  leaf().grad.set(std::move(gradient));
}

// The pass ----------------------------------------------------------------------------------------

// Iterates over a copy of the list, because a hook may add and remove hooks.
void BackwardPass::call_hooks(const Hooks& hooks, const Node& node, Variable& gradient) {
  for (const auto& [number, hook] : Hooks(hooks)) {
    if (Variable changed = (*hook)(gradient); changed.defined()) {
      gradient = fitted(node, std::move(changed));
    }
  }
  if (!all_wanted_) return;  // grad() changes no grad()
  if (auto sum = retained(hooks)) {
    state<RetainedParts>(&kRetainedParts).emplace_back(std::move(sum), gradient.value());
  }
}

// When an entry is consumed, its hooks are released. Its retained gradient stays.
void BackwardPass::release_hooks(Hooks& hooks) {
  std::erase_if(hooks, [](const auto& each) { return each.first != kRetains; });
}

namespace {

// Pruned elements have no gradient (row_policy.h).
template <class Rows>
void zero_pruned(const Tensor& kept, Variable& sum, Rows& rows) {
  if (sum.defined()) sum = where(kept, sum, 0);
  for (RowSparse& each : rows) each.rows = where(index_select(kept, 0, each.ids), each.rows, 0);
}

}  // namespace

// Called when all rules have succeeded. When all hooks have, too, the retained gradients change.
void BackwardPass::call_leaf_hooks() {
  for (LeafGradient& gradient : leaves_) {
    const Leaf& leaf = gradient.leaf->as_leaf();
    if (!leaf.hooks.empty() && make_dense(gradient).defined()) {
      call_hooks(leaf.hooks, *gradient.leaf, gradient.sum);
    }
    if (leaf.is_pruned()) zero_pruned(leaf.row_policy().kept(), gradient.sum, gradient.rows);
  }
  if (states_.empty()) return;
  RetainedParts& parts = state<RetainedParts>(&kRetainedParts);
  for (auto& [sum, part] : parts) sum->reserve(part, 0);
  for (auto& [sum, part] : parts) sum->add(std::move(part));
}

}  // namespace tapegrad
