// summary: a table of a model's modules like torchinfo's. It lists the shapes of inputs and
// outputs, and the numbers of parameters and multiplications. Read next: nn/module/summary.cc.
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
#include <type_traits>
#include <vector>

#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct SummaryRow {
  std::string name;  // dotted, as in state_dict(); empty for the model itself
  std::string type;  // the class
  int depth = 0;     // of the tree; 0 for the model itself
  int index = 0;     // among the modules of that depth, from 1 on
  std::int64_t calls = 0;
  std::vector<Shape> inputs{};    // of the last call; empty if it was not called, or not through
  std::vector<Shape> outputs{};   // hooked(); the shape {} if undefined or 0-d
  std::int64_t parameters = 0;    // its own only
  std::int64_t mult_adds = 0;     // of all calls; see Module::mult_adds()
  std::int64_t output_bytes = 0;  // of all calls
};

struct Summary {
  std::vector<SummaryRow> rows{};  // the model, then the modules inside, depth first
  std::int64_t parameters = 0;     // each counted once, even if it is tied
  std::int64_t trainable_parameters = 0;
  std::int64_t mult_adds = 0;
  std::int64_t input_bytes = 0;
  std::int64_t output_bytes = 0;  // of all modules that have parameters, forward and backward
  std::int64_t parameter_bytes = 0;
};

// torchinfo's table: columns Layer, Input Shape, Output Shape, Param #, Mult-Adds, then totals.
std::ostream& operator<<(std::ostream& out, const Summary& summary);

// Runs model(inputs...) once, in eval mode and without recording, and returns what each module did.
// Afterwards training modes and hooks are as before. Inputs are Tensors, Variables, and other
// arguments of the model's operator(). A module whose operator() does not use hooked() (such as
// your own struct inside another one) is listed with its parameters but without shapes.
template <class Model, class... Inputs>
Summary summary(const Model& model, const Inputs&... inputs);

// Used by summary(): records the calls of a model's modules during its lifetime.
class SummaryWatch {
 public:
  explicit SummaryWatch(const Module& model);
  ~SummaryWatch();
  SummaryWatch(const SummaryWatch&) = delete;
  SummaryWatch& operator=(const SummaryWatch&) = delete;

  // Adds the outermost call, which may not have used hooked(), and returns the summary.
  Summary finish(const std::vector<Variable>& inputs, const std::vector<Variable>& outputs);

 private:
  struct Watched;
  void watch(const std::string& name, const Module& module, int depth);

  NoGrad no_grad_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::vector<int> counts_;  // number of modules at each depth so far
};

template <class Input>
void append_variable(std::vector<Variable>& list, const Input& input) {
  if constexpr (std::is_convertible_v<const Input&, Variable>) list.push_back(input);
}

template <class Model, class... Inputs>
Summary summary(const Model& model, const Inputs&... inputs) {
  if constexpr (std::is_copy_constructible_v<Model>) check_registered(model);
  SummaryWatch watch(model);
  const auto result = model(inputs...);
  std::vector<Variable> given;
  (append_variable(given, inputs), ...);
  return watch.finish(given, variables_of(result));
}

}  // namespace tapegrad::nn
