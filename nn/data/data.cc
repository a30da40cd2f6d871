// The orders in which a DataLoader, random_split() and k_folds() take examples. Read next:
// nn/onnx/graph.h.
#include <tapegrad/nn/data/data.h>

#include <algorithm>
#include <cmath>
#include <future>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/distributions.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {
namespace {

// What torch.empty((), dtype=torch.int64).random_() draws: 63 bits.
std::uint64_t draw_seed(Generator& generator) {
  const tapegrad::detail::GeneratorLock lock(generator);
  return generator.random64() & (~std::uint64_t{0} >> 1);
}

std::string joined(std::span<const Scalar> lengths) {
  std::string text;
  for (const Scalar length : lengths) {
    std::string number = std::to_string(length.to<double>());
    if (length.dtype() == int64) number = std::to_string(length.to<std::int64_t>());
    text += (text.empty() ? "" : ", ") + number;
  }
  return "{" + text + "}";
}

}  // namespace

// Sets of examples --------------------------------------------------------------------------------

namespace detail {

void check_dataset(std::span<const Tensor> tensors) {
  std::string shapes;
  bool equal = true;
  for (const Tensor& tensor : tensors) {
    shapes += (shapes.empty() ? "" : ", ") + to_string(tensor.sizes());
    equal =
        equal && tensor.dim() > 0 && tensors[0].dim() > 0 && tensor.size(0) == tensors[0].size(0);
  }
  if (!equal) {
    throw ShapeError("TensorDataset: got " + shapes +
                     ", needed the same first size, the number of examples");
  }
}

Tensor rows(const Tensor& tensor, std::span<const std::int64_t> indices) {
  return index_select(tensor, 0, tapegrad::tensor(indices));
}

}  // namespace detail

Tensor pad_sequence(std::span<const Tensor> sequences, PadSequenceOptions options) {
  if (sequences.empty()) throw ValueError("pad_sequence: got no sequences, needed at least one");
  const Tensor& first = sequences[0];
  std::int64_t longest = 0;
  for (const Tensor& sequence : sequences) {
    const bool fits = sequence.dim() > 0 && sequence.dim() == first.dim() &&
                      std::ranges::equal(sequence.sizes().subspan(1), first.sizes().subspan(1));
    if (!fits) {
      throw ShapeError("pad_sequence: got " + to_string(first.sizes()) + " and " +
                       to_string(sequence.sizes()) +
                       ", needed sizes that differ in the first only");
    }
    if (sequence.dtype() != first.dtype()) {
      throw DTypeError(std::string("pad_sequence: got ") + name(first.dtype()) + " and " +
                       name(sequence.dtype()) + ", needed one type");
    }
    longest = std::max(longest, sequence.size(0));
  }
  Shape shape = first.shape();  // (steps, ...)
  shape[0] = longest;
  shape.insert(options.batch_first ? 0 : 1, static_cast<std::int64_t>(sequences.size()));
  Tensor padded = full(shape, options.padding_value, first.dtype());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    Tensor place = select(padded, options.batch_first ? 0 : 1, static_cast<std::int64_t>(i));
    narrow(place, 0, 0, sequences[i].size(0)).copy_(sequences[i]);
  }
  return padded;
}

Tensor pad_sequence(std::initializer_list<Tensor> sequences, PadSequenceOptions options) {
  return pad_sequence(std::span(sequences.begin(), sequences.size()), options);
}

SequenceDataset::SequenceDataset(std::vector<Tensor> sequences, Tensor labels, Scalar padding_value)
    : sequences_(std::make_shared<const std::vector<Tensor>>(std::move(sequences))),
      labels_(std::move(labels)),
      padding_value_(padding_value) {
  if (labels_.dim() == 0 || labels_.size(0) != size()) {
    throw ShapeError("SequenceDataset: got " + std::to_string(size()) +
                     " sequences and labels of " + to_string(labels_.sizes()) +
                     ", needed a label for each");
  }
}

SequenceDataset::Batch SequenceDataset::batch(std::span<const std::int64_t> indices) const {
  std::vector<Tensor> members;
  Indices lengths;
  for (const std::int64_t i : indices) {
    members.push_back((*sequences_)[static_cast<std::size_t>(i)]);
    lengths.push_back(length(i));
  }
  return {pad_sequence(members, {.batch_first = true, .padding_value = padding_value_}),
          tensor(lengths), detail::rows(labels_, indices)};
}

// Splitting ---------------------------------------------------------------------------------------

namespace detail {

std::vector<Indices> split(std::int64_t size, std::span<const Scalar> lengths,
                           Generator& generator) {
  double total = 0;
  for (const Scalar length : lengths) {
    total += length.to<double>();
    if (!(length.to<double>() >= 0)) {
      throw ValueError("random_split: got lengths " + joined(lengths) + ", needed none below 0");
    }
  }
  Indices counts;
  std::int64_t sum = 0;
  const bool fractions = std::abs(total - 1) <= 1e-9 && total <= 1;
  for (const Scalar length : lengths) {
    counts.push_back(fractions ? static_cast<std::int64_t>(
                                     std::floor(static_cast<double>(size) * length.to<double>()))
                               : length.to<std::int64_t>());
    sum += counts.back();
  }
  if (fractions) {
    for (std::size_t i = 0; sum < size; ++sum, i = (i + 1) % counts.size()) ++counts[i];
  }
  const bool whole = fractions || std::ranges::all_of(lengths, [](Scalar length) {
                       return length.dtype() == int64;
                     });
  if (sum != size || !whole) {
    throw ValueError("random_split: got lengths " + joined(lengths) + " for " +
                     std::to_string(size) +
                     " examples, needed whole numbers that sum up to that, "
                     "or fractions that sum up to 1");
  }
  const Indices order = to_vector<std::int64_t>(randperm(size, generator));
  std::vector<Indices> parts;
  auto begin = order.begin();
  for (const std::int64_t count : counts) {
    parts.emplace_back(begin, begin + count);
    begin += count;
  }
  return parts;
}

std::vector<Indices> folds(std::int64_t size, std::int64_t k, Generator& generator) {
  if (k < 2 || k > size) {
    throw ValueError("k_folds: k is " + std::to_string(k) + " for " + std::to_string(size) +
                     " examples, needed at least 2 and an example for each");
  }
  const Indices order = to_vector<std::int64_t>(randperm(size, generator));
  std::vector<Indices> parts;
  auto begin = order.begin();
  for (std::int64_t fold = 0; fold < k; ++fold) {
    const std::int64_t count = size / k + (fold < size % k ? 1 : 0);
    parts.emplace_back(begin, begin + count);
    begin += count;
  }
  return parts;
}

// Batches -----------------------------------------------------------------------------------------

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
        "as SequenceDataset");
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
  // Division, as the product may overflow.
  const std::int64_t window = options.bucket_batches > size / options.batch_size
                                  ? std::max<std::int64_t>(size, 1)
                                  : options.bucket_batches * options.batch_size;
  for (std::int64_t start = 0; start < size; start += window) {
    std::stable_sort(order_.begin() + start, order_.begin() + std::min(start + window, size),
                     [&](std::int64_t a, std::int64_t b) { return length(a) < length(b); });
  }
  if (!options.shuffle) return;
  std::vector<std::int64_t> mixed;
  for (const std::int64_t i : to_vector<std::int64_t>(randperm(count, orders))) {
    mixed.push_back(batches_[static_cast<std::size_t>(i)]);
  }
  batches_ = std::move(mixed);
}

std::span<const std::int64_t> BatchOrder::next() {
  const bool ended = given_ == batches_.size();
  // PyTorch looks for the end when it fills the last batch, or finds it behind that.
  const bool last_is_full = size_ % options_.batch_size == 0 || options_.drop_last;
  if (options_.shuffle && generator_ != nullptr &&
      given_ + (last_is_full ? 0 : 1) == batches_.size()) {
    randperm(size_, *std::exchange(generator_, nullptr));
  }
  if (ended) return {};
  const std::int64_t begin = batches_[given_++];
  return std::span(order_).subspan(
      static_cast<std::size_t>(begin),
      static_cast<std::size_t>(std::min(options_.batch_size, size_ - begin)));
}

}  // namespace detail
// The worker --------------------------------------------------------------------------------------

namespace detail {

struct BackgroundWork::State {
  std::future<void> done;  // waits for its thread when it is dropped
};

BackgroundWork::BackgroundWork() = default;
BackgroundWork::~BackgroundWork() = default;
BackgroundWork::BackgroundWork(BackgroundWork&&) noexcept = default;
BackgroundWork& BackgroundWork::operator=(BackgroundWork&&) noexcept = default;

void BackgroundWork::start(std::function<void()> work) {
  state_ = std::make_unique<State>(State{std::async(std::launch::async, std::move(work))});
}

void BackgroundWork::finish() {
  const std::unique_ptr<State> finished = std::move(state_);
  finished->done.get();
}

}  // namespace detail

}  // namespace tapegrad::nn
