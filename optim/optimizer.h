// Optimizer: what all optimizers share, that is groups of parameters, their learning rates, and
// what is remembered of each parameter from step to step; and how to write one. The formulas stand
// with each optimizer. Read next: optim/optimizer.cc.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   for (...) {
//     adam.zero_grad();
//     loss(...).backward();    // several times, to add up gradients over several batches
//     optim::clip_grad_norm(model.parameters(), 1.0);
//     adam.step();
//   }
//
// To write an optimizer, derive from OptimizerWith<Options> and say what a step does, in Tensor
// operations (examples/08_write_your_own_optimizer.cc has one with state):
//
//   struct SignSGDOptions { double lr = 1e-3; };
//   class SignSGD final : public optim::OptimizerWith<SignSGDOptions> {
//    public:
//     SignSGD(std::vector<NamedParameter> parameters, SignSGDOptions options = {})
//         : OptimizerWith("SignSGD") { add_group(std::move(parameters), options); }
//    private:
//     void update(optim::Update& x, std::size_t) override { x.p = x.p - x.lr * sign(x.g); }
//   };
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::optim {

// Why a row has changed: what a step has added to its elements, by cause; the parts add up to the
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

// A tensor that an optimizer keeps beside each parameter, of the parameter's shape and type: its
// name in state_dict(), and the value that its elements start with.
struct Moment {
  std::string name;
  double initial = 0;
};

// One step of one parameter, for Optimizer::update(). The tensors are copies: they may be written
// to, or replaced.
struct Update {
  Tensor p;                     // the parameter; update() leaves its new value here
  Tensor g;                     // the gradient, of the same shape
  std::vector<Tensor> moments;  // as moments() names them; update() leaves their new values here
  std::int64_t step;            // 1 in the parameter's first step, then 2, ...
  double lr;                    // the group's learning rate, times the parameter's own factor
  bool sparse;                  // the update is one of a sparse table (see honors_sparse())
};

class FusedSteps;

// Parameters are leaves, known by identity, in one or more groups with options of their own. A step
// passes over those that are frozen (requires_grad is false) or have no gradient. Frozen rows and
// columns of the others, and a table's row of padding, stay what they are to the last bit, whatever
// weight decay or momentum says.
//
// A row-sparse gradient, which lookups in a table give, costs what it holds, not what the table
// holds, and leads to the elements that the dense gradient would lead to, up to rounding: rows
// without a gradient move by momentum, means and decay all the same, but their steps stay pending
// until the rows are read. A Variable's value(), a lookup, saving and printing take the pending
// steps of what they read; flush() takes all, as is needed before other threads read the
// parameters.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(Optimizer&&) noexcept;  // not copied: two would write to the same state
  Optimizer& operator=(Optimizer&&) noexcept;

  // One step. ValueError, with nothing changed, where a parameter's type or shape is no longer that
  // of its gradient or of what is remembered of it.
  void step();
  void zero_grad();
  // Takes all pending steps of all parameters.
  void flush();

  // What the last step did to a row of a parameter (dimension 0; 0 for a 0-d one). To be called
  // before the gradient that it used is gone, that is before zero_grad() or another backward().
  // ValueError if it is gone, if the parameter is not this optimizer's or has not taken a step, or
  // if the step was taken by update(), of which nobody knows the parts; IndexError if there is no
  // such row.
  UpdateParts explain_update(const Variable& parameter, std::int64_t row) const;

  std::size_t group_count() const { return param_groups_.size(); }
  const std::vector<NamedParameter>& parameters(std::size_t group = 0) const;

  // The learning rate; set_lr(x) sets that of all groups.
  double lr(std::size_t group = 0) const;
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  // SGD's and RMSprop's momentum, Adam's first beta, as schedules move them. ValueError for an
  // optimizer without.
  double momentum(std::size_t group = 0) const;
  void set_momentum(double momentum, std::size_t group);

  // Whether steps go through the optimizer's fused kernel, if it has one. Without, they are taken
  // by update(): the same elements up to rounding, at several times the cost.
  bool fused() const { return fused_; }
  void set_fused(bool fused) { fused_ = fused; }

  // What is remembered of a parameter, with no step pending. ValueError if it is not one of this
  // optimizer's.
  class State;
  const State& state(const Variable& parameter) const;

  // Everything that is needed to continue exactly: copies of what is remembered of each parameter,
  // `state.<name>.<moment>` with PyTorch's names for the moments (a parameter without a name goes
  // by its position), and the rates. The other options are those that the constructor gets.
  // ValueError if two parameters have the same name.
  StateDict state_dict() const;
  // All or nothing: unless everything fits, a FormatError lists every missing, unexpected and
  // mis-sized entry, and nothing has changed. Counts of steps may be floating-point, as PyTorch's.
  void load_state_dict(const StateDict& state);

 protected:
  explicit Optimizer(std::string name);  // begins the texts of errors

  void add_parameters(std::vector<NamedParameter> parameters);
  // ValueError `Adam: invalid learning rate: -1, needed a number >= 0` unless valid.
  void check(bool valid, const char* option, double value, const char* needed) const;
  void check_group(std::size_t group) const;  // IndexError if there is no such group
  void check_rate(double lr) const { check(lr >= 0, "learning rate", lr, "a number >= 0"); }

 private:
  struct ParamGroup {
    std::vector<NamedParameter> parameters;
    std::vector<std::unique_ptr<State>> states;  // of the parameter at the same place
  };

  // What an optimizer says -----------------------------------------------------------------------
  // step() calls update() once for each parameter that takes a step; it does the rest. Frozen rows
  // and columns and padding keep their values and moments, whatever update() leaves there. A
  // row-sparse gradient comes as the dense one, unless rows without a gradient do not move: then
  // p, g and the moments hold just the rows that have one. The table's constraint acts afterwards.
  virtual void update(Update& x, std::size_t group) = 0;
  virtual std::vector<Moment> moments(std::size_t /*group*/) const { return {}; }
  // Whether a gradient of zeros may change a row or its moments, as momentum and decay do.
  virtual bool moves_rows_without_gradient(std::size_t /*group*/) const { return true; }
  // Whether only rows with a gradient move in a table that asks for it (RowPolicy::sparse()).
  virtual bool honors_sparse() const { return true; }
  // Throws ValueError for a gradient that this optimizer does not take.
  virtual void check_gradient(const Leaf&) const {}

  // The options of a group; OptimizerWith implements these.
  virtual double rate(std::size_t group) const = 0;
  virtual void set_rate(std::size_t group, double lr) = 0;
  virtual double* momentum_option(std::size_t /*group*/) { return nullptr; }

  // The step through a fused kernel, as tapegrad's own optimizers have it
  // (optim/lazy/lazy_rows.h). state.step counts this step already. False: there is none.
  virtual bool fused_update(State& /*state*/, std::size_t /*group*/) { return false; }
  // ----------------------------------------------------------------------------------------------

  template <class Function>  // function(parameter, state, group)
  void for_each_due(const Function& function);
  void check_step(const NamedParameter& parameter, const State& state) const;
  void take_step(State& state, std::size_t group);
  void plain_update(State& state, std::size_t group);
  State& find_state(const Variable& parameter, const char* operation) const;
  std::vector<std::string> labels() const;

  std::string name_;
  bool fused_ = true;
  std::vector<ParamGroup> param_groups_;
};

// What an optimizer remembers of one parameter.
//
// Invariants (each has a test of its number in tests/optim/state_test.cc):
//   1. A parameter that has not taken a step has no moments. Then it has those that moments()
//      names, of its own shape and type.
//   2. A row and its moments have taken the same steps; a flush takes the pending ones of both.
//   3. What no step may move (frozen rows and columns, padding) has moments that no step changes.
//   4. When rows are remapped, moments follow their row; those of a new row have their initial
//      values.
//   5. step, moments and rates are all that is needed to continue: after saving and loading, a run
//      gives the bits that it would have given.
//   6. A step that is refused, or whose update() throws, changes nothing of the parameter's.
//   7. A state that dies, as its optimizer dies, leaves no step pending.
class Optimizer::State final : public RowState {
 public:
  explicit State(Variable parameter);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

 private:
  Variable variable_;  // keeps the leaf

 public:
  Leaf& leaf;
  std::int64_t step = 0;        // that the parameter has taken
  std::vector<Tensor> moments;  // in the order of Optimizer::moments()

  void flush() override;
  void flush_rows(std::span<const std::int64_t> ids) override;
  void remap_rows(std::span<const std::int64_t> sources) override;

  // Tapegrad's own
  // --------------------------------------------------------------------------------- What the last
  // step did to rows without a gradient.
  enum class OtherRows {
    move,       // they took the step too
    constrain,  // only the constraint acted on them
    stay        // nothing changed them
  };
  OtherRows other_rows = OtherRows::move;
  std::vector<double> initial;        // what the moments of a new row start with
  std::unique_ptr<FusedSteps> fused;  // pending steps, and the last one, if that was fused
  bool last_was_plain = false;        // the last step was taken by update()
};

// An optimizer whose groups have Options, a struct with a field `lr`. A field `momentum`, or
// PyTorch's `betas`, is what momentum() and set_momentum() mean.
template <class Options>
class OptimizerWith : public Optimizer {
 public:
  // ValueError for options out of range, and if the list is empty, holds what is not a leaf, or
  // what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, Options options) {
    check_rate(options.lr);
    check_options(options);
    options_.reserve(options_.size() + 1);
    add_parameters(std::move(parameters));
    options_.push_back(options);
  }
  const Options& options(std::size_t group = 0) const {
    check_group(group);
    return options_[group];
  }

 protected:
  using Optimizer::Optimizer;  // the constructor of a derived class then calls add_group()

 private:
  // Throws, by means of check(), for options out of range.
  virtual void check_options(const Options&) const {}

  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  double* momentum_option(std::size_t group) override {
    if constexpr (requires { &Options::momentum; }) {
      return &options_[group].momentum;
    } else if constexpr (requires { &Options::betas; }) {
      return &options_[group].betas.first;
    } else {
      return nullptr;
    }
  }

  std::vector<Options> options_;
};

}  // namespace tapegrad::optim
