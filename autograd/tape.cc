#include <tapegrad/autograd/tape.h>

#include <ostream>
#include <string>

#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/pool.h>

namespace tapegrad {

thread_local constinit Tape* Tape::current_ = nullptr;

Tape& Tape::make() {
  // Lets the tape go at thread exit, or with its last entry if Variables outlive the thread.
  struct Owner {
    Tape* tape = nullptr;
    ~Owner() {
      Tape::current_ = nullptr;
      if (tape == nullptr) return;
      if (tape->size_ == 0) {
        delete tape;
      } else {
        tape->orphaned_ = true;
      }
    }
  };
  thread_local Owner owner;
  current_ = new Tape;
  if (owner.tape == nullptr) owner.tape = current_;
  return *current_;
}

void Tape::append(Entry* entry) noexcept {
  entry->number_ = newest_ == nullptr ? 0 : newest_->number_ + 1;
  entry->older_ = newest_;
  (newest_ == nullptr ? oldest_ : newest_->newer_) = entry;
  newest_ = entry;
  ++size_;
}

void Tape::unlink(Entry* entry) noexcept {
  (entry->older_ == nullptr ? oldest_ : entry->older_->newer_) = entry->newer_;
  (entry->newer_ == nullptr ? newest_ : entry->newer_->older_) = entry->older_;
  --size_;
}

// Nothing refers to the entry any more. What it refers to may die with it: those entries come back
// here and are queued, so that a chain of any length is dropped in a loop.
void Tape::drop(Entry* entry) noexcept {
  unlink(entry);
  entry->older_ = dead_;
  dead_ = entry;
  if (dropping_) return;
  dropping_ = true;
  while (dead_ != nullptr) {
    Entry* next = dead_;
    dead_ = next->older_;
    void* const block = next;
    const std::size_t bytes = next->block_bytes_;
    next->~Entry();
    memory::pool_deallocate(block, bytes);
  }
  dropping_ = false;
  if (orphaned_ && size_ == 0) delete this;
}

void Node::drop(Node* node) noexcept {
  if (node->is_leaf()) {
    delete &node->as_leaf();
  } else {
    Entry* const entry = &node->as_entry();
    entry->tape_->drop(entry);
  }
}

Entry::Entry(const char* name, const Tensor& value, std::size_t block_bytes)
    : Node(false),
      name_(name),
      tape_(&tape()),
      block_bytes_(static_cast<std::uint32_t>(block_bytes)),
      dim_(static_cast<std::uint8_t>(value.dim())),
      dtype_(value.dtype()) {
  const auto sizes = value.sizes();
  sizes_ = reinterpret_cast<std::int64_t*>(reinterpret_cast<std::byte*>(this) + block_bytes) -
           sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes_[i] = sizes[i];  // quicker than memcpy
  tape_->append(this);
}

Entry::~Entry() = default;

void Entry::check_thread(const Node& input, const char* operation) const {
  if (!input.is_leaf() && static_cast<const Entry&>(input).tape_ != tape_) {
    throw AutogradError(std::string(operation) +
                        ": an input was recorded on another thread; history stays on its thread, "
                        "pass detach() or value() across");
  }
}

namespace detail {

void throw_overwritten(const char* operation) {
  throw AutogradError("backward: the result of '" + std::string(operation) +
                      "', which its rule needs, was overwritten in place since it was recorded; "
                      "change a clone() instead");
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const Tape& tape) {
  for (const Entry* entry = tape.oldest(); entry != nullptr; entry = Tape::next(entry)) {
    out << '#' << entry->number() << ' ' << entry->name() << ' ' << to_string(entry->sizes());
    const char* separator = " <- ";
    for (std::size_t i = 0; i < entry->input_count(); ++i) {
      Node* input = entry->input(i);
      if (input == nullptr) continue;
      out << separator;
      separator = ", ";
      if (input->is_leaf()) {
        out << "leaf " << to_string(input->as_leaf().value().sizes());
      } else {
        out << '#' << input->as_entry().number();
      }
    }
    out << '\n';
  }
  return out;
}

}  // namespace tapegrad
