// Rearrangements that are composed of other operations, written once for Tensor and Variable, as in
// compositions.h: tile, repeat_interleave, meshgrid, diag, pad.
//
// Internal. Read next: tensor/ops/recurrent.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad::composition {

template <class X>
X tile(const X& x, const Shape& repeats) {
  Shape full = repeats;
  while (full.dim() < x.dim()) full.insert(0, 1);
  return repeat(x, full);
}

// Repeating elements ------------------------------------------------------------------------------

template <class X>
X repeat_interleave(const X& x, const Tensor& repeats, std::optional<std::int64_t> dim) {
  if (!dim.has_value()) return composition::repeat_interleave(flatten(x), repeats, 0);
  const auto position =
      static_cast<std::int64_t>(detail::existing_dim(*dim, x, "repeat_interleave"));
  const std::int64_t size = x.size(position);
  if (repeats.dtype() != int64 || repeats.dim() > 1 ||
      (repeats.numel() != size && repeats.numel() != 1)) {
    throw ShapeError("repeat_interleave: repeats is " + to_string(repeats.sizes()) + " of type " +
                     std::string(name(repeats.dtype())) + ", needed int64, one count or (" +
                     std::to_string(size) + "), one for each position of dimension " +
                     std::to_string(position));
  }
  const std::vector<std::int64_t> counts = to_vector<std::int64_t>(
      repeats.numel() == 1 ? expand(reshape(repeats, {1}), {size}) : repeats);
  std::int64_t total = 0;
  for (const std::int64_t count : counts) {
    if (count < 0) {
      throw ValueError("repeat_interleave: a count is " + std::to_string(count) +
                       ", needed 0 or more");
    }
    if (count > std::numeric_limits<std::int64_t>::max() - total) {
      throw ShapeError("repeat_interleave: the counts have a sum that does not fit into int64");
    }
    total += count;
  }
  std::vector<std::int64_t> ids;
  ids.reserve(static_cast<std::size_t>(total));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    ids.insert(ids.end(), static_cast<std::size_t>(counts[i]), static_cast<std::int64_t>(i));
  }
  return index_select(x, position, tensor(ids));
}

// Grids and diagonals -----------------------------------------------------------------------------

template <class X>
std::vector<X> meshgrid(std::span<const X> axes, GridIndexing indexing) {
  if (axes.empty()) throw ValueError("meshgrid: got no tensors");
  Shape full;
  for (const X& axis : axes) {
    if (axis.dim() > 1) {
      throw ShapeError("meshgrid: got a tensor " + to_string(axis.sizes()) +
                       ", needed 0-d or 1-d ones");
    }
    full.push_back(axis.numel());
  }
  std::vector<X> grids;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Shape along(std::vector<std::int64_t>(axes.size(), 1));
    along[static_cast<std::int64_t>(i)] = axes[i].numel();
    grids.push_back(expand(reshape(axes[i], along), full));
  }
  if (indexing == GridIndexing::xy && axes.size() > 1) {
    for (X& grid : grids) grid = transpose(grid, 0, 1);
  }
  return grids;
}

// The positions of a diagonal in a flattened matrix.
inline Tensor diagonal_positions(std::int64_t rows, std::int64_t columns, std::int64_t diagonal) {
  std::vector<std::int64_t> ids;
  for (std::int64_t row = diagonal < 0 ? -diagonal : 0; row < rows; ++row) {
    const std::int64_t column = row + diagonal;
    if (column >= columns) break;
    ids.push_back(row * columns + column);
  }
  return tensor(ids);
}

// The diagonal of a matrix, or the matrix with this diagonal.
template <class X>
X diag(const X& x, std::int64_t diagonal) {
  if (x.dim() != 1 && x.dim() != 2) {
    throw ShapeError("diag: x is " + to_string(x.sizes()) + ", needed 1 or 2 dimensions");
  }
  // Farther away there is no element, and sums of positions could overflow.
  constexpr std::int64_t kFar = std::int64_t{1} << 31;
  if (x.dim() == 2) {
    const std::int64_t near = std::clamp(diagonal, -kFar, kFar);
    return index_select(flatten(x), 0, diagonal_positions(x.size(0), x.size(1), near));
  }
  if (diagonal > kFar || diagonal < -kFar) {
    throw ValueError("diag: diagonal is " + std::to_string(diagonal) +
                     ", and the matrix would be too large");
  }
  const std::int64_t size = x.numel() + std::abs(diagonal);
  const Tensor nothing = zeros({checked_multiply(size, size, "diag")}, x.dtype());
  return reshape(index_add(X(nothing), 0, diagonal_positions(size, size, diagonal), x),
                 {size, size});
}

// Padding -----------------------------------------------------------------------------------------

// Where the elements of a padded dimension come from, for all modes but zeros.
inline Tensor padded_positions(std::int64_t size, std::int64_t before, std::int64_t after,
                               PadMode mode) {
  std::vector<std::int64_t> ids;
  ids.reserve(static_cast<std::size_t>(size + before + after));
  for (std::int64_t i = -before; i < size + after; ++i) {
    std::int64_t from = i;
    if (mode == PadMode::replicate) from = std::clamp<std::int64_t>(i, 0, size - 1);
    if (mode == PadMode::circular) from = (i + size) % size;
    if (mode == PadMode::reflect && i < 0) from = -i;
    if (mode == PadMode::reflect && i >= size) from = 2 * (size - 1) - i;
    ids.push_back(from);
  }
  return tensor(ids);
}

// The check that a dimension has enough elements to fill its padding.
inline void check_padding(PadMode mode, std::int64_t dim, std::int64_t size, std::int64_t before,
                          std::int64_t after) {
  const std::int64_t most = std::max(before, after);
  const bool fits = mode == PadMode::zeros
                        ? before + size + after >= 0 && -before <= size && -after <= size
                    : mode == PadMode::reflect   ? most < size && before >= 0 && after >= 0
                    : mode == PadMode::replicate ? size > 0 && before >= 0 && after >= 0
                                                 : most <= size && before >= 0 && after >= 0;
  if (fits) return;
  const char* needed = mode == PadMode::zeros       ? "at most the size removed"
                       : mode == PadMode::reflect   ? "0 or more, less than the size"
                       : mode == PadMode::replicate ? "0 or more, and a size above 0"
                                                    : "0 or more, at most the size";
  throw ShapeError("pad: dimension " + std::to_string(dim) + " of size " + std::to_string(size) +
                   " is padded by " + std::to_string(before) + " and " + std::to_string(after) +
                   ", needed " + needed);
}

template <class X>
X pad(const X& x, const Shape& padding, PadMode mode, Scalar value) {
  if (padding.dim() % 2 != 0 || padding.dim() / 2 > x.dim()) {
    throw ShapeError("pad: got " + to_string(padding) + " for x " + to_string(x.sizes()) +
                     ", needed two numbers for each of the last dimensions, from the last one on");
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 56;
  for (const std::int64_t amount : padding) {
    if (amount > kMost || amount < -kMost) {
      throw ShapeError("pad: got " + to_string(padding) + ", which is too large");
    }
  }
  for (std::int64_t i = 0; i < padding.dim() / 2; ++i) {
    const std::int64_t dim = x.dim() - 1 - i;
    check_padding(mode, dim, x.size(dim), padding[2 * i], padding[2 * i + 1]);
  }
  X result = x;
  for (std::int64_t i = 0; i < padding.dim() / 2; ++i) {
    const std::int64_t dim = x.dim() - 1 - i;
    const std::int64_t before = padding[2 * i];
    const std::int64_t after = padding[2 * i + 1];
    if (before == 0 && after == 0) continue;
    if (mode != PadMode::zeros) {
      result = index_select(result, dim, padded_positions(x.size(dim), before, after, mode));
      continue;
    }
    const std::int64_t start = std::max<std::int64_t>(0, -before);
    const std::int64_t end = x.size(dim) - std::max<std::int64_t>(0, -after);
    std::vector<X> parts;
    const auto add_block = [&](std::int64_t length) {
      if (length <= 0) return;
      Shape block = result.shape();
      block[dim] = length;
      parts.push_back(X(full(block, value, x.dtype())));
    };
    add_block(before);
    parts.push_back(narrow(result, dim, std::min(start, std::max<std::int64_t>(end, 0)),
                           std::max<std::int64_t>(end - start, 0)));
    add_block(after);
    result = cat(std::span<const X>(parts), dim);
  }
  return result;
}

}  // namespace tapegrad::composition
