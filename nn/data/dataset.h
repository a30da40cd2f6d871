// Data sets: tensors of equal length, sequences of different lengths, and subsets of another data
// set. Read next: nn/data/dataset.cc.
//
// A data set is any class with `size()` and `batch(indices)`. If it also has `length(i)`, it can be
// batched by length. If the DataLoader has a worker, batch() is called from another thread.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/tensor/scalar.h>
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
Tensor rows_of(const Tensor& tensor, std::span<const std::int64_t> indices);

// Positions in several data sets of these sizes: those in each of them, and for each position in
// the whole, where it stands when the parts are joined.
struct ConcatParts {
  std::vector<Indices> indices;
  Indices order;
};
void check_concat(const Indices& sizes);
std::int64_t total(const Indices& sizes);
ConcatParts parts_of(std::span<const std::int64_t> indices, const Indices& sizes);
Tensor joined(std::span<const Tensor> pieces, const Indices& order);
}  // namespace detail

// Tensors of equal size(0). Example i is row i of each tensor, and a batch holds some rows of each.
template <std::size_t N>
class TensorDataset {
 public:
  // ShapeError unless all have the same size(0).
  template <std::convertible_to<Tensor>... Tensors>
  explicit TensorDataset(Tensors... tensors) : tensors_{std::move(tensors)...} {
    detail::check_dataset(tensors_);
  }
  explicit TensorDataset(std::array<Tensor, N> tensors) : tensors_(std::move(tensors)) {
    detail::check_dataset(tensors_);
  }
  std::int64_t size() const { return tensors_[0].size(0); }
  std::array<Tensor, N> batch(std::span<const std::int64_t> indices) const {
    std::array<Tensor, N> result;
    for (std::size_t i = 0; i < N; ++i) result[i] = detail::rows_of(tensors_[i], indices);
    return result;
  }
  const std::array<Tensor, N>& tensors() const& { return tensors_; }
  std::array<Tensor, N> tensors() const&& { return tensors_; }

 private:
  std::array<Tensor, N> tensors_;
};
template <class... Tensors>
TensorDataset(Tensors...) -> TensorDataset<sizeof...(Tensors)>;
template <std::size_t N>
TensorDataset(std::array<Tensor, N>) -> TensorDataset<N>;

struct PadSequenceOptions {
  bool batch_first = false;
  Scalar padding_value = 0;
};

// Returns sequences (steps, ...) of different lengths as one tensor (longest, batch, ...), or
// (batch, longest, ...) with batch_first, padded at their ends. ValueError if there are no
// sequences; ShapeError if other sizes than the lengths differ; DTypeError if the element types
// differ.
Tensor pad_sequence(std::span<const Tensor> sequences, PadSequenceOptions options = {});
Tensor pad_sequence(std::initializer_list<Tensor> sequences, PadSequenceOptions options = {});

// Sequences of different lengths, with a label for each. A batch is padded to its longest sequence.
class SequenceDataset {
 public:
  struct Batch {
    Tensor sequences;  // (batch, longest, ...)
    Tensor lengths;    // (batch) int64
    Tensor labels;     // (batch, ...)
  };
  // ShapeError unless there are as many labels as sequences. batch() throws the errors of
  // pad_sequence().
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

// Some examples of another data set, given by their positions in it.
template <Dataset Data>
class Subset {
 public:
  Subset(std::shared_ptr<const Data> data, Indices indices)
      : data_(std::move(data)), indices_(std::move(indices)) {}
  Subset(const Data& data, Indices indices)
      : Subset(std::make_shared<const Data>(data), std::move(indices)) {}

  std::int64_t size() const { return static_cast<std::int64_t>(indices_.size()); }
  auto batch(std::span<const std::int64_t> indices) const {
    Indices there;
    for (const std::int64_t i : indices) there.push_back(at(i));
    return data_->batch(there);
  }
  std::int64_t length(std::int64_t i) const requires HasLengths<Data> {
    return data_->length(at(i));
  }
  const Indices& indices() const& { return indices_; }
  Indices indices() const&& { return indices_; }

 private:
  std::int64_t at(std::int64_t i) const { return indices_[static_cast<std::size_t>(i)]; }

  std::shared_ptr<const Data> data_;
  Indices indices_;
};

// Several data sets as one: the examples of the first, then those of the second, and so on. Their
// batches are arrays of tensors, as those of TensorDataset and of its subsets.
template <Dataset Data>
class ConcatDataset {
 public:
  using Batch = decltype(std::declval<const Data&>().batch(std::span<const std::int64_t>()));

  // ValueError if there are no data sets.
  explicit ConcatDataset(std::vector<Data> datasets)
      : datasets_(std::make_shared<const std::vector<Data>>(std::move(datasets))) {
    for (const Data& each : *datasets_) sizes_.push_back(each.size());
    detail::check_concat(sizes_);
  }
  ConcatDataset(std::initializer_list<Data> datasets)
      : ConcatDataset(std::vector<Data>(datasets)) {}

  std::int64_t size() const { return detail::total(sizes_); }
  // IndexError for a position that is out of range; ShapeError and DTypeError if examples of
  // several data sets do not fit into one tensor.
  Batch batch(std::span<const std::int64_t> indices) const {
    const detail::ConcatParts parts = detail::parts_of(indices, sizes_);
    std::vector<Batch> batches;
    for (std::size_t i = 0; i < sizes_.size(); ++i) {
      if (!parts.indices[i].empty()) batches.push_back((*datasets_)[i].batch(parts.indices[i]));
    }
    if (batches.size() == 1) return std::move(batches.front());
    if (batches.empty()) return datasets_->front().batch(indices);
    Batch result;
    for (std::size_t i = 0; i < result.size(); ++i) {
      std::vector<Tensor> pieces;
      for (const Batch& each : batches) pieces.push_back(each[i]);
      result[i] = detail::joined(pieces, parts.order);
    }
    return result;
  }
  const std::vector<Data>& datasets() const& { return *datasets_; }
  std::vector<Data> datasets() const&& { return *datasets_; }

 private:
  std::shared_ptr<const std::vector<Data>> datasets_;
  Indices sizes_;
};

}  // namespace tapegrad::nn
