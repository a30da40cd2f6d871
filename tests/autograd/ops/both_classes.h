// A row is one call of an operation that exists for Tensors and for Variables. Read next:
// both_classes_rows.cc.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::both_classes {

// The kind of an input. `values` are Tensors or Variables; masks and indices are Tensors for both
// classes. `few` is a shorter list of values, for operations with three inputs.
enum class Kind { values, few, indices, mask };

// A mask or index among the inputs, for both classes.
inline const Tensor& plain(const Tensor& x) { return x; }
inline const Tensor& plain(const Variable& x) { return x.value(); }

template <class Result, class T>
std::vector<T> listed(Result&& result) {
  if constexpr (std::is_convertible_v<Result, std::vector<T>>) {
    return std::forward<Result>(result);
  } else if constexpr (std::is_convertible_v<Result, T>) {
    return {std::forward<Result>(result)};
  } else {
    return {result.values, result.indices};
  }
}

template <class Function>
constexpr bool kTakesInteger = std::is_invocable_v<Function, std::vector<Tensor>&, std::int64_t>;

template <class Function, class T>
std::vector<T> call(std::vector<T>& inputs, std::int64_t n) {
  if constexpr (kTakesInteger<Function>) {
    return listed<decltype(Function()(inputs, n)), T>(Function()(inputs, n));
  } else {
    return listed<decltype(Function()(inputs)), T>(Function()(inputs));
  }
}

// One call of an operation: a function of a vector of Tensors or of Variables, and optionally of an
// integer. It is called with all combinations of inputs.
struct Row {
  template <class Function>
  Row(std::string its_name, std::vector<Kind> its_kinds, Function /*function*/)
      : name(std::move(its_name)),
        kinds(std::move(its_kinds)),
        takes_integer(kTakesInteger<Function>),
        on_tensors(call<Function, Tensor>),
        on_variables(call<Function, Variable>) {}

  std::string operation() const { return name.substr(0, name.find(' ')); }

  std::string name;  // the operation and, after a space, what is particular about the call
  std::vector<Kind> kinds;
  bool takes_integer;
  std::vector<Tensor> (*on_tensors)(std::vector<Tensor>& inputs, std::int64_t n);
  std::vector<Variable> (*on_variables)(std::vector<Variable>& inputs, std::int64_t n);
};

// Of all operations.
std::vector<Row> all_rows();

}  // namespace tapegrad::both_classes
