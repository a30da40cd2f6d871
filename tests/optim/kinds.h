// Every optimizer with options that select its different rules, and a table that is trained twice,
// with row-sparse gradients and with dense ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/random/random.h>

struct Kind {
  std::string name;
  std::function<std::unique_ptr<tapegrad::optim::Optimizer>(tapegrad::Variable)> make;
};

template <class Algorithm, class Options>
Kind kind(std::string name, Options options) {
  return {std::move(name),
          [options](tapegrad::Variable x) -> std::unique_ptr<tapegrad::optim::Optimizer> {
            return std::make_unique<Algorithm>(
                std::vector<tapegrad::NamedParameter>{tapegrad::NamedParameter("table", x)},
                options);
          }};
}

inline std::vector<Kind> all_kinds() {
  using namespace tapegrad::optim;
  const SGDOptions heavy{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01};
  SGDOptions dampened = heavy, nesterov = heavy;
  dampened.dampening = 0.5;
  nesterov.nesterov = true;
  return {
      kind<SGD>("SGD", SGDOptions{.lr = 0.1}),
      kind<SGD>("SGD, decay", SGDOptions{.lr = 0.1, .weight_decay = 0.01}),
      kind<SGD>("SGD, momentum", SGDOptions{.lr = 0.1, .momentum = 0.9, .maximize = true}),
      kind<SGD>("SGD, dampened", dampened),
      kind<SGD>("SGD, Nesterov", nesterov),
      kind<Adam>("Adam", AdamOptions{.lr = 0.01}),
      kind<Adam>("Adam, maximize", AdamOptions{.lr = 0.01, .maximize = true}),
      kind<Adam>("Adam, large eps", AdamOptions{.lr = 0.01, .eps = 1e-2}),
      kind<Adam>("Adam, fast means", AdamOptions{.lr = 0.01, .betas = {0.8, 0.9}}),
      kind<Adam>("Adam, m slower than v",
                 AdamOptions{.lr = 0.001, .betas = {0.95, 0.85}, .eps = 1e-4}),
      kind<Adam>("Adam, slow means", AdamOptions{.lr = 0.01, .betas = {0.999, 0.9999}}),
      kind<Adam>("Adam, decay", AdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      kind<Adam>("AMSGrad", AdamOptions{.lr = 0.01, .amsgrad = true}),
      kind<AdamW>("AdamW", AdamWOptions{.lr = 0.01, .weight_decay = 0.1}),
      kind<AdamW>("AdamW, AMSGrad", AdamWOptions{.lr = 0.01, .weight_decay = 0.1, .amsgrad = true}),
      kind<Adagrad>("Adagrad", AdagradOptions{.lr = 0.1, .lr_decay = 0.001}),
      kind<Adagrad>("Adagrad, decay", AdagradOptions{.lr = 0.1, .weight_decay = 0.01}),
      kind<RMSprop>("RMSprop", RMSpropOptions{.lr = 0.01}),
      kind<RMSprop>("RMSprop, decay", RMSpropOptions{.lr = 0.01, .weight_decay = 0.01}),
      kind<RMSprop>("RMSprop, centered",
                    RMSpropOptions{.lr = 0.001, .momentum = 0.9, .centered = true}),
      kind<Adadelta>("Adadelta", AdadeltaOptions{.lr = 1}),
      kind<Adadelta>("Adadelta, decay", AdadeltaOptions{.lr = 1, .weight_decay = 0.01}),
  };
}

// Ids of Zipf's distribution: the probability of id k is proportional to 1 / (k + 1).
class Zipf {
 public:
  explicit Zipf(std::int64_t n) {
    double total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      sums_.push_back(total += 1 / (1.0 + static_cast<double>(k)));
    }
  }
  tapegrad::Tensor draw(std::int64_t count, tapegrad::Generator& generator) const {
    std::vector<std::int64_t> ids;
    for (const double u :
         tapegrad::to_vector<double>(tapegrad::rand({count}, tapegrad::float64, generator))) {
      ids.push_back(std::ranges::lower_bound(sums_, u * sums_.back()) - sums_.begin());
    }
    return tapegrad::tensor(ids);
  }

 private:
  std::vector<double> sums_;
};

// The largest difference, relative to the largest element.
inline double difference(const tapegrad::Tensor& a, const tapegrad::Tensor& b) {
  using namespace tapegrad;
  return max(abs(a.to(float64) - b.to(float64))).item<double>() / max(abs(b)).item<double>();
}

// A table that is trained twice with the same gradients, once row-sparse and once dense.
struct Twins {
  tapegrad::Generator generator{5};
  Zipf zipf;
  tapegrad::Variable lazy, dense;
  std::unique_ptr<tapegrad::optim::Optimizer> lazy_optimizer, dense_optimizer;

  Twins(const Kind& one, std::int64_t rows, std::int64_t width,
        tapegrad::DType dtype = tapegrad::float64)
      : zipf(rows) {
    const tapegrad::Tensor start = tapegrad::randn({rows, width}, dtype, generator);
    lazy = tapegrad::parameter(start.clone());
    dense = tapegrad::parameter(start.clone());
    lazy_optimizer = one.make(lazy);
    dense_optimizer = one.make(dense);
  }

  // The gradient depends on the elements of the rows that are read.
  void backward() {
    using namespace tapegrad;
    const Tensor ids = zipf.draw(8, generator);
    const Tensor targets = randn({8, lazy.size(1)}, lazy.dtype(), generator);
    lazy.zero_grad();
    const Variable rows = embedding(lazy, ids);
    sum(rows * Variable(sin(rows.value() * 3.0 + targets) * 0.1)).backward();
    dense.set_grad(lazy.grad());
  }
  void step() {
    backward();
    lazy_optimizer->step();
    dense_optimizer->step();
  }
  void both(const std::function<void(tapegrad::Variable&, tapegrad::optim::Optimizer&)>& change) {
    change(lazy, *lazy_optimizer);
    change(dense, *dense_optimizer);
  }
  double difference() const { return ::difference(lazy.value(), dense.value()); }
};
