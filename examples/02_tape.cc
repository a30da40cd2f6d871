// Lesson 2: the tape. It records each operation of a computation, so that the gradients can be
// computed afterwards. autograd/tape.h explains how.
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

int main() {
  // We want the derivatives with respect to these two. They are leaves: no operation made them.
  tg::Variable a = tg::parameter(tg::tensor(2.0));
  tg::Variable b = tg::parameter(tg::tensor(-3.0));
  std::cout << "entries on the tape: " << tg::tape().size() << '\n';

  // Every operation computes its result at once, and appends an entry to the tape. The product has
  // a statement of its own: in a * b + square(a), C++ lets the compiler choose which comes first.
  tg::Variable product = a * b;
  tg::Variable total = product + square(a);
  tg::Variable y = tanh(total);
  std::cout << "\ny = tanh(a * b + a^2) = " << y.item() << "\n\n" << tg::tape();

  // The backward pass: y's entry gets the gradient 1, and each entry passes gradients to its
  // inputs. a is used twice, so its two gradients are added.
  y.backward();
  std::cout << "\ndy/da = " << a.grad().item() << ", dy/db = " << b.grad().item() << '\n';

  // The same by hand: y' = (1 - y^2) (b + 2a), (1 - y^2) a.
  const float slope = 1 - y.item<float>() * y.item<float>();
  std::cout << "by hand  " << slope * (-3 + 2 * 2) << ",         " << slope * 2 << '\n';

  // After the backward pass an entry releases its inputs. The entries of product, total and y are
  // left, because these variables still exist; the entry of square(a) is not.
  std::cout << "\nafter backward, entries: " << tg::tape().size() << '\n';
  y = tg::Variable();
  total = tg::Variable();
  product = tg::Variable();
  std::cout << "after the results are destroyed: " << tg::tape().size() << '\n';

  // Gradients can be recorded too and differentiated again: d(x^3) = 3x^2, d(3x^2) = 6x.
  tg::Variable x = tg::parameter(tg::tensor(2.0));
  tg::Variable cubed = x * x * x;
  tg::Variable first = tg::grad(cubed, {x}, {.create_graph = true})[0];
  tg::Variable second = tg::grad(first, {x}, {.create_graph = true})[0];
  std::cout << "\nx^3 at 2: value " << cubed.item() << ", first derivative " << first.item()
            << ", second " << second.item() << '\n';

  // A Trace writes down what happens while it exists. The page that it makes plays the steps one by
  // one, forward and backward.
  tg::Trace trace({.title = "y = tanh(a * b + a^2)"});
  trace.name(a, "a");
  trace.name(b, "b");
  tanh(a * b + square(a)).backward();
  trace.write_html("tape.html");
  std::cout << "\nopen tape.html in a browser\n";

  const bool right = first.item() == 12 && second.item() == 12;
  return right ? 0 : 1;
}
