// Temperature curves whose best temperature is known. Read next: calibration_test.cc.
#pragma once

#include <tapegrad/tensor/ops.h>

#include <cstdint>
#include <vector>

#include "text_classifier/calibration.h"

namespace text_classifier_test {

// Two classes. The logits favor class 0 by `margin` in all of `texts` texts, and class 0 is right
// in `right` of them. So the smallest loss is the entropy of this share.
inline text_classifier::TemperatureCurve curve_of(int texts, int right, double margin) {
  std::vector<float> logits;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < texts; ++i) {
    logits.insert(logits.end(), {static_cast<float>(margin), 0.0F});
    labels.push_back(i < right ? 0 : 1);
  }
  text_classifier::TemperatureCurve curve;
  curve.add(reshape(tapegrad::tensor(logits), {-1, 2}), tapegrad::tensor(labels));
  return curve;
}

}  // namespace text_classifier_test
