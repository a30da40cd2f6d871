// A process that a test signals, or to which it writes while the process runs. Read next:
// example_program.h.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "catch.h"

namespace example_test {

// Descriptors that become the standard files of a process; -1: those of the test.
struct StandardFiles {
  int in = -1;
  int out = -1;
  int error = -1;
};

class Process {
 public:
  // Starts a command of the shell. One that hangs is killed after 5 minutes.
  explicit Process(const std::string& command, const StandardFiles& files = {}) {
    // The test program has handlers of its own, which must not run in the child.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    child_ = fork();
    if (child_ == 0) {
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
      sigprocmask(SIG_SETMASK, &before, nullptr);
      if (files.in >= 0) dup2(files.in, STDIN_FILENO);
      if (files.out >= 0) dup2(files.out, STDOUT_FILENO);
      if (files.error >= 0) dup2(files.error, STDERR_FILENO);
      alarm(300);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(99);
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
    REQUIRE(child_ > 0);
  }
  ~Process() {
    if (!status_) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const { kill(child_, signal); }

  // Whether it has ended. Does not wait.
  bool has_ended() {
    int status = 0;
    if (!status_ && waitpid(child_, &status, WNOHANG) == child_) status_ = status;
    return status_.has_value();
  }
  // Waits for the end. Returns the exit status, or minus the number of the signal that killed it.
  int wait() {
    if (!status_) {
      int status = 0;
      REQUIRE(waitpid(child_, &status, 0) == child_);
      status_ = status;
    }
    return WIFSIGNALED(*status_) ? -WTERMSIG(*status_) : WEXITSTATUS(*status_);
  }

 private:
  pid_t child_ = 0;
  std::optional<int> status_;  // as waitpid() gives it
};

}  // namespace example_test
