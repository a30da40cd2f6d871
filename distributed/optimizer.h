// DistributedOptimizer: each rank computes the gradients of its part of the batch; the step is
// taken with their mean, so all ranks keep equal parameters. Read next: distributed/row_exchange.h.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   DistributedOptimizer optimizer(adam, comm);       // every rank has rank 0's parameters
//   for (const auto& [batch, count] : loader) {       // a ShardedLoader: this rank's part
//     optimizer.zero_grad();
//     loss(batch).backward();                         // a mean over `count` examples
//     optimizer.average_gradients(count);
//     optim::clip_grad_norm(model.parameters(), 1.0);  // the norm of the mean, equal on all ranks
//     optimizer.step();
//   }
//
// Without clipping, `optimizer.step(count)` does both. With a ShardedEmbedding, clip by
// optimizer.clip_grad_norm(1.0), which knows the rows of all ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/distributed/communicator.h>
#include <tapegrad/optim/optimizer.h>

namespace tapegrad::distributed {

namespace detail {
struct ShardedTable;
}

// How the rows of a table's gradient reach all ranks. The sums have the same bits in both ways.
enum class RowExchange {
  automatic,  // `owners` where it moves fewer bytes, judged by how many rows the ranks had in
              // common in the step before
  allgather,  // every rank sends its rows to every other one, and all of them add
  owners      // row i goes to rank i % size, which adds and sends the sum to the others
};

struct DistributedOptimizerOptions {
  // Dense gradients are sent in buckets of about this size, in the order of the parameters.
  std::int64_t bucket_bytes = std::int64_t{25} << 20;
  RowExchange rows = RowExchange::automatic;
};

// Wraps any optimizer. It refers to the optimizer and the communicator, which must live longer.
// Learning rates, schedules and groups belong to the optimizer; change them in the same way on
// every rank. The constructor, step(), average_gradients(), flush() and check_replicas() are
// collective, and so are state_dict() and value() of a table, because they take pending steps.
//
// Invariants (each has a test in tests/distributed/):
//   1. All ranks take the same step from the same gradients, so they keep the same bits. This holds
//      as long as a row is read only in a batch that also gives it a gradient, or by all ranks: a
//      row that is read takes its pending steps (optim/optimizer.h), and taking them at another
//      time rounds differently. Call flush() before some ranks read others' rows, to evaluate.
//   2. n ranks take the step of one rank with the whole batch, up to rounding.
//   3. A row-sparse gradient stays row-sparse, unless the gradient of the same table is dense on
//      another rank. A parameter without a gradient on any rank takes no step.
//   4. Two runs with the same number of ranks give the same bits.
//   5. The rows of a ShardedEmbedding are on one rank only, which gets the mean of their gradients
//      and takes their steps.
class DistributedOptimizer {
 public:
  // Compares the parameters of all ranks, then sets all values to those of rank 0. ValueError if
  // ranks differ in the number, names, types, shapes or order of their parameters. What is no
  // parameter is not sent: buffers such as the running means of BatchNorm, frozen rows, the state
  // of the optimizer (load it on all ranks). ValueError, too, if a ShardedEmbedding has another
  // communicator.
  DistributedOptimizer(optim::Optimizer& optimizer, Communicator& comm,
                       DistributedOptimizerOptions options = {});

  // Replaces the gradients by their mean over all ranks. With `count`, the number of examples that
  // this rank's loss is the mean of, the mean is weighted: sum(count * gradient) / sum(count). The
  // gradients of a rank with a count of 0 are ignored. ValueError, on every rank and before
  // anything changes, if ranks differ in what they pass or in which parameters are frozen, if a
  // count is negative, or if all are 0; also if a lookup has scaled rows to max_norm, which other
  // ranks do not see.
  void average_gradients();
  void average_gradients(std::int64_t count);
  // Averages, unless that was done since the last step, then takes the optimizer's step.
  void step();
  void step(std::int64_t count);
  void zero_grad();  // also the gradients of lookups in ShardedEmbeddings
  void flush() { optimizer_->flush(); }

  // optim::clip_grad_norm() of all parameters, with the rows of ShardedEmbeddings on all ranks;
  // averages first, unless that was done. norm_type is above 0, or infinite. Returns the norm,
  // which is the same on all ranks. A norm that is not finite makes the gradients nan or 0, on all
  // ranks. Collective.
  double clip_grad_norm(double max_norm, double norm_type = 2.0);

  // Those of the optimizer.
  double lr(std::size_t group = 0) const { return optimizer_->lr(group); }
  void set_lr(double lr) { optimizer_->set_lr(lr); }
  void set_lr(double lr, std::size_t group) { optimizer_->set_lr(lr, group); }
  std::size_t group_count() const { return optimizer_->group_count(); }
  const std::vector<NamedParameter>& parameters(std::size_t group = 0) const& {
    return optimizer_->parameters(group);
  }
  std::vector<NamedParameter> parameters(std::size_t group = 0) const&& {
    return optimizer_->parameters(group);
  }

  // The optimizer's state; that of a ShardedEmbedding is gathered on every rank, and the rows of
  // this rank are taken from it, so any number of ranks can load it. FormatError for a state that
  // holds the rows of one rank: the inner optimizer's.
  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);

  // Throws a ValueError that names the parameter and the ranks unless the parameters of all ranks
  // have the same bits (those of a ShardedEmbedding are not compared). Reads all values, so it
  // takes pending steps.
  void check_replicas() const;

 private:
  struct Plan;
  void average(std::optional<std::int64_t> count);
  Plan make_plan(std::optional<std::int64_t> count) const;
  void check_plan(const Plan& plan) const;
  std::vector<Tensor> average_dense(const Plan& plan) const;
  std::vector<RowSparse> average_rows(const Plan& plan);
  RowSparse sum_of_lookups(const Plan& plan, std::size_t parameter) const;
  template <class Change>
  StateDict with_rows_changed(const StateDict& state, const Change& change) const;
  void compare_parameters() const;
  void broadcast_parameters() const;

  optim::Optimizer* optimizer_;
  Communicator* comm_;
  DistributedOptimizerOptions options_;
  std::vector<NamedParameter> parameters_;                     // of all groups
  std::vector<std::shared_ptr<detail::ShardedTable>> tables_;  // of each parameter; null for most
  std::vector<double> distinct_share_;  // of each table: distinct rows / rows, in the last step
  std::int64_t steps_ = 0;
  bool averaged_ = false;
  std::shared_ptr<const void> token_ = std::make_shared<int>();  // tells tables that this exists
};

}  // namespace tapegrad::distributed
