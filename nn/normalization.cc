// The normalization layers; those of batches also keep the running statistics. Read next:
// nn/dropout.h.
#include <tapegrad/nn/normalization.h>

#include <sstream>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::nn {
namespace {

Shape checked_shape(const char* layer, const Shape& shape) {
  bool fits = !shape.empty();
  for (const std::int64_t size : shape) fits = fits && size >= 0;
  if (fits) return shape;
  throw ShapeError(std::string(layer) + ": normalized_shape is " + to_string(shape) +
                   ", needed at least one size, none of them negative");
}

}  // namespace

// LayerNorm ---------------------------------------------------------------------------------------

LayerNorm::LayerNorm(const Shape& normalized_shape, LayerNormOptions options)
    : weight(options.elementwise_affine
                 ? register_parameter(
                       "weight", ones(checked_shape("LayerNorm", normalized_shape), options.dtype))
                 : Parameter()),
      bias(options.elementwise_affine
               ? register_parameter("bias", zeros(normalized_shape, options.dtype))
               : Parameter()),
      settings_({checked_shape("LayerNorm", normalized_shape), options.eps}) {}

Variable LayerNorm::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        return layer_norm(in, settings_->shape, weight, bias, settings_->eps);
      },
      x);
}

std::string LayerNorm::description() const {
  std::ostringstream text;
  text << "LayerNorm(" << settings_->shape << ", eps=" << settings_->eps
       << (weight.defined() ? ")" : ", elementwise_affine=false)");
  return text.str();
}

void LayerNorm::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const LayerNorm&>(other).settings_;
}

// RMSNorm -----------------------------------------------------------------------------------------

RMSNorm::RMSNorm(const Shape& normalized_shape, RMSNormOptions options)
    : weight(options.elementwise_affine
                 ? register_parameter(
                       "weight", ones(checked_shape("RMSNorm", normalized_shape), options.dtype))
                 : Parameter()),
      settings_({checked_shape("RMSNorm", normalized_shape), options.eps}) {}

Variable RMSNorm::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) { return rms_norm(in, settings_->shape, weight, settings_->eps); },
      x);
}

std::string RMSNorm::description() const {
  std::ostringstream text;
  text << "RMSNorm(" << settings_->shape;
  if (settings_->eps.has_value()) text << ", eps=" << *settings_->eps;
  text << (weight.defined() ? ")" : ", elementwise_affine=false)");
  return text.str();
}

void RMSNorm::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const RMSNorm&>(other).settings_;
}

// Batches -----------------------------------------------------------------------------------------

namespace {

std::int64_t checked_features(const char* layer, std::int64_t num_features) {
  if (num_features >= 0) return num_features;
  throw ValueError(std::string(layer) + ": negative size in " + std::to_string(num_features));
}

}  // namespace

BatchNorm::BatchNorm(const char* layer, std::int64_t num_features, BatchNormOptions options)
    : weight(options.affine
                 ? register_parameter("weight",
                                      ones({checked_features(layer, num_features)}, options.dtype))
                 : Parameter()),
      bias(options.affine ? register_parameter("bias", zeros({num_features}, options.dtype))
                          : Parameter()),
      running_mean(options.track_running_stats
                       ? register_buffer("running_mean", zeros({num_features}, options.dtype))
                       : Buffer(Tensor())),
      running_var(options.track_running_stats
                      ? register_buffer("running_var", ones({num_features}, options.dtype))
                      : Buffer(Tensor())),
      num_batches_tracked(options.track_running_stats
                              ? register_buffer("num_batches_tracked", zeros({}, int64))
                              : Buffer(Tensor())),
      settings_({layer, checked_features(layer, num_features), options}) {}

Variable BatchNorm1d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        if ((in.dim() != 2 && in.dim() != 3) || in.size(1) != num_features()) {
          throw ShapeError("BatchNorm1d: x is " + to_string(in.sizes()) + ", needed (batch, " +
                           std::to_string(num_features()) + ") or (batch, " +
                           std::to_string(num_features()) + ", length)");
        }
        return run(in);
      },
      x);
}

Variable BatchNorm2d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        if (in.dim() != 4 || in.size(1) != num_features()) {
          throw ShapeError("BatchNorm2d: x is " + to_string(in.sizes()) + ", needed (batch, " +
                           std::to_string(num_features()) + ", height, width)");
        }
        return run(in);
      },
      x);
}

Variable BatchNorm::run(const Variable& x) const {
  const BatchNormOptions& options = settings_->options;
  if (running_mean->defined() && is_training()) {
    const Tensor count = *num_batches_tracked + 1;
    const double momentum = options.momentum.value_or(1 / count.item<double>());
    Tensor next_mean = running_mean->clone(), next_var = running_var->clone();
    const Variable y = batch_norm(x, next_mean, next_var, weight, bias,
                                  {.training = true, .momentum = momentum, .eps = options.eps});
    *running_mean = std::move(next_mean);
    *running_var = std::move(next_var);
    *num_batches_tracked = count;
    return y;
  }
  if (running_mean->defined()) {
    return batch_norm(x, *running_mean, *running_var, weight, bias, {.eps = options.eps});
  }
  if (!is_training() && x.numel() == num_features() && x.numel() > 0) {
    throw ValueError(
        std::string(settings_->layer) + ": x is " + to_string(x.sizes()) +
        ", needed more than one element for each channel: without running statistics, "
        "eval mode uses those of the batch; use a larger batch, or track_running_stats");
  }
  return batch_norm(x, weight, bias, options.eps);
}

void BatchNorm::reset_running_stats() {
  if (!running_mean->defined()) return;
  Tensor mean = zeros_like(*running_mean);
  Tensor var = ones_like(*running_var);
  *num_batches_tracked = zeros({}, int64);
  *running_mean = std::move(mean);
  *running_var = std::move(var);
}

std::int64_t BatchNorm::mult_adds(const std::vector<Variable>& /*inputs*/,
                                  const std::vector<Variable>& outputs) const {
  return weight.defined() ? 2 * outputs.front().numel() : 0;
}

std::string BatchNorm::description() const {
  std::ostringstream text;
  const BatchNormOptions& options = settings_->options;
  text << settings_->layer << "(" << num_features() << ", eps=" << options.eps << ", momentum=";
  if (options.momentum.has_value()) {
    text << *options.momentum;
  } else {
    text << "none";
  }
  text << (options.affine ? "" : ", affine=false")
       << (options.track_running_stats ? ")" : ", track_running_stats=false)");
  return text.str();
}

void BatchNorm::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const BatchNorm&>(other).settings_;
}

// GroupNorm ---------------------------------------------------------------------------------------

namespace {

std::int64_t checked_channels(std::int64_t num_groups, std::int64_t num_channels) {
  if (num_groups >= 1 && num_channels >= 0 && num_channels % num_groups == 0) return num_channels;
  throw ValueError("GroupNorm: " + std::to_string(num_channels) + " channels in " +
                   std::to_string(num_groups) + " groups, needed a divisor of the channels");
}

}  // namespace

GroupNorm::GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormOptions options)
    : weight(options.affine
                 ? register_parameter(
                       "weight", ones({checked_channels(num_groups, num_channels)}, options.dtype))
                 : Parameter()),
      bias(options.affine ? register_parameter("bias", zeros({num_channels}, options.dtype))
                          : Parameter()),
      settings_({num_groups, checked_channels(num_groups, num_channels), options.eps}) {}

Variable GroupNorm::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        if (in.dim() < 2 || in.size(1) != num_channels()) {
          throw ShapeError("GroupNorm: x is " + to_string(in.sizes()) + ", needed (batch, " +
                           std::to_string(num_channels()) + ", ...)");
        }
        return group_norm(in, num_groups(), weight, bias, eps());
      },
      x);
}

std::int64_t GroupNorm::mult_adds(const std::vector<Variable>& /*inputs*/,
                                  const std::vector<Variable>& outputs) const {
  return weight.defined() ? 2 * outputs.front().numel() : 0;
}

std::string GroupNorm::description() const {
  std::ostringstream text;
  text << "GroupNorm(" << num_groups() << ", " << num_channels() << ", eps=" << eps()
       << (weight.defined() ? ")" : ", affine=false)");
  return text.str();
}

void GroupNorm::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const GroupNorm&>(other).settings_;
}

}  // namespace tapegrad::nn
