// Runs a part of a test in a process of its own, which may be limited or killed. Read next:
// nn/files_test.cc.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "catch.h"

namespace tapegrad::test {

// The text that `function` returns in a child process; "bad_alloc" or the text of an exception that
// leaves it; "signal N" if the child was killed. A child that hangs is killed after `seconds`.
template <class Function>
std::string text_in_child(const Function& function, unsigned seconds = 30) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds);
    std::string text;
    try {
      text = function();
    } catch (const std::bad_alloc&) {
      text = "bad_alloc";
    } catch (const std::exception& error) {
      text = error.what();
    }
    const ssize_t written = ::write(ends[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  REQUIRE(child > 0);
  std::string text;
  char block[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], block, sizeof block)) > 0;) {
    text.append(block, static_cast<std::size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : text;
}

// From now on, this process can allocate `more` bytes of address space, and not more.
inline void limit_memory(std::size_t more) {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) _exit(2);
  std::fclose(file);
  const rlimit limit{.rlim_cur = pages * static_cast<rlim_t>(getpagesize()) + more,
                     .rlim_max = RLIM_INFINITY};
  if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
}

}  // namespace tapegrad::test
