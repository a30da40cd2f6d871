// The functions of tensor/random/distributions.h for tensors: checks element types and shapes, and
// fills tensors that are not contiguous in their order in memory. Read next:
// tensor/random/generator.cc.
#include <tapegrad/tensor/random/random.h>

#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include <tapegrad/tensor/ops.h>

namespace tapegrad {
namespace {

void check_floating(DType dtype, const char* operation) {
  if (!is_floating_point(dtype)) {
    throw DTypeError(std::string(operation) + ": tensor is " + name(dtype) +
                     ", needed float32 or float64");
  }
}

// The dimensions from the largest stride to the smallest, in the order that PyTorch's sort gives:
// insertion sort from the right, where dimensions of stride 0 keep their place.
Dims memory_order(const Tensor& x) {
  const std::span<const std::int64_t> sizes = x.sizes();
  const std::span<const std::int64_t> strides = x.strides();
  Dims order(x.sizes());
  for (std::int64_t i = 0; i < order.dim(); ++i) order[i] = i;
  // Whether dimension a, which is now to the left of b, must move to its right: 1 yes, -1 no, 0
  // undecided.
  const auto misplaced = [&](std::int64_t a, std::int64_t b) {
    const auto i = static_cast<std::size_t>(a);
    const auto j = static_cast<std::size_t>(b);
    if (strides[i] == 0 || strides[j] == 0) return 0;
    if (strides[i] != strides[j]) return strides[i] < strides[j] ? 1 : -1;
    return sizes[i] < sizes[j] ? 1 : 0;
  };
  for (std::int64_t i = order.dim() - 2; i >= 0; --i) {
    std::int64_t moving = i;
    for (std::int64_t other = i + 1; other < order.dim(); ++other) {
      const int answer = misplaced(order[moving], order[other]);
      if (answer < 0) break;
      if (answer > 0) {
        std::swap(order[moving], order[other]);
        moving = other;
      }
    }
  }
  return order;
}

// x with its dimensions reordered; a view.
Tensor in_order(const Tensor& x, const Dims& order) {
  Shape sizes(x.sizes());
  Strides strides(x.strides());
  for (std::int64_t d = 0; d < order.dim(); ++d) {
    sizes[d] = x.size(order[d]);
    strides[d] = x.stride(order[d]);
  }
  return Tensor::view_of(x, sizes, strides, 0);
}

// Calls fill(elements) with all elements of x, of type T, in their order in memory.
template <class T, class Fill>
void fill_elements(Tensor& x, const char* operation, Fill&& fill) {
  if (x.is_contiguous()) {
    fill(x.mutable_span<T>());
    return;
  }
  for (std::int64_t d = 0; d < x.dim(); ++d) {
    if (x.stride(d) == 0 && x.size(d) > 1) {
      throw ValueError(std::string(operation) + ": tensor of shape " + to_string(x.sizes()) +
                       " is expanded: several positions share one element; clone() it first");
    }
  }
  Tensor ordered = in_order(x, memory_order(x));
  if (ordered.is_contiguous()) {
    fill(ordered.mutable_span<T>());
    return;
  }
  Tensor packed = Tensor::uninitialized(ordered.sizes(), x.dtype());
  fill(packed.mutable_span<T>());
  ordered.copy_(packed);
}

// A new tensor with x's shape, type and order of dimensions in memory, without gaps.
Tensor laid_out_like(const Tensor& x) {
  const Dims order = memory_order(x);
  const Tensor packed = Tensor::uninitialized(in_order(x, order).shape(), x.dtype());
  Dims back = order;
  for (std::int64_t d = 0; d < order.dim(); ++d) back[order[d]] = d;
  return in_order(packed, back);
}

}  // namespace

// In place ----------------------------------------------------------------------------------------

Tensor uniform_(Tensor x, double from, double to, Generator& generator) {
  check_floating(x.dtype(), "uniform_");
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    fill_elements<T>(x, "uniform_", [&](std::span<T> y) { draw::uniform(generator, y, from, to); });
  });
  return x;
}

Tensor normal_(Tensor x, double mean, double std, Generator& generator) {
  check_floating(x.dtype(), "normal_");
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    fill_elements<T>(x, "normal_", [&](std::span<T> y) {
      if (x.is_contiguous()) {
        draw::normal(generator, y, mean, std);
      } else {
        draw::normal_one_by_one(generator, y, mean, std);
      }
    });
  });
  return x;
}
Tensor normal(double mean, double std, const Shape& shape, Generator& generator) {
  return normal_(Tensor::uninitialized(shape, float32), mean, std, generator);
}

Tensor exponential_(Tensor x, double rate, Generator& generator) {
  check_floating(x.dtype(), "exponential_");
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    fill_elements<T>(x, "exponential_",
                     [&](std::span<T> y) { draw::exponential(generator, y, rate); });
  });
  return x;
}

Tensor bernoulli_(Tensor x, double p, Generator& generator) {
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    fill_elements<T>(x, "bernoulli_", [&](std::span<T> y) { draw::bernoulli(generator, y, p); });
  });
  return x;
}

Tensor bernoulli_(Tensor x, const Tensor& p, Generator& generator) {
  check_floating(p.dtype(), "bernoulli_");
  if (!broadcastable_to(p.sizes(), x.sizes())) {
    throw ShapeError("bernoulli_: probabilities of shape " + to_string(p.sizes()) +
                     " do not broadcast to " + to_string(x.sizes()));
  }
  Tensor probabilities = expand(p, x.shape());
  if (!x.is_contiguous()) probabilities = in_order(probabilities, memory_order(x));
  probabilities = probabilities.contiguous();
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    visit_floating(p.dtype(), [&](auto p_zero) {
      using P = decltype(p_zero);
      fill_elements<T>(x, "bernoulli_", [&](std::span<T> y) {
        draw::bernoulli(generator, y, probabilities.span<P>());
      });
    });
  });
  return x;
}

// New tensors -------------------------------------------------------------------------------------

Tensor rand(const Shape& shape, DType dtype, Generator& generator) {
  check_floating(dtype, "rand");
  return uniform_(Tensor::uninitialized(shape, dtype), 0, 1, generator);
}

Tensor randn(const Shape& shape, DType dtype, Generator& generator) {
  check_floating(dtype, "randn");
  return normal_(Tensor::uninitialized(shape, dtype), 0, 1, generator);
}

Tensor rand_like(const Tensor& x, Generator& generator) {
  check_floating(x.dtype(), "rand_like");
  return uniform_(laid_out_like(x), 0, 1, generator);
}

Tensor randn_like(const Tensor& x, Generator& generator) {
  check_floating(x.dtype(), "randn_like");
  return normal_(laid_out_like(x), 0, 1, generator);
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  Tensor result = Tensor::uninitialized(shape, int64);
  draw::randint(generator, result.mutable_span<std::int64_t>(), low, high);
  return result;
}

Tensor randperm(std::int64_t n, Generator& generator) {
  if (n < 0) throw ValueError("randperm: n is " + std::to_string(n) + ", must be at least 0");
  Tensor result = Tensor::uninitialized(Shape(n), int64);
  draw::randperm(generator, result.mutable_span<std::int64_t>());
  return result;
}

Tensor bernoulli(const Tensor& p, Generator& generator) {
  check_floating(p.dtype(), "bernoulli");
  return bernoulli_(Tensor::uninitialized(p.sizes(), p.dtype()), p, generator);
}

Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement,
                   Generator& generator) {
  check_floating(weights.dtype(), "multinomial");
  if (weights.dim() != 1 && weights.dim() != 2) {
    throw ShapeError("multinomial: weights of shape " + to_string(weights.sizes()) +
                     ", needed (categories) or (rows, categories)");
  }
  if (num_samples < 1) {
    throw ValueError("multinomial: num_samples is " + std::to_string(num_samples) +
                     ", must be at least 1");
  }
  Shape shape = weights.shape();
  shape[shape.dim() - 1] = num_samples;
  Tensor result = Tensor::uninitialized(shape, int64);
  const Tensor packed = weights.contiguous();
  visit_floating(weights.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t rows = weights.dim() == 2 ? weights.size(0) : 1;
    draw::multinomial(generator, result.mutable_span<std::int64_t>(), packed.span<T>(),
                      static_cast<std::size_t>(rows), replacement);
  });
  return result;
}

}  // namespace tapegrad
