// Writes the tapes of small programs as JSON, for the tests of the page:
// tapegrad_trace_samples FOLDER. Read next: autograd/trace/page/README.md.
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

namespace tg = tapegrad;

namespace {

void scalar(const std::string& path) {
  tg::Trace trace({.title = "a scalar expression"});
  const tg::Variable a = tg::parameter(tg::tensor(2.0F)), b = tg::parameter(tg::tensor(-3.0F));
  trace.name(a, "a");
  trace.name(b, "b");
  const tg::Variable c = a * b;
  const tg::Variable loss = tanh(c * 0.25 + a) * c;
  loss.backward();
  trace.write_json(path);
}

// Two spirals, and a classifier of points.
void spirals(const std::string& path) {
  tg::manual_seed(0);
  std::vector<std::vector<float>> points;
  std::vector<std::int64_t> classes;
  for (int i = 0; i < 8; ++i) {
    const double angle = 0.6 * i, radius = 0.2 + 0.1 * i;
    for (int side = 0; side < 2; ++side) {
      const double sign = side == 0 ? 1 : -1;
      points.push_back({static_cast<float>(sign * radius * std::cos(angle)),
                        static_cast<float>(sign * radius * std::sin(angle))});
      classes.push_back(side);
    }
  }
  tg::Tensor x = tg::zeros({16, 2});
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) x.mutable_span<float>()[2 * i + j] = points[i][j];
  }
  tg::Trace trace({.title = "two spirals"});
  trace.name(x, "points");
  const tg::nn::Sequential model{tg::nn::Linear(2, 8), tg::nn::Tanh(), tg::nn::Linear(8, 2)};
  tg::optim::SGD sgd(model.parameters(), {.lr = 0.5});
  for (int step = 0; step < 2; ++step) {
    trace.snapshot("step " + std::to_string(step));
    sgd.zero_grad();
    tg::nn::cross_entropy(model(x), tg::tensor(classes)).backward();
    sgd.step();
  }
  trace.write_json(path);
}

void bag(const std::string& path) {
  tg::manual_seed(1);
  const tg::nn::EmbeddingBag table(10, 3);
  const tg::nn::Linear head(3, 2);
  std::vector<tg::NamedParameter> parameters{
      {"table.weight", table.weight}, {"head.weight", head.weight}, {"head.bias", head.bias}};
  tg::optim::Adam adam(parameters, {.lr = 0.1});
  tg::Trace trace({.title = "an embedding bag with Adam"});
  for (int step = 0; step < 2; ++step) {
    adam.zero_grad();
    const tg::Variable h = table(tg::tensor({{1, 2, 4}, {2, 2, 7}}));
    tg::nn::cross_entropy(head(h), tg::tensor({0, 1})).backward();
    adam.step();
  }
  trace.write_json(path);
}

// The classifier of the README, unrolled over 12 words.
struct TextClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::RNNCell cell;
  tg::nn::Linear head;
  TextClassifier()
      : embedding(register_module("embedding", tg::nn::Embedding(20, 4, {.padding_idx = 0}))),
        cell(register_module("cell", tg::nn::RNNCell(4, 5))),
        head(register_module("head", tg::nn::Linear(5, 3))) {}
  tg::Variable operator()(const tg::Tensor& tokens) const {
    return hooked(
        [this](const tg::Tensor& ids) {
          const tg::Variable x = embedding(ids);
          tg::Variable h = cell.initial_state(ids.size(0));
          for (std::int64_t t = 0; t < ids.size(1); ++t) h = cell(select(x, 1, t), h);
          return head(h);
        },
        tokens);
  }
};

void rnn(const std::string& path) {
  tg::manual_seed(2);
  const TextClassifier model;
  tg::optim::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  const tg::Tensor tokens = tg::randint(1, 20, {2, 12});
  tg::Trace trace({.title = "a recurrent text classifier"});
  tg::nn::cross_entropy(model(tokens), tg::tensor({2, 0})).backward();
  sgd.step();
  trace.write_json(path);
}

// The gradient's norm as a penalty: a second pass through the first one.
void twice(const std::string& path) {
  tg::manual_seed(3);
  tg::Trace trace({.title = "a gradient of a gradient"});
  const tg::Variable w = tg::parameter(tg::randn({3}, tg::float64));
  trace.name(w, "w");
  const tg::Variable y = sum(tanh(w * w));
  const tg::Variable g = tg::grad(y, w, {.create_graph = true});
  (y + 0.1 * sum(square(g))).backward();
  trace.write_json(path);
}

void failing(const std::string& path) {
  tg::manual_seed(4);
  tg::Trace trace({.title = "a program that fails"});
  const tg::Variable w = tg::parameter(tg::randn({10, 4}));
  trace.name(w, "w");
  try {
    matmul(relu(w), w);
  } catch (const tg::Error& error) {
    trace.failed(error);
  }
  trace.write_json(path);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tapegrad_trace_samples FOLDER\n";
    return 1;
  }
  const std::string folder = std::string(argv[1]) + "/";
  scalar(folder + "scalar.json");
  spirals(folder + "spirals.json");
  bag(folder + "bag.json");
  rnn(folder + "rnn.json");
  twice(folder + "twice.json");
  failing(folder + "failing.json");
  return 0;
}
