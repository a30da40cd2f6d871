// The sum of row-sparse gradients over all ranks. Internal. Read next: distributed/row_exchange.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tapegrad/autograd/row_sparse.h>
#include <tapegrad/distributed/communicator.h>
#include <tapegrad/distributed/optimizer.h>

namespace tapegrad::distributed {

// The sum on every rank, with ids in ascending order. `mine` is coalesced, and counts[r] is the
// number of rows of rank r. Rows are added in the order of ranks. Collective.
//
//   allgather  sends (size - 1) * counts[rank] rows
//   owners     sends the rows of other owners, and (size - 1) times the sums that this rank owns
RowSparse sum_rows(Communicator& comm, const RowSparse& mine, std::span<const std::int64_t> counts,
                   RowExchange way);

// The sum of the rows that this rank owns, in the order of ranks, with ids in ascending order.
// `mine` is coalesced. Row i belongs to rank i % size. Collective.
RowSparse sum_of_owned(Communicator& comm, const RowSparse& mine);

// For each rank, the positions of the ids that it owns; and x at these positions.
std::vector<Tensor> positions_of_owners(const Tensor& ids, int ranks);
std::vector<Tensor> select_parts(const Tensor& x, const std::vector<Tensor>& positions);

// The way for `automatic`: whether `owners` sends fewer rows, if the sum has distinct_share rows
// for each row of the ranks. Only where a message is large enough that its bytes matter.
RowExchange cheaper_exchange(int size, std::span<const std::int64_t> counts, std::int64_t row_bytes,
                             double distinct_share);

}  // namespace tapegrad::distributed
