// Groups, the walk over parameters that are due, and saving. Read next:
// optim/lazy/trainable_ranges.h.
#include <tapegrad/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <sstream>
#include <unordered_set>
#include <utility>

#include <tapegrad/autograd/node.h>
#include <tapegrad/optim/state.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

std::string quoted(const NamedParameter& parameter) {
  return parameter.name.empty() ? "a parameter" : "parameter '" + parameter.name + "'";
}

std::string describe(const Tensor& x) {
  return std::string(name(x.dtype())) + " " + to_string(x.sizes());
}

bool alike(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && std::ranges::equal(a.sizes(), b.sizes());
}

}  // namespace

Optimizer::Optimizer(const char* name) : name_(name) {}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;

// Groups ------------------------------------------------------------------------------------------

void Optimizer::add_parameters(std::vector<NamedParameter> parameters) {
  const std::string start = std::string(name_) + ": ";
  if (parameters.empty()) {
    throw ValueError(start +
                     "got an empty parameter list, needed at least one parameter; take "
                     "model.parameters()");
  }
  std::unordered_set<const Node*> known;
  for (const Group& group : groups_) {
    for (const NamedParameter& parameter : group.parameters)
      known.insert(parameter.variable.node());
  }
  for (const NamedParameter& parameter : parameters) {
    const Node* const node = parameter.variable.node();
    if (node == nullptr || !node->is_leaf()) {
      throw ValueError(start + quoted(parameter) + " is " +
                       (node == nullptr ? "a constant" : "the result of an operation") +
                       ", needed a leaf; make one with parameter(tensor)");
    }
    if (!known.insert(node).second) {
      throw ValueError(start + quoted(parameter) +
                       " is listed twice, needed each parameter once and in one group");
    }
  }
  std::vector<std::unique_ptr<State>> states;
  for (const NamedParameter& parameter : parameters) {
    states.push_back(std::make_unique<State>(parameter.variable));
  }
  groups_.push_back({std::move(parameters), std::move(states)});
}

void Optimizer::check(bool valid, const char* option, double value, const char* needed) const {
  if (valid) return;
  std::ostringstream text;
  text << name_ << ": invalid " << option << ": " << value << ", needed " << needed;
  throw ValueError(text.str());
}

void Optimizer::check_group(std::size_t group) const {
  if (group < groups_.size()) return;
  throw IndexError(std::string(name_) + ": group " + std::to_string(group) + " out of range for " +
                   std::to_string(groups_.size()) + " groups");
}

const std::vector<NamedParameter>& Optimizer::parameters(std::size_t group) const {
  check_group(group);
  return groups_[group].parameters;
}

double Optimizer::lr(std::size_t group) const {
  check_group(group);
  return rate(group);
}

void Optimizer::set_lr(double lr) {
  check_rate(lr);
  for (std::size_t group = 0; group < groups_.size(); ++group) set_rate(group, lr);
}

void Optimizer::set_lr(double lr, std::size_t group) {
  check_group(group);
  check_rate(lr);
  set_rate(group, lr);
}

double Optimizer::momentum(std::size_t group) const {
  check_group(group);
  const double* const option = const_cast<Optimizer*>(this)->momentum_option(group);
  if (option == nullptr) throw ValueError(std::string(name_) + ": this optimiser has no momentum");
  return *option;
}

void Optimizer::set_momentum(double momentum, std::size_t group) {
  check_group(group);
  check(momentum >= 0 && momentum < 1, "momentum", momentum, "a number in [0, 1)");
  double* const option = momentum_option(group);
  if (option == nullptr) throw ValueError(std::string(name_) + ": this optimiser has no momentum");
  if ((*option == 0) != (momentum == 0)) {
    throw ValueError(std::string(name_) +
                     ": momentum cannot be switched on or off later, make a new optimiser");
  }
  *option = momentum;
}

// Steps -------------------------------------------------------------------------------------------

template <class Function>
void Optimizer::for_each_due(const Function& function) {
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    auto& [parameters, states] = groups_[group];
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Leaf& leaf = parameters[i].variable.leaf();
      if (leaf.requires_grad && !leaf.grad.empty()) function(parameters[i], *states[i], group);
    }
  }
}

void Optimizer::step() {
  for_each_due([this](const NamedParameter& parameter, State& state, std::size_t group) {
    prepare(parameter, state, group);
  });
  for_each_due([this](const NamedParameter& parameter, State& state, std::size_t group) {
    ++state.steps;
    update(parameter.variable.leaf(), state, group);
  });
}

// All that could go wrong in a step.
void Optimizer::prepare(const NamedParameter& parameter, State& state, std::size_t group) const {
  Leaf& leaf = parameter.variable.leaf();
  const auto refuse = [&](const char* what, const Tensor& found, const char* fix) {
    throw ValueError(std::string(name_) + ": " + quoted(parameter) + " is " +
                     describe(leaf.stored()) + ", but its " + what + " is " + describe(found) +
                     "; " + fix);
  };
  if (!leaf.grad.is_row_sparse()) {
    const Tensor gradient = leaf.grad.dense(leaf.stored());
    if (!alike(gradient, leaf.stored())) refuse("gradient", gradient, "call zero_grad()");
  } else {
    const Tensor& rows = leaf.grad.rows().rows;
    if (rows.dtype() != leaf.stored().dtype() || rows.size(1) != leaf.stored().size(-1)) {
      refuse("gradient's rows", rows, "call zero_grad()");
    }
  }
  for (const Tensor& moment : state.moments) {
    if (!alike(moment, leaf.stored())) refuse("state", moment, "make a new optimiser");
  }
  check_gradient(leaf);
  const std::size_t needed = moments(group).size();
  while (state.moments.size() < needed) {
    const double first = initial(group, state.moments.size());
    state.moments.push_back(full_like(leaf.stored(), first));
    state.initial.push_back(first);
  }
}

void Optimizer::zero_grad() {
  for (Group& group : groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.variable.zero_grad();
  }
}

// Rows that wait ----------------------------------------------------------------------------------

void Optimizer::flush() {
  for (const Group& group : groups_) {
    for (const auto& state : group.states) state->leaf.flush();
  }
}

void Optimizer::State::flush() {
  if (waiting != nullptr) waiting->flush(*this);
}

void Optimizer::State::flush_rows(std::span<const std::int64_t> ids) {
  if (waiting != nullptr) waiting->flush_rows(*this, ids);
}

// Rows take along what is remembered of them; new ones begin as all did.
void Optimizer::State::remap_rows(std::span<const std::int64_t> sources) {
  waiting.reset();  // the leaf has settled
  for (std::size_t i = 0; i < moments.size(); ++i) {
    Shape shape(moments[i].sizes());
    shape[0] = static_cast<std::int64_t>(sources.size());
    Tensor remapped = full(shape, initial[i], moments[i].dtype());
    for (std::size_t row = 0; row < sources.size(); ++row) {
      if (sources[row] < 0) continue;
      select(remapped, 0, static_cast<std::int64_t>(row))
          .copy_(select(moments[i], 0, sources[row]));
    }
    moments[i] = std::move(remapped);
  }
  explain = nullptr;
}

// Saving ------------------------------------------------------------------------------------------

// `state.<name>.` for every parameter, groups one after the other.
std::vector<std::string> Optimizer::labels() const {
  std::vector<std::string> labels;
  std::unordered_set<std::string> known;
  for (const Group& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      const std::string name =
          parameter.name.empty() ? std::to_string(labels.size()) : parameter.name;
      if (!known.insert(name).second) {
        throw ValueError(std::string(name_) + ": two parameters are called '" + name +
                         "', needed different names to tell their states apart");
      }
      labels.push_back("state." + name + ".");
    }
  }
  return labels;
}

namespace {
std::string rate_label(std::size_t group) {
  return "param_groups." + std::to_string(group) + ".lr";
}

// A whole number from 1 on; PyTorch has it as a floating-point one.
bool is_count(const Tensor& steps) {
  if (steps.dtype() == boolean || steps.numel() != 1) return false;
  const auto number = steps.item<double>();
  return number >= 1 && number < 0x1p53 && number == std::floor(number);
}
}  // namespace

StateDict Optimizer::state_dict() const {
  StateDict saved;
  const std::vector<std::string> names = labels();
  auto label = names.begin();
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    for (const auto& remembered : groups_[group].states) {
      State& state = *remembered;
      state.leaf.flush();
      if (state.steps > 0) {
        saved.insert(*label + "step", tensor(state.steps));
        const auto kinds = moments(group);
        for (std::size_t i = 0; i < kinds.size(); ++i) {
          saved.insert(*label + kinds[i], state.moments[i].clone());
        }
      }
      ++label;
    }
    saved.insert(rate_label(group), tensor(rate(group), float64));
  }
  return saved;
}

void Optimizer::load_state_dict(const StateDict& saved) {
  std::string problems;
  const auto complain = [&](const std::string& problem) {
    problems += (problems.empty() ? "" : ", ") + problem;
  };
  std::unordered_set<std::string> used;
  const auto find = [&](const std::string& key) {
    const Tensor* const found = saved.find(key);
    used.insert(key);
    if (found == nullptr) complain("missing " + key);
    return found;
  };

  struct Loaded {
    std::int64_t steps = 0;
    std::vector<Tensor> moments;
  };
  std::vector<std::vector<Loaded>> states;
  std::vector<double> rates;
  const std::vector<std::string> names = labels();
  auto label = names.begin();
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    std::vector<Loaded>& loaded = states.emplace_back(groups_[group].states.size());
    for (std::size_t i = 0; i < loaded.size(); ++i, ++label) {
      if (!saved.contains(*label + "step")) continue;  // it had not taken a step
      const Tensor& steps = *find(*label + "step");
      if (!is_count(steps)) {
        complain(*label + "step is not a count");
        for (const char* kind : moments(group)) used.insert(*label + kind);
        continue;
      }
      loaded[i].steps = steps.item<std::int64_t>();
      const Tensor& value = groups_[group].parameters[i].variable.leaf().stored();
      for (const char* kind : moments(group)) {
        const Tensor* const moment = find(*label + kind);
        if (moment == nullptr) continue;
        if (!is_floating_point(moment->dtype()) || moment->shape() != value.shape()) {
          complain(*label + kind + " is " + describe(*moment) + " for " + describe(value));
        } else {
          loaded[i].moments.push_back(moment->to(value.dtype()).clone());
        }
      }
    }
    if (const Tensor* const lr = find(rate_label(group)); lr != nullptr) {
      const bool valid = lr->numel() == 1 && lr->item<double>() >= 0;
      if (!valid) complain(rate_label(group) + " is not a learning rate");
      rates.push_back(valid ? lr->item<double>() : 0);
    }
  }
  for (const auto& [key, moment] : saved) {
    if (!used.contains(key)) complain("unexpected " + key);
  }
  if (!problems.empty()) {
    throw FormatError(std::string(name_) + ": the state does not fit this optimiser: " + problems);
  }
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    for (std::size_t i = 0; i < states[group].size(); ++i) {
      State& state = *groups_[group].states[i];
      state.leaf.flush();
      state.waiting.reset();
      state.explain = nullptr;
      state.steps = states[group][i].steps;
      state.moments = std::move(states[group][i].moments);
      state.initial.clear();
      for (std::size_t m = 0; m < state.moments.size(); ++m) {
        state.initial.push_back(initial(group, m));
      }
    }
    set_rate(group, rates[group]);
  }
}

}  // namespace tapegrad::optim
