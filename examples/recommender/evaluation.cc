// The root mean square error, and recall@k. Read next: training.h.
#include "recommender/evaluation.h"

#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "common/numbers.h"

namespace recommender {
namespace {

double root_mean_square(const tg::Tensor& errors) {
  return std::sqrt(mean(square(errors.to(tg::float64))).item<double>());
}

// How many ratings of the training each item has, (items).
tg::Tensor popularity(const SavedModel& saved) {
  tg::Tensor counts = tg::zeros({saved.items.size()});
  const auto count = counts.mutable_span<float>();
  for (const std::int64_t item : saved.rated.items()) ++count[static_cast<std::size_t>(item)];
  return counts;
}

// The share of `liked` that is in `best`.
double share_found(const std::vector<std::int64_t>& liked, const std::vector<std::int64_t>& best) {
  const auto found = std::ranges::count_if(
      liked, [&](std::int64_t item) { return std::ranges::find(best, item) != best.end(); });
  return static_cast<double>(found) / static_cast<double>(liked.size());
}

}  // namespace

Scores evaluate(const SavedModel& saved, const Ratings& ratings, const EvalSettings& settings) {
  Scores scores;
  scores.ratings = ratings.size();
  const tg::Tensor values = tg::tensor(ratings.values);
  const tg::Tensor predicted = predict(saved, tg::tensor(ratings.users), tg::tensor(ratings.items));
  scores.rmse = root_mean_square(predicted - values);
  const auto mean = static_cast<double>(saved.model->mean->item<float>());
  scores.rmse_of_mean = root_mean_square(values - mean);

  std::vector<std::vector<std::int64_t>> liked(static_cast<std::size_t>(saved.users.size()));
  const double least = settings.liked.value_or(mean);
  for (std::size_t i = 0; i < ratings.values.size(); ++i) {
    if (static_cast<double>(ratings.values[i]) < least) continue;
    liked[static_cast<std::size_t>(ratings.users[i])].push_back(ratings.items[i]);
  }
  const tg::Tensor popular = popularity(saved);
  for (std::int64_t user = 0; user < saved.users.size(); ++user) {
    const std::vector<std::int64_t>& wanted = liked[static_cast<std::size_t>(user)];
    if (wanted.empty()) continue;
    ++scores.users;
    const auto recall = [&](const tg::Tensor& all) {
      return share_found(wanted, best_items(all, saved.rated, user, settings.count));
    };
    scores.recall += recall(predict_all(saved, user));
    scores.recall_of_popular += recall(popular);
  }
  if (scores.users > 0) {
    scores.recall /= static_cast<double>(scores.users);
    scores.recall_of_popular /= static_cast<double>(scores.users);
  }
  return scores;
}

std::string text_of(const Scores& scores, const EvalSettings& settings) {
  using examples::fixed;
  std::string text =
      "RMSE " + fixed(scores.rmse, 4) + " (" + fixed(scores.rmse_of_mean, 4) + " for the mean), ";
  if (scores.users == 0) return text + "no recall, because nobody likes an item";
  const std::string k = std::to_string(settings.count);
  return text + "recall@" + k + " " + fixed(scores.recall, 4) + " (" +
         fixed(scores.recall_of_popular, 4) + " for the most popular items)";
}

std::vector<std::int64_t> best_items(const tg::Tensor& scores, const Rated& rated,
                                     std::int64_t user, std::int64_t count) {
  std::vector<std::int64_t> items;
  for (std::int64_t item = 0; item < scores.numel(); ++item) {
    if (!rated.contains(user, item)) items.push_back(item);
  }
  const auto all = scores.span<float>();
  const auto better = [&](std::int64_t a, std::int64_t b) {
    const float score_a = all[static_cast<std::size_t>(a)];
    const float score_b = all[static_cast<std::size_t>(b)];
    return score_a > score_b || (score_a == score_b && a < b);
  };
  const auto kept = std::min(items.size(), static_cast<std::size_t>(count));
  std::ranges::partial_sort(items, items.begin() + static_cast<std::ptrdiff_t>(kept), better);
  items.resize(kept);
  return items;
}

}  // namespace recommender
