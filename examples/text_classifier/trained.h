// A trained model with its vocabulary and labels, and the file in which it is saved. Read next:
// trained.cc.
#pragma once

#include <tapegrad/nn/text/vocabulary.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/model.h"

namespace text_classifier {

class CompressedTable;

struct Trained {
  Classifier model;
  tg::nn::Vocabulary vocabulary;
  std::vector<std::string> labels;
  std::int64_t max_length;
  Answering answering{};
  std::shared_ptr<const CompressedTable> compressed = nullptr;  // of a compressed model

  const ModelSettings& settings() const { return model.settings(); }

  // The words of a text that the model reads: the first max_length, if it counts words.
  std::vector<std::string> words(std::string_view text) const;
  // The id of a word or of an n-gram of words; nothing if the model does not know it.
  std::optional<std::int64_t> find(std::string_view token) const;
  // The ids of words and their n-grams.
  std::vector<std::int64_t> encode(std::span<const std::string> words) const;
  // The ids of a text (steps): of its words() and n-grams, and then of their characters; one id of
  // padding for a text without words.
  tg::Tensor ids(std::string_view text) const;
  // The same, from its words() and what encode() returned for them.
  tg::Tensor ids(std::span<const std::string> words, std::vector<std::int64_t> encoded) const;

  // What the model computes for ids (batch, steps), divided by the temperature (batch, classes):
  // softmax() of it, or sigmoid() for several labels, gives the probabilities that all commands
  // show.
  tg::Tensor logits(const tg::Tensor& batch) const;
};

// The number of ids that the longest text can have, with its n-grams.
std::int64_t most_tokens(std::int64_t max_length, std::int64_t longest_ngram, LengthUnit unit);

// Both use the file model.safetensors of a folder. It holds the weights as tensors, and the texts
// `settings` and `vocabulary` in its metadata. One file, because it is replaced in one step: at any
// moment, and after any failure, load() finds either the old or the new model.
//
// load() also reads the folders of older versions, where the two texts are in files of their
// own, settings.json and vocabulary.txt. The files are not trusted: if one is missing, truncated or
// does not fit the others, load() throws FormatError or IoError with its name, and the memory that
// it allocates is at most a small multiple of the size of the files.
void save(const Trained& trained, const std::string& folder);
Trained load(const std::string& folder);

// Throws ValueError if the vocabulary and the labels are too large to be saved.
void check_can_be_saved(const Trained& trained);

// A model with the two texts as they are in the files.
struct ModelTexts {
  std::string settings;
  std::string vocabulary;
};
struct TrainedWithTexts {
  Trained trained;
  ModelTexts texts;
};
TrainedWithTexts load_with_texts(const std::string& folder);

}  // namespace text_classifier
