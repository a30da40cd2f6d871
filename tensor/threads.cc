// The worker threads: they run the parts of one operation, then spin a moment and sleep until the
// next. Read next: tensor/version.h.
#include <tapegrad/tensor/threads.h>

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {
namespace {

constexpr int kMostThreads = 256;
constexpr std::chrono::microseconds kTogether(10'000);  // spinning until the other parts are done
constexpr std::chrono::microseconds kBetween(1'000);    // spinning until the next job

bool is_count(long count) { return count >= 1 && count <= kMostThreads; }

[[noreturn]] void refuse(const char* where, const std::string& got) {
  throw ValueError(std::string(where) + ": got " + got + ", needed 1 to " +
                   std::to_string(kMostThreads));
}

std::atomic<int>& wanted_threads() {
  static std::atomic<int> count = [] {
    const char* const text = std::getenv("TAPEGRAD_NUM_THREADS");
    if (text == nullptr || *text == '\0') return 1;
    char* end = nullptr;
    const long asked = std::strtol(text, &end, 10);
    if (*end != '\0' || !is_count(asked)) refuse("TAPEGRAD_NUM_THREADS", text);
    return static_cast<int>(asked);
  }();
  return count;
}

// Spins until ready() is true or the time is over, because waking a sleeping thread takes tens of
// microseconds. It yields now and then: the other thread may share its processor, and the system
// moves only running threads to a free one.
template <class Ready>
bool spin_until(std::chrono::microseconds longest, const Ready& ready) {
  const auto end = std::chrono::steady_clock::now() + longest;
  do {
    for (int i = 0; i < 500; ++i) {
      if (ready()) return true;
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

// One operation, split into parts: worker i runs part i.
struct Job {
  std::int64_t count, parts, multiple;
  void (*call)(const void*, std::int64_t, std::int64_t);
  const void* context;

  std::int64_t bound(std::int64_t part) const {
    return part == parts ? count : count * part / parts / multiple * multiple;
  }
  void run(std::int64_t part) const { call(context, bound(part), bound(part + 1)); }
};

// The workers and their current job. The thread that holds `use` may start a job: it writes `job_`,
// increments `round_`, and waits until `busy_` is 0.
class Team {
 public:
  std::mutex use;

  void run(const Job& job) {
    while (workers_ + 1 < job.parts && add_worker()) {
    }
    job_ = job;
    job_.parts = std::min(job.parts, workers_ + 1);
    error_ = nullptr;
    busy_.store(static_cast<int>(workers_), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    run_part(0);
    while (!spin_until(kTogether, [this] { return busy_.load(std::memory_order_acquire) == 0; })) {
      if (const int left = busy_.load(); left > 0) busy_.wait(left, std::memory_order_acquire);
    }
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  // False if the system has no thread or no memory left: then the job runs in fewer parts.
  bool add_worker() {
    auto work = [this, part = workers_ + 1, seen = round_.load()]() mutable {
      is_worker_ = true;
      for (;; ++seen) {
        if (!spin_until(kBetween, [&] { return round_.load(std::memory_order_acquire) != seen; })) {
          round_.wait(seen, std::memory_order_acquire);
        }
        if (part < job_.parts) run_part(part);
        if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
      }
    };
    try {
      std::thread(work).detach();  // workers never end before the process does
    } catch (const std::system_error&) {
      return false;
    } catch (const std::bad_alloc&) {
      return false;
    }
    ++workers_;
    return true;
  }

  void run_part(std::int64_t part) {
    const bool was_worker = std::exchange(is_worker_, true);
    try {
      job_.run(part);
    } catch (...) {
      const std::lock_guard lock(error_lock_);
      if (error_ == nullptr) error_ = std::current_exception();
    }
    is_worker_ = was_worker;
  }

 public:
  static thread_local bool is_worker_;  // this thread is running a part, so it does not split again

 private:
  Job job_{};
  std::atomic<std::uint32_t> round_ = 0;
  std::atomic<int> busy_ = 0;
  std::mutex error_lock_;
  std::exception_ptr error_;
  std::int64_t workers_ = 0;
};
thread_local bool Team::is_worker_ = false;

// Never destroyed: workers may still be waiting when static objects are destroyed. A forked process
// has no workers, so it starts with a new team.
Team*& team() {
  static Team* current = [] {
    pthread_atfork(nullptr, nullptr, [] { team() = new Team; });
    return new Team;
  }();
  return current;
}

}  // namespace

void set_num_threads(int count) {
  if (!is_count(count)) refuse("set_num_threads", std::to_string(count));
  wanted_threads() = count;
}

int num_threads() { return wanted_threads().load(std::memory_order_relaxed); }

namespace detail {

void run_parts(std::int64_t count, std::int64_t parts, std::int64_t multiple,
               void (*call)(const void*, std::int64_t, std::int64_t), const void* context) {
  if (Team::is_worker_) return call(context, 0, count);
  Team& workers = *team();
  const std::unique_lock lock(workers.use, std::try_to_lock);
  if (!lock.owns_lock()) return call(context, 0, count);
  workers.run({count, parts, multiple, call, context});
}

}  // namespace detail
}  // namespace tapegrad
