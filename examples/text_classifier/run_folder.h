// The folder of a training run: its lock, the metrics, and the model at the end. Read next:
// run_folder.cc.
#pragma once

#include <tapegrad/tensor/io/file_io.h>

#include <optional>
#include <string>

#include "text_classifier/metrics.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// The checkpoint of the run in this folder, if there is one.
std::string checkpoint_file(const std::string& folder);

// The folder that `train` writes. While the run lasts, its metrics are in metrics.running.jsonl;
// the model and the metrics of the run before stay as they are until save(). If the run fails or is
// killed, that file stays, and the next run replaces it.
class RunFolder {
 public:
  // Creates the folder if it does not exist, and locks it. IoError if another run has locked it, or
  // if it cannot be written.
  explicit RunFolder(std::string path);

  // The metrics of this run. The first call replaces the file of an earlier run.
  MetricsLog& metrics();

  // Replaces the model, in one step, and then metrics.jsonl, and removes the checkpoint. IoError if
  // one of the two cannot be written; the text says whether the model was replaced.
  void save(const Trained& trained);

 private:
  std::string file(const char* name) const { return path_ + "/" + name; }

  std::string path_;
  tg::FileLock lock_;
  std::optional<MetricsLog> metrics_;
};

}  // namespace text_classifier
