// A user's program, which must compile without changes: tensors, history, layers, training, freezing,
// and an operation of the user's own. It is built in the tree, with an installed copy, and with the
// sources as a subdirectory (tests/packaging). It ends with status 1 if a result is wrong.
#include <tapegrad/tapegrad.h>

#include <iostream>
#include <utility>
#include <vector>
namespace tg = tapegrad;

namespace {

int failures = 0;
void expect(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "not true: " << what << '\n';
  ++failures;
}
#define EXPECT(condition) expect(condition, #condition)

tg::Tensor numbers() {
  tg::Tensor a = tg::tensor({{1.0f, 2.0f}, {3.0f, 4.0f}});
  tg::Tensor ids = tg::tensor({1, 2, 4, 5});
  tg::Tensor more = tg::tensor(std::vector<int64_t>{6, 7});
  tg::Tensor z = tg::zeros({2, 3}, tg::float64);
  tg::Tensor c = tanh(matmul(a, tg::ones({2, 2}))) + 2.0;
  float x01 = c.item<float>({0, 1});
  std::span<const float> all = c.span<float>();
  std::cout << x01 << ' ' << all.size() << '\n';
  std::cout << c << '\n';
  EXPECT(ids.dtype() == tg::int64 && ids.shape() == tg::Shape({4}));
  EXPECT(more.item<int>({1}) == 7);
  EXPECT(z.dtype() == tg::float64 && z.numel() == 6);
  EXPECT(x01 > 2.99f && x01 < 3.0f && all.size() == 4);
  EXPECT(tg::tensor({1.0, 2.0}).dtype() == tg::float32);
  return a;
}

void history(const tg::Tensor& a) {
  tg::Variable w = tg::parameter(tg::randn({2, 3}));
  tg::Variable y = tanh(matmul(a, w));
  tg::Variable loss = mean(square(y));
  std::cout << tg::tape();
  EXPECT(tg::tape().size() == 4);
  loss.backward();
  tg::Tensor dw = w.grad();
  w.set_value(w.value() - 0.1 * dw);
  tg::Variable loss2 = mean(square(tanh(matmul(a, w))));
  EXPECT(loss2.item<float>() < loss.item<float>());
  std::vector<tg::Variable> first = tg::grad(loss2, {w}, {.create_graph = true});
  tg::Variable second = tg::grad(sum(first[0]), {w})[0];
  EXPECT(second.shape() == w.shape());
  { tg::NoGrad guard; tg::Tensor plain = matmul(a, w).value(); }
  w.set_requires_grad(false);
  EXPECT(!w.requires_grad());
}

struct TextClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::RNNCell cell;
  tg::nn::Linear head;

  TextClassifier(int64_t vocab, int64_t dim, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", tg::nn::Embedding(vocab, dim, {.padding_idx = 0}))),
        cell(register_module("cell", tg::nn::RNNCell(dim, hidden))),
        head(register_module("head", tg::nn::Linear(hidden, classes))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {   // (batch, steps) int64
    tg::Variable x = embedding(tokens);                       // (batch, steps, dim)
    tg::Variable h = cell.initial_state(tokens.size(0));      // (batch, hidden)
    for (int64_t t = 0; t < tokens.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);                                           // (batch, classes)
  }
};

void training() {
  tg::manual_seed(0);
  TextClassifier model(20'000, 64, 128, 4);
  tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
  std::vector<std::pair<tg::Tensor, tg::Tensor>> batches = {{tg::randint(1, 20'000, {32, 40}), tg::randint(0, 4, {32})}};
  for (const auto& [tokens, labels] : batches) {
    adam.zero_grad();
    tg::Variable loss = tg::nn::cross_entropy(model(tokens), labels);
    loss.backward();
    tg::optim::clip_grad_norm(model.parameters(), 1.0);
    adam.step();
  }
  model.eval();
  tg::save("model.safetensors", model.state_dict());
  model.load_state_dict(tg::load("model.safetensors"));
  EXPECT(tg::load("model.safetensors").contains("cell.weight_ih"));

  model.embedding.weight.set_requires_grad(false);
  model.embedding.freeze_rows({0, 7, 9});
  tg::Tensor vectors = tg::randn({20'000, 64});
  auto pretrained = tg::nn::Embedding::from_pretrained(vectors, {.freeze = true});
  EXPECT(!pretrained.weight.requires_grad());
  EXPECT(equal(pretrained(tg::tensor({3})).value(), narrow(vectors, 0, 3, 1)));
}

tg::Variable cube(const tg::Variable& x) {                    // y = x^3, dx = dy * 3x^2
  return tg::record("cube", x.value() * x.value() * x.value(),
                    tg::from(x, [x](const tg::Variable& dy) { return dy * 3.0 * x * x; }));
}

}  // namespace

int main() {
  history(numbers());
  training();
  std::cout << tg::gradcheck([](auto& v) { return cube(v[0]); }, {tg::randn({2, 3}, tg::float64)}) << '\n';
  EXPECT(tg::tape().size() == 0);
  return failures == 0 ? 0 : 1;
}
