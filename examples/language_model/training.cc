// The loop is Training::train(). Read next: command_line.h.
#include "language_model/training.h"

#include <tapegrad/autograd/tape.h>
#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <numbers>
#include <optional>
#include <utility>

#include "common/fingerprint.h"
#include "common/numbers.h"
#include "common/output_file.h"
#include "common/progress.h"
#include "common/state_parts.h"
#include "common/stop_signals.h"
#include "language_model/sampling.h"
#include "language_model/saved_model.h"

namespace language_model {
namespace {

using examples::fixed;
using examples::grouped;

int stop_signal() { return examples::StopSignals::received(); }

class Training {
 public:
  // `saved` is null for a new model.
  Training(Program& program, const TrainSettings& settings, const Files& files,
           const SavedModel* saved);

  int run();

 private:
  void train();
  void split(Ids ids);
  void restore(const SavedModel& saved);
  void step();
  double rate() const;
  std::optional<double> held_out_loss() const;
  void report(std::optional<double> held_out);
  void save();
  void print_result(std::optional<double> before, std::optional<double> after) const;

  Program& program_;
  TrainSettings settings_;
  Files files_;
  std::string fingerprint_;  // of the text
  std::unique_ptr<Vocabulary> vocabulary_;
  std::unique_ptr<Batches> batches_;
  std::unique_ptr<Batches> held_out_;  // null: the text is too short
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<tg::optim::Adam> adam_;
  Memory memory_;
  std::int64_t total_ = 0;  // batches of the run
  std::int64_t done_ = 0;   // batches so far
  std::int64_t begun_ = 0;  // batches before this process
  bool is_saved_ = false;   // by this run
  double loss_ = 0;         // a running mean over the last batches
  double seconds_ = 0;      // in step()
};

Training::Training(Program& program, const TrainSettings& settings, const Files& files,
                   const SavedModel* saved)
    : program_(program), settings_(settings), files_(files) {
  const std::string text = tg::nn::read_text(files.input, program.name());
  examples::Fingerprint fingerprint;
  fingerprint.add(text);
  fingerprint_ = fingerprint.hex();
  if (saved != nullptr && saved->text != fingerprint_) {
    throw tg::ValueError("--resume: " + files.model + " was trained on another text than " +
                         files.input);
  }
  tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
  if (saved != nullptr) model_ = create_model(program, *saved, files.model).model;
  vocabulary_ = program.vocabulary_of(text);
  if (saved != nullptr && vocabulary_->text() != saved->vocabulary) {
    throw tg::FormatError(files.model + ": the vocabulary is not that of " + files.input);
  }
  split(vocabulary_->encode(text));
  if (saved == nullptr) model_ = program.model(*vocabulary_);
  adam_ = std::make_unique<tg::optim::Adam>(model_->parameters(),
                                            tg::optim::AdamOptions{.lr = settings.lr});
  if (saved != nullptr) restore(*saved);
}

// The end of the text is held out.
void Training::split(Ids ids) {
  const std::int64_t all = std::ssize(ids);
  const auto held_out = static_cast<std::int64_t>(static_cast<double>(all) * settings_.held_out);
  const std::int64_t needed = program_.least_tokens(settings_);
  if (all - held_out < needed) {
    throw tg::ValueError(files_.input + ": " + grouped(all - held_out) + " " + vocabulary_->unit() +
                         " to train on, needed at least " + grouped(needed) +
                         " for one batch; choose a longer text or a smaller " +
                         program_.options_of_least_tokens());
  }
  std::cout << files_.input << ": " << grouped(all) << " " << vocabulary_->unit() << ", "
            << grouped(vocabulary_->size()) << " different; the last " << grouped(held_out)
            << " are held out" << std::endl;
  held_out_ = program_.held_out({ids.end() - held_out, ids.end()}, settings_);
  ids.resize(static_cast<std::size_t>(all - held_out));
  batches_ = program_.batches(std::move(ids), settings_);
  total_ = settings_.epochs * batches_->per_epoch();
}

void Training::restore(const SavedModel& saved) {
  try {
    adam_->load_state_dict(examples::part_of(saved.state, "optimizer."));
    tg::default_generator().load_state_dict(examples::part_of(saved.state, "generator."));
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(files_.model + ": " + error.what());
  }
  for (const auto& [name, tensor] : examples::part_of(saved.state, "memory.")) {
    memory_.push_back(tensor);
  }
  done_ = begun_ = saved.batches;
  is_saved_ = true;
}

void Training::save() {
  SavedModel saved;
  saved.settings = values_of(program_.settings());
  TrainSettings train = settings_;
  saved.settings.merge(values_of(train.list()));
  saved.vocabulary = vocabulary_->text();
  saved.text = fingerprint_;
  saved.batches = done_;
  examples::insert_part(saved.state, "model.", model_->state_dict());
  examples::insert_part(saved.state, "optimizer.", adam_->state_dict());
  examples::insert_part(saved.state, "generator.", tg::default_generator().state_dict());
  for (std::size_t i = 0; i < memory_.size(); ++i) {
    saved.state.insert("memory." + std::to_string(i), memory_[i]);
  }
  save_model(files_.model, program_.name(), saved);
  is_saved_ = true;
}

int Training::run() {
  std::int64_t parameters = 0;
  for (const auto& [name, parameter] : model_->parameters()) parameters += parameter.numel();
  std::cout << program_.name() << ": " << grouped(parameters) << " parameters" << std::endl;
  const std::optional<double> before = held_out_loss();
  std::optional<double> after = before;
  train();
  if (stop_signal() != 0 && done_ == begun_) {
    std::cerr << "stopped by " << examples::name_of_signal(stop_signal())
              << " before the first batch; nothing was saved" << std::endl;
    return stop_signal();
  }
  save();
  if (stop_signal() != 0) {
    std::cerr << "stopped by " << examples::name_of_signal(stop_signal()) << " after "
              << grouped(done_) << " of " << grouped(total_)
              << " batches; what was learned is saved in " << files_.model
              << ", and --resume continues" << std::endl;
  }
  if (done_ > begun_) {
    after = held_out_loss();
    report(after);
  }
  print_result(before, after);
  return stop_signal();
}

void Training::train() {
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  progress.start(vocabulary_->unit(), batches_->predictions_before(total_),
                 batches_->predictions_before(done_));
  while (done_ < total_ && stop_signal() == 0) {
    step();
    progress.update(batches_->predictions_before(done_), "loss " + fixed(loss_, 3));
    if (done_ % settings_.report == 0 && done_ < total_ && stop_signal() == 0) {
      progress.clear();
      report(held_out_loss());
      save();
    }
  }
  progress.clear();
}

// One batch: the loss, its gradients, and a step of the optimizer.
void Training::step() {
  const double begin = examples::steady_seconds();
  if (!batches_->continues(done_)) memory_.clear();
  adam_->set_lr(rate());
  adam_->zero_grad();
  const Loss loss = loss_of(*model_, batches_->at(done_), memory_);
  const double mean = loss.mean.item<float>();
  loss.mean.backward();
  const double norm = tg::optim::clip_grad_norm(model_->parameters(), settings_.clip);
  if (!std::isfinite(mean) || !std::isfinite(norm)) {
    throw tg::ValueError(
        "the loss of batch " + grouped(done_ + 1) + " or its gradient is not finite; lower --lr; " +
        (is_saved_ ? files_.model + " has an earlier model" : "nothing was saved"));
  }
  adam_->step();
  loss_ = loss_ == 0 ? mean : 0.98 * loss_ + 0.02 * mean;
  ++done_;
  seconds_ += examples::steady_seconds() - begin;
}

// Rises in a straight line, then falls to a tenth by half a cosine (Loshchilov and Hutter 2017).
double Training::rate() const {
  const double at = static_cast<double>(done_);
  const double rise = std::min((at + 1) / 100, 1.0);
  const double progress = at / static_cast<double>(total_);
  const double fall = 0.1 + 0.45 * (1 + std::cos(std::numbers::pi * progress));
  return settings_.lr * rise * fall;
}

// The mean over all predictions of the held-out text.
std::optional<double> Training::held_out_loss() const {
  if (held_out_ == nullptr) return std::nullopt;
  const tg::NoGrad guard;
  model_->eval();
  Memory memory;
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < held_out_->per_epoch(); ++i) {
    const Loss loss = loss_of(*model_, held_out_->at(i), memory);
    sum += static_cast<double>(loss.mean.item<float>()) * static_cast<double>(loss.predictions);
    count += loss.predictions;
  }
  model_->train();
  return sum / static_cast<double>(count);
}

// Does not use the default generator, so that the number of reports does not change the training.
void Training::report(std::optional<double> held_out) {
  std::cout << "batch " << grouped(done_) << " of " << grouped(total_) << ": loss "
            << fixed(loss_, 4);
  if (held_out) std::cout << ", held-out loss " << fixed(*held_out, 4);
  tg::Generator generator(static_cast<std::uint64_t>(settings_.seed));
  model_->eval();
  const Ids sample = continue_text(*model_, {vocabulary_->start()}, settings_.sample, 1, generator);
  model_->train();
  std::string text = "\n" + vocabulary_->decode(sample);
  while (text.ends_with('\n')) text.pop_back();
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3) {
    text.replace(at, 1, "\n| ");
  }
  std::cout << text << std::endl;
}

void Training::print_result(std::optional<double> before, std::optional<double> after) const {
  std::cout << files_.model << ": ";
  if (after) {
    std::cout << "held-out loss " << fixed(*after, 4) << " (at first " << fixed(*before, 4)
              << "), perplexity " << fixed(std::exp(*after), 2);
  } else {
    std::cout << "no held-out loss, because the held-out text is too short";
  }
  const auto predictions =
      batches_->predictions_before(done_) - batches_->predictions_before(begun_);
  std::cout << "; "
            << grouped(std::llround(static_cast<double>(predictions) / std::max(seconds_, 1e-9)))
            << " " << vocabulary_->unit() << "/s" << std::endl;
}

}  // namespace

int train(Program& program, const TrainSettings& settings, const Files& files) {
  const examples::StopSignals signals;
  program.check();
  examples::check_output_file(program.name(), files.model);
  return Training(program, settings, files, nullptr).run();
}

int resume(Program& program, std::int64_t epochs, const Files& files) {
  const examples::StopSignals signals;
  const SavedModel saved = load_model(files.model, program.name());
  TrainSettings settings;
  set_values(settings.list(), saved.settings, files.model);
  if (epochs > 0) settings.epochs = epochs;
  return Training(program, settings, files, &saved).run();
}

}  // namespace language_model
