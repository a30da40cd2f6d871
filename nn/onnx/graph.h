// OnnxGraph: export of models to the ONNX format (https://onnx.ai), which other runtimes read:
// opset 13, IR version 7. Read next: nn/onnx/graph.cc.
//
// The library cannot look inside a module's operator(), so an export repeats its steps on a graph:
//
//   OnnxGraph graph("classifier");
//   OnnxValue ids = graph.input("ids", int64, {"batch", "steps"});
//   OnnxValue x = graph.append(model.embedding, ids);                   // (batch, steps, dim)
//   x = graph.masked_mean(x, graph.not_equal(ids, 0));                  // (batch, dim)
//   graph.output("logits", graph.append(model.head, x), {"batch", 4});
//   graph.save("classifier.onnx");
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::nn {

class MultiheadAttention;
class RNNBase;
class TransformerEncoder;
class TransformerEncoderLayer;

// A tensor in the graph: a node's result, an input, or a constant.
struct OnnxValue {
  std::string name{};  // empty: undefined
  DType dtype = float32;
  std::int64_t dim = 0;  // number of dimensions

  bool defined() const { return !name.empty(); }
};

// A known size, or the name of a size that is known only when the model runs.
struct OnnxSize {
  template <std::integral T>
  OnnxSize(T known) : size(static_cast<std::int64_t>(known)) {}  // NOLINT: implicit, for lists
  OnnxSize(std::string unknown) : name(std::move(unknown)) {}    // NOLINT
  OnnxSize(const char* unknown) : name(unknown) {}               // NOLINT

  std::int64_t size = 0;  // if there is no name
  std::string name{};
};
using OnnxSizes = std::vector<OnnxSize>;

// The value of a node's attribute, in the member that `kind` names. The kinds have their numbers in
// the format (AttributeProto.AttributeType).
struct OnnxAttribute {
  enum class Kind { number = 1, integer = 2, text = 3, integers = 7, texts = 8 };

  OnnxAttribute() = default;
  template <std::integral T>
  OnnxAttribute(T value) : kind(Kind::integer), integer(static_cast<std::int64_t>(value)) {}
  OnnxAttribute(double value) : kind(Kind::number), number(value) {}
  OnnxAttribute(std::string value) : kind(Kind::text), text(std::move(value)) {}
  OnnxAttribute(const char* value) : OnnxAttribute(std::string(value)) {}
  OnnxAttribute(std::vector<std::int64_t> value)
      : kind(Kind::integers), integers(std::move(value)) {}
  OnnxAttribute(std::vector<std::string> value) : kind(Kind::texts), texts(std::move(value)) {}

  Kind kind = Kind::integer;
  double number = 0;
  std::int64_t integer = 0;
  std::string text{};
  std::vector<std::int64_t> integers{};
  std::vector<std::string> texts{};
};
using OnnxAttributes = std::map<std::string, OnnxAttribute>;

// The arguments of a recurrent layer besides x, and its result, as in RNNArguments, LSTMArguments,
// RNNResult and LSTMResult (nn/rnn.h). There is no mask, because ONNX supports only lengths;
// OnnxGraph::lengths() computes them from a mask that is true up to the end of each sequence.
struct OnnxRecurrentArguments {
  OnnxValue h{};
  OnnxValue c{};  // for LSTM only
  OnnxValue lengths{};
};
struct OnnxRecurrentResult {
  OnnxValue output;
  OnnxValue h;
  OnnxValue c{};  // for LSTM only
};

// As AttentionCall, AttentionResult (nn/attention.h) and EncoderCall (nn/transformer.h), except
// that attn_mask and mask must be (queries, keys).
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

// A list of nodes in the order of computation. Modules are exported as they run in eval mode;
// append() copies their parameters. A call that throws leaves the graph unchanged.
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string name);

  // ValueError if the name is taken.
  OnnxValue input(const std::string& name, DType dtype, const OnnxSizes& sizes);
  OnnxValue constant(const Tensor& value);
  // ValueError if the name is taken, or if the value does not have as many dimensions as `sizes`.
  void output(const std::string& name, const OnnxValue& value, const OnnxSizes& sizes);

  // Appends an ONNX operator with one result. An omitted input is an undefined OnnxValue.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs, DType dtype,
                 std::int64_t dim, const OnnxAttributes& attributes = {});
  // The same, for a result of the first input's type and number of dimensions.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs,
                 const OnnxAttributes& attributes = {});
  // The same, for several results of the first input's type; `dims` holds their numbers of
  // dimensions.
  std::vector<OnnxValue> node_of_several(const std::string& op,
                                         const std::vector<OnnxValue>& inputs,
                                         const std::vector<std::int64_t>& dims,
                                         const OnnxAttributes& attributes = {});

  // Appends a layer of nn, or a Sequential of layers, and returns the result of its operator()(x);
  // for recurrent layers and attention, its output. ValueError for a class that this function does
  // not know, for options that ONNX cannot express, and for a wrong number of dimensions of x;
  // DTypeError unless x has the parameters' type, or is int64 ids for an embedding.
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
  // (batch, steps, dim) and int64 (batch) from 0 to steps - 1 -> (batch, dim): one step of each
  // sequence.
  OnnxValue take_step(const OnnxValue& x, const OnnxValue& step);
  OnnxValue lengths(const OnnxValue& mask);  // boolean (batch, steps) -> int64 (batch)

  // The operations of autograd/ops.h, with fewer checks: other errors in the graph appear only in
  // the program that reads the file.
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
  OnnxValue reshape(const OnnxValue& x, const Shape& sizes);  // 0: the same size as in x
  OnnxValue unsqueeze(const OnnxValue& x, std::int64_t dim);
  OnnxValue squeeze(const OnnxValue& x, std::int64_t dim);
  OnnxValue select(const OnnxValue& x, std::int64_t dim, std::int64_t index);
  OnnxValue cat(const std::vector<OnnxValue>& values, std::int64_t dim);

  // The file's bytes. ValueError if there is no output, and above 2 GiB, the limit of the encoding.
  std::string bytes() const;
  // Replaces the file at `path` atomically. IoError.
  void save(const std::string& path) const;

 private:
  std::string unique_name(const std::string& base);
  template <class Function>
  auto all_or_nothing(const Function& function);

  std::string name_;
  std::map<std::string, std::int64_t> taken_;
  std::string nodes_, constants_, inputs_, outputs_;  // encoded
};

}  // namespace tapegrad::nn
