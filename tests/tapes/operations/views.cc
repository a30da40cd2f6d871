// Rows of views, joining, splitting and rearranging. Read next: indexing.cc.
#include <algorithm>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kMoves{.exact = true, .integers = true, .booleans = true};
constexpr Operation::Traits kOften{
    .exact = true, .integers = true, .booleans = true, .frequency = 2};

std::int64_t wrapped(std::int64_t d, std::int64_t dim) { return d < 0 ? d + dim : d; }

// The same elements in another shape.
Plains with_shape(const Plain& x, const Shape& shape) { return {Plain{shape, x.dtype, x.x}}; }

// A shape of `count` elements.
Shape shape_of(Draw& d, std::int64_t count) {
  Shape shape;
  std::int64_t rest = count;
  const std::int64_t dims = d.random.integer(count == 1 ? 0 : 1, 4);
  for (std::int64_t k = 0; k + 1 < dims && rest > 0; ++k) {
    std::vector<std::int64_t> divisors;
    for (std::int64_t s = 1; s <= std::min<std::int64_t>(rest, 64); ++s) {
      if (rest % s == 0) divisors.push_back(s);
    }
    shape.push_back(d.random.one_of(divisors));
    rest /= shape.back();
  }
  if (dims > 0) shape.push_back(rest);
  return shape;
}

// A shape with -1 in place of one size, where that is not ambiguous.
Shape with_unknown(Draw& d, Shape shape) {
  if (shape.empty() || count_of(shape) == 0 || d.random.chance(0.5)) return shape;
  shape[d.random.integer(0, shape.dim() - 1)] = -1;
  return shape;
}
Shape known(const Shape& shape, std::int64_t count) {
  Shape result = shape;
  std::int64_t others = 1;
  for (const std::int64_t size : shape) others *= size == -1 ? 1 : size;
  for (std::int64_t k = 0; k < result.dim(); ++k) {
    if (result[k] == -1) result[k] = others == 0 ? 0 : count / others;
  }
  return result;
}

Plain permuted(const Plain& x, const Shape& dims) {
  Shape shape;
  for (const std::int64_t dim : dims) shape.push_back(x.shape[dim]);
  return made(shape, x.dtype, [&](const Shape& index) {
    Shape from = x.shape;
    for (std::int64_t k = 0; k < dims.dim(); ++k) from[dims[k]] = index[k];
    return x[position_of(x.shape, from)];
  });
}

Plain swapped(const Plain& x, std::int64_t first, std::int64_t second) {
  if (x.dim() == 0) return x;
  Shape dims;
  for (std::int64_t k = 0; k < x.dim(); ++k) dims.push_back(k);
  std::swap(dims[wrapped(first, x.dim())], dims[wrapped(second, x.dim())]);
  return permuted(x, dims);
}

// x[start:start + length] of dimension d.
Plain part(const Plain& x, std::int64_t d, std::int64_t start, std::int64_t length) {
  Shape shape = x.shape;
  shape[d] = length;
  return made(shape, x.dtype, [&](const Shape& index) {
    Shape from = index;
    from[d] += start;
    return x[position_of(x.shape, from)];
  });
}

Plains parts(const Plain& x, std::int64_t d, const std::vector<std::int64_t>& sizes) {
  Plains result;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    result.push_back(part(x, d, start, size));
    start += size;
  }
  return result;
}

Plain joined(const Plains& x, std::int64_t d) {
  Plains all;
  for (const Plain& each : x) {
    if (each.dim() != 1 || each.numel() > 0 || x.size() == 1) all.push_back(each);
  }
  if (all.empty()) all.push_back(x[0]);
  d = wrapped(d, all[0].dim());
  Shape shape = all[0].shape;
  shape[d] = 0;
  for (const Plain& each : all) shape[d] += each.shape[d];
  return made(shape, x[0].dtype, [&](const Shape& index) {
    Shape from = index;
    std::size_t which = 0;
    while (from[d] >= all[which].shape[d]) from[d] -= all[which++].shape[d];
    return all[which][position_of(all[which].shape, from)];
  });
}

Plain stacked(const Plains& x, std::int64_t d) {
  d = wrapped(d, x[0].dim() + 1);
  Shape shape = x[0].shape;
  shape.insert(d, static_cast<std::int64_t>(x.size()));
  return made(shape, x[0].dtype, [&](const Shape& index) {
    Shape from = index;
    from.erase(d);
    return x[static_cast<std::size_t>(index[d])][position_of(x[0].shape, from)];
  });
}

void draw_cat(Draw& d) {
  const Shape first = d.any(kAny, 1);
  d.a.i = d.dim_of(first);
  const std::int64_t dim = wrapped(d.a.i, first.dim());
  for (std::int64_t more = d.random.integer(0, 2); more > 0; --more) {
    d.where(
        [&](const Shape& s) {
          if (s.dim() != first.dim() || count_of(s) > 200) return false;
          for (std::int64_t k = 0; k < s.dim(); ++k) {
            if (k != dim && s[k] != first[k]) return false;
          }
          return true;
        },
        [&] {
          Shape shape = first;
          shape[dim] = d.random.chance(0.2) ? 0 : d.random.integer(1, 3);
          return shape;
        });
  }
}
void draw_stack(Draw& d) {
  const Shape shape = d.any(kAny, 0, 3);
  d.a.i = d.random.integer(-shape.dim() - 1, shape.dim());
  for (std::int64_t more = d.random.integer(0, 2); more > 0; --more) d.of(shape);
}

Plain triangle(const Plain& x, std::int64_t diagonal, bool lower) {
  return made(x.shape, x.dtype, [&](const Shape& index) {
    const std::int64_t distance = index[x.dim() - 1] - index[x.dim() - 2];
    const bool kept = lower ? distance <= diagonal : distance >= diagonal;
    return kept ? x[position_of(x.shape, index)] : 0.0;
  });
}
void draw_triangle(Draw& d) {
  d.any(kAny, 2);
  d.a.i = d.random.integer(-3, 3);
}

Plain repeated(const Plain& x, Shape repeats) {
  Shape from_shape = x.shape;
  while (repeats.dim() < x.dim()) repeats.insert(0, 1);
  while (from_shape.dim() < repeats.dim()) from_shape.insert(0, 1);
  Shape shape = from_shape;
  for (std::int64_t k = 0; k < shape.dim(); ++k) shape[k] *= repeats[k];
  return made(shape, x.dtype, [&](const Shape& index) {
    Shape from = index;
    for (std::int64_t k = 0; k < from.dim(); ++k) from[k] %= from_shape[k];
    return x[position_of(from_shape, from)];
  });
}

Plain rolled(const Plain& x, std::int64_t shift, std::int64_t d) {
  return made(x.shape, x.dtype, [&](const Shape& index) {
    Shape from = index;
    const std::int64_t n = x.shape[d];
    from[d] = ((index[d] - shift) % n + n) % n;
    return x[position_of(x.shape, from)];
  });
}

}  // namespace

std::vector<Operation> view_rows() {
  return {
      {"reshape", CALL(reshape(x[0], a.shape)),
       [](Draw& d) { d.a.shape = with_unknown(d, shape_of(d, count_of(d.any()))); },
       [](const Plains& x, const Attributes& a) {
         return with_shape(x[0], known(a.shape, x[0].numel()));
       },
       kOften},
      {"view", CALL(view(contiguous(x[0]), a.shape)),
       [](Draw& d) { d.a.shape = with_unknown(d, shape_of(d, count_of(d.any()))); },
       [](const Plains& x, const Attributes& a) {
         return with_shape(x[0], known(a.shape, x[0].numel()));
       },
       kMoves},
      {"flatten", CALL(flatten(x[0], a.i, a.j)),
       [](Draw& d) {
         const Shape shape = d.any();
         if (shape.empty()) {
           d.a.i = 0;
           d.a.j = -1;
           return;
         }
         d.a.i = d.random.integer(0, shape.dim() - 1);
         d.a.j = d.random.integer(d.a.i, shape.dim() - 1) - shape.dim();
       },
       [](const Plains& x, const Attributes& a) {
         if (x[0].dim() == 0) return with_shape(x[0], 1);
         Shape shape;
         for (std::int64_t k = 0; k < x[0].dim(); ++k) {
           if (k > a.i && k <= wrapped(a.j, x[0].dim())) {
             shape[shape.dim() - 1] *= x[0].shape[k];
           } else {
             shape.push_back(x[0].shape[k]);
           }
         }
         return with_shape(x[0], shape);
       },
       kMoves},
      {"unflatten", CALL(unflatten(x[0], a.i, a.shape)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 3);
         d.a.i = d.dim_of(shape);
         d.a.shape = with_unknown(d, shape_of(d, shape[wrapped(d.a.i, shape.dim())]));
         d.require(!d.a.shape.empty());
       },
       [](const Plains& x, const Attributes& a) {
         Shape shape = x[0].shape;
         const std::int64_t dim = wrapped(a.i, shape.dim());
         const Shape sizes = known(a.shape, shape[dim]);
         shape.erase(dim);
         for (std::int64_t k = sizes.dim(); k-- > 0;) shape.insert(dim, sizes[k]);
         return with_shape(x[0], shape);
       },
       kMoves},
      {"squeeze", CALL(squeeze(x[0])), [](Draw& d) { d.any(); },
       [](const Plains& x, const Attributes&) {
         Shape shape;
         for (const std::int64_t size : x[0].shape) {
           if (size != 1) shape.push_back(size);
         }
         return with_shape(x[0], shape);
       },
       kMoves},
      {"squeeze dim", CALL(squeeze(x[0], a.i)), [](Draw& d) { d.a.i = d.dim_of(d.any()); },
       [](const Plains& x, const Attributes& a) {
         Shape shape = x[0].shape;
         const std::int64_t dim = wrapped(a.i, shape.dim());
         if (!shape.empty() && shape[dim] == 1) shape.erase(dim);
         return with_shape(x[0], shape);
       },
       kMoves},
      {"unsqueeze", CALL(unsqueeze(x[0], a.i)),
       [](Draw& d) {
         const Shape shape = d.any();
         d.a.i = d.random.integer(-shape.dim() - 1, shape.dim());
       },
       [](const Plains& x, const Attributes& a) {
         Shape shape = x[0].shape;
         shape.insert(wrapped(a.i, shape.dim() + 1), 1);
         return with_shape(x[0], shape);
       },
       kOften},
      {"permute", CALL(permute(x[0], a.dims)),
       [](Draw& d) {
         const Shape shape = d.any();
         std::vector<std::int64_t> rest;
         for (std::int64_t k = 0; k < shape.dim(); ++k) rest.push_back(k);
         while (!rest.empty()) {
           const auto at = d.random.integer(0, static_cast<std::int64_t>(rest.size()) - 1);
           const std::int64_t dim = rest[static_cast<std::size_t>(at)];
           d.a.dims.push_back(d.random.chance(0.3) ? dim - shape.dim() : dim);
           rest.erase(rest.begin() + at);
         }
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {x[0].dim() == 0 ? x[0] : permuted(x[0], positive(a.dims, x[0].dim()))};
       },
       kOften},
      {"transpose", CALL(transpose(x[0])), [](Draw& d) { d.any(kAny, 2); },
       [](const Plains& x, const Attributes&) -> Plains { return {swapped(x[0], -1, -2)}; },
       kOften},
      {"transpose dims", CALL(transpose(x[0], a.i, a.j)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         d.a.j = d.dim_of(shape);
       },
       [](const Plains& x, const Attributes& a) -> Plains { return {swapped(x[0], a.i, a.j)}; },
       kOften},
      {"expand", CALL(expand(x[0], a.shape)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         for (const std::int64_t size : shape) {
           d.a.shape.push_back(size == 1 ? d.size() : d.random.chance(0.3) ? -1 : size);
         }
         if (d.random.chance(0.4)) d.a.shape.insert(0, d.size());
         d.require(count_of(shape) <= 300);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Shape shape = a.shape;
         for (std::int64_t k = 0; k < shape.dim(); ++k) {
           if (shape[k] == -1) shape[k] = x[0].shape[k - (shape.dim() - x[0].dim())];
         }
         return {stretched(x[0], shape)};
       },
       kOften},
      {"broadcast_to", CALL(broadcast_to(x[0], a.shape)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         for (const std::int64_t size : shape) d.a.shape.push_back(size == 1 ? d.size() : size);
         if (d.random.chance(0.4)) d.a.shape.insert(0, d.size());
         d.require(count_of(shape) <= 300);
       },
       [](const Plains& x, const Attributes& a) -> Plains { return {stretched(x[0], a.shape)}; },
       kOften},
      {"contiguous", CALL(contiguous(x[0])), [](Draw& d) { d.any(); },
       [](const Plains& x, const Attributes&) { return x; }, kMoves},
      {"clone", CALL(clone(x[0])), [](Draw& d) { d.any(); },
       [](const Plains& x, const Attributes&) { return x; }, kMoves},
      {"cat", CALL(cat(x, a.i)), draw_cat,
       [](const Plains& x, const Attributes& a) -> Plains { return {joined(x, a.i)}; }, kMoves},
      {"cat list", CALL(cat({x[0], x[0]}, a.i)), [](Draw& d) { d.a.i = d.dim_of(d.any(kAny, 1)); },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {joined({x[0], x[0]}, a.i)};
       },
       kMoves},
      {"cat span", CALL(cat(std::span<const Variable>(x), a.i)), draw_cat,
       [](const Plains& x, const Attributes& a) -> Plains { return {joined(x, a.i)}; }, kMoves},
      {"stack", CALL(stack(x, a.i)), draw_stack,
       [](const Plains& x, const Attributes& a) -> Plains { return {stacked(x, a.i)}; }, kMoves},
      {"stack list", CALL(stack({x[0], x[0]}, a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         d.a.i = d.random.integer(-shape.dim() - 1, shape.dim());
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {stacked({x[0], x[0]}, a.i)};
       },
       kMoves},
      {"stack span", CALL(stack(std::span<const Variable>(x), a.i)), draw_stack,
       [](const Plains& x, const Attributes& a) -> Plains { return {stacked(x, a.i)}; }, kMoves},
      {"split", CALL(split(x[0], a.j, a.i)),
       [](Draw& d) {
         d.a.i = d.dim_of(d.any(kAny, 1));
         d.a.j = d.random.integer(1, 5);
       },
       [](const Plains& x, const Attributes& a) {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         std::vector<std::int64_t> sizes;
         std::int64_t left = x[0].shape[dim];
         do {
           sizes.push_back(std::min(left, a.j));
           left -= sizes.back();
         } while (left > 0);
         return parts(x[0], dim, sizes);
       },
       kMoves},
      {"split sizes", CALL(split(x[0], a.shape, a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         std::int64_t left = shape[wrapped(d.a.i, shape.dim())];
         while (d.a.shape.dim() < 3 && d.random.chance(0.7)) {
           const std::int64_t size = d.random.integer(0, left);
           d.a.shape.push_back(size);
           left -= size;
         }
         d.a.shape.push_back(left);
       },
       [](const Plains& x, const Attributes& a) {
         return parts(x[0], wrapped(a.i, x[0].dim()),
                      std::vector<std::int64_t>(a.shape.begin(), a.shape.end()));
       },
       kMoves},
      {"chunk", CALL(chunk(x[0], a.j, a.i)),
       [](Draw& d) {
         d.a.i = d.dim_of(d.any(kAny, 1));
         d.a.j = d.random.integer(1, 4);
       },
       [](const Plains& x, const Attributes& a) {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         const std::int64_t n = x[0].shape[dim];
         if (n == 0) {
           return parts(x[0], dim, std::vector<std::int64_t>(static_cast<std::size_t>(a.j), 0));
         }
         const std::int64_t size = (n + a.j - 1) / a.j;
         std::vector<std::int64_t> sizes;
         for (std::int64_t left = n; left > 0; left -= size) sizes.push_back(std::min(left, size));
         return parts(x[0], dim, sizes);
       },
       kMoves},
      {"unbind", CALL(unbind(x[0], a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         const std::int64_t size = shape[wrapped(d.a.i, shape.dim())];
         d.require(size > 0 && size < 12);
       },
       [](const Plains& x, const Attributes& a) {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         Plains result;
         for (std::int64_t k = 0; k < x[0].shape[dim]; ++k) {
           Plain each = part(x[0], dim, k, 1);
           each.shape.erase(dim);
           result.push_back(each);
         }
         return result;
       },
       kMoves},
      {"repeat", CALL(repeat(x[0], a.shape)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         for (std::int64_t k = 0; k < shape.dim(); ++k) d.a.shape.push_back(d.random.integer(0, 3));
         if (d.random.chance(0.3)) d.a.shape.insert(0, 2);
         d.require(count_of(shape) <= 100);
       },
       [](const Plains& x, const Attributes& a) -> Plains { return {repeated(x[0], a.shape)}; },
       kMoves},
      {"tile", CALL(tile(x[0], a.shape)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         for (std::int64_t k = d.random.integer(0, 3); k > 0; --k) {
           d.a.shape.push_back(d.random.integer(1, 3));
         }
         d.require(count_of(shape) <= 100);
       },
       [](const Plains& x, const Attributes& a) -> Plains { return {repeated(x[0], a.shape)}; },
       kMoves},
      {"flip", CALL(flip(x[0], a.dims)), [](Draw& d) { d.a.dims = d.dims_of(d.any(kAny, 1), 1); },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Shape dims = positive(a.dims, x[0].dim());
         return {made(x[0].shape, x[0].dtype, [&](const Shape& index) {
           Shape from = index;
           for (const std::int64_t dim : dims) from[dim] = x[0].shape[dim] - 1 - index[dim];
           return x[0][position_of(x[0].shape, from)];
         })};
       },
       kMoves},
      {"roll", CALL(roll(x[0], a.shape, a.dims)),
       [](Draw& d) {
         d.a.dims = d.dims_of(d.any(kAny, 1), 1);
         for (std::int64_t k = 0; k < d.a.dims.dim(); ++k) {
           d.a.shape.push_back(d.random.integer(-9, 9));
         }
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = x[0];
         const Shape dims = positive(a.dims, y.dim());
         for (std::int64_t k = 0; k < dims.dim(); ++k) y = rolled(y, a.shape[k], dims[k]);
         return {y};
       },
       kMoves},
      {"roll flat", CALL(roll(x[0], a.i)),
       [](Draw& d) {
         d.any();
         d.a.i = d.random.integer(-9, 9);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Plain y = rolled({x[0].numel(), x[0].dtype, x[0].x}, a.i, 0);
         return {{x[0].shape, x[0].dtype, y.x}};
       },
       kMoves},
      {"tril", CALL(tril(x[0], a.i)), draw_triangle,
       [](const Plains& x, const Attributes& a) -> Plains { return {triangle(x[0], a.i, true)}; },
       kMoves},
      {"triu", CALL(triu(x[0], a.i)), draw_triangle,
       [](const Plains& x, const Attributes& a) -> Plains { return {triangle(x[0], a.i, false)}; },
       kMoves},
      {"repeat_interleave", CALL(repeat_interleave(x[0], a.j, a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 3);
         d.a.i = d.dim_of(shape);
         d.a.j = d.random.integer(0, 3);
         d.require(count_of(shape) <= 100);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t dim = wrapped(a.i, x[0].dim());
         Shape shape = x[0].shape;
         shape[dim] *= a.j;
         return {made(shape, x[0].dtype, [&](const Shape& at) {
           Shape from = at;
           from[dim] /= a.j;
           return x[0][position_of(x[0].shape, from)];
         })};
       },
       kMoves},
      {"repeat_interleave counts", CALL(repeat_interleave(x[0], x[1].value())),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         d.require(count_of(shape) <= 100);
         d.ids(Shape(count_of(shape)), 0, 3);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         Plain y{Shape(0), x[0].dtype};
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           y.x.insert(y.x.end(), static_cast<std::size_t>(x[1][i]), x[0][i]);
         }
         y.shape = Shape(y.numel());
         return {y};
       },
       kMoves},
      {"diag", CALL(diag(x[0], a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 2);
         d.require(count_of(shape) <= 100);
         d.a.i = d.random.integer(-4, 4);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t below = std::max<std::int64_t>(-a.i, 0);
         const std::int64_t right = std::max<std::int64_t>(a.i, 0);
         if (x[0].dim() == 1) {
           const std::int64_t n = x[0].numel() + below + right;
           Plain y = filled({n, n}, x[0].dtype);
           for (std::int64_t k = 0; k < x[0].numel(); ++k) {
             y[(k + below) * n + k + right] = x[0][k];
           }
           return {y};
         }
         Plain y{Shape(0), x[0].dtype};
         for (std::int64_t k = 0; k + below < x[0].size(0) && k + right < x[0].size(1); ++k) {
           y.x.push_back(x[0][(k + below) * x[0].size(1) + k + right]);
         }
         y.shape = Shape(y.numel());
         return {y};
       },
       kMoves},
      {"meshgrid", CALL(meshgrid({x[0], x[1]})),
       [](Draw& d) {
         d.any(kAny, 1, 1);
         d.of(Shape(d.size()));
       },
       [](const Plains& x, const Attributes&) -> Plains {
         const Shape shape{x[0].numel(), x[1].numel()};
         return {made(shape, x[0].dtype, [&](const Shape& at) { return x[0][at[0]]; }),
                 made(shape, x[1].dtype, [&](const Shape& at) { return x[1][at[1]]; })};
       },
       kMoves},
      {"meshgrid xy", CALL(meshgrid(x, GridIndexing::xy)),
       [](Draw& d) {
         d.any(kAny, 1, 1);
         d.of(Shape(d.size()));
       },
       [](const Plains& x, const Attributes&) -> Plains {
         const Shape shape{x[1].numel(), x[0].numel()};
         return {made(shape, x[0].dtype, [&](const Shape& at) { return x[0][at[1]]; }),
                 made(shape, x[1].dtype, [&](const Shape& at) { return x[1][at[0]]; })};
       },
       kMoves},
      {"pad", CALL(pad(x[0], a.shape, PadMode::zeros, a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 3);
         d.a.shape = {d.random.integer(0, 3), d.random.integer(0, 3)};
         if (shape.dim() > 1)
           d.a.shape.push_back(
               -d.random.integer(0, std::min<std::int64_t>(shape[shape.dim() - 2], 2)));
         if (shape.dim() > 1) d.a.shape.push_back(d.random.integer(0, 2));
         d.a.i = d.random.integer(0, 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Shape shape = x[0].shape, before = x[0].shape;
         for (std::int64_t k = 0; k < shape.dim(); ++k) before[k] = 0;
         for (std::int64_t k = 0; k < a.shape.dim() / 2; ++k) {
           shape[shape.dim() - 1 - k] += a.shape[2 * k] + a.shape[2 * k + 1];
           before[shape.dim() - 1 - k] = a.shape[2 * k];
         }
         return {made(shape, x[0].dtype, [&](const Shape& at) {
           Shape from = at;
           for (std::int64_t k = 0; k < from.dim(); ++k) {
             from[k] -= before[k];
             if (from[k] < 0 || from[k] >= x[0].shape[k]) return static_cast<double>(a.i);
           }
           return x[0][position_of(x[0].shape, from)];
         })};
       },
       kMoves},
      {"pad reflect", CALL(pad(x[0], a.shape, PadMode::reflect)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 3);
         const std::int64_t most = std::min<std::int64_t>(shape.back() - 1, 4);
         d.require(most >= 0);
         d.a.shape = {d.random.integer(0, most), d.random.integer(0, most)};
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Shape shape = x[0].shape;
         const std::int64_t n = shape.back();
         shape[shape.dim() - 1] += a.shape[0] + a.shape[1];
         return {made(shape, x[0].dtype, [&](const Shape& at) {
           Shape from = at;
           std::int64_t k = std::abs(at.back() - a.shape[0]);
           if (k >= n) k = 2 * (n - 1) - k;
           from[from.dim() - 1] = k;
           return x[0][position_of(x[0].shape, from)];
         })};
       },
       kMoves},
  };
}

}  // namespace tapegrad::tapes
