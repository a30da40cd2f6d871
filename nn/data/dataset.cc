// Batches: rows of tensors, and sequences padded to the longest. Read next: nn/data/splits.h.
#include <tapegrad/nn/data/dataset.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {

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

Tensor rows_of(const Tensor& tensor, std::span<const std::int64_t> indices) {
  return index_select(tensor, 0, tapegrad::tensor(indices));
}

void check_concat(const Indices& sizes) {
  if (sizes.empty()) throw ValueError("ConcatDataset: got no data sets, needed at least one");
}

std::int64_t total(const Indices& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

ConcatParts parts_of(std::span<const std::int64_t> indices, const Indices& sizes) {
  const std::int64_t size = total(sizes);
  ConcatParts parts{std::vector<Indices>(sizes.size()), {}};
  std::vector<std::size_t> homes;  // the data set of each position
  Indices ranks;                   // and where it stands among those of this data set
  for (const std::int64_t index : indices) {
    if (index < 0 || index >= size) {
      throw IndexError("ConcatDataset: position " + std::to_string(index) + " out of range for " +
                       std::to_string(size) + " examples");
    }
    std::int64_t rest = index;
    std::size_t home = 0;
    while (rest >= sizes[home]) rest -= sizes[home++];
    homes.push_back(home);
    ranks.push_back(std::ssize(parts.indices[home]));
    parts.indices[home].push_back(rest);
  }
  Indices starts{0};
  for (const Indices& part : parts.indices) starts.push_back(starts.back() + std::ssize(part));
  for (std::size_t i = 0; i < homes.size(); ++i) {
    parts.order.push_back(starts[homes[i]] + ranks[i]);
  }
  return parts;
}

Tensor joined(std::span<const Tensor> pieces, const Indices& order) {
  return index_select(cat(pieces, 0), 0, tapegrad::tensor(order));
}

}  // namespace detail

namespace {

void check_sequence(const Tensor& sequence, const Tensor& first) {
  const bool fits = sequence.dim() > 0 && sequence.dim() == first.dim() &&
                    std::ranges::equal(sequence.sizes().subspan(1), first.sizes().subspan(1));
  if (!fits) {
    throw ShapeError("pad_sequence: got " + to_string(first.sizes()) + " and " +
                     to_string(sequence.sizes()) + ", needed sizes that differ only in the first");
  }
  if (sequence.dtype() != first.dtype()) {
    throw DTypeError(std::string("pad_sequence: got ") + name(first.dtype()) + " and " +
                     name(sequence.dtype()) + ", needed one type");
  }
}

// pad_sequence() for sequence_at(0) to sequence_at(count - 1).
template <class SequenceAt>
Tensor pad(std::size_t count, const SequenceAt& sequence_at, const PadSequenceOptions& options) {
  if (count == 0) throw ValueError("pad_sequence: got no sequences, needed at least one");
  const Tensor& first = sequence_at(0);
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    check_sequence(sequence_at(i), first);
    longest = std::max(longest, sequence_at(i).sizes()[0]);
  }
  Shape shape = first.shape();  // (steps, ...)
  shape[0] = longest;
  shape.insert(options.batch_first ? 0 : 1, static_cast<std::int64_t>(count));
  Tensor padded = full(shape, options.padding_value, first.dtype());
  if (padded.numel() == 0) return padded;

  // Copies steps as bytes, because for short texts operations on views cost more than the copy.
  auto* const to = padded.mutable_data<std::byte>();
  const std::size_t step = static_cast<std::size_t>(padded.numel()) * item_size(first.dtype()) /
                           (count * static_cast<std::size_t>(longest));  // bytes
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor sequence = sequence_at(i).contiguous();
    const auto steps = static_cast<std::size_t>(sequence.sizes()[0]);
    const auto* const from = sequence.data<std::byte>();
    if (steps == 0) continue;
    if (options.batch_first) {
      std::memcpy(to + i * static_cast<std::size_t>(longest) * step, from, steps * step);
    } else {
      for (std::size_t t = 0; t < steps; ++t) {
        std::memcpy(to + (t * count + i) * step, from + t * step, step);
      }
    }
  }
  return padded;
}

}  // namespace

Tensor pad_sequence(std::span<const Tensor> sequences, PadSequenceOptions options) {
  return pad(
      sequences.size(), [&](std::size_t i) -> const Tensor& { return sequences[i]; }, options);
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
                     ", needed one label for each sequence");
  }
}

SequenceDataset::Batch SequenceDataset::batch(std::span<const std::int64_t> indices) const {
  const auto sequence_at = [&](std::size_t i) -> const Tensor& {
    return (*sequences_)[static_cast<std::size_t>(indices[i])];
  };
  Batch batch;
  batch.sequences =
      pad(indices.size(), sequence_at, {.batch_first = true, .padding_value = padding_value_});
  batch.lengths = Tensor::uninitialized(std::array{std::ssize(indices)}, int64);
  const std::span<std::int64_t> lengths = batch.lengths.mutable_span<std::int64_t>();
  for (std::size_t i = 0; i < indices.size(); ++i) lengths[i] = length(indices[i]);
  batch.labels = detail::rows_of(labels_, indices);
  return batch;
}

}  // namespace tapegrad::nn
