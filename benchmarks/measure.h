// How the benchmarks measure and print: contenders run in turns (A B A B), each round long enough
// for the clock; a row shows the median of each one's rounds, and as ratio the median of the
// rounds' ratios. A neighbour who slows the machine for a while slows both sides of a ratio.
//
// Time is processor time of the process, all threads, system calls and page faults included:
// waiting for a processor that others use does not count. Everything is pinned to one processor.
//
// Read next: peer.h (how the contenders from elsewhere are run), operation.cc.
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

// Of this process so far.
inline double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Seconds that `repetitions` runs of `work` take.
template <class Work>
double time_of(std::int64_t repetitions, Work&& work) {
  const double begin = processor_seconds();
  for (std::int64_t i = 0; i < repetitions; ++i) work();
  return processor_seconds() - begin;
}

// The most memory that was resident in this process so far, in bytes.
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

// How much more memory work(large) takes at its peak than work(small), in a process that ends with
// it. What this one has used and freed would be used again and not be seen: measure memory first.
template <class Work>
double extra_memory(Work&& work, std::int64_t small, std::int64_t large) {
  int answer[2];
  std::fflush(stdout);  // or the child would write it again
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
  const bool came = read(answer[0], &extra, sizeof extra) == sizeof extra;
  close(answer[0]);
  waitpid(child, nullptr, 0);
  if (!came) throw std::runtime_error("a child that was to measure memory gave no answer");
  return extra;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Who is measured: run(n) does its work n times and returns the seconds that took.
struct Contender {
  std::string name;
  std::function<double(std::int64_t)> run;
};

template <class Work>
Contender ours(Work work) {
  return {"tapegrad",
          [work = std::move(work)](std::int64_t n) mutable { return time_of(n, work); }};
}

// What a row shows of the seconds for one repetition.
struct Unit {
  const char* name;
  double amount;         // of `name` in one repetition, or its share of a second
  bool is_rate = false;  // amount per second, more is better

  double figure(double seconds) const { return is_rate ? amount / seconds : amount * seconds; }
};
inline Unit nanoseconds_each(double operations) { return {"ns", 1e9 / operations}; }
inline Unit rate(const char* name, double amount) { return {name, amount, true}; }

struct Settings {
  bool brief = false;  // --short: a few seconds, to see that everything runs
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

  // One row per peer; one with ours alone if there is none. Slow work may ask for fewer rounds.
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
  // How many repetitions make a round.
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

  // Three digits that count.
  static std::string rounded(double figure) {
    char text[32];
    const int digits = figure >= 100 ? 0 : figure >= 10 ? 1 : figure >= 1 ? 2 : 3;
    std::snprintf(text, sizeof text, "%.*f", digits, figure);
    return text;
  }

  Settings settings_;
};

// Stays on the last processor that it may use; peers inherit this.
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

// A benchmark's main(): reads --short, calls body(report), turns exceptions into a line.
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
  std::signal(SIGPIPE, SIG_IGN);  // a peer that died is noticed when it does not answer
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
