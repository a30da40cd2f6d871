// LoraEmbedding: its factors, the merged table that it saves and loads, and errors. Read next:
// embedding_bag_test.cc.
#include <tapegrad/nn/lora_embedding.h>

#include <cmath>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

bool is_zero(const Tensor& x) { return equal(x, zeros_like(x)); }

std::string refused(const nn::LoraOptions& options, const nn::EmbeddingOptions& table) {
  return error_text<ValueError>([&] { nn::LoraEmbedding(5, 2, options, table); });
}

}  // namespace

TEST_CASE("LoRA trains two small factors next to a frozen table") {
  manual_seed(5);
  nn::LoraEmbedding lora(6, 4, {.rank = 2, .alpha = 1.0}, {.padding_idx = 0});
  manual_seed(5);
  nn::Embedding plain(6, 4, {.padding_idx = 0});
  CHECK(equal(lora.table.weight.value(), plain.weight.value()));
  CHECK(lora.lora_a.weight.shape() == Shape{6, 2});
  CHECK(lora.lora_b.shape() == Shape{2, 4});
  CHECK(max(abs(lora.lora_a.weight.value())).item<float>() <= 1.0f);  // sqrt(6 / 6)
  CHECK(is_zero(lora.lora_a.weight.value()[0]));
  CHECK_FALSE(is_zero(lora.lora_a.weight.value()[1]));
  CHECK(is_zero(lora.lora_b.value()));
  const Tensor ids = tensor({{1, 5, 0}, {5, 5, 2}});
  CHECK(equal(lora(ids).value(), plain(ids).value()));
  CHECK(lora.parameters().size() == 3);
  CHECK_FALSE(lora.table.weight.requires_grad());

  const Tensor target = randn({2, 3, 4});
  const Tensor before = lora.table.weight.value().clone();
  optim::Adam adam(lora.parameters(), {.lr = 0.1});
  for (int step = 0; step < 3; ++step) {
    adam.zero_grad();
    const Variable loss = sum(square(lora(ids) - target));
    loss.backward();
    adam.step();
  }
  CHECK(equal(lora.table.weight.value(), before));
  CHECK(is_zero(lora(tensor({0})).value()));  // the padding row stays
  const Tensor merged = before + 0.5 * matmul(lora.lora_a.weight.value(), lora.lora_b.value());
  CHECK_FALSE(is_zero(lora.lora_b.value()));
  CHECK(allclose(lora(ids).value(), embedding(merged, ids)));
  CHECK(allclose(lora.merged_weight(), merged));

  SECTION("it saves the merged table, which a plain layer loads") {
    const StateDict state = lora.state_dict();
    CHECK(state.size() == 1);
    CHECK(allclose(state.at("weight"), merged));
    plain.load_state_dict(state);
    CHECK(allclose(plain(ids).value(), lora(ids).value()));
  }
  SECTION("loading writes the table and resets B") {
    const Tensor a = lora.lora_a.weight.value().clone();
    lora.load_state_dict(lora.state_dict());
    CHECK(is_zero(lora.lora_b.value()));
    CHECK(equal(lora.lora_a.weight.value(), a));  // not 0, or neither factor would get a gradient
    CHECK(allclose(lora.table.weight.value(), merged));
    CHECK(allclose(lora(ids).value(), embedding(merged, ids)));
    lora.lora_b.zero_grad();
    sum(lora(ids)).backward();
    CHECK_FALSE(is_zero(lora.lora_b.grad()));
  }
  SECTION("merging does the same") {
    lora.merge();
    CHECK(is_zero(lora.lora_b.value()));
    CHECK(allclose(lora.table.weight.value(), merged));
    CHECK(allclose(lora(ids).value(), embedding(merged, ids)));
    CHECK(equal(lora(ids).value(), lora.table(ids).value()));
  }
  SECTION("a clone has its own factors, also when it saves and loads") {
    nn::LoraEmbedding copy = clone(lora);
    CHECK(equal(copy(ids).value(), lora(ids).value()));
    copy.lora_b.set_value(zeros({2, 4}));
    CHECK(equal(copy.state_dict().at("weight"), before));
    CHECK(allclose(lora.state_dict().at("weight"), merged));
    copy.load_state_dict(StateDict({{"weight", ones({6, 4})}}));
    CHECK(equal(copy(ids).value(), ones({2, 3, 4})));
    CHECK_FALSE(is_zero(lora.lora_b.value()));
    CHECK(equal(lora.table.weight.value(), before));
    CHECK(copy.description() == lora.description());
  }
  SECTION("padding of the frozen table is also padding of the factor A") {
    CHECK(lora.lora_a.weight.row_policy().padding_row() == 0);
    CHECK(lora.padding_idx() == 0);
    CHECK(equal(lora.mask(ids), ids != 0));
  }
}

TEST_CASE("gradients of LoRA's factors agree with the formula") {
  nn::LoraEmbedding lora(4, 3, {.rank = 2, .alpha = 6.0}, {.dtype = float64});
  lora.lora_b.set_value(randn({2, 3}, float64));
  const Tensor ids = tensor({3, 1, 3});
  const Tensor dy = randn({3, 3}, float64);
  sum(lora(ids) * dy).backward();
  const Variable a = parameter(lora.lora_a.weight.value());
  const Variable b = parameter(lora.lora_b.value());
  sum(embedding(lora.table.weight.value() + 3.0 * matmul(a, b), ids) * dy).backward();
  CHECK(lora.lora_a.weight.has_row_grad());
  CHECK(allclose(lora.lora_a.weight.grad(), a.grad(), 1e-12, 1e-12));
  CHECK(allclose(lora.lora_b.grad(), b.grad(), 1e-12, 1e-12));
  CHECK_FALSE(lora.table.weight.has_grad());
}

TEST_CASE("an existing Embedding is copied with its options, and does not change") {
  nn::Embedding words(7, 3,
                      {.padding_idx = 2,
                       .sparse = true,
                       .dtype = float64,
                       .padding_mode = nn::PaddingMode::zero_output,
                       .rate_multiplier = 0.5});
  words.weight.set_value(ones({7, 3}, float64));
  nn::LoraEmbedding lora(words, {.rank = 2});
  CHECK(words.weight.requires_grad());
  CHECK(words.weight.variable().node() != lora.table.weight.variable().node());
  CHECK(lora.lora_a.weight.dtype() == float64);
  CHECK(lora.lora_b.dtype() == float64);
  CHECK(lora.lora_a.weight.requires_grad());
  CHECK(lora.lora_a.weight.row_policy().sparse());
  CHECK(lora.lora_a.weight.row_policy().rate_multiplier() == 0.5);
  CHECK(lora.lora_b.row_policy().rate_multiplier() == 0.5);
  const Tensor ids = tensor({1, 2, 6});
  CHECK(equal(lora(ids).value(), words(ids).value()));
  lora.lora_b.set_value(ones({2, 3}, float64));
  CHECK(is_zero(lora(tensor({2})).value()));
  lora.merge();
  CHECK(equal(words.weight.value(), ones({7, 3}, float64)));

  const nn::LoraEmbedding tuned(nn::Embedding::from_pretrained(randn({4, 2})), {.rank = 1});
  CHECK(tuned.lora_a.weight.requires_grad());
  CHECK(tuned.lora_b.requires_grad());
}

TEST_CASE("a model with LoRA inside saves one table for it") {
  struct Model : nn::Module {
    nn::LoraEmbedding words;
    Model() : words(register_module("words", nn::LoraEmbedding(4, 2, {.rank = 1}))) {}
  };
  Model model;
  const StateDict state = model.state_dict();
  CHECK(state.size() == 1);
  CHECK(state.contains("words.weight"));
  model.words.lora_b.set_value(ones({1, 2}));
  model.load_state_dict(state);
  CHECK(is_zero(model.words.lora_b.value()));
  model.words.lora_b.set_value(ones({1, 2}));
  model.load_state_dict({}, {.strict = false});
  CHECK(equal(model.words.lora_b.value(), ones({1, 2})));  // nothing was loaded

  CHECK(error_text<FormatError>([&] {
          model.load_state_dict(StateDict({{"words.weight", ones({4, 3})}}));
        }) ==
        "load_state_dict: names or sizes differ; sizes differ: words.weight: (4, 3) for (4, 2); "
        "{.strict = false} loads what fits");
  CHECK(equal(model.words.lora_b.value(), ones({1, 2})));

  nn::LoraEmbedding other(5, 2, {.rank = 3, .alpha = 6.0});
  other.lora_b.set_value(ones({3, 2}));
  model.replace_module("words", other);
  CHECK(model.words.options().rank == 3);
  CHECK(equal(model.state_dict().at("words.weight"), other.merged_weight()));
  CHECK(equal(model.words.merged_weight(), other.merged_weight()));
}

TEST_CASE("LoRA's factors follow a new vocabulary, and new words begin as their rows") {
  nn::LoraEmbedding words(4, 3, {.rank = 2}, {.padding_idx = 1});
  words.lora_b.set_value(ones({2, 3}));
  const Tensor before = words(tensor({1, 3})).value();
  words.remap({3, 1, -1});
  CHECK(equal(words(tensor({1, 0})).value(), before));
  CHECK(equal(words(tensor({2})).value()[0], words.table.weight.value()[2]));
  words.resize(5);
  words.prune({1, 4, 0});
  CHECK(words.num_embeddings() == 3);
  CHECK(words.padding_idx() == 0);
  CHECK(words.lora_a.weight.row_policy().padding_row() == 0);
  CHECK(equal(words(tensor({0, 2})).value(), before));
  CHECK(error_text<ValueError>([&] { words.prune({1}); }) ==
        "Embedding: prune: row 0, which is padding_idx, is not among those to keep; keep it");
  CHECK(words.lora_a.num_embeddings() == 3);
}

TEST_CASE("the regularizer applies to the merged table") {
  nn::LoraEmbedding lora(3, 2, {.rank = 1}, {.regularizer = {.l2 = 0.5}});
  lora.lora_b.set_value(ones({1, 2}));
  const Variable loss = lora.regularization_loss();
  CHECK(allclose(loss.value(), 0.5 * sum(square(lora.merged_weight()))));
  loss.backward();
  CHECK(lora.lora_a.weight.has_grad());
  CHECK(lora.lora_b.has_grad());
}

TEST_CASE("LoraEmbedding refuses options that exclude each other, and says why") {
  const auto unit = nn::EmbeddingConstraint::unit_norm;
  CHECK(refused({.rank = 0}, {}) == "LoraEmbedding: rank is 0, needed 1 or more");
  const std::string constrained =
      "LoraEmbedding: LoRA trains two factors, and a constraint applies to rows of their product; "
      "choose one";
  CHECK(refused({}, {.constraint = unit}) == constrained);
  CHECK(refused({}, {.max_norm = 1.0, .norm_mode = nn::NormMode::after_step}) == constrained);
  CHECK(refused({}, {.max_norm = 1.0}) ==
        "LoraEmbedding: LoRA freezes the table, and max_norm writes to it; choose one");
  nn::Embedding words(5, 2);
  words.freeze_rows({1});
  const std::string frozen =
      "LoraEmbedding: the embedding has frozen rows or columns, but with LoRA the factor B changes "
      "all rows; unfreeze them first, or train the embedding without LoRA";
  CHECK(error_text<ValueError>([&] { nn::LoraEmbedding{words}; }) == frozen);
  words.unfreeze_rows();
  words.freeze_columns({0});
  CHECK(error_text<ValueError>([&] { nn::LoraEmbedding{words}; }) == frozen);
}

TEST_CASE("LoraEmbedding prints rank and alpha, and its table") {
  CHECK(nn::LoraEmbedding(7, 3).description() == "LoraEmbedding(7, 3, rank=8)");
  const nn::LoraEmbedding lora(7, 3, {.rank = 2, .alpha = 4.0}, {.padding_idx = -1});
  CHECK(lora.description() == "LoraEmbedding(7, 3, rank=2, alpha=4)");
  CHECK(lora.table.description() == "Embedding(7, 3, padding_idx=6)");
  CHECK(lora.lora_a.description() == "Embedding(7, 2, padding_idx=6)");
}

TEST_CASE("the factor of a table with one row is drawn") {
  CHECK(max(abs(nn::LoraEmbedding(1, 3, {.rank = 4}).lora_a.weight.value())).item() > 0);
  CHECK(nn::LoraEmbedding(0, 3, {.rank = 4}).lora_a.weight.numel() == 0);
}
