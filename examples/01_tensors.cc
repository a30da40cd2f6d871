// Lesson 1: tensors. Numbers in a box with a shape; operations on whole boxes; views of parts.
#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

int main() {
  // Written as a list. Integers stay integers, anything with a point becomes float32.
  tg::Tensor prices = tg::tensor({{3.0, 1.5, 2.0}, {2.5, 1.0, 4.0}});  // (2 shops, 3 fruits)
  tg::Tensor basket = tg::tensor({4.0, 10.0, 1.0});                    // (3 fruits)
  std::cout << "prices\n" << prices << "\nshape " << prices.shape() << '\n';

  // Arithmetic is elementwise. Shapes are aligned at the right, and what is missing or 1 is
  // stretched: each shop's row is multiplied by the basket.
  tg::Tensor costs = prices * basket;  // (2, 3)
  std::cout << "\ncosts of each fruit\n" << costs << '\n';

  // Reductions fold dimensions away.
  std::cout << "\nwhole basket in each shop " << sum(costs, 1) << '\n';  // (2)
  std::cout << "the same as a product     " << matmul(prices, basket) << '\n';
  std::cout << "the cheaper shop is number " << argmin(sum(costs, 1)).item<int>() << '\n';

  // Views look at the same memory: no number is copied, and a change is seen by both.
  tg::Tensor first_shop = prices[0];        // (3)
  tg::Tensor by_fruit = transpose(prices);  // (3, 2)
  first_shop.mul_(2.0);
  std::cout << "\nafter the first shop doubled its prices\n" << by_fruit << '\n';

  // clone() has its own memory.
  tg::Tensor backup = prices.clone();
  prices.fill_(0.0);
  std::cout << "\nthe clone keeps them: " << sum(backup).item<float>() << '\n';

  // Errors say the operation, what came, and the likely fix.
  try {
    matmul(backup, backup);
  } catch (const tg::ShapeError& error) {
    std::cout << "\n" << error.what() << '\n';
  }
}
