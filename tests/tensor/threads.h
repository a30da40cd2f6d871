// Checks that results do not depend on the number of threads. Read next: threads_test.cc.
#pragma once

#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/threads.h>

#include "catch.h"

namespace tapegrad::test {

// Sets the number of threads while in scope.
struct Threads {
  explicit Threads(int count) { set_num_threads(count); }
  ~Threads() { set_num_threads(1); }
};

// Checks that f() returns the same bits with one thread and with several.
template <class Function>
void check_same_bits(const Function& f) {
  const std::vector<Tensor> alone = f();
  for (const int count : {2, 3}) {
    const Threads threads(count);
    const std::vector<Tensor> together = f();
    REQUIRE(together.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      INFO(count << " threads, tensor " << i);
      CHECK(equal(alone[i], together[i]));
    }
  }
}

}  // namespace tapegrad::test
