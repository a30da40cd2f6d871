// Module: cloning, registering, walking the tree, saving and printing. Read next:
// nn/module/hooks.h.
#include <tapegrad/nn/module/module.h>

#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ostream>
#include <set>

#include <tapegrad/autograd/node.h>
#include <tapegrad/nn/module/format.h>

namespace tapegrad::nn {

// Cloning -----------------------------------------------------------------------------------------

namespace {
thread_local CloneScope* current_scope = nullptr;
}

CloneScope::CloneScope() : outer_(std::exchange(current_scope, this)) {}
CloneScope::~CloneScope() { current_scope = outer_; }
CloneScope* CloneScope::current() { return current_scope; }

Variable CloneScope::clone_of(const Variable& original) {
  if (!original.defined()) return original;
  const auto found = leaves_.find(original.node());
  if (found != leaves_.end()) return found->second;
  Leaf& from = original.leaf();
  Variable copy = parameter(from.value().clone(), from.requires_grad);
  copy.leaf().copy_policy_from(from);
  leaves_.emplace(original.node(), copy);
  return copy;
}

Module::Child::Child(std::string its_name, std::shared_ptr<Module> its_module, Copy its_copy)
    : name(std::move(its_name)), module(std::move(its_module)), copy(its_copy) {}

Module::Child::Child(const Child& other)
    : name(other.name),
      module(CloneScope::current() != nullptr ? other.copy(*other.module) : other.module),
      copy(other.copy) {}

// Registering -------------------------------------------------------------------------------------

namespace {
thread_local MemberScan* current_scan = nullptr;
}

Registration::Registration() {
  static std::atomic<std::uint64_t> count = 0;
  created = ++count;
}

MemberScan::MemberScan(const Registration& module)
    : outer_(std::exchange(current_scan, this)), after_(module.created) {}
MemberScan::~MemberScan() { current_scan = outer_; }
MemberScan* MemberScan::current() { return current_scan; }

Module::Module() : state_(State()) {}

Module::Module(const Module& other) : state_(other.state_) {
  MemberScan* const scan = MemberScan::current();
  if (scan != nullptr && other.must_be_registered()) {
    scan->visit(other.state_.share(&State::registration), [&] { return other.description(); });
  }
}

// Whether it matters that this module is registered: a ReLU has nothing to train, save or switch.
bool Module::must_be_registered() const {
  return !state_->parameters.empty() || !state_->buffers.empty() || state_->depends_on_mode ||
         std::ranges::any_of(state_->children,
                             [](const Child& child) { return child.module->must_be_registered(); });
}

// Copies this module as an object of its own class, and remembers which members are not registered.
std::shared_ptr<Module> Module::copy_and_find_members(Child::Copy copy) const {
  const MemberScan scan(state_->registration);
  std::shared_ptr<Module> object = copy(*this);
  state_->found.insert(state_->found.end(), scan.members().begin(), scan.members().end());
  return object;
}

void Module::check_members() const {
  for (const MemberScan::Member& member : state_->found) {
    if (member.registration->is_registered) continue;
    const bool is_parameter = member.description.starts_with("Parameter ");
    throw ValueError(description() + (state_->path.empty() ? "" : " '" + state_->path + "'") +
                     ": got the member " + member.description +
                     ", which is not registered and would not be trained, " +
                     "saved or switched by eval(); initialize it with " +
                     (is_parameter ? "register_parameter(\"name\", tensor)"
                                   : "register_module(\"name\", module)") +
                     ", or hold it in a std::shared_ptr to keep it out");
  }
  for (const Child& child : state_->children) child.module->check_members();
}

void Module::check_name(const std::string& name) const {
  const auto taken = [&](const auto& entry) { return entry.first == name; };
  if (name.empty() || name.find('.') != std::string::npos) {
    throw ValueError("register: name '" + name + "' is empty or contains a dot");
  }
  if (std::ranges::any_of(state_->parameters, taken) ||
      std::ranges::any_of(state_->buffers, taken) ||
      std::ranges::any_of(state_->children,
                          [&](const Child& child) { return child.name == name; })) {
    throw ValueError("register: name '" + name + "' is taken already");
  }
}

Parameter Module::register_parameter(const std::string& name, Tensor value, bool requires_grad) {
  check_name(name);
  Parameter registered(parameter(std::move(value), requires_grad));
  registered.slot_->registration.is_registered = true;
  state_->parameters.emplace_back(name, registered);
  return registered;
}

Buffer Module::register_buffer(const std::string& name, Tensor value) {
  check_name(name);
  Buffer registered(std::move(value));
  state_->buffers.emplace_back(name, registered);
  return registered;
}

void Module::add_child(const std::string& name, const Module& module, Child::Copy copy) {
  check_name(name);
  state_->children.emplace_back(name, module.copy_and_find_members(copy), copy);
  state_->children.back().module->set_path(dotted(state_->path, name));
  module.state_->registration.is_registered = true;
}

void Module::set_path(const std::string& path) {
  state_->path = path;
  for (const Child& child : state_->children) child.module->set_path(dotted(path, child.name));
}

void Module::leave_parent() {
  state_->registration = Registration();
  set_path("");
}

void Module::report_to(Observer& observer) const {
  observer.enters(state_->path, description());
  for (const auto& [name, parameter] : state_->parameters) {
    if (parameter.defined()) observer.names(parameter, dotted(state_->path, name));
  }
}

void Module::rethrow_with_path(Error& error) const {
  error.add_context(state_->path.empty() ? "" : "module " + state_->path);
  throw;
}

// Throws unless `other` can replace this module, which is registered as `name`.
void Module::check_fits(const std::string& name, const Module& other) const {
  const std::string both =
      "replace_module: '" + name + "' is " + description() + ", got " + other.description() + "; ";
  if (typeid(*this) != typeid(other)) throw ValueError(both + "the class must be the same");
  const State& to = *state_;
  const State& from = *other.state_;
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (!std::ranges::equal(to.parameters, from.parameters, same) ||
      !std::ranges::equal(to.buffers, from.buffers, same) ||
      !std::ranges::equal(to.children, from.children, {}, &Child::name, &Child::name)) {
    throw ValueError(both + "they register different names (a bias in one only?)");
  }
  for (std::size_t i = 0; i < to.children.size(); ++i) {
    to.children[i].module->check_fits(name + "." + to.children[i].name, *from.children[i].module);
  }
}

void Module::replace(const std::string& name, const Module& module) {
  std::string names;
  for (const Child& child : state_->children) {
    if (child.name == name) {
      child.module->check_fits(name, module);
      child.module->assign_from(module);
      return;
    }
    names += (names.empty() ? " '" : ", '") + child.name + "'";
  }
  throw ValueError("replace_module: no module '" + name + "' is registered here; there are" +
                   (names.empty() ? " none" : names));
}

void Module::assign_from(const Module& other) {
  State& to = *state_;
  const State& from = *other.state_;
  for (std::size_t i = 0; i < to.parameters.size(); ++i) {
    to.parameters[i].second.adopt(from.parameters[i].second);
  }
  for (std::size_t i = 0; i < to.buffers.size(); ++i) {
    *to.buffers[i].second = *from.buffers[i].second;
  }
  for (std::size_t i = 0; i < to.children.size(); ++i) {
    to.children[i].module->assign_from(*from.children[i].module);
  }
  to.training = from.training;
}

// Walking the tree --------------------------------------------------------------------------------

template <class Visitor>
void Module::visit_parameters(const std::string& prefix, const Visitor& visitor) const {
  for (auto& [name, registered] : state_->parameters) visitor(prefix + name, registered);
  for (const Child& child : state_->children) {
    child.module->visit_parameters(prefix + child.name + ".", visitor);
  }
}

// Calls visitor(name, Parameter) or visitor(name, SavedTensor) for everything in the state dict
// except buffers.
template <class Visitor>
void Module::visit_saved(const std::string& prefix, const Visitor& visitor) const {
  if (const auto& saved = state_->saved_as) return visitor(prefix + saved->name, *saved);
  for (const auto& [name, registered] : state_->parameters) visitor(prefix + name, registered);
  for (const Child& child : state_->children) {
    child.module->visit_saved(prefix + child.name + ".", visitor);
  }
}

template <class Visitor>
void Module::visit_buffers(const std::string& prefix, const Visitor& visitor) const {
  for (const auto& [name, registered] : state_->buffers) visitor(prefix + name, registered);
  for (const Child& child : state_->children) {
    child.module->visit_buffers(prefix + child.name + ".", visitor);
  }
}

std::vector<NamedParameter> Module::parameters() const {
  check_members();
  return registered_parameters();
}

std::vector<NamedParameter> Module::registered_parameters() const {
  std::vector<NamedParameter> list;
  std::set<const Node*> seen;
  visit_parameters("", [&](const std::string& name, const Parameter& registered) {
    const Variable& leaf = registered;
    if (seen.insert(leaf.node()).second) list.emplace_back(name, leaf);
  });
  return list;
}

std::vector<std::pair<std::string, Tensor>> Module::buffers() const {
  std::vector<std::pair<std::string, Tensor>> list;
  visit_buffers("", [&](const std::string& name, const Buffer& registered) {
    list.emplace_back(name, *registered);
  });
  return list;
}

std::vector<std::pair<std::string, std::shared_ptr<const Module>>> Module::named_children() const {
  std::vector<std::pair<std::string, std::shared_ptr<const Module>>> list;
  for (const Child& child : state_->children) list.emplace_back(child.name, child.module);
  return list;
}

std::vector<std::pair<std::string, std::shared_ptr<Module>>> Module::named_children() {
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> list;
  for (const Child& child : state_->children) list.emplace_back(child.name, child.module);
  return list;
}

template <class M>
void Module::append_modules(
    const std::string& name, M& module,
    std::vector<std::pair<std::string, std::reference_wrapper<M>>>& modules) {
  for (const auto& [known, other] : modules) {
    if (&*other.get().state_ == &*module.state_) return;
  }
  modules.emplace_back(name, module);
  for (const Child& child : module.state_->children) {
    append_modules<M>(dotted(name, child.name), *child.module, modules);
  }
}

std::vector<std::pair<std::string, std::reference_wrapper<const Module>>> Module::named_modules()
    const {
  std::vector<std::pair<std::string, std::reference_wrapper<const Module>>> modules;
  append_modules("", *this, modules);
  return modules;
}

std::vector<std::pair<std::string, std::reference_wrapper<Module>>> Module::named_modules() {
  std::vector<std::pair<std::string, std::reference_wrapper<Module>>> modules;
  append_modules("", *this, modules);
  return modules;
}

void Module::train(bool on) {
  check_members();
  apply([on](Module& module) { module.state_->training = on; });
}

void Module::zero_grad() {
  visit_parameters("", [](const std::string&, Parameter& registered) { registered.zero_grad(); });
}

void Module::set_requires_grad(bool requires_grad) {
  visit_parameters("", [&](const std::string&, Parameter& registered) {
    registered.set_requires_grad(requires_grad);
  });
}

void Module::to(DType dtype) {
  if (!is_floating_point(dtype)) {
    throw DTypeError(std::string("Module::to: got ") + name(dtype) + ", needed float32 or float64");
  }
  // All are converted before the first one changes, because memory may be exhausted in between.
  std::vector<std::pair<Leaf*, Tensor>> values;
  std::vector<std::pair<Tensor*, Tensor>> tensors;
  visit_parameters("", [&](const std::string&, const Parameter& registered) {
    Leaf& leaf = registered.leaf();
    if (leaf.stored().dtype() != dtype) values.emplace_back(&leaf, leaf.value().to(dtype));
  });
  visit_buffers("", [&](const std::string&, const Buffer& registered) {
    if (!is_floating_point(registered->dtype())) return;
    tensors.emplace_back(&*registered, registered->to(dtype));
  });
  for (auto& [leaf, value] : values) {
    if (leaf->stored().dtype() == dtype) continue;  // a tied parameter, listed twice
    leaf->grad.clear();
    leaf->set_value(std::move(value));
  }
  for (auto& [buffer, value] : tensors) *buffer = std::move(value);
}

// Hooks -------------------------------------------------------------------------------------------

namespace {
std::size_t next_hook() {
  static std::atomic<std::size_t> count = 0;
  return ++count;
}
}  // namespace

std::size_t Module::register_forward_pre_hook(ForwardPreHook hook) {
  return state_->hooks.emplace_back(ModuleHook{.number = next_hook(), .before = std::move(hook)})
      .number;
}

std::size_t Module::register_forward_hook(ForwardHook hook) {
  return state_->hooks.emplace_back(ModuleHook{.number = next_hook(), .after = std::move(hook)})
      .number;
}

std::size_t Module::register_full_backward_hook(FullBackwardHook hook) {
  return state_->hooks.emplace_back(ModuleHook{.number = next_hook(), .backward = std::move(hook)})
      .number;
}

void Module::remove_hook(std::size_t hook) {
  std::erase_if(state_->hooks, [hook](const ModuleHook& each) { return each.number == hook; });
}

// Saving and loading ------------------------------------------------------------------------------

void Module::save_as(const std::string& name, std::function<Tensor()> save,
                     std::function<void(Tensor)> load) {
  state_->saved_as = {.name = name, .save = std::move(save), .load = std::move(load)};
}

StateDict Module::state_dict() const {
  check_members();
  StateDict state;
  visit_saved("", [&]<class Saved>(const std::string& name, const Saved& saved) {
    if constexpr (std::is_same_v<Saved, Parameter>) {
      state.insert(name, saved.value().clone());
    } else {
      state.insert(name, saved.save());
    }
  });
  visit_buffers("", [&](const std::string& name, const Buffer& registered) {
    state.insert(name, registered->clone());
  });
  return state;
}

namespace {

std::string listed(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string text = std::string("; ") + title + ": ";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text;
}

}  // namespace

LoadReport Module::load_state_dict(const StateDict& state, LoadOptions options) {
  check_members();
  LoadReport report;
  std::set<std::string> known;
  struct Write {
    std::function<void(Tensor)> write;
    Tensor value;
  };
  std::vector<Write> writes;
  const auto match = [&](const std::string& name, const Tensor& current,
                         std::function<void(Tensor)> write) {
    known.insert(name);
    const Tensor* found = state.find(name);
    if (found == nullptr) {
      report.missing.push_back(name);
    } else if (found->shape() != current.shape()) {
      report.mismatched.push_back(name + ": " + to_string(found->sizes()) + " for " +
                                  to_string(current.sizes()));
    } else if (found->dtype() != current.dtype() &&
               !(is_floating_point(found->dtype()) && is_floating_point(current.dtype()))) {
      report.mismatched.push_back(name + ": " + tapegrad::name(found->dtype()) + " for " +
                                  tapegrad::name(current.dtype()));
    } else {
      writes.push_back({std::move(write), found->to(current.dtype()).clone()});
    }
  };
  visit_saved("", [&]<class Saved>(const std::string& name, const Saved& saved) {
    if constexpr (std::is_same_v<Saved, Parameter>) {
      match(name, saved.variable().stored(),
            [&saved](Tensor value) { saved.leaf().set_value(std::move(value)); });
    } else {
      match(name, saved.save(), saved.load);
    }
  });
  visit_buffers("", [&](const std::string& name, const Buffer& registered) {
    match(name, *registered, [&registered](Tensor value) { *registered = std::move(value); });
  });
  for (const auto& entry : state) {
    if (!known.contains(entry.first)) report.unexpected.push_back(entry.first);
  }
  if (options.strict &&
      !(report.missing.empty() && report.unexpected.empty() && report.mismatched.empty())) {
    throw FormatError("load_state_dict: names or sizes differ" + listed("missing", report.missing) +
                      listed("unexpected", report.unexpected) +
                      listed("sizes differ", report.mismatched) +
                      "; {.strict = false} loads what fits");
  }
  for (Write& each : writes) each.write(std::move(each.value));
  return report;
}

// Printing ----------------------------------------------------------------------------------------

std::string Module::description() const {
  int status = 0;
  char* demangled = abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status);
  std::string full = status == 0 ? demangled : typeid(*this).name();
  std::free(demangled);
  const std::size_t arguments = full.find('<');
  const std::size_t scope = full.rfind("::", arguments);
  return scope == std::string::npos ? full : full.substr(scope + 2);
}

std::int64_t Module::own_parameter_count() const {
  std::int64_t count = 0;
  for (const auto& entry : state_->parameters) {
    if (entry.second.defined()) count += entry.second.numel();
  }
  return count;
}

std::int64_t Module::mult_adds(const std::vector<Variable>& /*inputs*/,
                               const std::vector<Variable>& outputs) const {
  const Variable& y = outputs.front();
  if (!y.defined() || y.numel() == 0) return 0;
  return own_parameter_count() * (y.dim() == 0 ? 1 : y.numel() / y.size(-1));
}

void Module::print(std::ostream& out, const std::string& name, int depth) const {
  std::int64_t count = 0;
  std::int64_t frozen = 0;
  for (const NamedParameter& each : registered_parameters()) {  // also if a member is not
    count += each.variable.numel();
    if (!each.variable.requires_grad()) frozen += each.variable.numel();
  }
  const auto padding = [](std::size_t width, const std::string& text) {
    return std::string(text.size() < width ? width - text.size() : 0, ' ');
  };
  const std::string label = std::string(static_cast<std::size_t>(2 * depth), ' ') +
                            (name.empty() ? "" : name + ": ") + description();
  const std::string number = with_separators(count);
  out << label + padding(56, label) + ' ' + padding(14, number) + number;
  if (frozen > 0) out << "  (" << with_separators(frozen) << " frozen)";
  out << '\n';
  for (const Child& child : state_->children) child.module->print(out, child.name, depth + 1);
}

std::ostream& operator<<(std::ostream& out, const Module& module) {
  module.print(out, "", 0);
  return out;
}

}  // namespace tapegrad::nn
