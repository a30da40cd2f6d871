// tape_fuzz: runs many random programs, shrinks those that fail and prints them as tests. Read
// next: tapes_test.cc.
//
//   tape_fuzz --seed-from 0 --programs 200000                  # resume with a larger --seed-from
//   tape_fuzz --seed-from 0 --programs 200000 --outcomes FILE  # also writes results, to compare
//   tape_fuzz --compare FILE FILE                              # of two instruction sets
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tapes/fuzz.h"

namespace {

using namespace tapegrad::tapes;

// A line of options; unknown ones end the program.
struct Options {
  std::uint64_t seed_from = 0;
  std::uint64_t programs = 2000;
  std::vector<int> threads = {2, 3, 8};
  std::string outcomes{};
  std::vector<std::string> compared{};
  bool rows = false;
  std::optional<std::uint64_t> show{};
};

Options parsed(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    const auto value = [&] {
      if (++i == count) throw std::runtime_error(name + " needs a value");
      return std::string(arguments[i]);
    };
    if (name == "--seed-from") {
      options.seed_from = std::stoull(value());
    } else if (name == "--programs") {
      options.programs = std::stoull(value());
    } else if (name == "--threads") {
      options.threads.clear();
      std::istringstream list(value());
      for (std::string each; std::getline(list, each, ',');) {
        options.threads.push_back(std::stoi(each));
      }
    } else if (name == "--outcomes") {
      options.outcomes = value();
    } else if (name == "--compare") {
      options.compared = {value(), value()};
    } else if (name == "--rows") {
      options.rows = true;
    } else if (name == "--show") {
      options.show = std::stoull(value());
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Options options = parsed(count, arguments);
    if (!options.compared.empty()) {
      return compare_outcomes(options.compared[0], options.compared[1], std::cout) ? 0 : 1;
    }
    if (options.show) {
      std::cout << shown(*options.show, operations());
      return 0;
    }
    std::ofstream outcomes;
    if (!options.outcomes.empty()) outcomes.open(options.outcomes, std::ios::binary);
    FuzzOptions fuzz;
    fuzz.seed_from = options.seed_from;
    fuzz.programs = options.programs;
    fuzz.check.threads = options.threads;
    fuzz.check.counts_rows = options.rows;
    fuzz.outcomes = outcomes.is_open() ? &outcomes : nullptr;
    fuzz.log = &std::cout;
    const FuzzResult result = fuzz_programs(operations(), fuzz);
    print_summary(result, std::cout);
    return result.findings.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "tape_fuzz: " << error.what() << '\n';
    return 2;
  }
}
