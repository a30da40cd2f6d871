// The kernels for reductions, rows and optimizers of every instruction set that this machine
// supports, compared with the plain references. Read next: matmul_kernel_test.cc.
#include "tensor/kernels/kernel_checks.h"

using namespace tapegrad;
using namespace tapegrad::kernel;
using namespace tapegrad::kernel::test;

TEMPLATE_TEST_CASE("kernels: reductions", "", float, double) {
  using T = TestType;
  const auto& plain = plain_kernels<T>();
  for (const std::string& level : levels()) {
    INFO(level);
    const auto& kernels = kernels_for<T>(level.c_str());
    std::vector<std::size_t> sizes(std::begin(kSizes), std::end(kSizes));
    for (const std::size_t n : Sizes{1023, 1024, 1025, 2048, 2049, 5000, 100003})
      sizes.push_back(n);
    for (const std::size_t n : sizes) {
      CAPTURE(n);
      const std::vector<T> x = numbers<T>(n), y = numbers<T>(n, 4, 3);
      double absolute = 0, squares = 0;
      for (const T value : x) absolute += std::abs(value), squares += double(value) * value;
      const double slack = 4 * (2 + std::log2(double(n + 1))) * double(kEps<T>);
      check_close<T>({kernels.sum(x.data(), n)}, {plain.sum(x.data(), n)}, 1,
                     {slack * absolute / 8});
      check_close<T>({kernels.sum_of_squares(x.data(), n)}, {plain.sum_of_squares(x.data(), n)}, 1,
                     {slack * squares});
      check_close<T>({kernels.dot(x.data(), y.data(), n)}, {plain.dot(x.data(), y.data(), n)}, 1,
                     {slack * squares});
      CHECK(kernels.max(x.data(), n) == plain.max(x.data(), n));
      CHECK(kernels.min(x.data(), n) == plain.min(x.data(), n));
      std::vector<T> moved(n + 3);
      std::copy(x.begin(), x.end(), moved.begin() + 3);
      CHECK(same_bits(kernels.sum(x.data(), n), kernels.sum(moved.data() + 3, n)));
    }
    CHECK(kernels.max(nullptr, 0) == -kInf<T>);
    CHECK(kernels.min(nullptr, 0) == kInf<T>);
    for (const std::size_t n : Sizes{1, 2, 7, 16, 33, 70, 130, 300}) {
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<T> x = numbers<T>(n);
        x[i] = T(1e6);
        CHECK(kernels.max(x.data(), n) == T(1e6));
        x[i] = -kInf<T>;
        CHECK(kernels.min(x.data(), n) == -kInf<T>);
        x[i] = kNan<T>;
        CHECK(std::isnan(kernels.max(x.data(), n)));
        CHECK(std::isnan(kernels.min(x.data(), n)));
      }
    }
  }
}

TEST_CASE("kernels: a sum of ten million tenths is exact to the last digits") {
  const std::size_t n = 10'000'000;
  const std::vector<float> x(n, 0.1f);
  const double exact = static_cast<double>(n) * static_cast<double>(0.1f);
  for (const std::string& level : levels()) {
    INFO(level);
    const auto& kernels = kernels_for<float>(level.c_str());
    CHECK(std::abs(kernels.sum(x.data(), n) - exact) <= 1e-6 * exact);
    std::vector<float> columns(10);
    kernels.sum_columns(columns.data(), x.data(), n / 10, 10, false);
    for (const float total : columns) CHECK(std::abs(total - exact / 10) <= 1e-6 * exact / 10);
  }
}

TEMPLATE_TEST_CASE("kernels: sums of columns", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    for (const std::size_t rows : Sizes{0, 1, 2, 63, 64, 65, 129, 1000}) {
      for (const std::size_t columns : Sizes{1, 2, 3, 8, 10, 16, 17, 64, 65, 100, 150}) {
        INFO(level << " " << rows << " x " << columns);
        const std::vector<T> x = numbers<T>(rows * columns), before = numbers<T>(columns, 4, 9);
        for (const bool accumulate : {false, true}) {
          std::vector<T> want = before;
          plain_kernels<T>().sum_columns(want.data(), x.data(), rows, columns, accumulate);
          const auto got = guarded<T>(columns, [&](T* y, std::size_t) {
            std::copy(before.begin(), before.end(), y);
            kernels_for<T>(level.c_str()).sum_columns(y, x.data(), rows, columns, accumulate);
          });
          const double slack = 4 * double(rows + 1) * double(kEps<T>);
          check_close(got, want, 1, std::vector<double>(columns, slack));
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: softmax, log_softmax and logsumexp", "", float, double) {
  using T = TestType;
  const auto& plain = plain_kernels<T>();
  const std::size_t rows = 7;
  for (const std::string& level : levels()) {
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t columns :
         Sizes{1, 2, 3, 4, 5, 8, 10, 15, 16, 17, 32, 33, 100, 1000, 3001}) {
      INFO(level << " columns " << columns);
      const std::size_t n = rows * columns;
      std::vector<T> x = numbers<T>(n, 30);
      for (std::size_t i = 0; i < n; i += 11) x[i] = T(-200);
      if (columns > 2) x[0] = -kInf<T>;
      const std::vector<T> dy = numbers<T>(n, 1, 3);
      std::vector<T> want(n), log_want(n), sums(rows);
      plain.softmax(want.data(), x.data(), rows, columns);
      plain.log_softmax(log_want.data(), x.data(), rows, columns);
      plain.logsumexp(sums.data(), x.data(), rows, columns);
      const double eps = double(kEps<T>);
      const auto in_place = [&](auto kernel) {
        return guarded<T>(n, [&](T* y, std::size_t) {
          std::copy(x.begin(), x.end(), y);
          kernel(y, y, rows, columns);
        });
      };
      check_close(in_place(kernels.softmax), want, 8);
      check_close(in_place(kernels.log_softmax), log_want, 4, std::vector<double>(n, 16 * eps));
      check_close(
          guarded<T>(rows,
                     [&](T* y, std::size_t) { kernels.logsumexp(y, x.data(), rows, columns); }),
          sums, 4, std::vector<double>(rows, 16 * eps));

      std::vector<T> gradient(n), log_gradient(n);
      plain.softmax_backward(gradient.data(), dy.data(), want.data(), rows, columns);
      plain.log_softmax_backward(log_gradient.data(), dy.data(), log_want.data(), rows, columns);
      const std::vector<double> slack(n, (16 + double(columns) / 16) * eps);
      check_close(guarded<T>(n,
                             [&](T* y, std::size_t) {
                               kernels.softmax_backward(y, dy.data(), want.data(), rows, columns);
                             }),
                  gradient, 4, slack);
      check_close(guarded<T>(n,
                             [&](T* y, std::size_t) {
                               std::copy(dy.begin(), dy.end(), y);
                               kernels.log_softmax_backward(y, y, log_want.data(), rows, columns);
                             }),
                  log_gradient, 4, slack);
    }
    T nothing = T(1);
    kernels.logsumexp(&nothing, nullptr, 1, 0);
    CHECK(nothing == -kInf<T>);
  }
}

TEMPLATE_TEST_CASE("kernels: normalization of rows", "", float, double) {
  using T = TestType;
  const auto& plain = plain_kernels<T>();
  const std::size_t rows = 5;
  const double eps = double(kEps<T>);
  for (const std::string& level : levels()) {
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t columns : Sizes{1, 2, 3, 7, 8, 15, 16, 17, 33, 100, 1000, 3001}) {
      INFO(level << " columns " << columns);
      const std::size_t n = rows * columns;
      std::vector<T> x = numbers<T>(n);
      for (T& value : x) value += T(3);
      const std::vector<T> dy = numbers<T>(n, 1, 3);
      const std::vector<T> weight = numbers<T>(columns, 2, 5), bias = numbers<T>(columns, 2, 7);
      for (int given = 0; given < 3; ++given) {
        const T* const w = given > 0 ? weight.data() : nullptr;
        const T* const b = given > 1 ? bias.data() : nullptr;
        std::vector<T> y(n), mean(rows), scale(rows), got_mean(rows), got_scale(rows), dx(n);
        plain.layer_norm(y.data(), mean.data(), scale.data(), x.data(), w, b, rows, columns,
                         T(1e-5));
        // A row of one element has variance 0: the scale magnifies each rounding error.
        const double slack = 40 * eps * double(columns == 1 ? scale[0] : T(1));
        check_close(guarded<T>(n,
                               [&](T* out, std::size_t) {
                                 kernels.layer_norm(out, got_mean.data(), got_scale.data(),
                                                    x.data(), w, b, rows, columns, T(1e-5));
                               }),
                    y, 8, std::vector<double>(n, slack));
        check_close(got_mean, mean, 4);
        check_close(got_scale, scale, 16);
        plain.layer_norm_backward(dx.data(), dy.data(), x.data(), mean.data(), scale.data(), w,
                                  rows, columns);
        check_close(guarded<T>(n,
                               [&](T* out, std::size_t) {
                                 kernels.layer_norm_backward(out, dy.data(), x.data(), mean.data(),
                                                             scale.data(), w, rows, columns);
                               }),
                    dx, 8, std::vector<double>(n, 2 * slack));
        std::vector<T> dweight = bias;
        plain.layer_norm_weight_backward(dweight.data(), dy.data(), x.data(), mean.data(),
                                         scale.data(), rows, columns);
        check_close(guarded<T>(columns,
                               [&](T* out, std::size_t) {
                                 std::copy(bias.begin(), bias.end(), out);
                                 kernels.layer_norm_weight_backward(out, dy.data(), x.data(),
                                                                    mean.data(), scale.data(), rows,
                                                                    columns);
                               }),
                    dweight, 8, std::vector<double>(columns, slack));
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: softmax of rows with special values", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t columns : Sizes{3, 4, 8, 16, 20, 300}) {
      INFO(level << " columns " << columns);
      std::vector<T> x(columns, T(0)), y(columns);
      T total;
      x[0] = T(1e30), x[1] = T(-1e30);
      kernels.log_softmax(y.data(), x.data(), 1, columns);
      CHECK(y[0] == T(0));
      CHECK(y[1] == T(-2e30));
      CHECK(y[2] == T(-1e30));
      std::fill(x.begin(), x.end(), -kInf<T>);
      kernels.softmax(y.data(), x.data(), 1, columns);
      for (const T value : y) CHECK(std::isnan(value));
      kernels.logsumexp(&total, x.data(), 1, columns);
      CHECK(total == -kInf<T>);
      x[1] = T(3);
      kernels.softmax(y.data(), x.data(), 1, columns);
      CHECK((y[0] == T(0) && y[1] == T(1) && y[2] == T(0)));
      x[1] = kInf<T>;
      kernels.log_softmax(y.data(), x.data(), 1, columns);
      CHECK(std::isnan(y[1]));
      kernels.logsumexp(&total, x.data(), 1, columns);
      CHECK(total == kInf<T>);
      for (const std::size_t i : Sizes{std::size_t{0}, columns / 2, columns - 1}) {
        std::vector<T> with_nan = numbers<T>(columns);
        with_nan[i] = kNan<T>;
        kernels.softmax(y.data(), with_nan.data(), 1, columns);
        for (const T value : y) CHECK(std::isnan(value));
        kernels.log_softmax(y.data(), with_nan.data(), 1, columns);
        for (const T value : y) CHECK(std::isnan(value));
        kernels.logsumexp(&total, with_nan.data(), 1, columns);
        CHECK(std::isnan(total));
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: gathering and adding rows", "", float, double) {
  using T = TestType;
  const std::size_t table_rows = 50;
  const std::vector<std::int64_t> ids = {3, 0, 49, 3, 3, 17, 0, 20, 21, 22, 23, 24, 25, 3};
  for (const std::string& level : levels()) {
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t columns : Sizes{1, 3, 10, 16, 17, 64, 100, 300}) {
      INFO(level << " columns " << columns);
      const std::vector<T> table = numbers<T>(table_rows * columns);
      const std::vector<T> rows = numbers<T>(ids.size() * columns, 4, 5);
      std::vector<T> want(rows.size());
      plain_kernels<T>().gather_rows(want.data(), table.data(), ids.data(), ids.size(), columns);
      check_same(guarded<T>(want.size(),
                            [&](T* y, std::size_t) {
                              kernels.gather_rows(y, table.data(), ids.data(), ids.size(), columns);
                            }),
                 want);
      const std::vector<std::int64_t> pick = {0, 0, 0, 1, 1, 2, 3, 5, 4, 4, 4, 13, 13, 0};
      const std::vector<T> scale = numbers<T>(ids.size(), 2, 9);
      for (int option = 0; option < 8; ++option) {
        INFO("option " << option);
        const auto call = [&](const Kernels<T>& which, T* y) {
          std::copy(table.begin(), table.end(), y);
          which.scatter_add_rows(y, ids.data(), rows.data(), option & 1 ? pick.data() : nullptr,
                                 option & 2 ? scale.data() : nullptr, ids.size(), columns,
                                 option & 4 ? 3 : -1);
        };
        std::vector<T> sums(table.size());
        call(plain_kernels<T>(), sums.data());
        const std::vector<double> slack(sums.size(), option & 2 ? 40 * double(kEps<T>) : 0.0);
        check_close(guarded<T>(sums.size(), [&](T* y, std::size_t) { call(kernels, y); }), sums, 0,
                    slack);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: bags of rows", "", float, double) {
  using T = TestType;
  const std::size_t table_rows = 50;
  const std::vector<std::int64_t> ids = {3, 0, 49, 3, 3, 17, 0, 20, 21, 22, 23, 24, 25, 3, 7, 7, 7};
  // Two bags are empty, one consists only of id 7.
  const std::vector<std::int64_t> bounds = {0, 0, 4, 5, 13, 14, 17, 17};
  const std::size_t bags = bounds.size() - 1;
  for (const std::string& level : levels()) {
    const auto& kernels = kernels_for<T>(level.c_str());
    for (const std::size_t columns :
         Sizes{0, 1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 17, 31, 64, 65, 100, 127, 128, 129, 300}) {
      std::vector<T> table = numbers<T>(table_rows * columns);
      const std::vector<T> x = numbers<T>(bags * columns, 4, 5),
                           scale = numbers<T>(ids.size(), 2, 9);
      for (const std::int64_t skip : {-1, 3, 7}) {
        INFO(level << " columns " << columns << " skip " << skip);
        const std::vector<double> slack(bags * columns, 40 * double(kEps<T>));
        for (const T* const factors : {static_cast<const T*>(nullptr), scale.data()}) {
          for (const bool mean : {false, true}) {
            const auto call = [&](const Kernels<T>& which, T* y) {
              which.bag_sum(y, table.data(), ids.data(), factors, bounds.data(), bags, columns,
                            skip, mean);
            };
            std::vector<T> want(bags * columns);
            call(plain_kernels<T>(), want.data());
            check_close(guarded<T>(want.size(), [&](T* y, std::size_t) { call(kernels, y); }), want,
                        2, slack);
          }
        }
        std::vector<T> dots(ids.size());
        const auto dot = [&](const Kernels<T>& which, T* y) {
          which.bag_dots(y, x.data(), table.data(), ids.data(), bounds.data(), bags, columns, skip);
        };
        dot(plain_kernels<T>(), dots.data());
        check_close(guarded<T>(dots.size(), [&](T* y, std::size_t) { dot(kernels, y); }), dots, 2,
                    std::vector<double>(dots.size(), 2e3 * double(kEps<T>)));
        // The maximum is exact, also for ties, infinities and NaN.
        if (columns > 0) {
          table[3 * columns] = table[49 * columns];
          table[0] = kNan<T>;
          for (const std::int64_t id : {7, 20, 25}) {
            table[static_cast<std::size_t>(id) * columns + columns / 2] = -kInf<T>;
          }
        }
        std::vector<T> largest(bags * columns);
        std::vector<std::int64_t> winners(bags * columns, 99), found = winners;
        const auto max = [&](const Kernels<T>& which, T* y, std::int64_t* to) {
          which.bag_max(y, to, table.data(), ids.data(), bounds.data(), bags, columns, skip);
        };
        max(plain_kernels<T>(), largest.data(), winners.data());
        check_close(
            guarded<T>(largest.size(), [&](T* y, std::size_t) { max(kernels, y, found.data()); }),
            largest, 0);
        CHECK(found == winners);
        check_close(
            guarded<T>(largest.size(), [&](T* y, std::size_t) { max(kernels, y, nullptr); }),
            largest, 0);
        table = numbers<T>(table_rows * columns);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: Adam", "", float, double) {
  using T = TestType;
  const double beta1 = 0.9, beta2 = 0.999;
  for (const std::string& level : levels()) {
    for (const std::size_t n : kSizes) {
      for (int option = 0; option < 6; ++option) {
        INFO(level << " n " << n << " option " << option);
        const bool amsgrad = option == 1, no_gradient = option == 4;
        const double l2 = option == 2 ? 0.01 : 0, shrink = option == 3 ? 0.99 : 1;
        const double sign = option == 5 ? -1 : 1;
        std::vector<T> p = numbers<T>(n), m(n), v(n), vmax(n), p2 = p, m2 = m, v2 = v, vmax2 = vmax;
        for (int step = 1; step <= 3; ++step) {
          const AdamArguments arguments{beta1,
                                        beta2,
                                        1e-8,
                                        l2,
                                        shrink,
                                        1e-2 / (1 - std::pow(beta1, step)),
                                        std::sqrt(1 - std::pow(beta2, step)),
                                        sign};
          const std::vector<T> g = numbers<T>(n, 1.0 / step, static_cast<std::uint64_t>(step));
          const T* gradient = no_gradient ? nullptr : g.data();
          const auto run = [&](const Kernels<T>& kernels, auto& w, auto& x, auto& y, auto& z) {
            kernels.adam(w.data(), x.data(), y.data(), amsgrad ? z.data() : nullptr, gradient, n,
                         arguments);
          };
          run(kernels_for<T>(level.c_str()), p, m, v, vmax);
          run(plain_kernels<T>(), p2, m2, v2, vmax2);
        }
        const std::vector<double> slack(n, 8 * double(kEps<T>));
        check_close(p, p2, 2, slack);
        check_close(m, m2, 4, slack);
        check_close(v, v2, 4);
        check_close(vmax, vmax2, 4);
      }
    }
    std::vector<T> p(20, T(1)), m(20), v(20), g(20, T(0));
    g[18] = kNan<T>;
    kernels_for<T>(level.c_str())
        .adam(p.data(), m.data(), v.data(), nullptr, g.data(), 20,
              {0.9, 0.999, 1e-8, 0, 1, 1e-2, 0.5, 1});
    for (std::size_t i = 0; i < 20; ++i) CHECK((i == 18 ? std::isnan(p[i]) : p[i] == T(1)));
  }
}

TEMPLATE_TEST_CASE("kernels: SGD", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    for (const std::size_t n : kSizes) {
      for (int option = 0; option < 7; ++option) {
        INFO(level << " n " << n << " option " << option);
        const double momentum = option >= 1 && option <= 3 ? 0.9 : 0;
        const double dampening = option == 2 ? 0.3 : 0,
                     decay = option >= 3 && option <= 4 ? 0.1 : 0;
        const double sign = option == 5 ? -1 : 1;
        std::vector<T> p = numbers<T>(n), buf(n, T(9)), p2 = p, buf2 = buf;
        for (int step = 0; step < 3; ++step) {
          const std::vector<T> g = numbers<T>(n, 1, static_cast<std::uint64_t>(step) + 2);
          const SgdArguments arguments{0.1,  momentum,    dampening, decay,
                                       sign, option == 3, step == 0};
          const T* gradient = option == 6 ? nullptr : g.data();
          kernels_for<T>(level.c_str())
              .sgd(p.data(), momentum != 0 ? buf.data() : nullptr, gradient, n, arguments);
          plain_kernels<T>().sgd(p2.data(), momentum != 0 ? buf2.data() : nullptr, gradient, n,
                                 arguments);
        }
        const std::vector<double> slack(n, 8 * double(kEps<T>));
        check_close(p, p2, 2, slack);
        check_close(buf, buf2, 2, slack);
      }
    }
  }
}

namespace {

// Runs three steps of one optimizer: step(kernels, memory, g, i, n, t) updates the elements [i, i +
// n) of p and of two or three moments. The results must agree with the plain reference, have the
// same bits if elements are updated one by one, and nothing else may be written.
template <class T, class Step>
void check_steps(const std::string& level, const Step& step) {
  using Memory = std::vector<std::vector<T>>;
  const auto& kernels = kernels_for<T>(level.c_str());
  for (const std::size_t n : kSizes) {
    CAPTURE(n);
    const std::size_t end = n + 20;
    Memory start(4, std::vector<T>(end, T(0)));
    start[0] = numbers<T>(end);
    Memory got = start, alone = start, want = start;
    for (int t = 1; t <= 3; ++t) {
      const std::vector<T> g = numbers<T>(end, 1.0 / t, static_cast<std::uint64_t>(t));
      step(kernels, got, g.data(), 0, n, t);
      step(plain_kernels<T>(), want, g.data(), 0, n, t);
      for (std::size_t i = 0; i < n; ++i) step(kernels, alone, g.data() + i, i, 1, t);
    }
    for (std::size_t which = 0; which < got.size(); ++which) {
      CAPTURE(which);
      check_close(got[which], want[which], 4, std::vector<double>(end, 16 * double(kEps<T>)));
      check_same(got[which], alone[which]);
      for (std::size_t i = n; i < end; ++i) REQUIRE(got[which][i] == start[which][i]);
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("kernels: Adagrad", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    for (int option = 0; option < 4; ++option) {
      INFO(level << " option " << option);
      const double decay = option == 1 ? 0.1 : 0, sign = option == 2 ? -1 : 1;
      check_steps<T>(level, [&](const Kernels<T>& kernels, auto& x, const T* g, std::size_t i,
                                std::size_t n, int t) {
        kernels.adagrad(x[0].data() + i, x[1].data() + i, option == 3 ? nullptr : g, n,
                        {.rate = 0.1 / t, .weight_decay = decay, .eps = 1e-10, .sign = sign});
      });
    }
  }
}

TEMPLATE_TEST_CASE("kernels: RMSprop", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    for (int option = 0; option < 16; ++option) {
      INFO(level << " option " << option);
      const bool has_momentum = (option & 1) != 0, centered = (option & 2) != 0;
      const RmspropArguments arguments{.lr = 0.01,
                                       .alpha = 0.9,
                                       .eps = 1e-3,
                                       .weight_decay = (option & 4) != 0 ? 0.1 : 0,
                                       .momentum = has_momentum ? 0.9 : 0,
                                       .sign = option % 3 == 0 ? -1.0 : 1.0};
      check_steps<T>(level, [&](const Kernels<T>& kernels, auto& x, const T* g, std::size_t i,
                                std::size_t n, int) {
        kernels.rmsprop(x[0].data() + i, x[1].data() + i, has_momentum ? x[2].data() + i : nullptr,
                        centered ? x[3].data() + i : nullptr, (option & 8) != 0 ? nullptr : g, n,
                        arguments);
      });
    }
    // A constant gradient has variance 0, which rounding can make negative.
    std::vector<T> p(40), v(40), mean(40), g = numbers<T>(40);
    g[18] = kNan<T>;
    for (int t = 0; t < 60; ++t) {
      kernels_for<T>(level.c_str())
          .rmsprop(
              p.data(), v.data(), nullptr, mean.data(), g.data(), 40,
              {.lr = 0.01, .alpha = 0.5, .eps = 1, .weight_decay = 0, .momentum = 0, .sign = 1});
    }
    for (std::size_t i = 0; i < 40; ++i) CHECK(std::isnan(p[i]) == (i == 18));
  }
}

TEMPLATE_TEST_CASE("kernels: Adadelta", "", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    for (int option = 0; option < 4; ++option) {
      INFO(level << " option " << option);
      const AdadeltaArguments arguments{.lr = 0.5,
                                        .rho = 0.9,
                                        .eps = 1e-6,
                                        .weight_decay = option == 1 ? 0.1 : 0,
                                        .sign = option == 2 ? -1.0 : 1.0};
      check_steps<T>(level, [&](const Kernels<T>& kernels, auto& x, const T* g, std::size_t i,
                                std::size_t n, int) {
        kernels.adadelta(x[0].data() + i, x[1].data() + i, x[2].data() + i,
                         option == 3 ? nullptr : g, n, arguments);
      });
    }
  }
}
