// Models in the ONNX format (https://onnx.ai), which other runtimes read: opset 13, IR 7. Read
// next: nn/onnx.cc.
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

// A tensor in the graph: what a node gives, or an input, or a constant.
struct OnnxValue {
  std::string name;
  DType dtype = float32;
  std::int64_t dim = 0;  // number of dimensions
};

// A size that is known, or one that has a name.
using OnnxSize = std::variant<std::int64_t, std::string>;
using OnnxSizes = std::vector<OnnxSize>;
using OnnxAttribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;
using OnnxAttributes = std::map<std::string, OnnxAttribute>;

// A list of nodes in the order of computation. Modules are described as eval() lets them run;
// their parameters are copied when they are appended.
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string name);

  // ValueError if the name is taken.
  OnnxValue input(const std::string& name, DType dtype, const OnnxSizes& sizes);
  OnnxValue constant(const Tensor& value);
  // ValueError if the name is taken, or if the value has not as many dimensions.
  void output(const std::string& name, const OnnxValue& value, const OnnxSizes& sizes);

  // One operator of ONNX by its name there, with one result.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs, DType dtype,
                 std::int64_t dim, const OnnxAttributes& attributes = {});
  // The same, of the first input's type and number of dimensions.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs,
                 const OnnxAttributes& attributes = {});

  // A layer of nn, or a Sequential of such. ValueError for one that is not known here, which says
  // so, and for what has no operator in ONNX.
  OnnxValue append(const Module& module, const OnnxValue& x);

  // (batch, steps, dim) and a boolean (batch, steps) -> (batch, dim), as in nn/pooling.h.
  OnnxValue masked_mean(const OnnxValue& x, const OnnxValue& mask);
  OnnxValue masked_max(const OnnxValue& x, const OnnxValue& mask);
  OnnxValue not_equal(const OnnxValue& x, Scalar value);  // boolean

  // The file's bytes. ValueError without an output, and beyond 2 GiB, which the format's encoding
  // does not allow.
  std::string bytes() const;
  // Replaces the file at `path` atomically. IoError.
  void save(const std::string& path) const;

 private:
  std::string fresh(const std::string& base);
  OnnxValue where(const OnnxValue& condition, const OnnxValue& x, Scalar otherwise);

  std::string name_;
  std::map<std::string, std::int64_t> taken_;
  std::string nodes_, constants_, inputs_, outputs_;  // encoded
};

}  // namespace tapegrad::nn
