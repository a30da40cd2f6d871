// Which options a run has, how they are saved, and which of them differ. Read next: training.h.
#include "text_classifier/run_options.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "text_classifier/class_files.h"
#include "text_classifier/class_weights.h"

namespace text_classifier {
namespace {

using nlohmann::ordered_json;

// Calls visit(name, field) for each option. A test compares the names with --help.
template <class Settings, class Visitor>
void for_each_option(Settings& settings, const Visitor& visit) {
  visit("--train", settings.train);
  visit("--test", settings.test);
  visit("--dev", settings.dev);
  visit("--format", settings.reading.format);
  visit("--text-col", settings.reading.text_column);
  visit("--label-col", settings.reading.label_column);
  visit("--header", settings.reading.header);
  visit("--label-sep", settings.reading.label_separator);
  visit("--multi-label", settings.multi_label);
  visit("--weight-col", settings.weight_column);
  visit("--class-weights", settings.class_weights);
  visit("--duplicates", settings.duplicates);
  visit("--vectors", settings.vectors);
  visit("--arch", settings.model.arch);
  visit("--dim", settings.model.dim);
  visit("--hidden", settings.model.hidden);
  visit("--pool", settings.pool);
  visit("--layers", settings.layers);
  visit("--bidirectional", settings.model.bidirectional);
  visit("--filters", settings.filters);
  visit("--heads", settings.heads);
  visit("--epochs", settings.epochs);
  visit("--batch", settings.batch);
  visit("--lr", settings.lr);
  visit("--schedule", settings.schedule);
  visit("--patience", settings.patience);
  visit("--folds", settings.folds);
  visit("--autotune", settings.autotune);  // and what it chose; a resumed run does not look again
  visit("--trials", settings.trials);
  visit("--baseline", settings.baseline);
  visit("--optimizer", settings.optimizer);
  visit("--ngrams", settings.ngrams);
  visit("--min-count", settings.min_count);
  visit("--chars", settings.chars);
  visit("--buckets", settings.buckets);
  visit("--words", settings.words);
  visit("--size", settings.size);
  visit("--max-length", settings.max_length);
  visit("--dropout", settings.model.dropout);
  visit("--all-vectors", settings.all_vectors);
  visit("--freeze-embeddings", settings.freeze_embeddings);
  visit("--freeze-known", settings.freeze_known);
  visit("--sparse", settings.model.sparse);
  visit("--train-limit", settings.train_limit);
  visit("--seed", settings.seed);
  visit("--checkpoint-every", settings.checkpoint_every);
}

constexpr std::array<std::string_view, 5> kFiles = {"--train", "--test", "--dev", "--vectors",
                                                    "--class-weights"};

bool is_file(std::string_view name) { return std::ranges::find(kFiles, name) != kFiles.end(); }

std::string absolute(std::string_view option, const std::string& name) {
  if (name.empty() || (option == "--class-weights" && name == kBalanced)) return name;
  return with_absolute_path(name);
}

template <class T>
ordered_json to_json(const T& value) {
  return value;
}
// One file is a string, several are a list.
ordered_json to_json(const Files& files) {
  if (files.size() > 1) return ordered_json(files);
  return files.empty() ? "" : files.front();
}
template <class T>
ordered_json to_json(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json json_of(const TrainSettings& settings) {
  ordered_json json;
  for_each_option(settings,
                  [&](const char* name, const auto& value) { json[name] = to_json(value); });
  for (const std::string_view name : kFiles) {
    ordered_json& files = json[std::string(name)];
    if (files.is_string()) files = absolute(name, files.get<std::string>());
    for (ordered_json& file : files) {
      if (files.is_array()) file = absolute(name, file.get<std::string>());
    }
  }
  return json;
}

// Reads fields from JSON that is not trusted.
class FieldReader {
 public:
  FieldReader(const ordered_json& json, const std::string& name) : json_(json), name_(name) {}

  template <class T>
  void operator()(const char* option, std::optional<T>& field) const {
    if (at(option).is_null()) {
      field.reset();
    } else {
      (*this)(option, field.emplace());
    }
  }
  void operator()(const char* option, std::string& field) const {
    require(option, at(option).is_string());
    field = at(option).get<std::string>();
  }
  void operator()(const char* option, Files& field) const {
    const ordered_json& value = at(option);
    field.clear();
    if (value.is_string()) {
      if (value != "") field.push_back(value.get<std::string>());
      return;
    }
    require(option, value.is_array());
    for (const ordered_json& file : value) {
      require(option, file.is_string());
      field.push_back(file.get<std::string>());
    }
  }
  void operator()(const char* option, bool& field) const {
    require(option, at(option).is_boolean());
    field = at(option).get<bool>();
  }
  void operator()(const char* option, double& field) const {
    require(option, at(option).is_number());
    field = at(option).get<double>();
  }
  // Counts have the range of the command line, up to the largest one of any option.
  void operator()(const char* option, std::int64_t& field) const {
    require(option, at(option).is_number_integer());
    field = at(option).get<std::int64_t>();
    const std::string_view name = option;
    const bool may_be_0 = name == "--epochs" || name == "--checkpoint-every";
    const bool count = name != "--seed";
    require(option, !count || (field >= (may_be_0 ? 0 : 1) && field <= 1'000'000'000));
  }

 private:
  const ordered_json& at(const char* option) const {
    require(option, json_.contains(option));
    return json_[option];
  }
  void require(const char* option, bool fine) const {
    if (!fine) throw tg::FormatError(name_ + ": " + option + " is missing or has a wrong value");
  }

  const ordered_json& json_;
  const std::string& name_;
};

std::string shown(const ordered_json& value) {
  if (value.is_null() || value == false || value == "") return "not given";
  if (value == true) return "given";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// ValueError for an option that was given and differs from the saved one.
void check_same(const TrainSettings& given, const ordered_json& saved) {
  const ordered_json now = json_of(given);
  for (const std::string& option : given.given) {
    if (!now.contains(option)) continue;  // --out, --resume
    const ordered_json& before = saved[option];
    const bool file_may_move = is_file(option) && (before != "" || option == "--train") &&
                               before != kBalanced && now[option] != kBalanced;
    if (file_may_move || now[option] == before) continue;
    throw tg::ValueError("train: --resume: " + option + " is " + shown(now[option]) +
                         ", in the checkpoint it is " + shown(before) + "; leave " + option +
                         " out, or begin a new run with another --out");
  }
}

}  // namespace

std::string options_text(const TrainSettings& settings) {
  return json_of(settings).dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

TrainSettings resumed_settings(const TrainSettings& given, const std::string& text,
                               const std::string& name) {
  const ordered_json saved = ordered_json::parse(text, nullptr, false);
  if (!saved.is_object()) throw tg::FormatError(name + ": the options are not a JSON object");
  TrainSettings settings;
  for_each_option(settings, FieldReader(saved, name));
  check_same(given, saved);
  for (auto field : {&TrainSettings::train, &TrainSettings::test, &TrainSettings::dev}) {
    if (!(given.*field).empty()) settings.*field = given.*field;
  }
  for (auto field : {&TrainSettings::vectors, &TrainSettings::class_weights}) {
    if (!(given.*field).empty()) settings.*field = given.*field;
  }
  settings.out = given.out;
  settings.resume = true;
  settings.program = given.program;
  settings.ranks = given.ranks;
  return settings;
}

}  // namespace text_classifier
