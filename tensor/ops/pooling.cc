// Pooling: loops over the windows of each image. Read next: tensor/ops/view_layout.h.
#include <tapegrad/tensor/ops/pooling.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {
namespace {

using std::int64_t;

// The steps of window t that are inside: begin, begin + dilation, ... below end.
struct Inside {
  int64_t begin, end;
  Inside(const Windows& windows, int64_t t) {
    begin = t * windows.stride - windows.before;
    end = std::min(begin + windows.span(), windows.length);
    if (begin < 0) begin += (-begin + windows.dilation - 1) / windows.dilation * windows.dilation;
  }
};

// Calls function(window, rows inside, columns inside) for the windows of one image, in order.
template <class Function>
void for_each_window(const Pooling& pooling, const Function& function) {
  const int64_t height = pooling.rows.count(), width = pooling.columns.count();
  for (int64_t t = 0, window = 0; t < height; ++t) {
    const Inside rows(pooling.rows, t);
    for (int64_t u = 0; u < width; ++u) function(window++, rows, Inside(pooling.columns, u));
  }
}

// Calls function(image) for all images, split among threads.
template <class Function>
void for_each_image(int64_t images, const Pooling& pooling, const Function& function) {
  const int64_t work =
      pooling.windows() * pooling.rows.kernel * pooling.columns.kernel + pooling.pixels();
  const int64_t least = std::max<int64_t>(kElementsPerPart / std::max<int64_t>(work, 1), 1);
  parallel_for(images, least, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) function(i);
  });
}

// The number of images: the product of the sizes that pooling keeps.
int64_t image_count(const Shape& shape, const Pooling& pooling) {
  int64_t count = 1;
  for (int64_t d = 0; d < shape.dim() - (pooling.is_sequence ? 1 : 2); ++d) {
    count *= shape[d];
  }
  return count;
}

Shape with_last(const Shape& like, const Pooling& pooling, int64_t height, int64_t width) {
  Shape shape = like;
  if (!pooling.is_sequence) shape[shape.dim() - 2] = height;
  shape[shape.dim() - 1] = width;
  return shape;
}

}  // namespace

Shape Pooling::result_shape(const Shape& like) const {
  return with_last(like, *this, rows.count(), columns.count());
}
Shape Pooling::image_shape(const Shape& like) const {
  return with_last(like, *this, rows.length, columns.length);
}

MaxPooled max_pool_forward(const Tensor& x, const Pooling& pooling) {
  const Tensor in = x.contiguous();
  const Shape shape = pooling.result_shape(x.shape());
  MaxPooled result{Tensor::uninitialized(shape, x.dtype()), Tensor::uninitialized(shape, int64)};
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const images = in.data<T>();
    T* const values = result.values.mutable_data<T>();
    int64_t* const indices = result.indices.mutable_data<int64_t>();
    for_each_image(image_count(shape, pooling), pooling, [&](int64_t i) {
      const T* const image = images + i * pooling.pixels();
      for_each_window(pooling, [&](int64_t window, const Inside& rows, const Inside& columns) {
        T largest = -std::numeric_limits<T>::infinity();
        int64_t where = -1;
        for (int64_t r = rows.begin; r < rows.end; r += pooling.rows.dilation) {
          for (int64_t c = columns.begin; c < columns.end; c += pooling.columns.dilation) {
            const int64_t at = r * pooling.columns.length + c;
            if (image[at] > largest || where < 0 || std::isnan(image[at])) {
              largest = image[at];
              where = at;
            }
          }
        }
        values[i * pooling.windows() + window] = largest;
        indices[i * pooling.windows() + window] = where;
      });
    });
  });
  return result;
}

Tensor max_pool_backward(const Tensor& dy, const Tensor& indices, const Pooling& pooling) {
  const Tensor from = dy.contiguous();
  Tensor dx = zeros(pooling.image_shape(dy.shape()), dy.dtype());
  visit_floating(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const in = from.data<T>();
    T* const out = dx.mutable_data<T>();
    const int64_t* const where = indices.data<int64_t>();
    for_each_image(image_count(dy.shape(), pooling), pooling, [&](int64_t i) {
      for (int64_t w = i * pooling.windows(); w < (i + 1) * pooling.windows(); ++w) {
        if (where[w] >= 0) out[i * pooling.pixels() + where[w]] += in[w];
      }
    });
  });
  return dx;
}

Tensor avg_pool_forward(const Tensor& x, const Tensor& divisors, const Pooling& pooling) {
  const Tensor in = x.contiguous();
  const Shape shape = pooling.result_shape(x.shape());
  Tensor y = Tensor::uninitialized(shape, x.dtype());
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const images = in.data<T>();
    const T* const divisor = divisors.data<T>();
    T* const out = y.mutable_data<T>();
    for_each_image(image_count(shape, pooling), pooling, [&](int64_t i) {
      const T* const image = images + i * pooling.pixels();
      for_each_window(pooling, [&](int64_t window, const Inside& rows, const Inside& columns) {
        T total = 0;
        for (int64_t r = rows.begin; r < rows.end; ++r) {
          const T* const row = image + r * pooling.columns.length;
          for (int64_t c = columns.begin; c < columns.end; ++c) total += row[c];
        }
        out[i * pooling.windows() + window] = total / divisor[window];
      });
    });
  });
  return y;
}

Tensor avg_pool_backward(const Tensor& dy, const Tensor& divisors, const Pooling& pooling) {
  const Tensor from = dy.contiguous();
  Tensor dx = zeros(pooling.image_shape(dy.shape()), dy.dtype());
  visit_floating(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const in = from.data<T>();
    const T* const divisor = divisors.data<T>();
    T* const out = dx.mutable_data<T>();
    for_each_image(image_count(dy.shape(), pooling), pooling, [&](int64_t i) {
      T* const image = out + i * pooling.pixels();
      for_each_window(pooling, [&](int64_t window, const Inside& rows, const Inside& columns) {
        const T part = in[i * pooling.windows() + window] / divisor[window];
        for (int64_t r = rows.begin; r < rows.end; ++r) {
          T* const row = image + r * pooling.columns.length;
          for (int64_t c = columns.begin; c < columns.end; ++c) row[c] += part;
        }
      });
    });
  });
  return dx;
}

}  // namespace tapegrad
