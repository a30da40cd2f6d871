// The options of train, in the order of --help. Read next: settings.h.
#include "text_classifier/train_options.h"

#include <tapegrad/nn/text/tokenizer.h>

#include <cstdint>

#include "common/command_line.h"

namespace text_classifier {

using examples::from_to;
using examples::not_empty;
using examples::one_of;

const char* const kFormats =
    "FILE holds a text and its label on each line; - is standard input. The format is detected:\n"
    "  columns between tabs, commas, semicolons or bars, with or without a header\n"
    "  {\"text\": ..., \"label\": ...} (JSON)    __label__X text (fastText)\n"
    "  LABEL:sub text (TREC)                 LABEL text\n"
    "in UTF-8, UTF-16 or Windows-1252, also compressed with gzip. The first line of output tells\n"
    "which columns were taken. Or a file of texts for each class: --train pos=FILE --train "
    "neg=FILE";

CLI::Option* add_texts(CLI::App* command, const char* name, Files& files, const char* description) {
  return command->add_option(name, files, description)
      ->type_name("FILE|LABEL=FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_columns(CLI::App* command, ReadingOptions& options) {
  command
      ->add_option("--text-col", options.text_column,
                   "Column of the texts: a name or a number from 1; several with commas")
      ->type_name("NAME|N");
  command->add_option("--label-col", options.label_column, "Column of the labels")
      ->type_name("NAME|N");
  command->add_option("--header", options.header, "Whether the first line holds names")
      ->type_name("yes|no")
      ->check(one_of({"yes", "no"}));
  command->add_option("--format", options.format, "Format of the files; default: detected")
      ->type_name("tab|csv|semicolon|bar|jsonl|trec|fasttext|space")
      ->check(one_of({"tab", "csv", "semicolon", "bar", "jsonl", "trec", "fasttext", "space"}));
}

void add_label_separator(CLI::App* command, ReadingOptions& options) {
  command
      ->add_option("--label-sep", options.label_separator,
                   "What stands between the labels of a text; default: a comma, a\n"
                   "semicolon or a bar, whichever is found")
      ->type_name("TEXT")
      ->check(CLI::Validator(
          [](const std::string& text) { return text.empty() ? "needed a text" : ""; }, ""));
}

namespace {

constexpr std::int64_t kLargestSeed = 1'000'000'000'000'000'000;

void add_files(CLI::App* command, TrainSettings& settings) {
  add_texts(command, "--train", settings.train, "Texts to train on; default: bundled questions");
  add_texts(command, "--test", settings.test, "Texts to test on, after each epoch; default: none");
  add_texts(command, "--dev", settings.dev,
            "Texts that decide how long to train; default: a part of the texts\n"
            "of --train");
  command->add_option("--out", settings.out, "Folder for the model and metrics.jsonl")
      ->type_name("DIR")
      ->check(not_empty())
      ->capture_default_str();
}

void add_labels(CLI::App* command, TrainSettings& settings) {
  command->add_flag("--multi-label", settings.multi_label,
                    "A text may have several labels, or none");
  add_label_separator(command, settings.reading);
  command
      ->add_option("--class-weights", settings.class_weights,
                   "How much the texts of each class count: balanced, so that all\n"
                   "classes count the same, or a file with a label and its weight on\n"
                   "each line")
      ->type_name("balanced|FILE");
  command
      ->add_option("--weight-col", settings.weight_column,
                   "Column of the weights of the texts of --train")
      ->type_name("NAME|N");
  command
      ->add_option("--duplicates", settings.duplicates,
                   "remove: do not learn texts that --test or --dev has, nor those that\n"
                   "occur with different labels; keep: only tell")
      ->type_name("keep|remove")
      ->check(one_of({"keep", "remove"}))
      ->capture_default_str();
}

void add_model(CLI::App* command, TrainSettings& settings) {
  ModelSettings& model = settings.model;
  command
      ->add_option("--arch", model.arch,
                   "bag: mean of the word vectors; rnn, lstm, gru: recurrent network\n"
                   "over them; cnn: filters over 3, 4 and 5 words; attention:\n"
                   "transformer encoder over the words")
      ->type_name("bag|rnn|lstm|gru|cnn|attention")
      ->check(one_of({"bag", "rnn", "lstm", "gru", "cnn", "attention"}))
      ->capture_default_str();
  command->add_option("--dim", model.dim, "Size of a word vector; --vectors decides it")
      ->type_name("N")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--hidden", model.hidden,
                   "Size of the state at a word (rnn, lstm, gru, attention)")
      ->type_name("N")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--pool", settings.pool,
                   "How the states at the words become one vector: the last, the mean, or\n"
                   "the largest value of each element; default: max")
      ->type_name("last|mean|max")
      ->check(one_of({"last", "mean", "max"}));
  command->add_option("--layers", settings.layers, "Layers (rnn, lstm, gru, attention); default: 1")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, kMostLayers));
  command->add_flag("--bidirectional", model.bidirectional,
                    "Read the text backward too, which doubles the states (rnn, lstm, gru)");
  command->add_option("--filters", settings.filters, "Filters of each width (cnn); default: 100")
      ->type_name("N")
      ->check(from_to(1, 100'000));
  command->add_option("--heads", settings.heads, "Number of heads (attention); default: 4")
      ->type_name("N")
      ->check(from_to(1, 1000));
}

void add_steps(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--epochs", settings.epochs,
                   "Passes over the texts. Default: a bag finds the best number on texts\n"
                   "that are held out, then trains on all; others do about 1,700 steps,\n"
                   "but at least 10 and at most 100 passes")
      ->type_name("N")
      ->check(from_to(0, 1'000'000));
  command->add_option("--batch", settings.batch, "Texts in each step of the optimizer")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--lr", settings.lr,
                   "The first or, if it rises, the highest learning rate; see --schedule.\n"
                   "Default: 0.005 (bag; 0.0025 if it finds the number of passes), 0.001\n"
                   "(attention) or 0.002 with adam; 0.5 (bag) or 3 with sgd")
      ->type_name("X")
      ->check(from_to(0.0, 1e6));
  command
      ->add_option("--schedule", settings.schedule,
                   "How the learning rate changes: it falls to 0 in a straight line; stays\n"
                   "constant; rises for a tenth of the run, then stays constant; falls\n"
                   "along a cosine; rises and falls. Default: linear; constant if a bag\n"
                   "finds the number of passes")
      ->type_name("linear|constant|warm-up|cosine|one-cycle")
      ->check(one_of({"linear", "constant", "warm-up", "cosine", "one-cycle"}));
}

void add_run(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--patience", settings.patience,
                   "Hold out a tenth of the texts, or those of --dev, stop after N epochs\n"
                   "without a smaller loss on them, and keep the best epoch")
      ->type_name("N")
      ->check(from_to(1, 1'000'000));
  command
      ->add_option("--folds", settings.folds,
                   "Cross-validation: N models, each tested on another part of the\n"
                   "texts; nothing is saved")
      ->type_name("N")
      ->check(from_to(2, 1'000'000));
  command
      ->add_option("--autotune", settings.autotune,
                   "First look for better options on held-out texts, for so many seconds\n"
                   "of processor time: --dim, --ngrams, --lr, --min-count, --chars,\n"
                   "--buckets, except those that are given")
      ->type_name("SECONDS")
      ->check(from_to(1, 1'000'000'000));
  command
      ->add_option("--trials", settings.trials,
                   "Look for better options in N trials; without --autotune, the same\n"
                   "seed gives the same options")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000));
  command->add_flag("--baseline", settings.baseline,
                    "Also test TF-IDF with logistic regression, and NB-SVM, in one table");
  command->add_option("--optimizer", settings.optimizer, "Optimization algorithm")
      ->type_name("sgd|adam")
      ->check(one_of({"sgd", "adam"}))
      ->capture_default_str();
}

void add_reading(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--ngrams", settings.ngrams,
                   "Sequences of up to N words get vectors too: word order for a bag.\n"
                   "Default: 2 (bag) or 1")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, tg::nn::Tokenizer::kLongestNgram));
  command
      ->add_option("--min-count", settings.min_count,
                   "Words that occur less often count as unknown")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000))
      ->capture_default_str();
  command
      ->add_option("--chars", settings.chars,
                   "Character n-grams of these lengths get vectors too (bag): for names,\n"
                   "languages, misspelled words, Chinese; such as 1-5")
      ->type_name("N-M");
  command
      ->add_option("--buckets", settings.buckets,
                   "Rows that the character n-grams share by their hash; default: 65536")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, Characters::kMostBuckets));
  command
      ->add_option("--words", settings.words,
                   "no: read only the character n-grams of --chars, and no words")
      ->type_name("yes|no")
      ->check(one_of({"yes", "no"}))
      ->capture_default_str();
  command
      ->add_option("--max-length", settings.max_length,
                   "Longer texts are cut to N words, before n-grams are added")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--dropout", settings.model.dropout,
                   "Probability that an element is set to 0 in training")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
}

void add_vectors(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--vectors", settings.vectors,
                   "Word vectors to start from: word2vec's, GloVe's or fastText's .vec")
      ->type_name("FILE");
  command->add_flag("--all-vectors", settings.all_vectors,
                    "Keep all words of that file, not only those of the training texts");
  command->add_flag("--freeze-embeddings", settings.freeze_embeddings,
                    "Do not train any word vector");
  command->add_flag("--freeze-known", settings.freeze_known,
                    "Do not train the vectors from --vectors; train the others");
  command->add_flag("--sparse", settings.model.sparse,
                    "A step moves only the vectors of words in its batch");
}

void add_draws(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--train-limit", settings.train_limit,
                   "Train on at most N of the texts, drawn at random by the seed")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000));
  command
      ->add_option("--size", settings.size,
                   "Compress the model (bag) to a file of at most this size, such as 1MB\n"
                   "or 100kB; see compress")
      ->type_name("SIZE");
  command->add_option("--seed", settings.seed, "The same seed gives the same model")
      ->type_name("N")
      ->check(from_to(-kLargestSeed, kLargestSeed))  // CLI11 turns all larger ones into one number
      ->capture_default_str();
}

void add_resume(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--checkpoint-every", settings.checkpoint_every,
                   "Write a checkpoint every N steps; 0: only when Ctrl-C, SIGTERM or\n"
                   "SIGHUP stops the run")
      ->type_name("N")
      ->check(from_to(0, 1'000'000'000))
      ->capture_default_str();
  command->add_flag("--resume", settings.resume,
                    "Continue the run in --out that was stopped, with its options");
}

}  // namespace

std::set<std::string> given_options(const CLI::App& command) {
  std::set<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0) names.insert(option->get_name());
  }
  return names;
}

void add_training(CLI::App* command, TrainSettings& settings) {
  add_files(command, settings);
  add_columns(command, settings.reading);
  add_labels(command, settings);
  add_model(command, settings);
  add_steps(command, settings);
  add_run(command, settings);
  add_reading(command, settings);
  add_vectors(command, settings);
  add_draws(command, settings);
  add_resume(command, settings);
}

}  // namespace text_classifier
