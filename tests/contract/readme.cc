#include <tapegrad/tapegrad.h>

#include <iostream>
namespace tg = tapegrad;

// Tells which of two classes a sentence belongs to, by the mean of its words' vectors.
struct Classifier : tg::nn::Module {
  tg::nn::Embedding words;
  tg::nn::Linear head;
  Classifier()
      : words(register_module("words", tg::nn::Embedding(8, 4))),
        head(register_module("head", tg::nn::Linear(4, 2))) {}
  tg::Variable operator()(const tg::Tensor& ids) const { return head(words(ids).mean(1)); }
};

int main() {
  tg::manual_seed(0);
  std::cout.precision(3);
  Classifier model;
  tg::optim::Adam adam(model.parameters(), {.lr = 0.05});
  const tg::Tensor sentences = tg::tensor({{1, 2, 3}, {4, 5, 3}, {1, 6, 7}, {4, 6, 7}});
  const tg::Tensor labels = tg::tensor({0, 1, 0, 1});
  for (int step = 0; step <= 20; ++step) {
    adam.zero_grad();
    const tg::Variable loss = tg::nn::cross_entropy(model(sentences), labels);
    loss.backward();
    adam.step();
    if (step % 10 == 0) std::cout << "step " << step << "  loss " << loss.item() << '\n';
  }
  std::cout << model << softmax(model(tg::tensor({{1, 3, 2}})), 1).value() << '\n';
}
