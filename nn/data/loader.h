// DataLoader: the batches of a data set, in the order in which PyTorch would take the examples.
// Read next: nn/text/utf8.h.
//
//   TensorDataset data(tokens, labels);
//   const auto [train, test] = random_split(data, {0.9, 0.1});    // an array of two
//   DataLoader loader(train, {.batch_size = 32, .shuffle = true});
//   for (int epoch = 0; epoch < 10; ++epoch) {
//     for (const auto& [x, y] : loader) step(x, y);               // another order each time
//   }
#pragma once

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
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;    // another order in every pass
  bool drop_last = false;  // leave out a last batch that is not full
  // Above 0: batches of similar length, so that little is padded. Examples are sorted by length
  // within windows of so many batches (all examples, if that is more than there are); if shuffled,
  // the batches of all windows are shuffled again. The data set needs length(i).
  std::int64_t bucket_batches = 0;
  bool worker = false;  // another thread prepares the next batch meanwhile
};

namespace detail {

// The batches of one pass, as positions. It draws what PyTorch draws, also what nobody needs here.
// From the default generator: the seed of PyTorch's workers (not needed), and the seed of another
// generator, which draws the order. From a generator that was given: the seed of the workers, the
// order, and at the end of the pass one more order (not needed).
class BatchOrder {
 public:
  using Length = std::function<std::int64_t(std::int64_t)>;
  BatchOrder(std::int64_t size, const DataLoaderOptions& options, Generator* generator,
             const Length& length);
  // Empty at the end.
  std::span<const std::int64_t> next();

 private:
  std::int64_t size_;
  DataLoaderOptions options_;
  Generator* generator_;  // null: the default one
  Indices order_;
  std::vector<std::int64_t> batches_;  // where they begin
  std::size_t given_ = 0;
};

void check_loader(const DataLoaderOptions& options, bool has_lengths);
std::int64_t count_batches(std::int64_t size, const DataLoaderOptions& options);

// Work on another thread; its destructor waits for the thread. <future> stays in loader.cc: it
// would take longer to compile than all of tapegrad's headers.
class BackgroundWork {
 public:
  BackgroundWork();
  ~BackgroundWork();
  BackgroundWork(BackgroundWork&&) noexcept;
  BackgroundWork& operator=(BackgroundWork&&) noexcept;

  void start(std::function<void()> work);
  bool started() const { return state_ != nullptr; }
  void finish();  // waits, and throws what the work has thrown

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

// The batches of a data set, for range-for. Each begin() starts a pass over the whole set.
template <Dataset Data>
class DataLoader {
 public:
  using Batch = decltype(std::declval<const Data&>().batch(std::span<const std::int64_t>()));

  // Holds a copy of the data set (those of nn/data/dataset.h are handles). ValueError for options
  // out of range. A given generator must outlive the loader and its passes; orders are drawn from
  // it, and the default generator is left alone. Both orders are PyTorch's.
  explicit DataLoader(Data data, DataLoaderOptions options = {})
      : DataLoader(std::move(data), options, nullptr) {}
  DataLoader(Data data, DataLoaderOptions options, Generator& generator)
      : DataLoader(std::move(data), options, &generator) {}

  // Batches in a pass.
  std::int64_t size() const { return detail::count_batches(data_->size(), options_); }
  const Data& data() const { return *data_; }

  // One pass. What a worker throws is thrown here, by begin() or ++, at the place of its batch.
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
      // Waits for the thread when it is dropped, so that leaving a loop early is fine.
      next_ = std::make_shared<std::optional<Batch>>();
      work_.start([data = data_, own = Indices(indices.begin(), indices.end()), next = next_] {
        next->emplace(data->batch(own));
      });
    }
    void advance() {
      batch_.reset();
      if (worker_) {
        if (!work_.started()) return;
        work_.finish();
        batch_ = std::move(*next_);
        prepare();
      } else if (const std::span<const std::int64_t> indices = order_.next(); !indices.empty()) {
        batch_.emplace(data_->batch(indices));
      }
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
                    detail::BatchOrder(data_->size(), options_, generator_, length));
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  DataLoader(Data data, DataLoaderOptions options, Generator* generator)
      : data_(std::make_shared<const Data>(std::move(data))),
        options_(options),
        generator_(generator) {
    detail::check_loader(options_, HasLengths<Data>);
  }

  std::shared_ptr<const Data> data_;
  DataLoaderOptions options_;
  Generator* generator_;
};

}  // namespace tapegrad::nn
