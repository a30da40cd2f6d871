// The commands that train: all vectors, or those of new users. Read next: training.cc.
#pragma once

#include "recommender/settings.h"

namespace recommender {

// Each reads its file, trains, saves the model, and prints its figures. They return the signal that
// stopped them, or 0; a run that was stopped saves what it has learned, if it has begun to train.

int train(const TrainSettings& settings);

// Adds the users of a file, who must be new, to a model. Their vectors and biases are fitted to
// their ratings, and all other parameters are frozen, unless settings.unfrozen. Ratings of items
// that the model does not know are left out.
int add_users(const AddUsersSettings& settings);

}  // namespace recommender
