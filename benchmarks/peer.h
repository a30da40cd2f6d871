// Peers are programs in the folder of the benchmark, such as `peer_libtorch`, that run workloads on
// request. In a process of its own, a peer has the environment variables that it needs, and its
// libraries, threads and start-up do not affect our measurements.
//
// The protocol consists of lines. First the peer writes its name and version. Then it reads
// requests `<repetitions> <workload>`, and writes for each the seconds that the repetitions took,
// or another result if the workload is not about time. It sets up a workload at the first request.
//
// Read next: peers/openblas.cc.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "measure.h"

namespace measure {

using Environment = std::vector<std::pair<const char*, const char*>>;

// By default, glibc returns large blocks to the system in every step, and gets them back page by
// page. With these settings it keeps them. The tables call this "tuned".
inline const Environment kKeepMemory = {{"MALLOC_MMAP_THRESHOLD_", "17179869184"},
                                        {"MALLOC_TRIM_THRESHOLD_", "17179869184"},
                                        {"MALLOC_TOP_PAD_", "67108864"}};

// A running peer, or an absent one if its program was not built. Its contenders refer to it.
class PeerProgram {
 public:
  explicit PeerProgram(const std::string& program, const std::string& manner = "",
                       const Environment& environment = {}) {
    const std::string path = folder() + "/" + program;
    if (access(path.c_str(), X_OK) != 0) {
      std::printf("%s is not built here: its column stays empty (see scripts/bench)\n",
                  program.c_str());
      return;
    }
    start(path, environment);
    version_ = line();
    name_ = version_.substr(0, version_.find(' ')) + manner;
    std::printf("%s: %s, one thread\n", name_.c_str(), version_.c_str());
  }
  ~PeerProgram() {
    if (process_ < 0) return;
    std::fclose(to_);
    std::fclose(from_);
    waitpid(process_, nullptr, 0);
  }
  PeerProgram(const PeerProgram&) = delete;
  PeerProgram& operator=(const PeerProgram&) = delete;

  // The contender for Report::compare(); empty if the peer is absent.
  std::vector<Contender> at(const std::string& workload, const std::string& remark = "") {
    if (process_ < 0) return {};
    return {{name_ + remark, [this, workload](std::int64_t n) { return ask(n, workload); }}};
  }

  // The result of a workload that is not about time, such as an accuracy, if the peer is there.
  std::optional<double> figure(const std::string& workload) {
    if (process_ < 0) return std::nullopt;
    return ask(1, workload);
  }
  const std::string& name() const { return name_; }

 private:
  static std::string folder() {
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    const std::string program(path, length > 0 ? static_cast<std::size_t>(length) : 0);
    return program.substr(0, program.rfind('/'));
  }

  void start(const std::string& path, const Environment& environment) {
    int requests[2];
    int answers[2];
    if (pipe2(requests, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipes to a peer");
    }
    process_ = fork();
    if (process_ < 0) throw std::runtime_error("no process for a peer");
    if (process_ == 0) {
      dup2(requests[0], STDIN_FILENO);
      dup2(answers[1], STDOUT_FILENO);
      unsetenv("OPENBLAS_CORETYPE");  // with these, OpenBLAS would choose slower kernels
      unsetenv("OPENBLAS_L2_SIZE");
      limit_instructions();
      setenv("OPENBLAS_NUM_THREADS", "1", 1);
      setenv("OMP_NUM_THREADS", "1", 1);
      for (const auto& [variable, value] : environment) setenv(variable, value, 1);
      execl(path.c_str(), path.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(requests[0]);
    close(answers[1]);
    to_ = fdopen(requests[1], "w");
    from_ = fdopen(answers[0], "r");
  }

  // If TAPEGRAD_SIMD keeps our kernels to an older instruction set, the peers are kept to it too.
  static void limit_instructions() {
    const char* level = std::getenv("TAPEGRAD_SIMD");
    if (level == nullptr) return;
    const bool avx2 = std::string_view(level) == "avx2";
    if (!avx2 && std::string_view(level) != "base") return;
    setenv("ATEN_CPU_CAPABILITY", avx2 ? "avx2" : "default", 1);
    setenv("OPENBLAS_CORETYPE", avx2 ? "Haswell" : "Prescott", 1);
    for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
      setenv(name, avx2 ? "AVX2" : "SSE41", 1);
    }
  }

  double ask(std::int64_t repetitions, const std::string& workload) {
    std::fprintf(to_, "%lld %s\n", static_cast<long long>(repetitions), workload.c_str());
    std::fflush(to_);
    return std::stod(line());
  }

  std::string line() {
    char text[512];
    if (std::fgets(text, sizeof text, from_) == nullptr) {
      throw std::runtime_error("a peer ended without an answer");
    }
    std::string answer(text);
    while (!answer.empty() && answer.back() == '\n') answer.pop_back();
    return answer;
  }

  pid_t process_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  std::string version_;
  std::string name_;
};

// The contenders of several peers as one list.
inline std::vector<Contender> together(std::vector<std::vector<Contender>> lists) {
  std::vector<Contender> all;
  for (auto& list : lists) {
    for (Contender& contender : list) all.push_back(std::move(contender));
  }
  return all;
}

// The peer's side of the protocol. prepare(words) sets up a workload and returns the function that
// answers a request for n repetitions: timed(work), or one that computes another result.
using Work = std::function<void()>;
using Answer = std::function<double(std::int64_t)>;
inline Answer timed(Work work) {
  return [work = std::move(work)](std::int64_t n) mutable { return time_of(n, work); };
}

template <class Prepare>
int answer_requests(const std::string& version, const Prepare& prepare) {
  std::cout << version << std::endl;
  std::string prepared;
  Answer answer;
  for (std::string request; std::getline(std::cin, request);) {
    std::istringstream words(request);
    std::int64_t repetitions = 0;
    std::string workload;
    words >> repetitions >> std::ws;
    std::getline(words, workload);
    if (workload != prepared) {
      answer = nullptr;  // frees its memory before the next workload allocates
      std::istringstream arguments(workload);
      answer = prepare(arguments);
      prepared = workload;
    }
    std::cout << answer(repetitions) << std::endl;
  }
  return 0;
}

}  // namespace measure
