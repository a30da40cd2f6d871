// Temperatures and calibration errors whose values are known. Read next:
// examples/text_classifier/calibration.h.
#include "text_classifier/calibration.h"

#include <cmath>

#include "catch.h"
#include "error_text.h"
#include "examples/text_classifier/temperature_curves.h"

using namespace text_classifier;
using tapegrad::test::error_text;
using text_classifier_test::curve_of;

TEST_CASE("the temperature makes the probability equal to the accuracy", "[text_calibration]") {
  // The loss is least where sigmoid(margin / T) is the share of right answers: T = margin / logit.
  for (const double margin : {0.5, 1.0, 2.0, 7.0}) {
    CAPTURE(margin);
    const TemperatureCurve curve = curve_of(100, 80, margin);
    CHECK(curve.temperature() == Approx(margin / std::log(0.8 / 0.2)).epsilon(0.01));
    const double entropy = -0.8 * std::log(0.8) - 0.2 * std::log(0.2);
    CHECK(curve.least_loss() == Approx(entropy).epsilon(1e-3));
    const double p = 1 / (1 + std::exp(-margin));
    CHECK(curve.loss() == Approx(-0.8 * std::log(p) - 0.2 * std::log(1 - p)).epsilon(1e-6));
    CHECK(curve.texts() == 100);
  }
  CHECK(curve_of(100, 90, std::log(9.0)).temperature() == Approx(1).epsilon(0.01));
}

TEST_CASE("the temperature stays within its limits", "[text_calibration]") {
  CHECK(curve_of(10, 10, 1).temperature() == Approx(kLowestTemperature));  // always right
  CHECK(curve_of(10, 5, 1).temperature() == Approx(kHighestTemperature));  // a coin
  CHECK(TemperatureCurve().temperature() == 1);
  CHECK(TemperatureCurve().loss() == 0);
  CHECK(std::isfinite(curve_of(3, 1, 1e6).least_loss()));
}

TEST_CASE("curves are added and saved", "[text_calibration]") {
  TemperatureCurve both = curve_of(30, 28, 2);
  both.add(curve_of(70, 52, 2));
  CHECK(both.texts() == 100);
  CHECK(both.temperature() == Approx(curve_of(100, 80, 2).temperature()));
  const TemperatureCurve again = TemperatureCurve::from_state(both.state());
  CHECK(again.state() == both.state());
  CHECK(again.temperature() == both.temperature());
  CHECK(again.texts() == 100);
  CHECK(error_text<tg::FormatError>([] {
          TemperatureCurve::from_state({1, 2});
        }) == "a curve of temperatures has 2 numbers, needed 50");
}

TEST_CASE("the calibration error of 15 bins", "[text_calibration]") {
  CHECK(CalibrationBins().error() == 0);
  CalibrationBins sure;
  for (int i = 0; i < 10; ++i) sure.add(1.0, i < 7);
  CHECK(sure.error() == Approx(0.3));
  CalibrationBins honest;
  for (int i = 0; i < 10; ++i) honest.add(0.7, i < 7);
  CHECK(honest.error() == Approx(0).margin(1e-12));
  // 0.41 is in bin 6, 0.49 and 0.51 in bin 7: too sure in one, not sure enough in the other.
  CalibrationBins mixed;
  mixed.add(0.41, false);
  mixed.add(0.49, true);
  mixed.add(0.51, true);
  mixed.add(0.51, false);
  CHECK(mixed.error() == Approx((0.41 + std::abs(0.49 + 0.51 + 0.51 - 2)) / 4));
  CalibrationBins least;
  least.add(0, false);
  CHECK(least.error() == 0);
}
