// Memory that is asked for again and again: 64-byte aligned blocks, kept by the thread that let
// them go, in one free list per size. A training step that repeats gets the same blocks back
// without asking the system. Sanitizer builds switch the pool off, so that they see every access.
//
// Read next: tensor/tensor.h.
#pragma once

#include <cstddef>
#include <vector>

namespace tapegrad::memory {

inline constexpr std::size_t kAlignment = 64;

// At least `bytes` bytes, 64-byte aligned; std::bad_alloc (with the size in its text) if there are
// none. Give the block back with the same number of bytes, from any thread.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes) noexcept;

// How often this thread had to ask the system so far. Tests hold training steps to zero.
std::size_t system_allocations();

// A std::vector in such memory, for lists that each operation or step makes anew.
template <class T>
struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class Other>
  Allocator(const Allocator<Other>&) {}  // NOLINT: allocators convert
  T* allocate(std::size_t n) { return static_cast<T*>(memory::allocate(n * sizeof(T))); }
  void deallocate(T* block, std::size_t n) noexcept { memory::deallocate(block, n * sizeof(T)); }
  friend bool operator==(const Allocator&, const Allocator&) { return true; }
};
template <class T>
using Vector = std::vector<T, Allocator<T>>;

}  // namespace tapegrad::memory
