// Turns the text of each call into a line of C++; for a wrong value, the test holds the right one.
// Read next: tapes_test.cc.
#include "tapes/print.h"

#include <cctype>
#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr std::size_t kMostPrinted = 200;

std::string number(double x, DType dtype) {
  if (std::isnan(x)) return "NAN";
  if (std::isinf(x)) return x < 0 ? "-INFINITY" : "INFINITY";
  if (dtype == boolean) return x != 0 ? "true" : "false";
  std::ostringstream text;
  text.precision(17);
  text << x;
  if (x == 0 && std::signbit(x)) text.str("-0.0");
  std::string result = text.str();
  if (dtype != int64 && result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

std::string list(const Shape& shape) {
  std::string text = "{";
  for (std::int64_t d = 0; d < shape.dim(); ++d) {
    text += (d > 0 ? ", " : "") + std::to_string(shape[d]);
  }
  return text + "}";
}

std::string printed_leaf(const Step& leaf) {
  const std::string type = name(leaf.dtype);
  if (leaf.elements.empty()) return "zeros(" + list(leaf.shape) + ", " + type + ")";
  std::string elements;
  for (std::size_t i = 0; i < leaf.elements.size(); ++i) {
    if (i == kMostPrinted) {
      elements += " /* and " + std::to_string(leaf.elements.size() - i) + " more */";
      break;
    }
    elements += (elements.empty() ? "" : ", ") + number(leaf.elements[i], leaf.dtype);
  }
  return "reshape(tensor({" + elements + "}, " + type + "), " + list(leaf.shape) + ")";
}

std::string name_of_result(const Program& program, const std::vector<std::size_t>& outputs,
                           const Ref& ref) {
  const auto step = static_cast<std::size_t>(ref.step);
  const std::string name = (program.steps[step].is_leaf() ? "x" : "y") + std::to_string(ref.step);
  if (outputs[step] == 1) return name;
  return name + "[" + std::to_string(ref.output) + "]";
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Replaces each whole word of `names` in the text of a call.
std::string replaced(const std::string& text,
                     const std::vector<std::pair<std::string, std::string>>& names) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const bool begins = i == 0 || (!is_word(text[i - 1]) && text[i - 1] != '.');
    bool found = false;
    for (const auto& [name, value] : names) {
      if (!begins || text.compare(i, name.size(), name) != 0) continue;
      const std::size_t end = i + name.size();
      if (end < text.size() && is_word(name.back()) && is_word(text[end])) continue;
      result += value;
      i = end;
      found = true;
      break;
    }
    if (!found) result += text[i++];
  }
  return result;
}

std::string printed_call(const Program& program, const std::vector<std::size_t>& outputs,
                         const Step& step) {
  std::vector<std::pair<std::string, std::string>> names;
  std::string all;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const std::string name = name_of_result(program, outputs, step.inputs[i]);
    names.emplace_back("x[" + std::to_string(i) + "]", name);
    all += (all.empty() ? "" : ", ") + name;
  }
  names.emplace_back("x", "Results{" + all + "}");
  const Attributes& a = step.a;
  names.insert(names.end(), {{"a.i", std::to_string(a.i)},
                             {"a.j", std::to_string(a.j)},
                             {"a.k", std::to_string(a.k)},
                             {"a.l", std::to_string(a.l)},
                             {"a.p", number(a.p, float64)},
                             {"a.q", number(a.q, float64)},
                             {"a.flag2", a.flag2 ? "true" : "false"},
                             {"a.flag", a.flag ? "true" : "false"},
                             {"a.shape", "Shape" + list(a.shape)},
                             {"a.dims", "Dims" + list(a.dims)}});
  return replaced(step.operation->text, names);
}

}  // namespace

std::string as_test(const Program& program, const Finding& finding) {
  Values results;
  try {
    const NoGrad guard;
    results = run(program, leaves_of(program));
  } catch (const std::exception&) {
    // The last call throws.
  }
  std::vector<std::size_t> outputs;
  for (const Results& each : results) outputs.push_back(each.size());
  outputs.resize(program.steps.size(), 1);

  std::string leaves, lines, values;
  int leaf = 0;
  std::size_t returned = 0;
  std::string failing;  // the result that has a wrong value
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const Step& step = program.steps[s];
    const std::string number = std::to_string(s);
    if (step.is_leaf() && (step.constant || !is_floating_point(step.dtype))) {
      lines += "    const Variable x" + number + " = " + printed_leaf(step) + ";\n";
      continue;
    }
    if (step.is_leaf()) {
      leaves += std::string(leaves.empty() ? "" : ",\n") + "      " + printed_leaf(step);
      lines += "    const Variable& x" + number + " = leaves[" + std::to_string(leaf++) + "];\n";
      continue;
    }
    const std::string call = printed_call(program, outputs, step);
    const std::string function = step.operation->function();
    const bool lists = function == "split" || function == "chunk" || function == "unbind";
    lines += outputs[s] != 1 ? "    const Results y" + number + " = results(" + call + ");\n"
             : lists         ? "    const Variable y" + number + " = " + call + "[0];\n"
                             : "    const Variable y" + number + " = " + call + ";\n";
    if (finding.step == static_cast<int>(s)) failing = std::to_string(returned);
    for (std::size_t o = 0; o < outputs[s]; ++o, ++returned) {
      values += (values.empty() ? "" : ", ") +
                name_of_result(program, outputs, {static_cast<int>(s), static_cast<int>(o)});
    }
  }
  std::ostringstream test;
  test << "// " << finding.kind << ": " << finding.text << "\n"
       << "// In namespace tapegrad::tapes, with tapes/operation.h and autograd/gradcheck.h.\n"
       << "TEST_CASE(\"found with seed " << program.seed << "\", \"[tapes]\") {\n"
       << "  const auto program = [](std::vector<Variable>& leaves [[maybe_unused]])\n"
       << "      -> std::vector<Variable> {\n"
       << lines << "    return {" << values << "};\n  };\n"
       << "  std::vector<Variable> leaves = {\n"
       << leaves << "};\n";
  const bool numerical = finding.kind == "gradient" || finding.kind == "second order" ||
                         finding.kind == "fused" || finding.kind == "accumulated";
  if (numerical) {
    test << "  CHECK(gradcheck(program, leaves, {.second_order = true}));\n";
  } else if (!failing.empty() && finding.kind.ends_with("value")) {
    const auto step = static_cast<std::size_t>(finding.step);
    Plains inputs;
    for (const Variable& input : inputs_of(program.steps[step], results)) {
      inputs.push_back(plain_of(input.value()));
    }
    const Plain wanted = program.steps[step].operation->plain(inputs, program.steps[step].a)[0];
    test << "  CHECK(allclose(program(leaves)[" << failing << "].value(),\n                 "
         << printed_leaf({.shape = wanted.shape, .dtype = wanted.dtype, .elements = wanted.x})
         << ",\n                 1e-12, 1e-12, true));\n";
  } else {
    test << "  CHECK_NOTHROW(program(leaves));\n  FAIL(\"" << finding.kind << "\");\n";
  }
  test << "}\n";
  return test.str();
}

}  // namespace tapegrad::tapes
