// --help with what a newcomer needs, and --help-all with every option, for programs that have many.
// Only sources that define options include it. Read next: progress.h.
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>

namespace examples {

inline constexpr const char* kMoreOptions = "More options";

// Prints the options of the group kMoreOptions only with --help-all.
class ShortHelp : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    if (mode != CLI::AppFormatMode::Normal) return Formatter::make_help(app, name, mode);
    std::string text = make_description(app) + make_usage(app, name) + make_positionals(app);
    bool more = false;
    for (const std::string& group : app->get_groups()) {
      if (group.empty()) continue;
      if (group == kMoreOptions) {
        more = true;
        continue;
      }
      const auto options = app->get_options([&](const CLI::Option* option) {
        return option->get_group() == group && option->nonpositional();
      });
      if (!options.empty()) text += make_group(group, false, options);
    }
    if (more) text += "\nAll options: " + name + " --help-all\n";
    return text + make_subcommands(app, mode) + "\n" + make_footer(app);
  }
};

// Moves all options of a command but these to kMoreOptions.
inline void keep_in_short_help(CLI::App* command, const std::set<std::string>& names) {
  for (CLI::Option* option : command->get_options()) {
    const bool help = option == command->get_help_ptr() || option == command->get_help_all_ptr();
    if (!help && option->nonpositional() && !names.contains(option->get_name())) {
      option->group(kMoreOptions);
    }
  }
}

}  // namespace examples
