// PCA is a singular value decomposition of rank 2. t-SNE moves points until the probabilities that
// they choose each other as neighbors are those in the original space. Read next: labels.h.
#include "word_vectors/projection.h"

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "common/truncated_svd.h"

namespace word_vectors {
namespace {

// For the squared distances d of a point to all others: p_j = exp(-b d_j) / sum, with the b that
// gives this entropy (in nats), found by halving an interval. `self` gets 0.
void fill_probabilities(std::span<const float> d, std::size_t self, double entropy,
                        std::span<float> p) {
  double nearest =
      INFINITY;  // subtracted from all d, which changes nothing but keeps exp() above 0
  for (std::size_t j = 0; j < d.size(); ++j) {
    if (j != self) nearest = std::min(nearest, static_cast<double>(d[j]));
  }
  double low = 0, high = INFINITY, b = 1;
  for (int i = 0; i < 100; ++i) {
    double sum = 0, weighted = 0;
    for (std::size_t j = 0; j < d.size(); ++j) {
      const double excess = static_cast<double>(d[j]) - nearest;
      const double term = j == self ? 0 : std::exp(-b * excess);
      p[j] = static_cast<float>(term);
      sum += term;
      weighted += term * excess;
    }
    for (float& value : p) value = static_cast<float>(value / sum);
    const double found = std::log(sum) + b * weighted / sum;
    if (std::abs(found - entropy) < 1e-5) return;
    (found > entropy ? low : high) = b;
    b = std::isinf(high) ? 2 * b : (low + high) / 2;
  }
}

// The symmetric probabilities of pairs, which sum to 1: (n, n).
tg::Tensor pair_probabilities(const tg::Tensor& x, double perplexity) {
  const std::int64_t n = x.size(0);
  const double entropy = std::log(std::min(perplexity, static_cast<double>(n - 1) / 3));
  const tg::Tensor distances = square(cdist(x, x));
  tg::Tensor p = tg::empty({n, n});
  const auto from = distances.span<float>();
  const auto to = p.mutable_span<float>();
  const auto width = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < width; ++i) {
    fill_probabilities(from.subspan(i * width, width), i, entropy, to.subspan(i * width, width));
  }
  return (p + transpose(p)) / (2.0 * static_cast<double>(n));
}

// The gradient of the Kullback-Leibler divergence from p to the q of the points y (n, 2):
// 4 sum over j of (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2).
tg::Tensor gradient(const tg::Tensor& p, const tg::Tensor& y, const tg::Tensor& others) {
  const tg::Tensor closeness = others / (1.0 + square(cdist(y, y)));  // 0 on the diagonal
  const tg::Tensor force = (p - closeness / sum(closeness)) * closeness;
  return 4.0 * (sum(force, {1}, true) * y - matmul(force, y));
}

}  // namespace

Pca pca(const tg::Tensor& x, tg::Generator& generator) {
  const tg::Tensor centered = x - mean(x, {0}, true);
  const examples::TruncatedSvd svd = examples::truncated_svd(
      {.rows = x.size(0),
       .columns = x.size(1),
       .times = [&](const tg::Tensor& v) { return matmul(centered, v); },
       .transposed_times = [&](const tg::Tensor& u) { return matmul(transpose(centered), u); }},
      {.rank = std::min<std::int64_t>({2, x.size(0), x.size(1)})}, generator);
  tg::Tensor points = svd.u * svd.s;
  if (points.size(1) < 2) points = tg::cat({points, tg::zeros({x.size(0), 1})}, 1);
  const double all = sum(square(centered)).item<float>();
  return {points, all > 0 ? static_cast<double>(sum(square(svd.s)).item<float>()) / all : 1};
}

tg::Tensor tsne(const tg::Tensor& x, double perplexity, tg::Generator& generator) {
  constexpr int kSteps = 1000;
  constexpr int kEarlySteps = 250;      // with larger p, so that groups form
  constexpr double kExaggeration = 12;  // of p in the early steps
  const std::int64_t n = x.size(0);
  const tg::Tensor p = pair_probabilities(x, perplexity);
  const tg::Tensor others = 1.0 - tg::eye(n);
  const double lr = std::max(static_cast<double>(n) / kExaggeration / 4, 50.0);
  tg::Tensor y = 1e-4 * tg::randn({n, 2}, tg::float32, generator);
  tg::Tensor velocity = tg::zeros({n, 2});
  tg::Tensor gain = tg::ones({n, 2});  // of the rate of each coordinate (Jacobs 1988)
  for (int step = 0; step < kSteps; ++step) {
    const bool early = step < kEarlySteps;
    const tg::Tensor g = gradient(early ? p * kExaggeration : p, y, others);
    gain = clamp(where(g * velocity < 0.0, gain + 0.2, gain * 0.8), 0.01);
    velocity = (early ? 0.5 : 0.8) * velocity - lr * gain * g;
    y = y + velocity;
    y = y - mean(y, {0}, true);
  }
  return y;
}

}  // namespace word_vectors
