// The table of the plain references: simple loops that define what each kernel computes. Only the
// tests call them, to compare all levels with them. Read next: plain_elementwise.h, and for the
// vectorized versions lanes.inl and the files after it.
#include "tensor/kernels/plain.h"

#include <utility>

#include "tensor/kernels/plain_convolution.h"
#include "tensor/kernels/plain_elementwise.h"
#include "tensor/kernels/plain_optimizers.h"
#include "tensor/kernels/plain_recurrence.h"
#include "tensor/kernels/plain_reductions.h"
#include "tensor/kernels/plain_rows.h"

namespace tapegrad::kernel {
namespace plain {

template <class T, size_t... kOps>
void add_unary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.unary[kOps] = unary<static_cast<Unary>(kOps), T>), ...);
}

template <class T, size_t... kOps>
void add_binary(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.binary[kOps][0] = binary<static_cast<Binary>(kOps), Operands::kVectorVector, T>,
    kernels.binary[kOps][1] = binary<static_cast<Binary>(kOps), Operands::kVectorScalar, T>,
    kernels.binary[kOps][2] = binary<static_cast<Binary>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T, size_t... kOps>
void add_compare(Kernels<T>& kernels, std::index_sequence<kOps...>) {
  ((kernels.compare[kOps][0] = compare<static_cast<Compare>(kOps), Operands::kVectorVector, T>,
    kernels.compare[kOps][1] = compare<static_cast<Compare>(kOps), Operands::kVectorScalar, T>,
    kernels.compare[kOps][2] = compare<static_cast<Compare>(kOps), Operands::kScalarVector, T>),
   ...);
}

template <class T>
Kernels<T> make_kernels() {
  Kernels<T> kernels{};
  add_unary(kernels, std::make_index_sequence<static_cast<size_t>(Unary::kCount)>());
  add_binary(kernels, std::make_index_sequence<static_cast<size_t>(Binary::kCount)>());
  add_compare(kernels, std::make_index_sequence<static_cast<size_t>(Compare::kCount)>());
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
  kernels.shifted_sums = shifted_sums<T>;
  kernels.shifted_products = shifted_products<T>;
  kernels.lanes = 1;
  kernels.channel_sums = channel_sums<T>;
  kernels.channel_products = channel_products<T>;
  kernels.padded_rows = padded_rows<T>;
  kernels.matmul = matmul<T>;
  kernels.matmul_workspace = matmul_workspace;
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

}  // namespace plain

template <>
const Kernels<float>& plain_kernels<float>() {
  static const Kernels<float> kernels = plain::make_kernels<float>();
  return kernels;
}

template <>
const Kernels<double>& plain_kernels<double>() {
  static const Kernels<double> kernels = plain::make_kernels<double>();
  return kernels;
}

}  // namespace tapegrad::kernel
