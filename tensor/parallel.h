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

// Splits [0, count) into parts, calls f(begin, end) for each, and returns when all are done. A part
// has at least `least` items; `least` is 1 or more and a multiple of `multiple`, and so are all
// bounds but the last. The calling thread runs one part itself. It runs everything itself if it is
// already inside a part, or if another thread is using the workers. If parts throw, the first
// exception is rethrown after all parts have ended. Parts run without the tape. They must not copy
// or destroy Tensor handles of the caller; they may only use raw pointers to the elements.
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

// The least number of elements in a part for operations that read and write each element once: with
// fewer, waking a thread costs more than it saves.
inline constexpr std::int64_t kElementsPerPart = 1 << 16;

}  // namespace tapegrad
