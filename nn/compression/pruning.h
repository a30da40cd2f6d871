// Pruning: parameters of which some elements are 0 and stay 0, as in torch.nn.utils.prune. Read
// next: nn/compression/pruning.cc.
//
//   namespace prune = nn::utils::prune;
//   prune::l1_unstructured(model.hidden, "weight", 0.3);      // the 30 % nearest to 0
//   prune::ln_structured(model, "head.weight", 2, 2, 1);      // 2 columns, by their 2-norm
//   ... train on: what is pruned stays 0 ...
//   prune::remove(model.hidden, "weight");                    // zeros that may be trained again
//
// A pruned element is 0 from the call on. Its gradient is 0, steps of optimizers and set_value()
// leave it at 0, and momentum that it had is cleared. PyTorch trains `weight_orig` and multiplies
// it by `weight_mask` in each call; the other elements get the same values here, to rounding.
// There is one leaf, so that a tied parameter is pruned in all its places, and a clone() is pruned
// as the original is.
//
// Limits: the memory and the time of a layer stay the same, because zeros are stored and multiplied
// like other elements. state_dict() holds the parameter with its zeros, but not what is pruned; to
// train on after loading, prune what is 0:
//
//   prune::custom_from_mask(model.hidden, "weight", model.hidden.weight.value() != 0);
//
// Functions of nn::init write elements directly, also pruned ones.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn::utils::prune {

// How much is pruned: a part of the elements (or channels) from 0 to 1, or their number. As in
// PyTorch, 1 is one element and 1.0 is all, and a part is rounded, halves to the even number.
// Where elements were pruned earlier, the amount is of the others.
class Amount {
 public:
  template <std::floating_point T>
  Amount(T part) : part_(static_cast<double>(part)) {}  // NOLINT: implicit, for 0.3
  template <std::integral T>
  Amount(T count) : is_count_(true), count_(static_cast<std::int64_t>(count)) {}  // NOLINT

  // Of `size` elements. ValueError for a part outside of [0, 1], a negative number, or more than
  // there are.
  std::int64_t of(const char* operation, std::int64_t size) const;

 private:
  bool is_count_ = false;
  double part_ = 0;
  std::int64_t count_ = 0;
};

// In all functions, `name` is a parameter of the module, such as "weight", or one of a module
// inside, such as "head.weight". ValueError if there is none. An error changes nothing.

// Prunes the elements with the smallest absolute values; of equal ones the first, in row-major
// order.
void l1_unstructured(Module& module, const std::string& name, Amount amount);

// Prunes elements that are drawn: PyTorch's, after the same manual_seed.
void random_unstructured(Module& module, const std::string& name, Amount amount,
                         Generator& generator = default_generator());

// Prunes channels, that is slices at one position of dimension `dim`: those with the smallest
// n-norm, of equal ones the first. In a Linear, dimension 0 are outputs and 1 inputs; in an
// Embedding, 0 are words. n >= 0, infinity is allowed. ShapeError for a parameter with fewer than
// two dimensions.
void ln_structured(Module& module, const std::string& name, Amount amount, double n,
                   std::int64_t dim);

// Prunes elements of several parameters together: the amount is of the elements of all, and those
// with the smallest absolute values are pruned wherever they are. ValueError if a parameter is
// listed twice, and DTypeError if their types differ.
enum Method { L1Unstructured, RandomUnstructured };
using Parameters = std::vector<std::pair<Module, std::string>>;  // modules are handles
void global_unstructured(const Parameters& parameters, Method pruning_method, Amount amount,
                         Generator& generator = default_generator());

// Prunes the elements where the mask, of the parameter's shape, is 0 or false. Elements that were
// pruned earlier stay pruned. ShapeError for another shape.
void custom_from_mask(Module& module, const std::string& name, const Tensor& mask);

// Boolean, of the parameter's shape: false where an element is pruned.
Tensor mask(const Module& module, const std::string& name);

// Whether a parameter of this module, or of one inside, is pruned.
bool is_pruned(const Module& module);

// Ends the pruning of a parameter: its zeros stay, but they are trained again. ValueError if it is
// not pruned.
void remove(Module& module, const std::string& name);

}  // namespace tapegrad::nn::utils::prune
