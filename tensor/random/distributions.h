// Draws into memory: each function fills `y` in order and takes from the generator exactly the
// words that PyTorch 1.13 takes on a CPU, so that what is drawn next agrees too. The number of
// words per element is part of each description. Read next: tensor/random/random.h (the same for
// tensors).
//
// T is float or double unless said otherwise. Bad arguments are a ValueError, and then nothing is
// drawn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::draw {

// from + (to - from) u for u in [0, 1): one word and its low 24 bits for float, two words and
// their low 53 bits for double. The result can round up to `to`, as in PyTorch.
template <class T>
void uniform(Generator& generator, std::span<T> y, double from = 0, double to = 1);

// Normal elements by Box and Muller's transform. Fewer than 16 are drawn by normal_one_by_one. From
// 16 on, y is filled with uniform elements, which are transformed in blocks of 16; an incomplete
// last block becomes the last 16 elements, drawn anew. This path neither uses nor keeps a spare
// element.
template <class T>
void normal(Generator& generator, std::span<T> y, double mean = 0, double std = 1);

// Normal elements in pairs, made of 4 words, in double: the first one is used, and the generator
// keeps the second one for the next call, of whatever type. PyTorch does so for fewer than 16
// elements and for tensors that are not contiguous.
template <class T>
void normal_one_by_one(Generator& generator, std::span<T> y, double mean = 0, double std = 1);

// Integers in [low, high): one word modulo high - low, or two if that is 2^32 or more. (From about
// version 2.0 on, PyTorch takes two from 2^28 on.)
void randint(Generator& generator, std::span<std::int64_t> y, std::int64_t low, std::int64_t high);

// The integers 0 ... n-1 for n = y.size() in random order: n - 1 words (Fisher and Yates 1938), or
// twice as many where n does not fit into one.
void randperm(Generator& generator, std::span<std::int64_t> y);

// 1 with probability p, else 0: two words each. T is bool, std::int64_t, float or double. This is
// what PyTorch does without MKL; with MKL its masks differ.
template <class T>
void bernoulli(Generator& generator, std::span<T> y, double p);

// y[i] is 1 with probability p[i]: one word each where P is float, two where it is double.
template <class T, class P>
void bernoulli(Generator& generator, std::span<T> y, std::span<const P> p);

// -log(1 - u) / rate, in double: two words each.
template <class T>
void exponential(Generator& generator, std::span<T> y, double rate = 1);

// Positions 0 ... c-1 in proportion to weights, which need not sum to 1. weights is (rows, c), y is
// (rows, n). With replacement: two words per sample, looked up in the cumulative sums. Without: two
// words per weight; the n largest of weight / exponential variable, the largest first.
template <class T>
void multinomial(Generator& generator, std::span<std::int64_t> y, std::span<const T> weights,
                 std::size_t rows, bool replacement);

}  // namespace tapegrad::draw
