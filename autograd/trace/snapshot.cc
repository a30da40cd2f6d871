// How the elements of a tensor are copied or summarized. Read next: autograd/trace/json.cc.
#include <tapegrad/autograd/trace/snapshot.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::trace {
namespace {

constexpr std::int64_t kThumbnailSide = 32;

std::vector<double> elements_of(const Tensor& tensor) {
  const Tensor plain = tensor.contiguous();
  std::vector<double> elements(static_cast<std::size_t>(plain.numel()));
  visit(plain.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* const data = plain.data<T>();
    for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<double>(data[i]);
  });
  return elements;
}

// Where the blocks of `size` elements begin, and the end of the last one.
std::vector<std::size_t> borders_of(std::int64_t size, std::int64_t blocks) {
  std::vector<std::size_t> borders;
  for (std::int64_t i = 0; i <= blocks; ++i) {
    borders.push_back(static_cast<std::size_t>(i * size / blocks));
  }
  return borders;
}

// The means of the blocks of a matrix, at most kThumbnailSide blocks in each direction. A tensor is
// a matrix whose rows are the elements of its first dimension.
void add_thumbnail(Snapshot& snapshot, const std::vector<double>& elements) {
  const auto count = static_cast<std::int64_t>(elements.size());
  const std::int64_t height = snapshot.shape.size() < 2 ? 1 : snapshot.shape[0];
  const std::int64_t width = count / height;
  snapshot.rows = std::min(height, kThumbnailSide);
  snapshot.columns = std::min(width, kThumbnailSide);
  const std::vector<std::size_t> tops = borders_of(height, snapshot.rows);
  const std::vector<std::size_t> lefts = borders_of(width, snapshot.columns);
  const auto columns = static_cast<std::size_t>(snapshot.columns);
  snapshot.data.reserve(static_cast<std::size_t>(snapshot.rows) * columns);
  for (std::size_t r = 0; r + 1 < tops.size(); ++r) {
    std::array<double, kThumbnailSide> sums{};
    const double* row = elements.data() + tops[r] * static_cast<std::size_t>(width);
    for (std::size_t y = tops[r]; y < tops[r + 1]; ++y, row += width) {
      for (std::size_t c = 0; c < columns; ++c) {
        for (std::size_t x = lefts[c]; x < lefts[c + 1]; ++x) sums[c] += row[x];
      }
    }
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t area = (tops[r + 1] - tops[r]) * (lefts[c + 1] - lefts[c]);
      snapshot.data.push_back(sums[c] / static_cast<double>(area));
    }
  }
}

// Sums of the finite elements. Several at once are faster than one after the other.
struct Sums {
  static constexpr std::size_t kLanes = 4;
  std::array<double, kLanes> sum{}, squares{}, min{}, max{}, finite{};

  void add(std::size_t lane, double x) {
    const bool counts = std::abs(x) <= std::numeric_limits<double>::max();
    const double value = counts ? x : 0;
    sum[lane] += value;
    squares[lane] += value * value;
    min[lane] = std::min(min[lane], counts ? x : min[lane]);
    max[lane] = std::max(max[lane], counts ? x : max[lane]);
    finite[lane] += counts ? 1 : 0;
  }
};

double total(const std::array<double, Sums::kLanes>& lanes) {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

void summarize(Snapshot& snapshot, const std::vector<double>& elements) {
  snapshot.is_summary = true;
  Sums sums;
  sums.min.fill(std::numeric_limits<double>::infinity());
  sums.max.fill(-std::numeric_limits<double>::infinity());
  const std::size_t whole = elements.size() - elements.size() % Sums::kLanes;
  for (std::size_t i = 0; i < whole; i += Sums::kLanes) {
    for (std::size_t lane = 0; lane < Sums::kLanes; ++lane) sums.add(lane, elements[i + lane]);
  }
  for (std::size_t i = whole; i < elements.size(); ++i) sums.add(0, elements[i]);
  const double finite = total(sums.finite);
  snapshot.nonfinite =
      static_cast<std::int64_t>(elements.size()) - static_cast<std::int64_t>(finite);
  if (finite > 0) {
    snapshot.min = *std::ranges::min_element(sums.min);
    snapshot.max = *std::ranges::max_element(sums.max);
    snapshot.mean = total(sums.sum) / finite;
  }
  snapshot.norm = std::sqrt(total(sums.squares));
  add_thumbnail(snapshot, elements);
}

}  // namespace

Snapshot snapshot_of(const Tensor& tensor, std::int64_t most_elements) {
  Snapshot snapshot;
  snapshot.dtype = tensor.dtype();
  snapshot.shape = tensor.shape();
  std::vector<double> elements = elements_of(tensor);
  if (tensor.numel() <= most_elements) {
    snapshot.data = std::move(elements);
  } else {
    summarize(snapshot, elements);
  }
  return snapshot;
}

Snapshot snapshot_of_rows(const Tensor& ids, const Tensor& rows,
                          std::span<const std::int64_t> table, std::int64_t most_elements) {
  Snapshot snapshot = snapshot_of(rows, most_elements);
  if (snapshot.is_summary) return snapshot;
  snapshot.is_row_sparse = true;
  snapshot.shape = Shape(table);
  snapshot.ids = to_vector<std::int64_t>(ids);
  return snapshot;
}

// Compares bits, so that -0 is not 0, and NaN is equal to itself.
bool Snapshot::operator==(const Snapshot& other) const {
  return dtype == other.dtype && shape == other.shape && is_summary == other.is_summary &&
         rows == other.rows && columns == other.columns && nonfinite == other.nonfinite &&
         is_row_sparse == other.is_row_sparse && ids == other.ids &&
         std::bit_cast<std::uint64_t>(norm) == std::bit_cast<std::uint64_t>(other.norm) &&
         std::bit_cast<std::uint64_t>(mean) == std::bit_cast<std::uint64_t>(other.mean) &&
         std::ranges::equal(data, other.data, {}, std::bit_cast<std::uint64_t, double>,
                            std::bit_cast<std::uint64_t, double>);
}

// FNV-1a (Fowler, Noll, Vo) over 64-bit words.
std::size_t Snapshot::hash() const {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto mix = [&hash](std::uint64_t word) { hash = (hash ^ word) * 1099511628211ULL; };
  mix(static_cast<std::uint64_t>(dtype));
  for (const std::int64_t size : shape) mix(static_cast<std::uint64_t>(size));
  for (const std::int64_t id : ids) mix(static_cast<std::uint64_t>(id));
  for (const double x : data) mix(std::bit_cast<std::uint64_t>(x));
  return static_cast<std::size_t>(hash ^ (hash >> 32));
}

}  // namespace tapegrad::trace
