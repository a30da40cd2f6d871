// What a user's first program does: numbers, history, a new operation, a model that trains, a file.
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <cstdint>
#include <iostream>

namespace tg = tapegrad;

struct TextClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::RNNCell cell;
  tg::nn::Linear head;

  TextClassifier(int64_t vocab, int64_t dim, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", tg::nn::Embedding(vocab, dim, {.padding_idx = 0}))),
        cell(register_module("cell", tg::nn::RNNCell(dim, hidden))),
        head(register_module("head", tg::nn::Linear(hidden, classes))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {
    tg::Variable x = embedding(tokens);
    tg::Variable h = cell.initial_state(tokens.size(0));
    for (int64_t t = 0; t < tokens.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);
  }
};

tg::Variable cube(const tg::Variable& x) {  // y = x^3, dx = dy * 3x^2
  return tg::record("cube", x.value() * x.value() * x.value(),
                    tg::from(x, [x](const tg::Variable& dy) { return dy * 3.0 * x * x; }));
}

int main() {
  tg::manual_seed(0);
  if (!tg::gradcheck([](auto& v) { return cube(v[0]); }, {tg::randn({2, 3}, tg::float64)}))
    return 1;

  TextClassifier model(50, 8, 16, 4);
  tg::optim::Adam adam(model.parameters(), {.lr = 1e-2});
  const tg::Tensor tokens = tg::randint(1, 50, {8, 5});
  const tg::Tensor labels = tg::randint(0, 4, {8});
  float first = 0.0f, last = 0.0f;
  for (int step = 0; step < 50; ++step) {
    adam.zero_grad();
    tg::Variable loss = tg::nn::cross_entropy(model(tokens), labels);
    loss.backward();
    tg::optim::clip_grad_norm(model.parameters(), 1.0);
    adam.step();
    last = loss.value().item<float>();
    if (step == 0) first = last;
  }
  tg::save("consumer.safetensors", model.state_dict());
  TextClassifier copy(50, 8, 16, 4);
  copy.load_state_dict(tg::load("consumer.safetensors"));
  const bool same = tg::allclose(copy(tokens).value(), model(tokens).value());
  std::cout << "loss " << first << " -> " << last << ", reloaded " << (same ? "equal" : "different")
            << '\n';
  return last < 0.5f * first && same ? 0 : 1;
}
