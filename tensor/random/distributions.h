// Draws into memory: each function fills `y` in order and uses exactly the words of the generator
// that PyTorch 1.13 uses on a CPU, so that later draws agree with PyTorch's, too. Each description
// says how many words an element uses. Read next:
// tensor/random/random.cc.
//
// T is float or double unless stated otherwise. Invalid arguments throw a ValueError before
// anything is drawn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tapegrad/tensor/dtype.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::draw {

// from + (to - from) u with u uniform in [0, 1). float uses one word, of which u takes the low 24
// bits; double uses two words and their low 53 bits. Rounding can give exactly `to`, as in PyTorch.
template <FloatingElement T>
void uniform(Generator& generator, std::span<T> y, double from = 0, double to = 1);

// Normal elements by Box and Muller's transform. Fewer than 16 are drawn by normal_one_by_one. 16
// or more are first drawn as uniform elements and then transformed in blocks of 16; if the last
// block is incomplete, the last 16 elements are drawn again and transformed. This path neither uses
// nor stores the generator's spare element.
template <FloatingElement T>
void normal(Generator& generator, std::span<T> y, double mean = 0, double std = 1);

// Draws normal elements in pairs from 4 words, in double precision: the first one is used, and the
// generator stores the second one for the next call, of either type. PyTorch does so for fewer than
// 16 elements and for tensors that are not contiguous.
template <FloatingElement T>
void normal_one_by_one(Generator& generator, std::span<T> y, double mean = 0, double std = 1);

// Integers in [low, high): one word modulo high - low, or two words if high - low is 2^32 or more.
// (Since about version 2.0, PyTorch uses two words from 2^28 on.)
void randint(Generator& generator, std::span<std::int64_t> y, std::int64_t low, std::int64_t high);

// The integers 0 ... n-1 for n = y.size() in random order: n - 1 words (Fisher and Yates 1938), or
// twice as many if n does not fit into one word.
void randperm(Generator& generator, std::span<std::int64_t> y);

// 1 with probability p, else 0: two words each. T is bool, std::int64_t, float or double. PyTorch
// does the same if built without MKL; with MKL its values differ.
template <TensorElement T>
void bernoulli(Generator& generator, std::span<T> y, double p);

// y[i] is 1 with probability p[i]: one word each if P is float, two if it is double.
template <TensorElement T, FloatingElement P>
void bernoulli(Generator& generator, std::span<T> y, std::span<const P> p);

// -log(1 - u) / rate, in double: two words each.
template <FloatingElement T>
void exponential(Generator& generator, std::span<T> y, double rate = 1);

// Draws positions 0 ... c-1 with probabilities proportional to weights, which need not sum to 1.
// weights is (rows, c), y is (rows, n). With replacement: two words per sample, which is looked up
// in the cumulative sums. Without: two words per weight; the samples are the positions of the n
// largest values of weight / (exponential variable), the largest first.
template <FloatingElement T>
void multinomial(Generator& generator, std::span<std::int64_t> y, std::span<const T> weights,
                 std::size_t rows, bool replacement);

}  // namespace tapegrad::draw
