// Runs of many programs. Read next: fuzz.cc, then tape_fuzz.cc.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "tapes/check.h"
#include "tapes/generate.h"
#include "tapes/operation.h"

namespace tapegrad::tapes {

struct FuzzOptions {
  std::uint64_t seed_from = 0;
  std::uint64_t programs = 2000;
  CheckOptions check{};
  GenerateOptions generate{};
  std::size_t most_findings = 20;    // then it stops
  std::ostream* outcomes = nullptr;  // gets the results of each program
  std::ostream* log = nullptr;       // gets each finding at once, and the progress
};

// A failing program, after shrinking.
struct Found {
  Finding finding;
  Program program;
  std::string test;  // in C++
};

struct FuzzResult {
  Statistics statistics{};
  std::vector<Found> findings{};
  std::uint64_t next_seed = 0;  // where a later run continues
};

FuzzResult fuzz_programs(const Table& table, const FuzzOptions& options);
void print_summary(const FuzzResult& result, std::ostream& out);

// The program of a seed in C++, for a look at what is drawn.
std::string shown(std::uint64_t seed, const Table& table);

// Compares two files of outcomes, from two instruction sets: exact programs must have the same
// bits, others must agree up to rounding. Prints a summary; true if all agree.
bool compare_outcomes(const std::string& a, const std::string& b, std::ostream& out);

}  // namespace tapegrad::tapes
