// text_classifier trains a classifier of short texts and predicts with it. This file defines its
// commands and their options; the model is in model.cc, the training loop in trainer.cc.
#include <tapegrad/nn/text/tokenizer.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "text_classifier/answers.h"
#include "text_classifier/commands.h"
#include "text_classifier/compare.h"
#include "text_classifier/compress.h"
#include "text_classifier/explain.h"
#include "text_classifier/help.h"
#include "text_classifier/suspects.h"
#include "text_classifier/training.h"

namespace text_classifier {
namespace {

// Accepts the values from `least` to `greatest`. The error text has both limits, --help does not.
template <class Number>
CLI::Validator from_to(Number least, Number greatest) {
  return CLI::Range(least, greatest).description("");
}

// For folders: an empty name, as of a variable that is not set, would mean the root of the disk.
CLI::Validator not_empty() {
  return {[](const std::string& text) { return text.empty() ? "needed the name of a folder" : ""; },
          ""};
}

constexpr const char* kFormats =
    "FILE holds a text and its label on each line; - is standard input. The format is detected:\n"
    "  columns between tabs, commas, semicolons or bars, with or without a header\n"
    "  {\"text\": ..., \"label\": ...} (JSON)    __label__X text (fastText)\n"
    "  LABEL:sub text (TREC)                 LABEL text\n"
    "in UTF-8, UTF-16 or Windows-1252, also compressed with gzip. The first line of output tells\n"
    "which columns were taken.";

// The options that say how a file is read.
void add_columns(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--text-col", settings.text_column,
                   "Column of the texts: a name or a number from 1; several with commas")
      ->type_name("NAME|N");
  command->add_option("--label-col", settings.label_column, "Column of the labels")
      ->type_name("NAME|N");
  command->add_option("--header", settings.header, "Whether the first line holds names")
      ->type_name("yes|no")
      ->check(CLI::IsMember({"yes", "no"}).description(""));
  command->add_option("--format", settings.format, "Format of the files; default: detected")
      ->type_name("tab|csv|semicolon|bar|jsonl|trec|fasttext|space")
      ->check(
          CLI::IsMember({"tab", "csv", "semicolon", "bar", "jsonl", "trec", "fasttext", "space"})
              .description(""));
}

// train, in the order of --help -------------------------------------------------------------------

constexpr std::int64_t kLargestSeed = 1'000'000'000'000'000'000;

void add_files(CLI::App* command, TrainSettings& settings) {
  command->add_option("--train", settings.train, "Texts to train on; default: bundled questions")
      ->type_name("FILE");
  command->add_option("--test", settings.test, "Texts to test on, after each epoch; default: none")
      ->type_name("FILE");
  command
      ->add_option("--dev", settings.dev,
                   "Texts that decide how long to train; default: a part of the texts\n"
                   "of --train")
      ->type_name("FILE");
  command->add_option("--out", settings.out, "Folder for the model and metrics.jsonl")
      ->type_name("DIR")
      ->check(not_empty())
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
      ->check(CLI::IsMember({"bag", "rnn", "lstm", "gru", "cnn", "attention"}).description(""))
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
      ->check(CLI::IsMember({"last", "mean", "max"}).description(""));
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
      ->check(
          CLI::IsMember({"linear", "constant", "warm-up", "cosine", "one-cycle"}).description(""));
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
  command->add_flag("--baseline", settings.baseline,
                    "Also test TF-IDF with logistic regression, and NB-SVM, in one table");
  command->add_option("--optimizer", settings.optimizer, "Optimization algorithm")
      ->type_name("sgd|adam")
      ->check(CLI::IsMember({"sgd", "adam"}).description(""))
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
      ->check(CLI::IsMember({"yes", "no"}).description(""))
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

// The names of the options on the command line.
std::set<std::string> given_options(const CLI::App& command) {
  std::set<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() > 0) names.insert(option->get_name());
  }
  return names;
}

// The options that say which model is trained on which texts.
void add_training(CLI::App* command, TrainSettings& settings) {
  add_files(command, settings);
  add_columns(command, settings);
  add_model(command, settings);
  add_steps(command, settings);
  add_run(command, settings);
  add_reading(command, settings);
  add_vectors(command, settings);
  add_draws(command, settings);
  add_resume(command, settings);
}

void add_train(CLI::App& app, TrainSettings& settings, int& signal) {
  CLI::App* command = app.add_subcommand("train", "Train on labeled texts and save the model");
  command->footer(std::string(kFormats) +
                  "\n\nExamples:\n"
                  "  text_classifier train --train texts.csv --out model\n"
                  "  text_classifier train --train texts.csv --test more.csv --baseline\n"
                  "  text_classifier train --train texts.csv --folds 10");
  add_training(command, settings);
  keep_in_short_help(
      command, {"--train", "--test", "--out", "--text-col", "--label-col", "--arch", "--ngrams",
                "--epochs", "--folds", "--baseline", "--seed", "--resume"});
  command->callback([command, &settings, &signal] {
    settings.given = given_options(*command);
    signal = train(settings);
  });
}

// The other commands ------------------------------------------------------------------------------

struct Arguments {
  std::string folder;
  std::string file;
  ExportedFiles files;
  std::string other;
  PredictOptions predict;
  ExplainOptions explain;
  SuspectsOptions suspects;
  std::optional<double> threshold;
  std::vector<std::string> words;
  std::int64_t count = 10;
  std::string out;
  std::string size;
};

CLI::App* add_command(CLI::App& app, const char* name, const char* description,
                      Arguments& arguments) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("--model", arguments.folder, "Folder that train wrote (its --out)")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  return command;
}

void add_predict(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_command(app, "predict", "Classify texts; print label, probability and text", arguments);
  PredictOptions& options = arguments.predict;
  command
      ->add_option("text", options.texts,
                   "Texts, each in quotes; default: the lines of standard input")
      ->type_name("TEXT");
  command->add_option("--file", options.file, "Classify the lines of a file; - is standard input")
      ->type_name("FILE");
  command->add_option("--top", options.top, "Print the N most probable labels")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command->add_flag("--all", options.all, "Print all labels");
  command->add_flag("--json", options.json, "Print a JSON object on each line");
  command
      ->add_option("--threshold", options.threshold,
                   "Answer (unsure) if no label has at least this probability")
      ->type_name("P")
      ->check(from_to(0.0, 1.0));
  command->footer(
      "Each line of input is answered with one line, also a blank one. A line that is not a text,\n"
      "for example because it is not UTF-8, is answered with (error), and the exit status is 1.\n\n"
      "Examples:\n"
      "  text_classifier predict --model DIR \"Who wrote Faust?\"\n"
      "  text_classifier predict --model DIR --file texts.txt --threshold 0.8\n"
      "  text_classifier predict --model DIR --json --all < texts.txt > answers.jsonl");
  command->callback([&] { predict(arguments.folder, arguments.predict); });
}

void add_eval(CLI::App& app, Arguments& arguments, TrainSettings& settings) {
  CLI::App* command = add_command(app, "eval", "Test a model on labeled texts", arguments);
  command->add_option("--test", arguments.file, "Texts to test on")->type_name("FILE")->required();
  command
      ->add_option("--threshold", arguments.threshold,
                   "Also count the answers with at least this probability")
      ->type_name("P")
      ->check(from_to(0.0, 1.0));
  add_columns(command, settings);
  keep_in_short_help(command, {"--model", "--test", "--threshold"});
  command->footer(std::string(kFormats) +
                  "\n\nExample:\n  text_classifier eval --model DIR --test texts.csv");
  command->callback([&] {
    evaluate(arguments.folder, arguments.file, reading_of(settings), arguments.threshold);
  });
}

CLI::App* add_neighbors(CLI::App& app, const char* name, Arguments& arguments) {
  CLI::App* command =
      add_command(app, name, "Print the words whose vectors are most similar", arguments);
  command->add_option("word", arguments.words, "Words of the training texts")
      ->type_name("WORD")
      ->required();
  command->add_option("--count", arguments.count, "How many to print")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  command->footer("Example:\n  text_classifier neighbors --model DIR --count 5 king \"who is\"");
  command->callback([&] { neighbors(arguments.folder, arguments.words, arguments.count); });
  return command;
}

void add_explain(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(app, "explain", "Print which words speak for a label", arguments);
  ExplainOptions& options = arguments.explain;
  command
      ->add_option("text", options.texts,
                   "Texts, each in quotes; without: the strongest words of each label")
      ->type_name("TEXT");
  command->add_option("--label", options.label, "Explain this label; default: the predicted one")
      ->type_name("LABEL");
  command->add_option("--count", options.count, "How many words to print")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command->footer(
      "A score is the logit of a label minus the mean of all logits. The score of a bag is "
      "exactly\n"
      "the sum of what its words add and the bias; for other architectures it is approximate.\n\n"
      "Examples:\n"
      "  text_classifier explain --model DIR \"Who wrote Faust?\"\n"
      "  text_classifier explain --model DIR --label HUM --count 30");
  command->callback([&] { explain(arguments.folder, options); });
}

void add_compare(CLI::App& app, Arguments& arguments, TrainSettings& settings) {
  CLI::App* command = add_command(app, "compare", "Compare two models on labeled texts", arguments);
  command->add_option("--with", arguments.other, "Folder of the second model")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  command->add_option("--test", arguments.file, "Texts to test on")->type_name("FILE")->required();
  add_columns(command, settings);
  keep_in_short_help(command, {"--model", "--with", "--test"});
  command->footer(std::string(kFormats) +
                  "\n\nExample:\n  text_classifier compare --model A --with B --test texts.csv");
  command->callback(
      [&] { compare(arguments.folder, arguments.other, arguments.file, reading_of(settings)); });
}

void add_suspects(CLI::App& app, Arguments& arguments, TrainSettings& settings) {
  CLI::App* command = app.add_subcommand("suspects", "Print texts whose label is probably wrong");
  add_training(command, settings);
  for (const char* name :
       {"--test", "--dev", "--out", "--resume", "--checkpoint-every", "--baseline"}) {
    command->remove_option(command->get_option(name));  // nothing is saved or tested
  }
  command->add_option("--count", arguments.suspects.count, "How many texts to print")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000))
      ->capture_default_str();
  command->add_flag("--json", arguments.suspects.json, "Print a JSON object on each line");
  keep_in_short_help(command, {"--train", "--text-col", "--label-col", "--arch", "--ngrams",
                               "--folds", "--count", "--json"});
  command->footer(
      "Trains models as --folds does (default: 5), and prints the texts whose label is "
      "contradicted\n"
      "by a model that was not trained on them. The label with the least probability comes first:\n"
      "  line 7  HUM 0.012  LOC 0.951  where is Paris\n\n"
      "Example:\n"
      "  text_classifier suspects --train texts.csv");
  command->callback([command, &settings, &arguments] {
    settings.given = given_options(*command);
    suspects(settings, arguments.suspects);
  });
}

void add_compress(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(app, "compress", "Make a small model of a bag", arguments);
  command->add_option("--out", arguments.out, "Folder for the small model")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  command
      ->add_option("--size", arguments.size,
                   "Its file has at most this size, such as 1MB or 100kB; default: a tenth")
      ->type_name("SIZE");
  command->footer("Example:\n  text_classifier compress --model DIR --out SMALL --size 100kB");
  command->callback([&] { compress_folder(arguments.folder, arguments.out, arguments.size); });
}

void add_export(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(app, "export", "Write the parts of a model as files", arguments);
  ExportedFiles& files = arguments.files;
  command->add_option("--onnx", files.onnx, "The model as an ONNX file")->type_name("FILE");
  command->add_option("--c", files.c, "The model as a C file without dependencies (bag)")
      ->type_name("FILE");
  command
      ->add_option("--vocabulary", files.vocabulary,
                   "The words, one on each line, in the order of their ids")
      ->type_name("FILE");
  command->add_option("--settings", files.settings, "The labels and the settings, as JSON")
      ->type_name("FILE");
  command->footer(
      "Example:\n  text_classifier export --model DIR --onnx model.onnx --vocabulary words.txt");
  command->callback([&] { export_model(arguments.folder, files); });
}

// All of them -------------------------------------------------------------------------------------

int run(int argc, char** argv) {
  CLI::App app("Learns to classify short texts in any language.", "text_classifier");
  app.require_subcommand(1);
  app.formatter(std::make_shared<ShortHelp>());
  app.set_help_flag("-h,--help", "Print what one needs first, and exit");
  app.set_help_all_flag("--help-all", "Print every option, and exit");
  TrainSettings settings;
  Arguments arguments;
  settings.program = argv[0];
  int signal = 0;
  add_train(app, settings, signal);
  add_predict(app, arguments);
  add_eval(app, arguments, settings);
  add_neighbors(app, "neighbors", arguments);
  add_neighbors(app, "neighbours", arguments)->group("");  // the older spelling, not in --help
  add_explain(app, arguments);
  add_compare(app, arguments, settings);
  add_suspects(app, arguments, settings);
  add_export(app, arguments);
  add_compress(app, arguments);

  app.footer(
      "Examples:\n"
      "  text_classifier train                        trains on the bundled questions\n"
      "  text_classifier predict --model runs/text_classifier \"Who wrote Faust?\"\n"
      "  text_classifier train --help                 lists the options of train");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty()) {
      throw tg::ValueError(
          "needed a command: train, predict, eval, neighbors, explain, compare, suspects, "
          "compress or export; see --help");
    }
    const std::string command = app.get_subcommands().front()->get_name();
    throw tg::ValueError(command + ": " + error.what() + "; see " + command + " --help");
  }
  if (signal != 0) return 128 + signal;  // as shells do
  if (!std::cout.flush()) throw tg::IoError("standard output: cannot write");
  return 0;
}

}  // namespace
}  // namespace text_classifier

int main(int argc, char** argv) {
  try {
    return text_classifier::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::cerr << "text_classifier: there is not enough memory\n";
  } catch (const std::exception& error) {
    std::cerr << "text_classifier: " << error.what() << '\n';
  }
  return 1;
}
