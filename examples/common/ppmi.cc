// Three passes over the pairs: the sums of the rows, the numbers of elements, the elements. Read
// next: truncated_svd.h.
#include "common/ppmi.h"

#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "common/truncated_svd.h"

namespace examples {
namespace {

namespace tg = tapegrad;

// Calls visit(row, column, count) for each element of X.
template <class Visit>
void for_each_element(Cooccurrences& pairs, const Visit& visit) {
  pairs.rewind();
  for (auto block = pairs.next(); !block.empty(); block = pairs.next()) {
    for (const Cooccurrence& pair : block) {
      const auto first = static_cast<std::size_t>(pair.first);
      const auto second = static_cast<std::size_t>(pair.second);
      if (first == second) {
        visit(first, first, 2 * pair.count);
      } else {
        visit(first, second, pair.count);
        visit(second, first, pair.count);
      }
    }
  }
}

// Makes the two matrices from elements that come in any order, in two passes.
struct Builder {
  explicit Builder(std::size_t rows) : next(rows, 0), offsets(rows + 1, 0) {}

  void count(std::size_t row) { ++next[row]; }
  void allocate() {
    for (std::size_t row = 0; row < next.size(); ++row) {
      offsets[row + 1] = offsets[row] + next[row];
      next[row] = offsets[row];
    }
    columns = tg::empty({offsets.back()}, tg::int64);
    values = tg::empty({offsets.back()});
    column = columns.mutable_span<std::int64_t>();
    value = values.mutable_span<float>();
  }
  void add(std::size_t row, std::size_t at, double element) {
    const auto k = static_cast<std::size_t>(next[row]++);
    column[k] = static_cast<std::int64_t>(at);
    value[k] = static_cast<float>(element);
  }
  SparseMatrix matrix() const { return {tg::tensor(offsets), columns, values}; }

  std::vector<std::int64_t> next;  // of each row: the number of elements, then where to add
  std::vector<std::int64_t> offsets;
  tg::Tensor columns, values;
  std::span<std::int64_t> column;
  std::span<float> value;
};

}  // namespace

Ppmi ppmi(Cooccurrences& pairs, std::int64_t words, const PpmiSettings& settings) {
  const auto size = static_cast<std::size_t>(words);
  std::vector<double> sums(size, 0.0);
  for_each_element(pairs, [&](std::size_t row, std::size_t, double x) { sums[row] += x; });
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  double smoothed_total = 0;
  for (const double sum : sums) smoothed_total += std::pow(sum, settings.smoothing);

  // log(p(i, j) / (p(i) p(j))) = log X[i][j] - log(sum of row i) - log p(j)
  std::vector<double> row_log(size), column_log(size);
  for (std::size_t i = 0; i < size; ++i) {
    row_log[i] = std::log(sums[i]);
    column_log[i] = settings.smoothing * std::log(sums[i]) - std::log(smoothed_total) +
                    std::log(settings.shift);
  }
  const auto element = [&](std::size_t row, std::size_t column, double x) {
    return static_cast<float>(std::log(x) - row_log[row] - column_log[column]);
  };
  Builder rows(size), columns(size);
  for_each_element(pairs, [&](std::size_t row, std::size_t column, double x) {
    if (total > 0 && element(row, column, x) > 0) {
      rows.count(row);
      columns.count(column);
    }
  });
  rows.allocate();
  columns.allocate();
  for_each_element(pairs, [&](std::size_t row, std::size_t column, double x) {
    const float value = element(row, column, x);
    if (!(value > 0)) return;
    rows.add(row, column, value);
    columns.add(column, row, value);
  });
  return {rows.matrix(), columns.matrix()};
}

tg::Tensor svd_vectors(const Ppmi& ppmi, const SvdVectorsSettings& settings,
                       tg::Generator& generator, bool (*stopped)()) {
  const std::int64_t words = ppmi.matrix.rows();
  const TruncatedSvd svd = truncated_svd(
      {.rows = words,
       .columns = words,
       .times = [&](const tg::Tensor& x) { return matmul(ppmi.matrix, x); },
       .transposed_times = [&](const tg::Tensor& x) { return matmul(ppmi.transposed, x); }},
      {.rank = std::min(settings.dim, words), .iterations = settings.iterations}, generator,
      stopped);
  if (!svd.s.defined()) return {};
  tg::Tensor vectors = settings.add_contexts ? svd.u + svd.v : svd.u;
  // 0 to the power 0 would be 1.
  vectors = vectors * where(svd.s > 0, pow(svd.s, settings.eigenvalue_power), 0.0);
  if (vectors.size(1) == settings.dim) return vectors;
  return tg::cat(
      std::vector<tg::Tensor>{vectors, tg::zeros({words, settings.dim - vectors.size(1)})}, 1);
}

}  // namespace examples
