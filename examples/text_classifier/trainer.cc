// The training loop, with its optimizer and schedule. Read next: targets.h.
#include "text_classifier/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/state_parts.h"
#include "text_classifier/checkpoint.h"

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
  const std::string schedule = settings.schedule.value_or("linear");
  if (schedule == "linear" || steps == 0) return nullptr;
  if (schedule == "warm-up") {
    return std::make_unique<optim::LinearLR>(
        optimizer, optim::LinearLROptions{.start_factor = 0.01,
                                          .total_iters = std::max<std::int64_t>(steps / 10, 1)});
  }
  if (schedule == "cosine") {
    return std::make_unique<optim::CosineAnnealingLR>(
        optimizer, optim::CosineAnnealingLROptions{.T_max = steps});
  }
  if (schedule == "one-cycle") {
    return std::make_unique<optim::OneCycleLR>(
        optimizer, optim::OneCycleLROptions{.max_lr = learning_rate(settings),
                                            .total_steps = steps,
                                            .cycle_momentum = settings.optimizer == "adam"});
  }
  return std::make_unique<optim::ConstantLR>(optimizer, optim::ConstantLROptions{.factor = 1});
}

int rank_of(const TrainSettings& settings) {
  return settings.ranks != nullptr ? settings.ranks->rank() : 0;
}
int ranks_of(const TrainSettings& settings) {
  return settings.ranks != nullptr ? settings.ranks->size() : 1;
}

// Calls visit(name, field) for each field of a Trainer::Position.
template <class Position, class Visitor>
void for_each_field(Position& position, const Visitor& visit) {
  visit("steps", position.steps);
  visit("epoch", position.epoch);
  visit("done", position.done);
  visit("correct", position.correct);
  visit("loss", position.loss);
  visit("seconds", position.seconds);
}

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

// The best epoch ----------------------------------------------------------------------------------

bool BestEpoch::look_at(const EpochMetrics& metrics, const HeldOut& held_out,
                        const Classifier& model, std::int64_t patience) {
  if (epoch_ > 0 && !(*metrics.held_out_loss < loss_)) return metrics.epoch - epoch_ < patience;
  loss_ = *metrics.held_out_loss;
  held_out_ = held_out;
  epoch_ = metrics.epoch;
  weights_ = {};
  for (const auto& [name, tensor] : model.state_dict()) weights_.insert(name, tensor.clone());
  return true;
}

void BestEpoch::restore(Classifier& model) const {
  if (epoch_ == 0) return;
  std::cerr << "epoch " << epoch_ << " is kept\n";
  model.load_state_dict(weights_);
}

tg::StateDict BestEpoch::state_dict() const {
  if (epoch_ == 0) return {};
  tg::StateDict state{{"epoch", tg::tensor(epoch_)},
                      {"loss", tg::tensor(loss_, tg::float64)},
                      {"curve", tg::tensor(held_out_.curve.state())},
                      {"counts", tg::tensor(held_out_.counts.state())}};
  examples::insert_part(state, "weights.", weights_);
  return state;
}

void BestEpoch::load_state_dict(const tg::StateDict& state, std::int64_t present,
                                Classifier& model) {
  if (state.empty()) return;
  epoch_ = state.at("epoch").item<std::int64_t>();
  if (epoch_ < 1 || epoch_ > present) {
    throw tg::FormatError("best.epoch is " + std::to_string(epoch_) + ", needed 1 to " +
                          std::to_string(present));
  }
  loss_ = state.at("loss").item<double>();
  held_out_.curve = TemperatureCurve::from_state(tg::to_vector<double>(state.at("curve")));
  held_out_.counts = ThresholdCounts::from_state(tg::to_vector<std::int64_t>(state.at("counts")));
  weights_ = examples::part_of(state, "weights.");
  model.load_state_dict(weights_);
}

// The run -----------------------------------------------------------------------------------------

Trainer::Trainer(Trained initial, Examples examples, TrainSettings settings, EpochSearch* search)
    : trained_(std::move(initial)),
      examples_(std::move(examples)),
      settings_(std::move(settings)),
      loader_(tg::distributed::Shard(examples_.train, rank_of(settings_), ranks_of(settings_)),
              {.batch_size = settings_.batch, .shuffle = true, .bucket_batches = 50}),
      optimizer_(optimizer_for(trained_.model, settings_)),
      shared_(settings_.ranks != nullptr ? settings_.ranks->share(*optimizer_) : nullptr),
      schedule_(
          schedule_for(*optimizer_, settings_, static_cast<std::size_t>(examples_.train.size()))),
      search_(search) {}

void Trainer::check(const Trained& initial, const TrainSettings& settings, std::size_t texts) {
  const std::unique_ptr<tg::optim::Optimizer> optimizer = optimizer_for(initial.model, settings);
  schedule_for(*optimizer, settings, texts);
}

bool Trainer::run(MetricsLog* log, const std::function<bool()>& after_batch) {
  {
    Progress progress(std::cerr, progress_options_for_stderr());
    progress.start("training", *settings_.epochs * examples_.train.size(), texts_passed());
    while (position_.epoch <= *settings_.epochs) {
      if (!run_epoch(progress, after_batch)) return false;
      const EpochMetrics metrics = metrics_of_epoch();
      report(progress, metrics);
      if (log != nullptr) log->write(metrics);
      if (search_ != nullptr && !search_->look_at(held_out_.curve, held_out_.counts)) break;
      if (settings_.patience &&
          !best_.look_at(metrics, held_out_, trained_.model, *settings_.patience)) {
        break;
      }
      position_ = {.steps = position_.steps, .epoch = position_.epoch + 1};
    }
  }
  best_.restore(trained_.model);
  trained_.model.eval();
  if (search_ == nullptr) set_answering();
  optimizer_->flush();
  if (shared_ != nullptr) shared_->check_parameters();
  return true;
}

// A terminal shows the bar, and the last epoch. Elsewhere, lines for about five epochs are enough.
void Trainer::report(Progress& progress, const EpochMetrics& metrics) const {
  if (search_ != nullptr || settings_.quiet) return;
  const std::int64_t epochs = *settings_.epochs;
  const std::int64_t every = progress.has_bar() ? epochs : std::max<std::int64_t>(epochs / 5, 1);
  if (metrics.epoch == epochs || metrics.epoch % every == 0) {
    progress.print(summary(metrics, epochs));
  }
}

void Trainer::set_answering() {
  const auto& [curve, counts] = best_.held_out() != nullptr ? *best_.held_out() : held_out_;
  if (curve.texts() == 0) return;
  Answering& answering = trained_.answering;
  answering.temperature = cautious_temperature(curve);
  if (answering.multi_label()) answering.thresholds = counts.thresholds(answering.temperature);
}

std::int64_t Trainer::texts_passed() const {
  return (position_.epoch - 1) * examples_.train.size() + position_.done;
}

// The batches of an epoch, or the rest of them. False: after_batch() wants to stop.
bool Trainer::run_epoch(Progress& progress, const std::function<bool()>& after_batch) {
  std::string title = "epoch " + std::to_string(position_.epoch);
  if (search_ != nullptr) {
    title = "search " + std::to_string(search_->run() + 1) + '/' + std::to_string(search_->runs()) +
            ", " + title;
  } else {
    title += '/' + std::to_string(*settings_.epochs);
  }
  const auto texts = static_cast<double>(*settings_.epochs * examples_.train.size());
  const double earlier = position_.seconds;
  const auto begin = std::chrono::steady_clock::now();
  trained_.model.train();
  share_generator();
  for (const PartOfBatch& part : loader_) {
    const Step done = step(part);
    position_.loss += done.loss;
    position_.correct += done.correct;
    position_.done += done.texts;
    ++position_.steps;
    change_rate(static_cast<double>(texts_passed()) / texts);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    position_.seconds = earlier + seconds.count();
    progress.update(texts_passed(), title);
    if (!after_batch()) return false;
  }
  return true;
}

EpochMetrics Trainer::metrics_of_epoch() {
  const auto count = static_cast<double>(examples_.train.size());
  EpochMetrics metrics{.epoch = position_.epoch,
                       .train_loss = position_.loss / count,
                       .train_accuracy = static_cast<double>(position_.correct) / count,
                       .seconds = position_.seconds};
  if (examples_.test) {
    const Score result = score(trained_, *examples_.test);
    metrics.test_loss = result.loss;
    metrics.test_accuracy = result.accuracy();
  }
  if (examples_.held_out) {
    held_out_ = held_out_answers(trained_, *examples_.held_out);
    metrics.held_out_loss = held_out_.curve.loss();
  }
  if (search_ != nullptr) metrics.search = search_->run() + 1;
  return metrics;
}

Trainer::Step Trainer::step(const PartOfBatch& part) {
  const auto& [batch, count] = part;
  draw_as_this_rank();
  optimizer_->zero_grad();
  const tg::Variable logits = trained_.model(batch.ids);
  const tg::Variable loss = loss_of(logits, batch.targets, batch.weights);
  const Step done = sum_over_ranks({loss.item<double>() * static_cast<double>(count),
                                    count_right(logits.value(), batch.targets), count});
  if (!std::isfinite(done.loss)) {
    throw tg::ValueError(settings_.command + ": the loss is " + std::to_string(done.loss) +
                         " in epoch " + std::to_string(position_.epoch) +
                         ", needed a finite one; no model is saved; lower --lr");
  }
  loss.backward();
  if (shared_ != nullptr) shared_->average_gradients(count);
  tg::optim::clip_grad_norm(trained_.model.parameters(), 5.0);
  if (shared_ != nullptr) {
    shared_->step();
  } else {
    optimizer_->step();
  }
  return done;
}

Trainer::Step Trainer::sum_over_ranks(const Step& own) const {
  if (settings_.ranks == nullptr) return own;
  const auto [loss, correct, texts] = own;
  std::vector<double> values{loss, static_cast<double>(correct), static_cast<double>(texts)};
  if (texts == 0) values.assign(3, 0);  // it has a text of another rank, which does not count
  const std::vector<double> sums = settings_.ranks->sum(values);
  return {sums[0], static_cast<std::int64_t>(sums[1]), static_cast<std::int64_t>(sums[2])};
}

// All ranks draw the same order of the texts.
void Trainer::share_generator() const {
  if (settings_.ranks != nullptr) settings_.ranks->share(tg::default_generator());
}

// Dropout on each rank draws other numbers, which depend on the seed, the step and the rank. Rank 0
// goes on with its generator, whose state is in the checkpoint.
void Trainer::draw_as_this_rank() const {
  const auto rank = static_cast<std::uint64_t>(rank_of(settings_));
  if (rank == 0) return;
  const auto step = static_cast<std::uint64_t>(position_.steps);
  const auto seed = static_cast<std::uint64_t>(settings_.seed);
  tg::manual_seed((seed * 1'000'003 + step) * 4099 + rank);
}

void Trainer::change_rate(double passed) {
  if (schedule_ != nullptr) {
    schedule_->step();
  } else {
    optimizer_->set_lr(learning_rate(settings_) * (1 - passed));
  }
}

// Saving and loading ------------------------------------------------------------------------------

tg::StateDict Trainer::state_dict() const {
  tg::StateDict state;
  for_each_field(position_, [&](const char* name, auto value) {
    const tg::DType dtype = std::is_integral_v<decltype(value)> ? tg::int64 : tg::float64;
    state.insert(std::string("position.") + name, tg::tensor(value, dtype));
  });
  // As they are stored: state_dict() would take pending steps, which changes the last bits.
  for (const auto& [name, parameter] : trained_.model.parameters()) {
    state.insert("model." + name, parameter.leaf().stored());
  }
  examples::insert_part(state, "optimizer.", optimizer_->state_dict_with_pending_steps());
  if (schedule_ != nullptr) examples::insert_part(state, "schedule.", schedule_->state_dict());
  examples::insert_part(state, "loader.", loader_.state_dict());
  examples::insert_part(state, "generator.", tg::default_generator().state_dict());
  examples::insert_part(state, "best.", best_.state_dict());
  return state;
}

// FormatError if no run of this length comes to this position.
void Trainer::require_reachable(const Position& position) const {
  const auto require = [](bool fine, const char* what, const std::string& value) {
    if (fine) return;
    throw tg::FormatError(std::string("position.") + what + " is " + value +
                          ", which no run with these options and texts has");
  };
  const std::int64_t texts = examples_.train.size();
  const auto [steps, epoch, done, correct, loss, seconds] = position;
  require(epoch >= 1 && epoch <= *settings_.epochs, "epoch", std::to_string(epoch));
  require(steps >= 0 && steps <= epoch * texts, "steps", std::to_string(steps));
  require(done >= 0 && done <= texts, "done", std::to_string(done));
  require(correct >= 0 && correct <= done, "correct", std::to_string(correct));
  require(std::isfinite(loss), "loss", std::to_string(loss));
  require(std::isfinite(seconds) && seconds >= 0, "seconds", std::to_string(seconds));
}

void Trainer::load_state_dict(const tg::StateDict& state) {
  const tg::StateDict position = examples::part_of(state, "position.");
  for_each_field(position_, [&](const char* name, auto& value) {
    value = position.at(name).item<std::remove_reference_t<decltype(value)>>();
  });
  require_reachable(position_);
  best_.load_state_dict(examples::part_of(state, "best."), position_.epoch, trained_.model);
  trained_.model.load_state_dict(examples::part_of(state, "model."));
  optimizer_->load_state_dict(examples::part_of(state, "optimizer."));
  if (schedule_ != nullptr) schedule_->load_state_dict(examples::part_of(state, "schedule."));
  loader_.load_state_dict(examples::part_of(state, "loader."));
  tg::default_generator().load_state_dict(examples::part_of(state, "generator."));
}

}  // namespace text_classifier
