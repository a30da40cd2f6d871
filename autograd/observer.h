// Observer: what is told of a thread's computation while a Trace exists (autograd/trace/trace.h).
// The tape, backward passes, modules and optimizers report here, so that a Trace includes neither
// nn nor optim. Without an observer, each report costs one comparison. Read next:
// autograd/attributes.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/autograd/tape.h>

namespace tapegrad {

struct Attribute;
struct ParameterStep;

// An observer overrides the reports that it wants; the others do nothing.
class Observer {
 public:
  // This thread's observer, or null.
  static Observer* current() { return tape().observer(); }

  // Forward. `inputs` are all arguments that are Variables, also constants and undefined ones. The
  // observer may give `result` another value of the same shape and type.
  virtual void recorded(const Entry& entry, Variable& result,
                        std::span<const Variable* const> inputs);
  // The other arguments of the operation of this name that is recorded next (attributes.h).
  virtual void describes(const char* operation, std::vector<Attribute> attributes);

  // A backward pass, by its number. `from` is the entry whose rules run, or null for the gradient
  // that the pass begins with. `gradient` is as the rule returned it: broadcasting is not undone
  // yet.
  virtual void adds(std::uint64_t pass, const Entry* from, Node& to, const Variable& gradient);
  virtual void adds(std::uint64_t pass, const Entry* from, Node& to, const RowSparse& gradient);
  virtual void fires(std::uint64_t pass, const Entry& entry, const Variable& gradient);
  // Before and after it releases its inputs, its rules and what they keep.
  virtual void releases(const Entry& entry);
  virtual void released(const Entry& entry);
  // Before a leaf's grad() changes. One or both parts of the pass's sum are given.
  virtual void commits(std::uint64_t pass, Leaf& leaf, const Variable& sum,
                       std::span<const RowSparse> rows);

  // Modules. The path is empty for the outermost one. A parameter may be named more than once.
  virtual void enters(const std::string& path, const std::string& description);
  virtual void leaves();
  virtual void names(const Variable& parameter, const std::string& name);

  // Optimizers: before and after a step moves a parameter (attributes.h).
  virtual void will_update(const ParameterStep& step);
  virtual void updated(const ParameterStep& step);

 protected:
  Observer();  // AutogradError if this thread has an observer
  // Another thread may destroy an observer if the observed one computes nothing at that time, or
  // has ended.
  virtual ~Observer();
  Observer(const Observer&) = delete;
  // Whether the thread that calls this is the observed one.
  bool is_of_this_thread() const { return tape_ != nullptr && tape_ == &tape(); }

 private:
  friend class Tape;
  Tape* tape_;  // of the observed thread; null when that has ended
};

namespace detail {
// Calls recorded() of the thread's observer. Takes a copy of the result and returns it, so that the
// compiler can keep the result of an operation in registers.
[[gnu::cold]] Variable reported(const Entry& entry, Variable result,
                                std::span<const Variable* const> inputs);
}  // namespace detail

}  // namespace tapegrad
