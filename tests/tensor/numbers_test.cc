// Every C++ number type with every function that converts numbers from or to elements, and every
// type of elements with every function that gives access to memory. A pair works, or a constraint
// refuses it. Read next: tests/tensor/tensor_test.cc.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/distributions.h>

#include "catch.h"

using namespace tapegrad;

namespace {

// All standard number types; std::int64_t is one of long and long long.
using Numbers = std::tuple<bool, char, signed char, unsigned char, wchar_t, char8_t, char16_t,
                           char32_t, short, unsigned short, int, unsigned, long,  // NOLINT
                           unsigned long, long long, unsigned long long,          // NOLINT
                           float, double>;
enum class Color { red };
using Others = std::tuple<long double, const int, const float, std::byte, Color, std::string, int*>;

template <class List, class Function>
void for_each_type(const Function& function) {
  std::apply([&](auto... each) { (function(each), ...); },
             []<class... T>(std::tuple<T...>*) {
               return std::tuple<std::type_identity<T>...>();
             }(static_cast<List*>(nullptr)));
}

template <class T>
constexpr DType kDType = std::is_same_v<T, bool>     ? boolean
                         : std::is_same_v<T, float>  ? float32
                         : std::is_same_v<T, double> ? float64
                                                     : int64;

template <class T>
concept Readable = requires(const Tensor& x, const Variable& v) {
  x.item<T>();
  x.item<T>({0});
  v.item<T>();
  v.item<T>({0});
  to_vector<T>(x);
};
template <class T>
concept Convertible = requires(const std::vector<T>& values) {
  tensor(values);
};
template <class T>
concept NestedConvertible = requires(const std::vector<std::vector<T>>& values) {
  tensor(values);
};
template <class T>
concept SpanConvertible = requires(std::span<T> span, std::span<T, 2> two) {
  tensor(span);
  tensor(two);
};
template <class T>
concept ArrayConvertible = requires(const std::array<T, 2>& values) {
  tensor(values);
};
template <class T>
concept ReadableMemory = requires(const Tensor& x) {
  x.span<T>();
};
template <class T>
concept WritableMemory = requires(Tensor& x) {
  x.mutable_span<T>();
};
template <class T>
concept UsableMemory = requires(T* data) {
  from_data(data, Shape{1}, nullptr);
};
template <class T>
concept KnownDType = requires {
  dtype_of<T>::value;
};
template <class T>
concept Drawable = requires(Generator& g, std::span<T> y) {
  draw::uniform(g, y);
  draw::normal(g, y);
  draw::normal_one_by_one(g, y);
  draw::exponential(g, y);
  draw::bernoulli(g, y, std::span<const T>(y));
};
template <class T>
concept BernoulliDrawable = requires(Generator& g, std::span<T> y) {
  draw::bernoulli(g, y, 0.5);
};

}  // namespace

TEST_CASE("every number type converts from and to elements") {
  for_each_type<Numbers>([](auto type) {
    using T = typename decltype(type)::type;
    const T zero = static_cast<T>(0);
    const T one = static_cast<T>(1);
    std::array<T, 2> values = {zero, one};
    for (const Tensor& x :
         {tensor(std::vector<T>{zero, one}), tensor(values), tensor(std::span(values)),
          tensor(std::span<T>(values)), tensor(std::span<const T>(values)),
          tensor(std::span<const T, 2>(values))}) {
      REQUIRE(x.dtype() == kDType<T>);
      REQUIRE(x.shape() == Shape{2});
      REQUIRE(x.item<T>({1}) == one);
    }
    const Tensor nested =
        tensor(std::vector<std::vector<T>>{{zero, one}, {one, one}, {zero, zero}});
    REQUIRE(nested.dtype() == kDType<T>);
    REQUIRE(nested.shape() == Shape{3, 2});
    REQUIRE(to_vector<T>(nested) == std::vector<T>{zero, one, one, one, zero, zero});
    for (const DType dtype : {boolean, int64, float32, float64}) {
      const Tensor x = tensor({0, 1}, dtype);
      REQUIRE(x.item<T>({1}) == one);
      REQUIRE(select(x, 0, 1).item<T>() == one);
      REQUIRE(Variable(x).item<T>({1}) == one);
      REQUIRE(Variable(select(x, 0, 1)).item<T>() == one);
      REQUIRE(to_vector<T>(x) == std::vector<T>{zero, one});
      REQUIRE(Scalar(one).to<T>() == one);
    }
  });
}

TEST_CASE("numbers keep their value on the way to int64 and back") {
  CHECK(tensor(std::vector<short>{-7, 7}).item<short>({0}) == -7);  // NOLINT
  CHECK(tensor(std::vector<unsigned char>{255}).item<int>() == 255);
  CHECK(to_vector<int>(tensor({-2.75, 2.75})) == std::vector<int>{-2, 2});
  CHECK(tensor({1e19}, float64).item<unsigned long long>() == 10000000000000000000ULL);  // NOLINT
  CHECK(to_vector<std::size_t>(tensor({1e19}, float64))[0] == 10000000000000000000ULL);
}

TEST_CASE("nested vectors of any depth") {
  using Deep = std::vector<std::vector<std::vector<float>>>;
  const Tensor x = tensor(Deep{{{1, 2}}, {{3, 4}}, {{5, 6}}});
  CHECK(x.shape() == Shape{3, 1, 2});
  CHECK(to_vector<int>(x) == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(tensor(std::vector<std::vector<bool>>{{true}, {false}}).dtype() == boolean);
  CHECK(tensor(std::vector<float>()).shape() == Shape{0});
  CHECK(tensor(std::vector<std::vector<float>>(2)).shape() == Shape{2, 0});
  CHECK(tensor(Deep()).shape() == Shape{0, 0, 0});
  CHECK_THROWS_WITH(tensor(std::vector<std::vector<int>>{{1, 2}, {3}}),
                    "tensor: ragged vectors: at level 1 the first one has size 2, another one 1");
  CHECK_THROWS_AS(tensor(Deep{{{1}}, {{1}, {2}}}), ShapeError);
}

TEST_CASE("a type that is no number, or no element type, does not compile") {
  for_each_type<Numbers>([](auto type) {
    using T = typename decltype(type)::type;
    static_assert(Readable<T> && Convertible<T> && NestedConvertible<T> && SpanConvertible<T> &&
                  SpanConvertible<const T> && ArrayConvertible<T>);
    constexpr bool kElement = std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t> ||
                              std::is_same_v<T, float> || std::is_same_v<T, double>;
    constexpr bool kFloating = std::is_same_v<T, float> || std::is_same_v<T, double>;
    static_assert(ReadableMemory<T> == kElement && WritableMemory<T> == kElement);
    static_assert(UsableMemory<T> == kElement && KnownDType<T> == kElement);
    static_assert(Drawable<T> == kFloating && BernoulliDrawable<T> == kElement);
  });
  for_each_type<Others>([](auto type) {
    using T = typename decltype(type)::type;
    static_assert(!Readable<T> && !ReadableMemory<T> && !WritableMemory<T>);
    static_assert(!UsableMemory<T> && !KnownDType<T> && !Drawable<T> && !BernoulliDrawable<T>);
    if constexpr (!std::is_const_v<T>) {
      static_assert(!Convertible<T> && !NestedConvertible<T> && !SpanConvertible<T> &&
                    !ArrayConvertible<T>);
    }
  });
  SUCCEED();
}

TEST_CASE("a number that does not fit into an integer type is refused") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double x : {1e300, -1e300, 0x1p63, kInfinity, -kInfinity, nan}) {
    INFO(x);
    CHECK_THROWS_AS(full({1}, x, int64), ValueError);
    CHECK_THROWS_AS(zeros({1}, int64).fill_(x), ValueError);
    CHECK_THROWS_AS(tensor({x, 1.0}, int64), ValueError);
    CHECK_THROWS_AS(masked_fill(zeros({1}, int64), tensor({true}), x), ValueError);
    CHECK_THROWS_AS(linspace(0, x, 3, int64), ValueError);
    const Tensor one = full({1}, x, float64);
    for_each_type<Numbers>([&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if (x == 0x1p63 && std::is_unsigned_v<T> && sizeof(T) == 8) return;
        REQUIRE_THROWS_AS(one.item<T>(), ValueError);
        REQUIRE_THROWS_AS(one.item<T>({0}), ValueError);
        REQUIRE_THROWS_AS(Variable(one).item<T>(), ValueError);
        REQUIRE_THROWS_AS(to_vector<T>(one), ValueError);
        REQUIRE_THROWS_AS(Scalar(x).to<T>(), ValueError);
      } else {
        one.item<T>();
        to_vector<T>(one);
        Scalar(x).to<T>();
      }
    });
  }
  CHECK_THROWS_WITH(full({1}, 1e300, int64),
                    "Scalar: 1e+300 does not fit into a signed integer of 64 bits");
  CHECK_THROWS_WITH(tensor({300}).item<unsigned char>(),
                    "item: 300 does not fit into an unsigned integer of 8 bits");
  CHECK_THROWS_WITH(to_vector<short>(tensor({1, 40'000})),  // NOLINT
                    "to_vector: 40000 does not fit into a signed integer of 16 bits");
  CHECK_THROWS_WITH(tensor(std::vector<std::uint64_t>{std::uint64_t{1} << 63}),
                    "tensor: 9.22337e+18 does not fit into a signed integer of 64 bits");
  CHECK_THROWS_AS(full({1}, std::uint64_t{1} << 63, int64), ValueError);
}

TEST_CASE("the largest and smallest numbers of integer types fit") {
  CHECK(full({1}, -0x1p63, int64).item<std::int64_t>() == INT64_MIN);
  CHECK(full({1}, 0x1.fffffffffffffp62, int64).item<std::int64_t>() == 0x7ffffffffffffc00);
  CHECK(tensor({-128.9}, float64).item<signed char>() == -128);
  CHECK(tensor({255.9}, float64).item<unsigned char>() == 255);
  CHECK(tensor({-0.9}, float64).item<unsigned>() == 0);
  CHECK(tensor({-1}).item<std::uint64_t>() == UINT64_MAX);  // as in PyTorch
  CHECK(tensor(INT64_MIN).item<std::int64_t>() == INT64_MIN);
  CHECK(to_vector<int>(tensor({-2147483648.5}, float64)) == std::vector<int>{INT32_MIN});
}

TEST_CASE("conversions of whole tensors give what PyTorch's give on x86") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : {float32, float64}) {
    const Tensor x = tensor({1e30, -1e30, kInfinity, -kInfinity, nan, -2.75}, dtype);
    const Tensor expected =
        tensor({INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, std::int64_t{-2}});
    CHECK(equal(x.to(int64), expected));
    CHECK(equal(zeros({6}, int64).copy_(x), expected));
    CHECK(equal(Variable(x).to(int64).value(), expected));
    CHECK(equal(x.to(boolean), ones({6}, boolean)));
  }
  CHECK(tensor({1e300}, float64).to(float32).item<float>() ==
        std::numeric_limits<float>::infinity());
}

// The middle is counted from the end, as in PyTorch: from the start it is one unit larger.
TEST_CASE("linspace: both halves are exact") {
  const Tensor x = linspace(0.1, 0.7, 5, float64);
  CHECK(x[0].item() == 0.1);
  CHECK(x[2].item() == 0x1.9999999999999p-2);
  CHECK(x[4].item() == 0.7);
}

TEST_CASE("remainder refuses booleans on either side") {
  CHECK_THROWS_AS(remainder(tensor({1, 2}), true), DTypeError);
  CHECK_THROWS_AS(remainder(true, tensor({1, 2})), DTypeError);
  CHECK_THROWS_AS(remainder(tensor({true, false}), tensor({1, 2})), DTypeError);
}
