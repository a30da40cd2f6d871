// Locks the folder of a training run and replaces its files. Read next: checkpoint.h.
#include "text_classifier/run_folder.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace text_classifier {
namespace {

constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kRunningMetrics = "metrics.running.jsonl";

void remove_if_there(const std::string& file) {
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
}

tg::FileLock lock_folder(const std::string& folder) {
  tg::create_folders(folder, "train");
  std::optional<tg::FileLock> lock = tg::FileLock::try_lock(folder + "/.lock", "train");
  if (!lock) {
    throw tg::IoError("train: another run is writing into " + folder +
                      "; wait until it ends, or choose another folder with --out");
  }
  return *std::move(lock);
}

// The file of a killed run is removed rather than emptied: it may be a link or a pipe.
std::string without_file(std::string path) {
  remove_if_there(path);
  return path;
}

}  // namespace

std::string checkpoint_file(const std::string& folder) {
  return folder + "/checkpoint.safetensors";
}

RunFolder::RunFolder(std::string path) : path_(std::move(path)), lock_(lock_folder(path_)) {}

MetricsLog& RunFolder::metrics() {
  if (!metrics_) metrics_.emplace(without_file(file(kRunningMetrics)));
  return *metrics_;
}

void RunFolder::save(const Trained& trained) {
  metrics();  // a run without epochs has written none
  text_classifier::save(trained, path_);
  try {
    tg::write_file_atomically(file(kMetrics), tg::read_file(file(kRunningMetrics), "train"),
                              "train");
  } catch (const tg::IoError& error) {
    throw tg::IoError(std::string(error.what()) + "; the model is saved");
  }
  remove_if_there(checkpoint_file(path_));
  remove_if_there(file(kRunningMetrics));
  // The files of an older version, which load() does not read any more.
  remove_if_there(file("settings.json"));
  remove_if_there(file("vocabulary.txt"));
}

}  // namespace text_classifier
