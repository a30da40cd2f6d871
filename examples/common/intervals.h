// 95 % intervals of what was measured on a few examples. Read next: intervals.cc.
#pragma once

#include <cstdint>

namespace examples {

inline constexpr double kNormal975 =
    1.959963984540054;  // 97.5 % of a normal distribution lie below

struct Interval {
  double low = 0;
  double high = 1;
};

// Wilson's interval (1927) of a probability, when `correct` of `total` trials succeeded. The
// simpler p +- 1.96 sqrt(p (1 - p) / n) can leave [0, 1], and is wrong for small n.
Interval wilson_interval(std::int64_t correct, std::int64_t total);

// The interval of Spearman's rank correlation r of n pairs: Fisher's z with the variance (1 + r^2 /
// 2) / (n - 3) (Bonett and Wright 2000). -1 to 1 for fewer than 4 pairs.
Interval spearman_interval(double r, std::int64_t n);

}  // namespace examples
