// Rows go from their owners to the ranks that look them up, and gradients the other way. Read next:
// distributed/checkpoint.h.
#include <tapegrad/distributed/sharded_table.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/row_exchange.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed::detail {
namespace {

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

// --- lookups and their gradients -----------------------------------------------------------------

namespace {

// Whether nothing can give this lookup a gradient, and it has none.
bool is_useless(const ShardedTable::Lookup& lookup) {
  return lookup.rows.node()->use_count() == 1 && lookup.rows.leaf().grad.empty();
}

}  // namespace

void ShardedTable::add_lookup(Tensor ids, Variable leaf) {
  if (lookups.size() >= most_lookups) {
    std::erase_if(lookups, is_useless);
    most_lookups = std::max(most_lookups, 2 * lookups.size());
  }
  lookups.push_back({std::move(ids), std::move(leaf)});
}

bool ShardedTable::has_gradient() const {
  return std::ranges::any_of(lookups,
                             [](const Lookup& lookup) { return !lookup.rows.leaf().grad.empty(); });
}

RowSparse ShardedTable::gradient() const {
  std::vector<RowSparse> parts;
  for (const Lookup& lookup : lookups) {
    GradientSum& gradient = lookup.rows.leaf().grad;
    if (gradient.empty()) continue;
    // Module::to() drops the gradients of parameters; those of lookups it does not know.
    if (lookup.rows.dtype() != weight.dtype()) continue;
    if (gradient.is_row_sparse()) {
      const RowSparse& sum = gradient.rows();
      parts.push_back({index_select(lookup.ids, 0, sum.ids), sum.rows, padding});
    } else {
      parts.push_back({lookup.ids, gradient.dense(lookup.rows.leaf().stored()), padding});
    }
  }
  return parts.empty() ? RowSparse() : coalesce(parts);
}

void ShardedTable::clear_gradients() {
  for (const Lookup& lookup : lookups) lookup.rows.leaf().grad.clear();
  std::erase_if(lookups, is_useless);
  most_lookups = std::max<std::size_t>(16, 2 * lookups.size());
}

// --- from owners, and to them --------------------------------------------------------------------

std::int64_t rows_of_rank(std::int64_t rows, int rank, int ranks) {
  return (rows - rank + ranks - 1) / ranks;
}
std::int64_t ShardedTable::rows_of(int rank) const {
  return rows_of_rank(rows, rank, comm->size());
}

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
  RowSparse sum = sum_of_owned(*comm, mine);
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

// --- finding the table of a weight ---------------------------------------------------------------

namespace {

// By the node of the weight. A table that no longer exists is forgotten when another one is added.
struct Registry {
  std::mutex mutex;
  std::unordered_map<const Node*, std::weak_ptr<ShardedTable>> tables;

  static Registry& instance() {
    static Registry registry;
    return registry;
  }
};

}  // namespace

std::shared_ptr<ShardedTable> registered(std::shared_ptr<ShardedTable> table) {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  std::erase_if(registry.tables, [](const auto& each) { return each.second.expired(); });
  registry.tables[table->weight.variable().node()] = table;
  return table;
}

std::shared_ptr<ShardedTable> sharded_table_of(const Variable& leaf) {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  const auto found = registry.tables.find(leaf.node());
  if (found == registry.tables.end()) return nullptr;
  // A weight that was tied to another one has left its node, which may belong to a new leaf.
  std::shared_ptr<ShardedTable> table = found->second.lock();
  return table != nullptr && table->weight.variable().node() == leaf.node() ? table : nullptr;
}

}  // namespace tapegrad::distributed::detail
