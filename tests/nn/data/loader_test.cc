// Tests of DataLoader: PyTorch's orders, batches by length, the worker, errors. Read next:
// splits_test.cc.
#include "catch.h"

#include <algorithm>
#include <thread>

#include <tapegrad/nn/data/loader.h>
#include <tapegrad/nn/data/splits.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "golden_file.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using nn::DataLoader;
using nn::Indices;
using nn::TensorDataset;
using tg::test::error_text;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("data.safetensors");
  return file;
}

Indices numbers(const tg::Tensor& x) { return tg::to_vector<std::int64_t>(x); }

// All examples of a pass, in the order of the batches.
template <class Loader>
std::pair<Indices, Indices> run(const Loader& loader, int epochs = 1) {
  Indices order, sizes;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const auto& [batch] : loader) {
      for (const std::int64_t i : numbers(batch)) order.push_back(i);
      sizes.push_back(batch.size(0));
    }
  }
  return {order, sizes};
}

std::vector<tg::Tensor> ragged(const Indices& lengths) {
  std::vector<tg::Tensor> sequences;
  for (const std::int64_t length : lengths) sequences.push_back(tg::full({length}, length));
  return sequences;
}

// A data set whose batch() throws for one example.
struct Failing {
  std::int64_t at;
  std::thread::id home = std::this_thread::get_id();
  bool elsewhere = false;
  std::int64_t size() const { return 6; }
  Indices batch(std::span<const std::int64_t> indices) const {
    if (elsewhere == (std::this_thread::get_id() == home)) throw tg::ValueError("wrong thread");
    if (std::ranges::find(indices, at) != indices.end()) throw tg::IndexError("example 4 is bad");
    return {indices.begin(), indices.end()};
  }
};

}  // namespace

TEST_CASE("DataLoader: PyTorch's orders", "[nn][threads]") {
  for (const std::string& which : golden().cases("data_loader")) {
    for (const bool worker : {false, true}) {
      CAPTURE(which, worker);
      const auto option = [&](const char* name) {
        return static_cast<std::int64_t>(golden().option(which, name, 0));
      };
      const auto seed = static_cast<std::uint64_t>(option("seed"));
      tg::manual_seed(seed);
      tg::Generator own(seed + 5);
      const nn::DataLoaderOptions options{.batch_size = option("batch_size"),
                                          .shuffle = option("shuffle") != 0,
                                          .drop_last = option("drop_last") != 0,
                                          .worker = worker};
      const TensorDataset data(tg::arange(option("n")));
      const bool with_own = option("own_generator") != 0;
      const DataLoader loader =
          with_own ? DataLoader(data, options, own) : DataLoader(data, options);
      const auto [order, sizes] = run(loader, static_cast<int>(option("epochs")));
      CHECK(order == numbers(golden().at(which + ".out0")));
      CHECK(sizes == numbers(golden().at(which + ".out1")));
      CHECK(loader.size() * option("epochs") == static_cast<std::int64_t>(sizes.size()));
      CHECK(equal(tg::rand({1}), golden().at(which + ".next")));
      if (with_own) {
        CHECK(equal(tg::rand({1}, tg::float32, own), golden().at(which + ".next_own")));
      }
    }
  }
}

TEST_CASE("DataLoader: sequences, by length", "[nn]") {
  const Indices lengths = {5, 1, 4, 2, 3, 1, 0};
  const nn::SequenceDataset data(ragged(lengths), tg::arange(7), -1);
  const auto read = [&](nn::DataLoaderOptions options) {
    Indices labels;
    for (const auto& [sequences, steps, label] : DataLoader(data, options)) {
      for (std::int64_t row = 0; row < label.size(0); ++row) {
        const auto i = label.item<std::int64_t>({row});
        labels.push_back(i);
        const std::int64_t length = lengths[static_cast<std::size_t>(i)];
        CHECK(steps.item<std::int64_t>({row}) == length);
        CHECK(all(narrow(sequences[row], 0, 0, length) == length).item<bool>());
        CHECK(
            all(narrow(sequences[row], 0, length, sequences.size(1) - length) == -1).item<bool>());
      }
      CHECK(sequences.size(1) == max(steps).item<std::int64_t>());
    }
    return labels;
  };
  CHECK(read({.batch_size = 3}) == Indices{0, 1, 2, 3, 4, 5, 6});
  CHECK(read({.batch_size = 2, .bucket_batches = 100}) == Indices{6, 1, 5, 3, 4, 2, 0});
  CHECK(read({.batch_size = 2, .bucket_batches = 2}) == Indices{1, 3, 2, 0, 6, 5, 4});
  tg::manual_seed(1);
  Indices mixed = read({.batch_size = 2, .shuffle = true, .bucket_batches = 2});
  CHECK(mixed != read({.batch_size = 2, .shuffle = true, .bucket_batches = 2}));
  std::ranges::sort(mixed);
  CHECK(mixed == Indices{0, 1, 2, 3, 4, 5, 6});
  CHECK(read({.batch_size = 2, .bucket_batches = INT64_MAX}).size() == 7);
  CHECK(read({.batch_size = INT64_MAX, .bucket_batches = 2}).size() == 7);

  const auto [first, rest] = nn::random_split(data, {4, 3});  // a Subset has lengths, too
  CHECK(DataLoader(first, {.batch_size = 4, .bucket_batches = 1}).size() == 1);
}

TEST_CASE("DataLoader: an empty data set, and a batch larger than the data set", "[nn][threads]") {
  for (const bool worker : {false, true}) {
    const nn::DataLoaderOptions options{.batch_size = 4, .shuffle = true, .worker = worker};
    CHECK(run(DataLoader(TensorDataset(tg::arange(0)), options)).second.empty());
    CHECK(run(DataLoader(TensorDataset(tg::arange(2)), options)).second == Indices{2});
    CHECK(run(DataLoader(TensorDataset(tg::arange(2)), {.batch_size = 4, .drop_last = true}))
              .second.empty());
  }
  const TensorDataset pair(tg::ones({3, 2}), tg::arange(3));
  for (const auto& [x, y] : DataLoader(pair, {.batch_size = 2})) CHECK(x.size(0) == y.size(0));
}

TEST_CASE("DataLoader: an exception of the worker is thrown at its batch", "[nn][threads]") {
  for (const bool worker : {false, true}) {
    const DataLoader loader(Failing{.at = 4, .elsewhere = worker},
                            {.batch_size = 2, .worker = worker});
    int batches = 0;
    CHECK(error_text<tg::IndexError>([&] {
            for (const Indices& batch : loader) batches += static_cast<int>(batch.size());
          }) == "example 4 is bad");
    CHECK(batches == 4);
    for (const Indices& batch : loader) {  // left early, while the worker is at the second batch
      CHECK(batch == Indices{0, 1});
      break;
    }
  }
}

TEST_CASE("DataLoader: errors for options out of range", "[nn]") {
  const TensorDataset data(tg::arange(3));
  CHECK(error_text<tg::ValueError>([&] { DataLoader(data, {.batch_size = 0}); }) ==
        "DataLoader: batch_size is 0, needed at least 1");
  CHECK(error_text<tg::ValueError>([&] { DataLoader(data, {.bucket_batches = -1}); }) ==
        "DataLoader: bucket_batches is -1, needed at least 0");
  CHECK(error_text<tg::ValueError>([&] { DataLoader(data, {.bucket_batches = 1}); }) ==
        "DataLoader: bucket_batches sorts by length, needed a data set with length(i), such as "
        "SequenceDataset");
}
