// Rows of reductions. Read next: order.cc.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

using Group = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double sum_of(const Group& x) {
  long double total = 0;  // more precise than any order of the library's
  for (const double each : x) total += each;
  return static_cast<double>(total);
}
double mean_of(const Group& x) { return sum_of(x) / static_cast<double>(x.size()); }
double squares_of(const Group& x) {
  const double mean = mean_of(x);
  long double total = 0;
  for (const double each : x) total += (each - mean) * (each - mean);
  return static_cast<double>(total);
}
double variance_of(const Group& x, bool unbiased) {
  const double n = static_cast<double>(x.size()) - (unbiased ? 1 : 0);
  return n < 0 ? kNan : squares_of(x) / n;
}
double product_of(const Group& x) {
  double product = 1;
  for (const double each : x) product *= each;
  return product;
}
double norm_of(const Group& x, double p) {
  long double total = 0;
  for (const double each : x) {
    const double size = std::abs(each);
    if (p == 0) {
      total += size != 0 ? 1 : 0;
    } else if (std::isnan(size)) {
      return kNan;
    } else if (std::isinf(p)) {
      total = std::max(total, static_cast<long double>(size));
    } else {
      total += std::pow(size, p);
    }
  }
  const double whole = static_cast<double>(total);
  return p == 0 || std::isinf(p) ? whole : std::pow(whole, 1 / p);
}

DType sum_type(DType dtype) { return is_floating_point(dtype) ? dtype : int64; }

using Combine = double (*)(const Group&);

// Over all dimensions, over the list a.dims, or over dimension a.i; keepdim is a.flag.
auto whole(Combine f, bool truth = false) {
  return [=](const Plains& x, const Attributes&) -> Plains {
    return {reduced(x[0], {}, false, truth ? boolean : sum_type(x[0].dtype), f)};
  };
}
auto over_dims(Combine f) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    return {reduced(x[0], a.dims, a.flag, sum_type(x[0].dtype), f)};
  };
}
auto over_dim(Combine f, bool truth = false) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    return {reduced(x[0], Shape(a.i), a.flag, truth ? boolean : sum_type(x[0].dtype), f)};
  };
}

auto draw_whole(const Domain& domain = kAny) {
  return [=](Draw& d) { d.any(domain); };
}
auto draw_dims(const Domain& domain = kAny) {
  return [=](Draw& d) {
    d.a.dims = d.dims_of(d.any(domain, 1), 1);
    d.a.flag = d.random.chance(0.4);
  };
}
auto draw_dim(const Domain& domain = kAny) {
  return [=](Draw& d) {
    d.a.i = d.dim_of(d.any(domain));
    d.a.flag = d.random.chance(0.4);
  };
}

std::int64_t count_along(const Shape& shape, const Shape& dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : positive(dims, shape.dim())) count *= shape[dim];
  return count;
}
// Two elements or more for each result. The square root of std needs elements that differ.
auto draw_variance(bool lists_dims, const Domain& domain) {
  return [=](Draw& d) {
    const Shape shape = d.any(domain, lists_dims ? 1 : 0);
    if (lists_dims) d.a.dims = d.dims_of(shape, 1);
    d.a.flag = d.random.chance(0.4);
    d.a.flag2 = d.random.chance(0.5);
    d.require(count_along(shape, d.a.dims) > 1);
  };
}
auto draw_norm(bool lists_dims) {
  return [=](Draw& d) {
    const Shape shape = d.any({-8, 8, true, true}, lists_dims ? 1 : 0);
    if (lists_dims) d.a.dims = d.dims_of(shape, 1);
    d.a.flag = d.random.chance(0.4);
    d.a.p = d.random.one_of(
        std::vector<double>{2, 2, 2, 1, 3, 0.5, 0, std::numeric_limits<double>::infinity()});
    // Empty and infinite: PyTorch refuses it.
    d.require(count_along(shape, d.a.dims) > 0);
  };
}

constexpr Operation::Traits kSums{.integers = true, .booleans = true};
constexpr Operation::Traits kReal{};
constexpr Operation::Traits kFinite{.special = false};
constexpr Operation::Traits kTruth{
    .exact = true, .integers = true, .booleans = true, .frequency = 0.3};

auto variance(bool root, bool all) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    const bool unbiased = all || a.flag2;
    return {reduced(x[0], a.dims, !all && a.flag, x[0].dtype, [&](const Group& group) {
      const double v = variance_of(group, unbiased);
      return root ? std::sqrt(v) : v;
    })};
  };
}

}  // namespace

std::vector<Operation> reduction_rows() {
  const auto any_of = [](const Group& x) {
    return std::ranges::any_of(x, [](double e) { return e != 0; }) ? 1.0 : 0.0;
  };
  const auto all_of = [](const Group& x) {
    return std::ranges::all_of(x, [](double e) { return e != 0; }) ? 1.0 : 0.0;
  };
  return {
      {"sum", CALL(sum(x[0])), draw_whole(), whole(sum_of), kSums},
      {"sum dims", CALL(sum(x[0], a.dims, a.flag)), draw_dims(), over_dims(sum_of), kSums},
      {"mean", CALL(mean(x[0])), draw_whole(), whole(mean_of), kReal},
      {"mean dims", CALL(mean(x[0], a.dims, a.flag)), draw_dims(), over_dims(mean_of), kReal},
      {"var", CALL(var(x[0])), draw_variance(false, kAny), variance(false, true), kFinite},
      {"var dims", CALL(var(x[0], a.dims, a.flag2, a.flag)), draw_variance(true, kAny),
       variance(false, false), kFinite},
      {"std", CALL(std(x[0])), draw_variance(false, kDistinct), variance(true, true), kFinite},
      {"std dims", CALL(std(x[0], a.dims, a.flag2, a.flag)), draw_variance(true, kDistinct),
       variance(true, false), kFinite},
      {"stddev", CALL(stddev(x[0], a.dims, a.flag2, a.flag)), draw_variance(true, kDistinct),
       variance(true, false), kFinite},
      {"prod", CALL(prod(x[0])), [](Draw& d) { d.require(count_of(d.any(kSmall)) <= 12); },
       whole(product_of), kSums},
      {"prod dim", CALL(prod(x[0], a.i, a.flag)),
       [](Draw& d) {
         draw_dim(kSmall)(d);
         const Shape shape = d.input(0).shape();
         d.require(shape.empty() || shape[positive(d.a.i, shape.dim())[0]] <= 12);
       },
       over_dim(product_of), kSums},
      {"any", CALL(any(x[0].value())), draw_whole(), whole(any_of, true), kTruth},
      {"any dim", CALL(any(x[0].value(), a.i, a.flag)), draw_dim(), over_dim(any_of, true), kTruth},
      {"all", CALL(all(x[0].value())), draw_whole(), whole(all_of, true), kTruth},
      {"all dim", CALL(all(x[0].value(), a.i, a.flag)), draw_dim(), over_dim(all_of, true), kTruth},
      {"norm", CALL(norm(x[0], a.p)), draw_norm(false),
       [](const Plains& x, const Attributes& a) -> Plains {
         return {reduced(x[0], {}, false, x[0].dtype,
                         [&](const Group& group) { return norm_of(group, a.p); })};
       },
       kReal},
      {"norm dims", CALL(norm(x[0], a.p, a.dims, a.flag)), draw_norm(true),
       [](const Plains& x, const Attributes& a) -> Plains {
         return {reduced(x[0], a.dims, a.flag, x[0].dtype,
                         [&](const Group& group) { return norm_of(group, a.p); })};
       },
       kReal},
      {"cumsum", CALL(cumsum(x[0], a.i)), draw_dim(),
       [](const Plains& x, const Attributes& a) -> Plains {
         const Line line = line_of(x[0].shape, a.i);
         Plain y = x[0];
         y.dtype = sum_type(x[0].dtype);
         for (std::int64_t o = 0; o < line.outer; ++o) {
           for (std::int64_t i = 0; i < line.inner; ++i) {
             for (std::int64_t k = 1; k < line.n; ++k) {
               y[line.at(o, k, i)] += y[line.at(o, k - 1, i)];
             }
           }
         }
         return {y};
       },
       kSums},
      {"sum_to", CALL(sum_to(x[0], a.shape)),
       [](Draw& d) {
         const Shape shape = d.any();
         const std::int64_t dropped = d.random.integer(0, shape.dim());
         for (std::int64_t i = dropped; i < shape.dim(); ++i) {
           d.a.shape.push_back(d.random.chance(0.5) ? 1 : shape[i]);
         }
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const std::int64_t added = x[0].dim() - a.shape.dim();
         Plain y = filled(a.shape, sum_type(x[0].dtype));
         for (std::int64_t i = 0; i < x[0].numel(); ++i) {
           const Shape from = index_at(x[0].shape, i);
           Shape to = a.shape;
           for (std::int64_t d = 0; d < to.dim(); ++d) to[d] = to[d] == 1 ? 0 : from[d + added];
           y[position_of(a.shape, to)] += x[0][i];
         }
         return {y};
       },
       kReal},
      {"var correction", CALL(var(x[0], a.dims, VarOptions{.correction = a.p, .keepdim = a.flag})),
       [](Draw& d) {
         draw_variance(true, {-8, 8, false, true})(d);
         d.a.p = static_cast<double>(d.random.integer(0, 1)) / 2;
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {reduced(x[0], a.dims, a.flag, x[0].dtype, [&](const Group& group) {
           return squares_of(group) / (static_cast<double>(group.size()) - a.p);
         })};
       },
       kFinite},
      {"std correction", CALL(std(x[0], a.dims, VarOptions{.correction = a.p, .keepdim = a.flag})),
       [](Draw& d) {
         draw_variance(true, {-8, 8, false, true})(d);
         d.a.p = static_cast<double>(d.random.integer(0, 1)) / 2;
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {reduced(x[0], a.dims, a.flag, x[0].dtype, [&](const Group& group) {
           return std::sqrt(squares_of(group) / (static_cast<double>(group.size()) - a.p));
         })};
       },
       kFinite},
      {"cumprod",
       CALL(cumprod(x[0], a.i)),
       [](Draw& d) {
         d.a.i = d.dim_of(d.any({-1.5, 1.5}));
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Line line = line_of(x[0].shape, a.i);
         Plain y{x[0].shape, sum_type(x[0].dtype), x[0].x};
         for (std::int64_t o = 0; o < line.outer; ++o) {
           for (std::int64_t k = 1; k < line.n; ++k) {
             for (std::int64_t i = 0; i < line.inner; ++i) {
               y[line.at(o, k, i)] *= y[line.at(o, k - 1, i)];
             }
           }
         }
         return {y};
       },
       {.special = false, .slack = 8}},
  };
}

}  // namespace tapegrad::tapes
