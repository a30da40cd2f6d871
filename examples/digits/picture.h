// Pictures of the images that a model got wrong. Read next: picture.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "digits/images.h"

namespace digits {

struct Mistake {
  std::int64_t image;
  std::int64_t label;
  std::int64_t predicted;
};

// The images whose prediction, (count) int64, is not their label.
std::vector<Mistake> mistakes_in(const Images& images, const tapegrad::Tensor& predicted);

// One image as characters, two for each pixel, below a line that names both digits.
std::string as_text(const Images& images, const Mistake& mistake);

// Up to 60 mistakes in a picture, each above the digits `label -> prediction`.
void write_svg(const std::string& path, const Images& images, const std::vector<Mistake>& mistakes);

}  // namespace digits
