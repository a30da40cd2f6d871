// Tests of DataLoader: PyTorch's orders, batches by length, the worker, errors. Read next:
// splits_test.cc.
#include "catch.h"
#include "error_text.h"

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

TEST_CASE("DataLoader: tensors without a data set", "[nn]") {
  const tg::Tensor x = tg::arange(5), y = tg::arange(5) * 2;
  const DataLoader loader({x, y}, {.batch_size = 2});
  CHECK(loader.size() == 3);
  tg::Tensor all = tg::zeros({0}, tg::int64);
  for (const auto& [a, b] : loader) {
    CHECK(equal(b, a * 2));
    all = tg::cat({all, a});
  }
  CHECK(equal(all, x));
  CHECK(DataLoader({x}).size() == 5);
  CHECK_THROWS_AS(DataLoader({x, tg::zeros({4})}), tg::ShapeError);
}

TEST_CASE("WeightedRandomSampler: PyTorch's examples", "[nn]") {
  static const GoldenFile file("rest_layers.safetensors");
  const std::vector<std::string> cases = file.cases("weighted_sampler");
  CHECK(cases.size() == 5);
  for (const std::string& which : cases) {
    CAPTURE(which);
    const auto whole = [&](const char* name) {
      return static_cast<std::int64_t>(file.option(which, name, 0));
    };
    tg::manual_seed(3);
    tg::Generator own(8);
    const bool has_own = whole("own_generator") != 0;
    const nn::WeightedRandomSampler sampler(file.at(which + ".in0"), whole("num_samples"),
                                            whole("replacement") != 0,
                                            has_own ? tg::GeneratorRef(own) : tg::GeneratorRef());
    const DataLoader loader(TensorDataset(tg::arange(7)), {.batch_size = whole("batch_size"),
                                                           .drop_last = whole("drop_last") != 0,
                                                           .sampler = sampler});
    CHECK(run(loader, 3).first == numbers(file.at(which + ".out0")));
    CHECK(equal(tg::rand({1}), file.at(which + ".next")));
  }
}

TEST_CASE("WeightedRandomSampler: how often, where it stopped, errors", "[nn]") {
  using nn::WeightedRandomSampler;
  tg::Generator generator(1);
  const WeightedRandomSampler sampler(tg::tensor({1.0, 0.0, 3.0}), 4000, true, generator);
  const Indices drawn = sampler.draw(generator);
  CHECK(std::ranges::count(drawn, 1) == 0);
  CHECK(std::abs(std::ranges::count(drawn, 2) - 3000) < 100);

  // A loader goes on in the middle of a pass with the order that it had.
  const TensorDataset data(tg::arange(3));
  const nn::DataLoaderOptions options{.batch_size = 2,
                                      .sampler = WeightedRandomSampler(tg::ones({3}), 7)};
  tg::manual_seed(5);
  const DataLoader loader(data, options);
  CHECK(loader.size() == 4);
  auto pass = loader.begin();
  const tg::StateDict saved = loader.state_dict();
  Indices rest;
  for (++pass; pass != loader.end(); ++pass) {
    for (const std::int64_t i : numbers((*pass)[0])) rest.push_back(i);
  }
  CHECK(rest.size() == 5);
  DataLoader again(data, options);
  again.load_state_dict(saved);
  CHECK(run(again).first == rest);
  DataLoader other(data, {.batch_size = 2, .sampler = WeightedRandomSampler(tg::ones({3}), 9)});
  CHECK_THROWS_AS(other.load_state_dict(saved), tg::FormatError);

  const auto text = [](const tg::Tensor& weights, std::int64_t count, bool replacement) {
    return error_text<tg::ValueError>([&] { WeightedRandomSampler(weights, count, replacement); });
  };
  CHECK(text(tg::tensor({1.0, -1.0}), 1, true) ==
        "WeightedRandomSampler: a weight is negative, infinite or nan, needed numbers from 0");
  CHECK(text(tg::zeros({2}), 1, true) ==
        "WeightedRandomSampler: no weight is above 0, needed at least one");
  CHECK(text(tg::ones({2}), 0, true) ==
        "WeightedRandomSampler: num_samples is 0, needed at least 1");
  CHECK(text(tg::tensor({1.0, 0.0, 1.0}), 3, false) ==
        "WeightedRandomSampler: num_samples is 3 for 2 weights above 0, needed no more without "
        "replacement");
  CHECK(error_text<tg::ShapeError>([] {
          WeightedRandomSampler(tg::ones({2, 2}), 1);
        }) == "WeightedRandomSampler: weights have shape (2, 2), needed (examples)");
  const WeightedRandomSampler two(tg::ones({2}), 1);
  CHECK(error_text<tg::ValueError>([&] { DataLoader(data, {.sampler = two}); }) ==
        "DataLoader: the sampler has 2 weights, needed 3, one for each example");
  const WeightedRandomSampler three(tg::ones({3}), 1);
  CHECK(error_text<tg::ValueError>([&] {
          DataLoader(data, {.shuffle = true, .sampler = three});
        }) == "DataLoader: got shuffle and a sampler, needed at most one of them");
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

// Resuming ----------------------------------------------------------------------------------------

namespace {

// A generator's elements, to compare.
tg::Tensor state_of(const tg::Generator& generator) { return generator.state_dict().at("state"); }

// What a program gets that starts a pass and reads `batches` of it. Saves the loader and both
// generators there, and ends the pass.
struct Interrupted {
  std::vector<Indices> rest;  // the batches after that, and those of one more pass
  tg::StateDict loader, own, shared;
  tg::Tensor own_at_end, shared_at_end;

  Interrupted(const nn::SequenceDataset& data, const nn::DataLoaderOptions& options, bool with_own,
              std::int64_t batches) {
    tg::manual_seed(7);
    tg::Generator generator(8);
    const DataLoader loader_now =
        with_own ? DataLoader(data, options, generator) : DataLoader(data, options);
    const auto save = [&] {
      loader = loader_now.state_dict();
      own = generator.state_dict();
      shared = tg::default_generator().state_dict();
    };
    for (const auto& batch : loader_now) static_cast<void>(batch);  // an earlier pass
    std::int64_t count = 0;
    if (batches == 0) save();  // between passes
    for (int pass = 0; pass < 2; ++pass) {
      for (const auto& batch : loader_now) {
        if (++count > batches) rest.push_back(numbers(batch.labels));
        if (count == batches) save();
      }
    }
    own_at_end = state_of(generator);
    shared_at_end = state_of(tg::default_generator());
  }
};

}  // namespace

TEST_CASE("DataLoader: continues after the last batch that the user got", "[nn][threads]") {
  const Indices lengths = {5, 1, 4, 2, 3, 1, 0, 2, 9, 1};
  const nn::SequenceDataset data(ragged(lengths), tg::arange(10), -1);
  for (const std::int64_t batch_size : {3, 5, 20}) {
    for (const int bits : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
      const bool with_own = (bits & 1) != 0;
      nn::DataLoaderOptions options{.batch_size = batch_size,
                                    .shuffle = (bits & 2) != 0,
                                    .drop_last = (bits & 4) != 0,
                                    .bucket_batches = (bits & 8) != 0 ? 2 : 0};
      const std::int64_t size = DataLoader(data, options).size();
      for (std::int64_t batches = 0; batches <= size; ++batches) {
        CAPTURE(batch_size, bits, batches);
        const Interrupted run(data, options, with_own, batches);
        for (const bool worker : {false, true}) {
          CAPTURE(worker);
          options.worker = worker;
          // The position does not depend on what a worker has prepared.
          const Interrupted other(data, options, with_own, batches);
          CHECK(other.rest == run.rest);
          for (const auto& [name, value] : run.loader) {
            CHECK(equal(other.loader.at(name), value));
          }
          CHECK(equal(other.own.at("state"), run.own.at("state")));
          CHECK(equal(other.shared.at("state"), run.shared.at("state")));

          tg::manual_seed(1);
          tg::Generator generator(2);
          DataLoader loader =
              with_own ? DataLoader(data, options, generator) : DataLoader(data, options);
          loader.load_state_dict(run.loader);
          generator.load_state_dict(run.own);
          tg::default_generator().load_state_dict(run.shared);
          CHECK(loader.passes() == 1);
          std::vector<Indices> rest;
          while (loader.passes() < 3) {
            for (const auto& batch : loader) rest.push_back(numbers(batch.labels));
          }
          CHECK(rest == run.rest);
          CHECK(equal(state_of(generator), run.own_at_end));
          CHECK(equal(state_of(tg::default_generator()), run.shared_at_end));
        }
        options.worker = false;
      }
    }
  }
}

TEST_CASE("DataLoader: what moves its position", "[nn]") {
  const TensorDataset data(tg::arange(6));
  DataLoader loader(data, {.batch_size = 2});
  const auto position = [](const auto& which) {
    const tg::StateDict saved = which.state_dict();
    return saved.contains("batches") ? saved.at("batches").template item<std::int64_t>() : -1;
  };
  CHECK(position(loader) == -1);
  CHECK(loader.passes() == 0);
  for (const auto& [batch] : loader) {
    CHECK(position(loader) == batch.template item<std::int64_t>({0}) / 2 + 1);
    if (position(loader) == 2) break;
  }
  CHECK(position(loader) == 2);  // left early: unfinished until the next pass begins
  CHECK(loader.passes() == 0);

  DataLoader copy = loader;  // moves independently
  CHECK(run(copy).second.size() == 3);
  CHECK(copy.passes() == 1);
  CHECK(position(copy) == -1);
  CHECK(position(loader) == 2);

  // Of two passes at once, the one that began last moves it.
  auto first = loader.begin();
  auto second = loader.begin();
  ++first;
  ++first;
  CHECK(position(loader) == 1);
  ++first;
  CHECK(first == loader.end());
  CHECK(loader.passes() == 0);
  ++second;
  CHECK(position(loader) == 2);

  // Loading detaches a pass that is under way, and takes effect once.
  loader.load_state_dict(loader.state_dict());
  ++second;
  CHECK(position(loader) == 2);
  DataLoader loaded = loader;  // continues there, too
  CHECK(position(loaded) == 2);
  CHECK(run(loaded).first == Indices{4, 5});
  CHECK(run(loader).first == Indices{4, 5});
  CHECK(loader.passes() == 1);
  CHECK(run(loader).first == Indices{0, 1, 2, 3, 4, 5});
  CHECK(loader.passes() == 2);

  // A batch that failed is tried again.
  DataLoader failing(Failing{.at = 4}, {.batch_size = 2});
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK_THROWS_AS(
        [&] {
          for (const Indices& batch : failing) static_cast<void>(batch);
        }(),
        tg::IndexError);
    CHECK(position(failing) == 2);
    failing.load_state_dict(failing.state_dict());
  }

  DataLoader nothing(TensorDataset(tg::arange(0)), {.shuffle = true});
  CHECK(run(nothing).first.empty());
  CHECK(nothing.passes() == 1);
  nothing.load_state_dict(nothing.state_dict());
}

TEST_CASE("DataLoader: a state that does not fit is rejected and nothing changes", "[nn]") {
  const TensorDataset data(tg::arange(6));
  DataLoader shuffled(data, {.batch_size = 2, .shuffle = true});
  const auto in_pass = shuffled.begin();
  const tg::StateDict saved = shuffled.state_dict();

  DataLoader loader(data, {.batch_size = 4});
  auto pass = loader.begin();
  const auto text = [&](const tg::StateDict& state) {
    const std::string message = error_text<tg::FormatError>([&] { loader.load_state_dict(state); });
    CHECK(loader.state_dict().at("batches").item<std::int64_t>() == 1);
    CHECK(loader.passes() == 0);
    const std::string start = "DataLoader: the state does not fit this loader: ";
    const std::string end = "; a pass continues only with the same data set and options";
    REQUIRE(message.size() > start.size() + end.size());
    CHECK(message.substr(0, start.size()) == start);
    CHECK(message.substr(message.size() - end.size()) == end);
    return message.substr(start.size(), message.size() - start.size() - end.size());
  };
  CHECK(text({}) == "missing passes");
  CHECK(text({{"passes", tg::tensor(-1)}}) == "passes is not a count");
  CHECK(text(saved) == "batch_size is 2 for 4, shuffle is 1 for 0, unexpected order");
  const tg::StateDict own = loader.state_dict();
  const auto replaced = [&](const std::string& name, const tg::Tensor& value) {
    tg::StateDict result;
    for (const auto& [key, old] : own) result.insert(key, key == name ? value : old);
    return result;
  };
  CHECK(text(replaced("size", tg::tensor(7))) == "size is 7 for 6");
  CHECK(text(replaced("batches", tg::tensor(3))) == "batches is 3, more than a pass has");
  CHECK(text(replaced("drop_last", tg::tensor(0.0f))) == "drop_last is not a count");
  CHECK(error_text<tg::FormatError>([&] {
          tg::StateDict broken;
          for (const auto& [key, old] : saved) {
            broken.insert(key, key == "order" ? tg::zeros({632}, tg::int64) : old);
          }
          shuffled.load_state_dict(broken);
        }) ==
        "DataLoader: the state does not fit this loader: order is not the state of a generator; a "
        "pass continues only with the same data set and options");
  loader.load_state_dict({{"passes", tg::tensor(5)}});  // between passes, options may differ
  CHECK(loader.passes() == 5);
}
