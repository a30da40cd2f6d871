// Rows of matrix products. Read next: convolution.cc.
#include <algorithm>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kProduct{.frequency = 1.5};
constexpr Operation::Traits kFinite{.special = false};
constexpr Domain kFactor{-3, 3};

Plain product(const Plain& left, const Plain& right) {
  Plain a = left, b = right;
  if (left.dim() == 1) a.shape.insert(0, 1);
  if (right.dim() == 1) b.shape.push_back(1);
  Shape a_batch, b_batch;
  for (std::int64_t d = 0; d + 2 < a.dim(); ++d) a_batch.push_back(a.shape[d]);
  for (std::int64_t d = 0; d + 2 < b.dim(); ++d) b_batch.push_back(b.shape[d]);
  Shape shape = common_shape(a_batch, b_batch);
  Shape a_shape = shape, b_shape = shape;
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  a_shape.push_back(m);
  a_shape.push_back(k);
  b_shape.push_back(k);
  b_shape.push_back(n);
  shape.push_back(m);
  shape.push_back(n);
  a = stretched(a, a_shape);
  b = stretched(b, b_shape);
  Plain y = filled(shape, left.dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t batch = i / (m * n), row = i / n % m, column = i % n;
    long double total = 0;  // more precise than any order of the library's
    for (std::int64_t at = 0; at < k; ++at) {
      total += static_cast<long double>(a[(batch * m + row) * k + at]) *
               b[(batch * k + at) * n + column];
    }
    y[i] = static_cast<double>(total);
  }
  if (right.dim() == 1) y.shape.erase(y.shape.dim() - 1);
  if (left.dim() == 1) y.shape.erase(y.shape.dim() - (right.dim() == 1 ? 1 : 2));
  return y;
}

Plains product_of(const Plains& x, const Attributes&) { return {product(x[0], x[1])}; }

// Sizes beyond the first tile, rarely; larger than the threshold of threading in large programs.
std::int64_t size(Draw& d) {
  if (d.mode() == Mode::large) return d.random.integer(60, 150);
  return d.random.chance(0.05) ? d.random.integer(8, 20) : d.size();
}

// A second factor for a first one of this shape.
void draw_right(Draw& d, const Shape& left, bool vectors) {
  const std::int64_t k = left.back();
  Shape batch;
  for (std::int64_t i = 0; i + 2 < left.dim(); ++i) {
    batch.push_back(d.random.chance(0.2) ? 1 : left[i]);
  }
  if (d.random.chance(0.3)) batch = {};
  d.where(
      [&](const Shape& s) {
        if (s.dim() == 1) return vectors && s[0] == k;
        return s.dim() == 2 && s[0] == k && s[1] <= 150;
      },
      [&] {
        if (vectors && d.random.chance(0.2)) return Shape(k);
        Shape shape = batch;
        if (left.dim() == 2 && d.random.chance(0.15)) shape.push_back(2);
        shape.push_back(k);
        shape.push_back(size(d));
        return shape;
      },
      kFactor);
}

Shape draw_left(Draw& d, std::int64_t least_dims, std::int64_t most_dims) {
  if (d.mode() == Mode::large) return d.of({size(d), size(d)}, kFactor);
  return d.any(kFactor, least_dims, most_dims);
}

Plain linear_of(const Plain& x, const Plain& weight, const Plain* bias) {
  const std::int64_t in = x.size(-1), out = weight.shape[0];
  Shape shape = x.shape;
  shape[shape.dim() - 1] = out;
  Plain y = filled(shape, x.dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    double total = bias != nullptr ? (*bias)[i % out] : 0;
    for (std::int64_t k = 0; k < in; ++k) total += x[i / out * in + k] * weight[i % out * in + k];
    y[i] = total;
  }
  return y;
}
void draw_linear(Draw& d, bool bias) {
  const Shape x = draw_left(d, 1, 3);
  const std::int64_t out = size(d);
  d.of({out, x.back()}, kFactor);
  if (bias) d.of(out);
}

Plain bilinear_of(const Plains& x, const Plain* bias) {
  const std::int64_t m = x[0].size(-1), n = x[1].size(-1), out = x[2].shape[0];
  Shape shape = x[0].shape;
  shape[shape.dim() - 1] = out;
  Plain y = filled(shape, x[0].dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t row = i / out, o = i % out;
    double total = bias != nullptr ? (*bias)[o] : 0;
    for (std::int64_t p = 0; p < m; ++p) {
      for (std::int64_t q = 0; q < n; ++q) {
        total += x[0][row * m + p] * x[2][(o * m + p) * n + q] * x[1][row * n + q];
      }
    }
    y[i] = total;
  }
  return y;
}
void draw_bilinear(Draw& d, bool bias) {
  const Shape left = d.any(kFactor, 1, 3);
  Shape right = left;
  right[right.dim() - 1] = d.size_of_one_or_more();
  const std::int64_t out = d.size_of_one_or_more();
  d.of(right, kFactor);
  d.of({out, left.back(), right.back()}, kFactor);
  if (bias) d.of(out);
}

}  // namespace

std::vector<Operation> matmul_rows() {
  return {
      {"matmul", CALL(matmul(x[0], x[1])), [](Draw& d) { draw_right(d, draw_left(d, 1, 4), true); },
       product_of, kProduct},
      {"mm", CALL(mm(x[0], x[1])),
       [](Draw& d) {
         const Shape left = draw_left(d, 2, 2);
         d.of({left[1], size(d)}, kFactor);
       },
       product_of, kProduct},
      {"bmm", CALL(bmm(x[0], x[1])),
       [](Draw& d) {
         const Shape left = d.any(kFactor, 3, 3);
         d.of({left[0], left[2], size(d)}, kFactor);
       },
       product_of, kProduct},
      {"mv", CALL(mv(x[0], x[1])), [](Draw& d) { d.of(draw_left(d, 2, 2)[1], kFactor); },
       product_of, kProduct},
      {"dot", CALL(dot(x[0], x[1])), [](Draw& d) { d.of(d.any(kFactor, 1, 1), kFactor); },
       product_of, kProduct},
      {"outer", CALL(outer(x[0], x[1])),
       [](Draw& d) {
         const Shape left = d.any(kFactor, 1, 1);
         d.require(left[0] < 1000);
         d.of(d.size());
       },
       [](const Plains& x, const Attributes&) -> Plains {
         Plain left = x[0], right = x[1];
         left.shape.push_back(1);
         right.shape.insert(0, 1);
         return {product(left, right)};
       },
       kProduct},
      {"addmm", CALL(addmm(x[0], x[1], x[2], a.p, a.q)),
       [](Draw& d) {
         const std::int64_t m = size(d), k = size(d), n = size(d);
         d.of(d.random.one_of(std::vector<Shape>{{m, n}, {n}, {m, 1}, {1, n}, {}}));
         d.of({m, k}, kFactor);
         d.of({k, n}, kFactor);
         d.a.p = d.random.one_of(std::vector<double>{1, 1, 0.5, -2});
         d.a.q = d.random.one_of(std::vector<double>{1, 1, 0.5, -2});
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = product(x[1], x[2]);
         const Plain c = stretched(x[0], y.shape);
         for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = a.p * c[i] + a.q * y[i];
         return {y};
       },
       kFinite},
      {"linear", CALL(linear(x[0], x[1], x[2])), [](Draw& d) { draw_linear(d, true); },
       [](const Plains& x, const Attributes&) -> Plains { return {linear_of(x[0], x[1], &x[2])}; },
       kProduct},
      {"linear without bias", CALL(linear(x[0], x[1])), [](Draw& d) { draw_linear(d, false); },
       [](const Plains& x, const Attributes&) -> Plains {
         return {linear_of(x[0], x[1], nullptr)};
       },
       kProduct},
      {"bilinear", CALL(bilinear(x[0], x[1], x[2], x[3])), [](Draw& d) { draw_bilinear(d, true); },
       [](const Plains& x, const Attributes&) -> Plains { return {bilinear_of(x, &x[3])}; },
       kFinite},
      {"bilinear without bias", CALL(bilinear(x[0], x[1], x[2])),
       [](Draw& d) { draw_bilinear(d, false); },
       [](const Plains& x, const Attributes&) -> Plains { return {bilinear_of(x, nullptr)}; },
       kFinite},
      {"einsum",
       CALL(einsum("ij,kj->ki", {x[0], x[1]})),
       [](Draw& d) {
         const Shape shape = d.any(kSmall, 2, 2);
         d.of({d.size(), shape[1]}, kSmall);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         return {made({x[1].size(0), x[0].size(0)}, x[0].dtype, [&](const Shape& at) {
           double total = 0;
           for (std::int64_t j = 0; j < x[0].size(1); ++j) {
             total += x[0][at[1] * x[0].size(1) + j] * x[1][at[0] * x[0].size(1) + j];
           }
           return total;
         })};
       },
       {.special = false, .slack = 4}},
      {"einsum elementwise",
       CALL(einsum("...i,i->i...", x)),
       [](Draw& d) {
         const Shape shape = d.any(kSmall, 1, 3);
         d.of({shape.back()}, kSmall);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         Shape shape = x[0].shape;
         shape.insert(0, shape.back());
         shape.erase(shape.dim() - 1);
         return {made(shape, x[0].dtype, [&](const Shape& at) {
           Shape from = at;
           from.erase(0);
           from.push_back(at[0]);
           return x[0][position_of(x[0].shape, from)] * x[1][at[0]];
         })};
       },
       {.special = false}},
      {"einsum trace",
       CALL(einsum("bii->b", std::span<const Variable>(x))),
       [](Draw& d) {
         const std::int64_t size = d.size();
         d.of({d.size(), size, size}, kSmall);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         const std::int64_t n = x[0].size(1);
         return {made({x[0].size(0)}, x[0].dtype, [&](const Shape& at) {
           double total = 0;
           for (std::int64_t i = 0; i < n; ++i) total += x[0][(at[0] * n + i) * n + i];
           return total;
         })};
       },
       {.special = false, .slack = 4}},
  };
}

}  // namespace tapegrad::tapes
