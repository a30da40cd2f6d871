// The classifiers: the mean of a text's word vectors, recurrent networks over them, convolutions
// (Kim 2014), and attention (Vaswani and others 2017). Read next: model.cc.
#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/characters.h"

namespace text_classifier {

namespace tg = tapegrad;
using examples::append_characters;
using examples::Characters;
using examples::most_characters;
using examples::parse_characters;

// How the table of a compressed model is stored; see compressed.h.
struct Compression {
  std::int64_t rows = 0;            // 0: not compressed
  std::int64_t subvector_size = 0;  // elements for each code of a product, 2 or 4; 0: int8 codes
  bool projected = false;  // the rows are what they add to the logits, so there is no head.weight

  bool used() const { return rows > 0; }
  bool operator==(const Compression&) const = default;
};
// A hostile file could ask for a large head that it does not hold.
constexpr std::int64_t kMostProjected = 256;  // classes

// The settings of a model. All but `sparse` are saved with its weights.
struct ModelSettings {
  std::string arch = "rnn";  // bag, rnn, lstm, gru, cnn, attention
  std::int64_t vocabulary = 0;
  std::int64_t classes = 0;
  std::int64_t dim = 64;
  std::int64_t hidden = 128;  // size of a state: rnn, lstm, gru, attention
  // How states are pooled: last, mean, max. How a bag adds its words: sqrt divides their sum by the
  // square root of their number. A bag with any other pool is one of an older version, which saved
  // `max` and took the mean: it divides the sum by the number.
  std::string pool = "max";
  std::int64_t layers = 1;     // rnn, lstm, gru, attention only
  bool bidirectional = false;  // rnn, lstm, gru only
  std::int64_t filters = 100;  // of each width; cnn only
  std::int64_t heads = 4;      // attention only
  double dropout = 0.5;
  bool sparse = false;      // a step moves only the word vectors of its batch
  Characters characters{};  // bag only
  Compression compression{};
  bool words = true;  // whether words are read, and not only characters
};

// What max_length counts: words, and their n-grams are added after the cut; or, in the models of
// older versions, words and n-grams together.
enum class LengthUnit { kWords, kTokens };

// How a text becomes an answer, besides the weights. Saved with them.
struct Answering {
  LengthUnit length_unit = LengthUnit::kWords;
  double temperature = 1;  // divides the logits; see calibration.h
  // For texts with several labels or none: each label has a probability of its own, the sigmoid of
  // its logit, and is an answer if that is at least its threshold. Empty: each text has one label.
  std::vector<double> thresholds = {};

  bool multi_label() const { return !thresholds.empty(); }
};

constexpr std::int64_t kMostLayers = 100;
constexpr std::int64_t kMostPositions = 5000;  // the longest text for attention, in words

inline constexpr std::int64_t kWidths[] = {3, 4, 5};  // filters of a cnn cover so many words

inline constexpr const char* kArchitectures[] = {"bag", "rnn", "lstm", "gru", "cnn", "attention"};

bool is_architecture(const std::string& name);
bool is_recurrent(const std::string& arch);  // rnn, lstm, gru
bool has_states(const std::string& arch);    // those and attention: a state for each word

// Whether the model is an RNNCell: an rnn with one layer and one direction.
bool is_one_cell(const ModelSettings& settings);
// The rows of the table: a row for each word, then the buckets of character n-grams.
std::int64_t rows_of_table(const ModelSettings& settings);
// The number of elements of the vector that the head gets for a text.
std::int64_t width_of_text(const ModelSettings& settings);

// Texts as ids (batch, steps), with 0 after the end of a text -> logits (batch, classes).
class Classifier : public tg::nn::Module {
 public:
  explicit Classifier(const ModelSettings& settings);

  const ModelSettings& settings() const { return settings_; }

  tg::Variable operator()(const tg::Tensor& ids) const;

  // The same, from the vectors of the words (batch, steps, dim) in place of those that `embedding`
  // has for the ids.
  tg::Variable from_vectors(const tg::Variable& vectors, const tg::Tensor& ids) const;

  // The same as an ONNX graph: ids (batch, steps) -> logits (batch, classes), divided by the
  // temperature. Defined in onnx.cc.
  tg::nn::OnnxGraph onnx(double temperature = 1) const;

  // A bag with the pool `sqrt` only: while it trains, the vector of word i counts weights[i] times.
  // multiply_by_weights() multiplies the vectors by their weights, so that the trained bag answers
  // the same without weights.
  void weigh_words(tg::Tensor weights) { weights_ = std::move(weights); }
  void multiply_by_weights();

  tg::nn::Embedding embedding;

 private:
  // Registers the module that make() returns, if the architecture has this part.
  template <class Make>
  std::optional<std::invoke_result_t<Make>> optional_module(bool wanted, const char* name,
                                                            const Make& make) {
    if (!wanted) return std::nullopt;
    return register_module(name, make());
  }

  // Vectors (batch, steps, dim) -> the vector of each text (batch, width_of_text()).
  tg::Variable text_of(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable mean_of_words(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable largest_state(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable pooled_states(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable attended_words(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable largest_features(const tg::Variable& vectors, const tg::Tensor& ids) const;
  tg::Variable sum_of_words(const tg::Tensor& ids) const;

  tg::Tensor weights_;  // (vocabulary); undefined: all are 1
  const ModelSettings settings_;
  tg::nn::Dropout dropout_;
  // The parts that the architecture has; a bag has none of them.
  std::optional<tg::nn::RNNCell> cell_;  // an rnn with one layer and one direction
  std::optional<tg::nn::RNN> rnn_;       // any other rnn
  std::optional<tg::nn::LSTM> lstm_;
  std::optional<tg::nn::GRU> gru_;
  std::optional<tg::nn::ModuleList<tg::nn::Conv1d>> convolutions_;
  std::optional<tg::nn::Linear> widen_;  // dim -> hidden, for the encoder
  std::optional<tg::nn::PositionalEncoding> positions_;
  std::optional<tg::nn::TransformerEncoder> encoder_;
  tg::nn::Linear head_;
};

}  // namespace text_classifier
