// Random tensors, with PyTorch's names and values: after the same manual_seed, the same calls give
// the same elements as PyTorch 1.13 on a CPU (tensor/random/distributions.h says what may differ in
// other builds). Read next: tensor/random/generator.h.
//
//   manual_seed(0);
//   Tensor x = randn({2, 3});           // standard normal
//   normal_(select(x, 0, 1), 5.0, 2.0);  // in place, also through a view
//   Generator own(7);
//   Tensor order = randperm(10, own);   // does not use the default generator
//
// Arguments in parentheses are evaluated in the order that the compiler chooses: in
// matmul(randn({2, 3}), randn({3, 2})), and in MyModel(Linear(2, 3), Linear(3, 2)), the second may
// be drawn first. For the same elements everywhere, draw in statements of their own, or in braces.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/random/distributions.h>
#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

Tensor rand(const Shape& shape, DType dtype = float32,  // uniform in [0, 1)
            Generator& generator = default_generator());
Tensor randn(const Shape& shape, DType dtype = float32,  // mean 0, standard deviation 1
             Generator& generator = default_generator());

// randn(2, 3) is randn({2, 3}).
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 1) Tensor rand(Sizes... sizes) { return rand(Shape{sizes...}); }
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 1) Tensor randn(Sizes... sizes) { return randn(Shape{sizes...}); }

// Normal with this mean and standard deviation, float32.
Tensor normal(double mean, double std, const Shape& shape,
              Generator& generator = default_generator());

// A tensor with x's shape, element type, and order of the dimensions in memory.
Tensor rand_like(const Tensor& x, Generator& generator = default_generator());
Tensor randn_like(const Tensor& x, Generator& generator = default_generator());

// int64, uniform in [low, high).
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape,
               Generator& generator = default_generator());

inline Tensor randint(std::int64_t high, const Shape& shape,  // in [0, high)
                      Generator& generator = default_generator()) {
  return randint(0, high, shape, generator);
}

// 0 ... n-1 in random order, int64.
Tensor randperm(std::int64_t n, Generator& generator = default_generator());

// 1 with the probability given by p, else 0; the element type is p's.
Tensor bernoulli(const Tensor& p, Generator& generator = default_generator());

// Draws positions with probabilities proportional to weights: (categories) or (rows, categories) ->
// (num_samples) or (rows, num_samples), int64. Weights need not sum to 1. Without replacement, no
// position is drawn twice.
Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement = false,
                   Generator& generator = default_generator());

// These fill x in place, in the order of the elements in memory, and return x.
Tensor uniform_(Tensor x, double from = 0, double to = 1,
                Generator& generator = default_generator());
Tensor normal_(Tensor x, double mean = 0, double std = 1,
               Generator& generator = default_generator());
Tensor exponential_(Tensor x, double rate = 1, Generator& generator = default_generator());
Tensor bernoulli_(Tensor x, double p = 0.5, Generator& generator = default_generator());
Tensor bernoulli_(Tensor x, const Tensor& p,  // p broadcasts to x
                  Generator& generator = default_generator());

}  // namespace tapegrad
