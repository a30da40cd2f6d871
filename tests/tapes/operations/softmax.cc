// Rows of softmax, log_softmax and logsumexp. Read next: normalization.cc.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

// log sum exp. The largest element is subtracted first, unless it is infinite.
double log_sum_exp(const std::vector<double>& x) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const double each : x) {
    if (std::isnan(each)) return each;
    largest = std::max(largest, each);
  }
  if (std::isinf(largest)) return largest;
  long double total = 0;
  for (const double each : x) total += std::exp(each - largest);
  return largest + std::log(static_cast<double>(total));
}

// f(element, largest element, log sum exp) for each element along a.i.
Plain normalized(const Plain& x, std::int64_t dim, bool logarithm) {
  const Line line = line_of(x.shape, dim);
  Plain y = x;
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      std::vector<double> elements;
      for (std::int64_t k = 0; k < line.n; ++k) elements.push_back(x[line.at(o, k, i)]);
      double largest = -std::numeric_limits<double>::infinity();
      for (const double each : elements) {
        largest = std::isnan(each) || std::isnan(largest) ? std::nan("") : std::max(largest, each);
      }
      // An infinite largest element gives NaN, as inf - inf does in PyTorch.
      long double sum = 0;
      for (const double each : elements) sum += std::exp(each - largest);
      const double total = static_cast<double>(sum);
      for (std::int64_t k = 0; k < line.n; ++k) {
        const double moved = x[line.at(o, k, i)] - largest;
        y[line.at(o, k, i)] = logarithm ? moved - std::log(total) : std::exp(moved) / total;
      }
    }
  }
  return y;
}

void draw_dim(Draw& d) { d.a.i = d.dim_of(d.any()); }

}  // namespace

std::vector<Operation> softmax_rows() {
  return {
      {"logsumexp",
       CALL(logsumexp(x[0], a.dims, a.flag)),
       [](Draw& d) {
         d.a.dims = d.dims_of(d.any(kAny, 1), 1);
         d.a.flag = d.random.chance(0.4);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {reduced(x[0], a.dims, a.flag, x[0].dtype, log_sum_exp)};
       },
       {.frequency = 1.5}},
      {"softmax",
       CALL(softmax(x[0], a.i)),
       draw_dim,
       [](const Plains& x, const Attributes& a) -> Plains {
         return {normalized(x[0], a.i, false)};
       },
       {.frequency = 1.5}},
      {"log_softmax",
       CALL(log_softmax(x[0], a.i)),
       draw_dim,
       [](const Plains& x, const Attributes& a) -> Plains { return {normalized(x[0], a.i, true)}; },
       {.frequency = 1.5}},
      {"softmin", CALL(softmin(x[0], a.i)), draw_dim,
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain minus = x[0];
         for (double& element : minus.x) element = -element;
         return {normalized(minus, a.i, false)};
       }},
  };
}

}  // namespace tapegrad::tapes
