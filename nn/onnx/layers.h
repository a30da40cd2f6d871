// Internal. Functions that write layers as ONNX operators, for OnnxGraph::append(). Read next:
// nn/onnx/layers.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/nn/onnx/graph.h>

namespace tapegrad::nn::onnx {

// Throws ValueError for a module that cannot be exported.
[[noreturn]] void reject(const Module& module, const std::string& why);

// ValueError unless x has from `least` to `most` dimensions; DTypeError unless it has the type.
void check_dim(const Module& module, const OnnxValue& x, std::int64_t least, std::int64_t most,
               const char* what = "x");
void check_type(const Module& module, const OnnxValue& x, DType needed, const char* what = "x");

// Writes a module by its exact class, because a derived class may compute something else.
OnnxValue layer(OnnxGraph& graph, const Module& module, const OnnxValue& x);

// The same for activations; undefined if the module is none.
OnnxValue activation(OnnxGraph& graph, const Module& module, const OnnxValue& x);

// x W^T + b; the bias may be undefined.
OnnxValue affine(OnnxGraph& graph, const OnnxValue& x, const Tensor& weight, const Tensor& bias);

// RNN, LSTM or GRU. If `with` is null, the result has no last states.
OnnxRecurrentResult recurrent(OnnxGraph& graph, const RNNBase& layer, const OnnxValue& x,
                              const OnnxRecurrentArguments* with);

OnnxAttentionResult attention(OnnxGraph& graph, const MultiheadAttention& layer,
                              const OnnxValue& query, const OnnxValue& key, const OnnxValue& value,
                              const OnnxAttentionCall& call);
OnnxValue encoder_layer(OnnxGraph& graph, const TransformerEncoderLayer& layer, const OnnxValue& x,
                        const OnnxEncoderCall& call);
OnnxValue encoder(OnnxGraph& graph, const TransformerEncoder& encoder, const OnnxValue& x,
                  const OnnxEncoderCall& call);

}  // namespace tapegrad::nn::onnx
