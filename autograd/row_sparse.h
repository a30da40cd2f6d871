// RowSparse: the gradient of a table of which some rows were looked up, as ids and rows. Its cost
// grows with the lookups, not with the table. GradientSum: a leaf's gradient, which adds up what
// arrives, dense or row-sparse. Read next: autograd/row_policy.h.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Row i is to be added to row ids[i] of the table. An id may occur several times, unless the
// gradient is coalesced, as PyTorch calls it.
struct RowSparse {
  Tensor ids;              // (count) int64
  Tensor rows;             // (count, width)
  std::int64_t skip = -1;  // gradients for this row (padding) are ignored
  bool coalesced = false;  // ids are distinct, and none is `skip`
};

// The same gradient with each id once, in the order of first occurrence. Where no id repeats, the
// rows are those given, not copies.
RowSparse coalesce(const RowSparse& gradient);
// The sum of several gradients of one table.
RowSparse coalesce(std::span<const RowSparse> gradients);

// Coalesced: row ids[i] of the table gets scale[i] * rows[pick[i]]. Here several ids may share one
// row, as those of a bag do, and no row is made for each id. `pick` (int64) and `scale` (of rows'
// type) may be undefined: then id i takes row i, and the factor is 1.
RowSparse coalesce(const RowSparse& gradient, const Tensor& pick, const Tensor& scale);

// table += gradient; the table is contiguous, (table rows, width), of the rows' type.
void add_rows(Tensor& table, const RowSparse& gradient);

// The sum of all gradients that were added: none yet, dense, or rows as long as only rows came. It
// writes only to memory that nobody else holds, so that a Tensor taken from it is a snapshot.
class GradientSum {
 public:
  bool empty() const { return !dense_.defined() && rows_.empty(); }
  bool is_row_sparse() const { return !rows_.empty(); }

  void add(Tensor gradient,
           const Tensor& like);  // `like`: the leaf's value, for its sizes and type
  void add(RowSparse gradient, const Tensor& like);
  void set(Tensor gradient);
  void clear();
  std::uint64_t version() const { return version_; }  // grows with every change

  Tensor dense(const Tensor& like) const;  // not empty
  const RowSparse& rows();                 // is_row_sparse(): coalesced from now on
  // All elements, or those of the coalesced rows, to be written to; not empty.
  Tensor& writable();

 private:
  void make_dense(const Tensor& like);

  Tensor dense_;
  std::vector<RowSparse> rows_;  // empty where dense_ is defined
  std::uint64_t version_ = 0;
};

}  // namespace tapegrad
