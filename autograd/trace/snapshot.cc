// How the elements of a tensor are copied or summarized. Read next: autograd/trace/json.cc.
#include <tapegrad/autograd/trace/snapshot.h>

#include <algorithm>
#include <bit>
#include <cmath>

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

// The means of the blocks of a matrix, at most kThumbnailSide blocks in each direction. A tensor is
// a matrix whose rows are the elements of its first dimension.
void add_thumbnail(Snapshot& snapshot, const std::vector<double>& elements) {
  const auto count = static_cast<std::int64_t>(elements.size());
  const std::int64_t height = snapshot.shape.size() < 2 ? 1 : snapshot.shape[0];
  const std::int64_t width = count / height;
  snapshot.rows = std::min(height, kThumbnailSide);
  snapshot.columns = std::min(width, kThumbnailSide);
  for (std::int64_t r = 0; r < snapshot.rows; ++r) {
    const std::int64_t top = r * height / snapshot.rows;
    const std::int64_t bottom = (r + 1) * height / snapshot.rows;
    for (std::int64_t c = 0; c < snapshot.columns; ++c) {
      const std::int64_t left = c * width / snapshot.columns;
      const std::int64_t right = (c + 1) * width / snapshot.columns;
      double sum = 0;
      for (std::int64_t y = top; y < bottom; ++y) {
        for (std::int64_t x = left; x < right; ++x) {
          sum += elements[static_cast<std::size_t>(y * width + x)];
        }
      }
      snapshot.data.push_back(sum / static_cast<double>((bottom - top) * (right - left)));
    }
  }
}

void summarize(Snapshot& snapshot, const std::vector<double>& elements) {
  snapshot.is_summary = true;
  double sum = 0, squares = 0;
  std::int64_t finite = 0;
  for (const double x : elements) {
    if (!std::isfinite(x)) continue;
    snapshot.min = finite == 0 ? x : std::min(snapshot.min, x);
    snapshot.max = finite == 0 ? x : std::max(snapshot.max, x);
    sum += x;
    squares += x * x;
    ++finite;
  }
  snapshot.nonfinite = static_cast<std::int64_t>(elements.size()) - finite;
  snapshot.mean = finite == 0 ? 0 : sum / static_cast<double>(finite);
  snapshot.norm = std::sqrt(squares);
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
