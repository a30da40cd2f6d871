// The training loop, with its optimizer and schedule. Read next: progress.h.
#include "text_classifier/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>

#include "text_classifier/evaluation.h"

namespace text_classifier {
namespace {

std::unique_ptr<tg::optim::Optimizer> optimizer_for(const Classifier& model,
                                                    const TrainSettings& settings) {
  if (settings.optimizer == "sgd") {
    return std::make_unique<tg::optim::SGD>(model.parameters(),
                                            tg::optim::SGDOptions{.lr = learning_rate(settings)});
  }
  return std::make_unique<tg::optim::Adam>(model.parameters(),
                                           tg::optim::AdamOptions{.lr = learning_rate(settings)});
}

// The schedule that changes the learning rate after each batch. Null means that the rate falls to 0
// in a straight line, which Trainer::change_rate() computes.
std::unique_ptr<tg::optim::Schedule> schedule_for(tg::optim::Optimizer& optimizer,
                                                  const TrainSettings& settings,
                                                  std::size_t texts) {
  namespace optim = tg::optim;
  const std::int64_t steps = *settings.epochs * steps_of_epoch(settings, texts);
  if (settings.schedule == "linear" || steps == 0) return nullptr;
  if (settings.schedule == "warm-up") {
    return std::make_unique<optim::LinearLR>(
        optimizer, optim::LinearLROptions{.start_factor = 0.01,
                                          .total_iters = std::max<std::int64_t>(steps / 10, 1)});
  }
  if (settings.schedule == "cosine") {
    return std::make_unique<optim::CosineAnnealingLR>(
        optimizer, optim::CosineAnnealingLROptions{.T_max = steps});
  }
  if (settings.schedule == "one-cycle") {
    return std::make_unique<optim::OneCycleLR>(
        optimizer, optim::OneCycleLROptions{.max_lr = learning_rate(settings),
                                            .total_steps = steps,
                                            .cycle_momentum = settings.optimizer == "adam"});
  }
  return std::make_unique<optim::ConstantLR>(optimizer, optim::ConstantLROptions{.factor = 1});
}

// Remembers the model of the epoch with the smallest loss on the held-out texts.
class BestEpoch {
 public:
  // Returns false after `patience` epochs without a smaller loss.
  bool look_at(const EpochMetrics& metrics, const Classifier& model, std::int64_t patience) {
    if (model_ && !(*metrics.held_out_loss < loss_)) return metrics.epoch - epoch_ < patience;
    loss_ = *metrics.held_out_loss;
    epoch_ = metrics.epoch;
    model_.emplace(tg::nn::clone(model));
    return true;
  }

  void restore(Classifier& model) const {
    if (!model_) return;
    std::cerr << "epoch " << epoch_ << " is kept\n";
    model.load_state_dict(model_->state_dict());
  }

 private:
  std::optional<Classifier> model_;
  double loss_ = 0;
  std::int64_t epoch_ = 0;
};

std::string summary(const EpochMetrics& metrics, std::int64_t epochs) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(4) << "epoch " << metrics.epoch << '/' << epochs
       << "  loss " << metrics.train_loss << "  accuracy " << std::setprecision(3)
       << metrics.train_accuracy;
  if (metrics.test_accuracy) {
    text << "  test loss " << std::setprecision(4) << *metrics.test_loss << "  test accuracy "
         << std::setprecision(3) << *metrics.test_accuracy;
  }
  if (metrics.held_out_loss) {
    text << "  held-out loss " << std::setprecision(4) << *metrics.held_out_loss;
  }
  return text.str();
}

}  // namespace

Trainer::Trainer(Trained& trained, const Examples& examples, const TrainSettings& settings)
    : trained_(trained),
      examples_(examples),
      settings_(settings),
      loader_(examples.train,
              {.batch_size = settings.batch, .shuffle = true, .bucket_batches = 50}),
      optimizer_(optimizer_for(trained.model, settings)),
      schedule_(
          schedule_for(*optimizer_, settings, static_cast<std::size_t>(examples.train.size()))) {}

void Trainer::run(MetricsLog* log) {
  BestEpoch best;
  {
    Progress progress(std::cerr, progress_options_for_stderr());
    progress.start("training", *settings_.epochs * examples_.train.size());
    for (std::int64_t epoch = 1; epoch <= *settings_.epochs; ++epoch) {
      EpochMetrics metrics = run_epoch(epoch, progress);
      test(metrics);
      progress.print(summary(metrics, *settings_.epochs));
      if (log != nullptr) log->write(metrics);
      if (settings_.patience && !best.look_at(metrics, trained_.model, *settings_.patience)) {
        break;
      }
    }
  }
  best.restore(trained_.model);
  trained_.model.eval();
}

EpochMetrics Trainer::run_epoch(std::int64_t epoch, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  EpochMetrics metrics{.epoch = epoch};
  const std::int64_t count = examples_.train.size();
  const std::string title =
      "epoch " + std::to_string(epoch) + '/' + std::to_string(*settings_.epochs);
  std::int64_t done = 0;
  std::int64_t correct = 0;
  trained_.model.train();
  for (const auto& [ids, lengths, labels] : loader_) {
    const auto [loss, logits] = step(ids, labels, epoch);
    metrics.train_loss += loss * static_cast<double>(labels.size(0));
    correct += sum(argmax(logits, 1) == labels).item<std::int64_t>();
    done += labels.size(0);
    const std::int64_t passed = (epoch - 1) * count + done;
    change_rate(static_cast<double>(passed) / static_cast<double>(*settings_.epochs * count));
    progress.update(passed, title);
  }
  metrics.train_loss /= static_cast<double>(count);
  metrics.train_accuracy = static_cast<double>(correct) / static_cast<double>(count);
  metrics.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return metrics;
}

void Trainer::test(EpochMetrics& metrics) {
  if (examples_.test) {
    const Score result = score(trained_, *examples_.test);
    metrics.test_loss = result.loss;
    metrics.test_accuracy = result.matrix.accuracy();
  }
  if (examples_.held_out) metrics.held_out_loss = score(trained_, *examples_.held_out).loss;
}

Trainer::Step Trainer::step(const tg::Tensor& ids, const tg::Tensor& labels, std::int64_t epoch) {
  optimizer_->zero_grad();
  const tg::Variable logits = trained_.model(ids);
  const tg::Variable loss = tg::nn::cross_entropy(logits, labels);
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    throw tg::ValueError("train: the loss is " + std::to_string(value) + " in epoch " +
                         std::to_string(epoch) +
                         ", needed a finite one; no model is saved; lower --lr");
  }
  loss.backward();
  tg::optim::clip_grad_norm(trained_.model.parameters(), 5.0);
  optimizer_->step();
  return {value, logits.value()};
}

void Trainer::change_rate(double passed) {
  if (schedule_ != nullptr) {
    schedule_->step();
  } else {
    optimizer_->set_lr(learning_rate(settings_) * (1 - passed));
  }
}

}  // namespace text_classifier
