// Lesson 9: xtensor. It reads the data, and an operation of your own is an xtensor expression with
// its gradient. A line is fitted twice to readings, two of which are wrong: once with squared
// errors, once with a loss that hardly counts large ones. tensor/xtensor.h declares the functions.
#include <tapegrad/tapegrad.h>
#include <tapegrad/tensor/xtensor.h>  // not in tapegrad.h, since it needs xtensor's headers

#if __has_include(<xtensor/io/xcsv.hpp>)  // their place since xtensor 0.26
#include <xtensor/core/xmath.hpp>
#include <xtensor/io/xcsv.hpp>
#else
#include <xtensor/xcsv.hpp>
#include <xtensor/xmath.hpp>
#endif

#include <cmath>
#include <functional>
#include <iostream>
#include <sstream>
#include <utility>

namespace tg = tapegrad;

namespace {

// Time in hours and position in kilometers: a walk at 4 km an hour, from kilometer 2.
constexpr const char* kReadings =
    "0.0, 2.1\n"
    "0.5, 3.9\n"
    "1.0, 6.2\n"
    "1.5, 7.9\n"
    "2.0, 30.0\n"  // wrong
    "2.5, 12.1\n"
    "3.0, 13.8\n"
    "3.5, 16.1\n"
    "4.0, 1.0\n"  // wrong
    "4.5, 20.2\n"
    "5.0, 21.9\n";

// The Cauchy loss: y = log(1 + x^2), dx = dy * 2x / (1 + x^2). It is as steep as x^2 for small
// errors and almost flat for large ones.
tg::Variable cauchy(const tg::Variable& error) {
  const tg::Tensor x = error.value();
  const auto view = tg::xtensor_view<double>(x);  // x's memory, not a copy of it
  xt::xarray<double> y = xt::log1p(view * view);  // one loop without temporaries
  // The rule consists of Variable operations, so it can be differentiated too.
  return tg::record("cauchy", tg::from_xtensor(std::move(y)),
                    tg::from(error, [error](const tg::Variable& dy) {
                      return dy * 2.0 * error / (1.0 + square(error));
                    }));
}

struct Line {
  double slope, offset;
};

// Adam looks for the line with the smallest sum of loss(error) over all readings.
Line fit(const tg::Tensor& hours, const tg::Tensor& kilometers,
         const std::function<tg::Variable(const tg::Variable&)>& loss) {
  const tg::Variable slope = tg::parameter(tg::zeros({}, tg::float64));
  const tg::Variable offset = tg::parameter(tg::zeros({}, tg::float64));
  tg::optim::Adam adam({slope, offset}, {.lr = 0.05});
  for (int step = 0; step < 1000; ++step) {
    adam.zero_grad();
    const tg::Variable error = slope * hours + offset - kilometers;  // (readings)
    sum(loss(error)).backward();
    adam.step();
  }
  return {slope.item(), offset.item()};
}

}  // namespace

int main() {
  // xtensor reads the table, and the Tensor takes over its memory.
  std::istringstream file(kReadings);
  auto table = xt::load_csv<double>(file);  // (readings, 2)
  const double* const memory = table.data();
  tg::Tensor readings = tg::from_xtensor(std::move(table));
  std::cout << "read " << readings.shape()
            << ", without a copy: " << (readings.data<double>() == memory ? "yes" : "no") << '\n';

  // A mutable view changes the Tensor in place, whatever its strides. Here the clock was wrong.
  tg::Tensor hours = readings.select(1, 0);  // every second element of the table
  tg::mutable_xtensor_view<double>(hours) += 1.0;
  std::cout << "an hour later, the first reading is at " << readings.item<double>({0, 0}) << '\n';
  tg::mutable_xtensor_view<double>(hours) -= 1.0;
  const tg::Tensor kilometers = readings.select(1, 1);

  // gradcheck compares the rule, and the rule's own derivative, with finite differences.
  const bool right = tg::gradcheck([](auto& v) { return cauchy(v[0]); },
                                   {3.0 * tg::randn({2, 3}, tg::float64)}, {.second_order = true});
  std::cout << "gradcheck to second order: " << right << "\n\n";

  // The tape records it like the library's own operations.
  const tg::Variable slope = tg::parameter(tg::tensor(4.0).to(tg::float64));
  const tg::Variable total = sum(cauchy(slope * hours + 2.0 - kilometers));
  std::cout << tg::tape() << '\n';

  // For a large error x, the gradient of the square is 2x, but that of Cauchy's loss about 2 / x.
  const Line squares = fit(hours, kilometers, [](const tg::Variable& e) { return square(e); });
  const Line forgiving = fit(hours, kilometers, cauchy);
  std::cout << "true       4 km an hour, from kilometer 2\n"
            << "squares    " << squares.slope << " km an hour, from kilometer " << squares.offset
            << "\ncauchy     " << forgiving.slope << " km an hour, from kilometer "
            << forgiving.offset << '\n';
  const bool found = std::abs(forgiving.slope - 4) < 0.1 && std::abs(forgiving.offset - 2) < 0.3;
  return right && found && readings.data<double>() == memory ? 0 : 1;
}
