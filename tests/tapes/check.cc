// Each check is a function that returns a Finding or nothing. Read next: shrink.h.
#include "tapes/check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/threads.h>

#include "tapes/operation.h"
#include "tapes/random.h"

namespace tapegrad::tapes {
namespace {

using Maybe = std::optional<Finding>;

double epsilon_of(DType dtype) { return dtype == float32 ? 0x1p-23 : 0x1p-52; }

std::string named(const Program& program, int step) {
  const Step& s = program.steps[static_cast<std::size_t>(step)];
  return s.is_leaf() ? "leaf " + std::to_string(step) : s.operation->name;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const std::vector<double> x = to_vector<double>(a);
  const std::vector<double> y = to_vector<double>(b);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (std::memcmp(&x[i], &y[i], sizeof(double)) != 0) return false;
  }
  return true;
}

// The largest finite magnitude, at least 1e-3.
double scale_of(const std::vector<double>& x) {
  double scale = 1e-3;
  for (const double each : x) {
    if (std::isfinite(each)) scale = std::max(scale, std::abs(each));
  }
  return scale;
}

// Whether two elements are close; NaN and infinities must be the same. What exceeds the range of
// float32 is infinity there.
bool close(double got, double want, double tolerance, DType dtype) {
  if (std::isnan(want)) return std::isnan(got);
  if (dtype == float32) want = static_cast<double>(static_cast<float>(want));
  if (!std::isfinite(want) || !std::isfinite(got)) return got == want;
  return std::abs(got - want) <= tolerance;
}

std::string difference(const std::string& what, double got, double want, std::size_t at) {
  std::ostringstream text;
  text.precision(17);
  text << what << ": element " << at << " is " << got << ", needed " << want;
  return text.str();
}

// Values ------------------------------------------------------------------------------------------

Plain to_type(Plain x) {
  if (x.dtype == float32) {
    for (double& each : x.x) each = static_cast<double>(static_cast<float>(each));
  } else if (x.dtype == boolean) {
    for (double& each : x.x) each = each != 0 ? 1 : 0;
  }
  return x;
}

// How far the plain results move if all inputs change by some units in the last place: a measure of
// the rounding errors that any order of computation may have.
std::vector<std::vector<double>> sensitivity(const Step& step, const Plains& inputs,
                                             const Plains& results) {
  std::vector<std::vector<double>> moves;
  for (const Plain& result : results) moves.emplace_back(result.x.size(), 0.0);
  Random random(17);
  for (int repeat = 0; repeat < 4; ++repeat) {
    Plains moved = inputs;
    for (Plain& x : moved) {
      if (!is_floating_point(x.dtype)) continue;
      const double unit = 32 * epsilon_of(x.dtype);
      const double scale = scale_of(x.x);
      for (double& each : x.x) {
        each += (random.chance(0.5) ? unit : -unit) * (std::abs(each) + 0.01 * scale);
      }
    }
    const Plains others = step.operation->plain(moved, step.a);
    for (std::size_t o = 0; o < results.size() && o < others.size(); ++o) {
      for (std::size_t i = 0; i < results[o].x.size() && i < others[o].x.size(); ++i) {
        const double move = std::abs(others[o].x[i] - results[o].x[i]);
        moves[o][i] = std::max(moves[o][i], std::isfinite(move) ? move : 0.0);
      }
    }
  }
  // Where all changes happen to cancel, the mean of the tensor counts.
  for (std::vector<double>& of_result : moves) {
    double total = 0;
    for (const double move : of_result) total += move;
    const double mean = of_result.empty() ? 0 : total / static_cast<double>(of_result.size());
    for (double& move : of_result) move = std::max(move, mean);
  }
  return moves;
}

// Compares the results of a step with the plain reference for the same inputs.
Maybe check_step(const Program& program, int at, const Values& values) {
  const Step& step = program.steps[static_cast<std::size_t>(at)];
  Plains inputs;
  for (const Variable& input : inputs_of(step, values)) inputs.push_back(plain_of(input.value()));
  const Plains wanted = step.operation->plain(inputs, step.a);
  const Results& found = values[static_cast<std::size_t>(at)];
  const std::string called = step.operation->name;
  if (found.size() != wanted.size()) {
    return Finding{"type",
                   called + ": " + std::to_string(found.size()) + " results, needed " +
                       std::to_string(wanted.size()),
                   at};
  }
  std::optional<std::vector<std::vector<double>>> moves;
  for (std::size_t o = 0; o < found.size(); ++o) {
    const Plain got = plain_of(found[o].value());
    const Plain want = to_type(wanted[o]);
    if (got.shape != want.shape || got.dtype != want.dtype) {
      std::ostringstream text;
      text << called << ": result " << o << " is " << name(got.dtype) << ' ' << got.shape
           << ", needed " << name(want.dtype) << ' ' << want.shape;
      return Finding{"type", text.str(), at};
    }
    const bool whole = !is_floating_point(got.dtype);
    double slack = 0;
    for (const Plain& input : inputs) {
      if (!whole && !step.operation->traits.exact) {
        slack = std::max(slack, std::max(2.0, step.operation->traits.slack) *
                                    epsilon_of(got.dtype) * scale_of(input.x));
      }
    }
    const double scale = scale_of(want.x);
    // Sums of many elements: the errors of the partial sums add up like a random walk.
    std::int64_t most = 0;
    for (const Plain& input : inputs) most = std::max(most, input.numel());
    if (slack > 0 && most > 1000) {
      slack += epsilon_of(got.dtype) * std::sqrt(static_cast<double>(most)) * scale;
    }
    for (std::size_t i = 0; i < got.x.size(); ++i) {
      const double tolerance =
          whole ? 0
                : slack + 16 * epsilon_of(got.dtype) * std::max(std::abs(want.x[i]), 1e-3 * scale);
      if (close(got.x[i], want.x[i], tolerance, got.dtype)) continue;
      if (!moves) moves = sensitivity(step, inputs, wanted);
      if (!whole && close(got.x[i], want.x[i], tolerance + (*moves)[o][i], got.dtype)) continue;
      const bool finite = std::isfinite(got.x[i]) && std::isfinite(want.x[i]);
      return Finding{finite ? "value" : "special value", difference(called, got.x[i], want.x[i], i),
                     at};
    }
  }
  return {};
}

Maybe check_values(const Program& program, const Values& values) {
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    if (program.steps[s].is_leaf()) continue;
    if (Maybe finding = check_step(program, static_cast<int>(s), values)) return finding;
  }
  return {};
}

// Gradients ---------------------------------------------------------------------------------------

// A number in [0.5, 1.5) for an element of an output, or in [-1, 1) for a direction.
double weight_at(std::size_t output, std::int64_t i) {
  return Random(output * 1000003 + static_cast<std::uint64_t>(i)).real(0.5, 1.5);
}

Tensor weights_like(const Tensor& x, std::size_t output, double shift = 0) {
  std::vector<double> all;
  all.reserve(static_cast<std::size_t>(x.numel()));
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    all.push_back((shift != 0 ? 2 : 1) * weight_at(output, i) + shift);
  }
  return reshape(tensor(all).to(x.dtype()), x.shape());
}

std::vector<Variable> differentiable(const std::vector<Variable>& all) {
  std::vector<Variable> wanted;
  for (const Variable& x : all) {
    if (x.requires_grad()) wanted.push_back(x);
  }
  return wanted;
}

// sum(weight * output) over all outputs.
Variable loss_of(const Program& program, const Values& values) {
  Variable total(zeros({}, float64));
  for (const Ref& ref : outputs_of(program, values)) {
    const Variable& output =
        values[static_cast<std::size_t>(ref.step)][static_cast<std::size_t>(ref.output)];
    const std::size_t number = static_cast<std::size_t>(ref.output);
    total = total + sum(output * weights_like(output.value(), number)).to(float64);
  }
  return total;
}

// Undefined gradients, of leaves that the loss does not depend on, become zeros.
std::vector<Variable> gradients(const Variable& loss, const std::vector<Variable>& leaves,
                                bool create_graph, bool retain_graph = false) {
  std::vector<Variable> result;
  if (!loss.requires_grad()) {
    for (const Variable& leaf : leaves) result.emplace_back(zeros_like(leaf));
    return result;
  }
  result = grad(loss, leaves,
                {.create_graph = create_graph, .retain_graph = retain_graph, .allow_unused = true});
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!result[i].defined()) result[i] = Variable(zeros_like(leaves[i]));
  }
  return result;
}

// The leaves of the program moved by `step` along the directions of a number.
std::vector<Variable> moved_leaves(const Program& program, double step, std::size_t direction) {
  std::vector<Variable> leaves = leaves_of(program);
  std::size_t number = 100 * direction;
  for (Variable& leaf : leaves) {
    if (!leaf.requires_grad()) continue;
    leaf.set_value(leaf.value() + step * weights_like(leaf.value(), ++number, -2));
  }
  return leaves;
}

// sum over leaves of gradient * direction, without history if the gradients have none.
Variable along(const std::vector<Variable>& all, std::size_t direction) {
  Variable total(zeros({}, float64));
  std::size_t number = 100 * direction;
  for (const Variable& each : all) {
    total = total + sum(each * weights_like(each.value(), ++number, -2));
  }
  return total;
}

struct Derivative {
  bool agrees = false;
  bool kink = false;
  double numerical = 0;
};

// Compares a directional derivative with differences of f. Tries several steps, because a long one
// has an error of the third derivative and a short one an error of rounding.
template <class Function>
Derivative compare(double analytical, double scale, const Function& f) {
  Derivative result;
  const double middle = f(0.0);
  double smallest = std::numeric_limits<double>::infinity();
  for (const double step : {1e-4, 1e-5, 1e-6, 1e-3, 1e-7}) {
    const double right = (f(step) - middle) / step;
    const double left = (middle - f(-step)) / step;
    const double central = (right + left) / 2;
    const double tolerance = 2e-6 * std::max({std::abs(analytical), scale, 1e-3}) +
                             8 * 0x1p-52 * std::abs(middle) / step;
    const double error = std::abs(central - analytical);
    if (error <= tolerance) {
      result.agrees = true;
      return result;
    }
    if (error < smallest) {
      smallest = error;
      result.numerical = central;
    }
    // A smooth function has one-sided differences that approach each other with the step; at a
    // kink their distance stays, and at a jump it grows.
    const double gap = std::abs(right - left);
    if (step <= 1e-6 && !(gap <= 100 * step * std::max({std::abs(analytical), scale, 1.0}) +
                                     64 * 0x1p-52 * std::abs(middle) / step)) {
      result.kink = true;
    }
  }
  return result;
}

double magnitude(const std::vector<Variable>& all) {
  double total = 0;
  for (const Variable& each : all) {
    for (const double x : to_vector<double>(each.value())) total += std::abs(x);
  }
  return total;
}

Maybe check_first_order(const Program& program, const std::vector<Variable>& gradient,
                        Statistics& statistics) {
  const double analytical = along(gradient, 1).item<double>();
  const NoGrad guard;
  const Derivative derivative = compare(analytical, magnitude(gradient), [&](double step) {
    return loss_of(program, run(program, moved_leaves(program, step, 1))).item<double>();
  });
  if (derivative.kink && !derivative.agrees) {
    ++statistics.kinks;
    return {};
  }
  ++statistics.first_order;
  if (derivative.agrees) return {};
  return Finding{"gradient",
                 difference("derivative along a direction", analytical, derivative.numerical, 0)};
}

Maybe check_second_order(const Program& program, Statistics& statistics) {
  const std::vector<Variable> leaves = leaves_of(program);
  const std::vector<Variable> wanted = differentiable(leaves);
  const std::vector<Variable> first =
      gradients(loss_of(program, run(program, leaves)), wanted, true);
  const std::vector<Variable> second = gradients(along(first, 2), wanted, false);
  const double analytical = along(second, 3).item<double>();
  const Derivative derivative =
      compare(analytical, magnitude(second) + magnitude(first), [&](double step) {
        const std::vector<Variable> moved = moved_leaves(program, step, 3);
        return along(gradients(loss_of(program, run(program, moved)), differentiable(moved), false),
                     2)
            .item<double>();
      });
  if (derivative.kink && !derivative.agrees) {
    ++statistics.kinks;
    return {};
  }
  ++statistics.second_order;
  if (derivative.agrees) return {};
  return Finding{"second order", difference("derivative of the gradient along a direction",
                                            analytical, derivative.numerical, 0)};
}

Maybe compare_gradients(const std::string& kind, const std::vector<Variable>& got,
                        const std::vector<Variable>& want, double tolerance, bool special) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Plain a = plain_of(got[i].value());
    const Plain b = plain_of(want[i].value());
    if (a.shape != b.shape)
      return Finding{kind, "gradient of leaf " + std::to_string(i) + ": shape"};
    const double scale = std::max(1.0, scale_of(b.x));
    for (std::size_t k = 0; k < a.x.size(); ++k) {
      if (special && !(std::isfinite(a.x[k]) && std::isfinite(b.x[k]))) continue;
      if (close(a.x[k], b.x[k], tolerance * scale, a.dtype)) continue;
      return Finding{kind, difference("gradient of leaf " + std::to_string(i), a.x[k], b.x[k], k)};
    }
  }
  return {};
}

// Fused rules against their compositions, and backward() against grad().
Maybe check_rules(const Program& program, const std::vector<Variable>& leaves,
                  const std::vector<Variable>& gradient) {
  const std::vector<Variable> wanted = differentiable(leaves);
  const bool special = program.mode == Mode::special;
  double tolerance = 1e-11;
  for (const Step& step : program.steps) {
    if (step.is_leaf() && step.dtype == float32) tolerance = 1e-3;
  }
  {
    const std::vector<Variable> composed =
        gradients(loss_of(program, run(program, leaves)), wanted, true);
    if (Maybe finding = compare_gradients("fused", gradient, composed, tolerance, special)) {
      return finding;
    }
  }
  for (int times = 1; times <= 2; ++times) {
    const Variable loss = loss_of(program, run(program, leaves));
    if (loss.requires_grad()) loss.backward();
    std::vector<Variable> found;
    for (const Variable& leaf : wanted) {
      found.emplace_back((leaf.has_grad() ? leaf.grad() : zeros_like(leaf)) /
                         static_cast<double>(times));
    }
    if (Maybe finding = compare_gradients("accumulated", found, gradient, tolerance, special)) {
      return finding;
    }
  }
  return {};
}

// The operation's own rules against those of its composition.
Maybe check_compositions(const Program& program, const Values& values) {
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const Step& step = program.steps[s];
    if (step.is_leaf() || step.operation->traits.composed == nullptr) continue;
    const auto gradients_with = [&](auto call, Results& outputs) {
      Results inputs;
      for (const Variable& input : inputs_of(step, values)) {
        inputs.push_back(is_floating_point(input.dtype()) ? parameter(input.value().clone())
                                                          : Variable(input.value()));
      }
      outputs = call(inputs, step.a);
      Variable loss(zeros({}, float64));
      for (std::size_t o = 0; o < outputs.size(); ++o) {
        if (!is_floating_point(outputs[o].dtype())) continue;
        loss = loss + sum(outputs[o] * weights_like(outputs[o].value(), o)).to(float64);
        outputs[o] = outputs[o].detach();
      }
      return gradients(loss, differentiable(inputs), false);
    };
    Results own, composed;
    const std::vector<Variable> got = gradients_with(step.operation->call, own);
    const std::vector<Variable> want = gradients_with(step.operation->traits.composed, composed);
    const double tolerance = own.front().dtype() == float32 ? 1e-4 : 1e-12;
    Maybe finding = compare_gradients("composed", own, composed, tolerance, false);
    if (!finding) {
      finding = compare_gradients("composed", got, want, tolerance, program.mode == Mode::special);
    }
    if (!finding) continue;
    finding->step = static_cast<int>(s);
    finding->text = step.operation->name + ": " + finding->text;
    return finding;
  }
  return {};
}

// The gradients of each operation in float32 against float64, at the same inputs.
Maybe check_single(const Program& program, const Values& values) {
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const Step& step = program.steps[s];
    if (step.is_leaf()) continue;
    const auto gradients_in = [&](DType dtype, double relative) {
      Results inputs;
      Random random(29);
      for (const Variable& input : inputs_of(step, values)) {
        if (!is_floating_point(input.dtype())) {
          inputs.emplace_back(input.value());
          continue;
        }
        Tensor value = input.value().to(dtype).clone();
        if (relative != 0) {
          std::vector<double> elements = to_vector<double>(value);
          for (double& each : elements) each *= 1 + (random.chance(0.5) ? relative : -relative);
          value = reshape(tensor(elements).to(dtype), value.shape());
        }
        inputs.push_back(parameter(value));
      }
      const Results outputs = step.operation->call(inputs, step.a);
      Variable loss(zeros({}, dtype));
      for (std::size_t o = 0; o < outputs.size(); ++o) {
        if (!is_floating_point(outputs[o].dtype())) continue;
        loss = loss + sum(outputs[o] * weights_like(outputs[o].value(), o).to(dtype));
      }
      return gradients(loss, differentiable(inputs), false);
    };
    const std::vector<Variable> got = gradients_in(float32, 0);
    const std::vector<Variable> want = gradients_in(float64, 0);
    std::vector<Variable> moved;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::vector<double> x = to_vector<double>(got[i].value());
      const std::vector<double> y = to_vector<double>(want[i].value());
      // Some rules subtract terms that are larger than their difference.
      const double slack = step.operation->traits.slack;
      double inverse = 1;
      for (const Variable& input : inputs_of(step, values)) {
        for (const double each : to_vector<double>(input.value())) {
          if (slack > 0 && each != 0 && std::isfinite(each)) {
            inverse = std::max({inverse, 1 / std::abs(each), std::abs(each)});
          }
        }
      }
      const double scale = std::max(scale_of(y), 5e-2 * (1 + slack * inverse));
      for (std::size_t k = 0; k < x.size(); ++k) {
        if (close(x[k], y[k], 1e-5 * scale, float32)) continue;
        if (moved.empty()) moved = gradients_in(float64, 16 * 0x1p-23);
        double move = 0;
        const std::vector<double> z = to_vector<double>(moved[i].value());
        for (std::size_t m = 0; m < z.size(); ++m) move = std::max(move, std::abs(z[m] - y[m]));
        if (close(x[k], y[k], 1e-5 * scale + 4 * move, float32)) continue;
        return Finding{"single",
                       step.operation->name + ": gradient of input " + std::to_string(i) +
                           " in float32, " + difference("", x[k], y[k], k),
                       static_cast<int>(s)};
      }
    }
  }
  return {};
}

// Threads -----------------------------------------------------------------------------------------

struct OneThread {
  ~OneThread() { set_num_threads(1); }
};

std::vector<Tensor> everything(const Program& program) {
  const std::vector<Variable> leaves = leaves_of(program);
  const Values values = run(program, leaves);
  std::vector<Tensor> all;
  for (const Results& results : values) {
    for (const Variable& x : results) all.push_back(x.value());
  }
  for (const Variable& x : gradients(loss_of(program, values), differentiable(leaves), false)) {
    all.push_back(x.value());
  }
  return all;
}

Maybe check_threads(const Program& program, const std::vector<int>& counts) {
  const OneThread afterwards;
  const std::vector<Tensor> one = everything(program);
  for (const int count : counts) {
    set_num_threads(count);
    const std::vector<Tensor> several = everything(program);
    for (std::size_t i = 0; i < one.size(); ++i) {
      if (!same_bits(one[i], several[i])) {
        return Finding{"threads", "tensor " + std::to_string(i) + " differs with " +
                                      std::to_string(count) + " threads"};
      }
    }
  }
  return {};
}

Maybe all_checks(const Program& program, Statistics& statistics, const CheckOptions& options) {
  const std::vector<Variable> leaves = leaves_of(program);
  Values values;
  try {
    values = run(program, leaves);
  } catch (const std::exception& error) {
    return Finding{"call", error.what()};
  }
  if (Maybe finding = check_values(program, values)) return finding;
  try {
    if (program.mode == Mode::large) return check_threads(program, options.threads);
    const std::vector<Variable> gradient =
        gradients(loss_of(program, values), differentiable(leaves), false);
    if (Maybe finding = check_rules(program, leaves, gradient)) return finding;
    if (Maybe finding = check_compositions(program, values)) return finding;
    if (program.mode == Mode::gradients) {
      if (Maybe finding = check_first_order(program, gradient, statistics)) return finding;
      if (Maybe finding = check_second_order(program, statistics)) return finding;
    }
    if (program.mode == Mode::single) return check_single(program, values);
  } catch (const std::exception& error) {
    return Finding{"call", error.what()};
  }
  return {};
}

}  // namespace

std::optional<Finding> check(const Program& program, Statistics& statistics,
                             const CheckOptions& options) {
  ++statistics.programs;
  statistics.operations += program.operations();
  if (options.counts_rows) {
    for (const Step& step : program.steps) {
      if (!step.is_leaf()) ++statistics.rows[step.operation->name];
    }
  }
  const std::size_t before = tape().size();
  Maybe finding = all_checks(program, statistics, options);
  if (!finding && tape().size() != before) {
    return Finding{"tape", "entries stay on the tape: " + std::to_string(tape().size() - before)};
  }
  if (finding && finding->step >= 0 && finding->text.empty()) {
    finding->text = named(program, finding->step);
  }
  return finding;
}

Outcome outcome_of(const Program& program) {
  std::size_t exact = 0;  // results of the first operations
  const std::vector<Variable> leaves = leaves_of(program);
  const Values values = run(program, leaves);
  for (std::size_t s = 0; s < values.size(); ++s) {
    const Step& step = program.steps[s];
    if (!step.is_leaf() && !step.operation->traits.exact) break;
    exact += values[s].size();
  }
  Outcome outcome;
  std::vector<Tensor> all;
  for (const Results& results : values) {
    for (const Variable& x : results) all.push_back(x.value());
  }
  for (const Variable& x : gradients(loss_of(program, values), differentiable(leaves), false)) {
    all.push_back(x.value());
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::vector<double> elements = to_vector<double>(all[i]);
    outcome.elements.insert(outcome.elements.end(), elements.begin(), elements.end());
    if (i < exact) outcome.exact = outcome.elements.size();
  }
  return outcome;
}

}  // namespace tapegrad::tapes
