// Lesson 3: a neuron. It has one weight per input, a bias and a sigmoid. It learns which points lie
// above a line by gradient descent; two lines of our own take the place of an optimizer.
#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

int main() {
  tg::manual_seed(0);
  const tg::Tensor points = tg::rand({200, 2}) * 2.0 - 1.0;                  // (200, 2) in [-1, 1)
  const tg::Tensor above = points.select(1, 1) > 0.5 * points.select(1, 0);  // (200)
  const tg::Tensor labels = above.to(tg::float32);

  tg::Variable weight = tg::parameter(tg::zeros({2}));
  tg::Variable bias = tg::parameter(tg::zeros({}));

  for (int step = 0; step <= 300; ++step) {
    // The sigmoid of a logit is the probability that the point lies above the line.
    const tg::Variable logits = matmul(points, weight) + bias;  // (200)
    const tg::Variable loss = tg::nn::binary_cross_entropy_with_logits(logits, labels);
    loss.backward();

    weight.set_value(weight.value() - 1.0 * weight.grad());
    bias.set_value(bias.value() - 1.0 * bias.grad());
    weight.zero_grad();
    bias.zero_grad();

    if (step % 100 == 0) {
      const tg::Tensor right = (logits.value() > 0) == above;
      std::cout << "step " << step << "  loss " << loss.item() << "  right " << right.sum().item()
                << " of 200\n";
    }
  }
  // It found the line w0 x + w1 y + b = 0, here as y = slope x + offset. The points came from
  // y = 0.5 x.
  const float w0 = weight.item<float>({0});
  const float w1 = weight.item<float>({1});
  std::cout << "learned: above y = " << -w0 / w1 << " x + " << -bias.item() / w1 << '\n';
  return -w0 / w1 > 0.4f && -w0 / w1 < 0.6f ? 0 : 1;
}
