// ShardedEmbedding: a table that is too large for one machine, or whose steps are too slow on one.
// Each rank keeps and trains a part of its rows. Read next: distributed/sharded_embedding.cc.
//
//   struct Model : nn::Module {
//     distributed::ShardedEmbedding words;
//     nn::Linear head;
//     explicit Model(distributed::Communicator& comm)
//         : words(register_module("words", distributed::ShardedEmbedding(100'000'000, 64, comm))),
//           head(register_module("head", nn::Linear(64, 4))) {}
//   };
//   Model model(comm);
//   optim::Adam adam(model.parameters());
//   distributed::DistributedOptimizer optimizer(adam, comm);
//
// The loop is that of distributed/optimizer.h, with optimizer.clip_grad_norm() where it clips.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/distributed/communicator.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::distributed {

namespace detail {
struct ShardedTable;
// A handle that clone() copies deeply.
class SharedTable {
 public:
  explicit SharedTable(std::shared_ptr<ShardedTable> table);
  SharedTable(const SharedTable& other);
  SharedTable& operator=(const SharedTable&) = default;
  ShardedTable& operator*() const { return *table_; }
  ShardedTable* operator->() const { return table_.get(); }

 private:
  std::shared_ptr<ShardedTable> table_;
};
}  // namespace detail

struct ShardedEmbeddingOptions {
  std::optional<std::int64_t> padding_idx = std::nullopt;  // negative counts from the end
  bool sparse = false;  // optimizers update only rows that have a gradient, as SparseAdam does
  std::optional<DType> dtype = std::nullopt;  // default: that of weight, or float32
  Tensor weight{};  // the initial table (rows are copied), the same on all ranks; default: drawn
  GeneratorRef generator{};  // draws the initial table; in the same state on all ranks
};

// (...) int64 ids -> (..., embedding_dim), as nn::Embedding. Row i belongs to rank i % size, which
// alone holds it and takes its steps; memory and steps are divided among the ranks. Its rows are a
// parameter, to which optimizers do what they do to any table: the steps of rows without a gradient
// are exact, and taken when a row is read.
//
// A lookup is collective: it fetches the rows from their owners. Every rank calls the model as many
// times, if need be with ids of padding, or with none: zeros({0}, int64). DistributedOptimizer
// sends the gradients to the owners; without it the rows are not trained. A loss that uses `weight`
// itself, such as a penalty, adds to the gradients of this rank's rows as it is, without a mean
// over the ranks.
//
// Until the step, the gradients of lookups are not in weight.grad(). So DistributedOptimizer's
// zero_grad() drops them, and a model's does not; and hooks of `weight` see only what a loss that
// uses `weight` itself sends to it. summary() counts this rank's rows.
//
// The communicator is referred to, and must live longer.
class ShardedEmbedding : public nn::Module, public nn::Forward<ShardedEmbedding> {
 public:
  // Draws the numbers that nn::Embedding draws (each rank draws all rows, and keeps its own), then
  // sets the padding row to 0. ValueError for sizes below 0 and for a padding_idx that is no row,
  // ShapeError for a weight of other sizes.
  ShardedEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim, Communicator& comm,
                   ShardedEmbeddingOptions options = {});

  // Collective. IndexError for an id out of range, on the rank that has it. ValueError if an
  // earlier lookup has a gradient and no DistributedOptimizer holds `weight`, so that nothing
  // trains it; and if `weight` was tied to a table of another size.
  Variable operator()(const Tensor& ids) const;

  // Their owners' steps leave these rows as they are. IndexError for a row that does not exist.
  void freeze_rows(const std::vector<std::int64_t>& rows);

  // The whole table, on every rank. state_dict() holds it as `weight`, so nn::Embedding can load
  // it, and so can any number of ranks. Collective, and so are state_dict() and load_state_dict().
  Tensor full_weight() const;

  std::int64_t num_embeddings() const;
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const;
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& /*inputs*/,
                         const std::vector<Variable>& /*outputs*/) const override {
    return 0;
  }

  // This rank's rows: row k is row k * size + rank of the table.
  Parameter weight;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Tensor& ids) const;
  nn::Shared<detail::SharedTable> table_;
};

}  // namespace tapegrad::distributed
