// The checkpoint of a run that has not ended, in one file. Read next: checkpoint.cc.
#pragma once

#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/io/state_dict.h>

#include <string>

#include "text_classifier/model.h"

namespace text_classifier {

// A safetensors file with a checksum, which is replaced in one step.
struct RunCheckpoint {
  tg::StateDict state;  // of the Trainer
  tg::Metadata texts;   // the options, the fingerprints of the data, the metrics so far
};

void write_checkpoint(const std::string& path, const RunCheckpoint& checkpoint);

// FormatError with the path if the file is damaged, also if only a bit of a tensor has changed.
RunCheckpoint read_checkpoint(const std::string& path);

}  // namespace text_classifier
