// Internal. The pool behind tensor/memory.h, with its usual way inline for those who ask in every
// operation: a block from the list of its size, or back onto it. Read next: tensor/memory.cc.
#pragma once

#include <bit>
#include <cstddef>
#include <new>

#include <tapegrad/tensor/memory.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAPEGRAD_NO_POOL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define TAPEGRAD_NO_POOL 1
#endif
#endif

namespace tapegrad::memory {

#ifdef TAPEGRAD_NO_POOL

inline void* pool_allocate(std::size_t bytes) { return allocate(bytes); }
inline void pool_deallocate(void* block, std::size_t bytes) noexcept { deallocate(block, bytes); }

#else

// Size classes: every multiple of 64 up to 1 KiB, then four steps to each power of two.
constexpr std::size_t kSmall = 1024;
constexpr std::size_t kSmallClasses = kSmall / kAlignment;
constexpr std::size_t kClasses = kSmallClasses + 4 * 40;

// Small blocks are cut from slabs that are never returned; blocks up to kLarge are kept, and larger
// ones while no more than kLargeKept bytes of them lie idle. A thread keeps no more blocks than it
// has asked for: if another one makes batches, and this one lets them go, they do not pile up here.
constexpr std::size_t kSlab = 256 * 1024;
constexpr std::size_t kLarge = 1024 * 1024;
constexpr std::size_t kLargeKept = 512 * 1024 * 1024;

constexpr std::size_t class_of(std::size_t bytes) {
  if (bytes <= kSmall) return bytes == 0 ? 0 : (bytes - 1) / kAlignment;
  const auto log =
      static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // bytes in (2^log, 2^(log+1)]
  const std::size_t quarter = (bytes - 1 - (std::size_t{1} << log)) >> (log - 2);
  return kSmallClasses + (log - 10) * 4 + quarter;
}

constexpr std::size_t class_bytes(std::size_t index) {
  if (index < kSmallClasses) return (index + 1) * kAlignment;
  const std::size_t log = (index - kSmallClasses) / 4 + 10;
  return (std::size_t{1} << log) +
         ((index - kSmallClasses) % 4 + 1) * (std::size_t{1} << (log - 2));
}
static_assert(class_bytes(class_of(1)) == 64 && class_bytes(class_of(65)) == 128);
static_assert(class_bytes(class_of(1024)) == 1024 && class_bytes(class_of(1025)) == 1280);
static_assert(class_bytes(class_of(5000)) == 5120 && class_bytes(class_of(8192)) == 8192);

struct Block {
  Block* next;
};

struct Bin {
  Block* idle;
  std::size_t lent;  // blocks that this thread has asked for, less those it has let go
};

struct Pool {
  Bin bins[kClasses];
  std::byte* slab;
  std::size_t slab_left;
  std::size_t large_kept;
  bool closed;  // the thread is ending: blocks go to the orphans or to the system
};

extern thread_local constinit Pool pool;

// Where the usual way ends: no idle block of this size; a large one, or one of another thread.
void* allocate_slowly(std::size_t bytes);
void deallocate_slowly(void* block, std::size_t bytes) noexcept;

inline void* pool_allocate(std::size_t bytes) {
  if (bytes <= kSmall) {
    Bin& bin = pool.bins[class_of(bytes)];
    if (Block* const block = bin.idle) {
      ++bin.lent;
      bin.idle = block->next;
      return block;
    }
  }
  return allocate_slowly(bytes);
}

inline void pool_deallocate(void* block, std::size_t bytes) noexcept {
  if (bytes <= kSmall) {
    Bin& bin = pool.bins[class_of(bytes)];
    if (bin.lent > 0 && !pool.closed) {
      --bin.lent;
      bin.idle = new (block) Block{bin.idle};
      return;
    }
  }
  deallocate_slowly(block, bytes);
}

#endif

}  // namespace tapegrad::memory
