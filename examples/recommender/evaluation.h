// How good predictions are. Read next: evaluation.cc.
#pragma once

#include <cstdint>
#include <string>

#include "recommender/ratings.h"
#include "recommender/saved_model.h"
#include "recommender/settings.h"

namespace recommender {

struct Scores {
  std::int64_t ratings = 0;  // that the model was not trained on
  double rmse = 0;           // the root of the mean of (prediction - rating)^2
  double rmse_of_mean = 0;   // if each prediction is the mean of the ratings that it was trained on

  // recall@k: which share of the items that a user likes is among the k items with the highest
  // predictions, of all items that the user has not rated in the training. The mean over all users
  // who like an item here.
  std::int64_t users = 0;
  double recall = 0;
  double recall_of_popular = 0;  // of the k items with the most ratings in the training
};

// An item is liked if its rating is at least settings.liked. Needs a rating, and ids that the model
// knows.
Scores evaluate(const SavedModel& saved, const Ratings& ratings, const EvalSettings& settings);

// `RMSE 0.5108 (0.9032 for the mean), recall@10 0.1034 (0.0420 for the most popular)`
std::string text_of(const Scores& scores, const EvalSettings& settings);

// The items that the user has not rated in the training, those with the highest scores (items)
// first: at most `count`. Equal scores are in the order of the ids.
std::vector<std::int64_t> best_items(const tg::Tensor& scores, const Rated& rated,
                                     std::int64_t user, std::int64_t count);

}  // namespace recommender
