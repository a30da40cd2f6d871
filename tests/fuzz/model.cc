// Fuzzes load() of the text classifier: a file with the weights, the vocabulary and the settings,
// which must fit each other. Read next: tests/fuzz/run_checkpoint.cc.
#include "text_classifier/trained.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"
#include "fuzz/text_classifier_files.h"
#include "text_classifier/compress.h"
#include "text_classifier/compressed.h"

namespace tapegrad::test {

using namespace text_classifier;

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/model.safetensors"] = input;
  const auto read = attempt(input.size(), [] { return text_classifier::load("/memory"); });
  if (!read) return;
  const Trained& trained = *read;
  {
    const NoGrad guard;
    const Variable logits = trained.model(unsqueeze(trained.ids("who a b"), 0));
    check(logits.size(1) == std::ssize(trained.labels), "the logits have another number of labels");
  }
  text_classifier::save(trained, "/memory");
  const Trained again = text_classifier::load("/memory");
  check(same_bits(again.model.state_dict(), trained.model.state_dict()) &&
            again.vocabulary.words() == trained.vocabulary.words() &&
            again.labels == trained.labels && again.max_length == trained.max_length &&
            again.answering.temperature == trained.answering.temperature &&
            again.answering.length_unit == trained.answering.length_unit,
        "the model differs after it was saved");
  check((again.compressed == nullptr) == (trained.compressed == nullptr),
        "the model is compressed only before or only after it was saved");
}

std::string mutate(std::string input, Random& random) {
  const ChangeText change = [](const std::string& key, std::string value, Random& r) {
    if (key == "settings") return mutate_settings(std::move(value), r);
    static constexpr std::string_view kTokens[] = {"who\n", "\n", "3", "<pad>", "\xC3\xA9"};
    return mutate_text(std::move(value), r, kTokens);
  };
  return mutate_safetensors(input, random, change);
}

// A compressed model with product codes and a head.
static std::string product_codes() {
  ModelSettings settings{.arch = "bag", .vocabulary = 2, .classes = 3, .dim = 5};
  settings.compression = {.rows = 3, .subvector_size = 4, .projected = false};
  CompressedTable table;
  table.dim = 5;
  table.subvector_size = 4;
  table.keys = {key_of("who"), key_of("a")};
  std::ranges::sort(table.keys);
  table.scales = {0, 1, 255};
  table.codes = {0, 1, 2, 3, 4, 255};
  table.centroids.assign(2 * 256 * 4, 7);
  table.greatest = 2;
  const Classifier model(settings);
  MemoryFiles files;
  text_classifier::save({model,
                         nn::Vocabulary::build({}),
                         {"A", "B", "C"},
                         5,
                         {},
                         std::make_shared<const CompressedTable>(table)},
                        "/memory");
  return files["/memory/model.safetensors"];
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  const std::vector<std::vector<std::string>> texts = {{"who", "a"}};
  const auto vocabulary = nn::Vocabulary::build(texts);
  manual_seed(0);
  std::vector<std::string> archs(std::begin(kArchitectures), std::end(kArchitectures));
  archs.emplace_back("characters");
  std::vector<std::string> compressed_inputs;
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
    const Trained trained{Classifier(settings), vocabulary, {"A", "B"}, 5};
    if (settings.arch == "bag") {
      // With few classes the rows become logits, and the codes are int8; with many they do not.
      text_classifier::save(compressed(trained, 100'000, "compress"), "/memory");
      compressed_inputs.push_back(files["/memory/model.safetensors"]);
    }
    text_classifier::save(trained, "/memory");
    inputs.push_back(files["/memory/model.safetensors"]);
  }
  compressed_inputs.push_back(product_codes());
  inputs.insert(inputs.end(), compressed_inputs.begin(), compressed_inputs.end());
  return inputs;
}

}  // namespace tapegrad::test
