// ShardedLoader: every example once in a pass, the batches of one rank, and passes that continue
// with another number of ranks. Read next: dropout_test.cc.
#include <tapegrad/distributed/sharded_loader.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include <tapegrad/distributed/threads.h>
#include <tapegrad/tensor/ops.h>

#include "../catch.h"
#include "collectives.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::expect;

namespace {

using Batches = std::vector<std::vector<std::int64_t>>;

// The examples of each batch, in the order of ranks, of `passes` passes over 0, 1, ... size - 1.
Batches batches_of(int ranks, std::int64_t size, const nn::DataLoaderOptions& options,
                   int passes = 1) {
  std::vector<Batches> of_ranks(static_cast<std::size_t>(ranks));
  run_on_threads(ranks, [&](Communicator& comm) {
    Generator orders(7);
    const ShardedLoader loader(nn::TensorDataset(arange(size)), comm, options, orders);
    Batches& mine = of_ranks[static_cast<std::size_t>(comm.rank())];
    for (int pass = 0; pass < passes; ++pass) {
      for (const auto& [batch, count] : loader) {
        expect(batch[0].size(0) == std::max<std::int64_t>(count, 1), "count");
        mine.push_back(to_vector<std::int64_t>(narrow(batch[0], 0, 0, count)));
      }
    }
    expect(std::ssize(mine) == passes * loader.size(), "size");
  });
  Batches all = of_ranks[0];
  for (int r = 1; r < ranks; ++r) {
    const Batches& more = of_ranks[static_cast<std::size_t>(r)];
    REQUIRE(more.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].insert(all[i].end(), more[i].begin(), more[i].end());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the parts of a batch differ by one example at most", "[threads]") {
  for (int ranks = 1; ranks <= 5; ++ranks) {
    for (std::int64_t size = 0; size <= 12; ++size) {
      std::int64_t next = 0;
      for (int r = 0; r < ranks; ++r) {
        const auto [first, count] = distributed::detail::part_of_batch(size, r, ranks);
        CHECK(first == next);
        CHECK(count >= size / ranks);
        CHECK(count <= (size + ranks - 1) / ranks);
        next += count;
      }
      CHECK(next == size);
    }
  }
}

TEST_CASE("any number of ranks gets the batches of one nn::DataLoader", "[threads]") {
  for (const bool shuffle : {false, true}) {
    for (const bool worker : {false, true}) {
      const nn::DataLoaderOptions options{.batch_size = 8, .shuffle = shuffle, .worker = worker};
      Generator orders(7);
      const nn::DataLoader plain(nn::TensorDataset(arange(42)), options, orders);
      Batches expected;
      for (int pass = 0; pass < 2; ++pass) {
        for (const auto& [x] : plain) expected.push_back(to_vector<std::int64_t>(x));
      }
      for (int ranks = 1; ranks <= 4; ++ranks) {
        CAPTURE(shuffle, worker, ranks);
        CHECK(batches_of(ranks, 42, options, 2) == expected);
      }
    }
  }
}

TEST_CASE("each example once in a pass, also where the last batch is smaller than the ranks",
          "[threads]") {
  for (const std::int64_t size : {1, 3, 9, 10, 17}) {
    const Batches batches = batches_of(4, size, {.batch_size = 8, .shuffle = true});
    std::vector<std::int64_t> all;
    for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
    std::ranges::sort(all);
    CHECK(all == to_vector<std::int64_t>(arange(size)));
  }
  CHECK(batches_of(3, 17, {.batch_size = 8, .drop_last = true}).size() == 2);
  CHECK(batches_of(3, 0, {.batch_size = 8}).empty());
}

TEST_CASE("sequences of similar length", "[threads]") {
  std::vector<Tensor> sequences;
  for (std::int64_t i = 0; i < 20; ++i) sequences.push_back(full({1 + i % 5}, i, int64));
  const nn::SequenceDataset data(sequences, arange(20));
  std::mutex mutex;
  std::vector<std::int64_t> seen;
  run_on_threads(3, [&](Communicator& comm) {
    Generator orders(1);
    const ShardedLoader loader(data, comm, {.batch_size = 7, .shuffle = true, .bucket_batches = 2},
                               orders);
    for (const auto& [batch, count] : loader) {
      const std::lock_guard lock(mutex);
      for (std::int64_t i = 0; i < count; ++i) seen.push_back(batch.labels.item<std::int64_t>({i}));
    }
  });
  std::ranges::sort(seen);
  CHECK(seen == to_vector<std::int64_t>(arange(20)));
}

TEST_CASE("a pass continues with another number of ranks", "[threads]") {
  const nn::DataLoaderOptions options{.batch_size = 6, .shuffle = true};
  const Batches expected = batches_of(1, 40, options);
  StateDict position;
  run_on_threads(3, [&](Communicator& comm) {
    Generator orders(7);
    const ShardedLoader loader(nn::TensorDataset(arange(40)), comm, options, orders);
    int batches = 0;
    for ([[maybe_unused]] const auto& part : loader) {
      if (++batches == 4) break;
    }
    if (comm.rank() == 0) position = loader.state_dict();
  });
  run_on_threads(2, [&](Communicator& comm) {
    Generator orders(7);
    ShardedLoader loader(nn::TensorDataset(arange(40)), comm, options, orders);
    loader.load_state_dict(position);
    std::size_t batch = 4;
    for (const auto& [x, count] : loader) {
      const std::vector<std::int64_t>& whole = expected[batch++];
      const std::vector<std::int64_t> mine = to_vector<std::int64_t>(x[0]);
      const auto [first, its_count] =
          distributed::detail::part_of_batch(std::ssize(whole), comm.rank(), comm.size());
      expect(count == its_count && std::equal(mine.begin(), mine.end(), whole.begin() + first),
             "another batch");
    }
    expect(batch == expected.size(), "the number of batches");
    expect(loader.passes() == 1, "passes");
  });
}

TEST_CASE("ranks with different orders are found when a pass begins", "[threads]") {
  try {
    run_on_threads(3, [](Communicator& comm) {
      Generator orders(7);
      const ShardedLoader loader(nn::TensorDataset(arange(9)), comm,
                                 {.batch_size = 3, .shuffle = true}, orders);
      for ([[maybe_unused]] const auto& part : loader) continue;
      if (comm.rank() == 2) orders.random();  // as dropout would
      for ([[maybe_unused]] const auto& part : loader) continue;
    });
    FAIL("not found");
  } catch (const ValueError& error) {
    CHECK(std::string(error.what()).rfind("ShardedLoader: rank 2 would get another order", 0) == 0);
  }
}
