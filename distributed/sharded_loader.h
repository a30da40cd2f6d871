// ShardedLoader: the batches of an nn::DataLoader, of which each rank gets its part. Read next:
// distributed/sharded_loader.cc.
//
//   ShardedLoader loader(data, comm, {.batch_size = 32, .shuffle = true}, orders);
//   for (const auto& [batch, count] : loader) {
//     const auto& [x, y] = batch;
//     ...
//     optimizer.step(count);
//   }
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <tapegrad/distributed/communicator.h>
#include <tapegrad/nn/data/loader.h>
#include <tapegrad/tensor/random/dropout_mask.h>

namespace tapegrad::distributed {

// The part of a batch that belongs to one rank.
template <class Batch>
struct ShardedBatch {
  Batch batch;
  std::int64_t count;  // examples of this rank. If 0, the batch holds an example of another rank
};

namespace detail {

// The part of a batch of `size` that belongs to a rank: first position, and count. The parts of all
// ranks follow each other, and differ by at most one example.
inline std::pair<std::int64_t, std::int64_t> part_of_batch(std::int64_t size, int rank, int ranks) {
  const std::int64_t first = size * rank / ranks;
  return {first, size * (rank + 1) / ranks - first};
}

// Throws a ValueError on all ranks unless all have the same state: the position of the loader, and
// the generator that draws the order. Collective.
void compare_orders(Communicator& comm, const StateDict& position, const Generator& generator);

}  // namespace detail

// DropoutByExample (tensor/random/dropout_mask.h) for this rank's part of a batch, so that n ranks
// drop what one rank drops, and train the same model. The generator that dropout draws from must be
// in the same state on all ranks. One rank needs it, too, because the numbers are others than
// without. Collective.
//
//   for (const auto& [batch, count] : loader) {
//     const DropoutByExample part = dropout_by_example(comm, count);
DropoutByExample dropout_by_example(Communicator& comm, std::int64_t count);

// A data set whose batches hold this rank's examples only. It needs no communicator.
template <nn::Dataset Data>
class Shard {
 public:
  using Batch = decltype(std::declval<const Data&>().batch(std::span<const std::int64_t>()));

  Shard(Data data, int rank, int ranks) : data_(std::move(data)), rank_(rank), ranks_(ranks) {}

  std::int64_t size() const { return data_.size(); }
  std::int64_t length(std::int64_t i) const requires nn::HasLengths<Data> {
    return data_.length(i);
  }
  ShardedBatch<Batch> batch(std::span<const std::int64_t> indices) const {
    const auto [first, count] =
        detail::part_of_batch(static_cast<std::int64_t>(indices.size()), rank_, ranks_);
    const auto part = count > 0 ? indices.subspan(static_cast<std::size_t>(first),
                                                  static_cast<std::size_t>(count))
                                : indices.first(1);
    return {data_.batch(part), count};
  }

 private:
  Data data_;
  int rank_, ranks_;
};

// Every rank draws the same order and takes its part of every batch, so that each example is read
// once in a pass, and the batches are those of one rank with an nn::DataLoader of the same options
// and generator, whatever the number of ranks. batch_size is the number of examples of all ranks
// together. All ranks get the same number of batches. In a batch with fewer examples than ranks,
// some ranks have a count of 0: they compute a gradient, too, which DistributedOptimizer ignores.
//
// A pass can be saved and continued with another number of ranks, because the position counts
// batches of all ranks.
template <nn::Dataset Data>
class ShardedLoader {
 public:
  // The order is drawn from `orders`, which must be in the same state on all ranks, and must
  // outlive the loader. A generator of its own stays so; the default one does not if ranks draw
  // different amounts from it, as dropout does. ValueError for options out of range.
  ShardedLoader(Data data, Communicator& comm, nn::DataLoaderOptions options, Generator& orders)
      : comm_(&comm),
        orders_(&orders),
        loader_(Shard<Data>(std::move(data), comm.rank(), comm.size()), options, orders) {}

  std::int64_t size() const { return loader_.size(); }  // batches in a pass
  std::int64_t passes() const { return loader_.passes(); }
  StateDict state_dict() const { return loader_.state_dict(); }
  void load_state_dict(const StateDict& saved) { loader_.load_state_dict(saved); }

  // One pass. Collective: ValueError on all ranks if they would not get the same order.
  auto begin() const {
    detail::compare_orders(*comm_, loader_.state_dict(), *orders_);
    return loader_.begin();
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  Communicator* comm_;
  Generator* orders_;
  nn::DataLoader<Shard<Data>> loader_;
};

}  // namespace tapegrad::distributed
