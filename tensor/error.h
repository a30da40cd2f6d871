// Everything that tapegrad throws. Read next: tensor/dtype.h.
#pragma once

#include <stdexcept>

namespace tapegrad {

// The root of all errors. The text is one line that says the operation, what it got, what it
// needed, and the likely fix: `matmul: inner sizes differ: (32, 100) x (10, 100); did you mean
// transpose(b)?`. An operation throws before it has changed anything.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Sizes or numbers of dimensions do not fit.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// A position lies outside of what it indexes.
class IndexError : public Error {
 public:
  using Error::Error;
};

// The element type is not one that the operation works on.
class DTypeError : public Error {
 public:
  using Error::Error;
};

// An argument is out of its range.
class ValueError : public Error {
 public:
  using Error::Error;
};

// History is asked for something that it does not hold.
class AutogradError : public Error {
 public:
  using Error::Error;
};

// A file, or a state dict, does not hold what it should.
class FormatError : public Error {
 public:
  using Error::Error;
};

// The system refused to read or write.
class IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace tapegrad
