// Convolution as sums of shifted rows: the forward pass, and the gradients image by image. Read
// next: tensor/ops/pooling.h.
#include <tapegrad/tensor/ops/conv2d.h>

#include <algorithm>
#include <deque>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/conv2d_layout.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {

using convolution::fill_padded;
using convolution::for_each_row;
using convolution::Layout;
using convolution::put_results;
using convolution::take_results;
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

std::size_t to_count(int64_t n) { return static_cast<std::size_t>(n); }

template <class T>
void forward(T* y, const T* x, const T* weight, const T* bias, const Layout& layout) {
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

// The places of the kernel that see one plane, as a matrix (in, out * places) of weights with the
// offsets in the padded gradient.
template <class T>
struct PlaneWeights {
  int64_t depth = 0;
  std::vector<std::ptrdiff_t> offsets;
  Weights<T> matrix;  // of all groups: (groups * in, depth)

  PlaneWeights(const Layout& layout, const T* weight, int64_t part)
      : offsets(make_offsets(layout, part)),
        matrix(layout.groups * layout.in, static_cast<int64_t>(offsets.size())) {
    depth = static_cast<int64_t>(offsets.size());
    for (int64_t g = 0; g < layout.groups; ++g) {
      for (int64_t c = 0; c < layout.in; ++c) {
        T* to = matrix.at(g * layout.in + c);
        for (int64_t o = g * layout.out; o < (g + 1) * layout.out; ++o) {
          for_places(layout, part, [&](int64_t place, int64_t) {
            *to++ = weight[(o * layout.in + c) * layout.places + place];
          });
        }
      }
    }
  }

 private:
  template <class Function>
  static void for_places(const Layout& layout, int64_t part, const Function& function) {
    for (int64_t i = 0; i < layout.rows.windows.kernel; ++i) {
      for (int64_t j = 0; j < layout.columns.windows.kernel; ++j) {
        if (layout.part_of(i, j) != part) continue;
        function(i * layout.columns.windows.kernel + j, layout.shift_of(i, j));
      }
    }
  }
  static std::vector<std::ptrdiff_t> make_offsets(const Layout& layout, int64_t part) {
    std::vector<std::ptrdiff_t> all;
    for (int64_t o = 0; o < layout.out; ++o) {
      for_places(layout, part, [&](int64_t, int64_t shift) {
        all.push_back(o * layout.gradient + layout.margin - shift);
      });
    }
    return all;
  }
};

// Adds up dx[c] = sum over o, i, j of weight[o][c][i][j] * dy[o], shifted by (i, j), plane by
// plane.
template <class T>
void gradient_of_image(T* dx, const T* gradient, T* wide, const std::deque<PlaneWeights<T>>& planes,
                       const Layout& layout) {
  const int64_t stride = layout.columns.windows.stride;
  const int64_t wide_row = layout.wide_plane();
  const auto copy = [stride](const T* from, T* to, int64_t count) {
    for (int64_t t = 0; t < count; ++t) to[t * stride] = from[t];
  };
  for (int64_t part = 0; part < layout.parts; ++part) {
    const PlaneWeights<T>& weights = planes[to_count(part)];
    // Rows of padding are left out.
    const int64_t begin = layout.rows.first(part / layout.columns.parts()) * layout.columns.size;
    const int64_t end = layout.rows.end(part / layout.columns.parts()) * layout.columns.size;
    if (begin == end) continue;
    for (int64_t g = 0; g < layout.groups; ++g) {
      kernel::kernels<T>().shifted_sums(
          wide + begin, wide_row, weights.matrix.at(g * layout.in), weights.matrix.row,
          gradient + g * layout.out * layout.gradient + begin, weights.offsets.data(),
          to_count(layout.in), to_count(end - begin), to_count(weights.depth));
      for (int64_t c = 0; c < layout.in; ++c) {
        const T* plane = wide + c * wide_row;
        for_each_row(layout, part, plane, dx + (g * layout.in + c) * layout.pixels(), copy);
      }
    }
  }
}

// The images whose padded copies fit into a part of the L2 cache.
template <class T>
int64_t images_per_block(const Layout& layout) {
  constexpr int64_t kBytes = 1 << 18;
  const int64_t image = (layout.padded + layout.groups * layout.out * layout.gradient) *
                        static_cast<int64_t>(sizeof(T));
  return std::clamp<int64_t>(kBytes / std::max<int64_t>(image, 1), 1,
                             std::max<int64_t>(layout.batch, 1));
}

// How many partial sums the weight's gradient has: it depends on the sizes only.
int64_t partial_sums(const Layout& layout) {
  constexpr int64_t kMost = 8, kWork = 1 << 22;  // multiply-adds, about 80 us
  return std::clamp<int64_t>(layout.batch * layout.work() / kWork, 1,
                             std::clamp<int64_t>(layout.batch, 1, kMost));
}

// dx and the sums of dweight of the images [begin, end), in blocks that stay in the cache. dx and
// dweight may be null.
template <class T>
void backward_of_images(T* dx, T* dweight, const T* dy, const T* x,
                        const std::deque<PlaneWeights<T>>& planes,
                        const std::vector<std::ptrdiff_t>& offsets, const Layout& layout,
                        int64_t begin, int64_t end) {
  const int64_t channels = layout.groups * layout.out;
  const int64_t block = images_per_block<T>(layout);
  const int64_t gradient_size =
      channels * layout.gradient + static_cast<int64_t>(kernel::kShiftedSlack);
  const detail::Workspace<T> gradient(to_count(block * gradient_size));
  const detail::Workspace<T> padded(dweight == nullptr ? 0 : to_count(block * layout.padded));
  const detail::Workspace<T> wide(dx == nullptr ? 0 : to_count(layout.in * layout.wide_plane()));
  std::fill_n(gradient.data(), block * gradient_size, T(0));
  if (dweight != nullptr) std::fill_n(padded.data(), block * layout.padded, T(0));
  const int64_t image = layout.groups * layout.in * layout.pixels();
  for (int64_t first = begin; first < end; first += block) {
    const int64_t count = std::min(block, end - first);
    for (int64_t n = 0; n < count; ++n) {
      T* const own = gradient.data() + n * gradient_size;
      for (int64_t o = 0; o < channels; ++o) {
        put_results(own + o * layout.gradient + layout.margin,
                    dy + ((first + n) * channels + o) * layout.result_pixels(), layout);
      }
      if (dx != nullptr) {
        gradient_of_image(dx + (first + n) * image, own, wide.data(), planes, layout);
      }
      if (dweight != nullptr) {
        fill_padded(padded.data() + n * layout.padded, x + (first + n) * image, layout);
      }
    }
    for (int64_t g = 0; g < layout.groups && dweight != nullptr; ++g) {
      kernel::kernels<T>().shifted_products(
          dweight + g * layout.out * layout.depth, layout.depth,
          gradient.data() + g * layout.out * layout.gradient + layout.margin, layout.gradient,
          gradient_size, padded.data() + g * layout.in * layout.channel, layout.padded,
          offsets.data(), to_count(layout.out), to_count(layout.results), to_count(layout.depth),
          to_count(count));
    }
  }
}

template <class T>
void backward(T* dx, T* dweight, const T* dy, const T* x, const T* weight, const Layout& layout) {
  std::deque<PlaneWeights<T>> planes;
  for (int64_t part = 0; part < layout.parts && dx != nullptr; ++part) {
    planes.emplace_back(layout, weight, part);
  }
  const std::vector<std::ptrdiff_t> offsets = layout.offsets();
  const int64_t sums = partial_sums(layout);
  const int64_t size = layout.groups * layout.out * layout.depth;
  const detail::Workspace<T> partial(dweight == nullptr ? 0 : to_count(sums * size));
  if (dweight != nullptr) std::fill_n(partial.data(), sums * size, T(0));
  parallel_for(sums, 1, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      backward_of_images(dx, dweight == nullptr ? nullptr : partial.data() + s * size, dy, x,
                         planes, offsets, layout, s * layout.batch / sums,
                         (s + 1) * layout.batch / sums);
    }
  });
  if (dweight == nullptr) return;
  std::copy_n(partial.data(), size, dweight);
  for (int64_t s = 1; s < sums; ++s) {
    for (int64_t i = 0; i < size; ++i) dweight[i] += partial.data()[s * size + i];
  }
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

std::array<Tensor, 3> conv2d_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                      const Convolution2d& convolution,
                                      const std::array<bool, 3>& wanted) {
  const Layout layout(x, weight, convolution);
  const Tensor image = x.contiguous();
  const Tensor matrix = weight.contiguous();
  const Tensor from = dy.contiguous();
  std::array<Tensor, 3> gradients;
  if (wanted[0]) gradients[0] = zeros(x.shape(), x.dtype());
  if (wanted[1]) gradients[1] = zeros(weight.shape(), x.dtype());
  if (wanted[2]) {
    gradients[2] =
        sum(sum(reshape(from, {x.size(0), weight.size(0), layout.result_pixels()}), 2), 0);
  }
  if (dy.numel() == 0 || weight.numel() == 0) return gradients;
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    backward(wanted[0] ? gradients[0].mutable_data<T>() : nullptr,
             wanted[1] ? gradients[1].mutable_data<T>() : nullptr, from.data<T>(), image.data<T>(),
             matrix.data<T>(), layout);
  });
  return gradients;
}

}  // namespace tapegrad
