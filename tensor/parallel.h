// Internal. Splitting work among threads, for operations whose parts do not depend on each other.
// Read next: tensor/threads.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include <tapegrad/tensor/threads.h>

namespace tapegrad {

namespace detail {
// Calls call(context, begin, end) for `parts` parts of [0, count), whose bounds are multiples of
// `multiple`.
void run_parts(std::int64_t count, std::int64_t parts, std::int64_t multiple,
               void (*call)(const void*, std::int64_t, std::int64_t), const void* context);
}  // namespace detail

// Calls f(begin, end) for parts that make up [0, count), each of at least `least` numbers (one or
// more, a multiple of `multiple`, as all bounds but the last are), and returns when all are done.
// The caller's thread takes one of them; where it is a part itself, or another thread is using the
// workers, it takes all. The first exception comes out when all have ended. Parts run without the
// tape, and must not touch handles to Tensors of the caller but through the raw pointers of their
// elements.
template <class Function>
void parallel_for(std::int64_t count, std::int64_t least, std::int64_t multiple,
                  const Function& f) {
  const std::int64_t fits = count / std::max<std::int64_t>(least, 1);
  const std::int64_t parts = fits < 2 ? 1 : std::min<std::int64_t>(fits, num_threads());
  if (parts == 1) return f(std::int64_t{0}, count);
  detail::run_parts(
      count, parts, multiple,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const Function*>(context))(begin, end);
      },
      &f);
}

// Of numbers that are read and written once: below this, waking a thread costs more than it saves.
inline constexpr std::int64_t kNumbersToShare = 1 << 16;

}  // namespace tapegrad
