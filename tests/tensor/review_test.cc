// Faults of tensors that a reader found: sizes beside a 0 that overflow, products without an inner
// size, broadcasting on both sides, in-place results that do not fit, memory that threads hand on.
// Read next: tests/autograd/review_test.cc.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <tapegrad/tensor/memory.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/fused.h>

#include "catch.h"
#include "tensor/expect.h"

namespace tapegrad {
namespace {

using test::message_of;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

TEST_CASE("an empty tensor may have sizes whose product overflows", "[tensor]") {
  Tensor x = zeros({0, kHuge, 8});
  CHECK(x.numel() == 0);
  CHECK(transpose(x).sizes()[2] == kHuge);
  CHECK(transpose(x).numel() == 0);
  CHECK(transpose(x).is_contiguous());
  CHECK((x + x).shape() == x.shape());
  CHECK((transpose(x) + transpose(x)).numel() == 0);
  x.add_(x).fill_(1);
  CHECK(sum(x).item<float>() == 0);
  CHECK(select(zeros({0, 5}), 1, 3).numel() == 0);
  CHECK(message_of<ShapeError>([&] { flatten(x, 1, 2); }) ==
        "flatten: size overflows: 4611686018427387904 x 8 elements");
}

TEST_CASE("operands that both repeat one number along the rows", "[tensor]") {
  const Tensor column = tensor({{2.0}, {3.0}, {4.0}});
  const Tensor expected = tensor({{2.0, 2.0}, {3.0, 3.0}, {4.0, 4.0}});
  CHECK(equal(expand(ones({}), {3, 2}) * column, expected));
  CHECK(equal(column * expand(ones({}), {3, 2}), expected));
  CHECK(equal(expand(column, {3, 2}) * ones({1, 1}), expected));
  CHECK(equal(expand(column, {3, 2}) == expand(column, {3, 2}), ones({3, 2}, boolean)));
  CHECK(equal(expand(tensor(1), {3, 2}) * column.to(int64), expected.to(int64)));
}

TEST_CASE("a product over an inner size of 0 is 0", "[tensor]") {
  CHECK(equal(matmul(ones({3, 0}), ones({0, 4})), zeros({3, 4})));
  CHECK(equal(matmul(ones({2, 3, 0}), ones({0, 4})), zeros({2, 3, 4})));
  CHECK(equal(matmul(ones({2, 3, 0}), ones({2, 0, 4})), zeros({2, 3, 4})));
  CHECK(matmul(ones({0, 3, 2}), ones({2, 4})).shape() == Shape{0, 3, 4});
  CHECK(equal(linear(ones({2, 3, 0}), ones({4, 0}), ones({4})), ones({2, 3, 4})));
}

TEST_CASE("addmm refuses mixed types", "[tensor]") {
  CHECK(message_of<DTypeError>([] {
          addmm(ones({2, 2}, float64), ones({2, 2}), ones({2, 2}));
        }) == "addmm: got float32 x float64, needed one numeric type; convert with to(float64)");
}

TEST_CASE("in place, integers take no fractions", "[tensor]") {
  Tensor x = tensor({1, 5});
  CHECK(message_of<DTypeError>([&] {
          x.add_(tensor({1, 1}), 0.5);
        }) ==
        "add_: result is float32, which does not fit into int64; convert with to(float32) first");
  CHECK(message_of<DTypeError>([&] { x.clamp_(1.5, 3); }) ==
        "clamp_: result is float32, which does not fit into int64; convert with to(float32) first");
  CHECK(equal(x, tensor({1, 5})));
  x.add_(tensor({1, 1}), 2).clamp_(0, 4);
  CHECK(equal(x, tensor({3, 4})));
}

TEST_CASE("an empty piece belongs nowhere, whatever its step", "[tensor]") {
  const Tensor whole = ones({6});
  CHECK(part_at(whole, ones({0}), 0, 0, 2).numel() == 0);
  CHECK(part_at(whole, ones({0}), 0, 1, 4).numel() == 0);
  CHECK(part_at(whole, ones({3}), 0, 1, 2).numel() == 3);
}

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

}  // namespace
}  // namespace tapegrad
