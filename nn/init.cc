// The functions of nn/init.h. Each draws random numbers in the order of torch.nn.init. Read next:
// nn/distributions.h.
#include <tapegrad/nn/init.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn::init {
namespace {

Tensor& value_of(const Variable& x) { return x.leaf().writable_value(); }

void check_matrix(const char* operation, const Variable& x) {
  if (x.dim() >= 2) return;
  throw ValueError(std::string(operation) + ": got shape " + to_string(x.sizes()) +
                   ", needed two dimensions or more; for a bias use zeros_() or uniform_()");
}

struct Fans {
  double in, out;
  Fans(const char* operation, const Variable& x) {
    check_matrix(operation, x);
    double positions = 1;
    for (std::int64_t d = 2; d < x.dim(); ++d) positions *= static_cast<double>(x.size(d));
    in = static_cast<double>(x.size(1)) * positions;
    out = static_cast<double>(x.size(0)) * positions;
  }
};

double xavier_std(const char* operation, const Variable& x, double gain) {
  const Fans fans(operation, x);
  return gain * std::sqrt(2.0 / (fans.in + fans.out));
}

double kaiming_std(const char* operation, const Variable& x, const KaimingOptions& options) {
  const Fans fans(operation, x);
  return calculate_gain(options.nonlinearity, options.a) /
         std::sqrt(options.mode == FanMode::fan_in ? fans.in : fans.out);
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double param) {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      return 1;
    case Nonlinearity::tanh:
      return 5.0 / 3.0;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2.0 / (1 + param * param));
    case Nonlinearity::selu:
      break;
  }
  return 0.75;
}

// Distributions, constants
// -------------------------------------------------------------------------

void uniform_(const Variable& x, double a, double b, Generator& generator) {
  tapegrad::uniform_(value_of(x), a, b, generator);
}
void normal_(const Variable& x, double mean, double std, Generator& generator) {
  tapegrad::normal_(value_of(x), mean, std, generator);
}
namespace {

// The x with erf(x) = y. Winitzki's approximation (2008), then Newton's method.
double inverse_erf(double y) {
  if (std::abs(y) >= 1) return std::copysign(std::numeric_limits<double>::infinity(), y);
  constexpr double kPi = std::numbers::pi;
  constexpr double a = 0.147;
  const double log_rest = std::log1p(-y * y);
  const double half = 2 / (kPi * a) + log_rest / 2;
  double x = std::copysign(std::sqrt(std::sqrt(half * half - log_rest / a) - half), y);
  for (int step = 0; step < 3; ++step) {
    x -= (std::erf(x) - y) * std::exp(x * x) * std::sqrt(kPi) / 2;
  }
  return x;
}

double normal_cdf(double x) { return (1 + std::erf(x / std::sqrt(2.0))) / 2; }

}  // namespace

// Applies the inverse of the distribution function to uniform random numbers.
void trunc_normal_(const Variable& x, double mean, double std, double a, double b,
                   Generator& generator) {
  if (!(a <= b)) {
    throw ValueError("trunc_normal_: the bounds are " + std::to_string(a) + " and " +
                     std::to_string(b) + ", needed the lower one first");
  }
  const double low = normal_cdf((a - mean) / std);
  const double high = normal_cdf((b - mean) / std);
  const Tensor draw =
      tapegrad::uniform_(empty(x.shape(), x.dtype()), 2 * low - 1, 2 * high - 1, generator);
  std::vector<double> values = to_vector<double>(draw);
  for (double& value : values) {
    value = std::clamp(inverse_erf(value) * std * std::sqrt(2.0) + mean, a, b);
  }
  value_of(x).copy_(reshape(tensor(values), x.shape()));
}

void constant_(const Variable& x, double value) { value_of(x).fill_(value); }
void zeros_(const Variable& x) { constant_(x, 0); }
void ones_(const Variable& x) { constant_(x, 1); }
void eye_(const Variable& x) {
  if (x.dim() != 2) {
    throw ValueError("eye_: got shape " + to_string(x.sizes()) + ", needed two dimensions");
  }
  value_of(x).copy_(eye(x.size(0), x.size(1), x.dtype()));
}

// Xavier and Kaiming ------------------------------------------------------------------------------

void xavier_uniform_(const Variable& x, double gain, Generator& generator) {
  const double bound = std::sqrt(3.0) * xavier_std("xavier_uniform_", x, gain);
  if (x.numel() > 0) uniform_(x, -bound, bound, generator);
}
void xavier_normal_(const Variable& x, double gain, Generator& generator) {
  const double std = xavier_std("xavier_normal_", x, gain);
  if (x.numel() > 0) normal_(x, 0, std, generator);
}
void kaiming_uniform_(const Variable& x, KaimingOptions options, Generator& generator) {
  const double bound = std::sqrt(3.0) * kaiming_std("kaiming_uniform_", x, options);
  if (x.numel() > 0) uniform_(x, -bound, bound, generator);
}
void kaiming_normal_(const Variable& x, KaimingOptions options, Generator& generator) {
  const double std = kaiming_std("kaiming_normal_", x, options);
  if (x.numel() > 0) normal_(x, 0, std, generator);
}

// Orthogonal matrices -----------------------------------------------------------------------------

namespace {

// Makes `count` vectors of `length` elements, stored one after the other, orthonormal. The result
// is the Q of the QR decomposition whose R has a positive diagonal; PyTorch changes the signs of
// LAPACK's Q to get it. This is the Gram-Schmidt process, run twice for each vector, which is
// enough for orthogonality to the last bits (Giraud et al. 2005).
void orthonormalize(std::vector<double>& vectors, std::size_t count, std::size_t length) {
  const kernel::Kernels<double>& kernels = kernel::kernels<double>();
  for (std::size_t i = 0; i < count; ++i) {
    double* const vector = vectors.data() + i * length;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        const double* const earlier = vectors.data() + j * length;
        kernels.axpy(vector, -kernels.dot(vector, earlier, length), earlier, length);
      }
    }
    const double norm = std::sqrt(kernels.sum_of_squares(vector, length));
    for (std::size_t k = 0; k < length; ++k) vector[k] /= norm;
  }
}

}  // namespace

void orthogonal_(const Variable& x, double gain, Generator& generator) {
  check_matrix("orthogonal_", x);
  if (x.numel() == 0) return;
  const std::int64_t rows = x.size(0);
  const std::int64_t columns = x.numel() / rows;
  const Tensor draw = normal_(empty({rows, columns}, x.dtype()), 0, 1, generator);
  const bool wide = rows < columns;  // then its rows are made orthonormal, else its columns
  std::vector<double> vectors = to_vector<double>(wide ? draw : transpose(draw));
  const auto count = static_cast<std::size_t>(std::min(rows, columns));
  orthonormalize(vectors, count, vectors.size() / count);
  Tensor q = reshape(tensor(vectors), {wide ? rows : columns, wide ? columns : rows});
  if (!wide) q = transpose(q);
  value_of(x).copy_(reshape(q * gain, x.shape()));
}

}  // namespace tapegrad::nn::init
