// The forward pass of convolution, image by image: with channels in vectors, or as sums of shifted
// rows. Read next: tensor/ops/conv2d_backward.cc.
#include <tapegrad/tensor/ops/conv2d.h>

#include <algorithm>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/conv2d_channels.h>
#include <tapegrad/tensor/ops/conv2d_layout.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {

using convolution::fill_padded;
using convolution::in_vectors;
using convolution::Layout;
using convolution::Panels;
using convolution::take_results;
using convolution::to_count;
using convolution::Weights;
using convolution::with_slack;
using std::int64_t;

namespace {

// A part of the batch for a thread: enough work to be worth waking it.
int64_t images_per_part(const Layout& layout) {
  constexpr int64_t kWork = 1 << 20;  // multiply-adds, about 20 us
  return std::clamp<int64_t>(kWork / std::max<int64_t>(layout.work(), 1), 1,
                             std::max<int64_t>(layout.batch, 1));
}

// The forward pass with channels in vectors.
template <class T>
void forward_in_vectors(T* y, const T* x, const T* weight, const T* bias, const Layout& layout) {
  const std::vector<std::ptrdiff_t> offsets = layout.offsets();
  Panels<T> panels(layout.groups, layout.out, layout.depth);
  Panels<T> added(layout.groups, layout.out, 1);
  for (int64_t g = 0; g < layout.groups; ++g) {
    panels.put(g, weight + g * layout.out * layout.depth, layout.depth);
    if (bias != nullptr) added.put(g, bias + g * layout.out, 1);
  }
  const auto images = [&](int64_t begin, int64_t end) {
    const detail::Workspace<T> padded(to_count(layout.padded));
    const detail::Workspace<T> workspace(to_count(layout.channel_workspace()));
    std::fill_n(padded.data(), layout.padded, T(0));
    for (int64_t n = begin; n < end; ++n) {
      fill_padded(padded.data(), x + n * layout.groups * layout.in * layout.pixels(), layout);
      for (int64_t g = 0; g < layout.groups; ++g) {
        kernel::kernels<T>().channel_sums(
            y + (n * layout.groups + g) * layout.out * layout.result_pixels(),
            layout.result_pixels(), panels.of_group(g), added.of_group(g),
            padded.data() + g * layout.in * layout.channel, layout.columns.size, offsets.data(),
            to_count(layout.out), to_count(layout.rows.count), to_count(layout.columns.count),
            to_count(layout.depth), workspace.data());
      }
    }
  };
  parallel_for(layout.batch, images_per_part(layout), 1, images);
}

template <class T>
void forward(T* y, const T* x, const T* weight, const T* bias, const Layout& layout) {
  if (in_vectors<T>(layout.out, layout.depth)) {
    return forward_in_vectors(y, x, weight, bias, layout);
  }
  const auto& kernels = kernel::kernels<T>();
  const std::vector<std::ptrdiff_t> offsets = layout.offsets();
  const int64_t channels = layout.groups * layout.out;
  const Weights<T> matrix(channels, layout.depth);
  for (int64_t o = 0; o < channels; ++o) {
    std::copy_n(weight + o * layout.depth, layout.depth, matrix.at(o));
  }
  const auto images = [&](int64_t begin, int64_t end) {
    const detail::Workspace<T> padded(to_count(layout.padded));
    const int64_t wide_row = with_slack(layout.results);
    const detail::Workspace<T> wide(to_count(layout.out * wide_row));
    std::fill_n(padded.data(), layout.padded, T(0));
    for (int64_t n = begin; n < end; ++n) {
      fill_padded(padded.data(), x + n * layout.groups * layout.in * layout.pixels(), layout);
      for (int64_t g = 0; g < layout.groups; ++g) {
        kernels.shifted_sums(wide.data(), wide_row, matrix.at(g * layout.out), matrix.row,
                             padded.data() + g * layout.in * layout.channel, offsets.data(),
                             to_count(layout.out), to_count(layout.results),
                             to_count(layout.depth));
        for (int64_t o = g * layout.out; o < (g + 1) * layout.out; ++o) {
          take_results(y + (n * channels + o) * layout.result_pixels(),
                       wide.data() + (o - g * layout.out) * wide_row,
                       bias == nullptr ? T(0) : bias[o], layout);
        }
      }
    }
  };
  parallel_for(layout.batch, images_per_part(layout), 1, images);
}

}  // namespace

Tensor conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Convolution2d& convolution) {
  const Layout layout(x, weight, convolution);
  const Tensor image = x.contiguous();
  const Tensor matrix = weight.contiguous();
  const Tensor added = bias.defined() ? bias.contiguous() : Tensor();
  Tensor y = Tensor::uninitialized(
      Shape{x.size(0), weight.size(0), layout.rows.count, layout.columns.count}, x.dtype());
  if (y.numel() == 0) return y;
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forward(y.mutable_data<T>(), image.data<T>(), matrix.data<T>(),
            added.defined() ? added.data<T>() : nullptr, layout);
  });
  return y;
}

}  // namespace tapegrad
