// Why a row has changed: the last step is split into its parts, element by element. Only the step's
// rule is recorded for this; the row before the step is computed from the row after it. Read next:
// optim/clip.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

using Row = std::vector<double>;

constexpr std::array kPartNames = {"gradient", "momentum", "weight decay", "renormalization"};

Row row_of(const Tensor& table, std::int64_t row, std::int64_t width) {
  Row elements(static_cast<std::size_t>(width), 0.0);
  visit_floating(table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const from = table.data<T>() + row * width;
    std::copy(from, from + width, elements.begin());
  });
  return elements;
}

// The row's gradient; empty if it has none.
Row gradient_of(Leaf& leaf, std::int64_t row, std::int64_t width) {
  if (!leaf.grad.is_row_sparse()) {
    return row_of(leaf.grad.dense(leaf.stored()).contiguous(), row, width);
  }
  const RowSparse gradient = leaf.grad.coalesced();
  const auto ids = gradient.ids.span<std::int64_t>();
  const auto found = std::ranges::find(ids, row);
  if (found == ids.end()) return {};
  return row_of(gradient.rows, found - ids.begin(), width);
}

double norm_of(const Row& elements) {
  double squares = 0;
  for (const double x : elements) squares += x * x;
  return std::sqrt(squares);
}

// One row of a parameter, and the step that it has taken.
class Explanation {
 public:
  Explanation(Optimizer::State& state, std::int64_t row)
      : state_(state), table_(state.leaf), row_(row) {
    const auto n = static_cast<std::size_t>(table_.width());
    for (Row* part : {&gradient_, &momentum_, &weight_decay_, &renormalization_}) part->resize(n);
  }

  // Finds the parts; throws ValueError with `operation` if the effect of a constraint is unknown.
  void explain(const std::string& operation) {
    const RowPolicy& policy = state_.leaf.row_policy();
    if (!state_.leaf.requires_grad) {
      reason_ = "the parameter is frozen (requires_grad is false)";
    } else if (!policy.is_held(row_)) {
      take_apart(operation);
    } else if (row_ == policy.padding_row()) {
      reason_ = "it is the padding row";
      add_lookups(row_of(state_.leaf.stored(), row_, table_.width()));
    } else {
      reason_ = "the row is frozen";
    }
  }

  UpdateParts parts() const {
    Row total(gradient_.size());
    for (std::size_t i = 0; i < total.size(); ++i) {
      total[i] = gradient_[i] + momentum_[i] + weight_decay_[i] + renormalization_[i];
    }
    return {tensor(gradient_),        tensor(momentum_), tensor(weight_decay_),
            tensor(renormalization_), tensor(total),     reason_};
  }
  // In the order of kPartNames.
  std::array<const Row*, 4> rows() const {
    return {&gradient_, &momentum_, &weight_decay_, &renormalization_};
  }

 private:
  // Splits the change of a row that is not frozen.
  void take_apart(const std::string& operation) {
    state_.leaf.flush_rows(tensor(std::span<const std::int64_t>(&row_, 1)));
    const Row g = gradient_of(state_.leaf, row_, table_.width());
    Row p = row_of(state_.leaf.stored(), row_, table_.width());
    if (!g.empty() || state_.other_rows != Optimizer::State::OtherRows::stay) {
      undo_constraint(p, operation);
      explain_elements(p, g);
    }
    add_lookups(p);
    const auto add_reason = [this](const char* what, const Row& part) {
      if (norm_of(part) == 0) return;
      reason_ += std::string(reason_.empty() ? "" : ", ") + what;
    };
    add_reason("its gradient", gradient_);
    add_reason("momentum of earlier gradients", momentum_);
    add_reason("weight decay", weight_decay_);
    add_reason("renormalization", renormalization_);
    reason_ = reason_.empty() ? "nothing moved it" : "moved by " + reason_;
    if (g.empty()) reason_ += "; it was not looked up";
    if (!state_.leaf.row_policy().frozen_columns().empty()) reason_ += "; some columns are frozen";
  }

  // Restores p as it was before the constraint was applied.
  void undo_constraint(Row& p, const std::string& operation) {
    if (state_.leaf.row_policy().constraint().kind == RowConstraint::Kind::none) return;
    const auto& rows = state_.fused->unconstrained;
    const auto kept =
        std::ranges::find(rows, row_, [](const auto& id_and_row) { return id_and_row.first; });
    if (kept == rows.end()) {
      throw ValueError(operation +
                       "the effect of a constraint is recorded for at most 1,000,000 elements per "
                       "step, and this row was not among them");
    }
    for (std::size_t i = 0; i < p.size(); ++i) renormalization_[i] = p[i] - kept->second[i];
    p = kept->second;
  }

  // p is the row after the step; g is empty if it has no gradient.
  void explain_elements(const Row& p, const Row& g) {
    std::vector<Row> moments;
    for (const Tensor& moment : state_.moments) {
      moments.push_back(row_of(moment, row_, table_.width()));
    }
    double moments_of_element[ParameterSlice<double>::kMoments] = {};
    for_each_movable([&](std::size_t i) {
      for (std::size_t m = 0; m < moments.size(); ++m) moments_of_element[m] = moments[m][i];
      const ElementUpdate moved =
          state_.fused->explain(p[i], moments_of_element, g.empty() ? 0 : g[i]);
      gradient_[i] = moved.gradient + 0.0;  // no -0
      momentum_[i] = moved.momentum + 0.0;
      weight_decay_[i] = moved.weight_decay + 0.0;
    });
  }

  // Lookups with max_norm scaled the row to `before`; then the step changed it to p.
  void add_lookups(const Row& p) {
    double factor = 1;
    for (const auto& [id, scale] : state_.fused->renormalized) factor *= id == row_ ? scale : 1;
    if (factor == 1) return;
    for_each_movable([&](std::size_t i) {
      const double before = p[i] - gradient_[i] - momentum_[i] - weight_decay_[i];
      renormalization_[i] += before - before / factor;
    });
  }

  template <class Visit>  // visit(position in the row)
  void for_each_movable(const Visit& visit) const {
    table_.in_row([&](std::int64_t begin, std::int64_t count) {
      for (std::int64_t i = begin; i < begin + count; ++i) visit(static_cast<std::size_t>(i));
    });
  }

  Optimizer::State& state_;
  TrainableRanges table_;
  std::int64_t row_;
  Row gradient_, momentum_, weight_decay_, renormalization_;
  std::string reason_;
};

// Splits the step of a whole parameter, if its gradient is dense and nothing but the rule changes
// its rows. Otherwise returns false.
bool explain_plain(Optimizer::State& state, std::array<Row, kPartNames.size()>& parts) {
  const RowPolicy& policy = state.leaf.row_policy();
  if (state.leaf.grad.is_row_sparse() || policy.has_held_rows() ||
      !policy.frozen_columns().empty() || !state.fused->renormalized.empty() ||
      policy.constraint().kind != RowConstraint::Kind::none) {
    return false;
  }
  const std::int64_t n = state.leaf.stored().numel();
  const Row p = row_of(state.leaf.value(), 0, n);
  const Row g = gradient_of(state.leaf, 0, n);
  std::vector<Row> moments;
  for (const Tensor& moment : state.moments) moments.push_back(row_of(moment, 0, n));
  for (Row& part : parts) part.resize(p.size());
  double moments_of_element[ParameterSlice<double>::kMoments] = {};
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (std::size_t m = 0; m < moments.size(); ++m) moments_of_element[m] = moments[m][i];
    const ElementUpdate moved = state.fused->explain(p[i], moments_of_element, g[i]);
    parts[0][i] = moved.gradient + 0.0;  // no -0
    parts[1][i] = moved.momentum + 0.0;
    parts[2][i] = moved.weight_decay + 0.0;
  }
  return true;
}

}  // namespace

UpdateParts Optimizer::explain_update(const Variable& parameter, std::int64_t row) const {
  const std::string operation = name_ + ": explain_update: ";
  State& state = find_state(parameter, "explain_update");
  const std::int64_t rows = TrainableRanges(state.leaf).rows();
  if (row < 0 || row >= rows) {
    throw IndexError(operation + "row " + std::to_string(row) + " out of range for " +
                     std::to_string(rows) + " rows");
  }
  if (state.fused == nullptr) {
    throw ValueError(operation +
                     (state.last_was_plain
                          ? "the last step was not fused, and the parts of update() are unknown"
                          : "the parameter has not taken a step since it was created or loaded"));
  }
  if (state.leaf.grad.version() != state.fused->grad_version) {
    throw ValueError(operation +
                     "the gradient of the last step is gone; ask before zero_grad() and before "
                     "the next backward()");
  }
  Explanation explanation(state, row);
  explanation.explain(operation);
  return explanation.parts();
}

// The parts of the step of a whole parameter, without those that are zero; empty if they are
// unknown.
std::vector<std::pair<std::string, Tensor>> Optimizer::explain_all(State& state) const {
  if (state.fused == nullptr || state.leaf.grad.version() != state.fused->grad_version) return {};
  std::array<Row, kPartNames.size()> all;
  const bool plain = explain_plain(state, all);
  try {
    for (std::int64_t row = 0; !plain && row < TrainableRanges(state.leaf).rows(); ++row) {
      Explanation explanation(state, row);
      explanation.explain("");
      for (std::size_t i = 0; i < all.size(); ++i) {
        const Row& part = *explanation.rows()[i];
        all[i].insert(all[i].end(), part.begin(), part.end());
      }
    }
  } catch (const ValueError&) {  // a constraint whose effect is not recorded
    return {};
  }
  std::vector<std::pair<std::string, Tensor>> parts;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (norm_of(all[i]) == 0) continue;
    parts.emplace_back(kPartNames[i], tensor(all[i]).reshape(state.leaf.stored().sizes()));
  }
  return parts;
}

// The length of each part, and its first elements.
std::ostream& operator<<(std::ostream& out, const UpdateParts& parts) {
  std::ostringstream text;  // with its own format flags
  text << std::setprecision(4) << parts.reason;
  const auto line = [&](const char* what, const Tensor& part) {
    const Row elements = to_vector<double>(part);
    text << "\n  " << std::left << std::setw(16) << what << std::right << std::setw(11)
         << norm_of(elements) << "  (";
    for (std::size_t i = 0; i < elements.size() && i < 4; ++i) {
      text << (i == 0 ? "" : ", ") << elements[i];
    }
    text << (elements.size() > 4 ? ", ...)" : ")");
  };
  line("gradient", parts.gradient);
  line("momentum", parts.momentum);
  line("weight decay", parts.weight_decay);
  line("renormalization", parts.renormalization);
  line("total", parts.total);
  return out << text.str();
}

}  // namespace tapegrad::optim
