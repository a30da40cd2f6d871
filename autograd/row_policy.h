// RowPolicy: what optimizers must honor about the rows of a parameter. A leaf points to one if it
// has any; so nn can ask (an Embedding freezes rows) and optim can obey, without knowing each
// other. Read next: autograd/tape.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

class Leaf;

// What an optimizer does to every row of a table after each step: Keras' constraints, with its
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

// State that somebody keeps beside each row of a table, as an optimizer keeps its moments. Rows may
// have pending steps, which are taken only when somebody reads the row; the leaf calls flush()
// then.
class RowState {
 public:
  virtual void flush() = 0;                                        // of all rows
  virtual void flush_rows(std::span<const std::int64_t> ids) = 0;  // of these rows
  // The table has changed: its row i was row sources[i] before, or is new where that is -1.
  virtual void remap_rows(std::span<const std::int64_t> sources) = 0;

 protected:
  ~RowState() = default;
};

// Rows are dimension 0 of the value, columns dimension 1. A change counts from the next step on:
// pending steps are taken first, under the rules that they were recorded with.
//
//   Variable w = parameter(randn({1000, 64}));
//   w.row_policy().freeze_rows(std::vector<std::int64_t>{0, 7});   // no optimizer moves these
class RowPolicy {
 public:
  explicit RowPolicy(Leaf* leaf) : leaf_(leaf) {}
  RowPolicy(const RowPolicy&) = delete;
  RowPolicy& operator=(const RowPolicy&) = delete;

  // Rows and columns that stay as they are, to the bit. IndexError for one that does not exist.
  // The lists are sorted.
  void freeze_rows(std::span<const std::int64_t> rows);
  void freeze_columns(std::span<const std::int64_t> columns);
  void unfreeze_rows();
  void unfreeze_rows(std::span<const std::int64_t> rows);
  void unfreeze_columns();
  const std::vector<std::int64_t>& frozen_rows() const { return frozen_rows_; }
  const std::vector<std::int64_t>& frozen_columns() const { return frozen_columns_; }

  // The row of padding, which optimizers do not move either.
  void set_padding_row(std::optional<std::int64_t> row);
  std::optional<std::int64_t> padding_row() const { return padding_row_; }
  bool is_held(std::int64_t row) const;  // frozen, or padding
  bool has_held_rows() const { return padding_row_.has_value() || !frozen_rows_.empty(); }

  // A factor for the learning rate. Pending steps keep the rate that they were recorded with.
  void set_rate_multiplier(double multiplier) { rate_multiplier_ = multiplier; }
  double rate_multiplier() const { return rate_multiplier_; }

  void set_constraint(RowConstraint constraint);
  const RowConstraint& constraint() const { return constraint_; }

  // Steps move only the rows that have a gradient, as torch.optim.SparseAdam does.
  void set_sparse(bool sparse);
  bool sparse() const { return sparse_; }

  // Takes over everything above.
  void copy_policy_from(const RowPolicy& other);

  // Row states --------------------------------------------------------------------------------
  // At most one state has pending rows; a second one makes the first take its steps.
  void add_state(RowState& state);
  void remove_state(RowState& state);
  void set_pending_rows(RowState& state, bool pending);
  bool has_pending_rows() const { return pending_ != nullptr; }

  // A new table: its row i is row sources[i] of the old one, or the next row of `fresh` where that
  // is -1. What policy and states know of a row goes along; the gradient is dropped.
  void remap_rows(std::span<const std::int64_t> sources, const Tensor& fresh);

  // Rows that lookups have scaled (max_norm) since the last step, each with its factor; optimizers
  // take the list, to explain a step.
  void note_renormalized(std::int64_t row, double factor) {
    renormalized_.emplace_back(row, factor);
  }
  std::vector<std::pair<std::int64_t, double>> take_renormalized() {
    return std::exchange(renormalized_, {});
  }

 private:
  friend class Leaf;
  Leaf* leaf_;
  RowState* pending_ = nullptr;
  std::vector<RowState*> states_;
  std::vector<std::int64_t> frozen_rows_;
  std::vector<std::int64_t> frozen_columns_;
  std::optional<std::int64_t> padding_row_;
  double rate_multiplier_ = 1;
  RowConstraint constraint_;
  bool sparse_ = false;
  std::vector<std::pair<std::int64_t, double>> renormalized_;
};

}  // namespace tapegrad
