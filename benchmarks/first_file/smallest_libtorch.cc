#include <torch/torch.h>

#include <iostream>

int main() {
  torch::Tensor x = torch::tensor({1.0f, 2.0f, 3.0f}, torch::requires_grad());
  sum(square(x)).backward();
  std::cout << x.grad() << '\n';
}
