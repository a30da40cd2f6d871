// The transform from uniform to normal elements. Internal. Read next: tensor/random/box_muller.cc.
#pragma once

#include <cstddef>

namespace tapegrad::detail {

// Turns blocks of 16 uniform elements in [0, 1) into normal ones, in place; n is a multiple of 16.
// In each block, elements 0 to 7 give the radius and 8 to 15 the angle of eight points; the
// coordinates of the points replace them:
//   r = sqrt(-2 log(1 - x[j])), a = 2 pi x[j + 8]:   x[j] = mean + std r cos(a),
//                                                     x[j + 8] = mean + std r sin(a)
void box_muller(float* x, std::size_t n, float mean, float std);

// The same for float64, with the functions of <cmath>.
void box_muller(double* x, std::size_t n, double mean, double std);

}  // namespace tapegrad::detail
