// The shapes of a model before it is built. Read next: parameter_shapes.cc.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text_classifier/model.h"

namespace text_classifier {

using NamedShapes = std::vector<std::pair<std::string, tg::Shape>>;

// The names and shapes of all parameters of Classifier(settings), computed without allocating them.
// In a stack of layers the last comes first, so that a file with another number of layers is
// recognized by the layer that it lacks.
NamedShapes parameter_shapes(const ModelSettings& settings);

}  // namespace text_classifier
