// Names that the standard library has, too: after both using-directives, ours are called, or the
// line does not compile. Read next: tests/nn/temporaries_test.cc.
#include <algorithm>
#include <any>
#include <cmath>
#include <complex>
#include <functional>
#include <iterator>
#include <numeric>
#include <stack>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"

// Only in functions with names of their own: Catch2's macros do not bear these directives.
namespace names {

using namespace std;
using namespace tapegrad;
using namespace tapegrad::nn;
using namespace tapegrad::optim;

template <class A, class B>
concept CanTie = requires(A a, B b) {
  tie(a, b);
};
static_assert(CanTie<Parameter&, Parameter&> && CanTie<Parameter&, const Parameter&>);
static_assert(is_void_v<decltype(tie(declval<Parameter&>(), declval<Parameter&>()))>);
static_assert(!CanTie<const Parameter&, Parameter&> && !CanTie<const Parameter&, const Parameter&>);
static_assert(!CanTie<Parameter&, Variable&> && !CanTie<const Parameter&, const Variable&>);
template <class... P>
concept CanTieMore = requires(P&... p) {
  tie(p...);
};
static_assert(!CanTieMore<Parameter, Parameter, Parameter> && !CanTieMore<Parameter>);
// std::tie for what is no Parameter.
static_assert(
    is_same_v<decltype(tie(declval<Variable&>(), declval<int&>())), tuple<Variable&, int&>>);

static_assert(is_same_v<decltype(empty({2, 3})), Tensor>);
static_assert(is_same_v<decltype(empty({size_t{2}})), Tensor>);
static_assert(is_same_v<decltype(empty({2, 3}, float64)), Tensor>);
static_assert(is_same_v<decltype(empty(declval<vector<int64_t>&>())), Tensor>);
static_assert(is_same_v<decltype(empty(declval<Tensor&>().sizes())), Tensor>);
static_assert(is_same_v<decltype(empty(Shape())), Tensor>);
static_assert(is_same_v<decltype(empty({size_t{2}, 3})), Tensor>);
static_assert(is_same_v<decltype(rand({2, 3})), Tensor>);
static_assert(is_same_v<decltype(to_string(Shape())), string>);

// Every function whose name std or C has, too: `using std::name;` was compiled for each name that
// tapegrad's headers declare. The other names that both have are classes in std (any, stack, slice,
// logical_and, is_floating_point): a plain call of these is ambiguous and does not compile.
template <class X>
void call_all(const X& x) {
  static_assert(is_same_v<decltype(abs(x)), X> && is_same_v<decltype(pow(x, 2)), X>);
  static_assert(is_same_v<decltype(pow(2, x)), X> && is_same_v<decltype(pow(x, x)), X>);
  static_assert(is_same_v<decltype(exp(x)), X> && is_same_v<decltype(expm1(x)), X>);
  static_assert(is_same_v<decltype(log(x)), X> && is_same_v<decltype(log1p(x)), X>);
  static_assert(is_same_v<decltype(log2(x)), X> && is_same_v<decltype(sqrt(x)), X>);
  static_assert(is_same_v<decltype(sin(x)), X> && is_same_v<decltype(cos(x)), X>);
  static_assert(is_same_v<decltype(tan(x)), X> && is_same_v<decltype(tanh(x)), X>);
  static_assert(is_same_v<decltype(max(x)), X> && is_same_v<decltype(min(x)), X>);
  static_assert(is_same_v<decltype(max(x, 1).values), X>);
  static_assert(is_same_v<decltype(min(x, 1, true).values), X>);
  static_assert(is_same_v<decltype(sort(x, 1, true).values), X>);
  static_assert(is_same_v<decltype(sort(x).values), X>);
  static_assert(is_same_v<decltype(clamp(x, 0, 1)), X> &&
                is_same_v<decltype(clamp(x, 0.0, 1.0)), X>);
  static_assert(is_same_v<decltype(norm(x)), X> && is_same_v<decltype(norm(x, 2.0)), X>);
  static_assert(is_same_v<decltype(prod(x)), X> && is_same_v<decltype(cumsum(x, 0)), X>);
  static_assert(is_same_v<decltype(erf(x)), X> && is_same_v<decltype(reciprocal(x)), X>);
  static_assert(is_same_v<decltype(select(x, 0, 1)), X> &&
                is_same_v<decltype(gather(x, 0, Tensor())), X>);
  static_assert(is_same_v<decltype(transpose(x, 0, 1)), X> && is_same_v<decltype(dot(x, x)), X>);
  static_assert(is_same_v<decltype(div(x, x)), X> && is_same_v<decltype(div(x, 2)), X>);
  static_assert(is_same_v<decltype(stddev(x)), X> &&
                is_same_v<decltype(stddev(x, {0}, false, true)), X>);
}
void call_tensor(const Tensor& x) {
  call_all(x);
  call_all(Variable(x));
  static_assert(is_same_v<decltype(equal(x, x)), bool>);
  static_assert(is_same_v<decltype(floor(x)), Tensor> && is_same_v<decltype(ceil(x)), Tensor>);
  static_assert(is_same_v<decltype(round(x)), Tensor> && is_same_v<decltype(isnan(x)), Tensor>);
  static_assert(is_same_v<decltype(isinf(x)), Tensor> && is_same_v<decltype(isfinite(x)), Tensor>);
  static_assert(
      is_same_v<decltype(visit(x.dtype(), [](auto zero) { return sizeof(zero); })), size_t>);
}

bool tie_works() {
  Linear a(2, 2);
  Linear b(2, 2);
  tie(a.weight, b.weight);
  return &a.weight.leaf() == &b.weight.leaf();
}

bool stddev_is_std(const Tensor& x) {
  return tapegrad::equal(stddev(x), tapegrad::std(x)) &&
         tapegrad::equal(stddev(Variable(x)).value(), tapegrad::std(x)) &&
         tapegrad::equal(stddev(x, {0}, false, true), tapegrad::std(x, {0}, false, true));
}

}  // namespace names

TEST_CASE("after both using-directives, names of the standard library are ours") {
  names::call_tensor(tapegrad::Tensor());
  CHECK(names::tie_works());
  CHECK(names::stddev_is_std(tapegrad::randn({3, 4})));
}
