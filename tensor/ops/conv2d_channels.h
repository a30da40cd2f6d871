// Convolution with channels in vectors (tensor/kernels/channels.inl): which layers use it, and how
// their weights lie in memory.
//
// Internal. Read next: tensor/ops/conv2d.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops/conv2d_layout.h>
#include <tapegrad/tensor/ops/gemm.h>

namespace tapegrad::convolution {

inline constexpr int64_t kPanel = static_cast<int64_t>(kernel::kChannelPanel);

// Whether vectors of `channels` channels, each a sum of `depth` products, are faster than vectors
// of pixels: they are if few lanes stay empty, and if the sums take longer than the copy that
// transposes them.
template <class T>
bool in_vectors(int64_t channels, int64_t depth) {
  constexpr int64_t kLeastDepth = 32;
  const int64_t lanes = static_cast<int64_t>(kernel::kernels<T>().lanes);
  const int64_t used = (channels + lanes - 1) / lanes * lanes;
  return depth >= kLeastDepth && 4 * channels >= 3 * used;
}

// The same for the gradient of the weight. With vectors of 16 bytes, there is no instruction that
// loads and broadcasts an element, and sums of shifted rows are faster.
template <class T>
bool products_in_vectors(int64_t channels, int64_t depth) {
  return kernel::kernels<T>().lanes * sizeof(T) > 16 && in_vectors<T>(channels, depth);
}

// A matrix (depth, channels) for each group, in panels of kPanel channels; lanes without a channel
// contain zeros.
template <class T>
struct Panels {
  int64_t channels, depth;
  detail::Workspace<T> elements;

  Panels(int64_t groups, int64_t its_channels, int64_t its_depth)
      : channels(its_channels),
        depth(its_depth),
        elements(to_count(groups * group_size(channels, depth))) {
    std::fill_n(elements.data(), groups * group_size(channels, depth), T(0));
  }
  static int64_t group_size(int64_t channels, int64_t depth) {
    return (channels + kPanel - 1) / kPanel * kPanel * depth;
  }
  T* of_group(int64_t g) const { return elements.data() + g * group_size(channels, depth); }

  // Copies the matrix (channels, depth) of group g, whose rows are `row` elements apart.
  void put(int64_t g, const T* matrix, int64_t row) {
    for (int64_t o = 0; o < channels; ++o, matrix += row) {
      T* const to = of_group(g) + start(o, depth);
      for (int64_t p = 0; p < depth; ++p) to[p * kPanel] = matrix[p];
    }
  }
  // Copies the panels of a group to a matrix (channels, depth).
  static void take(T* matrix, const T* group, int64_t channels, int64_t depth) {
    for (int64_t o = 0; o < channels; ++o, matrix += depth) {
      const T* const from = group + start(o, depth);
      for (int64_t p = 0; p < depth; ++p) matrix[p] = from[p * kPanel];
    }
  }

 private:
  static int64_t start(int64_t o, int64_t depth) {
    return o / kPanel * kPanel * depth + o % kPanel;
  }
};

}  // namespace tapegrad::convolution
