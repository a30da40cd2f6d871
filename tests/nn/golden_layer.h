// Checks that layer tests run for every case of golden/layers.safetensors, images.safetensors and
// rest_layers.safetensors. golden/README.md explains the names of cases. Read next:
// normalization_test.cc.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/tape.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "golden_file.h"

namespace tapegrad::test {

inline const GoldenFile& layers() {
  static const GoldenFile file{"layers.safetensors", "images.safetensors",
                               "rest_layers.safetensors"};
  return file;
}

inline double number(const std::string& which, const std::string& name, double otherwise) {
  return layers().option(which, name, otherwise);
}
inline std::int64_t integer(const std::string& which, const std::string& name,
                            std::int64_t otherwise = -1) {
  return static_cast<std::int64_t>(number(which, name, static_cast<double>(otherwise)));
}
inline bool flag(const std::string& which, const std::string& name, bool otherwise) {
  return number(which, name, otherwise ? 1 : 0) != 0;
}
inline Shape list(const std::string& which, const std::string& name) {
  return Shape(to_vector<std::int64_t>(layers().at(which + ".arg." + name)));
}

// The inputs and outputs of a layer.
using Values = std::vector<Variable>;

// After the seed of the file, the layer has PyTorch's initial values under PyTorch's names, and
// leaves the generator in the same state as PyTorch.
template <class M>
void check_first(const std::string& which, const M& module) {
  CHECK(equal(rand({1}), layers().at(which + ".next")));
  const StateDict state = module.state_dict();
  std::set<std::string> expected;
  for (const std::string& name : layers().roles(which, "first.")) expected.insert(name);
  std::set<std::string> found;
  for (const auto& [name, value] : state) {
    CAPTURE(name);
    found.insert(name);
    if (!expected.contains(name)) continue;
    CHECK(equal(value, layers().at(which + ".first." + name)));
  }
  CHECK(found == expected);
}

// Whether elements agree: relative to the largest one, or within `noise` if the exact ones are 0.
inline bool agree(const Tensor& got, const Tensor& expected, double tolerance, double noise) {
  if (error_of(got, expected) <= tolerance) return true;
  return noise > 0 && got.shape() == expected.shape() && allclose(got, expected, 0, noise);
}

// Checks a whole case: make(dtype) returns the layer, and run(layer, inputs) returns its outputs.
// Weights and buffers are loaded with strict names. Compared are the outputs, the gradients of
// inputs and parameters, the same gradients with create_graph, and the buffers afterwards.
template <class Make, class Run>
void check_layer(const std::string& which, const Make& make, const Run& run,
                 double tolerance32 = 5e-6) {
  manual_seed(7);
  check_first(which, make(float32));
  for (const DType dtype : {float64, float32}) {
    CAPTURE(which, dtype);
    const double tolerance = dtype == float64 ? 1e-12 : tolerance32;
    // An element that is normalized alone is 0 except for rounding, multiplied by 1 / sqrt(eps).
    const bool nothing = which.ends_with("_norm.one");
    const double noise = nothing ? (dtype == float64 ? 1e-13 : 5e-5) : 0;
    const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
    auto module = make(dtype);
    StateDict state;
    for (const char* const kind : {"param.", "buffer."}) {
      for (const std::string& name : layers().roles(which, kind)) {
        state.insert(name, layers().at(which + "." + kind + name));
      }
    }
    module.load_state_dict(state);
    Values inputs;
    for (std::size_t i = 0; layers().has(which + ".in" + std::to_string(i)); ++i) {
      const Tensor& x = layers().at(which + ".in" + std::to_string(i));
      inputs.push_back(is_floating_point(x.dtype()) ? parameter(x.to(dtype)) : Variable(x));
    }
    if (layers().has(which + ".arg.seed"))
      manual_seed(static_cast<std::uint64_t>(integer(which, "seed")));
    const Values outputs = run(module, inputs);
    Variable total;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      CAPTURE(k);
      const std::string end = std::to_string(k);
      CHECK(agree(outputs[k].value(), layers().at(prefix + "out" + end), tolerance, noise));
      const Variable term = sum(outputs[k] * Variable(layers().at(which + ".g" + end).to(dtype)));
      total = total.defined() ? total + term : term;
    }
    CHECK_FALSE(layers().has(prefix + "out" + std::to_string(outputs.size())));
    Values leaves;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      leaves.push_back(inputs[i]);
      names.push_back("grad" + std::to_string(i));
    }
    for (const NamedParameter& each : module.parameters()) {
      leaves.push_back(each.variable);
      names.push_back("grad." + each.name);
    }
    const Values again = grad(total, leaves, {.create_graph = true, .allow_unused = true});
    total.backward();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      CAPTURE(names[i]);
      const Tensor& expected = layers().at(prefix + names[i]);
      const Tensor none = zeros_like(expected);
      const Tensor first = leaves[i].has_grad() ? leaves[i].grad() : none;
      const Tensor second = again[i].defined() ? again[i].value() : none;
      INFO(first << "\n" << second << "\n" << expected);
      CHECK(agree(first, expected, tolerance, noise));
      CHECK(agree(second, expected, tolerance, noise));
    }
    for (const auto& [name, value] : module.buffers()) {
      CAPTURE(name);
      CHECK(error_of(value, layers().at(prefix + "after." + name)) <= tolerance);
    }
  }
  CHECK(tape().size() == 0);
}

// All cases of a layer with one input.
template <class Make>
void check_cases(const std::string& layer, std::size_t count, const Make& make) {
  const std::vector<std::string> cases = layers().cases(layer);
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    check_layer(
        which, [&](DType dtype) { return make(which, dtype); },
        [](const auto& module, const Values& in) { return Values{module(in[0])}; });
  }
}

}  // namespace tapegrad::test
