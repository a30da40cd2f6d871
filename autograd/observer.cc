// Which observer a thread has. Read next: autograd/functional.h.
#include <tapegrad/autograd/observer.h>

#include <tapegrad/tensor/error.h>

namespace tapegrad {

Observer::Observer() {
  if (current() != nullptr) {
    throw AutogradError("Trace: this thread has a Trace already; end that one first");
  }
  tape().observer_ = this;
}

Observer::~Observer() { tape().observer_ = nullptr; }

Variable detail::reported(const Entry& entry, Variable result,
                          std::span<const Variable* const> inputs) {
  Observer::current()->recorded(entry, result, inputs);
  return result;
}

}  // namespace tapegrad
