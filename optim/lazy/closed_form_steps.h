// Many steps without a gradient at once, in closed form. A row that was not looked up still moves,
// by momentum, by weight decay, by Adam's mean; where it is after n such steps can be computed
// without taking them. The work that all rows share is done once a step; what is left is a few
// operations for each element.
//
// Each class here is told every step of a parameter in order (append), and then takes elements from
// the state after step `from` to that after the last one. Steps are counted from 0.
//
// Internal. Read next: optim/lazy/closed_form_steps.cc.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

// Lists that grow with every step have room for so many from the start, so that a short run, or one
// that often reads whole tables, does not allocate memory again and again.
inline constexpr std::size_t kStepsAtFirst = 256;

// Steps that map (p, b) linearly, the same for all elements, as SGD's do: p an element, b its
// momentum. Products of 2, 4, 8, ... consecutive maps are kept, so that any range of steps is a
// product of few.
class LinearSteps {
 public:
  void append(const kernel::PairMap& step) {
    std::size_t level = 0;
    kernel::PairMap block = step;
    while (true) {
      if (levels_.size() == level) levels_.emplace_back();
      levels_[level].push_back(block);
      const std::size_t count = levels_[level].size();
      if (count % 2 == 1) break;
      block = after(levels_[level][count - 1], levels_[level][count - 2]);
      ++level;
    }
  }

  // The map over the steps after `from`.
  kernel::PairMap since(std::size_t from) const {
    kernel::PairMap map{1, 0, 0, 1};
    const std::size_t end = levels_.empty() ? 0 : levels_[0].size();
    while (from < end) {  // by the largest block that begins here
      std::size_t level = 0;
      while ((from >> level & 1) == 0 && from + (std::size_t{2} << level) <= end) ++level;
      map = after(levels_[level][from >> level], map);
      from += std::size_t{1} << level;
    }
    // What is left of a momentum after so long becomes 0: arithmetic with denormal numbers is slow.
    for (double* x : {&map.pb, &map.bp, &map.bb}) *x = std::abs(*x) < 1e-26 ? 0 : *x;
    return map;
  }

 private:
  static kernel::PairMap after(const kernel::PairMap& b, const kernel::PairMap& a) {
    return {b.pp * a.pp + b.pb * a.bp, b.pp * a.pb + b.pb * a.bb, b.bp * a.pp + b.bb * a.bp,
            b.bp * a.pb + b.bb * a.bb};
  }
  std::vector<std::vector<kernel::PairMap>> levels_;  // [i][j]: steps j * 2^i + 1 to (j + 1) * 2^i
};

// Adam's and AdamW's steps. With m and v as they were after step `from`, step k = from + n moves an
// element by c_k m / (sqrt(v) + eps y_k), where
//   c_k = lr / (1 - beta1^k) * sqrt(1 - beta2^k) * (beta1 / sqrt(beta2))^n / (decay since `from`),
//   y_k = sqrt(1 - beta2^k) / sqrt(beta2)^n.
// c_k fades with n, so only the nearest steps count, and while it does y_k hardly changes: 1 /
// (sqrt(v) + eps y) is expanded around a fixed y, and the sums over k of c_k times the powers of
// y_k's deviation are the same for all rows whose steps are pending since `from`. They grow by one
// term a step until c_k has faded. The series converges whatever v is, unless y_k does change: in
// the first few hundred steps, for a small beta2. Then a bound says so, and the steps are to be
// replayed.
class AdamSteps {
 public:
  struct Step {
    double step;  // its number in the parameter's life, 1, 2, ...
    double beta1, beta2, eps, shrink, step_size, sqrt_bias2;
    bool amsgrad;
  };

  // `step` is the number of the last step that everybody has taken.
  AdamSteps(double step, const Step& like) {
    sums_.reserve(kStepsAtFirst);
    start_from(step, like);
  }
  void append(const Step& step);

  // The steps after `from`. False if they must be replayed: the ratio is too near to 1, or the
  // series does not converge within `tolerance` (of the move) for an element whose sqrt(v) is
  // `smallest_root`.
  bool since(std::size_t from, double smallest_root, double tolerance,
             kernel::AdamJumpArguments& steps) const;
  // Whether since() does so for any root.
  bool converges(std::size_t from, double tolerance) const {
    return sums_[from].bound <= tolerance * sums_[from].s[0];
  }
  // After how many steps c_k has faded, so that a replay may stop there but for v and the decay; 0
  // if that takes too long.
  std::size_t horizon() const { return covered_ ? horizon_ : 0; }
  // What the steps after `from` do to p (its decay alone), m and v.
  kernel::AdamJumpArguments rest(std::size_t from) const;

 private:
  static constexpr std::size_t kTerms = 6;
  static constexpr std::size_t kLongestHorizon = 4096;
  struct Logs {  // of the products of all factors so far
    double shrink = 0, m = 0, v = 0;
  };
  struct Sums {         // of the rows whose steps are pending since one step
    double weight = 1;  // (beta1 / sqrt(beta2))^n / decay
    double root = 1;    // 1 / sqrt(beta2)^n
    double center;      // the y that is expanded around
    std::array<double, kTerms> s{};
    double bound = 0;  // as s, for the first term that is left out
    Logs before;
  };
  void start_from(double step, const Step& like);

  std::vector<Sums> sums_;
  Logs logs_;  // until now
  double eps_ = 0;
  std::size_t horizon_ = 0;
  bool covered_ = true;
};

}  // namespace tapegrad::optim
