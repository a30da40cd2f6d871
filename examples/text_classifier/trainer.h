// The steps of one model: batches, loss, gradients, and the rate. Read next: progress.h.
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

// Texts as the model reads them; the last two where there are such.
struct Examples {
  tg::nn::SequenceDataset train;
  std::optional<tg::nn::SequenceDataset> test = std::nullopt;
  std::optional<tg::nn::SequenceDataset> held_out = std::nullopt;
};

// A model, and all that moves it through the epochs. What it refers to must outlive it.
class Trainer {
 public:
  // settings.epochs must be set. Throws tapegrad::ValueError for a rate that no optimizer takes.
  Trainer(Trained& trained, const Examples& examples, const TrainSettings& settings);

  // All epochs, or as many as settings.patience allows; then the best one is kept. Reports each on
  // standard error, and in the log. Throws tapegrad::ValueError if the loss is not finite.
  void run(std::optional<MetricsLog>& log);

 private:
  struct Step {
    double loss;
    tg::Tensor logits;
  };

  EpochMetrics run_epoch(std::int64_t epoch, Progress& progress);  // one pass over the examples
  void test(EpochMetrics& metrics);
  Step step(const tg::Tensor& ids, const tg::Tensor& labels, std::int64_t epoch);
  void change_rate(double passed);  // after that share of the whole run

  Trained& trained_;
  const Examples& examples_;
  const TrainSettings& settings_;
  tg::nn::DataLoader<tg::nn::SequenceDataset> loader_;
  std::unique_ptr<tg::optim::Optimizer> optimizer_;
  std::unique_ptr<tg::optim::Schedule> schedule_;  // null: the rate falls in a straight line
};

}  // namespace text_classifier
