// How each layer is written in ONNX's operators, and the encoding: protocol buffers, by hand. A
// message is a list of fields, each a number and a kind, then a varint, four bytes, or a length and
// as many bytes. The field numbers are those of onnx.proto3.
//
// A new layer has a function here and a row in layers(). (Those with gates must reorder them: ONNX
// has z, r, h for a GRU, with linear_before_reset = 1, and i, o, f, c for an LSTM.)
//
// Read next: tensor/file_io.h.
#include <tapegrad/nn/onnx.h>

#include <cmath>
#include <functional>
#include <limits>
#include <typeindex>
#include <typeinfo>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/tensor/file_io.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {
namespace {

// Protocol buffers --------------------------------------------------------------------------------

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

void put(std::string& to, unsigned field, std::int64_t value) {
  put_varint(to, field << 3);
  put_varint(to, static_cast<std::uint64_t>(value));
}
void put(std::string& to, unsigned field, float value) {
  put_varint(to, field << 3 | 5);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& to, unsigned field, std::string_view bytes) {  // also a message
  put_varint(to, field << 3 | 2);
  put_varint(to, bytes.size());
  to += bytes;
}

// Messages ----------------------------------------------------------------------------------------

std::int64_t onnx_type(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 9;
    case DType::int64:
      return 7;
    case DType::float32:
      return 1;
    case DType::float64:
      break;
  }
  return 11;
}

std::string tensor_message(const std::string& name, const Tensor& tensor) {
  const Tensor data = tensor.contiguous();
  std::string message;
  for (const std::int64_t size : data.sizes()) put(message, 1, size);
  put(message, 2, onnx_type(data.dtype()));
  put(message, 8, name);
  put(message, 9,
      std::string_view(data.data<char>(),
                       static_cast<std::size_t>(data.numel()) * item_size(data.dtype())));
  return message;
}

std::string value_message(const std::string& name, DType dtype, const OnnxSizes& sizes) {
  std::string shape;
  for (const OnnxSize& size : sizes) {
    std::string dim;
    if (const auto* number = std::get_if<std::int64_t>(&size)) {
      put(dim, 1, *number);
    } else {
      put(dim, 2, std::get<std::string>(size));
    }
    put(shape, 1, dim);
  }
  std::string tensor_type, type, message;
  put(tensor_type, 1, onnx_type(dtype));
  put(tensor_type, 2, shape);
  put(type, 1, tensor_type);
  put(message, 1, name);
  put(message, 2, type);
  return message;
}

std::string attribute_message(const std::string& name, const OnnxAttribute& attribute) {
  constexpr unsigned kKind = 20;
  std::string message;
  put(message, 1, name);
  if (const auto* integer = std::get_if<std::int64_t>(&attribute)) {
    put(message, 3, *integer);
    put(message, kKind, std::int64_t{2});
  } else if (const auto* number = std::get_if<double>(&attribute)) {
    put(message, 2, static_cast<float>(*number));
    put(message, kKind, std::int64_t{1});
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    put(message, 4, *text);
    put(message, kKind, std::int64_t{3});
  } else {
    for (const std::int64_t each : std::get<std::vector<std::int64_t>>(attribute)) {
      put(message, 8, each);
    }
    put(message, kKind, std::int64_t{7});
  }
  return message;
}

// Layers ------------------------------------------------------------------------------------------

[[noreturn]] void refuse(const Module& module, const std::string& why) {
  throw ValueError("OnnxGraph: " + module.description() + ": " + why);
}

OnnxValue linear(OnnxGraph& graph, const Linear& layer, const OnnxValue& x) {
  const Tensor& weight = layer.weight.value();
  if (x.dim == 2) {
    std::vector<OnnxValue> inputs = {x, graph.constant(weight)};
    if (layer.bias.defined()) inputs.push_back(graph.constant(layer.bias.value()));
    return graph.node("Gemm", inputs, {{"transB", std::int64_t{1}}});
  }
  const OnnxValue y = graph.node("MatMul", {x, graph.constant(transpose(weight))});
  return layer.bias.defined() ? graph.node("Add", {y, graph.constant(layer.bias.value())}) : y;
}

OnnxValue lookup(OnnxGraph& graph, const Tensor& table, const OnnxValue& ids) {
  return graph.node("Gather", {graph.constant(table), ids}, table.dtype(), ids.dim + 1,
                    {{"axis", std::int64_t{0}}});
}

OnnxValue embedding(OnnxGraph& graph, const Embedding& layer, const OnnxValue& ids) {
  if (layer.options().max_norm && layer.options().norm_mode == NormMode::in_forward) {
    refuse(layer, "max_norm writes to the table at each lookup, which ONNX cannot say");
  }
  Tensor table = layer.merged_weight();
  if (layer.options().padding_mode == PaddingMode::zero_output && layer.padding_idx()) {
    table = table.clone();
    select(table, 0, *layer.padding_idx()).zero_();
  }
  return lookup(graph, table, ids);
}

OnnxValue embedding_bag(OnnxGraph& graph, const EmbeddingBag& layer, const OnnxValue& ids) {
  if (layer.options().max_norm) {
    refuse(layer, "max_norm writes to the table at each lookup, which ONNX cannot say");
  }
  if (ids.dim != 2)
    refuse(layer, "got ids of " + std::to_string(ids.dim) + " dimensions, needed 2");
  const OnnxValue x = lookup(graph, layer.weight.value(), ids);  // (batch, steps, dim)
  // Without padding, every id counts.
  const OnnxValue mask = layer.padding_idx() ? graph.not_equal(ids, *layer.padding_idx())
                                             : graph.node("Equal", {ids, ids}, boolean, ids.dim);
  if (layer.options().mode == BagMode::max) return graph.masked_max(x, mask);
  if (layer.options().mode == BagMode::mean) return graph.masked_mean(x, mask);
  const OnnxValue counted =
      graph.node("Cast", {graph.node("Unsqueeze", {mask, graph.constant(tensor({2}))}, boolean, 3)},
                 x.dtype, 3, {{"to", onnx_type(x.dtype)}});
  return graph.node("ReduceSum", {graph.node("Mul", {x, counted}), graph.constant(tensor({1}))},
                    x.dtype, 2, {{"keepdims", std::int64_t{0}}});
}

OnnxValue sequential(OnnxGraph& graph, const Sequential& layer, const OnnxValue& x) {
  const auto parts = layer.named_children();
  if (parts.size() != layer.size()) {
    refuse(layer, "a part of it is a function, which cannot be described; needed modules only");
  }
  OnnxValue y = x;
  for (const auto& [name, part] : parts) y = graph.append(*part, y);
  return y;
}

// x * (1 + erf(x / sqrt(2))) / 2
OnnxValue gelu(OnnxGraph& graph, const GELU&, const OnnxValue& x) {
  const auto number = [&](double value) { return graph.constant(full({}, value, x.dtype)); };
  const OnnxValue error = graph.node("Erf", {graph.node("Mul", {x, number(std::sqrt(0.5))})});
  const OnnxValue weight = graph.node("Mul", {graph.node("Add", {error, number(1)}), number(0.5)});
  return graph.node("Mul", {x, weight});
}

using Layer = std::function<OnnxValue(OnnxGraph&, const Module&, const OnnxValue&)>;

// A row of the table, out of a function that takes an M.
template <class M, class Function>
std::pair<const std::type_index, Layer> layer(Function function) {
  return {typeid(M), [function](OnnxGraph& graph, const Module& module, const OnnxValue& x) {
            return function(graph, static_cast<const M&>(module), x);
          }};
}
template <class M>
OnnxValue unchanged(OnnxGraph&, const M&, const OnnxValue& x) {
  return x;
}

// By the exact class: one derived from them may do something else.
const std::map<std::type_index, Layer>& layers() {
  using G = OnnxGraph&;
  using X = const OnnxValue&;
  static const std::map<std::type_index, Layer> table = {
      layer<Linear>(linear),
      layer<Embedding>(embedding),
      layer<EmbeddingBag>(embedding_bag),
      layer<Sequential>(sequential),
      layer<GELU>(gelu),
      layer<Dropout>(unchanged<Dropout>),
      layer<Tanh>([](G g, const Tanh&, X x) { return g.node("Tanh", {x}); }),
      layer<Sigmoid>([](G g, const Sigmoid&, X x) { return g.node("Sigmoid", {x}); }),
      layer<ReLU>([](G g, const ReLU&, X x) { return g.node("Relu", {x}); }),
      layer<Softplus>([](G g, const Softplus&, X x) { return g.node("Softplus", {x}); }),
      layer<LeakyReLU>([](G g, const LeakyReLU& m, X x) {
        return g.node("LeakyRelu", {x}, {{"alpha", m.negative_slope()}});
      }),
      layer<ELU>([](G g, const ELU& m, X x) {
        return g.node("Elu", {x}, {{"alpha", m.alpha()}});
      }),
      layer<SiLU>([](G g, const SiLU&, X x) {
        return g.node("Mul", {x, g.node("Sigmoid", {x})});
      }),
      layer<Softmax>([](G g, const Softmax& m, X x) {
        return g.node("Softmax", {x}, {{"axis", m.dim()}});
      }),
      layer<LogSoftmax>([](G g, const LogSoftmax& m, X x) {
        return g.node("LogSoftmax", {x}, {{"axis", m.dim()}});
      }),
      layer<Flatten>([](G g, const Flatten&, X x) {
        return g.node("Flatten", {x}, x.dtype, 2, {{"axis", std::int64_t{1}}});
      }),
  };
  return table;
}

}  // namespace

// Building ----------------------------------------------------------------------------------------

OnnxGraph::OnnxGraph(std::string name) : name_(std::move(name)) {}

std::string OnnxGraph::fresh(const std::string& base) {
  std::string name = base;
  while (taken_.contains(name)) name = base + "_" + std::to_string(++taken_[base]);
  taken_[name] = 0;
  return name;
}

OnnxValue OnnxGraph::input(const std::string& name, DType dtype, const OnnxSizes& sizes) {
  if (taken_.contains(name)) throw ValueError("OnnxGraph: name '" + name + "' is taken already");
  put(inputs_, 11, value_message(fresh(name), dtype, sizes));
  return {name, dtype, static_cast<std::int64_t>(sizes.size())};
}

OnnxValue OnnxGraph::constant(const Tensor& value) {
  const std::string name = fresh("constant");
  put(constants_, 5, tensor_message(name, value));
  return {name, value.dtype(), value.dim()};
}

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs, DType dtype,
                          std::int64_t dim, const OnnxAttributes& attributes) {
  const std::string name = fresh(op);
  std::string message;
  for (const OnnxValue& value : inputs) put(message, 1, value.name);
  put(message, 2, name);
  put(message, 3, name);
  put(message, 4, op);
  for (const auto& [key, value] : attributes) put(message, 5, attribute_message(key, value));
  put(nodes_, 1, message);
  return {name, dtype, dim};
}

OnnxValue OnnxGraph::node(const std::string& op, const std::vector<OnnxValue>& inputs,
                          const OnnxAttributes& attributes) {
  return node(op, inputs, inputs.at(0).dtype, inputs.at(0).dim, attributes);
}

void OnnxGraph::output(const std::string& name, const OnnxValue& value, const OnnxSizes& sizes) {
  if (taken_.contains(name)) throw ValueError("OnnxGraph: name '" + name + "' is taken already");
  if (value.dim != static_cast<std::int64_t>(sizes.size())) {
    throw ValueError("OnnxGraph: output '" + name + "' has " + std::to_string(value.dim) +
                     " dimensions, got sizes for " + std::to_string(sizes.size()));
  }
  fresh(name);
  std::string message;
  put(message, 1, value.name);
  put(message, 2, name);
  put(message, 3, name);
  put(message, 4, std::string_view("Identity"));
  put(nodes_, 1, message);
  put(outputs_, 12, value_message(name, value.dtype, sizes));
}

OnnxValue OnnxGraph::append(const Module& module, const OnnxValue& x) {
  const auto found = layers().find(typeid(module));
  if (found == layers().end()) {
    refuse(module, "there is no description of this class; append its layers one by one");
  }
  return found->second(*this, module, x);
}

OnnxValue OnnxGraph::where(const OnnxValue& condition, const OnnxValue& x, Scalar otherwise) {
  return node("Where", {condition, x, constant(full({}, otherwise, x.dtype))}, x.dtype, x.dim);
}

OnnxValue OnnxGraph::not_equal(const OnnxValue& x, Scalar value) {
  return node("Not", {node("Equal", {x, constant(full({}, value, x.dtype))}, boolean, x.dim)});
}

OnnxValue OnnxGraph::masked_mean(const OnnxValue& x, const OnnxValue& mask) {
  const OnnxAttributes drop = {{"keepdims", std::int64_t{0}}};
  const OnnxValue one = constant(tensor({1}));
  const OnnxValue counted = node("Unsqueeze", {mask, constant(tensor({2}))}, boolean, 3);
  const OnnxValue total = node("ReduceSum", {where(counted, x, 0), one}, x.dtype, 2, drop);
  const OnnxValue number = node("Cast", {counted}, x.dtype, 3, {{"to", onnx_type(x.dtype)}});
  const OnnxValue count = node("ReduceSum", {number, one}, x.dtype, 2, drop);  // (batch, 1)
  return node("Div", {total, node("Clip", {count, constant(full({}, 1, x.dtype))})});
}

OnnxValue OnnxGraph::masked_max(const OnnxValue& x, const OnnxValue& mask) {
  const OnnxAttributes over_steps = {{"axes", std::vector<std::int64_t>{1}},
                                     {"keepdims", std::int64_t{0}}};
  const OnnxValue counted = node("Unsqueeze", {mask, constant(tensor({2}))}, boolean, 3);
  const double lowest = -std::numeric_limits<double>::infinity();
  const OnnxValue largest = node("ReduceMax", {where(counted, x, lowest)}, x.dtype, 2, over_steps);
  const OnnxValue number = node("Cast", {counted}, x.dtype, 3, {{"to", onnx_type(x.dtype)}});
  const OnnxValue any = node("Cast", {node("ReduceMax", {number}, x.dtype, 2, over_steps)}, boolean,
                             2, {{"to", onnx_type(boolean)}});  // (batch, 1)
  return where(any, largest, 0);
}

std::string OnnxGraph::bytes() const {
  if (outputs_.empty()) throw ValueError("OnnxGraph: the graph has no output; name one");
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
                     " bytes, the format allows 2147483647");
  }
  return model;
}

void OnnxGraph::save(const std::string& path) const {
  write_file_atomically(path, bytes(), "OnnxGraph::save");
}

}  // namespace tapegrad::nn
