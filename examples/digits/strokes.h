// Draws digits that look written by hand: a few strokes for each digit, in several styles, which
// are moved, turned, slanted, thickened and blurred at random. Read next: strokes.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>

#include "digits/images.h"

namespace digits {

// `count` images, as many of each digit as possible, in random order. Equal generators draw equal
// images.
Images draw(std::int64_t count, tapegrad::Generator& generator);

}  // namespace digits
