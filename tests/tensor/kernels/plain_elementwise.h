// The plain references of kernels: elementwise functions. Read next: plain_reductions.h.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tapegrad::kernel::plain {

using std::size_t;

template <Unary kOp, class T>
T apply(T x) {
  if constexpr (kOp == Unary::kNeg) return -x;
  if constexpr (kOp == Unary::kAbs) return std::abs(x);
  if constexpr (kOp == Unary::kSign) return x > 0 ? T(1) : x < 0 ? T(-1) : T(0);
  if constexpr (kOp == Unary::kSquare) return x * x;
  if constexpr (kOp == Unary::kReciprocal) return 1 / x;
  if constexpr (kOp == Unary::kSqrt) return std::sqrt(x);
  if constexpr (kOp == Unary::kRsqrt) return 1 / std::sqrt(x);
  if constexpr (kOp == Unary::kExp) return std::exp(x);
  if constexpr (kOp == Unary::kExpm1) return std::expm1(x);
  if constexpr (kOp == Unary::kLog) return std::log(x);
  if constexpr (kOp == Unary::kLog1p) return std::log1p(x);
  if constexpr (kOp == Unary::kLog2) return std::log2(x);
  if constexpr (kOp == Unary::kSin) return std::sin(x);
  if constexpr (kOp == Unary::kCos) return std::cos(x);
  if constexpr (kOp == Unary::kTan) return std::tan(x);
  if constexpr (kOp == Unary::kTanh) return std::tanh(x);
  if constexpr (kOp == Unary::kSigmoid) {
    return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
  }
  if constexpr (kOp == Unary::kRelu) return x <= 0 ? T(0) : x;
  if constexpr (kOp == Unary::kErf) return std::erf(x);
  if constexpr (kOp == Unary::kSoftplus) return x > 20 ? x : std::log1p(std::exp(x));
  if constexpr (kOp == Unary::kSilu) return x * apply<Unary::kSigmoid>(x);
  if constexpr (kOp == Unary::kGelu) {
    return x * T(0.5) * (1 + std::erf(x * T(0.70710678118654752)));
  }
  if constexpr (kOp == Unary::kFloor) return std::floor(x);
  if constexpr (kOp == Unary::kCeil) return std::ceil(x);
  if constexpr (kOp == Unary::kRound) return std::nearbyint(x);
}

template <Binary kOp, class T>
T apply(T a, T b) {
  if constexpr (kOp == Binary::kAdd) return a + b;
  if constexpr (kOp == Binary::kSub) return a - b;
  if constexpr (kOp == Binary::kMul) return a * b;
  if constexpr (kOp == Binary::kDiv) return a / b;
  if constexpr (kOp == Binary::kPow) return std::pow(a, b);
  if constexpr (kOp == Binary::kMaximum) return std::isnan(a) || a > b ? a : b;
  if constexpr (kOp == Binary::kMinimum) return std::isnan(a) || a < b ? a : b;
  if constexpr (kOp == Binary::kTanhBackward) return a * (1 - b * b);
  if constexpr (kOp == Binary::kSigmoidBackward) return a * b * (1 - b);
  if constexpr (kOp == Binary::kReluBackward) return b <= 0 ? T(0) : a;
  if constexpr (kOp == Binary::kGeluBackward) {
    const double x = static_cast<double>(b);
    const double distribution = 0.5 * std::erfc(-x / std::sqrt(2.0));
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0));
    return static_cast<T>(static_cast<double>(a) * (distribution + x * density));
  }
}

template <Compare kOp, class T>
bool holds(T a, T b) {
  if constexpr (kOp == Compare::kEq) return a == b;
  if constexpr (kOp == Compare::kNe) return a != b;
  if constexpr (kOp == Compare::kLt) return a < b;
  if constexpr (kOp == Compare::kLe) return a <= b;
  if constexpr (kOp == Compare::kGt) return a > b;
  if constexpr (kOp == Compare::kGe) return a >= b;
}

template <Unary kOp, class T>
void unary(T* y, const T* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = apply<kOp>(x[i]);
}

template <Operands kOperands>
constexpr size_t kStepA = kOperands == Operands::kScalarVector ? 0 : 1;
template <Operands kOperands>
constexpr size_t kStepB = kOperands == Operands::kVectorScalar ? 0 : 1;

template <Binary kOp, Operands kOperands, class T>
void binary(T* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = apply<kOp>(a[i * kStepA<kOperands>], b[i * kStepB<kOperands>]);
  }
}

template <Compare kOp, Operands kOperands, class T>
void compare(bool* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = holds<kOp>(a[i * kStepA<kOperands>], b[i * kStepB<kOperands>]);
  }
}

template <class T>
void where(T* y, const bool* condition, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = condition[i] ? a[i] : b[i];
}

template <class T>
void clamp(T* y, const T* x, T low, T high, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = std::min(std::max(x[i], low), high);
}

template <class T>
void fill(T* y, T value, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = value;
}

template <class T>
void axpy(T* y, T alpha, const T* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += alpha * x[i];
}

template <class T>
void multiply_add(T* y, const T* a, const T* b, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

template <class T>
void add_row(T* y, const T* x, const T* row, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) y[i * columns + j] = x[i * columns + j] + row[j];
  }
}

}  // namespace tapegrad::kernel::plain
