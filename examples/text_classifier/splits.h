// Some of the texts of a corpus: those that are trained on, and those that are held out. Read next:
// splits.cc.
#pragma once

#include <tapegrad/nn/data/splits.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/corpus.h"

namespace text_classifier {

namespace tg = tapegrad;

// The texts of a run, with the names of their classes.
struct Texts {
  Corpus train;
  std::vector<std::string> labels;
  std::optional<Corpus> test = std::nullopt;
  std::optional<Corpus> dev = std::nullopt;  // held out
  std::vector<double> class_weights{};       // of the labels; empty: all weigh the same
};

// The texts with these indices, in the order of the file.
Corpus subset_of(const Corpus& corpus, tg::nn::Indices kept);

// The indices that are not in `held_out`.
tg::nn::Indices others(std::size_t rows, const std::vector<std::int64_t>& held_out);

// Random texts, in the order of the file: `count` or all. The draws do not change those of the
// model's initial weights.
Corpus some_of(const Corpus& corpus, std::int64_t count, std::uint64_t seed);

// Moves a random tenth of texts.train to texts.dev. ValueError, which begins with `command`, if
// there is only one text.
void hold_out_tenth(Texts& texts, std::uint64_t seed, const std::string& command);

// The indices of the texts as a data set, for the functions that split data sets.
tg::nn::TensorDataset<1> indices_of(const Corpus& corpus);

}  // namespace text_classifier
