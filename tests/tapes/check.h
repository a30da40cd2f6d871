// The checks that a program must pass. Read next: check.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tapes/program.h"

namespace tapegrad::tapes {

struct Finding {
  // Of what kind: "call" (an operation threw), "value", "special value", "type", "gradient",
  // "second order", "fused", "composed", "accumulated", "single", "threads", "tape".
  std::string kind;
  std::string text;
  int step = -1;  // the operation, if it is known
};

// What was checked.
struct Statistics {
  std::int64_t programs = 0;
  std::int64_t operations = 0;
  std::int64_t first_order = 0;   // programs compared with differences
  std::int64_t second_order = 0;  // the same for gradients of gradients
  std::int64_t kinks = 0;         // skipped, because the program has no derivative there
  std::map<std::string, std::int64_t> rows{};  // how often each operation was called
};

struct CheckOptions {
  std::vector<int> threads = {2, 3, 8};  // compared with 1
  bool counts_rows = false;
};

std::optional<Finding> check(const Program& program, Statistics& statistics,
                             const CheckOptions& options = {});

// The elements of all results of a program, then those of the gradients of all leaves. The results
// before the first operation that is not exact have the same bits on every instruction set;
// gradients may hold sums.
struct Outcome {
  std::size_t exact = 0;  // how many of the elements
  std::vector<double> elements;
};
Outcome outcome_of(const Program& program);

}  // namespace tapegrad::tapes
