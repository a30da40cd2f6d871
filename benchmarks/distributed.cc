// The claim: n ranks train a recurrent text classifier faster than one does, in a time that the
// bytes they exchange explain. Started with `mpirun -n 2 --bind-to none benchmark_distributed`;
// without mpirun, the ranks are 2 threads.
//
// A row is a training step: "alone" is the plain optimizer on rank 0, while the others wait;
// "strong" the same batch divided among the ranks; "weak" a batch of that size on each rank. The
// three run in turn, and a row shows the shortest of their times in all rounds: strong scaling is
// alone / strong, weak scaling is n * alone / weak. Time is that of a clock on the wall, so another
// process on the machine disturbs it. "exchange" is the part of the strong step in which the
// gradients are averaged. Read next: scaling_model.h.
#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_embedding.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "documents.h"

namespace tg = tapegrad;
using tg::distributed::Communicator;

namespace {

constexpr std::int64_t kClasses = 4;

template <class Network>
struct RecurrentClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  Network rnn;
  tg::nn::Linear head;

  explicit RecurrentClassifier(tg::Generator& own)
      : embedding(register_module("embedding", tg::nn::Embedding(20'000, 64, {.generator = own}))),
        rnn(register_module("rnn", Network(64, 128, {.batch_first = true, .generator = own}))),
        head(register_module("head", tg::nn::Linear(128, kClasses, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& tokens) const {
    return head(select(rnn(embedding(tokens)).h, 0, 0));
  }
};

// The rows of the table are divided among the ranks.
struct ShardedBagClassifier : tg::nn::Module {
  tg::distributed::ShardedEmbedding embedding;
  tg::nn::Linear head;

  ShardedBagClassifier(tg::Generator& own, Communicator& comm)
      : embedding(register_module(
            "embedding", tg::distributed::ShardedEmbedding(Documents::kVocabulary, 64, comm,
                                                           {.generator = own}))),
        head(register_module("head", tg::nn::Linear(64, kClasses, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& words) const { return head(mean(embedding(words), 1)); }
};

struct BagClassifier : tg::nn::Module {
  tg::nn::EmbeddingBag embedding;
  tg::nn::Linear head;

  explicit BagClassifier(tg::Generator& own)
      : embedding(register_module(
            "embedding", tg::nn::EmbeddingBag(Documents::kVocabulary, 64, {.generator = own}))),
        head(register_module("head", tg::nn::Linear(64, kClasses, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& words) const { return head(embedding(words)); }
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double shortest(const std::vector<double>& values) { return *std::ranges::min_element(values); }

struct Times {
  std::vector<double> alone, strong, weak, exchange;
};

template <class Model>
Model make_model(tg::Generator& own, Communicator& comm) {
  if constexpr (std::is_constructible_v<Model, tg::Generator&, Communicator&>) {
    return Model(own, comm);
  } else {
    return Model(own);
  }
}

// What the rows of the table share.
struct Settings {
  bool brief;
  std::int64_t batch;
};

// The times of one round, `steps` steps each; Parallel is the model of all ranks. Collective.
template <class Model, class Parallel>
void measure_round(Communicator& comm, std::int64_t batch, int steps, const tg::Tensor& words,
                   const tg::Tensor& labels, Times& times, tg::distributed::Traffic& sent) {
  tg::Generator own(1);
  Model model(own);
  Parallel parallel = make_model<Parallel>(own, comm);
  tg::optim::Adam plain(model.parameters(), {.lr = 1e-3}),
      adam(parallel.parameters(), {.lr = 1e-3});
  tg::distributed::DistributedOptimizer optimizer(adam, comm);
  std::int64_t turn = 0;
  double exchanging = 0;
  const auto backward = [&](const auto& its_model, std::int64_t size, std::int64_t offset) {
    const std::int64_t first = (turn * batch + offset) % (words.size(0) - size + 1);
    tg::nn::cross_entropy(its_model(narrow(words, 0, first, size)), narrow(labels, 0, first, size))
        .backward();
  };
  const auto together = [&](std::int64_t size, std::int64_t offset) {
    optimizer.zero_grad();
    backward(parallel, size, offset);
    const double begin = now();
    optimizer.average_gradients(size);
    exchanging += now() - begin;
    optimizer.step();
  };
  const auto time_of = [&](const auto& step) {
    comm.barrier();
    const double begin = now();
    for (int i = 0; i < steps; ++i, ++turn) step();
    comm.barrier();
    return (now() - begin) / steps;
  };
  times.alone.push_back(time_of([&] {
    if (comm.rank() != 0) return;
    plain.zero_grad();
    backward(model, batch, 0);
    plain.step();
  }));
  const auto [first, count] =
      tg::distributed::detail::part_of_batch(batch, comm.rank(), comm.size());
  const tg::distributed::Traffic before = comm.traffic();
  exchanging = 0;
  times.strong.push_back(time_of([&, size = count, offset = first] { together(size, offset); }));
  times.exchange.push_back(exchanging / steps);
  sent.bytes = (comm.traffic().bytes - before.bytes) / steps;
  times.weak.push_back(time_of([&] { together(batch, comm.rank() * batch); }));
}

template <class Model, class Parallel = Model>
void compare(Communicator& comm, const std::string& name, const Settings& settings,
             const tg::Tensor& words, const tg::Tensor& labels) {
  Times times;
  tg::distributed::Traffic sent;
  const int rounds = settings.brief ? 3 : 60, steps = settings.brief ? 5 : 20;
  for (int round = 0; round < rounds; ++round) {
    measure_round<Model, Parallel>(comm, settings.batch, steps, words, labels, times, sent);
  }
  if (comm.rank() != 0) return;
  const double alone = shortest(times.alone), strong = shortest(times.strong);
  const double weak = shortest(times.weak);
  std::printf("%-34s %5lld %6.2f ms %6.2f ms %6.2f ms %6.2f ms %7.2f %7.2f %9lld\n", name.c_str(),
              static_cast<long long>(settings.batch), 1e3 * alone, 1e3 * strong, 1e3 * weak,
              1e3 * shortest(times.exchange), alone / strong, comm.size() * alone / weak,
              static_cast<long long>(sent.bytes));
}

void run(Communicator& comm, bool brief) {
  if (comm.rank() == 0) {
    std::printf("%d ranks\n%-34s %5s %9s %9s %9s %9s %7s %7s %9s\n", comm.size(), "", "batch",
                "alone", "strong", "weak", "exchange", "strong", "weak", "bytes");
  }
  tg::Generator data(2);
  for (const std::int64_t batch : std::vector<std::int64_t>{32, 128}) {
    const tg::Tensor tokens = tg::randint(1, 20'000, {16 * batch, 40}, data);
    const tg::Tensor labels = tg::randint(0, kClasses, {16 * batch}, data);
    compare<RecurrentClassifier<tg::nn::RNN>>(comm, "RNN 64 -> 128, 40 words of 20,000",
                                              {brief, batch}, tokens, labels);
    compare<RecurrentClassifier<tg::nn::LSTM>>(comm, "LSTM 64 -> 128, 40 words of 20,000",
                                               {brief, batch}, tokens, labels);
  }
  const Settings small{brief, 32};
  for (const std::int64_t length : {38, 274}) {
    const Documents documents(16 * small.batch, length, Documents::kToTrain);
    const tg::Tensor words = reshape(tg::tensor(documents.words), {16 * small.batch, length});
    const tg::Tensor labels = tg::tensor(documents.labels);
    compare<BagClassifier>(comm, "bag of 64, " + std::to_string(length) + " words of 100,000",
                           small, words, labels);
    compare<BagClassifier, ShardedBagClassifier>(comm, "  its rows on their owners", small, words,
                                                 labels);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool short_run = argc > 1 && std::string(argv[1]) == "--short";
  return tg::distributed::run_distributed(argc, argv, [&](Communicator& comm) {
    const auto ranks = [&](Communicator& its_comm) { run(its_comm, short_run); };
    comm.size() > 1 ? ranks(comm) : tg::distributed::run_on_threads(2, ranks);
  });
}
