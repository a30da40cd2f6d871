// The tape: how the library remembers where values came from, and walks back to find gradients.
//
// The idea. Every operation on Variables computes its result and, if an input wants a gradient,
// appends an Entry to the thread's Tape:
//
//     Variable y = tanh(matmul(a, w));          std::cout << tape();
//     Variable loss = mean(square(y));
//                                               #0 matmul (2, 3) <- leaf (2, 3)
//                                               #1 tanh (2, 3) <- #0
//                                               #2 square (2, 3) <- #1
//                                               #3 mean () <- #2
//
// An entry holds, for each input that wants a gradient, a counted handle to that input (its entry,
// or its leaf) and a rule: given dy, the gradient of the entry's result, what is the input's
// gradient? For tanh it is dy * (1 - y * y). Rules are written with Variable operations, next to
// the operation itself (autograd/ops/elementwise.cc and its neighbors), so that gradients can be
// recorded and differentiated again.
//
// loss.backward() gives the loss's entry the pending gradient 1 and walks along the tape, from the
// newest entry to the oldest: an entry with a pending gradient fires, that is, it calls its rules
// and adds what they return to the pending gradients of its inputs. Leaves collect theirs in
// grad(). Since an entry comes after all its inputs, every gradient is complete when its entry's
// turn comes: there is no sorting, no visited set, no recursion. The walk ends when nothing is
// pending.
//
// Who owns what: a Variable holds a counted handle to its entry, an entry holds counted handles to
// its inputs' entries, and the tape owns nothing: it is a list that entries join when they are made
// and leave when nobody refers to them any more. History lives exactly as long as somebody could
// ask for it.
//
// Invariants (each has a test of its number in tests/autograd/tape_test.cc):
//   1. An entry comes after the entries of all its inputs.
//   2. An entry is on the tape exactly as long as something refers to it.
//   3. An entry never refers to a newer one.
//   4. A pending gradient is a reference.
//   5. Nothing walks the history recursively: building, playing back and dropping 1,000,000 entries
//      works in a small stack.
//   6. After a training step, after an exception, and after a forgotten NoGrad, tape().size() is
//      what it was before.
//
// Threads: each has its own tape; an operation on another thread's history throws.
// Read next: autograd/record.h.
#pragma once

#include <iosfwd>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/memory.h>

namespace tapegrad {

class BackwardPass;
class Tape;

// One recorded operation. What differs between operations, the inputs and the rules, is in the
// template Record (autograd/record.h).
class Entry : public Node {
 public:
  const char* name() const { return name_; }
  std::uint64_t number() const { return number_; }  // position in the order of recording
  const Tape& owner() const { return *tape_; }      // of the thread that recorded it
  std::span<const std::int64_t> sizes() const { return shape_; }  // of the result
  DType dtype() const { return dtype_; }
  Hooks& hooks();  // makes a list if there is none

  static void* operator new(std::size_t bytes) { return memory::allocate(bytes); }
  static void operator delete(void* entry, std::size_t bytes) noexcept {
    memory::deallocate(entry, bytes);
  }

  virtual std::size_t input_count() const = 0;
  virtual Node* input(std::size_t i) const = 0;  // null for one that wanted no gradient

 protected:
  Entry(const char* name, const Tensor& value);
  virtual ~Entry();

  bool is_of_this_thread(const Node& input) const {
    return input.is_leaf() || static_cast<const Entry&>(input).tape_ == tape_;
  }

  virtual void fire(BackwardPass& pass, const Variable& dy) = 0;
  virtual void forget() = 0;  // drops inputs, rules and what they captured

 private:
  friend class BackwardPass;
  friend class Node;
  friend class Tape;

  const char* name_;
  Tape* tape_;
  Entry* older_ = nullptr;
  Entry* newer_ = nullptr;
  std::uint64_t number_;
  Variable pending_;  // the gradient so far; while it is defined, the pass refers to this entry
  std::unique_ptr<Hooks> hooks_;
  DType dtype_;
  bool consumed_ = false;  // a pass has fired and forgotten it
  bool wanted_ = false;    // a pass of grad() needs its gradient
  Shape shape_;
};

inline Entry& Node::as_entry() { return static_cast<Entry&>(*this); }

// The thread's list of live entries, in the order of recording.
class Tape {
 public:
  std::size_t size() const { return size_; }
  bool recording() const { return recording_; }
  const Entry* oldest() const { return oldest_; }
  const Entry* newest() const { return newest_; }
  static const Entry* next(const Entry* entry) { return entry->newer_; }

  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

 private:
  friend class BackwardPass;
  friend class Entry;
  friend class NoGrad;
  friend class Node;
  friend class Variable;
  friend Tape& tape();

  Tape() = default;
  ~Tape() = default;
  static Tape& make();
  void append(Entry* entry) noexcept;
  void unlink(Entry* entry) noexcept;
  void drop(Entry* entry) noexcept;

  Entry* oldest_ = nullptr;
  Entry* newest_ = nullptr;
  Entry* dropped_ = nullptr;  // entries that the running drop() has still to destroy
  std::size_t size_ = 0;
  bool recording_ = true;
  bool dropping_ = false;
  bool orphaned_ = false;          // its thread has ended; goes with its last entry
  const Entry* firing_ = nullptr;  // whose rules are running
  BackwardPass* pass_ = nullptr;   // the running one

  static thread_local constinit Tape* current_;
};

// This thread's tape.
inline Tape& tape() { return Tape::current_ != nullptr ? *Tape::current_ : Tape::make(); }

// One line an entry, newest last: `#3 mean () <- #2`.
std::ostream& operator<<(std::ostream& out, const Tape& tape);

}  // namespace tapegrad
