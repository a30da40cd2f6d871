// Splits of a data set into disjoint parts, for training and for tests. Read next:
// nn/data/splits.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tapegrad/nn/data/dataset.h>
#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/scalar.h>

namespace tapegrad::nn {

namespace detail {
std::vector<Indices> split(std::int64_t size, std::span<const Scalar> lengths,
                           Generator& generator);
struct FoldIndices {
  Indices train;
  Indices test;
};
std::vector<FoldIndices> folds(std::int64_t size, std::int64_t k, Generator& generator);
}  // namespace detail

// Disjoint random parts of these lengths, drawn as in PyTorch. If the lengths sum up to 1, they are
// fractions; the examples that rounding leaves over go to the first parts. ValueError for a
// negative length, and unless the lengths sum up to the size.
template <Dataset Data, std::size_t N>
std::array<Subset<Data>, N> random_split(const Data& data, const Scalar (&lengths)[N],
                                         Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  std::vector<Indices> parts = detail::split(data.size(), lengths, generator);
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<Subset<Data>, N>{Subset<Data>(shared, std::move(parts[i]))...};
  }
  (std::make_index_sequence<N>());
}

template <Dataset Data>
struct Fold {
  Subset<Data> train;
  Subset<Data> test;
};

// Folds for cross-validation: cuts the examples, in a random order, into k parts. Each fold tests
// on one part and trains on the others, in the same order. The sizes of the parts differ by at most
// one example; the larger parts come first. ValueError unless 2 <= k <= size.
template <Dataset Data>
std::vector<Fold<Data>> k_folds(const Data& data, std::int64_t k,
                                Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  std::vector<Fold<Data>> result;
  for (detail::FoldIndices& fold : detail::folds(data.size(), k, generator)) {
    result.push_back(
        {Subset<Data>(shared, std::move(fold.train)), Subset<Data>(shared, std::move(fold.test))});
  }
  return result;
}

}  // namespace tapegrad::nn
