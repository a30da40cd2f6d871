// Tests that run on every row of op_cases(), and a test that every operation of autograd/ops.h has
// a row. Read next: golden_test.cc.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/random/random.h>

#include "autograd/declarations.h"
#include "autograd/op_cases.h"
#include "catch.h"

namespace tapegrad {
namespace {

using Variables = std::vector<Variable>;
using Tensors = std::vector<Tensor>;

// The same elements in another memory layout: `prepare` makes the leaf's value, and `look` makes
// the operation's input from the leaf.
struct ViewLayout {
  const char* name;
  std::function<Tensor(const Tensor&)> prepare;
  std::function<Variable(const Variable&)> look;
};

const std::vector<ViewLayout>& layouts() {
  static const std::vector<ViewLayout> all = {
      {"transposed", [](const Tensor& x) { return x.dim() < 2 ? x : transpose(x).clone(); },
       [](const Variable& x) { return x.dim() < 2 ? x : transpose(x); }},
      {"sliced",
       [](const Tensor& x) {
         return stack({x, x}, -1);
       },
       [](const Variable& x) { return select(x, -1, 1); }},
      {"with an offset",
       [](const Tensor& x) {
         return stack({x, x, x});
       },
       [](const Variable& x) { return select(x, 0, 1); }},
  };
  return all;
}

Variables leaves_of(const Tensors& inputs) {
  Variables leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(is_floating_point(input.dtype()) ? parameter(input.clone()) : Variable(input));
  }
  return leaves;
}

Variables floating(const Variables& all) {
  Variables wanted;
  for (const Variable& x : all) {
    if (is_floating_point(x.dtype())) wanted.push_back(x);
  }
  return wanted;
}

// sum(weight * output) over the outputs, with weights from 0.5 to 1.5.
Variable weighted(const Variables& outputs) {
  Generator generator(11);
  Variable total;
  for (const Variable& output : outputs) {
    if (!is_floating_point(output.dtype())) continue;
    const Tensor weight = rand(output.shape(), float64, generator).to(output.dtype()) + 0.5;
    const Variable term = sum(output * weight);
    total = total.defined() ? total + term : term;
  }
  return total;
}

Tensors values_of(const Variables& variables) {
  Tensors values;
  for (const Variable& x : variables) values.push_back(x.value());
  return values;
}

Tensors gradients_of(const OpCase& row, Variables leaves, const GradOptions& options = {}) {
  const Variables wanted = floating(leaves);
  const Variable loss = weighted(row.on_variables(leaves));
  GradOptions with_unused = options;
  with_unused.allow_unused = true;
  Tensors result;
  Variables gradients = grad(loss, wanted, with_unused);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    result.push_back(gradients[i].defined() ? gradients[i].value() : zeros_like(wanted[i].value()));
  }
  return result;
}

bool same(const Tensors& a, const Tensors& b, double tolerance) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].dtype() != b[i].dtype() || a[i].shape() != b[i].shape()) return false;
    if (!allclose(a[i], b[i], tolerance, tolerance, true)) return false;
  }
  return true;
}

// Calls `check` for every row, so that a failure names the row. An exception counts as a failure.
template <class Check>
void for_each_row(const Check& check) {
  for (const OpCase& row : op_cases()) {
    INFO(row.name);
    try {
      check(row);
    } catch (const Error& error) {
      FAIL_CHECK(error.what());
    }
    CHECK(tape().size() == 0);
  }
}

Variables constants_of(const Tensors& inputs) { return Variables(inputs.begin(), inputs.end()); }

Tensors map(const Tensors& inputs, const std::function<Tensor(const Tensor&)>& function) {
  Tensors result;
  for (const Tensor& input : inputs) result.push_back(function(input));
  return result;
}

}  // namespace

// Values ------------------------------------------------------------------------------------------

TEST_CASE("operations on Variables return the same values as on Tensors", "[autograd]") {
  for_each_row([](const OpCase& row) {
    Tensors inputs = row.inputs;
    const Tensors expected = row.on_tensors(inputs);
    Variables constants = constants_of(row.inputs);
    const Variables results = row.on_variables(constants);
    CHECK(same(values_of(results), expected, 1e-14));
    for (const Variable& result : results) CHECK_FALSE(result.requires_grad());
    CHECK(tape().size() == 0);
    Variables leaves = leaves_of(row.inputs);
    CHECK(same(values_of(row.on_variables(leaves)), expected, 1e-14));
    const NoGrad guard;
    row.on_variables(leaves);
    CHECK(tape().size() == 0);
  });
}

TEST_CASE("operations return the same for inputs in any layout", "[autograd]") {
  for_each_row([](const OpCase& row) {
    Tensors inputs = row.inputs;
    const Tensors expected = row.on_tensors(inputs);
    for (const ViewLayout& layout : layouts()) {
      INFO(layout.name);
      Tensors looked;
      for (const Tensor& input : row.inputs) {
        looked.push_back(layout.look(layout.prepare(input)).value());
        CHECK(equal(looked.back(), input));
      }
      CHECK(same(row.on_tensors(looked), expected, 1e-12));
    }
  });
}

// Gradients ---------------------------------------------------------------------------------------

TEST_CASE("gradients agree with numerical differences", "[autograd]") {
  for_each_row(
      [](const OpCase& row) { CHECK(gradcheck(row.on_variables, constants_of(row.inputs))); });
}

TEST_CASE("gradients of gradients agree with numerical differences", "[autograd]") {
  for_each_row(
      [](const OpCase& row) { CHECK(gradgradcheck(row.on_variables, constants_of(row.inputs))); });
}

TEST_CASE("gradients are right for inputs in any layout", "[autograd]") {
  for_each_row([](const OpCase& row) {
    for (const ViewLayout& layout : layouts()) {
      INFO(layout.name);
      const auto function = [&](Variables& inputs) {
        Variables looked;
        for (const Variable& input : inputs) looked.push_back(layout.look(input));
        return row.on_variables(looked);
      };
      CHECK(gradcheck(function, constants_of(map(row.inputs, layout.prepare))));
    }
  });
}

TEST_CASE("gradients of broadcast inputs are summed", "[autograd]") {
  const std::vector<std::function<Tensor(const Tensor&)>> smaller = {
      [](const Tensor& x) { return select(x, 0, 1).clone(); },
      [](const Tensor& x) { return narrow(x, 0, 1, 1).clone(); },
      [](const Tensor& x) { return narrow(x, 1, 1, 1).clone(); },
      [](const Tensor& x) { return select(select(x, 0, 1), 0, 1).clone(); },
      [](const Tensor& x) {
        return stack({x, x});
      },
  };
  int rows = 0;
  for_each_row([&](const OpCase& row) {
    if (!row.traits.elementwise || row.inputs.size() < 2) return;
    ++rows;
    for (std::size_t changed = 0; changed < row.inputs.size(); ++changed) {
      for (const auto& change : smaller) {
        Tensors inputs = row.inputs;
        inputs[changed] = change(inputs[changed]);
        CAPTURE(changed, inputs[changed].shape());
        CHECK(gradcheck(row.on_variables, constants_of(inputs), {.second_order = true}));
      }
    }
    // Both at once: (2, 1) with (3).
    Tensors inputs = row.inputs;
    inputs[0] = smaller[2](inputs[0]);
    inputs[1] = smaller[0](inputs[1]);
    CHECK(gradcheck(row.on_variables, constants_of(inputs), {.second_order = true}));
  });
  CHECK(rows > 10);
}

TEST_CASE("elementwise operations accept expanded, one-element and empty inputs", "[autograd]") {
  for_each_row([](const OpCase& row) {
    if (!row.traits.elementwise) return;
    const auto expanded = [&](Variables& inputs) {
      Variables looked;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        looked.push_back(expand(inputs[i], row.inputs[i].shape()));
      }
      return row.on_variables(looked);
    };
    const Tensors first_rows = map(row.inputs, [](const Tensor& x) { return narrow(x, 0, 0, 1); });
    CHECK(gradcheck(expanded, constants_of(first_rows), {.second_order = true}));
    for (const Shape& shape : {Shape{1}, Shape{}}) {
      const Tensors single = map(
          row.inputs, [&](const Tensor& x) { return reshape(narrow(flatten(x), 0, 1, 1), shape); });
      CHECK(gradcheck(row.on_variables, constants_of(single), {.second_order = true}));
    }
    const Tensors none = map(row.inputs, [](const Tensor& x) { return narrow(x, 0, 0, 0); });
    for (const Tensor& gradient : gradients_of(row, leaves_of(none))) {
      CHECK(gradient.shape() == none.front().shape());
    }
  });
}

TEST_CASE("output gradients with equal elements give equal gradients in any layout", "[autograd]") {
  // The gradient of a sum is expanded: one element in memory for all positions.
  for_each_row([](const OpCase& row) {
    Variables leaves = leaves_of(row.inputs);
    const Variables outputs = row.on_variables(leaves);
    for (const Variable& output : outputs) {
      if (!output.requires_grad()) continue;
      const auto with = [&](const Tensor& dy) {
        return grad(output, floating(leaves),
                    {.grad_output = dy, .retain_graph = true, .allow_unused = true});
      };
      const Tensor number = tensor(0.75, float64);
      const Variables expanded = with(expand(number, output.shape()));
      const Variables filled = with(expand(number, output.shape()).clone());
      for (std::size_t i = 0; i < filled.size(); ++i) {
        CHECK(expanded[i].defined() == filled[i].defined());
        if (!filled[i].defined()) continue;
        CHECK(allclose(expanded[i].value(), filled[i].value(), 1e-13, 1e-13));
      }
    }
  });
}

TEST_CASE("fused rules agree with the compositions that create_graph uses", "[autograd]") {
  for_each_row([](const OpCase& row) {
    const Tensors fused = gradients_of(row, leaves_of(row.inputs));
    const Tensors composed = gradients_of(row, leaves_of(row.inputs), {.create_graph = true});
    CHECK(same(fused, composed, 1e-13));
  });
}

TEST_CASE("backward() adds the gradients that grad() returns", "[autograd]") {
  for_each_row([](const OpCase& row) {
    Variables leaves = leaves_of(row.inputs);
    const Tensors expected = gradients_of(row, leaves);
    for (const int times : {1, 2}) {
      weighted(row.on_variables(leaves)).backward();
      std::size_t i = 0;
      for (const Variable& leaf : floating(leaves)) {
        const Tensor found = leaf.has_grad() ? leaf.grad() : zeros_like(leaf.value());
        CHECK(allclose(found, static_cast<double>(times) * expected[i++], 1e-13, 1e-13));
      }
    }
  });
}

TEST_CASE("an input that requires no gradient has no edge, and the other gradients are right",
          "[autograd]") {
  for_each_row([](const OpCase& row) {
    const Tensors expected = gradients_of(row, leaves_of(row.inputs));
    const std::size_t count = expected.size();
    for (std::size_t frozen = 0; frozen < count; ++frozen) {
      CAPTURE(frozen);
      Variables leaves = leaves_of(row.inputs);
      Variables wanted = floating(leaves);
      wanted[frozen].set_requires_grad(false);
      const Node* const node = wanted[frozen].node();
      const Variables outputs = row.on_variables(leaves);
      bool found = false;
      for (const Entry* e = tape().oldest(); e != nullptr; e = Tape::next(e)) {
        for (std::size_t i = 0; i < e->input_count(); ++i) found = found || e->input(i) == node;
      }
      CHECK_FALSE(found);
      if (count == 1) {
        CHECK(tape().size() == 0);
        continue;
      }
      wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(frozen));
      Tensors others = expected;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(frozen));
      Tensors gradients;
      for (const Variable& gradient : grad(weighted(outputs), wanted)) {
        gradients.push_back(gradient.value());
      }
      CHECK(same(gradients, others, 1e-13));
    }
  });
}

// The slopes of PyTorch 1.13 at 0 and -0, for parameters that differ from the defaults.
TEST_CASE("the slope of a power of 0 is PyTorch's", "[autograd]") {
  const Variable b = parameter(tensor({2.0, 0.0, 0.5}, float64));
  CHECK(equal(grad(sum(pow(0.0, b)), {b}).front().value(), zeros({3}, float64)));
  const Variable below = parameter(tensor({-1.0}, float64));  // 0^-1 is inf, log(0) is -inf
  CHECK(grad(sum(pow(0.0, below)), {below}).front().item() ==
        -std::numeric_limits<double>::infinity());
}

TEST_CASE("activations have PyTorch's slope at their kink", "[autograd]") {
  const auto slope = [](const std::function<Variable(const Variable&)>& function, double at) {
    const Variable x = parameter(tensor({at}, float64));
    return grad(sum(function(x)), {x}).front().item();
  };
  for (const double zero : {0.0, -0.0}) {
    CHECK(slope([](auto& x) { return relu(x); }, zero) == 0);
    CHECK(slope([](auto& x) { return leaky_relu(x, 0.25); }, zero) == 0.25);
    CHECK(slope([](auto& x) { return elu(x, 0.5); }, zero) == 0.5);
    CHECK(slope([](auto& x) { return elu(x, 2.0); }, zero) == 2);
    CHECK(slope([](auto& x) { return clamp(x, 0.0, 1.0); }, zero) == 1);
    CHECK(slope([](auto& x) { return clamp(x, -1.0, 0.0); }, zero) == 1);
    CHECK(slope([](auto& x) { return abs(x); }, zero) == 0);
  }
}

TEST_CASE("values and gradients in float32 are those of float64, rounded", "[autograd]") {
  for_each_row([](const OpCase& row) {
    Tensors inputs = row.inputs;
    Tensors rounded = map(row.inputs, [](const Tensor& x) {
      return is_floating_point(x.dtype()) ? x.to(float32) : x;
    });
    const Tensors values = row.on_tensors(inputs);
    const Tensors values32 = row.on_tensors(rounded);
    REQUIRE(values.size() == values32.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(values32[i].dtype() == (values[i].dtype() == float64 ? float32 : values[i].dtype()));
      CHECK(allclose(values32[i].to(float64), values[i].to(float64), 1e-5, 1e-5));
    }
    const Tensors gradients = gradients_of(row, leaves_of(row.inputs));
    const Tensors gradients32 = gradients_of(row, leaves_of(rounded));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      CHECK(gradients32[i].dtype() == float32);
      CHECK(allclose(gradients32[i].to(float64), gradients[i], 1e-4, 1e-5));
    }
  });
}

// Completeness ------------------------------------------------------------------------------------

TEST_CASE("every operation that ops.h declares has a row for each of its overloads", "[autograd]") {
  const auto declared = variable_operations().operations;
  REQUIRE(declared.size() > 100);

  std::map<std::string, int> rows;
  for (const OpCase& row : op_cases()) ++rows[row.operation()];
  for (const auto& [name, operation] : declared) {
    INFO(name << " has " << operation.overloads << " overloads in ops.h and " << rows[name]
              << " rows");
    CHECK(rows[name] >= operation.overloads);
  }
  for (const auto& [name, count] : rows) {
    INFO(name << " has " << count << " rows, ops.h does not declare it");
    CHECK(declared.count(name) == 1);
  }
}

}  // namespace tapegrad
