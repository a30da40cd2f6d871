// The plain references of kernels: steps of recurrent networks. Read next: plain_optimizers.h.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <cmath>
#include <cstddef>

namespace tapegrad::kernel::plain {

using std::size_t;

template <class T>
void rnn_step(T* h, const T* a, const T* bias, size_t rows, size_t hidden, bool relu) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const T sum = a[k] + bias[k % hidden];
    h[k] = relu ? apply<Unary::kRelu>(sum) : std::tanh(sum);
  }
}

template <class T>
void rnn_step_backward(T* da, T* dh, const T* h, size_t rows, size_t hidden, bool relu) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    da[k] = relu ? apply<Binary::kReluBackward>(dh[k], h[k])
                 : apply<Binary::kTanhBackward>(dh[k], h[k]);
    dh[k] = 0;
  }
}

template <class T>
void lstm_step(T* h, T* c, T* gates, const T* bias, const T* c_before, size_t rows, size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t j = k % hidden;
    T* const gate = gates + k / hidden * 4 * hidden + j;
    T& i = gate[0];
    T& f = gate[hidden];
    T& g = gate[2 * hidden];
    T& o = gate[3 * hidden];
    i = apply<Unary::kSigmoid>(i + bias[j]);
    f = apply<Unary::kSigmoid>(f + bias[hidden + j]);
    g = std::tanh(g + bias[2 * hidden + j]);
    o = apply<Unary::kSigmoid>(o + bias[3 * hidden + j]);
    c[k] = f * c_before[k] + i * g;
    h[k] = o * std::tanh(c[k]);
  }
}

template <class T>
void lstm_step_backward(T* da, T* dh, T* dc, const T* gates, const T* c, const T* c_before,
                        size_t rows, size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t at = k / hidden * 4 * hidden + k % hidden;
    const T i = gates[at], f = gates[at + hidden];
    const T g = gates[at + 2 * hidden], o = gates[at + 3 * hidden];
    const T top = std::tanh(c[k]);
    const T cell = dc[k] + dh[k] * o * (1 - top * top);
    da[at] = cell * g * i * (1 - i);
    da[at + hidden] = cell * c_before[k] * f * (1 - f);
    da[at + 2 * hidden] = cell * i * (1 - g * g);
    da[at + 3 * hidden] = dh[k] * top * o * (1 - o);
    dc[k] = cell * f;
    dh[k] = 0;
  }
}

template <class T>
void gru_step(T* h, T* gates, T* m, const T* b, const T* bias, const T* h_before, size_t rows,
              size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const size_t j = k % hidden;
    T* const gate = gates + k / hidden * 3 * hidden + j;
    const T* const state = b + k / hidden * 3 * hidden + j;
    T& r = gate[0];
    T& z = gate[hidden];
    T& n = gate[2 * hidden];
    r = apply<Unary::kSigmoid>(r + state[0] + bias[j]);
    z = apply<Unary::kSigmoid>(z + state[hidden] + bias[hidden + j]);
    m[k] = state[2 * hidden] + bias[3 * hidden + j];
    n = std::tanh(n + bias[2 * hidden + j] + r * m[k]);
    h[k] = n + z * (h_before[k] - n);
  }
}

template <class T>
void gru_step_backward(T* da, T* dh, const T* gates, const T* m, const T* h_before, size_t rows,
                       size_t hidden) {
  for (size_t k = 0; k < rows * hidden; ++k) {
    const T* const gate = gates + k / hidden * 3 * hidden + k % hidden;
    T* const to = da + k / hidden * 4 * hidden + k % hidden;
    const T r = gate[0], z = gate[hidden], n = gate[2 * hidden];
    const T dn = dh[k] * (1 - z) * (1 - n * n);
    to[0] = dn * m[k] * r * (1 - r);
    to[hidden] = dh[k] * (h_before[k] - n) * z * (1 - z);
    to[2 * hidden] = dn;
    to[3 * hidden] = dn * r;
    dh[k] *= z;
  }
}

}  // namespace tapegrad::kernel::plain
