// Leaf: the one shared place behind all handles to a parameter. It holds the value, the gradient,
// and what optimisers must honour, so that nn can ask and optim obey without knowing each other.
// Read next: autograd/record.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

class Leaf : public Node {
 public:
  Leaf(Tensor value, bool requires_grad);
  ~Leaf() = default;

  const Tensor& value() const { return value_; }
  // To write to. Memory that somebody else looks at is left alone: the leaf moves to a copy. What
  // the tape has noted of the value becomes stale.
  Tensor& writable_value();
  void set_value(Tensor value);
  std::uint32_t version() const { return changes_ + value_.version(); }

  bool requires_grad = true;
  GradientSum grad;    // what backward() has added up
  GradientSum staged;  // what the playback in progress has delivered so far
  Leaf* next_staged = nullptr;

  // The gradient, made dense / distinct rows; the caller has checked that there is one.
  Tensor dense_grad() const;
  const RowPieces& coalesced_grad();

  // Rows and columns of the value (dimension 0 and 1) that no optimiser may move; sorted.
  std::vector<std::int64_t> frozen_rows;
  std::vector<std::int64_t> frozen_columns;

  Hooks hooks;

 private:
  Tensor value_;
  std::uint32_t changes_ = 0;
};

inline Leaf& Node::as_leaf() { return static_cast<Leaf&>(*this); }

// `into` += rows for every piece; into is (table rows, width).
void add_rows(Tensor& into, const RowPieces& pieces);

// All pieces as one with distinct ids, in the order of first occurrence.
RowPieces coalesce(const std::vector<RowPieces>& pieces);

}  // namespace tapegrad
