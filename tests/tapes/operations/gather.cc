// Rows of copies by index or by mask. Read next: embedding.cc.
#include <algorithm>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kMoves{.exact = true, .integers = true, .booleans = true};
constexpr Operation::Traits kAdds{.integers = true};
constexpr Operation::Traits kRare{
    .exact = true, .integers = true, .booleans = true, .frequency = 0.3};

constexpr Operation::Traits kRareSums{.frequency = 0.5};

std::int64_t wrapped(std::int64_t d, std::int64_t dim) { return d < 0 ? d + dim : d; }
std::int64_t id(double x) { return static_cast<std::int64_t>(x); }

// A shape for an index of x: as many dimensions, no size larger than x's except along a.i.
Shape index_shape(Draw& d, const Shape& x) {
  const std::int64_t dim = wrapped(d.a.i, x.dim());
  Shape shape = x;
  for (std::int64_t k = 0; k < x.dim(); ++k) {
    shape[k] = k == dim ? d.size() : d.random.chance(0.6) ? x[k] : d.random.integer(0, x[k]);
  }
  return shape;
}

Plain gathered(const Plain& x, std::int64_t dim, const Plain& index) {
  return made(index.shape, x.dtype, [&](const Shape& at) {
    Shape from = at;
    from[dim] = id(index[position_of(index.shape, at)]);
    return x[position_of(x.shape, from)];
  });
}

// Calls f(x's element, source's element) for each element of index.
Plain scattered(const Plains& x, std::int64_t dim, double (*f)(double, double)) {
  Plain y = x[0];
  const Plain& source = x[1];
  const Plain& index = x[2];
  for (std::int64_t i = 0; i < index.numel(); ++i) {
    const Shape at = index_at(index.shape, i);
    Shape to = at;
    to[dim] = id(index[i]);
    double& element = y[position_of(y.shape, to)];
    element = f(element, source[position_of(source.shape, at)]);
  }
  return y;
}

void draw_scatter(Draw& d, bool unique) {
  const Shape x = d.any(kAny, 1);
  d.a.i = d.dim_of(x);
  const std::int64_t dim = wrapped(d.a.i, x.dim());
  d.require(x[dim] > 0 && x[dim] < 1000);
  Shape shape = index_shape(d, x);
  if (unique) shape[dim] = d.random.integer(0, x[dim]);
  Shape source = shape;
  if (d.random.chance(0.3)) source[dim] += 1;
  d.of(source);
  if (!unique) return d.ids(shape, 0, x[dim] - 1);
  // Each line along dim is a part of a permutation: the order of writes then does not matter.
  Plain index = filled(shape, int64);
  const Line line = line_of(shape, dim);
  std::vector<double> all;
  for (std::int64_t k = 0; k < x[dim]; ++k) all.push_back(static_cast<double>(k));
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      for (std::int64_t k = 0; k < line.n; ++k) {
        std::swap(all[static_cast<std::size_t>(k)],
                  all[static_cast<std::size_t>(d.random.integer(k, x[dim] - 1))]);
        index[line.at(o, k, i)] = all[static_cast<std::size_t>(k)];
      }
    }
  }
  d.leaf(shape, int64, index.x);
}

void draw_scatter_reduce(Draw& d) {
  draw_scatter(d, false);
  d.a.flag = d.random.chance(0.5);
}

// The sums or means of x's elements, if a.flag is set, and of those of the source.
Plain reduced(const Plains& x, const Attributes& a, bool mean) {
  const std::int64_t dim = wrapped(a.i, x[0].dim());
  const auto add = [](double e, double s) { return e + s; };
  const auto write = [](double, double s) { return s; };
  const auto with = [&](const Plain& own, const Plain& source) {
    const Plain nothing = filled(source.shape, own.dtype, 0);
    const Plain start = a.flag ? own : scattered({own, nothing, x[2]}, dim, write);
    return scattered({start, source, x[2]}, dim, add);
  };
  Plain y = with(x[0], x[1]);
  if (!mean) return y;
  const Plain count = with(filled(x[0].shape, x[0].dtype, 1), filled(x[1].shape, x[0].dtype, 1));
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] /= count[i];
  return y;
}

void draw_mask(Draw& d) {
  const Shape shape = d.any();
  Shape mask = shape;
  for (std::int64_t k = 0; k < mask.dim(); ++k) {
    if (d.random.chance(0.2)) mask[k] = 1;
  }
  while (!mask.empty() && d.random.chance(0.2)) mask.erase(0);
  d.mask(mask);
}

}  // namespace

std::vector<Operation> gather_rows() {
  return {
      {"index_select", CALL(index_select(x[0], a.i, x[1].value())),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.ids(size == 0 ? 0 : d.size(), 0, size - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         Shape shape = x[0].shape;
         shape[dim] = x[1].numel();
         return {made(shape, x[0].dtype, [&](const Shape& at) {
           Shape from = at;
           from[dim] = id(x[1][at[dim]]);
           return x[0][position_of(x[0].shape, from)];
         })};
       },
       kMoves},
      {"gather", CALL(gather(x[0], a.i, x[1].value())),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.require(size > 0);
         d.ids(index_shape(d, shape), 0, size - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {gathered(x[0], wrapped(a.i, x[0].dim()), x[1])};
       },
       kMoves},
      {"take_along_dim", CALL(take_along_dim(x[0], x[1].value(), a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t dim = wrapped(d.a.i, shape.dim());
         d.require(shape[dim] > 0);
         Shape index = shape;
         for (std::int64_t k = 0; k < shape.dim(); ++k) {
           if (k == dim) index[k] = d.size();
           if (k != dim && d.random.chance(0.3)) index[k] = 1;
           if (k != dim && shape[k] == 1 && d.random.chance(0.3)) index[k] = 3;
         }
         d.ids(index, 0, shape[dim] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         Shape from = x[0].shape, index = x[1].shape;
         from[dim] = index[dim] = 1;
         const Shape common = common_shape(from, index);
         from = index = common;
         from[dim] = x[0].shape[dim];
         index[dim] = x[1].shape[dim];
         return {gathered(stretched(x[0], from), dim, stretched(x[1], index))};
       },
       kMoves},
      {"scatter", CALL(scatter(x[0], a.i, x[2].value(), x[1])),
       [](Draw& d) { draw_scatter(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {scattered(x, wrapped(a.i, x[0].dim()), [](double, double s) { return s; })};
       },
       kMoves},
      {"scatter scalar",
       CALL(scatter(x[0], a.i, x[1].value(), a.j)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         d.a.j = d.random.integer(-3, 3);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.require(size > 0);
         d.ids(index_shape(d, shape), 0, size - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Plain source = filled(x[1].shape, x[0].dtype, static_cast<double>(a.j));
         return {scattered({x[0], source, x[1]}, wrapped(a.i, x[0].dim()),
                           [](double, double s) { return s; })};
       },
       {.exact = true, .integers = true}},
      {"scatter_add", CALL(scatter_add(x[0], a.i, x[2].value(), x[1])),
       [](Draw& d) { draw_scatter(d, false); },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {scattered(x, wrapped(a.i, x[0].dim()), [](double e, double s) { return e + s; })};
       },
       kAdds},
      {"scatter_reduce sum", CALL(scatter_reduce(x[0], a.i, x[2].value(), x[1], "sum", a.flag)),
       draw_scatter_reduce,
       [](const Plains& x, const Attributes& a) -> Plains { return {reduced(x, a, false)}; },
       kRareSums},
      {"scatter_reduce mean", CALL(scatter_reduce(x[0], a.i, x[2].value(), x[1], "mean", a.flag)),
       draw_scatter_reduce,
       [](const Plains& x, const Attributes& a) -> Plains { return {reduced(x, a, true)}; },
       kRareSums},
      {"index_add", CALL(index_add(x[0], a.i, x[2].value(), x[1])),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t dim = wrapped(d.a.i, shape.dim());
         d.require(shape[dim] > 0);
         Shape source = shape;
         source[dim] = d.size();
         d.of(source);
         d.ids(source[dim], 0, shape[dim] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         Plain y = x[0];
         for (std::int64_t i = 0; i < x[1].numel(); ++i) {
           Shape to = index_at(x[1].shape, i);
           to[dim] = id(x[2][to[dim]]);
           y[position_of(y.shape, to)] += x[1][i];
         }
         return {y};
       },
       kAdds},
      {"masked_select", CALL(masked_select(x[0], x[1].value())), draw_mask,
       [](const Plains& x, const Attributes&) -> Plains {
         const Plain mask = stretched(x[1], x[0].shape);
         Plain y{0, x[0].dtype};
         for (std::int64_t i = 0; i < mask.numel(); ++i) {
           if (mask[i] != 0) y.x.push_back(x[0][i]);
         }
         y.shape = y.numel();
         return {y};
       },
       kMoves},
      {"masked_fill", CALL(masked_fill(x[0], x[1].value(), a.i)),
       [](Draw& d) {
         draw_mask(d);
         d.a.i = d.random.integer(-3, 3);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Plain mask = stretched(x[1], x[0].shape);
         Plain y = x[0];
         for (std::int64_t i = 0; i < y.numel(); ++i) {
           if (mask[i] != 0) y[i] = static_cast<double>(a.i);
         }
         return {y};
       },
       kMoves},
      {"nonzero", CALL(nonzero(x[0].value())), [](Draw& d) { d.any(kAny, 1); },
       [](const Plains& x, const Attributes&) -> Plains {
         Plain y{{0, x[0].dim()}, int64};
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           if (x[0][i] == 0) continue;
           ++y.shape[0];
           for (const std::int64_t at : index_at(x[0].shape, i)) {
             y.x.push_back(static_cast<double>(at));
           }
         }
         return {y};
       },
       kRare},
      {"nonzero as_tuple", CALL(nonzero(x[0].value(), as_tuple)), [](Draw& d) { d.any(kAny, 1); },
       [](const Plains& x, const Attributes&) -> Plains {
         const std::int64_t dims = x[0].dim();
         Plains y;
         for (std::int64_t k = 0; k < dims; ++k) y.push_back(Plain{0, int64});
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           if (x[0][i] == 0) continue;
           const Shape at = index_at(x[0].shape, i);
           for (std::int64_t k = 0; k < dims; ++k) {
             Plain& each = y[static_cast<std::size_t>(k)];
             ++each.shape[0];
             each.x.push_back(static_cast<double>(at[k]));
           }
         }
         return y;
       },
       kRare},
      {"one_hot", CALL(one_hot(x[0].value(), a.i)),
       [](Draw& d) {
         d.a.i = d.random.integer(1, 6);
         const Shape shape = d.shape(0, 3);
         d.require(count_of(shape) < 1000);
         d.ids(shape, 0, d.a.i - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Shape shape = x[0].shape;
         shape.push_back(a.i);
         Plain y = filled(shape, int64);
         for (std::int64_t i = 0; i < x[0].numel(); ++i) y[i * a.i + id(x[0][i])] = 1;
         return {y};
       },
       kRare},
      {"one_hot of all", CALL(one_hot(x[0].value())),
       [](Draw& d) {
         const Shape shape = d.shape(0, 3);
         d.require(count_of(shape) > 0 && count_of(shape) < 1000);
         d.ids(shape, 0, 5);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         const std::int64_t classes = id(*std::ranges::max_element(x[0].x)) + 1;
         Shape shape = x[0].shape;
         shape.push_back(classes);
         Plain y = filled(shape, int64);
         for (std::int64_t i = 0; i < x[0].numel(); ++i) y[i * classes + id(x[0][i])] = 1;
         return {y};
       },
       kRare},
  };
}

}  // namespace tapegrad::tapes
