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
  SavedPendingSteps pending;
};

// The names of the entries of pending steps, after `state.<name>.`
constexpr const char* kTaken = "pending.taken";         // (rows) int64
constexpr const char* kRates = "pending.lr";            // (steps) float64
constexpr const char* kMomentums = "pending.momentum";  // (steps) float64

void insert_pending(StateDict& saved, const std::string& label, const SavedPendingSteps& pending) {
  std::vector<double> rates, momentums;
  for (const StepRates& step : pending.steps) {
    rates.push_back(step.lr);
    momentums.push_back(step.momentum);
  }
  saved.insert(label + kTaken, tensor(pending.taken));
  saved.insert(label + kRates, tensor(rates));
  saved.insert(label + kMomentums, tensor(momentums));
}

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
    if (saved_.contains(label + kTaken)) state.pending = pending(label, state.step, value);
    return state;
  }

  SavedPendingSteps pending(const std::string& label, std::int64_t step, const Tensor& value) {
    const Tensor* const taken = find(label + kTaken);
    const Tensor* const rates = find(label + kRates);
    const Tensor* const momentums = find(label + kMomentums);
    if (rates == nullptr || momentums == nullptr) return {};
    SavedPendingSteps pending;
    const std::int64_t steps = rates->dim() == 1 ? rates->size(0) : 0;
    const auto are_steps = [&](const Tensor& x) {
      return x.dtype() == float64 && x.dim() == 1 && x.size(0) == steps;
    };
    bool fits = steps >= 1 && steps <= step && steps <= static_cast<std::int64_t>(kMostPending) &&
                are_steps(*rates) && are_steps(*momentums) && value.dim() >= 1 &&
                taken->dtype() == int64 && taken->dim() == 1 && taken->size(0) == value.size(0);
    for (std::int64_t i = 0; fits && i < steps; ++i) {
      const StepRates x{rates->item<double>({i}), momentums->item<double>({i})};
      fits = x.lr >= 0 && x.momentum >= 0 && x.momentum < 1;
      pending.steps.push_back(x);
    }
    if (fits) pending.taken = to_vector<std::int64_t>(*taken);
    for (const std::int64_t count : pending.taken) fits = fits && count >= 0 && count <= steps;
    if (fits) return pending;
    complain(label + "pending does not fit " + describe(value));
    return {};
  }

  double rate(const std::string& label) {
    const Tensor* const lr = find(label);
    if (lr == nullptr) return 0;
    if (lr->numel() == 1 && lr->item<double>() >= 0) return lr->item<double>();
    complain(label + " is not a learning rate");
    return 0;
  }

  void complain(const std::string& problem) {
    problems_ += (problems_.empty() ? "" : ", ") + problem;
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

StateDict Optimizer::state_dict() const { return saved_state(false); }
StateDict Optimizer::state_dict_with_pending_steps() const { return saved_state(true); }

StateDict Optimizer::saved_state(bool keep_pending) const {
  StateDict saved;
  const std::vector<std::string> names = labels();
  auto label = names.begin();
  for (std::size_t group = 0; group < param_groups_.size(); ++group) {
    const std::vector<Moment> kinds = moments(group);
    for (const auto& state : param_groups_[group].states) {
      if (!keep_pending) state->leaf.flush();
      if (state->step > 0) {
        saved.insert(*label + "step", tensor(state->step));
        for (std::size_t i = 0; i < kinds.size(); ++i) {
          saved.insert(*label + kinds[i].name, state->moments[i].clone());
        }
      }
      if (const SavedPendingSteps pending = keep_pending && state->fused != nullptr
                                                ? state->fused->pending_steps()
                                                : SavedPendingSteps();
          !pending.steps.empty()) {
        insert_pending(saved, *label, pending);
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
      Saved& read = states[group].emplace_back(reader.state(*label, kinds, state->leaf.stored()));
      if (state->leaf.is_pruned()) {
        State::reset_elements(read.moments, read.initial, state->leaf.row_policy().kept());
      }
      if (!fused_ && !states[group].back().pending.steps.empty()) {
        reader.complain(*label + "pending needs an optimizer with set_fused(true)");
      }
      ++label;
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
      load_pending_steps(state, group, states[group][i].pending);
    }
    set_rate(group, rates[group]);
  }
}

// Records the steps again, each with its own number and rates. Momentum may have changed since, so
// the group gets its present one back.
void Optimizer::load_pending_steps(State& state, std::size_t group,
                                   const SavedPendingSteps& pending) {
  if (pending.steps.empty()) return;
  double* const momentum = momentum_option(group);
  const double present = momentum != nullptr ? *momentum : 0;
  const std::int64_t last = state.step;
  state.step -= std::ssize(pending.steps);
  state.other_rows =
      moves_rows_without_gradient(group) ? State::OtherRows::move : State::OtherRows::constrain;
  state.records_only = true;
  for (const StepRates& rates : pending.steps) {
    state.rates = rates;
    set_rate(group, rates.lr);
    if (momentum != nullptr) *momentum = rates.momentum;
    ++state.step;
    fused_update(state, group);
  }
  state.records_only = false;
  state.step = last;
  if (momentum != nullptr) *momentum = present;
  if (state.fused != nullptr) state.fused->set_taken(pending.taken);
}

}  // namespace tapegrad::optim
