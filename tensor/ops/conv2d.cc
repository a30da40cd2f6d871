// The layout of padded images, and convolution as sums of shifted rows. Read next:
// tensor/ops/pooling.h.
//
// A padded image is stored in planes. With stride 1 there is one plane per channel, whose rows
// follow each other. With stride s, one plane holds every s-th row or column, so that the elements
// that a place of the kernel sees for successive results are adjacent in a plane, too.
#include <tapegrad/tensor/ops/conv2d.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {
namespace {

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

int64_t with_slack(int64_t n) {
  constexpr int64_t kSlack = static_cast<int64_t>(kernel::kShiftedSlack);
  return (n + kSlack - 1) / kSlack * kSlack;
}

// `n` elements as an odd number of cache lines: rows at such distances use all sets of a cache.
int64_t odd_lines(int64_t n) {
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

template <class T>
void fill_padded(T* padded, const T* image, const Layout& layout) {
  const int64_t stride = layout.columns.windows.stride;
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
  for (int64_t t = 0; t < layout.rows.count; ++t, y += width, wide += layout.columns.size) {
    std::copy_n(y, width, wide);
  }
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
