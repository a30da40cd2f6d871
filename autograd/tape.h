// The tape: the record of operations from which the library computes gradients.
//
// The idea. Every operation on Variables computes its result and, if an input requires a gradient,
// appends an Entry to the thread's Tape:
//
//     Variable y = tanh(matmul(a, w));          std::cout << tape();
//     Variable loss = mean(square(y));
//                                               #0 matmul (2, 3) <- leaf (2, 3)
//                                               #1 tanh (2, 3) <- #0
//                                               #2 square (2, 3) <- #1
//                                               #3 mean () <- #2
//
// An entry holds, for each input that requires a gradient, a counted handle to that input (its
// entry or its leaf) and a rule. The rule takes dy, the gradient of the entry's result, and returns
// the gradient of the input. For tanh it returns dy * (1 - y * y). Rules are written with Variable
// operations, beside the operation itself (autograd/ops/elementwise.cc and the other files there),
// so that gradients can be recorded and differentiated again.
//
// loss.backward() gives the loss's entry the pending gradient 1 and walks along the tape, from the
// newest entry to the oldest. An entry with a pending gradient fires: it calls its rules and adds
// the results to the pending gradients of its inputs. Gradients of leaves are added to their
// grad(). Since an entry comes after all its inputs, its gradient is complete when the walk reaches
// it: there is no sorting, no visited set, no recursion. The walk ends when no gradient is pending.
//
// Ownership: a Variable holds a counted handle to its entry, and an entry holds counted handles to
// its inputs' nodes. The tape owns nothing: it is a list. An entry joins it when it is made and
// leaves it when the last handle is gone, so history lives exactly as long as a Variable can reach
// it.
//
// Invariants (each has a test of its number in tests/autograd/tape_test.cc):
//   1. An entry comes after the entries of all its inputs.
//   2. An entry is on the tape exactly as long as something refers to it. One that another thread
//      dropped stays until its own thread next uses the tape.
//   3. An entry never refers to a newer one.
//   4. A pending gradient is a reference.
//   5. Nothing walks the history recursively: 1,000,000 entries can be recorded, differentiated and
//      dropped with a small stack.
//   6. After a training step, after an exception, and after a forgotten NoGrad, tape().size() is
//      what it was before.
//
// Threads: each thread has its own tape; an operation on another thread's history throws. A handle
// may be dropped on any thread: the last one of an entry is handed back to the thread that recorded
// it (autograd/tape_threads.cc).
//
// Read next: autograd/variable.h.
#pragma once

#include <iosfwd>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/memory.h>

namespace tapegrad {

class BackwardPass;
class Observer;
class Tape;

// One recorded operation. Its inputs and rules are in the derived template Record
// (autograd/record.h).
class Entry : public Node {
 public:
  const char* name() const { return name_; }
  std::uint64_t number() const { return number_; }  // position in the order of recording
  const Tape& owner() const { return *tape_; }      // the tape of the thread that recorded it
  std::span<const std::int64_t> sizes() const { return shape_.sizes(); }  // of the result
  DType dtype() const { return dtype_; }
  Hooks& hooks();  // creates the list on first use

  static void* operator new(std::size_t bytes) { return memory::allocate(bytes); }
  static void operator delete(void* entry, std::size_t bytes) noexcept {
    memory::deallocate(entry, bytes);
  }

  virtual std::size_t input_count() const = 0;
  virtual Node* input(std::size_t i) const = 0;  // null for one that required no gradient

 protected:
  Entry(const char* name, const Tensor& value);
  virtual ~Entry();

  bool is_of_this_thread(const Node& input) const {
    return input.is_leaf() || static_cast<const Entry&>(input).tape_ == tape_;
  }

  virtual void fire(BackwardPass& pass, const Variable& dy) = 0;
  virtual void forget() = 0;  // releases inputs, rules and everything that rules captured

 private:
  friend class BackwardPass;
  friend class Node;
  friend class Tape;

  const char* name_;
  Tape* tape_;
  Entry* older_ = nullptr;
  Entry* newer_ = nullptr;
  std::uint64_t number_;
  Variable pending_;  // the gradient so far; while it is defined, the pass holds a reference
  union {
    Hooks* hooks_ = nullptr;  // owned
    Entry* handed_next_;      // in the tape's list handed_
  };
  [[no_unique_address]] CompactShape shape_;  // the members below use its padding
  DType dtype_;
  bool consumed_ = false;  // a pass has called fire() and forget()
  bool wanted_ = false;    // a pass of grad() needs its gradient
};

inline Entry& Node::as_entry() { return static_cast<Entry&>(*this); }

// The thread's list of live entries, in the order of recording.
class Tape {
 public:
  std::size_t size() const { return size_; }
  static bool is_recording() { return current_ == nullptr || current_->recording_; }  // this thread
  const Entry* oldest() const { return oldest_; }
  const Entry* newest() const { return newest_; }
  Observer* observer() const { return observer_; }  // null unless a Trace exists
  static const Entry* next(const Entry* entry) { return entry->newer_; }
  void print() const;  // to std::cout, as << prints it

  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

 private:
  friend class BackwardPass;
  friend class Entry;
  friend class NoGrad;
  friend class Node;
  friend class Observer;
  friend class Variable;
  friend Tape& tape();

  Tape() = default;
  ~Tape() = default;
  static Tape& prepare();  // makes the tape, or drops what was handed to it
  static void hand_back(Entry& entry) noexcept;
  void take_back() noexcept;
  void append(Entry* entry) noexcept;
  void unlink(Entry* entry) noexcept;
  void drop(Entry* entry) noexcept;

  Entry* oldest_ = nullptr;
  Entry* newest_ = nullptr;
  Entry* dropped_ = nullptr;  // list of the entries that the running drop() must still destroy
  std::size_t size_ = 0;
  bool recording_ = true;
  bool dropping_ = false;
  bool orphaned_ = false;                 // its thread has ended: deleted with its last entry
  std::atomic<Entry*> handed_ = nullptr;  // entries whose last handle another thread had
  const Entry* firing_ = nullptr;         // the entry whose rules are running
  BackwardPass* pass_ = nullptr;          // the running pass
  Observer* observer_ = nullptr;          // autograd/observer.h

  // As fast in position-independent code as in other code.
  [[gnu::tls_model("initial-exec")]] static thread_local constinit Tape* current_;
};

// This thread's tape.
inline Tape& tape() {
  Tape* const current = Tape::current_;
  return current != nullptr && current->handed_ == nullptr ? *current : Tape::prepare();
}

// Prints one line for each entry, newest last: `#3 mean () <- #2`.
std::ostream& operator<<(std::ostream& out, const Tape& tape);

}  // namespace tapegrad
