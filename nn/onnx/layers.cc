// Layers without recurrence or attention as ONNX operators, and the table of all layers. To add a
// layer, write a function here and add a row to layers(). Read next: nn/onnx/activations.cc.
#include <tapegrad/nn/onnx/layers.h>

#include <functional>
#include <limits>
#include <typeindex>
#include <typeinfo>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/images.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/lora_embedding.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/nn/transformer.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn::onnx {

// Errors ------------------------------------------------------------------------------------------

void reject(const Module& module, const std::string& why) {
  throw ValueError("OnnxGraph: " + module.description() + ": " + why);
}

void check_dim(const Module& module, const OnnxValue& x, std::int64_t least, std::int64_t most,
               const char* what) {
  if (x.dim >= least && x.dim <= most) return;
  const std::string needed = most == least ? std::to_string(least)
                             : most == Shape::kMaxDims
                                 ? std::to_string(least) + " or more"
                                 : std::to_string(least) + " to " + std::to_string(most);
  reject(module,
         what + std::string(" has ") + std::to_string(x.dim) + " dimensions, needed " + needed);
}

void check_type(const Module& module, const OnnxValue& x, DType needed, const char* what) {
  if (x.dtype == needed) return;
  throw DTypeError("OnnxGraph: " + module.description() + ": " + what + " is " + name(x.dtype) +
                   ", needed " + name(needed));
}

// Linear layers and embeddings --------------------------------------------------------------------

OnnxValue affine(OnnxGraph& graph, const OnnxValue& x, const Tensor& weight, const Tensor& bias) {
  if (x.dim == 2) {
    std::vector<OnnxValue> inputs = {x, graph.constant(weight)};
    if (bias.defined()) inputs.push_back(graph.constant(bias));
    return graph.node("Gemm", inputs, {{"transB", std::int64_t{1}}});
  }
  const OnnxValue y = graph.node("MatMul", {x, graph.constant(tapegrad::transpose(weight))});
  return bias.defined() ? graph.node("Add", {y, graph.constant(bias)}) : y;
}

namespace {

Tensor value_or_none(const Parameter& parameter) {
  return parameter.defined() ? parameter.value() : Tensor();
}

OnnxValue linear(OnnxGraph& graph, const Linear& layer, const OnnxValue& x) {
  check_dim(layer, x, 1, Shape::kMaxDims);
  return affine(graph, x, layer.weight.value(), value_or_none(layer.bias));
}

OnnxValue lookup(OnnxGraph& graph, const Tensor& table, const OnnxValue& ids) {
  return graph.node("Gather", {graph.constant(table), ids}, table.dtype(), ids.dim + 1,
                    {{"axis", std::int64_t{0}}});
}

// The rows that lookups give: those of a copy of the table, and 0 for padding where options say so.
OnnxValue lookup(OnnxGraph& graph, Tensor table, const EmbeddingOptions& options,
                 const OnnxValue& ids) {
  if (options.padding_mode == PaddingMode::zero_output && options.padding_idx) {
    tapegrad::select(table, 0, *options.padding_idx).zero_();
  }
  return lookup(graph, table, ids);
}

OnnxValue embedding(OnnxGraph& graph, const Embedding& layer, const OnnxValue& ids) {
  if (layer.options().max_norm && layer.options().norm_mode == NormMode::in_forward) {
    reject(layer, "max_norm writes to the table at each lookup, which ONNX cannot express");
  }
  return lookup(graph, layer.weight.value().clone(), layer.options(), ids);
}

OnnxValue lora_embedding(OnnxGraph& graph, const LoraEmbedding& layer, const OnnxValue& ids) {
  return lookup(graph, layer.merged_weight(), layer.table.options(), ids);
}

OnnxValue embedding_bag(OnnxGraph& graph, const EmbeddingBag& layer, const OnnxValue& ids) {
  if (layer.options().max_norm) {
    reject(layer, "max_norm writes to the table at each lookup, which ONNX cannot express");
  }
  check_dim(layer, ids, 2, 2, "ids");
  const OnnxValue x = lookup(graph, layer.weight.value(), ids);  // (batch, steps, dim)
  // Without padding, the mask is true everywhere.
  const OnnxValue mask = layer.padding_idx() ? graph.not_equal(ids, *layer.padding_idx())
                                             : graph.node("Equal", {ids, ids}, boolean, ids.dim);
  if (layer.options().mode == BagMode::max) return graph.masked_max(x, mask);
  if (layer.options().mode == BagMode::mean) return graph.masked_mean(x, mask);
  const OnnxValue factors = graph.to(graph.unsqueeze(mask, 2), x.dtype);
  return graph.node("ReduceSum", {graph.node("Mul", {x, factors}), graph.constant(tensor({1}))},
                    x.dtype, 2, {{"keepdims", std::int64_t{0}}});
}

// Sequential --------------------------------------------------------------------------------------

OnnxValue sequential(OnnxGraph& graph, const Sequential& chain, const OnnxValue& x) {
  const auto parts = chain.named_children();
  if (parts.size() != chain.size()) {
    reject(chain, "a part of it is a function, which cannot be exported; needed modules only");
  }
  OnnxValue y = x;
  for (const auto& [name, part] : parts) y = layer(graph, *part, y);
  return y;
}

// Convolution and pooling -------------------------------------------------------------------------

using Integers = std::vector<std::int64_t>;

// Returns function(x) for x (batch, channels, ...) with `dims` more dimensions; adds a batch
// dimension if x has none.
template <class Function>
OnnxValue in_batches(OnnxGraph& graph, const Module& module, const OnnxValue& x, std::int64_t dims,
                     const Function& function) {
  check_dim(module, x, dims + 1, dims + 2);
  return x.dim == dims + 2 ? function(x) : graph.squeeze(function(graph.unsqueeze(x, 0)), 0);
}

// One size for each dimension.
Integers sizes_of(std::int64_t size) { return {size}; }
Integers sizes_of(const Size2d& size) { return {size.height, size.width}; }
// The same before and after.
Integers both_sides(const Integers& padding) {
  Integers pads = padding;
  pads.insert(pads.end(), padding.begin(), padding.end());
  return pads;
}

template <class Conv>
OnnxValue convolution(OnnxGraph& graph, const Conv& layer, const OnnxValue& x) {
  const auto& options = layer.options();
  if (options.padding_mode != PadMode::zeros) {
    reject(layer,
           "only padding with zeros can be exported; pad the input with a separate operation");
  }
  const auto sizes = layer.weight.sizes();
  const Integers kernel(sizes.begin() + 2, sizes.end());
  const Integers dilations = sizes_of(options.dilation);
  Integers pads = both_sides(sizes_of(options.padding));
  for (std::size_t d = 0; d < kernel.size(); ++d) {
    if (pads[d] != same_padding) continue;
    const std::int64_t total = dilations[d] * (kernel[d] - 1);
    pads[d] = total / 2;
    pads[d + kernel.size()] = total - total / 2;
  }
  return in_batches(graph, layer, x, layer.weight.dim() - 2, [&](const OnnxValue& batch) {
    std::vector<OnnxValue> inputs = {batch, graph.constant(layer.weight.value())};
    if (layer.bias.defined()) inputs.push_back(graph.constant(layer.bias.value()));
    return graph.node("Conv", inputs,
                      {{"kernel_shape", kernel},
                       {"strides", sizes_of(options.stride)},
                       {"pads", pads},
                       {"dilations", dilations},
                       {"group", options.groups}});
  });
}

// With ceil_mode, ONNX and PyTorch differ for windows that begin in the padding.
void check_windows(const Module& layer, bool ceil_mode) {
  if (ceil_mode)
    reject(layer, "ceil_mode counts windows differently from ONNX; needed ceil_mode = false");
}

template <class Pool>
OnnxValue max_pool(OnnxGraph& graph, const Pool& layer, const OnnxValue& x) {
  const auto& options = layer.options();
  check_windows(layer, options.ceil_mode);
  const Integers kernel = sizes_of(layer.kernel_size());
  return in_batches(
      graph, layer, x, static_cast<std::int64_t>(kernel.size()), [&](const OnnxValue& batch) {
        return graph.node("MaxPool", {batch},
                          {{"kernel_shape", kernel},
                           {"strides", sizes_of(options.stride.value_or(layer.kernel_size()))},
                           {"pads", both_sides(sizes_of(options.padding))},
                           {"dilations", sizes_of(options.dilation)}});
      });
}

template <class Pool>
OnnxValue average_pool(OnnxGraph& graph, const Pool& layer, const OnnxValue& x) {
  const auto& options = layer.options();
  check_windows(layer, options.ceil_mode);
  if constexpr (requires { options.divisor_override; }) {
    if (options.divisor_override.has_value()) {
      reject(layer, "ONNX has no divisor_override; needed std::nullopt");
    }
  }
  const Integers kernel = sizes_of(layer.kernel_size());
  return in_batches(
      graph, layer, x, static_cast<std::int64_t>(kernel.size()), [&](const OnnxValue& batch) {
        return graph.node("AveragePool", {batch},
                          {{"kernel_shape", kernel},
                           {"strides", sizes_of(options.stride.value_or(layer.kernel_size()))},
                           {"pads", both_sides(sizes_of(options.padding))},
                           {"count_include_pad", std::int64_t{options.count_include_pad}}});
      });
}

template <class M>
OnnxValue adaptive_pool(OnnxGraph& graph, const M& layer, const OnnxValue& x, const char* op) {
  check_dim(layer, x, 2, 3);
  if (layer.output_size() != 1) {
    reject(layer,
           "ONNX has no pooling windows that depend on the length; needed an output_size of 1");
  }
  return graph.node(op, {x}, {{"axes", Integers{x.dim - 1}}});
}

OnnxValue adaptive_average(OnnxGraph& graph, const AdaptiveAvgPool2d& layer, const OnnxValue& x) {
  check_dim(layer, x, 3, 4);
  if (layer.output_size() != Size2d(1)) {
    reject(layer,
           "ONNX has no pooling windows that depend on the size; needed an output_size of 1");
  }
  return graph.node("ReduceMean", {x}, {{"axes", Integers{x.dim - 2, x.dim - 1}}});
}

// Norms -------------------------------------------------------------------------------------------

// x / sqrt(mean of x^2 + eps) over the dimensions. (ONNX has LayerNormalization from opset 17.)
OnnxValue scaled(OnnxGraph& graph, const OnnxValue& x, const Integers& dims, double eps) {
  const OnnxValue square = graph.node("ReduceMean", {graph.node("Mul", {x, x})}, {{"axes", dims}});
  return graph.node("Div", {x, graph.node("Sqrt", {graph.add(square, eps)})});
}

// The dimensions of normalized_shape. (OpenCV cannot read dimensions that count from the end.)
Integers last_dims(const Module& module, const Shape& normalized_shape, const OnnxValue& x) {
  check_dim(module, x, normalized_shape.dim(), Shape::kMaxDims);
  Integers dims;
  for (std::int64_t d = x.dim - normalized_shape.dim(); d < x.dim; ++d) dims.push_back(d);
  return dims;
}

OnnxValue layer_norm(OnnxGraph& graph, const LayerNorm& layer, const OnnxValue& x) {
  const Integers dims = last_dims(layer, layer.normalized_shape(), x);
  const OnnxValue centered =
      graph.node("Sub", {x, graph.node("ReduceMean", {x}, {{"axes", dims}})});
  const OnnxValue y = scaled(graph, centered, dims, layer.eps());
  if (!layer.weight.defined()) return y;
  const OnnxValue weighted = graph.node("Mul", {y, graph.constant(layer.weight.value())});
  return graph.node("Add", {weighted, graph.constant(layer.bias.value())});
}

OnnxValue rms_norm(OnnxGraph& graph, const RMSNorm& layer, const OnnxValue& x) {
  const double smallest = x.dtype == float64 ? std::numeric_limits<double>::epsilon()
                                             : std::numeric_limits<float>::epsilon();
  const Integers dims = last_dims(layer, layer.normalized_shape(), x);
  const OnnxValue y = scaled(graph, x, dims, layer.eps().value_or(smallest));
  return layer.weight.defined() ? graph.node("Mul", {y, graph.constant(layer.weight.value())}) : y;
}

OnnxValue batch_norm(OnnxGraph& graph, const BatchNorm& layer, const OnnxValue& x) {
  if (!layer.running_mean->defined()) {
    reject(layer,
           "without running statistics it uses the statistics of each batch; needed "
           "track_running_stats = true");
  }
  const Tensor mean = *layer.running_mean;
  const bool affine = layer.weight.defined();
  return graph.node("BatchNormalization",
                    {x, graph.constant(affine ? layer.weight.value() : ones_like(mean)),
                     graph.constant(affine ? layer.bias.value() : zeros_like(mean)),
                     graph.constant(mean), graph.constant(*layer.running_var)},
                    {{"epsilon", layer.options().eps}});
}

// Normalizes groups in a copy with one row for each, and returns to x's shape.
OnnxValue group_norm(OnnxGraph& graph, const GroupNorm& layer, const OnnxValue& x) {
  check_dim(layer, x, 3, 4);
  const OnnxValue rows =
      graph.node("Reshape", {x, graph.constant(tensor({std::int64_t{0}, layer.num_groups(), -1}))},
                 x.dtype, 3);
  const OnnxValue centered =
      graph.node("Sub", {rows, graph.node("ReduceMean", {rows}, {{"axes", Integers{2}}})});
  const OnnxValue y = graph.node(
      "Reshape", {scaled(graph, centered, {2}, layer.eps()), graph.node("Shape", {x}, int64, 1)},
      x.dtype, x.dim);
  if (!layer.weight.defined()) return y;
  const Shape along =
      x.dim == 3 ? Shape{layer.num_channels(), 1} : Shape{layer.num_channels(), 1, 1};
  const OnnxValue weighted =
      graph.node("Mul", {y, graph.constant(reshape(layer.weight.value(), along))});
  return graph.node("Add", {weighted, graph.constant(reshape(layer.bias.value(), along))});
}

// Positions ---------------------------------------------------------------------------------------

// Adds the first rows of a table to x, one row to each step.
OnnxValue with_rows(OnnxGraph& graph, const Module& module, const OnnxValue& x, const Tensor& table,
                    bool batch_first) {
  check_dim(module, x, 3, 3);
  const OnnxValue zero = graph.constant(tensor({0}));
  const OnnxValue steps = graph.unsqueeze(graph.size(x, batch_first ? 1 : 0), 0);
  const OnnxValue rows =
      graph.node("Slice", {graph.constant(table.to(x.dtype)), zero, steps, zero});
  return graph.node("Add", {x, batch_first ? rows : graph.unsqueeze(rows, 1)});
}

// The table ---------------------------------------------------------------------------------------

using Writer = std::function<OnnxValue(OnnxGraph&, const Module&, const OnnxValue&)>;

// DTypeError unless x is int64 for an embedding; for other layers, of the parameters' type or,
// without parameters, of either floating-point type.
template <class M>
void check_type_for(const M& module, const OnnxValue& x) {
  if constexpr (std::is_same_v<M, Embedding> || std::is_same_v<M, EmbeddingBag> ||
                std::is_same_v<M, LoraEmbedding>) {
    check_type(module, x, int64, "ids");
  } else if constexpr (!std::is_same_v<M, Sequential>) {  // whose parts are checked instead
    const auto parameters = module.parameters();
    if (!parameters.empty()) {
      check_type(module, x, parameters[0].variable.dtype());
    } else if (x.dtype != float64) {
      check_type(module, x, float32);
    }
  }
}

// A row of the table, from a function that takes an M.
template <class M, class Function>
std::pair<const std::type_index, Writer> row(Function function) {
  return {typeid(M), [function](OnnxGraph& graph, const Module& module, const OnnxValue& x) {
            const M& exact = static_cast<const M&>(module);
            check_type_for(exact, x);
            return function(graph, exact, x);
          }};
}

template <class M>
OnnxValue unchanged(OnnxGraph&, const M&, const OnnxValue& x) {
  return x;
}

const std::map<std::type_index, Writer>& layers() {
  using G = OnnxGraph&;
  using X = const OnnxValue&;
  static const std::map<std::type_index, Writer> table = {
      row<Linear>(linear),
      row<Embedding>(embedding),
      row<EmbeddingBag>(embedding_bag),
      row<LoraEmbedding>(lora_embedding),
      row<Sequential>(sequential),
      row<RNN>([](G g, const RNN& m, X x) { return recurrent(g, m, x, nullptr).output; }),
      row<LSTM>([](G g, const LSTM& m, X x) { return recurrent(g, m, x, nullptr).output; }),
      row<GRU>([](G g, const GRU& m, X x) { return recurrent(g, m, x, nullptr).output; }),
      row<Conv1d>(convolution<Conv1d>),
      row<Conv2d>(convolution<Conv2d>),
      row<MaxPool1d>(max_pool<MaxPool1d>),
      row<MaxPool2d>(max_pool<MaxPool2d>),
      row<AvgPool1d>(average_pool<AvgPool1d>),
      row<AvgPool2d>(average_pool<AvgPool2d>),
      row<AdaptiveAvgPool2d>(adaptive_average),
      row<AdaptiveMaxPool1d>(
          [](G g, const AdaptiveMaxPool1d& m, X x) { return adaptive_pool(g, m, x, "ReduceMax"); }),
      row<AdaptiveAvgPool1d>([](G g, const AdaptiveAvgPool1d& m, X x) {
        return adaptive_pool(g, m, x, "ReduceMean");
      }),
      row<LayerNorm>(layer_norm),
      row<RMSNorm>(rms_norm),
      row<GroupNorm>(group_norm),
      row<BatchNorm1d>([](G g, const BatchNorm1d& m, X x) {
        check_dim(m, x, 2, 3);
        return batch_norm(g, m, x);
      }),
      row<BatchNorm2d>([](G g, const BatchNorm2d& m, X x) {
        check_dim(m, x, 4, 4);
        return batch_norm(g, m, x);
      }),
      row<PositionalEncoding>([](G g, const PositionalEncoding& m, X x) {
        return with_rows(g, m, x, m.table(), m.options().batch_first);
      }),
      row<LearnedPositions>([](G g, const LearnedPositions& m, X x) {
        return with_rows(g, m, x, m.embedding.weight.value(), m.options().batch_first);
      }),
      row<MultiheadAttention>([](G g, const MultiheadAttention& m, X x) {
        return attention(g, m, x, x, x, {.need_weights = false}).output;
      }),
      row<TransformerEncoderLayer>(
          [](G g, const TransformerEncoderLayer& m, X x) { return encoder_layer(g, m, x, {}); }),
      row<TransformerEncoder>(
          [](G g, const TransformerEncoder& m, X x) { return encoder(g, m, x, {}); }),
      row<Dropout>(unchanged<Dropout>),
      row<Dropout1d>(unchanged<Dropout1d>),
      row<Dropout2d>(unchanged<Dropout2d>),
      row<AlphaDropout>(unchanged<AlphaDropout>),
      row<Flatten>([](G g, const Flatten& m, X x) {
        check_dim(m, x, 1, Shape::kMaxDims);
        return g.node("Flatten", {x}, x.dtype, 2, {{"axis", std::int64_t{1}}});
      }),
  };
  return table;
}

}  // namespace

OnnxValue layer(OnnxGraph& graph, const Module& module, const OnnxValue& x) {
  if (const OnnxValue y = activation(graph, module, x); y.defined()) return y;
  const auto found = layers().find(typeid(module));
  if (found == layers().end()) {
    reject(module, "this class cannot be exported; append its layers one by one");
  }
  return found->second(graph, module, x);
}

}  // namespace tapegrad::nn::onnx
