// Saves and loads a trained model: weights, vocabulary, settings. load() checks that they fit each
// other. Read next: saved_settings.h.
#include "text_classifier/trained.h"

#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "text_classifier/compressed.h"
#include "text_classifier/parameter_shapes.h"
#include "text_classifier/saved_settings.h"

namespace text_classifier {

using tg::nn::Vocabulary;

namespace {

std::string weights_file(const std::string& folder) { return folder + "/model.safetensors"; }

// The keys of the metadata.
constexpr const char* kSettings = "settings";
constexpr const char* kVocabulary = "vocabulary";

tg::Metadata metadata_of(const Trained& trained) {
  return {{kSettings, settings_text(trained.settings(), trained.max_length, trained.labels,
                                    trained.answering)},
          {kVocabulary, trained.vocabulary.text()}};
}

// The texts, and the files that hold them, for error texts.
struct NamedTexts {
  ModelTexts texts;
  ModelTexts files;
};

NamedTexts texts_of(const tg::Metadata& metadata, const std::string& folder) {
  const auto settings = metadata.find(kSettings);
  const auto vocabulary = metadata.find(kVocabulary);
  if (settings != metadata.end() && vocabulary != metadata.end()) {
    const std::string file = weights_file(folder) + ": ";
    return {{settings->second, vocabulary->second}, {file + kSettings, file + kVocabulary}};
  }
  const std::string settings_file = folder + "/settings.json";
  const std::string vocabulary_file = folder + "/vocabulary.txt";
  return {{tg::read_file(settings_file, "load"), tg::read_file(vocabulary_file, "load")},
          {settings_file, vocabulary_file}};
}

struct ModelFiles {
  tg::Checkpoint checkpoint;
  NamedTexts texts;
};

ModelFiles read_files(const std::string& folder) {
  ModelFiles read{tg::load_with_metadata(weights_file(folder)), {}};
  try {
    read.texts = texts_of(read.checkpoint.metadata, folder);
  } catch (const tg::IoError&) {
    // Perhaps a run has just replaced the files of an older version: then the new file has texts.
    read.checkpoint = tg::load_with_metadata(weights_file(folder));
    if (!read.checkpoint.metadata.contains(kSettings)) throw;
    read.texts = texts_of(read.checkpoint.metadata, folder);
  }
  return read;
}

// Checks all shapes before the model allocates tensors of these shapes.
void check_shapes(const tg::StateDict& state, const ModelSettings& model, const std::string& file) {
  for (const auto& [name, needed] : parameter_shapes(model)) {
    const tg::Tensor* found = state.find(name);
    if (found != nullptr && found->shape() == needed) continue;
    throw tg::FormatError(file + ": " + name + " is " +
                          (found == nullptr ? "missing" : to_string(found->shape())) +
                          ", vocabulary and settings need " + to_string(needed));
  }
}

// The parameters, or what a compressed model has instead of the table.
tg::StateDict state_in_file(const Trained& trained) {
  const tg::StateDict state = trained.model.state_dict();
  if (trained.compressed == nullptr) return state;
  tg::StateDict compressed = trained.compressed->state_dict();
  compressed.insert("head.bias", state.at("head.bias"));
  if (!trained.settings().compression.projected)
    compressed.insert("head.weight", state.at("head.weight"));
  return compressed;
}

}  // namespace

std::int64_t most_tokens(std::int64_t max_length, std::int64_t longest_ngram, LengthUnit unit) {
  if (unit == LengthUnit::kTokens) return max_length;
  constexpr std::int64_t kEnough = INT64_MAX / 100;  // also for the longest n-grams
  std::int64_t tokens = 0;
  for (std::int64_t n = 1; n <= longest_ngram; ++n) {
    tokens += std::max<std::int64_t>(std::min(max_length, kEnough) - n + 1, 0);
  }
  return tokens;
}

tg::Tensor Trained::ids(std::string_view text) const {
  const std::vector<std::string> read = words(text);
  return ids(read, encode(read));
}

std::optional<std::int64_t> Trained::find(std::string_view token) const {
  return compressed == nullptr ? vocabulary.find(token) : compressed->find(key_of(token));
}

std::vector<std::int64_t> Trained::encode(std::span<const std::string> tokens) const {
  if (!settings().words) return {};
  if (compressed == nullptr) return vocabulary.encode(tokens);
  std::vector<std::int64_t> ids;
  tg::nn::for_each_ngram(tokens, vocabulary.tokenizer().longest_ngram,
                         [&](std::string_view token, int n) {
                           const std::optional<std::int64_t> id = find(token);
                           if (id || n == 1) ids.push_back(id.value_or(Vocabulary::kUnknown));
                         });
  return ids;
}

tg::Tensor Trained::ids(std::span<const std::string> tokens,
                        std::vector<std::int64_t> encoded) const {
  const auto limit = static_cast<std::size_t>(max_length);
  const bool counts_tokens = answering.length_unit == LengthUnit::kTokens;
  if (counts_tokens && encoded.size() > limit) encoded.resize(limit);
  if (const Characters& characters = settings().characters; characters.used()) {
    const std::size_t first = encoded.size();
    append_characters(tokens.first(std::min(tokens.size(), limit)), characters,
                      compressed == nullptr ? vocabulary.size() : 0, most_characters(max_length),
                      encoded);
    for (std::size_t i = first; compressed != nullptr && i < encoded.size(); ++i) {
      encoded[i] = compressed->find(key_of_bucket(encoded[i])).value_or(CompressedTable::kLeftOut);
    }
  }
  if (encoded.empty()) encoded.push_back(tg::nn::Vocabulary::kPadding);
  return tg::tensor(encoded);
}

std::vector<std::string> Trained::words(std::string_view text) const {
  std::vector<std::string> words = vocabulary.tokenizer().words(text);
  const auto limit = static_cast<std::size_t>(max_length);
  if (answering.length_unit == LengthUnit::kWords && words.size() > limit) words.resize(limit);
  return words;
}

tg::Tensor Trained::logits(const tg::Tensor& batch) const {
  const tg::NoGrad guard;
  const tg::Tensor logits = model(batch).value();
  return answering.temperature == 1 ? logits : logits / answering.temperature;
}

void save(const Trained& trained, const std::string& folder) {
  tg::create_folders(folder, "save");
  tg::save(weights_file(folder), state_in_file(trained), metadata_of(trained));
}

Trained load(const std::string& folder) { return load_with_texts(folder).trained; }

TrainedWithTexts load_with_texts(const std::string& folder) {
  const auto [checkpoint, named] = read_files(folder);
  const auto& [texts, files] = named;
  SavedSettings settings = parse_settings(texts.settings, files.settings);
  const auto vocabulary = tg::nn::Vocabulary::from_text(texts.vocabulary, files.vocabulary);
  settings.model.vocabulary = vocabulary.size();
  settings.model.classes = std::ssize(settings.labels);
  const std::string file = weights_file(folder);
  tg::StateDict state = checkpoint.state;
  std::shared_ptr<const CompressedTable> compressed;
  if (settings.model.compression.used()) {
    compressed = std::make_shared<const CompressedTable>(
        CompressedTable::from_state_dict(state, settings.model, file));
    state = parameters_of(*compressed, settings.model, state);
  } else {
    check_shapes(state, settings.model, file);
  }
  const std::int64_t most = most_tokens(settings.max_length, vocabulary.tokenizer().longest_ngram,
                                        settings.answering.length_unit);
  if (settings.model.arch == "attention" && most > kMostPositions) {
    throw tg::FormatError(files.settings + ": max_length is " +
                          std::to_string(settings.max_length) + ", with n-grams " +
                          std::to_string(most) + " positions, needed " +
                          std::to_string(kMostPositions) + " or less for attention");
  }
  Trained trained{Classifier(settings.model), vocabulary,         settings.labels,
                  settings.max_length,        settings.answering, compressed};
  try {
    trained.model.load_state_dict(state);
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(file + ": " + error.what());
  }
  trained.model.eval();
  return {trained, texts};
}

void check_can_be_saved(const Trained& trained) {
  // The format allows 100,000,000 bytes for the texts and the names and shapes of the tensors.
  constexpr std::size_t kMost = 99'000'000;
  std::size_t bytes = 0;
  for (const auto& [key, text] : metadata_of(trained)) {
    bytes += nlohmann::json(text).dump().size();
  }
  if (bytes > kMost) {
    throw tg::ValueError("train: the vocabulary of " + std::to_string(trained.vocabulary.size()) +
                         " words and the labels take " + std::to_string(bytes) +
                         " bytes, a model file can hold " + std::to_string(kMost) +
                         "; raise --min-count");
  }
}

}  // namespace text_classifier
