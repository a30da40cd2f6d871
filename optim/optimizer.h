// Optimizer: what all optimisers share, that is groups of parameters, their learning rates, and
// what is remembered of each parameter from step to step. The formulas stand with each optimiser;
// how a step goes over a parameter is told in optim/lazy/lazy_rows.h.
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
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::optim {

// Why a row has changed: what a step has added to its numbers, by cause; the parts add up to the
// change. All are of the row's shape, float64.
struct UpdateParts {
  Tensor gradient;  // of the last backward()
  Tensor momentum;  // what earlier gradients still do, through running means
  Tensor weight_decay;
  Tensor renormalization;  // max_norm at the last lookup, and the constraint after the step
  Tensor total;
  std::string reason;  // in words
};
std::ostream& operator<<(std::ostream& out, const UpdateParts& parts);

// Parameters are leaves, known by identity, in one or more groups with options of their own. A step
// passes over those that are frozen (requires_grad is false) or have no gradient. Frozen rows and
// columns of the others, and a table's row of padding, stay what they are to the last bit, whatever
// weight decay or momentum says.
//
// A row-sparse gradient, which lookups in a table give, costs what it holds, not what the table
// holds, and leads to the numbers that the dense gradient would lead to, up to rounding: rows that
// have no gradient move by momentum, means and decay all the same, but wait with it until they are
// read. A Variable's value(), a lookup, saving, printing bring what they read up to date; settle()
// does it for everything, as is needed before other threads read the parameters.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(Optimizer&&) noexcept;  // not copied: two would write to the same state
  Optimizer& operator=(Optimizer&&) noexcept;

  // One step. ValueError, with nothing changed, where a parameter's type or shape is no longer that
  // of its gradient or of what is remembered of it.
  void step();
  void zero_grad();
  // Brings all rows of all parameters up to date.
  void flush();

  // What the last step did to a row of a parameter (dimension 0; 0 for a 0-d one). To be called
  // before the gradient that it used is gone, that is before zero_grad() or another backward().
  // ValueError if it is gone, if the parameter is not this optimiser's or has not taken a step;
  // IndexError if there is no such row.
  UpdateParts explain_update(const Variable& parameter, std::int64_t row) const;

  std::size_t group_count() const { return groups_.size(); }
  const std::vector<NamedParameter>& parameters(std::size_t group = 0) const;

  // The learning rate; set_lr(x) sets that of all groups.
  double lr(std::size_t group = 0) const;
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  // SGD's and RMSprop's momentum, Adam's first beta, as schedules move them. ValueError for an
  // optimiser without.
  double momentum(std::size_t group = 0) const;
  void set_momentum(double momentum, std::size_t group);

  // Everything that is needed to go on exactly: copies of what is remembered of each parameter,
  // `state.<name>.<what>` with PyTorch's names for the what (a parameter without a name goes by its
  // position), and the rates. The other options are those that the constructor gets. ValueError if
  // two parameters have the same name.
  StateDict state_dict() const;
  // All or nothing: unless everything fits, a FormatError lists every missing, unexpected and
  // mis-sized entry, and nothing has changed. Counts of steps may be floating-point, as PyTorch's.
  void load_state_dict(const StateDict& state);

  class State;  // what is remembered of one parameter (optim/state.h)

 protected:
  explicit Optimizer(const char* name);

  void add_parameters(std::vector<NamedParameter> parameters);
  // ValueError `Adam: invalid learning rate: -1, needed a number >= 0` unless valid.
  void check(bool valid, const char* option, double value, const char* needed) const;
  void check_group(std::size_t group) const;  // IndexError if there is no such group
  void check_rate(double lr) const { check(lr >= 0, "learning rate", lr, "a number >= 0"); }

 private:
  struct Group {
    std::vector<NamedParameter> parameters;
    std::vector<std::unique_ptr<State>> states;  // of the parameter at the same place
  };

  virtual double rate(std::size_t group) const = 0;
  virtual void set_rate(std::size_t group, double lr) = 0;
  virtual double* momentum_option(std::size_t) { return nullptr; }
  // The names of State::moments in this group, and what they begin with.
  virtual std::span<const char* const> moments(std::size_t group) const = 0;
  virtual double initial(std::size_t, std::size_t /*moment*/) const { return 0; }
  // Throws ValueError for a gradient that this optimiser does not take.
  virtual void check_gradient(const Leaf&) const {}
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
