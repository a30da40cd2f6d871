// The order of the batches in one pass, and the worker thread. Read next: nn/text/utf8.h.
#include <tapegrad/nn/data/loader.h>

#include <algorithm>
#include <future>
#include <string>
#include <system_error>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {
namespace {

using detail::BatchOrder;

// Draws 63 bits, as torch.empty((), dtype=torch.int64).random_() does.
std::uint64_t draw_seed(Generator& generator) {
  const tapegrad::detail::GeneratorLock lock(generator);
  return generator.random64() & (~std::uint64_t{0} >> 1);
}

// Sorts positions by the lengths of their examples, separately in each window of `window`
// positions.
void sort_windows(Indices& order, std::int64_t window, const BatchOrder::Length& length) {
  Indices lengths(order.size());  // computed once, because the sort compares each many times
  for (const std::int64_t i : order) lengths[static_cast<std::size_t>(i)] = length(i);
  const auto by_length = [&](std::int64_t a, std::int64_t b) {
    return lengths[static_cast<std::size_t>(a)] < lengths[static_cast<std::size_t>(b)];
  };
  const std::int64_t size = std::ssize(order);
  for (std::int64_t start = 0; start < size; start += window) {
    const auto begin = order.begin() + start;
    std::stable_sort(begin, begin + std::min(window, size - start), by_length);
  }
}

}  // namespace

namespace detail {

// The order ---------------------------------------------------------------------------------------

void check_loader(const DataLoaderOptions& options, bool has_lengths) {
  if (options.batch_size < 1) {
    throw ValueError("DataLoader: batch_size is " + std::to_string(options.batch_size) +
                     ", needed at least 1");
  }
  if (options.bucket_batches < 0) {
    throw ValueError("DataLoader: bucket_batches is " + std::to_string(options.bucket_batches) +
                     ", needed at least 0");
  }
  if (options.bucket_batches > 0 && !has_lengths) {
    throw ValueError(
        "DataLoader: bucket_batches sorts by length, needed a data set with length(i), "
        "such as SequenceDataset");
  }
}

std::int64_t count_batches(std::int64_t size, const DataLoaderOptions& options) {
  const std::int64_t full = size / options.batch_size;
  return full + (!options.drop_last && size % options.batch_size != 0 ? 1 : 0);
}

BatchOrder::BatchOrder(std::int64_t size, const DataLoaderOptions& options, Generator* generator,
                       const Length& length)
    : size_(size), options_(options), generator_(generator) {
  Generator& source = generator != nullptr ? *generator : default_generator();
  draw_seed(source);
  std::optional<Generator> own;
  if (options.shuffle && generator == nullptr) own.emplace(draw_seed(source));
  Generator& orders = own ? *own : source;
  order_ = to_vector<std::int64_t>(options.shuffle ? randperm(size, orders) : arange(size));

  const std::int64_t count = count_batches(size, options);
  for (std::int64_t i = 0; i < count; ++i) batches_.push_back(i * options.batch_size);
  if (options.bucket_batches == 0) return;
  // Divides, because the product may overflow.
  const std::int64_t window = options.bucket_batches > size / options.batch_size
                                  ? std::max<std::int64_t>(size, 1)
                                  : options.bucket_batches * options.batch_size;
  sort_windows(order_, window, length);
  if (!options.shuffle) return;
  std::vector<std::int64_t> mixed;
  for (const std::int64_t i : to_vector<std::int64_t>(randperm(count, orders))) {
    mixed.push_back(batches_[static_cast<std::size_t>(i)]);
  }
  batches_ = std::move(mixed);
}

std::span<const std::int64_t> BatchOrder::next() {
  const bool ended = returned_ == batches_.size();
  // PyTorch draws the unused order when it reaches the end of the examples: while it fills the last
  // batch or, if that is full, after it.
  const bool last_is_full = size_ % options_.batch_size == 0 || options_.drop_last;
  if (options_.shuffle && generator_ != nullptr &&
      returned_ + (last_is_full ? 0 : 1) == batches_.size()) {
    randperm(size_, *std::exchange(generator_, nullptr));
  }
  if (ended) return {};
  const std::int64_t begin = batches_[returned_++];
  return std::span(order_).subspan(
      static_cast<std::size_t>(begin),
      static_cast<std::size_t>(std::min(options_.batch_size, size_ - begin)));
}

// The worker --------------------------------------------------------------------------------------

struct BackgroundWork::State {
  std::future<void> done;  // its destructor waits for the thread
};

BackgroundWork::BackgroundWork() = default;
BackgroundWork::~BackgroundWork() = default;
BackgroundWork::BackgroundWork(BackgroundWork&&) noexcept = default;
BackgroundWork& BackgroundWork::operator=(BackgroundWork&&) noexcept = default;

void BackgroundWork::start(std::function<void()> work) {
  try {
    state_ = std::make_unique<State>(State{std::async(std::launch::async, work)});
  } catch (const std::system_error&) {  // no thread is left: finish() will do the work
    state_ = std::make_unique<State>(State{std::async(std::launch::deferred, work)});
  }
}

void BackgroundWork::finish() {
  const std::unique_ptr<State> finished = std::move(state_);
  finished->done.get();
}

}  // namespace detail

}  // namespace tapegrad::nn
