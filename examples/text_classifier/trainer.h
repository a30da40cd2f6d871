// Trains one model: batches, loss, gradients, steps, learning rate. Read next: trainer.cc.
#pragma once

#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/nn/data/loader.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/optim/schedule.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "common/progress.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/metrics.h"
#include "text_classifier/search.h"
#include "text_classifier/settings.h"
#include "text_classifier/trained.h"

namespace text_classifier {

using examples::Progress;
using examples::progress_options_for_stderr;

// The texts as ids, with targets. `test` and `held_out` are optional.
struct Examples {
  LabeledTexts train;
  std::optional<LabeledTexts> test = std::nullopt;
  std::optional<LabeledTexts> held_out = std::nullopt;
};

// The model of the epoch with the smallest loss on the held-out texts.
class BestEpoch {
 public:
  // Returns false after `patience` epochs without a smaller loss.
  bool look_at(const EpochMetrics& metrics, const HeldOut& held_out, const Classifier& model,
               std::int64_t patience);
  void restore(Classifier& model) const;  // nothing if no epoch was looked at
  const HeldOut* held_out() const { return epoch_ > 0 ? &held_out_ : nullptr; }

  tg::StateDict state_dict() const;  // empty if no epoch was looked at
  // Of a run in its epoch `present`. It loads the weights into the model, which must have their
  // names and shapes.
  void load_state_dict(const tg::StateDict& state, std::int64_t present, Classifier& model);

 private:
  tg::StateDict weights_;
  HeldOut held_out_;
  double loss_ = 0;
  std::int64_t epoch_ = 0;  // 0: none
};

// Trains a model.
class Trainer {
 public:
  // Requires settings.epochs. Throws what check() throws. With a search, which must outlive the
  // trainer, this is the training of its present part.
  Trainer(Trained initial, Examples examples, TrainSettings settings,
          EpochSearch* search = nullptr);

  // Throws tapegrad::ValueError if the optimizer or the schedule refuses the settings.
  static void check(const Trained& initial, const TrainSettings& settings, std::size_t texts);

  // Runs all epochs. A search may stop it earlier. With settings.patience, it may stop earlier and
  // restores the best epoch. With held-out texts and no search, it sets temperature and thresholds.
  // Some epochs are reported on standard error, and each in the log, which may be null. After each
  // batch it calls `after_batch`, and stops if that returns false. Returns whether the end was
  // reached. At the end, no step of the optimizer is pending. Throws tapegrad::ValueError if the
  // loss is not finite.
  bool run(MetricsLog* log, const std::function<bool()>& after_batch);

  const Trained& trained() const { return trained_; }

  // The number of batches so far.
  std::int64_t steps() const { return position_.steps; }

  // Everything that is needed to go on after the last batch: model, optimizer, schedule, order of
  // the texts, default generator, best epoch, position. A trainer of the same arguments that loads
  // it gives the same bits as this one, which does not change. FormatError, which names what does
  // not fit.
  tg::StateDict state_dict() const;
  void load_state_dict(const tg::StateDict& state);

 private:
  using PartOfBatch = tg::distributed::ShardedBatch<LabeledTexts::Batch>;  // this rank's texts
  // Of a batch, on all ranks.
  struct Step {
    double loss;  // the sum
    std::int64_t correct;
    std::int64_t texts;
  };
  // Where the run is, and the sums of the epoch that has not ended.
  struct Position {
    std::int64_t steps = 0;
    std::int64_t epoch = 1;
    std::int64_t done = 0;     // texts
    std::int64_t correct = 0;  // of these
    double loss = 0;           // sum over these
    double seconds = 0;
  };

  void report(Progress& progress, const EpochMetrics& metrics) const;
  void set_answering();
  bool run_epoch(Progress& progress, const std::function<bool()>& after_batch);
  EpochMetrics metrics_of_epoch();  // tests, too, and sets held_out_
  Step step(const PartOfBatch& part);
  Step sum_over_ranks(const Step& own) const;
  void share_generator() const;
  void draw_as_this_rank() const;
  void change_rate(double passed);    // passed: the share of the run that is done
  std::int64_t texts_passed() const;  // of all epochs
  void require_reachable(const Position& position) const;

  Trained trained_;
  Examples examples_;
  TrainSettings settings_;
  tg::nn::DataLoader<tg::distributed::Shard<LabeledTexts>> loader_;
  std::unique_ptr<tg::optim::Optimizer> optimizer_;
  std::unique_ptr<examples::SharedSteps> shared_;  // null: there are no other ranks
  std::unique_ptr<tg::optim::Schedule> schedule_;  // null: the rate falls to 0 in a straight line
  EpochSearch* search_;
  Position position_;
  HeldOut held_out_;  // of the last epoch
  BestEpoch best_;
};

}  // namespace text_classifier
