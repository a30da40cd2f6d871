// The two classifiers: the mean of a text's word vectors, and a recurrent network over them. Read
// next: training.h.
#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <string>

namespace text_classifier {

namespace tg = tapegrad;

// What a model is built from; saved beside its weights, but for `sparse`.
struct ModelSettings {
  std::string arch = "rnn";  // "bag" or "rnn"
  std::int64_t vocabulary = 0;
  std::int64_t classes = 0;
  std::int64_t dim = 64;
  std::int64_t hidden = 128;  // rnn only
  double dropout = 0.5;
  bool sparse = false;  // a step moves only the word vectors of its batch
};

// Texts as (batch, steps) ids, 0 behind the end of a text -> logits (batch, classes).
class Classifier : public tg::nn::Module {
 public:
  explicit Classifier(const ModelSettings& settings);

  tg::Variable operator()(const tg::Tensor& ids) const;

  // The same as a graph. ValueError unless the model is a bag.
  tg::nn::OnnxGraph onnx() const;

  tg::nn::Embedding embedding;

 private:
  tg::Variable mean_of_words(const tg::Tensor& ids) const;
  tg::Variable largest_state(const tg::Tensor& ids) const;

  const bool recurrent_;
  tg::nn::Dropout dropout_;
  tg::nn::RNNCell cell_;  // not registered, and of size 0, in a bag
  tg::nn::Linear head_;
};

}  // namespace text_classifier
