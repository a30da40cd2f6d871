// How padded images lie in memory, so that a convolution is sums of shifted rows.
//
// A padded image is stored in planes. With stride 1 there is one plane per channel, whose rows
// follow each other. With stride s, one plane holds every s-th row or column, so that the elements
// that a place of the kernel sees for successive results are adjacent in a plane, too.
//
// Internal. Read next: tensor/ops/conv2d_channels.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops/conv2d.h>
#include <tapegrad/tensor/ops/gemm.h>

namespace tapegrad::convolution {

using std::int64_t;

// One direction, height or width. Place k of the kernel sees, for result t, the padded position
// t * stride + k * dilation: element t + shift[k] of the plane part[k].
struct Axis {
  Windows windows;
  int64_t count;                // results
  std::vector<int64_t> phases;  // of each part: the padded positions u with u % stride == phase
  std::vector<int64_t> part;
  std::vector<int64_t> shift;
  int64_t size;  // of a part: count and the largest shift

  explicit Axis(const Windows& its_windows) : windows(its_windows), count(its_windows.count()) {
    for (int64_t k = 0; k < windows.kernel; ++k) {
      const int64_t phase = k * windows.dilation % windows.stride;
      const auto found = std::find(phases.begin(), phases.end(), phase);
      part.push_back(found - phases.begin());
      if (found == phases.end()) phases.push_back(phase);
      shift.push_back(k * windows.dilation / windows.stride);
    }
    size = count + shift.back();
  }
  int64_t parts() const { return static_cast<int64_t>(phases.size()); }

  // The elements [first, end) of a part are inside the image; element t is at position(t).
  int64_t first(int64_t of_part) const {
    const int64_t start = windows.before - phases[static_cast<std::size_t>(of_part)];
    return std::min(size, start <= 0 ? 0 : (start + windows.stride - 1) / windows.stride);
  }
  int64_t end(int64_t of_part) const {
    const int64_t stop =
        windows.before + windows.length - phases[static_cast<std::size_t>(of_part)];
    const int64_t most = stop <= 0 ? 0 : (stop + windows.stride - 1) / windows.stride;
    return std::max(first(of_part), std::min(size, most));
  }
  int64_t position(int64_t of_part, int64_t t) const {
    return t * windows.stride + phases[static_cast<std::size_t>(of_part)] - windows.before;
  }
};

inline std::size_t to_count(int64_t n) { return static_cast<std::size_t>(n); }

inline int64_t with_slack(int64_t n) {
  constexpr int64_t kSlack = static_cast<int64_t>(kernel::kShiftedSlack);
  return (n + kSlack - 1) / kSlack * kSlack;
}

// `n` elements as an odd number of cache lines: rows at such distances use all sets of a cache.
inline int64_t odd_lines(int64_t n) {
  constexpr int64_t kLine = 16;  // elements of float32; for float64 the number may be even
  return ((n + kLine - 1) / kLine | 1) * kLine;
}

// Everything that is equal for all images. All sizes count elements.
struct Layout {
  Axis rows, columns;
  int64_t batch, groups;
  int64_t in, out;   // channels of a group
  int64_t places;    // of the kernel
  int64_t parts;     // planes of a channel
  int64_t plane;     // size of a plane
  int64_t channel;   // distance of two channels in the padded image
  int64_t padded;    // size of the padded image
  int64_t results;   // of a channel, with the gaps between their rows
  int64_t margin;    // zeros before the results, for the gradient of x
  int64_t gradient;  // distance of two channels of a padded gradient
  int64_t depth;     // in * places

  Layout(const Tensor& x, const Tensor& weight, const Convolution2d& convolution)
      : rows(convolution.rows),
        columns(convolution.columns),
        batch(x.size(0)),
        groups(convolution.groups),
        in(weight.size(1)),
        out(weight.size(0) / groups),
        places(weight.size(2) * weight.size(3)),
        parts(rows.parts() * columns.parts()),
        plane(rows.size * columns.size),
        channel(parts * plane),
        padded(groups * in * channel + static_cast<int64_t>(kernel::kShiftedSlack)),
        results((rows.count - 1) * columns.size + columns.count),
        margin(with_slack(plane - results)),  // aligned in memory
        gradient(odd_lines(margin + with_slack(plane))),
        depth(in * places) {}

  int64_t part_of(int64_t i, int64_t j) const {
    return rows.part[static_cast<std::size_t>(i)] * columns.parts() +
           columns.part[static_cast<std::size_t>(j)];
  }
  int64_t shift_of(int64_t i, int64_t j) const {
    return rows.shift[static_cast<std::size_t>(i)] * columns.size +
           columns.shift[static_cast<std::size_t>(j)];
  }
  bool unit_stride() const { return rows.windows.stride == 1 && columns.windows.stride == 1; }
  // With stride 1, where a channel's first element lies in its plane.
  int64_t inside() const { return rows.windows.before * columns.size + columns.windows.before; }
  // Enough for channel_sums and channel_products.
  int64_t channel_workspace() const {
    const int64_t most = std::max(columns.count, columns.windows.length);
    return std::max(result_pixels(), 4 * most + 128) * static_cast<int64_t>(kernel::kChannelPanel);
  }
  // A plane, and room for a tile that begins below its first row and ends beyond its end.
  int64_t wide_plane() const { return plane + 2 * static_cast<int64_t>(kernel::kShiftedSlack); }
  int64_t pixels() const { return rows.windows.length * columns.windows.length; }
  int64_t result_pixels() const { return rows.count * columns.count; }
  // Multiply-adds for one image.
  int64_t work() const { return groups * out * depth * results; }

  // Where each row of the weight's matrix (out, in * places) reads in the group's padded image.
  std::vector<std::ptrdiff_t> offsets() const {
    std::vector<std::ptrdiff_t> all;
    for (int64_t c = 0; c < in; ++c) {
      for (int64_t i = 0; i < rows.windows.kernel; ++i) {
        for (int64_t j = 0; j < columns.windows.kernel; ++j) {
          all.push_back(c * channel + part_of(i, j) * plane + shift_of(i, j));
        }
      }
    }
    return all;
  }
};

// Copies between an image (channels, height, width) and the planes of the padded image, whose
// padding is left alone. Copy(padded element, element of the image).
template <class Padded, class Image, class Copy>
void for_each_row(const Layout& layout, int64_t part, Padded* plane, Image* image,
                  const Copy& copy) {
  const int64_t row_part = part / layout.columns.parts();
  const int64_t column_part = part % layout.columns.parts();
  const int64_t first = layout.columns.first(column_part);
  const int64_t count = layout.columns.end(column_part) - first;
  const int64_t from = layout.columns.position(column_part, first);
  if (count == 0) return;
  for (int64_t t = layout.rows.first(row_part); t < layout.rows.end(row_part); ++t) {
    copy(plane + t * layout.columns.size + first,
         image + layout.rows.position(row_part, t) * layout.columns.windows.length + from, count);
  }
}

// Writes zeros after rows, where there is padding, and up to a vector beyond the last plane.
template <class T>
void fill_padded(T* padded, const T* image, const Layout& layout) {
  const int64_t stride = layout.columns.windows.stride;
  const int64_t width = layout.columns.windows.length;
  if (layout.unit_stride()) {
    for (int64_t c = 0; c < layout.groups * layout.in; ++c, image += layout.pixels()) {
      kernel::kernels<T>().padded_rows(
          padded + c * layout.channel + layout.inside(), layout.columns.size, image, width,
          static_cast<std::size_t>(layout.rows.windows.length), static_cast<std::size_t>(width));
    }
    return;
  }
  const auto copy = [stride](T* to, const T* from, int64_t count) {
    if (stride == 1) {
      std::copy_n(from, count, to);
    } else {
      for (int64_t t = 0; t < count; ++t) to[t] = from[t * stride];
    }
  };
  for (int64_t c = 0; c < layout.groups * layout.in; ++c, image += layout.pixels()) {
    for (int64_t part = 0; part < layout.parts; ++part, padded += layout.plane) {
      for_each_row(layout, part, padded, image, copy);
    }
  }
}

// The result of one channel without the gaps between its rows, and back with zeros in the gaps.
template <class T>
void take_results(T* y, const T* wide, T bias, const Layout& layout) {
  const int64_t width = layout.columns.count;
  for (int64_t t = 0; t < layout.rows.count; ++t, y += width, wide += layout.columns.size) {
    for (int64_t i = 0; i < width; ++i) y[i] = wide[i] + bias;
  }
}
template <class T>
void put_results(T* wide, const T* y, const Layout& layout) {
  const int64_t width = layout.columns.count;
  kernel::kernels<T>().padded_rows(wide, layout.columns.size, y, width,
                                   static_cast<std::size_t>(layout.rows.count),
                                   static_cast<std::size_t>(width));
}

// A matrix (rows, columns) whose rows are not a multiple of the cache's period apart.
template <class T>
struct Weights {
  int64_t row;
  detail::Workspace<T> elements;
  Weights(int64_t rows, int64_t columns)
      : row(columns + 64 / static_cast<int64_t>(sizeof(T))),
        elements(static_cast<std::size_t>(rows * row)) {}
  T* at(int64_t i) const { return elements.data() + i * row; }
};

}  // namespace tapegrad::convolution
