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

}  // namespace

RowSparse sorted_by_id(const RowSparse& gradient) {
  const auto ids = gradient.ids.span<std::int64_t>();
  if (std::ranges::is_sorted(ids)) return gradient;
  Positions order(ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int64_t i) { return ids[static_cast<std::size_t>(i)]; });
  return select_rows(gradient, order);
}

RowSparse sum_in_order(const std::vector<Tensor>& ids, const std::vector<Tensor>& rows) {
  std::vector<RowSparse> parts;
  for (std::size_t r = 0; r < ids.size(); ++r) parts.push_back({ids[r], rows[r], -1, true});
  // coalesce() returns a single part as it is; an empty one in front makes it add, as with more.
  parts.insert(parts.begin(), {zeros({0}, int64), zeros({0, rows[0].size(1)}, rows[0].dtype())});
  return sorted_by_id(coalesce(parts));
}

namespace {

RowSparse sum_at_owners(Communicator& comm, const RowSparse& mine) {
  const auto size = static_cast<std::size_t>(comm.size());
  std::vector<Positions> of_owner(size);
  const auto all = mine.ids.span<std::int64_t>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    of_owner[static_cast<std::size_t>(all[i]) % size].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<Tensor> ids, rows;
  for (const Positions& positions : of_owner) {
    const RowSparse part = select_rows(mine, positions);
    ids.push_back(part.ids);
    rows.push_back(part.rows);
  }
  ids = comm.alltoallv(ids);
  rows = comm.alltoallv(rows);
  const RowSparse owned = sum_in_order(ids, rows);
  // Every row has one owner, so nothing is left to add.
  ids = comm.allgatherv(owned.ids);
  Positions counts;
  for (const Tensor& part : ids) counts.push_back(part.size(0));
  rows = comm.allgatherv(owned.rows, counts);
  return sorted_by_id({cat(ids), cat(rows), -1, true});
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
