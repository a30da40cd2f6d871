// Draws the factors, then the ratings. Read next: model.h.
#include "recommender/generated.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <cmath>
#include <unordered_set>

#include "common/alias_table.h"
#include "common/numbers.h"

namespace recommender {
namespace {

constexpr double kMean = 3.5;

// 3.5 + b_u + b_i + p_u . q_i for all users and items.
tg::Tensor draw_expected(const GenerateSettings& settings, tg::Generator& generator) {
  const auto normal = [&](std::int64_t rows, std::int64_t columns, double deviation) {
    return tg::randn({rows, columns}, tg::float64, generator) * deviation;
  };
  // A sum of n products of two normal numbers of variance v has the variance n v^2.
  const double deviation = std::sqrt(0.8 / std::sqrt(static_cast<double>(settings.factors)));
  const tg::Tensor p = normal(settings.users, settings.factors, deviation);
  const tg::Tensor q = normal(settings.items, settings.factors, deviation);
  const tg::Tensor user_bias = normal(settings.users, 1, 0.3);
  const tg::Tensor item_bias = normal(1, settings.items, 0.4);
  return matmul(p, transpose(q, 0, 1)) + user_bias + item_bias + kMean;
}

}  // namespace

Generated generate(const GenerateSettings& settings) {
  if (settings.ratings > settings.users * settings.items / 4) {
    throw tg::ValueError("generate: " + std::to_string(settings.ratings) + " ratings of " +
                         std::to_string(settings.users) + " users for " +
                         std::to_string(settings.items) +
                         " items; needed at most a quarter of all pairs, so lower --ratings");
  }
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  Generated result;
  result.expected = draw_expected(settings, generator);
  const auto expected = result.expected.span<double>();
  const tg::Tensor noise = tg::randn({settings.ratings}, tg::float64, generator) * settings.noise;
  std::unordered_set<std::int64_t> pairs;
  double squares = 0;
  for (const double error : noise.span<double>()) {
    for (;;) {
      const std::int64_t user = examples::draw_below(settings.users, generator);
      const std::int64_t item = examples::draw_below(settings.items, generator);
      const std::int64_t pair = user * settings.items + item;
      const double value = expected[static_cast<std::size_t>(pair)];
      if (examples::draw_unit(generator) >= 1 / (1 + std::exp(-2 * (value - kMean)))) continue;
      if (!pairs.insert(pair).second) continue;
      result.ratings.add(user, item, static_cast<float>(value + error));
      break;
    }
    squares += error * error;
  }
  result.noise_rms = std::sqrt(squares / static_cast<double>(settings.ratings));
  return result;
}

void write_ratings(const std::string& path, const Ratings& ratings) {
  std::string text;
  for (std::size_t i = 0; i < ratings.values.size(); ++i) {
    text += std::to_string(ratings.users[i] + 1) + '\t' + std::to_string(ratings.items[i] + 1) +
            '\t' + examples::fixed(static_cast<double>(ratings.values[i]), 4) + '\t' +
            std::to_string(i) + '\n';
  }
  tg::write_file_atomically(path, text, "recommender");
}

}  // namespace recommender
