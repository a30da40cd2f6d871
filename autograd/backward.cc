// Playing the tape in reverse: backward() and grad(). Read autograd/tape.h first; next:
// autograd/gradcheck.h.
#include <algorithm>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {

// The walk ----------------------------------------------------------------------------------------

// The loss's entry gets the first pending gradient; then from newest to oldest every entry that has
// one fires, until nobody has.
void BackwardPass::run(Entry& start, Variable seed) {
  current_ = &start;
  Node::retain(current_);
  deliver(start, std::move(seed));
  while (pending_ > 0) {
    if (current_->pending_.defined()) fire(*current_);
    Entry* const next = current_->older_;
    if (next != nullptr) Node::retain(next);
    Node::release(std::exchange(current_, next));
  }
}

void BackwardPass::fire(Entry& entry) {
  const Variable& dy = entry.pending_;
  if (entry.hooks_ != nullptr) [[unlikely]]
    call_hooks(entry);
  for (Target& target : targets_) {
    if (target.node == &entry) target.gradient = dy;
  }
  if (wants_inputs_of(entry)) {
    if (entry.consumed_) [[unlikely]]
      throw_consumed(entry);
    tape_.firing_ = &entry;
    entry.fire(*this, dy);
    tape_.firing_ = nullptr;
    if (!retain_graph_) {
      entry.consumed_ = true;
      entry.forget();
      entry.hooks_.reset();
    }
  }
  entry.pending_ = Variable();
  --pending_;
  Node::release(&entry);  // the pending gradient's reference; the walk has its own
}

void BackwardPass::call_hooks(Entry& entry) const {
  const Hooks hooks = *entry.hooks_;
  for (const auto& hook : hooks) {
    if (Variable changed = (*hook.second)(entry.pending_); changed.defined()) {
      entry.pending_ = fitted(entry, std::move(changed));
    }
  }
}

void BackwardPass::throw_consumed(const Entry& entry) {
  throw AutogradError("backward: '" + std::string(entry.name_) + "' (#" +
                      std::to_string(entry.number_) +
                      ") was played back already and its history is gone; to play it twice, "
                      "call backward({.retain_graph = true}) the first time");
}

// Delivering --------------------------------------------------------------------------------------

namespace {

std::span<const std::int64_t> sizes_of(const Node& node) {
  return node.is_leaf() ? static_cast<const Leaf&>(node).stored().sizes()
                        : static_cast<const Entry&>(node).sizes();
}
DType dtype_of_node(const Node& node) {
  return node.is_leaf() ? static_cast<const Leaf&>(node).stored().dtype()
                        : static_cast<const Entry&>(node).dtype();
}
bool same(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {  // short: a loop is quicker than memcmp
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace

// Whether the gradient is right as it is, as most are.
bool BackwardPass::fits(const Node& input, const Variable& gradient) const {
  if (gradient.node() != nullptr && !create_graph_) return false;  // would bring history along
  const Tensor& value = gradient.value();
  return value.dtype() == dtype_of_node(input) && same(value.sizes(), sizes_of(input));
}

// Undoes broadcasting and promotion: the gradient in the shape and type of the input, and without
// history (that of something captured) unless gradients are recorded.
Variable BackwardPass::fitted(const Node& input, Variable gradient) const {
  if (!create_graph_ && gradient.node() != nullptr) gradient = gradient.detach();
  if (fits(input, gradient)) return gradient;
  const auto sizes = sizes_of(input);
  const DType dtype = dtype_of_node(input);
  if (!broadcastable_to(sizes, gradient.sizes())) {
    const Entry* const from = tape_.firing_;
    throw ShapeError("backward: " +
                     (from != nullptr ? "a rule of '" + std::string(from->name()) + "'"
                                      : std::string("the given gradient or a hook")) +
                     " gave a gradient of shape " + to_string(gradient.sizes()) +
                     ", needed the input's shape " + to_string(sizes));
  }
  if (!create_graph_) return Variable(sum_to(gradient.value(), sizes).to(dtype));
  return sum_to(gradient, sizes).to(dtype);
}

Variable& BackwardPass::sum_of(Node& input) {
  return input.is_leaf() ? input.as_leaf().staged.dense : input.as_entry().pending_;
}

// The input is about to get its first gradient: a pending entry is referred to, a leaf is listed.
void BackwardPass::begin_sum(Node& input) {
  if (!input.is_leaf()) {
    Node::retain(&input);
    ++pending_;
  } else if (Leaf& leaf = input.as_leaf(); leaf.staged.empty()) {
    Node::retain(&leaf);
    leaf.next_staged = std::exchange(staged_, &leaf);
  }
}

void BackwardPass::add(Variable& sum, Variable gradient) const {
  if (!sum.defined()) {
    sum = std::move(gradient);
  } else if (create_graph_) {
    sum = tapegrad::add(sum, gradient);
  } else if (sum.value_.is_exclusive() && sum.value_.is_contiguous()) {
    sum.value_.add_(gradient.value());
    sum.note_version();
  } else {
    sum = Variable(tapegrad::add(sum.value(), gradient.value()));
  }
}

// The sum, to be written to: nobody else looks at it. Zeros if there is none yet.
Variable& BackwardPass::writable_sum(Node& input) {
  Variable& sum = sum_of(input);
  if (!sum.defined()) {
    Variable fresh(zeros(sizes_of(input), dtype_of_node(input)));
    begin_sum(input);
    sum = std::move(fresh);
  } else if (!sum.value_.is_exclusive() || !sum.value_.is_contiguous()) {
    sum = Variable(sum.value().clone());
  }
  return sum;
}

void BackwardPass::deliver(Node& input, Variable gradient) {
  if (!fits(input, gradient)) gradient = fitted(input, std::move(gradient));
  Variable& sum = sum_of(input);
  if (sum.defined()) return add(sum, std::move(gradient));
  begin_sum(input);
  sum.swap(gradient);
}

void BackwardPass::deliver(Node& input, Placed gradient) {
  const auto& [piece, dim, start, step] = gradient;
  if (create_graph_) {
    return deliver(input, place(piece, Shape(sizes_of(input)), dim, start, step));
  }
  Variable& sum = writable_sum(input);
  part_at(sum.value_, piece.value(), dim, start, step).add_(piece.value());
  sum.note_version();
}

namespace {

// Each contribution as a row of its own, from primitives.
Variable composed(const PlacedRows& gradient, const Tensor& ids, std::int64_t width) {
  Variable rows = gradient.pick.defined() ? index_select(gradient.rows, 0, gradient.pick)
                                          : reshape(gradient.rows, {ids.numel(), width});
  if (gradient.scale.defined()) rows = rows * unsqueeze(gradient.scale, 1);
  if (gradient.skip >= 0) rows = masked_fill(rows, unsqueeze(ids == gradient.skip, 1), 0);
  return rows;
}

}  // namespace

void BackwardPass::deliver(Node& input, PlacedRows gradient) {
  const std::int64_t table_rows = sizes_of(input)[0];
  const std::int64_t width = sizes_of(input)[1];
  if (gradient.table_rows >= 0 && gradient.table_rows != table_rows) {
    throw AutogradError("backward: the table of '" + std::string(tape_.firing_->name()) +
                        "' was resized since the lookup, from " +
                        std::to_string(gradient.table_rows) + " to " + std::to_string(table_rows) +
                        " rows; call backward() before resizing");
  }
  const std::int64_t count = gradient.ids.numel();
  const Tensor ids = reshape(gradient.ids, {count}).contiguous();
  if (create_graph_) {
    const Tensor table = zeros(sizes_of(input), dtype_of_node(input));
    return deliver(input, index_add(table, 0, ids, composed(gradient, ids, width)));
  }
  const Tensor given = gradient.rows.value().to(dtype_of_node(input));
  const std::int64_t row_count = gradient.pick.defined() ? given.size(0) : count;
  RowPieces pieces{ids, reshape(given, {row_count, width}).contiguous(), gradient.skip};
  const bool shared = gradient.pick.defined() || gradient.scale.defined();
  if (shared) {
    const Tensor scale = gradient.scale.defined() ? gradient.scale.value().contiguous() : Tensor();
    const Tensor pick = gradient.pick.defined() ? gradient.pick.contiguous() : Tensor();
    pieces = coalesce(pieces, pick, scale);
  }
  if (input.is_leaf()) {
    Leaf& leaf = input.as_leaf();
    leaf.staged.rows.reserve(leaf.staged.rows.size() + 1);
    begin_sum(input);
    if (!shared) pieces.ids = ids.clone();  // the caller may put the next batch there
    leaf.staged.rows.push_back(std::move(pieces));
  } else {
    Variable& sum = writable_sum(input);
    add_rows(sum.value_, pieces);
    sum.note_version();
  }
}

// Beginning and ending ----------------------------------------------------------------------------

BackwardPass::BackwardPass(bool create_graph, bool retain_graph)
    : tape_(tape()),
      create_graph_(create_graph),
      retain_graph_(retain_graph),
      recording_before_(tape_.recording_) {
  if (tape_.playing_ != nullptr) {
    throw AutogradError(
        "backward: called while a tape is being played back, from a rule or a hook; rules return "
        "their gradient as an expression");
  }
  tape_.playing_ = this;
  tape_.recording_ = create_graph;
}

// Also after an exception: nothing stays pending, staged or marked.
BackwardPass::~BackwardPass() {
  tape_.firing_ = nullptr;
  while (pending_ > 0) {
    Entry* const entry = current_;
    if (entry->pending_.defined()) {
      entry->pending_ = Variable();
      --pending_;
      Node::release(entry);
    }
    current_ = entry->older_;
    if (current_ != nullptr) Node::retain(current_);
    Node::release(entry);
  }
  if (current_ != nullptr) Node::release(current_);
  while (staged_ != nullptr) {
    Leaf* const leaf = std::exchange(staged_, staged_->next_staged);
    leaf->staged.clear();
    Node::release(leaf);
  }
  if (!all_wanted_) {
    for (Entry* entry = tape_.oldest_; entry != nullptr; entry = entry->newer_) {
      entry->wanted_ = false;
    }
    for (const Target& target : targets_) {
      target.node->wanted_ = false;
      Node::release(target.node);
    }
  }
  tape_.recording_ = recording_before_;
  tape_.playing_ = nullptr;
}

BackwardHookNotes& BackwardPass::notes(const void* passage) {
  const auto found = std::find_if(notes_.rbegin(), notes_.rend(),
                                  [=](const auto& each) { return each->passage == passage; });
  if (found != notes_.rend()) return **found;
  return *notes_.emplace_back(std::make_unique<BackwardHookNotes>(BackwardHookNotes{passage}));
}

// Marks the inputs and everything that was computed from them; nothing else needs its gradient.
void BackwardPass::want_only(const std::vector<Variable>& inputs) {
  all_wanted_ = false;
  for (const Variable& input : inputs) {
    Node::retain(input.node());
    targets_.push_back({input.node(), Variable()});
    input.node()->wanted_ = true;
  }
  for (Entry* entry = tape_.oldest_; entry != nullptr; entry = entry->newer_) {
    entry->wanted_ = entry->wanted_ || wants_inputs_of(*entry);
  }
}

bool BackwardPass::wants_inputs_of(const Entry& entry) const {
  // A consumed entry has forgotten its inputs: nobody knows, so it is tried, and throws.
  if (all_wanted_ || entry.consumed_) return true;
  for (std::size_t i = 0; i < entry.input_count(); ++i) {
    if (const Node* input = entry.input(i); input != nullptr && input->wanted_) return true;
  }
  return false;
}

namespace {

// The rows of a sum become part of its dense gradient.
void make_dense(GradientSum& sum, const Tensor& like) {
  Tensor total = sum.dense.defined() ? sum.dense.value().clone() : zeros_like(like);
  for (const RowPieces& pieces : sum.rows) add_rows(total, pieces);
  sum.rows.clear();
  sum.dense = Variable(std::move(total));
}

}  // namespace

void BackwardPass::call_leaf_hooks() {
  for (Leaf* leaf = staged_; leaf != nullptr; leaf = leaf->next_staged) {
    if (leaf->hooks.empty()) continue;
    if (!leaf->staged.rows.empty()) make_dense(leaf->staged, leaf->stored());
    const Hooks hooks = leaf->hooks;
    for (const auto& hook : hooks) {
      if (Variable changed = (*hook.second)(leaf->staged.dense); changed.defined()) {
        leaf->staged.dense = fitted(*leaf, std::move(changed));
      }
    }
  }
}

// What was staged is added to the leaves' gradients; from here on nothing throws but bad_alloc. A
// leaf's gradient is its own: rules may hand the same dy to several inputs.
void BackwardPass::commit() {
  for (Leaf* leaf = staged_; leaf != nullptr; leaf = leaf->next_staged) {
    GradientSum& from = leaf->staged;
    GradientSum& into = leaf->grad;
    ++leaf->grad_changes;
    if (from.dense.defined()) {
      const Tensor& gradient = from.dense.value();
      const bool own = gradient.is_exclusive() && gradient.is_contiguous();
      if (!own && !into.dense.defined()) from.dense = Variable(gradient.clone());
      add(into.dense, std::move(from.dense));
    }
    for (RowPieces& pieces : from.rows) into.rows.push_back(std::move(pieces));
    if (into.dense.defined() && !into.rows.empty()) make_dense(into, leaf->stored());
  }
}

// The public functions ----------------------------------------------------------------------------

namespace {

Variable seed_for(const Variable& output, const Tensor& gradient, const char* operation) {
  if (!output.is_leaf() && &output.node()->as_entry().owner() != &tape()) {
    throw AutogradError(std::string(operation) +
                        ": this was recorded on another thread; history stays on its thread, call "
                        "it there");
  }
  if (!output.requires_grad()) {
    throw AutogradError(std::string(operation) +
                        ": this value does not depend on anything that wants a gradient, or was "
                        "computed while recording was off (NoGrad)");
  }
  if (!gradient.defined()) {
    if (output.numel() != 1) {
      throw AutogradError(std::string(operation) + ": the output has shape " +
                          to_string(output.sizes()) +
                          ", needed one element; reduce it with sum() or mean(), or pass a "
                          "gradient of its shape");
    }
    return Variable(ones_like(output.value()));
  }
  if (gradient.shape() != output.shape()) {
    throw ShapeError(std::string(operation) + ": gradient of shape " + to_string(gradient.sizes()) +
                     " for an output of shape " + to_string(output.sizes()));
  }
  return Variable(gradient.to(output.dtype()));
}

}  // namespace

void Variable::backward(BackwardOptions options) const { backward(Tensor(), options); }

void Variable::backward(const Tensor& gradient, BackwardOptions options) const {
  Variable seed = seed_for(*this, gradient, "backward");
  BackwardPass playback(false, options.retain_graph);
  if (node_->is_leaf()) {
    playback.deliver(*node_, std::move(seed));
  } else {
    playback.run(node_->as_entry(), std::move(seed));
  }
  playback.call_leaf_hooks();
  playback.commit();
}

std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs,
                           GradOptions options) {
  Variable seed = seed_for(output, options.grad_output, "grad");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) {
      throw AutogradError("grad: input " + std::to_string(i) +
                          " does not want a gradient; make it with parameter()");
    }
  }
  BackwardPass playback(options.create_graph, options.retain_graph || options.create_graph);
  playback.want_only(inputs);
  Node& node = *output.node();
  if (playback.wants(node)) {
    if (node.is_leaf()) {
      playback.deliver(node, std::move(seed));
    } else {
      playback.run(node.as_entry(), std::move(seed));
    }
  }
  playback.call_leaf_hooks();

  std::vector<Variable> gradients;
  gradients.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    BackwardPass::Target& target = playback.targets_[i];
    if (target.node->is_leaf()) {
      Leaf& leaf = target.node->as_leaf();
      if (!leaf.staged.rows.empty()) make_dense(leaf.staged, leaf.stored());
      target.gradient = leaf.staged.dense;
    }
    if (!target.gradient.defined() && !options.allow_unused) {
      throw AutogradError("grad: the output does not depend on input " + std::to_string(i) +
                          "; allow it with {.allow_unused = true}");
    }
    gradients.push_back(target.gradient);
  }
  return gradients;
}

}  // namespace tapegrad
