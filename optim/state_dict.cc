// Saves the state of an optimizer, and loads it to continue. Read next: optim/explain.cc.
#include <cmath>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

std::string rate_label(std::size_t group) {
  return "param_groups." + std::to_string(group) + ".lr";
}

// A count of 1 or more; PyTorch stores it as a floating-point number.
bool is_count(const Tensor& steps) {
  if (steps.dtype() == boolean || steps.numel() != 1) return false;
  const auto number = steps.item<double>();
  return number >= 1 && number < 0x1p53 && number == std::floor(number);
}

// The saved state of one parameter.
struct Saved {
  std::int64_t step = 0;
  std::vector<Tensor> moments;
  std::vector<double> initial;  // of new rows
};

// Takes entries out of a saved state, and collects the problems.
class Reader {
 public:
  explicit Reader(const StateDict& saved) : saved_(saved) {}

  // The entries `label`..., for a parameter with this value.
  Saved state(const std::string& label, const std::vector<Moment>& moments, const Tensor& value) {
    Saved state;
    if (!saved_.contains(label + "step")) return state;  // it had not taken a step
    const Tensor& step = *find(label + "step");
    if (!is_count(step)) {
      complain(label + "step is not a count");
      for (const Moment& moment : moments) used_.insert(label + moment.name);
      return state;
    }
    state.step = step.item<std::int64_t>();
    for (const Moment& moment : moments) {
      state.initial.push_back(moment.initial);
      const Tensor* const found = find(label + moment.name);
      if (found == nullptr) continue;
      if (!is_floating_point(found->dtype()) || found->shape() != value.shape()) {
        complain(label + moment.name + " is " + describe(*found) + " for " + describe(value));
      } else {
        state.moments.push_back(found->to(value.dtype()).clone());
      }
    }
    return state;
  }

  double rate(const std::string& label) {
    const Tensor* const lr = find(label);
    if (lr == nullptr) return 0;
    if (lr->numel() == 1 && lr->item<double>() >= 0) return lr->item<double>();
    complain(label + " is not a learning rate");
    return 0;
  }

  // All problems, including entries that are left.
  std::string problems() {
    for (const auto& [key, tensor] : saved_) {
      if (!used_.contains(key)) complain("unexpected " + key);
    }
    return problems_;
  }

 private:
  static std::string describe(const Tensor& x) {
    return std::string(name(x.dtype())) + " " + to_string(x.sizes());
  }
  void complain(const std::string& problem) {
    problems_ += (problems_.empty() ? "" : ", ") + problem;
  }
  const Tensor* find(const std::string& key) {
    const Tensor* const found = saved_.find(key);
    used_.insert(key);
    if (found == nullptr) complain("missing " + key);
    return found;
  }

  const StateDict& saved_;
  std::unordered_set<std::string> used_;
  std::string problems_;
};

}  // namespace

// `state.<name>.` for every parameter, groups one after the other.
std::vector<std::string> Optimizer::labels() const {
  std::vector<std::string> labels;
  std::unordered_set<std::string> known;
  for (const ParamGroup& group : param_groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      const std::string name =
          parameter.name.empty() ? std::to_string(labels.size()) : parameter.name;
      if (!known.insert(name).second) {
        throw ValueError(name_ + ": two parameters are called '" + name +
                         "', needed different names to tell their states apart");
      }
      labels.push_back("state." + name + ".");
    }
  }
  return labels;
}

StateDict Optimizer::state_dict() const {
  StateDict saved;
  const std::vector<std::string> names = labels();
  auto label = names.begin();
  for (std::size_t group = 0; group < param_groups_.size(); ++group) {
    const std::vector<Moment> kinds = moments(group);
    for (const auto& state : param_groups_[group].states) {
      state->leaf.flush();
      if (state->step > 0) {
        saved.insert(*label + "step", tensor(state->step));
        for (std::size_t i = 0; i < kinds.size(); ++i) {
          saved.insert(*label + kinds[i].name, state->moments[i].clone());
        }
      }
      ++label;
    }
    saved.insert(rate_label(group), tensor(rate(group), float64));
  }
  return saved;
}

void Optimizer::load_state_dict(const StateDict& saved) {
  Reader reader(saved);
  std::vector<std::vector<Saved>> states(param_groups_.size());
  std::vector<double> rates;
  const std::vector<std::string> names = labels();
  auto label = names.begin();
  for (std::size_t group = 0; group < param_groups_.size(); ++group) {
    const std::vector<Moment> kinds = moments(group);
    for (const auto& state : param_groups_[group].states) {
      states[group].push_back(reader.state(*label++, kinds, state->leaf.stored()));
    }
    rates.push_back(reader.rate(rate_label(group)));
  }
  if (const std::string problems = reader.problems(); !problems.empty()) {
    throw FormatError(name_ + ": the state does not fit this optimizer: " + problems);
  }
  for (std::size_t group = 0; group < param_groups_.size(); ++group) {
    for (std::size_t i = 0; i < states[group].size(); ++i) {
      State& state = *param_groups_[group].states[i];
      state.leaf.flush();
      state.fused.reset();
      state.last_was_plain = false;
      state.step = states[group][i].step;
      state.moments = std::move(states[group][i].moments);
      state.initial = std::move(states[group][i].initial);
    }
    set_rate(group, rates[group]);
  }
}

}  // namespace tapegrad::optim
