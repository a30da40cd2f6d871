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

// An image of rows x columns results whose rows are columns + 3 elements apart.
struct ChannelSizes {
  std::size_t m, rows, columns, k;
  std::size_t pixels() const { return rows * columns; }
  std::ptrdiff_t x_row() const { return static_cast<std::ptrdiff_t>(columns + 3); }
  std::size_t image() const { return 300 + rows * (columns + 3); }
  std::size_t panels(std::size_t depth) const {
    return (m + kChannelPanel - 1) / kChannelPanel * kChannelPanel * depth;
  }
  std::size_t workspace() const { return std::max(pixels(), columns * 4 + 128) * kChannelPanel; }
};

template <class Function>
void for_channel_sizes(const Function& function) {
  for (const std::size_t m : {1U, 3U, 8U, 13U, 16U, 17U, 32U, 33U, 70U}) {
    for (const auto& [rows, columns] :
         {std::pair{1U, 1U}, {5U, 3U}, {7U, 13U}, {14U, 14U}, {3U, 29U}, {2U, 200U}}) {
      for (const std::size_t k : {1U, 6U, 25U}) {
        CAPTURE(m, rows, columns, k);
        function(ChannelSizes{m, rows, columns, k});
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: sums with channels in vectors", "[kernels]", float, double) {
  using T = TestType;
  for_channel_sizes([](const ChannelSizes& sizes) {
    const auto offsets = offsets_of(sizes.k);
    const auto x = numbers<T>(sizes.image(), 1, 1), w = numbers<T>(sizes.panels(sizes.k), 1, 2),
               bias = numbers<T>(sizes.panels(1), 1, 3);
    const auto run = [&](const Kernels<T>& kernels) {
      std::vector<T> y(sizes.m * (sizes.pixels() + 5), T(0.5)), workspace(sizes.workspace());
      kernels.channel_sums(y.data(), static_cast<std::ptrdiff_t>(sizes.pixels() + 5), w.data(),
                           bias.data(), x.data(), sizes.x_row(), offsets.data(), sizes.m,
                           sizes.rows, sizes.columns, sizes.k, workspace.data());
      return y;
    };
    const auto want = run(plain_kernels<T>());
    for (const std::string& level : levels()) {
      INFO(level);
      check_near(run(kernels_for<T>(level.c_str())), want,
                 4 * double(kEps<T>) * static_cast<double>(sizes.k + 1));
    }
  });
}

TEMPLATE_TEST_CASE("kernels: products with channels in vectors", "[kernels]", float, double) {
  using T = TestType;
  for_channel_sizes([](const ChannelSizes& sizes) {
    const auto offsets = offsets_of(sizes.k);
    const auto x = numbers<T>(sizes.image(), 1, 1), dy = numbers<T>(sizes.m * sizes.pixels(), 1, 2);
    const auto run = [&](const Kernels<T>& kernels) {
      std::vector<T> dw(sizes.panels(sizes.k), T(0.5)), workspace(sizes.workspace());
      kernels.channel_products(dw.data(), dy.data(), static_cast<std::ptrdiff_t>(sizes.pixels()),
                               x.data(), sizes.x_row(), offsets.data(), sizes.m, sizes.rows,
                               sizes.columns, sizes.k, workspace.data());
      std::vector<T> used;  // what the lanes beyond m contain has no meaning
      for (std::size_t o = 0; o < sizes.m; ++o) {
        for (std::size_t p = 0; p < sizes.k; ++p) {
          used.push_back(dw[o / kChannelPanel * kChannelPanel * sizes.k + p * kChannelPanel +
                            o % kChannelPanel]);
        }
      }
      return used;
    };
    const auto want = run(plain_kernels<T>());
    for (const std::string& level : levels()) {
      INFO(level);
      check_near(run(kernels_for<T>(level.c_str())), want,
                 2 * double(kEps<T>) * static_cast<double>(sizes.pixels() + 1));
    }
  });
}

TEMPLATE_TEST_CASE("kernels: rows with zeros after them", "[kernels]", float, double) {
  using T = TestType;
  for (const std::string& level : levels()) {
    const Kernels<T>& kernels = kernels_for<T>(level.c_str());
    for (std::size_t n = 1; n <= 40; ++n) {
      CAPTURE(level, n);
      const std::size_t rows = 3, row = n + 2, end = (rows - 1) * row + n;
      const auto x = numbers<T>(rows * n, 1, 1);
      std::vector<T> y(end + kernels.lanes + 1, T(0));
      y.back() = T(0.5);
      kernels.padded_rows(y.data(), static_cast<std::ptrdiff_t>(row), x.data(),
                          static_cast<std::ptrdiff_t>(n), rows, n);
      std::vector<T> want(y.size(), T(0));
      want.back() = T(0.5);
      for (std::size_t i = 0; i < rows * n; ++i) want[i / n * row + i % n] = x[i];
      CHECK(y == want);
    }
  }
}
