// The kernels of convolution of every instruction set that this machine supports, compared with the
// plain references. Read next: matmul_kernel_test.cc.
#include "tensor/kernels/kernel_checks.h"

using namespace tapegrad;
using namespace tapegrad::kernel;
using namespace tapegrad::kernel::test;

namespace {

// Rows that overlap, as those of a 3 x 2 kernel on images with rows of seven elements.
std::vector<std::ptrdiff_t> offsets_of(std::size_t k) {
  std::vector<std::ptrdiff_t> offsets;
  for (std::size_t p = 0; p < k; ++p) {
    offsets.push_back(static_cast<std::ptrdiff_t>(p / 6 * 50 + p % 6 / 2 * 7 + p % 2));
  }
  return offsets;
}

template <class T>
void check_near(const std::vector<T>& got, const std::vector<T>& want, double most) {
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
  }
  CHECK(worst <= most);
}

}  // namespace

TEMPLATE_TEST_CASE("kernels: sums of shifted rows", "[kernels]", float, double) {
  using T = TestType;
  for (const std::size_t m : {1U, 2U, 3U, 5U, 6U, 7U, 13U, 14U, 15U, 29U}) {
    for (const std::size_t n : {1U, 7U, 16U, 31U, 33U, 64U, 129U, 300U}) {
      for (const std::size_t k : {0U, 1U, 6U, 25U}) {
        CAPTURE(m, n, k);
        const auto offsets = offsets_of(k);
        const auto x = numbers<T>(300 + n + kShiftedSlack, 1, 1), w = numbers<T>(m * (k + 3), 1, 2);
        const std::size_t row = n + kShiftedSlack;
        const auto run = [&](const Kernels<T>& kernels) {
          std::vector<T> y(m * row), rows;
          kernels.shifted_sums(y.data(), static_cast<std::ptrdiff_t>(row), w.data(),
                               static_cast<std::ptrdiff_t>(k + 3), x.data(), offsets.data(), m, n,
                               k);
          for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t q = 0; q < n; ++q) rows.push_back(y[i * row + q]);
          }
          return rows;
        };
        const auto want = run(plain_kernels<T>());
        for (const std::string& level : levels()) {
          INFO(level);
          check_near(run(kernels_for<T>(level.c_str())), want,
                     4 * double(kEps<T>) * static_cast<double>(k + 1));
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: products of shifted rows", "[kernels]", float, double) {
  using T = TestType;
  for (const std::size_t m : {1U, 2U, 3U, 4U, 6U, 7U, 13U}) {
    for (const std::size_t n : {1U, 16U, 33U, 200U}) {
      for (const std::size_t k : {1U, 4U, 6U, 9U, 25U}) {
        for (const std::size_t images : {1U, 3U}) {
          CAPTURE(m, n, k, images);
          const auto offsets = offsets_of(k);
          const std::size_t row = n + kShiftedSlack, image = 300 + row;
          const auto x = numbers<T>(images * image, 1, 3);
          auto dy = numbers<T>(images * m * row, 1, 4);
          for (std::size_t i = 0; i < dy.size(); ++i) {
            if (i % row >= n) dy[i] = T(0);
          }
          const auto run = [&](const Kernels<T>& kernels) {
            std::vector<T> dw(m * (k + 1), T(0.5));  // what is there is added to
            kernels.shifted_products(
                dw.data(), static_cast<std::ptrdiff_t>(k + 1), dy.data(),
                static_cast<std::ptrdiff_t>(row), static_cast<std::ptrdiff_t>(m * row), x.data(),
                static_cast<std::ptrdiff_t>(image), offsets.data(), m, n, k, images);
            for (std::size_t i = 0; i < m; ++i) CHECK(dw[i * (k + 1) + k] == T(0.5));
            return dw;
          };
          const auto want = run(plain_kernels<T>());
          for (const std::string& level : levels()) {
            INFO(level);
            check_near(run(kernels_for<T>(level.c_str())), want,
                       2 * double(kEps<T>) * static_cast<double>(n * images + 1));
          }
        }
      }
    }
  }
}
