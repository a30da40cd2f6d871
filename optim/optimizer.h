// Optimizer: what all optimisers share, that is groups of parameters, their learning rates, and
// what is remembered of each parameter from step to step. The formulas stand in sgd.cc and adam.cc.
// Read next: optim/sgd.h.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   for (...) {
//     adam.zero_grad();
//     loss(...).backward();    // several times, to add up gradients over several batches
//     optim::clip_grad_norm(model.parameters(), 1.0);
//     adam.step();
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/state_dict.h>

namespace tapegrad::optim {

// Parameters are leaves, known by identity, in one or more groups with options of their own. A step
// passes over those that are frozen (requires_grad is false) or have no gradient. Frozen rows and
// columns of the others stay what they are to the last bit, whatever weight decay or momentum says.
//
// Row-sparse gradients, which lookups in a table give, lead to exactly the numbers that the dense
// gradient would, without ever making it.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(Optimizer&&) = default;  // not copied: two would write to the same state
  Optimizer& operator=(Optimizer&&) = default;

  // One step. ValueError, with nothing changed, where a parameter's type or shape is no longer that
  // of its gradient or of what is remembered of it.
  void step();
  void zero_grad() const;

  std::size_t group_count() const { return groups_.size(); }
  const std::vector<NamedParameter>& parameters(std::size_t group = 0) const;

  // The learning rate; set_lr(x) sets that of all groups.
  double lr(std::size_t group = 0) const;
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);

  // Everything that is needed to go on exactly: copies of what is remembered of each parameter,
  // `state.<name>.<what>` with PyTorch's names for the what (a parameter without a name goes by its
  // position), and the rates. The other options are those that the constructor gets. ValueError if
  // two parameters have the same name.
  StateDict state_dict() const;
  // All or nothing: unless everything fits, a FormatError lists every missing, unexpected and
  // mis-sized entry, and nothing has changed.
  void load_state_dict(const StateDict& state);

 protected:
  // What is remembered of one parameter: nothing before its first step.
  struct State {
    std::int64_t steps = 0;  // that it has taken
    std::vector<Tensor>
        moments;  // running means and the like: the parameter's shape, zeros at first
  };

  explicit Optimizer(const char* name) : name_(name) {}

  void add_parameters(std::vector<NamedParameter> parameters);
  // ValueError `Adam: invalid learning rate: -1, needed a number >= 0` unless valid.
  void check(bool valid, const char* option, double value, const char* needed) const;
  void check_group(std::size_t group) const;  // IndexError if there is no such group
  void check_rate(double lr) const { check(lr >= 0, "learning rate", lr, "a number >= 0"); }

 private:
  struct Group {
    std::vector<NamedParameter> parameters;
    std::vector<State> states;  // of the parameter at the same place
  };

  virtual double rate(std::size_t group) const = 0;
  virtual void set_rate(std::size_t group, double lr) = 0;
  // The names of State::moments in this group.
  virtual std::span<const char* const> moments(std::size_t group) const = 0;
  // Moves the parameter, whose gradient is in its leaf. state.steps counts this step already.
  virtual void update(Leaf& leaf, State& state, std::size_t group) = 0;

  template <class Function>  // function(parameter, state, group)
  void for_each_due(const Function& function);
  void prepare(const NamedParameter& parameter, State& state, std::size_t group) const;
  std::vector<std::string> labels() const;

  const char* name_;
  std::vector<Group> groups_;
};

}  // namespace tapegrad::optim
