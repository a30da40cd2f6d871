// Groups of inputs times groups of outputs: all scores of a group, then the gradients, while the
// rows are in the cache.
#include "word2vec/fused_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// One copy of the function for each instruction set; the loader chooses one.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define WORD2VEC_CLONES __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define WORD2VEC_CLONES
#endif
// The parts must be compiled for the same instruction set as the whole.
#define WORD2VEC_INLINE __attribute__((always_inline)) inline

namespace word2vec {
namespace {

// 16 elements at a time: vectors of the compiler, which it splits if the processor's are shorter.
// They are passed by reference, because how they are passed by value depends on the instruction
// set.
template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Vector __attribute__((vector_size(64)));
  typedef float Short __attribute__((vector_size(16)));
  typedef std::int32_t Integers __attribute__((vector_size(64)));
};
template <>
struct Lanes<double> {
  typedef double Vector __attribute__((vector_size(128)));
  typedef double Short __attribute__((vector_size(32)));
};
constexpr std::size_t kLanes = 16;
constexpr std::size_t kShort = 4;

template <class V, class T>
WORD2VEC_INLINE void load(V& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}
template <class V, class T>
WORD2VEC_INLINE void store(T* to, const V& v) {
  std::memcpy(to, &v, sizeof v);
}

// to[r] = x . rows[r] for `count` rows.
template <std::size_t count, class T>
WORD2VEC_INLINE void dots(const T* x, const T* const* rows, std::size_t dim, T* to) {
  using V = typename Lanes<T>::Vector;
  using S = typename Lanes<T>::Short;
  V sums[count] = {};
  std::size_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    V a;
    load(a, x + d);
    for (std::size_t r = 0; r < count; ++r) {
      V b;
      load(b, rows[r] + d);
      sums[r] += a * b;
    }
  }
  S rest[count];
  for (std::size_t r = 0; r < count; ++r) {
    S parts[kLanes / kShort];
    std::memcpy(parts, &sums[r], sizeof parts);
    rest[r] = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  }
  for (; d + kShort <= dim; d += kShort) {
    S a;
    load(a, x + d);
    for (std::size_t r = 0; r < count; ++r) {
      S b;
      load(b, rows[r] + d);
      rest[r] += a * b;
    }
  }
  for (std::size_t r = 0; r < count; ++r) {
    to[r] = (rest[r][0] + rest[r][1]) + (rest[r][2] + rest[r][3]);
    for (std::size_t i = d; i < dim; ++i) to[r] += x[i] * rows[r][i];
  }
}

// y += sum of factors[r] * rows[r]. The copies are in registers: y might overlap the arrays.
template <std::size_t count, class T>
WORD2VEC_INLINE void add_rows(T* y, const T* const* rows, const T* factors, std::size_t dim) {
  using V = typename Lanes<T>::Vector;
  using S = typename Lanes<T>::Short;
  const T* row[count];
  T factor[count];
  for (std::size_t r = 0; r < count; ++r) {
    row[r] = rows[r];
    factor[r] = factors[r];
  }
  std::size_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    V sum;
    load(sum, y + d);
    for (std::size_t r = 0; r < count; ++r) {
      V b;
      load(b, row[r] + d);
      sum += factor[r] * b;
    }
    store(y + d, sum);
  }
  for (; d + kShort <= dim; d += kShort) {
    S sum;
    load(sum, y + d);
    for (std::size_t r = 0; r < count; ++r) {
      S b;
      load(b, row[r] + d);
      sum += factor[r] * b;
    }
    store(y + d, sum);
  }
  for (; d < dim; ++d) {
    for (std::size_t r = 0; r < count; ++r) y[d] += factor[r] * row[r][d];
  }
}

// The rows of the next group are on their way while this one is computed.
template <class T>
WORD2VEC_INLINE void prefetch(const T* row, std::size_t dim) {
#if defined(__GNUC__)
  for (std::size_t d = 0; d < dim; d += 64 / sizeof(T)) __builtin_prefetch(row + d);
#else
  (void)row, (void)dim;
#endif
}

template <class T>
WORD2VEC_INLINE void all_dots(const T* x, const T* const* rows, std::size_t count, std::size_t dim,
                              T* to) {
  std::size_t r = 0;
  for (; r + 6 <= count; r += 6) dots<6>(x, rows + r, dim, to + r);
  for (; r + 2 <= count; r += 2) dots<2>(x, rows + r, dim, to + r);
  for (; r < count; ++r) dots<1>(x, rows + r, dim, to + r);
}

template <class T>
WORD2VEC_INLINE void add_all_rows(T* y, const T* const* rows, const T* factors, std::size_t count,
                                  std::size_t dim) {
  std::size_t r = 0;
  for (; r + 6 <= count; r += 6) add_rows<6>(y, rows + r, factors + r, dim);
  for (; r + 2 <= count; r += 2) add_rows<2>(y, rows + r, factors + r, dim);
  for (; r < count; ++r) add_rows<1>(y, rows + r, factors + r, dim);
}

// e[i] = exp(-z[i]) of kLanes elements, with an error of 2 units in the last place (the polynomial
// of Cephes). z is limited to [-87, 87], where neither e nor 1 / e overflows.
WORD2VEC_INLINE void exp_of_minus(const float* z, float* e) {
  using V = Lanes<float>::Vector;
  using I = Lanes<float>::Integers;
  V x;
  load(x, z);
  x = -x;
  x = x > 87.0F ? V{} + 87.0F : x;
  x = x < -87.0F ? V{} - 87.0F : x;
  constexpr float kRounds = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const V shifted = x * 1.44269504F + kRounds;
  const V n = shifted - kRounds;
  const V f = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  V p = f * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * f + 8.3334519073e-3F;
  p = p * f + 4.1665795894e-2F;
  p = p * f + 1.6666665459e-1F;
  p = p * f + 5.0000001201e-1F;
  p = p * (f * f) + f + 1.0F;
  I bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  I result;
  std::memcpy(&result, &p, sizeof result);
  result += (bits - 0x4B400000) << 23;  // the bits of kRounds; so p * 2^n
  V scaled;
  std::memcpy(&scaled, &result, sizeof scaled);
  scaled = x == x ? scaled : x;  // NaN stays NaN
  store(e, scaled);
}
WORD2VEC_INLINE void exp_of_minus(const double* z, double* e) {
  for (std::size_t i = 0; i < kLanes; ++i) e[i] = std::exp(-std::clamp(z[i], -300.0, 300.0));
}

// Replaces the scores of n predictions by their gradients, and returns their loss. Column 0 of each
// row of `width` scores belongs to the word in the text. The arrays have room for whole vectors.
template <class T>
WORD2VEC_INLINE double score(T* scores, T* z, std::size_t n, std::size_t width) {
  for (std::size_t i = 0; i < n; ++i) z[i] = -scores[i];
  for (std::size_t i = 0; i < n; i += width) z[i] = scores[i];
  for (std::size_t i = 0; i < n; i += kLanes) exp_of_minus(z + i, scores + i);
  double loss = 0;
  double product = 1;  // of 1 + e, so that one logarithm serves several
  for (std::size_t i = 0; i < n; ++i) {
    if constexpr (sizeof(T) == sizeof(float)) {
      product *= 1.0 + static_cast<double>(scores[i]);
      if (product > 1e100) {
        loss += std::log(product);
        product = 1;
      }
    } else {
      loss += std::log1p(scores[i]);
    }
  }
  for (std::size_t i = 0; i < n; ++i) scores[i] = scores[i] / (1 + scores[i]);  // 1 - s(z)
  for (std::size_t i = 0; i < n; i += width) scores[i] = -scores[i];
  return loss + std::log(product);
}

template <class T>
struct Group {
  std::vector<const T*> inputs;
  std::vector<const T*> outputs;
  std::vector<T> scores;      // (inputs, outputs)
  std::vector<T> transposed;  // (outputs, inputs)
  std::vector<T> mean;
  std::vector<T> mean_gradient;
};

template <class T>
WORD2VEC_INLINE double run_all(const FusedWork<T>& work) {
  const std::size_t dim = work.dim;
  const std::size_t width = work.outputs_of_group;
  const auto signed_dim = static_cast<std::int64_t>(dim);
  Group<T> group;
  group.mean.resize(dim);
  group.mean_gradient.resize(dim);
  double loss = 0;
  for (std::size_t g = 0; g < work.offsets.size(); ++g) {
    const auto begin = static_cast<std::size_t>(work.offsets[g]);
    const std::size_t end = g + 1 < work.offsets.size()
                                ? static_cast<std::size_t>(work.offsets[g + 1])
                                : work.inputs.size();
    group.inputs.clear();
    group.outputs.clear();
    for (std::size_t i = begin; i < end; ++i) {
      group.inputs.push_back(work.input + work.inputs[i] * signed_dim);
    }
    for (std::size_t o = g * width; o < (g + 1) * width; ++o) {
      group.outputs.push_back(work.output + work.outputs[o] * signed_dim);
    }
    if (g + 1 < work.offsets.size()) {
      prefetch(work.input + work.inputs[end] * signed_dim, dim);
      for (std::size_t o = (g + 1) * width; o < (g + 2) * width; ++o) {
        prefetch(work.output + work.outputs[o] * signed_dim, dim);
      }
    }
    const std::size_t members = end - begin;
    const T share = T(1) / static_cast<T>(members);
    if (work.mean) {
      std::ranges::fill(group.mean, T(0));
      group.scores.assign(members, share);
      add_all_rows(group.mean.data(), group.inputs.data(), group.scores.data(), members, dim);
      group.inputs.assign(1, group.mean.data());
    }
    const std::size_t rows = group.inputs.size();
    const std::size_t n = rows * width;
    group.scores.resize(n + kLanes);
    group.transposed.resize(n + kLanes);
    T* const scores = group.scores.data();
    T* const transposed = group.transposed.data();
    for (std::size_t i = 0; i < rows; ++i) {
      all_dots(group.inputs[i], group.outputs.data(), width, dim, scores + i * width);
    }
    loss += score(scores, transposed, n, width);

    if (work.input_gradient != nullptr) {
      const auto row_of = [&](std::size_t i) {
        return work.input_gradient + work.input_slots[begin + i] * signed_dim;
      };
      if (work.mean) {
        std::ranges::fill(group.mean_gradient, T(0));
        add_all_rows(group.mean_gradient.data(), group.outputs.data(), scores, width, dim);
        const T* const gradient = group.mean_gradient.data();
        const T factor = work.sum_gradient ? T(1) : share;
        for (std::size_t i = 0; i < members; ++i) add_rows<1>(row_of(i), &gradient, &factor, dim);
      } else {
        for (std::size_t i = 0; i < rows; ++i) {
          add_all_rows(row_of(i), group.outputs.data(), scores + i * width, width, dim);
        }
      }
    }
    if (work.output_gradient != nullptr) {
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t o = 0; o < width; ++o) transposed[o * rows + i] = scores[i * width + o];
      }
      for (std::size_t o = 0; o < width; ++o) {
        T* const row = work.output_gradient + work.output_slots[g * width + o] * signed_dim;
        add_all_rows(row, group.inputs.data(), transposed + o * rows, rows, dim);
      }
    }
  }
  return loss;
}

}  // namespace

WORD2VEC_CLONES double run(const FusedWork<float>& work) { return run_all(work); }
WORD2VEC_CLONES double run(const FusedWork<double>& work) { return run_all(work); }

}  // namespace word2vec
