// Draws what a training step needs from a text: windows, words that are skipped, and negatives.
// Read next: batches.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "common/alias_table.h"
#include "word2vec/settings.h"

namespace word2vec {

namespace tg = tapegrad;

// Groups of input words that predict the same output word. Group g has the inputs from offsets[g]
// to offsets[g + 1] (the last group, to the end). outputs[g][0] is the word in the text, and the
// others are negatives: words that were drawn at random, with probabilities proportional to
// count^0.75, and are not that word.
//
// Skip-gram: each input predicts outputs[g] by itself. With negatives per pair, a group has one
// input. CBOW: the mean of a group's inputs predicts outputs[g]. Hierarchical softmax has no
// negatives.
struct Batch {
  tg::Tensor inputs;   // (inputs) int64
  tg::Tensor offsets;  // (groups) int64
  tg::Tensor outputs;  // (groups, 1 + negatives) int64
  bool mean = false;   // CBOW

  // How many predictions the loss sums.
  std::int64_t predictions() const { return mean ? outputs.size(0) : inputs.size(0); }
  tg::Tensor groups() const;  // (inputs) int64: the group of each input
};

class Batches {
 public:
  // next_sentence(sentence, read): as Corpus::next().
  using Source = std::function<bool(Sentence&, std::int64_t&)>;

  Batches(const Settings& settings, const Words& words, tg::Generator& generator);

  // Begins a pass over the sentences of a source.
  void start(Source next_sentence);
  // The windows of the next settings.batch words, fewer only at the end; false if there are none.
  bool next(Batch& batch);
  std::int64_t words_read() const { return words_read_; }  // of the text, since the construction

 private:
  bool read_sentence();
  void add_window(std::size_t middle);
  void add_outputs(std::int64_t word);

  Settings settings_;
  tg::Generator& generator_;
  examples::AliasTable negatives_;
  std::vector<double> keep_;  // the probability that an occurrence of a word is not skipped
  Source next_sentence_;
  Sentence sentence_;
  std::size_t middle_ = 0;  // the next word of sentence_
  std::int64_t words_read_ = 0;
  std::vector<std::int64_t> inputs_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> outputs_;
};

}  // namespace word2vec
