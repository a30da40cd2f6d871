// The backward pass: backward() and grad(). Read next: autograd/tape.cc.
#include <tapegrad/autograd/backward.h>

#include <algorithm>

#include <tapegrad/autograd/errors.h>

namespace tapegrad {

Variable add(const Variable& a, const Variable& b);  // from autograd/ops.h, for create_graph
Variable sum_to(const Variable& x, const Shape& shape);

// The walk ----------------------------------------------------------------------------------------

// Gives the output's entry the first pending gradient. Then every entry with a pending gradient
// fires, from the newest to the oldest, until no gradient is pending.
void BackwardPass::run(Node& output, Variable gradient) {
  accumulate(output, std::move(gradient));
  current_ = &output;
  while (pending_ > 0) {
    tape_.observer_ ? fire<true>(current_->as_entry()) : fire<false>(current_->as_entry());
    finish_current();
  }
}

// Releases the entry that the walk has reached, and moves on to the next one with a pending
// gradient.
void BackwardPass::finish_current() {
  Node& done = *current_;
  done.as_entry().pending_ = Variable();
  --pending_;
  while (pending_ > 0 && !current_->as_entry().pending_.defined()) {
    current_ = current_->as_entry().older_;
  }
  done.release();  // the pending gradient's reference
}

template <bool observed>
void BackwardPass::fire(Entry& entry) {
  if (entry.hooks_ != nullptr) [[unlikely]]
    call_hooks(*entry.hooks_, entry, entry.pending_);
  for (auto& [node, gradient] : targets_) {
    if (node == &entry) gradient = entry.pending_;
  }
  if (all_wanted_ || wants_input_of(entry)) {
    if (entry.consumed_) detail::throw_consumed(entry);
    if (observed && tape_.observer_) tape_.observer_->fires(number_, entry, entry.pending_);
    tape_.firing_ = &entry;
    entry.fire(*this, entry.pending_);
    tape_.firing_ = nullptr;
    if (!retain_graph_) {
      entry.consumed_ = true;
      if (observed && tape_.observer_) tape_.observer_->releases(entry);
      entry.forget();
      if (entry.hooks_ != nullptr) release_hooks(*entry.hooks_);
      if (observed && tape_.observer_) tape_.observer_->released(entry);
    }
  }
}

// Accumulation ------------------------------------------------------------------------------------

namespace {

std::atomic<std::uint64_t> last_number = 0;  // the number of the latest pass

const Tensor& stored(const Node& leaf) { return static_cast<const Leaf&>(leaf).stored(); }
std::span<const std::int64_t> sizes_of(const Node& node) {
  return node.is_leaf() ? stored(node).sizes() : static_cast<const Entry&>(node).sizes();
}
DType dtype_of_node(const Node& node) {
  return node.is_leaf() ? stored(node).dtype() : static_cast<const Entry&>(node).dtype();
}
bool same(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {  // few elements: a loop is faster than memcmp
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace

// Whether the gradient needs no conversion; most need none.
bool BackwardPass::fits(const Node& input, const Variable& gradient) const {
  if (gradient.node() != nullptr && !create_graph_) return false;  // must lose its history
  const Tensor& value = gradient.value();
  return value.dtype() == dtype_of_node(input) && same(value.sizes(), sizes_of(input));
}

// Undoes broadcasting and type promotion: returns the gradient in the shape and type of the input.
// Unless gradients are recorded, it also removes the history, which comes from a captured Variable.
Variable BackwardPass::fitted(const Node& input, Variable gradient) const {
  if (!create_graph_ && gradient.node() != nullptr) gradient = gradient.detach();
  if (fits(input, gradient)) return gradient;
  const auto sizes = sizes_of(input);
  const DType dtype = dtype_of_node(input);
  if (!broadcastable_to(sizes, gradient.sizes())) {
    detail::throw_bad_gradient(tape_.firing_, gradient.sizes(), sizes);
  }
  if (!create_graph_) return Variable(sum_to(gradient.value(), sizes).to(dtype));
  return sum_to(gradient, sizes).to(dtype);
}

Shape BackwardPass::shape_of(const Node& node) { return sizes_of(node); }

Variable& BackwardPass::sum_of(Node& input) {
  return input.is_leaf() ? find_or_add(input).sum : input.as_entry().pending_;
}

void BackwardPass::set_sum(Node& input, Variable& sum, Variable&& first) {
  sum.swap(first);
  if (input.is_leaf()) return;
  input.retain();
  ++pending_;
}

// The sum, to be written to: nothing else shares its memory. Zeros if there is none yet.
Variable& BackwardPass::writable_sum(Node& input) {
  Variable& sum = sum_of(input);
  if (!sum.defined()) {
    set_sum(input, sum, zeros(sizes_of(input), dtype_of_node(input)));
  } else if (!sum.value_.is_exclusive() || !sum.value_.is_contiguous()) {
    sum = Variable(sum.value().clone());
  }
  return sum;
}

void BackwardPass::accumulate(Node& input, Variable gradient) {
  if (!gradient.defined()) return;
  if (tape_.observer_) tape_.observer_->adds(number_, tape_.firing_, input, gradient);
  if (!fits(input, gradient)) gradient = fitted(input, std::move(gradient));
  Variable& sum = sum_of(input);
  if (!sum.defined()) {
    set_sum(input, sum, std::move(gradient));
  } else if (create_graph_) {
    sum = add(sum, gradient);
  } else if (sum.value_.is_exclusive() && sum.value_.is_contiguous()) {
    sum.value_.add_(gradient.value());
    sum.mark_current();
  } else {
    sum = Variable(add(sum.value(), gradient.value()));
  }
}

void BackwardPass::accumulate(Node& input, RowSparse gradient) {
  detail::check_rows(*tape_.firing_, gradient, sizes_of(input));
  gradient.rows = gradient.rows.to(dtype_of_node(input)).contiguous();
  gradient.ids = gradient.ids.contiguous();
  if (tape_.observer_) tape_.observer_->adds(number_, tape_.firing_, input, gradient);
  if (input.is_leaf()) {
    find_or_add(input).rows.push_back(std::move(gradient));
  } else {
    Variable& sum = writable_sum(input);
    add_rows(sum.value_, gradient);
    sum.mark_current();
  }
}

// Leaves ------------------------------------------------------------------------------------------

constexpr std::uint64_t kMostLeaves = std::uint64_t{1} << 24;  // with slots in one pass

// A leaf's slot holds the number of the latest pass that listed it, and its position in that pass's
// list: number * kMostLeaves + position. If a later pass of another thread has taken the slot, the
// list is searched.
BackwardPass::LeafGradient* BackwardPass::find(Node& leaf) {
  const std::uint64_t slot = leaf.as_leaf().slot.load(std::memory_order_relaxed);
  if (slot / kMostLeaves < number_) return nullptr;
  if (slot / kMostLeaves == number_ && leaves_[slot % kMostLeaves].leaf.get() == &leaf) {
    return &leaves_[slot % kMostLeaves];
  }
  const auto found = std::ranges::find(leaves_, &leaf, &LeafGradient::node);
  return found == leaves_.end() ? nullptr : &*found;
}

BackwardPass::LeafGradient& BackwardPass::find_or_add(Node& leaf) {
  if (LeafGradient* const found = find(leaf)) return *found;
  if (leaves_.empty()) leaves_.reserve(16);
  const std::uint64_t slot = number_ * kMostLeaves + leaves_.size() % kMostLeaves;
  std::uint64_t known = leaf.as_leaf().slot;
  while (known < slot && !leaf.as_leaf().slot.compare_exchange_weak(known, slot)) continue;
  return leaves_.emplace_back(LeafGradient{NodePtr(&leaf)});
}

Variable& BackwardPass::make_dense(LeafGradient& gradient) {
  if (gradient.rows.empty()) return gradient.sum;
  Tensor sum =
      gradient.sum.defined() ? gradient.sum.value().clone() : zeros_like(stored(*gradient.leaf));
  for (const RowSparse& rows : gradient.rows) add_rows(sum, rows);
  gradient.rows.clear();
  return gradient.sum = Variable(std::move(sum));
}

// Adds the sums to the leaves' grad(): to all of them, or to none if memory is exhausted.
void BackwardPass::commit() {
  for (LeafGradient& part : leaves_) {
    if (tape_.observer_)
      tape_.observer_->commits(number_, part.leaf->as_leaf(), part.sum, part.rows);
    part.leaf->as_leaf().grad.reserve(part.sum.value_, part.rows.size());
  }
  for (LeafGradient& part : leaves_) {
    GradientSum& total = part.leaf->as_leaf().grad;
    if (part.sum.defined()) total.add(std::move(part.sum.value_));
    for (RowSparse& rows : part.rows) total.add(std::move(rows));
  }
}

// Begin and end -----------------------------------------------------------------------------------

BackwardPass::BackwardPass(bool create_graph, bool retain_graph)
    : tape_(tape()),
      number_(++last_number),
      create_graph_(create_graph),
      retain_graph_(retain_graph),
      recording_before_(tape_.recording_) {
  if (tape_.pass_ != nullptr) detail::throw_nested();
  tape_.pass_ = this;
  tape_.recording_ = create_graph;
}

// Clears pending gradients and marks, which an exception may have left.
BackwardPass::~BackwardPass() {
  tape_.firing_ = nullptr;
  while (pending_ > 0) finish_current();
  if (!all_wanted_) {
    for (Entry* entry = tape_.oldest_; entry != nullptr; entry = entry->newer_) {
      entry->wanted_ = false;
    }
  }
  tape_.recording_ = recording_before_;
  tape_.pass_ = nullptr;
}

// Marks the inputs, and all entries computed from them, as wanted: the pass computes no other
// gradients.
void BackwardPass::want_only(const std::vector<Variable>& inputs) {
  all_wanted_ = false;
  for (const Variable& input : inputs) {
    if (input.is_leaf()) {
      find_or_add(*input.node());
    } else {
      targets_.emplace_back(input.node(), Variable());
      input.node()->as_entry().wanted_ = true;
    }
  }
  for (Entry* entry = tape_.oldest_; entry != nullptr; entry = entry->newer_) {
    entry->wanted_ = entry->wanted_ || wants_input_of(*entry);
  }
}

bool BackwardPass::is_wanted(Node& input) {
  return input.is_leaf() ? find(input) != nullptr : input.as_entry().wanted_;
}

bool BackwardPass::wants_input_of(const Entry& entry) {
  // A consumed entry has released its inputs, so the answer is unknown. Let it fire: fire() throws.
  if (entry.consumed_) return true;
  for (std::size_t i = 0; i < entry.input_count(); ++i) {
    if (Node* input = entry.input(i); input != nullptr && wants(*input)) return true;
  }
  return false;
}

// The public functions ----------------------------------------------------------------------------

void Variable::backward(BackwardOptions options) const { backward(Tensor(), options); }

void Variable::backward(const Tensor& gradient, BackwardOptions options) const {
  Variable start = detail::checked_start("backward", *this, gradient);
  BackwardPass pass(false, options.retain_graph);
  pass.run(*node(), std::move(start));
  pass.call_leaf_hooks();
  pass.commit();
}

std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs,
                           GradOptions options) {
  Variable start = detail::checked_start("grad", output, options.grad_output);
  if (inputs.empty()) detail::throw_no_inputs();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) detail::throw_untracked_input(i);
  }
  BackwardPass pass(options.create_graph, options.retain_graph || options.create_graph);
  pass.want_only(inputs);
  if (pass.wants(*output.node())) pass.run(*output.node(), std::move(start));
  pass.call_leaf_hooks();

  std::vector<Variable> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Node* const node = inputs[i].node();
    gradients.push_back(
        node->is_leaf()
            ? BackwardPass::make_dense(*pass.find(*node))
            : std::ranges::find(pass.targets_, node, &std::pair<Node*, Variable>::first)->second);
    if (!gradients.back().defined() && !options.allow_unused) detail::throw_unused_input(i);
  }
  return gradients;
}

}  // namespace tapegrad
