// Reads the operations that an ops.h declares, and the heading of each. Read next: ops_test.cc.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace tapegrad {

struct Declared {
  std::string heading;  // "Elementwise"
  std::string file;     // "elementwise.cc"
  std::string start;    // of its definition: what it returns and its name
  int overloads = 0;
};

struct Declarations {
  std::vector<std::string> headings;  // in their order
  std::map<std::string, Declared> operations;
};

// `layer` is "tensor" or "autograd". The lines of declarations begin with one of these types.
inline Declarations declarations_of(const std::string& layer,
                                    const std::vector<std::string>& types) {
  std::ifstream header(TAPEGRAD_SOURCE_DIR "/" + layer + "/ops.h");
  Declarations result;
  std::string file;
  for (std::string line; std::getline(header, line);) {
    if (line.starts_with("// ") && line.ends_with("-----")) {
      const std::size_t bracket = line.find(" (");
      result.headings.push_back(line.substr(3, bracket - 3));
      file = line.substr(bracket + 2, line.find(')') - bracket - 2);
    }
    if (line.starts_with("inline ")) line.erase(0, 7);
    for (const std::string& type : types) {
      const std::size_t bracket = line.find('(');
      if (!line.starts_with(type + " ") || bracket == std::string::npos) continue;
      const std::string name = line.substr(type.size() + 1, bracket - type.size() - 1);
      Declared& declared = result.operations[name];
      if (++declared.overloads > 1) continue;
      declared.heading = result.headings.back();
      declared.file = file;
      declared.start = type + " " + name + "(";
    }
  }
  return result;
}

inline Declarations tensor_operations() {
  return declarations_of("tensor", {"Tensor", "std::vector<Tensor>", "ValuesAndIndices"});
}
inline Declarations variable_operations() {
  return declarations_of("autograd", {"Variable", "std::vector<Variable>", "VariableAndIndices"});
}

inline std::string text_of_file(const std::string& path) {
  std::ifstream file(TAPEGRAD_SOURCE_DIR "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace tapegrad
