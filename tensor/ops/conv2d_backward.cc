// The gradients of convolution, image by image: with channels in vectors, or as sums and products
// of shifted rows. Read next: tensor/ops/pooling.h.
#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/conv2d.h>
#include <tapegrad/tensor/ops/conv2d_channels.h>
#include <tapegrad/tensor/ops/conv2d_layout.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {

using convolution::fill_padded;
using convolution::for_each_row;
using convolution::in_vectors;
using convolution::Layout;
using convolution::Panels;
using convolution::products_in_vectors;
using convolution::put_results;
using convolution::to_count;
using convolution::Weights;
using std::int64_t;

namespace {

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

// What all parts of the batch share. dx and the sums of dweight may be null: not wanted.
template <class T>
struct BackwardPass {
  const Layout& layout;
  const T *dy, *x;
  T *dx, *sums;  // `sums`: (parts of the batch, sum_size)
  std::vector<std::ptrdiff_t> offsets = layout.offsets();
  std::deque<PlaneWeights<T>> planes = {};  // the weights for dx,
  std::optional<Panels<T>> panels = {};     // and if its channels are in vectors,
  std::optional<Panels<T>> zeros = {};      // with a bias of 0
  bool sums_in_vectors = products_in_vectors<T>(layout.out, layout.depth);
  int64_t group_size =  // of a sum: with channels in vectors as Panels, else as the weight
      sums_in_vectors ? Panels<T>::group_size(layout.out, layout.depth) : layout.out * layout.depth;
  int64_t sum_size = layout.groups * group_size;
  // Elements of the padded gradient of an image.
  int64_t gradient_size =
      layout.groups * layout.out * layout.gradient + static_cast<int64_t>(kernel::kShiftedSlack);

  // With stride 1, the gradient of the image is a convolution of dy.
  void prepare(const T* weight) {
    for (int64_t part = 0; part < layout.parts && dx != nullptr; ++part) {
      planes.emplace_back(layout, weight, part);
    }
    if (dx == nullptr || !layout.unit_stride() || layout.pixels() == 0) return;
    const PlaneWeights<T>& plane = planes.front();
    if (!in_vectors<T>(layout.in, plane.depth)) return;
    panels.emplace(layout.groups, layout.in, plane.depth);
    zeros.emplace(1, layout.in, 1);
    for (int64_t g = 0; g < layout.groups; ++g) {
      panels->put(g, plane.matrix.at(g * layout.in), plane.matrix.row);
    }
  }
};

// dx of an image with channels in vectors, from its padded gradient.
template <class T>
void image_in_vectors(T* dx, const T* gradient, T* workspace, const BackwardPass<T>& pass) {
  const Layout& layout = pass.layout;
  for (int64_t g = 0; g < layout.groups; ++g) {
    kernel::kernels<T>().channel_sums(
        dx + g * layout.in * layout.pixels(), layout.pixels(), pass.panels->of_group(g),
        pass.zeros->of_group(0), gradient + g * layout.out * layout.gradient + layout.inside(),
        layout.columns.size, pass.planes.front().offsets.data(), to_count(layout.in),
        to_count(layout.rows.windows.length), to_count(layout.columns.windows.length),
        to_count(pass.panels->depth), workspace);
  }
}

// Adds the gradient of the weight for an image to `sum`, with channels in vectors.
template <class T>
void weight_in_vectors(T* sum, const T* dy, const T* padded, T* workspace,
                       const BackwardPass<T>& pass) {
  const Layout& layout = pass.layout;
  for (int64_t g = 0; g < layout.groups; ++g) {
    kernel::kernels<T>().channel_products(
        sum + g * pass.group_size, dy + g * layout.out * layout.result_pixels(),
        layout.result_pixels(), padded + g * layout.in * layout.channel, layout.columns.size,
        pass.offsets.data(), to_count(layout.out), to_count(layout.rows.count),
        to_count(layout.columns.count), to_count(layout.depth), workspace);
  }
}

// Adds the gradient of the weight for a block of images to `sum`, as products of shifted rows.
template <class T>
void weight_of_block(T* sum, const T* gradient, const T* padded, int64_t count,
                     const BackwardPass<T>& pass) {
  const Layout& layout = pass.layout;
  for (int64_t g = 0; g < layout.groups; ++g) {
    kernel::kernels<T>().shifted_products(
        sum + g * pass.group_size, layout.depth,
        gradient + g * layout.out * layout.gradient + layout.margin, layout.gradient,
        pass.gradient_size, padded + g * layout.in * layout.channel, layout.padded,
        pass.offsets.data(), to_count(layout.out), to_count(layout.results), to_count(layout.depth),
        to_count(count));
  }
}

// Workspaces of a thread, for a block of images that stays in the cache. With channels in vectors,
// a block is one image.
template <class T>
struct BackwardBlock {
  int64_t images;
  detail::Workspace<T> gradient, padded, wide, result;

  explicit BackwardBlock(const BackwardPass<T>& pass)
      : images(pass.sums_in_vectors ? 1 : images_per_block<T>(pass.layout)),
        gradient(to_count(images * pass.gradient_size)),
        padded(pass.sums == nullptr ? 0 : to_count(images * pass.layout.padded)),
        wide(pass.dx == nullptr ? 0 : to_count(pass.layout.in * pass.layout.wide_plane())),
        result(to_count(pass.layout.channel_workspace())) {
    std::fill_n(gradient.data(), images * pass.gradient_size, T(0));
    if (pass.sums != nullptr) std::fill_n(padded.data(), images * pass.layout.padded, T(0));
  }
};

// dx and the sum of dweight of the images [begin, end).
template <class T>
void backward_of_images(const BackwardPass<T>& pass, T* sum, int64_t begin, int64_t end) {
  const Layout& layout = pass.layout;
  const BackwardBlock<T> block(pass);
  const int64_t image = layout.groups * layout.in * layout.pixels();
  const int64_t results = layout.groups * layout.out * layout.result_pixels();
  for (int64_t first = begin; first < end; first += block.images) {
    const int64_t count = std::min(block.images, end - first);
    for (int64_t n = 0; n < count; ++n) {
      T* const gradient = block.gradient.data() + n * pass.gradient_size;
      const T* const dy = pass.dy + (first + n) * results;
      T* const dx = pass.dx == nullptr ? nullptr : pass.dx + (first + n) * image;
      if (dx != nullptr || !pass.sums_in_vectors) {
        for (int64_t o = 0; o < layout.groups * layout.out; ++o) {
          put_results(gradient + o * layout.gradient + layout.margin,
                      dy + o * layout.result_pixels(), layout);
        }
      }
      if (dx != nullptr && pass.panels.has_value()) {
        image_in_vectors(dx, gradient, block.result.data(), pass);
      } else if (dx != nullptr) {
        gradient_of_image(dx, gradient, block.wide.data(), pass.planes, layout);
      }
      if (sum == nullptr) continue;
      T* const padded = block.padded.data() + n * layout.padded;
      fill_padded(padded, pass.x + (first + n) * image, layout);
      if (pass.sums_in_vectors) {
        weight_in_vectors(sum, dy, padded, block.result.data(), pass);
      }
    }
    if (sum != nullptr && !pass.sums_in_vectors) {
      weight_of_block(sum, block.gradient.data(), block.padded.data(), count, pass);
    }
  }
}

template <class T>
void backward(T* dx, T* dweight, const T* dy, const T* x, const T* weight, const Layout& layout) {
  BackwardPass<T> pass{layout, dy, x, dx, nullptr};
  pass.prepare(weight);
  if (dx != nullptr && !pass.panels.has_value()) {  // windows may miss elements
    std::fill_n(dx, layout.batch * layout.groups * layout.in * layout.pixels(), T(0));
  }
  const int64_t parts = partial_sums(layout);
  const detail::Workspace<T> sums(dweight == nullptr ? 0 : to_count(parts * pass.sum_size));
  pass.sums = sums.data();
  if (dweight != nullptr) std::fill_n(sums.data(), parts * pass.sum_size, T(0));
  parallel_for(parts, 1, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      backward_of_images(pass, dweight == nullptr ? nullptr : sums.data() + s * pass.sum_size,
                         s * layout.batch / parts, (s + 1) * layout.batch / parts);
    }
  });
  if (dweight == nullptr) return;
  for (int64_t s = 1; s < parts; ++s) {
    kernel::kernels<T>().axpy(sums.data(), T(1), sums.data() + s * pass.sum_size,
                              to_count(pass.sum_size));
  }
  for (int64_t g = 0; g < layout.groups; ++g) {
    T* const to = dweight + g * layout.out * layout.depth;
    const T* const from = sums.data() + g * pass.group_size;
    if (pass.sums_in_vectors) {
      Panels<T>::take(to, from, layout.out, layout.depth);
    } else {
      std::copy_n(from, pass.group_size, to);
    }
  }
}

}  // namespace

std::array<Tensor, 3> conv2d_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                      const Convolution2d& convolution,
                                      const std::array<bool, 3>& wanted) {
  const Layout layout(x, weight, convolution);
  const Tensor image = x.contiguous();
  const Tensor matrix = weight.contiguous();
  const Tensor from = dy.contiguous();
  std::array<Tensor, 3> gradients;
  const bool empty = dy.numel() == 0 || weight.numel() == 0;
  if (wanted[0]) {
    gradients[0] =
        empty ? zeros(x.shape(), x.dtype()) : Tensor::uninitialized(x.shape(), x.dtype());
  }
  if (wanted[1]) gradients[1] = zeros(weight.shape(), x.dtype());
  if (wanted[2]) {
    gradients[2] =
        sum(sum(reshape(from, {x.size(0), weight.size(0), layout.result_pixels()}), 2), 0);
  }
  if (empty) return gradients;
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    backward(wanted[0] ? gradients[0].mutable_data<T>() : nullptr,
             wanted[1] ? gradients[1].mutable_data<T>() : nullptr, from.data<T>(), image.data<T>(),
             matrix.data<T>(), layout);
  });
  return gradients;
}

}  // namespace tapegrad
