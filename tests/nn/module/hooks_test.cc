// Hooks of modules, and the summary, which uses them.
#include <tapegrad/tapegrad.h>

#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;
using Variables = std::vector<Variable>;

namespace {

Tensor numbers(const Shape& shape, double start = 1) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return reshape((arange(count).to(float64) + start) / 8, shape);
}

struct Two : nn::Module {
  nn::Linear first, second;
  Two()
      : first(register_module("first", nn::Linear(3, 4, {.dtype = float64}))),
        second(register_module("second", nn::Linear(4, 2, {.dtype = float64}))) {}
  Variable operator()(const Variable& x) const {
    return hooked([this](const Variable& in) { return second(tanh(first(in))); }, x);
  }
};

}  // namespace

TEST_CASE("forward hooks see and replace inputs and outputs in order") {
  Two model;
  const Variable x(numbers({2, 3}));
  const Tensor plain = model(x).value();
  std::string order;
  const auto pre = model.first.register_forward_pre_hook([&](const nn::Module& m, Variables& in) {
    order += "<" + m.description() + ">";
    REQUIRE(in.size() == 1);
    in[0] = in[0] * 2;
  });
  const auto post = model.second.register_forward_hook(
      [&](const nn::Module& m, const Variables& in, Variables& out) {
        order += "(" + m.description() + to_string(in[0].sizes()) + ")";
        out[0] = out[0] + 1;
      });
  const auto last = model.register_forward_hook(
      [&](const nn::Module&, const Variables&, const Variables&) { order += "."; });
  const Tensor y = model(x).value();
  CHECK(order == "<Linear(3, 4)>(Linear(4, 2)(2, 4)).");
  const Tensor expected = model.second(tanh(model.first(x))).value();  // both hooks again
  CHECK(equal(y, expected));
  model.first.remove_hook(pre);
  model.second.remove_hook(post);
  model.remove_hook(last);
  model.remove_hook(last);  // already removed
  CHECK(equal(model(x).value(), plain));
}

TEST_CASE("hooks are shared by copies of a module and copied to a clone") {
  int calls = 0;
  nn::Linear layer(2, 2);
  nn::Linear copy = layer;
  const auto count = [&](const nn::Module&, const Variables&, const Variables&) { ++calls; };
  const auto hook = copy.register_forward_hook(count);
  const nn::Linear deep = clone(layer);
  layer(zeros({1, 2}));
  CHECK(calls == 1);
  layer.remove_hook(hook);
  copy(zeros({1, 2}));
  CHECK(calls == 1);
  deep(zeros({1, 2}));
  CHECK(calls == 2);
}

TEST_CASE("a hook that removes itself while it runs is gone at the next call") {
  nn::Linear layer(2, 2);
  int calls = 0;
  std::size_t hook = 0;
  hook = layer.register_forward_hook([&](const nn::Module&, const Variables&, const Variables&) {
    ++calls;
    layer.remove_hook(hook);
    layer.register_forward_hook(
        [&](const nn::Module&, const Variables&, const Variables&) { calls += 10; });
  });
  layer(zeros({1, 2}));
  CHECK(calls == 1);
  layer(zeros({1, 2}));
  CHECK(calls == 11);
}

TEST_CASE("a backward hook sees the gradients of inputs and outputs and changes those of inputs") {
  Two model;
  Variable x = parameter(numbers({2, 3}));
  sum(model(x)).backward();
  const Tensor plain = x.grad();
  const Tensor plain_weight = model.first.weight.grad();
  Tensor seen_in, seen_out;
  std::string who;
  const auto hook = model.second.register_full_backward_hook(
      [&](const nn::Module& m, Variables& in, const Variables& out) {
        who = m.description();
        REQUIRE(in.size() == 1);
        REQUIRE(out.size() == 1);
        seen_in = in[0].value();
        seen_out = out[0].value();
        in[0] = in[0] * 3;
      });
  x.zero_grad();
  model.zero_grad();
  const std::size_t before = tape().size();
  sum(model(x)).backward();
  CHECK(tape().size() == before);
  CHECK(who == "Linear(4, 2)");
  CHECK(equal(seen_out, ones({2, 2}, float64)));
  CHECK(allclose(seen_in, matmul(seen_out, model.second.weight.value())));
  CHECK(allclose(x.grad(), plain * 3));
  CHECK(allclose(model.first.weight.grad(), plain_weight * 3));
  model.second.remove_hook(hook);
  x.zero_grad();
  sum(model(x)).backward();
  CHECK(equal(x.grad(), plain));
}

TEST_CASE("a backward hook of a module with several inputs and outputs is called once") {
  nn::LSTMCell cell(3, 2, {.dtype = float64});
  const Variable x = parameter(numbers({2, 3}));
  const Variable h = parameter(numbers({2, 2}, 2));
  const Variable c(numbers({2, 2}, 3));  // needs no gradient
  int calls = 0;
  const auto hook =
      cell.register_full_backward_hook([&](const nn::Module&, Variables& in, const Variables& out) {
        ++calls;
        REQUIRE(in.size() == 3);
        REQUIRE(out.size() == 2);
        CHECK(in[0].shape() == Shape{2, 3});
        CHECK(in[1].shape() == Shape{2, 2});
        CHECK_FALSE(in[2].defined());
        CHECK(out[0].defined());
        CHECK_FALSE(out[1].defined());  // only h is used below
        in[1] = Variable();             // counts as 0
      });
  const nn::LSTMState next = cell(x, {h, c});
  sum(next.h).backward();
  CHECK(calls == 1);
  CHECK(equal(h.grad(), zeros({2, 2}, float64)));
  CHECK(sum(abs(x.grad())).item<double>() > 0);
  cell.remove_hook(hook);
}

TEST_CASE("a backward hook of a lookup is called when the gradient of its output is complete") {
  nn::Embedding table(5, 2);
  Tensor seen;
  table.register_full_backward_hook([&](const nn::Module&, Variables& in, const Variables& out) {
    CHECK_FALSE(in[0].defined());
    seen = out[0].value();
  });
  const Variable rows = table(tensor({1, 3}, int64));
  sum(rows * 2 + rows).backward();
  CHECK(equal(seen, full({2, 2}, 3.0)));
  CHECK(table.weight.has_row_grad());
}

TEST_CASE("backward hooks under create_graph and retain_graph") {
  const Variable x = parameter(numbers({3}));
  nn::Tanh module;
  int calls = 0;
  module.register_full_backward_hook([&](const nn::Module&, Variables& in, const Variables&) {
    ++calls;
    in[0] = in[0] * in[0];
  });
  const auto f = [&](const Variable& in) { return sum(module(in)); };
  // The first gradient is (1 - y^2)^2, its derivative 2 (1 - y^2) * -2 y (1 - y^2).
  const Variable first = grad(f(x), {x}, {.create_graph = true})[0];
  const Tensor y = tanh(x.value());
  const Tensor slope = 1.0 - y * y;
  CHECK(allclose(first.value(), slope * slope));
  // The second backward pass goes through the module again, and the hook squares that gradient.
  CHECK(allclose(grad(sum(first), {x})[0].value(), square(y * slope * slope * -4.0)));
  calls = 0;
  const Variable loss = f(x);
  loss.backward({.retain_graph = true});
  loss.backward();
  CHECK(calls == 2);
  CHECK(allclose(x.grad(), slope * slope * 2.0));
}

TEST_CASE("no history is left if gradients of a hooked module's inputs are not requested") {
  const std::size_t before = tape().size();
  {
    nn::Linear layer(3, 2, {.dtype = float64});
    int calls = 0;
    layer.register_full_backward_hook(
        [&](const nn::Module&, const Variables&, const Variables&) { ++calls; });
    const Variable x = parameter(numbers({2, 3}));
    const Variable y = layer(x);
    const auto slopes = grad(sum(square(y)), {layer.weight.variable()}, {.create_graph = true});
    CHECK(calls == 0);
    CHECK(slopes[0].shape() == Shape{2, 3});
  }
  CHECK(tape().size() == before);
}

TEST_CASE("hooks of every kind of call: ids and bags and attention and sequences") {
  int calls = 0;
  const auto count = [&](nn::Module& module) {
    module.register_forward_hook(
        [&](const nn::Module&, const Variables&, const Variables&) { ++calls; });
  };
  const Tensor ids = tensor({{1, 2, 0}}, int64);
  nn::EmbeddingBag bag(4, 2);
  count(bag);
  bag(ids);
  CHECK(calls == 1);
  nn::MultiheadAttention attention(4, 2);
  count(attention);
  const Variable x(zeros({3, 4}));
  attention(x, x, x);
  CHECK(calls == 2);
  nn::GRU gru(4, 2, {.bidirectional = true});
  count(gru);
  gru(x);
  CHECK(calls == 3);
  nn::Sequential chain{nn::Linear(4, 4), nn::ReLU(), nn::Dropout(0.5)};
  chain.apply(count);
  chain(x);
  CHECK(calls == 7);
  nn::TransformerEncoderLayer layer(4, 2, {.dim_feedforward = 8});
  layer.apply(count);
  layer(Variable(zeros({2, 3, 4})));
  CHECK(calls > 12);
}

TEST_CASE("hooks that leave another number of Variables or another shape are errors") {
  nn::Linear layer(3, 2, {.dtype = float64});
  const Variable x = parameter(numbers({2, 3}));
  auto hook = layer.register_forward_pre_hook([](const nn::Module&, Variables& in) { in.clear(); });
  CHECK(error_text<ValueError>([&] { layer(x); }) ==
        "forward pre-hook of Linear(3, 2): left 0 "
        "Variables, needed 1; replace elements of the vector, but keep its size");
  layer.remove_hook(hook);
  hook = layer.register_forward_hook(
      [](const nn::Module&, const Variables&, Variables& out) { out.push_back(out[0]); });
  CHECK(error_text<ValueError>([&] { layer(x); }) ==
        "forward hook of Linear(3, 2): left 2 Variables, "
        "needed 1; replace elements of the vector, but keep its size");
  layer.remove_hook(hook);
  layer.register_full_backward_hook([](const nn::Module&, Variables& in, const Variables&) {
    in[0] = Variable(zeros({4}, float64));
  });
  CHECK(error_text<ShapeError>([&] { sum(layer(x)).backward(); }) ==
        "backward hook of Linear(3, 2): the hook changed the gradient of input 0 to shape (4), "
        "needed the input's shape (2, 3)");
  CHECK_FALSE(x.has_grad());
}

// The summary -------------------------------------------------------------------------------------

namespace {

struct Reader : nn::Module {
  nn::Embedding embedding;
  nn::RNNCell cell;
  nn::Sequential head;
  Reader()
      : embedding(register_module("embedding", nn::Embedding(100, 8))),
        cell(register_module("cell", nn::RNNCell(8, 16))),
        head(register_module("head",
                             nn::Sequential{nn::Linear(16, 16), nn::ReLU(), nn::Linear(16, 3)})) {
    embedding.weight.set_requires_grad(false);
  }
  Variable operator()(const Tensor& ids) const {
    const Variable x = embedding(ids);
    Variable h = cell.initial_state(ids.size(0));
    for (std::int64_t t = 0; t < ids.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);
  }
};

}  // namespace

TEST_CASE("summary lists shapes, parameters and multiplications of each module") {
  Reader model;
  model.head.train(false);
  const nn::Summary seen = nn::summary(model, zeros({4, 5}, int64));
  CHECK(model.is_training());
  CHECK(model.cell.is_training());
  CHECK_FALSE(model.head.is_training());
  REQUIRE(seen.rows.size() == 7);
  CHECK(seen.rows[0].outputs[0] == Shape{4, 3});
  CHECK(seen.rows[1].name == "embedding");
  CHECK(seen.rows[1].outputs[0] == Shape{4, 5, 8});
  CHECK(seen.rows[1].mult_adds == 0);
  CHECK(seen.rows[2].calls == 5);
  CHECK(seen.rows[2].parameters == 16 * 8 + 16 * 16 + 2 * 16);
  CHECK(seen.rows[2].mult_adds == 5 * 4 * seen.rows[2].parameters);
  CHECK(seen.rows[4].name == "head.0");
  CHECK(seen.rows[4].mult_adds == 4 * (16 * 16 + 16));
  CHECK(seen.parameters == 800 + 416 + 272 + 51);
  CHECK(seen.trainable_parameters == 416 + 272 + 51);
  CHECK(seen.mult_adds == seen.rows[2].mult_adds + 4 * (272 + 51));
  CHECK(seen.input_bytes == 4 * 5 * 8);
  CHECK(seen.parameter_bytes == 4 * seen.parameters);
  CHECK(seen.output_bytes == 2 * 4 * (4 * 5 * 8 + 5 * 4 * 16 + 4 * 16 + 4 * 3));
  std::ostringstream text;
  text << seen;
  CHECK(text.str() ==
        R"(==============================================================================
Layer (type:depth-idx)     Input Shape   Output Shape   Param #   Mult-Adds
==============================================================================
Reader                     (4, 5)        (4, 3)         --        --
├─Embedding: 1-1           (4, 5)        (4, 5, 8)      800       --
├─RNNCell: 1-2 (5 calls)   (4, 8)        (4, 16)        416       8,320
└─Sequential: 1-3          (4, 16)       (4, 3)         --        --
     ├─Linear: 2-1         (4, 16)       (4, 16)        272       1,088
     ├─ReLU: 2-2           (4, 16)       (4, 16)        --        --
     └─Linear: 2-3         (4, 16)       (4, 3)         51        204
==============================================================================
Total params: 1,539
Trainable params: 739
Non-trainable params: 800
Total mult-adds: 9,612
==============================================================================
Input size (MB): 0.00
Forward/backward pass size (MB): 0.00
Params size (MB): 0.01
Estimated Total Size (MB): 0.01
==============================================================================
)");
}

TEST_CASE("summary of convolution and attention counts their multiplications") {
  const nn::Conv1d convolution(4, 6, 3);
  CHECK(nn::summary(convolution, zeros({2, 4, 10})).mult_adds == 2 * 8 * (6 * 4 * 3 + 6));
  const nn::Conv1d one(4, 1, 3);
  CHECK(nn::summary(one, zeros({1, 4, 3})).mult_adds == 4 * 3 + 1);
  CHECK(nn::summary(one, zeros({0, 4, 3})).mult_adds == 0);
  const nn::MultiheadAttention attention(8, 2, {.batch_first = true});
  const Variable q(zeros({2, 3, 8}));
  const Variable k(zeros({2, 5, 8}));
  const std::int64_t projections = 2 * (3 + 5 + 5 + 3) * (8 * 8 + 8);
  CHECK(nn::summary(attention, q, k, k).mult_adds == projections + 2 * 2 * 3 * 5 * 8);
}

TEST_CASE("summary counts what the layers multiply by their own parameters") {
  const Tensor ids = zeros({2, 3}, int64);
  CHECK(nn::summary(nn::BatchNorm1d(4), zeros({2, 4, 5})).mult_adds == 2 * 2 * 4 * 5);
  CHECK(nn::summary(nn::LayerNorm(Shape{4}), zeros({2, 5, 4})).mult_adds == 2 * 2 * 4 * 5);
  CHECK(nn::summary(nn::LoraEmbedding(5, 4, {.rank = 2}), ids).mult_adds == 6 * 2 * 4);
  const nn::EmbeddingBag bag(5, 4, {.mode = BagMode::sum});
  CHECK(nn::summary(bag, ids).mult_adds == 0);
  CHECK(nn::summary(bag, ids, Tensor(), ones({2, 3})).mult_adds == 6 * 4);
  const nn::HierarchicalSoftmax losses({5, 2, 1}, 4);  // paths of at most two turns
  CHECK(nn::summary(losses, zeros({3, 4}), zeros({3}, int64)).mult_adds == 3 * 2 * 4);
  CHECK(nn::summary(nn::Bilinear(2, 3, 4), zeros({5, 2}), zeros({5, 3})).mult_adds ==
        5 * (4 * 2 * 3 + 4));
  const nn::LSTM lstm(3, 4, {.num_layers = 2, .bidirectional = true});
  CHECK(nn::summary(lstm, zeros({5, 2, 3})).mult_adds == 5 * 2 * lstm.own_parameter_count());
}

TEST_CASE("summary leaves no hook and no changed mode when the model throws") {
  const nn::Linear layer(3, 2);
  CHECK_THROWS_AS(nn::summary(layer, zeros({2, 4})), ShapeError);
  CHECK(layer.is_training());
  CHECK(nn::summary(layer, zeros({2, 3})).rows[0].calls == 1);
}
