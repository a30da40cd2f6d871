// The commands that use a trained model, and the one that makes a data set. Each prints its result
// on standard output. Read next: commands.cc.
#pragma once

#include <cstdint>
#include <string>

#include "recommender/settings.h"

namespace recommender {

// Scores a model on those ratings of a file that it was not trained on: on the file that it was
// trained on, those are the ones that were held out. Ratings of unknown users and items are left
// out, and counted. ValueError if none is left.
void eval(const std::string& model, const std::string& input, const EvalSettings& settings);

// Prints lines `item TAB prediction TAB title`, the best items first, without those that the user
// has rated in the training. ValueError for an unknown user. `titles` may be empty: no titles.
void recommend(const std::string& model, const std::string& user, std::int64_t count,
               const std::string& titles);

// Prints lines `item TAB cosine TAB title`: the items whose vectors are nearest to that of an item.
// ValueError for an unknown item.
void similar(const std::string& model, const std::string& item, std::int64_t count,
             const std::string& titles);

// Writes ratings with known factors, and prints what the best possible prediction would reach.
void generate_file(const GenerateSettings& settings);

}  // namespace recommender
