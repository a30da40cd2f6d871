// --help of each command fits a screen and shows what one needs first; --help-all and the README
// have every option. Read next: examples/common/short_help.h.
#include <algorithm>
#include <regex>
#include <set>

#include "examples/text_classifier/session.h"
#include "text_classifier/run_options.h"

using namespace text_classifier_test;

namespace {

const std::vector<std::string> kCommands = {"train",     "predict",  "eval",
                                            "neighbors", "explain",  "compare",
                                            "suspects",  "compress", "export"};

}  // namespace

TEST_CASE("the --help of each command fits a screen, and has an example", "[text_help]") {
  const Session session;
  for (const std::string& command : kCommands) {
    CAPTURE(command);
    const std::string help = session.run_well(command + " --help").out;
    CHECK(lines_in(help).size() <= 40);
    for (const std::string& line : lines_in(help)) CHECK(line.size() <= 100);
    CHECK(help.find("\n  text_classifier " + command + " ") != std::string::npos);
    CHECK(help.find("\n  --help-all ") != std::string::npos);
    const std::set<std::string> options = options_in(help);
    const std::set<std::string> all = options_in(session.run_well(command + " --help-all").out);
    CHECK(std::ranges::includes(all, options));
    // A command with more options says where they are.
    CHECK((options.size() < all.size()) == (help.find("\nAll options: ") != std::string::npos));
  }
  const std::string help = session.run_well("--help").out;
  CHECK(lines_in(help).size() <= 24);
  for (const std::string& command : kCommands) {
    CHECK(help.find("\n  " + command + " ") != std::string::npos);
  }
}

TEST_CASE("every --help-all and the README have every option", "[text_help]") {
  const Session session;
  const std::string readme = read_file(TAPEGRAD_SOURCE_DIR "/examples/text_classifier/README.md");
  for (const std::string& command : kCommands) {
    const std::string help = session.run_well(command + " --help-all").out;
    for (const std::string& line : lines_in(help)) CHECK(line.size() <= 100);
    for (const std::string& option : options_in(help)) {
      INFO(command << ' ' << option << " is not in the README");
      CHECK(std::regex_search(readme, std::regex(option + "[^a-z-]")));
    }
  }
  // Every option that a checkpoint saves is an option of train.
  const std::set<std::string> train = options_in(session.run_well("train --help-all").out);
  const std::string saved = text_classifier::options_text({});
  static const std::regex key("\"(--[a-z-]+)\":");
  for (std::sregex_iterator i(saved.begin(), saved.end(), key), end; i != end; ++i) {
    CAPTURE((*i)[1].str());
    CHECK(train.contains((*i)[1]));
  }
  CHECK(train.size() > 30);
}
