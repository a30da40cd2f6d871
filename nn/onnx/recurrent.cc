// RNN, LSTM and GRU as ONNX operators: one node for each layer, with both directions. Read next:
// nn/onnx/attention.cc.
#include <algorithm>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tapegrad/nn/onnx/layers.h>
#include <tapegrad/nn/onnx/messages.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn::onnx {
namespace {

// An ONNX operator, and the position of each of its gates among the gates of this library. ONNX
// orders the gates of an LSTM as i, o, f, c and of a GRU as z, r, h; this library as i, f, g, o and
// r, z, n.
struct Operator {
  const char* name;
  std::vector<std::size_t> gates;
};

Operator operator_for(const RNNBase& layer) {
  if (typeid(layer) == typeid(RNN)) return {"RNN", {0}};
  if (typeid(layer) == typeid(LSTM)) return {"LSTM", {0, 3, 1, 2}};
  if (typeid(layer) == typeid(GRU)) return {"GRU", {1, 0, 2}};
  reject(layer, "this class cannot be exported; needed RNN, LSTM or GRU, not a derived class");
}

Tensor reordered(const Parameter& parameter, const std::vector<std::size_t>& gates) {
  const std::vector<Tensor> chunks =
      tapegrad::chunk(parameter.value(), static_cast<std::int64_t>(gates.size()));
  std::vector<Tensor> result;
  for (const std::size_t gate : gates) result.push_back(chunks[gate]);
  return tapegrad::cat(result);
}

// The weights of a layer, stacked over its directions: (directions, ...).
struct Weights {
  OnnxValue w, r, b;
};

Weights recurrent_weights(OnnxGraph& graph, const RNNBase& layer, std::int64_t which,
                          const std::vector<std::size_t>& gates) {
  std::vector<Tensor> w, r, b;
  for (int direction = 0; direction < (layer.is_bidirectional() ? 2 : 1); ++direction) {
    const bool reverse = direction == 1;
    w.push_back(reordered(layer.weight_ih(which, reverse), gates));
    r.push_back(reordered(layer.weight_hh(which, reverse), gates));
    const Parameter& bias_ih = layer.bias_ih(which, reverse);
    // Without a bias it writes zeros, because OpenCV requires a bias.
    b.push_back(bias_ih.defined() ? tapegrad::cat({reordered(bias_ih, gates),
                                                   reordered(layer.bias_hh(which, reverse), gates)})
                                  : zeros({2 * w.back().size(0)}, w.back().dtype()));
  }
  return {graph.constant(stack(w)), graph.constant(stack(r)), graph.constant(stack(b))};
}

void check_projection(const RNNBase& layer) {
  if (layer.proj_size() == 0) return;
  reject(layer, "ONNX has no LSTM with proj_size; use one without, or export its parameters");
}

OnnxAttributes attributes_of(const RNNBase& layer) {
  OnnxAttributes attributes = {
      {"hidden_size", layer.hidden_size()},
      {"direction", std::string(layer.is_bidirectional() ? "bidirectional" : "forward")}};
  // n = tanh(W_in x + b_in + r (W_hn h + b_hn)): r multiplies the whole linear term of h.
  if (typeid(layer) == typeid(GRU)) attributes["linear_before_reset"] = std::int64_t{1};
  if (layer.nonlinearity() == Nonlinearity::relu) {
    attributes["activations"] =
        std::vector<std::string>(layer.is_bidirectional() ? 2 : 1, std::string("Relu"));
  }
  return attributes;
}

// The states of one layer, (directions, batch, hidden_size), from (layers * directions, batch,
// hidden_size).
OnnxValue states_of(OnnxGraph& graph, const RNNBase& layer, const OnnxValue& all,
                    std::int64_t which) {
  if (!all.defined() || layer.num_layers() == 1) return all;
  const std::int64_t directions = layer.is_bidirectional() ? 2 : 1;
  const auto number = [&](std::int64_t value) { return graph.constant(tensor({value})); };
  return graph.node("Slice",
                    {all, number(which * directions), number((which + 1) * directions), number(0)});
}

void check_recurrent(const RNNBase& layer, const OnnxValue& x, const OnnxRecurrentArguments& with) {
  const DType dtype = layer.weight_ih().dtype();
  check_type(layer, x, dtype);
  check_dim(layer, x, 2, 3);
  if (with.c.defined() && typeid(layer) != typeid(LSTM))
    reject(layer, "got an initial c, which only LSTM has");
  for (const auto& [state, what] : {std::pair(with.h, "h"), std::pair(with.c, "c")}) {
    if (!state.defined()) continue;
    check_type(layer, state, dtype, what);
    check_dim(layer, state, x.dim, x.dim, what);
  }
  if (!with.lengths.defined()) return;
  check_type(layer, with.lengths, int64, "lengths");
  check_dim(layer, with.lengths, x.dim - 2, x.dim - 2, "lengths");
}

// Writes all layers, for x (steps, batch, input_size), states (layers * directions, batch,
// hidden_size) and lengths (batch). `states` says whether the caller needs the last states.
OnnxRecurrentResult run(OnnxGraph& graph, const RNNBase& layer, const OnnxValue& x,
                        const OnnxRecurrentArguments& with, bool states) {
  const Operator op = operator_for(layer);
  const bool lstm = typeid(layer) == typeid(LSTM);
  const std::int64_t directions = layer.is_bidirectional() ? 2 : 1;
  OnnxValue lengths;  // int32, as ONNX requires
  if (with.lengths.defined()) lengths = graph.node("Cast", {with.lengths}, {{"to", kInt32}});

  OnnxValue y = x;
  std::vector<OnnxValue> last_h, last_c;  // (directions, batch, hidden_size) each
  for (std::int64_t i = 0; i < layer.num_layers(); ++i) {
    const Weights weights = recurrent_weights(graph, layer, i, op.gates);
    std::vector<OnnxValue> inputs = {y,
                                     weights.w,
                                     weights.r,
                                     weights.b,
                                     lengths,
                                     states_of(graph, layer, with.h, i),
                                     states_of(graph, layer, with.c, i)};
    while (!inputs.back().defined()) inputs.pop_back();
    std::vector<std::int64_t> dims = {4};  // Y (steps, directions, batch, hidden_size), Y_h, Y_c
    if (states) dims.insert(dims.end(), lstm ? 2 : 1, 3);
    const std::vector<OnnxValue> results =
        graph.node_of_several(op.name, inputs, dims, attributes_of(layer));
    const OnnxValue& each = results[0];
    y = directions == 2
            ? graph.reshape(graph.transpose(each, 1, 2), {0, 0, 2 * layer.hidden_size()})
            : graph.reshape(each, {0, -1, layer.hidden_size()});
    if (states) last_h.push_back(results[1]);
    if (states && lstm) last_c.push_back(results[2]);
  }
  OnnxRecurrentResult result{.output = y, .h = {}};
  if (states) result.h = graph.cat(last_h, 0);
  if (states && lstm) result.c = graph.cat(last_c, 0);
  return result;
}

// Defines two cases that ONNX leaves open: the output is 0 at the steps after the end of a
// sequence, and an empty sequence keeps its initial state (onnxruntime returns 0).
void fix_ends(OnnxGraph& graph, const OnnxValue& x, const OnnxRecurrentArguments& with,
              OnnxRecurrentResult& result) {
  const OnnxValue steps = graph.unsqueeze(graph.arange(graph.size(x, 0)), 1);    // (steps, 1)
  const OnnxValue mask = graph.node("Less", {steps, with.lengths}, boolean, 2);  // (steps, batch)
  result.output = graph.masked_fill(result.output, graph.logical_not(graph.unsqueeze(mask, 2)), 0);
  const OnnxValue empty = graph.unsqueeze(graph.equal(with.lengths, 0), 1);  // (batch, 1)
  const auto keep = [&](OnnxValue& last, const OnnxValue& first) {
    if (!last.defined()) return;
    last = first.defined() ? graph.node("Where", {empty, first, last}, last.dtype, 3)
                           : graph.masked_fill(last, empty, 0);
  };
  keep(result.h, with.h);
  keep(result.c, with.c);
}

}  // namespace

OnnxRecurrentResult recurrent(OnnxGraph& graph, const RNNBase& layer, const OnnxValue& x,
                              const OnnxRecurrentArguments* with) {
  OnnxRecurrentArguments arguments = with == nullptr ? OnnxRecurrentArguments() : *with;
  check_projection(layer);
  check_recurrent(layer, x, arguments);
  const bool has_batch = x.dim == 3;
  const bool transposed = has_batch && layer.is_batch_first();
  if (!has_batch) {
    if (arguments.h.defined()) arguments.h = graph.unsqueeze(arguments.h, 1);
    if (arguments.c.defined()) arguments.c = graph.unsqueeze(arguments.c, 1);
    if (arguments.lengths.defined()) arguments.lengths = graph.unsqueeze(arguments.lengths, 0);
  }
  const OnnxValue steps_first = !has_batch   ? graph.unsqueeze(x, 1)
                                : transposed ? graph.transpose(x, 0, 1)
                                             : x;
  OnnxRecurrentResult result = run(graph, layer, steps_first, arguments, with != nullptr);
  if (arguments.lengths.defined()) fix_ends(graph, steps_first, arguments, result);
  if (transposed) result.output = graph.transpose(result.output, 0, 1);
  if (!has_batch) {
    for (OnnxValue* each : {&result.output, &result.h, &result.c}) {
      if (each->defined()) *each = graph.squeeze(*each, 1);
    }
  }
  return result;
}

}  // namespace tapegrad::nn::onnx
