// Fuzzes parse_settings(), the settings of the text classifier. Read next: tests/fuzz/model.cc.
#include "text_classifier/saved_settings.h"

#include <optional>

#include "fuzz/fuzzer.h"
#include "fuzz/text_classifier_files.h"

namespace tapegrad::test {

using namespace text_classifier;

void run(const std::string& input) {
  static const std::string name = "settings.json";
  const auto read = attempt(input.size(), [&] { return parse_settings(input, name); });
  if (!read) return;
  const std::string text =
      settings_text(read->model, read->max_length, read->labels, read->answering);
  const SavedSettings again = parse_settings(text, name);
  check(again.labels == read->labels && again.max_length == read->max_length &&
            again.model.arch == read->model.arch && again.model.dim == read->model.dim &&
            again.model.hidden == read->model.hidden &&
            again.model.dropout == read->model.dropout &&
            again.answering.length_unit == read->answering.length_unit &&
            again.answering.temperature == read->answering.temperature &&
            again.model.characters == read->model.characters &&
            again.model.words == read->model.words &&
            again.model.compression == read->model.compression,
        "the settings differ after they were written");
  check(settings_text(again.model, again.max_length, again.labels, again.answering) == text,
        "equal settings give different texts");
}

std::string mutate(std::string input, Random& random) {
  return mutate_settings(std::move(input), random);
}

std::vector<std::string> good_inputs() {
  std::vector<std::string> inputs;
  for (const char* const arch : kArchitectures) {
    ModelSettings settings;
    settings.arch = arch;
    inputs.push_back(settings_text(settings, 50, {"A", "\xC3\xA9 \"b\""}));
  }
  inputs.push_back(settings_text({.arch = "gru", .layers = 2, .bidirectional = true}, 1, {"x"}));
  inputs.push_back(settings_text({.arch = "bag", .pool = "sqrt"}, 1, {"x"},
                                 {.length_unit = LengthUnit::kTokens, .temperature = 1.25}));
  ModelSettings characters{.arch = "bag"};
  characters.characters = {1, 5, 100};
  characters.words = false;
  inputs.push_back(settings_text(characters, 50, {"A", "B"}));
  ModelSettings small{.arch = "bag", .dim = 2};
  small.compression = {.rows = 9, .subvector_size = 2, .projected = true};
  inputs.push_back(settings_text(small, 50, {"A", "B"}));
  return inputs;
}

}  // namespace tapegrad::test
