// What the command lines of the example programs have in common, beside CLI11. Only sources that
// define options include it. Read next: program.h.
#pragma once

#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/program.h"

namespace examples {

// Accepts the values from `least` to `greatest`. The error text has both limits, --help does not.
template <class Number>
CLI::Validator from_to(Number least, Number greatest) {
  return CLI::Range(least, greatest).description("");
}

// Accepts one of these words. The error text lists them, --help does not.
inline CLI::Validator one_of(const std::vector<std::string>& words) {
  return CLI::IsMember(words).description("");
}

// For folders: an empty name, as of a variable that is not set, would mean the root of the disk.
inline CLI::Validator not_empty() {
  return {[](const std::string& text) { return text.empty() ? "needed the name of a folder" : ""; },
          ""};
}

// An option whose value is one of a few words. `words` lists them in --help: "ns|hs".
template <class Value>
CLI::Option* add_choice(CLI::App& app, const char* name, Value& value, const char* description,
                        const std::map<std::string, Value>& choices, const char* words,
                        const char* by_default) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  return app
      .add_option_function<std::string>(
          name, [&value, choices](const std::string& word) { value = choices.at(word); },
          description)
      ->type_name(words)
      ->default_str(by_default)
      ->check(one_of(names));
}

// The seed of a run, as tapegrad::manual_seed() takes it.
inline void add_seed(CLI::App& app, std::int64_t& seed, const char* description) {
  app.add_option("--seed", seed, description)
      ->type_name("N")
      ->check(from_to(std::int64_t{0}, std::int64_t{4'294'967'295}))
      ->capture_default_str();
}

// What is wrong with a command line: an argument that nothing takes, for example a misspelled
// command, is named first, because it explains why something else is missing.
inline std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty()) return error.what();
  const bool has_commands = !app.get_subcommands({}).empty() && app.get_subcommands().empty();
  return std::string("unknown ") + (has_commands ? "command or argument" : "argument") + " `" +
         unknown.front() + "`";
}

// Parses the command line of a program. False if it asked for help, which is then printed.
// ValueError for what it does not accept.
inline bool parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    app.exit(help);
    return false;
  } catch (const CLI::ParseError& error) {
    throw tapegrad::ValueError(what_is_wrong(app, error) + "; see --help");
  }
  return true;
}

}  // namespace examples
