// Trace: writes down what a program computes, forward and backward, as a page that a learner steps
// through. It is a library of its own, tapegrad::trace; tapegrad.h does not include it. Read next:
// autograd/trace/trace.cc.
//
//   Trace trace;                                   // from here on
//   Variable loss = mean(square(tanh(matmul(x, w) + b) - y));
//   loss.backward();
//   adam.step();
//   trace.write_html("tape.html");                 // one file; opens in a browser without a
//   network
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/error.h>

namespace tapegrad {

struct TraceOptions {
  std::string title = "tape";
  std::int64_t most_elements = 1024;  // of larger tensors only a summary is kept
  // If an exception ends the life of the Trace, it writes its page to this file.
  std::string on_failure{};
};

struct PageOptions {
  std::optional<std::uint64_t> quiz{};  // the page opens with questions that this seed draws
};

// While one exists, it records every operation of its thread that the tape records, every backward
// pass, the calls of modules and the steps of optimizers. It copies the elements of small tensors,
// so a step of training takes several times as long; everything it keeps is freed with it. It holds
// no history, so the tape is as without it. Another thread may use or destroy it if its own thread
// computes nothing at that time, or has ended; an exception there writes no page.
class Trace {
 public:
  // ValueError if most_elements is negative; AutogradError if this thread has a Trace already.
  explicit Trace(TraceOptions options = {});
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // How the page calls a Variable. Parameters of modules are named by their modules. Ignored for
  // the result of an operation that was recorded before the Trace began.
  void name(const Variable& variable, const std::string& name);
  // A mark in the sequence of steps, such as "step 100". The page compares two of them.
  void snapshot(const std::string& title);
  // The page ends with this error. Not needed with options.on_failure.
  void failed(const Error& error);

  // Each may be called at any time, also more than once. docs/tape.schema.json describes the JSON.
  // DOT is for Graphviz: `dot -Tsvg tape.dot > tape.svg`. The files are replaced atomically (see
  // write_file_atomically()); IoError if one cannot be written.
  std::string json() const;
  void write_json(const std::string& path) const;
  void write_dot(const std::string& path) const;
  void write_html(const std::string& path, const PageOptions& options = {}) const;

 private:
  class Recording;
  std::unique_ptr<Recording> recording_;
  std::string on_failure_;
  int exceptions_;  // that were in flight when it began
};

}  // namespace tapegrad
