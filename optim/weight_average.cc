// The averages, and their exchange with the parameters. Read next: optim/lbfgs.h.
#include <tapegrad/optim/weight_average.h>

#include <string>
#include <utility>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

WeightAverage::WeightAverage(std::vector<NamedParameter> parameters, WeightAverageOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  if (parameters_.empty()) throw ValueError("WeightAverage: got no parameters");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].variable.is_leaf()) {
      throw ValueError("WeightAverage: parameter " + name(i) +
                       " is not a leaf, needed one made by parameter()");
    }
  }
  if (options_.decay && !(*options_.decay >= 0 && *options_.decay <= 1)) {
    throw ValueError("WeightAverage: decay is " + std::to_string(*options_.decay) +
                     ", needed a number in [0, 1]");
  }
}

std::string WeightAverage::name(std::size_t i) const {
  return parameters_[i].name.empty() ? std::to_string(i) : parameters_[i].name;
}

void WeightAverage::require_updates(const char* operation) const {
  if (updates_ > 0) return;
  throw ValueError(std::string("WeightAverage: ") + operation +
                   " before the first update(); call it after a step");
}

void WeightAverage::update() {
  const double weight =
      options_.decay ? 1 - *options_.decay : 1 / static_cast<double>(updates_ + 1);
  std::vector<Tensor> next;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i].variable.value();
    next.push_back(updates_ == 0 ? value.clone() : lerp(averages_[i], value, weight));
  }
  averages_ = std::move(next);
  ++updates_;
}

const Tensor& WeightAverage::average(std::size_t i) const& {
  require_updates("average()");
  if (i < averages_.size()) return averages_[i];
  throw IndexError("WeightAverage: average " + std::to_string(i) + " of " +
                   std::to_string(averages_.size()));
}

WeightAverage::Applied::Applied(const WeightAverage& average) {
  average.require_updates("applied()");
  std::vector<Tensor> copies;
  for (std::size_t i = 0; i < average.parameters_.size(); ++i) {
    parameters_.push_back(average.parameters_[i].variable);
    own_.push_back(parameters_.back().value().clone());
    copies.push_back(average.averages_[i].clone());
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    parameters_[i].set_value(std::move(copies[i]));
  }
}

WeightAverage::Applied::~Applied() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Variable& x = parameters_[i];
    // A parameter that was converted to another type meanwhile keeps its value.
    if (x.dtype() == own_[i].dtype() && x.shape() == own_[i].shape()) {
      x.set_value(std::move(own_[i]));
    }
  }
}

void WeightAverage::copy_to_parameters() const {
  require_updates("copy_to_parameters()");
  std::vector<Tensor> copies;
  for (const Tensor& average : averages_) copies.push_back(average.clone());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    Variable(parameters_[i].variable).set_value(std::move(copies[i]));
  }
}

StateDict WeightAverage::state_dict() const {
  StateDict state;
  state.insert("updates", full({}, updates_));
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    state.insert("average." + name(i), averages_[i].clone());
  }
  return state;
}

void WeightAverage::load_state_dict(const StateDict& state) {
  const Tensor* const updates = state.find("updates");
  if (updates == nullptr || updates->dtype() != int64 || updates->numel() != 1 ||
      updates->item<std::int64_t>() < 0) {
    throw FormatError("WeightAverage: the state has no count `updates`");
  }
  std::vector<Tensor> averages;
  const std::int64_t count = updates->item<std::int64_t>();
  for (std::size_t i = 0; count > 0 && i < parameters_.size(); ++i) {
    const Tensor* const found = state.find("average." + name(i));
    const Tensor& value = parameters_[i].variable.stored();
    if (found == nullptr || found->dtype() != value.dtype() || found->shape() != value.shape()) {
      throw FormatError("WeightAverage: average." + name(i) +
                        (found == nullptr ? " is missing"
                                          : " is " + to_string(found->sizes()) + " of type " +
                                                tapegrad::name(found->dtype())) +
                        ", needed " + to_string(value.sizes()) + " of type " +
                        tapegrad::name(value.dtype()));
    }
    averages.push_back(found->clone());
  }
  if (state.size() != averages.size() + 1) {
    throw FormatError("WeightAverage: the state has " + std::to_string(state.size()) +
                      " entries, needed " + std::to_string(averages.size() + 1));
  }
  averages_ = std::move(averages);
  updates_ = count;
}

}  // namespace tapegrad::optim
