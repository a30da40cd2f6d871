// Derivatives of functions: jacobian, hessian, and products of these with vectors, which need no
// matrix. The functions take and return Variables; the results are Tensors without history. Read
// next: autograd/functional.cc.
//
//   jacobian([](const Variable& x) { return square(x); }, tensor({1.0, 2.0}));   // diag(2, 4)
//   hvp([](const Variable& x) { return sum(x * x * x); }, x, v).product;         // 6 x v
#pragma once

#include <functional>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

using VariableFunction = std::function<Variable(const Variable&)>;

// What a product of a derivative and a vector is computed with, and the product.
struct DerivativeProduct {
  Tensor output;   // function(x)
  Tensor product;  // of the shape that each function says
};

// All of these call function(x), where x is a leaf of the given floating-point value. DTypeError
// for another value, AutogradError while a NoGrad exists. A result that does not depend on x has
// the derivative 0.

// The derivatives of each element of the result by each element of x: (*result, *x). It takes one
// backward pass for each element of the result.
Tensor jacobian(const VariableFunction& function, const Tensor& x);

// The second derivatives of a result with one element: (*x, *x). ShapeError for another result. It
// takes one backward pass for each element of x.
Tensor hessian(const VariableFunction& function, const Tensor& x);

// v^T J, of x's shape, for v of the result's shape (undefined: 1, for a result with one element):
// one backward pass.
DerivativeProduct vjp(const VariableFunction& function, const Tensor& x, const Tensor& v = {});

// J v, of the result's shape, for v of x's shape: two backward passes, the second one through the
// first (Townsend 2017).
DerivativeProduct jvp(const VariableFunction& function, const Tensor& x, const Tensor& v);

// H v, of x's shape, for v of x's shape and a result with one element: the gradient of the product
// of the gradient and v (Pearlmutter 1994).
DerivativeProduct hvp(const VariableFunction& function, const Tensor& x, const Tensor& v);

}  // namespace tapegrad
