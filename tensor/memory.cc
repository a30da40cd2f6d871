#include <tapegrad/tensor/memory.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAPEGRAD_NO_POOL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define TAPEGRAD_NO_POOL 1
#endif
#endif

namespace tapegrad::memory {
namespace {

// Says how much was asked for.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes)
      : text_("out of memory: cannot allocate " + std::to_string(bytes) + " bytes") {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

thread_local constinit std::size_t system_calls = 0;

// Large blocks lie in pages of 2 MiB, where the system grants them: rows of a large table are read
// in no order, and looking up small pages takes as long as reading the row.
void* ask_system(std::size_t bytes) {
  ++system_calls;
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const bool huge = bytes >= 4 * kHugePage;
  if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;  // aligned_alloc's condition
  void* block = std::aligned_alloc(huge ? kHugePage : kAlignment, bytes);
  if (block == nullptr) throw OutOfMemory(bytes);
#if defined(MADV_HUGEPAGE)
  if (huge) madvise(block, bytes, MADV_HUGEPAGE);  // a wish, no more
#endif
  return block;
}

}  // namespace

std::size_t system_allocations() { return system_calls; }

#ifdef TAPEGRAD_NO_POOL

void* allocate(std::size_t bytes) {
  if (bytes > SIZE_MAX - kAlignment) throw OutOfMemory(bytes);
  const std::size_t blocks = (bytes + kAlignment - 1) / kAlignment;
  return ask_system((blocks == 0 ? 1 : blocks) * kAlignment);
}
void deallocate(void* block, std::size_t) noexcept { std::free(block); }

#else

namespace {

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

thread_local constinit Pool pool{};

// Small blocks of threads that have ended, or had no use for them; a thread in need takes a whole
// list.
struct Orphans {
  std::mutex mutex;
  Block* bins[kSmallClasses] = {};
};
Orphans& orphans() {
  static Orphans* const instance = new Orphans;  // never destroyed: threads may outlive statics
  return *instance;
}

struct Closer {
  ~Closer() {
    pool.closed = true;
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    for (std::size_t i = 0; i < kClasses; ++i) {
      while (Block* block = pool.bins[i].idle) {
        pool.bins[i].idle = block->next;
        if (i < kSmallClasses) {
          block->next = shared.bins[i];
          shared.bins[i] = block;
        } else {
          std::free(block);
        }
      }
    }
  }
};

[[gnu::noinline]] void* allocate_slowly(std::size_t index) {
  thread_local Closer closer;  // constructed here, so that its destructor runs at thread exit
  const std::size_t bytes = class_bytes(index);
  if (index >= kSmallClasses) return ask_system(bytes);
  {
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    if (Block* list = shared.bins[index]) {
      shared.bins[index] = nullptr;
      pool.bins[index].idle = list->next;
      return list;
    }
  }
  if (pool.slab_left < bytes) {
    pool.slab = static_cast<std::byte*>(ask_system(kSlab));
    pool.slab_left = kSlab;
  }
  void* block = pool.slab;
  pool.slab += bytes;
  pool.slab_left -= bytes;
  return block;
}

[[gnu::noinline]] void deallocate_slowly(void* block, std::size_t index) noexcept {
  const bool own = pool.bins[index].lent > 0;
  if (own) --pool.bins[index].lent;
  if (index < kSmallClasses) {  // the thread is ending, or the block is another one's
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    shared.bins[index] = new (block) Block{shared.bins[index]};
    return;
  }
  const std::size_t bytes = class_bytes(index);
  if (pool.closed || !own || pool.large_kept + bytes > kLargeKept) {
    std::free(block);
    return;
  }
  pool.large_kept += bytes;
  pool.bins[index].idle = new (block) Block{pool.bins[index].idle};
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes >= (std::size_t{1} << 48)) throw OutOfMemory(bytes);
  const std::size_t index = class_of(bytes);
  ++pool.bins[index].lent;
  if (Block* block = pool.bins[index].idle) {
    pool.bins[index].idle = block->next;
    if (bytes > kLarge) pool.large_kept -= class_bytes(index);
    return block;
  }
  return allocate_slowly(index);
}

void deallocate(void* block, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  Bin& bin = pool.bins[index];
  if (bytes > kLarge || bin.lent == 0 || pool.closed) return deallocate_slowly(block, index);
  --bin.lent;
  bin.idle = new (block) Block{bin.idle};
}

#endif

}  // namespace tapegrad::memory
