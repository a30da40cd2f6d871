// A repeated training step allocates no memory from the system. This program replaces malloc and
// mmap by its own and counts the calls. (memory::system_allocations() counts only those of the
// pool.)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "nn/text_classifier.h"
#include "sanitized.h"

// Sanitizers replace malloc themselves and switch off the pool.
#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS 1
#endif

using namespace tapegrad;

namespace {

std::size_t calls = 0;  // calls of the functions below; the tests use one thread

}  // namespace

#ifdef COUNTS
// glibc has these names for programs that replace malloc. `free` is not replaced.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  ++calls;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  ++calls;
  return __libc_calloc(count, bytes);
}
void* realloc(void* block, std::size_t bytes) {
  ++calls;
  return __libc_realloc(block, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  ++calls;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++calls;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  ++calls;
  *block = __libc_memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  ++calls;
  return reinterpret_cast<void*>(
      syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}
}
#endif

namespace {

constexpr int kSteps = 20;

// The number of calls during twenty steps, after twenty steps that fill the pool.
template <class Step>
std::size_t calls_of(const Step& step) {
  for (int i = 0; i < kSteps; ++i) step(i);
  const std::size_t before = calls;
  for (int i = 0; i < kSteps; ++i) step(i);
  return calls - before;
}

bool counts() {
#ifdef COUNTS
  return true;
#else
  WARN(
      "skipped: sanitizers replace malloc themselves, and other C libraries have no __libc_malloc");
  return false;
#endif
}

constexpr std::int64_t kVocabulary = 500;

// A text classifier with a recurrent layer: RNN, LSTM or GRU.
template <class Layer>
struct LayerClassifier : nn::Module {
  nn::Embedding embedding;
  Layer layer;
  nn::Linear head;

  LayerClassifier()
      : embedding(register_module("embedding", nn::Embedding(kVocabulary, 16, {.padding_idx = 0}))),
        layer(register_module("layer", Layer(16, 32, {.batch_first = true}))),
        head(register_module("head", nn::Linear(32, 4))) {}
  Variable operator()(const Tensor& tokens) const {
    return head(select(layer(embedding(tokens)).h, 0, 0));
  }
};

// The calls during training steps of a text classifier; four batches alternate.
template <class Model, class Optimizer>
std::size_t calls_of_training(const Model& model, Optimizer& optimizer) {
  std::vector<std::pair<Tensor, Tensor>> batches(4);
  for (auto& [tokens, labels] : batches) {
    tokens = randint(1, kVocabulary, {8, 12});
    labels = randint(0, 4, {8});
  }
  return calls_of([&](int i) {
    const auto& [tokens, labels] = batches[static_cast<std::size_t>(i) % batches.size()];
    optimizer.zero_grad();
    nn::cross_entropy(model(tokens), labels).backward();
    optimizer.step();
  });
}

}  // namespace

TEST_CASE("the counters count") {
  if (!counts()) return;
  std::vector<void*> blocks;
  blocks.reserve(5);
  const std::size_t before = calls;
  blocks = {std::malloc(1), std::calloc(1, 1), std::aligned_alloc(64, 64), operator new(1)};
  const std::size_t after = calls;
  blocks[0] = std::realloc(blocks[0], 1000);
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(after - before == 4);
  CHECK(calls >= after + 2);
  CHECK(page != MAP_FAILED);
  munmap(page, 4096);
  operator delete(blocks[3]);
  for (int i = 0; i < 3; ++i) std::free(blocks[static_cast<std::size_t>(i)]);
}

TEST_CASE("a step of a small network allocates no memory from the system") {
  if (!counts()) return;
  manual_seed(0);
  const nn::Sequential model{nn::Linear(64, 64), nn::Tanh(), nn::Linear(64, 1)};
  for (const std::int64_t size : {1, 32}) {
    CAPTURE(size);
    optim::SGD sgd(model.parameters(), {.lr = 1e-2});
    std::vector<std::pair<Tensor, Tensor>> batches(4);
    for (auto& [x, y] : batches) std::tie(x, y) = std::pair(randn({size, 64}), randn({size, 1}));
    CHECK(calls_of([&](int i) {
            const auto& [x, y] = batches[static_cast<std::size_t>(i) % batches.size()];
            sgd.zero_grad();
            nn::mse_loss(model(x), y).backward();
            sgd.step();
          }) == 0);
  }
}

TEMPLATE_TEST_CASE("a step of a recurrent classifier allocates no memory from the system", "",
                   TextClassifier, LayerClassifier<nn::RNN>, LayerClassifier<nn::LSTM>,
                   LayerClassifier<nn::GRU>) {
  if (!counts()) return;
  manual_seed(0);
  const auto make = [] {
    if constexpr (std::is_same_v<TestType, TextClassifier>) {
      return TextClassifier(kVocabulary, 16, 32, 4);
    } else {
      return TestType();
    }
  };
  const TestType model = make();
  SECTION("SGD") {
    optim::SGD sgd(model.parameters(), {.lr = 1e-2});
    CHECK(calls_of_training(model, sgd) == 0);
  }
  SECTION("Adam") {
    optim::Adam adam(model.parameters());
    CHECK(calls_of_training(model, adam) == 0);
  }
}

TEST_CASE("a step of a mean of word vectors allocates no memory from the system") {
  if (!counts()) return;
  manual_seed(0);
  nn::Sequential model{nn::EmbeddingBag(kVocabulary, 16), nn::Linear(16, 4)};
  optim::SGD sgd(model.parameters(), {.lr = 1e-2});
  CHECK(calls_of_training(model, sgd) == 0);
}
