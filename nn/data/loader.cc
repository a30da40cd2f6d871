// The order of the batches in one pass, the position in it, and the worker thread. Read next:
// nn/text/utf8.h.
#include <tapegrad/nn/data/loader.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>

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
  if (order.empty()) return;
  // Computed once, because the sort compares each many times.
  Indices lengths(static_cast<std::size_t>(*std::ranges::max_element(order)) + 1);
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

// The options -------------------------------------------------------------------------------------

void check_loader(std::int64_t size, const DataLoaderOptions& options, bool has_lengths) {
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
  if (!options.sampler) return;
  if (options.shuffle) {
    throw ValueError("DataLoader: got shuffle and a sampler, needed at most one of them");
  }
  if (options.sampler->size() != size) {
    throw ValueError("DataLoader: the sampler has " + std::to_string(options.sampler->size()) +
                     " weights, needed " + std::to_string(size) + ", one for each example");
  }
}

namespace {

// The number of examples in a pass.
std::int64_t examples_in(std::int64_t size, const DataLoaderOptions& options) {
  return options.sampler ? options.sampler->num_samples() : size;
}

// Whether the order is drawn.
bool draws(const DataLoaderOptions& options) { return options.shuffle || options.sampler; }

}  // namespace

std::int64_t count_batches(std::int64_t size, const DataLoaderOptions& options) {
  const std::int64_t examples = examples_in(size, options);
  const std::int64_t full = examples / options.batch_size;
  return full + (!options.drop_last && examples % options.batch_size != 0 ? 1 : 0);
}

// How far a loader is -----------------------------------------------------------------------------

// Where a pass is.
struct PassPosition {
  std::int64_t batches = 0;                         // how many of them the user got
  std::optional<Generator> shuffle = std::nullopt;  // as it was before it drew the orders
};

namespace {

// What decides which examples a batch holds, as it is saved.
std::vector<std::pair<std::string, std::int64_t>> saved_options(std::int64_t size,
                                                                const DataLoaderOptions& options) {
  std::vector<std::pair<std::string, std::int64_t>> saved = {
      {"size", size},
      {"batch_size", options.batch_size},
      {"shuffle", options.shuffle ? 1 : 0},
      {"drop_last", options.drop_last ? 1 : 0},
      {"bucket_batches", options.bucket_batches}};
  if (options.sampler) saved.emplace_back("num_samples", options.sampler->num_samples());
  return saved;
}

// Takes entries out of a saved state, and collects the problems.
class PositionReader {
 public:
  explicit PositionReader(const StateDict& saved) : saved_(saved) {}

  std::int64_t count(const std::string& key) {
    const Tensor* const found = saved_.find(key);
    used_.insert(key);
    if (found == nullptr) {
      complain("missing " + key);
    } else if (found->dtype() != int64 || found->dim() != 0 || found->item<std::int64_t>() < 0) {
      complain(key + " is not a count");
    } else {
      return found->item<std::int64_t>();
    }
    return 0;
  }
  void expect(const std::string& key, std::int64_t needed) {
    const std::string earlier = problems_;
    const std::int64_t value = count(key);
    if (problems_ == earlier && value != needed) {
      complain(key + " is " + std::to_string(value) + " for " + std::to_string(needed));
    }
  }
  Generator generator(const std::string& key) {
    Generator result;
    const Tensor* const found = saved_.find(key);
    used_.insert(key);
    if (found == nullptr) {
      complain("missing " + key);
      return result;
    }
    try {
      result.load_state_dict({{"state", *found}});
    } catch (const FormatError&) {
      complain(key + " is not the state of a generator");
    }
    return result;
  }
  void complain(const std::string& problem) {
    problems_ += (problems_.empty() ? "" : ", ") + problem;
  }
  // FormatError if anything was wrong, or if entries are left.
  void finish() {
    for (const auto& [key, value] : saved_) {
      if (!used_.contains(key)) complain("unexpected " + key);
    }
    if (problems_.empty()) return;
    throw FormatError("DataLoader: the state does not fit this loader: " + problems_ +
                      "; a pass continues only with the same data set and options");
  }

 private:
  const StateDict& saved_;
  std::unordered_set<std::string> used_;
  std::string problems_;
};

}  // namespace

struct LoaderProgress::State {
  std::mutex mutex;
  std::int64_t ended = 0;                // the number of passes that have ended
  std::int64_t last = 0;                 // the number of the pass that began last
  std::int64_t size = 0;                 // of the data set in that pass
  std::optional<PassPosition> position;  // of that pass, until it has ended
  bool loaded = false;                   // the next pass continues at `position`

  std::optional<PassPosition> loaded_position() {
    const std::lock_guard lock(mutex);
    return loaded ? position : std::nullopt;
  }
  std::int64_t begin(std::int64_t size_now, std::optional<PassPosition> from) {
    const std::lock_guard lock(mutex);
    size = size_now;
    position = std::move(from);
    loaded = false;
    return ++last;
  }
  void move(std::int64_t pass, std::int64_t batches) {
    const std::lock_guard lock(mutex);
    if (pass == last && position) position->batches = batches;
  }
  void end(std::int64_t pass) {
    const std::lock_guard lock(mutex);
    if (pass != last || !position) return;
    position.reset();
    ++ended;
  }
};

LoaderProgress::LoaderProgress() : state_(std::make_shared<State>()) {}

LoaderProgress::LoaderProgress(const LoaderProgress& other) : LoaderProgress() {
  const std::lock_guard lock(other.state_->mutex);
  state_->ended = other.state_->ended;
  state_->size = other.state_->size;
  state_->position = other.state_->position;
  state_->loaded = other.state_->loaded;
}

LoaderProgress& LoaderProgress::operator=(LoaderProgress other) noexcept {
  state_ = std::move(other.state_);
  return *this;
}

std::int64_t LoaderProgress::passes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->ended;
}

StateDict LoaderProgress::state_dict(const DataLoaderOptions& options) const {
  const std::lock_guard lock(state_->mutex);
  StateDict saved{{"passes", tensor(state_->ended)}};
  if (!state_->position) return saved;
  saved.insert("batches", tensor(state_->position->batches));
  for (const auto& [key, value] : saved_options(state_->size, options)) {
    saved.insert(key, tensor(value));
  }
  if (const std::optional<Generator>& shuffle = state_->position->shuffle) {
    saved.insert("order", shuffle->state_dict().at("state"));
  }
  return saved;
}

void LoaderProgress::load_state_dict(const StateDict& saved, std::int64_t size,
                                     const DataLoaderOptions& options) {
  PositionReader reader(saved);
  const std::int64_t ended = reader.count("passes");
  std::optional<PassPosition> position;
  if (saved.size() > 1) {
    position.emplace();
    for (const auto& [key, value] : saved_options(size, options)) reader.expect(key, value);
    position->batches = reader.count("batches");
    if (position->batches > count_batches(size, options)) {
      reader.complain("batches is " + std::to_string(position->batches) + ", more than a pass has");
    }
    if (draws(options)) position->shuffle = reader.generator("order");
  }
  reader.finish();
  const std::lock_guard lock(state_->mutex);
  state_->ended = ended;
  state_->size = size;
  state_->loaded = position.has_value();
  state_->position = std::move(position);
  ++state_->last;  // a pass that is under way no longer moves the position
}

// The order of one pass ---------------------------------------------------------------------------

BatchOrder::BatchOrder(std::int64_t size, const DataLoaderOptions& options, Generator* generator,
                       const Length& length, const LoaderProgress& progress)
    : size_(examples_in(size, options)),
      options_(options),
      generator_(generator),
      progress_(progress.state_) {
  std::optional<PassPosition> position = progress_->loaded_position();
  if (position) {
    returned_ = asked_ = static_cast<std::size_t>(position->batches);
    if (draws(options)) {
      Generator again = *position->shuffle;
      draw_orders(again);
    }
  } else {
    position.emplace();
    Generator& source = generator != nullptr ? *generator : default_generator();
    draw_seed(source);
    if (draws(options)) {
      std::optional<Generator> own;
      if (generator == nullptr && options.shuffle) own.emplace(draw_seed(source));
      Generator& orders = own ? *own : options.sampler ? options.sampler->generator() : source;
      // One lock covers the state and what is drawn after it. A copy draws, because functions that
      // draw from the default generator lock it themselves.
      const tapegrad::detail::GeneratorLock lock(orders);
      position->shuffle = orders;
      Generator drawing = orders;
      draw_orders(drawing);
      orders = drawing;
    }
  }
  if (!draws(options)) order_ = to_vector<std::int64_t>(arange(size));
  arrange(length);
  pass_ = progress_->begin(size, std::move(position));
}

void BatchOrder::draw_orders(Generator& generator) {
  if (options_.sampler) {
    order_ = options_.sampler->draw(generator);
    return;
  }
  order_ = to_vector<std::int64_t>(randperm(size_, generator));
  if (options_.bucket_batches == 0) return;
  batches_ = to_vector<std::int64_t>(randperm(count_batches(size_, options_), generator));
}

// Sorts by length, and cuts the order into batches.
void BatchOrder::arrange(const Length& length) {
  const std::int64_t count = count_batches(size_, options_);
  if (options_.bucket_batches > 0) {
    // Divides, because the product may overflow.
    const std::int64_t window = options_.bucket_batches > size_ / options_.batch_size
                                    ? std::max<std::int64_t>(size_, 1)
                                    : options_.bucket_batches * options_.batch_size;
    sort_windows(order_, window, length);
  }
  if (!options_.shuffle || options_.bucket_batches == 0) {
    batches_ = to_vector<std::int64_t>(arange(count));
  }
  for (std::int64_t& batch : batches_) batch *= options_.batch_size;
}

std::span<const std::int64_t> BatchOrder::next() {
  if (returned_ == batches_.size()) return {};
  const std::int64_t begin = batches_[returned_++];
  return std::span(order_).subspan(
      static_cast<std::size_t>(begin),
      static_cast<std::size_t>(std::min(options_.batch_size, size_ - begin)));
}

void BatchOrder::ask() {
  // PyTorch draws the unused order when it reaches the end of the examples: while it fills the last
  // batch or, if that is full, after it.
  const bool last_is_full = size_ % options_.batch_size == 0 || options_.drop_last;
  if (options_.shuffle && generator_ != nullptr &&
      asked_ + (last_is_full ? 0 : 1) == batches_.size()) {
    randperm(size_, *generator_);
  }
  ++asked_;
}

void BatchOrder::answer(bool batch) {
  if (batch) {
    progress_->move(pass_, static_cast<std::int64_t>(asked_));
  } else if (returned_ == batches_.size()) {
    progress_->end(pass_);
  }
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
