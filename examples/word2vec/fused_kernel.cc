// Groups of inputs times groups of outputs: all scores of a few groups, then the gradients, while
// the rows are in the cache. Read next: checkpoint.h.
#include "word2vec/fused_kernel.h"

#include <tapegrad/tensor/kernels/kernels.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// Every part is inlined into the functions for one instruction set, and compiled for it.
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

// y += sum of factors[r] * rows[r], or, if y is new, y = that sum. The copies are in registers: y
// might overlap the arrays.
template <std::size_t count, bool is_new, class T>
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
    V sum = {};
    if constexpr (!is_new) load(sum, y + d);
    for (std::size_t r = 0; r < count; ++r) {
      V b;
      load(b, row[r] + d);
      sum += factor[r] * b;
    }
    store(y + d, sum);
  }
  for (; d + kShort <= dim; d += kShort) {
    S sum = {};
    if constexpr (!is_new) load(sum, y + d);
    for (std::size_t r = 0; r < count; ++r) {
      S b;
      load(b, row[r] + d);
      sum += factor[r] * b;
    }
    store(y + d, sum);
  }
  for (; d < dim; ++d) {
    T sum = is_new ? T(0) : y[d];
    for (std::size_t r = 0; r < count; ++r) sum += factor[r] * row[r][d];
    y[d] = sum;
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

// The same for rows that will be written to: another thread's core may have changed them last.
template <class T>
WORD2VEC_INLINE void prefetch_to_write(const T* row, std::size_t dim) {
  for (std::size_t d = 0; d < dim; d += 64 / sizeof(T)) {
#if defined(__x86_64__) && defined(__GNUC__)
    asm volatile("prefetchw %0" : : "m"(row[d]));  // __builtin_prefetch(_, 1) would only read
#elif defined(__GNUC__)
    __builtin_prefetch(row + d, 1);
#endif
  }
  (void)row, (void)dim;
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
WORD2VEC_INLINE void add_all_rows(T* y, bool is_new, const T* const* rows, const T* factors,
                                  std::size_t count, std::size_t dim) {
  std::size_t r = 0;
  if (is_new) {
    if (count >= 6) {
      add_rows<6, true>(y, rows, factors, dim);
      r = 6;
    } else {
      add_rows<1, true>(y, rows, factors, dim);
      r = 1;
    }
  }
  for (; r + 6 <= count; r += 6) add_rows<6, false>(y, rows + r, factors + r, dim);
  for (; r + 2 <= count; r += 2) add_rows<2, false>(y, rows + r, factors + r, dim);
  for (; r < count; ++r) add_rows<1, false>(y, rows + r, factors + r, dim);
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

// Kept from one call to the next.
template <class T>
struct Scratch {
  std::vector<const T*> inputs;   // the rows of a group, or their mean
  std::vector<const T*> outputs;  // of a group
  std::vector<T> scores;
  std::vector<T> other;
  std::vector<T> column;
};
template <class T>
Scratch<T>& scratch() {
  thread_local Scratch<T> buffers;
  return buffers;
}

template <class T>
WORD2VEC_INLINE std::size_t end_of(const FusedWork<T>& work, std::size_t group) {
  return group + 1 < work.offsets.size() ? static_cast<std::size_t>(work.offsets[group + 1])
                                         : work.inputs.size();
}

// The rows of table[ids[begin]], ..., table[ids[end - 1]].
template <class T>
WORD2VEC_INLINE void look_up(std::vector<const T*>& rows, const T* table, const std::int64_t* ids,
                             std::size_t begin, std::size_t end, std::size_t dim) {
  rows.resize(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    rows[i - begin] = table + static_cast<std::size_t>(ids[i]) * dim;
  }
}

template <class T>
WORD2VEC_INLINE double scores_of(const FusedWork<T>& work, std::size_t first, std::size_t last) {
  const std::size_t dim = work.dim;
  const std::size_t width = work.outputs_of_group;
  Scratch<T>& x = scratch<T>();
  const std::size_t begin_row = work.mean ? first : static_cast<std::size_t>(work.offsets[first]);
  const std::size_t rows = (work.mean ? last : end_of(work, last - 1)) - begin_row;
  x.scores.resize(rows * width + kLanes);
  x.other.resize(rows * width + kLanes);
  T* next = x.scores.data();
  for (std::size_t g = first; g < last; ++g) {
    const auto begin = static_cast<std::size_t>(work.offsets[g]);
    const std::size_t end = end_of(work, g);
    look_up(x.inputs, work.input, work.inputs.data(), begin, end, dim);
    look_up(x.outputs, work.output, work.outputs, g * width, (g + 1) * width, dim);
    if (g + 1 < work.offsets.size()) {
      prefetch(work.input + static_cast<std::size_t>(work.inputs[end]) * dim, dim);
      for (std::size_t o = (g + 1) * width; o < (g + 2) * width; ++o) {
        prefetch(work.output + static_cast<std::size_t>(work.outputs[o]) * dim, dim);
      }
    }
    if (work.mean) {
      T* const mean = work.means + g * dim;
      x.column.assign(end - begin, T(1) / static_cast<T>(end - begin));
      add_all_rows(mean, true, x.inputs.data(), x.column.data(), end - begin, dim);
      x.inputs.assign(1, mean);
    }
    for (const T* row : x.inputs) {
      all_dots(row, x.outputs.data(), width, dim, next);
      next += width;
    }
  }
  const double loss = score(x.scores.data(), x.other.data(), rows * width, width);
  std::copy_n(x.scores.data(), rows * width, work.scores + begin_row * width);
  return loss;
}

// Whether this is the first occurrence of a slot, because slots are numbered in this order.
WORD2VEC_INLINE bool is_first(std::int32_t slot, std::int32_t& seen) {
  if (slot != seen) return false;
  ++seen;
  return true;
}

template <class T>
WORD2VEC_INLINE void gradients_of(const FusedWork<T>& work, std::size_t first, std::size_t last,
                                  FusedPart& part) {
  const std::size_t dim = work.dim;
  const std::size_t width = work.outputs_of_group;
  Scratch<T>& x = scratch<T>();
  for (std::size_t g = first; g < last; ++g) {
    const auto begin = static_cast<std::size_t>(work.offsets[g]);
    const std::size_t end = end_of(work, g);
    const T* const scores = work.scores + (work.mean ? g : begin) * width;
    look_up(x.outputs, work.output, work.outputs, g * width, (g + 1) * width, dim);
    if (work.input_gradient != nullptr) {
      T factor = T(1);
      const T* mean_gradient = nullptr;
      if (work.mean) {
        x.other.resize(dim);
        add_all_rows(x.other.data(), true, x.outputs.data(), scores, width, dim);
        mean_gradient = x.other.data();
        if (!work.sum_gradient) factor = T(1) / static_cast<T>(end - begin);
      }
      for (std::size_t i = begin; i < end; ++i) {
        const std::int32_t slot = work.input_slots[i];
        const bool is_new = is_first(slot, part.seen_inputs);
        if (slot % part.parts != part.part) continue;
        T* const row = work.input_gradient + static_cast<std::size_t>(slot) * dim;
        if (work.mean) {
          add_all_rows(row, is_new, &mean_gradient, &factor, 1, dim);
        } else {
          add_all_rows(row, is_new, x.outputs.data(), scores + (i - begin) * width, width, dim);
        }
      }
    }
    if (work.output_gradient == nullptr) continue;
    if (work.mean) {
      x.inputs.assign(1, work.means + g * dim);
    } else {
      look_up(x.inputs, work.input, work.inputs.data(), begin, end, dim);
    }
    const std::size_t rows = x.inputs.size();
    x.column.resize(rows);
    for (std::size_t o = 0; o < width; ++o) {
      const std::int32_t slot = work.output_slots[g * width + o];
      const bool is_new = is_first(slot, part.seen_outputs);
      if (slot % part.parts != part.part) continue;
      for (std::size_t i = 0; i < rows; ++i) x.column[i] = scores[i * width + o];
      T* const row = work.output_gradient + static_cast<std::size_t>(slot) * dim;
      add_all_rows(row, is_new, x.inputs.data(), x.column.data(), rows, dim);
    }
  }
}

template <class T>
WORD2VEC_INLINE void subtract(T* table, std::span<const std::int64_t> ids, const T* rows,
                              std::size_t dim, T rate) {
  const T factor = -rate;
  constexpr std::size_t kAhead = 8;  // rows that are on their way
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + kAhead < ids.size()) {
      prefetch_to_write(table + static_cast<std::size_t>(ids[i + kAhead]) * dim, dim);
    }
    const T* const row = rows + i * dim;
    add_rows<1, false>(table + static_cast<std::size_t>(ids[i]) * dim, &row, &factor, dim);
  }
}

// The functions for the instruction set that `target` names. Not target_clones: clang 14 makes one
// function of it, for the first set.
#define WORD2VEC_LEVEL(name, target)                                                             \
  template <class T>                                                                             \
  struct name {                                                                                  \
    target static double scores(const FusedWork<T>& work, std::size_t first, std::size_t last) { \
      return scores_of(work, first, last);                                                       \
    }                                                                                            \
    target static void gradients(const FusedWork<T>& work, std::size_t first, std::size_t last,  \
                                 FusedPart& part) {                                              \
      gradients_of(work, first, last, part);                                                     \
    }                                                                                            \
    target static void subtract_rows(T* table, std::span<const std::int64_t> ids, const T* rows, \
                                     std::size_t dim, T rate) {                                  \
      subtract(table, ids, rows, dim, rate);                                                     \
    }                                                                                            \
    static constexpr FusedKernels<T> kernels = {scores, gradients, subtract_rows};               \
  }

WORD2VEC_LEVEL(Base, );
#if defined(__x86_64__) && defined(__GNUC__)
WORD2VEC_LEVEL(Avx2, __attribute__((target("avx2,fma"))));
WORD2VEC_LEVEL(Avx512, __attribute__((target("avx512f"))));
#endif

}  // namespace

template <class T>
const FusedKernels<T>& fused_kernels(std::string_view level) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (level == "avx512") return Avx512<T>::kernels;
  if (level == "avx2") return Avx2<T>::kernels;
#endif
  (void)level;
  return Base<T>::kernels;
}

template <class T>
const FusedKernels<T>& fused_kernels() {
  static const FusedKernels<T>& chosen = fused_kernels<T>(tapegrad::kernel::level());
  return chosen;
}

template const FusedKernels<float>& fused_kernels(std::string_view);
template const FusedKernels<double>& fused_kernels(std::string_view);
template const FusedKernels<float>& fused_kernels();
template const FusedKernels<double>& fused_kernels();

}  // namespace word2vec
