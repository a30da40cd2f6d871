// Which elements are pruned. What keeps them at 0 is in autograd/row_policy.h. Read next:
// nn/compression/quantization.h.
#include <tapegrad/nn/compression/pruning.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include <tapegrad/autograd/row_policy.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn::utils::prune {
namespace {

std::string start(const char* operation) { return std::string("prune::") + operation + ": "; }

Variable found(const char* operation, const Module& module, const std::string& name) {
  std::string names;
  for (const NamedParameter& each : module.parameters()) {
    if (each.name == name) return each.variable;
    names += (names.empty() ? "'" : ", '") + each.name + "'";
  }
  throw ValueError(start(operation) + module.description() + " has no parameter '" + name +
                   "'; it has " + (names.empty() ? "none" : names));
}

Tensor kept_of(const Variable& parameter) {
  const Tensor& kept = std::as_const(parameter.leaf()).row_policy().kept();
  return kept.defined() ? kept.clone() : ones(parameter.shape(), boolean);
}

// The positions of the true elements of a contiguous mask.
std::vector<std::int64_t> positions_of(const Tensor& kept) {
  std::vector<std::int64_t> positions;
  const std::span<const bool> all = kept.span<bool>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i]) positions.push_back(static_cast<std::int64_t>(i));
  }
  return positions;
}

// The positions of the `count` smallest scores, of equal ones the first. NaN is the largest.
Tensor smallest(const Tensor& scores, std::int64_t count) {
  return narrow(argsort(scores), 0, 0, count);
}

// Sets `count` of the elements that are kept to false: those of the smallest absolute values, or
// those of the largest drawn numbers. `values` and `kept` are 1-d.
void prune_elements(Tensor& kept, const Tensor& values, Method method, std::int64_t count,
                    const std::vector<std::int64_t>& candidates, Generator& generator) {
  if (count == 0) return;
  const Tensor positions = tensor(candidates);
  const Tensor scores = method == L1Unstructured
                            ? abs(index_select(values, 0, positions))
                            : -rand(positions.shape(), values.dtype(), generator);
  const std::span<bool> all = kept.mutable_span<bool>();
  const Tensor chosen = smallest(scores, count).contiguous();
  for (const std::int64_t i : chosen.span<std::int64_t>()) {
    all[static_cast<std::size_t>(candidates[static_cast<std::size_t>(i)])] = false;
  }
}

void prune_one(const char* operation, Module& module, const std::string& name, Method method,
               Amount amount, Generator& generator) {
  const Variable parameter = found(operation, module, name);
  Tensor kept = reshape(kept_of(parameter), {-1});
  const std::vector<std::int64_t> candidates = positions_of(kept);
  const std::int64_t count = amount.of(operation, std::ssize(candidates));
  prune_elements(kept, reshape(parameter.value(), {-1}), method, count, candidates, generator);
  parameter.row_policy().set_kept(reshape(kept, parameter.shape()));
}

}  // namespace

std::int64_t Amount::of(const char* operation, std::int64_t size) const {
  if (!is_count_ && !(part_ >= 0 && part_ <= 1)) {
    throw ValueError(start(operation) + "amount is " + std::to_string(part_) +
                     ", needed a part from 0.0 to 1.0, or an integer number of elements");
  }
  if (is_count_ && (count_ < 0 || count_ > size)) {
    throw ValueError(start(operation) + "amount is " + std::to_string(count_) +
                     ", needed a number from 0 to " + std::to_string(size) +
                     ", what is not pruned yet");
  }
  return is_count_ ? count_ : std::llrint(part_ * static_cast<double>(size));
}

void l1_unstructured(Module& module, const std::string& name, Amount amount) {
  prune_one("l1_unstructured", module, name, L1Unstructured, amount, default_generator());
}

void random_unstructured(Module& module, const std::string& name, Amount amount,
                         Generator& generator) {
  prune_one("random_unstructured", module, name, RandomUnstructured, amount, generator);
}

void ln_structured(Module& module, const std::string& name, Amount amount, double n,
                   std::int64_t dim) {
  constexpr const char* kOperation = "ln_structured";
  const Variable parameter = found(kOperation, module, name);
  if (parameter.dim() < 2) {
    throw ShapeError(start(kOperation) + "'" + name + "' has shape " +
                     to_string(parameter.sizes()) +
                     ", needed two dimensions or more; use l1_unstructured");
  }
  if (!(n >= 0)) throw ValueError(start(kOperation) + "n is negative or nan, needed n >= 0");
  const std::int64_t along = dim < 0 ? dim + parameter.dim() : dim;
  if (along < 0 || along >= parameter.dim()) {
    throw IndexError(start(kOperation) + "dim " + std::to_string(dim) + " out of range for shape " +
                     to_string(parameter.sizes()));
  }
  // (channels, elements of a channel)
  const std::int64_t channels = parameter.size(along);
  Tensor kept = kept_of(parameter);
  const auto by_channel = [&](const Tensor& x) {
    return reshape(transpose(x, 0, along), {channels, channels == 0 ? 0 : x.numel() / channels});
  };
  const std::vector<std::int64_t> candidates = positions_of(any(by_channel(kept), 1).contiguous());
  const std::int64_t count = amount.of(kOperation, std::ssize(candidates));
  if (count > 0) {
    const Tensor norms =
        index_select(norm(by_channel(parameter.value()), n, {1}), 0, tensor(candidates));
    const Tensor chosen = smallest(norms, count).contiguous();
    for (const std::int64_t i : chosen.span<std::int64_t>()) {
      select(kept, along, candidates[static_cast<std::size_t>(i)]).zero_();
    }
  }
  parameter.row_policy().set_kept(std::move(kept));
}

void global_unstructured(const Parameters& parameters, Method pruning_method, Amount amount,
                         Generator& generator) {
  constexpr const char* kOperation = "global_unstructured";
  std::vector<Variable> leaves;
  std::vector<Tensor> values, masks;
  for (const auto& [module, name] : parameters) {
    const Variable leaf = found(kOperation, module, name);
    if (std::ranges::find(leaves, leaf.node(), &Variable::node) != leaves.end()) {
      throw ValueError(start(kOperation) + "'" + name + "' of " + module.description() +
                       " is listed twice, or tied to another one; needed each parameter once");
    }
    if (!leaves.empty() && leaf.dtype() != leaves.front().dtype()) {
      throw DTypeError(start(kOperation) + "got " + tapegrad::name(leaves.front().dtype()) +
                       " and " + tapegrad::name(leaf.dtype()) + ", needed one type");
    }
    leaves.push_back(leaf);
    values.push_back(reshape(leaf.value(), {-1}));
    masks.push_back(reshape(kept_of(leaf), {-1}));
  }
  if (leaves.empty()) throw ValueError(start(kOperation) + "got no parameters, needed some");
  Tensor kept = cat(masks, 0);
  const std::vector<std::int64_t> candidates = positions_of(kept);
  const std::int64_t count = amount.of(kOperation, std::ssize(candidates));
  prune_elements(kept, cat(values, 0), pruning_method, count, candidates, generator);
  std::int64_t begin = 0;
  for (const Variable& leaf : leaves) {
    leaf.row_policy().set_kept(reshape(narrow(kept, 0, begin, leaf.numel()), leaf.shape()));
    begin += leaf.numel();
  }
}

void custom_from_mask(Module& module, const std::string& name, const Tensor& mask) {
  constexpr const char* kOperation = "custom_from_mask";
  const Variable parameter = found(kOperation, module, name);
  if (mask.shape() != parameter.shape()) {
    throw ShapeError(start(kOperation) + "the mask has shape " + to_string(mask.sizes()) +
                     ", needed that of '" + name + "', " + to_string(parameter.sizes()));
  }
  parameter.row_policy().set_kept(logical_and(kept_of(parameter), mask != 0));
}

Tensor mask(const Module& module, const std::string& name) {
  return kept_of(found("mask", module, name));
}

bool is_pruned(const Module& module) {
  return std::ranges::any_of(module.parameters(), [](const NamedParameter& each) {
    return each.variable.leaf().is_pruned();
  });
}

void remove(Module& module, const std::string& name) {
  const Variable parameter = found("remove", module, name);
  if (!parameter.leaf().is_pruned()) {
    throw ValueError(start("remove") + "'" + name + "' of " + module.description() +
                     " is not pruned, needed a pruned parameter");
  }
  parameter.row_policy().set_kept({});
}

}  // namespace tapegrad::nn::utils::prune
