// Three steps: count words, train, save. The loop is in Run::train(). Read next: corpus.h.
#include "word2vec/training.h"

#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/error.h>

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

namespace word2vec {
namespace {

using examples::fixed;
using examples::grouped;

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings), corpus_(settings, "word2vec"), held_out_(corpus_.held_out()) {}

  int train();

 private:
  std::int64_t words_to_read() const;
  std::optional<double> held_out_loss() const;
  void save() const;
  void report(std::optional<double> before, double rate) const;

  Settings settings_;
  examples::Corpus corpus_;
  std::vector<Sentence> held_out_;
  tg::Generator generator_;
  std::unique_ptr<Model> model_;
};

int Run::train() {
  const auto stopped = [] { return examples::StopSignals::received(); };
  if (stopped() != 0) {
    std::cerr << "stopped by " << examples::name_of_signal(stopped())
              << " before the training; nothing was saved\n";
    return stopped();
  }
  const Words& words = corpus_.words();
  std::cout << settings_.input << ": " << grouped(words.total) << " words, "
            << grouped(words.distinct) << " different; " << grouped(words.size())
            << " of these occur at least " << settings_.min_count << " times ("
            << fixed(100.0 * static_cast<double>(words.kept()) / static_cast<double>(words.total),
                     1)
            << " % of the text)" << std::endl;
  generator_.manual_seed(static_cast<std::uint64_t>(settings_.seed));
  if (settings_.loss == Loss::hierarchical_softmax) {
    model_ = std::make_unique<HierarchicalSoftmax>(words.counts, settings_, generator_);
  } else {
    model_ = std::make_unique<NegativeSampling>(words.size(), settings_, generator_);
  }
  tg::optim::SGD sgd(model_->parameters(), {.lr = settings_.rate()});
  const std::optional<double> before = held_out_loss();

  // The loop. The learning rate falls in a straight line, at last to a ten-thousandth.
  Batches batches(settings_, words, generator_);
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  const std::int64_t total = words_to_read();
  progress.start("words", total);
  const double begin = examples::steady_seconds();
  double recent = 0;  // the mean loss of the last predictions
  for (std::int64_t epoch = 0; epoch < settings_.epochs && stopped() == 0; ++epoch) {
    corpus_.rewind();
    batches.start(
        [&](Sentence& sentence, std::int64_t& read) { return corpus_.next(sentence, read); });
    for (Batch batch; stopped() == 0 && batches.next(batch);) {
      const double done = static_cast<double>(batches.words_read()) / static_cast<double>(total);
      sgd.set_lr(settings_.rate() * std::max(1 - done, 1e-4));
      sgd.zero_grad();
      const tg::Variable loss = model_->loss(batch);
      loss.backward();
      sgd.step();
      const double mean =
          static_cast<double>(loss.item<float>()) / static_cast<double>(batch.predictions());
      recent = recent == 0 ? mean : 0.999 * recent + 0.001 * mean;
      progress.update(batches.words_read(), "loss " + fixed(recent, 3));
    }
  }
  const double rate = static_cast<double>(batches.words_read()) /
                      std::max(examples::steady_seconds() - begin, 1e-9);
  if (!std::isfinite(recent)) {
    throw tg::ValueError("word2vec: the loss is not finite, nothing was saved; lower --lr");
  }
  save();
  if (stopped() != 0) {
    progress.print("stopped by " + examples::name_of_signal(stopped()) + " after " +
                   grouped(batches.words_read()) + " of " + grouped(total) +
                   " words; what was learned is saved in " + settings_.output);
  }
  report(before, rate);
  return stopped();
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

void Run::save() const {
  const tg::nn::WordVectors vectors(corpus_.words().words, model_->input.weight.value());
  tg::nn::save_word_vectors(settings_.output, vectors,
                            settings_.binary ? tg::nn::WordVectorsFormat::word2vec_binary
                                             : tg::nn::WordVectorsFormat::word2vec_text);
}

void Run::report(std::optional<double> before, double rate) const {
  const std::optional<double> after = held_out_loss();
  std::cout << settings_.output << ": " << grouped(corpus_.words().size()) << " vectors of "
            << settings_.dim << "; ";
  if (after) {
    std::cout << "held-out loss " << fixed(*after, 4) << " (at first " << fixed(*before, 4) << ")";
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
  return Run(settings).train();
}

}  // namespace word2vec
