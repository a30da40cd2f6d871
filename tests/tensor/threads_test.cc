// Splitting work among threads (tensor/parallel.h): the results have the same bits for any number
// of threads.
#include "tensor/threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tapegrad/tensor/parallel.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "sanitized.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("parts of a split cover everything once", "[threads]") {
  const Threads threads(3);
  std::vector<std::atomic<int>> visits(1000);
  std::atomic<int> parts = 0;  // Catch's macros may be used in one thread only
  std::atomic<bool> in_steps = true;
  parallel_for(1000, 100, 8, [&](std::int64_t begin, std::int64_t end) {
    ++parts;
    if (begin % 8 != 0) in_steps = false;
    for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
  });
  CHECK(parts == 3);
  CHECK(in_steps);
  for (const auto& each : visits) CHECK(each == 1);
  parts = 0;
  parallel_for(199, 100, 8, [&](std::int64_t, std::int64_t) { ++parts; });
  CHECK(parts == 1);
  parallel_for(0, 100, 8, [&](std::int64_t begin, std::int64_t end) { CHECK(begin == end); });
}

TEST_CASE("an exception in a part is rethrown and the next split works", "[threads]") {
  const Threads threads(3);
  for (const std::int64_t bad : {0, 1, 2}) {
    CHECK(error_text<std::runtime_error>([&] {
            parallel_for(300, 100, 1, [&](std::int64_t begin, std::int64_t) {
              if (begin == bad * 100) throw std::runtime_error("part failed");
            });
          }) == "part failed");
  }
  std::atomic<std::int64_t> total = 0;
  parallel_for(300, 100, 1, [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
  CHECK(total == 300);
}

TEST_CASE("splits inside a part and from several threads at once", "[threads]") {
  const Threads threads(2);
  std::atomic<std::int64_t> total = 0;
  const auto nested = [&] {
    parallel_for(400, 100, 1, [&](std::int64_t begin, std::int64_t end) {
      parallel_for(end - begin, 10, 1,
                   [&](std::int64_t first, std::int64_t last) { total += last - first; });
    });
  };
  std::thread other([&] {
    for (int i = 0; i < 50; ++i) nested();
  });
  for (int i = 0; i < 50; ++i) nested();
  other.join();
  CHECK(total == 100 * 400);
}

#ifndef THREAD_SANITIZED  // it does not support threads in a forked process
TEST_CASE("a forked process starts its own workers", "[threads]") {
  const Threads threads(2);
  std::atomic<std::int64_t> total = 0;
  const auto work = [&] {
    parallel_for(400, 100, 1, [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
  };
  work();
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(total == 800 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

#ifndef ADDRESS_SANITIZED  // a fork may leave a lock of its own allocator held in the child
TEST_CASE("a process forks while other threads free blocks, and its child allocates", "[threads]") {
  std::atomic<bool> ready = false;
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) {
      std::vector<Tensor> own;
      for (int i = 0; i < 200; ++i) own.push_back(ones({3}));
      std::thread([moved = std::move(own)] {}).join();  // frees blocks of this thread
      ready = true;
    }
  });
  while (!ready) std::this_thread::yield();
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // instead of waiting forever
      std::vector<Tensor> blocks;
      for (int j = 0; j < 3000; ++j) blocks.push_back(ones({3}));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    failed += WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
  }
  stop = true;
  other.join();
  CHECK(failed == 0);
}
#endif
#endif

TEST_CASE("set_num_threads rejects invalid numbers") {
  CHECK(error_text<ValueError>([] { set_num_threads(0); }) ==
        "set_num_threads: got 0, needed 1 to 256");
  CHECK(error_text<ValueError>([] { set_num_threads(257); }) ==
        "set_num_threads: got 257, needed 1 to 256");
  CHECK(num_threads() == 1);
}

#ifndef THREAD_SANITIZED
TEST_CASE("TAPEGRAD_NUM_THREADS rejects invalid numbers", "[threads]") {
  // Each in its own process, because the variable is read only once.
  for (const char* text : {"abc", "2x", "0", "-1", "257", "99999999999999999999"}) {
    INFO(text);
    std::fflush(stdout);  // otherwise the child would print it again
    const pid_t child = fork();
    if (child == 0) {
      setenv("TAPEGRAD_NUM_THREADS", text, 1);
      setenv("TAPEGRAD_TEST_REFUSAL", "1", 1);
      if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
      execl("/proc/self/exe", "tapegrad_test_tensor", "[threads_environment]", nullptr);
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
#endif

TEST_CASE("TAPEGRAD_NUM_THREADS: the error text", "[.][threads_environment]") {
  if (std::getenv("TAPEGRAD_TEST_REFUSAL") == nullptr) return;  // not started by the test above
  const char* const text = std::getenv("TAPEGRAD_NUM_THREADS");
  REQUIRE(text != nullptr);
  CHECK(error_text<ValueError>([] { num_threads(); }) ==
        "TAPEGRAD_NUM_THREADS: got " + std::string(text) + ", needed 1 to 256");
}

TEMPLATE_TEST_CASE("products give the same bits with any number of threads", "[threads]", float,
                   double) {
  constexpr DType dtype = dtype_of<TestType>::value;
  struct Case {
    std::int64_t m, n, k;
  };
  for (const auto& [m, n, k] : {Case{150, 130, 200}, Case{33, 700, 300}, Case{1000, 3, 900},
                                Case{2, 5000, 400}, Case{260, 97, 600}, Case{1, 9000, 500}}) {
    INFO(m << " x " << n << " x " << k);
    manual_seed(1);
    const Tensor a = randn({m, k}).to(dtype);
    const Tensor b = randn({k, n}).to(dtype);
    check_same_bits([&]() -> std::vector<Tensor> {
      return {matmul(a, b), matmul(transpose(transpose(a).contiguous()), b),
              matmul(a, transpose(transpose(b).contiguous()))};
    });
  }
}

TEST_CASE("long elementwise operations give the same bits with any number of threads",
          "[threads]") {
  manual_seed(2);
  const Tensor a = randn({3, 100'003});
  const Tensor b = randn({3, 100'003});
  check_same_bits([&]() -> std::vector<Tensor> {
    return {a * b,
            exp(a),
            tanh(a),
            maximum(a, b),
            a + 1,
            sigmoid(a.to(float64)),
            2 - a,
            pow(b * b, 1.5),
            clamp(a, -1, 0.5),
            where(a > b, a, b),
            leaky_relu(a.to(float64), 0.1)};
  });
}
