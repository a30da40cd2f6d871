// Count words, count pairs, then either train (Run::train) or factor (Run::factor), and save.
#include "glove/training.h"

#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/numbers.h"
#include "common/output_file.h"
#include "common/progress.h"
#include "common/stop_signals.h"
#include "glove/model.h"

namespace glove {
namespace {

using examples::fixed;
using examples::grouped;

int stopped() { return examples::StopSignals::received(); }

examples::CountingSettings counting(const Settings& settings) {
  const std::filesystem::path folder = std::filesystem::path(settings.output).parent_path();
  examples::CountingSettings result{.window = settings.window,
                                    .weight = settings.distance,
                                    .memory = settings.memory,
                                    .folder = folder.empty() ? "." : folder.string(),
                                    .program = "glove"};
  if (settings.method == Method::glove) {  // trains in random order
    result.shuffle = static_cast<std::uint64_t>(settings.seed);
  }
  return result;
}

// The next elements of X of a pass over the pairs, from both directions of each pair.
class Batches {
 public:
  Batches(const Settings& settings, examples::Cooccurrences& pairs)
      : settings_(settings), pairs_(pairs) {
    pairs_.rewind();
  }

  // False at the end of the pass.
  bool next(Batch& batch) {
    words_.clear(), contexts_.clear(), logs_.clear(), weights_.clear();
    for (std::int64_t i = 0; i < settings_.batch; ++i) {
      if (position_ == block_.size()) {
        block_ = pairs_.next();
        position_ = 0;
        if (block_.empty()) break;
      }
      const examples::Cooccurrence& pair = block_[position_++];
      const bool same = pair.first == pair.second;
      const double x = same ? 2 * pair.count : pair.count;
      const double ratio = x / settings_.x_max;
      const auto weight = ratio < 1 ? static_cast<float>(std::pow(ratio, settings_.alpha)) : 1.0F;
      const auto log_count = static_cast<float>(std::log(x));
      add(pair.first, pair.second, log_count, weight);
      if (!same) add(pair.second, pair.first, log_count, weight);
    }
    batch = {tg::tensor(words_), tg::tensor(contexts_), tg::tensor(logs_), tg::tensor(weights_)};
    return !words_.empty();
  }

 private:
  void add(std::int32_t word, std::int32_t context, float log_count, float weight) {
    words_.push_back(word);
    contexts_.push_back(context);
    logs_.push_back(log_count);
    weights_.push_back(weight);
  }

  const Settings& settings_;
  examples::Cooccurrences& pairs_;
  std::span<const examples::Cooccurrence> block_;
  std::size_t position_ = 0;
  std::vector<std::int64_t> words_, contexts_;
  std::vector<float> logs_, weights_;
};

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings), corpus_(settings, "glove"), pairs_(counting(settings)) {}

  int run();

 private:
  int stopped_before(const char* what) const;
  void print_words() const;
  void count_pairs();
  int train();
  int factor();
  void save(const tg::Tensor& vectors) const;

  Settings settings_;
  examples::Corpus corpus_;
  examples::Cooccurrences pairs_;
  tg::Generator generator_;
  examples::Progress progress_{std::cerr, examples::progress_options_for_stderr()};
};

int Run::run() {
  if (stopped() != 0) return stopped_before("the counting");
  print_words();
  generator_.manual_seed(static_cast<std::uint64_t>(settings_.seed));
  count_pairs();
  if (stopped() != 0) return stopped_before("the training");
  if (pairs_.size() == 0) {
    throw tg::ValueError(settings_.input + ": no two of these words are in one line within " +
                         std::to_string(settings_.window) +
                         " words; needed lines of several words");
  }
  return settings_.method == Method::glove ? train() : factor();
}

int Run::stopped_before(const char* what) const {
  std::cerr << "stopped by " << examples::name_of_signal(stopped()) << " before " << what
            << "; nothing was saved\n";
  return stopped();
}

void Run::print_words() const {
  const examples::Words& words = corpus_.words();
  std::cout << settings_.input << ": " << grouped(words.total) << " words, "
            << grouped(words.distinct) << " different; " << grouped(words.size())
            << " of these occur at least " << settings_.min_count << " times ("
            << fixed(100.0 * static_cast<double>(words.kept()) / static_cast<double>(words.total),
                     1)
            << " % of the text)" << std::endl;
}

void Run::count_pairs() {
  progress_.start("counting", corpus_.words_to_train());
  const double begin = examples::steady_seconds();
  corpus_.rewind();
  examples::Sentence sentence;
  std::int64_t read = 0;
  for (std::int64_t done = 0; stopped() == 0 && corpus_.next(sentence, read); done += read) {
    pairs_.add(sentence);
    progress_.update(done);
  }
  if (stopped() != 0) return;
  pairs_.finish();
  progress_.print(grouped(pairs_.size()) + " different pairs of words within " +
                  std::to_string(settings_.window) + " words, counted in " +
                  fixed(examples::steady_seconds() - begin, 1) + " s" +
                  (pairs_.in_memory() ? "" : " with a temporary file"));
}

int Run::train() {
  Model model(corpus_.words().size(), settings_.dim, generator_);
  tg::optim::Adagrad adagrad(model.parameters(),
                             {.lr = settings_.lr, .initial_accumulator_value = 1});
  const std::int64_t total = settings_.epochs * pairs_.size();
  progress_.start("pairs", total);
  const double begin = examples::processor_seconds();
  std::int64_t done = 0;
  double first = 0, last = 0;  // the mean loss of an epoch
  for (std::int64_t epoch = 0; epoch < settings_.epochs && stopped() == 0; ++epoch) {
    Batches batches(settings_, pairs_);
    double sum = 0;
    std::int64_t elements = 0;
    for (Batch batch; stopped() == 0 && batches.next(batch);) {
      adagrad.zero_grad();
      const tg::Variable loss = weighted_squares(model.tables(), batch);
      loss.backward();
      adagrad.step();
      sum += static_cast<double>(loss.item<float>());
      elements += batch.size();
      done = std::min(done + settings_.batch, (epoch + 1) * pairs_.size());
      last = sum / static_cast<double>(elements);
      progress_.update(done, "epoch " + std::to_string(epoch + 1) + "  loss " + fixed(last, 4));
    }
    if (epoch == 0) first = last;
  }
  const double rate =
      static_cast<double>(done) / std::max(examples::processor_seconds() - begin, 1e-9);
  if (!std::isfinite(last)) {
    throw tg::ValueError("glove: the loss is not finite, nothing was saved; lower --lr");
  }
  const tg::Tensor words = model.word.weight.value();
  save(settings_.adds_contexts() ? words + model.context.weight.value() : words);
  if (stopped() != 0) {
    progress_.print("stopped by " + examples::name_of_signal(stopped()) + " after " +
                    grouped(done) + " of " + grouped(total) +
                    " pairs; what was learned is saved in " + settings_.output);
  }
  std::cout << settings_.output << ": " << grouped(corpus_.words().size()) << " vectors of "
            << settings_.dim << "; loss " << fixed(last, 4) << " (in the first epoch "
            << fixed(first, 4) << "); " << grouped(std::llround(rate)) << " pairs/s" << std::endl;
  return stopped();
}

int Run::factor() {
  const double begin = examples::steady_seconds();
  const examples::Ppmi ppmi = examples::ppmi(pairs_, corpus_.words().size(), settings_.ppmi);
  if (ppmi.matrix.elements() == 0) {
    throw tg::ValueError(settings_.input +
                         ": no two words are near each other more often than by chance; lower "
                         "--shift");
  }
  const tg::Tensor vectors = examples::svd_vectors(ppmi,
                                                   {.dim = settings_.dim,
                                                    .eigenvalue_power = settings_.eigenvalue_power,
                                                    .add_contexts = settings_.adds_contexts(),
                                                    .iterations = settings_.iterations},
                                                   generator_, [] { return stopped() != 0; });
  if (stopped() != 0) return stopped_before("the end of the factorization");
  save(vectors);
  std::cout << settings_.output << ": " << grouped(corpus_.words().size()) << " vectors of "
            << settings_.dim << "; " << grouped(ppmi.matrix.elements()) << " elements > 0 of "
            << grouped(corpus_.words().size()) << " x " << grouped(corpus_.words().size())
            << ", factored in " << fixed(examples::steady_seconds() - begin, 1) << " s"
            << std::endl;
  return 0;
}

void Run::save(const tg::Tensor& vectors) const {
  tg::nn::save_word_vectors(settings_.output, tg::nn::WordVectors(corpus_.words().words, vectors),
                            settings_.binary ? tg::nn::WordVectorsFormat::word2vec_binary
                                             : tg::nn::WordVectorsFormat::word2vec_text);
}

}  // namespace

int learn(const Settings& settings) {
  const examples::StopSignals signals;
  examples::check_output_file("glove", settings.output);
  return Run(settings).run();
}

}  // namespace glove
