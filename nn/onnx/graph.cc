// Building and writing a graph, and the operations from which layers are composed. Read next:
// nn/onnx/layers.h.
#include <tapegrad/nn/onnx/graph.h>

#include <limits>
#include <numeric>
#include <utility>

#include <tapegrad/nn/onnx/layers.h>
#include <tapegrad/nn/onnx/messages.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {

using onnx::put;

// Building ----------------------------------------------------------------------------------------

OnnxGraph::OnnxGraph(std::string name) : name_(std::move(name)) {}

std::string OnnxGraph::unique_name(const std::string& base) {
  std::string name = base;
  while (taken_.contains(name)) name = base + "_" + std::to_string(++taken_[base]);
  taken_[name] = 0;
  return name;
}

// Returns function(). If it throws, everything that it has appended is removed.
template <class Function>
auto OnnxGraph::all_or_nothing(const Function& function) {
  const std::size_t nodes = nodes_.size();
  const std::size_t constants = constants_.size();
  std::map<std::string, std::int64_t> taken = taken_;
  try {
    return function();
  } catch (...) {
    nodes_.resize(nodes);
    constants_.resize(constants);
    taken_ = std::move(taken);
    throw;
  }
}

OnnxValue OnnxGraph::input(const std::string& name, DType dtype, const OnnxSizes& sizes) {
  if (taken_.contains(name)) throw ValueError("OnnxGraph: name '" + name + "' is taken already");
  put(inputs_, 11, onnx::value_message(unique_name(name), dtype, sizes));
  return {name, dtype, static_cast<std::int64_t>(sizes.size())};
}

OnnxValue OnnxGraph::constant(const Tensor& value) {
  const std::string name = unique_name("constant");
  put(constants_, 5, onnx::tensor_message(name, value));
  return {name, value.dtype(), value.dim()};
}

void OnnxGraph::output(const std::string& name, const OnnxValue& value, const OnnxSizes& sizes) {
  if (taken_.contains(name)) throw ValueError("OnnxGraph: name '" + name + "' is taken already");
  if (value.dim != static_cast<std::int64_t>(sizes.size())) {
    throw ValueError("OnnxGraph: output '" + name + "' has " + std::to_string(value.dim) +
                     " dimensions, but got sizes for " + std::to_string(sizes.size()));
  }
  put(nodes_, 1, onnx::node_message("Identity", {value}, {unique_name(name)}, {}));
  put(outputs_, 12, onnx::value_message(name, value.dtype, sizes));
}

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs, DType dtype,
                          std::int64_t dim, const OnnxAttributes& attributes) {
  const std::string name = unique_name(op);
  put(nodes_, 1, onnx::node_message(op, inputs, {name}, attributes));
  return {name, dtype, dim};
}

namespace {

const OnnxValue& first_of(const std::string& op, const std::vector<OnnxValue>& inputs) {
  if (inputs.empty()) throw ValueError("OnnxGraph: " + op + ": got no inputs, needed at least one");
  return inputs[0];
}

}  // namespace

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs,
                          const OnnxAttributes& attributes) {
  const OnnxValue& first = first_of(op, inputs);
  return node(op, inputs, first.dtype, first.dim, attributes);
}

std::vector<OnnxValue> OnnxGraph::node_of_several(const std::string& op,
                                                  const std::vector<OnnxValue>& inputs,
                                                  const std::vector<std::int64_t>& dims,
                                                  const OnnxAttributes& attributes) {
  const DType dtype = first_of(op, inputs).dtype;
  std::vector<OnnxValue> results;
  std::vector<std::string> names;
  for (const std::int64_t dim : dims) {
    names.push_back(unique_name(op));
    results.push_back({names.back(), dtype, dim});
  }
  put(nodes_, 1, onnx::node_message(op, inputs, names, attributes));
  return results;
}

// Layers ------------------------------------------------------------------------------------------

OnnxValue OnnxGraph::append(const Module& module, const OnnxValue& x) {
  return all_or_nothing([&] { return onnx::layer(*this, module, x); });
}

OnnxRecurrentResult OnnxGraph::append(const RNNBase& layer, const OnnxValue& x,
                                      const OnnxRecurrentArguments& with) {
  return all_or_nothing([&] { return onnx::recurrent(*this, layer, x, &with); });
}

OnnxAttentionResult OnnxGraph::append(const MultiheadAttention& layer, const OnnxValue& query,
                                      const OnnxValue& key, const OnnxValue& value,
                                      const OnnxAttentionCall& call) {
  return all_or_nothing([&] { return onnx::attention(*this, layer, query, key, value, call); });
}

OnnxValue OnnxGraph::append(const TransformerEncoderLayer& layer, const OnnxValue& x,
                            const OnnxEncoderCall& call) {
  return all_or_nothing([&] { return onnx::encoder_layer(*this, layer, x, call); });
}

OnnxValue OnnxGraph::append(const TransformerEncoder& encoder, const OnnxValue& x,
                            const OnnxEncoderCall& call) {
  return all_or_nothing([&] { return onnx::encoder(*this, encoder, x, call); });
}

// Pooling -----------------------------------------------------------------------------------------

namespace {

const OnnxAttributes kDropDim = {{"keepdims", std::int64_t{0}}};
const OnnxAttributes kDropSteps = {{"axes", std::vector<std::int64_t>{1}},
                                   {"keepdims", std::int64_t{0}}};

void check_pooled_layer(const char* operation, const OnnxValue& x, const OnnxValue& mask) {
  if (x.dim == 3 && mask.dim == 2 && mask.dtype == boolean) return;
  throw ValueError("OnnxGraph: " + std::string(operation) + ": x has " + std::to_string(x.dim) +
                   " dimensions and mask is " + name(mask.dtype) + " with " +
                   std::to_string(mask.dim) +
                   ", needed (batch, steps, dim) and boolean (batch, steps)");
}

}  // namespace

OnnxValue OnnxGraph::masked_mean(const OnnxValue& x, const OnnxValue& mask) {
  check_pooled_layer("masked_mean", x, mask);
  const OnnxValue wide_mask = unsqueeze(mask, 2);  // (batch, steps, 1)
  const OnnxValue one = constant(tensor({1}));
  const OnnxValue total =
      node("ReduceSum", {masked_fill(x, logical_not(wide_mask), 0), one}, x.dtype, 2, kDropDim);
  const OnnxValue count = node("ReduceSum", {to(wide_mask, x.dtype), one}, x.dtype, 2, kDropDim);
  return node("Div", {total, node("Clip", {count, constant(full({}, 1, x.dtype))})});
}

OnnxValue OnnxGraph::masked_max(const OnnxValue& x, const OnnxValue& mask) {
  check_pooled_layer("masked_max", x, mask);
  const OnnxValue wide_mask = unsqueeze(mask, 2);  // (batch, steps, 1)
  const double lowest = -std::numeric_limits<double>::infinity();
  const OnnxValue largest =
      node("ReduceMax", {masked_fill(x, logical_not(wide_mask), lowest)}, x.dtype, 2, kDropSteps);
  const OnnxValue any = node("ReduceMax", {to(wide_mask, x.dtype)}, x.dtype, 2, kDropSteps);
  return masked_fill(largest, equal(any, 0), 0);
}

OnnxValue OnnxGraph::take_step(const OnnxValue& x, const OnnxValue& step) {
  return node("GatherND", {x, unsqueeze(step, 1)}, x.dtype, 2, {{"batch_dims", std::int64_t{1}}});
}

OnnxValue OnnxGraph::lengths(const OnnxValue& mask) {
  return node("ReduceSum", {to(mask, int64), constant(tensor({1}))}, int64, 1, kDropDim);
}

// Operations --------------------------------------------------------------------------------------

OnnxValue OnnxGraph::equal(const OnnxValue& x, Scalar value) {
  return node("Equal", {x, constant(full({}, value, x.dtype))}, boolean, x.dim);
}
OnnxValue OnnxGraph::not_equal(const OnnxValue& x, Scalar value) {
  return logical_not(equal(x, value));
}
OnnxValue OnnxGraph::logical_not(const OnnxValue& x) { return node("Not", {x}); }
OnnxValue OnnxGraph::masked_fill(const OnnxValue& x, const OnnxValue& mask, Scalar value) {
  return node("Where", {mask, constant(full({}, value, x.dtype)), x}, x.dtype, x.dim);
}
OnnxValue OnnxGraph::add(const OnnxValue& x, Scalar value) {
  return node("Add", {x, constant(full({}, value, x.dtype))});
}
OnnxValue OnnxGraph::mul(const OnnxValue& x, Scalar value) {
  return node("Mul", {x, constant(full({}, value, x.dtype))});
}
OnnxValue OnnxGraph::to(const OnnxValue& x, DType dtype) {
  return node("Cast", {x}, dtype, x.dim, {{"to", onnx::type_number(dtype)}});
}

OnnxValue OnnxGraph::size(const OnnxValue& x, std::int64_t dim) {
  return select(node("Shape", {x}, int64, 1), 0, dim);
}
OnnxValue OnnxGraph::arange(const OnnxValue& count) {
  return node("Range", {constant(full({}, 0, int64)), count, constant(full({}, 1, int64))}, int64,
              1);
}

OnnxValue OnnxGraph::permute(const OnnxValue& x, const std::vector<std::int64_t>& dims) {
  return node("Transpose", {x}, {{"perm", dims}});
}
OnnxValue OnnxGraph::transpose(const OnnxValue& x, std::int64_t first, std::int64_t second) {
  std::vector<std::int64_t> dims(static_cast<std::size_t>(x.dim));
  std::iota(dims.begin(), dims.end(), 0);
  const auto at = [&](std::int64_t dim) -> std::int64_t& {
    if (dim >= -x.dim && dim < x.dim) return dims[static_cast<std::size_t>((dim + x.dim) % x.dim)];
    throw IndexError("OnnxGraph: transpose: dimension " + std::to_string(dim) +
                     " out of range for " + std::to_string(x.dim));
  };
  std::swap(at(first), at(second));
  return permute(x, dims);
}
OnnxValue OnnxGraph::reshape(const OnnxValue& x, const Shape& sizes) {
  const std::vector<std::int64_t> numbers(sizes.begin(), sizes.end());
  return node("Reshape", {x, constant(tensor(numbers))}, x.dtype,
              static_cast<std::int64_t>(numbers.size()));
}
OnnxValue OnnxGraph::unsqueeze(const OnnxValue& x, std::int64_t dim) {
  return node("Unsqueeze", {x, constant(tensor({dim}))}, x.dtype, x.dim + 1);
}
OnnxValue OnnxGraph::squeeze(const OnnxValue& x, std::int64_t dim) {
  return node("Squeeze", {x, constant(tensor({dim}))}, x.dtype, x.dim - 1);
}
OnnxValue OnnxGraph::select(const OnnxValue& x, std::int64_t dim, std::int64_t index) {
  return node("Gather", {x, constant(full({}, index, int64))}, x.dtype, x.dim - 1, {{"axis", dim}});
}
OnnxValue OnnxGraph::cat(const std::vector<OnnxValue>& values, std::int64_t dim) {
  return values.size() == 1 ? values[0] : node("Concat", values, {{"axis", dim}});
}

// Writing -----------------------------------------------------------------------------------------

std::string OnnxGraph::bytes() const {
  if (outputs_.empty())
    throw ValueError("OnnxGraph: the graph has no output; add one with output()");
  std::string graph = nodes_;
  put(graph, 2, name_);
  graph += constants_ + inputs_ + outputs_;
  std::string opset, model;
  put(opset, 1, std::string_view());
  put(opset, 2, std::int64_t{13});
  put(model, 1, std::int64_t{7});
  put(model, 2, std::string_view("tapegrad"));
  put(model, 7, graph);
  put(model, 8, opset);
  if (model.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw ValueError("OnnxGraph: the model takes " + std::to_string(model.size()) +
                     " bytes, needed at most 2147483647, the limit of the format");
  }
  return model;
}

void OnnxGraph::save(const std::string& path) const {
  write_file_atomically(path, bytes(), "OnnxGraph::save");
}

}  // namespace tapegrad::nn
