// Recurrent layers and cells compared with PyTorch's (golden/recurrent.safetensors): initial
// weights, values, and every gradient. Then sequences that end early, errors, and their functions
// as modules. Read next: training_test.cc.
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

using Variables = std::vector<Variable>;

const GoldenFile& golden() {
  static const GoldenFile file{"recurrent.safetensors", "rest_layers.safetensors"};
  return file;
}

std::int64_t size_option(const std::string& which, const std::string& name) {
  return static_cast<std::int64_t>(golden().option(which, name, -1));
}
bool flag(const std::string& which, const std::string& name, bool otherwise) {
  return golden().option(which, name, otherwise ? 1 : 0) != 0;
}
nn::Nonlinearity nonlinearity_of(const std::string& which) {
  return golden().option(which, "nonlinearity", 2) == 3 ? nn::Nonlinearity::relu
                                                        : nn::Nonlinearity::tanh;
}

// A layer with the options of a case.
template <class Layer>
Layer layer_of(const std::string& which, DType dtype = float32) {
  const std::int64_t input_size = size_option(which, "input_size");
  const std::int64_t hidden_size = size_option(which, "hidden_size");
  if constexpr (std::is_same_v<Layer, nn::RNN>) {
    return Layer(input_size, hidden_size,
                 {.num_layers = static_cast<std::int64_t>(golden().option(which, "num_layers", 1)),
                  .nonlinearity = nonlinearity_of(which),
                  .bias = flag(which, "bias", true),
                  .batch_first = flag(which, "batch_first", false),
                  .dropout = golden().option(which, "dropout", 0),
                  .bidirectional = flag(which, "bidirectional", false),
                  .dtype = dtype});
  } else {
    return Layer(input_size, hidden_size,
                 {.num_layers = static_cast<std::int64_t>(golden().option(which, "num_layers", 1)),
                  .bias = flag(which, "bias", true),
                  .batch_first = flag(which, "batch_first", false),
                  .dropout = golden().option(which, "dropout", 0),
                  .bidirectional = flag(which, "bidirectional", false),
                  .dtype = dtype});
  }
}
template <class Cell>
Cell cell_of(const std::string& which, DType dtype = float32) {
  const std::int64_t input_size = size_option(which, "input_size");
  const std::int64_t hidden_size = size_option(which, "hidden_size");
  if constexpr (std::is_same_v<Cell, nn::RNNCell>) {
    return Cell(input_size, hidden_size,
                {.bias = flag(which, "bias", true),
                 .nonlinearity = nonlinearity_of(which),
                 .dtype = dtype});
  } else {
    return Cell(input_size, hidden_size, {.bias = flag(which, "bias", true), .dtype = dtype});
  }
}

template <class Make>
void check_first_weights(const std::string& kind, std::size_t count, const Make& make) {
  const std::vector<std::string> cases = golden().cases(kind + "_first");
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    CAPTURE(which);
    manual_seed(static_cast<std::uint64_t>(size_option(which, "seed")));
    const auto module = make(which);
    CHECK(equal(tapegrad::rand({1}), golden().at(which + ".next")));
    std::size_t parameters = 0;
    for (const NamedParameter& each : module.parameters()) {
      CAPTURE(each.name);
      REQUIRE(golden().has(which + ".param." + each.name));
      CHECK(equal(each.variable.value(), golden().at(which + ".param." + each.name)));
      ++parameters;
    }
    const bool bias = flag(which, "bias", true);
    const std::int64_t sequences =
        static_cast<std::int64_t>(golden().option(which, "num_layers", 1)) *
        (flag(which, "bidirectional", false) ? 2 : 1);
    const std::int64_t projections = size_option(which, "proj_size") > 0 ? 1 : 0;
    CHECK(static_cast<std::int64_t>(parameters) == sequences * ((bias ? 4 : 2) + projections));
  }
}

// Loads the weights of the case into the module, runs it forward and backward in both element
// types, and compares everything.
template <class Make, class Run>
void check_case(const std::string& which, const Make& make, const Run& run) {
  for (const DType dtype : {float64, float32}) {
    CAPTURE(which, dtype);
    const double tolerance = dtype == float64 ? 1e-12 : 5e-6;
    const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
    auto module = make(which, dtype);
    StateDict weights;
    for (const NamedParameter& each : module.parameters()) {
      weights.insert(each.name, golden().at(which + ".param." + each.name));
    }
    module.load_state_dict(weights);
    Variables inputs;
    for (std::size_t i = 0; golden().has(which + ".in" + std::to_string(i)); ++i) {
      inputs.push_back(parameter(golden().at(which + ".in" + std::to_string(i)).to(dtype)));
    }
    if (golden().has(which + ".arg.seed")) {
      manual_seed(static_cast<std::uint64_t>(size_option(which, "seed")));
    }
    const Variables outputs = run(module, inputs);
    Variable total;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      CAPTURE(i);
      CHECK(error_of(outputs[i].value(), golden().at(prefix + "out" + std::to_string(i))) <=
            tolerance);
      const Variable term =
          sum(outputs[i] * golden().at(which + ".g" + std::to_string(i)).to(dtype));
      total = i == 0 ? term : total + term;
    }
    CHECK_FALSE(golden().has(prefix + "out" + std::to_string(outputs.size())));
    total.backward();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      CAPTURE(i);
      CHECK(error_of(inputs[i].grad(), golden().at(prefix + "grad" + std::to_string(i))) <=
            tolerance);
    }
    for (const NamedParameter& each : module.parameters()) {
      CAPTURE(each.name);
      CHECK(error_of(each.variable.grad(), golden().at(prefix + "grad." + each.name)) <= tolerance);
    }
  }
  CHECK(tape().size() == 0);
}

Tensor lengths_of(const std::string& which) {
  return golden().has(which + ".arg.lengths") ? golden().at(which + ".arg.lengths") : Tensor();
}
Variable state_of(const Variables& in, std::size_t i) { return in.size() > i ? in[i] : Variable(); }

template <class Layer>
void check_layer(const std::string& kind, std::size_t count) {
  const std::vector<std::string> cases = golden().cases(kind);
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    check_case(which, layer_of<Layer>, [&](const Layer& layer, const Variables& in) {
      const auto result = [&] {
        if constexpr (std::is_same_v<Layer, nn::LSTM>) {
          return layer(in[0],
                       {.h = state_of(in, 1), .c = state_of(in, 2), .lengths = lengths_of(which)});
        } else {
          return layer(in[0], {.h = state_of(in, 1), .lengths = lengths_of(which)});
        }
      }();
      Variables outputs{result.output, result.h};
      if constexpr (std::is_same_v<Layer, nn::LSTM>) outputs.push_back(result.c);
      return outputs;
    });
  }
}

template <class Cell>
void check_cell(const std::string& kind, std::size_t count) {
  const std::vector<std::string> cases = golden().cases(kind);
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    check_case(which, cell_of<Cell>, [&](const Cell& cell, const Variables& in) -> Variables {
      if constexpr (std::is_same_v<Cell, nn::LSTMCell>) {
        nn::LSTMState state{state_of(in, 1), state_of(in, 2)};
        for (std::int64_t t = 0; t < in[0].size(0); ++t) state = cell(select(in[0], 0, t), state);
        return {state.h, state.c};
      } else {
        Variable h = state_of(in, 1);
        for (std::int64_t t = 0; t < in[0].size(0); ++t) h = cell(select(in[0], 0, t), h);
        return {h};
      }
    });
  }
}

bool close(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && allclose(a, b, 1e-12, 1e-12);
}

}  // namespace

// PyTorch's values --------------------------------------------------------------------------------

TEST_CASE("recurrent layers and cells begin with PyTorch's weights, under its names") {
  check_first_weights("rnn", 8, [](auto& which) { return layer_of<nn::RNN>(which); });
  check_first_weights("lstm", 8, [](auto& which) { return layer_of<nn::LSTM>(which); });
  check_first_weights("gru", 8, [](auto& which) { return layer_of<nn::GRU>(which); });
  check_first_weights("rnn_cell", 4, [](auto& which) { return cell_of<nn::RNNCell>(which); });
  check_first_weights("lstm_cell", 4, [](auto& which) { return cell_of<nn::LSTMCell>(which); });
  check_first_weights("gru_cell", 4, [](auto& which) { return cell_of<nn::GRUCell>(which); });
}

TEST_CASE("RNN agrees with PyTorch, forward and backward") { check_layer<nn::RNN>("rnn", 33); }
TEST_CASE("LSTM agrees with PyTorch, forward and backward") { check_layer<nn::LSTM>("lstm", 29); }
TEST_CASE("GRU agrees with PyTorch, forward and backward") { check_layer<nn::GRU>("gru", 29); }
TEST_CASE("recurrent cells agree with PyTorch, forward and backward") {
  check_cell<nn::RNNCell>("rnn_cell", 9);
  check_cell<nn::LSTMCell>("lstm_cell", 8);
  check_cell<nn::GRUCell>("gru_cell", 8);
}

// Sequences that end early ------------------------------------------------------------------------

TEST_CASE("a sequence that ends early equals a shorter one, and an empty one keeps its state") {
  manual_seed(1);
  const nn::LSTM lstm(3, 4, {.num_layers = 2, .bidirectional = true, .dtype = float64});
  Tensor x = randn({5, 4, 3}, float64);
  const Tensor h = randn({4, 4, 4}, float64);
  const Tensor c = randn({4, 4, 4}, float64);
  const std::vector<std::int64_t> lengths = {3, 0, 5, 1};
  // Elements after the end are never read.
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t t = lengths[static_cast<std::size_t>(i)]; t < 5; ++t) {
      x[t][i].fill_(std::numeric_limits<double>::quiet_NaN());
    }
  }
  const auto all = lstm(x, {.h = h, .c = c, .lengths = tensor(lengths)});
  CHECK(all.output.shape() == Shape{5, 4, 8});
  for (std::int64_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    const std::int64_t length = lengths[static_cast<std::size_t>(i)];
    const Tensor output = select(all.output.value(), 1, i);
    CHECK(equal(narrow(output, 0, length, 5 - length), zeros({5 - length, 8}, float64)));
    if (length == 0) {
      CHECK(equal(select(all.h.value(), 1, i), select(h, 1, i)));
      CHECK(equal(select(all.c.value(), 1, i), select(c, 1, i)));
      continue;
    }
    const auto alone = lstm(narrow(narrow(x, 1, i, 1), 0, 0, length),
                            {.h = narrow(h, 1, i, 1), .c = narrow(c, 1, i, 1)});
    CHECK(close(narrow(output, 0, 0, length), select(alone.output.value(), 1, 0)));
    CHECK(close(select(all.h.value(), 1, i), select(alone.h.value(), 1, 0)));
    CHECK(close(select(all.c.value(), 1, i), select(alone.c.value(), 1, 0)));
  }
  (sum(all.output) + sum(all.h) + sum(all.c)).backward();
  for (const NamedParameter& each : lstm.parameters()) {
    CHECK(tapegrad::all(isfinite(each.variable.grad())).item<bool>());
  }
}

TEST_CASE("a sequence of length 0 keeps its state and changes no gradient of other sequences") {
  manual_seed(8);
  const Tensor x = randn({4, 3, 2}, float64);
  const Tensor g = randn({4, 3, 6}, float64);     // gradient of the output
  const Tensor ends = randn({4, 3, 3}, float64);  // gradients of the final states
  const Tensor first = randn({4, 3, 3}, float64);
  const auto check = [&](const auto& layer) {
    // Gradients of x, h and all parameters for these sequences of the batch, by backward() or with
    // create_graph.
    const auto gradients = [&](const Tensor& which, const Tensor& lengths, bool again) {
      const Variable in = parameter(index_select(x, 1, which));
      const Variable h = parameter(index_select(first, 1, which));
      const auto result = layer(in, {.h = h, .lengths = lengths});
      const Variable total = sum(result.output * Variable(index_select(g, 1, which))) +
                             sum(result.h * Variable(index_select(ends, 1, which)));
      std::vector<Variable> leaves{in, h};
      for (const NamedParameter& each : layer.parameters()) leaves.push_back(each.variable);
      std::vector<Tensor> all;
      for (const Variable& d : grad(total, leaves, {.create_graph = again})) {
        all.push_back(d.value());
      }
      return all;
    };
    for (const bool again : {false, true}) {
      CAPTURE(layer.description(), again);
      const auto with = gradients(tensor({0, 1, 2}), tensor({3, 0, 4}), again);
      const auto without = gradients(tensor({0, 2}), tensor({3, 4}), again);
      CHECK(equal(select(with[0], 1, 1), zeros({4, 2}, float64)));
      CHECK(equal(select(with[1], 1, 1), select(ends, 1, 1)));
      CHECK(close(index_select(with[0], 1, tensor({0, 2})), without[0]));
      CHECK(close(index_select(with[1], 1, tensor({0, 2})), without[1]));
      for (std::size_t i = 2; i < with.size(); ++i) CHECK(close(with[i], without[i]));

      const auto nothing = gradients(tensor({0, 1, 2}), tensor({0, 0, 0}), again);
      CHECK(equal(nothing[1], ends));
      for (std::size_t i = 0; i < nothing.size(); ++i) {
        if (i != 1) CHECK(equal(nothing[i], zeros_like(nothing[i])));
      }
    }
    const auto result = layer(x, {.h = first, .lengths = tensor({0, 0, 0})});
    CHECK(equal(result.output.value(), zeros({4, 3, 6}, float64)));
    CHECK(equal(result.h.value(), first));
    CHECK(equal(layer(x, {.lengths = tensor({0, 0, 0})}).h.value(), zeros({4, 3, 3}, float64)));
  };
  check(nn::RNN(2, 3, {.num_layers = 2, .bidirectional = true, .dtype = float64}));
  check(nn::RNN(2, 3,
                {.num_layers = 2,
                 .nonlinearity = nn::Nonlinearity::relu,
                 .bidirectional = true,
                 .dtype = float64}));
  check(nn::LSTM(2, 3, {.num_layers = 2, .bidirectional = true, .dtype = float64}));
  check(nn::GRU(2, 3, {.num_layers = 2, .bidirectional = true, .dtype = float64}));
}

TEST_CASE("lengths and the equivalent mask agree, with and without batch_first") {
  manual_seed(2);
  const nn::GRU gru(3, 4, {.bidirectional = true, .dtype = float64});
  manual_seed(2);
  const nn::GRU first(3, 4, {.batch_first = true, .bidirectional = true, .dtype = float64});
  const Tensor x = randn({5, 3, 3}, float64);
  const Tensor lengths = tensor({2, 5, 0});
  const Tensor mask = unsqueeze(arange(5), 1) < unsqueeze(lengths, 0);  // (steps, batch)
  const auto by_lengths = gru(x, {.lengths = lengths});
  const auto by_mask = gru(x, {.mask = mask});
  const auto turned = first(transpose(x, 0, 1), {.mask = transpose(mask)});
  CHECK(equal(by_lengths.output.value(), by_mask.output.value()));
  CHECK(equal(by_lengths.h.value(), by_mask.h.value()));
  CHECK(turned.output.shape() == Shape{3, 5, 8});
  CHECK(equal(transpose(turned.output.value(), 0, 1), by_mask.output.value()));
  CHECK(equal(turned.h.value(), by_mask.h.value()));
  // Full lengths equal no lengths.
  CHECK(equal(gru(x, {.lengths = tensor({5, 5, 5})}).output.value(), gru(x).output.value()));
  // One sequence without a batch dimension.
  const auto one = gru(select(x, 1, 0), {.lengths = tensor(2)});
  CHECK(close(one.output.value(), select(by_mask.output.value(), 1, 0)));
  CHECK(close(one.h.value(), select(by_mask.h.value(), 1, 0)));
  const auto masked = gru(select(x, 1, 0), {.mask = select(mask, 1, 0)});
  CHECK(equal(masked.output.value(), one.output.value()));
}

TEST_CASE("the mask or lengths of a batch can be overwritten before backward()") {
  manual_seed(9);
  for (const bool batch_first : {false, true}) {
    const nn::GRU gru(2, 3, {.batch_first = batch_first});
    Tensor mask = batch_first ? tensor({{true, true, false}, {true, false, false}})
                              : tensor({{true, true}, {true, false}, {false, false}});
    Tensor lengths = tensor({2, 1});
    const Tensor x = randn(batch_first ? Shape{2, 3, 2} : Shape{3, 2, 2});
    const auto gradient = [&](const nn::RNNArguments& with, bool reused) {
      const Variable in = parameter(x.clone());
      const Variable total = sum(square(gru(in, with).output));
      if (reused) {
        mask.fill_(true);
        lengths.fill_(3);
      }
      total.backward();
      return in.grad();
    };
    const Tensor expected = gradient({.mask = mask.clone()}, false);
    CHECK(equal(gradient({.mask = mask}, true), expected));
    lengths = tensor({2, 1});
    CHECK(equal(gradient({.lengths = lengths}, true), expected));
  }
}

TEST_CASE("a mask with holes skips steps") {
  manual_seed(3);
  const nn::LSTM lstm(2, 3, {.bidirectional = true, .dtype = float64});
  const Tensor x = randn({5, 1, 2}, float64);
  const auto holes = lstm(x, {.mask = tensor({{true}, {false}, {true}, {true}, {false}})});
  const auto plain = lstm(index_select(x, 0, tensor({0, 2, 3})));
  CHECK(close(index_select(holes.output.value(), 0, tensor({0, 2, 3})), plain.output.value()));
  CHECK(equal(index_select(holes.output.value(), 0, tensor({1, 4})), zeros({2, 1, 6}, float64)));
  CHECK(close(holes.h.value(), plain.h.value()));
  CHECK(close(holes.c.value(), plain.c.value()));
}

TEST_CASE("recurrent layers pass gradcheck of first and second order") {
  manual_seed(4);
  const Tensor lengths = tensor({2, 3, 0});
  const auto check = [&](const auto& layer, std::int64_t states) {
    std::vector<Variable> inputs = {randn({3, 3, 2}, float64)};
    for (std::int64_t i = 0; i < states; ++i) inputs.push_back(randn({4, 3, 2}, float64));
    const auto run = [&](Variables& v) -> Variables {
      if constexpr (std::is_same_v<std::decay_t<decltype(layer)>, nn::LSTM>) {
        const auto [output, h, c] = layer(v[0], {.h = v[1], .c = v[2], .lengths = lengths});
        return {output, h, c};
      } else {
        const auto [output, h] = layer(v[0], {.h = v[1], .lengths = lengths});
        return {output, h};
      }
    };
    CHECK(gradcheck(run, inputs, {.second_order = true}));
  };
  check(nn::RNN(2, 2, {.num_layers = 2, .bidirectional = true, .dtype = float64}), 1);
  check(nn::LSTM(2, 2, {.num_layers = 2, .bidirectional = true, .dtype = float64}), 2);
  check(nn::GRU(2, 2, {.num_layers = 2, .bidirectional = true, .dtype = float64}), 1);
}

TEST_CASE("cells with a mask keep the state of texts that have ended") {
  manual_seed(5);
  const nn::LSTMCell lstm(3, 4);
  const nn::GRUCell gru(3, 4);
  const Tensor x = randn({2, 3});
  const nn::LSTMState state{randn({2, 4}), randn({2, 4})};
  const Tensor mask = tensor({true, false});
  const nn::LSTMState next = lstm(x, state, mask);
  CHECK(equal(next.h.value()[1], state.h.value()[1]));
  CHECK(equal(next.c.value()[1], state.c.value()[1]));
  CHECK(equal(next.h.value()[0], lstm(x, state).h.value()[0]));
  CHECK(equal(gru(x, state.h, mask).value()[1], state.h.value()[1]));
  CHECK(equal(lstm(x).c.value(), lstm(x, lstm.initial_state(2)).c.value()));
  CHECK(equal(gru(x).value(), gru(x, gru.initial_state(2)).value()));
  // The cell has a copy of the mask, so the caller may change it afterwards.
  Tensor own = tensor({true, false});
  const Variable h = parameter(state.h.value().clone());
  const Variable y = gru(x, h, own);
  own.fill_(true);
  sum(y).backward();
  CHECK(equal(h.grad()[1], ones({4})));
}

// Modules -----------------------------------------------------------------------------------------

TEST_CASE("dropout between layers is active in training only, and never after the last layer") {
  manual_seed(6);
  nn::LSTM lstm(3, 8, {.num_layers = 2, .dropout = 0.5});
  const Tensor x = randn({4, 2, 3});
  CHECK_FALSE(equal(lstm(x).output.value(), lstm(x).output.value()));
  lstm.eval();
  CHECK(equal(lstm(x).output.value(), lstm(x).output.value()));
  const nn::GRU single(3, 8, {.dropout = 0.5});
  CHECK(equal(single(x).output.value(), single(x).output.value()));
}

TEST_CASE("recurrent layers as modules: names, copies, what they print") {
  manual_seed(7);
  nn::LSTM lstm(3, 4, {.num_layers = 2, .bidirectional = true});
  const StateDict state = lstm.state_dict();
  for (const char* end : {"l0", "l0_reverse", "l1", "l1_reverse"}) {
    for (const char* what : {"weight_ih_", "weight_hh_", "bias_ih_", "bias_hh_"}) {
      CHECK(state.contains(what + std::string(end)));
    }
  }
  CHECK(state.at("weight_ih_l1_reverse").shape() == Shape{16, 8});
  CHECK(equal(lstm.weight_hh(1, true).value(), state.at("weight_hh_l1_reverse")));
  CHECK(lstm.input_size() == 3);
  CHECK(lstm.hidden_size() == 4);
  CHECK(lstm.description() == "LSTM(3, 4, num_layers=2, bidirectional=true)");
  CHECK(nn::RNN(1, 2, {.nonlinearity = nn::Nonlinearity::relu, .bias = false}).description() ==
        "RNN(1, 2, nonlinearity=relu, bias=false)");
  CHECK(nn::GRU(1, 2, {.batch_first = true, .dropout = 0.5}).description() ==
        "GRU(1, 2, batch_first=true, dropout=0.5)");
  CHECK(nn::LSTMCell(1, 2).description() == "LSTMCell(1, 2)");
  CHECK(nn::GRUCell(1, 2, {.bias = false}).description() == "GRUCell(1, 2, bias=false)");

  const Tensor x = randn({3, 2, 3});
  nn::LSTM copy = clone(lstm);
  const nn::LSTM handle = lstm;
  const Tensor before = lstm(x).output.value();
  lstm.weight_hh(0).set_value(zeros({16, 4}));
  CHECK(equal(copy(x).output.value(), before));
  CHECK_FALSE(equal(lstm(x).output.value(), before));
  CHECK(equal(handle(x).output.value(), lstm(x).output.value()));
  copy.load_state_dict(lstm.state_dict());
  CHECK(equal(copy(x).output.value(), lstm(x).output.value()));

  struct Net : nn::Module {
    nn::GRU gru;
    Net() : gru(register_module("gru", nn::GRU(3, 4))) {}
  };
  Net net;
  const nn::GRU other(3, 6, {.batch_first = true});
  net.replace_module("gru", other);
  CHECK(net.gru.hidden_size() == 6);
  CHECK(equal(net.gru(x).output.value(), other(x).output.value()));
  CHECK_THROWS_AS(net.replace_module("gru", nn::GRU(3, 4, {.num_layers = 2})), ValueError);
}

TEST_CASE("recurrent layers refuse what does not fit") {
  CHECK(error_text<ValueError>([] { nn::LSTM(-1, 2); }) == "LSTM: negative size in -1 -> 2");
  CHECK(error_text<ValueError>([] { nn::GRU(1, -2); }) == "GRU: negative size in 1 -> -2");
  CHECK(error_text<ValueError>([] { nn::RNN(1, 2, {.num_layers = 0}); }) ==
        "RNN: num_layers is 0, needed at least 1");
  CHECK(error_text<ValueError>([] { nn::RNN(1, 2, {.num_layers = 2, .dropout = 1.5}); }) ==
        "RNN: dropout is 1.500000, needed a probability in [0, 1]");
  CHECK(error_text<DTypeError>([] { nn::GRU(1, 2, {.dtype = int64}); }) != "");
  const nn::LSTM lstm(3, 4, {.num_layers = 2});
  const nn::GRU first(3, 4, {.batch_first = true});
  CHECK(error_text<ShapeError>([&] {
          lstm(zeros({5, 2, 4}));
        }) == "LSTM: x is (5, 2, 4), needed (steps, batch, 3), or the same without batch");
  CHECK(error_text<ShapeError>([&] { first(zeros({3})); }) ==
        "GRU: x is (3), needed (batch, steps, 3), or the same without batch");
  CHECK(error_text<ShapeError>([&] {
          lstm(zeros({0, 2, 3}));
        }) == "LSTM: x is (0, 2, 3), needed at least one step");
  CHECK(error_text<DTypeError>([&] {
          lstm(zeros({5, 2, 3}, float64));
        }) == "LSTM: x is float64, needed the weights' float32; convert with to(float32)");
  CHECK(error_text<ShapeError>([&] {
          lstm(zeros({5, 2, 3}), {.h = zeros({1, 2, 4})});
        }) == "LSTM: h is (1, 2, 4), needed (2, 2, 4): layers * directions, batch, hidden_size");
  CHECK(error_text<ShapeError>([&] {
          lstm(zeros({5, 3}), {.c = zeros({2, 1, 4})});
        }) == "LSTM: c is (2, 1, 4), needed (2, 4): layers * directions, hidden_size");
  CHECK(error_text<ShapeError>([&] {
          lstm(zeros({5, 2, 3}), {.lengths = tensor({1, 2, 3})});
        }) == "LSTM: lengths are int64 (3), needed int64 (2) for x of (5, 2, 3)");
  CHECK(error_text<ValueError>([&] {
          lstm(zeros({5, 2, 3}), {.lengths = tensor({1, 6})});
        }) == "LSTM: length 6 of sequence 1, needed 0 to 5, the steps of x");
  CHECK(error_text<ValueError>([&] {
          first(zeros({5, 2, 3}), {.lengths = tensor({1, 2, 2, 2, -1})});
        }) == "GRU: length -1 of sequence 4, needed 0 to 2, the steps of x");
  CHECK(error_text<ShapeError>([&] {
          first(zeros({5, 2, 3}), {.mask = ones({2, 5}, boolean)});
        }) == "GRU: mask is boolean (2, 5), needed boolean (5, 2) for x of (5, 2, 3)");
  CHECK(error_text<ValueError>([&] {
          first(zeros({5, 2, 3}), {.lengths = ones({5}, int64), .mask = ones({5, 2}, boolean)});
        }) == "GRU: got lengths and a mask, needed at most one of them");
  CHECK(error_text<IndexError>([&] { lstm.weight_ih(2); }) ==
        "LSTM: no layer 2 among 2 of one direction");
  CHECK(error_text<IndexError>([&] { lstm.bias_hh(0, true); }) ==
        "LSTM: no layer 0 in reverse among 2 of one direction");
  const nn::LSTMCell cell(3, 4);
  CHECK(error_text<ShapeError>([&] {
          cell(zeros({2, 3}), {zeros({2, 4}), zeros({1, 4})});
        }) == "LSTMCell: x is (2, 3) and c is (1, 4), needed the same batch");
  CHECK(error_text<DTypeError>([&] {
          cell(zeros({2, 3}), {zeros({2, 4}), zeros({2, 4}, float64)});
        }) == "LSTMCell: c is float64, needed the weights' float32; convert with to(float32)");
  CHECK(error_text<ShapeError>([&] {
          nn::GRUCell(3, 4)(zeros({2, 5}));
        }) == "GRUCell: x is (2, 5), needed (batch, 3)");
}

TEST_CASE("cells may have no inputs and no states") {
  const nn::RNNCell no_inputs(0, 3), no_states(3, 0);
  CHECK(no_inputs(zeros({2, 0})).shape() == Shape{2, 3});
  CHECK(no_states(zeros({2, 3})).shape() == Shape{2, 0});
  CHECK(nn::GRUCell(0, 3)(zeros({2, 0})).shape() == Shape{2, 3});
  CHECK(nn::LSTMCell(0, 3).hidden_size() == 3);
  CHECK_THROWS_AS(nn::RNNCell(-1, 3), ValueError);
  CHECK_THROWS_AS(nn::RNNCell(3, -1), ValueError);
}

// Sequences whose h is projected ------------------------------------------------------------------

namespace {

nn::LSTM projected_lstm_of(const std::string& which, DType dtype = float32) {
  return nn::LSTM(size_option(which, "input_size"), size_option(which, "hidden_size"),
                  {.num_layers = static_cast<std::int64_t>(golden().option(which, "num_layers", 1)),
                   .bias = flag(which, "bias", true),
                   .batch_first = flag(which, "batch_first", false),
                   .dropout = golden().option(which, "dropout", 0),
                   .bidirectional = flag(which, "bidirectional", false),
                   .proj_size = size_option(which, "proj_size"),
                   .dtype = dtype});
}

}  // namespace

TEST_CASE("an LSTM with proj_size agrees with PyTorch", "[nn]") {
  check_first_weights("projected_lstm", 8,
                      [](const std::string& which) { return projected_lstm_of(which); });
  const std::vector<std::string> cases = golden().cases("projected_lstm");
  CHECK(cases.size() == 8);
  for (const std::string& which : cases) {
    check_case(which, projected_lstm_of, [](const nn::LSTM& layer, const Variables& in) {
      const nn::LSTMResult result = layer(in[0], {.h = state_of(in, 1), .c = state_of(in, 2)});
      return Variables{result.output, result.h, result.c};
    });
  }
}

TEST_CASE("an LSTM with proj_size: lengths, copies, errors", "[nn]") {
  manual_seed(1);
  const nn::LSTM lstm(3, 5, {.bidirectional = true, .proj_size = 2, .dtype = float64});
  CHECK(lstm.hidden_size() == 5);
  CHECK(lstm.proj_size() == 2);
  CHECK(lstm.weight_hr(0, true).shape() == Shape{2, 5});
  CHECK_FALSE(nn::LSTM(3, 5).weight_hr().defined());
  CHECK(lstm.description() == "LSTM(3, 5, bidirectional=true, proj_size=2)");
  const Tensor x = randn({4, 2, 3}, float64);
  // A sequence that ends early gives what it gives alone.
  const nn::LSTMResult both = lstm(x, {.lengths = tensor({4, 2})});
  const nn::LSTMResult alone = lstm(narrow(narrow(x, 0, 0, 2), 1, 1, 1));
  CHECK(both.output.shape() == Shape{4, 2, 4});
  CHECK(both.c.shape() == Shape{2, 2, 5});
  CHECK(allclose(both.output.value()(Slice{0, 2}, Slice{1, 2}), alone.output.value()));
  CHECK(equal(both.output.value()(Slice{2, 4}, Slice{1, 2}), zeros({2, 1, 4}, float64)));
  CHECK(allclose(narrow(both.h.value(), 1, 1, 1), alone.h.value()));
  CHECK(allclose(narrow(both.c.value(), 1, 1, 1), alone.c.value()));
  CHECK(equal(clone(lstm)(x).output.value(), lstm(x).output.value()));

  CHECK(error_text<ShapeError>([&] {
          lstm(x, {.h = zeros({2, 2, 5}, float64)});
        }) == "LSTM: h is (2, 2, 5), needed (2, 2, 2): layers * directions, batch, proj_size");
  CHECK(error_text<ShapeError>([&] {
          lstm(x, {.c = zeros({2, 2, 2}, float64)});
        }) == "LSTM: c is (2, 2, 2), needed (2, 2, 5): layers * directions, batch, hidden_size");
  CHECK(error_text<ValueError>([] { nn::GRU(3, 5, {.proj_size = 2}); }) ==
        "GRU: proj_size is 2, needed 0: only an LSTM projects its states");
  for (const int bad : {-1, 5, 6}) {
    CHECK(error_text<ValueError>([&] { nn::LSTM(3, 5, {.proj_size = bad}); }) ==
          "LSTM: proj_size is " + std::to_string(bad) +
              ", needed 0 for none, or less than hidden_size, which is 5");
  }
}
