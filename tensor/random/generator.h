// The random number generator. It produces the same words as PyTorch's CPU generator, so that the
// same seed gives the same initial weights, permutations and masks as in PyTorch. Read next:
// tensor/random/distributions.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace tapegrad {

class StateDict;

// A stream of 32-bit words from a Mersenne Twister (MT19937; Matsumoto and Nishimura 1998). Normal
// numbers are drawn in pairs, so it also stores the second one until it is needed. A Generator is a
// value: a copy continues from the same point, independently.
//
// Threads: a generator belongs to one thread at a time. Several threads may use the default
// generator through the functions of tensor/random/distributions.h and tensor/random/random.h,
// through layers and loaders, and may save and set its state: all of these lock it. Which thread
// gets which numbers then depends on timing. For reproducible results, give each thread its own
// generator: `randn({2, 3}, float32, own)`, `nn::Linear(2, 3, {.generator = own})`.
class Generator {
 public:
  static constexpr std::uint64_t kDefaultSeed = 67280421310721;  // PyTorch's
  static constexpr std::size_t kWords = 624;

  // The whole state of a generator, in the layout that torch.get_rng_state() returns and
  // torch.set_rng_state() accepts: a run can be saved and resumed, also in PyTorch.
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

  // Starts the stream of this seed. Only the low 32 bits of the seed are used; a negative seed is
  // converted to unsigned, as in PyTorch.
  Generator& manual_seed(std::uint64_t seed);
  // Starts a stream with a random seed and returns the seed.
  std::uint64_t seed();
  std::uint64_t initial_seed() const { return seed_; }

  // random() returns the next word, random64() the next two, the high one first; random(words)
  // fills `words`.
  std::uint32_t random() {
    if (left_ == 0) refill();
    return temper(words_[kWords - left_--]);
  }
  std::uint64_t random64() {
    const std::uint64_t high = random();
    return high << 32 | random();
  }
  void random(std::span<std::uint32_t> words);

  // The second one of a pair of standard normal numbers, if one is stored.
  std::optional<double> take_spare_normal();
  void keep_spare_normal(double value) { spare_normal_ = value; }

  // An exact copy, including a stored normal number. set_state() throws a ValueError, and changes
  // nothing, if it is not a valid state.
  State state() const;
  void set_state(const State& state);

  // The same for a file (tensor/io/checkpoint.h): one tensor, "state", int64 (632). Its bytes are
  // those of State, so torch.set_rng_state(tensor.view(torch.uint8)) accepts it. load_state_dict()
  // throws a FormatError, and changes nothing, for anything else.
  StateDict state_dict() const;
  void load_state_dict(const StateDict& saved);

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

// The generator that all functions use unless another one is passed.
Generator& default_generator();

// Seeds the default generator.
Generator& manual_seed(std::uint64_t seed);

// A reference to a generator, for options and layers: `{.generator = own}`. Without one it refers
// to the default generator. A temporary generator does not compile, because the layer may draw from
// it later.
class GeneratorRef {
 public:
  GeneratorRef() = default;
  GeneratorRef(Generator& generator) : generator_(&generator) {}  // NOLINT: implicit on purpose
  GeneratorRef(Generator&&) = delete;
  operator Generator&() const {  // NOLINT: implicit on purpose
    return generator_ != nullptr ? *generator_ : default_generator();
  }

 private:
  Generator* generator_ = nullptr;
};

namespace detail {

// Locks the default generator while in scope; does nothing for other generators.
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
