// Activations as ONNX operators: one operator where opset 13 has it, else a composition. To add
// one, add a row to activations(). Read next: nn/onnx/recurrent.cc.
#include <tapegrad/nn/onnx/layers.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <typeindex>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tapegrad/nn/activations.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn::onnx {
namespace {

using Graph = OnnxGraph&;
using Input = const OnnxValue&;

// A number as an input of a node that computes with x.
OnnxValue number_for(Graph graph, Input x, double value) {
  return graph.constant(full({}, value, x.dtype));
}

OnnxValue clipped(Graph graph, Input x, double least, double most) {
  return graph.node("Clip", {x, number_for(graph, x, least), number_for(graph, x, most)});
}

// x above the threshold, else another value.
OnnxValue where_above(Graph graph, Input x, double threshold, Input above, Input below) {
  const OnnxValue is_above =
      graph.node("Less", {number_for(graph, x, threshold), x}, boolean, x.dim);
  return graph.node("Where", {is_above, above, below}, x.dtype, x.dim);
}

// x * (1 + erf(x / sqrt(2))) / 2
OnnxValue gelu(Graph graph, const GELU&, Input x) {
  const OnnxValue error = graph.node("Erf", {graph.mul(x, std::sqrt(0.5))});
  return graph.node("Mul", {x, graph.mul(graph.add(error, 1), 0.5)});
}

// ONNX has neither beta nor a threshold; above 20 the curve and the line are equal in float32.
OnnxValue softplus(Graph graph, const Softplus& m, Input x) {
  if (m.beta() == 1 && m.threshold() == 20) return graph.node("Softplus", {x});
  const OnnxValue scaled = graph.mul(x, m.beta());
  const OnnxValue curve = graph.mul(graph.node("Softplus", {scaled}), 1 / m.beta());
  return where_above(graph, scaled, m.threshold(), x, curve);
}

// Celu takes float32 only. alpha * elu(x / alpha) is the same.
OnnxValue celu(Graph graph, const CELU& m, Input x) {
  if (x.dtype == float32) return graph.node("Celu", {x}, {{"alpha", m.alpha()}});
  return graph.mul(graph.node("Elu", {graph.mul(x, 1 / m.alpha())}), m.alpha());
}

OnnxValue hardsigmoid(Graph graph, Input x) {
  return graph.node("HardSigmoid", {x}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
}

OnnxValue threshold(Graph graph, const Threshold& m, Input x) {
  if (m.value() == 0) return graph.node("ThresholdedRelu", {x}, {{"alpha", m.threshold()}});
  return where_above(graph, x, m.threshold(), x, number_for(graph, x, m.value()));
}

// ONNX aligns the last dimensions, so slopes of channels get a size of 1 for each dimension after
// them.
OnnxValue prelu(Graph graph, const PReLU& m, Input x) {
  check_type(m, x, m.weight.dtype());
  Shape along{m.weight.numel()};
  if (m.weight.numel() != 1) {
    check_dim(m, x, 2, Shape::kMaxDims);
    for (std::int64_t d = 2; d < x.dim; ++d) along.push_back(1);
  }
  return graph.node("PRelu", {x, graph.constant(reshape(m.weight.value(), along))});
}

OnnxValue glu(Graph graph, const GLU& m, Input x) {
  const std::vector<OnnxValue> halves =
      graph.node_of_several("Split", {x}, {x.dim, x.dim}, {{"axis", m.dim()}});
  return graph.node("Mul", {halves[0], graph.node("Sigmoid", {halves[1]})});
}

using ActivationWriter = std::function<OnnxValue(Graph, const Module&, Input)>;

// A row of the table, from a function that takes an M.
template <class M, class Function>
std::pair<const std::type_index, ActivationWriter> activation_row(Function function) {
  return {typeid(M), [function](Graph graph, const Module& module, Input x) {
            return function(graph, static_cast<const M&>(module), x);
          }};
}
// From the name of an ONNX operator.
template <class M>
std::pair<const std::type_index, ActivationWriter> operator_row(const char* name) {
  return activation_row<M>([name](Graph g, const M&, Input x) { return g.node(name, {x}); });
}

const std::map<std::type_index, ActivationWriter>& activations() {
  static const std::map<std::type_index, ActivationWriter> table = {
      activation_row<Identity>([](Graph, const Identity&, Input x) { return x; }),
      operator_row<Tanh>("Tanh"),
      operator_row<Sigmoid>("Sigmoid"),
      operator_row<ReLU>("Relu"),
      activation_row<LeakyReLU>([](Graph g, const LeakyReLU& m, Input x) {
        return g.node("LeakyRelu", {x}, {{"alpha", m.negative_slope()}});
      }),
      activation_row<ELU>([](Graph g, const ELU& m, Input x) {
        return g.node("Elu", {x}, {{"alpha", m.alpha()}});
      }),
      activation_row<GELU>(gelu),
      activation_row<SiLU>([](Graph g, const SiLU&, Input x) {
        return g.node("Mul", {x, g.node("Sigmoid", {x})});
      }),
      activation_row<Softplus>(softplus),
      operator_row<Softsign>("Softsign"),
      activation_row<ReLU6>([](Graph g, const ReLU6&, Input x) { return clipped(g, x, 0, 6); }),
      activation_row<Hardtanh>([](Graph g, const Hardtanh& m, Input x) {
        return clipped(g, x, m.min_val(), m.max_val());
      }),
      activation_row<Hardsigmoid>(
          [](Graph g, const Hardsigmoid&, Input x) { return hardsigmoid(g, x); }),
      activation_row<Hardswish>([](Graph g, const Hardswish&, Input x) {
        return g.node("Mul", {x, hardsigmoid(g, x)});
      }),
      operator_row<SELU>("Selu"),
      activation_row<CELU>(celu),
      activation_row<Mish>([](Graph g, const Mish&, Input x) {
        return g.node("Mul", {x, g.node("Tanh", {g.node("Softplus", {x})})});
      }),
      activation_row<LogSigmoid>([](Graph g, const LogSigmoid&, Input x) {
        return g.node("Neg", {g.node("Softplus", {g.node("Neg", {x})})});
      }),
      activation_row<Softshrink>([](Graph g, const Softshrink& m, Input x) {
        return g.node("Shrink", {x}, {{"lambd", m.lambd()}, {"bias", m.lambd()}});
      }),
      activation_row<Hardshrink>([](Graph g, const Hardshrink& m, Input x) {
        return g.node("Shrink", {x}, {{"lambd", m.lambd()}, {"bias", 0.0}});
      }),
      activation_row<Threshold>(threshold),
      activation_row<PReLU>(prelu),
      activation_row<GLU>(glu),
      activation_row<Softmax>([](Graph g, const Softmax& m, Input x) {
        return g.node("Softmax", {x}, {{"axis", m.dim()}});
      }),
      activation_row<LogSoftmax>([](Graph g, const LogSoftmax& m, Input x) {
        return g.node("LogSoftmax", {x}, {{"axis", m.dim()}});
      }),
      activation_row<Softmin>([](Graph g, const Softmin& m, Input x) {
        return g.node("Softmax", {g.node("Neg", {x})}, {{"axis", m.dim()}});
      }),
  };
  return table;
}

}  // namespace

OnnxValue activation(OnnxGraph& graph, const Module& module, const OnnxValue& x) {
  const auto found = activations().find(typeid(module));
  if (found == activations().end()) return {};
  if (x.dtype != float64) check_type(module, x, float32);
  return found->second(graph, module, x);
}

}  // namespace tapegrad::nn::onnx
