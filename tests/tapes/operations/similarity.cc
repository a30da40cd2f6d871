// Rows of similarity. Read next: attention.cc.
#include <algorithm>
#include <cmath>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kFinite{.special = false, .slack = 8};
constexpr Domain kVectors{-8, 8, true, true};

double norm_of(const std::vector<double>& x, double p) {
  double total = 0;
  for (const double each : x) total += std::pow(std::abs(each), p);
  return std::pow(total, 1 / p);
}

// x divided by its norms along dim, which are at least eps.
Plain normalized(const Plain& x, double p, std::int64_t dim, double eps) {
  const Plain norms =
      reduced(x, Shape(dim), true, x.dtype, [&](const auto& group) { return norm_of(group, p); });
  const Plain all = stretched(norms, x.shape);
  Plain y = x;
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] /= std::max(all[i], eps);
  return y;
}

Plain distances(const Plain& a, const Plain& b, double p, double eps, bool keepdim) {
  const Shape shape = common_shape(a.shape, b.shape);
  Plain difference = stretched(a, shape);
  const Plain right = stretched(b, shape);
  for (std::int64_t i = 0; i < difference.numel(); ++i) difference[i] += eps - right[i];
  return reduced(difference, Shape(-1), keepdim, a.dtype,
                 [&](const auto& group) { return norm_of(group, p); });
}

double draw_p(Draw& d) { return d.random.one_of(std::vector<double>{2, 2, 1, 3}); }

}  // namespace

std::vector<Operation> similarity_rows() {
  return {
      {"cosine_similarity", CALL(cosine_similarity(x[0], x[1], a.i, 1e-8)),
       [](Draw& d) {
         const Shape first = d.any(kVectors, 1);
         const Shape second = d.broadcast_with(first, kVectors);
         const Shape shape = common_shape(first, second);
         d.a.i = d.dim_of(shape);
         d.require(count_of(shape) > 0);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Shape shape = common_shape(x[0].shape, x[1].shape);
         Plain y = normalized(stretched(x[0], shape), 2, a.i, 1e-8);
         const Plain right = normalized(stretched(x[1], shape), 2, a.i, 1e-8);
         for (std::int64_t i = 0; i < y.numel(); ++i) y[i] *= right[i];
         return {reduced(y, Shape(a.i), false, y.dtype, [](const auto& group) {
           double total = 0;
           for (const double each : group) total += each;
           return total;
         })};
       },
       kFinite},
      {"pairwise_distance", CALL(pairwise_distance(x[0], x[1], a.p, 1e-2, a.flag)),
       [](Draw& d) {
         const Shape first = d.any(kVectors, 1);
         const Shape second = d.broadcast_with(first, kVectors);
         d.require(count_of(common_shape(first, second)) > 0);
         d.a.p = draw_p(d);
         d.a.flag = d.random.chance(0.4);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {distances(x[0], x[1], a.p, 1e-2, a.flag)};
       },
       kFinite},
      {"cdist", CALL(cdist(x[0], x[1], a.p)),
       [](Draw& d) {
         d.require(d.mode() != Mode::large);
         const Shape first = d.any(kVectors, 2, 3);
         d.require(first.back() > 0);
         Shape second = first;
         if (first.dim() == 3 && d.random.chance(0.4)) second.erase(0);
         second[second.dim() - 2] = d.size();
         // Different elements, so that no distance is 0.
         d.of(second, {-8, 8, true, true});
         d.a.p = draw_p(d);
         for (const double x : to_vector<double>(d.input(0))) {
           for (const double y : to_vector<double>(d.input(1))) {
             d.require(d.mode() != Mode::gradients || std::abs(x - y) > 1e-3);
           }
         }
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain left = x[0], right = x[1];
         left.shape.insert(left.dim() - 1, 1);
         right.shape.insert(right.dim() - 2, 1);
         return {distances(left, right, a.p, 0, false)};
       },
       kFinite},
      {"normalize", CALL(normalize(x[0], a.p, a.i, 1e-12)),
       [](Draw& d) {
         const Shape shape = d.any(kVectors, 1);
         d.a.i = d.dim_of(shape);
         d.a.p = draw_p(d);
         d.require(count_of(shape) > 0);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {normalized(x[0], a.p, a.i, 1e-12)};
       },
       kFinite},
  };
}

}  // namespace tapegrad::tapes
