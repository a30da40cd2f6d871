// A run that can be stopped and resumed: its folder, its checkpoints, and the signals that stop it.
// Of several ranks, only rank 0 has the folder.
// Read next: resume.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/stop_signals.h"
#include "text_classifier/checkpoint.h"
#include "text_classifier/run_folder.h"
#include "text_classifier/settings.h"
#include "text_classifier/trainer.h"

namespace text_classifier {

using examples::name_of_signal;
using examples::StopSignals;

// Something that a run has read from a file, for example the `training texts`.
struct DataFingerprint {
  std::string what;
  std::string file;  // may move before the run is resumed
  std::string fingerprint;
};

class ResumableRun {
 public:
  // With given.resume, locks the folder and reads the checkpoint. Otherwise writes nothing yet.
  // IoError if there is no checkpoint to resume from; or, for a new run, if there is one, because
  // it would be lost.
  explicit ResumableRun(const TrainSettings& given);

  // The options of the run: those that were given, or those of the checkpoint.
  const TrainSettings& settings() const { return settings_; }

  bool is_resumed() const { return resumed_.has_value(); }
  // Replaces the options of a new run, before check(): a run that is resumed has these.
  void use(const TrainSettings& settings);

  // Compares what was read with what the checkpoint was made with. ValueError if it differs.
  void check(const std::vector<DataFingerprint>& data);

  // Locks the folder of a new run; loads the search of one that is resumed. From now on, signals
  // stop the run after a batch. The search must outlive this object.
  void begin(EpochSearch& search);

  // Trains until the end, or until a signal arrived and the checkpoint is written. Returns whether
  // the end was reached. The first trainer of a run that is resumed continues from the checkpoint.
  bool train(Trainer& trainer);

  // Of several ranks, rank 0 saves. It also removes the checkpoint.
  void save(const Trained& trained);

  // The signal that stops the run, on all ranks, or 0.
  int signal() const { return signal_; }

 private:
  bool owns_folder() const { return settings_.ranks == nullptr || settings_.ranks->is_first(); }
  int agreed_signal() const;
  template <class Function>
  void load_part(const Function& function) const;
  void write_checkpoint(const Trainer& trainer);
  bool after_batch(const Trainer& trainer);  // false: stop

  TrainSettings settings_;
  std::string options_;
  std::string data_;
  std::optional<RunFolder> folder_;
  std::optional<RunCheckpoint> resumed_;
  std::optional<StopSignals> signals_;
  EpochSearch* search_ = nullptr;
  int signal_ = 0;
};

}  // namespace text_classifier
