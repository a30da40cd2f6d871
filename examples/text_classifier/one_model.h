// The training of one model, from texts to the model. Read next: one_model.cc.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "text_classifier/resume.h"
#include "text_classifier/settings.h"
#include "text_classifier/splits.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// Trains a model as the settings say: on all texts, or without those that are held out. First it
// may look for the number of epochs; see search.h. If `run` is not null, its folder is created and
// locked only after all files and settings were checked; `data` are the files that were read.
// Nothing if a signal stopped the run.
std::optional<Trained> train_one(const TrainSettings& settings, const Texts& texts,
                                 ResumableRun* run = nullptr,
                                 std::vector<DataFingerprint> data = {});

// The search of train_one() alone, on settings for which searches_epochs() is true. Asks go_on()
// after each batch; nothing if it returns false. Saves nothing.
std::optional<EpochSearch> search_alone(const TrainSettings& settings, const Texts& texts,
                                        const std::function<bool()>& go_on);
// The learning rate of a search, and the TrainSettings::rare_words that it found.
double searched_rate(const TrainSettings& settings);
double rare_words_of(const EpochSearch& search);

}  // namespace text_classifier
