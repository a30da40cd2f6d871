// All kernels, gathered into tables. Each isa_*.cc includes this file and is compiled for its own
// instruction set. Everything here is in an anonymous namespace, and no header with shared inline
// functions (no <vector>, no <algorithm>) is used: the linker merges copies of such functions, and
// would let a processor run the copy that was compiled for a better one. `nm -C` on the objects
// must show no weak symbol without the instruction set in its name. Read next: lanes.inl.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <xsimd/xsimd.hpp>

#include <tapegrad/tensor/kernels/isa.h>

// Marks loops whose body must be inlined to the last call, so that its constants stay in registers
// and its lambdas leave no trace. Sanitizers would take minutes over that.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TAPEGRAD_FLATTEN
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAPEGRAD_FLATTEN
#endif
#if !defined(TAPEGRAD_FLATTEN)
#define TAPEGRAD_FLATTEN [[gnu::flatten]]
#endif

namespace tapegrad::kernel {
namespace {

#include "lanes.inl"

#include "math.inl"

#include "elementwise.inl"

#include "reductions.inl"

#include "softmax.inl"

#include "normalization.inl"

#include "rows.inl"

#include "recurrent.inl"

#include "optimizers.inl"

#include "matmul.inl"

template <class T, std::size_t... kOps>
constexpr void add_unary(Table<T>& table, std::index_sequence<kOps...>) {
  ((table.unary[kOps] = unary<static_cast<Unary>(kOps), T>), ...);
}

template <class T, std::size_t... kOps>
constexpr void add_binary(Table<T>& table, std::index_sequence<kOps...>) {
  ((table.binary[kOps][0] = binary<static_cast<Binary>(kOps), Operands::kVectorVector, T>,
    table.binary[kOps][1] = binary<static_cast<Binary>(kOps), Operands::kVectorScalar, T>,
    table.binary[kOps][2] = binary<static_cast<Binary>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T, std::size_t... kOps>
constexpr void add_compare(Table<T>& table, std::index_sequence<kOps...>) {
  ((table.compare[kOps][0] = compare<static_cast<Compare>(kOps), Operands::kVectorVector, T>,
    table.compare[kOps][1] = compare<static_cast<Compare>(kOps), Operands::kVectorScalar, T>,
    table.compare[kOps][2] = compare<static_cast<Compare>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T>
constexpr Table<T> make_table() {
  Table<T> table{};
  add_unary(table, std::make_index_sequence<static_cast<std::size_t>(Unary::kCount)>());
  add_binary(table, std::make_index_sequence<static_cast<std::size_t>(Binary::kCount)>());
  add_compare(table, std::make_index_sequence<static_cast<std::size_t>(Compare::kCount)>());
  table.where = where<T>;
  table.clamp = clamp<T>;
  table.fill = fill<T>;
  table.axpy = axpy<T>;
  table.multiply_add = multiply_add<T>;
  table.add_row = add_row<T>;
  table.sum = sum<T>;
  table.sum_of_squares = sum_of_squares<T>;
  table.dot = dot<T>;
  table.max = max<T>;
  table.min = min<T>;
  table.sum_columns = sum_columns<T>;
  table.softmax = softmax<T>;
  table.log_softmax = log_softmax<T>;
  table.logsumexp = logsumexp<T>;
  table.softmax_backward = softmax_backward<T>;
  table.log_softmax_backward = log_softmax_backward<T>;
  table.layer_norm = layer_norm<T>;
  table.layer_norm_backward = layer_norm_backward<T>;
  table.layer_norm_weight_backward = layer_norm_weight_backward<T>;
  table.gather_rows = gather_rows<T>;
  table.scatter_add_rows = scatter_add_rows<T>;
  table.bag_sum = bag_sum<T>;
  table.bag_max = bag_max<T>;
  table.bag_dots = bag_dots<T>;
  table.matmul = matmul<T>;
  table.matmul_workspace = matmul_workspace<T>;
  table.rnn_step = rnn_step<T>;
  table.rnn_step_backward = rnn_step_backward<T>;
  table.lstm_step = lstm_step<T>;
  table.lstm_step_backward = lstm_step_backward<T>;
  table.gru_step = gru_step<T>;
  table.gru_step_backward = gru_step_backward<T>;
  table.adam = adam<T>;
  table.adam_jump = adam_jump<T>;
  table.map_pairs = map_pairs<T>;
  table.sgd = sgd<T>;
  table.adagrad = adagrad<T>;
  table.rmsprop = rmsprop<T>;
  table.adadelta = adadelta<T>;
  return table;
}

constexpr Table<float> kFloatTable = make_table<float>();
constexpr Table<double> kDoubleTable = make_table<double>();

}  // namespace
}  // namespace tapegrad::kernel
