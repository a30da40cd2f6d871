// Internal. The pool that implements tensor/memory.h. The common case is inline, because every
// operation allocates: take a block from the free list of its size, or put it back there. Read
// next: tensor/memory.cc.
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

// Size classes: every multiple of 64 up to 1 KiB, then four classes between one power of two and
// the next. The larger classes have extra room for the header of a tensor, because tensors whose
// elements take exactly a power of two are common.
constexpr std::size_t kSmall = 1024;
constexpr std::size_t kSmallClasses = kSmall / kAlignment;
constexpr std::size_t kClasses = kSmallClasses + 4 * 40;
constexpr std::size_t kHeader = 128;

// Small blocks are cut from slabs that are never returned to the system. Freed blocks up to kLarge
// bytes are always kept; larger ones are kept as long as the idle ones add up to at most kLargeKept
// bytes. A thread keeps no more blocks than it has allocated: if one thread builds batches and
// another frees them, the blocks do not pile up in the second.
constexpr std::size_t kSlab = 256 * 1024;
constexpr std::size_t kLarge = 1024 * 1024;
constexpr std::size_t kLargeKept = 512 * 1024 * 1024;

constexpr std::size_t class_of(std::size_t bytes) {
  if (bytes <= kSmall) return bytes == 0 ? 0 : (bytes - 1) / kAlignment;
  bytes = bytes <= kSmall + kHeader ? kSmall + 1 : bytes - kHeader;
  const auto log =
      static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // bytes in (2^log, 2^(log+1)]
  const std::size_t quarter = (bytes - 1 - (std::size_t{1} << log)) >> (log - 2);
  return kSmallClasses + (log - 10) * 4 + quarter;
}

constexpr std::size_t class_bytes(std::size_t index) {
  if (index < kSmallClasses) return (index + 1) * kAlignment;
  const std::size_t log = (index - kSmallClasses) / 4 + 10;
  return kHeader + (std::size_t{1} << log) +
         ((index - kSmallClasses) % 4 + 1) * (std::size_t{1} << (log - 2));
}
static_assert(class_bytes(class_of(1)) == 64 && class_bytes(class_of(65)) == 128);
static_assert(class_bytes(class_of(1024)) == 1024 && class_bytes(class_of(1025)) == 1280 + 128);
static_assert(class_bytes(class_of(5000)) == 5120 + 128 &&
              class_bytes(class_of(8193)) == 8192 + 128);
static_assert(class_bytes(class_of(8192 + 128)) == 8192 + 128);

struct Block {
  Block* next;
};

struct Bin {
  Block* idle;
  std::size_t
      lent;  // blocks that this thread has allocated, minus those it has freed; 0 when closed
};

// What the common case needs of a thread's pool. It must stay small: this TLS model is as fast in
// position-independent code as in other code, but a shared object that is loaded by dlopen() has
// only some 500 bytes for it.
struct Pool {
  Bin bins[kSmallClasses];
  bool closed;  // the thread is ending: freed blocks go to the orphans or to the system
};
static_assert(sizeof(Pool) <= 300);

[[gnu::tls_model("initial-exec")]] extern thread_local constinit Pool pool;

// The slow paths: no idle block of this size, a large block, or a block that another thread
// allocated.
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
    if (bin.lent > 0) {
      --bin.lent;
      bin.idle = new (block) Block{bin.idle};
      return;
    }
  }
  deallocate_slowly(block, bytes);
}

#endif

}  // namespace tapegrad::memory
