// Dropout (Srivastava and others 2014), Dropout1d, Dropout2d and AlphaDropout. Read next:
// nn/dropout.cc.
#pragma once

#include <string>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

// If training, each element becomes 0 with probability p and is divided by 1 - p otherwise; else x.
// ValueError unless 0 <= p <= 1.
Variable dropout(const Variable& x, double p = 0.5, bool training = true,
                 GeneratorRef generator = {});

// dropout() in training; in eval mode x is returned unchanged. `generator` draws; it must outlive
// the layer and its clones, which draw from the same one. Default: the default generator, as in
// PyTorch.
class Dropout : public Module, public Forward<Dropout> {
 public:
  explicit Dropout(double p = 0.5, GeneratorRef generator = {});  // ValueError unless 0 <= p <= 1
  Variable operator()(const Variable& x) const;
  double p() const { return settings_->p; }
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  struct Settings {
    double p;
    GeneratorRef generator;
  };
  Shared<Settings> settings_;
};

// What Dropout1d and Dropout2d share: they drop whole channels (Tompson and others 2015).
class ChannelDropout : public ActivationWith<double> {
 public:
  double p() const { return option(); }

 protected:
  ChannelDropout(const char* layer, double p, GeneratorRef generator);
  void assign_from(const Module& other) override;
  // Drops along the last `dims` dimensions together.
  Variable run(const Variable& x, std::int64_t dims) const;

 private:
  Shared<GeneratorRef> generator_;
};

// For x (batch, channels, length) or (channels, length).
struct Dropout1d : ChannelDropout, Forward<Dropout1d> {
  explicit Dropout1d(double p = 0.5, GeneratorRef generator = {})
      : ChannelDropout("Dropout1d", p, generator) {}
  Variable operator()(const Variable& x) const;
};

// For x (batch, channels, height, width). PyTorch takes (batch, channels, length), too: that is
// Dropout1d.
struct Dropout2d : ChannelDropout, Forward<Dropout2d> {
  explicit Dropout2d(double p = 0.5, GeneratorRef generator = {})
      : ChannelDropout("Dropout2d", p, generator) {}
  Variable operator()(const Variable& x) const;
};

// Dropout for use with SELU (Klambauer and others 2017): it keeps mean 0 and variance 1. Dropped
// elements are set to the lower limit of SELU, then all elements are scaled and shifted.
struct AlphaDropout : ActivationWith<double>, Forward<AlphaDropout> {
  explicit AlphaDropout(double p = 0.5, GeneratorRef generator = {});
  Variable operator()(const Variable& x) const;
  double p() const { return option(); }

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Variable& x) const;
  Shared<GeneratorRef> generator_;
};

}  // namespace tapegrad::nn
