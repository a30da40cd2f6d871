// A trained model's folder: weights, vocabulary, settings. Each file is checked against the others
// when they are read. Declared in training.h; read next: main.cc.
#include <tapegrad/tensor/io/file_io.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "text_classifier/training.h"

namespace text_classifier {
namespace {

// Of settings.json. 1 knows bags, and rnns that keep their largest values; it is still written for
// these, so that older programs read them. 2 has the other options too.
constexpr int kFormat = 2;

std::string weights_file(const std::string& folder) { return folder + "/model.safetensors"; }
std::string vocabulary_file(const std::string& folder) { return folder + "/vocabulary.txt"; }
std::string settings_file(const std::string& folder) { return folder + "/settings.json"; }

}  // namespace

void save(const Trained& trained, const ModelSettings& settings, const std::string& folder) {
  std::filesystem::create_directories(folder);
  tg::save(weights_file(folder), trained.model.state_dict());
  trained.vocabulary.save(vocabulary_file(folder));
  const bool known_to_1 =
      settings.arch == "bag" || (settings.arch == "rnn" && settings.pool == "max" &&
                                 settings.layers == 1 && !settings.bidirectional);
  nlohmann::ordered_json json = {{"format", known_to_1 ? 1 : kFormat},
                                 {"arch", settings.arch},
                                 {"dim", settings.dim},
                                 {"hidden", settings.hidden},
                                 {"dropout", settings.dropout}};
  if (!known_to_1) {
    json["pool"] = settings.pool;
    json["layers"] = settings.layers;
    json["bidirectional"] = settings.bidirectional;
    json["filters"] = settings.filters;
  }
  if (settings.arch == "attention") json["heads"] = settings.heads;
  json["max_length"] = trained.max_length;
  json["labels"] = trained.labels;
  tg::write_file_atomically(settings_file(folder), json.dump(2) + "\n");
}

Trained load(const std::string& folder) {
  const std::string file = settings_file(folder);
  const std::string text = tg::read_file(file, "load");
  ModelSettings settings;
  std::vector<std::string> labels;
  std::int64_t max_length = 0;
  int format = 0;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    format = json.at("format").get<int>();
    if (format < 1 || format > kFormat) {
      throw tg::FormatError(file + ": format " + std::to_string(format) +
                            ", this program reads 1 to " + std::to_string(kFormat));
    }
    settings.arch = json.at("arch").get<std::string>();
    settings.dim = json.at("dim").get<std::int64_t>();
    settings.hidden = json.at("hidden").get<std::int64_t>();
    settings.dropout = json.at("dropout").get<double>();
    if (format > 1) {
      settings.pool = json.at("pool").get<std::string>();
      settings.layers = json.at("layers").get<std::int64_t>();
      settings.bidirectional = json.at("bidirectional").get<bool>();
      settings.filters = json.at("filters").get<std::int64_t>();
    }
    if (settings.arch == "attention") settings.heads = json.at("heads").get<std::int64_t>();
    max_length = json.at("max_length").get<std::int64_t>();
    labels = json.at("labels").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw tg::FormatError(file + ": " + error.what());
  }
  constexpr std::int64_t kLargest = 1'000'000;
  const auto require = [&](bool fine, const char* needed) {
    if (!fine) throw tg::FormatError(file + ": needed " + needed);
  };
  if (format == 1) {
    require(settings.arch == "bag" || settings.arch == "rnn", "an arch of bag or rnn");
  } else {
    require(is_architecture(settings.arch), "an arch of bag, rnn, lstm, gru, cnn or attention");
  }
  require(settings.dim >= 1 && settings.dim <= kLargest, "a dim from 1 to 1000000");
  require(settings.hidden >= 1 && settings.hidden <= kLargest, "a hidden from 1 to 1000000");
  require(settings.pool == "last" || settings.pool == "mean" || settings.pool == "max",
          "a pool of last, mean or max");
  require(settings.layers >= 1 && settings.layers <= kMostLayers, "layers from 1 to 100");
  require(has_states(settings.arch) || settings.layers == 1,
          "1 layer, unless arch is rnn, lstm, gru or attention");
  require(is_recurrent(settings.arch) || !settings.bidirectional,
          "one direction, unless arch is rnn, lstm or gru");
  require(settings.filters >= 1 && settings.filters <= kLargest, "filters from 1 to 1000000");
  require(settings.dropout >= 0 && settings.dropout <= 1, "a dropout from 0 to 1");
  require(max_length >= 1, "a max_length of 1 or more");
  if (settings.arch == "attention") {
    require(settings.heads >= 1 && settings.hidden % (2 * settings.heads) == 0,
            "a hidden that is a multiple of twice the heads");
    require(max_length <= kMostPositions, "a max_length of 5000 or less for attention");
  }
  require(!labels.empty(), "at least one label");
  const Vocabulary vocabulary = Vocabulary::load(vocabulary_file(folder));
  const tg::StateDict state = tg::load(weights_file(folder));
  settings.vocabulary = vocabulary.size();
  settings.classes = static_cast<std::int64_t>(labels.size());
  // The large sizes are compared before tables of those sizes are made.
  const auto require_shape = [&](const std::string& name, const tg::Shape& needed) {
    const tg::Tensor* found = state.find(name);
    if (found != nullptr && found->shape() == needed) return;
    throw tg::FormatError(weights_file(folder) + ": " + name + " is " +
                          (found == nullptr ? "missing" : to_string(found->shape())) +
                          ", the vocabulary and settings ask for " + to_string(needed));
  };
  require_shape("embedding.weight", {settings.vocabulary, settings.dim});
  const std::string last = std::to_string(settings.layers - 1);
  if (settings.arch == "rnn" && settings.layers == 1 && !settings.bidirectional) {
    require_shape("cell.weight_hh", {settings.hidden, settings.hidden});
  } else if (is_recurrent(settings.arch)) {
    const std::int64_t gates = settings.arch == "lstm" ? 4 : settings.arch == "gru" ? 3 : 1;
    require_shape(settings.arch + ".weight_hh_l" + last,
                  {gates * settings.hidden, settings.hidden});
  }
  if (settings.arch == "attention") {
    require_shape("encoder.layers." + last + ".self_attn.out_proj.weight",
                  {settings.hidden, settings.hidden});
  }
  if (settings.arch == "cnn") {
    require_shape("convolutions.0.weight", {settings.filters, settings.dim, 3});
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
