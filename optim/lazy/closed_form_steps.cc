// The sums of Adam's steps, which grow by one term a step.
#include <tapegrad/optim/lazy/closed_form_steps.h>

#include <algorithm>

namespace tapegrad::optim {
namespace {

double root_of_decay(const AdamSteps::Step& step) {
  return step.amsgrad ? 1 : std::sqrt(step.beta2);  // amsgrad's maximum does not fade
}

}  // namespace

// Starts the sums for rows whose pending steps begin after `step`. The series is expanded around
// the y of one step: the mean n under the weights ratio^n.
void AdamSteps::start_from(double step, const Step& like) {
  const double root = root_of_decay(like);
  const double ratio = like.beta1 / root / like.shrink;
  // ratio^needed is 1e-17
  const double needed = ratio > 0 ? -39.2 / std::log(ratio) : 1;
  if (!(ratio >= 0 && ratio < 1 && needed < double{kLongestHorizon} && like.shrink > 0.5 &&
        like.beta2 > 0)) {
    covered_ = false;
  } else {
    horizon_ = std::max(horizon_, static_cast<std::size_t>(std::ceil(needed)) + 1);
  }
  eps_ = like.eps;
  Sums sums;
  const double n = covered_ ? 1 / (1 - ratio) : 1;
  sums.center = std::sqrt(1 - std::pow(like.beta2, step + n)) / std::pow(root, n);
  sums.before = logs_;
  sums_.push_back(sums);
}

void AdamSteps::restart(double step, const Step& like) noexcept {
  sums_.clear();  // keeps its memory
  logs_ = {};
  horizon_ = 0;
  covered_ = true;
  start_from(step, like);
}

void AdamSteps::append(const Step& step) {
  const double unroot = 1 / root_of_decay(step);
  const double ratio = step.beta1 * unroot / step.shrink;
  const double move = step.step_size * step.sqrt_bias2;
  const std::size_t first = sums_.size() > horizon_ ? sums_.size() - horizon_ : 0;
  for (std::size_t i = first; i < sums_.size() && covered_; ++i) {
    Sums& sums = sums_[i];
    sums.weight *= ratio;
    sums.root *= unroot;
    const double deviation = step.sqrt_bias2 * sums.root / sums.center - 1;
    double term = move * sums.weight;
    for (double& sum : sums.s) {
      sum += term;
      term *= deviation;
    }
    sums.bound += std::abs(term);
  }
  logs_.shrink += std::log(step.shrink);
  logs_.m += std::log(std::max(step.beta1, 1e-300));
  logs_.v += std::log(std::max(step.beta2, 1e-300));
  start_from(step.step, step);
}

kernel::AdamJumpArguments AdamSteps::rest(std::size_t from) const {
  const Logs& before = sums_[from].before;
  // Tiny factors become 0, because arithmetic with denormal numbers is slow.
  const auto factor = [](double log) { return log == 0 ? 1 : log < -60 ? 0 : std::exp(log); };
  return {.shrink = factor(logs_.shrink - before.shrink),
          .m_factor = factor(logs_.m - before.m),
          .v_factor = factor(logs_.v - before.v),
          .eps_center = eps_ * sums_[from].center,
          .s = {}};
}

bool AdamSteps::since(std::size_t from, double smallest_root, double tolerance,
                      kernel::AdamJumpArguments& steps) const {
  if (!covered_) return false;
  steps = rest(from);
  const Sums& sums = sums_[from];
  if (sums.bound > tolerance * sums.s[0]) {
    const double u = steps.eps_center / (smallest_root + steps.eps_center);
    if (!(sums.bound * std::pow(u, double{kTerms}) <= tolerance * sums.s[0])) return false;
  }
  std::ranges::copy(sums.s, steps.s);
  return true;
}

}  // namespace tapegrad::optim
