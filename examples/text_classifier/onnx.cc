// The classifiers as ONNX graphs: the same computations as in model.cc, written with the functions
// of tapegrad/nn/onnx/graph.h. Read next: parameter_shapes.h.
#include <cmath>
#include <string>
#include <vector>

#include "text_classifier/model.h"

namespace text_classifier {
namespace {

using tg::nn::OnnxGraph;
using tg::nn::OnnxValue;

// Pools the states at the words of a text: the last state, the mean, or the largest values. For a
// network with both directions, the last state is the final state of each direction.
OnnxValue pooled(OnnxGraph& graph, const tg::nn::RNNBase& layer, const OnnxValue& words,
                 const OnnxValue& mask, const std::string& pool) {
  const tg::nn::OnnxRecurrentResult result =
      graph.append(layer, words, {.lengths = graph.lengths(mask)});
  if (pool == "max") return graph.masked_max(result.output, mask);
  if (pool == "mean") return graph.masked_mean(result.output, mask);
  const OnnxValue last = graph.select(result.h, 0, -1);
  if (!layer.is_bidirectional()) return last;
  return graph.cat({graph.select(result.h, 0, -2), last}, 1);
}

// An RNN layer with the weights of the cell, since ONNX has recurrent layers but no cells.
tg::nn::RNN layer_of(const tg::nn::RNNCell& cell) {
  tg::nn::RNN layer(cell.input_size(), cell.hidden_size(), {.batch_first = true});
  tie(layer.weight_ih(), cell.weight_ih);
  tie(layer.weight_hh(), cell.weight_hh);
  tie(layer.bias_ih(), cell.bias_ih);
  tie(layer.bias_hh(), cell.bias_hh);
  return layer;
}

// True at words and at the first step, which Classifier::largest_state() always counts.
OnnxValue or_first(OnnxGraph& graph, const OnnxValue& mask) {
  const OnnxValue first = graph.equal(graph.arange(graph.size(mask, 1)), 0);  // (steps)
  return graph.node("Or", {mask, first});
}

// The index of the last word, int64 (batch); 0 for a text without words.
OnnxValue last_word(OnnxGraph& graph, const OnnxValue& mask) {
  const OnnxValue before_end = graph.add(graph.lengths(mask), -1);
  return graph.node("Clip", {before_end, graph.constant(tg::tensor(0))});
}

OnnxValue features(OnnxGraph& graph, const tg::nn::ModuleList<tg::nn::Conv1d>& convolutions,
                   const OnnxValue& words, const OnnxValue& mask) {
  const OnnxValue turned = graph.transpose(words, 1, 2);  // (batch, dim, steps)
  std::vector<OnnxValue> largest;
  for (const tg::nn::Conv1d& convolution : convolutions) {
    const OnnxValue each = graph.append(tg::nn::ReLU(), graph.append(convolution, turned));
    largest.push_back(graph.masked_max(graph.transpose(each, 1, 2), mask));
  }
  return graph.cat(largest, 1);  // (batch, widths * filters)
}

}  // namespace

OnnxGraph Classifier::onnx(double temperature) const {
  OnnxGraph graph("text_classifier");
  const OnnxValue ids = graph.input("ids", tg::int64, {"batch", "steps"});
  const OnnxValue mask = graph.not_equal(ids, 0);
  const OnnxValue words = graph.append(embedding, ids);  // (batch, steps, dim)
  OnnxValue text;                                        // (batch, width)
  if (settings_.arch == "bag") {
    text = graph.masked_mean(words, mask);
    if (settings_.pool == "sqrt") {  // sum / sqrt(n) = mean * sqrt(n)
      const OnnxValue counts = graph.to(graph.lengths(mask), tg::float32);
      text = graph.node("Mul", {text, graph.unsqueeze(graph.node("Sqrt", {counts}), 1)});
    }
  } else if (convolutions_) {
    text = features(graph, *convolutions_, words, mask);
  } else if (lstm_) {
    text = pooled(graph, *lstm_, words, mask, settings_.pool);
  } else if (gru_) {
    text = pooled(graph, *gru_, words, mask, settings_.pool);
  } else if (rnn_) {
    text = pooled(graph, *rnn_, words, mask, settings_.pool);
  } else if (cell_) {
    const bool with_first = settings_.pool == "max";
    text = pooled(graph, layer_of(*cell_), words, with_first ? or_first(graph, mask) : mask,
                  settings_.pool);
  } else if (encoder_) {
    const double scale = std::sqrt(static_cast<double>(widen_->weight.size(0)));
    const OnnxValue wide = graph.mul(graph.append(*widen_, words), scale);
    const OnnxValue placed = graph.append(*positions_, wide);  // (batch, steps, hidden)
    tg::nn::OnnxEncoderCall call;
    call.key_padding_mask = graph.equal(ids, 0);
    const OnnxValue states = graph.append(*encoder_, placed, call);
    text = settings_.pool == "max"    ? graph.masked_max(states, mask)
           : settings_.pool == "mean" ? graph.masked_mean(states, mask)
                                      : graph.take_step(states, last_word(graph, mask));
  } else {
    throw tg::ValueError("export: there is no ONNX graph for the architecture '" + settings_.arch +
                         "', needed bag, rnn, lstm, gru, cnn or attention");
  }
  OnnxValue logits = graph.append(head_, text);
  if (temperature != 1) logits = graph.mul(logits, 1 / temperature);
  graph.output("logits", logits, {"batch", head_.weight.size(0)});
  return graph;
}

}  // namespace text_classifier
