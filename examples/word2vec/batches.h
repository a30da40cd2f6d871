// Draws what a training step needs from a text: windows, words that are skipped, and negatives.
// Read next: batches.cc.
#pragma once

#include <tapegrad/tensor/io/state_dict.h>
#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "common/alias_table.h"
#include "word2vec/settings.h"
#include "word2vec/subwords.h"

namespace word2vec {

namespace tg = tapegrad;

// Groups of input words that predict the same output word. Group g has the inputs from offsets[g]
// to offsets[g + 1] (the last group, to the end). outputs[g][0] is the word in the text, and the
// others are negatives: words that were drawn at random, with probabilities proportional to
// count^0.75, and are not that word.
//
// Skip-gram: each input predicts outputs[g] by itself. With negatives per pair, a group has one
// input. CBOW, and skip-gram with n-grams of characters: the mean of a group's inputs predicts
// outputs[g]. Hierarchical softmax has no negatives.
struct Batch {
  tg::Tensor inputs;   // (inputs) int64
  tg::Tensor offsets;  // (groups) int64
  tg::Tensor outputs;  // (groups, 1 + negatives) int64
  bool mean = false;
  bool sum_gradient = false;  // with mean, an input gets the gradient of the sum instead of the
                              // mean, as in word2vec.c and fastText (arXiv 2012.15332)

  // How many predictions the loss sums.
  std::int64_t predictions() const { return mean ? outputs.size(0) : inputs.size(0); }
  tg::Tensor groups() const;  // (inputs) int64: the group of each input
};

// Of the groups of a batch, those of one rank: the parts of all ranks follow each other, and differ
// by at most one group.
Batch part_of(const Batch& batch, int rank, int ranks);

// Draws some batches in advance, and can be saved between such draws. Each has a generator of its
// own, whose seed comes from `generator`, so that threads can draw several at the same time, and
// the batches do not depend on how many threads there are.
class Batches {
 public:
  // next_sentence(sentence, read): as Corpus::next().
  using Source = std::function<bool(Sentence&, std::int64_t&)>;

  Batches(const Settings& settings, const Words& words, tg::Generator& generator);

  // Begins a pass over the sentences of a source, or continues one after load_state_dict().
  void start(Source next_sentence);
  // The windows of the next settings.batch words, fewer only at the end; false if there are none.
  bool next(Batch& batch);
  // All batches that are drawn, or that one draw gives; empty at the end. Then between_draws().
  std::vector<Batch> next_some();
  std::int64_t words_read() const { return words_read_; }  // of the text, in all passes

  // Whether no batch is drawn that next() has not returned. Then state_dict() has all that is
  // needed to continue, beside the state of the generator. FormatError for a state that does not
  // fit.
  bool between_draws() const { return returned_ == count_; }
  tg::StateDict state_dict() const;
  void load_state_dict(const tg::StateDict& saved);

 private:
  // The word at `middle` of text_, in a sentence from `begin` to `end`.
  struct Middle {
    std::size_t middle, begin, end;
  };
  // A batch as plain arrays, which any thread may fill.
  struct Drawn {
    std::vector<Middle> middles;
    std::uint64_t seed = 0;
    std::vector<std::int64_t> inputs;
    std::vector<std::int64_t> offsets;
    std::vector<std::int64_t> outputs;
  };

  void draw_some();
  bool read_sentence();
  void draw(Drawn& batch) const;
  void add_window(const Middle& word, Drawn& batch, examples::SmallGenerator& generator) const;
  void add_outputs(std::int64_t word, Drawn& batch, examples::SmallGenerator& generator) const;

  Settings settings_;
  tg::Generator& generator_;
  Subwords subwords_;
  examples::AliasTable negatives_;
  std::vector<double> keep_;  // the probability that an occurrence of a word is not skipped
  Source next_sentence_;
  Sentence sentence_;
  std::size_t middle_ = 0;  // the next word of sentence_
  bool continues_ = false;  // the next pass is one that was saved
  std::int64_t words_read_ = 0;
  Sentence text_;             // the sentences of the batches that are drawn, one after the other
  std::vector<Drawn> drawn_;  // the first count_ are valid
  std::size_t count_ = 0;
  std::size_t returned_ = 0;
};

}  // namespace word2vec
