// Communicators of threads: answers, order of sums, failures, and the debug mode. Read next:
// training.h.
#include <tapegrad/distributed/communicator.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include <tapegrad/distributed/threads.h>
#include <tapegrad/tensor/ops.h>

#include "../catch.h"
#include "collectives.h"

using namespace tapegrad;
using namespace tapegrad::distributed;

namespace {

// The text of the exception that ends the ranks.
std::string failure(int count, const std::function<void(Communicator&)>& function,
                    CommunicatorOptions options = {}) {
  try {
    run_on_threads(count, function, options);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "another type";
  }
  return "no failure";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("threads: all collective functions give the known answers", "[threads]") {
  for (int n = 1; n <= 5; ++n) {
    for (const bool debug : {false, true}) {
      CAPTURE(n, debug);
      std::atomic<int> ended = 0;
      REQUIRE_NOTHROW(run_on_threads(n,
                                     [&](Communicator& comm) {
                                       test::expect(comm.size() == n, "size");
                                       test::check_collectives(comm);
                                       ++ended;
                                     },
                                     {.debug = debug}));
      CHECK(ended == n);
    }
  }
}

TEST_CASE("threads: sums add the ranks in their order", "[threads]") {
  for (int n = 1; n <= 5; ++n) REQUIRE_NOTHROW(run_on_threads(n, test::check_order_of_sums));
}

TEST_CASE("a sum begins with 0, whatever the sign of the first 0", "[threads]") {
  run_on_threads(2, [](Communicator& comm) {
    Tensor x = tensor({-0.0, -0.0});
    comm.allreduce(x);
    test::expect(!std::signbit(x.item<double>({0})) && !std::signbit(x.item<double>({1})), "-0");
  });
}

TEST_CASE("an exception on one rank ends all with its message", "[threads]") {
  std::atomic<int> told = 0;
  const auto fails = [&](Communicator& comm) {
    if (comm.rank() == 1) throw std::runtime_error("the disk is full");
    Tensor x = ones({3});
    try {
      for (;;) comm.allreduce(x);
    } catch (const CommunicationError& error) {
      if (contains(error.what(), "rank 1 has ended: the disk is full")) ++told;
      throw;
    }
  };
  CHECK(failure(3, fails) == "the disk is full");
  CHECK(told == 2);

  CHECK_THROWS_AS(run_on_threads(2,
                                 [](Communicator&) {
                                   tensor({1, 2}).item<float>({7});
                                 }),
                  IndexError);
  CHECK(contains(failure(2,
                         [](Communicator& comm) {
                           if (comm.rank() == 1) throw ValueError("bad: 3");
                           comm.barrier();
                         }),
                 "bad: 3; in rank 1"));
  CHECK(failure(2, [](Communicator& comm) {
          if (comm.rank() == 0) comm.abort("enough");
          comm.barrier();
        }) == "enough; in rank 0");
  CHECK(failure(2, [](Communicator& comm) {
          if (comm.rank() == 0) throw 3;
          comm.barrier();
        }) == "another type");
}

TEST_CASE("agree() tells all ranks the first problem", "[threads]") {
  std::atomic<int> told = 0;
  run_on_threads(4, [&](Communicator& comm) {
    try {
      agree(comm, comm.rank() >= 2 ? "no file on " + std::to_string(comm.rank()) : "");
    } catch (const CommunicationError& error) {
      if (std::string(error.what()) == "rank 2: no file on 2") ++told;
    }
  });
  CHECK(told == 4);
}

TEST_CASE("a rank that leaves out a collective is found by the sizes", "[threads]") {
  const std::string text = failure(3, [](Communicator& comm) {
    Tensor x = ones({9});
    if (comm.rank() != 2) comm.allreduce(x);
    Tensor y = ones({30});
    comm.allreduce(y);
  });
  CHECK(contains(text, "bytes from rank"));
  CHECK(contains(text, "CommunicatorOptions::debug"));
}

TEST_CASE("debug: a rank that leaves out a collective is named", "[threads]") {
  const CommunicatorOptions debug{.debug = true, .timeout = 20};
  // It calls another function.
  std::string text = failure(
      4,
      [](Communicator& comm) {
        Tensor x = ones({3});
        comm.allreduce(x);
        if (comm.rank() != 2) comm.allreduce(x);
        comm.barrier();
      },
      debug);
  CAPTURE(text);
  CHECK(contains(text, "rank 2 calls barrier (0), ranks 0 and 1 and 3 call allreduce (12)"));
  // It ends.
  text = failure(
      3,
      [](Communicator& comm) {
        for (int i = 0; i < (comm.rank() == 1 ? 3 : 4); ++i) comm.barrier();
      },
      debug);
  CAPTURE(text);
  CHECK(contains(text, "collective 4: rank 1 calls the end of the program (0), ranks 0 and 2"));
  // It passes another size.
  text = failure(
      2,
      [](Communicator& comm) {
        Tensor x = ones({2 + comm.rank()});
        comm.broadcast(x);
      },
      debug);
  CHECK(contains(text, "rank 0 calls broadcast (8), rank 1 calls broadcast (12)"));
}

TEST_CASE("debug: a rank that does not arrive in time is named", "[threads]") {
  const auto start = std::chrono::steady_clock::now();
  const std::string text = failure(3,
                                   [](Communicator& comm) {
                                     comm.barrier();
                                     if (comm.rank() == 1)
                                       std::this_thread::sleep_for(std::chrono::milliseconds(700));
                                     comm.barrier();
                                   },
                                   {.debug = true, .timeout = 0.2});
  CAPTURE(text);
  CHECK(contains(text, "collective 2: rank 1 did not arrive at barrier (0) within 0.2"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("wrong arguments are refused before a message is sent", "[threads]") {
  CHECK_THROWS_AS(run_on_threads(0, [](Communicator&) {}), ValueError);
  CHECK_THROWS_AS(run_on_threads(2000, [](Communicator&) {}), ValueError);
  CHECK_THROWS_AS(run_on_threads(1, [](Communicator&) {}, {.piece_bytes = 0}), ValueError);
  CHECK_THROWS_AS(run_on_threads(1, [](Communicator&) {}, {.timeout = -1}), ValueError);
  run_on_threads(2, [](Communicator& comm) {
    const auto refuses = [&]<class Kind>(const Kind&, const auto& call) {
      try {
        call();
      } catch (const Kind&) {
        return;
      }
      test::expect(false, "not refused");
    };
    Tensor undefined, wide = transpose(zeros({2, 3}), 0, 1), mask = zeros({2}, boolean);
    const ValueError value("");
    refuses(value, [&] { comm.allreduce(undefined); });
    refuses(value, [&] { comm.allreduce(wide); });
    refuses(DTypeError(""), [&] { comm.reduce_scatter(mask); });
    refuses(value, [&] { comm.broadcast(mask, 2); });
    refuses(value, [&] { comm.broadcast(mask, -1); });
    refuses(value, [&] { comm.send(mask, comm.rank()); });
    refuses(value, [&] { comm.receive(mask, comm.rank()); });
    refuses(ShapeError(""), [&] { comm.allgatherv(tensor(1.0)); });
    refuses(value, [&] { comm.allgatherv(mask, std::vector<std::int64_t>{2}); });
    refuses(value, [&] { comm.allgatherv(mask, std::vector<std::int64_t>{1, 1}); });
    refuses(value, [&] { comm.alltoallv({mask}); });
    test::expect(comm.traffic().messages == 0, "a message was sent");
  });
}

TEST_CASE("traffic is what the functions promise", "[threads]") {
  for (int n = 1; n <= 4; ++n) {
    run_on_threads(n, [n](Communicator& comm) {
      auto expect_traffic = [&, before = Traffic()](std::int64_t messages,
                                                    std::int64_t bytes) mutable {
        const Traffic now = comm.traffic();
        test::expect(now.messages - before.messages == messages, "messages");
        test::expect(now.bytes - before.bytes == bytes, "bytes");
        before = now;
      };
      Tensor x = ones({12 * n}, float64);  // 96 bytes for each rank
      comm.allreduce(x);
      expect_traffic(2 * (n - 1), 2 * (n - 1) * 96);
      comm.reduce_scatter(x);
      expect_traffic(n - 1, (n - 1) * 96);
      comm.allgather(ones({3}));
      expect_traffic(n - 1, (n - 1) * 12);
      const std::vector<std::int64_t> counts(static_cast<std::size_t>(n), 2);
      comm.allgatherv(ones({2, 5}), counts);
      expect_traffic(n - 1, (n - 1) * 40);
      comm.allgatherv(ones({2, 5}));
      expect_traffic(2 * (n - 1), (n - 1) * (40 + 8));
      comm.alltoallv(std::vector<Tensor>(static_cast<std::size_t>(n), ones({2, 5})));
      expect_traffic(2 * (n - 1), (n - 1) * (40 + 8));
    });
  }
}
