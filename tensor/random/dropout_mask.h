// The masks of dropout, and DropoutByExample, which makes them depend on the examples of a batch
// and not on how the batch is divided. Read next: tensor/random/dropout_mask.cc.
#pragma once

#include <cstdint>
#include <optional>

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// While it exists on a thread, dropout draws the mask of each example from a stream of its own: its
// seed is one word of the layer's generator, which all examples share, and the position of the
// example in the whole batch. So parts of a batch, on several ranks or one after the other, drop
// what the whole batch would drop, if the generator is in the same state before each part. The
// numbers are not PyTorch's, which are drawn for the whole tensor.
//
//   const DropoutByExample part(8, 4);   // the examples 8 to 11 of the batch
//   Variable y = model(x);               // x has 4 rows
//
// Examples are dimension 0 of what is dropped, or dimension 1 (steps first) if dimension 0 has
// another size; if neither fits, dimension 0 holds several rows of each example, one after the
// other. Dropout of anything else is a ShapeError. In nn::LSTM and its like, which know their
// batch, steps may be as many as examples. The elements of an example are drawn in row-major order:
// parts that are padded to different lengths agree in (examples, steps, ...), but not in (examples,
// channels, steps), and not in attention. Distributed programs: distributed/sharded_loader.h.
class DropoutByExample {
 public:
  // ValueError unless first >= 0 and count >= 1.
  DropoutByExample(std::int64_t first, std::int64_t count);
  ~DropoutByExample();
  DropoutByExample(const DropoutByExample&) = delete;
  DropoutByExample& operator=(const DropoutByExample&) = delete;

  static const DropoutByExample* current();  // this thread's innermost one; null if there is none
  std::int64_t first() const { return first_; }
  std::int64_t count() const { return count_; }

 private:
  std::int64_t first_, count_;
  const DropoutByExample* outer_;
};

// A tensor whose elements are 0 with probability p, else 1. `examples` is the dimension of the
// examples, for DropoutByExample; by default it is found as said there.
Tensor dropout_mask(const Shape& shape, DType dtype, double p, Generator& generator,
                    std::optional<std::int64_t> examples = std::nullopt);

}  // namespace tapegrad
