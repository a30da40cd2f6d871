// Models in the ONNX format (https://onnx.ai), which other runtimes read: opset 13, IR 7. Read
// next: nn/onnx/graph.cc.
//
// A module does not know what its operator() does, so a model is described once more, with the
// same words:
//
//   OnnxGraph graph("classifier");
//   OnnxValue ids = graph.input("ids", int64, {"batch", "steps"});
//   OnnxValue x = graph.append(model.embedding, ids);                   // (batch, steps, dim)
//   x = graph.masked_mean(x, graph.not_equal(ids, 0));                  // (batch, dim)
//   graph.output("logits", graph.append(model.head, x), {"batch", 4});
//   graph.save("classifier.onnx");
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include <tapegrad/nn/module.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::nn {

class MultiheadAttention;
class RNNBase;
class TransformerEncoder;
class TransformerEncoderLayer;

// A tensor in the graph: a node's result, an input, or a constant.
struct OnnxValue {
  std::string name{};  // empty: there is none
  DType dtype = float32;
  std::int64_t dim = 0;  // number of dimensions

  bool defined() const { return !name.empty(); }
};

// A size that is known, or one that has a name.
using OnnxSize = std::variant<std::int64_t, std::string>;
using OnnxSizes = std::vector<OnnxSize>;
using OnnxAttribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>,
                                   std::vector<std::string>>;
using OnnxAttributes = std::map<std::string, OnnxAttribute>;

// What a recurrent layer may be given besides x, and what it gives: as RNNArguments, LSTMArguments,
// RNNResult and LSTMResult (nn/rnn.h). There is no mask, since ONNX knows lengths only:
// OnnxGraph::lengths() makes them of a mask whose sequences end early.
struct OnnxRecurrentArguments {
  OnnxValue h{};
  OnnxValue c{};  // of an LSTM
  OnnxValue lengths{};
};
struct OnnxRecurrentResult {
  OnnxValue output;
  OnnxValue h;
  OnnxValue c{};  // of an LSTM
};

// As AttentionCall, AttentionResult (nn/attention.h) and EncoderCall (nn/transformer.h), but that
// attn_mask and mask are (queries, keys).
struct OnnxAttentionCall {
  OnnxValue key_padding_mask{};
  bool need_weights = true;
  OnnxValue attn_mask{};
  bool average_attn_weights = true;
};
struct OnnxAttentionResult {
  OnnxValue output;
  OnnxValue weights{};
};
struct OnnxEncoderCall {
  OnnxValue mask{};
  OnnxValue key_padding_mask{};
};

// A list of nodes in the order of computation. Modules are described as eval() lets them run;
// their parameters are copied when they are appended. What throws leaves the graph as it was.
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string name);

  // ValueError if the name is taken.
  OnnxValue input(const std::string& name, DType dtype, const OnnxSizes& sizes);
  OnnxValue constant(const Tensor& value);
  // ValueError if the name is taken, or if the value has not as many dimensions.
  void output(const std::string& name, const OnnxValue& value, const OnnxSizes& sizes);

  // One operator of ONNX by its name there, with one result. An input that is left out has no name.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs, DType dtype,
                 std::int64_t dim, const OnnxAttributes& attributes = {});
  // The same, of the first input's type and number of dimensions.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs,
                 const OnnxAttributes& attributes = {});
  // With several results of the first input's type; `dims` has their numbers of dimensions.
  std::vector<OnnxValue> node_of_several(const std::string& op,
                                         const std::vector<OnnxValue>& inputs,
                                         const std::vector<std::int64_t>& dims,
                                         const OnnxAttributes& attributes = {});

  // A layer of nn, or a Sequential of such: what its operator() gives for x alone, and of a
  // recurrent layer or attention the output. ValueError for one that is not known here, which says
  // so, for what has no operator in ONNX, and for an x that has not the dimensions; DTypeError
  // unless x is of the type of the parameters, or int64 ids for a table.
  OnnxValue append(const Module& module, const OnnxValue& x);
  // RNN, LSTM, GRU. Lengths are int64 (batch).
  OnnxRecurrentResult append(const RNNBase& layer, const OnnxValue& x,
                             const OnnxRecurrentArguments& with);
  OnnxAttentionResult append(const MultiheadAttention& layer, const OnnxValue& query,
                             const OnnxValue& key, const OnnxValue& value,
                             const OnnxAttentionCall& call = {});
  OnnxValue append(const TransformerEncoderLayer& layer, const OnnxValue& x,
                   const OnnxEncoderCall& call);
  OnnxValue append(const TransformerEncoder& encoder, const OnnxValue& x,
                   const OnnxEncoderCall& call);

  // (batch, steps, dim) and a boolean (batch, steps) -> (batch, dim), as in nn/pooling.h.
  // ValueError otherwise.
  OnnxValue masked_mean(const OnnxValue& x, const OnnxValue& mask);
  OnnxValue masked_max(const OnnxValue& x, const OnnxValue& mask);
  // (batch, steps, dim) and int64 (batch) of 0 to steps - 1 -> (batch, dim): one step of each.
  OnnxValue take_step(const OnnxValue& x, const OnnxValue& step);
  OnnxValue lengths(const OnnxValue& mask);  // boolean (batch, steps) -> int64 (batch)

  // The operations of autograd/ops.h. They check less: only the program that reads the file finds
  // an error in the graph.
  OnnxValue equal(const OnnxValue& x, Scalar value);      // boolean
  OnnxValue not_equal(const OnnxValue& x, Scalar value);  // boolean
  OnnxValue logical_not(const OnnxValue& x);
  OnnxValue masked_fill(const OnnxValue& x, const OnnxValue& mask, Scalar value);
  OnnxValue add(const OnnxValue& x, Scalar value);
  OnnxValue mul(const OnnxValue& x, Scalar value);
  OnnxValue to(const OnnxValue& x, DType dtype);
  OnnxValue size(const OnnxValue& x, std::int64_t dim);  // int64 ()
  OnnxValue arange(const OnnxValue& count);              // int64 () -> (count)
  OnnxValue permute(const OnnxValue& x, const std::vector<std::int64_t>& dims);
  OnnxValue transpose(const OnnxValue& x, std::int64_t first, std::int64_t second);
  OnnxValue reshape(const OnnxValue& x, const Shape& sizes);  // 0: as x has it there
  OnnxValue unsqueeze(const OnnxValue& x, std::int64_t dim);
  OnnxValue squeeze(const OnnxValue& x, std::int64_t dim);
  OnnxValue select(const OnnxValue& x, std::int64_t dim, std::int64_t index);
  OnnxValue cat(const std::vector<OnnxValue>& values, std::int64_t dim);

  // The file's bytes. ValueError without an output, and beyond 2 GiB, which the format's encoding
  // does not allow.
  std::string bytes() const;
  // Replaces the file at `path` atomically. IoError.
  void save(const std::string& path) const;

 private:
  std::string fresh(const std::string& base);
  template <class Function>
  auto all_or_nothing(const Function& function);

  std::string name_;
  std::map<std::string, std::int64_t> taken_;
  std::string nodes_, constants_, inputs_, outputs_;  // encoded
};

}  // namespace tapegrad::nn
