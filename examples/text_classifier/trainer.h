// Trains one model: batches, loss, gradients, steps, learning rate. Read next: progress.h.
#pragma once

#include <tapegrad/nn/data/dataset.h>
#include <tapegrad/nn/data/loader.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/optim/schedule.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "text_classifier/metrics.h"
#include "text_classifier/progress.h"
#include "text_classifier/settings.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// The texts as ids, with labels. `test` and `held_out` are optional.
struct Examples {
  tg::nn::SequenceDataset train;
  std::optional<tg::nn::SequenceDataset> test = std::nullopt;
  std::optional<tg::nn::SequenceDataset> held_out = std::nullopt;
};

// Trains a model. It keeps references to its arguments, which must outlive it.
class Trainer {
 public:
  // Requires settings.epochs. Throws tapegrad::ValueError if the optimizer refuses the rate.
  Trainer(Trained& trained, const Examples& examples, const TrainSettings& settings);

  // Runs all epochs. With settings.patience, it may stop earlier and restores the best epoch. Each
  // epoch is reported on standard error and in the log, which may be null. Throws
  // tapegrad::ValueError if the loss is not finite.
  void run(MetricsLog* log);

 private:
  struct Step {
    double loss;
    tg::Tensor logits;
  };

  EpochMetrics run_epoch(std::int64_t epoch, Progress& progress);  // one pass over the examples
  void test(EpochMetrics& metrics);
  Step step(const tg::Tensor& ids, const tg::Tensor& labels, std::int64_t epoch);
  void change_rate(double passed);  // passed: the share of the run that is done

  Trained& trained_;
  const Examples& examples_;
  const TrainSettings& settings_;
  tg::nn::DataLoader<tg::nn::SequenceDataset> loader_;
  std::unique_ptr<tg::optim::Optimizer> optimizer_;
  std::unique_ptr<tg::optim::Schedule> schedule_;  // null: the rate falls to 0 in a straight line
};

}  // namespace text_classifier
