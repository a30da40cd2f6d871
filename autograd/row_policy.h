// RowPolicy: what optimizers must honor about the rows of a parameter. A leaf points to one if it
// needs one. Through it nn can make requests (an Embedding freezes rows) that optim honors, and
// neither includes the other. Read next: autograd/row_policy.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

class Leaf;

// A constraint that an optimizer applies to every row of a table after each step: one of Keras',
// with its epsilon of 1e-7.
struct RowConstraint {
  enum class Kind {
    none,
    max_norm,      // row * min(norm, limit) / (norm + 1e-7)
    non_negative,  // max(row, 0)
    unit_norm      // row / (norm + 1e-7)
  };
  Kind kind = Kind::none;
  double limit = 0;  // for max_norm
};

// State for each row of a table, such as the moments of an optimizer. Rows may have pending steps:
// steps that are recorded, but applied only when the row is read. The leaf then calls flush().
class RowState {
 public:
  virtual void flush() = 0;  // applies the pending steps of all rows
  virtual void flush_rows(std::span<const std::int64_t> ids) = 0;  // of these rows
  // The table has changed: row i is the earlier row sources[i], or a new row where that is -1.
  virtual void remap_rows(std::span<const std::int64_t> sources) = 0;
  // No row has pending steps, and elements where `kept` is false are about to be pruned: gives
  // their state its initial value. The default is for states that hold nothing for an element.
  virtual void reset_elements(const Tensor& kept);

 protected:
  ~RowState() = default;
};

// Rows are dimension 0 of the value, columns dimension 1. A change takes effect with the next step:
// pending steps are flushed first, under the settings that they were recorded with.
//
//   Variable w = parameter(randn({1000, 64}));
//   w.row_policy().freeze_rows(std::vector<std::int64_t>{0, 7});   // no optimizer moves these
class RowPolicy {
 public:
  explicit RowPolicy(Leaf* leaf);
  ~RowPolicy();
  RowPolicy(const RowPolicy&) = delete;
  RowPolicy& operator=(const RowPolicy&) = delete;

  // Rows and columns that optimizers do not change, not by one bit. IndexError for a position out
  // of range. The lists are sorted.
  void freeze_rows(std::span<const std::int64_t> rows);
  void freeze_columns(std::span<const std::int64_t> columns);
  void unfreeze_rows();
  void unfreeze_rows(std::span<const std::int64_t> rows);
  void unfreeze_columns();
  const std::vector<std::int64_t>& frozen_rows() const { return frozen_rows_; }
  const std::vector<std::int64_t>& frozen_columns() const { return frozen_columns_; }
  // The other columns, if some are frozen: ranges of first column and count.
  const std::vector<std::pair<std::int64_t, std::int64_t>>& trainable_columns() const {
    return trainable_columns_;
  }

  // The row of padding, which optimizers do not change either.
  void set_padding_row(std::optional<std::int64_t> row);
  std::optional<std::int64_t> padding_row() const { return padding_row_; }
  bool is_held(std::int64_t row) const;  // frozen, or padding
  bool has_held_rows() const { return padding_row_.has_value() || !frozen_rows_.empty(); }

  // A factor for the learning rate. Pending steps keep the rate that they were recorded with.
  void set_rate_multiplier(double multiplier) { rate_multiplier_ = multiplier; }
  double rate_multiplier() const { return rate_multiplier_; }

  void set_constraint(RowConstraint constraint);
  const RowConstraint& constraint() const { return constraint_; }

  // Prunes elements: where `kept` (boolean, of the value's shape) is false, the value is 0. Their
  // gradients are 0, optimizers leave them at 0, and set_value() sets them to 0. An undefined
  // tensor ends this. DTypeError or ShapeError for any other tensor. See nn/compression/pruning.h.
  void set_kept(Tensor kept);
  const Tensor& kept() const { return kept_; }  // undefined if nothing is pruned
  // Sets the pruned elements of a contiguous table, which nothing else shares, to 0.
  void zero_pruned(Tensor& table) const noexcept;

  // If true, a step changes only the rows that have a gradient, as torch.optim.SparseAdam does.
  void set_sparse(bool sparse);
  bool sparse() const { return sparse_; }

  // Copies all of the above.
  void copy_policy_from(const RowPolicy& other);

  // Row states --------------------------------------------------------------------------------
  // At most one state has pending rows: when a second one reports pending rows, the first is
  // flushed.
  void add_state(RowState& state);
  void remove_state(RowState& state);
  void set_pending_rows(RowState& state, bool pending);
  bool has_pending_rows() const { return pending_ != nullptr; }
  struct Mutex;  // defined in row_policy.cc, because <mutex> is slow to compile
  // Held while a read changes rows: a flush, or a lookup that scales rows (max_norm). Others on the
  // same thread may hold it, too. Holds nothing if the process has one thread.
  class Lock {
   public:
    Lock() = default;
    explicit Lock(RowPolicy& policy);
    ~Lock();
    Lock(Lock&& other) noexcept;
    Lock& operator=(Lock&& other) noexcept;

   private:
    Mutex* mutex_ = nullptr;  // null if it holds nothing
  };

  // Builds a new table: row i is row sources[i] of the old table, or the next row of `fresh` where
  // that is -1. Policy and states of a row move with it; the gradient is cleared.
  void remap_rows(std::span<const std::int64_t> sources, const Tensor& fresh);

  // The rows that lookups have scaled (max_norm) since the last step, each with its factor;
  // optimizers take the list to explain a step.
  void add_renormalized(std::int64_t row, double factor) {
    renormalized_.emplace_back(row, factor);
  }
  bool has_renormalized() const { return !renormalized_.empty(); }
  std::vector<std::pair<std::int64_t, double>> take_renormalized() {
    return std::exchange(renormalized_, {});
  }

 private:
  friend class Leaf;
  Leaf* leaf_;
  const std::unique_ptr<Mutex> mutex_;
  std::atomic<RowState*> pending_ = nullptr;
  std::vector<RowState*> states_;
  std::vector<std::int64_t> frozen_rows_;
  std::vector<std::int64_t> frozen_columns_;
  std::vector<std::pair<std::int64_t, std::int64_t>> trainable_columns_;
  std::optional<std::int64_t> padding_row_;
  double rate_multiplier_ = 1;
  RowConstraint constraint_;
  Tensor kept_;
  bool sparse_ = false;
  std::vector<std::pair<std::int64_t, double>> renormalized_;
};

}  // namespace tapegrad
