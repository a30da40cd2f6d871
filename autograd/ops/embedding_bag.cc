// Lookups in tables: single rows, and bags of rows. The gradient of a table is RowSparse, or dense
// if gradients are recorded. Read next: autograd/ops/similarity.cc.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/embedding_bag.h>

namespace tapegrad {
namespace {

// The table, after a flush of the rows of these ids. Other rows may keep their pending steps.
const Tensor& table_for(const Variable& weight, const Tensor& ids) {
  if (weight.node() == nullptr || !weight.node()->is_leaf()) return weight.value();
  weight.leaf().flush_rows(ids);
  return weight.stored();
}

std::uint32_t version_of(const Variable& table) {
  const Node* const node = table.node();
  return node != nullptr && node->is_leaf() ? table.leaf().version() : table.stored().version();
}

// For each id 1 / count or 1 / sqrt(count), where count is how often it occurs in ids; undefined if
// kind is none.
Tensor frequency_factors(const Tensor& ids, FrequencyScale kind, DType dtype) {
  if (kind == FrequencyScale::none) return {};
  const auto n = static_cast<std::size_t>(ids.numel());
  UniqueIds unique(n);
  Tensor positions = Tensor::uninitialized(Shape(ids.numel()), int64);
  auto* const position = positions.mutable_data<std::int64_t>();
  unique.add(ids.data<std::int64_t>(), n, -1, position);
  Tensor factors = Tensor::uninitialized(Shape(ids.numel()), dtype);
  visit_floating(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const to = factors.mutable_data<T>();
    for (std::size_t i = 0; i < n; ++i) {
      const T count = static_cast<T>(unique.occurrences()[position[i]]);
      to[i] = T(1) / (kind == FrequencyScale::inverse ? count : std::sqrt(count));
    }
  });
  return factors;
}

std::string name_of_scale(FrequencyScale kind) {
  return kind == FrequencyScale::none      ? "none"
         : kind == FrequencyScale::inverse ? "inverse"
                                           : "inverse_sqrt";
}

void zero_rows(Tensor& rows, const Tensor& ids, std::int64_t id) {
  const auto all = ids.span<std::int64_t>();
  const std::int64_t width = rows.size(-1);
  visit_floating(rows.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* row = rows.mutable_data<T>();
    for (std::size_t i = 0; i < all.size(); ++i, row += width) {
      if (all[i] == id) std::fill(row, row + width, T(0));
    }
  });
}

}  // namespace

// Norms -------------------------------------------------------------------------------------------

namespace {

template <class T>
double norm_of(const T* row, std::int64_t width, double p) {
  double total = 0;
  for (std::int64_t j = 0; j < width; ++j) {
    const double x = std::abs(static_cast<double>(row[j]));
    if (std::isinf(p)) {
      total = std::max(total, x);
    } else {
      total += p == 2 ? x * x : p == 1 ? x : std::pow(x, p);
    }
  }
  return std::isinf(p) || p == 1 ? total : p == 2 ? std::sqrt(total) : std::pow(total, 1 / p);
}

// Returns a lock for the lookup that follows: lookups on other threads must not scale rows while
// this one reads them.
RowPolicy::Lock renormalize(const char* operation, const Variable& table, const Tensor& ids,
                            double max_norm, double norm_type) {
  if (!(max_norm > 0) || !(norm_type > 0)) {
    throw ValueError(std::string(operation) + ": max_norm is " + std::to_string(max_norm) +
                     " and norm_type " + std::to_string(norm_type) + ", needed values > 0");
  }
  if (table.node() == nullptr || !table.node()->is_leaf()) {
    throw AutogradError(
        std::string(operation) +
        ": max_norm writes to the table, but this table is not a leaf; make it with parameter(), "
        "or normalize the table that it was computed from");
  }
  Leaf& leaf = table.leaf();
  RowPolicy& policy = leaf.row_policy();
  RowPolicy::Lock lock(policy);
  leaf.flush_rows(ids);
  const auto count = static_cast<std::size_t>(ids.numel());
  UniqueIds unique(count);
  Tensor positions = Tensor::uninitialized(Shape(ids.numel()), int64);
  unique.add(ids.data<std::int64_t>(), count, -1, positions.mutable_data<std::int64_t>());
  const Tensor rows = unique.distinct();
  const std::int64_t width = leaf.stored().size(1);
  const auto& frozen = policy.frozen_rows();
  const auto& columns = policy.frozen_columns();
  visit_floating(leaf.stored().dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<std::pair<std::int64_t, double>> large;  // row, factor
    {
      const Tensor stored = leaf.stored().contiguous();
      const T* const values = stored.data<T>();
      for (const std::int64_t row : rows.span<std::int64_t>()) {
        const double norm = norm_of(values + row * width, width, norm_type);
        if (!(norm > max_norm) || std::ranges::binary_search(frozen, row)) continue;
        large.emplace_back(row, max_norm / (norm + 1e-7));
      }
    }  // ends the sharing of the memory, which writable_stored() would otherwise copy
    if (large.empty()) return;  // without a write nothing becomes stale
    if (!leaf.stored().is_contiguous()) leaf.set_value(leaf.value().clone());
    T* const to = leaf.writable_stored().mutable_data<T>();
    for (const auto& [row, factor] : large) {
      for (std::int64_t j = 0; j < width; ++j) {
        if (std::ranges::binary_search(columns, j)) continue;
        to[row * width + j] *= static_cast<T>(factor);
      }
      policy.add_renormalized(row, factor);
    }
  });
  return lock;
}

}  // namespace

// row = row * max_norm / (|row|_p + 1e-7) where |row|_p > max_norm
void embedding_renorm_(const Variable& table, const Tensor& ids, double max_norm,
                       double norm_type) {
  const Tensor checked = checked_ids("embedding_renorm_", table.stored(), ids);
  renormalize("embedding_renorm_", table, checked, max_norm, norm_type);
}

// Rows --------------------------------------------------------------------------------------------

namespace {

// A rule is valid only as long as the table has the same number of rows.
void check_rows(const char* operation, const Variable& weight, std::int64_t rows) {
  if (weight.size(0) == rows) return;
  throw AutogradError("backward: the table of '" + std::string(operation) +
                      "' was resized since the lookup, from " + std::to_string(rows) + " to " +
                      std::to_string(weight.size(0)) + " rows; call backward() before resizing");
}

// The dense gradient of a table from primitives: row ids[i] gets scale[i] * rows[i].
Variable scattered(const Variable& weight, const Tensor& ids, const Variable& rows,
                   const Variable& scale, std::int64_t skip) {
  Variable each = scale.defined() ? rows * unsqueeze(scale, 1) : rows;
  if (skip >= 0) each = masked_fill(each, unsqueeze(ids == skip, 1), 0);
  return index_add(Variable(zeros(weight.sizes(), weight.dtype())), 0, ids, each);
}

}  // namespace

// y[...] = weight[ids[...]]         dweight[id] = sum of scale(id) dy[...] where ids[...] = id
Variable embedding(const Variable& weight, const Tensor& ids, EmbeddingLookup options) {
  const Tensor checked = checked_ids("embedding", weight.stored(), ids);
  const std::int64_t rows = weight.size(0);
  const std::int64_t skip = checked_padding("embedding", options.padding_idx, rows);
  RowPolicy::Lock lock;
  if (options.max_norm) {
    lock = renormalize("embedding", weight, checked, *options.max_norm, options.norm_type);
  }
  Tensor value = rows_at(table_for(weight, checked), checked);
  if (options.zero_padding && skip >= 0) zero_rows(value, checked, skip);
  const auto fused = [weight, at = Variable(checked), skip, rows,
                      kind = options.frequency_scale](const Tensor& dy) {
    check_rows("embedding", weight, rows);
    const Tensor all = reshape(at.value(), {at.numel()});
    const Tensor dy_rows = reshape(dy, {at.numel(), weight.size(1)}).contiguous();
    const Tensor scale = frequency_factors(all, kind, dy.dtype());
    if (scale.defined()) return coalesce({all, dy_rows, skip}, {}, scale);
    return RowSparse{all.clone(), dy_rows, skip};  // the caller may overwrite the ids
  };
  const auto composed = [weight, at = Variable(checked), skip, rows,
                         kind = options.frequency_scale](const Variable& dy) {
    check_rows("embedding", weight, rows);
    const Tensor all = reshape(at.value(), {at.numel()});
    const Tensor scale = frequency_factors(all, kind, dy.dtype());
    return scattered(weight, all, reshape(dy, {at.numel(), weight.size(1)}),
                     scale.defined() ? Variable(scale) : Variable(), skip);
  };
  const auto arguments = [&] {
    Attributes attributes{{"ids", checked},
                          {"zero_padding", options.zero_padding},
                          {"scale_grad_by_freq", name_of_scale(options.frequency_scale)}};
    if (skip >= 0) attributes.push_back({"padding_idx", skip});
    return attributes;
  };
  describe("embedding", arguments, weight);
  return record_fused("embedding", std::move(value), weight, fused, composed);
}

Variable embedding(const Variable& weight, const Tensor& ids,
                   std::optional<std::int64_t> padding_idx) {
  return embedding(weight, ids, EmbeddingLookup{.padding_idx = padding_idx});
}

// Bags --------------------------------------------------------------------------------------------

namespace {

// Bags as rules capture them: the ids as a Variable, which detects that they were overwritten.
struct KeptBags {
  Variable ids;
  Tensor bounds;  // made by checked_bags(), so nothing else writes to it
  std::int64_t skip;

  explicit KeptBags(const Bags& bags) : ids(bags.ids), bounds(bags.bounds), skip(bags.skip) {}
  Bags get() const { return {ids.value(), bounds, skip}; }
};

void check_options(const EmbeddingBagLookup& options, const Variable& weight, const Tensor& ids) {
  const Variable& factors = options.per_sample_weights;
  if (options.mode == BagMode::max && options.frequency_scale != FrequencyScale::none) {
    throw ValueError(
        "embedding_bag: got a frequency_scale with mode max, whose gradient belongs to single "
        "elements; use sum or mean");
  }
  if (!factors.defined()) return;
  if (options.mode != BagMode::sum) {
    throw ValueError("embedding_bag: per_sample_weights need mode sum; a weighted mean is " +
                     std::string("sum with weights that add up to 1"));
  }
  if (factors.shape() != ids.shape()) {
    throw ShapeError("embedding_bag: per_sample_weights have shape " + to_string(factors.sizes()) +
                     ", needed that of ids, " + to_string(ids.sizes()));
  }
  if (factors.dtype() != weight.dtype()) {
    throw DTypeError("embedding_bag: per_sample_weights are " + std::string(name(factors.dtype())) +
                     ", needed the table's " + name(weight.dtype()) + "; convert with to(" +
                     name(weight.dtype()) + ")");
  }
}

Attributes bag_attributes(const Tensor& ids, const Tensor& offsets, std::int64_t skip,
                          const EmbeddingBagLookup& options) {
  const char* const mode = options.mode == BagMode::max    ? "max"
                           : options.mode == BagMode::mean ? "mean"
                                                           : "sum";
  Attributes attributes{{"ids", ids},
                        {"mode", std::string(mode)},
                        {"include_last_offset", options.include_last_offset},
                        {"scale_grad_by_freq", name_of_scale(options.frequency_scale)}};
  if (offsets.defined()) attributes.push_back({"offsets", offsets});
  if (skip >= 0) attributes.push_back({"padding_idx", skip});
  return attributes;
}

// y[b][j] = max of weight[ids[i]][j] over the bag      dweight[winner[b][j]][j] += dy[b][j]
Variable max_of_bags(const Variable& weight, const Tensor& table, const Bags& bags) {
  const bool recorded = Tape::is_recording() && weight.requires_grad();
  BagMax result = bag_max(table, bags, recorded);
  const std::int64_t rows = table.size(0);
  const auto fused = [weight, winners = result.winners, rows](const Tensor& dy) {
    check_rows("embedding_bag", weight, rows);
    // One row for each distinct winner, and a last row that receives the gradients of empty bags.
    UniqueIds unique(static_cast<std::size_t>(winners.numel()));
    Tensor positions = Tensor::uninitialized(winners.sizes(), int64);
    auto* const position = positions.mutable_data<std::int64_t>();
    unique.add(winners.data<std::int64_t>(), static_cast<std::size_t>(winners.numel()), -1,
               position);
    const std::int64_t count = unique.count();
    std::replace(position, position + winners.numel(), std::int64_t{-1}, count);
    const Tensor sums = scatter_add(zeros({count + 1, dy.size(1)}, dy.dtype()), 0, positions, dy);
    return RowSparse{unique.distinct(), narrow(sums, 0, 0, count), -1, true};
  };
  const auto composed = [weight, winners = result.winners, rows](const Variable& dy) {
    check_rows("embedding_bag", weight, rows);
    const Tensor empty_bag = winners < 0;
    const Variable nothing = zeros(weight.sizes(), dy.dtype());
    return scatter_add(nothing, 0, where(empty_bag, 0, winners), masked_fill(dy, empty_bag, 0));
  };
  return record_fused("embedding_bag", std::move(result.values), weight, fused, composed);
}

// The factor of each id's row in the gradient: its share of the mean, or its per-sample weight,
// times its frequency factor; undefined if all factors are 1.
Variable scale_of_each(const Bags& bags, bool mean, const Variable& factors, FrequencyScale kind,
                       DType dtype) {
  const Variable of_each = mean ? Variable(share_of_each(bags, dtype)) : factors;
  const Tensor by_frequency = frequency_factors(bags.ids, kind, dtype);
  if (!by_frequency.defined()) return of_each;
  return of_each.defined() ? of_each * by_frequency : Variable(by_frequency);
}

}  // namespace

// y[b] = sum over the bag of w[i] weight[ids[i]], divided by the number of ids for mean
//        dweight[id] = sum of scale[i] dy[bag of i] where ids[i] = id
//        dw[i] = dy[bag of i] . weight[ids[i]]
Variable embedding_bag(const Variable& weight, const Tensor& ids, const Tensor& offsets,
                       const EmbeddingBagLookup& options) {
  const std::int64_t rows = weight.dim() == 2 ? weight.size(0) : 0;
  Bags bags =
      checked_bags("embedding_bag", weight.stored(), ids, offsets, options.include_last_offset);
  bags.skip = checked_padding("embedding_bag", options.padding_idx, rows);
  check_options(options, weight, ids);
  RowPolicy::Lock lock;
  if (options.max_norm) {
    lock = renormalize("embedding_bag", weight, bags.ids, *options.max_norm, options.norm_type);
  }
  const Tensor& table = table_for(weight, bags.ids);
  const auto arguments = [&] { return bag_attributes(ids, offsets, bags.skip, options); };
  if (options.mode == BagMode::max) {
    describe("embedding_bag", arguments, weight);
    return max_of_bags(weight, table, bags);
  }

  const bool mean = options.mode == BagMode::mean;
  const FrequencyScale kind = options.frequency_scale;
  const bool weighted = options.per_sample_weights.defined();
  const Variable factors = weighted ? reshape(options.per_sample_weights, {-1}) : Variable();
  const Tensor scale = weighted ? factors.value().contiguous() : Tensor();
  Tensor value = mean ? bag_mean(table, bags) : bag_sum(table, bags, scale);
  const FusedRule dweight{
      [weight, kept = KeptBags(bags), mean, factors, kind, rows](const Tensor& dy) {
        check_rows("embedding_bag", weight, rows);
        const Bags all = kept.get();
        const Variable of_each = scale_of_each(all, mean, factors, kind, dy.dtype());
        const Tensor by = of_each.defined() ? of_each.value().contiguous() : Tensor();
        return coalesce({all.ids, dy.contiguous(), all.skip}, bag_of_each(all), by);
      },
      [weight, kept = KeptBags(bags), mean, factors, kind, rows](const Variable& dy) {
        check_rows("embedding_bag", weight, rows);
        const Bags all = kept.get();
        return scattered(weight, all.ids, index_select(dy, 0, bag_of_each(all)),
                         scale_of_each(all, mean, factors, kind, dy.dtype()), all.skip);
      }};
  if (!weighted) {
    describe("embedding_bag", arguments, weight);
    return record("embedding_bag", std::move(value), from(weight, dweight));
  }

  const FusedRule dfactors{
      [kept = KeptBags(bags), weight, version = version_of(weight)](const Tensor& dy) {
        if (version_of(weight) != version) weight.value();  // throws: it was overwritten
        const Bags all = kept.get();
        return bag_dots(dy, table_for(weight, all.ids), all);
      },
      [kept = KeptBags(bags), weight](const Variable& dy) {
        const Bags all = kept.get();
        const Variable dots =
            sum(index_select(dy, 0, bag_of_each(all)) * embedding(weight, all.ids), {1});
        return all.skip < 0 ? dots : masked_fill(dots, all.ids == all.skip, 0);
      }};
  describe("embedding_bag", arguments, weight, factors);
  return record("embedding_bag", std::move(value), from(weight, dweight), from(factors, dfactors));
}

}  // namespace tapegrad
