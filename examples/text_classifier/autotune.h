// Looks for good options on held-out texts: --autotune. Read next: autotune.cc.
#pragma once

#include "text_classifier/settings.h"
#include "text_classifier/splits.h"

namespace text_classifier {

// Trains models with other options, and returns the settings with the smallest loss on held-out
// texts, which are those of the search for the number of epochs. It varies --dim, --ngrams, --lr,
// --min-count, --chars and --buckets, but none that was given on the command line. The first trial
// has the given settings; each other one changes about half of the options of the best so far, at
// random by the seed. With settings.size, the loss is that of the compressed model.
//
// It stops after settings.trials trials, or when it has used settings.autotune seconds of processor
// time, which cuts off a trial. Prints what it chose on standard error. `given` are settings that
// checked() accepts, but that it has not changed. ValueError if there are too few texts to hold
// some out, or if no trial gives a model of this size.
TrainSettings autotuned(const TrainSettings& given, const Texts& texts);

}  // namespace text_classifier
