// Runs programs from start to end and measures their time and memory, and makes temporary folders.
//
// Read next: first_file.cc.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace measure {

// The resources that a process and the children it waited for have used.
struct Usage {
  double seconds;
  double megabytes;
};

// Runs a command to its end and writes its output to a file; with `with_errors`, also its error
// output. Throws std::runtime_error if the command fails.
inline Usage run_program(const std::vector<std::string>& words,
                         const std::string& output = "/dev/null", bool with_errors = false) {
  std::fflush(stdout);  // otherwise the child would write it again
  const pid_t process = fork();
  if (process < 0) throw std::runtime_error("cannot run " + words[0]);
  if (process == 0) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    if (std::freopen(output.c_str(), "w", stdout) == nullptr) _exit(127);
    if (with_errors) dup2(STDOUT_FILENO, STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(process, &status, 0, &usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::string command;
    for (const std::string& word : words) command += word + " ";
    throw std::runtime_error("failed: " + command);
  }
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime),
          1e-6 * 1024 * static_cast<double>(usage.ru_maxrss)};
}

// A folder that is removed when the benchmark ends.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "benchmark.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

}  // namespace measure
