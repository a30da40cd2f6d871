// What a training step costs on n nodes, as formulas. Units: seconds, bytes, and bytes per second;
// counts are doubles, because expected values are no integers. Nothing here is measured: scaling.cc
// measures the parameters. docs/distributed.md, "What a step sends", derives bytes and messages.
//
// A step of n nodes, each with a batch of its own (weak scaling):
//
//   step(n) = slowest(n) * (compute + local work of the exchange + update) + messages
//
// slowest(n) is the median of the maximum of n draws from the measured spread of a computation,
// since every exchange waits for the slowest node. So step(n) is the median of the times of steps.
// The messages of one node leave one after the other:
//
//   messages = sum over all messages of (latency + bytes / bandwidth)
//
// Every node sends one message and receives one at the same time. The network is a switch with full
// bandwidth in both directions between each pair of nodes. Read next: scaling.cc.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace scaling {

// Words by Zipf's law: of V words, word i (from 0) has the probability 1 / ((i + 1) * H(V)), where
// H(k) = 1 + 1/2 + ... + 1/k. Documents of documents.h draw theirs so.
class Words {
 public:
  explicit Words(double vocabulary) : vocabulary_(vocabulary) {
    double sum = 0;
    for (double i = 0; i < std::min(kExact, vocabulary); ++i) {
      sums_.push_back(sum += 1 / (i + 1));
      blocks_.push_back({1, 1 / (i + 1)});
    }
    // Beyond kExact, blocks of words whose frequencies differ by 0.1 %.
    for (double i = kExact; i < vocabulary;) {
      const double count = std::min(std::floor(i / 1000), vocabulary - i);
      blocks_.push_back({count, 1 / (i + 0.5 * count + 0.5)});
      i += count;
    }
    total_ = vocabulary <= kExact ? sum : std::log(vocabulary + 0.5) + kEuler;
    for (Block& block : blocks_) block.probability /= total_;
  }

  // The expected number of distinct words in this many draws: the sum over all words of
  // 1 - (1 - probability)^draws.
  double distinct(double draws) const {
    double sum = 0;
    for (const Block& block : blocks_) {
      sum -= block.count * std::expm1(draws * std::log1p(-block.probability));
    }
    return sum;
  }

  // The word for a number drawn uniformly from [0, 1). H(k) is near log(k + 0.5) + kEuler.
  std::int64_t draw(double uniform) const {
    const double sum = uniform * total_;
    if (sum < sums_.back())
      return std::upper_bound(sums_.begin(), sums_.end(), sum) - sums_.begin();
    const double word = std::floor(std::exp(sum - kEuler) - 0.5);
    return static_cast<std::int64_t>(std::min(word, vocabulary_ - 1));
  }

 private:
  static constexpr double kExact = 10'000, kEuler = 0.57721566490153286;
  struct Block {
    double count, probability;
  };
  double vocabulary_, total_ = 0;
  std::vector<double> sums_;  // H(1), H(2), ... H(kExact)
  std::vector<Block> blocks_;
};

// The spread of a computation: its times, divided by what the same computation takes typically.
class Spread {
 public:
  Spread() : relative_{1} {}
  explicit Spread(std::vector<double> relative) : relative_(std::move(relative)) {
    std::sort(relative_.begin(), relative_.end());
  }
  double quantile(double share) const {  // between two measured times, on a line
    const double at = share * static_cast<double>(relative_.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, relative_.size() - 1);
    return relative_[below] + (at - std::floor(at)) * (relative_[above] - relative_[below]);
  }
  // The median of the maximum of n draws: n draws are all below quantile q with the probability
  // q^n. It never exceeds the longest time measured.
  double slowest(double n) const { return n > 1 ? quantile(std::pow(0.5, 1 / n)) : 1; }

 private:
  std::vector<double> relative_;
};

// The time of a message. Messages of different sizes travel differently: MPI copies a short one at
// once, and asks the receiver first for a long one; the memory for a very long one is new each
// time. So each range of sizes has its own line.
struct Network {
  struct Line {
    double longest;  // bytes
    double latency, bandwidth;
  };
  std::vector<Line> lines;  // by ascending `longest`; the last one also holds for longer messages

  double message(double bytes) const {
    const auto fits = [&](const Line& line) { return bytes <= line.longest; };
    auto line = std::find_if(lines.begin(), lines.end(), fits);
    if (line == lines.end()) --line;
    return line->latency + bytes / line->bandwidth;
  }
};

// What one rank sends in a step.
struct Messages {
  double count = 0, bytes = 0, seconds = 0;

  Messages& send(const Network& network, double messages, double bytes_each) {
    count += messages;
    bytes += messages * bytes_each;
    seconds += messages * network.message(bytes_each);
    return *this;
  }
};

// The plan: every rank tells every other one its count and what gradients it has.
inline void send_plan(Messages& sent, const Network& network, double n, double parameters) {
  sent.send(network, n - 1, 8 * (4 + parameters));
}

// Dense gradients of `bytes` in all, of one bucket: each rank sums one part, then sends its sums.
inline void send_dense(Messages& sent, const Network& network, double n, double bytes) {
  sent.send(network, 2 * (n - 1), bytes / n);
}

// How the rows of a table's gradient are exchanged. `sharded` keeps row i at its owner, rank i % n,
// alone; with the others, all rows are on all ranks.
enum class Way { allgather, owners, sharded };

// A batch's rows of a table: its width, the distinct rows r of a rank, u of all ranks.
struct Rows {
  double width, mine, all;
};

inline void send_rows(Messages& sent, const Network& network, double n, Way way, const Rows& rows) {
  const double ids = 8, row = 4 * rows.width;  // bytes; rows are float32
  const auto to_owners = [&](double count,
                             double bytes) {  // alltoallv: the number of rows, then them
    sent.send(network, n - 1, 8).send(network, n - 1, count / n * bytes);
  };
  switch (way) {
    case Way::allgather:
      sent.send(network, n - 1, rows.mine * ids).send(network, n - 1, rows.mine * row);
      break;
    case Way::owners:
      to_owners(rows.mine, ids);
      to_owners(rows.mine, row);
      to_owners(rows.all, ids);  // the sums of this owner, to each of the others
      sent.send(network, n - 1, rows.all / n * row);
      break;
    case Way::sharded:
      to_owners(rows.mine, ids);
      to_owners(rows.mine, row);  // back from the owners
      to_owners(rows.mine, ids);  // to the owners: the gradients
      to_owners(rows.mine, row);
      break;
  }
}

// The work on rows, in seconds for each row.
struct RowCosts {
  double scale = 0;        // multiplies the gradient by the weight of this rank
  double split = 0;        // copies the rows of each owner together
  double merge_all = 0;    // adds the rows of all ranks
  double merge_owned = 0;  // adds those of one owner
  double sort = 0;         // sorts by id
  double join = 0;         // copies the sums of all owners together, and sorts them
  double read = 0;         // reads rows of the table
  double update = 0;       // the optimizer's step
};

// Seconds of the exchange that are not messages.
inline double local_work(Way way, double n, const Rows& rows, const RowCosts& cost) {
  switch (way) {
    case Way::allgather:
      return (cost.scale + n * cost.merge_all) * rows.mine + cost.sort * rows.all;
    case Way::owners:
      return (cost.scale + cost.split + cost.merge_owned) * rows.mine +
             (cost.sort / n + cost.join) * rows.all;
    case Way::sharded:  // n ranks ask each owner for r / n rows; putting them in order is a split
      return (cost.scale + 2 * cost.split + cost.read + cost.merge_owned) * rows.mine +
             cost.sort / n * rows.all;
  }
  return 0;
}

// Rows that the optimizer of one rank updates: with replicas all, with owners only its own.
inline double updated_rows(Way way, double n, const Rows& rows) {
  return way == Way::sharded ? rows.all / n : rows.all;
}

}  // namespace scaling
