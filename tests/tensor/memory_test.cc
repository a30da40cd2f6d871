// Memory that one thread allocates and another frees. Read next: threads_test.cc.
#include <tapegrad/tensor/memory.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "catch.h"

using namespace tapegrad;

namespace {

// Allocates `count` blocks on this thread and frees them on another, `rounds` times. Returns how
// many blocks this thread allocated from the system.
std::size_t system_allocations_of_producer(std::size_t bytes, std::size_t count, int rounds) {
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

TEST_CASE("blocks that one thread allocates and another frees are reused", "[tensor][threads]") {
  const auto has_pool = [] {
    memory::deallocate(memory::allocate(64), 64);
    const std::size_t before = memory::system_allocations();
    memory::deallocate(memory::allocate(64), 64);
    return memory::system_allocations() == before;
  };
  if (!has_pool()) return;  // sanitizers
  // 100 rounds of 64 KiB: if the blocks were not reused, this would need 25 slabs of 256 KiB.
  CHECK(system_allocations_of_producer(64, 1024, 100) <= 2);
}
