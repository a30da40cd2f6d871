// DataLoader: the batches of a data set, in PyTorch's order of the examples. Read next:
// nn/data/loader.cc.
//
//   TensorDataset data(tokens, labels);
//   const auto [train, test] = random_split(data, {0.9, 0.1});    // an array of two
//   DataLoader loader(train, {.batch_size = 32, .shuffle = true});
//   for (int epoch = 0; epoch < 10; ++epoch) {
//     for (const auto& [x, y] : loader) step(x, y);               // a new order in each epoch
//   }
//
// A loader saves its position, so a program can stop in the middle of a pass and continue there
// (tensor/io/checkpoint.h):
//
//   load_checkpoint("run.ckpt", model, adam, loader, default_generator());
//   for (std::int64_t epoch = loader.passes(); epoch < 10; ++epoch) {
//     for (const auto& [x, y] : loader) step(x, y);               // first the rest of that pass
//   }
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/nn/data/dataset.h>
#include <tapegrad/nn/data/sampler.h>
#include <tapegrad/tensor/io/state_dict.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;    // a new random order in every pass
  bool drop_last = false;  // leaves out the last batch if it is not full
  // If above 0, a batch holds examples of similar length, which saves padding. Examples are sorted
  // by length within windows of bucket_batches batches (at most all examples). With shuffle, the
  // order is random before the sort, and the batches are shuffled after it. The data set needs
  // length(i).
  std::int64_t bucket_batches = 0;
  bool worker = false;  // another thread prepares the next batch in advance
  // Draws the examples of a pass; instead of shuffle. It has a weight for each example of the data
  // set.
  std::optional<WeightedRandomSampler> sampler = std::nullopt;
};

namespace detail {

// How far a loader is: the passes that ended, and where its last pass is. Passes share the state,
// and move it. All functions lock, because several threads may iterate over one loader.
class LoaderProgress {
 public:
  LoaderProgress();
  LoaderProgress(const LoaderProgress& other);  // a copy moves independently
  LoaderProgress(LoaderProgress&&) noexcept = default;
  LoaderProgress& operator=(LoaderProgress other) noexcept;

  std::int64_t passes() const;
  StateDict state_dict(const DataLoaderOptions& options) const;
  void load_state_dict(const StateDict& saved, std::int64_t size, const DataLoaderOptions& options);

 private:
  friend class BatchOrder;
  struct State;
  std::shared_ptr<State> state_;
};

// The batches of one pass, as positions. It draws the same random numbers as PyTorch, including
// some that it does not use, so that generators stay in the same state. From the default generator
// it draws the seed of PyTorch's workers (unused), and the seed of a second generator, which draws
// the order. From a given generator it draws the seed of the workers (unused), the order and, at
// the end of the pass, one more order (unused). A pass that continues after load_state_dict() draws
// only what was not drawn when the state was saved.
class BatchOrder {
 public:
  using Length = std::function<std::int64_t(std::int64_t)>;
  BatchOrder(std::int64_t size, const DataLoaderOptions& options, Generator* generator,
             const Length& length, const LoaderProgress& progress);
  std::span<const std::int64_t> next();  // the next batch; empty at the end

  // The user asks for a batch, which a worker may have prepared earlier, and gets it, or there is
  // none. Only these two draw and move the loader's position, so both are the same with a worker.
  void ask();
  void answer(bool batch);

 private:
  void draw_orders(Generator& generator);
  void arrange(const Length& length);

  std::int64_t size_;
  DataLoaderOptions options_;
  Generator* generator_;  // null: the default generator
  Indices order_;
  std::vector<std::int64_t> batches_;  // their first positions in order_
  std::size_t returned_ = 0;           // how many batches next() has returned
  std::size_t asked_ = 0;
  std::shared_ptr<LoaderProgress::State> progress_;
  std::int64_t pass_;  // its number in progress_
};

void check_loader(std::int64_t size, const DataLoaderOptions& options, bool has_lengths);
std::int64_t count_batches(std::int64_t size, const DataLoaderOptions& options);

// Runs a function on another thread; the destructor waits for the thread. <future> is included only
// in loader.cc, because it takes longer to compile than all of tapegrad's headers.
class BackgroundWork {
 public:
  BackgroundWork();
  ~BackgroundWork();
  BackgroundWork(BackgroundWork&&) noexcept;
  BackgroundWork& operator=(BackgroundWork&&) noexcept;

  void start(std::function<void()> work);
  bool started() const { return state_ != nullptr; }
  void finish();  // waits, and throws the exception of the function, if any

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

// The batches of a data set, for range-for. Each begin() starts a pass over the whole set, except
// the first one after load_state_dict().
template <Dataset Data>
class DataLoader {
 public:
  using Batch = decltype(std::declval<const Data&>().batch(std::span<const std::int64_t>()));

  // Holds a copy of the data set (the data sets of nn/data/dataset.h are cheap to copy: they share
  // their tensors). ValueError for options out of range. If a generator is given, orders are drawn
  // from it instead of the default generator; it must outlive the loader and its passes. In both
  // cases the orders are PyTorch's.
  explicit DataLoader(Data data, DataLoaderOptions options = {})
      : DataLoader(std::move(data), options, nullptr) {}
  template <std::integral Size>
  DataLoader(Data data, Size batch_size)
      : DataLoader(std::move(data), DataLoaderOptions{.batch_size = batch_size}) {}
  DataLoader(Data data, DataLoaderOptions options, Generator& generator)
      : DataLoader(std::move(data), options, &generator) {}
  // DataLoader({x, y}) is DataLoader(TensorDataset(x, y)).
  template <std::size_t N>
  requires std::same_as<Data, TensorDataset<N>>
  explicit DataLoader(const Tensor (&tensors)[N], DataLoaderOptions options = {})
      : DataLoader(Data(std::to_array(tensors)), options, nullptr) {}

  // The number of batches in a pass.
  std::int64_t size() const { return detail::count_batches(data_->size(), options_); }
  const Data& data() const& { return *data_; }
  Data data() const&& { return *data_; }

  // The number of passes that have reached their end, including those before the state was saved.
  // It starts the loop over epochs of a program that is resumed.
  std::int64_t passes() const { return progress_.passes(); }

  // The position: passes(), and the batches that the user got in the pass that began last, not
  // those that a worker has prepared. A pass that was left early counts as unfinished until the
  // next begin(). The state of the generator that draws the orders is not included, so save that,
  // too: the given one or default_generator(). If batch() of the data set draws random numbers,
  // only a loader without a worker can be resumed exactly.
  StateDict state_dict() const { return progress_.state_dict(options_); }
  // The next begin() continues after the last batch that the user got, with the same order. The
  // option `worker` may differ. All or nothing: a FormatError says what does not fit; if the pass
  // was unfinished, the size of the data set and the other options must be the same.
  void load_state_dict(const StateDict& saved) {
    progress_.load_state_dict(saved, data_->size(), options_);
  }

  // One pass. An exception of the worker is thrown again by begin() or ++, when its batch is due.
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    Batch& operator*() { return *batch_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) {
      return !iterator.batch_.has_value();
    }

   private:
    friend class DataLoader;
    Iterator(std::shared_ptr<const Data> data, bool worker, detail::BatchOrder order)
        : data_(std::move(data)), worker_(worker), order_(std::move(order)) {
      if (worker_) prepare();
      advance();
    }

    void prepare() {
      const std::span<const std::int64_t> indices = order_.next();
      if (indices.empty()) return;
      // The destructor of work_ waits for the thread, so a loop may be left early.
      next_ = std::make_shared<std::optional<Batch>>();
      work_.start([data = data_, own = Indices(indices.begin(), indices.end()), next = next_] {
        next->emplace(data->batch(own));
      });
    }
    void advance() {
      batch_.reset();
      order_.ask();
      if (worker_) {
        if (work_.started()) {
          work_.finish();
          batch_ = std::move(*next_);
          prepare();
        }
      } else if (const std::span<const std::int64_t> indices = order_.next(); !indices.empty()) {
        batch_.emplace(data_->batch(indices));
      }
      order_.answer(batch_.has_value());
    }

    std::shared_ptr<const Data> data_;
    bool worker_;
    detail::BatchOrder order_;
    std::optional<Batch> batch_;
    std::shared_ptr<std::optional<Batch>> next_;
    detail::BackgroundWork work_;
  };

  Iterator begin() const {
    detail::BatchOrder::Length length;
    if constexpr (HasLengths<Data>) {
      length = [this](std::int64_t i) { return data_->length(i); };
    }
    return Iterator(data_, options_.worker,
                    detail::BatchOrder(data_->size(), options_, generator_, length, progress_));
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  DataLoader(Data data, DataLoaderOptions options, Generator* generator)
      : data_(std::make_shared<const Data>(std::move(data))),
        options_(options),
        generator_(generator) {
    detail::check_loader(data_->size(), options_, HasLengths<Data>);
  }

  std::shared_ptr<const Data> data_;
  DataLoaderOptions options_;
  Generator* generator_;
  detail::LoaderProgress progress_;
};

template <std::size_t N>
DataLoader(const Tensor (&)[N], DataLoaderOptions = {}) -> DataLoader<TensorDataset<N>>;

}  // namespace tapegrad::nn
