// Saves and loads the folder of a trained model: weights, vocabulary, settings. load() checks that
// the files fit each other. Read next: metrics.h.
#include "text_classifier/trained.h"

#include <tapegrad/tensor/io/file_io.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

namespace text_classifier {
namespace {

// The newest format of settings.json. Format 1 can describe a bag, and an rnn with max pooling, one
// layer and one direction; these are still saved in it, so that older programs can read them.
// Format 2 has all options.
constexpr int kFormat = 2;

std::string weights_file(const std::string& folder) { return folder + "/model.safetensors"; }
std::string vocabulary_file(const std::string& folder) { return folder + "/vocabulary.txt"; }
std::string settings_file(const std::string& folder) { return folder + "/settings.json"; }

// The content of settings.json.
struct Settings {
  int format = kFormat;
  ModelSettings model;
  std::int64_t max_length = 0;
  std::vector<std::string> labels;
};

Settings read_settings(const std::string& file) {
  const std::string text = tg::read_file(file, "load");
  Settings settings;
  ModelSettings& model = settings.model;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    settings.format = json.at("format").get<int>();
    if (settings.format < 1 || settings.format > kFormat) {
      throw tg::FormatError(file + ": format " + std::to_string(settings.format) +
                            ", this program reads 1 to " + std::to_string(kFormat));
    }
    model.arch = json.at("arch").get<std::string>();
    model.dim = json.at("dim").get<std::int64_t>();
    model.hidden = json.at("hidden").get<std::int64_t>();
    model.dropout = json.at("dropout").get<double>();
    if (settings.format > 1) {
      model.pool = json.at("pool").get<std::string>();
      model.layers = json.at("layers").get<std::int64_t>();
      model.bidirectional = json.at("bidirectional").get<bool>();
      model.filters = json.at("filters").get<std::int64_t>();
    }
    if (model.arch == "attention") model.heads = json.at("heads").get<std::int64_t>();
    settings.max_length = json.at("max_length").get<std::int64_t>();
    settings.labels = json.at("labels").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    throw tg::FormatError(file + ": " + error.what());
  }
  return settings;
}

void check_settings(const Settings& settings, const std::string& file) {
  const ModelSettings& model = settings.model;
  constexpr std::int64_t kLargest = 1'000'000;
  const auto require = [&](bool fine, const char* needed) {
    if (!fine) throw tg::FormatError(file + ": needed " + needed);
  };
  if (settings.format == 1) {
    require(model.arch == "bag" || model.arch == "rnn", "an arch of bag or rnn");
  } else {
    require(is_architecture(model.arch), "an arch of bag, rnn, lstm, gru, cnn or attention");
  }
  require(model.dim >= 1 && model.dim <= kLargest, "a dim from 1 to 1000000");
  require(model.hidden >= 1 && model.hidden <= kLargest, "a hidden from 1 to 1000000");
  require(model.pool == "last" || model.pool == "mean" || model.pool == "max",
          "a pool of last, mean or max");
  require(model.layers >= 1 && model.layers <= kMostLayers, "layers from 1 to 100");
  require(has_states(model.arch) || model.layers == 1,
          "1 layer, unless arch is rnn, lstm, gru or attention");
  require(is_recurrent(model.arch) || !model.bidirectional,
          "one direction, unless arch is rnn, lstm or gru");
  require(model.filters >= 1 && model.filters <= kLargest, "filters from 1 to 1000000");
  require(model.dropout >= 0 && model.dropout <= 1, "a dropout from 0 to 1");
  require(settings.max_length >= 1, "a max_length of 1 or more");
  if (model.arch == "attention") {
    require(model.heads >= 1 && model.hidden % (2 * model.heads) == 0,
            "a hidden that is a multiple of twice the heads");
    require(settings.max_length <= kMostPositions, "a max_length of 5000 or less for attention");
  }
  require(!settings.labels.empty(), "at least one label");
}

// Checks the large sizes before the model allocates tensors of these sizes.
void check_shapes(const tg::StateDict& state, const ModelSettings& model, const std::string& file) {
  const auto require_shape = [&](const std::string& name, const tg::Shape& needed) {
    const tg::Tensor* found = state.find(name);
    if (found != nullptr && found->shape() == needed) return;
    throw tg::FormatError(file + ": " + name + " is " +
                          (found == nullptr ? "missing" : to_string(found->shape())) +
                          ", vocabulary and settings need " + to_string(needed));
  };
  require_shape("embedding.weight", {model.vocabulary, model.dim});
  const std::string last = std::to_string(model.layers - 1);
  if (model.arch == "rnn" && model.layers == 1 && !model.bidirectional) {
    require_shape("cell.weight_hh", {model.hidden, model.hidden});
  } else if (is_recurrent(model.arch)) {
    const std::int64_t gates = model.arch == "lstm" ? 4 : model.arch == "gru" ? 3 : 1;
    require_shape(model.arch + ".weight_hh_l" + last, {gates * model.hidden, model.hidden});
  }
  if (model.arch == "attention") {
    require_shape("encoder.layers." + last + ".self_attn.out_proj.weight",
                  {model.hidden, model.hidden});
  }
  if (model.arch == "cnn") {
    require_shape("convolutions.0.weight", {model.filters, model.dim, 3});
  }
}

}  // namespace

tg::Tensor Trained::ids(std::vector<std::int64_t> encoded) const {
  if (encoded.empty()) encoded.push_back(tg::nn::Vocabulary::kPadding);
  const auto limit = static_cast<std::size_t>(max_length);
  if (encoded.size() > limit) encoded.resize(limit);
  return tg::tensor(encoded);
}

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
  Settings settings = read_settings(settings_file(folder));
  check_settings(settings, settings_file(folder));
  const auto vocabulary = tg::nn::Vocabulary::load(vocabulary_file(folder));
  const tg::StateDict state = tg::load(weights_file(folder));
  settings.model.vocabulary = vocabulary.size();
  settings.model.classes = std::ssize(settings.labels);
  check_shapes(state, settings.model, weights_file(folder));
  Trained trained{Classifier(settings.model), vocabulary, settings.labels, settings.max_length};
  try {
    trained.model.load_state_dict(state);
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(weights_file(folder) + ": " + error.what());
  }
  trained.model.eval();
  return trained;
}

}  // namespace text_classifier
