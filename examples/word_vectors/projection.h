// Points of many dimensions on a plane. Read next: projection.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

namespace word_vectors {

namespace tg = tapegrad;

// Principal component analysis: x (n, dim) minus its mean, in the two directions of the largest
// variance: (n, 2). `explained` is the share of the variance that they have.
struct Pca {
  tg::Tensor points;
  double explained = 0;
};
Pca pca(const tg::Tensor& x, tg::Generator& generator);

// t-SNE (van der Maaten and Hinton 2008), exact, so the time grows with n^2: (n, 2). Near points
// stay near; other distances, and the sizes of groups, mean nothing. perplexity: about how many
// neighbors of a point count; at most (n - 1) / 3 is used.
tg::Tensor tsne(const tg::Tensor& x, double perplexity, tg::Generator& generator);

}  // namespace word_vectors
