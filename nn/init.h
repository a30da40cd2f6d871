// Initial values for parameters. The names are PyTorch's and, after the same manual_seed, so are
// the values. Read next: nn/init.cc.
//
//   const double gain = nn::init::calculate_gain(nn::init::Nonlinearity::tanh);
//   nn::init::xavier_uniform_(layer.weight, gain);
//   nn::init::kaiming_normal_(layer.weight, {.nonlinearity = nn::init::Nonlinearity::relu});
#pragma once

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn::init {

// The activation that follows the layer.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };

// The factor of a layer's weights with which the variance stays the same from layer to layer; param
// is the negative slope of leaky_relu.
double calculate_gain(Nonlinearity nonlinearity, double param = 0.01);

// All of these functions write into the leaf x, which stays the same leaf. AutogradError if x is
// not a leaf.
void uniform_(const Variable& x, double a = 0, double b = 1,
              Generator& generator = default_generator());
void normal_(const Variable& x, double mean = 0, double std = 1,
             Generator& generator = default_generator());
// The normal distribution between a and b.
void trunc_normal_(const Variable& x, double mean = 0, double std = 1, double a = -2, double b = 2,
                   Generator& generator = default_generator());
void constant_(const Variable& x, double value);
void zeros_(const Variable& x);
void ones_(const Variable& x);
void eye_(const Variable& x);  // (n, m): 1 on the diagonal

// The next functions need two dimensions or more (ValueError otherwise): x is (fan_out, fan_in) or
// (out, in, positions...), where the number of positions multiplies both fans.

// Glorot and Bengio (2010): uniform in +-gain * sqrt(6 / (fan_in + fan_out)), or normal of the same
// variance.
void xavier_uniform_(const Variable& x, double gain = 1,
                     Generator& generator = default_generator());
void xavier_normal_(const Variable& x, double gain = 1, Generator& generator = default_generator());

enum class FanMode { fan_in, fan_out };  // keeps the variance of values, or of gradients

struct KaimingOptions {
  double a = 0;  // the negative slope of leaky_relu
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};

// He et al. (2015): uniform in +-gain * sqrt(3 / fan), or normal of the same variance.
void kaiming_uniform_(const Variable& x, KaimingOptions options = {},
                      Generator& generator = default_generator());
void kaiming_normal_(const Variable& x, KaimingOptions options = {},
                     Generator& generator = default_generator());

// Saxe et al. (2014): x as a matrix (size(0), rest) has orthonormal rows or columns, whichever are
// fewer, times gain.
void orthogonal_(const Variable& x, double gain = 1, Generator& generator = default_generator());

}  // namespace tapegrad::nn::init
