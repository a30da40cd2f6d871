// Parts of a data set without common examples: to train on and to test on. Read next:
// nn/data/loader.h.
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
std::vector<Indices> folds(std::int64_t size, std::int64_t k, Generator& generator);
}  // namespace detail

// Parts without common examples, drawn as PyTorch draws them: parts of these lengths, or, if the
// lengths sum up to 1, of these fractions (what rounding leaves over goes to the first parts).
// ValueError for a negative length, and unless the lengths sum up to the size.
template <Dataset Data, std::size_t N>
std::array<Subset<Data>, N> random_split(const Data& data, const Scalar (&lengths)[N],
                                         Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  std::vector<Indices> parts = detail::split(data.size(), lengths, generator);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<Subset<Data>, N>{Subset<Data>(shared, std::move(parts[I]))...};
  }
  (std::make_index_sequence<N>());
}

template <Dataset Data>
struct Fold {
  Subset<Data> train;
  Subset<Data> test;
};

// For cross-validation: the examples in a random order are cut into k parts, and each fold tests on
// one part and trains on the others, in that order too. Parts differ by at most one example; the
// larger parts come first. ValueError unless 2 <= k <= size.
template <Dataset Data>
std::vector<Fold<Data>> k_folds(const Data& data, std::int64_t k,
                                Generator& generator = default_generator()) {
  const auto shared = std::make_shared<const Data>(data);
  const std::vector<Indices> parts = detail::folds(data.size(), k, generator);
  std::vector<Fold<Data>> result;
  for (const Indices& test : parts) {
    Indices train;
    for (const Indices& part : parts) {
      if (&part != &test) train.insert(train.end(), part.begin(), part.end());
    }
    result.push_back({Subset<Data>(shared, std::move(train)), Subset<Data>(shared, test)});
  }
  return result;
}

}  // namespace tapegrad::nn
