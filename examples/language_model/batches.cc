// Read next: sampling.h.
#include "language_model/batches.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <utility>

namespace language_model {
namespace {

std::int64_t count(const Ids& ids) { return static_cast<std::int64_t>(ids.size()); }

void require_tokens(const char* what, const Ids& ids, std::int64_t needed) {
  if (count(ids) >= needed) return;
  throw tg::ValueError(std::string(what) + ": " + std::to_string(ids.size()) +
                       " tokens, needed at least " + std::to_string(needed));
}

std::int64_t count_windows(const Ids& ids, std::int64_t context, std::int64_t predicted) {
  require_tokens("Windows", ids, context + predicted);
  return (count(ids) - context) / predicted;
}

}  // namespace

std::int64_t Batches::per_epoch() const { return (of_epoch_ + of_batch_ - 1) / of_batch_; }

std::int64_t Batches::predictions_before(std::int64_t number) const {
  return number / per_epoch() * of_epoch_ + std::min(number % per_epoch() * of_batch_, of_epoch_);
}

Streams::Streams(Ids ids, std::int64_t rows, std::int64_t steps)
    : Batches(rows * steps,
              (require_tokens("Streams", ids, rows + 1), (count(ids) - 1) / rows * rows)),
      ids_(std::move(ids)),
      rows_(rows),
      steps_(steps),
      length_((count(ids_) - 1) / rows) {}

tg::Tensor Streams::at(std::int64_t number) {
  const std::int64_t first = number % per_epoch() * steps_;
  const std::int64_t length = std::min(steps_, length_ - first) + 1;
  Ids batch;
  batch.reserve(static_cast<std::size_t>(rows_ * length));
  for (std::int64_t row = 0; row < rows_; ++row) {
    const auto begin = ids_.begin() + row * length_ + first;
    batch.insert(batch.end(), begin, begin + length);
  }
  return reshape(tg::tensor(batch), {rows_, length});
}

Windows::Windows(Ids ids, std::int64_t context, std::int64_t predicted, std::int64_t rows,
                 Order order, std::int64_t seed)
    : Batches(rows * predicted, count_windows(ids, context, predicted) * predicted),
      ids_(std::move(ids)),
      context_(context),
      predicted_(predicted),
      rows_(rows),
      order_(order),
      seed_(seed),
      windows_(count_windows(ids_, context, predicted)) {}

void Windows::start_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  starts_.resize(static_cast<std::size_t>(windows_));
  if (order_ == Order::of_text) {
    for (std::int64_t i = 0; i < windows_; ++i) {
      starts_[static_cast<std::size_t>(i)] = i * predicted_;
    }
    return;
  }
  tg::Generator generator(static_cast<std::uint64_t>(seed_ + epoch));
  const tg::Tensor order = tg::randperm(count(ids_) - context_ - predicted_ + 1, generator);
  std::ranges::copy(order.span<std::int64_t>().first(starts_.size()), starts_.begin());
}

tg::Tensor Windows::at(std::int64_t number) {
  if (number / per_epoch() != epoch_) start_epoch(number / per_epoch());
  const std::int64_t first = number % per_epoch() * rows_;
  const std::int64_t rows = std::min(rows_, windows_ - first);
  const std::int64_t length = context_ + predicted_;
  Ids batch;
  batch.reserve(static_cast<std::size_t>(rows * length));
  for (std::int64_t row = first; row < first + rows; ++row) {
    const auto begin = ids_.begin() + starts_[static_cast<std::size_t>(row)];
    batch.insert(batch.end(), begin, begin + length);
  }
  return reshape(tg::tensor(batch), {rows, length});
}

}  // namespace language_model
