// The plain references of kernels: steps of optimizers.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <cmath>
#include <cstddef>

namespace tapegrad::kernel::plain {

using std::size_t;

template <class T>
void adam(T* p, T* m, T* v, T* vmax, const T* g, size_t n, const AdamArguments& a) {
  const T beta1 = static_cast<T>(a.beta1), rest1 = static_cast<T>(1 - a.beta1);
  const T beta2 = static_cast<T>(a.beta2), rest2 = static_cast<T>(1 - a.beta2);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.l2 != 0) gradient += static_cast<T>(a.l2) * p[i];
    p[i] *= static_cast<T>(a.shrink);
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    if (vmax != nullptr) vmax[i] = apply<Binary::kMaximum>(vmax[i], v[i]);
    const T root = std::sqrt(vmax != nullptr ? vmax[i] : v[i]);
    const T scale = root / static_cast<T>(a.sqrt_bias2) + static_cast<T>(a.eps);
    p[i] -= static_cast<T>(a.step_size) * m[i] / scale;
  }
}

template <class T>
void adam_jump(T* p, T* m, T* v, const T* vmax, size_t n, const AdamJumpArguments& a) {
  for (size_t i = 0; i < n; ++i) {
    const T h = 1 / (std::sqrt(vmax != nullptr ? vmax[i] : v[i]) + static_cast<T>(a.eps_center));
    const T u = static_cast<T>(a.eps_center) * h;
    T series = 0;
    for (size_t j = 6; j-- > 0;) series = static_cast<T>(a.s[j]) - u * series;
    p[i] = static_cast<T>(a.shrink) * (p[i] - m[i] * h * series);
    m[i] *= static_cast<T>(a.m_factor);
    v[i] *= static_cast<T>(a.v_factor);
  }
}

template <class T>
void map_pairs(T* p, T* b, size_t n, const PairMap& map) {
  for (size_t i = 0; i < n; ++i) {
    const T x = p[i];
    p[i] = static_cast<T>(map.pp) * x + static_cast<T>(map.pb) * b[i];
    b[i] = static_cast<T>(map.bp) * x + static_cast<T>(map.bb) * b[i];
  }
}

template <class T>
void sgd(T* p, T* buf, const T* g, size_t n, const SgdArguments& a) {
  const T momentum = static_cast<T>(a.momentum), rest = static_cast<T>(1 - a.dampening);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    if (buf != nullptr) {
      buf[i] = a.first ? gradient : momentum * buf[i] + rest * gradient;
      gradient = a.nesterov ? gradient + momentum * buf[i] : buf[i];
    }
    p[i] -= static_cast<T>(a.lr) * gradient;
  }
}

template <class T>
void adagrad(T* p, T* sum, const T* g, size_t n, const AdagradArguments& a) {
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    sum[i] += gradient * gradient;
    p[i] -= static_cast<T>(a.rate) * gradient / (std::sqrt(sum[i]) + static_cast<T>(a.eps));
  }
}

template <class T>
void rmsprop(T* p, T* v, T* buf, T* mean, const T* g, size_t n, const RmspropArguments& a) {
  const T alpha = static_cast<T>(a.alpha), rest = static_cast<T>(1 - a.alpha);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    v[i] = alpha * v[i] + rest * gradient * gradient;
    T variance = v[i];
    if (mean != nullptr) {
      mean[i] = alpha * mean[i] + rest * gradient;
      variance = apply<Binary::kMaximum>(v[i] - mean[i] * mean[i], T(0));
    }
    const T scale = std::sqrt(variance) + static_cast<T>(a.eps);
    if (buf != nullptr) {
      buf[i] = static_cast<T>(a.momentum) * buf[i] + gradient / scale;
      p[i] -= static_cast<T>(a.lr) * buf[i];
    } else {
      p[i] -= static_cast<T>(a.lr) * gradient / scale;
    }
  }
}

template <class T>
void adadelta(T* p, T* v, T* u, const T* g, size_t n, const AdadeltaArguments& a) {
  const T rho = static_cast<T>(a.rho), rest = static_cast<T>(1 - a.rho);
  const T eps = static_cast<T>(a.eps);
  for (size_t i = 0; i < n; ++i) {
    T gradient = g != nullptr ? static_cast<T>(a.sign) * g[i] : T(0);
    if (a.weight_decay != 0) gradient += static_cast<T>(a.weight_decay) * p[i];
    v[i] = rho * v[i] + rest * gradient * gradient;
    const T delta = std::sqrt(u[i] + eps) / std::sqrt(v[i] + eps) * gradient;
    u[i] = rho * u[i] + rest * delta * delta;
    p[i] -= static_cast<T>(a.lr) * delta;
  }
}

}  // namespace tapegrad::kernel::plain
