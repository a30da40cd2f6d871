// text_classifier trains a classifier of short texts and predicts with it. This file defines its
// commands, train_options.cc the options of train. The model is in model.cc, the training loop in
// trainer.cc. Read next: train_options.h.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "common/command_line.h"
#include "common/ranks.h"
#include "common/short_help.h"
#include "text_classifier/answers.h"
#include "text_classifier/commands.h"
#include "text_classifier/compare.h"
#include "text_classifier/compress.h"
#include "text_classifier/explain.h"
#include "text_classifier/suspects.h"
#include "text_classifier/train_options.h"
#include "text_classifier/training.h"

namespace text_classifier {
namespace {

using namespace examples;

// Adds a command that has the options `Options`, and calls run(options) after they are parsed.
template <class Options, class Run>
Options& add_options(CLI::App* command, const Run& run) {
  const auto options = std::make_shared<Options>();
  command->callback([options, run] { run(*options); });
  return *options;
}

// A command that loads a model from the folder options.model.
template <class Options>
CLI::App* add_command(CLI::App& app, const char* name, const char* description, Options*& options,
                      void (*run)(const Options&)) {
  CLI::App* command = app.add_subcommand(name, description);
  options = &add_options<Options>(command, run);
  command->add_option("--model", options->model, "Folder that train wrote (its --out)")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  return command;
}

void add_train(CLI::App& app, const std::string& program, Ranks* ranks, int& status) {
  CLI::App* command = app.add_subcommand("train", "Train on labeled texts and save the model");
  command->footer(std::string(kFormats) +
                  "\n\nExamples:\n"
                  "  text_classifier train --train texts.csv --out model\n"
                  "  text_classifier train --train texts.csv --test more.csv --baseline\n"
                  "  mpirun -n 4 text_classifier train --train texts.csv --arch lstm --out model");
  auto& settings = add_options<TrainSettings>(command, [command, &status](TrainSettings& given) {
    given.given = given_options(*command);
    status = status_of(train(given));
  });
  settings.program = program;
  settings.ranks = ranks;
  add_training(command, settings);
  keep_in_short_help(
      command, {"--train", "--test", "--out", "--text-col", "--label-col", "--arch", "--ngrams",
                "--epochs", "--folds", "--baseline", "--seed", "--resume"});
}

void add_predict(CLI::App& app) {
  PredictOptions* options = nullptr;
  CLI::App* command = add_command(
      app, "predict", "Classify texts; print label, probability and text", options, predict);
  command
      ->add_option("text", options->texts,
                   "Texts, each in quotes; default: the lines of standard input")
      ->type_name("TEXT");
  command->add_option("--file", options->file, "Classify the lines of a file; - is standard input")
      ->type_name("FILE");
  command->add_option("--top", options->top, "Print the N most probable labels")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command->add_flag("--all", options->all, "Print all labels");
  command->add_flag("--json", options->json, "Print a JSON object on each line");
  command
      ->add_option("--threshold", options->threshold,
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
}

void add_eval(CLI::App& app) {
  EvalOptions* options = nullptr;
  CLI::App* command = add_command(app, "eval", "Test a model on labeled texts", options, evaluate);
  add_texts(command, "--test", options->test, "Texts to test on")->required();
  command
      ->add_option("--threshold", options->threshold,
                   "Also count the answers with at least this probability")
      ->type_name("P")
      ->check(from_to(0.0, 1.0));
  add_columns(command, options->reading);
  add_label_separator(command, options->reading);
  keep_in_short_help(command, {"--model", "--test", "--threshold"});
  command->footer(std::string(kFormats) +
                  "\n\nExample:\n  text_classifier eval --model DIR --test texts.csv");
}

CLI::App* add_neighbors(CLI::App& app, const char* name) {
  NeighborsOptions* options = nullptr;
  CLI::App* command =
      add_command(app, name, "Print the words whose vectors are most similar", options, neighbors);
  options->command = name;
  command->add_option("word", options->words, "Words of the training texts")
      ->type_name("WORD")
      ->required();
  command->add_option("--count", options->count, "How many to print")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  command->footer("Example:\n  text_classifier neighbors --model DIR --count 5 king \"who is\"");
  return command;
}

void add_explain(CLI::App& app) {
  ExplainOptions* options = nullptr;
  CLI::App* command =
      add_command(app, "explain", "Print which words speak for a label", options, explain);
  command
      ->add_option("text", options->texts,
                   "Texts, each in quotes; without: the strongest words of each label")
      ->type_name("TEXT");
  command->add_option("--label", options->label, "Explain this label; default: the predicted one")
      ->type_name("LABEL");
  command->add_option("--count", options->count, "How many words to print")
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
}

void add_compare(CLI::App& app) {
  CompareOptions* options = nullptr;
  CLI::App* command =
      add_command(app, "compare", "Compare two models on labeled texts", options, compare);
  command->add_option("--with", options->other, "Folder of the second model")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  add_texts(command, "--test", options->test, "Texts to test on")->required();
  add_columns(command, options->reading);
  add_label_separator(command, options->reading);
  keep_in_short_help(command, {"--model", "--with", "--test"});
  command->footer(std::string(kFormats) +
                  "\n\nExample:\n  text_classifier compare --model A --with B --test texts.csv");
}

void add_suspects(CLI::App& app) {
  CLI::App* command = app.add_subcommand("suspects", "Print texts whose label is probably wrong");
  auto& options = add_options<SuspectsOptions>(command, [command](SuspectsOptions& given) {
    given.training.given = given_options(*command);
    suspects(given);
  });
  add_training(command, options.training);
  for (const char* name : {"--test", "--dev", "--out", "--resume", "--checkpoint-every",
                           "--baseline", "--autotune", "--trials"}) {
    command->remove_option(command->get_option(name));  // nothing is saved or tested
  }
  command->add_option("--count", options.count, "How many texts to print")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000))
      ->capture_default_str();
  command->add_flag("--json", options.json, "Print a JSON object on each line");
  keep_in_short_help(command, {"--train", "--text-col", "--label-col", "--arch", "--ngrams",
                               "--folds", "--count", "--json"});
  command->footer(
      "Trains models as --folds does (default: 5), and prints the texts whose label is "
      "contradicted\n"
      "by a model that was not trained on them. The label with the least probability comes first:\n"
      "  line 7  HUM 0.012  LOC 0.951  where is Paris\n\n"
      "Example:\n"
      "  text_classifier suspects --train texts.csv");
}

void add_compress(CLI::App& app) {
  CompressOptions* options = nullptr;
  CLI::App* command =
      add_command(app, "compress", "Make a small model of a bag", options, compress);
  command->add_option("--out", options->out, "Folder for the small model")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  command
      ->add_option("--size", options->size,
                   "Its file has at most this size, such as 1MB or 100kB; default: a tenth")
      ->type_name("SIZE");
  command->footer("Example:\n  text_classifier compress --model DIR --out SMALL --size 100kB");
}

void add_export(CLI::App& app) {
  ExportOptions* options = nullptr;
  CLI::App* command =
      add_command(app, "export", "Write the parts of a model as files", options, export_model);
  command->add_option("--onnx", options->onnx, "The model as an ONNX file")->type_name("FILE");
  command->add_option("--c", options->c, "The model as a C file without dependencies (bag)")
      ->type_name("FILE");
  command
      ->add_option("--vocabulary", options->vocabulary,
                   "The words, one on each line, in the order of their ids")
      ->type_name("FILE");
  command->add_option("--settings", options->settings, "The labels and the settings, as JSON")
      ->type_name("FILE");
  command->footer(
      "Example:\n  text_classifier export --model DIR --onnx model.onnx --vocabulary words.txt");
}

// All of them -------------------------------------------------------------------------------------

// Error texts begin with the command that was typed. Some come from the library, which does not
// know it; those about files begin with the name of the file.
[[noreturn]] void throw_named(const std::string& command, const tg::ValueError& error) {
  const std::string text = error.what();
  throw tg::ValueError(text.starts_with(command + ":") ? text : command + ": " + text);
}

// ValueError if several ranks, of which each would do the same, run a command other than train.
void check_for_ranks(const Ranks* ranks, const std::string& command) {
  if (ranks == nullptr || command == "train") return;
  throw tg::ValueError(command + ": mpirun has started " + std::to_string(ranks->size()) +
                       " processes; needed one, only train shares its work");
}

int run(int argc, char** argv, Ranks* ranks) {
  CLI::App app("Learns to classify short texts in any language.", "text_classifier");
  app.require_subcommand(1);
  app.formatter(std::make_shared<ShortHelp>());
  app.set_help_flag("-h,--help", "Print what one needs first, and exit");
  app.set_help_all_flag("--help-all", "Print every option, and exit");
  int status = 0;
  add_train(app, argv[0], ranks, status);
  add_predict(app);
  add_eval(app);
  add_neighbors(app, "neighbors");
  add_neighbors(app, "neighbours")->group("");  // the older spelling, not in --help
  add_explain(app);
  add_compare(app);
  add_suspects(app);
  add_export(app);
  add_compress(app);

  app.footer(
      "Examples:\n"
      "  text_classifier train                        trains on the bundled questions\n"
      "  text_classifier predict --model runs/text_classifier \"Who wrote Faust?\"\n"
      "  text_classifier train --help                 lists the options of train");
  const auto command = [&] {
    const auto given = app.get_subcommands();
    return given.empty() ? std::string() : given.front()->get_name();
  };
  app.parse_complete_callback([&] { check_for_ranks(ranks, command()); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    if (command().empty()) {
      const std::string unknown =
          app.remaining(true).empty() ? "" : what_is_wrong(app, error) + "; ";
      throw tg::ValueError(unknown +
                           "needed a command: train, predict, eval, neighbors, explain, compare, "
                           "suspects, compress or export; see --help");
    }
    throw tg::ValueError(command() + ": " + what_is_wrong(app, error) + "; see " + command() +
                         " --help");
  } catch (const tg::ValueError& error) {
    throw_named(command(), error);
  }
  return status;
}

}  // namespace
}  // namespace text_classifier

int main(int argc, char** argv) {
  return examples::run_main_on_ranks("text_classifier", argc, argv, [&](examples::Ranks* ranks) {
    return text_classifier::run(argc, argv, ranks);
  });
}
