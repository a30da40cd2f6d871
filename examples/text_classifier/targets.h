// What a model shall answer, how much each text counts, and the loss. Read next: targets.cc.
#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "text_classifier/corpus.h"

namespace text_classifier {

namespace tg = tapegrad;

// (texts) int64: the class of each text. For a corpus whose texts may have several labels, (texts,
// classes) float32: 1 for the labels of a text, else 0. FormatError for an unknown label.
tg::Tensor targets_of(const Corpus& corpus, const std::vector<std::string>& labels);

inline bool is_multi_label(const tg::Tensor& targets) { return targets.dim() == 2; }

// A class of each text, so that parts of the texts can have their share of every class: of several
// labels the rarest. A text without a label has a class of its own, the number of labels.
std::vector<std::int64_t> strata_of(const Corpus& corpus, const std::vector<std::string>& labels);

// How much each text counts in a loss: the weight of its row times that of its class, divided by a
// constant, so that their mean over the corpus is 1. (texts) float32, or (texts, classes) for
// several labels, where the weight of a class counts only for texts that have this label, as
// pos_weight does, and only the weights of the rows have the mean 1. Undefined if all are 1.
// `class_weights` may be empty. ValueError, which begins with `operation`, if all weights are 0.
tg::Tensor weights_of(const Corpus& corpus, const std::vector<std::string>& labels,
                      const std::vector<double>& class_weights, const std::string& operation);

// The share of the weight of all texts that each class has.
std::vector<double> shares_of(const tg::Tensor& targets, const tg::Tensor& weights,
                              std::int64_t classes);

// The mean over the texts of weight times loss: the cross entropy, or for several labels the sum
// over the classes of binary_cross_entropy_with_logits(). logits (batch, classes).
tg::Variable loss_of(const tg::Variable& logits, const tg::Tensor& targets,
                     const tg::Tensor& weights);

// The number of texts whose most probable class is right, or whose labels are exactly those with a
// logit above 0.
std::int64_t count_right(const tg::Tensor& logits, const tg::Tensor& targets);

// Texts as ids, with their targets and weights: a data set for tapegrad::nn::DataLoader.
class LabeledTexts {
 public:
  struct Batch {
    tg::Tensor ids;      // (batch, longest), with 0 after the end of a text
    tg::Tensor lengths;  // (batch)
    tg::Tensor targets;  // some rows of targets_of()
    tg::Tensor weights;  // some rows of weights_of(); undefined if all are 1
  };
  LabeledTexts(std::vector<tg::Tensor> ids, tg::Tensor targets, tg::Tensor weights = {})
      : texts_(std::move(ids), std::move(targets)), weights_(std::move(weights)) {}

  std::int64_t size() const { return texts_.size(); }
  std::int64_t length(std::int64_t i) const { return texts_.length(i); }
  Batch batch(std::span<const std::int64_t> indices) const;

 private:
  tg::nn::SequenceDataset texts_;
  tg::Tensor weights_;
};

}  // namespace text_classifier
