// The options of a run as JSON, so that --resume continues with the same ones. Read next:
// run_options.cc.
#pragma once

#include <string>

#include "text_classifier/settings.h"

namespace text_classifier {

// All options but --out and --resume, under their names. Files have absolute paths, so that a run
// can be resumed in another working folder.
std::string options_text(const TrainSettings& settings);

// The settings of a run that is resumed: those of the text, with `out`, `program` and the files of
// `given`. A file may have moved; its content is compared elsewhere. ValueError if another option
// was given and differs. FormatError, which begins with `name`, if the text is not one of
// options_text().
TrainSettings resumed_settings(const TrainSettings& given, const std::string& text,
                               const std::string& name);

}  // namespace text_classifier
