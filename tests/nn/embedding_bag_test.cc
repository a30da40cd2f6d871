// EmbeddingBag with all its options: comparisons with PyTorch (golden/embedding.safetensors), and
// errors. Read next: losses_test.cc.
#include <tapegrad/nn/embedding_bag.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/pooling.h>
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

nn::EmbeddingBagOptions options_of(const std::string& which) {
  constexpr BagMode kModes[] = {BagMode::sum, BagMode::mean, BagMode::max};
  nn::EmbeddingBagOptions options;
  options.mode = kModes[static_cast<int>(option(which, "mode").value_or(3)) - 2];
  if (const auto padding = option(which, "padding_idx")) {
    options.padding_idx = static_cast<std::int64_t>(*padding);
  }
  options.max_norm = option(which, "max_norm");
  options.norm_type = option(which, "norm_type").value_or(2);
  if (option(which, "scale_grad_by_freq")) options.frequency_scale = FrequencyScale::inverse;
  options.sparse = option(which, "sparse").has_value();
  options.include_last_offset = option(which, "include_last_offset").has_value();
  return options;
}

std::string refused(const nn::EmbeddingBagOptions& options) {
  return error_text<ValueError>([&] { nn::EmbeddingBag(5, 2, options); });
}

}  // namespace

TEST_CASE("EmbeddingBag agrees with PyTorch for every option and pair of options") {
  const std::vector<std::string> cases = golden().cases("embedding_bag");
  CHECK(cases.size() == 86);
  for (const std::string& which : cases) {
    for (const DType dtype : {float64, float32}) {
      for (const bool strided : {false, true}) {
        CAPTURE(which, dtype, strided);
        const double tolerance = dtype == float64 ? 1e-12 : 5e-6;
        const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
        nn::EmbeddingBagOptions options = options_of(which);
        options.weight = golden().at(which + ".param.weight");
        options.dtype = dtype;
        const nn::EmbeddingBag table(7, 3, options);
        const auto laid_out = [&](const Tensor& x) {
          return strided ? test::stored_with_gaps(x) : x;
        };
        const auto input = [&](const std::string& name) {
          return golden().has(which + name) ? laid_out(golden().at(which + name)) : Tensor();
        };
        const Tensor ids = input(".in0");
        const Tensor offsets = input(".in1");
        const Tensor factors = input(".in2");
        const Variable weights =
            factors.defined() ? parameter(laid_out(factors.to(dtype))) : Variable();
        const Variable y = weights.defined()   ? table(ids, offsets, weights)
                           : offsets.defined() ? table(ids, offsets)
                                               : table(ids);
        CHECK(error_of(y.value(), golden().at(prefix + "out0")) <= tolerance);
        y.backward(golden().at(which + ".g0").to(dtype));
        CHECK(table.weight.has_row_grad());
        CHECK(error_of(table.weight.grad(), golden().at(prefix + "grad.weight")) <= tolerance);
        if (weights.defined()) {
          CHECK(error_of(weights.grad(), golden().at(prefix + "grad2")) <= tolerance);
        }
        const Tensor& after = options.max_norm ? golden().at(prefix + "after.weight")
                                               : golden().at(which + ".param.weight").to(dtype);
        CHECK(error_of(table.weight.value(), after) <= tolerance);
      }
    }
  }
}

TEST_CASE("EmbeddingBag has the initial table of Embedding, and agrees with masked pooling") {
  manual_seed(2);
  const nn::EmbeddingBag bag(9, 4, {.padding_idx = 0});
  manual_seed(2);
  const nn::Embedding words(9, 4, {.padding_idx = 0});
  CHECK(equal(bag.weight.value(), words.weight.value()));
  CHECK(bag.num_embeddings() == 9);
  CHECK(bag.embedding_dim() == 4);
  CHECK(bag.padding_idx() == 0);
  const Tensor ids = tensor({{1, 5, 5, 0}, {8, 0, 0, 0}, {0, 0, 0, 0}});
  const Variable pooled = nn::masked_mean(words(ids), words.mask(ids));
  CHECK(allclose(bag(ids).value(), pooled.value()));
  const Tensor g = randn({3, 4});
  bag(ids).backward(g);
  pooled.backward(g);
  CHECK(allclose(bag.weight.grad(), words.weight.grad()));
  const auto largest = nn::EmbeddingBag::from_pretrained(
      words.weight.value(), {.mode = BagMode::max, .padding_idx = 0, .freeze = false});
  CHECK(equal(largest(ids).value(), nn::masked_max(words(ids), words.mask(ids)).value()));
  CHECK(largest.weight.requires_grad());
}

TEST_CASE("EmbeddingBag: options reach the leaf, copies and clones") {
  nn::EmbeddingBag bag(5, 2, {.mode = BagMode::sum, .padding_idx = -1, .sparse = true});
  CHECK(bag.weight.row_policy().padding_row() == 4);
  CHECK(bag.weight.row_policy().sparse());
  bag.freeze_rows({1});
  bag.freeze_columns({0});
  nn::EmbeddingBag copy = clone(bag);
  CHECK(copy.description() == "EmbeddingBag(5, 2, mode=sum, padding_idx=4, sparse=true)");
  CHECK(copy.weight.row_policy().frozen_rows() == std::vector<std::int64_t>{1});
  CHECK(copy.weight.row_policy().frozen_columns() == std::vector<std::int64_t>{0});
  copy.unfreeze_rows();
  copy.unfreeze_columns();
  CHECK(copy.weight.row_policy().frozen_rows().empty());
  CHECK(bag.weight.row_policy().frozen_columns().size() == 1);
  struct Model : nn::Module {
    nn::EmbeddingBag words;
    Model() : words(register_module("words", nn::EmbeddingBag(3, 2))) {}
  };
  Model model;
  model.replace_module("words", bag);
  CHECK(model.words.description() == bag.description());
  CHECK_FALSE(nn::EmbeddingBag::from_pretrained(ones({3, 2})).weight.requires_grad());
  CHECK(nn::EmbeddingBag(3, 2, {.include_last_offset = true}).description() ==
        "EmbeddingBag(3, 2, mode=mean, include_last_offset=true)");
}

TEST_CASE("EmbeddingBag changes nothing if a call throws") {
  const nn::EmbeddingBag bag(4, 2, {.max_norm = 1.0, .weight = full({4, 2}, 3.0f)});
  CHECK(error_text<IndexError>([&] {
          bag(tensor({0, 4}), tensor({0}));
        }) == "embedding_bag: index 4 out of range for 4 rows (position 1)");
  CHECK(error_text<ValueError>([&] {
          bag(tensor({0, 1}), tensor({1}));
        }) == "embedding_bag: offsets begin at 1, needed 0");
  CHECK(error_text<ValueError>([&] {
          bag(tensor({0, 1}), tensor({0}), ones({2}));
        }).find("need mode sum") != std::string::npos);
  CHECK(error_text<ShapeError>([&] {
          bag(tensor({0, 1}));
        }).find("without offsets") != std::string::npos);
  CHECK(equal(bag.weight.value(), full({4, 2}, 3.0f)));
}

TEST_CASE("EmbeddingBag refuses options that exclude each other") {
  CHECK(refused({.mode = BagMode::max, .frequency_scale = FrequencyScale::inverse}) ==
        "EmbeddingBag: mode max has no frequency_scale, because its gradient goes to single "
        "columns; use sum or mean");
  CHECK(refused({.padding_idx = 5}) == "EmbeddingBag: padding_idx 5 out of range for 5 rows");
  CHECK(refused({.max_norm = -1.0}) == "EmbeddingBag: max_norm is -1, needed a number > 0");
  CHECK(refused({.norm_type = 0}) ==
        "EmbeddingBag: norm_type is 0, needed a number > 0, or infinity for the largest element");
  CHECK(error_text<ValueError>([] { nn::EmbeddingBag(-1, 2); }) ==
        "EmbeddingBag: negative size in (-1, 2)");
  CHECK(error_text<ShapeError>([] {
          nn::EmbeddingBag(5, 2, {.weight = ones({2, 5})});
        }) == "EmbeddingBag: weight is float32 (2, 5), needed floating-point (5, 2)");
  CHECK(error_text<ShapeError>([] { nn::EmbeddingBag::from_pretrained(ones({3})); }) ==
        "EmbeddingBag::from_pretrained: got float32 (3), needed floating-point (rows, width)");
}
