// Sliding windows over sequences, and the sum of overlapping windows. Read next:
// tensor/ops/conv2d.h.
#include <tapegrad/tensor/ops/convolution.h>

#include <algorithm>
#include <string>

#include <tapegrad/tensor/ops.h>

namespace tapegrad {

void Windows::round_up() {
  if (stride < 1 || !is_small()) return;  // check() reports this
  const std::int64_t left = padded() - span();
  const std::int64_t next = left < 0 ? 0 : count() * stride;
  if (left <= -stride || left % stride == 0 || next >= before + length) return;
  after += next + span() - padded();
}

void Windows::check(const char* operation, const Words& words) const {
  const std::string start = std::string(operation) + ": ";
  if (kernel < 1 || stride < 1 || dilation < 1 || before < 0 || after < 0) {
    throw ValueError(start + "kernel " + std::to_string(kernel) + ", stride " +
                     std::to_string(stride) + ", padding " + std::to_string(before) +
                     ", dilation " + std::to_string(dilation) +
                     ", needed 1 or more, padding 0 or more");
  }
  if (!is_small()) {
    throw ValueError(start + "kernel " + std::to_string(kernel) + ", stride " +
                     std::to_string(stride) + ", padding " +
                     std::to_string(std::max(before, after)) + ", dilation " +
                     std::to_string(dilation) + ", needed at most 2^31 each");
  }
  if (padded() >= span()) return;
  throw ShapeError(start + "a window of " + std::to_string(span()) + " " + words.step +
                   " does not fit in " + std::to_string(padded()) + " (" + words.length + " " +
                   std::to_string(length) + " and padding); pad " + words.whole + " to " +
                   std::to_string(span()) + " " + words.step);
}

Tensor windows_of(const Tensor& x, const Windows& windows) {
  const std::int64_t batch = x.size(0);
  const std::int64_t width = x.size(2);
  Tensor steps = x.contiguous();
  if (windows.padded() != windows.length) {
    steps = zeros({batch, windows.padded(), width}, x.dtype());
    narrow(steps, 1, windows.before, windows.length).copy_(x);
  }
  return as_strided(
      steps, {batch, windows.count(), windows.kernel, width},
      {windows.padded() * width, windows.stride * width, windows.dilation * width, 1});
}

Tensor sum_of_windows(const Tensor& y, const Windows& windows) {
  const std::int64_t count = windows.count();
  Tensor steps = zeros({y.size(0), windows.padded(), y.size(3)}, y.dtype());
  for (std::int64_t k = 0; k < windows.kernel; ++k) {
    const std::int64_t first = k * windows.dilation;
    const std::int64_t end = first + (count - 1) * windows.stride + 1;
    slice(steps, 1, first, end, windows.stride).add_(select(y, 2, k));
  }
  return narrow(steps, 1, windows.before, windows.length);
}

}  // namespace tapegrad
