// check_tape() finds planted mistakes in a rule of each family of autograd/ops, and names the
// operation. Each family has an operation of its sort, written here through record(), with a place
// where its rule can be spoiled. Read next: autograd/trace/check_tape.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/autograd/trace/check_tape.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "catch.h"

namespace tg = tapegrad;
using tg::from;
using tg::record;
using tg::Tensor;
using tg::Variable;

namespace {

// What is wrong with the gradient that a rule returns.
enum class Mistake { none, sign, factor, missing_term, not_summed, transposed };

std::string name_of(Mistake mistake) {
  const char* const names[] = {"none",         "sign",       "factor",
                               "missing term", "not summed", "transposed"};
  return names[static_cast<int>(mistake)];
}

// The right gradient of an input, and gradients as the other mistakes make them.
struct Gradient {
  Variable right;
  Variable term{};        // a part of it that is easy to forget
  Variable not_summed{};  // without the sum over an axis along which the input was broadcast
  Variable transposed{};
};

Variable spoiled(const Gradient& gradient, Mistake mistake) {
  switch (mistake) {
    case Mistake::sign:
      return -gradient.right;
    case Mistake::factor:
      return gradient.right * 2.0;
    case Mistake::missing_term:
      return gradient.right - gradient.term;
    case Mistake::not_summed:
      return gradient.not_summed;
    case Mistake::transposed:
      return gradient.transposed;
    case Mistake::none:
      break;
  }
  return gradient.right;
}

// An operation of a family: its result, with a mistake in one of its rules.
struct Family {
  std::string name;  // of the file in autograd/ops
  std::vector<tg::Shape> shapes;
  std::function<Variable(const std::vector<Variable>&, Mistake)> compute;
  std::set<Mistake> more;  // besides sign and factor
  bool is_table = false;   // the first input is a table whose gradient is row-sparse
};

// y = a * a * b, where b is broadcast along the first dimension.
Variable elementwise(const Variable& a, const Variable& b, Mistake mistake) {
  return record("my elementwise", a.value() * a.value() * b.value(),
                from(a, [a, b](const Variable& dy) { return dy * 2.0 * a * b; }),
                from(b, [a, mistake](const Variable& dy) {
                  const Variable right = dy * square(a);
                  return spoiled({.right = right, .not_summed = mean(right, {0})}, mistake);
                }));
}

// y = x + x^3, whose gradient has two terms.
Variable two_terms(const Variable& x, Mistake mistake) {
  return record("my two terms", x.value() + x.value() * x.value() * x.value(),
                from(x, [x, mistake](const Variable& dy) {
                  const Variable cubic = dy * 3.0 * square(x);
                  return spoiled({.right = dy + cubic, .term = cubic}, mistake);
                }));
}

// The mean of the squares of each row.
Variable reductions(const Variable& x, Mistake mistake) {
  return record("my reductions", mean(square(x.value()), {1}),
                from(x, [x, mistake](const Variable& dy) {
                  const double n = static_cast<double>(x.size(1));
                  const Variable right = unsqueeze(dy, 1) * 2.0 * x / n;
                  return spoiled({.right = right, .term = narrow_to_first(right)}, mistake);
                }));
}

}  // namespace
