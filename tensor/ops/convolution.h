// Sliding windows over sequences, on which convolution and pooling are built. Windows are
// overlapping views of the same memory, so nothing is copied if the channels of a step are adjacent
// in memory, as they are after an embedding.
//
// Internal. Read next: tensor/ops/convolution.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// The geometry of the windows: window t consists of the steps t * stride + k * dilation, k = 0 ...
// kernel - 1, of the sequence with `before` steps of padding at its start and `after` steps at its
// end.
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

  // Adds padding at the end so that a last, incomplete window is counted, too, if it begins before
  // the sequence ends (PyTorch's rule for ceil_mode).
  void round_up();

  // The words of an error: what the windows slide over.
  struct Words {
    const char* step = "steps";
    const char* length = "length";
    const char* whole = "short sequences";
  };
  // ValueError for invalid sizes; ShapeError if not even one window fits.
  void check(const char* operation, const Words& words) const;
  void check(const char* operation) const { check(operation, Words()); }
  // Whether no arithmetic here overflows.
  bool is_small() const {
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    return kernel <= kMost && stride <= kMost && before <= kMost && after <= kMost &&
           dilation <= kMost;
  }
};

// (batch, length, width) -> (batch, windows, kernel, width). A view, unless there is padding, whose
// elements are 0.
Tensor windows_of(const Tensor& x, const Windows& windows);

// The gradient of windows_of: adds up, for each step, its elements in all windows.
Tensor sum_of_windows(const Tensor& y, const Windows& windows);

}  // namespace tapegrad
