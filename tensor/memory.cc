#include <tapegrad/tensor/pool.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>

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

thread_local constinit Pool pool{};

namespace {

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

// A block of this size that no list has.
void* new_block(std::size_t index) {
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

}  // namespace

void* allocate_slowly(std::size_t bytes) {
  if (bytes >= (std::size_t{1} << 48)) throw OutOfMemory(bytes);
  const std::size_t index = class_of(bytes);
  Bin& bin = pool.bins[index];
  ++bin.lent;
  Block* const block = bin.idle;
  if (block == nullptr) return new_block(index);
  bin.idle = block->next;
  if (bytes > kLarge) pool.large_kept -= class_bytes(index);
  return block;
}

void deallocate_slowly(void* block, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  Bin& bin = pool.bins[index];
  const bool own = bin.lent > 0;
  if (own) --bin.lent;
  if (index < kSmallClasses) {  // the thread is ending, or the block is another one's
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    shared.bins[index] = new (block) Block{shared.bins[index]};
    return;
  }
  const bool large = bytes > kLarge;
  const bool full = large && pool.large_kept + class_bytes(index) > kLargeKept;
  if (pool.closed || !own || full) {
    std::free(block);
    return;
  }
  if (large) pool.large_kept += class_bytes(index);
  bin.idle = new (block) Block{bin.idle};
}

void* allocate(std::size_t bytes) { return pool_allocate(bytes); }
void deallocate(void* block, std::size_t bytes) noexcept { pool_deallocate(block, bytes); }

#endif

}  // namespace tapegrad::memory
