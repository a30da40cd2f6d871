// LayerNorm, RMSNorm, GroupNorm, BatchNorm1d and BatchNorm2d: layers that bring elements to a
// common scale. Read next: nn/normalization.cc.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;  // whether there are a weight and a bias
  DType dtype = float32;
};

// layer_norm() with a weight, which begins as 1, and a bias, which begins as 0 (Ba and others
// 2016).
class LayerNorm : public Module, public Forward<LayerNorm> {
 public:
  // normalized_shape holds the last sizes of x: LayerNorm(64), LayerNorm({5, 64}). ShapeError if it
  // is empty or a size is negative.
  explicit LayerNorm(const Shape& normalized_shape, LayerNormOptions options = {});
  explicit LayerNorm(std::initializer_list<std::int64_t> normalized_shape,
                     LayerNormOptions options = {})
      : LayerNorm(Shape(std::vector<std::int64_t>(normalized_shape)), std::move(options)) {}

  Variable operator()(const Variable& x) const;  // (..., normalized_shape) -> the same

  const Shape& normalized_shape() const& { return settings_->shape; }
  Shape normalized_shape() const&& { return settings_->shape; }
  double eps() const { return settings_->eps; }
  std::string description() const override;

  Parameter weight;  // of normalized_shape, as bias; undefined if there is none
  Parameter bias;

 protected:
  void assign_from(const Module& other) override;

 private:
  struct Settings {
    Shape shape;
    double eps;
  };
  Shared<Settings> settings_;
};

struct RMSNormOptions {
  std::optional<double> eps = std::nullopt;  // default: the epsilon of x's type
  bool elementwise_affine = true;            // whether there is a weight
  DType dtype = float32;
};

// rms_norm() with a weight, which begins as 1 (Zhang and Sennrich 2019).
class RMSNorm : public Module, public Forward<RMSNorm> {
 public:
  explicit RMSNorm(const Shape& normalized_shape, RMSNormOptions options = {});
  explicit RMSNorm(std::initializer_list<std::int64_t> normalized_shape,
                   RMSNormOptions options = {})
      : RMSNorm(Shape(std::vector<std::int64_t>(normalized_shape)), std::move(options)) {}

  Variable operator()(const Variable& x) const;  // (..., normalized_shape) -> the same

  const Shape& normalized_shape() const& { return settings_->shape; }
  Shape normalized_shape() const&& { return settings_->shape; }
  const std::optional<double>& eps() const& { return settings_->eps; }
  std::optional<double> eps() const&& { return settings_->eps; }
  std::string description() const override;

  Parameter weight;  // of normalized_shape; undefined if there is none

 protected:
  void assign_from(const Module& other) override;

 private:
  struct Settings {
    Shape shape;
    std::optional<double> eps;
  };
  Shared<Settings> settings_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // the weight of a new batch in the running statistics;
                                         // std::nullopt: they are the means of all batches
  bool affine = true;                    // whether there are a weight and a bias
  bool track_running_stats = true;       // false: eval mode also uses the batch's
  DType dtype = float32;
};

// What BatchNorm1d and BatchNorm2d share. In training: batch_norm(), and the batch's mean and
// variance (divided by n - 1) update the running ones. In eval mode: (x - running_mean) /
// sqrt(running_var + eps) * weight + bias. weight begins as 1, bias as 0 (Ioffe and Szegedy 2015).
class BatchNorm : public Module {
 public:
  // Resets to mean 0, variance 1, and no batches.
  void reset_running_stats();

  std::int64_t num_features() const { return settings_->num_features; }
  const BatchNormOptions& options() const& { return settings_->options; }
  BatchNormOptions options() const&& { return settings_->options; }
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_features), as bias; undefined if there is none
  Parameter bias;
  Buffer running_mean;  // (num_features), as running_var; undefined if they are not tracked
  Buffer running_var;
  Buffer num_batches_tracked;  // () int64

 protected:
  BatchNorm(const char* layer, std::int64_t num_features, BatchNormOptions options);
  void assign_from(const Module& other) override;
  // The layer for x, whose shape was checked.
  Variable run(const Variable& x) const;

 private:
  struct Settings {
    const char* layer;
    std::int64_t num_features;
    BatchNormOptions options;
  };
  Shared<Settings> settings_;
};

class BatchNorm1d : public BatchNorm, public Forward<BatchNorm1d> {
 public:
  explicit BatchNorm1d(std::int64_t num_features, BatchNormOptions options = {})
      : BatchNorm("BatchNorm1d", num_features, std::move(options)) {}
  // (batch, num_features) or (batch, num_features, length). ValueError in training if there is only
  // one element for each feature.
  Variable operator()(const Variable& x) const;
};

class BatchNorm2d : public BatchNorm, public Forward<BatchNorm2d> {
 public:
  explicit BatchNorm2d(std::int64_t num_features, BatchNormOptions options = {})
      : BatchNorm("BatchNorm2d", num_features, std::move(options)) {}
  // (batch, num_features, height, width), with the same error.
  Variable operator()(const Variable& x) const;
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  // whether there are a weight and a bias
  DType dtype = float32;
};

// group_norm() with a weight, which begins as 1, and a bias, which begins as 0 (Wu and He 2018).
class GroupNorm : public Module, public Forward<GroupNorm> {
 public:
  // ValueError if num_groups does not divide num_channels.
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormOptions options = {});

  Variable operator()(const Variable& x) const;  // (batch, num_channels, ...) -> the same

  std::int64_t num_groups() const { return settings_->num_groups; }
  std::int64_t num_channels() const { return settings_->num_channels; }
  double eps() const { return settings_->eps; }
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_channels), as bias; undefined if there is none
  Parameter bias;

 protected:
  void assign_from(const Module& other) override;

 private:
  struct Settings {
    std::int64_t num_groups;
    std::int64_t num_channels;
    double eps;
  };
  Shared<Settings> settings_;
};

}  // namespace tapegrad::nn
