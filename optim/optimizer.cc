// Groups, and the step of each parameter. For fused steps over rows see optim/lazy/lazy_rows.h.
// Read next: optim/adam.h.
#include <tapegrad/optim/optimizer.h>

#include <algorithm>
#include <sstream>
#include <unordered_set>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/optim/lazy/trainable_ranges.h>
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

// Copies the elements that may change to a table, from another table or from one that has only the
// rows `ids`.
void write_movable(const Leaf& leaf, Tensor& table, const Tensor& from, const Tensor& ids) {
  const TrainableRanges ranges(leaf);
  const Tensor source = from.contiguous();
  visit_floating(table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* in = source.data<T>();
    T* const out = table.mutable_data<T>();
    if (!ids.defined()) {
      ranges.in_table([&](std::int64_t begin, std::int64_t count) {
        std::copy_n(in + begin, count, out + begin);
      });
      return;
    }
    for (const std::int64_t id : ids.span<std::int64_t>()) {
      T* const row = out + id * ranges.width();
      if (!ranges.is_held(id)) {
        ranges.in_row([&](std::int64_t begin, std::int64_t count) {
          std::copy_n(in + begin, count, row + begin);
        });
      }
      in += ranges.width();
    }
  });
}

// Applies the leaf's constraint, if it has one, to the rows `ids`, or to all rows.
void constrain_rows(Leaf& leaf, const Tensor& ids) {
  const RowConstraint& constraint = leaf.row_policy().constraint();
  if (constraint.kind == RowConstraint::Kind::none) return;
  const TrainableRanges ranges(leaf);
  const auto* const some = ids.defined() ? ids.data<std::int64_t>() : nullptr;
  const std::int64_t count = ids.defined() ? ids.numel() : ranges.rows();
  visit_floating(leaf.stored().dtype(), [&](auto zero) {
    auto* const p = leaf.writable_value().mutable_data<decltype(zero)>();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = some != nullptr ? some[i] : i;
      if (!ranges.is_held(row)) constrain(constraint, ranges, p + row * ranges.width());
    }
  });
}

}  // namespace

Optimizer::Optimizer(std::string name) : name_(std::move(name)) {}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;

// Steps -------------------------------------------------------------------------------------------

// All checks, and all that can fail, come before the first change.
void Optimizer::step() {
  for_each_due([this](const NamedParameter& parameter, State& state, std::size_t) {
    check_step(parameter, state);
  });
  Observer* const observer = Observer::current();
  std::size_t begun = 0;
  try {
    for_each_due([&](const NamedParameter&, State& state, std::size_t group) {
      ++begun;
      prepare_step(state, group);
    });
    if (observer != nullptr) report(*observer, false);
  } catch (...) {
    for_each_due([&](const NamedParameter&, State& state, std::size_t) {
      if (begun == 0) return;
      --begun;
      undo_preparation(state);
    });
    throw;
  }
  for_each_due([this](const NamedParameter&, State& state, std::size_t) { take_step(state); });
  if (observer != nullptr) report(*observer, true);
}

template <class Function>
void Optimizer::for_each_due(const Function& function) {
  for (std::size_t group = 0; group < param_groups_.size(); ++group) {
    auto& [parameters, states] = param_groups_[group];
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Leaf& leaf = states[i]->leaf;
      if (leaf.requires_grad && !leaf.grad.empty()) function(parameters[i], *states[i], group);
    }
  }
}

void Optimizer::check_step(const NamedParameter& parameter, const State& state) const {
  Leaf& leaf = state.leaf;
  const auto refuse = [&](const char* what, const Tensor& found, const char* fix) {
    throw ValueError(name_ + ": " + quoted(parameter) + " is " + describe(leaf.stored()) +
                     ", but its " + what + " is " + describe(found) + "; " + fix);
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
    if (!alike(moment, leaf.stored())) refuse("state", moment, "make a new optimizer");
  }
  check_gradient(leaf);
}

void Optimizer::prepare_step(State& state, std::size_t group) {
  using OtherRows = State::OtherRows;
  const RowPolicy& policy = std::as_const(state.leaf).row_policy();
  state.other_rows = OtherRows::move;
  if (state.leaf.grad.is_row_sparse()) {
    if (policy.sparse() && honors_sparse()) {
      state.other_rows = OtherRows::stay;
    } else if (!moves_rows_without_gradient(group)) {
      const bool constrained = policy.constraint().kind != RowConstraint::Kind::none;
      state.other_rows = constrained ? OtherRows::constrain : OtherRows::stay;
    }
  }
  if (++state.step == 1) {
    for (const Moment& moment : moments(group)) {
      state.moments.push_back(full_like(state.leaf.stored(), moment.initial));
      state.initial.push_back(moment.initial);
    }
  }
  const double* const momentum = momentum_option(group);
  state.rates = {rate(group), momentum != nullptr ? *momentum : 0};
  if (!fused_ || !fused_update(state, group)) plan_update(state, group);
}

void Optimizer::undo_preparation(State& state) noexcept {
  state.planned.reset();
  if (--state.step > 0) return;
  state.moments.clear();
  state.initial.clear();
  state.fused.reset();
}

void Optimizer::take_step(State& state) noexcept {
  state.last_was_plain = state.planned.has_value();
  if (state.last_was_plain) {
    write_update(state);
  } else if (state.fused != nullptr) {
    state.fused->step();
  }
}

// Tells the observer of each parameter's step.
void Optimizer::report(Observer& observer, bool is_done) {
  for_each_due([&](const NamedParameter& parameter, State& state, std::size_t group) {
    state.leaf.flush();
    ParameterStep step{.parameter = parameter.variable,
                       .name = parameter.name,
                       .optimizer = name_,
                       .lr = rate(group),
                       .number = state.step,
                       .options = named_options(group),
                       .state = {},
                       .parts = [&] { return explain_all(state); }};
    const double multiplier = std::as_const(state.leaf).row_policy().rate_multiplier();
    if (multiplier != 1) step.options.push_back({"rate_multiplier", multiplier});
    if (state.other_rows == State::OtherRows::stay) step.options.push_back({"sparse", true});
    const std::vector<Moment> names = moments(group);
    for (std::size_t i = 0; i < names.size(); ++i) {
      step.state.emplace_back(names[i].name, state.moments[i]);
    }
    is_done ? observer.updated(step) : observer.will_update(step);
  });
}

std::vector<Attribute> Optimizer::named_options(std::size_t /*group*/) const { return {}; }

// Calls update(). If rows without a gradient do not move, update() gets only the other rows.
void Optimizer::plan_update(State& state, std::size_t group) {
  Leaf& leaf = state.leaf;
  const RowPolicy& policy = leaf.row_policy();
  const bool all_rows = state.other_rows == State::OtherRows::move;
  const Tensor ids = all_rows ? Tensor() : leaf.grad.rows().ids;
  const auto part_of = [&](const Tensor& table) {
    return all_rows ? table.clone() : index_select(table, 0, ids);
  };
  Update x{.p = part_of(leaf.value()),
           .g = (all_rows ? leaf.grad.dense(leaf.stored()) : leaf.grad.rows().rows).clone(),
           .moments = {},
           .step = state.step,
           .lr = rate(group) * policy.rate_multiplier(),
           .sparse = policy.sparse() && honors_sparse() && leaf.grad.is_row_sparse()};
  for (const Tensor& moment : state.moments) x.moments.push_back(part_of(moment));

  const Tensor before = x.p;
  update(x, group);
  const auto check_kept = [&](const Tensor& after, const std::string& what) {
    if (after.defined() && alike(after, before)) return;
    throw ValueError(name_ + ": update() made " + what + " " +
                     (after.defined() ? describe(after) : "undefined") + ", needed " +
                     describe(before));
  };
  check_kept(x.p, "p");
  x.moments.resize(state.moments.size());
  x.p = x.p.contiguous();
  for (std::size_t i = 0; i < x.moments.size(); ++i) {
    check_kept(x.moments[i], "moment " + std::to_string(i));
    x.moments[i] = x.moments[i].contiguous();
  }
  x.g = Tensor();
  leaf.writable_value();  // copies the value if something else shares its memory
  state.planned = std::move(x);
}

// Writes what update() left.
void Optimizer::write_update(State& state) noexcept {
  Leaf& leaf = state.leaf;
  const Update x = std::move(*state.planned);
  state.planned.reset();
  const bool all_rows = state.other_rows == State::OtherRows::move;
  const Tensor ids = all_rows ? Tensor() : leaf.grad.rows().ids;
  state.fused.reset();                    // plan_update() has flushed
  leaf.row_policy().take_renormalized();  // for explain_update(), which cannot explain this step
  write_movable(leaf, leaf.writable_value(), x.p, ids);
  for (std::size_t i = 0; i < x.moments.size(); ++i) {
    write_movable(leaf, state.moments[i], x.moments[i], ids);
  }
  const bool others_stay = state.other_rows == State::OtherRows::stay;
  constrain_rows(leaf, others_stay ? ids : Tensor());
  if (leaf.is_pruned()) leaf.row_policy().zero_pruned(leaf.writable_value());
}

void Optimizer::zero_grad() {
  for (ParamGroup& group : param_groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.variable.zero_grad();
  }
}

void Optimizer::flush() {
  for (ParamGroup& group : param_groups_) {
    for (const auto& state : group.states) state->leaf.flush();
  }
}

// Groups ------------------------------------------------------------------------------------------

void Optimizer::add_parameters(std::vector<NamedParameter> parameters) {
  const std::string start = name_ + ": ";
  if (parameters.empty()) {
    throw ValueError(start +
                     "got an empty parameter list, needed at least one parameter; "
                     "model.parameters() lists what register_module() and register_parameter() "
                     "registered, and check_registered(model) tells which members were not");
  }
  std::unordered_set<const Node*> known;
  for (const ParamGroup& group : param_groups_) {
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
  param_groups_.push_back({std::move(parameters), std::move(states)});
}

void Optimizer::check(bool valid, const char* option, double value, const char* needed) const {
  if (valid) return;
  std::ostringstream text;
  text << name_ << ": invalid " << option << ": " << value << ", needed " << needed;
  throw ValueError(text.str());
}

void Optimizer::check_group(std::size_t group) const {
  if (group < param_groups_.size()) return;
  throw IndexError(name_ + ": group " + std::to_string(group) + " out of range for " +
                   std::to_string(param_groups_.size()) + " groups");
}

const std::vector<NamedParameter>& Optimizer::parameters(std::size_t group) const& {
  check_group(group);
  return param_groups_[group].parameters;
}

double Optimizer::lr(std::size_t group) const {
  check_group(group);
  return rate(group);
}

void Optimizer::set_lr(double lr) {
  check_rate(lr);
  for (std::size_t group = 0; group < param_groups_.size(); ++group) set_rate(group, lr);
}

void Optimizer::set_lr(double lr, std::size_t group) {
  check_group(group);
  check_rate(lr);
  set_rate(group, lr);
}

double Optimizer::momentum(std::size_t group) const {
  check_group(group);
  const double* const option = const_cast<Optimizer*>(this)->momentum_option(group);
  if (option == nullptr) throw ValueError(name_ + ": this optimizer has no momentum");
  return *option;
}

void Optimizer::set_momentum(double momentum, std::size_t group) {
  check_group(group);
  check(momentum >= 0 && momentum < 1, "momentum", momentum, "a number in [0, 1)");
  double* const option = momentum_option(group);
  if (option == nullptr) throw ValueError(name_ + ": this optimizer has no momentum");
  if ((*option == 0) != (momentum == 0)) {
    throw ValueError(name_ + ": momentum cannot be switched on or off later, make a new optimizer");
  }
  *option = momentum;
}

// States ------------------------------------------------------------------------------------------

Optimizer::State& Optimizer::find_state(const Variable& parameter, const char* operation) const {
  for (const ParamGroup& group : param_groups_) {
    for (const auto& state : group.states) {
      if (&state->leaf == parameter.node()) return *state;
    }
  }
  throw ValueError(
      name_ + ": " + operation +
      ": got a parameter that is in no group of this optimizer, needed one of its own");
}

const Optimizer::State& Optimizer::state(const Variable& parameter) const& {
  State& found = find_state(parameter, "state");
  found.leaf.flush();
  return found;
}

Optimizer::State::State(Variable parameter)
    : variable_(std::move(parameter)), leaf(variable_.leaf()) {
  leaf.row_policy().add_state(*this);
}

Optimizer::State::~State() { leaf.row_policy().remove_state(*this); }

void Optimizer::State::flush() {
  if (fused != nullptr) fused->flush();
}

void Optimizer::State::flush_rows(std::span<const std::int64_t> ids) {
  if (fused != nullptr) fused->flush_rows(ids);
}

void Optimizer::State::remap_rows(std::span<const std::int64_t> sources) {
  std::vector<Tensor> changed;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    Shape shape(moments[i].sizes());
    shape[0] = static_cast<std::int64_t>(sources.size());
    Tensor remapped = full(shape, initial[i], moments[i].dtype());
    for (std::size_t row = 0; row < sources.size(); ++row) {
      if (sources[row] < 0) continue;
      select(remapped, 0, static_cast<std::int64_t>(row))
          .copy_(select(moments[i], 0, sources[row]));
    }
    changed.push_back(std::move(remapped));
  }
  fused.reset();  // the leaf has flushed
  last_was_plain = false;
  moments = std::move(changed);
}

// A moment that is left from earlier gradients would move a pruned element.
void Optimizer::State::reset_elements(std::vector<Tensor>& moments,
                                      const std::vector<double>& initial, const Tensor& kept) {
  std::vector<Tensor> changed;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    changed.push_back(where(kept, moments[i], initial[i]));
  }
  moments = std::move(changed);
}

void Optimizer::State::reset_elements(const Tensor& kept) {
  reset_elements(moments, initial, kept);
  fused.reset();  // the leaf has flushed
  last_was_plain = false;
}

}  // namespace tapegrad::optim
