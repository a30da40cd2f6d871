// Writes the tapes of small programs as JSON, for the tests of the page:
// tapegrad_trace_samples FOLDER. Read next: autograd/trace/page/README.md.
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
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

// Every optimizer, with the options that change its formula. Each trains a parameter of its own.
struct Training {
  std::vector<tg::NamedParameter> parameters;
  std::vector<std::shared_ptr<tg::optim::Optimizer>> optimizers;

  template <class Optimizer, class Options>
  void add(const std::string& name, Options options, tg::DType dtype = tg::float64,
           bool sparse = false) {
    tg::Variable table = tg::parameter(tg::randn({5, 2}, dtype));
    if (sparse) table.row_policy().set_sparse(true);
    parameters.push_back({name, table});
    optimizers.push_back(std::make_shared<Optimizer>(std::vector{parameters.back()}, options));
  }
  void add_all() {
    using namespace tg::optim;
    add<SGD>("SGD", SGDOptions{.lr = 0.1});
    add<SGD>("SGD, momentum",
             SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05});
    add<SGD>("SGD, Nesterov",
             SGDOptions{.lr = 0.1, .momentum = 0.8, .nesterov = true, .maximize = true});
    add<Adam>("Adam", AdamOptions{.lr = 0.05});
    add<Adam>("Adam, float32", AdamOptions{.lr = 0.05}, tg::float32);
    add<Adam>("Adam, AMSGrad", AdamOptions{.lr = 0.05,
                                           .betas = {0.7, 0.8},
                                           .weight_decay = 0.1,
                                           .amsgrad = true,
                                           .maximize = true});
    add<Adam>("Adam, sparse", AdamOptions{.lr = 0.05}, tg::float64, true);
    add<AdamW>("AdamW", AdamWOptions{.lr = 0.05, .eps = 1e-3, .weight_decay = 0.2});
    add<SparseAdam>("SparseAdam", SparseAdamOptions{.lr = 0.05});
    add<Adagrad>(
        "Adagrad",
        AdagradOptions{
            .lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.1, .initial_accumulator_value = 0.5});
    add<Adadelta>("Adadelta", AdadeltaOptions{.lr = 0.9, .rho = 0.8, .weight_decay = 0.1});
    add<RMSprop>("RMSprop", RMSpropOptions{.lr = 0.01, .weight_decay = 0.1});
    add<RMSprop>(
        "RMSprop, centered",
        RMSpropOptions{
            .lr = 0.01, .alpha = 0.8, .momentum = 0.7, .centered = true, .maximize = true});
    add<NAdam>("NAdam", NAdamOptions{.lr = 0.05, .weight_decay = 0.1});
    add<RAdam>("RAdam", RAdamOptions{.lr = 0.05, .betas = {0.7, 0.8}, .weight_decay = 0.1});
    add<Lion>("Lion", LionOptions{.lr = 0.02, .weight_decay = 0.1, .maximize = true});
  }
};

// Lookups, so the gradients are row-sparse; in the last two steps most of them are dense.
void optimizers(const std::string& path) {
  tg::manual_seed(6);
  tg::Trace trace({.title = "all optimizers"});
  Training training;
  training.add_all();
  for (int step = 0; step < 5; ++step) {
    tg::Variable loss;
    for (const auto& [name, table] : training.parameters) {
      const bool is_dense = step > 2 && name.find("parse") == std::string::npos;
      const tg::Variable rows =
          is_dense ? tanh(table) : square(embedding(table, tg::tensor({step, 1, 1})));
      const tg::Variable part = sum(rows * rows).to(tg::float64);
      loss = loss.defined() ? loss + part : part;
    }
    for (const auto& optimizer : training.optimizers) optimizer->zero_grad();
    loss.backward();
    for (const auto& optimizer : training.optimizers) optimizer->step();
  }
  trace.write_json(path);
}

// The gradient that the optimizer uses is not the one that the pass added.
void clipped(const std::string& path) {
  tg::Trace trace({.title = "clipped gradients"});
  const std::vector<tg::NamedParameter> parameters{{"w", tg::parameter(tg::tensor({3.0, -4.0}))}};
  tg::optim::SGD sgd(parameters, {.lr = 0.1, .momentum = 0.5});
  for (int step = 0; step < 2; ++step) {
    sgd.zero_grad();
    sum(square(parameters[0].variable)).backward();
    tg::optim::clip_grad_norm(parameters, 1.0);
    sgd.step();
  }
  trace.write_json(path);
}

// An optimizer that the page does not know.
struct SignOptions {
  double lr = 0.1;
};
class SignSGD final : public tg::optim::OptimizerWith<SignOptions> {
 public:
  explicit SignSGD(std::vector<tg::NamedParameter> parameters) : OptimizerWith("SignSGD") {
    add_group(std::move(parameters), {});
  }

 private:
  void update(tg::optim::Update& x, std::size_t) override { x.p = x.p - x.lr * sign(x.g); }
};

void own_optimizer(const std::string& path) {
  tg::Trace trace({.title = "an optimizer of the user's own"});
  const tg::Variable w = tg::parameter(tg::tensor({1.0, -2.0}));
  SignSGD sign_sgd({{"w", w}});
  for (int step = 0; step < 2; ++step) {
    sign_sgd.zero_grad();
    sum(square(w)).backward();
    sign_sgd.step();
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
  optimizers(folder + "optimizers.json");
  clipped(folder + "clipped.json");
  own_optimizer(folder + "own_optimizer.json");
  return 0;
}
