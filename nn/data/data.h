// Data for training: sets of examples, and the batches that a DataLoader makes of them, in the
// order that PyTorch's would have. Read next: nn/data/data.cc (the orders).
//
//   TensorDataset data(tokens, labels);
//   const auto [train, test] = random_split(data, {0.9, 0.1});    // an array of two
//   DataLoader loader(train, {.batch_size = 32, .shuffle = true});
//   for (int epoch = 0; epoch < 10; ++epoch) {
//     for (const auto& [x, y] : loader) step(x, y);               // another order each time
//   }
//
// Anything with `size()` and `batch(indices)` is a data set; one that also has `length(i)` can be
// batched by length. With a worker, batch() is called from another thread.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::nn {

using Indices = std::vector<std::int64_t>;

template <class Data>
concept Dataset = requires(const Data& data, std::span<const std::int64_t> indices) {
  { data.size() } -> std::convertible_to<std::int64_t>;
  data.batch(indices);
};
template <class Data>
concept HasLengths = requires(const Data& data, std::int64_t i) {
  { data.length(i) } -> std::convertible_to<std::int64_t>;
};

namespace detail {
void check_dataset(std::span<const Tensor> tensors);
Tensor rows(const Tensor& tensor, std::span<const std::int64_t> indices);
}  // namespace detail

// Tensors of equal size(0): example i is row i of each, a batch has some rows of each.
template <std::size_t N>
class TensorDataset {
 public:
  // ShapeError unless all have the same size(0).
  template <std::convertible_to<Tensor>... Tensors>
  explicit TensorDataset(Tensors... tensors) : tensors_{std::move(tensors)...} {
    detail::check_dataset(tensors_);
  }
  std::int64_t size() const { return tensors_[0].size(0); }
  std::array<Tensor, N> batch(std::span<const std::int64_t> indices) const {
    std::array<Tensor, N> result;
    for (std::size_t i = 0; i < N; ++i) result[i] = detail::rows(tensors_[i], indices);
    return result;
  }
  const std::array<Tensor, N>& tensors() const { return tensors_; }

 private:
  std::array<Tensor, N> tensors_;
};
template <class... Tensors>
TensorDataset(Tensors...) -> TensorDataset<sizeof...(Tensors)>;

struct PadSequenceOptions {
  bool batch_first = false;
  Scalar padding_value = 0;
};

// Sequences (steps, ...) of different lengths as one tensor (longest, batch, ...), or (batch,
// longest, ...), padded at their ends. ValueError if there are none; ShapeError and DTypeError
// where more than the lengths differs.
Tensor pad_sequence(std::span<const Tensor> sequences, PadSequenceOptions options = {});
Tensor pad_sequence(std::initializer_list<Tensor> sequences, PadSequenceOptions options = {});

// Sequences of different lengths, with a label for each; a batch is padded to its longest.
class SequenceDataset {
 public:
  struct Batch {
    Tensor sequences;  // (batch, longest, ...)
    Tensor lengths;    // (batch) int64
    Tensor labels;     // (batch, ...)
  };
  // ShapeError unless there are as many labels as sequences; else as pad_sequence().
  SequenceDataset(std::vector<Tensor> sequences, Tensor labels, Scalar padding_value = 0);

  std::int64_t size() const { return static_cast<std::int64_t>(sequences_->size()); }
  std::int64_t length(std::int64_t i) const {
    return (*sequences_)[static_cast<std::size_t>(i)].size(0);
  }
  Batch batch(std::span<const std::int64_t> indices) const;

 private:
  std::shared_ptr<const std::vector<Tensor>> sequences_;
  Tensor labels_;
  Scalar padding_value_;
};

// Some examples of another set, by their positions there.
template <Dataset Data>
class Subset {
 public:
  Subset(std::shared_ptr<const Data> data, Indices indices)
      : data_(std::move(data)), indices_(std::move(indices)) {}

  std::int64_t size() const { return static_cast<std::int64_t>(indices_.size()); }
  auto batch(std::span<const std::int64_t> indices) const {
    Indices there;
    for (const std::int64_t i : indices) there.push_back(at(i));
    return data_->batch(there);
  }
  std::int64_t length(std::int64_t i) const requires HasLengths<Data> {
    return data_->length(at(i));
  }
  const Indices& indices() const { return indices_; }

 private:
  std::int64_t at(std::int64_t i) const { return indices_[static_cast<std::size_t>(i)]; }

  std::shared_ptr<const Data> data_;
  Indices indices_;
};

namespace detail {
std::vector<Indices> split(std::int64_t size, std::span<const Scalar> lengths,
                           Generator& generator);
std::vector<Indices> folds(std::int64_t size, std::int64_t k, Generator& generator);
}  // namespace detail

// Parts without common examples, drawn as PyTorch draws them: parts of these lengths, or, if the
// numbers sum up to 1, of these fractions (what rounding leaves goes to the first ones). ValueError
// for negative lengths, and unless they sum up to the size.
template <Dataset Data, std::size_t N>
std::array<Subset<Data>, N> random_split(const Data& data, const Scalar (&lengths)[N],
                                         Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  std::vector<Indices> parts = detail::split(data.size(), lengths, generator);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<Subset<Data>, N>{Subset<Data>(shared, std::move(parts[I]))...};
  }
  (std::make_index_sequence<N>());
}

template <Dataset Data>
struct Fold {
  Subset<Data> train;
  Subset<Data> test;
};

// For cross-validation: in a random order, each of k parts is once what is tested on, and the rest
// is trained on, in that order too. Parts differ by at most one example, the first are the larger
// ones. ValueError unless 2 <= k <= size.
template <Dataset Data>
std::vector<Fold<Data>> k_folds(const Data& data, std::int64_t k,
                                Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  const std::vector<Indices> parts = detail::folds(data.size(), k, generator);
  std::vector<Fold<Data>> result;
  for (const Indices& test : parts) {
    Indices train;
    for (const Indices& part : parts) {
      if (&part != &test) train.insert(train.end(), part.begin(), part.end());
    }
    result.push_back({Subset<Data>(shared, std::move(train)), Subset<Data>(shared, test)});
  }
  return result;
}

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;    // another order in every pass
  bool drop_last = false;  // a last batch that is not full
  // Above 0: within windows of so many batches, examples are sorted by length, so that little is
  // padded; if shuffled, the batches of all windows are shuffled again. The set has length(i).
  std::int64_t bucket_batches = 0;
  bool worker = false;  // another thread prepares the next batch meanwhile
};

namespace detail {

// The batches of one pass, as positions, drawn from the generator as PyTorch draws them: one
// number that nobody needs (the seed of its workers), one for the seed of the order, and the order
// out of a generator of its own; or, given a generator, the order out of that, and at the end of
// the pass one more order, that nobody needs.
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

// Work on another thread, which whoever drops it waits for. <future> stays in data.cc: it would
// take longer to compile than all of tapegrad's headers.
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

// Batches of a set of examples, for range-for. Each begin() is a pass over all of it.
template <Dataset Data>
class DataLoader {
 public:
  using Batch = decltype(std::declval<const Data&>().batch(std::span<const std::int64_t>()));

  // Holds a copy of the set (those above are handles). ValueError for options out of range. With a
  // generator, which must live longer, orders are drawn from that, and the default generator is
  // left alone; PyTorch's are the same in both cases.
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
