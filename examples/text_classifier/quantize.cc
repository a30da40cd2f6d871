// Codes of int8, and products whose centroids k-means finds. Read next: export_c.h.
#include "text_classifier/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace text_classifier {

using tg::nn::Vocabulary;

namespace {

constexpr std::size_t kLongestSubvector = 4;
constexpr std::int64_t kCentroids = CompressedTable::kCentroids;

// Zeros after the end, if a subvector or a row is shorter.
using Subvector = std::array<float, kLongestSubvector>;

// One subvector of a row of length 1.
Subvector subvector_of(std::span<const float> row, std::int64_t subvector, std::int64_t width,
                       double norm) {
  Subvector result{};
  for (std::int64_t i = 0; i < width && subvector * width + i < std::ssize(row); ++i) {
    result[static_cast<std::size_t>(i)] =
        static_cast<float>(double{row[static_cast<std::size_t>(subvector * width + i)]} / norm);
  }
  return result;
}

std::size_t nearest(const Subvector& point, const std::vector<Subvector>& centroids) {
  std::size_t best = 0;
  float least = INFINITY;
  for (std::size_t k = 0; k < centroids.size(); ++k) {
    float distance = 0;
    for (std::size_t i = 0; i < kLongestSubvector; ++i) {
      const float difference = point[i] - centroids[k][i];
      distance += difference * difference;
    }
    if (distance < least) least = distance, best = k;
  }
  return best;
}

// Lloyd's algorithm, from points at equal distances in the list.
std::vector<Subvector> k_means(const std::vector<Subvector>& points) {
  constexpr int kRounds = 12;
  const auto count = std::min(static_cast<std::size_t>(kCentroids), points.size());
  std::vector<Subvector> centroids;
  for (std::size_t k = 0; k < count; ++k) centroids.push_back(points[k * points.size() / count]);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::array<double, kLongestSubvector + 1>> sums(
        count);  // the last is the number of points
    for (const Subvector& point : points) {
      auto& sum = sums[nearest(point, centroids)];
      for (std::size_t i = 0; i < kLongestSubvector; ++i) sum[i] += double{point[i]};
      ++sum[kLongestSubvector];
    }
    for (std::size_t k = 0; k < count; ++k) {
      if (sums[k][kLongestSubvector] == 0) continue;
      for (std::size_t i = 0; i < kLongestSubvector; ++i) {
        centroids[k][i] = static_cast<float>(sums[k][i] / sums[k][kLongestSubvector]);
      }
    }
  }
  return centroids;
}

// Appends the codes of the row numbers, which are in the order of the table.
void code_product(CompressedTable& table, const Rows& rows,
                  const std::vector<std::int64_t>& numbers, const std::vector<double>& norms) {
  constexpr std::size_t kSample = 20'000;
  const std::int64_t subvectors = table.subvectors();
  table.codes.resize(numbers.size() * static_cast<std::size_t>(subvectors));
  for (std::int64_t subvector = 0; subvector < subvectors; ++subvector) {
    std::vector<Subvector> points;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      points.push_back(subvector_of(rows[numbers[i]], subvector, table.subvector_size,
                                    norms[i] > 0 ? norms[i] : 1));
    }
    std::vector<Subvector> sample;
    const std::size_t step = points.size() / kSample + 1;
    for (std::size_t i = 0; i < points.size(); i += step) sample.push_back(points[i]);
    std::vector<Subvector> centroids = k_means(sample);
    centroids.resize(static_cast<std::size_t>(kCentroids));
    for (Subvector& centroid : centroids) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(table.subvector_size); ++i) {
        float& element = centroid[i];
        const std::uint8_t code = int8_code(double{element});
        table.centroids.push_back(code);
        element = int8_value(code);
      }
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      table.codes[i * static_cast<std::size_t>(subvectors) + static_cast<std::size_t>(subvector)] =
          static_cast<std::uint8_t>(nearest(points[i], centroids));
    }
  }
}

// What the codes of a row are divided by: of int8 the largest element, of a product the norm.
double size_of(std::span<const float> row, std::int64_t subvector_size) {
  if (subvector_size > 0) return std::sqrt(squared_norm(row));
  double largest = 0;
  for (const float element : row) largest = std::max(largest, std::abs(double{element}));
  return largest;
}

// Sets the limits of the scales for rows of these sizes.
void set_limits(CompressedTable& table, const std::vector<double>& sizes) {
  double least = INFINITY, greatest = 0;
  for (const double size : sizes) {
    if (size > 0) least = std::min(least, size), greatest = std::max(greatest, size);
  }
  if (greatest == 0) return;
  table.greatest = static_cast<float>(greatest);
  // Rows that are much smaller than the largest need no scale of their own.
  table.least = std::max({static_cast<float>(least), table.greatest * 1e-4F, 1e-30F});
  table.greatest = std::max(table.greatest, table.least);
}

}  // namespace

double squared_norm(std::span<const float> row) {
  return std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
}

CompressedTable quantized(const Rows& rows, std::int64_t kept, std::int64_t subvector_size) {
  CompressedTable table;
  table.dim = rows.dim;
  table.subvector_size = subvector_size;
  std::vector<Candidate> chosen(rows.candidates.begin(), rows.candidates.begin() + kept);
  std::ranges::sort(chosen, {}, &Candidate::key);
  std::vector<std::int64_t> numbers = {Vocabulary::kUnknown};
  for (const Candidate& candidate : chosen) {
    table.keys.push_back(candidate.key);
    numbers.push_back(candidate.row);
  }
  std::vector<double> sizes;
  for (const std::int64_t number : numbers) sizes.push_back(size_of(rows[number], subvector_size));
  set_limits(table, sizes);
  for (double& size : sizes) {
    table.scales.push_back(table.code_of_scale(size));
    if (subvector_size == 0)
      size = double{table.scale(table.scales.back())};  // what the codes multiply
  }
  if (subvector_size > 0) {
    code_product(table, rows, numbers, sizes);
    return table;
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const float element : rows[numbers[i]]) {
      table.codes.push_back(sizes[i] > 0 ? int8_code(double{element} / sizes[i]) : 0);
    }
  }
  return table;
}

double loss_of(const CompressedTable& table, const Rows& rows, std::int64_t kept) {
  double loss = rows.lost;
  for (std::int64_t i = 0; i < kept; ++i) {
    const Candidate& candidate = rows.candidates[static_cast<std::size_t>(i)];
    const std::span<const float> row = rows[candidate.row];
    const std::int64_t number = *table.find(candidate.key) - CompressedTable::kFirstKey + 1;
    double difference = -squared_norm(row);
    for (std::int64_t k = 0; k < rows.dim; ++k) {
      const double delta =
          double{row[static_cast<std::size_t>(k)]} - double{table.element(number, k)};
      difference += delta * delta;
    }
    loss += candidate.frequency * difference;
  }
  return loss;
}

}  // namespace text_classifier
