// Memory that threads hand on to each other. Read next: threads_test.cc.
#include <tapegrad/tensor/memory.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "catch.h"

using namespace tapegrad;

namespace {

// Asks for `count` blocks on this thread and lets them go on the other, `rounds` times; how often
// this thread had to ask the system.
std::size_t system_calls_of_a_maker(std::size_t bytes, std::size_t count, int rounds) {
  std::vector<void*> blocks(count);
  std::atomic<int> made = 0;
  std::atomic<int> taken = 0;
  std::thread taker([&] {
    for (int round = 1; round <= rounds; ++round) {
      for (int seen = made.load(); seen < round; seen = made.load()) made.wait(seen);
      for (void* block : blocks) memory::deallocate(block, bytes);
      taken = round;
      taken.notify_one();
    }
  });
  const std::size_t before = memory::system_allocations();
  for (int round = 1; round <= rounds; ++round) {
    for (void*& block : blocks) block = memory::allocate(bytes);
    made = round;
    made.notify_one();
    for (int seen = taken.load(); seen < round; seen = taken.load()) taken.wait(seen);
  }
  taker.join();
  return memory::system_allocations() - before;
}

}  // namespace

TEST_CASE("blocks that one thread makes and another lets go are used again", "[tensor][threads]") {
  const auto has_pool = [] {
    memory::deallocate(memory::allocate(64), 64);
    const std::size_t before = memory::system_allocations();
    memory::deallocate(memory::allocate(64), 64);
    return memory::system_allocations() == before;
  };
  if (!has_pool()) return;  // sanitizers
  // 100 rounds of 64 KiB: without a way back this would be 25 slabs of 256 KiB.
  CHECK(system_calls_of_a_maker(64, 1024, 100) <= 2);
}
