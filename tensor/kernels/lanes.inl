// Operations on one vector of the instruction set that xsimd does not offer portably: partial
// vectors of `count` lanes, sums and maxima across lanes, multiply-add with one rounding (xsimd 8
// rounds twice on AVX-512), bits, and conversion to double precision in halves. All code that uses
// this file is written once for all instruction sets. Read next: tensor/kernels/reductions.inl.

template <class T>
using Batch = xsimd::batch<T>;

template <class T>
using Bits = Batch<std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;

template <class T>
constexpr std::size_t kLanes = Batch<T>::size;

namespace lanes {

template <class T>
Batch<T> load(const T* p) {
  return Batch<T>::load_unaligned(p);
}

template <class T>
void store(T* p, Batch<T> v) {
  v.store_unaligned(p);
}

// load(p, count, rest) loads the lanes below `count` from memory and sets the others to `rest`; it
// does not read their memory. store(p, v, count) stores only the lanes below `count`. 0 < count <
// kLanes. A buffer is avoided if possible, because a wide load must wait long for the narrow stores
// that filled it.
#if defined(__AVX512F__)

inline Batch<float> load(const float* p, std::size_t count, float rest = 0) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), static_cast<__mmask16>((1u << count) - 1), p);
}
inline Batch<double> load(const double* p, std::size_t count, double rest = 0) {
  return _mm512_mask_loadu_pd(_mm512_set1_pd(rest), static_cast<__mmask8>((1u << count) - 1), p);
}

#elif defined(__AVX2__)

inline Batch<float> load(const float* p, std::size_t count, float rest = 0) {
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                                          _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return _mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(p, mask),
                          _mm256_castsi256_ps(mask));
}
inline Batch<double> load(const double* p, std::size_t count, double rest = 0) {
  const __m256i mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(count)),
                                          _mm256_setr_epi64x(0, 1, 2, 3));
  return _mm256_blendv_pd(_mm256_set1_pd(rest), _mm256_maskload_pd(p, mask),
                          _mm256_castsi256_pd(mask));
}

#elif defined(__SSE2__)

inline Batch<float> load(const float* p, std::size_t count, float rest = 0) {
  const __m128 all = _mm_set1_ps(rest);
  if (count == 1) return _mm_move_ss(all, _mm_load_ss(p));
  const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  if (count == 2) return _mm_movelh_ps(two, all);
  return _mm_movelh_ps(two, _mm_move_ss(all, _mm_load_ss(p + 2)));
}
inline Batch<double> load(const double* p, std::size_t, double rest = 0) {  // count is 1
  return _mm_move_sd(_mm_set1_pd(rest), _mm_load_sd(p));
}

#else

template <class T>
Batch<T> load(const T* p, std::size_t count, T rest = 0) {
  T buffer[kLanes<T>];
  for (std::size_t i = 0; i < kLanes<T>; ++i) buffer[i] = i < count ? p[i] : rest;
  return load(buffer);
}

#endif

// Partial vectors are stored in halves, quarters and so on instead of with a mask: on AMD's AVX2 a
// masked store takes tens of micro-operations, and a load of the next row waits for a masked store
// of the previous one although they do not overlap.
#if defined(__SSE2__)

inline void store_pieces(float* p, __m128 v, std::size_t count) {
  if (count & 2) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(v));
    v = _mm_movehl_ps(v, v);
    p += 2;
  }
  if (count & 1) _mm_store_ss(p, v);
}
inline void store_pieces(double* p, __m128d v, std::size_t count) {
  if (count & 1) _mm_store_sd(p, v);
}

#if defined(__AVX2__)
inline void store_pieces(float* p, __m256 v, std::size_t count) {
  __m128 rest = _mm256_castps256_ps128(v);
  if (count & 4) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  store_pieces(p, rest, count);
}
inline void store_pieces(double* p, __m256d v, std::size_t count) {
  __m128d rest = _mm256_castpd256_pd128(v);
  if (count & 2) {
    _mm_storeu_pd(p, rest);
    rest = _mm256_extractf128_pd(v, 1);
    p += 2;
  }
  store_pieces(p, rest, count);
}
#endif

#if defined(__AVX512F__)
inline void store_pieces(float* p, __m512 v, std::size_t count) {
  __m256 rest = _mm512_castps512_ps256(v);
  if (count & 8) {
    _mm256_storeu_ps(p, rest);
    rest = _mm512_extractf32x8_ps(v, 1);
    p += 8;
  }
  store_pieces(p, rest, count);
}
inline void store_pieces(double* p, __m512d v, std::size_t count) {
  __m256d rest = _mm512_castpd512_pd256(v);
  if (count & 4) {
    _mm256_storeu_pd(p, rest);
    rest = _mm512_extractf64x4_pd(v, 1);
    p += 4;
  }
  store_pieces(p, rest, count);
}
#endif

template <class T>
void store(T* p, Batch<T> v, std::size_t count) {
  store_pieces(p, typename Batch<T>::register_type(v), count);
}

#else

template <class T>
void store(T* p, Batch<T> v, std::size_t count) {
  T buffer[kLanes<T>];
  store(buffer, v);
  for (std::size_t i = 0; i < count; ++i) p[i] = buffer[i];
}

#endif

#if defined(__AVX512F__)
// Converts bytes that are 0 or 1 to a condition and back. For other instruction sets the compiler
// vectorizes such loops well, but not for the masks of AVX-512.
template <class T>
using Truth = typename Batch<T>::batch_bool_type;

template <class T>
Truth<T> load_truth(const bool* p, std::size_t count = kLanes<T>) {
  const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << count) - 1), p);
  return static_cast<typename Truth<T>::register_type>(_mm_test_epi8_mask(bytes, bytes));
}
template <class T>
void store_truth(bool* p, Truth<T> v, std::size_t count = kLanes<T>) {
  const __m128i bytes = _mm_maskz_set1_epi8(static_cast<typename Truth<T>::register_type>(v), 1);
  _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << count) - 1), bytes);
}
#endif

// a * b + c, rounded once if the instruction set has such an instruction.
template <class T>
Batch<T> fma(Batch<T> a, Batch<T> b, Batch<T> c) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_fmadd_ps(a, b, c);
  } else {
    return _mm512_fmadd_pd(a, b, c);
  }
#else
  return xsimd::fma(a, b, c);
#endif
}

template <class T>
Bits<T> bits(Batch<T> x) {
  return __builtin_bit_cast(Bits<T>, x);
}

template <class T>
Batch<T> from_bits(Bits<T> x) {
  return __builtin_bit_cast(Batch<T>, x);
}

template <class T>
Batch<T> sign_bit(Batch<T> x) {
  return x & Batch<T>(T(-0.0));
}

// Flips the sign bit, also of zero and NaN; xsimd 8 subtracts from 0 on AVX-512.
template <class T>
Batch<T> negate(Batch<T> x) {
  return x ^ Batch<T>(T(-0.0));
}

template <class T>
Batch<T> copy_sign(Batch<T> magnitude, Batch<T> sign) {
  return (magnitude & ~Batch<T>(T(-0.0))) | sign_bit(sign);
}

// x limited to [low, high]. NaN stays NaN, because min and max return their second operand if
// either is NaN.
template <class T>
Batch<T> clamp(Batch<T> x, Batch<T> low, Batch<T> high) {
  return xsimd::min(high, xsimd::max(low, x));
}

// NaN if either is.
template <class T>
Batch<T> maximum(Batch<T> a, Batch<T> b) {
  return xsimd::select(a == a, xsimd::max(a, b), a);
}
template <class T>
Batch<T> minimum(Batch<T> a, Batch<T> b) {
  return xsimd::select(a == a, xsimd::min(a, b), a);
}

// Across lanes -------------------------------------------------------------------------------

// Reduces all lanes with f and returns the result in every lane: combines the two halves, then
// their halves, and so on.
template <class T, class F>
Batch<T> fold(Batch<T> v, F f) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    v = f(v, Batch<T>(_mm512_shuffle_f32x4(v, v, 0x4E)));
    v = f(v, Batch<T>(_mm512_shuffle_f32x4(v, v, 0xB1)));
    v = f(v, Batch<T>(_mm512_permute_ps(v, 0x4E)));
    return f(v, Batch<T>(_mm512_permute_ps(v, 0xB1)));
  } else {
    v = f(v, Batch<T>(_mm512_shuffle_f64x2(v, v, 0x4E)));
    v = f(v, Batch<T>(_mm512_shuffle_f64x2(v, v, 0xB1)));
    return f(v, Batch<T>(_mm512_permute_pd(v, 0x55)));
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    v = f(v, Batch<T>(_mm256_permute2f128_ps(v, v, 1)));
    v = f(v, Batch<T>(_mm256_permute_ps(v, 0x4E)));
    return f(v, Batch<T>(_mm256_permute_ps(v, 0xB1)));
  } else {
    v = f(v, Batch<T>(_mm256_permute2f128_pd(v, v, 1)));
    return f(v, Batch<T>(_mm256_permute_pd(v, 0x5)));
  }
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4) {
    v = f(v, Batch<T>(_mm_shuffle_ps(v, v, 0x4E)));
    return f(v, Batch<T>(_mm_shuffle_ps(v, v, 0xB1)));
  } else {
    return f(v, Batch<T>(_mm_shuffle_pd(v, v, 1)));
  }
#else
  for (std::size_t half = kLanes<T> / 2; half > 0; half /= 2) {
    T buffer[2 * kLanes<T>];
    store(buffer, v);
    store(buffer + kLanes<T>, v);
    v = f(v, load(buffer + half));
  }
  return v;
#endif
}

template <class T>
Batch<T> sum(Batch<T> v) {
  return fold(v, [](Batch<T> a, Batch<T> b) { return a + b; });
}
template <class T>
T first(Batch<T> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_cvtss_f32(v);
  } else {
    return _mm512_cvtsd_f64(v);
  }
#else
  return v.get(0);
#endif
}

// Applies f to each lane separately, for functions that only the standard library has.
template <class T, class F>
Batch<T> each(Batch<T> v, const F& f) {
  T buffer[kLanes<T>];
  store(buffer, v);
  for (T& x : buffer) x = f(x);
  return load(buffer);
}

// Double precision: converts the low or high half of the lanes, and both halves back -------------

#if defined(__AVX512F__)
inline Batch<double> low_half(Batch<float> x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
inline Batch<double> high_half(Batch<float> x) {
  return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}
inline Batch<float> narrow(Batch<double> low, Batch<double> high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}
#elif defined(__AVX2__)
inline Batch<double> low_half(Batch<float> x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
inline Batch<double> high_half(Batch<float> x) {
  return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}
inline Batch<float> narrow(Batch<double> low, Batch<double> high) {
  return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}
#elif defined(__SSE2__)
inline Batch<double> low_half(Batch<float> x) { return _mm_cvtps_pd(x); }
inline Batch<double> high_half(Batch<float> x) { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); }
inline Batch<float> narrow(Batch<double> low, Batch<double> high) {
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}
#else
inline Batch<double> half(Batch<float> x, std::size_t begin) {
  float from[kLanes<float>];
  double to[kLanes<double>];
  store(from, x);
  for (std::size_t i = 0; i < kLanes<double>; ++i) to[i] = from[begin + i];
  return load(to);
}
inline Batch<double> low_half(Batch<float> x) { return half(x, 0); }
inline Batch<double> high_half(Batch<float> x) { return half(x, kLanes<double>); }
inline Batch<float> narrow(Batch<double> low, Batch<double> high) {
  double from[kLanes<float>];
  float to[kLanes<float>];
  store(from, low);
  store(from + kLanes<double>, high);
  for (std::size_t i = 0; i < kLanes<float>; ++i) to[i] = static_cast<float>(from[i]);
  return load(to);
}
#endif

}  // namespace lanes
