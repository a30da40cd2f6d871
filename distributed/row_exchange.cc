// Row-sparse gradients: to every rank, or to the owners of the rows and back. Read next:
// distributed/optimizer.cc.
#include <tapegrad/distributed/row_exchange.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed {
namespace {

using Positions = std::vector<std::int64_t>;

RowSparse select_rows(const RowSparse& from, const Positions& positions) {
  const Tensor index = tensor(positions);
  return {index_select(from.ids, 0, index), index_select(from.rows, 0, index), -1, true};
}

RowSparse sorted_by_id(const RowSparse& gradient) {
  const auto ids = gradient.ids.span<std::int64_t>();
  if (std::ranges::is_sorted(ids)) return gradient;
  Positions order(ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int64_t i) { return ids[static_cast<std::size_t>(i)]; });
  return select_rows(gradient, order);
}

// The sum of what each rank has sent, coalesced by them, in the order of ranks; ids ascend.
RowSparse sum_in_order(const std::vector<Tensor>& ids, const std::vector<Tensor>& rows) {
  std::vector<RowSparse> parts;
  for (std::size_t r = 0; r < ids.size(); ++r) parts.push_back({ids[r], rows[r], -1, true});
  // coalesce() returns a single part as it is; an empty one in front makes it add, as with more.
  parts.insert(parts.begin(), {zeros({0}, int64), zeros({0, rows[0].size(1)}, rows[0].dtype())});
  return sorted_by_id(coalesce(parts));
}

}  // namespace

std::vector<Tensor> positions_of_owners(const Tensor& ids, int ranks) {
  std::vector<Positions> positions(static_cast<std::size_t>(ranks));
  const auto all = ids.span<std::int64_t>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    positions[static_cast<std::size_t>(all[i] % ranks)].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<Tensor> result;
  for (const Positions& of_rank : positions) result.push_back(tensor(of_rank));
  return result;
}

std::vector<Tensor> select_parts(const Tensor& x, const std::vector<Tensor>& positions) {
  std::vector<Tensor> parts;
  for (const Tensor& part : positions) parts.push_back(index_select(x, 0, part));
  return parts;
}

RowSparse sum_of_owned(Communicator& comm, const RowSparse& mine) {
  const std::vector<Tensor> positions = positions_of_owners(mine.ids, comm.size());
  const std::vector<Tensor> ids = comm.alltoallv(select_parts(mine.ids, positions));
  return sum_in_order(ids, comm.alltoallv(select_parts(mine.rows, positions)));
}

namespace {

RowSparse sum_at_owners(Communicator& comm, const RowSparse& mine) {
  const RowSparse owned = sum_of_owned(comm, mine);
  // Every row has one owner, so nothing is left to add.
  const std::vector<Tensor> ids = comm.allgatherv(owned.ids);
  Positions counts;
  for (const Tensor& part : ids) counts.push_back(part.size(0));
  return sorted_by_id({cat(ids), cat(comm.allgatherv(owned.rows, counts)), -1, true});
}

}  // namespace

RowSparse sum_rows(Communicator& comm, const RowSparse& mine, std::span<const std::int64_t> counts,
                   RowExchange way) {
  if (way == RowExchange::owners) return sum_at_owners(comm, mine);
  const std::vector<Tensor> ids = comm.allgatherv(mine.ids, counts);
  return sum_in_order(ids, comm.allgatherv(mine.rows, counts));
}

// Rows that all ranks together send, divided by (size - 1): with allgather the rows of all ranks;
// with owners these / size, and the distinct ones.
RowExchange cheaper_exchange(int size, std::span<const std::int64_t> counts, std::int64_t row_bytes,
                             double distinct_share) {
  constexpr double kLargeEnough = 1 << 16;  // bytes
  const auto total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  if (total * static_cast<double>(row_bytes) < kLargeEnough) return RowExchange::allgather;
  return 1.0 / size + distinct_share < 1 ? RowExchange::owners : RowExchange::allgather;
}

}  // namespace tapegrad::distributed
