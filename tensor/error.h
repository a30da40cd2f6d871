// The exceptions that tapegrad throws. Read next: tensor/tensor.cc.
#pragma once

#include <stdexcept>
#include <string>

namespace tapegrad {

// The base class of all errors. The text is one line with the operation, what it got, what it
// needed, and the likely fix: `matmul: inner sizes differ: (32, 100) x (10, 100); did you mean
// transpose(b)?`. An operation throws before it changes anything. The same holds for
// std::bad_alloc, but a backward pass may have consumed a part of its history.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& text);

  // Appends where the error happened, such as `; in module head.linear`, unless `where` is empty or
  // the text says so already.
  void add_context(const std::string& where);

  // From now on, calls `watcher` with every Error that this thread makes, whether it is caught or
  // not; null ends that. Returns the earlier one. A Trace notes errors so (autograd/trace/trace.h).
  using Watcher = void (*)(const Error&);
  static Watcher watch(Watcher watcher);

 private:
  bool has_context_ = false;
};

// The sizes or the numbers of dimensions do not match.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// An index, a position or a dimension is out of range.
class IndexError : public Error {
 public:
  using Error::Error;
};

// The operation does not support this element type.
class DTypeError : public Error {
 public:
  using Error::Error;
};

// The value of an argument is not allowed.
class ValueError : public Error {
 public:
  using Error::Error;
};

// A gradient was asked for that the tape cannot compute, or a tensor was used in a way that the
// tape does not allow.
class AutogradError : public Error {
 public:
  using Error::Error;
};

// The contents of a file or of a state dict are not valid, or do not match the model.
class FormatError : public Error {
 public:
  using Error::Error;
};

// The operating system could not open, read or write a file.
class IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace tapegrad
