// Where random numbers come from: PyTorch's CPU generator, word for word, so that the same seed
// gives the same initial weights, permutations and masks as there. Read next:
// tensor/random/distributions.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace tapegrad {

// A stream of 32-bit words out of a Mersenne Twister (MT19937; Matsumoto and Nishimura 1998).
// Normal numbers are made in pairs, so it also keeps the second one until somebody asks for it.
// A Generator is a value: a copy continues from the same point, independently.
//
// Threads: a generator belongs to one thread at a time. The default generator may be used by
// several through the draws of tensor/random/distributions.h and tensor/random/random.h, which take
// turns. Which thread gets which numbers is then a matter of chance, so give each thread a
// generator of its own.
class Generator {
 public:
  static constexpr std::uint64_t kDefaultSeed = 67280421310721;  // PyTorch's
  static constexpr std::size_t kWords = 624;

  // Everything that a generator remembers, laid out as the bytes that torch.get_rng_state() returns
  // and torch.set_rng_state() accepts: a run can be saved and resumed, also by PyTorch.
  struct State {
    std::uint64_t seed;
    std::int32_t left;    // words not yet read, plus 1
    std::int32_t seeded;  // 1
    std::uint64_t next;   // position of the next word
    std::array<std::uint64_t, kWords> words;
    double normal_x;    // unused, 0
    double normal;      // the spare normal number
    double normal_rho;  // unused, 0
    std::int32_t has_normal;
    std::int32_t padding;
    float float_normal;  // unused on a CPU, 0
    std::int32_t has_float_normal;
  };

  explicit Generator(std::uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  // Starts the stream that belongs to a seed. Only its low 32 bits matter; a negative number
  // stands for the same 64 bits, as in PyTorch.
  Generator& manual_seed(std::uint64_t seed);
  // Starts an unpredictable stream and returns its seed.
  std::uint64_t seed();
  std::uint64_t initial_seed() const { return seed_; }

  // The next word; the next two, the high one first; and as many as `words` has room for.
  std::uint32_t random() {
    if (left_ == 0) refill();
    return temper(words_[kWords - left_--]);
  }
  std::uint64_t random64() {
    const std::uint64_t high = random();
    return high << 32 | random();
  }
  void random(std::span<std::uint32_t> words);

  // The second number of a pair of standard normal ones.
  std::optional<double> take_spare_normal();
  void keep_spare_normal(double value) { spare_normal_ = value; }

  State state() const;
  void set_state(const State& state);  // ValueError if it is not the state of a generator

 private:
  static std::uint32_t temper(std::uint32_t word) {
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680U;
    word ^= word << 15 & 0xefc60000U;
    return word ^ word >> 18;
  }
  void refill();

  std::array<std::uint32_t, kWords> words_{};
  std::size_t left_ = 0;  // words_[kWords - left_] is the next one
  std::uint64_t seed_ = 0;
  std::optional<double> spare_normal_;
};

// The generator that every draw uses unless it is given another one.
Generator& default_generator();

// Seeds the default generator.
Generator& manual_seed(std::uint64_t seed);

namespace detail {

// Keeps other threads out of the default generator; does nothing for any other.
class GeneratorLock {
 public:
  explicit GeneratorLock(const Generator& generator);
  ~GeneratorLock();
  GeneratorLock(const GeneratorLock&) = delete;
  GeneratorLock& operator=(const GeneratorLock&) = delete;

 private:
  bool locked_;
};

}  // namespace detail
}  // namespace tapegrad
