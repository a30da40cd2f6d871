// Chooses one set of kernels at the first use. Read next: tensor/random/random.h.
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/kernels/isa.h>

#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

namespace tapegrad::kernel {
namespace {

struct Level {
  const char* name;
  bool supported;
  const Kernels<float>* float_kernels;
  const Kernels<double>* double_kernels;
};

// From the oldest to the newest. __builtin_cpu_supports also checks that the operating system saves
// the wide registers.
const auto& levels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  static const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl");
  static const Level all[] = {
      {"base", true, &float_kernels_base(), &double_kernels_base()},
      {"avx2", avx2, &float_kernels_avx2(), &double_kernels_avx2()},
      {"avx512", avx512, &float_kernels_avx512(), &double_kernels_avx512()},
  };
#else
  static const Level all[] = {{"base", true, &float_kernels_base(), &double_kernels_base()}};
#endif
  return all;
}

const Level& best() {
  const Level* best = nullptr;
  for (const Level& level : levels()) {
    if (level.supported) best = &level;
  }
  return *best;
}

// `source` is the start of the error text and says where the name comes from.
const Level& find(std::string_view name, const std::string& source) {
  const std::string got = source + std::string(name);
  for (const Level& level : levels()) {
    if (name != level.name) continue;
    if (level.supported) return level;
    throw ValueError(got + ": this processor does not support it; the best supported level is " +
                     best().name);
  }
  if (name == "avx2" || name == "avx512") {
    throw ValueError(got + ": only x86-64 supports it; the best supported level is " + best().name);
  }
  throw ValueError(got + ": unknown instruction set, needed base, avx2 or avx512");
}

const Level& chosen() {
  static const Level& level = [&]() -> const Level& {
    const char* name = std::getenv("TAPEGRAD_SIMD");
    if (name == nullptr || *name == '\0') return best();
    return find(name, "TAPEGRAD_SIMD=");
  }();
  return level;
}

}  // namespace

template <>
const Kernels<float>& kernels_for<float>(const char* level) {
  return *find(level, "kernels: level ").float_kernels;
}

template <>
const Kernels<double>& kernels_for<double>(const char* level) {
  return *find(level, "kernels: level ").double_kernels;
}

namespace detail {

template <>
const Kernels<float>& choose_kernels<float>() {
  const Kernels<float>& kernels = *chosen().float_kernels;
  // Relaxed order is enough, because every thread stores the same value.
  __atomic_store_n(&chosen_kernels<float>, &kernels, __ATOMIC_RELAXED);
  return kernels;
}

template <>
const Kernels<double>& choose_kernels<double>() {
  const Kernels<double>& kernels = *chosen().double_kernels;
  __atomic_store_n(&chosen_kernels<double>, &kernels, __ATOMIC_RELAXED);
  return kernels;
}

}  // namespace detail

const char* level() { return chosen().name; }

}  // namespace tapegrad::kernel
