// text_classifier: trains a classifier of short texts and answers with it. Here are its commands
// and their options; the model is in model.cc, the training loop in training.cc.
#include <tapegrad/nn/text/tokenizer.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "text_classifier/commands.h"
#include "text_classifier/training.h"

namespace text_classifier {
namespace {

// Refuses other values with the two in the text, and keeps them out of --help.
template <class Number>
CLI::Validator from_to(Number least, Number greatest) {
  return CLI::Range(least, greatest).description("");
}

constexpr const char* kFormats =
    "FILE holds a text and its label on each line, in one of these formats, told by the content:\n"
    "  text<TAB>label          label,text (CSV, also with several columns of text)\n"
    "  LABEL:sub text (TREC)   __label__X text (fastText)\n"
    "in UTF-8 or Latin-1.";

// train, in the order of --help -------------------------------------------------------------------

constexpr std::int64_t kLargestSeed = 1'000'000'000'000'000'000;

void add_files(CLI::App* command, TrainSettings& settings) {
  command->add_option("--train", settings.train, "Texts to learn from; default: bundled questions")
      ->type_name("FILE");
  command->add_option("--test", settings.test, "Texts to test on, after each epoch; default: none")
      ->type_name("FILE");
  command->add_option("--out", settings.out, "Folder for the model and metrics.jsonl")
      ->type_name("DIR")
      ->capture_default_str();
}

void add_model(CLI::App* command, TrainSettings& settings) {
  ModelSettings& model = settings.model;
  command
      ->add_option("--arch", model.arch,
                   "bag: mean of the word vectors; rnn, lstm, gru: recurrent network\n"
                   "over them; cnn: filters over 3, 4 and 5 words; attention: words look\n"
                   "at each other")
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
                   "What is kept of the states at the words: the last, the mean, or the\n"
                   "largest value of each element; default: max")
      ->type_name("last|mean|max")
      ->check(CLI::IsMember({"last", "mean", "max"}).description(""));
  command
      ->add_option("--layers", settings.layers,
                   "Networks with states, one upon the other; default: 1")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, kMostLayers));
  command->add_flag("--bidirectional", model.bidirectional,
                    "Read the text backwards too, with as many states again (rnn, lstm,\ngru)");
  command->add_option("--filters", settings.filters, "Filters of each width (cnn); default: 100")
      ->type_name("N")
      ->check(from_to(1, 100'000));
  command
      ->add_option("--heads", settings.heads,
                   "Parts of a state that look for themselves (attention); default: 4")
      ->type_name("N")
      ->check(from_to(1, 1000));
}

void add_steps(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--epochs", settings.epochs,
                   "How often all texts are read; default: about 1,700 steps,\nbut 10 times at "
                   "least and 100 at most")
      ->type_name("N")
      ->check(from_to(0, 1'000'000));
  command->add_option("--batch", settings.batch, "Texts in one step of the optimizer")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--lr", settings.lr,
                   "Learning rate at the start, or the highest; see --schedule.\n"
                   "Default: 0.005 (bag), 0.001 (attention) or 0.002 with adam, 3 with sgd")
      ->type_name("X")
      ->check(from_to(0.0, 1e6));
  command
      ->add_option("--schedule", settings.schedule,
                   "How the rate goes on: down to 0 in a straight line; constant; up\n"
                   "for a tenth of the run, then constant; down along a cosine; up and\n"
                   "down again")
      ->type_name("linear|constant|warm-up|cosine|one-cycle")
      ->check(
          CLI::IsMember({"linear", "constant", "warm-up", "cosine", "one-cycle"}).description(""))
      ->capture_default_str();
}

void add_run(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--patience", settings.patience,
                   "Hold out a tenth of the texts, stop after N epochs without a\n"
                   "smaller loss on them, and keep the best epoch")
      ->type_name("N")
      ->check(from_to(1, 1'000'000));
  command
      ->add_option("--folds", settings.folds,
                   "Cross-validation: N models, each tested on another part of the\n"
                   "texts; nothing is saved")
      ->type_name("N")
      ->check(from_to(2, 1'000'000));
  command->add_option("--optimizer", settings.optimizer, "What takes the steps")
      ->type_name("sgd|adam")
      ->check(CLI::IsMember({"sgd", "adam"}).description(""))
      ->capture_default_str();
}

void add_reading(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--ngrams", settings.ngrams,
                   "Runs of up to N words get vectors too: word order for a bag")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, tg::nn::Tokenizer::kLongestNgram))
      ->capture_default_str();
  command->add_option("--min-count", settings.min_count, "Rarer words count as unknown")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000))
      ->capture_default_str();
  command->add_option("--max-length", settings.max_length, "The rest of a longer text is not read")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--dropout", settings.model.dropout,
                   "Share of the values set to 0 while training")
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
                    "Know every word of that file, not only those of the training texts");
  command->add_flag("--freeze-embeddings", settings.freeze_embeddings,
                    "Leave all word vectors as they are at the start");
  command->add_flag("--freeze-known", settings.freeze_known,
                    "Leave those that --vectors holds as they are, train the others");
  command->add_flag("--sparse", settings.model.sparse,
                    "Steps move only the vectors of words in the batch");
}

void add_draws(CLI::App* command, TrainSettings& settings) {
  command
      ->add_option("--train-limit", settings.train_limit,
                   "Learn from N of the texts at most, drawn by the seed")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000));
  command->add_option("--seed", settings.seed, "The same seed gives the same model")
      ->type_name("N")
      ->check(from_to(-kLargestSeed, kLargestSeed))  // CLI11 would cut larger ones down to the same
      ->capture_default_str();
}

void add_train(CLI::App& app, TrainSettings& settings) {
  CLI::App* command = app.add_subcommand("train", "Learn from labelled texts and save the model");
  command->footer(kFormats);
  add_files(command, settings);
  add_model(command, settings);
  add_steps(command, settings);
  add_run(command, settings);
  add_reading(command, settings);
  add_vectors(command, settings);
  add_draws(command, settings);
  command->callback([&settings] { train(settings); });
}

// The other commands ------------------------------------------------------------------------------

struct Arguments {
  std::string folder;
  std::string file;
  std::vector<std::string> texts;
  std::vector<std::string> words;
  std::int64_t count = 10;
};

CLI::App* add_command(CLI::App& app, const char* name, const char* description,
                      Arguments& arguments) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("--model", arguments.folder, "Folder that train wrote (its --out)")
      ->type_name("DIR")
      ->required();
  return command;
}

void add_predict(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_command(app, "predict", "Print the class of texts: label, probability, text", arguments);
  command
      ->add_option("text", arguments.texts,
                   "Texts, each in quotes; none: lines of standard input, until Ctrl-D")
      ->type_name("TEXT");
  command->callback([&] { predict(arguments.folder, arguments.texts); });
}

void add_eval(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(app, "eval", "Test a model on labelled texts", arguments);
  command->add_option("--test", arguments.file, "Texts to test on")->type_name("FILE")->required();
  command->footer(kFormats);
  command->callback([&] { evaluate(arguments.folder, arguments.file); });
}

void add_neighbours(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      add_command(app, "neighbours", "Print the words whose vectors are most similar", arguments);
  command->add_option("word", arguments.words, "Words of the training texts")
      ->type_name("WORD")
      ->required();
  command->add_option("--count", arguments.count, "How many to print")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  command->callback([&] { neighbours(arguments.folder, arguments.words, arguments.count); });
}

void add_export(CLI::App& app, Arguments& arguments) {
  CLI::App* command = add_command(app, "export", "Write a model for other programs", arguments);
  command->add_option("--onnx", arguments.file, "File to write")->type_name("FILE")->required();
  command->callback([&] { export_onnx(arguments.folder, arguments.file); });
}

// All of them -------------------------------------------------------------------------------------

int run(int argc, char** argv) {
  CLI::App app("Learns to sort short texts, in any language, into classes.", "text_classifier");
  app.require_subcommand(1);
  TrainSettings settings;
  Arguments arguments;
  add_train(app, settings);
  add_predict(app, arguments);
  add_eval(app, arguments);
  add_neighbours(app, arguments);
  add_export(app, arguments);

  app.footer(
      "Examples:\n"
      "  text_classifier train                        learns the bundled questions\n"
      "  text_classifier predict --model runs/text_classifier \"Who wrote Faust?\"\n"
      "  text_classifier train --help                 lists the options of train");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty()) {
      throw tg::ValueError(
          "needed a command: train, predict, eval, neighbours or export; see --help");
    }
    const std::string command = app.get_subcommands().front()->get_name();
    throw tg::ValueError(command + ": " + error.what() + "; see " + command + " --help");
  }
  if (!std::cout.flush()) throw tg::IoError("standard output: cannot write");
  return 0;
}

}  // namespace
}  // namespace text_classifier

int main(int argc, char** argv) {
  try {
    return text_classifier::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "text_classifier: " << error.what() << '\n';
    return 1;
  }
}
