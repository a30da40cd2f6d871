// WeightAverage: a running average of the parameters, which often does better on new data than the
// last step's. Read next: optim/weight_average.cc.
//
//   optim::WeightAverage average(model.parameters(), {.decay = 0.999});
//   for (...) { loss(...).backward(); adam.step(); average.update(); }
//   {
//     const auto averaged = average.applied();   // the model has the averages here
//     evaluate(model);
//   }                                            // and its own values again
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/named_parameter.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::optim {

struct WeightAverageOptions {
  // Exponential moving average (Polyak and Juditsky 1992): average = decay * average + (1 - decay)
  // * parameter. Without a decay, the mean of all updates (stochastic weight averaging, Izmailov et
  // al. 2018).
  std::optional<double> decay = std::nullopt;
};

// The averages of floating-point leaves. The first update() copies the parameters. An average of
// equal values is that value, so frozen rows do not change.
class WeightAverage {
 public:
  // ValueError for an empty list, for a Variable that is not a leaf, and for a decay outside of [0,
  // 1].
  explicit WeightAverage(std::vector<NamedParameter> parameters, WeightAverageOptions options = {});

  void update();
  std::int64_t updates() const { return updates_; }
  // The average of a parameter, by its position in the list. ValueError before the first update.
  const Tensor& average(std::size_t i) const&;
  Tensor average(std::size_t i) const&& { return average(i); }

  // Gives the parameters the averages until the returned object ends; then they have their own
  // values again, also if they were changed meanwhile (but not if they were converted to another
  // type). ValueError before the first update.
  class [[nodiscard]] Applied {
   public:
    ~Applied();
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    friend class WeightAverage;
    explicit Applied(const WeightAverage& average);
    std::vector<Variable> parameters_;
    std::vector<Tensor> own_;
  };
  Applied applied() const { return Applied(*this); }
  const std::vector<NamedParameter>& parameters() const& { return parameters_; }
  std::vector<NamedParameter> parameters() const&& { return parameters_; }
  // Gives the parameters the averages for good.
  void copy_to_parameters() const;

  // `updates`, and `average.<name>` for each parameter (by its position if it has no name).
  StateDict state_dict() const;
  // All or nothing: FormatError unless everything fits.
  void load_state_dict(const StateDict& state);

 private:
  std::string name(std::size_t i) const;
  void require_updates(const char* operation) const;

  std::vector<NamedParameter> parameters_;
  WeightAverageOptions options_;
  std::vector<Tensor> averages_;
  std::int64_t updates_ = 0;
};

}  // namespace tapegrad::optim
