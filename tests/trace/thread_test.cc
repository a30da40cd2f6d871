// A Trace that another thread destroys. Read next: autograd/tape_threads.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/autograd/trace/trace.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "catch.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
using Json = nlohmann::json;

namespace {

std::size_t nodes(const tg::Trace& trace) { return Json::parse(trace.json())["nodes"].size(); }

void compute() {
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0}));
  sum(square(w)).backward();
}

}  // namespace

TEST_CASE("another thread may destroy a trace, and its own thread goes on without it",
          "[threads]") {
  auto trace = std::make_unique<tg::Trace>();
  compute();
  CHECK(nodes(*trace) == 3);
  std::thread([&] { trace.reset(); }).join();
  compute();
  CHECK_THROWS_AS(tg::ones({2, 3}) + tg::ones({4}), tg::ShapeError);  // nobody notes it
  const tg::Trace next;
  compute();
  CHECK(nodes(next) == 3);
}

TEST_CASE("a trace may outlive its thread", "[threads]") {
  std::unique_ptr<tg::Trace> trace;
  std::optional<tg::Variable> result;  // keeps the thread's tape alive
  std::thread([&] {
    trace = std::make_unique<tg::Trace>();
    result = square(tg::parameter(tg::tensor(3.0)));
  }).join();
  CHECK(nodes(*trace) == 2);
  const bool has_result = GENERATE(true, false);
  if (!has_result) result.reset();
  trace.reset();
  compute();
  CHECK(tg::tape().size() == 0);
}

TEST_CASE("destroying a trace of another thread leaves this thread's own trace as it is",
          "[threads]") {
  const tg::test::TemporaryFolder folder;
  const std::string path = folder.file("tape.html");
  const auto program = [&] {
    std::unique_ptr<tg::Trace> other;
    std::thread([&] { other = std::make_unique<tg::Trace>(); }).join();
    tg::Trace own({.on_failure = path});
    other.reset();
    const tg::Variable w = tg::parameter(tg::ones({2, 3}));
    CHECK_NOTHROW(relu(w));
    CHECK(nodes(own) == 2);
    matmul(w, w);
  };
  CHECK_THROWS_AS(program(), tg::ShapeError);
  CHECK(folder.files() == 1);
}

// While an exception unwinds a thread, the number of exceptions in flight says nothing about the
// thread that the Trace observed.
TEST_CASE("an exception on the thread that destroys a trace writes no page", "[threads]") {
  const tg::test::TemporaryFolder folder;
  const auto program = [&] {
    std::unique_ptr<tg::Trace> other;
    std::thread([&] {
      other = std::make_unique<tg::Trace>(tg::TraceOptions{.on_failure = folder.file("t.html")});
    }).join();
    throw tg::ValueError("stop");
  };
  CHECK_THROWS_AS(program(), tg::ValueError);
  CHECK(folder.files() == 0);
}
