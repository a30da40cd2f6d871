// Tapes and threads: a thread makes its tape when it first needs one, and handles to nodes may be
// copied and dropped on any thread.
//
// A tape's list belongs to one thread, so no other thread may unlink an entry. If another thread
// drops the last handle to an entry, the entry keeps that reference and goes to the tape's list
// handed_; the tape's thread drops it when it next calls tape(). After the tape's thread has ended,
// the other thread drops the entry itself.
//
// An observer belongs to a tape, and each refers to the other until one of the two ends.
//
// Read next: autograd/named_parameter.h.
#include <mutex>

#include <tapegrad/autograd/observer.h>
#include <tapegrad/tensor/error.h>

namespace tapegrad {

[[gnu::tls_model("initial-exec")]] thread_local constinit Tape* Tape::current_ = nullptr;

namespace {

// Guards handed_ and orphaned_ of all tapes, and Observer::tape_. It is recursive, because dropping
// an entry of one tape may drop an entry of another. It is never destroyed, because Variables may
// outlive all other objects.
std::recursive_mutex& tapes_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

}  // namespace

Tape& Tape::prepare() {
  // Deletes the tape at thread exit. If Variables outlive the thread, drop() deletes it with its
  // last entry.
  struct Owner {
    Tape* tape = nullptr;
    ~Owner() {
      if (tape == nullptr) return;
      const std::lock_guard lock(tapes_mutex());
      tape->take_back();
      current_ = nullptr;
      if (tape->observer_ != nullptr) std::exchange(tape->observer_, nullptr)->tape_ = nullptr;
      if (tape->size_ > 0) {
        tape->orphaned_ = true;
      } else {
        delete tape;
      }
    }
  };
  thread_local Owner owner;
  if (current_ != nullptr) {
    current_->take_back();
  } else {
    current_ = new Tape;
    if (owner.tape == nullptr) owner.tape = current_;
  }
  return *current_;
}

// Drops the entries whose last handle was dropped by other threads.
void Tape::take_back() noexcept {
  std::unique_lock lock(tapes_mutex());
  Entry* next = handed_.exchange(nullptr);
  lock.unlock();  // dropping them may run any code
  while (next != nullptr) {
    Entry* const entry = std::exchange(next, next->handed_next_);
    entry->hooks_ = nullptr;
    entry->release();
  }
}

// Drops a handle to an entry of another thread.
void Tape::hand_back(Entry& entry) noexcept {
  std::uint32_t* const references = &entry.references_;
  std::uint32_t known = __atomic_load_n(references, __ATOMIC_ACQUIRE);
  while (known > 1) {
    if (__atomic_compare_exchange_n(references, &known, known - 1, true, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
      return;
    }
  }
  const std::lock_guard lock(tapes_mutex());
  Tape* const owner = entry.tape_;
  if (owner->orphaned_) {
    Tape* const own = std::exchange(current_, owner);
    entry.release_shared();
    current_ = own;
  } else {
    delete entry.hooks_;  // nothing can call them any more
    entry.handed_next_ = owner->handed_;
    owner->handed_ = &entry;
  }
}

Observer::Observer() : tape_(&tape()) {
  if (current() != nullptr) {
    throw AutogradError("Trace: this thread has a Trace already; end that one first");
  }
  tape_->observer_ = this;
}

Observer::~Observer() {
  const std::lock_guard lock(tapes_mutex());
  if (tape_ != nullptr) tape_->observer_ = nullptr;
}

void Node::retain_shared() noexcept { __atomic_add_fetch(&references_, 1U, __ATOMIC_RELAXED); }

void Node::release_shared() noexcept {
  if (!is_leaf_ && as_entry().tape_ != Tape::current_) return Tape::hand_back(as_entry());
  if (__atomic_sub_fetch(&references_, 1U, __ATOMIC_ACQ_REL) == 0) destroy(this);
}

}  // namespace tapegrad
