// How a summary is recorded with hooks, and how its table is printed. Read next:
// nn/module/format.h.
#include <tapegrad/nn/module/summary.h>

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <ostream>
#include <sstream>
#include <utility>

#include <tapegrad/nn/module/format.h>

namespace tapegrad::nn {

// Watching ----------------------------------------------------------------------------------------

// A module with the hook that fills its row, and its training mode, which is restored at the end.
// The handle shares the module's state but is not const, and its class is plain Module.
struct SummaryWatch::Watched {
  explicit Watched(const Module& watched)
      : module(watched), handle(watched), was_training(watched.is_training()) {}
  const Module& module;
  Module handle;
  bool was_training;
  std::size_t hook = 0;
  SummaryRow row{};
};

namespace {

std::vector<Shape> shapes_of(const std::vector<Variable>& variables) {
  std::vector<Shape> shapes;
  for (const Variable& each : variables) shapes.push_back(each.defined() ? each.shape() : Shape{});
  return shapes;
}

std::int64_t bytes_of(const std::vector<Variable>& variables) {
  std::int64_t bytes = 0;
  for (const Variable& each : variables) {
    if (each.defined()) bytes += each.numel() * static_cast<std::int64_t>(item_size(each.dtype()));
  }
  return bytes;
}

void record_call(SummaryRow& row, const Module& module, const std::vector<Variable>& inputs,
                 const std::vector<Variable>& outputs) {
  ++row.calls;
  row.inputs = shapes_of(inputs);
  row.outputs = shapes_of(outputs);
  row.mult_adds += row.parameters == 0 ? 0 : module.mult_adds(inputs, outputs);
  row.output_bytes += bytes_of(outputs);
}

// The class alone: "Linear" of "Linear(64, 32)".
std::string class_of(const std::string& description) {
  return description.substr(0, description.find('('));
}

}  // namespace

SummaryWatch::SummaryWatch(const Module& model) {
  watch("", model, 0);
  watched_.front()->handle.eval();
}

void SummaryWatch::watch(const std::string& name, const Module& module, int depth) {
  counts_.resize(std::max(counts_.size(), static_cast<std::size_t>(depth) + 1));
  Watched& watched = *watched_.emplace_back(std::make_unique<Watched>(module));
  watched.row = {.name = name,
                 .type = class_of(module.description()),
                 .depth = depth,
                 .index = ++counts_[static_cast<std::size_t>(depth)],
                 .parameters = module.own_parameter_count()};
  watched.hook = watched.handle.register_forward_hook(
      [row = &watched.row](const Module& called, const std::vector<Variable>& inputs,
                           const std::vector<Variable>& outputs) {
        record_call(*row, called, inputs, outputs);
      });
  for (const auto& [child, inside] : module.named_children()) {
    watch(dotted(name, child), *inside, depth + 1);
  }
}

// Outer modules come first, because train() also sets the modules inside; these are restored after
// it.
SummaryWatch::~SummaryWatch() {
  for (const auto& watched : watched_) {
    watched->handle.train(watched->was_training);
    watched->handle.remove_hook(watched->hook);
  }
}

Summary SummaryWatch::finish(const std::vector<Variable>& inputs,
                             const std::vector<Variable>& outputs) {
  Summary summary;
  SummaryRow& first = watched_.front()->row;
  const Module& model = watched_.front()->module;
  if (first.calls == 0) record_call(first, model, inputs, outputs);
  summary.input_bytes = bytes_of(inputs);
  for (const NamedParameter& each : model.parameters()) {
    const std::int64_t count = each.variable.numel();
    summary.parameters += count;
    if (each.variable.requires_grad()) summary.trainable_parameters += count;
    summary.parameter_bytes += bytes_of({each.variable});
  }
  for (const auto& watched : watched_) {
    const SummaryRow& row = watched->row;
    summary.mult_adds += row.mult_adds;
    if (row.parameters > 0) summary.output_bytes += 2 * row.output_bytes;
    summary.rows.push_back(row);
  }
  return summary;
}

// Printing ----------------------------------------------------------------------------------------

namespace {

std::string megabytes(std::int64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << static_cast<double>(bytes) / 1e6;
  return text.str();
}

std::string shape_of(const std::vector<Shape>& shapes) {
  return shapes.empty() ? "--" : to_string(shapes.front());
}

// The branches of the tree to the left of a row. A branch goes on if a later row has the same
// parent.
std::string branches(const std::vector<SummaryRow>& rows, std::size_t i) {
  std::string text;
  for (int depth = 1; depth <= rows[i].depth; ++depth) {
    std::size_t next = i + 1;
    while (next < rows.size() && rows[next].depth > depth) ++next;
    const bool goes_on = next < rows.size() && rows[next].depth == depth;
    text += depth < rows[i].depth ? (goes_on ? "│    " : "     ") : (goes_on ? "├─" : "└─");
  }
  return text;
}

std::string label(const std::vector<SummaryRow>& rows, std::size_t i) {
  const SummaryRow& row = rows[i];
  std::string text = branches(rows, i) + row.type;
  if (row.depth > 0) text += ": " + std::to_string(row.depth) + "-" + std::to_string(row.index);
  if (row.calls > 1) text += " (" + std::to_string(row.calls) + " calls)";
  return text;
}

// The columns of a text on a terminal. Bytes that continue a UTF-8 character need no column.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

using Line = std::vector<std::string>;

// The heading, and a line for each module.
std::vector<Line> table_of(const std::vector<SummaryRow>& rows) {
  std::vector<Line> lines = {
      {"Layer (type:depth-idx)", "Input Shape", "Output Shape", "Param #", "Mult-Adds"}};
  const auto number = [](std::int64_t n) { return n == 0 ? "--" : with_separators(n); };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    lines.push_back({label(rows, i), shape_of(rows[i].inputs), shape_of(rows[i].outputs),
                     number(rows[i].parameters), number(rows[i].mult_adds)});
  }
  return lines;
}

// The width of each column, including the space before the next one.
std::vector<std::size_t> column_widths(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (std::size_t& each : widths) each += 3;
  return widths;
}

void print_line(std::ostream& out, const Line& line, const std::vector<std::size_t>& widths) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    text += line[i] + std::string(widths[i] - width(line[i]), ' ');
  }
  out << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
}

void print_totals(std::ostream& out, const Summary& summary, const std::string& rule) {
  out << "Total params: " << with_separators(summary.parameters)
      << "\nTrainable params: " << with_separators(summary.trainable_parameters)
      << "\nNon-trainable params: "
      << with_separators(summary.parameters - summary.trainable_parameters)
      << "\nTotal mult-adds: " << with_separators(summary.mult_adds) << '\n'
      << rule << "Input size (MB): " << megabytes(summary.input_bytes)
      << "\nForward/backward pass size (MB): " << megabytes(summary.output_bytes)
      << "\nParams size (MB): " << megabytes(summary.parameter_bytes)
      << "\nEstimated Total Size (MB): "
      << megabytes(summary.input_bytes + summary.output_bytes + summary.parameter_bytes) << '\n';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Summary& summary) {
  const std::vector<Line> lines = table_of(summary.rows);
  const std::vector<std::size_t> widths = column_widths(lines);
  const std::size_t total = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
  const std::string rule = std::string(total, '=') + "\n";
  out << rule;
  print_line(out, lines.front(), widths);
  out << rule;
  for (std::size_t i = 1; i < lines.size(); ++i) print_line(out, lines[i], widths);
  out << rule;
  print_totals(out, summary, rule);
  return out << rule;
}

}  // namespace tapegrad::nn
