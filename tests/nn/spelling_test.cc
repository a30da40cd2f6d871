// Spellings that people who know PyTorch try first.
#include <filesystem>
#include <string>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
namespace F = tapegrad::nn::functional;

TEST_CASE("functions of torch.nn.functional are in nn::functional", "[nn]") {
  const tg::Variable x = tg::parameter(tg::tensor({{-1.0, 2.0}, {3.0, -4.0}}));
  const tg::Tensor labels = tg::tensor({0, 1});
  CHECK(equal(F::relu(x).value(), relu(x).value()));
  CHECK(equal(F::softmax(x, 1).value(), softmax(x, 1).value()));
  CHECK(equal(F::cross_entropy(x, labels).value(), nn::cross_entropy(x, labels).value()));
  const tg::Tensor half = tg::full({2, 2}, 0.5);
  CHECK(equal(F::binary_cross_entropy(half, half).value(), nn::bce_loss(half, half).value()));
  CHECK(equal(F::one_hot(labels), tg::tensor({{1, 0}, {0, 1}})));
}

TEST_CASE("shapes without braces, numbers on both sides, ids without classes", "[nn]") {
  CHECK(tg::zeros(3, 2).shape() == tg::Shape{3, 2});
  CHECK(equal(tg::ones(2, 3), tg::ones({2, 3})));
  const tg::Tensor x = tg::tensor({-1.0, 2.0});
  CHECK(equal(tg::where(x > 0, 1.0, 0.0), tg::tensor({0.0, 1.0})));
  CHECK(tg::where(x > 0, 1, 0).dtype() == tg::int64);
  CHECK(tg::where(x > 0, 1, 0.5).dtype() == tg::float32);
  CHECK(equal(tg::one_hot(tg::tensor({2, 0})), tg::tensor({{0, 0, 1}, {1, 0, 0}})));
  CHECK_THROWS_AS(tg::one_hot(tg::zeros({0}, tg::int64)), tg::ValueError);
  tg::Generator a(1), b(1);
  CHECK(equal(tg::randint(10, {5}, a), tg::randint(0, 10, {5}, b)));
}

TEST_CASE("grad of one Variable, of a list and of a vector", "[nn]") {
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0})), v = tg::parameter(tg::tensor(3.0));
  const auto loss = [&] { return sum(w * w * v); };
  const tg::Variable one = tg::grad(loss(), w);
  CHECK(equal(one.value(), tg::tensor({6.0, 12.0})));
  const std::vector<tg::Variable> list = tg::grad(loss(), {w});
  CHECK(equal(list.at(0).value(), one.value()));
  const std::vector<tg::Variable> both = tg::grad(loss(), {w, v});
  CHECK(equal(both.at(1).value(), tg::tensor(5.0)));
  const std::vector<tg::Variable> inputs = {w, v};
  CHECK(tg::grad(loss(), inputs).size() == 2);
}

TEST_CASE("optimizers take Variables and Parameters in braces", "[nn]") {
  nn::Linear layer(2, 1);
  tg::Variable w = tg::parameter(tg::ones({2}));
  tg::optim::SGD of_layer({layer.weight, layer.bias}, {.lr = 1});
  tg::optim::SGD of_variables({w}, {.lr = 1});
  sum(layer(tg::ones({1, 2})) * sum(w)).backward();
  CHECK(tg::optim::clip_grad_norm_({w}, 1e9) > 0);
  tg::optim::clip_grad_value_({w}, 0.25);
  const tg::Tensor before = layer.bias.value();
  of_layer.step();
  of_variables.step();
  CHECK(!equal(before, layer.bias.value()));
  CHECK(allclose(w.value(), tg::ones({2}) - w.grad()));
  nn::Parameter same = layer.weight;
  CHECK(same.defined());
}

TEST_CASE("losses as modules are the functions with their options", "[nn]") {
  tg::Generator generator(3);
  const tg::Variable x = tg::parameter(tg::randn({4, 3}, tg::float64, generator));
  const tg::Variable y = tg::parameter(tg::randn({4, 3}, tg::float64, generator));
  const tg::Tensor target = tg::rand({4, 3}, tg::float64, generator);
  const tg::Tensor labels = tg::tensor({0, 2, 1, 2});
  const tg::Tensor signs = tg::tensor({1, -1, -1, 1});
  const tg::Tensor all_signs = tg::where(target > 0.5, 1, -1);
  const auto same = [](const tg::Variable& a, const tg::Variable& b) {
    return equal(a.value(), b.value());
  };
  CHECK(same(nn::MSELoss()(x, target), nn::mse_loss(x, target)));
  CHECK(same(nn::MSELoss({.reduction = "sum"})(x, target),
             nn::mse_loss(x, target, {.reduction = nn::Reduction::sum})));
  CHECK(same(nn::L1Loss()(x, target), nn::l1_loss(x, target)));
  CHECK(same(nn::CrossEntropyLoss()(x, labels), nn::cross_entropy(x, labels)));
  CHECK(same(nn::CrossEntropyLoss({.label_smoothing = 0.1})(x, labels),
             nn::cross_entropy(x, labels, {.label_smoothing = 0.1})));
  CHECK(same(nn::NLLLoss()(log_softmax(x, 1), labels), nn::nll_loss(log_softmax(x, 1), labels)));
  CHECK(same(nn::BCEWithLogitsLoss()(x, target), nn::binary_cross_entropy_with_logits(x, target)));
  CHECK(same(nn::BCELoss()(sigmoid(x), target), nn::bce_loss(sigmoid(x), target)));
  CHECK(same(nn::SmoothL1Loss({.beta = 0.5})(x, target),
             nn::smooth_l1_loss(x, target, {.beta = 0.5})));
  CHECK(same(nn::HuberLoss({.delta = 0.5})(x, target), nn::huber_loss(x, target, {.delta = 0.5})));
  CHECK(same(nn::KLDivLoss({.batchmean = true})(x, target),
             nn::kl_div(x, target, {.batchmean = true})));
  CHECK(same(nn::HingeEmbeddingLoss()(x, all_signs), nn::hinge_embedding_loss(x, all_signs)));
  CHECK(same(nn::CosineEmbeddingLoss()(x, y, signs), nn::cosine_embedding_loss(x, y, signs)));
  CHECK(same(nn::MarginRankingLoss()(x, y, all_signs), nn::margin_ranking_loss(x, y, all_signs)));
  CHECK(same(nn::TripletMarginLoss()(x, y, target), nn::triplet_margin_loss(x, y, target)));
  CHECK(same(nn::MultiMarginLoss({.margin = 0.5})(x, labels),
             nn::multi_margin_loss(x, labels, {.margin = 0.5})));

  nn::MSELoss loss({.reduction = "none"});
  CHECK(clone(loss).options().reduction == nn::Reduction::none);
  CHECK(loss.description() == "MSELoss");
  std::size_t calls = 0;
  loss.register_forward_hook([&](const nn::Module&, const auto&, const auto&) { ++calls; });
  loss.forward(x, target);
  CHECK(calls == 1);
}

TEST_CASE("a reduction by its name", "[nn]") {
  CHECK(nn::Reduction("none") == nn::Reduction::none);
  CHECK(nn::Reduction("mean") == nn::Reduction::mean);
  CHECK(nn::Reduction("sum") == nn::Reduction::sum);
  const tg::Variable x = tg::parameter(tg::tensor({{1.0, 2.0}, {0.5, -1.0}}));
  const tg::Tensor labels = tg::tensor({0, 1}), target = tg::ones({2, 2});
  const auto same = [](const tg::Variable& a, const tg::Variable& b) {
    return equal(a.value(), b.value());
  };
  CHECK(same(nn::cross_entropy(x, labels, nn::Reduction::sum),
             nn::cross_entropy(x, labels, {.reduction = "sum"})));
  CHECK(same(nn::mse_loss(x, target, nn::Reduction::none),
             nn::mse_loss(x, target, {.reduction = "none"})));
  CHECK(
      same(nn::kl_div(x, target, nn::Reduction::sum), nn::kl_div(x, target, {.reduction = "sum"})));
  CHECK(same(nn::functional::multi_margin_loss(x, labels, nn::Reduction::sum),
             nn::multi_margin_loss(x, labels, {.reduction = "sum"})));
  CHECK(nn::CrossEntropyLoss(nn::Reduction::sum).options().reduction == nn::Reduction::sum);
  const nn::Reduction none = nn::Reduction::none;
  CHECK(nn::l1_loss(x, target, none).shape() == tg::Shape{2, 2});
  CHECK_THROWS_WITH(nn::Reduction("avg"),
                    "Reduction: got \"avg\", needed \"none\", \"mean\" or \"sum\"");
}

TEST_CASE("options by position, as in PyTorch", "[nn]") {
  CHECK(!nn::Linear(3, 4, false).bias.defined());
  CHECK(nn::LSTM(3, 4, 2).parameters().size() == 8);
  CHECK(nn::GRU(3, 4, 2).parameters().size() == 8);
  CHECK(nn::RNN(3, 4, 2).parameters().size() == 8);
  CHECK(nn::Embedding(10, 4, 0).padding_idx() == 0);
  nn::Linear layer(2, 1);
  tg::optim::SGD sgd(layer, {.lr = 0.1});  // a module for its parameters
  tg::optim::StepLR schedule(sgd, 1, 0.5);
  schedule.step();
  CHECK(sgd.lr() == 0.05);
  sum(layer(tg::ones({1, 2}))).backward();
  CHECK(nn::utils::clip_grad_norm_(layer, 1e9) > 0);
}

TEST_CASE("a parameter has the methods of a Variable", "[nn]") {
  nn::Linear layer(3, 2);
  const tg::Variable total = layer.weight.square().sum() + layer.bias.mean();
  total.backward();
  CHECK(allclose(layer.weight.grad(), layer.weight.value() * 2));
  CHECK(equal(layer.weight[0].value(), layer.weight.value()[0]));
  CHECK(layer.weight(1, 2).item() == layer.weight.item<float>({1, 2}));
  CHECK(layer.bias.requires_grad_(false).requires_grad() == false);
}

TEST_CASE("a buffer is an operand like a tensor", "[nn]") {
  struct Scaled : nn::Module, nn::Forward<Scaled> {
    nn::Parameter weight = register_parameter("weight", tg::tensor({2.0, 3.0}));
    nn::Buffer shift = register_buffer("shift", tg::tensor({1.0, -1.0}));
    tg::Variable operator()(const tg::Variable& x) const { return x * weight + shift; }
  };
  Scaled model;
  const tg::Variable x = tg::parameter(tg::ones({2}));
  CHECK(equal(model.forward(x).value(), tg::tensor({3.0, 2.0})));
  CHECK(equal((model.shift - x).value(), tg::tensor({0.0, -2.0})));
  CHECK(equal((model.weight / model.shift).value(), tg::tensor({2.0, -3.0})));
  CHECK(equal(model.shift + tg::ones({2}), tg::tensor({2.0, 0.0})));
  CHECK(equal(abs(model.shift), tg::ones({2})));
}

TEST_CASE("forward of every layer is its call", "[nn]") {
  tg::Generator generator(1);
  const tg::Variable x = tg::rand({2, 4, 6}, tg::float32, generator);
  const auto check = [&](const auto& layer) {
    CHECK(equal(layer.forward(x).value(), layer(x).value()));
  };
  check(nn::Identity());
  check(nn::Linear(6, 3));
  check(nn::Tanh());
  check(nn::Sigmoid());
  check(nn::ReLU());
  check(nn::LeakyReLU(0.1));
  check(nn::ELU());
  check(nn::GELU());
  check(nn::SiLU());
  check(nn::Softplus());
  check(nn::Softsign());
  check(nn::ReLU6());
  check(nn::Hardtanh());
  check(nn::Hardsigmoid());
  check(nn::Hardswish());
  check(nn::SELU());
  check(nn::CELU());
  check(nn::Mish());
  check(nn::LogSigmoid());
  check(nn::Softshrink());
  check(nn::Hardshrink());
  check(nn::Threshold(0.1, 20));
  check(nn::GLU());
  check(nn::Softmin(-1));
  check(nn::PReLU());
  check(nn::PReLU(4));
  check(nn::Unflatten(2, {2, 3}));
  check(nn::Softmax(-1));
  check(nn::LogSoftmax(-1));
  check(nn::Flatten());
  check(nn::Conv1d(4, 2, 3));
  check(nn::MaxPool1d(2));
  check(nn::AvgPool1d(2));
  check(nn::AdaptiveMaxPool1d(2));
  check(nn::AdaptiveAvgPool1d(2));
  check(nn::Dropout(0.0));
  check(nn::Dropout1d(0.0));
  check(nn::AlphaDropout(0.0));
  check(nn::LayerNorm({6}));
  check(nn::RMSNorm({6}));
  check(nn::BatchNorm1d(4));
  check(nn::GroupNorm(2, 4));
  check(nn::TransformerEncoderLayer(6, 2, {.dim_feedforward = 4, .dropout = 0}));
  check(nn::PositionalEncoding(6, {.dropout = 0}));
  check(nn::Sequential{nn::Linear(6, 3), nn::Tanh()});
  const tg::Tensor ids = tg::tensor({{0, 1}, {2, 0}});
  CHECK(nn::Embedding(3, 2).forward(ids).shape() == tg::Shape{2, 2, 2});
  CHECK(nn::EmbeddingBag(3, 2).forward(ids).shape() == tg::Shape{2, 2});
  CHECK(nn::LSTM(6, 3).forward(x).output.shape() == tg::Shape{2, 4, 3});
  CHECK(nn::GRU(6, 3).forward(x).output.shape() == tg::Shape{2, 4, 3});
  CHECK(nn::RNN(6, 3).forward(x).output.shape() == tg::Shape{2, 4, 3});
}

TEST_CASE("named_modules lists the tree, each module once", "[nn]") {
  struct Block : nn::Module {
    nn::Linear first = register_module("first", nn::Linear(2, 2));
    nn::Linear again = register_module("again", first);
  };
  struct Net : nn::Module {
    Block block = register_module("block", Block());
    nn::Linear head = register_module("head", nn::Linear(2, 1));
  };
  Net net;
  std::string names;
  for (const auto& [name, module] : net.named_modules()) names += '[' + name + ']';
  CHECK(names == "[][block][block.first][head]");
  CHECK(net.named_parameters().size() == net.parameters().size());
  CHECK(net.named_buffers().empty());
  for (auto& [name, module] : net.named_modules()) module.get().eval();
  CHECK(!net.head.is_training());
}

TEST_CASE("errors inside a module name its path", "[nn]") {
  struct Block : nn::Module {
    nn::Linear linear = register_module("linear", nn::Linear(3, 2));
    tg::Variable operator()(const tg::Variable& x) const { return linear(x); }
  };
  struct Net : nn::Module {
    Block head = register_module("head", Block());
    nn::Sequential layers = register_module("layers", nn::Sequential{nn::ReLU(), nn::Linear(4, 2)});
    tg::Variable operator()(const tg::Variable& x) const { return head(x); }
  };
  const auto text = [](const auto& module, const tg::Variable& x) -> std::string {
    try {
      module(x);
    } catch (const tg::ShapeError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const Net net;
  const tg::Variable x = tg::zeros({1, 5});
  const std::string alone = text(nn::Linear(3, 2), x);
  CHECK(text(net, x) == alone + "; in module head.linear");
  CHECK(text(clone(net), x) == alone + "; in module head.linear");
  CHECK(text(net.layers, x) == text(nn::Linear(4, 2), x) + "; in module layers.1");
  CHECK(text(Block(), x) == alone + "; in module linear");
}

TEST_CASE("a module is saved and loaded by its name", "[nn]") {
  const std::string path = (std::filesystem::temp_directory_path() / "tapegrad_spelling").string();
  nn::Linear a(3, 2), b(3, 2), c(3, 2);
  tg::save(a, path);
  tg::load(b, path);
  CHECK(equal(a.weight.value(), b.weight.value()));
  tg::save(path, b);
  tg::load(c, path);
  CHECK(equal(a.bias.value(), c.bias.value()));
  nn::Linear other(4, 2);
  CHECK_THROWS_AS(tg::load(other, path), tg::FormatError);
  std::filesystem::remove(path);
}

TEST_CASE("a Parameter is assigned inside NoGrad, and stays the leaf", "[nn]") {
  nn::Linear layer(2, 1);
  const tg::Tensor before = layer.weight.value().clone();
  tg::optim::SGD sgd(layer.parameters(), {.lr = 1});
  sum(layer(tg::ones({1, 2}))).backward();
  const tg::Node* const node = layer.weight.variable().node();
  {
    const tg::NoGrad guard;
    layer.weight -= 0.5 * layer.weight.grad();
    CHECK(allclose(layer.weight.value(), before - 0.5));
    layer.weight += 1;
    layer.weight *= 2;
    layer.weight /= 4.0;
    layer.weight += layer.weight;
    layer.weight -= 0.25;
    layer.weight *= tg::tensor({{1.0, 2.0}});
    layer.weight /= tg::tensor(2.0, tg::float64);  // stays float32
  }
  CHECK(layer.weight.variable().node() == node);
  CHECK(layer.weight.dtype() == tg::float32);
  CHECK(allclose(layer.weight.value(), ((before + 0.5) - 0.25) * tg::tensor({{1.0, 2.0}}) / 2));
  sgd.step();
  CHECK(allclose(layer.weight.value(), ((before + 0.5) - 0.25) * tg::tensor({{1.0, 2.0}}) / 2 - 1));
  const std::string text = tg::test::error_text<tg::AutogradError>([&] { layer.weight -= 1; });
  CHECK(text ==
        "operator-=: got a Parameter, which a result cannot replace; to train it, write this where "
        "a NoGrad exists, or use an optimizer");
  layer.weight.set_requires_grad(false);  // a frozen one is not replaced either
  CHECK_THROWS_AS(layer.weight *= 2, tg::AutogradError);
  {
    const tg::NoGrad guard;
    layer.weight *= 0;
  }
  CHECK(layer.weight.variable().node() == node);
  CHECK(equal(layer.weight.value(), tg::zeros({1, 2})));
}
