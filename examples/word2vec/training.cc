// Three steps: count words, train, save. The loop is in Run::train().
#include "word2vec/training.h"

#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/parallel.h>
#include <tapegrad/tensor/threads.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/numbers.h"
#include "common/output_file.h"
#include "common/progress.h"
#include "common/stop_signals.h"
#include "word2vec/batches.h"
#include "word2vec/checkpoint.h"
#include "word2vec/subwords.h"

namespace word2vec {
namespace {

using examples::fixed;
using examples::grouped;

constexpr double kSecondsBetweenCheckpoints = 60;

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings),
        more_words_(settings.more_words.empty() ? std::vector<std::string>()
                                                : read_words(settings.more_words)),
        corpus_(settings, "word2vec"),
        held_out_(corpus_.held_out()),
        subwords_(settings, corpus_.words().words) {}

  int train();

 private:
  void print_words() const;
  void make_model();
  void train_epochs(Batches& batches, examples::Progress& progress);
  double rate(std::int64_t words_read) const;
  void step(tg::optim::SGD& sgd, const Batch& batch);
  void racy_steps(const std::vector<Batch>& batches, double rate);
  void shared_step(tg::optim::SGD& sgd, const Batch& batch);
  void note_loss(double sum, const Batch& batch);
  int stopped() const { return signal_; }
  void look_for_signal();
  bool is_first() const { return settings_.ranks == nullptr || settings_.ranks->is_first(); }
  void start_epoch(Batches& batches);
  void save_checkpoint(const Batches& batches);
  std::int64_t words_to_read() const;
  std::optional<double> held_out_loss() const;
  tg::nn::WordVectors vectors() const;
  void save() const;
  void report(double rate) const;

  Settings settings_;
  std::vector<std::string> more_words_;
  examples::Corpus corpus_;
  std::vector<Sentence> held_out_;
  Subwords subwords_;
  tg::Generator generator_;
  std::unique_ptr<Model> model_;
  std::optional<tg::optim::SGD> sgd_;
  std::unique_ptr<examples::SharedSteps> shared_;  // null: there are no other ranks
  Position position_;
  int signal_ = 0;    // that stops the run, on all ranks
  double saved_ = 0;  // when the last checkpoint was saved
};

int Run::train() {
  look_for_signal();
  if (stopped() != 0) {
    std::cerr << "stopped by " << examples::name_of_signal(stopped())
              << " before the training; nothing was saved\n";
    return stopped();
  }
  print_words();
  make_model();
  Batches batches(settings_, corpus_.words(), generator_);
  if (settings_.resume) {
    position_ = load_checkpoint(settings_, corpus_.words(), *model_, generator_, batches);
  } else {
    position_.first_loss = held_out_loss();
  }
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  const std::int64_t already = batches.words_read();
  progress.start("words", words_to_read(), already);
  const double begin = examples::steady_seconds();
  train_epochs(batches, progress);
  const double rate = static_cast<double>(batches.words_read() - already) /
                      std::max(examples::steady_seconds() - begin, 1e-9);
  if (!std::isfinite(position_.loss)) {
    throw tg::ValueError("word2vec: the loss is not finite, nothing was saved; lower --lr");
  }
  if (shared_ != nullptr) shared_->check_parameters();
  if (is_first()) save();
  if (!settings_.checkpoint.empty()) save_checkpoint(batches);
  if (stopped() != 0) {
    progress.print("stopped by " + examples::name_of_signal(stopped()) + " after " +
                   grouped(batches.words_read()) + " of " + grouped(words_to_read()) +
                   " words; what was learned is saved in " + settings_.output +
                   (settings_.checkpoint.empty() ? "" : "; --resume continues"));
  }
  report(rate);
  return stopped();
}

void Run::print_words() const {
  const Words& words = corpus_.words();
  std::cout << settings_.input << ": " << grouped(words.total) << " words, "
            << grouped(words.distinct) << " different; " << grouped(words.size())
            << " of these occur at least " << settings_.min_count << " times ("
            << fixed(100.0 * static_cast<double>(words.kept()) / static_cast<double>(words.total),
                     1)
            << " % of the text)" << std::endl;
}

void Run::make_model() {
  generator_.manual_seed(static_cast<std::uint64_t>(settings_.seed));
  const Words& words = corpus_.words();
  if (settings_.loss == Loss::hierarchical_softmax) {
    model_ = std::make_unique<HierarchicalSoftmax>(words.counts, subwords_.rows(), settings_,
                                                   generator_);
  } else {
    model_ =
        std::make_unique<NegativeSampling>(words.size(), subwords_.rows(), settings_, generator_);
  }
  sgd_.emplace(model_->parameters(), tg::optim::SGDOptions{.lr = settings_.rate()});
  if (settings_.ranks != nullptr) shared_ = settings_.ranks->share(*sgd_);
}

// The loop. It stops only where a checkpoint can be saved, which is after a few batches.
void Run::train_epochs(Batches& batches, examples::Progress& progress) {
  tg::optim::SGD& sgd = *sgd_;
  saved_ = examples::steady_seconds();
  for (; position_.epoch < settings_.epochs && stopped() == 0; ++position_.epoch) {
    start_epoch(batches);
    for (auto some = batches.next_some(); !some.empty(); some = batches.next_some()) {
      sgd.set_lr(rate(batches.words_read()));
      if (settings_.racy) {
        racy_steps(some, sgd.lr());
      } else if (shared_ != nullptr) {
        for (const Batch& batch : some) shared_step(sgd, batch);
      } else {
        for (const Batch& batch : some) step(sgd, batch);
      }
      progress.update(batches.words_read(), "loss " + fixed(position_.loss, 3));
      look_for_signal();
      if (stopped() != 0) return;
      if (!settings_.checkpoint.empty() && std::isfinite(position_.loss) &&
          examples::steady_seconds() - saved_ > kSecondsBetweenCheckpoints) {
        save_checkpoint(batches);
      }
    }
    position_.sentences = 0;
  }
}

// The learning rate falls in a straight line, at last to a ten-thousandth.
double Run::rate(std::int64_t words_read) const {
  const double done = static_cast<double>(words_read) / static_cast<double>(words_to_read());
  return settings_.rate() * std::max(1 - done, 1e-4);
}

void Run::step(tg::optim::SGD& sgd, const Batch& batch) {
  sgd.zero_grad();
  const tg::Variable loss = model_->loss(batch);
  loss.backward();
  sgd.step();
  note_loss(static_cast<double>(loss.item<float>()), batch);
}

// The same step, but each rank has the loss of its part of the batch. The mean of the gradients,
// times the number of parts, is the gradient of the whole batch.
void Run::shared_step(tg::optim::SGD& sgd, const Batch& batch) {
  examples::Ranks& ranks = *settings_.ranks;
  const Batch part = part_of(batch, ranks.rank(), ranks.size());
  const std::int64_t parts = std::min<std::int64_t>(ranks.size(), batch.outputs.size(0));
  sgd.zero_grad();
  double sum = 0;
  if (part.outputs.size(0) > 0) {
    const tg::Variable loss = model_->loss(part);
    loss.backward();
    sum = static_cast<double>(loss.item<float>());
  }
  shared_->average_gradients(part.outputs.size(0) > 0 ? 1 : 0);
  const double rate = sgd.lr();
  sgd.set_lr(rate * static_cast<double>(parts));
  shared_->step();
  sgd.set_lr(rate);
  note_loss(ranks.sum({sum}).front(), batch);
}

// The same steps, but the threads share the batches, not the work on each of them.
void Run::racy_steps(const std::vector<Batch>& batches, double rate) {
  auto& model = dynamic_cast<NegativeSampling&>(*model_);  // main.cc refuses the other
  tg::Tensor input = model.input.weight.value(), output = model.output.weight.value();
  const SharedTables tables{input.mutable_span<float>(), output.mutable_span<float>(),
                            settings_.dim};
  std::vector<double> losses(batches.size());
  tg::parallel_for(
      static_cast<std::int64_t>(batches.size()), 1, 1, [&](std::int64_t first, std::int64_t last) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
          losses[i] = racy_step(tables, batches[i], static_cast<float>(rate));
        }
      });
  for (std::size_t i = 0; i < batches.size(); ++i) note_loss(losses[i], batches[i]);
}

void Run::note_loss(double sum, const Batch& batch) {
  const double mean = sum / static_cast<double>(batch.predictions());
  position_.loss = position_.loss == 0 ? mean : 0.999 * position_.loss + 0.001 * mean;
}

void Run::look_for_signal() {
  const int received = examples::StopSignals::received();
  signal_ = settings_.ranks != nullptr ? settings_.ranks->agree_on_signal(received) : received;
}

// Skips the sentences that a resumed run has read already.
void Run::start_epoch(Batches& batches) {
  corpus_.rewind();
  Sentence sentence;
  std::int64_t read = 0;
  for (std::int64_t i = 0; i < position_.sentences; ++i) corpus_.next(sentence, read);
  batches.start([this](Sentence& next, std::int64_t& words) {
    const bool more = corpus_.next(next, words);
    if (more) ++position_.sentences;
    return more;
  });
}

void Run::save_checkpoint(const Batches& batches) {
  if (!is_first()) return;
  word2vec::save_checkpoint(settings_, corpus_.words(), *model_, generator_, batches, position_);
  saved_ = examples::steady_seconds();
}

// All passes together, without what is held out.
std::int64_t Run::words_to_read() const {
  return std::max<std::int64_t>(settings_.epochs * corpus_.words_to_train(), 1);
}

// The mean of a prediction of the held-out sentences, with the same draws whenever it is called.
std::optional<double> Run::held_out_loss() const {
  const tg::NoGrad guard;
  tg::Generator generator(12345);
  Settings settings = settings_;
  settings.sample = 0;
  Batches batches(settings, corpus_.words(), generator);
  std::size_t position = 0;
  batches.start([&](Sentence& sentence, std::int64_t& read) {
    if (position == held_out_.size()) return false;
    sentence = held_out_[position++];
    read = static_cast<std::int64_t>(sentence.size());
    return true;
  });
  double sum = 0;
  std::int64_t count = 0;
  for (Batch batch; batches.next(batch); count += batch.predictions()) {
    sum += static_cast<double>(model_->loss(batch).item<float>());
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

tg::nn::WordVectors Run::vectors() const {
  return subwords_.vectors(model_->input.weight.value(), corpus_.words().words, more_words_);
}

void Run::save() const {
  tg::nn::save_word_vectors(settings_.output, vectors(),
                            settings_.binary ? tg::nn::WordVectorsFormat::word2vec_binary
                                             : tg::nn::WordVectorsFormat::word2vec_text);
}

void Run::report(double rate) const {
  const std::optional<double> after = held_out_loss();
  std::cout << settings_.output << ": " << grouped(corpus_.words().size()) << " vectors of "
            << settings_.dim << "; ";
  if (after) {
    std::cout << "held-out loss " << fixed(*after, 4) << " (at first "
              << fixed(position_.first_loss.value_or(NAN), 4) << ")";
  } else if (settings_.held_out > 0) {
    std::cout << "no held-out loss, the text has fewer than "
              << grouped(std::llround(std::ceil(1 / settings_.held_out))) << " sentences";
  } else {
    std::cout << "no sentences are held out";
  }
  std::cout << "; " << grouped(std::llround(rate)) << " words/s" << std::endl;
}

}  // namespace

int train(const Settings& settings) {
  const examples::StopSignals signals;
  examples::check_output_file("word2vec", settings.output);
  if (!settings.checkpoint.empty()) examples::check_output_file("word2vec", settings.checkpoint);
  tg::set_num_threads(static_cast<int>(settings.threads));
  return Run(settings).train();
}

}  // namespace word2vec
