// A bag as one C99 file without dependencies. Read next: export_c.cc.
#pragma once

#include <string>

#include "text_classifier/trained.h"

namespace text_classifier {

// The source of a C file with the labels, the table and
//
//   int classify(const char* utf8_text, float* probabilities);
//
// which reads texts as trained.ids() does and answers as the model does. ValueError for another
// architecture than a bag, and for weights that are not finite.
std::string c_source(const Trained& trained);

}  // namespace text_classifier
