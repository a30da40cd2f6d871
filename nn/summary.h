// summary: what a model is made of, as torchinfo prints it: each module, the sizes of what goes in
// and comes out, its parameters and multiplications. Read next: nn/summary.cc.
//
//   std::cout << tapegrad::nn::summary(model, ids);
//
//   Layer (type:depth-idx)     Input Shape   Output Shape   Param #   Mult-Adds
//   ==============================================================================
//   Reader                     (4, 5)        (4, 3)         --        --
//   ├─Embedding: 1-1           (4, 5)        (4, 5, 8)      800       --
//   ├─RNNCell: 1-2 (5 calls)   (4, 8)        (4, 16)        416       8,320
//   └─Sequential: 1-3          (4, 16)       (4, 3)         --        --
//        ├─Linear: 2-1         (4, 16)       (4, 16)        272       1,088
//   ...
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

struct SummaryRow {
  std::string name;  // dotted, as in state_dict(); empty for the model itself
  std::string type;  // the class
  int depth = 0;     // of the tree; 0 for the model itself
  int index = 0;     // among the modules of that depth, from 1 on
  std::int64_t calls = 0;
  std::vector<Shape> inputs{};    // of the last call; empty if it was not called, or not through
  std::vector<Shape> outputs{};   // hooked(); the shape {} for what is undefined or a number
  std::int64_t parameters = 0;    // of its own
  std::int64_t mult_adds = 0;     // of all calls, see Module::mult_adds()
  std::int64_t output_bytes = 0;  // of all calls
};

struct Summary {
  std::vector<SummaryRow> rows{};  // the model, then what is inside, depth first
  std::int64_t parameters = 0;     // each once, however often it is used
  std::int64_t trainable_parameters = 0;
  std::int64_t mult_adds = 0;
  std::int64_t input_bytes = 0;
  std::int64_t output_bytes = 0;  // of all modules that have parameters, forward and backward
  std::int64_t parameter_bytes = 0;
};

// torchinfo's table: columns Layer, Input Shape, Output Shape, Param #, Mult-Adds, then totals.
std::ostream& operator<<(std::ostream& out, const Summary& summary);

// Runs model(inputs...) once, in eval mode and without recording, and tells what was seen; training
// modes and hooks are afterwards what they were. Inputs are Tensors and Variables, and whatever
// else the model's operator() takes. A module that was called without hooked() (a struct of
// yours inside another one) is listed with its parameters, without sizes.
template <class Model, class... Inputs>
Summary summary(const Model& model, const Inputs&... inputs);

// For summary(): watches a model while it lives.
class SummaryWatch {
 public:
  explicit SummaryWatch(const Module& model);
  ~SummaryWatch();
  SummaryWatch(const SummaryWatch&) = delete;
  SummaryWatch& operator=(const SummaryWatch&) = delete;

  // What the outermost call took and gave, which may not have passed through hooked().
  Summary finish(const std::vector<Variable>& inputs, const std::vector<Variable>& outputs);

 private:
  struct Watched;
  void watch(const std::string& name, const Module& module, int depth);

  NoGrad no_grad_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::vector<int> counts_;  // of modules met at each depth
};

template <class Input>
void append_variable(std::vector<Variable>& list, const Input& input) {
  if constexpr (std::is_convertible_v<const Input&, Variable>) list.push_back(input);
}

template <class Model, class... Inputs>
Summary summary(const Model& model, const Inputs&... inputs) {
  SummaryWatch watch(model);
  const auto result = model(inputs...);
  std::vector<Variable> given;
  (append_variable(given, inputs), ...);
  return watch.finish(given, variables_of(result));
}

}  // namespace tapegrad::nn
