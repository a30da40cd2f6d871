// The elementwise kernels of every instruction set that this machine supports, compared with the
// plain references, also for special values and in place. The bits of an element must not depend on
// its position, and nothing may be written outside of the output. Read next:
// kernel_reductions_test.cc.
#include <cstdlib>

#include "tensor/kernels/kernel_checks.h"

using namespace tapegrad;
using namespace tapegrad::kernel;
using namespace tapegrad::kernel::test;

namespace {

struct UnaryCase {
  Unary op;
  const char* name;
  double limit;     // ulps
  double relative;  // plus this many epsilons of |x|, for functions with a rounded factor
};

const UnaryCase kUnaryCases[] = {
    {Unary::kNeg, "neg", 0, 0},
    {Unary::kAbs, "abs", 0, 0},
    {Unary::kSign, "sign", 0, 0},
    {Unary::kSquare, "square", 0, 0},
    {Unary::kReciprocal, "reciprocal", 0, 0},
    {Unary::kSqrt, "sqrt", 0, 0},
    {Unary::kRsqrt, "rsqrt", 0, 0},
    {Unary::kExp, "exp", 2, 0},
    {Unary::kExpm1, "expm1", 3, 0},
    {Unary::kLog, "log", 2, 0},
    {Unary::kLog1p, "log1p", 3, 0},
    {Unary::kLog2, "log2", 3, 0},
    {Unary::kSin, "sin", 3, 0},
    {Unary::kCos, "cos", 3, 0},
    {Unary::kTan, "tan", 5, 0},
    {Unary::kTanh, "tanh", 4, 0},
    {Unary::kSigmoid, "sigmoid", 4, 0},
    {Unary::kRelu, "relu", 0, 0},
    {Unary::kErf, "erf", 3, 0},
    {Unary::kSoftplus, "softplus", 4, 0},
    {Unary::kSilu, "silu", 5, 1e-30},
    {Unary::kGelu, "gelu", 4, 2},
    {Unary::kFloor, "floor", 0, 0},
    {Unary::kCeil, "ceil", 0, 0},
    {Unary::kRound, "round", 0, 0},
};

}  // namespace

TEST_CASE("kernels: levels by name") {
  CHECK_THROWS_WITH(kernels_for<float>("sse9"),
                    "kernels: level sse9: unknown instruction set, needed base, avx2 or avx512");
  CHECK_THROWS_AS(kernels_for<double>(""), ValueError);
  const std::vector<std::string> found = levels();
  REQUIRE(std::count(found.begin(), found.end(), "base") == 1);
  const char* forced = std::getenv("TAPEGRAD_SIMD");
  CHECK(level() == (forced != nullptr && *forced != '\0' ? forced : found.back()));
  CHECK(&kernels<float>() == &kernels_for<float>(level()));
  CHECK(&kernels<double>() == &kernels_for<double>(level()));
}

TEMPLATE_TEST_CASE("kernels: unary functions", "", float, double) {
  using T = TestType;
  STATIC_REQUIRE(std::size(kUnaryCases) == at(Unary::kCount));
  const std::vector<T> difficult = difficult_numbers<T>();
  for (const std::string& level : levels()) {
    for (const UnaryCase& c : kUnaryCases) {
      INFO(level << " " << c.name);
      const auto f = kernels_for<T>(level.c_str()).unary[at(c.op)];
      const auto plain = plain_kernels<T>().unary[at(c.op)];

      std::vector<T> got(difficult.size()), want(difficult.size());
      f(got.data(), difficult.data(), difficult.size());
      plain(want.data(), difficult.data(), difficult.size());
      std::vector<double> slack;
      for (const T x : difficult) {
        const double size = std::abs(static_cast<double>(x));
        slack.push_back(c.relative < 1 ? c.relative : c.relative * size * double(kEps<T>));
      }
      check_close(got, want, c.limit, slack);

      for (const std::size_t n : kSizes) {
        const std::vector<T> x = numbers<T>(n);
        std::vector<T> alone(n);
        for (std::size_t i = 0; i < n; ++i) f(&alone[i], &x[i], 1);
        check_same(guarded<T>(n, [&](T* y, std::size_t) { f(y, x.data(), n); }), alone);
        check_same(guarded<T>(n,
                              [&](T* y, std::size_t) {
                                std::copy(x.begin(), x.end(), y);
                                f(y, y, n);
                              }),
                   alone);
      }
      // Neighbors for which another code path is taken do not change the bits either.
      std::vector<T> alone(difficult.size());
      for (std::size_t i = 0; i < alone.size(); ++i) f(&alone[i], &difficult[i], 1);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        if (std::isnan(alone[i])) alone[i] = got[i] = T(0);
      }
      check_same(got, alone);
    }
  }
}

TEMPLATE_TEST_CASE("kernels: float functions compared with double", "", float) {
  std::vector<float> x = difficult_numbers<float>();
  for (const double scale : {1e-3, 1.0, 10.0, 100.0}) {
    const std::vector<float> more = numbers<float>(4000, scale, 7);
    x.insert(x.end(), more.begin(), more.end());
  }
  const std::vector<double> wide(x.begin(), x.end());
  for (const std::string& level : levels()) {
    for (const UnaryCase& c : kUnaryCases) {
      if (c.relative > 0 || c.op == Unary::kRsqrt) continue;
      INFO(level << " " << c.name);
      std::vector<double> exact(x.size());
      plain_kernels<double>().unary[at(c.op)](exact.data(), wide.data(), x.size());
      const std::vector<float> want(exact.begin(), exact.end());
      std::vector<float> got(x.size());
      kernels_for<float>(level.c_str()).unary[at(c.op)](got.data(), x.data(), x.size());
      check_close(got, want, c.limit);
    }
  }
}

TEMPLATE_TEST_CASE("kernels: signs of zero, NaN and infinity", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    INFO(level);
    const auto& kernels = kernels_for<T>(level.c_str());
    const auto f = [&](Unary op, T x) {
      T y;
      kernels.unary[at(op)](&y, &x, 1);
      return y;
    };
    for (const Unary odd :
         {Unary::kExpm1, Unary::kLog1p, Unary::kSin, Unary::kTan, Unary::kTanh, Unary::kErf,
          Unary::kFloor, Unary::kCeil, Unary::kRound, Unary::kSqrt}) {
      CAPTURE(at(odd));
      CHECK(same_bits(f(odd, T(0)), T(0)));
      CHECK(same_bits(f(odd, T(-0.0)), T(-0.0)));
    }
    CHECK(same_bits(f(Unary::kNeg, T(0)), T(-0.0)));
    CHECK(same_bits(f(Unary::kSign, T(-0.0)), T(0)));
    CHECK(same_bits(f(Unary::kSign, kNan<T>), T(0)));
    CHECK(same_bits(f(Unary::kCeil, T(-0.5)), T(-0.0)));
    CHECK(same_bits(f(Unary::kRound, T(-0.5)), T(-0.0)));
    CHECK(f(Unary::kRound, T(0.5)) == T(0));
    CHECK(f(Unary::kRound, T(2.5)) == T(2));
    CHECK(f(Unary::kRound, T(3.5)) == T(4));
    CHECK(f(Unary::kReciprocal, T(-0.0)) == -kInf<T>);
    CHECK(f(Unary::kRsqrt, T(0)) == kInf<T>);
    CHECK(f(Unary::kExp, -kInf<T>) == T(0));
    CHECK(f(Unary::kExp, T(0)) == T(1));
    CHECK(f(Unary::kLog, T(1)) == T(0));
    CHECK(f(Unary::kLog, T(-0.0)) == -kInf<T>);
    CHECK(f(Unary::kLog2, T(8)) == T(3));
    CHECK(f(Unary::kLog1p, T(-1)) == -kInf<T>);
    CHECK(f(Unary::kSigmoid, -kInf<T>) == T(0));
    CHECK(f(Unary::kSigmoid, kInf<T>) == T(1));
    CHECK(f(Unary::kTanh, -kInf<T>) == T(-1));
    for (std::size_t op = 0; op < at(Unary::kCount); ++op) {
      CAPTURE(op);
      if (op == at(Unary::kSign)) continue;  // 0, as in PyTorch
      CHECK(std::isnan(f(static_cast<Unary>(op), kNan<T>)));
    }
    for (const Unary undefined : {Unary::kLog, Unary::kLog1p, Unary::kLog2, Unary::kSqrt}) {
      CHECK(std::isnan(f(undefined, T(-2))));
      CHECK(std::isnan(f(undefined, -kInf<T>)));
    }
    for (const Unary undefined : {Unary::kSin, Unary::kCos, Unary::kTan}) {
      CHECK(std::isnan(f(undefined, kInf<T>)));
    }
  }
}

TEMPLATE_TEST_CASE("kernels: binary functions", "", float, double) {
  using T = TestType;
  std::vector<T> a, b;
  const std::vector<T> edges = {T(0),
                                T(-0.0),
                                T(0.5),
                                T(-0.5),
                                T(1),
                                T(-1),
                                T(2),
                                T(-2),
                                T(3),
                                T(-3),
                                T(2.5),
                                T(-2.5),
                                T(1e9),
                                T(16777217),
                                T(-1e9),
                                T(1e30),
                                kInf<T>,
                                -kInf<T>,
                                kNan<T>,
                                std::numeric_limits<T>::denorm_min(),
                                std::numeric_limits<T>::max()};
  for (const T x : edges) {
    for (const T y : edges) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  Sequence next;
  for (int i = 0; i < 2000; ++i) {
    a.push_back(static_cast<T>(std::pow(10, 6 * next() - 3)));
    b.push_back(static_cast<T>(20 * next() - 10));
  }
  for (const std::string& level : levels()) {
    for (std::size_t op = 0; op < at(Binary::kCount); ++op) {
      INFO(level << " binary " << op);
      const auto& f = kernels_for<T>(level.c_str()).binary[op];
      const auto& plain = plain_kernels<T>().binary[op];
      const Binary kind = static_cast<Binary>(op);
      const double limit = kind == Binary::kPow ? 2 : 0;
      // The compiler may fuse operations in the reference, so an ulp of the larger term is allowed.
      std::vector<double> slack;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const bool fused = kind == Binary::kTanhBackward || kind == Binary::kSigmoidBackward ||
                           kind == Binary::kGeluBackward;
        const double y = std::abs(static_cast<double>(b[i]));
        slack.push_back(fused ? std::abs(static_cast<double>(a[i])) * (1 + y + y * y) * kEps<T>
                              : 0);
      }
      std::vector<T> got(a.size()), want(a.size());
      f[0](got.data(), a.data(), b.data(), a.size());
      plain[0](want.data(), a.data(), b.data(), a.size());
      check_close(got, want, limit, slack);

      for (const T scalar : {T(2), T(3), T(-1), T(0.5), T(0), T(-0.7), T(2.25), kNan<T>}) {
        CAPTURE(scalar);
        std::vector<double> scaled;
        for (std::size_t i = 0; i < a.size(); ++i) {
          const double x = std::abs(double(a[i])) + std::abs(double(scalar));
          const bool rounds = slack[i] > 0 || kind == Binary::kGeluBackward;  // as b[i] is unused
          scaled.push_back(rounds ? (1 + x) * (1 + x) * (1 + x) * kEps<T> : 0);
        }
        f[1](got.data(), a.data(), &scalar, a.size());
        plain[1](want.data(), a.data(), &scalar, a.size());
        check_close(got, want, limit, scaled);
        f[2](got.data(), &scalar, a.data(), a.size());
        plain[2](want.data(), &scalar, a.data(), a.size());
        check_close(got, want, limit, scaled);
      }
      f[1](got.data(), a.data(), nullptr, 0);
      f[2](got.data(), nullptr, b.data(), 0);

      for (const std::size_t n : kSizes) {
        const std::vector<T> x = numbers<T>(n), y = numbers<T>(n, 4, 2);
        std::vector<T> alone(n), with_scalar(n), of_scalar(n);
        const T scalar = T(1.25);
        for (std::size_t i = 0; i < n; ++i) {
          f[0](&alone[i], &x[i], &y[i], 1);
          f[1](&with_scalar[i], &x[i], &scalar, 1);
          f[2](&of_scalar[i], &scalar, &y[i], 1);
          if (kind != Binary::kPow) continue;
          for (T* value : {&alone[i], &with_scalar[i]}) {  // NaN may have any bits
            if (std::isnan(*value)) *value = T(0);
          }
        }
        const auto run = [&](const auto& call) {
          std::vector<T> z = guarded<T>(n, call);
          for (T& value : z) {
            if (kind == Binary::kPow && std::isnan(value)) value = T(0);
          }
          return z;
        };
        check_same(run([&](T* z, std::size_t) { f[0](z, x.data(), y.data(), n); }), alone);
        check_same(run([&](T* z, std::size_t) { f[1](z, x.data(), &scalar, n); }), with_scalar);
        check_same(run([&](T* z, std::size_t) { f[2](z, &scalar, y.data(), n); }), of_scalar);
        check_same(run([&](T* z, std::size_t) {
                     std::copy(x.begin(), x.end(), z);
                     f[0](z, z, y.data(), n);
                   }),
                   alone);
        check_same(run([&](T* z, std::size_t) {
                     std::copy(y.begin(), y.end(), z);
                     f[0](z, x.data(), z, n);
                   }),
                   alone);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: compare, where, clamp, fill, axpy, add_row", "", float, double) {
  using T = TestType;
  const auto& plain = plain_kernels<T>();
  for (const std::string& level : levels()) {
    INFO(level);
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t n : kSizes) {
      CAPTURE(n);
      std::vector<T> a = numbers<T>(n), b = numbers<T>(n, 4, 5);
      for (std::size_t i = 0; i < n; i += 3) b[i] = a[i];
      if (n > 2) a[1] = kNan<T>;
      const T scalar = n > 0 ? a[n / 2] : T(0);
      const std::vector<T> zero(n, T(0));
      for (std::size_t op = 0; op < at(Compare::kCount); ++op) {
        for (std::size_t operands = 0; operands < 3; ++operands) {
          CAPTURE(op, operands);
          const T* x = operands == 2 ? &scalar : a.data();
          const T* y = operands == 1 ? &scalar : b.data();
          std::vector<char> got(n + 20, 9), want(n + 20, 9);
          kernels.compare[op][operands](reinterpret_cast<bool*>(got.data()), x, y, n);
          plain.compare[op][operands](reinterpret_cast<bool*>(want.data()), x, y, n);
          CHECK(std::memcmp(got.data(), want.data(), got.size()) == 0);
          const auto* condition = reinterpret_cast<const bool*>(got.data());
          std::vector<T> chosen(n);
          plain.where(chosen.data(), condition, a.data(), b.data(), n);
          check_same(guarded<T>(n,
                                [&](T* z, std::size_t) {
                                  kernels.where(z, condition, a.data(), b.data(), n);
                                }),
                     chosen);
        }
      }
      std::vector<T> limited(n), sum = b, product = b;
      plain.clamp(limited.data(), a.data(), T(-1), T(1.5), n);
      check_close(
          guarded<T>(n, [&](T* z, std::size_t) { kernels.clamp(z, a.data(), T(-1), T(1.5), n); }),
          limited, 0);
      check_same(guarded<T>(n, [&](T* z, std::size_t) { kernels.fill(z, T(2.5), n); }),
                 std::vector<T>(n, T(2.5)));
      const std::vector<double> slack(n, 40 * double(kEps<T>));
      plain.axpy(sum.data(), T(0.3), a.data(), n);
      plain.multiply_add(product.data(), a.data(), a.data(), n);
      check_close(guarded<T>(n,
                             [&](T* z, std::size_t) {
                               std::copy(b.begin(), b.end(), z);
                               kernels.axpy(z, T(0.3), a.data(), n);
                             }),
                  sum, 2, slack);
      check_close(guarded<T>(n,
                             [&](T* z, std::size_t) {
                               std::copy(b.begin(), b.end(), z);
                               kernels.multiply_add(z, a.data(), a.data(), n);
                             }),
                  product, 2, slack);
      const std::size_t rows = 5;
      const std::vector<T> x = numbers<T>(rows * n);
      std::vector<T> biased(rows * n);
      plain.add_row(biased.data(), x.data(), b.data(), rows, n);
      check_same(guarded<T>(rows * n,
                            [&](T* z, std::size_t) {
                              std::copy(x.begin(), x.end(), z);
                              kernels.add_row(z, z, b.data(), rows, n);
                            }),
                 biased);
    }
  }
}
