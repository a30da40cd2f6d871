// The claim: a few measured parameters predict the time of a distributed step, so that the curve to
// 256 nodes can be computed for a network that is not here. Started with `mpirun -n 2 --bind-to
// none benchmark_scaling`; without mpirun, the ranks are 2 threads.
//
// Every rank has a batch of 128 examples (weak scaling) of three models:
//   - a dense MLP, 784 -> 1024 -> 1024 -> 10
//   - a bag of 38 words, from a table of 10^6 x 64: replicated, or each row at its owner alone
//   - the same from a table of 10^8 x 128, which one machine cannot hold
// All take steps of Adagrad. The program prints (a) the parameters, measured while all ranks work;
// (b) the time of a step that the formulas of scaling_model.h compute from them, beside the
// measured one; (c) the curve. The third model is measured with a table of 10^6 x 128: its update
// costs the same for each row, and the curve counts the rows of 10^8 words.
//
//   --short             a few seconds, to check that everything runs; its tables have 10^5 rows
//   --latency US        of the network of the curve, in microseconds (20)
//   --bandwidth GBIT    of the network of the curve, in Gbit/s (10)
//   --svg FILE          draws the curve
//   --simulate          only the exchanges, in MPI's time, beside the formulas for this network:
//                       for scripts/simulate_cluster, where that time is simulated
//   --batch EXAMPLES    of each rank in the simulation (128)
// Read next: scaling_chart.h.
#include <mpi.h>
#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/row_exchange.h>
#include <tapegrad/distributed/sharded_embedding.h>
#include <tapegrad/distributed/sharded_table.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "scaling_chart.h"
#include "scaling_model.h"

namespace tg = tapegrad;
using scaling::Messages;
using scaling::Network;
using scaling::RowCosts;
using scaling::Rows;
using scaling::Spread;
using scaling::Way;
using scaling::Words;
using tg::distributed::Communicator;
using Ids = std::vector<std::int64_t>;

namespace {

constexpr std::int64_t kBatch = 128, kLength = 38, kClasses = 4;
std::int64_t stored_rows = 1'000'000;  // of the tables that are measured; --short takes fewer
constexpr double kQuiet = 0.1;         // quantile of the times in which the machine was quietest
constexpr double kDraws = static_cast<double>(kBatch * kLength);

struct Settings {
  bool brief = false, simulate = false;
  std::int64_t batch = kBatch;
  double latency = 20e-6, bandwidth = 10e9 / 8;
  std::string svg;

  Network network() const { return {{{1e18, latency, bandwidth}}}; }
};

// Clocks, in seconds.
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
// The processor time of this thread. Time in which it waits for a processor does not count.
double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}
template <class Work>
double time_of(const Work& work) {
  const double begin = wall_seconds();
  work();
  return wall_seconds() - begin;
}

// The times of one piece of work, by both clocks.
struct Times {
  std::vector<double> wall, processor;

  template <class Work>
  void add(const Work& work) {
    const double begin = wall_seconds(), used = processor_seconds();
    work();
    processor.push_back(processor_seconds() - used);
    wall.push_back(wall_seconds() - begin);
  }
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}
double median(const std::vector<double>& values) { return quantile(values, 0.5); }
// The values of each rank, and all of them.
std::vector<std::vector<double>> of_all(Communicator& comm, const std::vector<double>& mine) {
  std::vector<std::vector<double>> all;
  for (const tg::Tensor& theirs : comm.allgatherv(tg::tensor(mine))) {
    all.push_back(tg::to_vector<double>(theirs));
  }
  return all;
}
std::vector<double> joined(const std::vector<std::vector<double>>& parts) {
  std::vector<double> all;
  for (const std::vector<double>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
// The mean over the ranks of a quantile of each one's values.
double typical(Communicator& comm, const std::vector<double>& mine, double share = 0.5) {
  const std::vector<double> all = joined(of_all(comm, {quantile(mine, share)}));
  return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

// --- the models ----------------------------------------------------------------------------------

struct Mlp : tg::nn::Module {
  tg::nn::Linear first, second, third;

  explicit Mlp(tg::Generator& own)
      : first(register_module("first", tg::nn::Linear(784, 1024, {.generator = own}))),
        second(register_module("second", tg::nn::Linear(1024, 1024, {.generator = own}))),
        third(register_module("third", tg::nn::Linear(1024, 10, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& x) const { return third(relu(second(relu(first(x))))); }
};

struct Bag : tg::nn::Module {
  tg::nn::EmbeddingBag table;
  tg::nn::Linear head;

  Bag(std::int64_t width, tg::Generator& own)
      : table(register_module(
            "table", tg::nn::EmbeddingBag::from_pretrained(tg::full({stored_rows, width}, 0.01f),
                                                           {.freeze = false}))),
        head(register_module("head", tg::nn::Linear(width, kClasses, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& words) const { return head(table(words)); }
};

double elements_of(const std::vector<tg::NamedParameter>& parameters) {
  double count = 0;
  for (const tg::NamedParameter& parameter : parameters) {
    count += static_cast<double>(parameter.variable.stored().numel());
  }
  return count;
}

Ids draw_words(const Words& words, std::mt19937_64& bits, std::int64_t batch = kBatch) {
  Ids drawn;
  for (std::int64_t i = 0; i < batch * kLength; ++i) {
    drawn.push_back(words.draw(static_cast<double>(bits() >> 11) * 0x1p-53));
  }
  return drawn;
}
Ids distinct_of(Ids words) {
  std::ranges::sort(words);
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

struct ShardedBag : tg::nn::Module {
  tg::distributed::ShardedEmbedding table;
  tg::nn::Linear head;

  ShardedBag(Communicator& comm, std::int64_t width, tg::Generator& own)
      : table(register_module("table", tg::distributed::ShardedEmbedding(
                                           stored_rows, width, comm,
                                           {.weight = tg::full({stored_rows, width}, 0.01f)}))),
        head(register_module("head", tg::nn::Linear(width, kClasses, {.generator = own}))) {}
  tg::Variable operator()(const tg::Tensor& words) const { return head(mean(table(words), {1})); }

  // Forward and backward of a batch whose rows are there, without any message.
  void compute(const tg::Tensor& words, const tg::Tensor& labels) const {
    const tg::UniqueElements distinct = unique(words);
    const tg::Variable rows =
        tg::parameter(tg::full({distinct.values.size(0), table.embedding_dim()}, 0.01f));
    tg::nn::cross_entropy(head(mean(embedding(rows, distinct.inverse), {1})), labels).backward();
    rows.leaf().grad.rows();
  }
};

// --- the parameters ------------------------------------------------------------------------------

// The local work of an exchange of n ranks, with the rows that they have: their number decides what
// fits the caches. The functions of row_exchange.cc do the same.
class RowWork {
 public:
  RowWork(int ranks, std::int64_t width, const Words& words) : ranks_(ranks), width_(width) {
    std::mt19937_64 bits(7);
    for (int r = 0; r < ranks; ++r) {
      const Ids ids = distinct_of(draw_words(words, bits));
      parts_.push_back(part_of(ids));
      Ids owned;  // by rank 0
      for (const std::int64_t id : ids) {
        if (id % ranks == 0) owned.push_back(id);
      }
      owned_.push_back(part_of(owned));
    }
    sum_ = tg::coalesce(parts_);
    // Its order: that in which a backward pass meets the words.
    Ids shuffled(static_cast<std::size_t>(sum_.ids.numel()));
    std::iota(shuffled.begin(), shuffled.end(), 0);
    std::ranges::shuffle(shuffled, bits);
    sum_ = select(sum_, shuffled);
  }

  double rows() const { return static_cast<double>(parts_.front().ids.numel()); }
  double distinct_rows() const { return static_cast<double>(sum_.ids.numel()); }

  // `table` has the optimizer's only parameter. Each cost is the time of the work by its rows.
  RowCosts measure(tg::Variable& table, tg::optim::Optimizer& optimizer, double (*clock)()) {
    const auto cost_of = [&](double rows, const auto& work) {
      const double begin = clock();
      work();
      return (clock() - begin) / rows;
    };
    const auto count = [](const std::vector<tg::RowSparse>& parts) {
      double rows = 0;
      for (const tg::RowSparse& part : parts) rows += static_cast<double>(part.ids.numel());
      return rows;
    };
    RowCosts cost;
    const double mine = rows(), all = distinct_rows();
    const tg::RowSparse& part = parts_.front();
    cost.scale = cost_of(mine, [&] { part.rows * 0.5; });
    cost.split = cost_of(mine, [&] { split(part); });
    cost.merge_all = cost_of(count(parts_), [&] { tg::coalesce(parts_); });
    cost.merge_owned = cost_of(count(owned_), [&] { tg::coalesce(owned_); });
    cost.sort = cost_of(all, [&] { sorted(sum_); });
    const std::vector<tg::RowSparse> owners = split(sum_);
    cost.join = cost_of(all, [&] { sorted(merged(owners)); });
    cost.read = cost_of(mine, [&] { index_select(table.value(), 0, part.ids); });
    optimizer.zero_grad();
    table.leaf().grad.add(sum_);
    cost.update = cost_of(all, [&] { optimizer.step(); });
    return cost;
  }

 private:
  tg::RowSparse part_of(const Ids& ids) const {
    return {tg::tensor(ids), tg::full({std::ssize(ids), width_}, 1e-3f), -1, true};
  }
  static tg::RowSparse select(const tg::RowSparse& from, const Ids& positions) {
    const tg::Tensor index = tg::tensor(positions);
    return {index_select(from.ids, 0, index), index_select(from.rows, 0, index), -1, true};
  }
  std::vector<tg::RowSparse> split(const tg::RowSparse& rows) const {
    std::vector<Ids> of_owner(static_cast<std::size_t>(ranks_));
    const auto ids = rows.ids.span<std::int64_t>();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      of_owner[static_cast<std::size_t>(ids[i] % ranks_)].push_back(static_cast<std::int64_t>(i));
    }
    std::vector<tg::RowSparse> parts;
    for (const Ids& positions : of_owner) parts.push_back(select(rows, positions));
    return parts;
  }
  static tg::RowSparse merged(const std::vector<tg::RowSparse>& parts) {
    std::vector<tg::Tensor> ids, rows;
    for (const tg::RowSparse& part : parts) {
      ids.push_back(part.ids);
      rows.push_back(part.rows);
    }
    return {cat(ids), cat(rows), -1, true};
  }
  static tg::RowSparse sorted(const tg::RowSparse& rows) {
    const auto ids = rows.ids.span<std::int64_t>();
    Ids order(ids.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](std::int64_t i) { return ids[static_cast<std::size_t>(i)]; });
    return select(rows, order);
  }

  int ranks_;
  std::int64_t width_;
  std::vector<tg::RowSparse> parts_;  // of each rank
  std::vector<tg::RowSparse> owned_;  // those of them that rank 0 owns
  tg::RowSparse sum_;
};

// A quantile of each cost; with a communicator, the mean of all ranks' quantiles.
RowCosts typical(const std::vector<RowCosts>& samples, double share, Communicator* comm = nullptr) {
  RowCosts result;
  for (double RowCosts::*const cost :
       {&RowCosts::scale, &RowCosts::split, &RowCosts::merge_all, &RowCosts::merge_owned,
        &RowCosts::sort, &RowCosts::join, &RowCosts::read, &RowCosts::update}) {
    std::vector<double> values;
    for (const RowCosts& sample : samples) values.push_back(sample.*cost);
    result.*cost = comm != nullptr ? typical(*comm, values, share) : quantile(values, share);
  }
  return result;
}

// Messages of several sizes. A time is that of one round of a collective function, in which every
// rank sends a message and receives one.
class MessageTimes {
 public:
  void measure(Communicator& comm) {
    for (const std::int64_t size : kSizes) {
      const tg::Tensor x = tg::zeros({size / 8}, tg::int64);
      const Ids rows(static_cast<std::size_t>(comm.size()), size / 8);
      const int repetitions = size < 100'000 ? 50 : 5;
      comm.allgatherv(x, rows);
      comm.barrier();
      const double seconds = time_of([&] {
        for (int i = 0; i < repetitions; ++i) comm.allgatherv(x, rows);
      });
      seconds_[size].push_back(seconds / repetitions / (comm.size() - 1));
    }
  }
  double seconds(Communicator& comm, std::int64_t size, double share = 0.5) const {
    return typical(comm, seconds_.at(size), share);
  }
  Network fitted(Communicator& comm, double share) const {
    Network network;
    double shortest = 0;
    for (const double longest : {65'536.0, 1'048'576.0, 16'777'216.0}) {
      network.lines.push_back(fit(comm, shortest, longest, share));
      shortest = longest;
    }
    return network;
  }
  static constexpr std::int64_t kSizes[] = {8,         512,       4096,      16'384,
                                            65'536,    131'072,   262'144,   524'288,
                                            1'048'576, 2'097'152, 4'194'304, 8'388'608};

 private:
  // Least squares of the relative errors of latency + bytes / bandwidth, for sizes in a range. A
  // latency may come out negative where the times do not lie on one line.
  Network::Line fit(Communicator& comm, double from, double to, double share) const {
    double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
    for (const std::int64_t size : kSizes) {
      const auto x = static_cast<double>(size);
      if (x <= from || x > to) continue;
      const double y = seconds(comm, size, share), weight = 1 / (y * y);
      w += weight, wx += weight * x, wxx += weight * x * x, wy += weight * y, wxy += weight * x * y;
    }
    const double slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    return {to, (wy - slope * wx) / w, 1 / slope};
  }

  std::map<std::int64_t, std::vector<double>> seconds_;
};

// --- (a) and (b): measure and predict ------------------------------------------------------------

// What the formulas need to know of a model.
struct Model {
  std::string name;
  double parameters = 0;  // that the plan lists
  double dense_bytes = 0;
  double width = 0;  // of the table, or 0
  Way way = Way::allgather;
  double vocabulary = 0;
  std::vector<std::vector<double>> computing{};  // seconds, of each rank
  std::size_t in_round = 1;                      // of them
  double compute = 0;                            // seconds of forward and backward
  double dense_work = 0, dense_update = 0;  // seconds: of the exchange, of the optimizer's step
};

// The spread of work that takes `seconds`, relative to the median of the same round on all ranks,
// because load that comes and goes slows all of them. Delays such as a time slice of another
// process do not grow with the work, so a sample must be about as long: as many computations one
// after the other as that takes, but no more than leave two samples of a rank in a round.
Spread spread_of(const Model& model, double seconds) {
  const double each = median(joined(model.computing));
  const auto wanted = static_cast<std::size_t>(std::max(std::round(seconds / each), 1.0));
  const std::size_t group = std::min(wanted, std::max<std::size_t>(model.in_round / 2, 1));
  std::vector<double> relative;
  for (std::size_t round = 0; round < model.computing.front().size(); round += model.in_round) {
    std::vector<double> sums;
    for (const std::vector<double>& times : model.computing) {
      for (std::size_t i = 0; i + group <= model.in_round; i += group) {
        const auto first = times.begin() + static_cast<std::ptrdiff_t>(round + i);
        sums.push_back(std::accumulate(first, first + static_cast<std::ptrdiff_t>(group), 0.0));
      }
    }
    for (const double sum : sums) relative.push_back(sum / median(sums));
  }
  return Spread(relative);
}

struct Cost {
  double compute, local, waiting, update;  // seconds; waiting is for the slowest rank
  Messages sent;
  double step() const { return compute + local + waiting + update + sent.seconds; }
  double work() const { return compute + local + update; }
  double exchange() const { return local + sent.seconds; }
};

Cost predict(const Model& model, double n, const Network& network, const RowCosts& rows_cost,
             const Words& words) {
  Cost cost{model.compute, 0, 0, model.dense_update, {}};
  if (n > 1) {
    send_plan(cost.sent, network, n, model.parameters);
    send_dense(cost.sent, network, n, model.dense_bytes);
    cost.local = model.dense_work;
  }
  if (model.width > 0) {
    const Rows rows{model.width, words.distinct(kDraws), words.distinct(n * kDraws)};
    cost.update += updated_rows(model.way, n, rows) * rows_cost.update;
    if (n > 1) {
      send_rows(cost.sent, network, n, model.way, rows);
      cost.local += local_work(model.way, n, rows, rows_cost);
    }
  }
  const double work = cost.compute + cost.local + cost.update;
  cost.waiting = (spread_of(model, work).slowest(n) - 1) * work;
  return cost;
}

// A model that is measured: `compute` is forward and backward, `step` a whole step of all ranks.
struct Case {
  Model model;
  std::function<void()> compute, step;
  Times computing{};
  std::vector<double> stepping{};
  double bytes = 0;  // that this rank has sent in a step
};

void measure_compute(Communicator& comm, Case& each, int count) {
  comm.barrier();
  for (int i = 0; i < count; ++i) each.computing.add(each.compute);
}
void measure_steps(Communicator& comm, Case& each, int count) {
  comm.barrier();
  const tg::distributed::Traffic before = comm.traffic();
  for (int i = 0; i < count; ++i) each.stepping.push_back(time_of(each.step));
  each.bytes = static_cast<double>(comm.traffic().bytes - before.bytes) / count;
}

// The work of the exchange and of the optimizer for dense gradients, measured with one rank.
struct DenseWork {
  Times exchange, update;

  template <class Compute>
  void measure(tg::optim::Optimizer& plain, const Compute& compute) {
    tg::distributed::run_on_threads(1, [&](Communicator& alone) {
      tg::distributed::DistributedOptimizer optimizer(plain, alone);
      Times unused;  // the first exchange fills the pool of this thread
      for (const bool counts : {false, true}) {
        optimizer.zero_grad();
        compute();
        (counts ? exchange : unused).add([&] { optimizer.average_gradients(kBatch); });
        (counts ? update : unused).add([&] { optimizer.step(); });
      }
    });
  }
};

const char* name_of(Way way) {
  return way == Way::allgather ? "allgather" : way == Way::owners ? "owners" : "sharded";
}

std::string label(const Model& model) {
  return model.name + (model.width > 0 ? std::string(" ") + name_of(model.way) : "");
}

class Measurement {
 public:
  Measurement(Communicator& comm, const Settings& settings) : comm_(comm), settings_(settings) {}

  void run();
  void curve();

 private:
  void print_parameters();
  void print_predictions();
  // For the ranks that have measured; share: quantile of the times.
  Cost cost_of(const Case& each, double share);
  bool prints() const { return comm_.rank() == 0; }

  Communicator& comm_;
  Settings settings_;
  Words words_{static_cast<double>(stored_rows)}, many_words_{1e8};
  std::vector<Case> cases_;
  MessageTimes messages_;
  std::map<std::int64_t, std::vector<RowCosts>> row_samples_;  // by width
  DenseWork dense_;
  std::map<double, Network> networks_;                       // by quantile
  std::map<double, std::map<std::int64_t, RowCosts>> rows_;  // by quantile, by width
};

void Measurement::run() {
  tg::Generator own(1);
  tg::Generator data(2 + static_cast<std::uint64_t>(comm_.rank()));
  std::mt19937_64 bits(3 + static_cast<std::uint64_t>(comm_.rank()));
  const tg::Tensor labels = tg::randint(0, kClasses, {kBatch}, data);

  const Mlp mlp(own);
  const tg::Tensor x = tg::randn({kBatch, 784}, tg::float32, data);
  tg::optim::Adagrad mlp_adagrad(mlp.parameters(), {});
  tg::distributed::DistributedOptimizer mlp_optimizer(mlp_adagrad, comm_);
  const auto mlp_compute = [&] {
    mlp_adagrad.zero_grad();
    tg::nn::cross_entropy(mlp(x), labels).backward();
  };
  cases_.push_back({{.name = "MLP",
                     .parameters = static_cast<double>(mlp.parameters().size()),
                     .dense_bytes = 4 * elements_of(mlp.parameters())},
                    mlp_compute,
                    [&] {
                      mlp_optimizer.zero_grad();
                      mlp_compute();
                      mlp_optimizer.step(kBatch);
                    }});

  const Bag bag(64, own);
  std::vector<tg::Tensor> batches;
  for (int i = 0; i < 16; ++i) {
    batches.push_back(tg::tensor(draw_words(words_, bits)).reshape({kBatch, kLength}));
  }
  std::size_t turn = 0;
  const auto next = [&]() -> const tg::Tensor& { return batches[turn++ % batches.size()]; };
  tg::optim::Adagrad bag_adagrad(bag.parameters(), {});
  tg::distributed::DistributedOptimizer by_allgather(
      bag_adagrad, comm_, {.rows = tg::distributed::RowExchange::allgather});
  tg::distributed::DistributedOptimizer by_owners(bag_adagrad, comm_,
                                                  {.rows = tg::distributed::RowExchange::owners});
  const auto bag_compute = [&] {
    bag_adagrad.zero_grad();
    tg::nn::cross_entropy(bag(next()), labels).backward();
    bag.table.weight.leaf().grad.rows();
  };
  const std::string many = settings_.brief ? "10^5" : "10^6";
  Model table{.name = many + " x 64",
              .parameters = 3,
              .dense_bytes = 4 * (64 * kClasses + kClasses),
              .width = 64,
              .vocabulary = 1e6};
  for (auto* const optimizer : {&by_allgather, &by_owners}) {
    table.way = optimizer == &by_allgather ? Way::allgather : Way::owners;
    cases_.push_back({table, bag_compute, [&bag_compute, optimizer] {
                        optimizer->zero_grad();
                        bag_compute();
                        optimizer->step(kBatch);
                      }});
  }
  const ShardedBag narrow(comm_, 64, own), wide(comm_, 128, own);
  tg::optim::Adagrad narrow_adagrad(narrow.parameters(), {});
  tg::optim::Adagrad wide_adagrad(wide.parameters(), {});
  tg::distributed::DistributedOptimizer narrow_optimizer(narrow_adagrad, comm_);
  tg::distributed::DistributedOptimizer wide_optimizer(wide_adagrad, comm_);
  const auto add_sharded = [&](const std::string& name, const ShardedBag& sharded,
                               tg::distributed::DistributedOptimizer& optimizer) {
    Model model = table;
    model.name = name;
    model.way = Way::sharded;
    model.width = static_cast<double>(sharded.table.embedding_dim());
    model.dense_bytes = 4 * (model.width * kClasses + kClasses);
    cases_.push_back({model,
                      [&] {
                        optimizer.zero_grad();
                        sharded.compute(next(), labels);
                      },
                      [&] {
                        optimizer.zero_grad();
                        tg::nn::cross_entropy(sharded(next()), labels).backward();
                        optimizer.step(kBatch);
                      }});
  };
  add_sharded(many + " x 64", narrow, narrow_optimizer);
  add_sharded(many + " x 128", wide, wide_optimizer);

  tg::Variable stored = tg::parameter(tg::full({stored_rows, 64}, 0.01f));
  tg::Variable stored_wide = tg::parameter(tg::full({stored_rows, 128}, 0.01f));
  tg::optim::Adagrad adagrad({{"table", stored}}, {}), adagrad_wide({{"table", stored_wide}}, {});
  RowWork work(comm_.size(), 64, words_), work_wide(comm_.size(), 128, words_);
  const int rounds = settings_.brief ? 3 : 30, count = settings_.brief ? 2 : 5;
  for (int round = 0; round < rounds; ++round) {
    messages_.measure(comm_);
    comm_.barrier();
    dense_.measure(mlp_adagrad, mlp_compute);
    comm_.barrier();
    row_samples_[64].push_back(work.measure(stored, adagrad, wall_seconds));
    row_samples_[128].push_back(work_wide.measure(stored_wide, adagrad_wide, wall_seconds));
    for (Case& each : cases_) {
      measure_compute(comm_, each, each.model.width > 0 ? 10 * count : count);
    }
    for (Case& each : cases_) {
      measure_steps(comm_, each, each.model.width > 0 ? 2 * count : count);
    }
  }
  for (const double share : {kQuiet, 0.5}) {
    networks_[share] = messages_.fitted(comm_, share);
    for (const auto& [width, samples] : row_samples_) {
      rows_[share][width] = typical(samples, share, &comm_);
    }
  }
  for (Case& each : cases_) {
    each.model.computing = of_all(comm_, each.computing.wall);
    each.model.in_round = each.computing.wall.size() / static_cast<std::size_t>(rounds);
  }
  if (prints()) {
    std::printf("rows of a batch: %.0f drawn, %.0f computed; of %d ranks' batches: %.0f, %.0f\n",
                work.rows(), words_.distinct(kDraws), comm_.size(), work.distinct_rows(),
                words_.distinct(comm_.size() * kDraws));
  }
  print_parameters();
  print_predictions();
}

Cost Measurement::cost_of(const Case& each, double share) {
  Model model = each.model;
  model.compute = typical(comm_, each.computing.wall, share);
  if (model.width == 0) {
    model.dense_work = typical(comm_, dense_.exchange.wall, share);
    model.dense_update = typical(comm_, dense_.update.wall, share);
  }
  return predict(model, comm_.size(), networks_[share],
                 rows_[share][static_cast<std::int64_t>(model.width)], words_);
}

void Measurement::print_parameters() {
  if (prints()) std::printf("\n(a) parameters\n%-12s %12s %12s\n", "message", "measured", "fitted");
  for (const std::int64_t size : MessageTimes::kSizes) {
    const double seconds = messages_.seconds(comm_, size);
    if (!prints()) continue;
    std::printf("%9lld B  %9.1f us %9.1f us\n", static_cast<long long>(size), 1e6 * seconds,
                1e6 * networks_[0.5].message(static_cast<double>(size)));
  }
  if (prints()) {
    for (const Network::Line& line : networks_[0.5].lines) {
      std::printf("up to %8.0f B: latency %.1f us, bandwidth %.2f GB/s\n", line.longest,
                  1e6 * line.latency, 1e-9 * line.bandwidth);
    }
    std::printf("\n%-22s %10s %9s %11s %6s %6s %6s %13s %7s\n", "compute", "a batch", "an example",
                "processor", "90 %", "99 %", "most", "slowest of 2", "of 256");
  }
  for (const Case& each : cases_) {
    const double work = cost_of(each, 0.5).work();
    const double batch = typical(comm_, each.computing.wall);
    const double used = typical(comm_, each.computing.processor);
    if (!prints()) continue;
    const Spread spread = spread_of(each.model, work);
    std::printf("%-22s %7.2f ms %7.2f us %8.2f ms %6.2f %6.2f %6.2f %13.2f %7.2f\n",
                label(each.model).c_str(), 1e3 * batch, 1e6 * batch / static_cast<double>(kBatch),
                1e3 * used, spread.quantile(0.9), spread.quantile(0.99), spread.quantile(1),
                spread.slowest(2), spread.slowest(256));
  }
  const double exchange = typical(comm_, dense_.exchange.wall);
  const double update = typical(comm_, dense_.update.wall);
  if (!prints()) return;
  std::printf("MLP: exchange without messages %.2f ms, update %.2f ms\n", 1e3 * exchange,
              1e3 * update);
  std::printf("\n%-12s %7s %7s %10s %12s %7s %7s %7s %7s\n", "ns a row", "scale", "split",
              "merge, all", "merge, owned", "sort", "join", "read", "update");
  for (const auto& [width, cost] : rows_[0.5]) {
    if (width == 0) continue;
    std::printf("of %-9lld %7.0f %7.0f %10.0f %12.0f %7.0f %7.0f %7.0f %7.0f\n",
                static_cast<long long>(width), 1e9 * cost.scale, 1e9 * cost.split,
                1e9 * cost.merge_all, 1e9 * cost.merge_owned, 1e9 * cost.sort, 1e9 * cost.join,
                1e9 * cost.read, 1e9 * cost.update);
  }
}

// Twice: for the median, and for the tenth of all times in which the machine was quietest. There,
// nothing waits for the slowest.
void Measurement::print_predictions() {
  if (prints()) {
    std::printf("\n(b) a step of %d ranks, ms\n%-22s %29s %29s %18s\n%-22s", comm_.size(), "",
                "median", "quietest tenth", "bytes", "");
    for (int i = 0; i < 2; ++i) std::printf(" %10s %10s %7s", "predicted", "measured", "error");
    std::printf(" %9s %8s\n", "formula", "counted");
  }
  for (const Case& each : cases_) {
    if (prints()) std::printf("%-22s", label(each.model).c_str());
    double bytes = 0;
    for (const double share : {0.5, kQuiet}) {
      const double measured = typical(comm_, each.stepping, share);
      const Cost cost = cost_of(each, share);
      const double predicted = cost.step() - (share == kQuiet ? cost.waiting : 0);
      bytes = cost.sent.bytes;
      if (!prints()) continue;
      std::printf(" %10.2f %10.2f %5.0f %%", 1e3 * predicted, 1e3 * measured,
                  100 * (predicted / measured - 1));
    }
    if (prints()) std::printf(" %9.0f %8.0f\n", bytes, each.bytes);
  }
}

// --- (c) the curve -------------------------------------------------------------------------------

// Prints the curve of one model for some numbers of nodes. costs[i] are those of nodes[i] nodes.
struct Line {
  Model model;
  const Words* words;
  double alone;  // seconds of a step of one node
  std::string color;
};
std::vector<Cost> print_curve(const Line& line, const Network& network,
                              const std::vector<double>& nodes,
                              const std::map<double, RowCosts>& costs) {
  std::printf("\n%-24s %9s %9s %9s %9s %9s %11s %11s\n", label(line.model).c_str(), "work",
              "messages", "waiting", "step", "exchange", "throughput", "no jitter");
  std::vector<Cost> result;
  for (const double n : nodes) {
    const Cost cost = predict(line.model, n, network, costs.at(n), *line.words);
    result.push_back(cost);
    std::printf("%5.0f nodes %12s %6.1f ms %6.1f ms %6.1f ms %6.1f ms %7.0f %% %11.2f %11.2f\n", n,
                "", 1e3 * cost.work(), 1e3 * cost.sent.seconds, 1e3 * cost.waiting,
                1e3 * cost.step(), 100 * cost.exchange() / cost.step(),
                n * line.alone / cost.step(), n * line.alone / (cost.step() - cost.waiting));
  }
  return result;
}

// The fewest nodes with which `owners` sends fewer bytes than `allgather`, and takes less time.
void print_crossover(const Network& network, double width, const Words& words) {
  std::optional<double> by_bytes, by_seconds;
  for (double n = 2; n <= 256 && !(by_bytes && by_seconds); ++n) {
    const Rows rows{width, words.distinct(kDraws), words.distinct(n * kDraws)};
    Messages allgather, owners;
    send_rows(allgather, network, n, Way::allgather, rows);
    send_rows(owners, network, n, Way::owners, rows);
    if (!by_bytes && owners.bytes < allgather.bytes) by_bytes = n;
    if (!by_seconds && owners.seconds < allgather.seconds) by_seconds = n;
  }
  std::printf(
      "\nrows of %.0f: owners sends fewer bytes than allgather from %.0f nodes on, and its "
      "messages take less time from %.0f on\n",
      width, by_bytes.value_or(INFINITY), by_seconds.value_or(INFINITY));
}

void Measurement::curve() {
  const Network network = settings_.network();
  const std::vector<double> nodes = settings_.brief
                                        ? std::vector<double>{1, 4, 16}
                                        : std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256};
  std::printf(
      "\n(c) the curve: simulated, every node has a batch of %lld (weak scaling); the "
      "network is an assumption: %.3g Gbit/s, %.3g us\n",
      static_cast<long long>(kBatch), 8e-9 * settings_.bandwidth, 1e6 * settings_.latency);
  std::map<std::int64_t, std::map<double, RowCosts>> costs;  // by width and nodes
  for (const std::int64_t width : {64, 128}) {
    tg::Variable table = tg::parameter(tg::full({stored_rows, width}, 0.01f));
    tg::optim::Adagrad adagrad({{"table", table}}, {});
    for (const double n : nodes) {
      RowWork work(static_cast<int>(n), width, words_);
      std::vector<RowCosts> samples;
      work.measure(table, adagrad, processor_seconds);  // allocates the optimizer's state
      for (int i = 0; i < (settings_.brief ? 1 : n < 32 ? 11 : 3); ++i) {
        samples.push_back(work.measure(table, adagrad, processor_seconds));
      }
      costs[width][n] = typical(samples, 0.5);
    }
  }
  std::printf("\n%-22s", "ns a row, by nodes");
  for (const double n : nodes) std::printf(" %6.0f", n);
  for (const auto& [width, by_nodes] : costs) {
    std::printf("\nmerge, rows of %-7lld", static_cast<long long>(width));
    for (const auto& [n, cost] : by_nodes) std::printf(" %6.0f", 1e9 * cost.merge_all);
    std::printf("\nupdate, rows of %-6lld", static_cast<long long>(width));
    for (const auto& [n, cost] : by_nodes) std::printf(" %6.0f", 1e9 * cost.update);
  }
  std::printf("\n");

  std::vector<Line> lines;
  const std::vector<std::string> colors{"#444", "#c33", "#26a", "#282", "#a3a"};
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    Line line{cases_[i].model, &words_, 0, colors[i]};
    line.model.compute = median(cases_[i].computing.processor);
    if (line.model.width == 0) {
      line.model.dense_work = median(dense_.exchange.processor);
      line.model.dense_update = median(dense_.update.processor);
    }
    if (line.model.width == 128) {
      line.model.name = "10^8 x 128";
      line.model.vocabulary = 1e8;
      line.words = &many_words_;
    }
    const std::map<double, RowCosts>& own = costs[line.model.width == 128 ? 128 : 64];
    line.alone = predict(line.model, 1, network, own.at(1), *line.words).step();
    // Without a second node, the rows of the table need no exchange, however they are stored.
    if (line.model.width == 64) line.alone = i == 1 ? line.alone : lines[1].alone;
    lines.push_back(line);
  }
  std::vector<scaling::Curve> curves;
  std::map<Way, std::vector<Cost>> ways;  // of 10^6 x 64
  for (const Line& line : lines) {
    const std::map<double, RowCosts>& own = costs[line.model.width == 128 ? 128 : 64];
    const std::vector<Cost> cost = print_curve(line, network, nodes, own);
    for (const bool jitter : {false, true}) {
      scaling::Curve curve{label(line.model), line.color, jitter, {}};
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const double seconds = cost[i].step() - (jitter ? 0 : cost[i].waiting);
        curve.points.emplace_back(nodes[i], nodes[i] * line.alone / seconds);
      }
      curves.push_back(curve);
    }
    if (line.model.width == 64) ways[line.model.way] = cost;
  }
  print_crossover(network, 64, words_);
  print_crossover(network, 128, many_words_);
  for (const Way way : {Way::owners, Way::sharded}) {
    std::size_t i = 1;
    const auto seconds = [&](Way its_way) {
      return ways[its_way][i].step() - ways[its_way][i].waiting;
    };
    while (i < nodes.size() && seconds(way) >= seconds(Way::allgather)) ++i;
    std::printf(
        "64 columns: a step without jitter is faster by %s than by allgather from %s nodes on\n",
        name_of(way),
        i < nodes.size() ? std::to_string(static_cast<int>(nodes[i])).c_str() : "more than 256");
  }
  if (!settings_.svg.empty()) {
    char subtitle[160];
    std::snprintf(subtitle, sizeof subtitle,
                  "simulated: a network of %.3g Gbit/s and %.3g us, a batch of %lld on every node",
                  8e-9 * settings_.bandwidth, 1e6 * settings_.latency,
                  static_cast<long long>(kBatch));
    scaling::Chart(settings_.svg).draw("Weak scaling to 256 nodes (simulated)", subtitle, curves);
  }
}

// --- the exchanges in a simulation ---------------------------------------------------------------

template <class Exchange>
void simulate(Communicator& comm, const char* name, const Messages& formula,
              const Exchange& exchange) {
  const tg::distributed::Traffic before = comm.traffic();
  comm.barrier();
  const double begin = MPI_Wtime();
  exchange();
  const double seconds = MPI_Wtime() - begin;
  const auto bytes = static_cast<double>(comm.traffic().bytes - before.bytes);
  const std::vector<double> all = joined(of_all(comm, {seconds}));
  const double slowest = *std::ranges::max_element(all);
  if (comm.rank() != 0) return;
  std::printf("%-24s %5d ranks %10.3f ms %10.3f ms %6.0f %% %12.0f %12.0f\n", name, comm.size(),
              1e3 * slowest, 1e3 * formula.seconds, 100 * (formula.seconds / slowest - 1),
              formula.bytes, bytes);
  std::fflush(stdout);
}

// Only ids and rows are allocated, and a table of 10^6 rows. Rows of more than this, all ranks
// together, are left out: the ranks of a simulation share one memory.
constexpr double kMostBytes = 6e9;

void simulate_all(Communicator& comm, const Settings& settings) {
  const Network network = settings.network();
  const double n = comm.size(), draws = static_cast<double>(settings.batch * kLength);
  if (comm.rank() == 0) {
    std::printf("a batch of %lld, %.3g Gbit/s, %.3g us\n%-24s %11s %13s %13s %8s %12s %12s\n",
                static_cast<long long>(settings.batch), 8e-9 * settings.bandwidth,
                1e6 * settings.latency, "", "", "simulated", "formula", "error", "bytes",
                "counted");
  }
  tg::Generator own(1);
  Messages dense;
  tg::Tensor gradients = tg::zeros({static_cast<std::int64_t>(elements_of(Mlp(own).parameters()))});
  send_dense(dense, network, n, 4 * static_cast<double>(gradients.numel()));
  simulate(comm, "MLP", dense, [&] { comm.allreduce(gradients); });
  gradients = {};
  for (const bool wide : {false, true}) {
    const Words words(wide ? 1e8 : 1e6);
    const std::int64_t width = wide ? 128 : 64;
    std::mt19937_64 bits(3 + static_cast<std::uint64_t>(comm.rank()));
    const Ids ids = distinct_of(draw_words(words, bits, settings.batch));
    const Rows expected{static_cast<double>(width), words.distinct(draws),
                        words.distinct(n * draws)};
    const Ids counts = tg::to_vector<std::int64_t>(comm.allgather(tg::tensor(std::ssize(ids))));
    for (const Way way : {Way::allgather, Way::owners, Way::sharded}) {
      const std::string name = std::string(wide ? "10^8 x 128 " : "10^6 x 64 ") + name_of(way);
      Messages formula;
      send_rows(formula, network, n, way, expected);
      const double rows = n * (way == Way::allgather ? n * expected.mine
                               : way == Way::owners  ? 2 * expected.all
                                                     : 3 * expected.mine);
      if (const double needed = rows * 4 * static_cast<double>(width); needed > kMostBytes) {
        if (comm.rank() == 0) {
          std::printf("%-24s %5d ranks: left out, needs %.0f GB\n", name.c_str(), comm.size(),
                      1e-9 * needed);
        }
        continue;
      }
      if (way == Way::sharded) {
        // The table that is allocated has 10^6 rows. Rarer words take the places of others there.
        const std::int64_t frequent = stored_rows / 10;
        Ids stored = ids;
        for (std::int64_t& id : stored) {
          if (id >= stored_rows) id = frequent + id % (stored_rows - frequent);
        }
        const tg::Tensor wanted = tg::tensor(distinct_of(stored));
        const std::int64_t own_rows = (stored_rows - comm.rank() + comm.size() - 1) / comm.size();
        const tg::distributed::detail::ShardedTable table{
            &comm, stored_rows, tg::Parameter(tg::parameter(tg::zeros({own_rows, width})))};
        simulate(comm, name.c_str(), formula, [&] {
          table.sum_at_owner({wanted, table.fetch(wanted), -1, true});
        });
      } else {
        const tg::RowSparse mine{tg::tensor(ids), tg::zeros({std::ssize(ids), width}), -1, true};
        simulate(comm, name.c_str(), formula, [&] {
          tg::distributed::sum_rows(comm, mine, counts,
                                    way == Way::owners ? tg::distributed::RowExchange::owners
                                                       : tg::distributed::RowExchange::allgather);
        });
      }
    }
  }
}

// --- main ----------------------------------------------------------------------------------------

void run(Communicator& comm, const Settings& settings) {
  if (settings.simulate) return simulate_all(comm, settings);
  if (comm.rank() == 0) {
    std::printf("%d ranks, each with a batch of %lld\n", comm.size(),
                static_cast<long long>(kBatch));
  }
  Measurement measurement(comm, settings);
  measurement.run();
  const bool enough = static_cast<unsigned>(comm.size()) <= std::thread::hardware_concurrency();
  if (comm.rank() != 0) return;
  if (enough) {
    measurement.curve();
  } else {
    std::printf("\nThere are more ranks than processors: these parameters give no curve.\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  setenv("TAPEGRAD_NUM_THREADS", "1", 1);
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--short") {
      settings.brief = true;
      stored_rows = 100'000;
    } else if (option == "--simulate") {
      settings.simulate = true;
    } else if (option == "--latency" && has_value) {
      settings.latency = 1e-6 * std::atof(argv[++i]);
    } else if (option == "--bandwidth" && has_value) {
      settings.bandwidth = 1e9 / 8 * std::atof(argv[++i]);
    } else if (option == "--batch" && has_value) {
      settings.batch = std::max(std::atoll(argv[++i]), 1LL);
    } else if (option == "--svg" && has_value) {
      settings.svg = argv[++i];
    } else {
      std::fprintf(stderr,
                   "usage: %s [--short] [--latency US] [--bandwidth GBIT] [--svg FILE] "
                   "[--simulate [--batch EXAMPLES]]\n",
                   argv[0]);
      return 2;
    }
  }
  return tg::distributed::run_distributed(argc, argv, [&](Communicator& comm) {
    const auto ranks = [&](Communicator& its_comm) { run(its_comm, settings); };
    comm.size() > 1 ? ranks(comm) : tg::distributed::run_on_threads(2, ranks);
  });
}
