// The tape's list: entries are appended, unlinked, and dropped in a loop. Read next:
// autograd/variable.cc.
#include <tapegrad/autograd/tape.h>

namespace tapegrad {

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

// Called when nothing refers to the entry any more. Deleting it may release the last handle to an
// older entry, which calls this function again; that call only adds the older entry to the list, so
// that a chain of any length is dropped in a loop.
void Tape::drop(Entry* entry) noexcept {
  unlink(entry);
  entry->older_ = dropped_;
  dropped_ = entry;
  if (dropping_) return;
  dropping_ = true;
  while (dropped_ != nullptr) {
    Entry* const next = dropped_;
    dropped_ = next->older_;
    delete next;
  }
  dropping_ = false;
  if (orphaned_ && size_ == 0) delete this;
}

void Node::destroy(Node* node) noexcept {
  if (node->is_leaf()) {
    delete &node->as_leaf();
  } else {
    Entry* const entry = &node->as_entry();
    entry->tape_->drop(entry);
  }
}

Entry::Entry(const char* name, const Tensor& value)
    : Node(false), name_(name), tape_(&tape()), shape_(value.sizes()), dtype_(value.dtype()) {
  tape_->append(this);
}

Entry::~Entry() { delete hooks_; }

}  // namespace tapegrad
