// Lesson 8: an optimizer of your own, with state. Rprop (Riedmiller and Braun 1993) uses only the
// sign of the gradient. While the gradient of an element keeps its sign, the steps of this element
// grow. When the sign changes, the last step went too far, and the next ones are smaller. update()
// computes the step; Optimizer does the rest: groups, frozen rows, row-sparse gradients, saving.
#include <tapegrad/tapegrad.h>

#include <iomanip>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace tg = tapegrad;

namespace {

struct RpropOptions {
  double lr = 1e-2;                                   // the first step of every element
  std::pair<double, double> etas = {0.5, 1.2};        // the factors that shrink and grow a step
  std::pair<double, double> step_sizes = {1e-6, 50};  // the smallest and the largest step
  bool maximize = false;
};

class Rprop final : public tg::optim::OptimizerWith<RpropOptions> {
 public:
  explicit Rprop(std::vector<tg::NamedParameter> parameters, RpropOptions options = {})
      : OptimizerWith("Rprop") {
    add_group(std::move(parameters), options);
  }

 private:
  void check_options(const RpropOptions& o) const override {
    check(o.etas.first > 0 && o.etas.first < 1, "eta 0", o.etas.first, "a number in (0, 1)");
    check(o.etas.second > 1, "eta 1", o.etas.second, "a number > 1");
  }

  // The state of each parameter: PyTorch's names, and the first value of the elements (default: 0).
  std::vector<tg::optim::Moment> moments(std::size_t group) const override {
    return {{"prev"}, {"step_size", options(group).lr}};
  }

  // The step, as torch.optim.Rprop computes it.
  void update(tg::optim::Update& x, std::size_t group) override {
    const RpropOptions& o = options(group);
    tg::Tensor g = o.maximize ? -x.g : x.g;
    tg::Tensor& prev = x.moments[0];
    tg::Tensor& step_size = x.moments[1];
    const tg::Tensor turn = g * prev;  // < 0 where the sign has changed
    const tg::Tensor factor =
        where(turn > 0, o.etas.second, where(turn < 0, o.etas.first, ones_like(turn)));
    step_size = clamp(step_size * factor, o.step_sizes.first, o.step_sizes.second);
    g = where(turn < 0, 0.0, g);  // no step now; and the next does not shrink again
    x.p = x.p - sign(g) * step_size;
    prev = g;
  }
};

// Classifies pairs of words: are both < 4, or neither? One linear layer could not learn this.
struct Pairs : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::Linear hidden, head;

  Pairs()
      : embedding(register_module("embedding", tg::nn::Embedding(8, 2))),
        hidden(register_module("hidden", tg::nn::Linear(4, 6))),
        head(register_module("head", tg::nn::Linear(6, 2))) {}

  tg::Variable operator()(const tg::Tensor& pairs) const {                // (n, 2)
    const tg::Variable x = embedding(pairs).reshape({pairs.size(0), 4});  // (n, 2 * 2)
    return head(tanh(hidden(x)));                                         // (n, 2)
  }
};

// Every step uses the whole data set, as Rprop requires. Returns the last loss.
double train(Pairs& model, tg::optim::Optimizer& optimizer, int steps) {
  std::vector<std::int64_t> words, labels;
  for (std::int64_t a = 0; a < 8; ++a) {
    for (std::int64_t b = 0; b < 8; ++b) {
      words.insert(words.end(), {a, b});
      labels.push_back((a < 4) == (b < 4) ? 1 : 0);
    }
  }
  const tg::Tensor pairs = tg::tensor(words).reshape({64, 2});
  double last = 0;
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    const tg::Variable loss = tg::nn::cross_entropy(model(pairs), tg::tensor(labels));
    loss.backward();  // the table's gradient is row-sparse; update() needs no code for that
    optimizer.step();
    last = loss.item();
  }
  return last;
}

const char* yes_or_no(bool x) { return x ? "yes" : "no"; }

}  // namespace

int main() {
  constexpr int kSteps = 40;
  std::cout << "loss after " << kSteps << " steps\n" << std::fixed << std::setprecision(4);
  tg::manual_seed(0);
  Pairs model;
  model.embedding.freeze_rows({0, 7});
  const tg::Tensor before = model.embedding.weight.value();
  const tg::StateDict start = model.state_dict();
  Rprop rprop(model.parameters());
  std::cout << "  Rprop  " << train(model, rprop, kSteps) << '\n';
  const tg::Tensor after = model.embedding.weight.value();

  Pairs other;
  other.load_state_dict(start);
  tg::optim::SGD sgd(other.parameters(), {.lr = 0.1});
  std::cout << "  SGD    " << train(other, sgd, kSteps) << "\n\n";

  std::cout << "frozen words moved: "
            << yes_or_no(!equal(after[0], before[0]) || !equal(after[7], before[7]))
            << ", word 1 moved: " << yes_or_no(!equal(after[1], before[1])) << '\n';
  const tg::Tensor& sizes = rprop.state(model.head.weight).moments[1];
  std::cout << "steps of the head's elements, all 0.01 at first: from " << sizes.min().item()
            << " to " << sizes.max().item() << "\n\n";

  // Saved halfway and resumed by another optimizer, training gives the same bits.
  Pairs first, second;
  first.load_state_dict(start);
  first.embedding.freeze_rows({0, 7});
  Rprop of_first(first.parameters());
  train(first, of_first, kSteps / 2);
  second.load_state_dict(first.state_dict());
  second.embedding.freeze_rows({0, 7});
  Rprop of_second(second.parameters(), {.lr = 1});
  of_second.load_state_dict(of_first.state_dict());  // tg::save() would write it to a file
  train(second, of_second, kSteps / 2);
  const bool same = equal(second.embedding.weight.value(), after) &&
                    equal(second.head.weight.value(), model.head.weight.value());
  std::cout << "saved after " << kSteps / 2
            << " steps and resumed, the same bits: " << yes_or_no(same) << '\n';
  for (const auto& [name, value] : of_second.state_dict()) {
    if (name.find("embedding") != std::string::npos)
      std::cout << "  " << name << ' ' << value.shape() << '\n';
  }

  try {
    Rprop wrong(model.parameters(), {.etas = {1.5, 1.2}});
  } catch (const tg::ValueError& error) {
    std::cout << '\n' << error.what() << '\n';
  }
  return same ? 0 : 1;
}
