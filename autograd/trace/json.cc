// The contents of a Trace as JSON; docs/tape.schema.json describes it. Read next:
// autograd/trace/dot.cc.
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include <tapegrad/autograd/trace/recording.h>

namespace tapegrad::trace {
namespace {

using Json = nlohmann::ordered_json;

Json number(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  if (x == std::floor(x) && std::abs(x) < 1e15 && !(x == 0 && std::signbit(x))) {
    return static_cast<std::int64_t>(x);  // 2, not 2.0
  }
  return x;
}

// The double that has the shortest decimal form of the float: 0.1, not 0.10000000149011612. As a
// float it is the same.
double shortest(float x) {
  if (!std::isfinite(x)) return x;
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), x);
  double number = x;
  std::from_chars(text.data(), end, number);
  return number;
}

Json numbers(const Snapshot& snapshot) {
  const bool floats = snapshot.dtype == float32 && !snapshot.is_summary;
  Json array = Json::array();
  for (const double x : snapshot.data) {
    array.push_back(number(floats ? shortest(static_cast<float>(x)) : x));
  }
  return array;
}

Json sizes(const Shape& shape) {
  Json array = Json::array();
  for (const std::int64_t size : shape) array.push_back(size);
  return array;
}

Json optional(int id) { return id < 0 ? Json(nullptr) : Json(id); }

Json json_of(const Snapshot& snapshot) {
  Json json{{"dtype", name(snapshot.dtype)}, {"shape", sizes(snapshot.shape)}};
  if (snapshot.is_summary) {
    json["summary"] = {{"min", number(snapshot.min)},
                       {"max", number(snapshot.max)},
                       {"mean", number(snapshot.mean)},
                       {"norm", number(snapshot.norm)},
                       {"nonfinite", snapshot.nonfinite}};
    json["thumbnail"] = {
        {"rows", snapshot.rows}, {"columns", snapshot.columns}, {"data", numbers(snapshot)}};
  } else if (snapshot.is_row_sparse) {
    json["rows"] = {{"ids", snapshot.ids}, {"data", numbers(snapshot)}};
  } else {
    json["data"] = numbers(snapshot);
  }
  return json;
}

Json json_of(const TracedAttribute& traced) {
  if (traced.snapshot >= 0) return {{"tensor", traced.snapshot}};
  const AttributeValue& value = traced.attribute.value;
  using ValueKind = AttributeValue::Kind;
  switch (value.kind) {
    case ValueKind::flag:
      return value.flag;
    case ValueKind::integer:
      return value.integer;
    case ValueKind::number:
      return number(value.number);
    case ValueKind::text:
      return value.text;
    case ValueKind::sizes:
      return sizes(value.sizes);
    case ValueKind::pair:
      return value.pair;
    case ValueKind::tensor:
      break;  // it is a snapshot
  }
  return {};
}

Json json_of(const TracedNode& node) {
  constexpr const char* kKinds[] = {"parameter", "data", "operation"};
  Json json{{"kind", kKinds[static_cast<int>(node.kind)]}, {"name", node.name}};
  if (node.kind == Kind::operation) {
    json["op"] = node.operation;
    json["inputs"] = node.inputs;
  }
  json["requires_grad"] = node.requires_grad;
  json["value"] = node.value;
  json["dtype"] = name(node.dtype);
  json["shape"] = sizes(node.shape);
  json["module"] = node.module;
  if (node.keeps) json["keeps"] = *node.keeps;
  for (const TracedAttribute& attribute : node.attributes) {
    json["attributes"][attribute.attribute.name] = json_of(attribute);
  }
  return json;
}

Json json_of(const TracedCall& call) {
  return {{"parent", call.parent},
          {"name", call.path},
          {"type", call.description},
          {"call", call.call}};
}

Json json_of(const TracedUpdate::Numbers& tensors) {
  Json json = Json::object();
  for (const auto& [name, snapshot] : tensors) json[name] = snapshot;
  return json;
}

void add_update(Json& json, const TracedUpdate& update) {
  json["optimizer"] = update.optimizer;
  json["lr"] = update.lr;
  if (update.gradient < 0) return;
  json["gradient"] = update.gradient;
  json["options"] = Json::object();
  for (const TracedAttribute& option : update.options) {
    json["options"][option.attribute.name] = json_of(option);
  }
  json["state"] = json_of(update.state_before);
  json["state"]["step"] = update.number - 1;
  json["state_after"] = json_of(update.state_after);
  json["state_after"]["step"] = update.number;
  if (!update.parts.empty()) json["parts"] = json_of(update.parts);
}

Json json_of(const TracedStep& step, const Contents& contents) {
  using StepKind = TracedStep::Kind;
  switch (step.kind) {
    case StepKind::forward:
      return {{"kind", "forward"}, {"node", step.node}, {"bytes", step.bytes}};
    case StepKind::seed:
      return {
          {"kind", "seed"}, {"pass", step.pass}, {"node", step.node}, {"gradient", step.gradient}};
    case StepKind::fire:
      return {
          {"kind", "fire"}, {"pass", step.pass}, {"node", step.node}, {"gradient", step.gradient}};
    case StepKind::contribution:
      return {{"kind", "contribution"},    {"pass", step.pass},
              {"from", step.from},         {"input", step.position},
              {"to", step.node},           {"raw", step.raw},
              {"gradient", step.gradient}, {"before", optional(step.before)},
              {"after", step.after}};
    case StepKind::release:
      return {{"kind", "release"}, {"pass", step.pass}, {"node", step.node}, {"bytes", step.bytes}};
    case StepKind::leaf:
      return {{"kind", "leaf"},
              {"pass", step.pass},
              {"node", step.node},
              {"before", optional(step.before)},
              {"after", step.after}};
    case StepKind::update: {
      Json json{{"kind", "update"},
                {"node", step.node},
                {"before", step.before},
                {"after", step.after},
                {"optimizer", ""}};
      if (step.update >= 0) {
        add_update(json, contents.updates[static_cast<std::size_t>(step.update)]);
      }
      return json;
    }
    case StepKind::error:
      return {{"kind", "error"},
              {"op", step.text.substr(0, step.text.find(':'))},
              {"text", step.text},
              {"inputs", Json::array()}};
    case StepKind::snapshot:
      break;
  }
  return {{"kind", "snapshot"}, {"title", step.text}};
}

template <class Part>
Json all(const std::vector<Part>& parts) {
  Json array = Json::array();
  for (const Part& part : parts) array.push_back(json_of(part));
  return array;
}

}  // namespace

std::string to_json(const Contents& contents, const PageOptions& options) {
  Json json{{"format", "tapegrad tape"}, {"version", 1}, {"title", contents.title}};
  if (options.quiz) json["quiz"] = *options.quiz;
  json["tensors"] = all(contents.snapshots);
  json["nodes"] = all(contents.nodes);
  json["modules"] = all(contents.calls);
  json["steps"] = Json::array();
  for (const TracedStep& step : contents.steps) json["steps"].push_back(json_of(step, contents));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tapegrad::trace
