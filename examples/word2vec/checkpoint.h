// What a run needs to continue where it stopped, in one file. Read next: checkpoint.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "common/corpus.h"
#include "word2vec/batches.h"
#include "word2vec/model.h"
#include "word2vec/settings.h"

namespace word2vec {

// Where a run is.
struct Position {
  std::int64_t epoch = 0;
  std::int64_t sentences = 0;                       // that were read in this epoch
  double loss = 0;                                  // the mean of the last predictions
  std::optional<double> first_loss = std::nullopt;  // on what is held out, before the training
};

// Replaces settings.checkpoint at once. It is a safetensors file, in which `model.input.weight` and
// `model.output.weight` are the tables, with the words as metadata, one on a line. IoError if it
// cannot be written.
void save_checkpoint(const Settings& settings, const Words& words, const Model& model,
                     const tg::Generator& generator, const Batches& batches,
                     const Position& position);

// Loads it into a run with the same text and options: it then ends with the same bytes as a run
// that was not stopped. --threads, --epochs that are done, and the names of files do not matter.
// FormatError with the name of the file, and nothing of use is changed, if it is damaged or made
// with other options; IoError if it cannot be read.
Position load_checkpoint(const Settings& settings, const Words& words, Model& model,
                         tg::Generator& generator, Batches& batches);

}  // namespace word2vec
