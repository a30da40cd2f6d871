// check_tape: compares the gradient of every entry with finite differences, and names the operation
// whose rule is wrong. gradcheck() (autograd/gradcheck.h) finds that something is wrong; this finds
// where. Read next: autograd/trace/check_tape.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

struct CheckTapeOptions {
  // |gradient - difference| must be at most absolute + relative * |difference|.
  double absolute = 1e-6;
  double relative = 1e-4;
  double step = 1e-6;               // of the central differences
  std::int64_t most_elements = 16;  // checked of each value: evenly spread, if it has more
};

// A rule that returned a wrong gradient.
struct TapeFault {
  std::string operation;     // "mul"
  std::int64_t entry = 0;    // its position in the order of recording
  std::string module;        // the path of the module that recorded it; empty outside of modules
  std::int64_t input = 0;    // the argument whose gradient is wrong
  std::int64_t element = 0;  // of that argument, counted row by row
  double gradient = 0;       // the rule's part of the gradient of the loss
  double difference = 0;     // what finite differences give for that part
  std::string text;          // in words
};

struct TapeCheck {
  bool passed = true;
  bool in_float64 = true;         // false: the function does not accept float64 parameters
  std::int64_t elements = 0;      // that were compared
  std::vector<TapeFault> faults;  // the newest entry first
  explicit operator bool() const { return passed; }
};

// Prints one line for each fault, or how many elements agree.
std::ostream& operator<<(std::ostream& out, const TapeCheck& check);

// Runs function() many times: it computes a loss of one element from leaves, and must give the same
// value each time (the default generator's state is restored before each call). Its leaves are
// float64 in these calls, if it accepts that, and keep their values and gradients.
// AutogradError if the result has no history or more than one element; ValueError if the function
// gives other values when it is called again, and for options that are not positive.
TapeCheck check_tape(const std::function<Variable()>& function, CheckTapeOptions options = {});

}  // namespace tapegrad
