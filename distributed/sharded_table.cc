// Rows go from their owners to the ranks that look them up, and gradients the other way. Read next:
// distributed/checkpoint.h.
#include <tapegrad/distributed/sharded_table.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/row_exchange.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed::detail {
namespace {

// For each rank, the positions of the ids that it owns.
std::vector<Tensor> positions_of_owners(const Tensor& ids, int ranks) {
  std::vector<std::vector<std::int64_t>> positions(static_cast<std::size_t>(ranks));
  const auto all = ids.span<std::int64_t>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    positions[static_cast<std::size_t>(all[i] % ranks)].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<Tensor> result;
  for (const auto& of_rank : positions) result.push_back(tensor(of_rank));
  return result;
}

std::vector<Tensor> select_parts(const Tensor& x, const std::vector<Tensor>& positions) {
  std::vector<Tensor> parts;
  for (const Tensor& part : positions) parts.push_back(index_select(x, 0, part));
  return parts;
}

// A tensor like x with another size(0).
Tensor with_rows(const Tensor& x, std::int64_t rows) {
  std::vector<std::int64_t> sizes(x.sizes().begin(), x.sizes().end());
  sizes.front() = rows;
  return Tensor::uninitialized(Shape(std::span<const std::int64_t>(sizes)), x.dtype());
}

// Copies row i of `from` to row positions[i] of `to`.
void put_rows(Tensor& to, const Tensor& positions, const Tensor& from) {
  const std::size_t bytes = static_cast<std::size_t>(to.size(1)) * item_size(to.dtype());
  if (bytes == 0) return;
  auto* const target = to.mutable_data<std::byte>();
  const auto* const source = from.data<std::byte>();
  const auto rows = positions.span<std::int64_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(target + static_cast<std::size_t>(rows[i]) * bytes, source + i * bytes, bytes);
  }
}

// The rows of the owner's weight that hold these ids.
Tensor at_owner(const Tensor& ids, int ranks) {
  std::vector<std::int64_t> rows = to_vector<std::int64_t>(ids);
  for (std::int64_t& row : rows) row /= ranks;
  return tensor(rows);
}

}  // namespace

Tensor ShardedTable::fetch(const Tensor& ids) const {
  const std::vector<Tensor> positions = positions_of_owners(ids, comm->size());
  std::vector<Tensor> asked = comm->alltoallv(select_parts(ids, positions));
  const NoGrad guard;
  for (Tensor& part : asked) part = embedding(weight, at_owner(part, comm->size())).value();
  const std::vector<Tensor> rows_of_ranks = comm->alltoallv(asked);
  Tensor fetched = Tensor::uninitialized(Shape{ids.size(0), width()}, weight.dtype());
  for (std::size_t r = 0; r < positions.size(); ++r) {
    put_rows(fetched, positions[r], rows_of_ranks[r]);
  }
  return fetched;
}

RowSparse ShardedTable::sum_at_owner(const RowSparse& mine) const {
  const std::vector<Tensor> positions = positions_of_owners(mine.ids, comm->size());
  const std::vector<Tensor> ids = comm->alltoallv(select_parts(mine.ids, positions));
  const std::vector<Tensor> parts = comm->alltoallv(select_parts(mine.rows, positions));
  RowSparse sum = sum_in_order(ids, parts);
  sum.ids = at_owner(sum.ids, comm->size());
  return sum;
}

Tensor ShardedTable::gather(const Tensor& mine) const {
  std::vector<std::int64_t> counts;
  for (int r = 0; r < comm->size(); ++r) counts.push_back(rows_of(r));
  const std::vector<Tensor> parts = comm->allgatherv(mine.contiguous(), counts);
  Tensor all = with_rows(mine, rows);
  for (int r = 0; r < comm->size(); ++r) {
    all.index_put_({Slice{r, rows, comm->size()}}, parts[static_cast<std::size_t>(r)]);
  }
  return all;
}

Tensor ShardedTable::own_rows(const Tensor& all) const {
  return all.index({Slice{comm->rank(), rows, comm->size()}}).contiguous();
}

RowSparse ShardedTable::gradient() const {
  std::vector<RowSparse> parts;
  for (const Lookup& lookup : lookups) {
    GradientSum& gradient = lookup.rows.leaf().grad;
    if (gradient.empty()) continue;
    if (gradient.is_row_sparse()) {
      const RowSparse& sum = gradient.rows();
      parts.push_back({index_select(lookup.ids, 0, sum.ids), sum.rows, padding});
    } else {
      parts.push_back({lookup.ids, gradient.dense(lookup.rows.leaf().stored()), padding});
    }
  }
  return parts.empty() ? RowSparse() : sorted_by_id(coalesce(parts));
}

std::shared_ptr<ShardedTable> sharded_table_of(Communicator& comm, const Variable& leaf) {
  for (const std::weak_ptr<ShardedTable>& each : comm.sharded_tables()) {
    if (auto table = each.lock(); table && table->weight.variable().node() == leaf.node()) {
      return table;
    }
  }
  return nullptr;
}

}  // namespace tapegrad::distributed::detail
