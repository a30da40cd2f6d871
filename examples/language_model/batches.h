// Batches of pieces of one long text. Read next: batches.cc.
#pragma once

#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <vector>

namespace language_model {

namespace tg = tapegrad;

using Ids = std::vector<std::int64_t>;

// Which tokens each step of the training sees. A batch depends only on its number, so a run can
// continue with any batch.
class Batches {
 public:
  virtual ~Batches() = default;

  // Batch `number`, counted from 0 through all epochs: (rows, length) int64, each row a piece of
  // the text.
  virtual tg::Tensor at(std::int64_t number) = 0;
  // Whether each row continues the same row of the batch before.
  virtual bool continues(std::int64_t number) const = 0;

  std::int64_t per_epoch() const;
  // The number of predictions of the batches before this one.
  std::int64_t predictions_before(std::int64_t number) const;

 protected:
  Batches(std::int64_t of_batch, std::int64_t of_epoch)
      : of_batch_(of_batch), of_epoch_(of_epoch) {}

 private:
  std::int64_t of_batch_;  // predictions, but for the last batch of an epoch
  std::int64_t of_epoch_;
};

// For models with a memory: the text is cut into `rows` streams of equal length, and a batch has
// the next steps + 1 tokens of each, the last one of which is the first one of the next batch. The
// last batch of an epoch may have fewer steps. Up to rows - 1 tokens at the end are left out.
class Streams final : public Batches {
 public:
  // ValueError unless there are more than `rows` tokens.
  Streams(Ids ids, std::int64_t rows, std::int64_t steps);
  tg::Tensor at(std::int64_t number) override;
  bool continues(std::int64_t number) const override { return number % per_epoch() != 0; }

 private:
  Ids ids_;
  std::int64_t rows_, steps_, length_;  // length_: predictions of a stream
};

enum class Order { of_text, random };

// For models that see only a window: windows of `context` + `predicted` tokens. In the order of the
// text, they begin every `predicted` tokens, so that an epoch predicts each token once. At random,
// an epoch has the same number of different windows, drawn from those that begin at any token; the
// draw depends on the seed and the epoch.
class Windows final : public Batches {
 public:
  // ValueError for fewer than context + predicted tokens.
  Windows(Ids ids, std::int64_t context, std::int64_t predicted, std::int64_t rows, Order order,
          std::int64_t seed);
  tg::Tensor at(std::int64_t number) override;
  bool continues(std::int64_t) const override { return false; }

 private:
  void start_epoch(std::int64_t epoch);

  Ids ids_;
  std::int64_t context_, predicted_, rows_;
  Order order_;
  std::int64_t seed_;
  std::int64_t windows_;
  std::int64_t epoch_ = -1;  // of starts_
  Ids starts_;
};

}  // namespace language_model
