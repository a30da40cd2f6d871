// Rows of minimum, maximum, sorting and what returns positions. Read next: softmax.cc.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kOrder{.exact = true, .integers = true};
// The order of booleans is that of 0 and 1.
constexpr Operation::Traits kPositions{.exact = true, .integers = true, .frequency = 0.5};

// Whether a comes before b: the larger one for `largest`. NaN is the largest.
bool before(double a, double b, bool largest) {
  if (std::isnan(a) || std::isnan(b)) {
    return largest ? std::isnan(a) && !std::isnan(b) : !std::isnan(a) && std::isnan(b);
  }
  return largest ? a > b : a < b;
}

// The position of the extreme: the first NaN, or the first of equal elements.
std::int64_t extreme(const std::vector<double>& x, bool largest) {
  std::size_t best = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (std::isnan(x[k])) return static_cast<std::int64_t>(k);
    if (largest ? x[k] > x[best] : x[k] < x[best]) best = k;
  }
  return static_cast<std::int64_t>(best);
}

std::vector<double> line_at(const Plain& x, const Line& line, std::int64_t o, std::int64_t i) {
  std::vector<double> elements;
  for (std::int64_t k = 0; k < line.n; ++k) elements.push_back(x[line.at(o, k, i)]);
  return elements;
}

// Values and positions of the extremes along dimension a.i; keepdim is a.flag.
Plains extremes(const Plain& x, const Attributes& a, bool largest) {
  const Line line = line_of(x.shape, a.i);
  Shape shape = x.shape;
  if (!shape.empty()) {
    const std::int64_t dim = positive(a.i, shape.dim())[0];
    if (a.flag) {
      shape[dim] = 1;
    } else {
      shape.erase(dim);
    }
  }
  Plain values = filled(shape, x.dtype), positions = filled(shape, int64);
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      const std::vector<double> elements = line_at(x, line, o, i);
      const std::int64_t at = extreme(elements, largest);
      values[o * line.inner + i] = elements[static_cast<std::size_t>(at)];
      positions[o * line.inner + i] = static_cast<double>(at);
    }
  }
  return {values, positions};
}

// The first `count` elements of each line along `dim` in order, and their positions. The order is
// stable.
Plains sorted(const Plain& x, std::int64_t dim, bool largest, std::int64_t count) {
  const Line line = line_of(x.shape, dim);
  Shape shape = x.shape;
  if (!shape.empty()) shape[positive(dim, shape.dim())[0]] = count;
  Plain values = filled(shape, x.dtype), positions = filled(shape, int64);
  const Line out{line.outer, x.dim() == 0 ? 1 : count, line.inner};
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      const std::vector<double> elements = line_at(x, line, o, i);
      std::vector<std::size_t> order(elements.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
        return before(elements[a], elements[b], largest);
      });
      for (std::int64_t k = 0; k < out.n; ++k) {
        const std::size_t from = order[static_cast<std::size_t>(k)];
        values[out.at(o, k, i)] = elements[from];
        positions[out.at(o, k, i)] = static_cast<double>(from);
      }
    }
  }
  return {values, positions};
}

// Ties have no derivative, so elements are distinct where it is compared.
void draw_all(Draw& d) { d.require(count_of(d.any(kDistinct)) > 0); }
void draw_dim(Draw& d) {
  const Shape shape = d.any(kDistinct);
  d.a.i = d.dim_of(shape);
  d.a.flag = d.random.chance(0.4);
  d.require(shape.empty() || shape[positive(d.a.i, shape.dim())[0]] > 0);
}
void draw_dims(Draw& d) {
  const Shape shape = d.any(kDistinct, 1);
  d.a.dims = d.dims_of(shape, 1);
  d.a.flag = d.random.chance(0.4);
  d.require(count_of(shape) > 0);
}
void draw_ids(Draw& d) {
  d.a.i = d.random.integer(0, 9);
  d.ids(Shape(d.size()), 0, 6);
}
void draw_sort(Draw& d) {
  d.a.i = d.dim_of(d.any(kDistinct));
  d.a.flag = d.random.chance(0.5);
}
void draw_topk(Draw& d) {
  const Shape shape = d.any(kDistinct, 1);
  d.a.i = d.dim_of(shape);
  d.a.j = d.random.integer(0, shape[positive(d.a.i, shape.dim())[0]]);
  d.a.flag = d.random.chance(0.5);
}

}  // namespace

std::vector<Operation> order_rows() {
  const auto over_dims = [](bool largest) {
    return [=](const Plains& x, const Attributes& a) -> Plains {
      return {reduced(x[0], a.dims, a.flag, x[0].dtype, [&](const std::vector<double>& group) {
        return group[static_cast<std::size_t>(extreme(group, largest))];
      })};
    };
  };
  const auto whole = [](bool largest, bool position) {
    return [=](const Plains& x, const Attributes&) -> Plains {
      const std::int64_t at = extreme(x[0].x, largest);
      if (position) return {filled({}, int64, static_cast<double>(at))};
      return {filled({}, x[0].dtype, x[0][at])};
    };
  };
  const auto along = [](bool largest) {
    return [=](const Plains& x, const Attributes& a) { return extremes(x[0], a, largest); };
  };
  const auto position = [](bool largest) {
    return [=](const Plains& x, const Attributes& a) -> Plains {
      return {extremes(x[0], a, largest)[1]};
    };
  };
  return {
      {"max", CALL(max(x[0])), draw_all, whole(true, false), kOrder},
      {"min", CALL(min(x[0])), draw_all, whole(false, false), kOrder},
      {"max dim", CALL(max(x[0], a.i, a.flag)), draw_dim, along(true), kOrder},
      {"min dim", CALL(min(x[0], a.i, a.flag)), draw_dim, along(false), kOrder},
      {"amax", CALL(amax(x[0], a.dims, a.flag)), draw_dims, over_dims(true), kOrder},
      {"amin", CALL(amin(x[0], a.dims, a.flag)), draw_dims, over_dims(false), kOrder},
      {"median",
       CALL(median(x[0])),
       draw_all,
       [](const Plains& x, const Attributes&) -> Plains {
         std::vector<double> all = x[0].x;
         std::ranges::sort(all);
         return {filled({}, x[0].dtype, all[(all.size() - 1) / 2])};
       },
       {.special = false, .exact = true, .integers = true}},
      {"median dim",
       CALL(median(x[0], a.i, a.flag)),
       draw_dim,
       [](const Plains& x, const Attributes& a) -> Plains {
         const Line line = line_of(x[0].shape, a.i);
         const Plains all = sorted(x[0], a.i, false, line.n);
         Plains middle = extremes(x[0], a, true);  // for their shapes
         for (std::size_t which = 0; which < 2; ++which) {
           for (std::int64_t o = 0; o < line.outer; ++o) {
             for (std::int64_t i = 0; i < line.inner; ++i) {
               middle[which][o * line.inner + i] = all[which][line.at(o, (line.n - 1) / 2, i)];
             }
           }
         }
         return middle;
       },
       {.special = false, .exact = true, .integers = true}},
      {"bincount",
       CALL(bincount(x[0].value(), Tensor(), a.i)),
       draw_ids,
       [](const Plains& x, const Attributes& a) -> Plains {
         std::int64_t length = a.i;
         for (const double id : x[0].x) {
           length = std::max(length, static_cast<std::int64_t>(id) + 1);
         }
         Plain y = filled(Shape(length), int64);
         for (const double id : x[0].x) ++y[static_cast<std::int64_t>(id)];
         return {y};
       },
       {.exact = true, .integers = true, .frequency = 0.3}},
      {"argmax", CALL(argmax(x[0].value())), draw_all, whole(true, true), kPositions},
      {"argmax dim", CALL(argmax(x[0].value(), a.i, a.flag)), draw_dim, position(true), kPositions},
      {"argmin", CALL(argmin(x[0].value())), draw_all, whole(false, true), kPositions},
      {"argmin dim", CALL(argmin(x[0].value(), a.i, a.flag)), draw_dim, position(false),
       kPositions},
      {"sort", CALL(sort(x[0], a.i, a.flag)), draw_sort,
       [](const Plains& x, const Attributes& a) {
         return sorted(x[0], a.i, a.flag, line_of(x[0].shape, a.i).n);
       },
       kOrder},
      {"argsort", CALL(argsort(x[0].value(), a.i, a.flag)), draw_sort,
       [](const Plains& x, const Attributes& a) -> Plains {
         return {sorted(x[0], a.i, a.flag, line_of(x[0].shape, a.i).n)[1]};
       },
       kPositions},
      {"topk", CALL(topk(x[0], a.j, a.i, a.flag)), draw_topk,
       [](const Plains& x, const Attributes& a) { return sorted(x[0], a.i, a.flag, a.j); }, kOrder},
  };
}

}  // namespace tapegrad::tapes
