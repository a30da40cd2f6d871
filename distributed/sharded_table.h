// ShardedTable: what a ShardedEmbedding and a DistributedOptimizer know of a table whose rows are
// kept by their owners. Internal. Read next: distributed/sharded_table.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <tapegrad/autograd/row_sparse.h>
#include <tapegrad/distributed/communicator.h>
#include <tapegrad/nn/module/parameter.h>

namespace tapegrad::distributed::detail {

// Row i of the table is row i / size of the weight of rank i % size.
//
// A lookup gets the rows of its distinct ids from their owners, and puts them into a leaf of its
// own; so backward() computes the gradient on this rank alone. The step sends it to the owners.
struct ShardedTable {
  struct Lookup {
    Tensor ids;     // (distinct)
    Variable rows;  // a leaf: (distinct, width)
  };

  Communicator* comm;
  std::int64_t rows;                         // of the whole table
  Parameter weight;                          // this rank's rows
  std::int64_t padding = -1;                 // its row gets no gradient
  std::weak_ptr<const void> optimizer = {};  // of the DistributedOptimizer that holds `weight`
  // Those that have a gradient, which no step has used, and those that may get one.
  std::vector<Lookup> lookups = {};
  std::size_t most_lookups = 16;  // with more, useless ones are looked for

  std::int64_t rows_of(int rank) const;  // how many rows a rank owns
  std::int64_t width() const { return weight.variable().stored().size(1); }

  void add_lookup(Tensor ids, Variable leaf);
  bool has_gradient() const;
  // The gradient of all lookups, for global ids. Its ids are undefined if there is none.
  RowSparse gradient() const;
  // Drops the gradients of all lookups. Those whose results are in use may get another one.
  void clear_gradients();

  // The rows of these distinct ids. Collective.
  Tensor fetch(const Tensor& ids) const;
  // What the ranks have to add to the rows of each owner: from global ids to rows of the weight.
  // The sum is in the order of ranks. Collective.
  RowSparse sum_at_owner(const RowSparse& mine) const;
  // A (rows of a rank, ...) tensor of each rank as one (rows, ...) tensor. Collective.
  Tensor gather(const Tensor& mine) const;
  // The rows of a (rows, ...) tensor that this rank owns.
  Tensor own_rows(const Tensor& all) const;
};

// The rows, of `rows` in all, that a rank owns.
std::int64_t rows_of_rank(std::int64_t rows, int rank, int ranks);

// Makes the table known to sharded_table_of(), as long as it exists.
std::shared_ptr<ShardedTable> registered(std::shared_ptr<ShardedTable> table);
// The table whose weight is this leaf; null if there is none.
std::shared_ptr<ShardedTable> sharded_table_of(const Variable& leaf);

}  // namespace tapegrad::distributed::detail
