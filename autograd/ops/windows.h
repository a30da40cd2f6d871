// Copies of the windows of sequences and images as recorded operations, and what the options of
// convolution mean as windows. The rules of convolution and pooling are composed of them.
//
// Internal. Read next: autograd/ops/windows.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops/convolution.h>

namespace tapegrad::detail {

// (batch, length, width) -> (batch, windows, kernel, width), and its gradient, which adds up the
// elements of overlapping windows. Each is the rule of the other.
Variable unfold(const Variable& x, const Windows& windows);
Variable fold(const Variable& y, const Windows& windows);

// (batch, channels, height, width) -> (batch, rows, columns, channels, kernel height, kernel
// width), and its gradient.
Variable unfold2d(const Variable& x, const Windows& rows, const Windows& columns);
Variable fold2d(const Variable& y, const Windows& rows, const Windows& columns);

// The windows of a convolution along one dimension. Errors name `operation`.
Windows conv_windows(const char* operation, std::int64_t length, std::int64_t kernel,
                     std::int64_t stride, std::int64_t padding, std::int64_t dilation,
                     const Windows::Words& words = {});

// Fills the padding along `dim` with x's own elements, and sets the windows' padding to 0. Nothing
// changes for PadMode::zeros. ShapeError if x is too short for that.
Variable filled(const char* operation, const Variable& x, std::int64_t dim, Windows& windows,
                PadMode mode, const Windows::Words& words = {});

inline constexpr Windows::Words kRows{"rows", "height", "small images"};
inline constexpr Windows::Words kColumns{"columns", "width", "small images"};

}  // namespace tapegrad::detail
