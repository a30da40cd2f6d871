// How check_tape() finds the operation. The gradients of all values are compared with differences
// of the loss, the newest value first. A wrong gradient of a value is the fault of an operation
// that uses it: of one whose own result has the right gradient, but whose part of the value's
// gradient is wrong.
#include <tapegrad/autograd/trace/check_tape.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <sstream>
#include <unordered_map>

#include <tapegrad/autograd/observer.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad {
namespace {

// A value of the function: a leaf or the result of an entry. Tensors are float64.
struct Value {
  std::string operation{};  // empty for a leaf
  std::string module{};
  std::vector<int> inputs{};  // positions in Seen::values; -1 for a constant
  Variable leaf{};
  Tensor value{};
  Tensor gradient{};  // undefined if the loss does not depend on it
  struct Part {
    int from;      // the operation whose rule returned it
    int position;  // of the value among the arguments of that operation
    Tensor gradient;
  };
  std::vector<Part> parts{};  // of the gradient
};

struct Seen {
  double loss = 0;
  std::vector<Value> values;  // in the order of their first use
};

// To add to one element of a value.
struct Change {
  int value = -1;
  std::int64_t element = 0;
  double by = 0;
};

Tensor changed(const Tensor& tensor, const Change& change) {
  Tensor copy = tensor.clone();
  visit_floating(copy.dtype(), [&](auto type) {
    using T = decltype(type);
    copy.mutable_data<T>()[change.element] += static_cast<T>(change.by);
  });
  return copy;
}

// Writes down one run of the function.
class Watch final : public Observer {
 public:
  Watch(Seen& seen, const Change& change) : seen_(seen), change_(change) {}

  void recorded(const Entry& entry, Variable& result,
                std::span<const Variable* const> inputs) override {
    Value made{.operation = entry.name(), .module = modules_.empty() ? "" : modules_.back()};
    for (const Variable* const input : inputs) {
      const bool tracked = input->defined() && input->requires_grad();
      made.inputs.push_back(tracked ? position_of(*input) : -1);
    }
    const int position = static_cast<int>(seen_.values.size());
    if (position == change_.value) {
      result = Variable(changed(result.value(), change_), result.node());
    }
    made.value = result.value().to(float64).clone();
    seen_.values.push_back(std::move(made));
    positions_[result.node()] = position;
  }
  void adds(std::uint64_t, const Entry* from, Node& to, const Variable& gradient) override {
    add_part(from, to, gradient.value().to(float64));
  }
  void adds(std::uint64_t, const Entry* from, Node& to, const RowSparse& gradient) override {
    if (!positions_.contains(&to)) return;
    const Value& table = seen_.values[static_cast<std::size_t>(positions_.at(&to))];
    Tensor dense = zeros(table.value.sizes(), float64);
    add_rows(dense, {gradient.ids, gradient.rows.to(float64), gradient.skip, gradient.coalesced});
    add_part(from, to, dense);
  }
  void enters(const std::string& path, const std::string&) override { modules_.push_back(path); }
  void leaves() override { modules_.pop_back(); }

  // The pass begins here, with the gradient 1.
  void begin_at(const Variable& loss) {
    Value& value = seen_.values[static_cast<std::size_t>(position_of(loss))];
    value.gradient = ones_like(value.value);
  }

 private:
  int position_of(const Variable& variable) {
    if (const auto known = positions_.find(variable.node()); known != positions_.end()) {
      return known->second;
    }
    if (!variable.is_leaf()) {
      throw AutogradError(
          "check_tape: the function uses a result that was recorded before it began");
    }
    const int position = static_cast<int>(seen_.values.size());
    seen_.values.push_back({.leaf = variable, .value = variable.value().to(float64).clone()});
    return positions_[variable.node()] = position;
  }

  void add_part(const Entry* from, const Node& to, const Tensor& raw) {
    if (from == nullptr || !positions_.contains(from) || !positions_.contains(&to)) return;
    const int source = positions_.at(from);
    const int target = positions_.at(&to);
    Value& value = seen_.values[static_cast<std::size_t>(target)];
    if (!broadcastable_to(value.value.sizes(), raw.sizes())) return;  // the pass throws
    const Tensor part = sum_to(raw, value.value.sizes());
    value.gradient = value.gradient.defined() ? add(value.gradient, part) : part.clone();
    value.parts.push_back({source, argument(source, target), part});
  }

  // The position among the arguments. A value that is used twice gets its parts in their order.
  int argument(int from, int to) const {
    const std::vector<int>& inputs = seen_.values[static_cast<std::size_t>(from)].inputs;
    auto skip = std::ranges::count(seen_.values[static_cast<std::size_t>(to)].parts, from,
                                   &Value::Part::from);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == to && skip-- == 0) return static_cast<int>(i);
    }
    return 0;
  }

  Seen& seen_;
  const Change change_;
  std::unordered_map<const Node*, int> positions_;
  std::vector<std::string> modules_;
};

// Gives the leaves back their values and types.
class SavedLeaves {
 public:
  SavedLeaves() = default;
  SavedLeaves(const SavedLeaves&) = delete;
  ~SavedLeaves() { restore(); }
  void add(const Variable& leaf) { saved_.emplace_back(leaf, leaf.value().clone()); }
  void convert(DType dtype) {
    for (auto& [leaf, value] : saved_) leaf.leaf().set_value(value.to(dtype));
  }
  void restore() {
    for (auto& [leaf, value] : saved_) leaf.leaf().set_value(value);
  }

 private:
  std::vector<std::pair<Variable, Tensor>> saved_;
};

class Checker {
 public:
  Checker(const std::function<Variable()>& function, const CheckTapeOptions& options)
      : function_(function), options_(options), generator_(default_generator().state()) {}
  ~Checker() { default_generator().set_state(generator_); }
  Checker(const Checker&) = delete;

  TapeCheck check() {
    start();
    for (std::size_t i = seen_.values.size(); i-- > 0;) check_value(static_cast<int>(i));
    result_.passed = wrong_.empty();
    return std::move(result_);
  }

 private:
  const Value& at(int position) const { return seen_.values[static_cast<std::size_t>(position)]; }

  Seen run(const Change& change, bool differentiate) {
    Seen seen;
    default_generator().set_state(generator_);
    Watch watch(seen, change);
    const Variable loss = function_();
    if (!loss.requires_grad() || loss.numel() != 1) {
      throw AutogradError("check_tape: the function returned a value " + to_string(loss.sizes()) +
                          (loss.requires_grad() ? "" : " without history") +
                          ", needed a loss of one element with history");
    }
    seen.loss = loss.item();
    if (!differentiate) return seen;
    watch.begin_at(loss);
    std::vector<Variable> leaves;
    for (const Value& value : seen.values) {
      if (value.leaf.defined()) leaves.push_back(value.leaf);
    }
    grad(loss, leaves, {.allow_unused = true});
    return seen;
  }

  void start() {
    for (const Value& value : run({}, false).values) {
      if (value.leaf.defined()) leaves_.add(value.leaf);
    }
    leaves_.convert(float64);
    try {
      seen_ = run({}, true);
    } catch (const DTypeError&) {  // its data is float32
      leaves_.restore();
      result_.in_float64 = false;
      options_.step = std::max(options_.step, 1e-2);
      options_.relative = std::max(options_.relative, 0.05);
      options_.absolute = std::max(options_.absolute, 1e-2);
      seen_ = run({}, true);
    }
    const double again = run({}, false).loss;
    if (again != seen_.loss && !(std::isnan(again) && std::isnan(seen_.loss))) {
      throw ValueError("check_tape: the function gave " + std::to_string(seen_.loss) +
                       " and then " + std::to_string(again) +
                       ", needed the same loss in each call");
    }
  }

  Seen disturbed(int position, std::int64_t element, double by) {
    const Value& value = at(position);
    if (!value.leaf.defined()) return run({position, element, by}, false);
    const Tensor kept = value.leaf.value();
    value.leaf.leaf().set_value(changed(kept, {position, element, by}));
    try {
      Seen seen = run({}, false);
      value.leaf.leaf().set_value(kept);
      return seen;
    } catch (...) {
      value.leaf.leaf().set_value(kept);
      throw;
    }
  }

  bool agree(double gradient, double difference) const {
    return std::abs(gradient - difference) <=
           options_.absolute + options_.relative * std::abs(difference);
  }

  void check_value(int position);
  void blame(int position, std::int64_t element, const Seen& up, const Seen& down);
  void add_fault(int user, int argument, std::int64_t element, double gradient, double difference);
  std::int64_t entry_number(int position) const;  // counts operations only

  const std::function<Variable()>& function_;
  CheckTapeOptions options_;
  const Generator::State generator_;
  SavedLeaves leaves_;
  Seen seen_;
  std::set<int> wrong_;                     // values with a wrong gradient
  std::set<std::pair<int, int>> reported_;  // operations and arguments
  TapeCheck result_;
};

double element_of(const Tensor& tensor, std::int64_t i) {
  const Tensor plain = tensor.contiguous();
  return plain.data<double>()[i];
}

void Checker::check_value(int position) {
  const Value& value = at(position);
  const std::int64_t count = value.value.numel();
  const std::int64_t checked = std::min(count, options_.most_elements);
  for (std::int64_t k = 0; k < checked; ++k) {
    const std::int64_t element = k * count / checked;
    const Seen up = disturbed(position, element, options_.step);
    const Seen down = disturbed(position, element, -options_.step);
    const double difference = (up.loss - down.loss) / (2 * options_.step);
    const double gradient = value.gradient.defined() ? element_of(value.gradient, element) : 0;
    ++result_.elements;
    if (agree(gradient, difference)) continue;
    wrong_.insert(position);
    blame(position, element, up, down);
  }
}

// Compares the part of each operation that uses the value with the change of the operation's result
// times the gradient of that result.
void Checker::blame(int position, std::int64_t element, const Seen& up, const Seen& down) {
  for (int user = position + 1; user < static_cast<int>(seen_.values.size()); ++user) {
    const Value& made = at(user);
    const auto uses = std::ranges::count(made.inputs, position);
    if (uses == 0 || wrong_.contains(user)) continue;
    if (!made.gradient.defined()) continue;
    bool others_rest = true;
    for (const int input : made.inputs) {
      if (input < 0 || input == position) continue;
      const auto i = static_cast<std::size_t>(input);
      others_rest = others_rest && equal(up.values[i].value, down.values[i].value);
    }
    if (!others_rest) continue;  // its result changes in another way, too
    const Tensor slope = (up.values[static_cast<std::size_t>(user)].value -
                          down.values[static_cast<std::size_t>(user)].value) /
                         (2 * options_.step);
    const double difference = sum(made.gradient * slope).item();
    double gradient = 0;
    // Of an argument whose gradient is missing, the position is not in the parts.
    auto argument =
        static_cast<int>(std::ranges::find(made.inputs, position) - made.inputs.begin());
    for (const Value::Part& part : at(position).parts) {
      if (part.from != user) continue;
      gradient += element_of(part.gradient, element);
      argument = part.position;
    }
    if (agree(gradient, difference) || !reported_.insert({user, argument}).second) continue;
    add_fault(user, argument, element, gradient, difference);
  }
}

std::int64_t Checker::entry_number(int position) const {
  return std::count_if(seen_.values.begin(), seen_.values.begin() + position,
                       [](const Value& value) { return !value.leaf.defined(); });
}

// What the usual mistakes do to a gradient.
std::string likely_mistake(double gradient, double difference) {
  if (gradient == 0) return "; is it missing?";
  const double factor = gradient / difference;
  if (std::abs(factor + 1) < 1e-3) return "; the sign is wrong";
  if (std::isfinite(factor)) {
    std::ostringstream text;
    text << "; it is " << factor << " times as large";
    return text.str();
  }
  return "";
}

void Checker::add_fault(int user, int argument, std::int64_t element, double gradient,
                        double difference) {
  const Value& made = at(user);
  const std::int64_t entry = entry_number(user);
  std::ostringstream text;
  text << made.operation << " (#" << entry;
  if (!made.module.empty()) text << " in " << made.module;
  text << "): the gradient of argument " << argument + 1 << ", element " << element << ", is "
       << gradient << ", but finite differences give " << difference
       << likely_mistake(gradient, difference);
  result_.faults.push_back(
      {made.operation, entry, made.module, argument, element, gradient, difference, text.str()});
}

}  // namespace

TapeCheck check_tape(const std::function<Variable()>& function, CheckTapeOptions options) {
  if (!(options.absolute > 0 && options.relative > 0 && options.step > 0) ||
      options.most_elements < 1) {
    throw ValueError("check_tape: got absolute " + std::to_string(options.absolute) +
                     ", relative " + std::to_string(options.relative) + ", step " +
                     std::to_string(options.step) + " and most_elements " +
                     std::to_string(options.most_elements) + ", needed positive numbers");
  }
  return Checker(function, options).check();
}

std::ostream& operator<<(std::ostream& out, const TapeCheck& check) {
  for (const TapeFault& fault : check.faults) out << fault.text << '\n';
  if (check.passed) {
    out << check.elements << " elements of gradients agree with finite differences\n";
  } else if (check.faults.empty()) {
    out << "a gradient is wrong, but no single operation explains it\n";
  }
  return out;
}

}  // namespace tapegrad
