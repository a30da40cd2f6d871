#include <tapegrad/tapegrad.h>

#include <iostream>

int main() {
  tapegrad::Variable x = tapegrad::parameter(tapegrad::tensor({1.0, 2.0, 3.0}));
  sum(square(x)).backward();
  std::cout << x.grad() << '\n';
}
