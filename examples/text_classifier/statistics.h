// Intervals and tests for accuracies: of one model, of folds, and of two models on the same texts.
// Read next: statistics.cc.
#pragma once

#include <cstdint>
#include <span>

#include "common/intervals.h"

namespace text_classifier {

using examples::Interval;
using examples::wilson_interval;

// The value that a t distribution with these degrees of freedom does not exceed with probability p.
// 0.5 < p < 1.
double student_t_quantile(double p, double degrees);

// The 95 % interval of the mean of values that are drawn independently from a normal distribution
// (Student 1908). Needs two values.
Interval t_interval(std::span<const double> values);

// How often each of two models was right about the same texts.
struct PairedCounts {
  std::int64_t both = 0;
  std::int64_t only_first = 0;
  std::int64_t only_second = 0;
  std::int64_t neither = 0;

  std::int64_t total() const { return both + only_first + only_second + neither; }
  double difference() const;  // the accuracy of the second minus that of the first
};

// McNemar's exact test (1947), two-sided: how probable it is that the texts on which the models
// differ divide at least so unevenly, if each is as likely to be one model's as the other's.
double mcnemar_p_value(const PairedCounts& counts);

// The 95 % interval of the difference of the accuracies, by Wald's formula after 0.5 was added to
// each of the four counts (Agresti and Min 2005).
Interval difference_interval(const PairedCounts& counts);

}  // namespace text_classifier
