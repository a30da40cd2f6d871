// Turns the text of each call into a line of C++. Read next: tapes_test.cc.
#include "tapes/print.h"

#include <cctype>
#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

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
  for (const double x : leaf.elements) {
    elements += (elements.empty() ? "" : ", ") + number(x, leaf.dtype);
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
  std::vector<std::size_t> outputs;
  try {
    const NoGrad guard;
    for (const Results& results : run(program, leaves_of(program))) {
      outputs.push_back(results.size());
    }
  } catch (const std::exception&) {
  }
  outputs.resize(program.steps.size(), 1);  // of the call that throws

  std::string leaves, lines, values;
  int leaf = 0;
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
    lines += "    const " + std::string(outputs[s] == 1 ? "Variable y" : "Results y") + number +
             " = " + (outputs[s] == 1 ? call : "results(" + call + ")") + ";\n";
    values += (values.empty() ? "" : ", ") + std::string("y") + number;
    if (outputs[s] != 1) values += "[0]";
  }
  std::ostringstream test;
  test << "// " << finding.kind << ": " << finding.text << "\n"
       << "TEST_CASE(\"found with seed " << program.seed << "\", \"[tapes]\") {\n"
       << "  const auto program = [](std::vector<Variable>& leaves) -> std::vector<Variable> {\n"
       << lines << "    return {" << values << "};\n  };\n"
       << "  const std::vector<Variable> leaves = {\n"
       << leaves << "};\n";
  const bool numerical = finding.kind == "gradient" || finding.kind == "second order" ||
                         finding.kind == "fused" || finding.kind == "accumulated";
  if (numerical) {
    test << "  CHECK(gradcheck(program, leaves, {.second_order = true}));\n";
  } else {
    test << "  std::vector<Variable> copies = leaves;\n"
         << "  for (const Variable& y : program(copies)) CAPTURE(y);\n"
         << "  FAIL(\"" << finding.kind << "\");\n";
  }
  test << "}\n";
  return test.str();
}

}  // namespace tapegrad::tapes
