// Checks which options exclude each other, and computes the defaults. Read next: run_options.h.
#include "text_classifier/settings.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>

#include "text_classifier/size.h"
#include "text_classifier/trained.h"

namespace text_classifier {
namespace {

std::string bundled(const char* name) {
  return std::string(TAPEGRAD_SOURCE_DIR) + "/examples/text_classifier/data/" + name;
}

void refuse(const TrainSettings& settings, bool wrong, const std::string& text) {
  if (wrong) throw tg::ValueError(settings.command + ": " + text);
}

void check_architecture(const TrainSettings& settings) {
  const std::string& arch = settings.model.arch;
  refuse(settings, settings.pool && !has_states(arch),
         "--pool combines the states at the words, and " + arch +
             " has none; needed --arch rnn, lstm, gru or attention");
  refuse(settings, settings.layers && !has_states(arch),
         "--layers is the number of layers with states, and " + arch +
             " has none; needed --arch rnn, lstm, gru or attention");
  refuse(settings, settings.model.bidirectional && !is_recurrent(arch),
         "--bidirectional is for recurrent networks, and " + arch +
             " is not one; needed --arch rnn, lstm or gru");
  refuse(settings, settings.heads && arch != "attention",
         "--heads is the number of heads of attention, and " + arch +
             " has none; needed --arch attention");
  refuse(settings, arch == "attention" && settings.max_length > kMostPositions,
         "--max-length is " + std::to_string(settings.max_length) + ", needed " +
             std::to_string(kMostPositions) + " or less: attention has no more positions");
  const std::int64_t most =
      most_tokens(settings.max_length, settings.ngrams.value_or(1), LengthUnit::kWords);
  refuse(settings, arch == "attention" && most > kMostPositions,
         "--max-length " + std::to_string(settings.max_length) + " with --ngrams gives " +
             std::to_string(most) + " positions, and attention has " +
             std::to_string(kMostPositions) + "; needed fewer");
  refuse(
      settings, settings.filters && arch != "cnn",
      "--filters is the number of filters of a cnn, and " + arch + " has none; needed --arch cnn");
  refuse(settings, !settings.chars.empty() && arch != "bag",
         "--chars adds the character n-grams of a text in no order, and " + arch +
             " reads words one after the other; needed --arch bag");
}

void check_combination(const TrainSettings& settings) {
  const bool no_vectors = settings.vectors.empty();
  refuse(settings, settings.freeze_known && no_vectors,
         "--freeze-known freezes the vectors from a file; needed --vectors FILE too");
  refuse(settings, settings.all_vectors && no_vectors,
         "--all-vectors keeps all words of a file; needed --vectors FILE too");
  refuse(settings, settings.freeze_known && settings.freeze_embeddings,
         "--freeze-embeddings freezes all word vectors, --freeze-known some of them; needed one of "
         "the two");
  refuse(settings, settings.folds && !settings.test.empty(),
         "--folds tests on parts of the training texts, --test on others; needed one of the two");
  refuse(settings, settings.folds && !settings.dev.empty(),
         "--folds tests on parts of the training texts, --dev holds others out; needed one of the "
         "two");
  refuse(settings, settings.folds && settings.resume,
         "--folds saves nothing, so there is nothing for --resume; needed one of the two");
  refuse(settings, settings.folds && settings.checkpoint_every > 0,
         "--folds saves nothing, so it writes no checkpoints; needed --checkpoint-every 0");
  refuse(settings, settings.baseline && settings.test.empty() && !settings.folds,
         "--baseline compares accuracies on the same texts; needed --test FILE or --folds N too");
  const bool tunes = is_autotuned(settings);
  refuse(settings, tunes && !searches_epochs(settings),
         "--autotune finds the number of epochs, too; needed --arch bag, without --epochs, "
         "--patience and --schedule");
  refuse(settings, tunes && settings.folds,
         "--autotune chooses the options of one model, and --folds trains several; needed one of "
         "the two");
  refuse(settings, settings.baseline && settings.multi_label,
         "--baseline trains classifiers that give one label; needed it without --multi-label");
  const bool weighs = !settings.weight_column.empty() || !settings.class_weights.empty();
  refuse(settings, settings.baseline && weighs,
         "--baseline trains classifiers without weights; needed it without --weight-col and "
         "--class-weights");
  refuse(settings, !settings.reading.label_separator.empty() && !settings.multi_label,
         "--label-sep stands between the labels of a text; needed --multi-label too");
  refuse(settings, settings.model.sparse && settings.freeze_embeddings,
         "--sparse trains word vectors, and --freeze-embeddings does not; needed one of the two");
  refuse(settings, !settings.size.empty() && settings.model.arch != "bag",
         "--size compresses the table of a bag, and " + settings.model.arch +
             " is not one; needed --arch bag");
  if (!settings.size.empty()) parse_size(settings.size, settings.command + ": --size");
  refuse(settings, settings.buckets && settings.chars.empty(),
         "--buckets is the number of rows for character n-grams; needed --chars too");
  const bool no_words = settings.words == "no";
  refuse(settings, no_words && settings.chars.empty(),
         "--words no leaves nothing to read; needed --chars too, such as --chars 1-5");
  refuse(settings, no_words && !no_vectors,
         "--vectors holds vectors of words, and --words no reads none; needed one of the two");
  refuse(settings, no_words && settings.ngrams,
         "--ngrams are sequences of words, and --words no reads none; needed one of the two");
  refuse(settings, no_words && settings.given.contains("--min-count"),
         "--min-count chooses words, and --words no reads none; needed one of the two");
}

}  // namespace

TrainSettings checked(TrainSettings settings) {
  if (settings.train.empty()) {
    refuse(settings, settings.multi_label,
           "--multi-label needs texts with several labels, and the bundled questions have one; "
           "needed --train FILE");
    settings.train = {bundled("questions_train.tsv")};
    if (settings.test.empty() && !settings.folds) settings.test = {bundled("questions_test.tsv")};
  }
  check_architecture(settings);
  check_combination(settings);
  ModelSettings& model = settings.model;
  model.pool = settings.pool.value_or(model.arch == "bag" ? "sqrt" : model.pool);
  model.layers = settings.layers.value_or(model.layers);
  model.filters = settings.filters.value_or(model.filters);
  model.heads = settings.heads.value_or(model.heads);
  model.characters =
      parse_characters(settings.chars, settings.buckets.value_or(Characters::kDefaultBuckets),
                       settings.command + ": --chars");
  model.words = settings.words != "no";
  if (!settings.ngrams) settings.ngrams = model.arch == "bag" ? 2 : 1;
  return settings;
}

Reading reading_of(const ReadingOptions& options) {
  Reading reading;
  if (!options.format.empty()) reading.format = format_of_option(options.format);
  reading.text_column = options.text_column;
  reading.label_column = options.label_column;
  reading.label_separator = options.label_separator;
  if (!options.header.empty()) reading.header = options.header == "yes";
  return reading;
}

bool searches_epochs(const TrainSettings& settings) {
  return settings.model.arch == "bag" && !settings.epochs && !settings.patience &&
         !settings.schedule;
}

// These rates gave good accuracies on texts held out of training texts.
double learning_rate(const TrainSettings& settings) {
  if (settings.lr) return *settings.lr;
  if (settings.optimizer == "sgd") return settings.model.arch == "bag" ? 0.5 : 3.0;
  if (settings.model.arch == "bag") return 0.005;
  return settings.model.arch == "attention" ? 0.001 : 0.002;
}

std::int64_t steps_of_epoch(const TrainSettings& settings, std::size_t texts) {
  return (static_cast<std::int64_t>(texts) + settings.batch - 1) / settings.batch;
}

// About 1,700 steps, but at least 10 epochs and at most 100.
std::int64_t number_of_epochs(const TrainSettings& settings, std::size_t texts) {
  const std::int64_t steps = std::max<std::int64_t>(steps_of_epoch(settings, texts), 1);
  return settings.epochs.value_or(std::clamp<std::int64_t>(1700 / steps, 10, 100));
}

}  // namespace text_classifier
