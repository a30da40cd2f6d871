// What is written down of each report. Read next: autograd/trace/snapshot.h.
#include <tapegrad/autograd/trace/recording.h>

#include <algorithm>

#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

using trace::Kind;
using trace::Snapshot;
using trace::TracedNode;
using trace::TracedStep;
using trace::TracedUpdate;
using StepKind = trace::TracedStep::Kind;

namespace {

std::int64_t bytes_of(const Entry& entry) {
  std::int64_t elements = 1;
  for (const std::int64_t size : entry.sizes()) elements *= size;
  return elements * static_cast<std::int64_t>(item_size(entry.dtype()));
}

std::span<const std::int64_t> sizes_of_node(const Node& node) {
  return node.is_leaf() ? static_cast<const Leaf&>(node).stored().sizes()
                        : static_cast<const Entry&>(node).sizes();
}

DType dtype_of_any(const Node& node) {
  return node.is_leaf() ? static_cast<const Leaf&>(node).stored().dtype()
                        : static_cast<const Entry&>(node).dtype();
}

bool same_strides(const Tensor& a, const Tensor& b) {
  return std::ranges::equal(a.strides(), b.strides());
}

}  // namespace

Trace::Recording::Recording(TraceOptions options) : options_(std::move(options)) {
  contents.title = options_.title;
}

// Snapshots ---------------------------------------------------------------------------------------

int Trace::Recording::keep(Snapshot snapshot) {
  std::vector<int>& alike = snapshots_by_hash_[snapshot.hash()];
  for (const int id : alike) {
    if (contents.snapshots[static_cast<std::size_t>(id)] == snapshot) return id;
  }
  contents.snapshots.push_back(std::move(snapshot));
  return alike.emplace_back(static_cast<int>(contents.snapshots.size()) - 1);
}

int Trace::Recording::keep(const Tensor& tensor) {
  return keep(trace::snapshot_of(tensor, options_.most_elements));
}

int Trace::Recording::keep(const Sum& sum, std::span<const std::int64_t> table) {
  if (sum.rows.empty()) return keep(sum.dense);
  if (sum.dense.defined()) {
    Tensor all = sum.dense.clone();
    for (const RowSparse& rows : sum.rows) add_rows(all, rows);
    return keep(all);
  }
  const RowSparse all = coalesce(sum.rows);
  return keep(trace::snapshot_of_rows(all.ids, all.rows, table, options_.most_elements));
}

// A leaf's grad() so far.
Trace::Recording::Sum Trace::Recording::sum_of(Leaf& leaf) {
  Sum sum;
  if (leaf.grad.is_row_sparse()) {
    sum.rows.push_back(leaf.grad.coalesced());
  } else if (!leaf.grad.empty()) {
    sum.dense = leaf.grad.dense(leaf.stored());
  }
  return sum;
}

TracedUpdate::Numbers Trace::Recording::keep_all(const NamedTensors& tensors) {
  TracedUpdate::Numbers numbers;
  for (const auto& [name, tensor] : tensors) numbers.emplace_back(name, keep(tensor));
  return numbers;
}

// Nodes -------------------------------------------------------------------------------------------

int Trace::Recording::add_node(TracedNode node, const Tensor& value) {
  node.value = keep(value);
  node.dtype = value.dtype();
  node.shape = value.shape();
  contents.nodes.push_back(std::move(node));
  return static_cast<int>(contents.nodes.size()) - 1;
}

int Trace::Recording::id_of_leaf(const Variable& variable) {
  Leaf& leaf = variable.leaf();
  const auto known = leaves_.find(&leaf);
  if (known == leaves_.end()) {
    const int id = add_node(
        {.kind = Kind::parameter, .name = names_[&leaf], .requires_grad = leaf.requires_grad},
        leaf.value());
    const int value = contents.nodes[static_cast<std::size_t>(id)].value;
    leaves_.emplace(&leaf, KnownLeaf{variable, id, leaf.version(), value});
    return id;
  }
  KnownLeaf& entry = known->second;
  if (entry.version != leaf.version()) {  // set_value(), or a write into its memory
    const int value = keep(leaf.value());
    add({.kind = StepKind::update, .node = entry.id, .before = entry.value, .after = value});
    entry.value = value;
    entry.version = leaf.version();
  }
  return entry.id;
}

// The same tensor, unless it was written to, is one node.
int Trace::Recording::id_of_constant(const Tensor& value) {
  const void* const address =
      visit(value.dtype(), [&](auto type) -> const void* { return value.data<decltype(type)>(); });
  std::vector<KnownConstant>& here = constants_[address];
  for (const KnownConstant& known : here) {
    if (known.version == value.version() && known.tensor.dtype() == value.dtype() &&
        known.tensor.same_sizes(value) && same_strides(known.tensor, value)) {
      return known.id;
    }
  }
  const int id = add_node({.kind = Kind::data}, value);
  here.push_back({value, id, value.version()});
  return id;
}

int Trace::Recording::id_of(const Variable& variable) {
  if (!variable.defined()) return -1;
  if (variable.node() == nullptr) return id_of_constant(variable.value());
  if (variable.node()->is_leaf()) return id_of_leaf(variable);
  if (const auto known = entries_.find(variable.node()); known != entries_.end()) {
    return known->second;
  }
  const Entry& entry = variable.node()->as_entry();
  const int id = add_node({.kind = Kind::data,
                           .name = std::string(entry.name()) + ", before the trace",
                           .requires_grad = true},
                          variable.value());
  entries_[&entry] = id;
  return id;
}

// Of a node that a pass has reached; -1 if the trace has not seen it.
int Trace::Recording::id_of(const Node& node) {
  if (const auto known = entries_.find(&node); known != entries_.end()) return known->second;
  const auto leaf = leaves_.find(&node);
  return leaf == leaves_.end() ? -1 : leaf->second.id;
}

void Trace::Recording::name(const Variable& variable, const std::string& name) {
  if (!variable.defined()) throw ValueError("Trace: cannot name an undefined Variable");
  if (variable.node() != nullptr) named_.insert(variable.node());
  contents.nodes[static_cast<std::size_t>(id_of(variable))].name = name;
}

void Trace::Recording::names(const Variable& parameter, const std::string& name) {
  if (named_.contains(parameter.node())) return;
  names_[parameter.node()] = name;
  if (const auto known = leaves_.find(parameter.node()); known != leaves_.end()) {
    contents.nodes[static_cast<std::size_t>(known->second.id)].name = name;
  }
}

// Forward -----------------------------------------------------------------------------------------

void Trace::Recording::describes(const char* operation, Attributes attributes) {
  described_ = {operation, std::move(attributes)};
}

trace::TracedAttribute Trace::Recording::traced(const Attribute& attribute) {
  if (attribute.value.kind == AttributeValue::Kind::tensor) {
    return {{attribute.name, false}, keep(attribute.value.tensor)};
  }
  return {attribute};
}

void Trace::Recording::recorded(const Entry& entry, Variable& result,
                                std::span<const Variable* const> inputs) {
  TracedNode node{.kind = Kind::operation, .operation = entry.name(), .requires_grad = true};
  for (const Variable* const input : inputs) node.inputs.push_back(id_of(*input));
  if (!open_calls_.empty()) node.module = open_calls_.back();
  if (described_.first == node.operation) {
    for (Attribute& attribute : described_.second) node.attributes.push_back(traced(attribute));
  }
  described_ = {};
  last_error.clear();
  const int id = add_node(std::move(node), result.value());
  entries_[&entry] = id;
  note_keepable(entry, id, result, inputs);
  held_ += bytes_of(entry);
  add({.kind = StepKind::forward, .node = id, .bytes = held_});
}

// Backward ----------------------------------------------------------------------------------------

void Trace::Recording::begin_pass(std::uint64_t pass) {
  if (pass == pass_) return;
  pass_ = pass;
  ++pass_position_;
  sums_.clear();
  firing_ = nullptr;
}

// The position of the input among the arguments; if it is there twice, contributions come in order.
int Trace::Recording::position_of(const Entry& from, const Node& to) {
  if (firing_ != &from) {
    firing_ = &from;
    filled_.assign(from.input_count(), false);
  }
  for (std::size_t i = 0; i < filled_.size(); ++i) {
    if (filled_[i] || from.input(i) != &to) continue;
    filled_[i] = true;
    return static_cast<int>(i);
  }
  return -1;
}

// Of the complete gradient: usually the sum of the contributions, whose snapshot exists. A hook may
// have replaced it.
int Trace::Recording::keep_sum_of(const Node& node, const Tensor& gradient) {
  const auto sum = sums_.find(&node);
  const bool same = sum != sums_.end() && sum->second.rows.empty() &&
                    sum->second.dense.dtype() == gradient.dtype() &&
                    equal(sum->second.dense, gradient);
  return same ? sum->second.id : keep(gradient);
}

template <class Gradient>
void Trace::Recording::add_contribution(std::uint64_t pass, const Entry* from, Node& to, int raw,
                                        int fitted, const Gradient& add_to_sum) {
  begin_pass(pass);
  const bool first = !sums_.contains(&to);
  Sum& sum = sums_[&to];
  const int before = sum.id;
  add_to_sum(sum);
  sum.id = first ? fitted : keep(sum, sizes_of_node(to));
  const int node = id_of(to);
  if (from == nullptr) {
    add({.kind = StepKind::seed, .pass = pass_position_, .node = node, .gradient = fitted});
    return;
  }
  const int position = position_of(*from, to);
  add({.kind = StepKind::contribution,
       .pass = pass_position_,
       .node = node,
       .from = id_of(*from),
       .position = position,
       .raw = raw,
       .gradient = fitted,
       .before = before,
       .after = sum.id});
}

void Trace::Recording::adds(std::uint64_t pass, const Entry* from, Node& to,
                            const Variable& gradient) {
  const Tensor& raw = gradient.value();
  if (!broadcastable_to(sizes_of_node(to), raw.sizes())) return;  // the pass throws
  const Tensor fitted = sum_to(raw, sizes_of_node(to)).to(dtype_of_any(to));
  const int raw_id = keep(raw);
  const bool changed = !fitted.same_sizes(raw) || fitted.dtype() != raw.dtype();
  add_contribution(pass, from, to, raw_id, changed ? keep(fitted) : raw_id, [&](Sum& sum) {
    sum.dense = sum.dense.defined() ? tapegrad::add(sum.dense, fitted) : fitted.clone();
  });
}

void Trace::Recording::adds(std::uint64_t pass, const Entry* from, Node& to,
                            const RowSparse& gradient) {
  const Sum part{{}, {gradient}, -1};
  const int id = keep(part, sizes_of_node(to));
  add_contribution(pass, from, to, id, id, [&](Sum& sum) { sum.rows.push_back(gradient); });
}

void Trace::Recording::fires(std::uint64_t pass, const Entry& entry, const Variable& gradient) {
  begin_pass(pass);
  add({.kind = StepKind::fire,
       .pass = pass_position_,
       .node = id_of(entry),
       .gradient = keep_sum_of(entry, gradient.value())});
}

// What rules keep ---------------------------------------------------------------------------------

// The captures of a rule cannot be seen from outside. But a value that loses a handle when an entry
// releases its rules was kept by one of them.
void Trace::Recording::note_keepable(const Entry& entry, int id, const Variable& result,
                                     std::span<const Variable* const> inputs) {
  std::vector<Keepable>& all = keepable_[&entry];  // what is there is of an entry that has ended
  all.clear();
  const auto add_value = [&](int its_id, const Variable& variable) {
    if (std::ranges::find(all, its_id, &Keepable::id) != all.end()) return;
    const bool is_leaf = variable.node() != nullptr && variable.node()->is_leaf();
    all.push_back({.id = its_id,
                   .value = is_leaf ? Tensor() : variable.value(),
                   .leaf = is_leaf ? &variable.leaf() : nullptr});
  };
  const std::vector<int>& ids = contents.nodes[static_cast<std::size_t>(id)].inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->defined()) add_value(ids[i], *inputs[i]);
  }
  add_value(id, result);
}

// The handles to a value, without those of the entry to its inputs.
std::int64_t Trace::Recording::uses_of(const Keepable& value, const Entry& entry) {
  if (value.leaf == nullptr) return value.value.use_count();
  std::int64_t uses = std::int64_t{value.leaf->use_count()} + value.leaf->stored().use_count();
  for (std::size_t i = 0; i < entry.input_count(); ++i) uses -= entry.input(i) == value.leaf;
  return uses;
}

void Trace::Recording::releases(const Entry& entry) {
  const auto known = keepable_.find(&entry);
  if (known == keepable_.end()) return;
  // An older entry that ended here would release what its own rules keep.
  for (std::size_t i = 0; i < entry.input_count(); ++i) releasing_.emplace_back(entry.input(i));
  for (Keepable& value : known->second) value.uses = uses_of(value, entry);
}

void Trace::Recording::released(const Entry& entry) {
  if (const auto known = keepable_.find(&entry); known != keepable_.end()) {
    std::vector<int> keeps;
    for (const Keepable& value : known->second) {
      if (uses_of(value, entry) < value.uses) keeps.push_back(value.id);
    }
    contents.nodes[static_cast<std::size_t>(entries_.at(&entry))].keeps = std::move(keeps);
    keepable_.erase(known);
    releasing_.clear();
  }
  held_ -= bytes_of(entry);
  add({.kind = StepKind::release, .pass = pass_position_, .node = id_of(entry), .bytes = held_});
}

void Trace::Recording::commits(std::uint64_t pass, Leaf& leaf, const Variable& sum,
                               std::span<const RowSparse> rows) {
  begin_pass(pass);
  if (!sum.defined() && rows.empty()) return;
  const auto sizes = leaf.stored().sizes();
  Sum total = sum_of(leaf);
  const int before = leaf.grad.empty() ? -1 : keep(total, sizes);
  total.rows.insert(total.rows.end(), rows.begin(), rows.end());
  if (sum.defined()) {
    total.dense = total.dense.defined() ? tapegrad::add(total.dense, sum.value()) : sum.value();
  }
  add({.kind = StepKind::leaf,
       .pass = pass_position_,
       .node = id_of(leaf),
       .before = before,
       .after = before < 0 && rows.empty() ? keep_sum_of(leaf, total.dense) : keep(total, sizes)});
}

// Modules and optimizers --------------------------------------------------------------------------

void Trace::Recording::enters(const std::string& path, const std::string& description) {
  const int parent = open_calls_.empty() ? -1 : open_calls_.back();
  open_calls_.push_back(static_cast<int>(contents.calls.size()));
  contents.calls.push_back({parent, path, description, ++calls_of_path_[path]});
}

void Trace::Recording::leaves() { open_calls_.pop_back(); }

// Of large parameters, which the page cannot compute anew, only the values are kept.
void Trace::Recording::will_update(const ParameterStep& step) {
  if (!step.name.empty()) names(step.parameter, step.name);
  id_of_leaf(step.parameter);
  TracedUpdate update{.optimizer = step.optimizer, .lr = step.lr, .number = step.number};
  Leaf& leaf = step.parameter.leaf();
  if (leaf.stored().numel() <= options_.most_elements) {
    update.gradient = keep(sum_of(leaf), leaf.stored().sizes());
    for (const Attribute& option : step.options) update.options.push_back(traced(option));
    update.state_before = keep_all(step.state);
  }
  begun_updates_[&leaf] = static_cast<int>(contents.updates.size());
  contents.updates.push_back(std::move(update));
}

void Trace::Recording::updated(const ParameterStep& step) {
  KnownLeaf& known = leaves_.at(step.parameter.node());
  const int value = keep(step.parameter.value());
  const int begun = begun_updates_.at(step.parameter.node());
  TracedUpdate& update = contents.updates[static_cast<std::size_t>(begun)];
  if (update.gradient >= 0) {
    update.state_after = keep_all(step.state);
    update.parts = keep_all(step.parts());
  }
  add({.kind = StepKind::update,
       .node = known.id,
       .before = known.value,
       .after = value,
       .update = begun});
  known.value = value;
  known.version = step.parameter.leaf().version();
}

}  // namespace tapegrad
