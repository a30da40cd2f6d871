// Rows of parts and positions. Read next: gather.cc.
#include <algorithm>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kOften{
    .exact = true, .integers = true, .booleans = true, .frequency = 2};
constexpr Operation::Traits kMoves{.exact = true, .integers = true, .booleans = true};

std::int64_t wrapped(std::int64_t d, std::int64_t dim) { return d < 0 ? d + dim : d; }

// x[start:start + step * count:step] of dimension d.
Plain sliced(const Plain& x, std::int64_t d, std::int64_t start, std::int64_t count,
             std::int64_t step) {
  Shape shape = x.shape;
  shape[d] = count;
  return made(shape, x.dtype, [&](const Shape& index) {
    Shape from = index;
    from[d] = start + index[d] * step;
    return x[position_of(x.shape, from)];
  });
}

std::int64_t count_between(std::int64_t start, std::int64_t end, std::int64_t step) {
  return end > start ? (end - start + step - 1) / step : 0;
}
std::int64_t clipped(std::int64_t position, std::int64_t size) {
  return std::clamp<std::int64_t>(position < 0 ? position + size : position, 0, size);
}

Plain selected(const Plain& x, std::int64_t d, std::int64_t at) {
  Plain y = sliced(x, d, wrapped(at, x.shape[d]), 1, 1);
  y.shape.erase(d);
  return y;
}

void draw_select(Draw& d) {
  const Shape shape = d.any(kAny, 1);
  d.a.i = d.dim_of(shape);
  const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
  d.require(size > 0);
  d.a.j = d.random.integer(-size, size - 1);
}

}  // namespace

std::vector<Operation> indexing_rows() {
  return {
      {"select", CALL(select(x[0], a.i, a.j)), draw_select,
       [](const Plains& x, const Attributes& a) -> Plains {
         return {selected(x[0], wrapped(a.i, x[0].dim()), a.j)};
       },
       kOften},
      {"narrow", CALL(narrow(x[0], a.i, a.j, a.k)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.a.j = d.random.integer(0, size);
         d.a.k = d.random.integer(0, size - d.a.j);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {sliced(x[0], wrapped(a.i, x[0].dim()), a.j, a.k, 1)};
       },
       kOften},
      {"slice", CALL(slice(x[0], a.i, a.j, a.k, a.l)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.a.j = d.random.integer(-size - 1, size + 1);
         d.a.k = d.random.chance(0.3) ? size + 5 : d.random.integer(-size - 1, size + 1);
         d.a.l = d.random.integer(1, 4);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         const std::int64_t size = x[0].shape[dim];
         const std::int64_t start = clipped(a.j, size);
         return {sliced(x[0], dim, start, count_between(start, clipped(a.k, size), a.l), a.l)};
       },
       kOften},
      {"index", CALL(index(x[0], {a.i, newaxis, ellipsis, Slice{a.j, a.k, a.l}})),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 2);
         d.require(shape[0] > 0);
         d.a.i = d.random.integer(-shape[0], shape[0] - 1);
         d.a.j = d.random.integer(-shape.back(), shape.back());
         d.a.k = d.random.integer(-shape.back(), shape.back() + 2);
         d.a.l = d.random.integer(1, 3);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = selected(x[0], 0, a.i);
         const std::int64_t last = y.dim() - 1, size = y.shape[last];
         const std::int64_t start = clipped(a.j, size);
         y = sliced(y, last, start, count_between(start, clipped(a.k, size), a.l), a.l);
         y.shape.insert(0, 1);
         return {y};
       },
       kOften},
      {"index span",
       CALL(index(x[0].value(), std::vector<Index>{ellipsis, a.i})),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.require(shape.back() > 0);
         d.a.i = d.random.integer(-shape.back(), shape.back() - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {selected(x[0], x[0].dim() - 1, a.i)};
       },
       {.exact = true, .integers = true, .booleans = true, .detached = true, .frequency = 0.2}},
      {"as_strided",
       CALL(as_strided(x[0].value(), a.shape, a.dims, a.i)),
       [](Draw& d) {
         // Windows that overlap: a constant that shares the memory of x.
         const Shape shape = d.any(kAny, 1, 1);
         d.require(d.input(0).is_contiguous() && shape[0] >= 2 && shape[0] < 1000);
         const std::int64_t width = d.random.integer(1, shape[0] - 1);
         d.a.i = d.random.integer(0, 1);
         d.a.shape = {shape[0] - width - d.a.i + 1, width};
         d.a.dims = {1, 1};
         d.require(d.a.shape[0] > 0);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {made(a.shape, x[0].dtype,
                      [&](const Shape& index) { return x[0][a.i + index[0] + index[1]]; })};
       },
       {.exact = true, .integers = true, .booleans = true, .detached = true, .frequency = 0.5}},
      {"place", CALL(place(x[0], a.shape, a.i, a.j, a.k)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.random.integer(0, shape.dim() - 1);
         d.a.j = d.random.integer(0, 2);
         d.a.k = d.random.integer(1, 3);
         d.a.shape = shape;
         const std::int64_t size = shape[d.a.i];
         d.a.shape[d.a.i] = d.a.j + std::max<std::int64_t>(size - 1, 0) * d.a.k + 1 +
                            d.random.integer(0, d.a.k - 1);
         d.require(size > 0);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = filled(a.shape, x[0].dtype);
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           Shape to = index_at(x[0].shape, i);
           to[a.i] = a.j + to[a.i] * a.k;
           y[position_of(a.shape, to)] = x[0][i];
         }
         return {y};
       },
       kMoves},
      {"place selected", CALL(place(x[0], a.shape, a.i, a.j)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         d.a.i = d.random.integer(0, shape.dim());
         d.a.shape = shape;
         d.a.shape.insert(d.a.i, d.random.integer(1, 4));
         d.a.j = d.random.integer(0, d.a.shape[d.a.i] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = filled(a.shape, x[0].dtype);
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           Shape to = index_at(x[0].shape, i);
           to.insert(a.i, a.j);
           y[position_of(a.shape, to)] = x[0][i];
         }
         return {y};
       },
       kMoves},
  };
}

}  // namespace tapegrad::tapes
