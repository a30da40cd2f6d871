// Module: a set of named parameters, buffers and other modules. Read next: nn/module/parameter.h.
//
//   struct Classifier : tapegrad::nn::Module {
//     tapegrad::nn::Linear hidden, head;
//     Classifier()
//         : hidden(register_module("hidden", tapegrad::nn::Linear(64, 32))),
//           head(register_module("head", tapegrad::nn::Linear(32, 4))) {}
//     tapegrad::Variable operator()(const tapegrad::Variable& x) const {
//       return head(relu(hidden(x)));
//     }
//   };
//
// Modules are handles to shared state, as in Python: a copy has the same parameters, buffers,
// options and training mode, and a change through one is visible through the other. clone(module)
// makes a deep copy, for example of the best model so far; std::vector<Linear>(3, Linear(4, 4)) is
// one layer three times, because the vector copies the handle. Assignment is deleted, because the
// registry of the outer module would keep the old object: use replace_module() or tie() instead.
//
// A module or Parameter that is a member but was not registered is never trained, saved or switched
// by eval(). The module that it is a member of cannot know, but register_module() looks into the
// module that it registers, and parameters(), state_dict(), load_state_dict() and train() throw a
// ValueError that names the member. For the outermost module, check_registered(model), clone() and
// summary() do so. To keep a module out on purpose, hold it in a std::shared_ptr.
//
// A const module can be called, read, saved and printed. Functions that train, load, tie or set
// need a module that is not const. This guards against mistakes but does not lock the state: a copy
// of a const module is a handle to the same parameters, and it is not const.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/autograd/observer.h>
#include <tapegrad/nn/module/clone.h>
#include <tapegrad/nn/module/hooks.h>
#include <tapegrad/nn/module/parameter.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::nn {

// Gives a module PyTorch's name of its call: `layer.forward(x)` is `layer(x)`. All layers derive
// from it; `struct Net : nn::Module, nn::Forward<Net>` gives it to a module of your own, which
// defines operator().
template <class Self>
class Forward {
 public:
  template <class... Inputs>
  decltype(auto) forward(Inputs&&... inputs) const {
    return static_cast<const Self&>(*this)(std::forward<Inputs>(inputs)...);
  }
};

struct LoadOptions {
  bool strict = true;  // throw unless names and sizes agree; false: load the tensors that fit
};

// The names that did not fit in load_state_dict().
struct LoadReport {
  std::vector<std::string> missing;     // in the module, not in the state dict
  std::vector<std::string> unexpected;  // in the state dict, not in the module
  std::vector<std::string> mismatched;  // in both, with other sizes: "name: (2, 3) for (2, 4)"
};

class Module {
 public:
  Module();
  Module(const Module& other);  // shares the state; deep inside clone()
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  // Own parameters first, then those of the registered modules, in the order of registration, with
  // dotted names. A tied parameter is listed once, under its first name.
  std::vector<NamedParameter> parameters() const;
  std::vector<NamedParameter> named_parameters() const { return parameters(); }  // PyTorch's name
  // So that a module can be passed where its parameters are wanted: Adam(model, {.lr = 0.01}).
  operator std::vector<NamedParameter>() const { return parameters(); }  // NOLINT
  std::vector<std::pair<std::string, Tensor>> buffers() const;
  std::vector<std::pair<std::string, Tensor>> named_buffers() const { return buffers(); }

  // The registered modules, in order.
  std::vector<std::pair<std::string, std::shared_ptr<const Module>>> named_children() const;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> named_children();

  // This module, under the name "", and all modules inside, each once, with dotted names.
  std::vector<std::pair<std::string, std::reference_wrapper<const Module>>> named_modules() const;
  std::vector<std::pair<std::string, std::reference_wrapper<Module>>> named_modules();

  // Sets training or evaluation mode for this module and all modules inside: dropout, for example,
  // is active in training only.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const { return state_->training; }

  void zero_grad();
  void set_requires_grad(bool requires_grad);  // of all parameters
  // Converts all parameters and floating-point buffers; gradients are dropped.
  void to(DType dtype);

  // Copies of all parameters and buffers, under PyTorch's names.
  StateDict state_dict() const;
  // Writes values into the existing parameters and buffers, converting floating-point types. All or
  // nothing: unless everything fits, a FormatError lists every missing, unexpected and mismatched
  // name, and nothing changes. With {.strict = false}, loads the tensors that fit and returns the
  // lists.
  LoadReport load_state_dict(const StateDict& state, LoadOptions options = {});

  // Calls function(module) for every module inside and then for this one, as a Module&, or as a
  // const Module& if this one is const; dynamic_cast finds the class.
  template <class Function>
  void apply(const Function& function) {
    for (const Child& child : state_->children) child.module->apply(function);
    function(*this);
  }
  template <class Function>
  void apply(const Function& function) const {
    for (const Child& child : state_->children) std::as_const(*child.module).apply(function);
    function(*this);
  }

  // Register functions that run at every later call of this module, through any handle, and at
  // every call of a clone() (nn/module/hooks.h). Each register function returns a number for
  // remove_hook(), which ignores unknown numbers. Hooks that are added or removed while the module
  // runs take effect at its next call.
  std::size_t register_forward_pre_hook(ForwardPreHook hook);
  std::size_t register_forward_hook(ForwardHook hook);
  std::size_t register_full_backward_hook(FullBackwardHook hook);
  void remove_hook(std::size_t hook);

  // Replaces the registered module of that name by `module`, of the same class: all handles to the
  // old one, including the member variable, then use the new parameters, buffers and options.
  // ValueError if there is no such name, or if the class or a registered name differs anywhere in
  // the two trees; sizes may differ.
  template <class M>
  void replace_module(const std::string& name, const M& module) {
    replace(name, module);
  }

  // One line about this module alone, as in the tree that operator<< prints.
  virtual std::string description() const;

  // The number of multiplications and additions, counted in pairs, with this module's own
  // parameters in one call with these inputs and outputs. Modules inside count their own. The
  // default counts every parameter once for each row of the first output, as in Linear. Used by
  // summary() (nn/module/summary.h).
  virtual std::int64_t mult_adds(const std::vector<Variable>& inputs,
                                 const std::vector<Variable>& outputs) const;

  // The number of elements in this module's own parameters, without those of modules inside.
  std::int64_t own_parameter_count() const;

 protected:
  // Each returns what it registered; initialize the member of the same name with it. ValueError for
  // a name that is taken, empty, or contains a dot.
  Parameter register_parameter(const std::string& name, Tensor value, bool requires_grad = true);
  Buffer register_buffer(const std::string& name, Tensor value);
  template <class M>
  M register_module(const std::string& name, M module) {
    static_assert(std::is_base_of_v<Module, M>, "only modules can be registered");
    add_child(name, module, copy_as<M>);
    return module;
  }

  // For use in operator(): runs body(inputs...), with this module's hooks around it. Without hooks
  // this costs one comparison. An Error that leaves it gets the path of this module, such as
  // head.linear, unless a module inside has added its own. Inputs are Variables and Tensors, and
  // the result has a type that for_each_variable() accepts (nn/module/hooks.h). Hooks do not see
  // what the body captures.
  template <class Body, class... Inputs>
  auto hooked(const Body& body, const Inputs&... inputs) const {
    try {
      const ReportedCall call(*this);
      if (state_->hooks.empty()) return body(inputs...);
      return run_hooked<Body, Inputs...>(body, {Variable(inputs)...},
                                         std::index_sequence_for<Inputs...>());
    } catch (Error& error) {
      rethrow_with_path(error);
    }
  }

  // Makes the state dict hold one tensor, save() under `name`, instead of all parameters of this
  // module and of the modules inside; load(value) restores it, and throws nothing, because other
  // tensors are loaded already. The functions capture Parameters and
  // Shared values, which clone() copies with them, and never `this` (nn/lora_embedding.cc).
  void save_as(const std::string& name, std::function<Tensor()> save,
               std::function<void(Tensor)> load);

  // For the constructor of a layer without parameters that behaves differently in training, such as
  // Dropout: as an unregistered member it is noticed like those that have parameters.
  void depend_on_mode() { state_->depends_on_mode = true; }

  // Adopts the parameters, buffers and modules of `other`, which has the same class and names. A
  // layer with options of its own overrides this to copy them, too.
  virtual void assign_from(const Module& other);

 private:
  friend std::ostream& operator<<(std::ostream& out, const Module& module);
  template <class M>
  requires std::is_base_of_v<Module, M>
  friend M clone(const M& module);
  template <class M>
  friend void check_registered(const M& model);

  // A registered module as an object of its own class: a slice would lose its virtual functions.
  struct Child {
    using Copy = std::shared_ptr<Module> (*)(const Module&);
    Child(std::string name, std::shared_ptr<Module> module, Copy copy);
    Child(const Child& other);  // used inside clone() only
    std::string name;
    std::shared_ptr<Module> module;
    Copy copy;
  };
  // One tensor in a state dict.
  struct SavedTensor {
    std::string name;
    std::function<Tensor()> save;
    std::function<void(Tensor)> load;
  };
  struct State {
    bool training = true;
    std::string path;  // from the outermost module, such as "head.linear"; empty if this is it
    bool depends_on_mode = false;
    std::vector<std::pair<std::string, Parameter>> parameters;
    std::vector<std::pair<std::string, Buffer>> buffers;
    std::vector<Child> children;
    ModuleHooks hooks;
    std::optional<SavedTensor> saved_as;
    Registration registration;
    std::vector<MemberScan::Member> found;  // members that were not registered when it was copied
  };

  // Reports the begin and the end of a call to the thread's observer, if there is one.
  class ReportedCall {
   public:
    explicit ReportedCall(const Module& module) : observer_(Observer::current()) {
      if (observer_ != nullptr) [[unlikely]]
        module.report_to(*observer_);
    }
    ~ReportedCall() {
      if (observer_ != nullptr) [[unlikely]]
        observer_->leaves();
    }
    ReportedCall(const ReportedCall&) = delete;

   private:
    Observer* const observer_;
  };
  void report_to(Observer& observer) const;

  template <class Body, class... Inputs, std::size_t... positions>
  auto run_hooked(const Body& body, std::vector<Variable> inputs,
                  std::index_sequence<positions...> /*each*/) const {
    HookedCall call(*this, state_->hooks, std::move(inputs));
    auto result = body(as_input<Inputs>(call.inputs()[positions])...);
    const std::vector<Variable> outputs = call.finish(variables_of(result));
    std::size_t i = 0;
    for_each_variable(result, [&](Variable& each) { each = outputs[i++]; });
    return result;
  }

  template <class M>
  static std::shared_ptr<Module> copy_as(const Module& original) {
    return std::make_shared<M>(static_cast<const M&>(original));
  }
  std::shared_ptr<Module> copy_and_find_members(Child::Copy copy) const;
  bool must_be_registered() const;
  void add_child(const std::string& name, const Module& module, Child::Copy copy);
  void check_members() const;
  std::vector<NamedParameter> registered_parameters() const;
  void check_name(const std::string& name) const;
  void check_fits(const std::string& name, const Module& other) const;
  void replace(const std::string& name, const Module& module);
  template <class Visitor>
  void visit_parameters(const std::string& prefix, const Visitor& visitor) const;
  template <class Visitor>
  void visit_saved(const std::string& prefix, const Visitor& visitor) const;
  template <class Visitor>
  void visit_buffers(const std::string& prefix, const Visitor& visitor) const;
  void print(std::ostream& out, const std::string& name, int depth) const;
  void set_path(const std::string& path);
  void leave_parent();  // as if it had never been registered
  [[noreturn]] void rethrow_with_path(Error& error) const;
  template <class M>
  static void append_modules(
      const std::string& name, M& module,
      std::vector<std::pair<std::string, std::reference_wrapper<M>>>& modules);

  Shared<State> state_;
};

// Throws ValueError if a member of `model`, or of a module inside, is a module or a Parameter that
// is not registered (see above). It copies the model's handles. A plain Variable is not noticed,
// nor what a std::shared_ptr holds.
template <class M>
void check_registered(const M& model) {
  static_assert(std::is_base_of_v<Module, M>, "only modules have registered members");
  const Module& module = model;
  module.copy_and_find_members(Module::copy_as<M>);
  module.check_members();
}

// A deep copy: the same values in new leaves, without gradients. Parameters that are tied in the
// original are tied in the copy. ValueError as check_registered() throws it.
template <class M>
requires std::is_base_of_v<Module, M> M clone(const M& module) {
  check_registered(module);
  std::optional<CloneScope> scope(std::in_place);
  M copy(module);
  scope.reset();
  static_cast<Module&>(copy).leave_parent();
  return copy;
}

// Prints the tree of modules with their numbers of parameters.
std::ostream& operator<<(std::ostream& out, const Module& module);

}  // namespace tapegrad::nn
