// Optimizer: the common part of all optimizers, that is groups of parameters, their learning rates,
// and the state of each parameter from step to step. Each optimizer's header has its formula. Read
// next: optim/optimizer.cc.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   for (...) {
//     adam.zero_grad();
//     loss(...).backward();    // repeat it to add up the gradients of several batches
//     optim::clip_grad_norm(model.parameters(), 1.0);
//     adam.step();
//   }
//
// The constructors also take the learning rate alone: `optim::Adam(model.parameters(), 1e-3)`.
//
// To write an optimizer, derive from OptimizerWith<Options> and define update(), the step in Tensor
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
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {
class Observer;
struct Attribute;
}  // namespace tapegrad

namespace tapegrad::optim {

// Why a row has changed: the change of its elements in a step, by cause. The sum of the parts is
// the change. All tensors have the row's shape and are float64.
struct UpdateParts {
  Tensor gradient;  // of the last backward()
  Tensor momentum;  // of earlier gradients, through running means
  Tensor weight_decay;
  Tensor renormalization;  // max_norm at the last lookup, and the constraint after the step
  Tensor total;
  std::string reason;  // in words
};
std::ostream& operator<<(std::ostream& out, const UpdateParts& parts);

// A tensor that an optimizer keeps for each parameter, with the parameter's shape and type: its
// name in state_dict(), and the initial value of its elements.
struct Moment {
  std::string name;
  double initial = 0;
};

// One step of one parameter, for Optimizer::update(). The tensors are copies, so update() may write
// to them or replace them.
struct Update {
  Tensor p;                     // the parameter; update() leaves its new value here
  Tensor g;                     // the gradient, of the same shape
  std::vector<Tensor> moments;  // in the order of moments(); update() leaves their new values here
  std::int64_t step;            // 1 in the parameter's first step, then 2, ...
  double lr;                    // the group's learning rate, times the parameter's own factor
  bool sparse;                  // table and gradient are sparse (see honors_sparse())
};

class FusedSteps;

// What may differ between the pending steps of a parameter: the rate and momentum of its group.
struct StepRates {
  double lr = 0;
  double momentum = 0;
};
struct SavedPendingSteps {
  std::vector<StepRates> steps;
  std::vector<std::int64_t> taken;  // how many of them each row has taken
};

// Parameters are leaves, identified by their node, in one or more groups with their own options. A
// step skips parameters that are frozen (requires_grad is false) or have no gradient. In the
// others, frozen rows and columns and the padding row of a table do not change by a bit, whatever
// weight decay or momentum would do.
//
// Lookups in a table produce a row-sparse gradient. The cost of its step grows with the rows of the
// gradient, not with the rows of the table, and the result is that of the dense gradient, up to
// rounding: rows without a gradient also move by momentum, means and decay, but their steps stay
// pending until the rows are read. A Variable's value(), a lookup, saving and printing take the
// pending steps of the rows that they read. flush() takes all: after it, threads that read the
// parameters at the same time do not wait for each other.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(Optimizer&&) noexcept;  // no copies: both would write to the same state
  Optimizer& operator=(Optimizer&&) noexcept;

  // One step. If a parameter's type or shape no longer fits its gradient or its state, this is a
  // ValueError. After any exception, also std::bad_alloc, nothing has changed: the step of every
  // parameter is prepared before the first one is taken.
  void step();
  void zero_grad();
  // Takes all pending steps of all parameters.
  void flush();

  // How the last step changed a row of a parameter (in dimension 0; row 0 of a 0-d parameter). Call
  // it while the gradient of the step exists, before zero_grad() or another backward(). ValueError
  // if the gradient is gone, if the parameter is not this optimizer's or has not taken a step, or
  // if update() took the step, whose parts are unknown; IndexError if there is no such row.
  UpdateParts explain_update(const Variable& parameter, std::int64_t row) const;

  std::size_t group_count() const { return param_groups_.size(); }
  const std::vector<NamedParameter>& parameters(std::size_t group = 0) const&;
  std::vector<NamedParameter> parameters(std::size_t group = 0) const&& {
    return parameters(group);
  }

  // The learning rate; set_lr(x) sets that of all groups.
  double lr(std::size_t group = 0) const;
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  // SGD's and RMSprop's momentum, or Adam's first beta; schedules change it. ValueError for an
  // optimizer without momentum.
  double momentum(std::size_t group = 0) const;
  void set_momentum(double momentum, std::size_t group);

  // Whether steps use the optimizer's fused kernel, if it has one. Otherwise update() takes them:
  // the elements are the same up to rounding, at several times the cost.
  bool fused() const { return fused_; }
  void set_fused(bool fused) { fused_ = fused; }

  // The state of a parameter, with no step pending. ValueError if the parameter is not this
  // optimizer's.
  class State;
  const State& state(const Variable& parameter) const&;
  const State& state(const Variable& parameter) const&& = delete;

  // Everything that is needed to continue exactly: copies of the state of each parameter,
  // `state.<name>.<moment>` with PyTorch's names for the moments (a parameter without a name is
  // called by its position), and the rates. The other options are not saved; they come from the
  // constructor. ValueError if two parameters have the same name.
  StateDict state_dict() const;
  // The same, but it takes no pending steps: they are saved, too, as `state.<name>.pending...`. A
  // run that saves this way, and a run that loads it, give the same bits as a run that does
  // neither; state_dict() takes pending steps earlier, which rounds differently. The values of the
  // parameters must be saved with it as they are stored, `variable.leaf().stored()`.
  StateDict state_dict_with_pending_steps() const;
  // Loads what either of the two has saved, after the values of the parameters. All or nothing:
  // unless everything fits, a FormatError lists every missing, unexpected and mismatched entry, and
  // nothing changes. Step counts may be floating-point, as in PyTorch.
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
    std::vector<std::unique_ptr<State>> states;  // of the parameter at the same position
  };

  // What an optimizer defines --------------------------------------------------------------------
  // step() calls update() once for each parameter that takes a step, then writes all results.
  // Frozen rows and columns and padding keep their values and moments, whatever update() leaves
  // there. update() gets a row-sparse gradient in its dense form, unless rows without a gradient do
  // not move: then p, g and the moments hold only the rows with a gradient. The table's constraint
  // is applied afterwards.
  virtual void update(Update& x, std::size_t group) = 0;
  virtual std::vector<Moment> moments(std::size_t /*group*/) const { return {}; }
  // Whether a gradient of zeros may change a row or its moments, as momentum and decay do.
  virtual bool moves_rows_without_gradient(std::size_t /*group*/) const { return true; }
  // Whether, in a table with RowPolicy::sparse(), only rows with a gradient move.
  virtual bool honors_sparse() const { return true; }
  // Throws ValueError for a gradient that this optimizer does not accept.
  virtual void check_gradient(const Leaf&) const {}

  // The options of a group; OptimizerWith implements these.
  virtual double rate(std::size_t group) const = 0;
  virtual void set_rate(std::size_t group, double lr) = 0;
  virtual double* momentum_option(std::size_t /*group*/) { return nullptr; }
  // The options besides the learning rate, under PyTorch's names, for a Trace.
  virtual std::vector<Attribute> named_options(std::size_t group) const;

  // Prepares the step through a fused kernel, which tapegrad's own optimizers have
  // (optim/lazy/lazy_rows.h). state.step already counts this step. False: there is no fused kernel.
  virtual bool fused_update(State& /*state*/, std::size_t /*group*/) { return false; }
  // ----------------------------------------------------------------------------------------------

  template <class Function>  // function(parameter, state, group)
  void for_each_due(const Function& function);
  void check_step(const NamedParameter& parameter, const State& state) const;
  void prepare_step(State& state, std::size_t group);
  void undo_preparation(State& state) noexcept;
  void take_step(State& state) noexcept;
  void report(Observer& observer, bool is_done);
  std::vector<std::pair<std::string, Tensor>> explain_all(State& state) const;
  void plan_update(State& state, std::size_t group);
  void write_update(State& state) noexcept;
  State& find_state(const Variable& parameter, const char* operation) const;
  std::vector<std::string> labels() const;
  StateDict saved_state(bool keep_pending) const;
  void load_pending_steps(State& state, std::size_t group, const SavedPendingSteps& pending);

  std::string name_;
  bool fused_ = true;
  std::vector<ParamGroup> param_groups_;
};

// The state that an optimizer keeps for one parameter.
//
// Invariants (each has a test of its number in tests/optim/state_test.cc):
//   1. A parameter has no moments before its first step. After it, it has those that moments()
//      names, with its own shape and type.
//   2. A row and its moments have taken the same steps; a flush takes the pending steps of both.
//   3. Steps do not change the moments of frozen rows and columns and of padding.
//   4. When rows are remapped, moments follow their row; those of a new row have their initial
//      values.
//   5. step, moments and rates are all that is needed to continue: after saving and loading, a run
//      gives the same bits as without the interruption.
//   6. A step that is refused, or whose update() throws, changes neither parameter nor state.
//   7. The destructor of a state leaves no step pending. It allocates nothing.
class Optimizer::State final : public RowState {
 public:
  explicit State(Variable parameter);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

 private:
  Variable variable_;  // keeps the leaf alive

 public:
  Leaf& leaf;
  std::int64_t step = 0;        // number of steps so far
  std::vector<Tensor> moments;  // in the order of Optimizer::moments()

  void flush() override;
  void flush_rows(std::span<const std::int64_t> ids) override;
  void remap_rows(std::span<const std::int64_t> sources) override;
  void reset_elements(const Tensor& kept) override;
  static void reset_elements(std::vector<Tensor>& moments, const std::vector<double>& initial,
                             const Tensor& kept);

  // For tapegrad's own optimizers ----------------------------------------------------------------
  // What the last step did with rows without a gradient.
  enum class OtherRows {
    move,       // they took the step, too
    constrain,  // only the constraint was applied to them
    stay        // nothing changed them
  };
  OtherRows other_rows = OtherRows::move;
  StepRates rates;                    // of the step that is prepared
  bool records_only = false;          // the prepared step is one that is loaded as pending
  std::vector<double> initial;        // of the moments of a new row
  std::optional<Update> planned;      // what update() left, until it is written
  std::unique_ptr<FusedSteps> fused;  // pending steps, and the last one, if that was fused
  bool last_was_plain = false;        // the last step was taken by update()
};

// An optimizer whose groups have Options, a struct with a field `lr`. momentum() and set_momentum()
// use its field `momentum`, or the first of PyTorch's `betas`.
template <class Options>
class OptimizerWith : public Optimizer {
 public:
  // ValueError for options out of range, and if the list is empty or holds a Variable that is not a
  // leaf or is already in a group.
  void add_group(std::vector<NamedParameter> parameters, Options options) {
    check_rate(options.lr);
    check_options(options);
    options_.reserve(options_.size() + 1);
    add_parameters(std::move(parameters));
    options_.push_back(options);
  }
  const Options& options(std::size_t group = 0) const& {
    check_group(group);
    return options_[group];
  }
  Options options(std::size_t group = 0) const&& { return options(group); }

 protected:
  using Optimizer::Optimizer;  // the constructor of a derived class then calls add_group()

 private:
  // Calls check(), which throws for options out of range.
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
