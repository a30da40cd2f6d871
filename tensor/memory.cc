// The slow paths of the memory pool: blocks from the system, and blocks that change threads. Read
// next: tensor/threads.h.
#include <tapegrad/tensor/pool.h>

#include <pthread.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace tapegrad::memory {
namespace {

// std::bad_alloc with the requested size in its text.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes)
      : text_("out of memory: cannot allocate " + std::to_string(bytes) + " bytes") {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

thread_local constinit std::size_t system_calls = 0;

// Large blocks use pages of 2 MiB if the system provides them: the rows of a large table are read
// in random order, and with small pages the page lookup takes as long as reading the row. Each
// block begins at a different offset in its first page: an optimizer reads the same position of
// several blocks at once, and without the offset these would all map to the same cache sets (5 % of
// the time of a step over 50 million elements).
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr bool is_huge(std::size_t bytes) { return bytes >= 4 * kHugePage; }

void* ask_system(std::size_t bytes) {
  ++system_calls;
  const std::size_t shift = is_huge(bytes) ? system_calls % 8 * (4096 + 256) : 0;
  std::size_t total = bytes + shift;
  if (is_huge(bytes)) total = (total + kHugePage - 1) / kHugePage * kHugePage;
  void* block = std::aligned_alloc(is_huge(bytes) ? kHugePage : kAlignment, total);
  if (block == nullptr) throw OutOfMemory(bytes);
#if defined(MADV_HUGEPAGE)
  if (is_huge(bytes)) madvise(block, total, MADV_HUGEPAGE);  // a hint; it may fail
#endif
  return static_cast<std::byte*>(block) + shift;
}

// `bytes` is the size that was passed to ask_system.
void give_back(void* block, std::size_t bytes) noexcept {
  const std::size_t shift = reinterpret_cast<std::uintptr_t>(block) % kHugePage;
  std::free(is_huge(bytes) ? static_cast<std::byte*>(block) - shift : block);
}

}  // namespace

std::size_t system_allocations() { return system_calls; }

#ifdef TAPEGRAD_NO_POOL

namespace {
std::size_t whole_lines(std::size_t bytes) {
  const std::size_t lines = (bytes + kAlignment - 1) / kAlignment;
  return (lines == 0 ? 1 : lines) * kAlignment;
}
}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw OutOfMemory(bytes);
  return ask_system(whole_lines(bytes));
}
void deallocate(void* block, std::size_t bytes) noexcept { give_back(block, whole_lines(bytes)); }

#else

[[gnu::tls_model("initial-exec")]] thread_local constinit Pool pool{};

namespace {

// The rest of a thread's pool, allocated with the first block and freed when the thread ends. It is
// not thread_local itself, because little memory is left for that where a shared object is loaded
// by dlopen().
struct LargePool {
  Bin bins[kClasses - kSmallClasses];
  std::byte* slab;
  std::size_t slab_left;
  std::size_t large_kept;
};
thread_local constinit LargePool* large_pool = nullptr;

// Small blocks that were freed by a thread other than the one that allocated them, or by a thread
// that is ending. A thread whose own list of a size is empty takes over the whole list.
struct Orphans {
  std::mutex mutex;
  Block* bins[kSmallClasses] = {};
};
Orphans& orphans() {
  // Never destroyed: threads may outlive statics. A forked process can use it, because no other
  // thread holds the mutex while fork() runs.
  static Orphans* const instance = [] {
    pthread_atfork([] { orphans().mutex.lock(); }, [] { orphans().mutex.unlock(); },
                   [] { orphans().mutex.unlock(); });
    return new Orphans;
  }();
  return *instance;
}

struct Closer {
  ~Closer() {
    pool.closed = true;
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    for (std::size_t i = 0; i < kSmallClasses; ++i) {
      pool.bins[i].lent = 0;
      while (Block* block = pool.bins[i].idle) {
        pool.bins[i].idle = block->next;
        block->next = shared.bins[i];
        shared.bins[i] = block;
      }
    }
    for (std::size_t i = kSmallClasses; i < kClasses; ++i) {
      Bin& bin = large_pool->bins[i - kSmallClasses];
      while (Block* block = bin.idle) {
        bin.idle = block->next;
        give_back(block, class_bytes(i));
      }
    }
    delete std::exchange(large_pool, nullptr);
  }
};

// A block of this size class for a thread whose own list is empty.
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
  if (large_pool->slab_left < bytes) {
    large_pool->slab = static_cast<std::byte*>(ask_system(kSlab));
    large_pool->slab_left = kSlab;
  }
  void* block = large_pool->slab;
  large_pool->slab += bytes;
  large_pool->slab_left -= bytes;
  return block;
}

}  // namespace

void* allocate_slowly(std::size_t bytes) {
  if (bytes >= (std::size_t{1} << 48)) throw OutOfMemory(bytes);
  const std::size_t index = class_of(bytes);
  if (pool.closed) return ask_system(class_bytes(index));
  if (large_pool == nullptr) large_pool = new LargePool{};
  Bin& bin = index < kSmallClasses ? pool.bins[index] : large_pool->bins[index - kSmallClasses];
  ++bin.lent;
  Block* const block = bin.idle;
  if (block == nullptr) return new_block(index);
  bin.idle = block->next;
  if (bytes > kLarge) large_pool->large_kept -= class_bytes(index);
  return block;
}

void deallocate_slowly(void* block, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  if (index < kSmallClasses) {  // the thread is ending, or another thread allocated the block
    Orphans& shared = orphans();
    const std::lock_guard lock(shared.mutex);
    shared.bins[index] = new (block) Block{shared.bins[index]};
    return;
  }
  Bin* const bin = large_pool == nullptr ? nullptr : &large_pool->bins[index - kSmallClasses];
  const bool own = bin != nullptr && bin->lent > 0;
  if (own) --bin->lent;
  const bool large = bytes > kLarge;
  const bool full = large && own && large_pool->large_kept + class_bytes(index) > kLargeKept;
  if (!own || full) {
    give_back(block, class_bytes(index));
    return;
  }
  if (large) large_pool->large_kept += class_bytes(index);
  bin->idle = new (block) Block{bin->idle};
}

void* allocate(std::size_t bytes) { return pool_allocate(bytes); }
void deallocate(void* block, std::size_t bytes) noexcept { pool_deallocate(block, bytes); }

#endif

}  // namespace tapegrad::memory
