// What an optimiser remembers of one parameter, and the rows of it that wait for steps.
//
// Internal. Read next: optim/lazy/lazy_rows.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

// The steps that rows without a gradient have not taken yet. The template in waiting.h knows which.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void flush(Optimizer::State& state) = 0;  // all rows take them; none waits then
  virtual void flush_rows(Optimizer::State& state, std::span<const std::int64_t> ids) = 0;
};

// How far a number was moved in a step, by what.
struct MovedBy {
  double gradient, momentum, weight_decay;
};

class Optimizer::State final : public RowState {
 public:
  explicit State(Variable parameter) : variable_(std::move(parameter)), leaf(variable_.leaf()) {
    leaf.row_policy().add_state(*this);
  }
  ~State() { leaf.row_policy().remove_state(*this); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

 private:
  Variable variable_;  // keeps the leaf

 public:
  Leaf& leaf;
  std::int64_t steps = 0;       // that the parameter has taken
  std::vector<Tensor> moments;  // running means and the like, of the parameter's shape
  std::unique_ptr<Waiting> waiting;

  void flush() override;
  void flush_rows(std::span<const std::int64_t> ids) override;
  void remap_rows(std::span<const std::int64_t> sources) override;

  std::vector<double> initial;  // what the moments of a row begin with

  // Of the last step, for explain_update(): the count of the gradient that it used, its rule, and
  // how to take it apart; which rows max_norm had scaled; rows that the constraint changed, as they
  // were.
  using Explain = MovedBy (*)(const State& state, double p, const double* moments, double g);
  std::uint64_t grad_version = 0;
  alignas(8) std::array<std::byte, 128> rule;
  Explain explain = nullptr;
  bool others_rested = false;  // rows without a gradient took no step, and owe none
  std::vector<std::pair<std::int64_t, double>> renormalized;
  std::vector<std::pair<std::int64_t, std::vector<double>>> unconstrained;
};

}  // namespace tapegrad::optim
