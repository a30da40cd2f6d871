// The commands of the programs: train and sample. Only a main.cc includes it.
#pragma once

#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iostream>
#include <set>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "common/command_line.h"
#include "language_model/program.h"
#include "language_model/sampling.h"
#include "language_model/saved_model.h"
#include "language_model/training.h"

namespace language_model {

// Adds an option for each setting.
inline void add_settings(CLI::App& command, const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    const std::string name = std::string("--") + setting.name;
    std::visit(
        [&]<class Value>(Value* value) {
          if constexpr (std::is_same_v<Value, bool>) {
            command.add_flag(name, *value, setting.help);
          } else if constexpr (std::is_same_v<Value, std::string>) {
            std::string words;
            for (const std::string& word : setting.words) {
              words += (words.empty() ? "" : "|") + word;
            }
            command.add_option(name, *value, setting.help)
                ->type_name(words)
                ->check(examples::one_of({setting.words.begin(), setting.words.end()}))
                ->capture_default_str();
          } else {
            command.add_option(name, *value, setting.help)
                ->type_name(std::is_same_v<Value, double> ? "X" : "N")
                ->check(examples::from_to(static_cast<Value>(setting.least),
                                          static_cast<Value>(setting.greatest)))
                ->capture_default_str();
          }
        },
        setting.value);
  }
}

// The options of `sample`.
struct SampleSettings {
  std::string model;
  std::string prompt;
  std::int64_t length = 500;
  double temperature = 1;
  std::int64_t seed = 1;
};

// The command `sample`: prints the prompt and what the model writes after it.
inline void print_sample(Program& program, const SampleSettings& settings) {
  const LoadedModel loaded =
      create_model(program, load_model(settings.model, program.name()), settings.model);
  const Vocabulary& vocabulary = *loaded.vocabulary;
  Ids text = vocabulary.encode_prompt(settings.prompt);
  const bool begins_with_start = text.empty();
  if (begins_with_start) text.push_back(vocabulary.start());
  loaded.model->eval();
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  const Ids more =
      continue_text(*loaded.model, text, settings.length, settings.temperature, generator);
  if (begins_with_start) text.clear();
  text.insert(text.end(), more.begin(), more.end());
  std::cout << vocabulary.decode(text) << '\n';
}

// Add the two commands with their options.
inline CLI::App& add_train(CLI::App& app, Program& program, TrainSettings& settings, Files& files,
                           bool& resumes) {
  CLI::App& command = *app.add_subcommand("train", "Learn from a text");
  command.add_option("--input", files.input, "Text to learn from, UTF-8 or Windows-1252")
      ->type_name("FILE")
      ->required();
  command.add_option("--model", files.model, "File for the model, which is replaced")
      ->type_name("FILE")
      ->required();
  add_settings(command, program.settings());
  add_settings(command, settings.list());
  command.add_flag("--resume", resumes,
                   "Continue the run that saved --model, with its settings; --epochs\n"
                   "may change");
  command.footer("Ctrl-C saves what was learned so far.");
  return command;
}

inline CLI::App& add_sample(CLI::App& app, SampleSettings& settings) {
  CLI::App& command = *app.add_subcommand("sample", "Write a text as the model would");
  command.add_option("--model", settings.model, "File of a trained model")
      ->type_name("FILE")
      ->required();
  command.add_option("--prompt", settings.prompt, "The text begins with this")->type_name("TEXT");
  command.add_option("--length", settings.length, "Tokens after the prompt")
      ->type_name("N")
      ->check(examples::from_to(std::int64_t{0}, std::int64_t{1'000'000'000}))
      ->capture_default_str();
  command
      .add_option("--temperature", settings.temperature,
                  "0: always the most likely token; 1: the model's probabilities;\n"
                  "more: less likely tokens more often")
      ->type_name("X")
      ->check(examples::from_to(0.0, 1000.0))
      ->capture_default_str();
  examples::add_seed(command, settings.seed, "The same seed gives the same text");
  return command;
}

// ValueError if an option was given whose value --resume takes from the file.
inline void check_options_of_resume(const CLI::App& command) {
  const std::set<std::string> allowed = {"--input", "--model", "--resume", "--epochs"};
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || allowed.contains(option->get_name())) continue;
    throw tg::ValueError(option->get_name() + ": --resume takes it from the file of the model");
  }
}

// The body of main(). The defaults of `train` are those of the program.
inline int run(Program& program, TrainSettings settings, const char* description,
               const char* examples_of_use, int argc, char** argv) {
  CLI::App app(description, program.name());
  app.require_subcommand(1);
  app.footer(examples_of_use);
  Files files;
  bool resumes = false;
  const CLI::App& train_command = add_train(app, program, settings, files, resumes);
  SampleSettings sample_settings;
  const CLI::App& sample_command = add_sample(app, sample_settings);
  if (!examples::parse(app, argc, argv)) return 0;
  if (sample_command.parsed()) {
    print_sample(program, sample_settings);
    return 0;
  }
  if (!resumes) return examples::status_of(train(program, settings, files));
  check_options_of_resume(train_command);
  const bool new_epochs = train_command.count("--epochs") > 0;
  return examples::status_of(resume(program, new_epochs ? settings.epochs : 0, files));
}

}  // namespace language_model
