// RowSparse: the gradient of a lookup in a table, as ids and rows. Its cost grows with the number
// of lookups, not with the size of the table. GradientSum: a leaf's gradient, the sum of dense and
// row-sparse gradients. Read next: autograd/row_sparse.cc.
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

// The same gradient with each id once, in the order of first occurrence. If no id repeats, the
// result shares the given rows instead of copying them.
RowSparse coalesce(const RowSparse& gradient);
// The sum of several gradients of one table.
RowSparse coalesce(std::span<const RowSparse> gradients);

// Coalesces the gradient that adds scale[i] * rows[pick[i]] to row ids[i] of the table. Several ids
// may share one row, as the ids of a bag do; no row is allocated for each id. `pick` (int64) and
// `scale` (of the rows' type) may be undefined: then id i uses row i, and the factor is 1.
RowSparse coalesce(const RowSparse& gradient, const Tensor& pick, const Tensor& scale);

// table += gradient; the table is contiguous, (table rows, width), of the rows' type.
void add_rows(Tensor& table, const RowSparse& gradient);

// The sum of all gradients that were added. It is empty, dense, or row-sparse as long as only
// row-sparse gradients were added. It writes only to memory that nothing else shares, so that a
// Tensor taken from it is a snapshot.
class GradientSum {
 public:
  bool empty() const { return !dense_.defined() && rows_.empty(); }
  bool is_row_sparse() const { return !rows_.empty(); }

  // Allocates what add() of this gradient (which may be undefined) and of `parts` row-sparse ones
  // needs, and may replace the gradient by an equal one. Then add() throws nothing.
  void reserve(Tensor& gradient, std::size_t parts);
  void add(Tensor gradient) noexcept;
  void add(RowSparse gradient) noexcept;
  void set(Tensor gradient);
  void clear();
  std::uint64_t version() const { return version_; }  // grows with every change

  Tensor dense(const Tensor& like) const;  // not empty
  const RowSparse& rows();                 // requires is_row_sparse(); coalesces first
  RowSparse coalesced() const;             // the same, without a change
  // The dense elements, or those of the coalesced rows, to be written to; not empty. make_own()
  // does what may fail: then writable() throws nothing.
  void make_own();
  Tensor& writable();

 private:
  Tensor dense_;
  std::vector<RowSparse> rows_;  // empty where dense_ is defined
  std::uint64_t version_ = 0;
};

}  // namespace tapegrad
