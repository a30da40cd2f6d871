// LBFGS: a quasi-Newton method for small problems without noise: a whole data set, a physical
// system, a fit. Read next: optim/lbfgs.cc.
//
//   optim::LBFGS lbfgs(model.parameters(), {.line_search = optim::LineSearch::strong_wolfe});
//   double loss = lbfgs.step([&] { return mse_loss(model(x), y); });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/tensor/scalar.h>

namespace tapegrad::optim {

// none takes steps of length lr; strong_wolfe searches a length at which the loss is lower and its
// slope is smaller (Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6).
enum class LineSearch { none, strong_wolfe };

struct LBFGSOptions {
  double lr = 1;
  std::int64_t max_iter = 20;              // iterations in one step()
  std::optional<std::int64_t> max_eval{};  // evaluations in one step(); default: 5/4 max_iter
  double tolerance_grad = 1e-7;            // ends where no element of the gradient is larger
  double tolerance_change = 1e-9;          // ends where loss or parameters change by less
  std::int64_t history_size = 100;         // how many steps it remembers
  LineSearch line_search = LineSearch::none;
};

// L-BFGS (Liu and Nocedal 1989), as PyTorch computes it. The direction is -H g, where H is the
// inverse of the second derivatives, estimated from the last history_size steps and changes of the
// gradient by the two loops of Nocedal (1980).
class LBFGS {
 public:
  // ValueError for options out of range, for an empty list, and for a Variable that is not a leaf.
  // DTypeError unless all parameters have one floating-point type.
  explicit LBFGS(std::vector<NamedParameter> parameters, LBFGSOptions options = {});
  template <Number Rate>
  LBFGS(std::vector<NamedParameter> parameters, Rate lr)
      : LBFGS(std::move(parameters), LBFGSOptions{.lr = static_cast<double>(lr)}) {}

  // Up to max_iter iterations. `loss` computes the loss from the parameters, without backward();
  // it is called at least once. Returns the loss before the step. If `loss` throws, the parameters
  // are those of its last call. ValueError if the loss has no finite value at the start.
  double step(const std::function<Variable()>& loss);

  // Forgets the steps so far.
  void restart();
  std::int64_t evaluations() const { return evaluations_; }  // since the constructor
  double lr() const { return options_.lr; }
  void set_lr(double lr);

 private:
  // A loss and its gradient, as one vector.
  struct Evaluation {
    double loss;
    Tensor gradient;
  };
  Evaluation evaluate(const std::function<Variable()>& loss);
  Evaluation evaluate_at(const std::function<Variable()>& loss, const Tensor& x, double length,
                         const Tensor& direction);
  Tensor gathered() const;
  void scatter(const Tensor& x);
  void remember(const Tensor& change, const Tensor& step);
  Tensor direction(const Tensor& gradient) const;
  struct Search {
    double length;
    Evaluation end;
  };
  Search search(const std::function<Variable()>& loss, const Tensor& x, const Tensor& direction,
                double length, const Evaluation& start, double slope);

  std::vector<NamedParameter> parameters_;
  LBFGSOptions options_;
  std::int64_t evaluations_ = 0;
  // What the next step() continues from.
  std::int64_t iterations_ = 0;
  Tensor direction_, previous_gradient_;
  double length_ = 0;
  double scale_ = 1;                     // of H before the remembered steps
  std::vector<Tensor> changes_, steps_;  // of the gradient and of the parameters
};

}  // namespace tapegrad::optim
