// What a Trace says that rules keep, compared with what the tape keeps alive. Read next:
// autograd/trace/recording.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/nn/losses.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "catch.h"

namespace tg = tapegrad;
using Json = nlohmann::json;
using tg::Variable;

namespace {

Json nodes_of(const tg::Trace& trace) { return Json::parse(trace.json())["nodes"]; }

using Arguments = std::array<Variable, 3>;  // x and y (2, 3), w (3, 3)
struct Operation {
  std::string name;
  std::function<Variable(const Arguments&)> compute;
};

const std::vector<Operation> kOperations = {
    {"add", [](const auto& a) { return a[0] + a[1]; }},
    {"mul", [](const auto& a) { return a[0] * a[1]; }},
    {"square of a product", [](const auto& a) { return a[0] * a[0]; }},
    {"div", [](const auto& a) { return a[0] / a[1]; }},
    {"pow", [](const auto& a) { return pow(a[0], 3); }},
    {"maximum", [](const auto& a) { return maximum(a[0], a[1]); }},
    {"exp", [](const auto& a) { return exp(a[0]); }},
    {"log", [](const auto& a) { return log(a[0]); }},
    {"sqrt", [](const auto& a) { return sqrt(a[0]); }},
    {"tanh", [](const auto& a) { return tanh(a[0]); }},
    {"sigmoid", [](const auto& a) { return sigmoid(a[0]); }},
    {"relu", [](const auto& a) { return relu(a[0]); }},
    {"gelu", [](const auto& a) { return gelu(a[0]); }},
    {"sin", [](const auto& a) { return sin(a[0]); }},
    {"sum", [](const auto& a) { return sum(a[0], {1}); }},
    {"mean", [](const auto& a) { return mean(a[0]); }},
    {"var", [](const auto& a) { return var(a[0], {1}); }},
    {"norm", [](const auto& a) { return norm(a[0], {1}); }},
    {"logsumexp", [](const auto& a) { return logsumexp(a[0], {1}); }},
    {"softmax", [](const auto& a) { return softmax(a[0], 1); }},
    {"log_softmax", [](const auto& a) { return log_softmax(a[0], 1); }},
    {"layer_norm", [](const auto& a) { return layer_norm(a[0], {3}, {}, {}); }},
    {"matmul", [](const auto& a) { return matmul(a[0], a[2]); }},
    {"linear", [](const auto& a) { return linear(a[0], a[2], {}); }},
    {"reshape",
     [](const auto& a) {
       return reshape(a[0], {3, 2});
     }},
    {"transpose", [](const auto& a) { return transpose(a[0], 0, 1); }},
    {"cat",
     [](const auto& a) {
       return tg::cat({a[0], a[1]}, 0);
     }},
    {"select", [](const auto& a) { return select(a[0], 1, 2); }},
    {"gather",
     [](const auto& a) {
       return gather(a[0], 1, tg::tensor({{0, 2}, {1, 1}}));
     }},
    {"where", [](const auto& a) { return where(a[0].value() > 1.0, a[0], a[1]); }},
    {"cross_entropy",
     [](const auto& a) {
       return tg::nn::cross_entropy(a[0], tg::tensor({0, 2}));
     }},
};

const std::vector<tg::Shape> kShapes = {{2, 3}, {2, 3}, {3, 3}};

// Results with a memory of their own, which ends when nothing keeps it.
Arguments arguments(std::array<std::weak_ptr<void>, 3>& memories) {
  Arguments all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto memory = std::make_shared<std::vector<double>>();
    for (int k = 0; k < 9; ++k)
      memory->push_back(0.5 + 0.25 * ((5 * k + 2 * static_cast<int>(i)) % 7));
    memories[i] = memory;
    const tg::Tensor value = tg::Tensor::external(memory->data(), kShapes[i], tg::float64, memory);
    all[i] = record("source", value,
                    tg::from(tg::parameter(tg::zeros(kShapes[i], tg::float64)),
                             [](const Variable& dy) { return dy; }));
  }
  return all;
}

// Which arguments (0 to 2) the tape keeps when only the history is left, and 3 if it keeps the
// result: then a rule notices that it was overwritten.
std::set<int> truth(const Operation& operation) {
  std::array<std::weak_ptr<void>, 3> memories;
  Variable later;
  {
    const Arguments all = arguments(memories);
    later = operation.compute(all) * 2.0;  // keeps the history of the result, not its value
  }
  std::set<int> kept;
  for (int i = 0; i < 3; ++i) {
    if (!memories[static_cast<std::size_t>(i)].expired()) kept.insert(i);
  }
  const Variable y = operation.compute(arguments(memories));
  tg::Tensor value = y.value();
  if (value.is_contiguous()) value.mutable_data<double>()[0] += 0;
  try {
    y.backward(tg::ones_like(y.value()));
  } catch (const tg::AutogradError&) {
    kept.insert(3);
  }
  return kept;
}

std::set<int> traced(const Operation& operation) {
  std::array<std::weak_ptr<void>, 3> memories;
  const tg::Trace trace;
  const Arguments all = arguments(memories);  // nodes 1, 3 and 5
  const Variable y = operation.compute(all);
  y.backward(tg::ones_like(y.value()));
  std::set<int> kept;
  const Json nodes = nodes_of(trace);
  for (const Json& node : nodes) {
    if (node["kind"] != "operation" || node["op"] == "source") continue;
    REQUIRE(node.contains("keeps"));
    for (const int id : node["keeps"]) kept.insert(id == 1 || id == 3 || id == 5 ? id / 2 : 3);
  }
  return kept;
}

}  // namespace

TEST_CASE("keeps: what rules keep of arguments and result is what the tape keeps alive") {
  int with_input = 0, with_result = 0, with_nothing = 0;
  for (const Operation& operation : kOperations) {
    INFO(operation.name);
    const std::set<int> kept = truth(operation);
    CHECK(traced(operation) == kept);
    with_input += kept.contains(0);
    with_result += kept.contains(3);
    with_nothing += kept.empty();
  }
  CHECK(with_input >= 8);
  CHECK(with_result >= 5);
  CHECK(with_nothing >= 5);
}

TEST_CASE("keeps: leaves and constants count, and each is named once") {
  const tg::Trace trace;
  const Variable a = tg::parameter(tg::tensor({1.0, 2.0})),
                 b = tg::parameter(tg::tensor({3.0, 4.0}));
  const Variable c = tg::tensor({5.0, 6.0});
  const Variable ab = a * b, aa = a * a, ac = a * c, twice = a * 2.0;
  sum(ab + aa + ac + twice + b).backward();
  std::vector<Json> products;
  const Json nodes = nodes_of(trace);
  for (const Json& node : nodes) {
    if (node.value("op", "") == "mul") products.push_back(node);
    if (node.value("op", "") == "add" || node.value("op", "") == "sum") {
      CHECK(node["keeps"] == Json::array());
    }
  }
  REQUIRE(products.size() == 4);
  CHECK(products[0]["keeps"] == products[0]["inputs"]);
  CHECK(products[1]["keeps"] == Json::array({products[1]["inputs"][0]}));
  CHECK(products[2]["keeps"] ==
        Json::array({products[2]["inputs"][1]}));  // c is for the gradient of a
  CHECK(products[3]["keeps"] == Json::array());
}

TEST_CASE("keeps: unknown while the entry has not been released") {
  const tg::Trace trace;
  const Variable a = tg::parameter(tg::tensor({1.0, 2.0}));
  const Variable y = sum(a * a);
  y.backward({.retain_graph = true});
  CHECK_FALSE(nodes_of(trace)[1].contains("keeps"));
  y.backward();
  CHECK(nodes_of(trace)[1]["keeps"] == Json{0});
}
