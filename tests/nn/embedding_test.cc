// Embedding with all its options: comparisons with PyTorch (golden/embedding.safetensors), and with
// formulas for options that PyTorch does not have. Lookups, ids and errors of the plain layer are
// in layers_test.cc. Read next: lora_embedding_test.cc.
#include <tapegrad/nn/embedding.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/nn/pooling.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("embedding.safetensors");
  return file;
}

std::optional<double> option(const std::string& which, const std::string& name) {
  if (!golden().has(which + ".arg." + name)) return std::nullopt;
  return golden().option(which, name, 0);
}

nn::EmbeddingOptions options_of(const std::string& which) {
  nn::EmbeddingOptions options;
  if (const auto padding = option(which, "padding_idx")) {
    options.padding_idx = static_cast<std::int64_t>(*padding);
  }
  options.max_norm = option(which, "max_norm");
  options.norm_type = option(which, "norm_type").value_or(2);
  if (option(which, "scale_grad_by_freq")) options.frequency_scale = FrequencyScale::inverse;
  options.sparse = option(which, "sparse").has_value();
  return options;
}

std::string refused(const nn::EmbeddingOptions& options) {
  return error_text<ValueError>([&] { nn::Embedding(5, 2, options); });
}

bool is_zero(const Tensor& x) { return equal(x, zeros_like(x)); }

}  // namespace

// PyTorch's options -------------------------------------------------------------------------------

TEST_CASE("Embedding agrees with PyTorch for every option and pair of options") {
  const std::vector<std::string> cases = golden().cases("embedding");
  CHECK(cases.size() == 45);
  for (const std::string& which : cases) {
    for (const DType dtype : {float64, float32}) {
      for (const bool strided : {false, true}) {
        CAPTURE(which, dtype, strided);
        const double tolerance = dtype == float64 ? 1e-12 : 5e-6;
        const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
        nn::EmbeddingOptions options = options_of(which);
        options.weight = golden().at(which + ".param.weight");
        options.dtype = dtype;
        const nn::Embedding table(7, 3, options);
        const Tensor& ids = golden().at(which + ".in0");
        const Variable y = table(strided ? test::stored_with_gaps(ids) : ids);
        CHECK(error_of(y.value(), golden().at(prefix + "out0")) <= tolerance);
        y.backward(golden().at(which + ".g0").to(dtype));
        CHECK(table.weight.has_row_grad());
        CHECK(error_of(table.weight.grad(), golden().at(prefix + "grad.weight")) <= tolerance);
        const Tensor& after = options.max_norm ? golden().at(prefix + "after.weight")
                                               : golden().at(which + ".param.weight").to(dtype);
        CHECK(error_of(table.weight.value(), after) <= tolerance);
      }
    }
  }
}

TEST_CASE("max_norm does not change frozen rows and columns, and works in eval mode") {
  nn::Embedding table(4, 2, {.padding_idx = 0, .max_norm = 1.0, .weight = full({4, 2}, 3.0f)});
  table.freeze_rows({1});
  table.freeze_columns({1});
  table.eval();
  const Tensor rows = table(tensor({0, 1, 2, 2})).value();
  const float length = std::sqrt(18.0f);
  CHECK(allclose(table.weight.value(),
                 tensor({{3 / length, 3.0f}, {3.0f, 3.0f}, {3 / length, 3.0f}, {3.0f, 3.0f}})));
  CHECK(equal(rows[0], table.weight.value()[0]));  // the padding row, too
  const std::uint32_t version = table.weight.leaf().version();
  table.unfreeze_columns();
  table.unfreeze_rows();
  table(tensor({1, 3}));
  CHECK(table.weight.leaf().version() != version);
  CHECK(allclose(norm(table.weight.value()[3]), tensor(1.0f)));
}

TEST_CASE("a bad id is noticed before max_norm writes anything") {
  const nn::Embedding table(4, 2, {.max_norm = 1.0, .weight = full({4, 2}, 3.0f)});
  CHECK(error_text<IndexError>([&] {
          table(tensor({0, 4}));
        }) == "embedding: index 4 out of range for 4 rows (position 1)");
  CHECK(equal(table.weight.value(), full({4, 2}, 3.0f)));
}

TEST_CASE("the options reach the leaf, where optimizers read them") {
  const nn::Embedding plain(4, 2);
  CHECK_FALSE(plain.weight.row_policy().has_held_rows());
  CHECK_FALSE(plain.weight.row_policy().sparse());
  const nn::Embedding table(4, 2, {.padding_idx = -1, .sparse = true, .rate_multiplier = 0.5});
  CHECK(table.weight.row_policy().padding_row() == 3);
  CHECK(table.weight.row_policy().sparse());
  CHECK(table.weight.row_policy().rate_multiplier() == 0.5);
  const nn::Embedding keras(4, 2, {.padding_idx = 1, .padding_mode = nn::PaddingMode::mask_only});
  CHECK_FALSE(keras.weight.row_policy().padding_row().has_value());
  using Kind = RowConstraint::Kind;
  const auto kind = [](const nn::EmbeddingOptions& options) {
    const nn::Embedding constrained(4, 2, options);
    return constrained.weight.row_policy().constraint().kind;
  };
  CHECK(kind({}) == Kind::none);
  CHECK(kind({.max_norm = 2.0}) == Kind::none);
  CHECK(kind({.max_norm = 2.0, .norm_mode = nn::NormMode::after_step}) == Kind::max_norm);
  CHECK(kind({.constraint = nn::EmbeddingConstraint::non_negative}) == Kind::non_negative);
  CHECK(kind({.constraint = nn::EmbeddingConstraint::unit_norm}) == Kind::unit_norm);
  const nn::Embedding frozen(4, 2, {.freeze = true});
  CHECK_FALSE(frozen.weight.requires_grad());
  CHECK_FALSE(frozen(tensor({1})).requires_grad());
}

// Initial tables ----------------------------------------------------------------------------------

TEST_CASE("the options initializer and weight set the initial table") {
  const nn::Embedding uniform(50, 3, {.padding_idx = 2, .initializer = [](const Variable& x) {
                                        nn::init::uniform_(x, -0.05, 0.05);
                                      }});
  CHECK(max(abs(uniform.weight.value())).item<float>() <= 0.05f);
  CHECK(is_zero(uniform.weight.value()[2]));
  CHECK_FALSE(is_zero(uniform.weight.value()[1]));
  // After the same seed, the same values as by hand.
  manual_seed(3);
  const nn::Embedding drawn(4, 2, {.initializer = [](const Variable& x) { nn::init::ones_(x); }});
  CHECK(equal(drawn.weight.value(), ones({4, 2})));

  Tensor mine = full({4, 2}, 7.0f);
  const nn::Embedding given(4, 2, {.padding_idx = 1, .weight = mine});
  mine.zero_();
  CHECK(equal(given.weight.value(), full({4, 2}, 7.0f)));  // copied, with the padding row
  CHECK(given.weight.requires_grad());
  CHECK(nn::Embedding(4, 2, {.weight = ones({4, 2}, float64)}).weight.dtype() == float64);
  CHECK(nn::Embedding(4, 2, {.dtype = float32, .weight = ones({4, 2}, float64)}).weight.dtype() ==
        float32);
  CHECK_FALSE(given.options().weight.defined());  // no second table is kept

  const auto pretrained = nn::Embedding::from_pretrained(
      ones({4, 2}), {.max_norm = 1.0, .frequency_scale = FrequencyScale::inverse});
  CHECK_FALSE(pretrained.weight.requires_grad());
  CHECK(pretrained.description() == "Embedding(4, 2, max_norm=1, frequency_scale=inverse)");
}

// Padding -----------------------------------------------------------------------------------------

TEST_CASE("padding modes: a row without gradient, zeros, or a mask only") {
  const Tensor ids = tensor({{1, 2, 0}, {0, 0, 3}});
  const auto made = [](nn::PaddingMode mode) {
    manual_seed(1);
    return nn::Embedding(4, 2, {.padding_idx = 0, .padding_mode = mode});
  };
  nn::Embedding torch = made(nn::PaddingMode::mask_gradient);
  nn::Embedding paddle = made(nn::PaddingMode::zero_output);
  nn::Embedding keras = made(nn::PaddingMode::mask_only);
  CHECK(is_zero(torch.weight.value()[0]));
  CHECK(is_zero(paddle.weight.value()[0]));
  CHECK_FALSE(is_zero(keras.weight.value()[0]));
  CHECK(equal(torch.weight.value()[1], keras.weight.value()[1]));
  for (nn::Embedding* table : {&torch, &paddle, &keras}) {
    table->weight.set_value(full({4, 2}, 5.0f));
    CHECK(equal(table->mask(ids), ids != 0));
    sum((*table)(ids)).backward();
  }
  CHECK(equal(torch(ids).value(), full({2, 3, 2}, 5.0f)));
  CHECK(equal(keras(ids).value(), full({2, 3, 2}, 5.0f)));
  CHECK(equal(paddle(ids).value(), full({2, 3, 2}, 5.0f) * unsqueeze(ids != 0, -1)));
  CHECK(is_zero(torch.weight.grad()[0]));
  CHECK(is_zero(paddle.weight.grad()[0]));
  CHECK(equal(keras.weight.grad()[0], full({2}, 3.0f)));
  CHECK(equal(paddle.weight.grad()[3], ones({2})));

  CHECK(
      equal(nn::Embedding(4, 2, {.padding_mode = nn::PaddingMode::mask_only}).mask(ids), ids != 0));
  CHECK(equal(nn::Embedding(4, 2, {.padding_idx = -1}).mask(ids), ids != 3));
  CHECK(error_text<ValueError>([&] { nn::Embedding(4, 2).mask(ids); }) ==
        "Embedding: mask: there is no padding; give a padding_idx, or padding_mode = mask_only for "
        "id 0");
}

TEST_CASE("masked pooling uses the words only") {
  const Tensor mask = tensor({{true, false, true}, {false, false, false}});
  Variable x = parameter(tensor(
      {{{1.0, -2.0}, {9.0, 9.0}, {3.0, -4.0}}, {{7.0, 7.0}, {7.0, 7.0}, {7.0, 7.0}}}, float64));
  const Variable mean = nn::masked_mean(x, mask);
  CHECK(equal(mean.value(), tensor({{2.0, -3.0}, {0.0, 0.0}}, float64)));
  const Variable largest = nn::masked_max(x, mask);
  CHECK(equal(largest.value(), tensor({{3.0, -2.0}, {0.0, 0.0}}, float64)));
  sum(mean).backward();
  CHECK(equal(x.grad()[0], tensor({{0.5, 0.5}, {0.0, 0.0}, {0.5, 0.5}}, float64)));
  CHECK(is_zero(x.grad()[1]));
  x.zero_grad();
  sum(largest).backward();
  CHECK(equal(x.grad()[0], tensor({{0.0, 1.0}, {0.0, 0.0}, {1.0, 0.0}}, float64)));
  CHECK(is_zero(x.grad()[1]));
  const Tensor none = zeros({2, 0}, boolean);
  CHECK(is_zero(nn::masked_mean(zeros({2, 0, 3}), none).value()));
  CHECK(is_zero(nn::masked_max(zeros({2, 0, 3}), none).value()));
  CHECK(error_text<ShapeError>([&] { nn::masked_mean(x, none); }) ==
        "masked_mean: x is (2, 3, 2) and mask (2, 0), needed (batch, steps, dim) and (batch, "
        "steps)");
  CHECK(error_text<DTypeError>([&] {
          nn::masked_max(x, zeros({2, 3}));
        }) ==
        "masked_max: mask is float32, needed boolean; compare the ids with the padding id, or "
        "use Embedding::mask()");
}

TEST_CASE("a step that is left out never wins masked_max, not even against -inf") {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  const Variable x = parameter(tensor({{{9.0, 1.0}, {kLowest, 2.0}, {kLowest, 2.0}}}, float64));
  const Variable largest = nn::masked_max(x, tensor({{false, true, true}}));
  CHECK(equal(largest.value(), tensor({{kLowest, 2.0}}, float64)));
  sum(largest).backward();
  CHECK(equal(x.grad(), tensor({{{0.0, 0.0}, {1.0, 1.0}, {0.0, 0.0}}}, float64)));
  for (const Shape& shape : {Shape{0, 3, 2}, Shape{2, 3, 0}}) {
    CHECK(nn::masked_max(zeros(shape), ones({shape[0], 3}, boolean)).shape() ==
          Shape{shape[0], shape[2]});
  }
}

TEST_CASE("RNNCell keeps the state of texts that have ended") {
  const nn::RNNCell cell(2, 3);
  const Variable x = randn({2, 2});
  const Variable h = parameter(randn({2, 3}));
  const Tensor next = cell(x, h).value();
  const Variable kept = cell(x, h, tensor({true, false}));
  CHECK(equal(kept.value()[0], next[0]));
  CHECK(equal(kept.value()[1], h.value()[1]));
  sum(kept).backward();
  CHECK(equal(h.grad()[1], ones({3})));
  CHECK(equal(cell(select(x, 0, 0), select(h, 0, 0), tensor(false)).value(), h.value()[0]));
  CHECK(error_text<ShapeError>([&] { cell(x, h, tensor({true})); }) ==
        "RNNCell: mask is boolean (1) and h is (2, 3), needed boolean of the same batch");
  CHECK(error_text<ShapeError>([&] {
          cell(x, h, tensor({1, 0}));
        }) == "RNNCell: mask is int64 (2) and h is (2, 3), needed boolean of the same batch");
}

// Beyond PyTorch ----------------------------------------------------------------------------------

TEST_CASE("regularization_loss is Keras' l1 and l2 of the whole table") {
  const Tensor weight = tensor({{1.0, -2.0}, {0.5, 3.0}}, float64);
  const nn::Embedding table(2, 2, {.weight = weight, .regularizer = {.l1 = 0.1, .l2 = 0.01}});
  const Variable loss = table.regularization_loss();
  CHECK(std::abs(loss.item<double>() - (0.1 * 6.5 + 0.01 * 14.25)) < 1e-15);
  loss.backward();
  CHECK(allclose(table.weight.grad(), 0.1 * sign(weight) + 0.02 * weight));
  CHECK(nn::Embedding(2, 2).regularization_loss().item<double>() == 0);
}

TEST_CASE("as_linear multiplies by the table, and both layers train it") {
  const nn::Embedding table(5, 3);
  manual_seed(8);
  const Tensor next = tapegrad::rand({1});
  manual_seed(8);
  const nn::Linear scores = table.as_linear();
  CHECK(equal(tapegrad::rand({1}), next));  // nothing was drawn
  CHECK(scores.description() == "Linear(3, 5, bias=false)");
  CHECK(scores.weight.variable().node() == table.weight.variable().node());
  const Tensor x = randn({2, 3});
  CHECK(allclose(scores(x).value(), matmul(x, transpose(table.weight.value()))));
  (sum(scores(x)) + sum(table(tensor({1})))).backward();
  Tensor expected = expand(sum(x, {0}), {5, 3}).clone();
  expected[1].add_(1.0);
  CHECK(allclose(table.weight.grad(), expected));
  CHECK(equal(table.as_linear(true).bias.value(), zeros({5})));
}

TEST_CASE("frozen rows, columns and padding stay the same to the byte with every optimizer") {
  nn::Embedding table(5, 3, {.padding_idx = 0});
  table.weight.set_value(randn({5, 3}));
  table.freeze_rows({2});
  table.freeze_columns({1});
  const Tensor before = table.weight.value().clone();
  optim::SGD sgd(table.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  for (int step = 0; step < 3; ++step) {
    sgd.zero_grad();
    sum(square(table(tensor({0, 1, 2, 4})))).backward();
    sgd.step();
  }
  const Tensor after = table.weight.value();
  CHECK(equal(after[0], before[0]));
  CHECK(equal(after[2], before[2]));
  CHECK(equal(select(after, 1, 1), select(before, 1, 1)));
  CHECK_FALSE(equal(after[1], before[1]));
}

// Options that exclude each other, and how a layer prints -----------------------------------------

TEST_CASE("Embedding refuses options that exclude each other, and says why") {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto after_step = nn::NormMode::after_step;
  const auto unit = nn::EmbeddingConstraint::unit_norm;
  CHECK(refused({.max_norm = 0.0}) == "Embedding: max_norm is 0, needed a number > 0");
  CHECK(refused({.max_norm = kNaN}) == "Embedding: max_norm is nan, needed a number > 0");
  CHECK(refused({.norm_type = -1}) ==
        "Embedding: norm_type is -1, needed a number > 0, or infinity for the largest element");
  CHECK(refused({.padding_mode = nn::PaddingMode::zero_output}) ==
        "Embedding: padding_mode zero_output needs a padding_idx, the id whose vectors are to be "
        "0");
  CHECK(refused({.norm_mode = after_step}) == "Embedding: norm_mode after_step needs a max_norm");
  CHECK(refused({.max_norm = 1.0, .norm_type = 1, .norm_mode = after_step}) ==
        "Embedding: norm_mode after_step needs norm_type 2; in_forward works with all norm types");
  CHECK(refused({.max_norm = 1.0, .norm_mode = after_step, .constraint = unit}) ==
        "Embedding: norm_mode after_step and a constraint are both applied after each step; choose "
        "one");
  const std::string sparse =
      "Embedding: sparse steps do not change rows without a gradient, but norm_mode after_step and "
      "constraints change every row; use norm_mode in_forward, or sparse = false";
  CHECK(refused({.max_norm = 1.0, .sparse = true, .norm_mode = after_step}) == sparse);
  CHECK(refused({.sparse = true, .constraint = unit}) == sparse);
  CHECK(refused({.weight = ones({5, 2}), .initializer = [](const Variable&) {}}) ==
        "Embedding: weight and initializer both set the initial table; give only one of them");
  CHECK(refused({.regularizer = {.l2 = -1}}) ==
        "Embedding: a regularizer's factor is negative or nan, needed numbers >= 0");
  CHECK(refused({.rate_multiplier = -0.5}) ==
        "Embedding: rate_multiplier is negative or not finite, needed a number >= 0");
  CHECK(error_text<ShapeError>([] {
          nn::Embedding(5, 2, {.weight = ones({5, 3})});
        }) == "Embedding: weight is float32 (5, 3), needed floating-point (5, 2)");
  CHECK(error_text<ShapeError>([] {
          nn::Embedding(5, 2, {.weight = ones({5, 2}, int64)});
        }) == "Embedding: weight is int64 (5, 2), needed floating-point (5, 2)");
  CHECK(error_text<ValueError>([] {
          nn::Embedding::from_pretrained(ones({5, 2}), {.weight = ones({5, 2})});
        }) ==
        "Embedding: from_pretrained takes the vectors as its first argument; do not set the "
        "option weight");
  CHECK(error_text<ShapeError>([] { nn::Linear(nn::Linear(2, 3).bias); }) ==
        "Linear: weight has shape (3), needed (out_features, in_features)");
}

TEST_CASE("Embedding prints what differs from the default") {
  const auto text = [](const nn::EmbeddingOptions& options) {
    return nn::Embedding(7, 3, options).description();
  };
  CHECK(text({}) == "Embedding(7, 3)");
  CHECK(text({.padding_idx = -1, .max_norm = 1.5, .norm_type = 1, .sparse = true}) ==
        "Embedding(7, 3, padding_idx=6, max_norm=1.5, norm_type=1, sparse=true)");
  CHECK(text({.padding_idx = 0,
              .max_norm = 2.0,
              .frequency_scale = FrequencyScale::inverse_sqrt,
              .padding_mode = nn::PaddingMode::zero_output,
              .norm_mode = nn::NormMode::after_step,
              .regularizer = {.l1 = 1e-4},
              .rate_multiplier = 0.1}) ==
        "Embedding(7, 3, padding_idx=0, max_norm=2, frequency_scale=inverse_sqrt, "
        "padding_mode=zero_output, norm_mode=after_step, l1=0.0001, rate_multiplier=0.1)");
  CHECK(text({.padding_mode = nn::PaddingMode::mask_only,
              .constraint = nn::EmbeddingConstraint::non_negative}) ==
        "Embedding(7, 3, padding_mode=mask_only, constraint=non_negative)");
}

TEST_CASE("copies share options, clones copy them, and replace_module transfers them") {
  struct Model : nn::Module {
    nn::Embedding words;
    Model() : words(register_module("words", nn::Embedding(4, 2))) {}
  };
  Model model;
  const nn::Embedding other(5, 2,
                            {.padding_idx = 3,
                             .frequency_scale = FrequencyScale::inverse,
                             .padding_mode = nn::PaddingMode::zero_output});
  model.replace_module("words", other);
  CHECK(model.words.description() == other.description());
  CHECK(is_zero(model.words(tensor({3})).value()));
  const Model copy = clone(model);
  CHECK(copy.words.description() == other.description());
  CHECK(copy.words.weight.row_policy().padding_row() == 3);
  CHECK(copy.words.weight.variable().node() != model.words.weight.variable().node());
}
