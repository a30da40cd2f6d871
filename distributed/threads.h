// Ranks that are threads of one process, for tests and lessons. Read next: distributed/threads.cc.
//
//   run_on_threads(4, [](Communicator& comm) { ... });
#pragma once

#include <functional>

#include <tapegrad/distributed/communicator.h>

namespace tapegrad::distributed {

// Calls `function` on `count` threads, each of which is one rank, and returns when all have ended.
// An exception on one of them ends the others in the next function that waits for that rank; it is
// thrown again here, and an Error says on which rank it was. ValueError unless count is 1 to 1024.
//
// Threads share the default generator, and which of them gets which number depends on timing: give
// each its own Generator (tensor/random/generator.h). A thread that never returns is never ended.
void run_on_threads(int count, const std::function<void(Communicator&)>& function,
                    CommunicatorOptions options = {});

}  // namespace tapegrad::distributed
