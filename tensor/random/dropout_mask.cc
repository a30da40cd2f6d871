// Masks of whole tensors, and of examples. Read next: tensor/io/safetensors.h.
#include <tapegrad/tensor/random/dropout_mask.h>

#include <algorithm>
#include <string>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad {
namespace {

thread_local const DropoutByExample* innermost = nullptr;

// The dimension of the examples, as the class comment says.
std::int64_t dimension_of_examples(const Shape& shape, std::int64_t count,
                                   std::optional<std::int64_t> given) {
  if (given && shape[*given] == count) return *given;
  for (std::int64_t d = 0; d < std::min<std::int64_t>(shape.dim(), 2); ++d) {
    if (shape[d] == count) return d;
  }
  if (shape.dim() > 0 && shape[0] % count == 0) return 0;
  throw ShapeError("dropout: x is " + to_string(shape) + ", but DropoutByExample has " +
                   std::to_string(count) +
                   " examples; needed that size in dimension 0 or 1, or a multiple in dimension 0");
}

// splitmix64's last steps (Steele, Lea and Flood 2014), so that neighbors get different seeds.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

DropoutByExample::DropoutByExample(std::int64_t first, std::int64_t count)
    : first_(first), count_(count), outer_(innermost) {
  if (first < 0 || count < 1) {
    throw ValueError("DropoutByExample: first is " + std::to_string(first) + " and count " +
                     std::to_string(count) + ", needed first >= 0 and count >= 1");
  }
  innermost = this;
}
DropoutByExample::~DropoutByExample() { innermost = outer_; }

const DropoutByExample* DropoutByExample::current() { return innermost; }

Tensor dropout_mask(const Shape& shape, DType dtype, double p, Generator& generator,
                    std::optional<std::int64_t> examples) {
  const DropoutByExample* const part = DropoutByExample::current();
  if (part == nullptr) return bernoulli_(empty(shape, dtype), 1 - p, generator);
  const std::int64_t d = dimension_of_examples(shape, part->count(), examples);
  const auto word = static_cast<std::uint64_t>(
      randint(0, std::int64_t{1} << 32, {1}, generator).item<std::int64_t>());
  Tensor mask = empty(shape, dtype);
  const std::int64_t rows = shape[d] / part->count();  // of each example
  for (std::int64_t i = 0; i < part->count(); ++i) {
    Generator own(
        mixed(word + 0x9e3779b97f4a7c15U * static_cast<std::uint64_t>(part->first() + i)));
    Tensor row = narrow(mask, d, i * rows, rows);
    row.copy_(bernoulli_(empty(row.shape(), dtype), 1 - p, own));
  }
  return mask;
}

}  // namespace tapegrad
