// Many steps without a gradient at once, in closed form. A row that was not looked up still moves
// by momentum, weight decay or Adam's mean. Its elements after n such steps can be computed without
// taking them one by one. The work that all rows share is done once per step; a few operations for
// each element remain.
//
// append() records every step of a parameter in order; reserve_one() comes first, and then append()
// throws nothing. Then each class here can advance elements from their state after step `from` to
// their state after the last one. Steps are counted from 0.
//
// Internal. Read next: optim/lazy/closed_form_steps.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

// Lists that grow with every step reserve memory for this many steps, so that a short run, or one
// that often reads whole tables, does not allocate repeatedly.
inline constexpr std::size_t kStepsAtFirst = 256;

// Makes room for one more element, so that the next push_back() allocates nothing.
template <class T>
void reserve_one(std::vector<T>& list) {
  if (list.size() == list.capacity()) list.reserve(std::max<std::size_t>(1, 2 * list.size()));
}

// Steps that map (p, b) linearly, the same for all elements, as SGD's do: p an element, b its
// momentum. Products of 2, 4, 8, ... consecutive maps are stored, so that any range of steps is a
// product of few of them.
class LinearSteps {
 public:
  void clear() noexcept {
    for (auto& level : levels_) level.clear();
  }
  // Allocates what the next append() needs.
  void reserve_one() {
    std::size_t level = 0;
    do {
      if (level == levels_.size()) levels_.emplace_back();
      tapegrad::optim::reserve_one(levels_[level]);
    } while (levels_[level++].size() % 2 == 1);
  }
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
    while (from < end) {  // the largest block that begins here
      std::size_t level = 0;
      while ((from >> level & 1) == 0 && from + (std::size_t{2} << level) <= end) ++level;
      map = after(levels_[level][from >> level], map);
      from += std::size_t{1} << level;
    }
    // A momentum that has become tiny is set to 0, because arithmetic with denormal numbers is
    // slow.
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
// c_k fades with n, so only the nearest steps matter, and y_k hardly changes during these steps. So
// 1 / (sqrt(v) + eps y) is expanded in a series around a fixed y. The sums over k of c_k times the
// powers of y_k's deviation are the same for all rows whose steps are pending since `from`; they
// grow by one term per step until c_k has faded. The series converges for every v unless y_k
// changes too much, as in the first few hundred steps with a small beta2. A bound detects that, and
// then the steps must be replayed.
class AdamSteps {
 public:
  struct Step {
    double step;  // number of the parameter's step: 1, 2, ...
    double beta1, beta2, eps, shrink, step_size, sqrt_bias2;
    bool amsgrad;
  };

  // `step` is the number of the last step that all rows have taken.
  AdamSteps(double step, const Step& like) {
    sums_.reserve(kStepsAtFirst);
    start_from(step, like);
  }
  void restart(double step, const Step& like) noexcept;  // as if just constructed
  void reserve_one() { tapegrad::optim::reserve_one(sums_); }
  void append(const Step& step);

  // The steps after `from`. False if they must be replayed: the ratio is too near to 1, or the
  // series does not converge within `tolerance` (of the move) for an element whose sqrt(v) is
  // `smallest_root`.
  bool since(std::size_t from, double smallest_root, double tolerance,
             kernel::AdamJumpArguments& steps) const;
  // Whether the series converges for every root.
  bool converges(std::size_t from, double tolerance) const {
    return sums_[from].bound <= tolerance * sums_[from].s[0];
  }
  // The number of steps after which c_k has faded. A replay may stop there, and rest() completes v
  // and the decay. 0 if that takes too long.
  std::size_t horizon() const { return covered_ ? horizon_ : 0; }
  // The effect of the steps after `from` on p (only its decay), m and v.
  kernel::AdamJumpArguments rest(std::size_t from) const;

 private:
  static constexpr std::size_t kTerms = 6;
  static constexpr std::size_t kLongestHorizon = 4096;
  struct Logs {  // logarithms of the products of all factors so far
    double shrink = 0, m = 0, v = 0;
  };
  struct Sums {         // for rows whose steps are pending since one step
    double weight = 1;  // (beta1 / sqrt(beta2))^n / decay
    double root = 1;    // 1 / sqrt(beta2)^n
    double center;      // the y that is expanded around
    std::array<double, kTerms> s{};
    double bound = 0;  // like s, for the first omitted term
    Logs before;
  };
  void start_from(double step, const Step& like);

  std::vector<Sums> sums_;
  Logs logs_;  // up to the last step
  double eps_ = 0;
  std::size_t horizon_ = 0;
  bool covered_ = true;
};

}  // namespace tapegrad::optim
