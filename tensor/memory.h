// 64-byte aligned memory from a pool: each thread keeps the blocks that it has freed in one free
// list per size, and allocates from these lists first. A training step that repeats reuses its
// blocks and allocates nothing from the system. Sanitizer builds switch the pool off, so that they
// see every access.
//
// Read next: tensor/pool.h.
#pragma once

#include <cstddef>
#include <vector>

namespace tapegrad::memory {

inline constexpr std::size_t kAlignment = 64;

// Allocates at least `bytes` bytes, 64-byte aligned; throws std::bad_alloc (with the size in its
// text) if the system has no more memory. Free the block with the same number of bytes, from any
// thread.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes) noexcept;

// How many blocks this thread has allocated from the system so far. Tests check that a repeated
// training step allocates none.
std::size_t system_allocations();

// A std::vector in pooled memory, for lists that are built again in every operation or step.
template <class T>
struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class Other>
  Allocator(const Allocator<Other>&) {}  // NOLINT: allocators convert implicitly
  T* allocate(std::size_t n) { return static_cast<T*>(memory::allocate(n * sizeof(T))); }
  void deallocate(T* block, std::size_t n) noexcept { memory::deallocate(block, n * sizeof(T)); }
  friend bool operator==(const Allocator&, const Allocator&) { return true; }
};
template <class T>
using Vector = std::vector<T, Allocator<T>>;

}  // namespace tapegrad::memory
