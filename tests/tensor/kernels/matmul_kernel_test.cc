// The matrix product kernels of every instruction set, compared with a triple loop in double
// precision. Read next: ../../tensor/kernels/matmul.inl.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/tensor/error.h>
#include "catch.h"
#include "tensor/kernels/plain.h"

using namespace tapegrad;

namespace {

template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// The kernels that this machine can run, and the plain ones.
template <class T>
std::vector<std::pair<std::string, const kernel::Kernels<T>*>> tables() {
  std::vector<std::pair<std::string, const kernel::Kernels<T>*>> all = {
      {"plain", &kernel::plain_kernels<T>()}};
  for (const char* name : {"base", "avx2", "avx512"}) {
    try {
      all.push_back({name, &kernel::kernels_for<T>(name)});
    } catch (const ValueError&) {  // not on this machine
    }
  }
  return all;
}

enum MatrixLayout {
  kRows,
  kColumns,
  kPaddedRows,
  kPaddedColumns,
  kSpread,
  kSameRow,
  kSameColumn,
  kAll
};

// A matrix of elements in [-1, 1] with NaN in the gaps between them. The memory ends with the last
// element.
template <class T>
struct Operand {
  Operand(std::size_t rows, std::size_t columns, MatrixLayout layout, std::mt19937& random) {
    const auto m = static_cast<std::ptrdiff_t>(rows), n = static_cast<std::ptrdiff_t>(columns);
    const std::pair<std::ptrdiff_t, std::ptrdiff_t> strides[] = {
        {n, 1}, {1, m}, {n + 3, 1}, {1, m + 5}, {2 * n + 3, 2}, {0, 1}, {1, 0}};
    row = strides[layout].first;
    column = strides[layout].second;
    if (rows == 0 || columns == 0) return;
    elements.assign(static_cast<std::size_t>((m - 1) * row + (n - 1) * column + 1), kNan<T>);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        at(i, j) = static_cast<T>(static_cast<int>(random() % 2001) - 1000) / T(1000);
      }
    }
  }

  T& at(std::size_t i, std::size_t j) {
    return elements[static_cast<std::size_t>(static_cast<std::ptrdiff_t>(i) * row +
                                             static_cast<std::ptrdiff_t>(j) * column)];
  }

  std::vector<T> elements;
  std::ptrdiff_t row, column;
};

// The product by the kernels of one table; rows of C are `ldc` elements apart. Memory that must not
// be read starts as NaN.
template <class T>
std::vector<T> product(const kernel::Kernels<T>& table, const Operand<T>& a, const Operand<T>& b,
                       std::size_t m, std::size_t n, std::size_t k, std::vector<T> c,
                       std::size_t ldc, bool accumulate) {
  const std::size_t size = table.matmul_workspace(m, n, k), line = 64 / sizeof(T);
  std::vector<T> memory(size + line, kNan<T>);
  std::size_t begin = 0;
  while (reinterpret_cast<std::uintptr_t>(memory.data() + begin) % 64 != 0) ++begin;
  memory.resize(begin + size);  // so that a sanitizer sees accesses after the workspace
  table.matmul(c.data(), static_cast<std::ptrdiff_t>(ldc), a.elements.data(), a.row, a.column,
               b.elements.data(), b.row, b.column, m, n, k, accumulate, memory.data() + begin);
  return c;
}

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

template <class T>
void compare(std::size_t m, std::size_t n, std::size_t k, MatrixLayout a_layout,
             MatrixLayout b_layout, bool accumulate, std::mt19937& random) {
  Operand<T> a(m, k, a_layout, random), b(k, n, b_layout, random);
  const std::size_t ldc = n + random() % 3;
  const T gap = T(7);
  std::vector<T> before(m == 0 || n == 0 ? 0 : (m - 1) * ldc + n, gap);
  std::vector<double> expected(before.size(), gap), margin(before.size(), 0);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = i * ldc + j;
      before[at] = accumulate ? static_cast<T>(random() % 5) : kNan<T>;
      double sum = accumulate ? static_cast<double>(before[at]) : 0, magnitude = std::abs(sum);
      for (std::size_t p = 0; p < k; ++p) {
        const double term = static_cast<double>(a.at(i, p)) * static_cast<double>(b.at(p, j));
        sum += term;
        magnitude += std::abs(term);
      }
      expected[at] = sum;
      margin[at] = magnitude * (2 + static_cast<double>(k) / 2) * std::numeric_limits<T>::epsilon();
    }
  }
  for (const auto& entry : tables<T>()) {
    const std::vector<T> c = product(*entry.second, a, b, m, n, k, before, ldc, accumulate);
    std::size_t wrong = 0;
    for (std::size_t at = 0; at < c.size(); ++at) {
      wrong += !(std::abs(static_cast<double>(c[at]) - expected[at]) <= margin[at]);
    }
    CAPTURE(entry.first, m, n, k, a_layout, b_layout, accumulate, ldc);
    REQUIRE(wrong == 0);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("matmul kernel: every level agrees with a triple loop", "[kernels]", float,
                   double) {
  std::mt19937 random(1);
  const std::size_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 130};
  for (const std::size_t m : sizes) {
    for (const std::size_t n : sizes) {
      for (const std::size_t k : sizes) {
        const auto any = [&random] { return static_cast<MatrixLayout>(random() % kAll); };
        compare<TestType>(m, n, k, any(), any(), random() % 2 == 0, random);
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul kernel: every pair of layouts", "[kernels]", float, double) {
  std::mt19937 random(2);
  const std::size_t shapes[][3] = {{18, 20, 22}, {5, 6, 7},   {40, 3, 50},  {3, 40, 50},
                                   {1, 70, 33},  {70, 1, 33}, {40, 2, 300}, {30, 40, 400}};
  for (const auto& shape : shapes) {
    for (int a = 0; a < kAll; ++a) {
      for (int b = 0; b < kAll; ++b) {
        compare<TestType>(shape[0], shape[1], shape[2], static_cast<MatrixLayout>(a),
                          static_cast<MatrixLayout>(b), (a + b) % 2 == 0, random);
      }
    }
  }
}

// Packed operands, several blocks along each dimension, row strides that are powers of two.
TEMPLATE_TEST_CASE("matmul kernel: large products", "[kernels]", float, double) {
  std::mt19937 random(5);
  const std::size_t shapes[][3] = {{340, 66, 400}, {66, 340, 400}, {1030, 66, 17}, {20, 64, 1024},
                                   {1, 3, 9001},   {70, 2, 4100},  {600, 3, 130},  {2, 600, 700}};
  for (const auto& shape : shapes) {
    for (const MatrixLayout a : {kRows, kColumns, kSpread}) {
      for (const MatrixLayout b : {kRows, kColumns, kSpread}) {
        compare<TestType>(shape[0], shape[1], shape[2], a, b, a == b, random);
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul kernel: the chosen kernels are those of the level by name", "[kernels]",
                   float, double) {
  REQUIRE(&kernel::kernels<TestType>() == &kernel::kernels_for<TestType>(kernel::level()));
}

TEMPLATE_TEST_CASE("matmul kernel: infinity and NaN affect only their own row and column",
                   "[kernels]", float, double) {
  const std::size_t m = 19, n = 21, k = 37;
  const TestType infinity = std::numeric_limits<TestType>::infinity();
  for (const std::size_t columns : {n, std::size_t{2}}) {  // tiles, dots
    for (const MatrixLayout layout : {kRows, kColumns}) {
      std::mt19937 random(3);
      Operand<TestType> a(m, k, layout, random), b(k, columns, layout, random);
      for (std::size_t i = 0; i < m; ++i) a.at(i, k - 1) = 0;
      a.at(18, 36) = 1;
      a.at(3, 5) = kNan<TestType>;
      for (std::size_t j = 0; j < columns; ++j) b.at(k - 1, j) = TestType(0.5);
      b.at(36, 1) = infinity;  // 0 * inf is NaN in column 1, except in row 18
      for (const auto& entry : tables<TestType>()) {
        const auto c = product(*entry.second, a, b, m, columns, k,
                               std::vector<TestType>(m * columns), columns, false);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < columns; ++j) {
            const TestType y = c[i * columns + j];
            if (i == 3 || (j == 1 && i != 18)) {
              wrong += !std::isnan(y);
            } else if (j == 1) {
              wrong += y != infinity;
            } else {
              wrong += !std::isfinite(y);
            }
          }
        }
        CAPTURE(entry.first, columns, layout);
        REQUIRE(wrong == 0);
      }
    }
  }
}

TEMPLATE_TEST_CASE("matmul kernel: splitting the longer side of C does not change a bit",
                   "[kernels]", float, double) {
  std::mt19937 random(4);
  const std::size_t shapes[][3] = {
      {64, 48, 70}, {200, 5, 900}, {130, 1, 70}, {1100, 66, 80}, {140, 64, 1024}};
  for (const auto& shape : shapes) {
    const std::size_t m = shape[0], n = shape[1], k = shape[2], first = m / 2;
    for (const MatrixLayout layout : {kRows, kColumns}) {
      Operand<TestType> a(m, k, layout, random), b(k, n, layout, random);
      Operand<TestType> rest = a;
      rest.elements.erase(rest.elements.begin(),
                          rest.elements.begin() + static_cast<std::ptrdiff_t>(first) * a.row);
      for (const auto& entry : tables<TestType>()) {
        const auto none = [n](std::size_t rows) { return std::vector<TestType>(rows * n); };
        const auto whole = product(*entry.second, a, b, m, n, k, none(m), n, false);
        auto halves = product(*entry.second, a, b, first, n, k, none(first), n, false);
        const auto low =
            product(*entry.second, rest, b, m - first, n, k, none(m - first), n, false);
        halves.insert(halves.end(), low.begin(), low.end());
        std::size_t different = 0;
        for (std::size_t at = 0; at < whole.size(); ++at) {
          different += !same_bits(static_cast<double>(whole[at]), static_cast<double>(halves[at]));
        }
        CAPTURE(entry.first, m, n, k, layout);
        REQUIRE(different == 0);
      }
    }
  }
}
