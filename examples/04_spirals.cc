// Lesson 4: a network with hidden layers. No straight line separates two spirals that are wound
// into each other; a network with two hidden layers of 32 neurons can.
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <iostream>
#include <numbers>
#include <string>

namespace tg = tapegrad;

// Points (2 * count, 2), and for each the spiral that it belongs to, 0 or 1.
std::pair<tg::Tensor, tg::Tensor> spirals(std::int64_t count) {
  const tg::Tensor t = tg::linspace(0.25, 1.0, count);    // distance from the center
  const tg::Tensor angle = t * (3.0 * std::numbers::pi);  // up to one and a half turns
  const tg::Tensor one = tg::stack({t * sin(angle), t * cos(angle)}, 1);  // (count, 2)
  const tg::Tensor points = tg::cat({one, -one});  // the other spiral is opposite
  const tg::Tensor labels = tg::cat({tg::zeros({count}, tg::int64), tg::ones({count}, tg::int64)});
  return {points + 0.01 * tg::randn({2 * count, 2}), labels};
}

// Prints the class that the network gives to each point of a grid, one character a point.
void draw(const tg::nn::Sequential& model) {
  constexpr std::int64_t kRows = 17;
  constexpr std::int64_t kColumns = 40;
  const tg::NoGrad guard;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const tg::Tensor x = tg::linspace(-1.1, 1.1, kColumns);
    const double y = 1.1 - 2.2 * static_cast<double>(row) / (kRows - 1);
    const tg::Tensor logits = model(tg::stack({x, tg::full({kColumns}, y)}, 1)).value();
    std::string line;
    for (std::int64_t i = 0; i < kColumns; ++i) {
      line += logits(i, 0).item() > logits(i, 1).item() ? 'o' : '.';
    }
    std::cout << "  " << line << '\n';
  }
}

int main() {
  tg::manual_seed(1);
  const auto data = spirals(150);
  tg::nn::Sequential model{tg::nn::Linear(2, 32), tg::nn::Tanh(), tg::nn::Linear(32, 32),
                           tg::nn::Tanh(), tg::nn::Linear(32, 2)};
  std::cout << model << '\n';

  tg::optim::Adam adam(model.parameters(), {.lr = 0.01});
  double accuracy = 0;
  for (int step = 0; step <= 600; ++step) {
    adam.zero_grad();
    const tg::Variable logits = model(data.first);  // (300, 2)
    const tg::Variable loss = tg::nn::cross_entropy(logits, data.second);
    loss.backward();
    adam.step();
    accuracy = (logits.argmax(1) == data.second).float_().mean().item();
    if (step % 150 == 0) {
      std::cout << "step " << step << "  loss " << loss.item() << "  accuracy " << accuracy << '\n';
    }
  }
  std::cout << '\n';
  draw(model);
  return accuracy > 0.97 ? 0 : 1;
}
