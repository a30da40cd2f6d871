// Why a row has changed: the last step taken apart, number by number. Nothing is kept for that but
// the step's rule; what the row was before follows from what it is. Read next:
// optim/lazy/lazy_rows.h.
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>

#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/optim/state.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

// Row `row` of a table, or zeros.
std::vector<double> row_of(const Tensor& table, std::int64_t row, std::int64_t width) {
  std::vector<double> numbers(static_cast<std::size_t>(width), 0.0);
  visit_floating(table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const from = table.data<T>() + row * width;
    std::copy(from, from + width, numbers.begin());
  });
  return numbers;
}

// The row's gradient; empty if it has none.
std::vector<double> gradient_of(Leaf& leaf, std::int64_t row, std::int64_t width) {
  if (leaf.grad.empty()) return {};
  if (!leaf.grad.is_row_sparse()) return row_of(leaf.grad.dense(leaf.stored()).contiguous(), row, width);
  const RowSparse& pieces = leaf.grad.rows();
  const auto ids = pieces.ids.span<std::int64_t>();
  const auto found = std::ranges::find(ids, row);
  if (found == ids.end()) return {};
  return row_of(pieces.rows, found - ids.begin(), width);
}

double size_of(const std::vector<double>& numbers) {
  double squares = 0;
  for (const double x : numbers) squares += x * x;
  return std::sqrt(squares);
}

}  // namespace

UpdateParts Optimizer::explain_update(const Variable& parameter, std::int64_t row) const {
  const std::string start = std::string(name_) + ": explain_update: ";
  State* state = nullptr;
  for (const Group& group : groups_) {
    for (const auto& candidate : group.states) {
      if (&candidate->leaf == parameter.node()) state = candidate.get();
    }
  }
  if (state == nullptr) {
    throw ValueError(start +
                     "got a parameter that this optimiser does not know, needed one of "
                     "those that it was made with");
  }
  Leaf& leaf = state->leaf;
  const TrainableRanges table(leaf);
  if (row < 0 || row >= table.rows()) {
    throw IndexError(start + "row " + std::to_string(row) + " out of range for " +
                     std::to_string(table.rows()) + " rows");
  }
  if (state->explain == nullptr) {
    throw ValueError(start + "the parameter has not taken a step since it was made or loaded");
  }
  if (leaf.grad.version() != state->grad_version) {
    throw ValueError(start +
                     "the gradient of the last step is gone; ask before zero_grad() and before "
                     "the next backward()");
  }
  const std::int64_t width = table.width();
  const auto n = static_cast<std::size_t>(width);
  std::vector<double> gradient(n, 0.0), momentum(n, 0.0), decay(n, 0.0), renormalized(n, 0.0);
  // Lookups scaled the row before the step, which took it from `before` to p.
  double factor = 1;
  for (const auto& [id, scale] : state->renormalized) factor *= id == row ? scale : 1;
  const auto renormalize = [&](const std::vector<double>& p, const auto&... moved) {
    if (factor == 1) return;
    table.in_row([&](std::int64_t begin, std::int64_t count) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(begin + count);
           ++i) {
        const double before = (p[i] - ... - moved[i]);
        renormalized[i] += before - before / factor;
      }
    });
  };
  std::string reason;
  if (!leaf.requires_grad) {
    reason = "the parameter is frozen (requires_grad is false)";
  } else if (leaf.row_policy().is_held(row)) {
    const bool padding = row == leaf.row_policy().padding_row();
    reason = padding ? "it is the row of padding" : "the row is frozen";
    if (padding) renormalize(row_of(leaf.stored(), row, width));
  } else {
    const std::int64_t ids[] = {row};
    state->flush_rows(ids);
    const std::vector<double> g = gradient_of(leaf, row, width);
    std::vector<double> p = row_of(leaf.stored(), row, width);
    const bool rested = g.empty() && state->others_rested;
    if (leaf.row_policy().constraint().kind != RowConstraint::Kind::none && !rested) {
      const auto kept = std::ranges::find(state->unconstrained, row,
                                          [](const auto& entry) { return entry.first; });
      if (kept == state->unconstrained.end()) {
        throw ValueError(start +
                         "what the constraint did is kept for 1,000,000 numbers a step; "
                         "this row was not among them");
      }
      for (std::size_t i = 0; i < n; ++i) renormalized[i] = p[i] - kept->second[i];
      p = kept->second;
    }
    std::vector<std::vector<double>> moments;
    for (const Tensor& moment : state->moments) moments.push_back(row_of(moment, row, width));
    double first[4] = {};
    table.in_row([&](std::int64_t begin, std::int64_t count) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(begin + count);
           ++i) {
        if (rested) continue;
        for (std::size_t m = 0; m < moments.size(); ++m) first[m] = moments[m][i];
        const MovedBy moved = state->explain(*state, p[i], first, g.empty() ? 0 : g[i]);
        gradient[i] = moved.gradient + 0.0;  // no -0
        momentum[i] = moved.momentum + 0.0;
        decay[i] = moved.weight_decay + 0.0;
      }
    });
    renormalize(p, gradient, momentum, decay);
    const auto name = [&](const char* what, const std::vector<double>& part) {
      if (size_of(part) == 0) return;
      reason += std::string(reason.empty() ? "" : ", ") + what;
    };
    name("its gradient", gradient);
    name("momentum of earlier gradients", momentum);
    name("weight decay", decay);
    name("renormalization", renormalized);
    reason = reason.empty() ? "nothing moved it" : "moved by " + reason;
    if (g.empty()) reason += "; it was not looked up";
    if (!leaf.row_policy().frozen_columns().empty()) reason += "; some columns are frozen";
  }
  std::vector<double> total(n);
  for (std::size_t i = 0; i < n; ++i) {
    total[i] = gradient[i] + momentum[i] + decay[i] + renormalized[i];
  }
  return {tensor(gradient),     tensor(momentum), tensor(decay),
          tensor(renormalized), tensor(total),    reason};
}

// The length of each part, and its first numbers.
std::ostream& operator<<(std::ostream& out, const UpdateParts& parts) {
  std::ostringstream text;  // of its own settings
  text << std::setprecision(4) << parts.reason;
  const auto line = [&](const char* what, const Tensor& part) {
    const std::vector<double> numbers = to_vector<double>(part);
    text << "\n  " << std::left << std::setw(16) << what << std::right << std::setw(11)
         << size_of(numbers) << "  (";
    for (std::size_t i = 0; i < numbers.size() && i < 4; ++i) {
      text << (i == 0 ? "" : ", ") << numbers[i];
    }
    text << (numbers.size() > 4 ? ", ...)" : ")");
  };
  line("gradient", parts.gradient);
  line("momentum", parts.momentum);
  line("weight decay", parts.weight_decay);
  line("renormalization", parts.renormalization);
  line("total", parts.total);
  return out << text.str();
}

}  // namespace tapegrad::optim
