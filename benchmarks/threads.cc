// The claim: with set_num_threads(2), large workloads take little more than half the time. The
// results are the same to the bit (tests/tensor/threads_test.cc, tests/nn/threads_test.cc).
//
// A row is wall time with two threads on two processors. The "peer" is the same work with one
// thread, in the same process. A second thread exists for both, so both use atomic reference
// counts. On a machine with one processor, nothing is measured. Read next: first_file.cc.
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "measure.h"

namespace tg = tapegrad;

namespace {

// Measures wall time in seconds.
template <class Work>
measure::Contender with_threads(int count, Work work) {
  return {std::to_string(count) + (count == 1 ? " thread" : " threads"),
          [count, work](std::int64_t repetitions) {
            tg::set_num_threads(count);
            const auto begin = std::chrono::steady_clock::now();
            for (std::int64_t i = 0; i < repetitions; ++i) work();
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
            tg::set_num_threads(1);
            return passed.count();
          }};
}

template <class Work>
void compare(measure::Report& report, const std::string& name, const measure::Unit& unit,
             const Work& work) {
  report.compare(name, unit, with_threads(2, work), {with_threads(1, work)});
}

// The recurrent classifier of recurrent_classifier.cc.
template <class Layer>
void compare_classifier(measure::Report& report, const char* name) {
  tg::nn::Embedding embedding(20'000, 64, {.padding_idx = 0});
  Layer layer(64, 128, {.batch_first = true});
  tg::nn::Linear head(128, 4);
  std::vector<tg::NamedParameter> parameters = embedding.parameters();
  for (const tg::nn::Module& each : {tg::nn::Module(layer), tg::nn::Module(head)}) {
    for (const tg::NamedParameter& own : each.parameters()) parameters.push_back(own);
  }
  tg::optim::Adam adam(parameters, {.lr = 1e-3});
  const tg::Tensor tokens = tg::randint(1, 20'000, {32, 40});
  const tg::Tensor labels = tg::randint(0, 4, {32});
  compare(report, std::string(name) + ", 40 steps, batch 32, a training step",
          measure::rate("seq/s", 32), [&] {
            adam.zero_grad();
            const tg::Variable h = select(layer(embedding(tokens)).h, 0, 0);
            tg::nn::cross_entropy(head(h), labels).backward();
            adam.step();
          });
}

}  // namespace

int main(int argc, char** argv) {
  cpu_set_t allowed;  // read it before everything is pinned to one processor
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) {
    std::puts("threads are left out: there is one processor");
    return 0;
  }
  return measure::run(argc, argv, [&](measure::Report& report) {
    sched_setaffinity(0, sizeof allowed, &allowed);
    tg::manual_seed(0);
    report.begin("Two threads");
    for (const std::int64_t n : {256, 512, 1024}) {
      const tg::Tensor a = tg::randn({n, n});
      const tg::Tensor b = tg::randn({n, n});
      const std::string side = std::to_string(n);
      compare(report, "matrix product " + side + " x " + side + " x " + side,
              measure::rate("GFLOP/s", 2e-9 * static_cast<double>(n * n * n)),
              [&] { matmul(a, b); });
    }
    compare_classifier<tg::nn::RNN>(report, "RNN");
    compare_classifier<tg::nn::LSTM>(report, "LSTM");
    compare_classifier<tg::nn::GRU>(report, "GRU");
    const std::int64_t count = report.settings().brief ? 5'000'000 : 50'000'000;
    tg::Variable p = tg::parameter(tg::full({count}, 0.5));
    p.set_grad(tg::full({count}, 0.01));
    tg::optim::Adam adam({p});
    compare(report, "Adam, " + std::to_string(count / 1'000'000) + " million parameters",
            measure::rate("GB/s", 28e-9 * static_cast<double>(count)), [&] { adam.step(); });
  });
}
