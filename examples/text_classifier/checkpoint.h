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

// The states of several objects in one: insert_with_prefix() adds `prefix` to each name, and
// entries_with() returns the entries with this prefix, without it.
void insert_with_prefix(tg::StateDict& state, const std::string& prefix, const tg::StateDict& part);
tg::StateDict entries_with(const tg::StateDict& state, const std::string& prefix);

}  // namespace text_classifier
