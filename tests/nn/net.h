// A module with a member of every kind, and functions that several tests of modules use. Read next:
// module_test.cc.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/optim/sgd.h>

namespace tapegrad::test {

using Names = std::vector<std::string>;

// A layer as a user writes it: a parameter, a buffer that forward() writes to in place, and a
// buffer of integers.
struct Scale : nn::Module {
  Parameter gain;
  nn::Buffer largest;  // (width)
  nn::Buffer calls;    // ()

  explicit Scale(std::int64_t width)
      : gain(register_parameter("gain", ones({width}))),
        largest(register_buffer("largest", zeros({width}))),
        calls(register_buffer("calls", zeros({}, int64))) {}

  Variable operator()(const Variable& x) const {  // (batch, width)
    if (is_training()) {
      largest->copy_(maximum(*largest, max(abs(x.value()), 0).values));
      calls->add_(1);
    }
    return x * gain;
  }
};

// The model's own parameter is declared last but listed first.
struct Net : nn::Module {
  nn::Embedding words;
  nn::Sequential body;
  Scale scale;
  nn::Linear head;
  Parameter temperature;

  Net()
      : words(register_module("words", nn::Embedding(6, 3))),
        body(register_module("body", nn::Sequential{nn::Linear(3, 4), nn::Tanh(), nn::Dropout(0.5),
                                                    nn::Linear(4, 3, {.bias = false})})),
        scale(register_module("scale", Scale(3))),
        head(register_module("head", nn::Linear(3, 6))),
        temperature(register_parameter("temperature", ones({}))) {}

  Variable operator()(const Tensor& ids) const {  // (batch) -> (batch, 6)
    return head(scale(body(words(ids)))) * temperature;
  }
};

inline const Tensor& some_ids() {
  static const Tensor ids = tensor({0, 5, 2, 5});
  return ids;
}

inline Variable loss_of(const Net& net) { return mean(square(net(some_ids()) - 1.0)); }

inline void train(const Net& net, int steps = 3) {
  optim::SGD sgd(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (int step = 0; step < steps; ++step) {
    sgd.zero_grad();
    loss_of(net).backward();
    sgd.step();
  }
}

inline Names names_of(const std::vector<NamedParameter>& list) {
  Names names;
  for (const NamedParameter& each : list) names.push_back(each.name);
  return names;
}

inline Names names_of(const StateDict& state) {
  Names names;
  for (const auto& each : state) names.push_back(each.first);
  return names;
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.data<char>(), y.data<char>(),
                     static_cast<std::size_t>(x.numel()) * item_size(x.dtype())) == 0;
}

inline bool same_bytes(const StateDict& a, const StateDict& b) {
  if (names_of(a) != names_of(b)) return false;
  for (const auto& [name, value] : a) {
    if (!same_bytes(value, b.at(name))) return false;
  }
  return true;
}

}  // namespace tapegrad::test
