// Writes a source file with one class for each line of C++ in a table of a document, so that the
// lines are compiled and run: lines_of_table docs/from_pytorch.md out.cc. The lines are those in
// the second column. Read next: tests/docs/from_pytorch_test.cc.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

// The cells of a row of a Markdown table; `\|` is a bar inside a cell.
std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells(1);
  for (std::size_t i = 1; i < row.size(); ++i) {
    if (row[i] == '\\' && i + 1 < row.size() && row[i + 1] == '|') {
      cells.back() += row[++i];
    } else if (row[i] == '|') {
      cells.emplace_back();
    } else {
      cells.back() += row[i];
    }
  }
  for (std::string& cell : cells) {
    const std::size_t first = cell.find_first_not_of(" `");
    const std::size_t last = cell.find_last_not_of(" `");
    cell = first == std::string::npos ? "" : cell.substr(first, last - first + 1);
  }
  return cells;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: lines_of_table DOCUMENT OUTPUT\n";
    return EXIT_FAILURE;
  }
  std::ifstream document(arguments[1]);
  std::ofstream out(arguments[2]);
  out << "#include \"from_pytorch.h\"\nnamespace {\n";
  std::string table;
  int number = 0, lines = 0, names = 0;
  for (std::string line; std::getline(document, line);) {
    ++number;
    if (line.rfind("| `", 0) != 0) continue;
    ++names;
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() < 2 || cells[1].empty()) continue;
    ++lines;
    const std::string name = "Line" + std::to_string(number);
    out << "struct " << name << " : Names {\n  void run() {\n#line " << number << " \""
        << arguments[1] << "\"\n    " << cells[1] << ";\n  }\n};\n";
    table += "    {" + std::to_string(number) + ", [] { " + name + "().run(); }},\n";
  }
  out << "}  // namespace\nconst std::vector<Line> kLines = {\n"
      << table << "};\nconst int kNames = " << names << ";\n";
  return document.eof() && out && lines > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
