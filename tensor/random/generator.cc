// The Mersenne Twister, its state, and the default generator. Read next:
// tensor/random/distributions.cc.
#include <tapegrad/tensor/random/generator.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/state_dict.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {
namespace {

constexpr std::size_t kShift = 397;  // M of MT19937

// One step of the recurrence: the top bit of u and the other bits of v, times the matrix A.
std::uint32_t twist(std::uint32_t u, std::uint32_t v) {
  return ((u & 0x80000000U) | (v & 0x7fffffffU)) >> 1 ^ ((0U - (v & 1U)) & 0x9908b0dfU);
}

// The elements of the tensor in a state dict.
using SavedState = std::array<std::int64_t, sizeof(Generator::State) / sizeof(std::int64_t)>;

std::mutex& default_generator_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

static_assert(sizeof(Generator::State) == 5056 && std::is_trivially_copyable_v<Generator::State>);

Generator& Generator::manual_seed(std::uint64_t seed) {
  seed_ = seed;
  words_[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t i = 1; i < kWords; ++i) {
    words_[i] = 1812433253U * (words_[i - 1] ^ words_[i - 1] >> 30) + i;
  }
  left_ = 0;
  spare_normal_.reset();
  return *this;
}

std::uint64_t Generator::seed() {
  std::random_device device;
  const std::uint64_t high = device();
  manual_seed(high << 32 | device());
  return seed_;
}

void Generator::random(std::span<std::uint32_t> words) {
  while (!words.empty()) {
    if (left_ == 0) refill();
    const std::size_t n = std::min(left_, words.size());
    const std::uint32_t* from = words_.data() + (kWords - left_);
    std::transform(from, from + n, words.begin(), temper);
    left_ -= n;
    words = words.subspan(n);
  }
}

std::optional<double> Generator::take_spare_normal() {
  return std::exchange(spare_normal_, std::nullopt);
}

// Computes the next 624 words from the last ones, in place. It is split into two loops so that the
// compiler can vectorize them: no step reads a word that the loop has just written.
void Generator::refill() {
  std::uint32_t* p = words_.data();
  for (std::size_t i = 0; i < kWords - kShift; ++i) p[i] = p[i + kShift] ^ twist(p[i], p[i + 1]);
  p += kWords - kShift;
  for (std::size_t i = 0; i < kShift - 1; ++i) {
    p[i] = words_[i] ^ twist(p[i], p[i + 1]);
  }
  words_[kWords - 1] = words_[kShift - 1] ^ twist(words_[kWords - 1], words_[0]);
  left_ = kWords;
}

Generator::State Generator::state() const {
  const detail::GeneratorLock lock(*this);
  State state{};
  state.seed = seed_;
  state.left = static_cast<std::int32_t>(left_) + 1;
  state.seeded = 1;
  state.next = kWords - left_;
  std::copy(words_.begin(), words_.end(), state.words.begin());
  state.normal = spare_normal_.value_or(0.0);
  state.has_normal = spare_normal_.has_value() ? 1 : 0;
  return state;
}

void Generator::set_state(const State& state) {
  constexpr auto kMost = static_cast<std::int32_t>(kWords);
  // In PyTorch, a generator that was seeded but not yet used has left == 1 and next == 0.
  const bool consistent =
      (state.has_normal == 0 || (state.has_normal == 1 && std::isfinite(state.normal))) &&
      state.seeded == 1 && state.left >= 1 && state.left <= kMost &&
      (state.left == 1 || state.next + static_cast<std::uint64_t>(state.left) == kWords + 1) &&
      std::all_of(state.words.begin(), state.words.end(),
                  [](std::uint64_t word) { return word <= 0xffffffffU; });
  if (!consistent) {
    throw ValueError(
        "set_state: these bytes are not the state of a generator; pass one that state() returned");
  }
  const detail::GeneratorLock lock(*this);
  std::transform(state.words.begin(), state.words.end(), words_.begin(),
                 [](std::uint64_t word) { return static_cast<std::uint32_t>(word); });
  left_ = static_cast<std::size_t>(state.left - 1);
  seed_ = state.seed;
  spare_normal_ = state.has_normal != 0 ? std::optional(state.normal) : std::nullopt;
}

StateDict Generator::state_dict() const {
  return {{"state", tensor(std::bit_cast<SavedState>(state()))}};
}

void Generator::load_state_dict(const StateDict& saved) {
  const Tensor* const found = saved.find("state");
  if (found == nullptr || saved.size() != 1 || found->dtype() != int64 ||
      found->shape() != Shape{std::tuple_size_v<SavedState>}) {
    throw FormatError(
        "Generator: the state is not one of a generator, needed one tensor "
        "\"state\", int64 (632); pass what state_dict() returned");
  }
  SavedState elements;
  std::ranges::copy(to_vector<std::int64_t>(*found), elements.begin());
  try {
    set_state(std::bit_cast<State>(elements));
  } catch (const ValueError& error) {
    throw FormatError(std::string("Generator: ") + error.what());
  }
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

Generator& manual_seed(std::uint64_t seed) {
  Generator& generator = default_generator();
  const detail::GeneratorLock lock(generator);
  return generator.manual_seed(seed);
}

namespace detail {

GeneratorLock::GeneratorLock(const Generator& generator)
    : locked_(&generator == &default_generator()) {
  if (locked_) default_generator_mutex().lock();
}

GeneratorLock::~GeneratorLock() {
  if (locked_) default_generator_mutex().unlock();
}

}  // namespace detail
}  // namespace tapegrad
