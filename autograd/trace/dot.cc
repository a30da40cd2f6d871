// The graph of a Trace for Graphviz: ellipses are operations, boxes are Variables without history,
// filled ones are parameters. Read next: autograd/trace/html.cc.
#include <cstdio>

#include <tapegrad/autograd/trace/recording.h>

namespace tapegrad::trace {
namespace {

constexpr std::size_t kMostShown = 6;  // elements

std::string in_quotes(const std::string& text) {
  std::string quoted = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') quoted += '\\';
    if (byte == '\n') {
      quoted += "\\n";
    } else {
      quoted += byte;
    }
  }
  return quoted + '"';
}

std::string elements(const Snapshot& snapshot) {
  if (snapshot.is_summary || snapshot.data.size() > kMostShown) return "";
  std::string text;
  for (const double x : snapshot.data) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.4g", x);
    text += (text.empty() ? "\n" : " ") + std::string(digits);
  }
  return text;
}

std::string label(const TracedNode& node, const Snapshot& value) {
  std::string text = node.kind == Kind::operation ? node.operation : node.name;
  if (!text.empty()) text += ' ';
  return text + to_string(node.shape) + elements(value);
}

}  // namespace

std::string to_dot(const Contents& contents) {
  std::string dot =
      "digraph tape {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10];\n";
  for (std::size_t id = 0; id < contents.nodes.size(); ++id) {
    const TracedNode& node = contents.nodes[id];
    const Snapshot& value = contents.snapshots[static_cast<std::size_t>(node.value)];
    const char* style = ", shape=ellipse";
    if (node.kind == Kind::data) style = ", shape=box";
    if (node.kind == Kind::parameter) {
      style = ", shape=box, style=filled, fillcolor=\"#ffe9b8\"";
    }
    dot += "  n" + std::to_string(id) + " [label=" + in_quotes(label(node, value)) + style + "];\n";
    for (const int input : node.inputs) {
      if (input < 0) continue;
      dot += "  n" + std::to_string(input) + " -> n" + std::to_string(id) + ";\n";
    }
  }
  return dot + "}\n";
}

}  // namespace tapegrad::trace
