// Fuzzes load() of the text classifier: a file with the weights, the vocabulary and the settings,
// which must fit each other. Read next: tests/fuzz/optimizer.cc.
#include "text_classifier/trained.h"

#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"
#include "fuzz/text_classifier_files.h"
#include "text_classifier/saved_settings.h"

namespace tapegrad::test {

using namespace text_classifier;

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/model.safetensors"] = input;
  const auto read = attempt(input.size(), [] { return load_with_texts("/memory"); });
  if (!read) return;
  const Trained& trained = read->trained;
  {
    const NoGrad guard;
    const Variable logits = trained.model(unsqueeze(trained.ids("who a b"), 0));
    check(logits.size(1) == std::ssize(trained.labels), "the logits have another number of labels");
  }
  SavedSettings settings = parse_settings(read->texts.settings, "settings");
  settings.model.vocabulary = trained.vocabulary.size();
  settings.model.classes = std::ssize(trained.labels);
  text_classifier::save(trained, settings.model, "/memory");
  const Trained again = text_classifier::load("/memory");
  check(same_bits(again.model.state_dict(), trained.model.state_dict()) &&
            again.vocabulary.words() == trained.vocabulary.words() &&
            again.labels == trained.labels && again.max_length == trained.max_length,
        "the model differs after it was saved");
}

std::string mutate(std::string input, Random& random) {
  const ChangeText change = [](const std::string& key, std::string value, Random& r) {
    if (key == "settings") return mutate_settings(std::move(value), r);
    static constexpr std::string_view kTokens[] = {"who\n", "\n", "3", "<pad>", "\xC3\xA9"};
    return mutate_text(std::move(value), r, kTokens);
  };
  return mutate_safetensors(input, random, change);
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  const std::vector<std::vector<std::string>> texts = {{"who", "a"}};
  const auto vocabulary = nn::Vocabulary::build(texts);
  manual_seed(0);
  std::vector<std::string> archs(std::begin(kArchitectures), std::end(kArchitectures));
  archs.emplace_back("characters");
  for (const std::string& arch : archs) {
    ModelSettings settings;
    settings.arch = arch == "characters" ? "bag" : arch;
    if (arch == "characters") settings.characters = {1, 3, 5};
    settings.vocabulary = vocabulary.size();
    settings.classes = 2;
    settings.dim = 1;
    settings.hidden = 2;
    settings.filters = 1;
    settings.heads = 1;
    const Trained trained{Classifier(settings), vocabulary,    {"A", "B"}, 5,
                          settings.characters,  settings.words};
    text_classifier::save(trained, settings, "/memory");
    inputs.push_back(files["/memory/model.safetensors"]);
  }
  return inputs;
}

}  // namespace tapegrad::test
