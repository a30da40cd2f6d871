// The classifiers: the mean of a text's word vectors, recurrent networks over them, and
// convolutions (Kim 2014). Read next: training.h.
#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <optional>
#include <string>

namespace text_classifier {

namespace tg = tapegrad;

// What a model is built from; saved beside its weights, but for `sparse`.
struct ModelSettings {
  std::string arch = "rnn";  // bag, rnn, lstm, gru, cnn
  std::int64_t vocabulary = 0;
  std::int64_t classes = 0;
  std::int64_t dim = 64;
  std::int64_t hidden = 128;   // of a recurrent network: rnn, lstm, gru
  std::string pool = "max";    // of its states: last, mean, max
  std::int64_t layers = 1;     // lstm and gru only
  bool bidirectional = false;  // lstm and gru only
  std::int64_t filters = 100;  // of each width; cnn only
  double dropout = 0.5;
  bool sparse = false;  // a step moves only the word vectors of its batch
};

constexpr std::int64_t kMostLayers = 100;

bool is_recurrent(const std::string& arch);  // rnn, lstm, gru
bool is_deep(const std::string& arch);       // lstm, gru: takes layers and both directions

// Texts as (batch, steps) ids, 0 behind the end of a text -> logits (batch, classes).
class Classifier : public tg::nn::Module {
 public:
  explicit Classifier(const ModelSettings& settings);

  tg::Variable operator()(const tg::Tensor& ids) const;

  // The same as a graph: ids (batch, steps) -> logits (batch, classes). In onnx.cc.
  tg::nn::OnnxGraph onnx() const;

  tg::nn::Embedding embedding;

 private:
  tg::Variable mean_of_words(const tg::Tensor& ids) const;
  tg::Variable largest_state(const tg::Tensor& ids) const;
  tg::Variable pooled_states(const tg::Tensor& ids) const;
  tg::Variable largest_features(const tg::Tensor& ids) const;

  const std::string arch_;
  const std::string pool_;
  tg::nn::Dropout dropout_;
  // The one that the architecture asks for; none in a bag.
  std::optional<tg::nn::RNNCell> cell_;
  std::optional<tg::nn::LSTM> lstm_;
  std::optional<tg::nn::GRU> gru_;
  std::optional<tg::nn::ModuleList<tg::nn::Conv1d>> convolutions_;
  tg::nn::Linear head_;
};

}  // namespace text_classifier
