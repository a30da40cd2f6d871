// Intervals and tests of accuracies: values from tables and computed by hand. Read next:
// examples/text_classifier/statistics.h.
#include "text_classifier/statistics.h"

#include <cmath>
#include <vector>

#include "catch.h"

using namespace text_classifier;

namespace {

bool near(double a, double b, double tolerance = 1e-5) { return std::abs(a - b) < tolerance; }

}  // namespace

TEST_CASE("Wilson's interval") {
  const Interval half = wilson_interval(5, 10);
  CHECK(half.low == Approx(0.2366).margin(5e-5));
  CHECK(half.high == Approx(0.7634).margin(5e-5));
  const Interval trec = wilson_interval(443, 500);
  CHECK(trec.low == Approx(0.85515).margin(5e-6));
  CHECK(trec.high == Approx(0.9110).margin(5e-5));
  CHECK(wilson_interval(0, 20).low == 0.0);
  CHECK(wilson_interval(0, 20).high == Approx(0.1611).margin(5e-5));
  CHECK(wilson_interval(20, 20).high == 1.0);
  CHECK(wilson_interval(0, 0).low == 0.0);
  CHECK(wilson_interval(0, 0).high == 1.0);
}

TEST_CASE("student_t_quantile agrees with published tables", "[text_statistics]") {
  CHECK(near(student_t_quantile(0.975, 1), 12.7062, 1e-4));
  CHECK(near(student_t_quantile(0.975, 2), 4.30265));
  CHECK(near(student_t_quantile(0.975, 4), 2.77645));
  CHECK(near(student_t_quantile(0.975, 9), 2.26216));
  CHECK(near(student_t_quantile(0.975, 29), 2.04523));
  CHECK(near(student_t_quantile(0.975, 1000), 1.96234));
  CHECK(near(student_t_quantile(0.95, 5), 2.01505));
}

TEST_CASE("t_interval is the mean plus and minus the quantile times the error",
          "[text_statistics]") {
  // Standard deviation 0.0707107, so the error of the mean is 0.05, and 12.7062 * 0.05 = 0.63531.
  const Interval two = t_interval(std::vector<double>{0.8, 0.9});
  CHECK(near(two.low, 0.85 - 0.63531));
  CHECK(near(two.high, 0.85 + 0.63531));
  // Of 1 to 5: standard deviation sqrt(2.5), error sqrt(0.5), and 2.77645 * 0.707107 = 1.96324.
  const Interval five = t_interval(std::vector<double>{1, 2, 3, 4, 5});
  CHECK(near(five.low, 3 - 1.96324));
  CHECK(near(five.high, 3 + 1.96324));
  const Interval equal = t_interval(std::vector<double>{0.5, 0.5, 0.5});
  CHECK(equal.low == 0.5);
  CHECK(equal.high == 0.5);
}

TEST_CASE("mcnemar_p_value is the two-sided binomial test", "[text_statistics]") {
  const auto p = [](std::int64_t first, std::int64_t second) {
    return mcnemar_p_value({70, first, second, 20});
  };
  CHECK(near(p(1, 9), 2.0 * (1 + 10) / 1024));
  CHECK(near(p(9, 1), 2.0 * (1 + 10) / 1024));
  CHECK(near(p(0, 6), 2.0 / 64));
  CHECK(near(p(2, 8), 2.0 * (1 + 10 + 45) / 1024));
  CHECK(p(5, 5) == 1);
  CHECK(p(4, 5) == 1);
  CHECK(p(0, 0) == 1);
  CHECK(p(400, 600) < 1e-9);  // no overflow
  CHECK(p(400, 600) > 0);
}

TEST_CASE("difference_interval adds half a text to each count", "[text_statistics]") {
  // 132.5 / 1146 = 0.115620 and 107.5 / 1146 = 0.093805: the difference is 0.021815, its error
  // sqrt((0.209424 - 0.000476) / 1146) = 0.013503.
  const PairedCounts counts{500, 107, 132, 405};
  CHECK(counts.total() == 1144);
  CHECK(near(counts.difference(), 25.0 / 1144));
  const Interval interval = difference_interval(counts);
  CHECK(near(interval.low, 0.021815 - 1.959964 * 0.013503, 5e-6));
  CHECK(near(interval.high, 0.021815 + 1.959964 * 0.013503, 5e-6));
  // It is not empty if the models agree everywhere.
  const Interval same = difference_interval({10, 0, 0, 0});
  CHECK(same.low < -0.1);
  CHECK(same.high > 0.1);
  CHECK(difference_interval({0, 0, 1, 0}).high <= 1);
}
