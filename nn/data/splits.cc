// The sizes of the parts, and a random order that is cut into them. Read next: nn/data/sampler.h.
#include <tapegrad/nn/data/splits.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {
namespace {

std::string list_of(std::span<const Scalar> lengths) {
  std::string text;
  for (const Scalar length : lengths) {
    std::string number = std::to_string(length.to<double>());
    if (length.dtype() == int64) number = std::to_string(length.to<std::int64_t>());
    text += (text.empty() ? "" : ", ") + number;
  }
  return "{" + text + "}";
}

// The number of examples in each part. The counts may sum up to more or less than the size.
Indices counts_of(std::int64_t size, std::span<const Scalar> lengths, bool fractions) {
  Indices counts;
  std::int64_t sum = 0;
  for (const Scalar length : lengths) {
    counts.push_back(fractions ? static_cast<std::int64_t>(
                                     std::floor(static_cast<double>(size) * length.to<double>()))
                               : length.to<std::int64_t>());
    sum += counts.back();
  }
  if (fractions) {
    for (std::size_t i = 0; sum < size; ++sum, i = (i + 1) % counts.size()) ++counts[i];
  }
  return counts;
}

// A random order, cut into parts of these counts.
std::vector<Indices> cut(std::int64_t size, const Indices& counts, Generator& generator) {
  const Indices order = to_vector<std::int64_t>(randperm(size, generator));
  std::vector<Indices> parts;
  auto begin = order.begin();
  for (const std::int64_t count : counts) {
    parts.emplace_back(begin, begin + count);
    begin += count;
  }
  return parts;
}

}  // namespace

namespace detail {

std::vector<Indices> split(std::int64_t size, std::span<const Scalar> lengths,
                           Generator& generator) {
  double total = 0;
  for (const Scalar length : lengths) {
    total += length.to<double>();
    if (!(length.to<double>() >= 0)) {
      throw ValueError("random_split: got lengths " + list_of(lengths) + ", needed 0 or more");
    }
  }
  const bool fractions = std::abs(total - 1) <= 1e-9 && total <= 1;
  const bool whole = std::ranges::all_of(
      lengths, [fractions](Scalar length) { return fractions || length.dtype() == int64; });
  const Indices counts = counts_of(size, lengths, fractions);
  std::int64_t sum = 0;
  for (const std::int64_t count : counts) sum += count;
  if (sum != size || !whole) {
    throw ValueError("random_split: got lengths " + list_of(lengths) + " for " +
                     std::to_string(size) +
                     " examples, needed whole numbers that sum up to the number of examples, "
                     "or fractions that sum up to 1");
  }
  return cut(size, counts, generator);
}

std::vector<FoldIndices> folds(std::int64_t size, std::int64_t k, Generator& generator) {
  if (k < 2 || k > size) {
    throw ValueError("k_folds: k is " + std::to_string(k) + " for " + std::to_string(size) +
                     " examples, needed at least 2, and at most the number of examples");
  }
  Indices counts;
  for (std::int64_t fold = 0; fold < k; ++fold) counts.push_back(size / k + (fold < size % k));
  const std::vector<Indices> parts = cut(size, counts, generator);
  std::vector<FoldIndices> result;
  for (const Indices& test : parts) {
    Indices train;
    for (const Indices& part : parts) {
      if (&part != &test) train.insert(train.end(), part.begin(), part.end());
    }
    result.push_back({std::move(train), test});
  }
  return result;
}

}  // namespace detail

}  // namespace tapegrad::nn
