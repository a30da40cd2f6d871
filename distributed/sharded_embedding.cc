// ShardedEmbedding: lookups first, then how the table is created. Read next:
// distributed/sharded_table.h.
#include <tapegrad/distributed/sharded_embedding.h>

#include <algorithm>
#include <utility>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/distributed/sharded_table.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::distributed {

namespace {
constexpr const char* kLayer = "ShardedEmbedding";
}

// Lookups -----------------------------------------------------------------------------------------

Variable ShardedEmbedding::operator()(const Tensor& ids) const {
  return hooked([this](const Tensor& in) { return run(in); }, ids);
}

namespace {

// The ids of a lookup, each once; and the position among them of every id.
struct Distinct {
  Tensor values;   // (distinct), in the order of first occurrence
  Tensor inverse;  // the shape of the ids
};
Distinct distinct_of(const Tensor& ids) {
  const Tensor all = ids.contiguous();
  const auto count = static_cast<std::size_t>(all.numel());
  Tensor inverse = Tensor::uninitialized(all.shape(), int64);
  UniqueIds unique(count);
  unique.add(all.data<std::int64_t>(), count, -1, inverse.mutable_data<std::int64_t>());
  return {unique.distinct(), inverse};
}

}  // namespace

Variable ShardedEmbedding::run(const Tensor& ids) const {
  // If the weight was tied to that of another one, both collect their lookups in one place.
  const std::shared_ptr<detail::ShardedTable> tied = detail::sharded_table_of(weight);
  detail::ShardedTable& table = tied != nullptr ? *tied : **table_;
  if (table.rows != num_embeddings()) {
    throw ValueError(std::string(kLayer) + ": weight is tied to that of a table of " +
                     std::to_string(table.rows) + " rows, needed " +
                     std::to_string(num_embeddings()));
  }
  const Tensor shape = expand(zeros({1, 1}), {table.rows, table.width()});  // no memory for it
  const Distinct distinct = distinct_of(checked_ids(kLayer, shape, ids));
  const bool is_trained = Tape::is_recording() && weight.requires_grad();
  if (is_trained && table.optimizer.expired() && table.has_gradient()) {
    throw ValueError(std::string(kLayer) +
                     ": an earlier backward() gave rows a gradient, but nothing trains them; make "
                     "a DistributedOptimizer that holds this weight before, or freeze the table "
                     "with weight.set_requires_grad(false)");
  }
  Variable rows(table.fetch(distinct.values));
  if (is_trained) {
    rows = parameter(rows.value());
    table.add_lookup(distinct.values, rows);
  }
  return embedding(rows, distinct.inverse);
}

Tensor ShardedEmbedding::full_weight() const { return (**table_).gather(weight.value()); }

// Creating ----------------------------------------------------------------------------------------

namespace {

void refuse(bool wrong, const std::string& text) {
  if (wrong) throw ValueError(std::string(kLayer) + ": " + text);
}

// The rows of this rank in the table that normal_() draws. Normal numbers are drawn 16 at a time,
// so the table can be drawn in parts; only the last part may have another number of elements.
Tensor drawn_rows(std::int64_t rows, std::int64_t width, DType dtype, GeneratorRef generator,
                  const Communicator& comm) {
  constexpr std::int64_t kPart = 4096;
  const std::int64_t ranks = comm.size();
  Tensor result = Tensor::uninitialized(
      Shape{detail::rows_of_rank(rows, comm.rank(), comm.size()), width}, dtype);
  std::int64_t filled = 0;
  for (std::int64_t first = 0; first < rows;) {
    const std::int64_t left = rows - first;
    const std::int64_t count = left < 2 * kPart ? left : kPart;
    const Tensor part = normal_(Tensor::uninitialized(Shape{count, width}, dtype), 0, 1, generator);
    const std::int64_t begin = (comm.rank() - first % ranks + ranks) % ranks;
    if (begin < count) {
      const Tensor mine = part.index({Slice{begin, count, ranks}});
      narrow(result, 0, filled, mine.size(0)).copy_(mine);
      filled += mine.size(0);
    }
    first += count;
  }
  return result;
}

// Checks the options, and returns the rows of this rank.
Tensor first_rows(std::int64_t rows, std::int64_t width, const Communicator& comm,
                  const ShardedEmbeddingOptions& options) {
  refuse(rows < 0 || width < 0,
         "negative size in (" + std::to_string(rows) + ", " + std::to_string(width) + ")");
  const std::int64_t padding = checked_padding(kLayer, options.padding_idx, rows);
  if (options.weight.defined()) {
    const Tensor& weight = options.weight;
    if (weight.shape() != Shape{rows, width} || !is_floating_point(weight.dtype())) {
      throw ShapeError(std::string(kLayer) + ": weight is " + name(weight.dtype()) + " " +
                       to_string(weight.sizes()) + ", needed floating-point (" +
                       std::to_string(rows) + ", " + std::to_string(width) + ")");
    }
    const Tensor own = weight.index({Slice{comm.rank(), rows, comm.size()}});
    return own.to(options.dtype.value_or(weight.dtype())).clone();
  }
  Tensor own = drawn_rows(rows, width, options.dtype.value_or(float32), options.generator, comm);
  if (padding >= 0 && padding % comm.size() == comm.rank()) {
    select(own, 0, padding / comm.size()).zero_();
  }
  return own;
}

}  // namespace

detail::SharedTable::SharedTable(std::shared_ptr<ShardedTable> table) : table_(std::move(table)) {}

detail::SharedTable::SharedTable(const SharedTable& other) : table_(other.table_) {
  if (nn::CloneScope::current() == nullptr) return;
  table_ = registered(std::make_shared<ShardedTable>(*other.table_));  // clones the weight
  table_->lookups.clear();
  table_->optimizer.reset();
}

ShardedEmbedding::ShardedEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                                   Communicator& comm, ShardedEmbeddingOptions options)
    : weight(
          register_parameter("weight", first_rows(num_embeddings, embedding_dim, comm, options))),
      table_(detail::SharedTable(
          detail::registered(std::make_shared<detail::ShardedTable>(detail::ShardedTable{
              .comm = &comm,
              .rows = num_embeddings,
              .weight = weight,
              .padding = checked_padding(kLayer, options.padding_idx, num_embeddings)})))) {
  RowPolicy& policy = weight.row_policy();
  policy.set_sparse(options.sparse);
  const std::int64_t padding = (**table_).padding;
  if (padding >= 0 && padding % comm.size() == comm.rank()) {
    policy.set_padding_row(padding / comm.size());
  }
  save_as(
      "weight", [table = table_] { return (**table).gather((**table).weight.value()); },
      [table = table_](Tensor value) {
        Parameter own = (**table).weight;
        own.set_value((**table).own_rows(value));
      });
}

void ShardedEmbedding::freeze_rows(const std::vector<std::int64_t>& rows) {
  const detail::ShardedTable& table = **table_;
  std::vector<std::int64_t> own;
  for (const std::int64_t row : rows) {
    if (row < 0 || row >= table.rows) {
      throw IndexError(std::string(kLayer) + "::freeze_rows: row " + std::to_string(row) +
                       " out of range for " + std::to_string(table.rows) + " rows");
    }
    if (row % table.comm->size() == table.comm->rank()) own.push_back(row / table.comm->size());
  }
  if (!own.empty()) weight.row_policy().freeze_rows(own);
}

// Describing --------------------------------------------------------------------------------------

std::int64_t ShardedEmbedding::num_embeddings() const { return (**table_).rows; }

std::optional<std::int64_t> ShardedEmbedding::padding_idx() const {
  const std::int64_t padding = (**table_).padding;
  return padding < 0 ? std::nullopt : std::optional(padding);
}

std::string ShardedEmbedding::description() const {
  std::string text = "ShardedEmbedding(" + std::to_string(num_embeddings()) + ", " +
                     std::to_string(embedding_dim());
  if (padding_idx()) text += ", padding_idx=" + std::to_string(*padding_idx());
  if (weight.row_policy().sparse()) text += ", sparse=true";
  const Communicator& comm = *(**table_).comm;
  return text + ", rank " + std::to_string(comm.rank()) + " of " + std::to_string(comm.size()) +
         ")";
}

void ShardedEmbedding::assign_from(const Module& other) {
  Module::assign_from(other);
  *table_ = *static_cast<const ShardedEmbedding&>(other).table_;
}

}  // namespace tapegrad::distributed
