// Compares the operations on Tensors with those on Variables for unusual inputs: 0-d, empty, every
// element type, dimensions out of range. Both must return the same values, types and shapes, or
// throw the same error with the same text. Read next: ../golden_test.cc.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tapegrad/autograd/tape.h>

#include "autograd/declarations.h"
#include "autograd/ops/both_classes.h"
#include "catch.h"

namespace tapegrad::both_classes {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Inputs ------------------------------------------------------------------------------------------

const std::vector<Tensor>& inputs_of(Kind kind) {
  static const std::vector<Tensor> few = {
      full({}, 1.5),
      full({}, 3),
      zeros({0}),
      tensor({0.5, -1.5, 2.0}),
      tensor({{1.0, -2.0, 0.5}, {-0.25, 3.0, 1.5}}, float64),
      transpose(tensor({{1.0, -2.0, 0.5}, {-0.25, 3.0, 1.5}})),
      tensor({{1, -2, 3}, {0, 5, -1}}),
      tensor({{{0.5, 1.5}, {-2.5, 2.0}, {1.0, 3.0}}, {{0.25, -1.0}, {2.5, 0.5}, {-0.5, 4.0}}}),
      zeros({0, 3}),
  };
  static const std::vector<Tensor> values = [] {
    std::vector<Tensor> all = few;
    for (const Tensor& x : {
             full({}, -2.5, float64),
             full({}, true),
             zeros({0}, int64),
             tensor({2, -1, 3}),
             tensor({true, false, true}),
             tensor({kNaN, kInfinity, -1.5}, float64),
             tensor({{0.5, -1.5, 2.0}}),
             tensor({{2.0}, {-3.0}}, float64),
             tensor({{true, false, false}, {true, true, false}}),
             tensor({{2.0, 0.0, -1.0}, {0.0, 1.5, 4.0}, {-0.5, 3.0, 1.0}}),
             zeros({2, 0}, float64),
             zeros({2, 0, 3}),
             ones({1, 1, 1, 1, 1, 1, 1, 2}),
         }) {
      all.push_back(x);
    }
    return all;
  }();
  static const std::vector<Tensor> indices = {
      full({}, 0),
      full({}, 1),
      full({}, 1.0),
      zeros({0}, int64),
      tensor({1, 0}),
      tensor({0, 2, 1}),
      tensor({0, 7}),
      tensor({{0, 1, 1}, {2, 0, 0}}),
      tensor({{0, 1, 0}}),
      tensor({{-1}, {0}}),
      tensor({{0.0, 1.0, 0.0}}),
      zeros({0, 3}, int64),
      tensor({{{0, 1}, {1, 0}, {0, 0}}}),
  };
  static const std::vector<Tensor> masks = {
      full({}, true),
      zeros({0}, boolean),
      tensor({true, false, true}),
      tensor({{true, false, true}, {false, false, true}}),
      tensor({{true}, {false}}),
      zeros({0, 3}, boolean),
      tensor({1, 0, 1}),
  };
  switch (kind) {
    case Kind::values:
      return values;
    case Kind::few:
      return few;
    case Kind::indices:
      return indices;
    default:
      return masks;
  }
}

// The values of an integer argument: a dimension, a position or a size.
constexpr std::int64_t kIntegers[] = {-9, -3, -2, -1, 0, 1, 2, 3, 7};

// Comparison --------------------------------------------------------------------------------------

// The outcome of a call: tensors, or an error.
struct Outcome {
  std::vector<Tensor> values;
  std::string error;  // its class and its text
};

template <class X>
Outcome outcome_of(std::vector<X> (*function)(std::vector<X>&, std::int64_t),
                   std::vector<X>& inputs, std::int64_t n, std::vector<X>* results = nullptr) {
  Outcome outcome;
  try {
    std::vector<X> got = function(inputs, n);
    for (const X& each : got) outcome.values.push_back(plain(each));
    if (results != nullptr) *results = std::move(got);
  } catch (const Error& error) {
    outcome.error = std::string(typeid(error).name()) + " " + error.what();
  }
  return outcome;
}

std::string described(const Tensor& x) { return name(x.dtype()) + to_string(x.sizes()); }
std::string described(const Outcome& outcome) {
  if (!outcome.error.empty()) return outcome.error;
  std::string text = std::to_string(outcome.values.size()) + " results";
  for (const Tensor& x : outcome.values) text += " " + described(x);
  return text;
}

// Whether both are equal to the bit, with NaN equal to NaN.
bool same(const Outcome& a, const Outcome& b) {
  if (a.error != b.error || a.values.size() != b.values.size()) return false;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const Tensor& x = a.values[i];
    const Tensor& y = b.values[i];
    if (x.dtype() != y.dtype() || x.shape() != y.shape()) return false;
    if (!allclose(x, y, 0, 0, true)) return false;
  }
  return true;
}

bool is_value(Kind kind) { return kind == Kind::values || kind == Kind::few; }

// Describes what is wrong with the gradients of `results`; empty if all have their leaf's type and
// shape.
std::string fault_of_gradients(const std::vector<Variable>& results,
                               const std::vector<Variable>& leaves) {
  Variable total;
  for (const Variable& y : results) {
    if (!is_floating_point(y.dtype())) continue;
    if (!y.requires_grad()) return "a result has no history";
    const Variable term = sum(square(y));
    total = total.defined() ? total + term : term;
  }
  if (!total.defined()) return {};
  for (const bool create_graph : {false, true}) {
    try {
      const std::vector<Variable> gradients =
          grad(total, leaves,
               {.create_graph = create_graph, .retain_graph = true, .allow_unused = true});
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        if (!gradients[i].defined()) continue;
        const Tensor& dx = gradients[i].value();
        if (dx.shape() == leaves[i].shape() && dx.dtype() == leaves[i].dtype()) continue;
        return "a gradient is " + described(dx) + ", its leaf " + described(leaves[i].value());
      }
    } catch (const Error& error) {
      return error.what();
    }
  }
  return {};
}

void check_call(const Row& row, std::vector<Tensor> inputs, std::int64_t n) {
  std::vector<Variable> constants(inputs.begin(), inputs.end());
  std::vector<Variable> tracked;
  std::vector<Variable> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    tracked.push_back(inputs[i]);
    if (!is_value(row.kinds[i]) || !is_floating_point(inputs[i].dtype())) continue;
    tracked.back().set_requires_grad(true);
    leaves.push_back(tracked.back());
  }
  const auto call = [&] {
    std::string text = row.name + " of";
    for (const Tensor& x : inputs) text += " " + described(x);
    return row.takes_integer ? text + " and " + std::to_string(n) : text;
  };
  const Outcome expected = outcome_of(row.on_tensors, inputs, n);
  const Outcome on_constants = outcome_of(row.on_variables, constants, n);
  std::vector<Variable> results;
  const Outcome on_leaves = outcome_of(row.on_variables, tracked, n, &results);
  for (const Outcome* found : {&on_constants, &on_leaves}) {
    if (same(expected, *found)) continue;
    FAIL_CHECK(call() << "\non Tensors: " << described(expected) << "\non "
                      << (found == &on_leaves ? "leaves: " : "constants: ") << described(*found));
  }
  if (results.empty() || leaves.empty()) return;
  const std::string fault = fault_of_gradients(results, leaves);
  if (!fault.empty()) FAIL_CHECK(call() << ": " << fault);
}

// Calls f(inputs) for every combination of inputs of these kinds.
template <class Function>
void for_each_combination(const std::vector<Kind>& kinds, const Function& function) {
  std::vector<std::size_t> at(kinds.size(), 0);
  while (true) {
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < kinds.size(); ++i) inputs.push_back(inputs_of(kinds[i])[at[i]]);
    function(inputs);
    std::size_t i = 0;
    while (i < kinds.size() && ++at[i] == inputs_of(kinds[i]).size()) at[i++] = 0;
    if (i == kinds.size()) return;
  }
}

}  // namespace

TEST_CASE("operations on Tensors and Variables agree on unusual inputs", "[autograd]") {
  for (const Row& row : all_rows()) {
    for_each_combination(row.kinds, [&](const std::vector<Tensor>& inputs) {
      for (const std::int64_t n : kIntegers) {
        check_call(row, inputs, n);
        if (!row.takes_integer) break;
      }
    });
  }
  CHECK(tape().size() == 0);
}

// Completeness ------------------------------------------------------------------------------------

TEST_CASE("every operation of both classes has a row here for each of its overloads",
          "[autograd]") {
  const auto on_tensors = tensor_operations().operations;
  const auto on_variables = variable_operations().operations;
  std::map<std::string, int> rows;
  for (const Row& row : all_rows()) ++rows[row.operation()];
  int both = 0;
  for (const auto& [name, declared] : on_variables) {
    const auto found = on_tensors.find(name);
    if (found == on_tensors.end()) continue;
    ++both;
    INFO(name);
    CHECK(rows[name] >= std::min(declared.overloads, found->second.overloads));
  }
  CHECK(both > 100);
  for (const auto& [name, count] : rows) {
    INFO(name);
    CHECK((on_tensors.contains(name) && on_variables.contains(name)));
  }
}

TEST_CASE("both ops.h have the same headings, which name the file of each operation",
          "[autograd]") {
  const Declarations on_tensors = tensor_operations();
  const Declarations on_variables = variable_operations();
  const auto common = [](const Declarations& a, const Declarations& b) {
    std::vector<std::string> result;
    for (const std::string& heading : a.headings) {
      if (std::ranges::count(b.headings, heading) == 1) result.push_back(heading);
    }
    return result;
  };
  CHECK(common(on_tensors, on_variables).size() > 10);
  CHECK(common(on_tensors, on_variables) == common(on_variables, on_tensors));
  const auto check_files = [](const std::string& layer, const Declarations& declarations) {
    std::map<std::string, std::string> texts;
    for (const auto& [name, declared] : declarations.operations) {
      if (name.starts_with("operator")) continue;  // defined in ops.h
      const std::string path = layer + "/ops/" + declared.file;
      if (!texts.contains(path)) texts[path] = "\n" + text_of_file(path);
      INFO(name << " in " << path);
      CHECK(texts[path].find("\n" + declared.start) != std::string::npos);
    }
  };
  check_files("tensor", on_tensors);
  check_files("autograd", on_variables);
  for (const auto& [name, declared] : on_variables.operations) {
    const auto found = on_tensors.operations.find(name);
    if (found == on_tensors.operations.end()) continue;
    INFO(name);
    CHECK(declared.heading == found->second.heading);
    CHECK(declared.file == found->second.file);
  }
}

}  // namespace tapegrad::both_classes
