// Layers: initial weights, outputs and gradients, compared with PyTorch's (golden/init.safetensors,
// golden/modules.safetensors); and errors.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"
#include "nn/text_classifier.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

const GoldenFile& first_weights() {
  static const GoldenFile file("init.safetensors");
  return file;
}
const GoldenFile& golden() {
  static const GoldenFile file("modules.safetensors");
  return file;
}

std::int64_t size_option(const std::string& which, const std::string& name) {
  return static_cast<std::int64_t>(first_weights().option(which, name, -1));
}

std::optional<std::int64_t> padding_option(const GoldenFile& file, const std::string& which) {
  if (!file.has(which + ".arg.padding_idx")) return std::nullopt;
  return static_cast<std::int64_t>(file.option(which, "padding_idx", 0));
}

// The largest difference, relative to each element and not to the largest one.
double relative_error(const Tensor& got, const Tensor& expected) {
  REQUIRE(got.shape() == expected.shape());
  REQUIRE(got.dtype() == expected.dtype());
  const std::vector<double> a = to_vector<double>(got);
  const std::vector<double> b = to_vector<double>(expected);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) worst = std::max(worst, std::abs(a[i] - b[i]) / std::abs(b[i]));
  }
  return worst;
}

// For each case: sets the seed and creates the layer. Uniform values are PyTorch's to the last bit.
// Normal values go through <cmath>, whose last bit may differ between systems.
template <class Make>
void check_first_weights(const std::string& layer, std::size_t count, const Make& make) {
  const std::vector<std::string> cases = first_weights().cases(layer);
  CHECK(cases.size() == count);
  for (const std::string& which : cases) {
    CAPTURE(which);
    manual_seed(static_cast<std::uint64_t>(size_option(which, "seed")));
    const auto module = make(which);
    CHECK(equal(tapegrad::rand({1}), first_weights().at(which + ".next")));
    for (const NamedParameter& each : module.parameters()) {
      CAPTURE(each.name);
      const Tensor& expected = first_weights().at(which + ".param." + each.name);
      const bool normal = each.name.find("embedding") != std::string::npos || layer == "embedding";
      CHECK(relative_error(each.variable.value(), expected) <= (normal ? 0x1p-22 : 0));
    }
  }
}

// Loads the weights of the case into the module, runs it forward and backward in both element
// types, and compares everything.
template <class Make, class Run>
void check_layer(const std::string& which, const Make& make, const Run& run) {
  for (const DType dtype : {float64, float32}) {
    CAPTURE(which, dtype);
    const double tolerance = dtype == float64 ? 1e-12 : 5e-6;
    const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
    auto module = make(dtype);
    StateDict weights;
    for (const NamedParameter& each : module.parameters()) {
      weights.insert(each.name, golden().at(which + ".param." + each.name));
    }
    module.load_state_dict(weights);
    std::vector<Variable> inputs;
    for (std::size_t i = 0; golden().has(which + ".in" + std::to_string(i)); ++i) {
      const Tensor& x = golden().at(which + ".in" + std::to_string(i));
      inputs.push_back(is_floating_point(x.dtype()) ? parameter(x.to(dtype)) : Variable(x));
    }
    const Variable y = run(module, inputs);
    CHECK(error_of(y.value(), golden().at(prefix + "out0")) <= tolerance);
    y.backward(golden().at(which + ".g0").to(dtype));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].requires_grad()) continue;
      CAPTURE(i);
      CHECK(error_of(inputs[i].grad(), golden().at(prefix + "grad" + std::to_string(i))) <=
            tolerance);
    }
    for (const NamedParameter& each : module.parameters()) {
      CAPTURE(each.name);
      CHECK(error_of(each.variable.grad(), golden().at(prefix + "grad." + each.name)) <= tolerance);
    }
  }
}

Variable one_input(const nn::Linear& layer, const std::vector<Variable>& in) {
  return layer(in[0]);
}

}  // namespace

// PyTorch's values --------------------------------------------------------------------------------

TEST_CASE("layers begin with PyTorch's weights and leave the generator in the same state") {
  check_first_weights("embedding", 36, [](const std::string& which) {
    return nn::Embedding(size_option(which, "num_embeddings"), size_option(which, "embedding_dim"),
                         {.padding_idx = padding_option(first_weights(), which)});
  });
  check_first_weights("linear", 38, [](const std::string& which) {
    return nn::Linear(size_option(which, "in_features"), size_option(which, "out_features"),
                      {.bias = first_weights().option(which, "bias", 1) != 0});
  });
  check_first_weights("rnn_cell", 26, [](const std::string& which) {
    return nn::RNNCell(size_option(which, "input_size"), size_option(which, "hidden_size"),
                       {.bias = first_weights().option(which, "bias", 1) != 0});
  });
  check_first_weights("text_classifier", 4, [](const std::string& which) {
    return TextClassifier(size_option(which, "vocab"), size_option(which, "dim"),
                          size_option(which, "hidden"), size_option(which, "classes"));
  });
}

// The values of PyTorch 1.13 with dtype=torch.float64 after manual_seed(7).
TEST_CASE("layers begin with PyTorch's weights in float64, too") {
  const auto check = [](const Variable& weight, const std::vector<double>& expected) {
    CHECK(relative_error(flatten(weight.value()), tensor(expected)) <= 1e-15);
  };
  manual_seed(7);
  check(nn::Embedding(3, 2, {.padding_idx = 1, .dtype = float64}).weight.variable(),
        {-0.1467950974849952, 0.7861412987235358, 0, 0, 1.6907901257942333, -0.8948278791726386});
  manual_seed(7);
  check(nn::Embedding(4, 4, {.dtype = float64}).weight.variable(),
        {0.06626753966449943, 0.04699155524392409, 1.8365386300294015, 1.367690398536778,
         1.1213586638784168, 1.859747196003376, 0.6012290027805237, 0.7378295754101417,
         -0.8067815436367963, -0.7983475032466213, 0.7677739048493596, 0.5173555167844971,
         1.9642472974584737, 0.44813898489805787, 0.5803637569736866, -1.0492146121597965});
  manual_seed(7);
  const nn::Linear linear(3, 2, {.dtype = float64});
  check(linear.weight, {-0.2547495363640743, -0.26131599068491523, 0.4181089374922697,
                        0.1809282151579961, 0.4878948880790089, 0.39207322819701307});
  check(linear.bias, {-0.23704603940026484, 0.07011526117687616});
  manual_seed(7);
  const nn::RNNCell cell(2, 2, {.dtype = float64});
  check(cell.weight_ih,
        {-0.31200318815128514, -0.3200454194039622, 0.5120767768766438, 0.22159090360478967});
  check(cell.weight_hh,
        {0.5975467619529394, 0.4801896754442359, -0.29032092103916285, 0.08587330653266086});
  check(cell.bias_ih, {0.3719995596290896, 0.36678650822450537});
  check(cell.bias_hh, {-0.6179814579251531, -0.6257105411922737});
}

TEST_CASE("Linear agrees with PyTorch, forward and backward") {
  const std::vector<std::string> cases = golden().cases("linear");
  CHECK(cases.size() == 8);
  for (const std::string& which : cases) {
    const Tensor& weight = golden().at(which + ".param.weight");
    check_layer(
        which,
        [&](DType dtype) {
          return nn::Linear(weight.size(1), weight.size(0),
                            {.bias = golden().option(which, "bias", 1) != 0, .dtype = dtype});
        },
        one_input);
  }
}

TEST_CASE("Embedding agrees with PyTorch, forward and backward") {
  const std::vector<std::string> cases = golden().cases("embedding");
  CHECK(cases.size() == 7);
  for (const std::string& which : cases) {
    const Tensor& weight = golden().at(which + ".param.weight");
    check_layer(
        which,
        [&](DType dtype) {
          return nn::Embedding(weight.size(0), weight.size(1),
                               {.padding_idx = padding_option(golden(), which), .dtype = dtype});
        },
        [](const nn::Embedding& layer, const std::vector<Variable>& in) {
          return layer(in[0].value());
        });
  }
}

TEST_CASE("RNNCell agrees with PyTorch, forward and backward") {
  const std::vector<std::string> cases = golden().cases("rnn_cell");
  CHECK(cases.size() == 7);
  for (const std::string& which : cases) {
    const Tensor& weight = golden().at(which + ".param.weight_ih");
    const bool is_relu = golden().option(which, "nonlinearity", 2) == 3;
    check_layer(
        which,
        [&](DType dtype) {
          return nn::RNNCell(
              weight.size(1), weight.size(0),
              {.bias = golden().option(which, "bias", 1) != 0,
               .nonlinearity = is_relu ? nn::Nonlinearity::relu : nn::Nonlinearity::tanh,
               .dtype = dtype});
        },
        [](const nn::RNNCell& cell, const std::vector<Variable>& in) {
          std::vector<Variable> states;
          Variable h = in[1];
          for (std::int64_t t = 0; t < in[0].size(0); ++t) {
            h = cell(select(in[0], 0, t), h);
            states.push_back(h);
          }
          return stack(states);
        });
  }
}

TEST_CASE("Sequential agrees with PyTorch, forward and backward") {
  const auto check = [](const char* name, const auto& activation) {
    check_layer(
        std::string("sequential.") + name,
        [&](DType dtype) {
          return nn::Sequential{nn::Linear(3, 5, {.dtype = dtype}), activation,
                                nn::Linear(5, 2, {.dtype = dtype})};
        },
        [](const nn::Sequential& layers, const std::vector<Variable>& in) {
          return layers(in[0]);
        });
  };
  CHECK(golden().cases("sequential").size() == 4);
  check("relu", nn::ReLU());
  check("tanh", nn::Tanh());
  check("sigmoid", nn::Sigmoid());
  check("gelu", nn::GELU());
}

// Linear ------------------------------------------------------------------------------------------

TEST_CASE("Linear without inputs, without outputs, and its errors") {
  CHECK(nn::Linear(0, 3)(zeros({2, 0})).shape() == Shape{2, 3});
  CHECK(nn::Linear(3, 0)(zeros({2, 3})).shape() == Shape{2, 0});
  CHECK_FALSE(nn::Linear(3, 2, {.bias = false}).bias.defined());
  CHECK(error_text<ValueError>([] { nn::Linear(-1, 2); }) == "Linear: negative size in -1 -> 2");
  CHECK(error_text<ValueError>([] { nn::Linear(1, -2); }) == "Linear: negative size in 1 -> -2");
  CHECK(error_text<DTypeError>([] { nn::Linear(1, 2, {.dtype = int64}); }) != "");
  const std::string text = error_text<ShapeError>([] { nn::Linear(3, 2)(zeros({2, 4})); });
  CHECK(text.find("linear: input (2, 4) and weight (2, 3)") != std::string::npos);
}

// Embedding ---------------------------------------------------------------------------------------

TEST_CASE("Embedding looks up ids of any shape and layout") {
  const nn::Embedding table(5, 3);
  const Tensor& weight = table.weight.value();
  CHECK(table.num_embeddings() == 5);
  CHECK(table.embedding_dim() == 3);
  CHECK_FALSE(table.padding_idx().has_value());
  CHECK(equal(table(tensor(4)).value(), weight[4]));
  CHECK(table(zeros({0}, int64)).shape() == Shape{0, 3});
  CHECK(table(zeros({2, 0, 1}, int64)).shape() == Shape{2, 0, 1, 3});
  const Tensor ids = tensor({{0, 1, 2}, {3, 4, 0}});
  const Tensor expected = reshape(index_select(weight, 0, flatten(ids)), {2, 3, 3});
  CHECK(equal(table(ids).value(), expected));
  CHECK(equal(table(transpose(ids)).value(), transpose(expected, 0, 1)));
  CHECK(equal(table(test::stored_with_gaps(ids)).value(), expected));
  CHECK(equal(table(expand(tensor({{2}}), {4, 2})).value(), expand(weight[2], {4, 2, 3})));
  CHECK(nn::Embedding(0, 3)(zeros({0}, int64)).shape() == Shape{0, 3});
  CHECK(nn::Embedding(3, 0)(tensor({1, 2})).shape() == Shape{2, 0});
}

TEST_CASE("Embedding: the memory of a batch can be reused for the next one after backward()") {
  const nn::Embedding table(5, 2);
  Tensor batch = tensor({1, 3, 3});
  sum(table(batch)).backward();
  batch.fill_(4);
  sum(table(batch)).backward();
  batch.fill_(1'000'000);
  CHECK(equal(table.weight.grad(),
              tensor({{0.0, 0.0}, {1.0, 1.0}, {0.0, 0.0}, {2.0, 2.0}, {3.0, 3.0}})));
  // Before backward(), the gradient would go to other rows.
  Tensor early = tensor({1});
  const Variable y = sum(table(early));
  early.fill_(2);
  CHECK_THROWS_AS(y.backward(), AutogradError);
}

TEST_CASE("Embedding: the error for an id out of range has position, id and number of rows") {
  const nn::Embedding table(5, 3);
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  for (const std::int64_t id :
       {std::int64_t{5}, std::int64_t{-1}, kHuge, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    CAPTURE(id);
    CHECK(error_text<IndexError>([&] {
            table(tensor({{0, 4}, {id, id}}));
          }) == "embedding: index " + std::to_string(id) + " out of range for 5 rows (position 2)");
  }
  CHECK(error_text<IndexError>([&] { nn::Embedding(0, 3)(tensor({0})); }) ==
        "embedding: index 0 out of range for 0 rows (position 0)");
  // The position is counted row by row, whatever the memory layout.
  CHECK(error_text<IndexError>([&] {
          table(transpose(tensor({{0, 1, 2}, {9, 0, 8}})));
        }) == "embedding: index 9 out of range for 5 rows (position 1)");
  CHECK(error_text<DTypeError>([&] {
          table(tensor({0.0, 1.0}));
        }).find("float32") != std::string::npos);
  CHECK(error_text<DTypeError>([&] { table(tensor({true})); }).find("boolean") !=
        std::string::npos);
}

TEST_CASE("Embedding: the padding row begins as 0 and gets no gradient") {
  for (const std::int64_t padding : {0, 3, -1, -6}) {
    CAPTURE(padding);
    const std::int64_t row = padding < 0 ? padding + 6 : padding;
    manual_seed(4);
    const nn::Embedding plain(6, 2);
    manual_seed(4);
    nn::Embedding table(6, 2, {.padding_idx = padding});
    CHECK(table.padding_idx() == row);
    CHECK(equal(table.weight.value()[row], zeros({2})));
    Tensor others = plain.weight.value().clone();  // drawn as if there were no padding
    others[row].zero_();
    CHECK(equal(table.weight.value(), others));

    sum(table(tensor({{0, 3, 5}, {row, row, 1}}))).backward();
    const Tensor gradient = table.weight.grad();
    CHECK(equal(gradient[row], zeros({2})));
    CHECK(equal(gradient[1], ones({2})));
    CHECK(sum(gradient).item<double>() == (row == 0 || row == 3 || row == 5 ? 6 : 0));

    // The padding row is read like any other row.
    table.weight.set_value(full({6, 2}, 9.0f));
    CHECK(equal(table(tensor({row})).value(), full({1, 2}, 9.0f)));
  }
  // If all ids are padding, the gradient is zeros.
  const nn::Embedding table(4, 2, {.padding_idx = 1});
  sum(table(tensor({1, 1}))).backward();
  CHECK(equal(table.weight.grad(), zeros({4, 2})));
}

TEST_CASE("Embedding::from_pretrained copies, and freezes by default") {
  Tensor vectors = randn({4, 3}, float64);
  const Tensor kept = vectors.clone();
  const auto frozen = nn::Embedding::from_pretrained(vectors, {.padding_idx = -2});
  CHECK_FALSE(frozen.weight.requires_grad());
  CHECK_FALSE(frozen(tensor({1})).requires_grad());
  CHECK(frozen.padding_idx() == 2);
  CHECK(frozen.weight.dtype() == float64);
  vectors.fill_(0);
  CHECK(equal(frozen.weight.value(), kept));  // the padding row, too

  const auto trained = nn::Embedding::from_pretrained(transpose(kept), {.freeze = false});
  CHECK(trained.num_embeddings() == 3);
  CHECK(equal(trained(tensor({2})).value(), reshape(select(kept, 1, 2), {1, 4})));
  sum(trained(tensor({2}))).backward();
  CHECK(trained.weight.has_row_grad());

  CHECK(error_text<ShapeError>([] { nn::Embedding::from_pretrained(zeros({3})); }) ==
        "Embedding::from_pretrained: got float32 (3), needed floating-point (rows, width)");
  CHECK(error_text<ShapeError>([] {
          nn::Embedding::from_pretrained(zeros({3, 2}, int64));
        }) == "Embedding::from_pretrained: got int64 (3, 2), needed floating-point (rows, width)");
  CHECK(error_text<ValueError>([&] { nn::Embedding::from_pretrained(kept, {.padding_idx = 4}); }) ==
        "Embedding: padding_idx 4 out of range for 4 rows");
}

TEST_CASE("Embedding refuses sizes, padding and rows out of range") {
  CHECK(error_text<ValueError>([] { nn::Embedding(-1, 2); }) ==
        "Embedding: negative size in (-1, 2)");
  CHECK(error_text<ValueError>([] { nn::Embedding(1, -2); }) ==
        "Embedding: negative size in (1, -2)");
  for (const std::int64_t padding : {3, -4}) {
    CHECK(error_text<ValueError>([&] { nn::Embedding(3, 2, {.padding_idx = padding}); }) ==
          "Embedding: padding_idx " + std::to_string(padding) + " out of range for 3 rows");
  }
  CHECK(error_text<ValueError>([] { nn::Embedding(0, 2, {.padding_idx = 0}); }) ==
        "Embedding: padding_idx 0 out of range for 0 rows");
  CHECK(error_text<DTypeError>([] { nn::Embedding(3, 2, {.dtype = int64}); }) != "");

  nn::Embedding table(3, 2);
  table.freeze_rows({2});
  CHECK(error_text<IndexError>([&] {
          table.freeze_rows({0, 3});
        }) == "freeze_rows: row 3 out of range for 3 rows");
  CHECK(error_text<IndexError>([&] { table.freeze_rows({-1}); }) ==
        "freeze_rows: row -1 out of range for 3 rows");
  CHECK(table.weight.row_policy().frozen_rows() == std::vector<std::int64_t>{2});
  table.freeze_rows({1, 2, 1});
  CHECK(table.weight.row_policy().frozen_rows() == std::vector<std::int64_t>{1, 2});
  table.unfreeze_rows();
  CHECK(table.weight.row_policy().frozen_rows().empty());
}

// RNNCell -----------------------------------------------------------------------------------------

TEST_CASE("RNNCell starts from zeros, and accepts one example as well as a batch") {
  const nn::RNNCell cell(3, 4);
  CHECK(cell.input_size() == 3);
  CHECK(cell.hidden_size() == 4);
  CHECK(equal(cell.initial_state(2).value(), zeros({2, 4})));
  CHECK(nn::RNNCell(3, 4, {.dtype = float64}).initial_state(1).dtype() == float64);
  const Tensor x = randn({2, 3});
  CHECK(equal(cell(x).value(), cell(x, cell.initial_state(2)).value()));
  CHECK(cell(x[0]).shape() == Shape{4});
  CHECK(allclose(cell(x[0], zeros({4})).value(), cell(x).value()[0]));
  const nn::RNNCell plain(3, 4, {.bias = false});
  CHECK_FALSE(plain.bias_ih.defined());
  CHECK_FALSE(plain.bias_hh.defined());
  CHECK(plain.parameters().size() == 2);
}

TEST_CASE("RNNCell refuses what does not fit") {
  CHECK(error_text<ValueError>([] { nn::RNNCell(-1, 2); }) == "RNNCell: negative size in -1 -> 2");
  CHECK(error_text<ValueError>([] { nn::RNNCell(1, -2); }) == "RNNCell: negative size in 1 -> -2");
  const nn::RNNCell cell(3, 4);
  CHECK(error_text<ShapeError>([&] { cell(zeros({})); }) ==
        "RNNCell: got a 0-d x, needed (batch, input_size)");
  // Without the check, one state would be broadcast over the batch.
  CHECK(error_text<ShapeError>([&] {
          cell(zeros({2, 3}), zeros({1, 4}));
        }) == "RNNCell: x is (2, 3) and h is (1, 4), needed the same batch");
  CHECK(error_text<ShapeError>([&] {
          cell(zeros({2, 3}), zeros({4}));
        }) == "RNNCell: x is (2, 3) and h is (4), needed the same batch");
  CHECK(error_text<ShapeError>([&] {
          cell(zeros({2, 5}), zeros({2, 4}));
        }).find("(2, 5)") != std::string::npos);
  CHECK(error_text<ShapeError>([&] {
          cell(zeros({2, 3}), zeros({2, 5}));
        }).find("(2, 5)") != std::string::npos);
}

// Sequential and activations ----------------------------------------------------------------------

TEST_CASE("Sequential accepts modules, functions, ids, and other Sequentials") {
  const nn::Embedding words(5, 3);
  const nn::Linear head(3, 2);
  nn::Sequential layers{words, [](const Variable& x) { return mean(x, {1}); }, head};
  CHECK(layers.size() == 3);
  const Tensor ids = tensor({{0, 1}, {4, 4}});
  CHECK(equal(layers(ids).value(), head(mean(words(ids), {1})).value()));
  REQUIRE(layers.parameters().size() == 3);
  CHECK(layers.parameters()[0].name == "0.weight");
  CHECK(layers.parameters()[1].name == "2.weight");  // a function takes a position, too
  CHECK(layers.parameters()[0].variable.node() == words.weight.variable().node());
  layers.push_back(nn::Softmax(1));
  CHECK(allclose(sum(layers(ids), {1}).value(), ones({2})));

  const nn::Sequential nested{nn::Sequential{nn::Linear(3, 3)}, nn::Sequential{nn::Linear(3, 1)}};
  CHECK(nested.size() == 2);
  CHECK(nested.parameters()[2].name == "1.0.weight");
  CHECK(nested(zeros({4, 3})).shape() == Shape{4, 1});
  const nn::Sequential copy{nested};
  CHECK(copy.size() == 2);
  const Tensor x = ones({2});
  CHECK(equal(nn::Sequential()(x).value(), x));
}

TEST_CASE("braces draw the layers of a Sequential from left to right") {
  manual_seed(6);
  const nn::Linear first(2, 3);
  const nn::Linear second(3, 1);
  manual_seed(6);
  const nn::Sequential layers{nn::Linear(2, 3), nn::Linear(3, 1)};
  CHECK(equal(layers.parameters()[0].variable.value(), first.weight.value()));
  CHECK(equal(layers.parameters()[2].variable.value(), second.weight.value()));
}

TEST_CASE("activation modules are the functions of the same names") {
  const Tensor x = randn({3, 4});
  const Variable v = x;
  const auto same = [&](const auto& module, const Variable& expected) {
    CAPTURE(module.description());
    CHECK(equal(module(x).value(), expected.value()));
    CHECK(module.parameters().empty());
  };
  same(nn::Tanh(), tanh(v));
  same(nn::Sigmoid(), sigmoid(v));
  same(nn::ReLU(), relu(v));
  same(nn::LeakyReLU(), leaky_relu(v, 0.01));
  same(nn::LeakyReLU(0.3), leaky_relu(v, 0.3));
  same(nn::ELU(), elu(v, 1.0));
  same(nn::ELU(0.5), elu(v, 0.5));
  same(nn::GELU(), gelu(v));
  same(nn::SiLU(), silu(v));
  same(nn::Softplus(), softplus(v));
  same(nn::Softplus(2, 1), softplus(v, 2, 1));
  same(nn::Softsign(), softsign(v));
  same(nn::ReLU6(), relu6(v));
  same(nn::Hardtanh(), hardtanh(v));
  same(nn::Hardtanh(-0.5, 0.25), hardtanh(v, -0.5, 0.25));
  same(nn::Hardsigmoid(), hardsigmoid(v));
  same(nn::Hardswish(), hardswish(v));
  same(nn::SELU(), selu(v));
  same(nn::CELU(), celu(v));
  same(nn::CELU(0.5), celu(v, 0.5));
  same(nn::Mish(), mish(v));
  same(nn::LogSigmoid(), logsigmoid(v));
  same(nn::Softshrink(0.25), softshrink(v, 0.25));
  same(nn::Hardshrink(0.25), hardshrink(v, 0.25));
  same(nn::Threshold(0.25, -1), threshold(v, 0.25, -1));
  same(nn::GLU(), glu(v));
  same(nn::Softmin(0), softmin(v, 0));
  same(nn::Unflatten(1, {2, 2}), unflatten(v, 1, {2, 2}));
  same(nn::Softmax(0), softmax(v, 0));
  same(nn::LogSoftmax(-1), log_softmax(v, 1));
  same(nn::Flatten(), v);
  CHECK(nn::Flatten()(zeros({2, 3, 4})).shape() == Shape{2, 12});
  CHECK(nn::LeakyReLU(0.3).negative_slope() == 0.3);
  CHECK(nn::ELU(0.5).alpha() == 0.5);
  CHECK(nn::Softmax(-1).dim() == -1);
  CHECK(nn::Hardtanh(-0.5, 0.25).description() == "Hardtanh(-0.5, 0.25)");
  CHECK(nn::Hardtanh(-0.5, 0.25).max_val() == 0.25);
  CHECK(nn::Unflatten(1, {2, 2}).description() == "Unflatten(1, (2, 2))");
}

TEST_CASE("PReLU learns the slopes of its channels") {
  const nn::PReLU one;
  CHECK(equal(one.weight.value(), full({1}, 0.25)));  // PyTorch's initial value
  CHECK(one.description() == "PReLU(num_parameters=1)");
  const nn::PReLU three(3, 0.5);
  const Variable y = three(tensor({{-2.0, -4.0, 3.0}}).to(float32));
  CHECK(equal(y.value(), tensor({{-1.0, -2.0, 3.0}}).to(float32)));
  sum(y).backward();
  CHECK(equal(three.weight.grad(), tensor({-2.0, -4.0, 0.0}).to(float32)));
  CHECK(three.state_dict().contains("weight"));
  CHECK_THROWS_AS(three(ones({1, 2})), ShapeError);
}

// Dropout -----------------------------------------------------------------------------------------

TEST_CASE("Dropout drops the same elements as PyTorch") {
  const GoldenFile file("random.safetensors");
  const std::vector<std::string> cases = file.cases("dropout");
  CHECK(cases.size() == 16);
  for (const std::string& which : cases) {
    CAPTURE(which);
    manual_seed(static_cast<std::uint64_t>(file.option(which, "seed", 0)));
    const nn::Dropout dropout(file.option(which, "p", -1));
    CHECK(error_of(dropout(file.at(which + ".in0")).value(), file.at(which + ".out0")) <=
          (file.at(which + ".out0").dtype() == float64 ? 1e-15 : 1e-7));
  }
}

TEST_CASE("Dropout keeps the right share, and scales what it keeps") {
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    manual_seed(11);
    const nn::Dropout dropout(p);
    constexpr std::int64_t kCount = 100'000;
    const Tensor y = dropout(ones({kCount}, float64)).value();
    const double dropped = sum(y == 0.0).item<double>();
    const double deviation = std::sqrt(kCount * p * (1 - p));
    CHECK(std::abs(dropped - kCount * p) < 4 * deviation);
    CHECK(allclose(masked_select(y, y != 0.0),
                   full({kCount - static_cast<std::int64_t>(dropped)}, 1 / (1 - p), float64), 1e-15,
                   0));
    CHECK_FALSE(equal(dropout(ones({kCount}, float64)).value(), y));  // drawn again
    manual_seed(11);
    CHECK(equal(dropout(ones({kCount}, float64)).value(), y));

    // The gradient passes through the elements that were kept.
    const Variable x = parameter(ones({50}));
    const Variable z = dropout(x);
    sum(z).backward();
    CHECK(equal(x.grad(), z.value()));
  }
}

TEST_CASE("Dropout does nothing in eval mode or with p = 0, and draws nothing then") {
  const Variable x = parameter(randn({7}));
  manual_seed(5);
  const Tensor next = tapegrad::rand({3});
  nn::Dropout dropout(0.5);
  dropout.eval();
  manual_seed(5);
  CHECK(equal(dropout(x).value(), x.value()));
  CHECK(equal(nn::Dropout(0)(x).value(), x.value()));
  const Variable nothing = nn::Dropout(1)(x);
  CHECK(equal(nothing.value(), zeros({7})));
  CHECK(equal(tapegrad::rand({3}), next));
  sum(nothing).backward();
  CHECK(equal(x.grad(), zeros({7})));
}

TEST_CASE("Dropout needs a probability") {
  CHECK(error_text<ValueError>([] { nn::Dropout(-0.1); }) ==
        "Dropout: p is -0.100000, needed a probability in [0, 1]");
  CHECK(error_text<ValueError>([] { nn::Dropout(1.5); }) ==
        "Dropout: p is 1.500000, needed a probability in [0, 1]");
  CHECK(error_text<ValueError>([] { nn::Dropout(std::nan("")); }) ==
        "Dropout: p is nan, needed a probability in [0, 1]");
}
