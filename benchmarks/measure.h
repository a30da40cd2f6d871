// Measures contenders and prints tables. The contenders run in turn (A B A B), and each round is
// long enough for the clock. A row shows the median over the rounds of each contender, and the
// median of the ratios of the rounds. If another process slows the machine for a while, it slows
// both sides of a ratio.
//
// Time is the processor time of the process, with all threads, system calls and page faults. The
// time in which it waits for a processor does not count. Everything is pinned to one processor.
//
// Read next: peer.h (which runs the contenders of other libraries), operation.cc.
#pragma once

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace measure {

// The processor time that this process has used so far.
inline double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Runs `work` `repetitions` times and returns the seconds.
template <class Work>
double time_of(std::int64_t repetitions, Work&& work) {
  const double begin = processor_seconds();
  for (std::int64_t i = 0; i < repetitions; ++i) work();
  return processor_seconds() - begin;
}

// The peak of resident memory of this process so far, in bytes.
inline double peak_memory() {
  FILE* const status = std::fopen("/proc/self/status", "r");
  long kilobytes = 0;
  char line[256];
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    if (std::sscanf(line, "VmHWM: %ld kB", &kilobytes) == 1) break;
  }
  if (status != nullptr) std::fclose(status);
  return 1024.0 * static_cast<double>(kilobytes);
}

// Returns how much higher the peak of memory of work(large) is than that of work(small), measured
// in a child process. Measure memory before time: memory that this process has freed would be used
// again and would not count.
template <class Work>
double extra_memory(Work&& work, std::int64_t small, std::int64_t large) {
  int answer[2];
  std::fflush(stdout);  // otherwise the child would write it again
  if (pipe(answer) != 0) throw std::runtime_error("no pipe to a child");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process to measure memory in");
  if (child == 0) {
    work(small);
    const double before = peak_memory();
    work(large);
    const double extra = peak_memory() - before;
    _exit(write(answer[1], &extra, sizeof extra) == sizeof extra ? 0 : 1);
  }
  close(answer[1]);
  double extra = 0;
  const bool answered = read(answer[0], &extra, sizeof extra) == sizeof extra;
  close(answer[0]);
  waitpid(child, nullptr, 0);
  if (!answered) throw std::runtime_error("the child that measures memory gave no answer");
  return extra;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// One of the measured programs: run(n) does its work n times and returns the seconds.
struct Contender {
  std::string name;
  std::function<double(std::int64_t)> run;
};

template <class Work>
Contender ours(Work work) {
  return {"tapegrad",
          [work = std::move(work)](std::int64_t n) mutable { return time_of(n, work); }};
}

// Converts the seconds of one repetition into the figure that a row shows.
struct Unit {
  const char* name;
  double amount;         // how many there are in a second or, for a rate, in one repetition
  bool is_rate = false;  // amount per second, more is better

  double figure(double seconds) const { return is_rate ? amount / seconds : amount * seconds; }
};
inline Unit nanoseconds_each(double operations) { return {"ns", 1e9 / operations}; }
inline Unit rate(const char* name, double amount) { return {name, amount, true}; }

struct Settings {
  bool brief = false;  // --short: a few seconds, to check that everything runs
};

class Report {
 public:
  explicit Report(Settings settings) : settings_(settings) {}
  const Settings& settings() const { return settings_; }

  // A heading for the rows that follow.
  void begin(const char* title) {
    std::printf("\n%-44s %9s %9s %-8s %6s  %s\n", title, "ours", "peer", "", "ratio",
                "peer's name");
  }

  // Prints one row per peer, or one row without a peer. Slow work can ask for fewer rounds.
  void compare(const std::string& name, const Unit& unit, const Contender& us,
               const std::vector<Contender>& peers, int most_rounds = 11) {
    std::vector<const Contender*> all = {&us};
    for (const Contender& peer : peers) all.push_back(&peer);
    std::vector<std::int64_t> repetitions;
    for (const Contender* contender : all) repetitions.push_back(calibrate(*contender));
    std::vector<std::vector<double>> seconds(all.size());  // of one repetition, by round
    const int rounds = std::min(settings_.brief ? 3 : 11, most_rounds);
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        seconds[i].push_back(all[i]->run(repetitions[i]) / static_cast<double>(repetitions[i]));
      }
    }
    const double our_figure = unit.figure(median(seconds[0]));
    if (peers.empty()) row(name, unit.name, our_figure);
    for (std::size_t i = 1; i < all.size(); ++i) {
      std::vector<double> ratios;
      for (int round = 0; round < rounds; ++round) {
        const auto r = static_cast<std::size_t>(round);
        ratios.push_back(seconds[i][r] / seconds[0][r]);
      }
      row(name, unit.name, our_figure,
          Peer{all[i]->name, unit.figure(median(seconds[i])), median(ratios)});
    }
  }

  struct Peer {
    std::string name;
    double figure;
    double ratio;  // how many times better we are
  };
  void row(const std::string& name, const char* unit, double our_figure,
           const std::optional<Peer>& peer = std::nullopt) {
    std::printf("%-44s %9s ", name.c_str(), rounded(our_figure).c_str());
    if (peer) {
      std::printf("%9s %-8s %6.2f  %s\n", rounded(peer->figure).c_str(), unit, peer->ratio,
                  peer->name.c_str());
    } else {
      std::printf("%9s %-8s %6s\n", "-", unit, "-");
    }
    std::fflush(stdout);
  }

 private:
  // Returns the number of repetitions in a round.
  std::int64_t calibrate(const Contender& contender) const {
    const double round = settings_.brief ? 0.01 : 0.1;
    contender.run(1);  // fills pools and caches
    for (std::int64_t n = 1;;) {
      const double each = std::max(contender.run(n) / static_cast<double>(n), 1e-12);
      const auto enough = std::max<std::int64_t>(static_cast<std::int64_t>(round / each), 1);
      if (enough <= 2 * n) return enough;
      n = std::min(enough, 16 * n);
    }
  }

  // Rounds to three significant digits.
  static std::string rounded(double figure) {
    char text[32];
    const int digits = figure >= 100 ? 0 : figure >= 10 ? 1 : figure >= 1 ? 2 : 3;
    std::snprintf(text, sizeof text, "%.*f", digits, figure);
    return text;
  }

  Settings settings_;
};

// Pins this process to the last processor that it may use; peers inherit this.
inline void pin() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = CPU_SETSIZE - 1; i >= 0; --i) {
    if (CPU_ISSET(static_cast<std::size_t>(i), &allowed)) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(i), &one);
      sched_setaffinity(0, sizeof one, &one);
      return;
    }
  }
}

// The main() of a benchmark: reads --short, calls body(report), prints an exception as one line.
template <class Body>
int run(int argc, char** argv, const Body& body) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) != "--short") {
      std::fprintf(stderr, "usage: %s [--short]\n", argv[0]);
      return 2;
    }
    settings.brief = true;
  }
  setenv("TAPEGRAD_NUM_THREADS", "1", 1);
  pin();
  std::signal(SIGPIPE, SIG_IGN);  // ask() reports a peer that has ended
  try {
    Report report(settings);
    body(report);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace measure
