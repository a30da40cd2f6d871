// libtorch as a peer, written in the style of its tutorials. Workloads:
//   operation NAME ELEMENTS RECORDED                    a chain of 1,000, with its backward pass
//   classifier KIND VOCABULARY DIM HIDDEN STEPS BATCH   a training step; KIND is rnn, lstm,
//                                                       gru or cell
//   classifier_forward KIND ...                         its forward pass, recording off
//   classifier_memory KIND ...                          what eight training steps add to the peak
//                                                       of memory, the model included
//   mlp BATCH                                           a training step of a network 64-64-1
//   bag DIM LENGTH BATCH COUNT                          a training step on the documents of
//                                                       ../documents.h
//   bag_accuracy DIM LENGTH BATCH COUNT EPOCHS RATE     accuracy in % on unseen documents
//   loop STEPS                                          RNNCell, batch 32, 128 to 128, with its
//                                                       backward pass
//   loop_memory STEPS                                   peak of memory in bytes, beside inputs and
//                                                       their gradients
//   chain OPERATIONS, chain_memory OPERATIONS           the same for a chain on one element
//   optimizer NAME PARAMETERS                           a step of adam or sgd
//   conv2d BATCH IN SIDE OUT KERNEL GRADIENT LAST       a convolution with its backward pass;
//                                                       GRADIENT: also of the images; LAST: with
//                                                       channels last
//   lenet BATCH LAST                                    a training step of LeNet
//   table NAME ROWS                                     a step on a table of 64 columns
// Read next: ../operation.cc.
#include <torch/torch.h>

#include <istream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../documents.h"
#include "../peer.h"

namespace {

using measure::Work;
using torch::Tensor;

Work operation(std::istream& arguments) {
  std::string name;
  std::int64_t elements = 0;
  bool recorded = false;
  arguments >> name >> elements >> recorded;
  const Tensor x = torch::full({elements}, 0.5F).requires_grad_();
  const Tensor c = torch::full({elements}, 0.9995F);
  const Tensor dy = torch::ones({elements});
  const auto chain = [=](auto apply) -> Work {
    return [=] {
      std::optional<torch::NoGradGuard> guard;
      if (!recorded) guard.emplace();
      Tensor y = x;
      for (int i = 0; i < 1000; ++i) y = apply(y);
      if (!recorded) return;
      x.mutable_grad() = Tensor();
      y.backward(dy);
    };
  };
  if (name == "add") return chain([c](const Tensor& y) { return y + c; });
  if (name == "mul") return chain([c](const Tensor& y) { return y * c; });
  if (name == "tanh") return chain([](const Tensor& y) { return torch::tanh(y); });
  return nullptr;
}

// Contiguous, or with channels last.
Tensor laid_out(const Tensor& x, bool last) {
  return last ? x.contiguous(torch::MemoryFormat::ChannelsLast) : x;
}

Work conv2d(std::istream& arguments) {
  std::int64_t batch = 0, in = 0, side = 0, out = 0, kernel = 0;
  bool gradient = false, last = false;
  arguments >> batch >> in >> side >> out >> kernel >> gradient >> last;
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
  const Tensor x = laid_out(torch::randn({batch, in, side, side}), last).requires_grad_(gradient);
  const Tensor dy = laid_out(torch::randn({batch, out, side, side}), last);
  return [=]() mutable {
    layer->zero_grad();
    if (gradient) x.mutable_grad() = Tensor();
    layer->forward(x).backward(dy);
  };
}

Work lenet(std::istream& arguments) {
  std::int64_t batch = 0;
  bool last = false;
  arguments >> batch >> last;
  namespace nn = torch::nn;
  nn::Sequential model(nn::Conv2d(nn::Conv2dOptions(1, 6, 5).padding(2)), nn::ReLU(),
                       nn::MaxPool2d(2), nn::Conv2d(6, 16, 5), nn::ReLU(), nn::MaxPool2d(2),
                       nn::Flatten(), nn::Linear(400, 120), nn::ReLU(), nn::Linear(120, 84),
                       nn::ReLU(), nn::Linear(84, 10));
  auto adam =
      std::make_shared<torch::optim::Adam>(model->parameters(), torch::optim::AdamOptions(1e-3));
  const Tensor images = laid_out(torch::rand({batch, 1, 28, 28}), last);
  const Tensor labels = torch::randint(0, 10, {batch}, torch::kLong);
  return [=]() mutable {
    adam->zero_grad();
    nn::functional::cross_entropy(model->forward(images), labels).backward();
    adam->step();
  };
}

Work mlp(std::istream& arguments) {
  std::int64_t size = 0;
  arguments >> size;
  torch::nn::Sequential model(torch::nn::Linear(64, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 1));
  auto sgd =
      std::make_shared<torch::optim::SGD>(model->parameters(), torch::optim::SGDOptions(1e-2));
  std::vector<Tensor> xs;
  std::vector<Tensor> ys;
  for (int i = 0; i < 8; ++i) {
    xs.push_back(torch::randn({size, 64}));
    ys.push_back(torch::randn({size, 1}));
  }
  return [=, turn = std::size_t{0}]() mutable {
    sgd->zero_grad();
    torch::nn::functional::mse_loss(model->forward(xs[turn % 8]), ys[turn % 8]).backward();
    sgd->step();
    ++turn;
  };
}

// The mean of a document's word vectors, and a linear layer. The initial values are fastText's.
class BagClassifier {
 public:
  BagClassifier(std::int64_t dim, double rate)
      : embedding_(torch::nn::EmbeddingBagOptions(Documents::kVocabulary, dim)
                       .mode(torch::kMean)
                       .sparse(true)),
        head_(dim, Documents::kClasses) {
    const torch::NoGradGuard guard;
    embedding_->weight.uniform_(-1.0 / static_cast<double>(dim), 1.0 / static_cast<double>(dim));
    head_->weight.zero_();
    head_->bias.zero_();
    std::vector<Tensor> parameters = embedding_->parameters();
    for (const Tensor& more : head_->parameters()) parameters.push_back(more);
    sgd_ = std::make_unique<torch::optim::SGD>(parameters, torch::optim::SGDOptions(rate));
  }

  Tensor operator()(const Tensor& words) { return head_->forward(embedding_->forward(words)); }
  void step(const Tensor& words, const Tensor& labels) {
    sgd_->zero_grad();
    torch::nn::functional::cross_entropy((*this)(words), labels).backward();
    sgd_->step();
  }
  void set_rate(double rate) { sgd_->param_groups()[0].options().set_lr(rate); }

 private:
  torch::nn::EmbeddingBag embedding_;
  torch::nn::Linear head_;
  std::unique_ptr<torch::optim::SGD> sgd_;
};

std::pair<Tensor, Tensor> tensors_of(const Documents& documents) {
  return {torch::tensor(documents.words).view({documents.count, documents.length}),
          torch::tensor(documents.labels)};
}

Work bag(std::istream& arguments) {
  std::int64_t dim = 0;
  std::int64_t length = 0;
  std::int64_t batch = 0;
  std::int64_t count = 0;
  arguments >> dim >> length >> batch >> count;
  auto model = std::make_shared<BagClassifier>(dim, 0.1);
  const auto [words, labels] = tensors_of(Documents(count, length, Documents::kToTrain));
  return [=, words = words.split(batch), labels = labels.split(batch),
          turn = std::size_t{0}]() mutable {
    model->step(words[turn % words.size()], labels[turn % labels.size()]);
    ++turn;
  };
}

measure::Answer bag_accuracy(std::istream& arguments) {
  std::int64_t dim = 0;
  std::int64_t length = 0;
  std::int64_t batch = 0;
  std::int64_t count = 0;
  std::int64_t epochs = 0;
  double rate = 0;
  arguments >> dim >> length >> batch >> count >> epochs >> rate;
  return [=](std::int64_t) {
    BagClassifier model(dim, rate);
    const auto [words, labels] = tensors_of(Documents(count, length, Documents::kToTrain));
    const auto batches = words.split(batch);
    const auto answers = labels.split(batch);
    const std::size_t steps = static_cast<std::size_t>(epochs) * batches.size();
    for (std::size_t i = 0; i < steps; ++i) {
      model.set_rate(rate * (1.0 - static_cast<double>(i) / static_cast<double>(steps)));
      model.step(batches[i % batches.size()], answers[i % batches.size()]);
    }
    const torch::NoGradGuard guard;
    const auto [unseen, right] = tensors_of(Documents(count, length, Documents::kToTest));
    return 100.0 * model(unseen).argmax(1).eq(right).to(torch::kFloat64).mean().item<double>();
  };
}

// An embedding, a recurrent part, a linear layer on the last state; and batches for them.
class Classifier {
 public:
  explicit Classifier(std::istream& arguments) {
    std::string kind;
    std::int64_t vocabulary = 0;
    std::int64_t dim = 0;
    std::int64_t hidden = 0;
    std::int64_t steps = 0;
    std::int64_t batch = 0;
    arguments >> kind >> vocabulary >> dim >> hidden >> steps >> batch;
    const std::int64_t classes = 4;
    embedding_ = torch::nn::Embedding(torch::nn::EmbeddingOptions(vocabulary, dim).padding_idx(0));
    head_ = torch::nn::Linear(hidden, classes);
    parameters_ = embedding_->parameters();
    learn(head_->parameters());
    recur(kind, dim, hidden);
    for (int i = 0; i < 8; ++i) {
      tokens_.push_back(torch::randint(1, vocabulary, {batch, steps}, torch::kInt64));
      labels_.push_back(torch::randint(0, classes, {batch}, torch::kInt64));
    }
  }

  const std::vector<Tensor>& parameters() const { return parameters_; }
  Tensor loss() {
    const Tensor& labels = labels_[turn_ % 8];
    return torch::nn::functional::cross_entropy(logits(), labels);
  }
  Tensor logits() { return head_->forward(last_state_(embedding_->forward(tokens_[turn_++ % 8]))); }

 private:
  void learn(const std::vector<Tensor>& more) {
    parameters_.insert(parameters_.end(), more.begin(), more.end());
  }
  void recur(const std::string& kind, std::int64_t dim, std::int64_t hidden) {
    if (kind == "rnn") {
      torch::nn::RNN rnn(torch::nn::RNNOptions(dim, hidden).batch_first(true));
      learn(rnn->parameters());
      last_state_ = [rnn](const Tensor& x) mutable { return std::get<1>(rnn->forward(x))[0]; };
    } else if (kind == "lstm") {
      torch::nn::LSTM lstm(torch::nn::LSTMOptions(dim, hidden).batch_first(true));
      learn(lstm->parameters());
      last_state_ = [lstm](const Tensor& x) mutable {
        return std::get<0>(std::get<1>(lstm->forward(x)))[0];
      };
    } else if (kind == "gru") {
      torch::nn::GRU gru(torch::nn::GRUOptions(dim, hidden).batch_first(true));
      learn(gru->parameters());
      last_state_ = [gru](const Tensor& x) mutable { return std::get<1>(gru->forward(x))[0]; };
    } else {
      torch::nn::RNNCell cell(dim, hidden);
      learn(cell->parameters());
      last_state_ = [cell, hidden](const Tensor& x) mutable {
        Tensor h = torch::zeros({x.size(0), hidden});
        for (std::int64_t t = 0; t < x.size(1); ++t) h = cell->forward(x.select(1, t), h);
        return h;
      };
    }
  }

  torch::nn::Embedding embedding_ = nullptr;
  torch::nn::Linear head_ = nullptr;
  std::function<Tensor(const Tensor&)> last_state_;  // (batch, steps, dim) -> (batch, hidden)
  std::vector<Tensor> parameters_;
  std::vector<Tensor> tokens_;
  std::vector<Tensor> labels_;
  std::size_t turn_ = 0;
};

Work classifier(std::istream& arguments) {
  auto model = std::make_shared<Classifier>(arguments);
  auto adam =
      std::make_shared<torch::optim::Adam>(model->parameters(), torch::optim::AdamOptions(1e-3));
  return [=] {
    adam->zero_grad();
    model->loss().backward();
    adam->step();
  };
}

// Sizes of 1 come first, so that the code of the library is in memory.
measure::Answer classifier_memory(std::istream& arguments) {
  std::string kind, sizes;
  arguments >> kind;
  std::getline(arguments, sizes);
  return [=](std::int64_t) {
    return measure::extra_memory(
        [&](std::int64_t whole) {
          std::istringstream words(kind + (whole != 0 ? sizes : " 2 1 1 1 1"));
          const Work step = classifier(words);
          for (int i = 0; i < 8; ++i) step();
        },
        0, 1);
  };
}

Work classifier_forward(std::istream& arguments) {
  auto model = std::make_shared<Classifier>(arguments);
  return [=] {
    const torch::NoGradGuard guard;
    model->logits();
  };
}

// Forward and backward through `steps` steps of a cell. Its gradients neither vanish nor grow.
class Loop {
 public:
  Loop() {
    torch::nn::init::orthogonal_(cell_->weight_hh);
    torch::nn::init::zeros_(cell_->bias_ih);
    torch::nn::init::zeros_(cell_->bias_hh);
  }
  void operator()(std::int64_t steps) {
    while (static_cast<std::int64_t>(inputs_.size()) < steps)
      inputs_.push_back((1e-4 * torch::randn({32, 128})).requires_grad_());
    Tensor h = torch::zeros({32, 128});
    for (std::int64_t t = 0; t < steps; ++t)
      h = cell_->forward(inputs_[static_cast<std::size_t>(t)], h);
    cell_->zero_grad();
    for (Tensor& x : inputs_) x.mutable_grad() = Tensor();
    h.sum().backward();
  }

 private:
  torch::nn::RNNCell cell_ = torch::nn::RNNCell(128, 128);
  std::vector<Tensor> inputs_;
};

// Products and sums in turn, each computed from the last result.
class Chain {
 public:
  void operator()(std::int64_t operations) {
    Tensor y = x_;
    for (std::int64_t i = 0; i < operations; ++i) y = i % 2 == 0 ? y * c_ : y + c_;
    x_.mutable_grad() = Tensor();
    y.backward();
  }

 private:
  Tensor x_ = torch::full({}, 0.5F).requires_grad_();
  Tensor c_ = torch::full({}, 0.9995F);
};

template <class History>
Work history(std::istream& arguments) {
  std::int64_t length = 0;
  arguments >> length;
  return [=, work = std::make_shared<History>()] { (*work)(length); };
}
template <class History>
measure::Answer history_memory(std::istream& arguments) {
  std::int64_t length = 0;
  arguments >> length;
  return [=](std::int64_t) {
    History work;
    return measure::extra_memory([&work](std::int64_t n) { work(n); }, 1, length + 1);
  };
}

Work optimizer(std::istream& arguments) {
  std::string name;
  std::int64_t count = 0;
  arguments >> name >> count;
  Tensor p = torch::full({count}, 0.5F).requires_grad_();
  p.mutable_grad() = torch::full({count}, 0.01F);
  std::shared_ptr<torch::optim::Optimizer> rule;
  if (name == "adam") {
    rule = std::make_shared<torch::optim::Adam>(std::vector<Tensor>{p},
                                                torch::optim::AdamOptions(1e-3));
  } else if (name == "sgd") {
    rule =
        std::make_shared<torch::optim::SGD>(std::vector<Tensor>{p}, torch::optim::SGDOptions(1e-3));
  } else {
    return nullptr;
  }
  return [rule] { rule->step(); };
}

// Each step looks up 1,000 distinct ids. sgd gets row-sparse gradients; adam needs dense ones.
Work table(std::istream& arguments) {
  std::string name;
  std::int64_t rows = 0;
  arguments >> name >> rows;
  const bool sparse = name == "sgd";
  torch::nn::Embedding embedding(torch::nn::EmbeddingOptions(rows, 64).sparse(sparse));
  std::shared_ptr<torch::optim::Optimizer> rule;
  if (sparse) {
    rule = std::make_shared<torch::optim::SGD>(embedding->parameters(),
                                               torch::optim::SGDOptions(1e-3));
  } else {
    rule = std::make_shared<torch::optim::Adam>(embedding->parameters(),
                                                torch::optim::AdamOptions(1e-3));
  }
  const Tensor order = torch::randperm(rows);
  return [=, at = std::int64_t{0}]() mutable {
    rule->zero_grad();
    embedding->forward(order.narrow(0, at, 1000)).square().sum().backward();
    rule->step();
    at = at + 2000 <= rows ? at + 1000 : 0;
  };
}

measure::Answer prepare(std::istream& arguments) {
  using measure::timed;
  std::string kind;
  arguments >> kind;
  if (kind == "operation") return timed(operation(arguments));
  if (kind == "mlp") return timed(mlp(arguments));
  if (kind == "conv2d") return timed(conv2d(arguments));
  if (kind == "lenet") return timed(lenet(arguments));
  if (kind == "bag") return timed(bag(arguments));
  if (kind == "bag_accuracy") return bag_accuracy(arguments);
  if (kind == "classifier") return timed(classifier(arguments));
  if (kind == "classifier_forward") return timed(classifier_forward(arguments));
  if (kind == "classifier_memory") return classifier_memory(arguments);
  if (kind == "loop") return timed(history<Loop>(arguments));
  if (kind == "loop_memory") return history_memory<Loop>(arguments);
  if (kind == "chain") return timed(history<Chain>(arguments));
  if (kind == "chain_memory") return history_memory<Chain>(arguments);
  if (kind == "optimizer") return timed(optimizer(arguments));
  if (kind == "table") return timed(table(arguments));
  return nullptr;
}

}  // namespace

int main() {
  at::set_num_threads(1);
  at::set_num_interop_threads(1);
  return measure::answer_requests("libtorch " TORCH_VERSION, prepare);
}
