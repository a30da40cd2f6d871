// Handles to history that are copied and dropped on other threads than the one that recorded it.
// ThreadSanitizer runs these, too.
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops.h>

#include "catch.h"

using namespace tapegrad;

namespace {

// Runs work(0), work(1), ... at the same time, each on a thread of its own.
void on_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

Variable chain(const Variable& x, int length) {
  Variable y = x;
  for (int i = 0; i < length; ++i) y = y * 0.5;
  return y;
}

// Adds 1 to a count when it is destroyed.
struct Counted {
  std::atomic<int>* count;
  explicit Counted(std::atomic<int>& destroyed) : count(&destroyed) {}
  Counted(Counted&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
  ~Counted() {
    if (count != nullptr) ++*count;
  }
};

}  // namespace

TEST_CASE("history that another thread drops leaves the tape", "[autograd][threads]") {
  const Variable w = parameter(ones({2}));
  Variable y = chain(w, 100);
  Variable kept = chain(w, 3);
  CHECK(tape().size() == 103);
  std::thread([moved = std::move(y)]() mutable { moved = Variable(); }).join();
  CHECK(tape().size() == 3);
  std::thread([copy = kept]() mutable { copy = Variable(); }).join();
  CHECK(tape().size() == 3);
  sum(kept).backward();
  CHECK(equal(w.grad(), full({2}, 0.125)));
}

TEST_CASE("threads drop history while its own thread records, differentiates and drops",
          "[autograd][threads]") {
  const Variable w = parameter(full({4}, 0.5));
  const std::size_t before = tape().size();
  for (int round = 0; round < 20; ++round) {
    const Variable shared = chain(w, 20);
    std::vector<std::vector<Variable>> parts(3);
    for (int i = 0; i < 90; ++i) {
      parts[static_cast<std::size_t>(i % 3)].push_back(chain(shared, i % 7));
    }
    std::vector<std::thread> threads;
    for (std::vector<Variable>& part : parts) {
      threads.emplace_back([&part] {
        while (!part.empty()) {
          const Variable copy = part.back();
          part.pop_back();
        }
      });
    }
    for (int i = 0; i < 10; ++i) {
      sum(chain(shared, 5)).backward({.retain_graph = true});
      const Variable copy = shared;
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(tape().size() == before + 20);
  }
  CHECK(tape().size() == before);
  CHECK(w.has_grad());
}

TEST_CASE("several threads drop the history of a thread that has ended", "[autograd][threads]") {
  std::vector<Variable> survivors(40);
  const Variable w = parameter(ones({2}));
  std::thread([&] {
    const Variable shared = chain(w, 50);
    for (std::size_t i = 0; i < survivors.size(); ++i) {
      survivors[i] = chain(shared, static_cast<int>(i % 5));
    }
  }).join();
  on_threads(4, [&](int thread) {
    for (std::size_t i = static_cast<std::size_t>(thread); i < survivors.size(); i += 4) {
      const Variable copy = survivors[i];
      survivors[i] = Variable();
    }
  });
  CHECK(tape().size() == 0);
}

TEST_CASE("a thread ends while other threads drop its history", "[autograd][threads]") {
  const Variable w = parameter(ones({2}));
  for (int round = 0; round < 50; ++round) {
    std::vector<Variable> given;
    std::atomic<bool> ready = false;
    std::thread owner([&] {
      for (int i = 0; i < 30; ++i) given.push_back(chain(w, 3));
      ready = true;
    });
    std::thread other([&] {
      while (!ready) std::this_thread::yield();
      given.clear();
    });
    owner.join();
    other.join();
  }
  CHECK(tape().size() == 0);
}

TEST_CASE("what a rule and a hook captured is destroyed, whichever thread drops the history",
          "[autograd][threads]") {
  const Variable w = parameter(ones({2}));
  std::atomic<int> destroyed = 0;
  const auto make = [&] {
    auto rule = [each = std::make_shared<Counted>(destroyed)](const Variable& dy) { return dy; };
    Variable y = record("counted", w.value().clone(), from(w, rule));
    y.register_hook([each = std::make_shared<Counted>(destroyed)](const Variable&) {});
    return y;
  };
  Variable first = make();
  std::thread([moved = std::move(first)] {}).join();
  CHECK(tape().size() == 0);
  CHECK(destroyed == 2);
  Variable second;
  std::thread([&] { second = make(); }).join();
  CHECK(destroyed == 2);
  second = Variable();
  CHECK(destroyed == 4);
}

TEST_CASE("a rule may hold history of another thread, whose operations then throw",
          "[autograd][threads]") {
  const Variable w = parameter(ones({2}));
  Variable foreign;
  std::thread([&] { foreign = w * 3.0; }).join();
  std::string text;
  {
    const Variable y = record("holds", w.value().clone(),
                              from(w, [foreign](const Variable& dy) { return dy * foreign; }));
    foreign = Variable();
    sum(y).backward();  // nothing is recorded, so its value may be used
    CHECK(equal(w.grad(), full({2}, 3.0)));
    Variable other;
    std::thread([&] { other = w * 2.0; }).join();
    const Variable z = record("mixes", w.value().clone(),
                              from(w, [other](const Variable& dy) { return dy * other; }));
    try {
      grad(sum(z), {w}, {.create_graph = true});
    } catch (const AutogradError& error) {
      text = error.what();
    }
  }
  CHECK(text ==
        "mul: an input was recorded on another thread, and history cannot leave its thread; "
        "pass its detach() or value() instead");
  CHECK(tape().size() == 0);
}

TEST_CASE("a million entries are dropped by another thread", "[autograd][threads][deep]") {
  const Variable w = parameter(ones({1}));
  Variable y = chain(w, 1'000'000);
  std::thread([moved = std::move(y)] {}).join();
  CHECK(tape().size() == 0);
  std::thread([&] { y = chain(w, 100'000); }).join();
  y = Variable();
  CHECK(tape().size() == 0);
}

TEST_CASE("threads may read one row-sparse gradient and one policy", "[autograd][threads]") {
  const Variable table = parameter(ones({6, 2}));
  for (int i = 0; i < 3; ++i) sum(embedding(table, tensor({i, i, 4}))).backward();
  const Variable fresh = parameter(ones({6, 2}));
  std::atomic<int> wrong = 0;
  on_threads(4, [&](int) {
    const RowSparse gradient = table.row_grad();
    if (gradient.ids.numel() != 4) ++wrong;
    if (!equal(select(table.grad(), 0, 4), full({2}, 3.0))) ++wrong;
    if (fresh.row_policy().is_held(1)) ++wrong;  // creates the policy
  });
  CHECK(wrong == 0);
}
