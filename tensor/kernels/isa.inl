// The tables of all kernels. Each isa_*.cc includes this file and is compiled for its own
// instruction set. Everything here is in an anonymous namespace, and no header with shared inline
// functions (<vector>, <algorithm>) is included: the linker keeps only one copy of such a function,
// which could be the one that was compiled for a newer instruction set than the processor's. `nm
// -C` on the objects must show no weak symbol without the instruction set in its name. Read next:
// tensor/kernels/isa.h.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <xsimd/xsimd.hpp>

#include <tapegrad/tensor/kernels/isa.h>

// Marks loops in which every call must be inlined, so that constants stay in registers and lambdas
// cost nothing. Sanitizer builds leave this out, because it would take minutes to compile.
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

#include "convolution.inl"

#include "recurrent.inl"

#include "optimizers.inl"

#include "matmul.inl"

#include "channels.inl"

template <class T, std::size_t... kOps>
constexpr void add_unary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.unary[kOps] = unary<static_cast<Unary>(kOps), T>), ...);
}

template <class T, std::size_t... kOps>
constexpr void add_binary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.binary[kOps][0] = binary<static_cast<Binary>(kOps), Operands::kVectorVector, T>,
    kernels.binary[kOps][1] = binary<static_cast<Binary>(kOps), Operands::kVectorScalar, T>,
    kernels.binary[kOps][2] = binary<static_cast<Binary>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T, std::size_t... kOps>
constexpr void add_compare(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.compare[kOps][0] = compare<static_cast<Compare>(kOps), Operands::kVectorVector, T>,
    kernels.compare[kOps][1] = compare<static_cast<Compare>(kOps), Operands::kVectorScalar, T>,
    kernels.compare[kOps][2] = compare<static_cast<Compare>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T>
constexpr Kernels<T> make_kernels() {
  Kernels<T> kernels{};
  add_unary(kernels, std::make_index_sequence<static_cast<std::size_t>(Unary::kCount)>());
  add_binary(kernels, std::make_index_sequence<static_cast<std::size_t>(Binary::kCount)>());
  add_compare(kernels, std::make_index_sequence<static_cast<std::size_t>(Compare::kCount)>());
  kernels.where = where<T>;
  kernels.clamp = clamp<T>;
  kernels.fill = fill<T>;
  kernels.axpy = axpy<T>;
  kernels.multiply_add = multiply_add<T>;
  kernels.add_row = add_row<T>;
  kernels.sum = sum<T>;
  kernels.sum_of_squares = sum_of_squares<T>;
  kernels.dot = dot<T>;
  kernels.max = max<T>;
  kernels.min = min<T>;
  kernels.sum_columns = sum_columns<T>;
  kernels.softmax = softmax<T>;
  kernels.log_softmax = log_softmax<T>;
  kernels.logsumexp = logsumexp<T>;
  kernels.softmax_backward = softmax_backward<T>;
  kernels.log_softmax_backward = log_softmax_backward<T>;
  kernels.layer_norm = layer_norm<T>;
  kernels.layer_norm_backward = layer_norm_backward<T>;
  kernels.layer_norm_weight_backward = layer_norm_weight_backward<T>;
  kernels.gather_rows = gather_rows<T>;
  kernels.scatter_add_rows = scatter_add_rows<T>;
  kernels.bag_sum = bag_sum<T>;
  kernels.bag_max = bag_max<T>;
  kernels.bag_dots = bag_dots<T>;
  kernels.matmul = matmul<T>;
  kernels.matmul_workspace = matmul_workspace<T>;
  kernels.shifted_sums = shifted_sums<T>;
  kernels.shifted_products = shifted_products<T>;
  kernels.lanes = kLanes<T>;
  kernels.channel_sums = channel_sums<T>;
  kernels.channel_products = channel_products<T>;
  kernels.padded_rows = padded_rows<T>;
  kernels.rnn_step = rnn_step<T>;
  kernels.rnn_step_backward = rnn_step_backward<T>;
  kernels.lstm_step = lstm_step<T>;
  kernels.lstm_step_backward = lstm_step_backward<T>;
  kernels.gru_step = gru_step<T>;
  kernels.gru_step_backward = gru_step_backward<T>;
  kernels.adam = adam<T>;
  kernels.adam_jump = adam_jump<T>;
  kernels.map_pairs = map_pairs<T>;
  kernels.sgd = sgd<T>;
  kernels.adagrad = adagrad<T>;
  kernels.rmsprop = rmsprop<T>;
  kernels.adadelta = adadelta<T>;
  return kernels;
}

constexpr Kernels<float> kFloatKernels = make_kernels<float>();
constexpr Kernels<double> kDoubleKernels = make_kernels<double>();

}  // namespace
}  // namespace tapegrad::kernel
