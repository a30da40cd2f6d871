// What a Trace writes down, compared with what the program computed. Read next:
// autograd/trace/trace.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/sgd.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
using Json = nlohmann::json;
using Numbers = std::vector<double>;

namespace {

Json tape_of(const tg::Trace& trace) { return Json::parse(trace.json()); }

// The elements of a tensor of the tape.
Numbers elements(const Json& tape, const Json& id) {
  return tape["tensors"][id.get<std::size_t>()]["data"].get<Numbers>();
}

std::vector<Json> steps_of(const Json& tape, const std::string& kind) {
  std::vector<Json> found;
  for (const Json& step : tape["steps"]) {
    if (step["kind"] == kind) found.push_back(step);
  }
  return found;
}

std::size_t node_named(const Json& tape, const std::string& name) {
  for (std::size_t i = 0; i < tape["nodes"].size(); ++i) {
    if (tape["nodes"][i]["name"] == name) return i;
  }
  FAIL("no node " << name);
  return 0;
}

std::vector<std::string> operations(const Json& tape) {
  std::vector<std::string> names;
  for (const Json& node : tape["nodes"]) {
    if (node["kind"] == "operation") names.push_back(node["op"]);
  }
  return names;
}

Numbers numbers(const tg::Tensor& tensor) { return tg::to_vector<double>(tensor.to(tg::float64)); }

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a trace holds inputs, values, gradients and sums in their order") {
  tg::Trace trace;
  const tg::Variable a = tg::parameter(tg::tensor(2.0)), b = tg::parameter(tg::tensor(-3.0));
  trace.name(a, "a");
  trace.name(b, "b");
  const tg::Variable c = a * b;
  const tg::Variable loss = c * a + c;  // (a b) a + a b: 2 a b + b, a^2 + a
  loss.backward();
  const Json tape = tape_of(trace);

  CHECK(tape["format"] == "tapegrad tape");
  CHECK(operations(tape) == std::vector<std::string>{"mul", "mul", "add"});
  CHECK(tape["nodes"][0]["kind"] == "parameter");
  CHECK(tape["nodes"][2]["inputs"] == Json{0, 1});
  CHECK(tape["nodes"][3]["inputs"] == Json{2, 0});
  CHECK(elements(tape, tape["nodes"][4]["value"]) == Numbers{-18});

  std::string kinds;
  for (const Json& step : tape["steps"]) kinds += step["kind"].get<std::string>().substr(0, 1);
  // Three entries; the seed; for each entry, newest first: it fires, two contributions, release;
  // two leaves.
  CHECK(kinds ==
        "fffs"
        "fccr"
        "fccr"
        "fccr"
        "ll");

  const auto parts = steps_of(tape, "contribution");
  REQUIRE(parts.size() == 6);
  // The second contribution to c: 1 from the sum, and 2 from the product.
  CHECK(parts[1]["to"] == 2);
  CHECK(parts[1]["before"] == nullptr);
  CHECK(elements(tape, parts[1]["after"]) == Numbers{1});
  CHECK(parts[2]["to"] == 2);
  CHECK(parts[2]["from"] == 3);
  CHECK(parts[2]["input"] == 0);
  CHECK(elements(tape, parts[2]["before"]) == Numbers{1});
  CHECK(elements(tape, parts[2]["gradient"]) == Numbers{2});
  CHECK(elements(tape, parts[2]["after"]) == Numbers{3});

  const auto leaves = steps_of(tape, "leaf");
  CHECK(elements(tape, leaves[0]["after"]) == numbers(a.grad()));
  CHECK(elements(tape, leaves[1]["after"]) == numbers(b.grad()));
  CHECK(numbers(a.grad()) == Numbers{-15});
}

TEST_CASE("bytes are those of the results whose entries have not been released") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::ones({10}));  // float32
  sum(square(exp(w))).backward();
  const Json tape = tape_of(trace);
  std::vector<std::int64_t> bytes;
  for (const Json& step : tape["steps"]) {
    if (step.contains("bytes")) bytes.push_back(step["bytes"]);
  }
  CHECK(bytes == std::vector<std::int64_t>{40, 80, 84, 80, 40, 0});
}

TEST_CASE("a hook that replaces a gradient is seen") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0}));
  const tg::Variable y = w * 3.0;
  y.register_hook([](const tg::Variable& dy) { return dy * 10.0; });
  w.register_hook([](const tg::Variable& dy) { return dy + 0.5; });
  sum(y).backward();
  const Json tape = tape_of(trace);
  CHECK(elements(tape, steps_of(tape, "fire")[1]["gradient"]) == Numbers{10, 10});
  CHECK(elements(tape, steps_of(tape, "leaf")[0]["after"]) == numbers(w.grad()));
  CHECK(numbers(w.grad()) == Numbers{30.5, 30.5});
}

TEST_CASE("a constant that was written to is another node") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0}));
  tg::Tensor x = tg::tensor({3.0, 4.0});
  w* x;
  w + x;
  x += 1;
  w - x;
  const Json tape = tape_of(trace);
  CHECK(tape["nodes"][3]["inputs"] == tape["nodes"][2]["inputs"]);
  CHECK(tape["nodes"].back()["inputs"] != tape["nodes"][2]["inputs"]);
  CHECK(elements(tape,
                 tape["nodes"][tape["nodes"].back()["inputs"][1].get<std::size_t>()]["value"]) ==
        Numbers{4, 5});
}

TEST_CASE("a value that an operation uses twice receives two contributions, by position") {
  tg::Trace trace;
  const tg::Variable x = tg::parameter(tg::tensor({2.0, 3.0}));
  sum(x * x).backward();
  const Json tape = tape_of(trace);
  const auto parts = steps_of(tape, "contribution");
  REQUIRE(parts.size() == 3);
  CHECK(parts[1]["input"] == 0);
  CHECK(parts[2]["input"] == 1);
  CHECK(elements(tape, parts[2]["before"]) == Numbers{2, 3});
  CHECK(elements(tape, parts[2]["after"]) == Numbers{4, 6});
}

TEST_CASE("broadcasting is undone between raw and gradient") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::ones({2, 3})), b = tg::parameter(tg::ones({3}));
  sum(w + b).backward();
  const Json tape = tape_of(trace);
  const auto parts = steps_of(tape, "contribution");
  const Json& raw = tape["tensors"][parts[2]["raw"].get<std::size_t>()];
  CHECK(raw["shape"] == Json{2, 3});
  const Json& fitted = tape["tensors"][parts[2]["gradient"].get<std::size_t>()];
  CHECK(fitted["shape"] == Json{3});
  CHECK(elements(tape, parts[2]["gradient"]) == Numbers{2, 2, 2});
}

TEST_CASE("slices and lookups have contributions of the input's shape, or rows") {
  tg::Trace trace;
  const tg::Variable x = tg::parameter(tg::ones({2, 3}));
  sum(select(x, 1, 2) * 5.0).backward();
  const tg::nn::Embedding table(6, 2);
  trace.name(table.weight, "table");
  sum(table(tg::tensor({4, 1, 4}))).backward();
  const Json tape = tape_of(trace);
  const auto parts = steps_of(tape, "contribution");
  CHECK(elements(tape, parts[2]["gradient"]) == Numbers{0, 0, 5, 0, 0, 5});
  const Json rows = tape["tensors"][parts.back()["after"].get<std::size_t>()];
  CHECK(rows["shape"] == Json{6, 2});
  CHECK(rows["rows"]["ids"] == Json{4, 1});
  CHECK(rows["rows"]["data"].get<Numbers>() == Numbers{2, 2, 1, 1});
  CHECK(steps_of(tape, "leaf").back()["node"] == node_named(tape, "table"));
}

TEST_CASE("modules name parameters and calls, optimizers report before and after") {
  tg::manual_seed(0);
  const tg::nn::Sequential model{tg::nn::Linear(2, 3), tg::nn::Linear(3, 1)};
  tg::optim::SGD sgd(model.parameters(), {.lr = 0.5});
  const tg::Tensor before = model.parameters()[0].value().clone();
  tg::Trace trace;
  mean(square(model(tg::ones({4, 2})))).backward();
  sgd.step();
  const Json tape = tape_of(trace);
  const std::size_t weight = node_named(tape, "0.weight");
  CHECK(tape["modules"][0]["type"] == "Sequential");
  CHECK(tape["modules"][2]["name"] == "1");
  CHECK(tape["modules"][2]["parent"] == 0);
  CHECK(tape["nodes"][node_named(tape, "1.weight") - 1]["kind"] == "operation");
  std::size_t seen = 0;
  for (const Json& step : steps_of(tape, "update")) {
    CHECK(step["optimizer"] == "SGD");
    CHECK(step["lr"] == 0.5);
    if (step["node"] != weight) continue;
    ++seen;
    const Numbers was = elements(tape, step["before"]), is = elements(tape, step["after"]);
    CHECK(was.size() == 6);
    for (std::size_t i = 0; i < was.size(); ++i) {
      CHECK(static_cast<float>(was[i]) == tg::to_vector<float>(before)[i]);
      CHECK(static_cast<float>(is[i]) == tg::to_vector<float>(model.parameters()[0].value())[i]);
    }
  }
  CHECK(seen == 1);
}

TEST_CASE("a value that the program sets by hand is an update") {
  tg::Trace trace;
  tg::Variable w = tg::parameter(tg::tensor(1.0));
  square(w).backward();
  w.set_value(tg::tensor(4.0));
  square(w).backward();
  const auto updates = steps_of(tape_of(trace), "update");
  REQUIRE(updates.size() == 1);
  CHECK(updates[0]["optimizer"] == "");
  CHECK_FALSE(updates[0].contains("lr"));
  CHECK(elements(tape_of(trace), updates[0]["after"]) == Numbers{4});
  CHECK(elements(tape_of(trace), steps_of(tape_of(trace), "leaf")[1]["before"]) == Numbers{2});
}

TEST_CASE("attributes of operations have PyTorch's names") {
  tg::Trace trace;
  const tg::Variable x = tg::parameter(tg::ones({2, 3}));
  softmax(x, 1);
  sum(x, {0}, true);
  x * 2.5;
  2.5 / x;
  gather(x, 1, tg::tensor({{0, 2}, {1, 1}}));
  clamp(x, std::nullopt, 3);
  const Json tape = tape_of(trace);
  std::vector<Json> found;
  for (const Json& node : tape["nodes"]) {
    if (node["kind"] == "operation") found.push_back(node.value("attributes", Json()));
  }
  CHECK(found[0] == Json{{"dim", 1}});
  CHECK(found[1] == Json{{"dim", {0}}, {"keepdim", true}});
  CHECK(found[2] == Json{{"other", 2.5}});
  CHECK(found[3] == Json{{"input", 2.5}});
  CHECK(elements(tape, found[4]["index"]["tensor"]) == Numbers{0, 2, 1, 1});
  CHECK(found[5] == Json{{"max", 3}});
}

// An operation that is not recorded leaves no attributes for the next one of its name.
TEST_CASE("constants do not leave attributes") {
  tg::Trace trace;
  const tg::Variable x = tg::parameter(tg::ones({2, 3}));
  sum(tg::Variable(tg::ones({2, 2})), {1});
  sum(x);
  CHECK_FALSE(tape_of(trace)["nodes"].back().contains("attributes"));
}

TEST_CASE("large tensors are summarized") {
  tg::Trace trace({.title = "large", .most_elements = 10});
  const tg::Variable x = tg::parameter(tg::arange(4000).to(tg::float32).reshape({40, 100}));
  tg::Tensor bad = tg::ones({100});
  bad.mutable_span<float>()[3] = std::numeric_limits<float>::infinity();
  sum(x * bad);
  const Json tape = tape_of(trace);
  const Json& large = tape["tensors"][0];
  CHECK(large["summary"]["min"] == 0);
  CHECK(large["summary"]["max"] == 3999);
  CHECK(large["summary"]["mean"] == 1999.5);
  CHECK(large["summary"]["nonfinite"] == 0);
  CHECK(large["thumbnail"]["rows"] == 32);
  CHECK(large["thumbnail"]["columns"] == 32);
  CHECK(large["thumbnail"]["data"].size() == 1024);
  CHECK(large["thumbnail"]["data"][0] == 1);  // the mean of 0, 1 and 2; rows 0 to 0
  CHECK(tape["tensors"][1]["summary"]["nonfinite"] == 1);
  CHECK_FALSE(large.contains("data"));
}

TEST_CASE("nan and infinity are words, and float32 elements are short") {
  tg::Trace trace;
  const tg::Variable x = tg::parameter(tg::tensor({0.1F, -0.0F, 2.0F}));
  log(x - 0.1F);
  const Json tape = tape_of(trace);
  CHECK(tape["tensors"][0]["data"].dump() == "[0.1,-0.0,2]");
  const Json result = tape["tensors"][tape["nodes"].back()["value"].get<std::size_t>()]["data"];
  CHECK(result[0] == "-inf");
  CHECK(result[1] == "nan");
}

TEST_CASE("a second pass, and one that records gradients, have their numbers") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0}));
  const tg::Variable y = sum(w * w * w);
  const tg::Variable g = tg::grad(y, w, {.create_graph = true});
  sum(g).backward();
  const Json tape = tape_of(trace);
  const auto seeds = steps_of(tape, "seed");
  REQUIRE(seeds.size() == 2);
  CHECK(seeds[0]["pass"] == 0);
  CHECK(seeds[1]["pass"] == 1);
  const auto leaves = steps_of(tape, "leaf");
  REQUIRE(leaves.size() == 1);  // grad() adds to none
  CHECK(leaves[0]["pass"] == 1);
  CHECK(elements(tape, leaves[0]["after"]) == Numbers{6, 12});
}

TEST_CASE("results that were recorded before the trace are data of their name") {
  const tg::Variable w = tg::parameter(tg::tensor(3.0));
  const tg::Variable y = square(w);
  tg::Trace trace;
  (y * 2.0).backward();
  const Json tape = tape_of(trace);
  CHECK(tape["nodes"][0]["name"] == "square, before the trace");
  CHECK(tape["nodes"][0]["kind"] == "data");
  CHECK(w.grad().item() == 12);
}

// Nothing that the program computes depends on whether it is traced ------------------------------

namespace {

// Trains a small model with a table and a recurrent cell, and returns all its parameters.
std::vector<Numbers> train(bool traced, std::size_t& entries) {
  tg::manual_seed(5);
  const tg::nn::Embedding table(12, 4);
  const tg::nn::GRUCell cell(4, 3);
  const tg::nn::Linear head(3, 2);
  std::vector<tg::NamedParameter> all{{"table", table.weight}, {"head", head.weight}};
  for (const tg::NamedParameter& each : cell.parameters()) all.push_back(each);
  tg::optim::Adam adam(all, {.lr = 0.05, .weight_decay = 0.01});
  std::optional<tg::Trace> trace;
  if (traced) trace.emplace();
  for (int step = 0; step < 4; ++step) {
    adam.zero_grad();
    const tg::Variable x = table(tg::tensor({{1, 2, 3}, {3, step, 5}}));
    tg::Variable h = cell.initial_state(2);
    for (std::int64_t t = 0; t < 3; ++t) h = cell(select(x, 1, t), h);
    tg::nn::cross_entropy(head(h), tg::tensor({0, 1})).backward();
    adam.step();
  }
  entries = tg::tape().size();
  std::vector<Numbers> values;
  for (const tg::NamedParameter& each : all) values.push_back(numbers(each.value()));
  return values;
}

}  // namespace

TEST_CASE("training gives the same bits with and without a trace, and the tape holds as much") {
  std::size_t plain_entries = 0, traced_entries = 0;
  const auto plain = train(false, plain_entries);
  const auto traced = train(true, traced_entries);
  CHECK(plain == traced);
  CHECK(plain_entries == traced_entries);
}

TEST_CASE("under NoGrad nothing is written down") {
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::tensor(3.0));
  {
    const tg::NoGrad guard;
    square(w);
  }
  CHECK(tape_of(trace)["nodes"].empty());
}

// Failing well ------------------------------------------------------------------------------------

TEST_CASE("a program that ends with an exception leaves a page") {
  const tg::test::TemporaryFolder folder;
  const std::string path = folder.file("tape.html");
  const auto program = [&](bool fails) {
    tg::Trace trace({.on_failure = path});
    const tg::Variable w = tg::parameter(tg::ones({2, 3}));
    const tg::Variable y = relu(w);
    if (fails) matmul(y, w);
  };
  program(false);
  CHECK(folder.files() == 0);
  CHECK_THROWS_AS(program(true), tg::ShapeError);
  const std::string page = read(path);
  CHECK(page.find("\"relu\"") != std::string::npos);
  CHECK(page.find(
            "{\"kind\":\"error\",\"op\":\"matmul\",\"text\":\"matmul: inner sizes differ: (2, 3) x "
            "(2, 3)") != std::string::npos);
}

TEST_CASE("an error that the program caught is not the one that ended it") {
  const tg::test::TemporaryFolder folder;
  const std::string path = folder.file("tape.html");
  const auto program = [&] {
    tg::Trace trace({.on_failure = path});
    const tg::Variable w = tg::parameter(tg::ones({2, 3}));
    CHECK_THROWS_AS(matmul(w, w), tg::ShapeError);
    relu(w);
    throw std::runtime_error("something else");
  };
  CHECK_THROWS_AS(program(), std::runtime_error);
  const std::string page = read(path);
  CHECK(page.find("\"relu\"") != std::string::npos);
  CHECK(page.find("{\"kind\":\"error\"") == std::string::npos);
}

TEST_CASE("texts of the program cannot end the script of the page") {
  const tg::test::TemporaryFolder folder;
  tg::Trace trace({.title = "</script><!-- \xFF"});
  tg::Variable w = tg::parameter(tg::tensor(1.0));
  trace.name(w, "<b>\"\\");
  trace.write_html(folder.file("page.html"));
  const std::string page = read(folder.file("page.html"));
  CHECK(page.find("\\u003c/script>\\u003c!-- \xEF\xBF\xBD") != std::string::npos);
  CHECK(page.find("/*TAPE*/") == std::string::npos);
  trace.write_dot(folder.file("tape.dot"));
  CHECK(read(folder.file("tape.dot")).find("[label=\"<b>\\\"\\\\ ()\\n1\"") != std::string::npos);
}

TEST_CASE("a thread has one trace at a time, and bad options change nothing") {
  {
    tg::Trace trace;
    CHECK_THROWS_WITH(tg::Trace(), "Trace: this thread has a Trace already; end that one first");
    CHECK_THROWS_WITH(trace.name(tg::Variable(), "x"), "Trace: cannot name an undefined Variable");
  }
  CHECK_THROWS_WITH(tg::Trace({.most_elements = -1}),
                    "Trace: most_elements is -1, needed 0 or more");
  tg::Trace trace;
  CHECK_THROWS_AS(trace.write_json("/no/such/folder/tape.json"), tg::IoError);
}

TEST_CASE("DOT has a line for each node and each edge") {
  const tg::test::TemporaryFolder folder;
  tg::Trace trace;
  const tg::Variable w = tg::parameter(tg::tensor({1.5, 2.0}));
  trace.name(w, "w");
  sum(w * tg::tensor({2.0, 3.0}));
  trace.write_dot(folder.file("tape.dot"));
  CHECK(read(folder.file("tape.dot")) ==
        "digraph tape {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10];\n"
        "  n0 [label=\"w (2)\\n1.5 2\", shape=box, style=filled, fillcolor=\"#ffe9b8\"];\n"
        "  n1 [label=\"(2)\\n2 3\", shape=box];\n"
        "  n2 [label=\"mul (2)\\n3 6\", shape=ellipse];\n"
        "  n0 -> n2;\n  n1 -> n2;\n"
        "  n3 [label=\"sum ()\\n9\", shape=ellipse];\n  n2 -> n3;\n}\n");
}
