// Lesson 1: tensors. A tensor is an array of elements with a shape. Operations work on whole
// tensors, and views show parts of them.
#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

int main() {
  // A tensor can be written as a list. Integers stay integers; decimals become float32.
  tg::Tensor prices = tg::tensor({{3.0, 1.5, 2.0}, {2.5, 1.0, 4.0}});  // (2 shops, 3 fruits)
  tg::Tensor basket = tg::tensor({4.0, 10.0, 1.0});                    // (3 fruits)
  std::cout << "prices\n" << prices << "\nshape " << prices.shape() << '\n';

  // Arithmetic is elementwise. Shapes are aligned at the right, and a dimension that is missing or
  // 1 is repeated (broadcasting): each shop's row is multiplied by the basket.
  tg::Tensor costs = prices * basket;  // (2, 3)
  std::cout << "\ncosts of each fruit\n" << costs << '\n';

  // A reduction removes a dimension.
  std::cout << "\nwhole basket in each shop " << costs.sum(1) << '\n';  // (2)
  std::cout << "the same as a product     " << matmul(prices, basket) << '\n';
  std::cout << "the index of the cheaper shop is " << costs.sum(1).argmin().item() << '\n';

  // A view shares the memory of its tensor: no element is copied, and both show a change.
  tg::Tensor first_shop = prices[0];  // (3)
  tg::Tensor by_fruit = prices.T();   // (3, 2)
  first_shop.mul_(2.0);
  std::cout << "\nafter the first shop doubled its prices\n" << by_fruit << '\n';

  // clone() has its own memory.
  tg::Tensor backup = prices.clone();
  prices.fill_(0.0);
  std::cout << "\nthe clone keeps them: " << backup.sum().item() << '\n';

  // An error names the operation, the shapes it got, and the likely fix.
  try {
    matmul(backup, backup);
  } catch (const tg::ShapeError& error) {
    std::cout << "\n" << error.what() << '\n';
  }
}
