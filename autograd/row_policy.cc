// The functions of RowPolicy: checks, flushes, and a table that is resized while it is trained.
// Read next: autograd/record_fused.h.
#include <tapegrad/autograd/row_policy.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

struct RowPolicy::Mutex {
  std::recursive_mutex mutex;
};

RowPolicy::RowPolicy(Leaf* leaf) : leaf_(leaf), mutex_(std::make_unique<Mutex>()) {}
RowPolicy::~RowPolicy() = default;

namespace {

using Positions = std::vector<std::int64_t>;

// `known` and `more` together, sorted, each position once.
Positions united(const Positions& known, std::span<const std::int64_t> more, const Tensor& value,
                 std::int64_t dim, const char* operation, const char* what) {
  const std::int64_t size = value.dim() > dim ? value.size(dim) : dim == 0 ? 1 : 0;
  for (const std::int64_t position : more) {
    if (position < 0 || position >= size) {
      throw IndexError(std::string(operation) + ": " + what + " " + std::to_string(position) +
                       " out of range for " + std::to_string(size) + " " + what + "s");
    }
  }
  Positions all = known;
  all.insert(all.end(), more.begin(), more.end());
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// The ranges of first position and count between these positions, in [0, size).
std::vector<std::pair<std::int64_t, std::int64_t>> ranges_between(const Positions& positions,
                                                                  std::int64_t size) {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  std::int64_t begin = 0;
  for (const std::int64_t position : positions) {
    if (begin < position) ranges.emplace_back(begin, position - begin);
    begin = position + 1;
  }
  if (begin < size) ranges.emplace_back(begin, size - begin);
  return ranges;
}

}  // namespace

void RowPolicy::freeze_rows(std::span<const std::int64_t> rows) {
  Positions all = united(frozen_rows_, rows, leaf_->stored(), 0, "freeze_rows", "row");
  leaf_->flush();
  frozen_rows_ = std::move(all);
}

void RowPolicy::freeze_columns(std::span<const std::int64_t> columns) {
  Positions all = united(frozen_columns_, columns, leaf_->stored(), 1, "freeze_columns", "column");
  auto others = ranges_between(all, leaf_->stored().size(1));
  leaf_->flush();
  frozen_columns_ = std::move(all);
  trainable_columns_ = std::move(others);
}

void RowPolicy::unfreeze_rows() {
  leaf_->flush();
  frozen_rows_.clear();
}

void RowPolicy::unfreeze_rows(std::span<const std::int64_t> rows) {
  const Positions gone = united({}, rows, leaf_->stored(), 0, "unfreeze_rows", "row");
  leaf_->flush();
  std::erase_if(frozen_rows_,
                [&](std::int64_t row) { return std::ranges::binary_search(gone, row); });
}

void RowPolicy::unfreeze_columns() {
  leaf_->flush();
  frozen_columns_.clear();
  trainable_columns_.clear();
}

void RowPolicy::set_padding_row(std::optional<std::int64_t> row) {
  leaf_->flush();
  padding_row_ = row;
}

bool RowPolicy::is_held(std::int64_t row) const {
  return row == padding_row_ ||
         (!frozen_rows_.empty() && std::ranges::binary_search(frozen_rows_, row));
}

void RowPolicy::set_constraint(RowConstraint constraint) {
  leaf_->flush();
  constraint_ = constraint;
}

void RowState::reset_elements(const Tensor& /*kept*/) {}

void RowPolicy::set_kept(Tensor kept) {
  const Tensor& value = leaf_->stored();
  if (kept.defined() && kept.dtype() != boolean) {
    throw DTypeError(std::string("set_kept: got ") + name(kept.dtype()) + ", needed boolean");
  }
  if (kept.defined() && !std::ranges::equal(kept.sizes(), value.sizes())) {
    throw ShapeError("set_kept: got shape " + to_string(kept.sizes()) +
                     ", needed that of the value, " + to_string(value.sizes()));
  }
  if (kept.defined()) {
    kept = kept.contiguous().clone();
    Tensor pruned = where(kept, leaf_->value(), 0);
    for (RowState* state : states_) state->reset_elements(kept);
    leaf_->set_value(std::move(pruned));
  }
  kept_ = std::move(kept);
}

void RowPolicy::zero_pruned(Tensor& table) const noexcept {
  if (!kept_.defined()) return;
  const bool* const kept = kept_.data<bool>();
  visit_floating(table.dtype(), [&](auto zero) {
    auto* const elements = table.mutable_data<decltype(zero)>();
    for (std::int64_t i = 0; i < kept_.numel(); ++i) {
      if (!kept[i]) elements[i] = zero;
    }
  });
}

void RowPolicy::set_sparse(bool sparse) {
  leaf_->flush();
  sparse_ = sparse;
}

void RowPolicy::copy_policy_from(const RowPolicy& other) {
  Positions rows = other.frozen_rows_;
  Positions columns = other.frozen_columns_;
  auto others = other.trainable_columns_;
  leaf_->flush();
  frozen_rows_ = std::move(rows);
  frozen_columns_ = std::move(columns);
  trainable_columns_ = std::move(others);
  padding_row_ = other.padding_row_;
  rate_multiplier_ = other.rate_multiplier_;
  constraint_ = other.constraint_;
  kept_ = other.kept_;
  sparse_ = other.sparse_;
}

// The leaf's policy -------------------------------------------------------------------------------

// Several threads may read a leaf, so one flushes while the others wait. A thread that sees no
// pending rows does not wait: pending_ becomes null when the flush has ended.
void Leaf::flush_pending_rows(const Tensor* ids) {
  RowPolicy& policy = row_policy();
  const RowPolicy::Lock lock(policy);
  RowState* const state = policy.pending_;
  if (state == nullptr) return;  // another thread has flushed
  const std::uint32_t before = version();
  if (ids == nullptr) {
    state->flush();
  } else {
    state->flush_rows(ids->span<std::int64_t>());
  }
  if (version() != before) changes_ += before - version();
}

RowPolicy& Leaf::create_policy() {
  auto created = std::make_unique<RowPolicy>(this);
  RowPolicy* expected = nullptr;  // another thread may create one, too
  return policy_.compare_exchange_strong(expected, created.get()) ? *created.release() : *expected;
}

const RowPolicy& Leaf::row_policy() const {
  static const RowPolicy none(nullptr);
  const RowPolicy* const existing = policy_;
  return existing == nullptr ? none : *existing;
}

void Leaf::copy_policy_from(const Leaf& other) {
  requires_grad = other.requires_grad;
  if (policy_ != nullptr || other.policy_ != nullptr) {
    row_policy().copy_policy_from(other.row_policy());
  }
}

// Row states --------------------------------------------------------------------------------------

RowPolicy::Lock::Lock(RowPolicy& policy) {
  if (TAPEGRAD_SINGLE_THREADED) return;
  policy.mutex_->mutex.lock();
  mutex_ = policy.mutex_.get();
}

RowPolicy::Lock::~Lock() {
  if (mutex_ != nullptr) mutex_->mutex.unlock();
}

RowPolicy::Lock::Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}

RowPolicy::Lock& RowPolicy::Lock::operator=(Lock&& other) noexcept {
  std::swap(mutex_, other.mutex_);
  return *this;
}

void RowPolicy::add_state(RowState& state) { states_.push_back(&state); }

void RowPolicy::remove_state(RowState& state) {
  if (pending_ == &state) {
    leaf_->flush();
    pending_ = nullptr;
  }
  std::erase(states_, &state);
}

void RowPolicy::set_pending_rows(RowState& state, bool pending) {
  if (pending) {
    if (pending_ != &state) leaf_->flush();
    pending_ = &state;
  } else if (pending_ == &state) {
    pending_ = nullptr;
  }
}

void RowPolicy::remap_rows(std::span<const std::int64_t> sources, const Tensor& fresh) {
  const Tensor old = leaf_->value();
  Shape shape(old.sizes());
  shape[0] = static_cast<std::int64_t>(sources.size());
  Tensor table = empty(shape, old.dtype());
  Tensor kept = kept_.defined() ? ones(shape, boolean) : Tensor();  // new rows are not pruned
  Positions frozen;
  Positions now(static_cast<std::size_t>(old.size(0)), -1);  // the new position of each old row
  std::int64_t next_fresh = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    select(table, 0, row)
        .copy_(sources[i] < 0 ? select(fresh, 0, next_fresh++) : select(old, 0, sources[i]));
    if (sources[i] < 0) continue;
    if (kept.defined()) select(kept, 0, row).copy_(select(kept_, 0, sources[i]));
    now[static_cast<std::size_t>(sources[i])] = row;
    if (std::ranges::binary_search(frozen_rows_, sources[i])) frozen.push_back(row);  // ascending
  }
  for (RowState* state : states_) state->remap_rows(sources);  // the last that may throw
  if (padding_row_) {
    const std::int64_t position = now[static_cast<std::size_t>(*padding_row_)];
    padding_row_ = position < 0 ? std::nullopt : std::optional(position);
  }
  frozen_rows_ = std::move(frozen);
  renormalized_.clear();
  kept_ = std::move(kept);
  leaf_->grad.clear();
  leaf_->set_value(std::move(table));
}

}  // namespace tapegrad
