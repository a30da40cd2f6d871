// Word vectors without a training loop: positive pointwise mutual information, factored. Read next:
// ppmi.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>

#include "common/cooccurrences.h"
#include "common/sparse_matrix.h"

namespace examples {

// The names and the defaults follow Levy, Goldberg and Dagan 2015 (TACL 3).
struct PpmiSettings {
  double shift = 1;         // k: log k is subtracted
  double smoothing = 0.75;  // the power of the contexts' frequencies
};

// M[i][j] = max(0, log(p(i, j) / (p(i) p(j))) - log k), where p(i, j) is the share of X[i][j] in
// the sum of X, p(i) the share of row i, and p(j) is proportional to (the sum of column
// j)^smoothing. Only elements > 0 are stored.
struct Ppmi {
  SparseMatrix matrix;      // (words, words)
  SparseMatrix transposed;  // X is symmetric, but M is not if smoothing != 1
};
Ppmi ppmi(Cooccurrences& pairs, std::int64_t words, const PpmiSettings& settings);

struct SvdVectorsSettings {
  std::int64_t dim = 100;
  double eigenvalue_power = 0.5;
  bool add_contexts = false;
  int iterations = 12;  // of truncated_svd()
};

// The rows of U S^power from the truncated singular value decomposition M = U S V^T, or of (U + V)
// S^power with add_contexts: (words, dim) float32. Dimensions beyond the rank of M are 0. `stopped`
// is called between the steps; the result is undefined if it returns true.
tapegrad::Tensor svd_vectors(const Ppmi& ppmi, const SvdVectorsSettings& settings,
                             tapegrad::Generator& generator, bool (*stopped)() = nullptr);

}  // namespace examples
