// The mean of the gradients over all ranks: a plan, which tells every rank what the others have;
// dense gradients in buckets; row-sparse ones table by table. Read next:
// distributed/sharded_loader.h.
#include <tapegrad/distributed/optimizer.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <tapegrad/distributed/row_exchange.h>
#include <tapegrad/distributed/sharded_table.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed {
namespace {

// What a rank says about a parameter: the number of rows of its row-sparse gradient, or one of
// these.
constexpr std::int64_t kFrozen = -1;
constexpr std::int64_t kNoGradient = -2;
constexpr std::int64_t kDense = -3;

std::string described(const NamedParameter& parameter, const detail::ShardedTable* table) {
  const Tensor& value = parameter.variable.stored();
  const std::string start = "'" + parameter.name + "' " + tapegrad::name(value.dtype()) + " ";
  if (table == nullptr) return start + to_string(value.sizes());
  return start + to_string(Shape{table->rows, table->width()}) + " in rows of the ranks";
}

// `rank 1`, or `ranks 1, 3`.
std::string list(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  }
  return text;
}

// FNV-1a over words of 8 bytes.
std::int64_t hash_of(const Tensor& x) {
  const Tensor elements = x.contiguous();
  const auto* bytes = elements.data<std::byte>();
  std::size_t left = static_cast<std::size_t>(x.numel()) * item_size(x.dtype());
  std::uint64_t hash = 14695981039346656037U;
  while (left > 0) {
    std::uint64_t word = 0;
    const std::size_t count = std::min(left, sizeof word);
    std::memcpy(&word, bytes, count);
    hash = (hash ^ word) * 1099511628211U;
    hash ^= hash >> 29;
    bytes += count;
    left -= count;
  }
  return static_cast<std::int64_t>(hash);
}

}  // namespace

// What all ranks have: one row for each rank, and in it, after kHead numbers, one for each
// parameter.
struct DistributedOptimizer::Plan {
  enum Head { kStep, kHasCount, kCount, kScaled, kHead };
  Tensor all;                         // (ranks, kHead + parameters) int64
  int rank = 0;                       // this one
  std::vector<RowSparse> of_lookups;  // this rank's gradients of sharded tables, by parameter

  std::int64_t ranks() const { return all.size(0); }
  std::int64_t head(std::int64_t r, Head entry) const { return row(r)[entry]; }
  std::int64_t count(std::int64_t r) const { return head(r, kHasCount) != 0 ? head(r, kCount) : 1; }
  double weight(std::int64_t r) const {
    double total = 0;
    for (std::int64_t i = 0; i < ranks(); ++i) total += static_cast<double>(count(i));
    return static_cast<double>(count(r)) / total;
  }

  // What a rank contributes to the mean of a parameter.
  std::int64_t kind(std::int64_t r, std::size_t parameter) const {
    const std::int64_t said = row(r)[kHead + parameter];
    return said != kFrozen && count(r) == 0 ? kNoGradient : said;
  }
  bool any(std::size_t parameter, const auto& holds) const {
    for (std::int64_t r = 0; r < ranks(); ++r) {
      if (holds(kind(r, parameter))) return true;
    }
    return false;
  }
  bool is_frozen(std::size_t parameter) const { return kind(0, parameter) == kFrozen; }
  bool is_dense(std::size_t parameter) const {
    return any(parameter, [](std::int64_t kind) { return kind == kDense; });
  }
  bool is_row_sparse(std::size_t parameter) const {
    return !is_dense(parameter) && any(parameter, [](std::int64_t kind) { return kind >= 0; });
  }
  std::vector<std::int64_t> row_counts(std::size_t parameter) const {
    std::vector<std::int64_t> counts;
    for (std::int64_t r = 0; r < ranks(); ++r) {
      counts.push_back(std::max<std::int64_t>(kind(r, parameter), 0));
    }
    return counts;
  }
  // Whether this rank has a gradient that counts.
  bool contributes(std::size_t parameter) const {
    const std::int64_t mine = kind(rank, parameter);
    return mine == kDense || mine >= 0;
  }

 private:
  const std::int64_t* row(std::int64_t r) const {
    return all.data<std::int64_t>() + r * all.size(1);
  }
};

// --- the constructor -----------------------------------------------------------------------------

DistributedOptimizer::DistributedOptimizer(optim::Optimizer& optimizer, Communicator& comm,
                                           DistributedOptimizerOptions options)
    : optimizer_(&optimizer), comm_(&comm), options_(options) {
  if (options.bucket_bytes < 1) {
    throw ValueError("DistributedOptimizer: bucket_bytes is " +
                     std::to_string(options.bucket_bytes) + ", needed at least 1");
  }
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) {
    for (const NamedParameter& parameter : optimizer.parameters(group)) {
      parameters_.push_back(parameter);
    }
  }
  distinct_share_.assign(parameters_.size(), 1);
  for (const NamedParameter& parameter : parameters_) {
    tables_.push_back(detail::sharded_table_of(parameter.variable));
  }
  compare_parameters();
  broadcast_parameters();
  for (const auto& table : tables_) {
    if (table != nullptr) table->optimizer = token_;
  }
}

void DistributedOptimizer::compare_parameters() const {
  std::string mine;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    mine += described(parameters_[i], tables_[i].get()) + "\n";
  }
  std::string first = mine;
  comm_->broadcast(first);
  std::string problem;
  if (first != mine) {
    const auto [here, there] = std::ranges::mismatch(mine, first);
    const auto line = [](const std::string& text, std::ptrdiff_t position) {
      if (position == std::ssize(text)) return std::string("no more parameters");
      const auto at = static_cast<std::size_t>(position);
      const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
      return text.substr(begin, text.find('\n', at) - begin);
    };
    problem = "DistributedOptimizer: has " + line(mine, here - mine.begin()) + ", but rank 0 has " +
              line(first, there - first.begin()) + "; create the same model on every rank";
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!problem.empty() || tables_[i] == nullptr || tables_[i]->comm == comm_) continue;
    problem = "DistributedOptimizer: '" + parameters_[i].name +
              "' belongs to a ShardedEmbedding with another communicator; give both the same one";
  }
  try {
    agree(*comm_, problem);
  } catch (const CommunicationError& error) {
    throw ValueError(error.what());
  }
}

void DistributedOptimizer::broadcast_parameters() const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (tables_[i] != nullptr) continue;
    NamedParameter parameter = parameters_[i];
    Tensor value = comm_->rank() == 0
                       ? parameter.value().contiguous()
                       : Tensor::uninitialized_like(parameter.variable.stored(), parameter.dtype());
    comm_->broadcast(value);
    if (comm_->rank() != 0) parameter.set_value(std::move(value));
  }
}

// --- steps ---------------------------------------------------------------------------------------

void DistributedOptimizer::average_gradients() { average(std::nullopt); }
void DistributedOptimizer::average_gradients(std::int64_t count) { average(count); }

void DistributedOptimizer::step() {
  if (!averaged_) average(std::nullopt);
  optimizer_->step();
  averaged_ = false;
  ++steps_;
}

void DistributedOptimizer::step(std::int64_t count) {
  average(count);
  step();
}

void DistributedOptimizer::zero_grad() {
  optimizer_->zero_grad();
  for (const auto& table : tables_) {
    if (table != nullptr) table->clear_gradients();
  }
  averaged_ = false;
}

// All means are computed before the first gradient changes.
void DistributedOptimizer::average(std::optional<std::int64_t> count) {
  if (averaged_) {
    throw ValueError(
        "DistributedOptimizer: the gradients were averaged already; call step() without a count");
  }
  const Plan plan = make_plan(count);
  check_plan(plan);
  std::vector<Tensor> dense = average_dense(plan);
  std::vector<RowSparse> rows = average_rows(plan);
  Tensor none;
  for (const NamedParameter& parameter : parameters_) {
    parameter.variable.leaf().grad.reserve(none, 1);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (plan.is_frozen(i)) continue;
    GradientSum& gradient = parameters_[i].variable.leaf().grad;
    // What the leaf of a sharded table holds was averaged earlier, or is this rank's alone.
    if (tables_[i] == nullptr) gradient.clear();
    if (dense[i].defined()) gradient.add(std::move(dense[i]));
    if (rows[i].ids.defined()) gradient.add(std::move(rows[i]));
  }
  for (const auto& table : tables_) {
    if (table != nullptr) table->clear_gradients();
  }
  averaged_ = true;
}

DistributedOptimizer::Plan DistributedOptimizer::make_plan(
    std::optional<std::int64_t> count) const {
  std::vector<std::int64_t> mine(Plan::kHead + parameters_.size());
  std::vector<RowSparse> of_lookups(parameters_.size());
  mine[Plan::kStep] = steps_;
  mine[Plan::kHasCount] = count.has_value() ? 1 : 0;
  mine[Plan::kCount] = count.value_or(1);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Leaf& leaf = parameters_[i].variable.leaf();
    std::int64_t& said = mine[Plan::kHead + i];
    if (!leaf.requires_grad) {
      said = kFrozen;
    } else if (tables_[i] != nullptr) {
      of_lookups[i] = tables_[i]->gradient();
      said = of_lookups[i].ids.defined() ? of_lookups[i].ids.numel() : kNoGradient;
    } else if (leaf.grad.empty()) {
      said = kNoGradient;
    } else {
      said = leaf.grad.is_row_sparse() ? leaf.grad.rows().ids.numel() : kDense;
    }
    if (std::as_const(leaf).row_policy().has_renormalized()) {
      mine[Plan::kScaled] = static_cast<std::int64_t>(i) + 1;
    }
  }
  return {comm_->allgather(tensor(mine)), comm_->rank(), std::move(of_lookups)};
}

// Every rank sees the same plan, so all of them throw.
void DistributedOptimizer::check_plan(const Plan& plan) const {
  const auto refuse = [](const std::string& text) {
    throw ValueError("DistributedOptimizer: " + text);
  };
  const auto number = [](std::int64_t x) { return std::to_string(x); };
  std::int64_t total = 0;
  for (std::int64_t r = 0; r < plan.ranks(); ++r) {
    const std::string rank = "rank " + number(r) + " ";
    if (plan.head(r, Plan::kStep) != plan.head(0, Plan::kStep)) {
      refuse(rank + "has taken " + number(plan.head(r, Plan::kStep)) +
             " steps, but rank 0 has taken " + number(plan.head(0, Plan::kStep)) +
             "; take every step on all ranks");
    }
    if (plan.head(r, Plan::kHasCount) != plan.head(0, Plan::kHasCount)) {
      refuse(rank + "differs from rank 0 in whether it passes a count; pass one on all ranks");
    }
    if (plan.count(r) < 0) {
      refuse(rank + "has the count " + number(plan.count(r)) + ", needed at least 0");
    }
    if (const std::int64_t scaled = plan.head(r, Plan::kScaled); scaled > 0 && plan.ranks() > 1) {
      refuse("on " + rank + "a lookup has scaled rows of parameter '" +
             parameters_[static_cast<std::size_t>(scaled - 1)].name +
             "' to max_norm, which other ranks do not see; use norm_mode = after_step");
    }
    total += plan.count(r);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if ((plan.kind(r, i) == kFrozen) != plan.is_frozen(i)) {
        refuse(rank + "and rank 0 differ in whether parameter '" + parameters_[i].name +
               "' is frozen; freeze it on all ranks");
      }
    }
  }
  if (total == 0) refuse("the counts of all ranks are 0, needed an example on one of them");
}

// The mean of every parameter that has a dense gradient on a rank, else undefined.
std::vector<Tensor> DistributedOptimizer::average_dense(const Plan& plan) const {
  std::vector<Tensor> means(parameters_.size());
  std::vector<std::size_t> bucket;  // parameters of one type
  std::int64_t elements = 0;
  const auto value = [&](std::size_t i) -> const Tensor& {
    return parameters_[i].variable.stored();
  };
  const auto send_bucket = [&] {
    if (bucket.empty()) return;
    Tensor flat = zeros({elements}, value(bucket.front()).dtype());
    std::int64_t begin = 0;
    const auto next = [&](std::size_t i) {
      begin += value(i).numel();
      return narrow(flat, 0, begin - value(i).numel(), value(i).numel()).reshape(value(i).shape());
    };
    for (const std::size_t i : bucket) {
      Tensor part = next(i);
      if (plan.contributes(i)) part.copy_(parameters_[i].variable.leaf().grad.dense(value(i)));
    }
    flat.mul_(plan.weight(plan.rank));
    comm_->allreduce(flat);
    begin = 0;
    for (const std::size_t i : bucket) means[i] = next(i).clone();
    bucket.clear();
    elements = 0;
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!plan.is_dense(i)) continue;
    const auto width = static_cast<std::int64_t>(item_size(value(i).dtype()));
    const bool fits = (elements + value(i).numel()) * width <= options_.bucket_bytes;
    if (!bucket.empty() && (!fits || value(i).dtype() != value(bucket.front()).dtype())) {
      send_bucket();
    }
    bucket.push_back(i);
    elements += value(i).numel();
  }
  send_bucket();
  return means;
}

// The mean of every table whose gradient is row-sparse on all ranks that have one.
std::vector<RowSparse> DistributedOptimizer::average_rows(const Plan& plan) {
  std::vector<RowSparse> means(parameters_.size());
  std::vector<double> shares = distinct_share_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!plan.is_row_sparse(i)) continue;
    if (tables_[i] != nullptr) {
      means[i] = sum_of_lookups(plan, i);
      continue;
    }
    Leaf& leaf = parameters_[i].variable.leaf();
    const Tensor& table = leaf.stored();
    RowSparse mine{zeros({0}, int64), zeros({0, table.size(1)}, table.dtype()), -1, true};
    if (plan.contributes(i)) {
      const RowSparse& gradient = leaf.grad.rows();
      mine = {gradient.ids.contiguous(), gradient.rows * plan.weight(plan.rank), -1, true};
    }
    const std::vector<std::int64_t> counts = plan.row_counts(i);
    RowExchange way = options_.rows;
    if (way == RowExchange::automatic) {
      const std::int64_t row_bytes =
          8 + table.size(1) * static_cast<std::int64_t>(item_size(table.dtype()));
      way = cheaper_exchange(comm_->size(), counts, row_bytes, shares[i]);
    }
    means[i] = sum_rows(*comm_, mine, counts, way);
    double total = 0;
    for (const std::int64_t count : counts) total += static_cast<double>(count);
    if (total > 0) shares[i] = static_cast<double>(means[i].ids.numel()) / total;
  }
  distinct_share_ = std::move(shares);
  return means;
}

// The mean for the rows of a sharded table that this rank owns. It has no ids if no rank has looked
// them up; the optimizer then moves them by momentum, as it does all rows without a gradient.
RowSparse DistributedOptimizer::sum_of_lookups(const Plan& plan, std::size_t parameter) const {
  const detail::ShardedTable& table = *tables_[parameter];
  RowSparse mine{zeros({0}, int64), zeros({0, table.width()}, table.weight.dtype()), -1, true};
  if (plan.contributes(parameter)) {
    const RowSparse& gradient = plan.of_lookups[parameter];
    mine = {gradient.ids, gradient.rows * plan.weight(plan.rank), -1, true};
  }
  return table.sum_at_owner(mine);
}

// --- clipping, saving ----------------------------------------------------------------------------

double DistributedOptimizer::clip_grad_norm(double max_norm, double norm_type) {
  const auto check = [](bool valid, const char* argument, double value, const char* needed) {
    if (valid) return;
    throw ValueError(std::string("DistributedOptimizer::clip_grad_norm: ") + argument + " is " +
                     std::to_string(value) + ", needed " + needed);
  };
  check(max_norm >= 0, "max_norm", max_norm, "a number >= 0");
  check(norm_type > 0, "norm_type", norm_type, "a number > 0, or infinity");
  if (!averaged_) average(std::nullopt);
  std::vector<NamedParameter> replicated, own;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    (tables_[i] == nullptr ? replicated : own).push_back(parameters_[i]);
  }
  const double everywhere = optim::get_total_norm(replicated, norm_type);
  const double here = optim::get_total_norm(own, norm_type);
  const std::vector<double> norms = to_vector<double>(comm_->allgather(tensor(here, float64)));
  double total = 0;  // has the same bits on all ranks
  if (std::isinf(norm_type)) {
    total = everywhere;
    for (const double norm : norms) {
      if (!(norm <= total) && !std::isnan(total)) total = norm;
    }
  } else {
    total = std::pow(everywhere, norm_type);
    for (const double norm : norms) total += std::pow(norm, norm_type);
    total = std::pow(total, 1 / norm_type);
  }
  optim::clip_grads_with_norm(replicated, max_norm, total);
  optim::clip_grads_with_norm(own, max_norm, total);
  return total;
}

// A state dict in which change(table, key, tensor) replaces what has a row for each row of a
// sharded table: its moments, and how many pending steps its rows have taken.
template <class Change>
StateDict DistributedOptimizer::with_rows_changed(const StateDict& state,
                                                  const Change& change) const {
  StateDict changed;
  for (const auto& [key, value] : state) {
    Tensor result = value;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::string& name = parameters_[i].name;
      const std::string label = "state." + (name.empty() ? std::to_string(i) : name) + ".";
      if (tables_[i] == nullptr || !key.starts_with(label)) continue;
      const std::string entry = key.substr(label.size());
      const bool is_moment = value.dim() == 2 && entry.find('.') == std::string::npos;
      if (is_moment || entry == "pending.taken") result = change(*tables_[i], key, value);
    }
    changed.insert(key, result);
  }
  return changed;
}

StateDict DistributedOptimizer::state_dict() const {
  return with_rows_changed(optimizer_->state_dict(),
                           [](const detail::ShardedTable& table, const std::string&,
                              const Tensor& rows) { return table.gather(rows); });
}

void DistributedOptimizer::load_state_dict(const StateDict& state) {
  optimizer_->load_state_dict(with_rows_changed(
      state, [](const detail::ShardedTable& table, const std::string& key, const Tensor& all) {
        if (all.dim() == 0 || all.size(0) != table.rows) {
          throw FormatError("DistributedOptimizer::load_state_dict: '" + key + "' is " +
                            to_string(all.sizes()) + ", needed all " + std::to_string(table.rows) +
                            " rows of the ShardedEmbedding; save the DistributedOptimizer, not the "
                            "optimizer inside");
        }
        return table.own_rows(all);
      }));
}

// --- checks --------------------------------------------------------------------------------------

void DistributedOptimizer::check_replicas() const {
  std::vector<std::int64_t> mine;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor value = parameters_[i].value();  // of a sharded table, too: takes pending steps
    mine.push_back(tables_[i] == nullptr ? hash_of(value) : 0);
  }
  const Tensor all = comm_->allgather(tensor(mine));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    std::vector<int> different;
    const auto column = static_cast<std::int64_t>(i);
    for (int r = 0; r < comm_->size(); ++r) {
      if (all.item<std::int64_t>({r, column}) != all.item<std::int64_t>({0, column})) {
        different.push_back(r);
      }
    }
    if (different.empty()) continue;
    throw ValueError("DistributedOptimizer: parameter '" + parameters_[i].name +
                     "' has other bits on " + list(different) +
                     " than on rank 0; change parameters only by steps that all ranks take, and "
                     "call flush() before some ranks read a table that others do not read");
  }
}

}  // namespace tapegrad::distributed
