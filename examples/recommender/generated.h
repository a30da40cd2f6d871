// Ratings whose best possible prediction is known. Read next: generated.cc.
#pragma once

#include <tapegrad/tensor/tensor.h>

#include <string>

#include "recommender/ratings.h"
#include "recommender/settings.h"

namespace recommender {

// The rating of user u for item i is 3.5 + b_u + b_i + p_u . q_i + noise. All are normal numbers:
// b_u has the standard deviation 0.3, b_i 0.4, p_u . q_i 0.8, and the noise settings.noise.
//
// A user rates items that are drawn at random, and leaves one out with the probability
// s(2 (3.5 - rating without noise)), s(z) = 1 / (1 + exp(-z)): users rate what they like more
// often. The noise has no part in it.
struct Generated {
  Ratings ratings;       // each user has rated an item once at most
  tg::Tensor expected;   // (users, items) float64: the ratings without noise
  double noise_rms = 0;  // of the noise that was drawn: no prediction is better on average
};

// The same seed gives the same ratings. ValueError unless there are at most users * items / 4
// ratings, because later ones would be of items that the users do not like.
Generated generate(const GenerateSettings& settings);

// Writes them in the format of u.data; users and items are counted from 1, and the timestamps are
// the positions. Replaces the file at once. IoError.
void write_ratings(const std::string& path, const Ratings& ratings);

}  // namespace recommender
