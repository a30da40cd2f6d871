// The models: LeNet-5 (LeCun and others 1998) with ReLU and maxima, as it is taught today, and a
// linear softmax to compare with. Read next: training.h.
#pragma once

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/images.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/sequential.h>

namespace digits {

// (batch, 1, 28, 28) -> (batch, 10). A convolution finds small strokes wherever they are, pooling
// keeps whether there was one nearby, and the second convolution finds arrangements of strokes.
inline tapegrad::nn::Sequential lenet() {
  using namespace tapegrad::nn;
  return Sequential{Conv2d(1, 6, 5, {.padding = 2}),  // (batch, 6, 28, 28)
                    ReLU(),
                    MaxPool2d(2),      // (batch, 6, 14, 14)
                    Conv2d(6, 16, 5),  // (batch, 16, 10, 10)
                    ReLU(),
                    MaxPool2d(2),  // (batch, 16, 5, 5)
                    Flatten(),
                    Linear(400, 120),
                    ReLU(),
                    Linear(120, 84),
                    ReLU(),
                    Linear(84, 10)};
}

// One weight for each pixel and digit.
inline tapegrad::nn::Sequential linear() {
  using namespace tapegrad::nn;
  return Sequential{Flatten(), Linear(784, 10)};
}

}  // namespace digits
