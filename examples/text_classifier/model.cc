// The layers of each architecture, and how they compute a vector of a text. Read next: onnx.cc.
#include "text_classifier/model.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

namespace text_classifier {
namespace {

// The options of an RNN, an LSTM or a GRU.
template <class Options>
Options layers_of(const ModelSettings& settings) {
  return {.num_layers = settings.layers,
          .batch_first = true,
          .dropout = settings.dropout,
          .bidirectional = settings.bidirectional};
}

tg::nn::ModuleList<tg::nn::Conv1d> convolutions_of(const ModelSettings& settings) {
  tg::nn::ModuleList<tg::nn::Conv1d> result;
  for (const std::int64_t width : kWidths) {
    result.push_back(
        tg::nn::Conv1d(settings.dim, settings.filters, width, {.padding = tg::same_padding}));
  }
  return result;
}

// Vaswani's layers, but with the normalization before each part, so that training needs no warm-up
// (Xiong and others, "On layer normalization in the transformer architecture", 2020). The dropout
// is at most 0.1, the value that Vaswani used.
tg::nn::TransformerEncoder encoder_of(const ModelSettings& settings) {
  const tg::nn::TransformerEncoderLayer layer(settings.hidden, settings.heads,
                                              {.dim_feedforward = 4 * settings.hidden,
                                               .dropout = std::min(settings.dropout, 0.1),
                                               .batch_first = true,
                                               .norm_first = true});
  return {layer, settings.layers, tg::nn::LayerNorm(settings.hidden)};
}

const ModelSettings& supported(const ModelSettings& settings) {
  const std::string& arch = settings.arch;
  if (!is_architecture(arch)) {
    throw tg::ValueError("model: unknown architecture '" + arch +
                         "', needed bag, rnn, lstm, gru, cnn or attention");
  }
  const bool is_root = settings.pool == "sqrt" && arch == "bag";
  if (settings.pool != "last" && settings.pool != "mean" && settings.pool != "max" && !is_root) {
    throw tg::ValueError("model: unknown pooling '" + settings.pool +
                         "', needed last, mean or max");
  }
  if (settings.layers != 1 && !has_states(arch)) {
    throw tg::ValueError("model: several layers for '" + arch +
                         "', needed rnn, lstm, gru or attention");
  }
  if (settings.bidirectional && !is_recurrent(arch)) {
    throw tg::ValueError("model: both directions for '" + arch + "', needed rnn, lstm or gru");
  }
  if (settings.characters.used() && arch != "bag") {
    throw tg::ValueError("model: character n-grams for '" + arch + "', needed bag");
  }
  if (arch == "attention" && settings.hidden % (2 * settings.heads) != 0) {
    throw tg::ValueError("model: attention with hidden " + std::to_string(settings.hidden) +
                         " and heads " + std::to_string(settings.heads) +
                         ", needed a hidden that is a multiple of twice the heads");
  }
  return settings;
}

}  // namespace

bool is_architecture(const std::string& name) {
  return std::ranges::find(kArchitectures, name) != std::end(kArchitectures);
}
bool is_recurrent(const std::string& arch) {
  return arch == "rnn" || arch == "lstm" || arch == "gru";
}
bool has_states(const std::string& arch) { return is_recurrent(arch) || arch == "attention"; }
bool is_one_cell(const ModelSettings& settings) {
  return settings.arch == "rnn" && settings.layers == 1 && !settings.bidirectional;
}

std::int64_t rows_of_table(const ModelSettings& settings) {
  // Padding and what was left out have rows, too.
  if (settings.compression.used()) return settings.compression.rows + 2;
  return settings.vocabulary + settings.characters.buckets;
}

std::int64_t width_of_text(const ModelSettings& settings) {
  if (settings.arch == "bag") return settings.dim;
  if (settings.arch == "cnn") return settings.filters * std::ssize(kWidths);
  return settings.bidirectional ? 2 * settings.hidden : settings.hidden;
}

Classifier::Classifier(const ModelSettings& settings)
    : embedding(register_module("embedding",
                                tg::nn::Embedding(rows_of_table(settings), settings.dim,
                                                  {.padding_idx = 0, .sparse = settings.sparse}))),
      settings_(supported(settings)),
      dropout_(register_module("dropout", tg::nn::Dropout(settings.dropout))),
      cell_(optional_module(is_one_cell(settings), "cell",
                            [&] { return tg::nn::RNNCell(settings.dim, settings.hidden); })),
      rnn_(optional_module(settings.arch == "rnn" && !is_one_cell(settings), "rnn",
                           [&] {
                             return tg::nn::RNN(settings.dim, settings.hidden,
                                                layers_of<tg::nn::RNNOptions>(settings));
                           })),
      lstm_(optional_module(settings.arch == "lstm", "lstm",
                            [&] {
                              return tg::nn::LSTM(settings.dim, settings.hidden,
                                                  layers_of<tg::nn::LSTMOptions>(settings));
                            })),
      gru_(optional_module(settings.arch == "gru", "gru",
                           [&] {
                             return tg::nn::GRU(settings.dim, settings.hidden,
                                                layers_of<tg::nn::GRUOptions>(settings));
                           })),
      convolutions_(optional_module(settings.arch == "cnn", "convolutions",
                                    [&] { return convolutions_of(settings); })),
      widen_(optional_module(settings.arch == "attention", "widen",
                             [&] { return tg::nn::Linear(settings.dim, settings.hidden); })),
      positions_(optional_module(settings.arch == "attention", "positions",
                                 [&] {
                                   return tg::nn::PositionalEncoding(
                                       settings.hidden,
                                       {.max_len = kMostPositions, .batch_first = true});
                                 })),
      encoder_(optional_module(settings.arch == "attention", "encoder",
                               [&] { return encoder_of(settings); })),
      head_(register_module("head", tg::nn::Linear(width_of_text(settings), settings.classes))) {
  // Small vectors: the mean of many standard normal vectors would hide what the model learns about
  // rare words. Still smaller ones where the sum of the words is larger.
  const double bound = settings.pool == "sqrt" ? 0.02 : 0.1;
  tg::nn::init::uniform_(embedding.weight, -bound, bound);
  // Padding, and the unknown word: no text trains it if every word of the texts has a row.
  tg::narrow(embedding.weight.leaf().writable_value(), 0, 0,
             std::min<std::int64_t>(2, settings.vocabulary))
      .zero_();
  // A bucket that no training text has reached says nothing.
  if (settings.characters.used() && !settings.compression.used()) {
    tg::narrow(embedding.weight.leaf().writable_value(), 0, settings.vocabulary,
               settings.characters.buckets)
        .zero_();
  }
}

tg::Variable Classifier::operator()(const tg::Tensor& ids) const {
  const bool is_sum = settings_.arch == "bag" && settings_.pool == "sqrt";
  const tg::Variable text = is_sum ? sum_of_words(ids) : text_of(embedding(ids), ids);
  return head_(dropout_(text));  // (batch, classes)
}

tg::Variable Classifier::from_vectors(const tg::Variable& vectors, const tg::Tensor& ids) const {
  return head_(dropout_(text_of(vectors, ids)));
}

tg::Variable Classifier::text_of(const tg::Variable& vectors, const tg::Tensor& ids) const {
  if (settings_.arch == "bag") return mean_of_words(vectors, ids);
  if (settings_.arch == "cnn") return largest_features(vectors, ids);
  if (settings_.arch == "attention") return attended_words(vectors, ids);
  return cell_ && settings_.pool == "max" ? largest_state(vectors, ids)
                                          : pooled_states(vectors, ids);
}

namespace {

constexpr std::int64_t kBlock = 64;  // words whose vectors are added one after the other

// What the sum of a bag's words is divided by (batch, 1).
tg::Tensor divisors(const tg::Tensor& ids, bool is_root) {
  const tg::Tensor counts = clamp(sum(ids != 0, 1, true).to(tg::float32), 1);
  return is_root ? sqrt(counts) : counts;
}

}  // namespace

// Padding is a row of zeros.
tg::Variable Classifier::mean_of_words(const tg::Variable& vectors, const tg::Tensor& ids) const {
  return sum(vectors, 1) / divisors(ids, settings_.pool == "sqrt");  // (batch, dim)
}

// The same as mean_of_words() for the pool `sqrt`, without a tensor of all vectors, and with the
// weights of the words.
tg::Variable Classifier::sum_of_words(const tg::Tensor& ids) const {
  tg::EmbeddingBagLookup bag{.mode = tg::BagMode::sum, .padding_idx = 0};
  if (weights_.defined()) {
    bag.per_sample_weights = reshape(index_select(weights_, 0, reshape(ids, {-1})), ids.shape());
  }
  if (is_training() || weights_.defined()) {
    return embedding_bag(embedding.weight, ids, {}, bag) / divisors(ids, true);
  }
  // embedding_bag() adds one vector after the other, so in float32 the sum of thousands of
  // characters would be wrong by 0.000002. Sums of short blocks, which sum() adds pairwise, round
  // less.
  const std::int64_t batch = ids.size(0), steps = ids.size(1);
  const std::int64_t blocks = (steps + kBlock - 1) / kBlock;
  tg::Tensor padded = tg::zeros({batch, blocks * kBlock}, tg::int64);
  narrow(padded, 1, 0, steps).copy_(ids);
  const tg::Variable sums = embedding_bag(embedding.weight, reshape(padded, {-1, kBlock}), {}, bag);
  return sum(reshape(sums, {batch, blocks, settings_.dim}), 1) / divisors(ids, true);
}

void Classifier::multiply_by_weights() {
  if (!weights_.defined()) return;
  embedding.weight.set_value(embedding.weight.value() * unsqueeze(weights_, 1));
  weights_ = {};
}

// The largest value of each element of the state over the words of a text.
tg::Variable Classifier::largest_state(const tg::Variable& vectors, const tg::Tensor& ids) const {
  const tg::Variable words = dropout_(vectors);            // (batch, steps, dim)
  tg::Variable state = cell_->initial_state(ids.size(0));  // (batch, hidden)
  tg::Variable largest;
  for (std::int64_t t = 0; t < ids.size(1); ++t) {
    state = (*cell_)(select(words, 1, t), state);
    if (t == 0) {
      largest = state;
      continue;
    }
    const tg::Tensor ended = select(ids, 1, t) == 0;  // (batch)
    const tg::Variable counted =
        any(ended).item<bool>() ? masked_fill(state, unsqueeze(ended, 1), -1) : state;
    largest = maximum(largest, counted);
  }
  return largest.defined() ? largest : state;
}

// Pools the states at the words of a text: the last state, the mean, or the largest values. For a
// network with both directions, the last state is the final state of each direction.
tg::Variable Classifier::pooled_states(const tg::Variable& vectors, const tg::Tensor& ids) const {
  const tg::Tensor mask = ids != 0;              // (batch, steps)
  const tg::Variable words = dropout_(vectors);  // (batch, steps, dim)
  if (cell_) {
    tg::Variable state = cell_->initial_state(ids.size(0));  // (batch, hidden)
    std::vector<tg::Variable> states;
    for (std::int64_t t = 0; t < ids.size(1); ++t) {
      state = (*cell_)(select(words, 1, t), state, select(mask, 1, t));
      states.push_back(state);
    }
    if (settings_.pool == "last" || states.empty()) return state;
    return tg::nn::masked_mean(stack(states, 1), mask);
  }
  const tg::Tensor lengths = sum(mask, 1);  // (batch)
  tg::Variable states, ends;  // (batch, steps, width), (layers * directions, batch, hidden)
  if (lstm_) {
    const tg::nn::LSTMResult result = (*lstm_)(words, {.lengths = lengths});
    states = result.output;
    ends = result.h;
  } else {
    const tg::nn::RNNArguments arguments{.lengths = lengths};
    const tg::nn::RNNResult result = gru_ ? (*gru_)(words, arguments) : (*rnn_)(words, arguments);
    states = result.output;
    ends = result.h;
  }
  if (settings_.pool == "max") return tg::nn::masked_max(states, mask);
  if (settings_.pool == "mean") return tg::nn::masked_mean(states, mask);
  const bool both = settings_.bidirectional;
  const tg::Variable forward = select(ends, 0, both ? -2 : -1);
  return both ? tg::cat({forward, select(ends, 0, -1)}, 1) : forward;
}

// Pools the outputs of the encoder: the last one, the mean, or the largest values. The words are
// scaled as in Vaswani's section 3.4; otherwise the positional encoding would be much larger.
tg::Variable Classifier::attended_words(const tg::Variable& vectors, const tg::Tensor& ids) const {
  const tg::Tensor mask = ids != 0;                         // (batch, steps)
  const tg::Variable words = (*widen_)(dropout_(vectors));  // (batch, steps, hidden)
  const double scale = std::sqrt(static_cast<double>(words.size(2)));
  const tg::Variable states =
      (*encoder_)((*positions_)(words * scale), {.key_padding_mask = ids == 0});
  if (settings_.pool == "max") return tg::nn::masked_max(states, mask);
  if (settings_.pool == "mean") return tg::nn::masked_mean(states, mask);
  const tg::Tensor last = clamp(sum(mask, 1) - 1, 0);  // (batch)
  return squeeze(take_along_dim(states, reshape(last, {-1, 1, 1}), 1), 1);
}

// The largest value of each filter over a text. A window counts if its middle word belongs to the
// text. Outside the text it covers zeros, with or without padding, so even one word is enough.
tg::Variable Classifier::largest_features(const tg::Variable& vectors,
                                          const tg::Tensor& ids) const {
  const tg::Tensor mask = ids != 0;                     // (batch, steps)
  const tg::Variable words = transpose(vectors, 1, 2);  // (batch, dim, steps)
  std::vector<tg::Variable> largest;
  for (const tg::nn::Conv1d& convolution : *convolutions_) {
    const tg::Variable features = relu(convolution(words));  // (batch, filters, steps)
    largest.push_back(tg::nn::masked_max(transpose(features, 1, 2), mask));
  }
  return cat(largest, 1);  // (batch, widths * filters)
}

}  // namespace text_classifier
