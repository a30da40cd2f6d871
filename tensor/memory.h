// Memory that is asked for again and again: 64-byte aligned blocks, kept by the thread that let
// them go, in one free list per size. A training step that repeats gets the same blocks back
// without asking the system. Sanitizer builds switch the pool off, so that they see every access.
//
// Read next: tensor/tensor.h.
#pragma once

#include <cstddef>

namespace tapegrad::memory {

inline constexpr std::size_t kAlignment = 64;

// At least `bytes` bytes, 64-byte aligned; std::bad_alloc (with the size in its text) if there are
// none. Give the block back with the same number of bytes, from any thread.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes) noexcept;

// How often this thread had to ask the system so far. Tests hold training steps to zero.
std::size_t system_allocations();

}  // namespace tapegrad::memory
