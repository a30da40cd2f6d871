// Read next: training.h.
#include "language_model/saved_model.h"

#include <tapegrad/tensor/error.h>

#include <charconv>

#include "common/state_parts.h"

namespace language_model {
namespace {

// Keys of the metadata. Settings have this prefix.
constexpr const char* kProgram = "program";
constexpr const char* kFormat = "format";
constexpr const char* kVocabulary = "vocabulary";
constexpr const char* kText = "text";
constexpr const char* kBatches = "batches";
constexpr std::string_view kSetting = "setting.";
constexpr const char* kNewestFormat = "1";
constexpr std::int64_t kMostBatches = 10'000'000'000;  // more only in a damaged file

}  // namespace

void save_model(const std::string& path, const char* program, const SavedModel& saved) {
  tg::Metadata texts = {{kProgram, program},
                        {kFormat, kNewestFormat},
                        {kVocabulary, saved.vocabulary},
                        {kText, saved.text},
                        {kBatches, std::to_string(saved.batches)}};
  for (const auto& [name, value] : saved.settings) texts[std::string(kSetting) + name] = value;
  tg::save(path, saved.state, texts);
}

SavedModel load_model(const std::string& path, const char* program) {
  auto [state, texts] = tg::load_with_metadata(path);
  const auto text = [&, &all = texts](const char* key) {
    const auto found = all.find(key);
    if (found != all.end()) return found->second;
    throw tg::FormatError(path + ": not a model of " + program + ": it has no " + key);
  };
  const std::string owner = text(kProgram);
  if (owner != program) {
    throw tg::FormatError(path + ": a model of " + owner + ", not of " + program);
  }
  if (text(kFormat) != kNewestFormat) {
    throw tg::FormatError(path + ": format " + text(kFormat) + ", this program reads format " +
                          kNewestFormat);
  }
  SavedModel saved;
  const std::string batches = text(kBatches);
  const char* const end = batches.data() + batches.size();
  const auto [rest, error] = std::from_chars(batches.data(), end, saved.batches);
  if (error != std::errc() || rest != end || saved.batches < 0 || saved.batches > kMostBatches) {
    throw tg::FormatError(path + ": the number of batches is '" + batches + "'");
  }
  saved.vocabulary = text(kVocabulary);
  saved.text = text(kText);
  for (const auto& [key, value] : texts) {
    if (key.starts_with(kSetting)) saved.settings[key.substr(kSetting.size())] = value;
  }
  saved.state = std::move(state);
  return saved;
}

LoadedModel create_model(Program& program, const SavedModel& saved, const std::string& path) {
  set_values(program.settings(), saved.settings, path);
  try {
    program.check();
  } catch (const tg::ValueError& error) {
    throw tg::FormatError(path + ": " + error.what());
  }
  LoadedModel loaded;
  loaded.vocabulary = program.saved_vocabulary(saved.vocabulary, path);
  loaded.model = program.model(*loaded.vocabulary);
  try {
    loaded.model->load_state_dict(examples::part_of(saved.state, "model."));
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(path + ": " + error.what());
  }
  return loaded;
}

}  // namespace language_model
