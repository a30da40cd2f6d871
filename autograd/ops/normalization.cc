// Normalization to mean 0 and variance 1 over a row (layer_norm) or over the batch (batch_norm),
// and division by the root of the mean square (rms_norm). Read next: autograd/ops/matmul.cc.
#include <limits>
#include <string>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad {
namespace {

Dims last_dims(std::int64_t count) {
  Dims dims;
  for (std::int64_t d = -count; d < 0; ++d) dims.push_back(d);
  return dims;
}

// n = (x - mean) / sqrt(var + eps) over dims, and the factor 1 / sqrt(var + eps).
struct Standard {
  Variable n;
  Variable scale;
  Standard(const Variable& x, const Dims& dims, double eps) {
    const Variable centered = x - mean(x, dims, true);
    scale = rsqrt(mean(square(centered), dims, true) + eps);
    n = centered * scale;
  }
};

// A parameter or a running statistic: undefined, or of x's type with one element for each channel.
void check_channels(const char* operation, const Variable& x, const char* which,
                    const Variable& given) {
  if (!given.defined()) return;
  if (given.shape() != Shape{x.size(1)}) {
    throw ShapeError(std::string(operation) + ": " + which + " is " + to_string(given.sizes()) +
                     ", needed (" + std::to_string(x.size(1)) + "), one for each channel");
  }
  detail::require_same_dtype(operation, x.dtype(), which, given.dtype());
}
void check_channels(const char* operation, const Variable& x, const Variable& weight,
                    const Variable& bias) {
  check_channels(operation, x, "weight", weight);
  check_channels(operation, x, "bias", bias);
}

void check_batch(const char* operation, const Variable& x) {
  if (x.dim() >= 2 && x.dim() <= 4) return;
  throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) +
                   ", needed (batch, channels), (batch, channels, length) or (batch, channels, "
                   "height, width)");
}

// (channels, 1, 1) for x (batch, channels, height, width): broadcasts along the channels.
Shape along_channels(const Variable& x) {
  Shape along{x.size(1)};
  for (std::int64_t d = 2; d < x.dim(); ++d) along.push_back(1);
  return along;
}

// y * weight + bias, both (channels) or undefined, for y (batch, channels, ...).
Variable scaled_channels(const Variable& y, const Variable& weight, const Variable& bias) {
  const Shape along = along_channels(y);
  const Variable scaled = weight.defined() ? y * reshape(weight, along) : y;
  return bias.defined() ? scaled + reshape(bias, along) : scaled;
}

}  // namespace

// y = n * weight + bias, n = (x - mean) * scale, scale = 1 / sqrt(var + eps)
// dx = scale * (g - mean of g - n * mean of (g * n)) with g = dy * weight,
// dweight = dy * n,  dbias = dy
Variable layer_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight,
                    const Variable& bias, double eps) {
  const auto value_of = [](const Variable& v) { return v.defined() ? v.value() : Tensor(); };
  Normalized forward =
      layer_norm_forward(x.value(), normalized_shape, value_of(weight), value_of(bias), eps);
  Tensor y = std::exchange(forward.y, Tensor());
  const Dims dims = last_dims(normalized_shape.dim());
  const FusedRule dx{[x, weight, forward, value_of](const Tensor& dy) {
                       return layer_norm_backward(dy, x.value(), forward, value_of(weight));
                     },
                     [x, weight, dims, eps](const Variable& dy) {
                       const Standard standard(x, dims, eps);
                       const Variable g = weight.defined() ? dy * weight : dy;
                       const Variable slope = mean(g * standard.n, dims, true);
                       return standard.scale * (g - mean(g, dims, true) - standard.n * slope);
                     }};
  const FusedRule dweight{
      [x, forward, normalized_shape](const Tensor& dy) {
        return layer_norm_weight_backward(dy, x.value(), forward, normalized_shape);
      },
      [x, dims, eps](const Variable& dy) { return dy * Standard(x, dims, eps).n; }};
  const auto arguments = [&] {
    return Attributes{{"normalized_shape", normalized_shape}, {"eps", eps}};
  };
  describe("layer_norm", arguments, x, weight, bias);
  return record("layer_norm", std::move(y), from(x, dx), from(weight, dweight),
                from(bias, [](const Variable& dy) { return dy; }));
}

// y = x / sqrt(mean of x^2 + eps) * weight        (Zhang and Sennrich 2019)
Variable rms_norm(const Variable& x, const Shape& normalized_shape, const Variable& weight,
                  std::optional<double> eps) {
  const std::size_t given = normalized_shape.size();
  const auto sizes = x.sizes();
  if (given == 0 || given > sizes.size() || Shape(sizes.last(given)) != normalized_shape) {
    throw ShapeError("rms_norm: x is " + to_string(sizes) + " and normalized_shape " +
                     to_string(normalized_shape) + ", needed the last sizes of x");
  }
  if (weight.defined() && weight.shape() != normalized_shape) {
    throw ShapeError("rms_norm: weight is " + to_string(weight.sizes()) + ", needed " +
                     to_string(normalized_shape));
  }
  const double smallest = x.dtype() == float32
                              ? static_cast<double>(std::numeric_limits<float>::epsilon())
                              : std::numeric_limits<double>::epsilon();
  const Dims dims = last_dims(normalized_shape.dim());
  const Variable y = x * rsqrt(mean(square(x), dims, true) + eps.value_or(smallest));
  return weight.defined() ? y * weight : y;
}

// Each channel is a row that holds the whole batch: y = layer_norm(rows) * weight + bias
// (Ioffe and Szegedy 2015)
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  check_batch("batch_norm", x);
  check_channels("batch_norm", x, weight, bias);
  Shape others = x.shape();
  others.erase(1);
  if (checked_numel(others, "batch_norm") == 1) {
    throw ValueError("batch_norm: x is " + to_string(x.sizes()) +
                     ", needed more than one element for each channel to compute a variance; use a "
                     "larger batch, or eval()");
  }
  const Variable rows = transpose(x, 0, 1);  // (channels, batch) or (channels, batch, length)
  const Variable y = transpose(layer_norm(rows, others, {}, {}, eps), 0, 1);
  return scaled_channels(y, weight, bias);
}

// In training the batch normalizes, otherwise y = (x - running_mean) / sqrt(running_var + eps) *
// weight + bias
Variable batch_norm(const Variable& x, Tensor running_mean, Tensor running_var,
                    const Variable& weight, const Variable& bias,
                    const BatchNormArguments& options) {
  check_batch("batch_norm", x);
  const bool tracks = running_mean.defined();
  if (tracks != running_var.defined() || (!options.training && !tracks)) {
    throw ValueError("batch_norm: got " +
                     std::string(tracks ? "running_mean without running_var"
                                 : running_var.defined()
                                     ? "running_var without running_mean"
                                     : "no running statistics and training = false") +
                     ", needed both, or neither in training");
  }
  check_channels("batch_norm", x, "running_mean", running_mean);
  check_channels("batch_norm", x, "running_var", running_var);
  if (!options.training) {
    check_channels("batch_norm", x, weight, bias);
    const Shape along = along_channels(x);
    const Tensor scale = rsqrt(running_var + options.eps);
    const Variable centered = x - Variable(reshape(running_mean, along));
    return scaled_channels(centered * Variable(reshape(scale, along)), weight, bias);
  }
  const Variable y = batch_norm(x, weight, bias, options.eps);
  if (tracks && x.numel() > 0) {  // an empty batch has no mean
    Dims others{0};
    for (std::int64_t d = 2; d < x.dim(); ++d) others.push_back(d);
    const double part = options.momentum;
    const Tensor next_mean = running_mean * (1 - part) + mean(x.value(), others) * part;
    running_var.copy_(running_var * (1 - part) + var(x.value(), others) * part);
    running_mean.copy_(next_mean);
  }
  return y;
}

// Each group of an example is a row: y = layer_norm(rows) * weight + bias         (Wu and He 2018)
Variable group_norm(const Variable& x, std::int64_t num_groups, const Variable& weight,
                    const Variable& bias, double eps) {
  if (x.dim() < 2) {
    throw ShapeError("group_norm: x is " + to_string(x.sizes()) +
                     ", needed (batch, channels, ...)");
  }
  const std::int64_t channels = x.size(1);
  if (num_groups < 1 || channels % num_groups != 0) {
    throw ValueError("group_norm: " + std::to_string(channels) + " channels in " +
                     std::to_string(num_groups) + " groups, needed a divisor of the channels");
  }
  check_channels("group_norm", x, weight, bias);
  Shape rest = x.shape();
  rest.erase(0);
  const std::int64_t size = checked_numel(rest, "group_norm") / num_groups;
  const Variable rows = reshape(x, {x.size(0), num_groups, size});
  return scaled_channels(reshape(layer_norm(rows, Shape{size}, {}, {}, eps), x.shape()), weight,
                         bias);
}

}  // namespace tapegrad
