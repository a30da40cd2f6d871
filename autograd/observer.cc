// Which observer a thread has. Read next: autograd/gradcheck.cc.
#include <tapegrad/autograd/observer.h>

#include <tapegrad/tensor/error.h>

namespace tapegrad {

[[gnu::tls_model("initial-exec")]] thread_local constinit Observer* Observer::current_ = nullptr;

Observer::Observer() {
  if (current_ != nullptr) {
    throw AutogradError("Trace: this thread has a Trace already; end that one first");
  }
  current_ = this;
}

Observer::~Observer() { current_ = nullptr; }

}  // namespace tapegrad
