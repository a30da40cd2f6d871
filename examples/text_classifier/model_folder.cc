// A trained model's folder: weights, vocabulary, settings. Each file is checked against the others
// when they are read. Declared in training.h; read next: main.cc.
#include <tapegrad/tensor/file_io.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "text_classifier/training.h"

namespace text_classifier {
namespace {

constexpr int kFormat = 1;  // of settings.json; a change that old programs would misread counts up

std::string weights_file(const std::string& folder) { return folder + "/model.safetensors"; }
std::string vocabulary_file(const std::string& folder) { return folder + "/vocabulary.txt"; }
std::string settings_file(const std::string& folder) { return folder + "/settings.json"; }

}  // namespace

void save(const Trained& trained, const ModelSettings& settings, const std::string& folder) {
  std::filesystem::create_directories(folder);
  tg::save(weights_file(folder), trained.model.state_dict());
  trained.vocabulary.save(vocabulary_file(folder));
  const nlohmann::ordered_json json = {
      {"format", kFormat},           {"arch", settings.arch},
      {"dim", settings.dim},         {"hidden", settings.hidden},
      {"dropout", settings.dropout}, {"max_length", trained.max_length},
      {"labels", trained.labels}};
  tg::write_file_atomically(settings_file(folder), json.dump(2) + "\n");
}

Trained load(const std::string& folder) {
  const std::string file = settings_file(folder);
  const std::string text = tg::read_file(file);
  ModelSettings settings;
  std::vector<std::string> labels;
  std::int64_t max_length = 0;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (const int format = json.at("format").get<int>(); format != kFormat) {
      throw tg::FormatError(file + ": format " + std::to_string(format) + ", this program reads " +
                            std::to_string(kFormat));
    }
    settings.arch = json.at("arch").get<std::string>();
    settings.dim = json.at("dim").get<std::int64_t>();
    settings.hidden = json.at("hidden").get<std::int64_t>();
    settings.dropout = json.at("dropout").get<double>();
    max_length = json.at("max_length").get<std::int64_t>();
    labels = json.at("labels").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw tg::FormatError(file + ": " + error.what());
  }
  constexpr std::int64_t kLargest = 1'000'000;
  if (settings.dim < 1 || settings.dim > kLargest || settings.hidden < 1 ||
      settings.hidden > kLargest || max_length < 1 || labels.empty()) {
    throw tg::FormatError(file + ": a size is out of range");
  }
  const Vocabulary vocabulary = Vocabulary::load(vocabulary_file(folder));
  const tg::StateDict state = tg::load(weights_file(folder));
  settings.vocabulary = vocabulary.size();
  settings.classes = static_cast<std::int64_t>(labels.size());
  // Sizes are compared before a table of that size is made.
  const tg::Tensor* table = state.find("embedding.weight");
  if (table == nullptr || table->shape() != tg::Shape{settings.vocabulary, settings.dim}) {
    throw tg::FormatError(weights_file(folder) + ": embedding.weight is " +
                          (table == nullptr ? "missing" : to_string(table->shape())) +
                          ", the vocabulary and settings ask for " +
                          to_string(tg::Shape{settings.vocabulary, settings.dim}));
  }
  Trained trained{Classifier(settings), vocabulary, labels, max_length};
  try {
    trained.model.load_state_dict(state);
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(weights_file(folder) + ": " + error.what());
  }
  trained.model.eval();
  return trained;
}

}  // namespace text_classifier
