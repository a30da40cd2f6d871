// Decides when a checkpoint is written, and whether one fits. Read next: run_folder.h.
#include "text_classifier/resume.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/state_parts.h"
#include "text_classifier/run_options.h"

namespace text_classifier {
namespace {

// The texts in the file of a checkpoint.
constexpr const char* kOptions = "options";
constexpr const char* kData = "data";
constexpr const char* kMetrics = "metrics";
// What the names of the tensors of the search begin with.
constexpr const char* kSearch = "search.";

void require_checkpoint(const std::string& folder) {
  const auto has = [&](const char* name) { return std::filesystem::exists(folder + "/" + name); };
  if (std::filesystem::exists(checkpoint_file(folder))) return;
  std::string why = "needed the --out of a run that was stopped";
  if (has("metrics.running.jsonl")) {
    why = "its last run ended before it wrote one; begin a new run, with --checkpoint-every N";
  } else if (has("model.safetensors")) {
    why = "its last run has ended, and the model is saved";
  }
  throw tg::IoError("train: --resume: there is no checkpoint in " + folder + "; " + why);
}

void refuse_to_lose_checkpoint(const std::string& folder) {
  const std::string file = checkpoint_file(folder);
  if (!std::filesystem::exists(file)) return;
  throw tg::IoError("train: " + folder +
                    " has the checkpoint of a run that was stopped; add --resume to go on with "
                    "it, or delete " +
                    file + " to begin a new run");
}

const std::string& text_of(const RunCheckpoint& checkpoint, const char* key,
                           const std::string& file) {
  const auto found = checkpoint.texts.find(key);
  if (found == checkpoint.texts.end()) throw tg::FormatError(file + ": " + key + " is missing");
  return found->second;
}

std::string json_of(const std::vector<DataFingerprint>& data) {
  nlohmann::ordered_json json;
  for (const auto& [what, file, fingerprint] : data) json[what] = fingerprint;
  return json.dump();
}

// ValueError with the name of the first data that is not what it was.
void check_data(const std::vector<DataFingerprint>& now, const std::string& text,
                const std::string& file) {
  const auto saved = nlohmann::json::parse(text, nullptr, false);
  if (!saved.is_object()) throw tg::FormatError(file + ": data is not a JSON object");
  for (const DataFingerprint& data : now) {
    const auto found = saved.find(data.what);
    if (found != saved.end() && *found == data.fingerprint) continue;
    throw tg::ValueError("train: --resume: the " + data.what + " of " + data.file +
                         " are not those that the checkpoint was made with; needed the same file");
  }
}

// Calls a function that writes into the folder. If it fails, the error tells about the checkpoint.
template <class Function>
void with_hint(const std::string& folder, const Function& function) {
  try {
    function();
  } catch (const tg::IoError& error) {
    if (!std::filesystem::exists(checkpoint_file(folder))) throw;
    throw tg::IoError(std::string(error.what()) +
                      "; the last checkpoint is whole, so --resume can go on from it");
  }
}

// In quotes for a shell, if needed.
std::string shell_quoted(const std::string& text) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

ResumableRun::ResumableRun(const TrainSettings& given) : settings_(given) {
  if (given.resume) {
    require_checkpoint(given.out);
    if (owns_folder()) folder_.emplace(given.out);
    if (given.ranks != nullptr) given.ranks->barrier();
    require_checkpoint(given.out);  // the run that had the lock may have ended
    const std::string file = checkpoint_file(given.out);
    resumed_ = read_checkpoint(file);
    settings_ = resumed_settings(given, text_of(*resumed_, kOptions, file), file);
  } else {
    refuse_to_lose_checkpoint(given.out);
  }
  options_ = options_text(settings_);
}

void ResumableRun::use(const TrainSettings& settings) {
  settings_ = settings;
  options_ = options_text(settings_);
}

void ResumableRun::check(const std::vector<DataFingerprint>& data) {
  data_ = json_of(data);
  if (settings_.ranks != nullptr) settings_.ranks->require_same("train: texts", data_);
  const std::string file = checkpoint_file(settings_.out);
  if (resumed_) check_data(data, text_of(*resumed_, kData, file), file);
}

// Calls a function that loads a part of the checkpoint. Its error gets the name of the file.
template <class Function>
void ResumableRun::load_part(const Function& function) const {
  try {
    function(resumed_->state);
  } catch (const tg::FormatError& error) {
    throw tg::FormatError(checkpoint_file(settings_.out) + ": " + error.what());
  }
}

void ResumableRun::begin(EpochSearch& search) {
  search_ = &search;
  if (resumed_) {
    const std::string file = checkpoint_file(settings_.out);
    load_part([&](const tg::StateDict& state) {
      search.load_state_dict(examples::part_of(state, kSearch));
    });
    const std::string& lines = text_of(*resumed_, kMetrics, file);
    if (folder_) folder_->metrics().write_lines(lines);
  } else if (owns_folder()) {
    folder_.emplace(settings_.out);
    refuse_to_lose_checkpoint(settings_.out);
    folder_->metrics();
  }
  signals_.emplace();
}

bool ResumableRun::train(Trainer& trainer) {
  if (resumed_) {
    load_part([&](const tg::StateDict& state) { trainer.load_state_dict(state); });
    resumed_.reset();
    std::cerr << "resumed after step " << trainer.steps() << '\n';
  }
  MetricsLog* log = folder_ ? &folder_->metrics() : nullptr;
  if (trainer.run(log, [&] { return after_batch(trainer); })) return true;
  std::cerr << "stopped by " << name_of_signal(signal_) << " after step " << trainer.steps()
            << "; a checkpoint is saved; to go on:\n  " << shell_quoted(settings_.program)
            << " train --resume --out " << shell_quoted(settings_.out) << '\n';
  return false;
}

void ResumableRun::save(const Trained& trained) {
  if (folder_) with_hint(settings_.out, [&] { folder_->save(trained); });
  signal_ = agreed_signal();
}

int ResumableRun::agreed_signal() const {
  const int received = StopSignals::received();
  return settings_.ranks != nullptr ? settings_.ranks->agree_on_signal(received) : received;
}

bool ResumableRun::after_batch(const Trainer& trainer) {
  signal_ = agreed_signal();
  const bool stop = signal_ != 0;
  const std::int64_t every = settings_.checkpoint_every;
  if (stop || (every > 0 && trainer.steps() % every == 0)) write_checkpoint(trainer);
  return !stop;
}

void ResumableRun::write_checkpoint(const Trainer& trainer) {
  if (!folder_) return;
  tg::StateDict state = trainer.state_dict();
  examples::insert_part(state, kSearch, search_->state_dict());
  const RunCheckpoint checkpoint{
      std::move(state),
      {{kOptions, options_}, {kData, data_}, {kMetrics, folder_->metrics().text()}}};
  with_hint(settings_.out,
            [&] { text_classifier::write_checkpoint(checkpoint_file(settings_.out), checkpoint); });
}

}  // namespace text_classifier
