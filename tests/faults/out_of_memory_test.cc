// The system refuses memory or threads. Each action is run again and again: the first time its
// first allocation fails, then its second one, and so on, until it succeeds; once so that only this
// allocation fails, and once so that all later ones fail, too. After a failure nothing has changed,
// and the action gives the same bits when it is repeated.
//
// This program replaces operator new and aligned_alloc, and empties the pool during an action, so
// that every block comes from the system.
#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/tapegrad.h>
#include <tapegrad/tensor/pool.h>

#include "catch.h"
#include "optim/kinds.h"
#include "sanitized.h"

using namespace tapegrad;

namespace {

std::size_t allocations = 0;  // since begin_failing()
std::size_t failing = 0;      // the number of the allocation that fails; 0 for none
bool and_later_ones = false;
long live = 0;  // blocks of operator new; the tests of memory use one thread
bool no_threads = false;

bool is_refused() {
  if (failing == 0) return false;
  ++allocations;
  return allocations == failing || (and_later_ones && allocations > failing);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  void* block = nullptr;
  if (is_refused() || posix_memalign(&block, alignment, bytes == 0 ? 1 : bytes) != 0) {
    return nullptr;
  }
  return block;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* const block = allocate(bytes, alignment);
  if (block == nullptr) throw std::bad_alloc();
  ++live;
  return block;
}

void release(void* block) {
  if (block != nullptr) --live;
  std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate_or_throw(bytes, sizeof(std::max_align_t)); }
void* operator new[](std::size_t bytes) {
  return allocate_or_throw(bytes, sizeof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  void* const block = allocate(bytes, sizeof(std::max_align_t));
  if (block != nullptr) ++live;
  return block;
}
void* operator new[](std::size_t bytes, const std::nothrow_t& no_throw) noexcept {
  return operator new(bytes, no_throw);
}
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return allocate(bytes, alignment);
}

#ifndef THREAD_SANITIZED
#define REFUSES_THREADS 1
// The sanitizer's own one, if there is a sanitizer: it must know all threads.
extern "C" int __interceptor_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*),
                                            void*) __attribute__((weak));
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  if (no_threads) return EAGAIN;
  using Function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_create"));
  return (__interceptor_pthread_create != nullptr ? __interceptor_pthread_create : real)(
      thread, attributes, start, argument);
}
#endif

namespace {

// While it exists, the allocation `number` fails, and all later ones if `later` is set.
class Failing {
 public:
  Failing(std::size_t number, bool later) {
#ifndef TAPEGRAD_NO_POOL
    pool_before_ = std::exchange(memory::pool, memory::Pool{.bins = {}, .closed = true});
#endif
    allocations = 0;
    and_later_ones = later;
    failing = number;
  }
  ~Failing() {
    failing = 0;
#ifndef TAPEGRAD_NO_POOL
    memory::pool = pool_before_;
#endif
  }
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;

 private:
#ifndef TAPEGRAD_NO_POOL
  memory::Pool pool_before_;
#endif
};

std::size_t total_points = 0;  // failures of all tests, for the last one

using Tensors = std::vector<Tensor>;

void append(Tensors& list, const StateDict& state) {
  for (const auto& [name, tensor] : state) list.push_back(tensor);
}

bool same(const Tensors& a, const Tensors& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].dtype() != b[i].dtype() || !equal(a[i], b[i])) return false;
  }
  return true;
}

// make() makes the same subject every time. subject.act() is the action, which must not use
// Catch2's macros, because they allocate; subject.look() returns copies of all that it may change.
// Returns how many of its allocations have failed.
template <class Subject>
std::size_t fail_everywhere(const std::function<std::unique_ptr<Subject>()>& make) {
  const Tensors before = make()->look();
  const auto complete = make();
  complete->act();
  const Tensors after = complete->look();
  std::size_t points = 0;
  for (const bool later : {false, true}) {
    for (std::size_t k = 1;; ++k) {
      INFO("allocation " << k << (later ? " and all later ones" : ""));
      const std::size_t entries = tape().size();
      const long blocks = live;
      bool failed = false;
      {
        const auto subject = make();
        const std::size_t entries_made = tape().size();
        try {
          const Failing guard(k, later);
          subject->act();
        } catch (const std::bad_alloc&) {
          failed = true;
        }
        if (!failed) {  // it has less than k allocations, or it could do without the k-th
          CHECK(same(subject->look(), after));
        } else if (k % 2 == 1) {
          CHECK(tape().size() <= entries_made);  // a pass consumes its history
          CHECK(same(subject->look(), before));
        } else {
          subject->act();
          CHECK(same(subject->look(), after));
        }
      }
      CHECK(tape().size() == entries);
      if (points > 0 && k > 1) CHECK(live <= blocks);  // lists of the thread have their size by now
      if (!failed && allocations < k) break;
      points += failed ? 1 : 0;
      total_points += failed ? 1 : 0;
    }
  }
  return points;
}

// A model with a table, a sequence layer, statistics and a head.
struct Net : nn::Module {
  nn::Embedding embedding;
  nn::GRU layer;
  nn::BatchNorm1d norm;
  nn::Linear head;
  Net()
      : embedding(register_module("embedding", nn::Embedding(20, 4, {.padding_idx = 0}))),
        layer(register_module("layer", nn::GRU(4, 5, {.batch_first = true}))),
        norm(register_module("norm", nn::BatchNorm1d(5))),
        head(register_module("head", nn::Linear(5, 3))) {}
  Variable operator()(const Tensor& ids) const {
    return head(norm(select(layer(embedding(ids)).h, 0, 0)));
  }
};

const Tensor& some_ids() {
  static const Tensor ids = tensor({{1, 2, 3}, {3, 4, 0}, {7, 7, 8}});
  return ids;
}

Net seeded_net() {
  manual_seed(5);
  return Net();
}

// Copies of the parameters, buffers and gradients.
Tensors all_of(const Net& net) {
  Tensors all;
  append(all, net.state_dict());
  for (const NamedParameter& each : net.parameters()) {
    if (each.variable.has_grad()) all.push_back(each.variable.grad().clone());
  }
  return all;
}

}  // namespace

TEST_CASE("a forward pass that runs out of memory changes nothing") {
  struct Subject {
    Net net = seeded_net();
    bool norm_only;
    explicit Subject(bool alone) : norm_only(alone) {}
    void act() {
      if (norm_only) {
        net.norm(arange(20, 60, 2).to(float32).reshape({4, 5}));
      } else {
        net(some_ids());
      }
    }
    // Layers that keep statistics may have counted the batch before a later layer fails.
    Tensors look() const {
      Tensors all;
      for (const NamedParameter& each : net.parameters()) all.push_back(each.variable.value());
      if (norm_only) append(all, net.norm.state_dict());
      return all;
    }
  };
  CHECK(fail_everywhere<Subject>([] { return std::make_unique<Subject>(false); }) > 20);
  CHECK(fail_everywhere<Subject>([] { return std::make_unique<Subject>(true); }) > 5);
}

TEST_CASE("a backward pass that runs out of memory changes no gradient") {
  struct Subject {
    Net net = seeded_net();
    Tensor held;  // shares the memory of a gradient
    int earlier;
    Variable loss;
    explicit Subject(int passes) : earlier(passes) {
      for (int i = 0; i < earlier; ++i) record(), loss.backward();
      if (earlier == 2) held = net.head.weight.grad();
      if (earlier == 3) sum(square(net.embedding.weight)).backward();  // a dense gradient
      record();
    }
    void record() { loss = nn::cross_entropy(net(some_ids()), tensor({0, 1, 2})); }
    void act() {
      if (!loss.defined()) record();
      const Variable start = std::exchange(loss, {});  // a pass that fails may consume its history
      start.backward();
    }
    Tensors look() const {
      Tensors gradients;
      for (const NamedParameter& each : net.parameters()) {
        if (each.variable.has_grad()) gradients.push_back(each.variable.grad().clone());
      }
      return gradients;
    }
  };
  for (const int earlier : {0, 1, 2, 3}) {
    INFO(earlier << " earlier passes");
    CHECK(fail_everywhere<Subject>([&] { return std::make_unique<Subject>(earlier); }) > 5);
  }
}

namespace {

// A table and a vector that are trained by one optimizer, with one more gradient to step with.
struct Step {
  Variable table, vector;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor held;

  Step(const Kind& kind, int variant) {
    Generator generator(3);
    table = parameter(randn({12, 3}, float32, generator));
    vector = parameter(randn({6}, float32, generator));
    RowPolicy& policy = table.row_policy();
    if (variant == 1) policy.set_sparse(true);
    if (variant == 2) policy.set_constraint({RowConstraint::Kind::unit_norm});
    if (variant == 3) policy.freeze_columns(std::vector<std::int64_t>{1});
    optimizer = kind.make(table);
    if (variant != 4) {  // variant 4: the first step
      for (int i = 0; i < 9; ++i) {
        gradients(i);
        optimizer->step();
      }
    }
    if (variant == 5) held = table.value();  // the step must copy the table
    gradients(3);
    if (variant == 6) sum(square(table)).backward();  // a dense gradient
    if (variant == 7) optimizer->set_fused(false);
  }
  void gradients(int i) {
    optimizer->zero_grad();
    sum(sin(embedding(table, tensor({i % 4, 5, 5, (7 * i) % 12})))).backward();
  }
  void act() { optimizer->step(); }
  Tensors look() const {
    Tensors all = {table.value().clone()};
    append(all, optimizer->state_dict());
    return all;
  }
};

}  // namespace

TEST_CASE("a step that runs out of memory changes nothing, for every optimizer") {
  std::size_t points = 0;
  for (const Kind& kind : all_kinds()) {
    for (int variant = 0; variant < 8; ++variant) {
      INFO(kind.name << ", variant " << variant);
      points += fail_everywhere<Step>([&] { return std::make_unique<Step>(kind, variant); });
    }
  }
  CHECK(points > 1000);
}

TEST_CASE("a step of several parameters is taken whole or not at all") {
  struct Subject {
    Net net = seeded_net();
    std::optional<optim::SGD> sgd;
    explicit Subject(bool first) {
      sgd.emplace(net.parameters(), optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
      const auto gradients = [&] {
        sgd->zero_grad();
        nn::cross_entropy(net(some_ids()), tensor({0, 1, 2})).backward();
      };
      gradients();
      if (first) return;
      sgd->step();
      gradients();
    }
    void act() {
      optim::clip_grad_norm(net.parameters(), 1e9);
      sgd->step();
    }
    Tensors look() const {
      Tensors all = all_of(net);
      append(all, sgd->state_dict());
      return all;
    }
  };
  for (const bool first : {true, false}) {
    CHECK(fail_everywhere<Subject>([&] { return std::make_unique<Subject>(first); }) > 5);
  }
}

TEST_CASE("clipping that runs out of memory changes no gradient") {
  struct Subject {
    std::vector<Variable> leaves;
    Tensors held;
    std::vector<NamedParameter> parameters;
    Subject() {
      for (int i = 0; i < 4; ++i) {
        const Variable& leaf = leaves.emplace_back(parameter(full({3, 2}, i + 1.0)));
        sum(square(leaf)).backward();
        held.push_back(leaf.grad());  // clipping must copy it
        parameters.emplace_back("leaf", leaf);
      }
    }
    void act() {
      optim::clip_grad_norm(parameters, 1.0);
      optim::clip_grad_value(parameters, 0.1);
    }
    // Clipping twice differs from clipping once, so only the values of one clipping are compared.
    Tensors look() const {
      Tensors all = held;
      for (const Variable& leaf : leaves) {
        const Tensor g = leaf.grad();
        all.push_back((g > 0.1) == (select(select(leaves[0].grad(), 0, 0), 0, 0) > 0.1));
      }
      return all;
    }
  };
  CHECK(fail_everywhere<Subject>([] { return std::make_unique<Subject>(); }) > 3);
}

TEST_CASE("Module::to, loading and remapping are done whole or not at all") {
  struct Subject {
    Net net = seeded_net();
    nn::LoraEmbedding lora{6, 4, {.rank = 2}};
    std::optional<optim::Adam> adam;
    StateDict other, lora_state, adam_state;
    int action;
    explicit Subject(int which) : action(which) {
      manual_seed(9);
      other = Net().state_dict();
      lora_state = lora.state_dict();
      adam.emplace(net.parameters());
      nn::cross_entropy(net(some_ids()), tensor({0, 1, 2})).backward();
      adam->step();
      adam_state = adam->state_dict();
      adam->step();
    }
    void act() {
      if (action == 0) net.to(float64);
      if (action == 1) net.load_state_dict(other);
      if (action == 2) lora.load_state_dict(lora_state);
      if (action == 3) adam->load_state_dict(adam_state);
      if (action == 4) {
        std::vector<std::int64_t> sources(18);
        for (std::size_t i = 0; i < sources.size(); ++i) {
          sources[i] = static_cast<std::int64_t>(17 - i);
        }
        std::swap(sources[0], sources[17]);  // padding stays row 0
        net.embedding.remap(sources);
      }
      if (action == 5) clone(net);
      if (action == 6) net.state_dict();
    }
    Tensors look() const {
      Tensors all = all_of(net);
      append(all, lora.state_dict());
      append(all, adam->state_dict());
      return all;
    }
  };
  for (int action = 0; action < 7; ++action) {
    INFO("action " << action);
    CHECK(fail_everywhere<Subject>([&] { return std::make_unique<Subject>(action); }) > 3);
  }
}

TEST_CASE("the destructor of an optimizer flushes its rows without memory") {
  for (const Kind& kind : all_kinds()) {
    for (const int variant : {0, 2, 3}) {
      INFO(kind.name << ", variant " << variant);
      Step expected(kind, variant);
      Step step(kind, variant);
      step.act();
      expected.act();
      {
        const Failing guard(1, true);
        step.optimizer.reset();
      }
      CHECK(equal(step.table.value(), expected.table.value()));
    }
  }
}

#ifdef REFUSES_THREADS
TEST_CASE("without more threads, work is done by those that there are") {
  manual_seed(1);
  const Tensor a = randn({300, 300});
  const Tensor expected = matmul(a, a);
  set_num_threads(3);
  no_threads = true;
  CHECK(equal(matmul(a, a), expected));
  const nn::TensorDataset examples(arange(5));
  std::int64_t total = 0;
  for (const auto& [numbers] : nn::DataLoader(examples, {.batch_size = 2, .worker = true})) {
    total += sum(numbers).item<std::int64_t>();
  }
  CHECK(total == 10);
  no_threads = false;
  CHECK(equal(matmul(a, a), expected));
  set_num_threads(1);
}
#endif

TEST_CASE("all failures together: the figure in docs/reliability.md", "[.][count]") {
  WARN(total_points << " allocations have failed");
}
