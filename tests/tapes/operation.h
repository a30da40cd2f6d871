// Operation: a row of the table of operations. It says how the operation is called, how it is
// printed, which inputs it accepts, and what it computes, in plain loops. Read next:
// operations/elementwise.cc, then generate.h.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/recurrent.h>

#include "tapes/generate.h"
#include "tapes/plain.h"
#include "tapes/program.h"

namespace tapegrad::tapes {

using Plains = std::vector<Plain>;

struct Operation {
  std::string name;  // the function's name in ops.h and, after a space, what is special in this row
  Results (*call)(const Results& x, const Attributes& a);
  std::string text;  // the call in C++; print.cc replaces x[0], a.i and so on
  // Chooses inputs and attributes.
  std::function<void(Draw&)> draw;
  std::function<Plains(const Plains& x, const Attributes& a)> plain;
  struct Traits {
    bool special = true;    // the plain reference also holds for NaN and infinities
    bool exact = false;     // the same bits on every instruction set
    bool integers = false;  // takes int64, too
    bool booleans = false;  // takes boolean, too
    bool promotes = false;  // its inputs may have different types
    bool detached = false;  // its results have no history
    double slack = 0;       // more rounding errors, in epsilons of the largest input
    double frequency = 1;   // how often it is drawn, compared with others
    // The same from other operations, whose rules are compared with the operation's own.
    Results (*composed)(const Results& x, const Attributes& a) = nullptr;
  } traits{};

  // The name without what is special.
  std::string function() const { return name.substr(0, name.find(' ')); }
};

// The results of a call as a list of Variables.
template <class T>
Results results(T&& result) {
  using Type = std::remove_cvref_t<T>;
  if constexpr (std::is_convertible_v<Type, Variable>) {
    return {Variable(std::forward<T>(result))};
  } else if constexpr (requires { result.values; }) {
    return {result.values, result.indices};
  } else {
    return Results(result.begin(), result.end());
  }
}

// A call as a function and as its text.
#define TAPES_FUNCTION(...)                                                                \
  [](const Results& x [[maybe_unused]], const Attributes& a [[maybe_unused]]) -> Results { \
    return results(__VA_ARGS__);                                                           \
  }
#define CALL(...) TAPES_FUNCTION(__VA_ARGS__), #__VA_ARGS__

// The rows by family, in the order of ops.h.
std::vector<Operation> elementwise_rows();
std::vector<Operation> activation_rows();
std::vector<Operation> reduction_rows();
std::vector<Operation> order_rows();
std::vector<Operation> softmax_rows();
std::vector<Operation> normalization_rows();
std::vector<Operation> matmul_rows();
std::vector<Operation> convolution_rows();
std::vector<Operation> image_rows();
std::vector<Operation> view_rows();
std::vector<Operation> indexing_rows();
std::vector<Operation> gather_rows();
std::vector<Operation> embedding_rows();
std::vector<Operation> similarity_rows();
std::vector<Operation> attention_rows();
std::vector<Operation> recurrent_rows();
std::vector<Operation> loss_rows();

// The inputs of a recurrent row: x, weight_ih, weight_hh, bias_ih, bias_hh, h, c for lstm, mask.
// a.flag is reverse.
RecurrentInputs recurrent_inputs(Recurrence kind, const Results& x, const Attributes& a);

using Table = std::vector<Operation>;
const Table& operations();

}  // namespace tapegrad::tapes
