// Draw: builds a random program, one operation after the other. It runs each operation at once, so
// that the next one can be given inputs that it accepts. Read next: generate.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tapes/program.h"
#include "tapes/random.h"

namespace tapegrad::tapes {

// The elements that an operation accepts.
struct Domain {
  double low = -8;
  double high = 8;
  bool away = false;      // not close to zero
  bool distinct = false;  // no two elements close to each other
};
inline constexpr Domain kAny{};
inline constexpr Domain kPositive{0.2, 8};
inline constexpr Domain kAway{-8, 8, true};
inline constexpr Domain kSmall{-3, 3};
inline constexpr Domain kDistinct{-20, 20, false, true};

// An operation threw while its program was built: a finding.
struct CallFailed : std::runtime_error {
  CallFailed(Program its_program, const std::string& what)
      : std::runtime_error(what), program(std::move(its_program)) {}
  Program program;  // its last step threw
};

// This draw cannot be completed, for example because no input fits; another operation is drawn.
struct Unfit {};

class Draw {
 public:
  Draw(std::uint64_t seed, Mode mode);

  // For the rows of the table -------------------------------------------------------------------
  Random random;
  Attributes a;  // of the operation that is being drawn

  // Adds an input to the operation: an earlier result that fits, or a new leaf. Returns its shape.
  Shape any(const Domain& domain = kAny, std::int64_t least_dims = 0, std::int64_t most_dims = 4);
  Shape of(const Shape& shape, const Domain& domain = kAny);
  // Only earlier results for which `fits` is true; a new leaf of `shape` otherwise.
  Shape where(const std::function<bool(const Shape&)>& fits, const std::function<Shape()>& shape,
              const Domain& domain = kAny);
  // Of a shape that broadcasts with `shape`, in either direction.
  Shape broadcast_with(const Shape& shape, const Domain& domain = kAny);
  // Always new leaves.
  void ids(const Shape& shape, std::int64_t low, std::int64_t high);  // int64 in [low, high]
  void mask(const Shape& shape);
  void leaf(const Shape& shape, DType dtype, std::vector<double> elements);

  Tensor input(std::size_t i) const;  // the value of an input that was added
  Shape shape(std::int64_t least_dims = 0, std::int64_t most_dims = 4);
  std::int64_t size();  // 0, 1, and odd ones more often
  std::int64_t size_of_one_or_more();
  // A dimension of x, positive or negative.
  std::int64_t dim_of(const Shape& shape);
  Shape dims_of(const Shape& shape, std::int64_t least);  // different ones
  DType real_type() const { return real_; }
  Mode mode() const { return program_.mode; }
  void require(bool condition) const {
    if (!condition) throw Unfit();
  }
  // ---------------------------------------------------------------------------------------------

  // Adds a call of the operation; false if no inputs fit. CallFailed if the call threw.
  bool add(const Operation& operation);
  const Program& program() const { return program_; }

 private:
  Ref add_leaf(const Shape& shape, DType dtype, std::vector<double> elements);
  DType drawn_type();
  bool accepts(DType dtype) const;
  bool fits(const Tensor& value, const Domain& domain) const;
  std::vector<double> elements(std::int64_t count, DType dtype, const Domain& domain);
  Shape use(Ref ref);

  Program program_;
  DType real_;
  std::vector<std::vector<Tensor>> values_;
  std::vector<Ref> inputs_;    // of the operation that is being drawn
  std::optional<DType> type_;  // that all inputs of the operation must have
  const Operation* operation_ = nullptr;
};

struct GenerateOptions {
  int most_operations = 6;
  std::optional<Mode> mode{};  // of all programs; default: drawn
};
Program generate(std::uint64_t seed, const std::vector<Operation>& table,
                 const GenerateOptions& options = {});

}  // namespace tapegrad::tapes
