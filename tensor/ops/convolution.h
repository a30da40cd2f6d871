// Sequences seen through windows: views of the same memory that overlap, so that nothing is copied
// where channels lie side by side, as they do after an embedding. What convolution and pooling are
// made of.
//
// Internal. Read next: tensor/ops/convolution.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Which steps of a sequence a window sees: window t holds the steps t stride + k dilation, k = 0
// ... kernel - 1, of the sequence with `before` and `after` steps of padding around it.
struct Windows {
  std::int64_t length;
  std::int64_t kernel;
  std::int64_t stride = 1;
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::int64_t dilation = 1;

  std::int64_t padded() const { return before + length + after; }
  std::int64_t span() const { return dilation * (kernel - 1) + 1; }
  std::int64_t count() const { return (padded() - span()) / stride + 1; }

  // Room after the sequence for one more window, the last of those that do not fit whole, if it
  // begins before the sequence ends (PyTorch's rule for ceil_mode).
  void round_up();

  // ValueError for sizes that cannot be; ShapeError where not even one window fits.
  void check(const char* operation) const;
};

// (batch, length, width) -> (batch, windows, kernel, width), a view unless there is padding, which
// holds the number `padding`.
Tensor windows_of(const Tensor& x, const Windows& windows, double padding);

// The other way round: each step gets the sum of what its places in windows hold.
Tensor sum_of_windows(const Tensor& y, const Windows& windows);

}  // namespace tapegrad
