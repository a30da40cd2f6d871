// Leaf: the one shared place behind all handles to a parameter. It holds the value, the gradient,
// and what optimisers must honour, so that nn can ask and optim obey without knowing each other.
// Read next: autograd/record.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// A row-sparse contribution as a lookup gives it: rows[i] is to be added to the table's row ids[i];
// ids may repeat. Rows of id `skip` (padding) do not count.
struct RowPieces {
  Tensor ids;   // (count) int64
  Tensor rows;  // (count, width)
  std::int64_t skip = -1;
  bool distinct = false;  // known: no id repeats, none is skipped
};

// A gradient that is being summed up: nothing, dense, or row-sparse pieces.
struct GradientSum {
  Variable dense;
  std::vector<RowPieces> rows;

  bool empty() const { return !dense.defined() && rows.empty(); }
  void clear() {
    dense = Variable();
    rows.clear();
  }
};

// Hooks by their numbers; shared, so that one can remove itself while it runs.
using Hooks = std::vector<std::pair<std::size_t, std::shared_ptr<const Variable::Hook>>>;

// What an optimiser applies to every row of a table after each step: Keras' constraints, with its
// epsilon of 1e-7.
struct RowConstraint {
  enum class Kind {
    none,
    max_norm,      // row * min(norm, limit) / (norm + 1e-7)
    non_negative,  // max(row, 0)
    unit_norm      // row / (norm + 1e-7)
  };
  Kind kind = Kind::none;
  double limit = 0;  // of max_norm
};

// Who keeps numbers beside each row of a table, as an optimiser does. Rows without a gradient may
// wait for their steps until somebody looks at them: then the keeper brings them up to date, which
// counts as no change. It is called through the leaf's functions of the same names.
class RowState {
 public:
  virtual void flush() = 0;                                        // all rows
  virtual void flush_rows(std::span<const std::int64_t> ids) = 0;  // these
  // The table has changed: its row i was row sources[i], or is a new one (-1).
  virtual void remap_rows(std::span<const std::int64_t> sources) = 0;

 protected:
  ~RowState() = default;
};

class Leaf : public Node {
 public:
  Leaf(Tensor value, bool requires_grad);
  ~Leaf() = default;

  // The value, all rows up to date; and as it lies in memory, for its sizes and type, and for rows
  // that were settled.
  const Tensor& value() {
    if (pending_rows_of_ != nullptr) flush();
    return value_;
  }
  const Tensor& stored() const { return value_; }
  // To write to. Memory that somebody else looks at is left alone: the leaf moves to a copy. What
  // the tape has noted of the value becomes stale.
  Tensor& writable_value();
  Tensor& writable_stored();  // the same while rows are behind, for those who know which
  void set_value(Tensor value);
  std::uint32_t version() const { return changes_ + value_.version(); }

  // Rows --------------------------------------------------------------------------------------
  void flush();
  void flush_rows(const Tensor& ids);  // int64 and contiguous, in range
  void add_keeper(RowState& keeper);
  void remove_keeper(RowState& keeper);
  // Says whether rows wait for `keeper`, of which there is one at a time: the others settle first.
  void set_pending_rows(RowState& keeper, bool behind);
  // A new table whose row i is the old one's row sources[i], or rows of `fresh`, in their order,
  // where that is -1. What was remembered of rows goes along; a gradient is dropped.
  void remap_rows(std::span<const std::int64_t> sources, const Tensor& fresh);

  bool requires_grad = true;
  GradientSum grad;    // what backward() has added up
  GradientSum staged;  // what the playback in progress has delivered so far
  Leaf* next_staged = nullptr;
  std::uint64_t grad_changes = 0;  // counts what happens to grad

  // The gradient, made dense / distinct rows; the caller has checked that there is one.
  Tensor dense_grad() const;
  const RowPieces& coalesced_grad();

  // What optimisers must honour ---------------------------------------------------------------
  // Rows and columns of the value (dimension 0 and 1) that nobody may move. IndexError for one that
  // there is not. Sorted.
  void freeze_rows(std::span<const std::int64_t> rows);
  void freeze_columns(std::span<const std::int64_t> columns);
  void unfreeze_rows();
  void unfreeze_rows(std::span<const std::int64_t> rows);
  void unfreeze_columns();
  const std::vector<std::int64_t>& frozen_rows() const { return frozen_rows_; }
  const std::vector<std::int64_t>& frozen_columns() const { return frozen_columns_; }
  // The row of padding is not to be moved either.
  void set_padding_row(std::optional<std::int64_t> row);
  std::optional<std::int64_t> padding_row() const { return padding_row_; }
  bool is_held(std::int64_t row) const;  // frozen, or padding
  bool has_held_rows() const { return padding_row_.has_value() || !frozen_rows_.empty(); }
  // Multiplies the learning rate.
  void set_rate_multiplier(double multiplier);
  double rate_multiplier() const { return rate_multiplier_; }
  void set_constraint(RowConstraint constraint);
  const RowConstraint& constraint() const { return constraint_; }
  // Steps move only the rows that have a gradient, as torch.optim.SparseAdam does.
  void set_sparse(bool sparse);
  bool sparse() const { return sparse_; }
  // Copies all of these.
  void copy_policy_from(const Leaf& other);

  // Rows that a lookup has scaled (max_norm) since the last step, and by how much.
  void note_renormalized(std::int64_t row, double factor) {
    renormalized.emplace_back(row, factor);
  }
  std::vector<std::pair<std::int64_t, double>> renormalized;

  Hooks hooks;

 private:
  Tensor value_;
  std::uint32_t changes_ = 0;
  RowState* pending_rows_of_ = nullptr;
  std::vector<RowState*> keepers_;
  std::vector<std::int64_t> frozen_rows_;
  std::vector<std::int64_t> frozen_columns_;
  std::optional<std::int64_t> padding_row_;
  double rate_multiplier_ = 1;
  RowConstraint constraint_;
  bool sparse_ = false;
};

inline Leaf& Node::as_leaf() { return static_cast<Leaf&>(*this); }

// `into` += rows for every piece; into is (table rows, width) (autograd/row_sparse.cc).
void add_rows(Tensor& into, const RowPieces& pieces);

// The same with distinct ids, in the order of first occurrence. Where none repeats, the rows are
// those given, not copies. With `pick` and `scale` (either may be undefined), ids[i] gets
// scale[i] * rows[pick[i]].
RowPieces coalesce(const RowPieces& pieces, const Tensor& pick = {}, const Tensor& scale = {});
RowPieces coalesce(const std::vector<RowPieces>& pieces);  // all as one

}  // namespace tapegrad
