#include <tapegrad/autograd/node.h>

#include <algorithm>
#include <string>

#include <tapegrad/tensor/ops.h>

namespace tapegrad {

Leaf::Leaf(Tensor value, bool wants_grad)
    : Node(true),
      requires_grad(wants_grad),
      value_(std::move(value)),
      changes_(0 - value_.version()) {}  // version() is 0, as that of the first handle

Tensor& Leaf::writable_value() {
  flush();
  return writable_stored();
}

Tensor& Leaf::writable_stored() {
  if (!value_.is_exclusive()) {
    Tensor copy = value_.clone();
    changes_ = version() + 1 - copy.version();
    value_ = std::move(copy);
  }
  return value_;
}

void Leaf::set_value(Tensor value) {
  flush();
  changes_ = version() + 1 - value.version();  // so that version() grows; wraps around
  value_ = std::move(value);
}

// Rows --------------------------------------------------------------------------------------------

// Rows that are brought up to date become what they were from the step on, which counted the change
// then. Whoever has looked at other rows since need not look again: the version stays.
void Leaf::flush() {
  if (pending_rows_of_ == nullptr) return;
  const std::uint32_t before = version();
  pending_rows_of_->flush();
  changes_ += before - version();
}

void Leaf::flush_rows(const Tensor& ids) {
  if (pending_rows_of_ == nullptr) return;
  const std::uint32_t before = version();
  pending_rows_of_->flush_rows(ids.span<std::int64_t>());
  changes_ += before - version();
}

void Leaf::add_keeper(RowState& keeper) { keepers_.push_back(&keeper); }

void Leaf::remove_keeper(RowState& keeper) {
  if (pending_rows_of_ == &keeper) {
    flush();
    pending_rows_of_ = nullptr;
  }
  std::erase(keepers_, &keeper);
}

void Leaf::set_pending_rows(RowState& keeper, bool behind) {
  if (behind) {
    if (pending_rows_of_ != &keeper) flush();
    pending_rows_of_ = &keeper;
  } else if (pending_rows_of_ == &keeper) {
    pending_rows_of_ = nullptr;
  }
}

void Leaf::remap_rows(std::span<const std::int64_t> sources, const Tensor& fresh) {
  flush();
  Shape shape(value_.sizes());
  shape[0] = static_cast<std::int64_t>(sources.size());
  Tensor table = empty(shape, value_.dtype());
  std::vector<std::int64_t> rows;
  const std::int64_t old_rows = value_.size(0);
  std::vector<std::int64_t> positions(static_cast<std::size_t>(old_rows), -1);
  std::int64_t next_fresh = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    select(table, 0, row)
        .copy_(sources[i] < 0 ? select(fresh, 0, next_fresh++) : select(value_, 0, sources[i]));
    if (sources[i] < 0) continue;
    positions[static_cast<std::size_t>(sources[i])] = row;
    if (std::ranges::binary_search(frozen_rows_, sources[i])) rows.push_back(row);  // ascending
  }
  for (RowState* keeper : keepers_) keeper->remap_rows(sources);
  if (padding_row_) {
    const std::int64_t position = positions[static_cast<std::size_t>(*padding_row_)];
    padding_row_ = position < 0 ? std::nullopt : std::optional(position);
  }
  frozen_rows_ = std::move(rows);
  renormalized.clear();
  grad.clear();
  ++grad_changes;
  set_value(std::move(table));
}

// What optimisers must honour ---------------------------------------------------------------------

namespace {

using Numbers = std::vector<std::int64_t>;

// `known` and `more`, sorted, each once.
Numbers united(const Numbers& known, std::span<const std::int64_t> more, const Tensor& value,
               std::int64_t dim, const char* operation, const char* what) {
  const std::int64_t size = value.dim() > dim ? value.size(dim) : dim == 0 ? 1 : 0;
  for (const std::int64_t number : more) {
    if (number < 0 || number >= size) {
      throw IndexError(std::string(operation) + ": " + what + " " + std::to_string(number) +
                       " out of range for " + std::to_string(size) + " " + what + "s");
    }
  }
  Numbers all = known;
  all.insert(all.end(), more.begin(), more.end());
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace

// Whatever changes here counts from the next step on: rows that wait take their steps first.
void Leaf::freeze_rows(std::span<const std::int64_t> rows) {
  Numbers all = united(frozen_rows_, rows, value_, 0, "freeze_rows", "row");
  flush();
  frozen_rows_ = std::move(all);
}
void Leaf::freeze_columns(std::span<const std::int64_t> columns) {
  Numbers all = united(frozen_columns_, columns, value_, 1, "freeze_columns", "column");
  flush();
  frozen_columns_ = std::move(all);
}
void Leaf::unfreeze_rows() {
  flush();
  frozen_rows_.clear();
}
void Leaf::unfreeze_rows(std::span<const std::int64_t> rows) {
  const Numbers gone = united({}, rows, value_, 0, "unfreeze_rows", "row");
  flush();
  std::erase_if(frozen_rows_,
                [&](std::int64_t row) { return std::ranges::binary_search(gone, row); });
}
void Leaf::unfreeze_columns() {
  flush();
  frozen_columns_.clear();
}
void Leaf::set_padding_row(std::optional<std::int64_t> row) {
  flush();
  padding_row_ = row;
}
bool Leaf::is_held(std::int64_t row) const {
  return row == padding_row_ ||
         (!frozen_rows_.empty() && std::ranges::binary_search(frozen_rows_, row));
}
// But steps that are owed know their rate.
void Leaf::set_rate_multiplier(double multiplier) { rate_multiplier_ = multiplier; }
void Leaf::set_constraint(RowConstraint constraint) {
  flush();
  constraint_ = constraint;
}
void Leaf::set_sparse(bool sparse) {
  flush();
  sparse_ = sparse;
}
void Leaf::copy_policy_from(const Leaf& other) {
  flush();
  requires_grad = other.requires_grad;
  frozen_rows_ = other.frozen_rows_;
  frozen_columns_ = other.frozen_columns_;
  padding_row_ = other.padding_row_;
  rate_multiplier_ = other.rate_multiplier_;
  constraint_ = other.constraint_;
  sparse_ = other.sparse_;
}

// Gradients ---------------------------------------------------------------------------------------

Tensor Leaf::dense_grad() const {
  if (grad.rows.empty()) return grad.dense.value();
  Tensor total = zeros_like(value_);
  for (const RowPieces& pieces : grad.rows) add_rows(total, pieces);
  return total;
}

const RowPieces& Leaf::coalesced_grad() {
  RowPieces distinct = coalesce(grad.rows);
  grad.rows.clear();
  grad.rows.push_back(std::move(distinct));
  return grad.rows.front();
}

}  // namespace tapegrad
