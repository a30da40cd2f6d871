#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

struct Classifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::RNNCell cell;
  tg::nn::Linear head;

  Classifier(int64_t vocabulary, int64_t dim, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", tg::nn::Embedding(vocabulary, dim))),
        cell(register_module("cell", tg::nn::RNNCell(dim, hidden))),
        head(register_module("head", tg::nn::Linear(hidden, classes))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {
    tg::Variable x = embedding(tokens);
    tg::Variable h = cell.initial_state(tokens.size(0));
    for (int64_t t = 0; t < tokens.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);
  }
};

int main() {
  Classifier model(1000, 16, 32, 4);
  tg::optim::Adam adam(model.parameters(), {.lr = 1e-2});
  tg::Tensor tokens = tg::randint(0, 1000, {32, 10}), labels = tg::randint(0, 4, {32});
  for (int step = 0; step < 50; ++step) {
    adam.zero_grad();
    tg::Variable loss = tg::nn::cross_entropy(model(tokens), labels);
    loss.backward();
    adam.step();
    if (step % 10 == 9) std::cout << loss.item<float>() << '\n';
  }
}
