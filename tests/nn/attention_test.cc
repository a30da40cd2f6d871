// MultiheadAttention, the transformer's encoder, positions, and lists of modules: comparisons with
// PyTorch, and errors. Read next: distance_losses_test.cc.
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/transformer.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/golden_layer.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;
using tapegrad::test::flag;
using tapegrad::test::integer;
using tapegrad::test::layers;

namespace {

Tensor tensor_or_none(const std::string& name, DType dtype) {
  if (!layers().has(name)) return {};
  const Tensor& found = layers().at(name);
  return is_floating_point(found.dtype()) ? found.to(dtype) : found;
}

bool close(const Tensor& a, const Tensor& b) { return allclose(a, b, 1e-13, 1e-14); }

nn::TransformerEncoderLayerOptions layer_options(const std::string& which, DType dtype) {
  return {.dim_feedforward = integer(which, "dim_feedforward"),
          .dropout = test::number(which, "dropout", 0),
          .activation = integer(which, "activation", 0) == 1 ? nn::FeedforwardActivation::gelu
                                                             : nn::FeedforwardActivation::relu,
          .layer_norm_eps = test::number(which, "layer_norm_eps", 1e-5),
          .batch_first = flag(which, "batch_first", false),
          .norm_first = flag(which, "norm_first", false),
          .dtype = dtype};
}

}  // namespace

TEST_CASE("MultiheadAttention agrees with PyTorch") {
  const std::vector<std::string> cases = layers().cases("multihead_attention");
  CHECK(cases.size() == 47);
  const auto width = [](const std::string& which, const char* name) {
    const bool given = layers().has(which + ".arg." + name);
    return given ? std::optional(integer(which, name)) : std::nullopt;
  };
  for (const std::string& which : cases) {
    test::check_layer(
        which,
        [&](DType dtype) {
          return nn::MultiheadAttention(integer(which, "embed_dim"), integer(which, "num_heads"),
                                        {.dropout = test::number(which, "dropout", 0),
                                         .bias = flag(which, "bias", true),
                                         .add_bias_kv = flag(which, "add_bias_kv", false),
                                         .add_zero_attn = flag(which, "add_zero_attn", false),
                                         .kdim = width(which, "kdim"),
                                         .vdim = width(which, "vdim"),
                                         .batch_first = flag(which, "batch_first", false),
                                         .dtype = dtype});
        },
        [&](const nn::MultiheadAttention& attention, const test::Values& in) {
          nn::AttentionCall call{
              .key_padding_mask = tensor_or_none(which + ".key_padding_mask", in[0].dtype()),
              .attn_mask = tensor_or_none(which + ".attn_mask", in[0].dtype()),
              .average_attn_weights = flag(which, "average", true)};
          const Variable& key = in.size() == 1 ? in[0] : in[1];
          const Variable& value = in.size() == 3 ? in[2] : key;
          const nn::AttentionResult result = attention(in[0], key, value, call);
          if (!layers().has(which + ".arg.seed")) {
            call.need_weights = false;
            const nn::AttentionResult quiet = attention(in[0], key, value, call);
            CHECK_FALSE(quiet.weights.defined());
            CHECK(equal(quiet.output.value(), result.output.value()));
          }
          return test::Values{result.output, result.weights};
        },
        1e-5);
  }
}

TEST_CASE("TransformerEncoderLayer and TransformerEncoder agree with PyTorch") {
  const std::vector<std::string> single = layers().cases("transformer_encoder_layer");
  CHECK(single.size() == 20);
  for (const std::string& which : single) {
    test::check_layer(
        which,
        [&](DType dtype) {
          return nn::TransformerEncoderLayer(integer(which, "d_model"), integer(which, "nhead"),
                                             layer_options(which, dtype));
        },
        [&](const nn::TransformerEncoderLayer& layer, const test::Values& in) {
          return test::Values{layer(
              in[0],
              {.mask = tensor_or_none(which + ".attn_mask", in[0].dtype()),
               .key_padding_mask = tensor_or_none(which + ".key_padding_mask", in[0].dtype())})};
        },
        // Kernels without fused multiply-adds round more often: 5.5e-6 for the largest scores.
        which.ends_with(".additive") ? 1e-5 : 5e-6);
  }
  const std::vector<std::string> stacked = layers().cases("transformer_encoder");
  CHECK(stacked.size() == 8);
  for (const std::string& which : stacked) {
    test::check_layer(
        which,
        [&](DType dtype) {
          const nn::TransformerEncoderLayerOptions options = layer_options(which, dtype);
          std::optional<nn::LayerNorm> norm;
          if (flag(which, "norm", false)) norm.emplace(6, nn::LayerNormOptions{.dtype = dtype});
          return nn::TransformerEncoder(nn::TransformerEncoderLayer(6, 2, options), 3, norm);
        },
        [&](const nn::TransformerEncoder& encoder, const test::Values& in) {
          return test::Values{encoder(in[0], {.key_padding_mask = tensor_or_none(
                                                  which + ".key_padding_mask", in[0].dtype())})};
        });
  }
}

TEST_CASE("TransformerDecoderLayer and TransformerDecoder agree with PyTorch") {
  const auto run = [](const std::string& which) {
    return [which](const auto& decoder, const test::Values& in) {
      const auto mask = [&](const char* name) {
        return tensor_or_none(which + "." + name, in[0].dtype());
      };
      return test::Values{decoder(in[0], in[1],
                                  {.tgt_mask = mask("tgt_mask"),
                                   .memory_mask = mask("memory_mask"),
                                   .tgt_key_padding_mask = mask("tgt_key_padding_mask"),
                                   .memory_key_padding_mask = mask("memory_key_padding_mask")})};
    };
  };
  const std::vector<std::string> single = layers().cases("transformer_decoder_layer");
  CHECK(single.size() == 9);
  for (const std::string& which : single) {
    const auto make = [&](DType dtype) {
      return nn::TransformerDecoderLayer(6, 2, layer_options(which, dtype));
    };
    test::check_layer(which, make, run(which));
  }
  const std::vector<std::string> stacked = layers().cases("transformer_decoder");
  CHECK(stacked.size() == 3);
  for (const std::string& which : stacked) {
    const auto make = [&](DType dtype) {
      return nn::TransformerDecoder(nn::TransformerDecoderLayer(6, 2, layer_options(which, dtype)),
                                    2, nn::LayerNorm(6, {.dtype = dtype}));
    };
    test::check_layer(which, make, run(which));
  }
}

TEST_CASE("a decoder describes itself, and rejects a negative number of layers") {
  const nn::TransformerDecoderLayer layer(4, 2, {.dim_feedforward = 8, .norm_first = true});
  CHECK(layer.description() == "TransformerDecoderLayer(relu, norm_first=true)");
  nn::TransformerDecoder decoder(layer, 2);
  CHECK(decoder.description() == "TransformerDecoder(2)");
  CHECK(decoder.parameters().size() == 2 * layer.parameters().size());
  CHECK(error_text<ValueError>([&] { nn::TransformerDecoder(layer, -1); }) ==
        "TransformerDecoder: -1 layers, needed 0 or more");
  // A change of one layer leaves the others: they are copies.
  decoder.layers[0].linear1.bias.set_value(ones({8}));
  CHECK_FALSE(equal(decoder.layers[1].linear1.bias.value(), ones({8})));
}

TEST_CASE("attention over nothing but padding returns zeros and no nan") {
  manual_seed(3);
  const nn::MultiheadAttention attention(4, 2, {.batch_first = true});
  const Variable x = parameter(randn({2, 3, 4}));
  const Tensor padding = tensor({{false, false, true}, {true, true, true}});
  const nn::AttentionResult result = attention(x, x, x, {.key_padding_mask = padding});
  CHECK(equal(result.output.value()[1], expand(attention.out_proj.bias.value(), {3, 4})));
  CHECK(equal(result.weights.value()[1], zeros({3, 3})));
  const Variable first = narrow(x.detach(), 0, 0, 1);
  const nn::AttentionResult alone =
      attention(first, first, first, {.key_padding_mask = narrow(padding, 0, 0, 1)});
  CHECK(allclose(result.output.value()[0], alone.output.value()[0], 1e-6, 1e-7));
  sum(square(result.output)).backward();
  CHECK(all(isfinite(x.grad())).item<bool>());
  CHECK(all(isfinite(attention.in_proj_weight.grad())).item<bool>());
  CHECK(equal(x.grad()[1], zeros({3, 4})));

  const nn::TransformerEncoderLayer layer(4, 2, {.dim_feedforward = 5, .batch_first = true});
  CHECK(all(isfinite(layer(x, {.key_padding_mask = padding}).value())).item<bool>());
}

TEST_CASE("a query whose keys are all masked gets zeros, and other queries do not change") {
  manual_seed(8);
  const nn::MultiheadAttention attention(4, 2, {.batch_first = true, .dtype = float64});
  const Tensor x = randn({2, 3, 4}, float64);
  const double lowest = -std::numeric_limits<double>::infinity();
  const Tensor second = tensor({{false, false, false}, {true, true, true}, {false, false, true}});
  const Tensor added = masked_fill(zeros({3, 3}, float64), second, lowest);
  const Tensor of_heads = stack({second, second, zeros({3, 3}, boolean), second});
  const Tensor some = masked_fill(zeros({3, 3}, float64), tensor({{true, false, true}}), lowest);
  const Tensor rest = tensor({{false, true, false}, {false, true, false}});
  const std::vector<nn::AttentionCall> calls = {
      {.attn_mask = second},
      {.attn_mask = added},
      {.attn_mask = of_heads},
      {.attn_mask = masked_fill(zeros({4, 3, 3}, float64), of_heads, lowest)},
      {.key_padding_mask = rest, .attn_mask = some}};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    nn::AttentionCall call = calls[i];
    call.average_attn_weights = false;
    for (const bool again : {false, true}) {
      const Variable in = parameter(x.clone());
      const nn::AttentionResult result = attention(in, in, in, call);
      const Tensor weights = result.weights.value();  // (batch, heads, queries, keys)
      const Tensor hidden = sum(weights, -1) == 0;
      CHECK(any(hidden).item<bool>());
      CHECK(allclose(masked_fill(sum(weights, -1), hidden, 1), ones({2, 2, 3}, float64)));
      const Tensor all_heads = all(hidden, 1);  // (batch, queries)
      const Tensor rows = masked_select(result.output.value(), unsqueeze(all_heads, 2));
      const Tensor bias = attention.out_proj.bias.value();
      CHECK(equal(rows, flatten(expand(bias, {rows.numel() / 4, 4}))));
      std::vector<Variable> leaves{in};
      for (const NamedParameter& each : attention.parameters()) leaves.push_back(each.variable);
      const auto gradients = grad(sum(square(result.output)), leaves, {.create_graph = again});
      for (const Variable& d : gradients) CHECK(all(isfinite(d.value())).item<bool>());
    }
  }
  // Rows that see a key equal the rows of a call without masks.
  const Tensor open = tensor({{false, false, false}, {false, false, false}, {false, false, true}});
  const Tensor a = attention(x, x, x, {.attn_mask = second}).output.value();
  const Tensor b = attention(x, x, x, {.attn_mask = open}).output.value();
  CHECK(equal(index_select(a, 1, tensor({0, 2})), index_select(b, 1, tensor({0, 2}))));
  CHECK_FALSE(equal(select(a, 1, 1), select(b, 1, 1)));
}

TEST_CASE("the joint product for queries, keys and values is used for self-attention only") {
  manual_seed(12);
  const nn::MultiheadAttention attention(4, 2, {.dtype = float64});
  const Variable x = parameter(randn({3, 2, 4}, float64));
  const Variable y = parameter(randn({3, 2, 4}, float64));
  const auto apart = [&](const Variable& q, const Variable& k, const Variable& v) {
    return attention(q * 1, k * 1, v * 1).output.value();
  };
  CHECK(close(attention(x, x, x).output.value(), apart(x, x, x)));
  CHECK(close(attention(x, x, y).output.value(), apart(x, x, y)));
  CHECK(close(attention(x, y, x).output.value(), apart(x, y, x)));
  CHECK(close(attention(x, y, y).output.value(), apart(x, y, y)));
}

TEST_CASE("a window of attention is a mask of the neighbors") {
  Generator generator(9);
  const Tensor q = randn({2, 5, 4}, float64, generator), k = randn({2, 6, 4}, float64, generator);
  const Tensor distance = unsqueeze(arange(5), 1) - arange(6);
  for (const std::int64_t window : {0, 1, 3, 9}) {
    const Tensor near = abs(distance) <= window;
    CHECK(equal(attention_weights(q, k, {.window = window}).value(),
                attention_weights(q, k, {.mask = near}).value()));
    CHECK(equal(attention_weights(q, k, {.is_causal = true, .window = window}).value(),
                attention_weights(q, k, {.mask = near && distance >= 0}).value()));
  }
  // The keys end before the windows of the last queries begin.
  const Tensor few = narrow(k, 1, 0, 2);
  const Tensor weights = attention_weights(q, few, {.window = 1}).value();
  CHECK(equal(narrow(weights, 1, 3, 2), zeros({2, 2, 2}, float64)));
  CHECK_THROWS_AS(attention_weights(q, k, {.window = -1}), ValueError);
}

TEST_CASE("dropout of attention weights drops a share and scales the others") {
  Generator generator(9), again(9);
  const Tensor x = randn({40, 4}, float64, generator);
  again.set_state(generator.state());
  const Variable leaf = parameter(x.clone());
  const Tensor plain = attention_weights(x, x).value();
  const Variable y = attention_weights(leaf, leaf, {.dropout_p = 0.25, .generator = &generator});
  const Tensor kept = y.value() != 0;
  CHECK_THAT(mean(kept.to(float64)).item(), Catch::Matchers::WithinAbs(0.75, 0.04));
  CHECK(allclose(y.value(), plain * kept.to(float64) / 0.75, 1e-14, 1e-15));
  // The result is that of the dropped weights.
  const Variable z =
      scaled_dot_product_attention(leaf, leaf, x, {.dropout_p = 0.25, .generator = &again});
  CHECK(equal(z.value(), matmul(y, x).value()));
  sum(z).backward();
  CHECK(leaf.has_grad());
  CHECK(equal(attention_weights(x, x, {.dropout_p = 1}).value(), zeros({40, 40}, float64)));
  CHECK_THROWS_AS(attention_weights(x, x, {.dropout_p = 1.5}), ValueError);
}

TEST_CASE("is_causal and a mask of either kind apply together") {
  manual_seed(9);
  const Tensor x = randn({2, 4, 3}, float64);
  const Tensor seen = tensor({{true, true, true, false}});
  const Tensor causal = !nn::causal_mask(4);
  const Tensor both = attention_weights(x, x, {.mask = seen, .is_causal = true}).value();
  CHECK(equal(both, attention_weights(x, x, {.mask = seen && causal}).value()));
  CHECK_FALSE(equal(both, attention_weights(x, x, {.mask = seen}).value()));
  const Tensor added = randn({4, 4}, float64);
  const Tensor lowest = full({}, -std::numeric_limits<double>::infinity(), float64);
  CHECK(equal(attention_weights(x, x, {.mask = added, .is_causal = true}).value(),
              attention_weights(x, x, {.mask = where(causal, added, lowest)}).value()));
}

TEST_CASE("a floating-point padding mask is added to an attention mask of either kind") {
  manual_seed(10);
  const nn::MultiheadAttention attention(4, 2, {.dtype = float64});
  const Tensor x = randn({3, 2, 4}, float64);
  const Tensor padding = randn({2, 3}, float64);
  const Tensor mask = tensor({{false, true, false}, {false, false, true}, {true, false, false}});
  const Tensor added =
      masked_fill(zeros({3, 3}, float64), mask, -std::numeric_limits<double>::infinity());
  const Tensor both = unsqueeze(padding, 1) + unsqueeze(added, 0);  // (batch, queries, keys)
  const Tensor of_heads = flatten(expand(unsqueeze(both, 1), {2, 2, 3, 3}), 0, 1);
  const Tensor expected = attention(x, x, x, {.attn_mask = of_heads}).output.value();
  for (const Tensor& each : {mask, added}) {
    const nn::AttentionCall call{.key_padding_mask = padding, .attn_mask = each};
    CHECK(allclose(attention(x, x, x, call).output.value(), expected, 1e-14, 1e-14));
  }
}

TEST_CASE("attention with kdim and vdim is copied and replaced completely") {
  manual_seed(6);
  struct Model : nn::Module {
    nn::MultiheadAttention attention;
    Model()
        : attention(register_module(
              "attention", nn::MultiheadAttention(4, 2, {.add_bias_kv = true, .kdim = 3}))) {}
  };
  Model model;
  std::string names;
  for (const NamedParameter& each : model.parameters()) names += each.name + " ";
  CHECK(names ==
        "attention.q_proj_weight attention.k_proj_weight attention.v_proj_weight "
        "attention.in_proj_bias attention.bias_k attention.bias_v attention.out_proj.weight "
        "attention.out_proj.bias ");
  nn::MultiheadAttention other(6, 3, {.add_bias_kv = true, .add_zero_attn = true, .vdim = 5});
  model.replace_module("attention", other);
  const Tensor x = randn({2, 1, 6});
  const Tensor v = randn({2, 1, 5});
  CHECK(model.attention.vdim() == 5);
  CHECK(model.attention.kdim() == 6);
  CHECK(equal(model.attention(x, x, v).output.value(), other(x, x, v).output.value()));
  CHECK(model.attention(x, x, v).weights.shape() == Shape{1, 2, 4});
  const nn::MultiheadAttention copy = clone(other);
  other.bias_k.set_value(ones({1, 1, 6}));
  CHECK_FALSE(equal(copy(x, x, v).output.value(), other(x, x, v).output.value()));
  CHECK_THROWS_AS(model.replace_module("attention", nn::MultiheadAttention(6, 3)), ValueError);
}

TEST_CASE("dropout of attention applies to the weights, in training only") {
  manual_seed(4);
  nn::MultiheadAttention attention(4, 2, {.dropout = 0.5});
  const Tensor x = randn({5, 3, 4});
  const Tensor a = attention(x, x, x).output.value();
  CHECK_FALSE(equal(attention(x, x, x).output.value(), a));
  const Tensor weights = attention(x, x, x, {.average_attn_weights = false}).weights.value();
  CHECK(any(weights == 0).item<bool>());
  attention.eval();
  CHECK(equal(attention(x, x, x).output.value(), attention(x, x, x).output.value()));
}

TEST_CASE("every dropout of a TransformerEncoderLayer is applied where its name says") {
  nn::TransformerEncoderLayer layer(6, 2,
                                    {.dim_feedforward = 7, .dropout = 0.5, .batch_first = true});
  const Tensor x = randn({2, 3, 6});
  // How many random numbers a call draws while only these modules are in training mode.
  const auto check_draws = [&](nn::Module& on, std::int64_t count) {
    layer.eval();
    on.train();
    manual_seed(11);
    layer(x);
    const Tensor next = rand({1});
    manual_seed(11);
    bernoulli_(empty({count}), 0.5);
    CHECK(equal(rand({1}), next));
  };
  check_draws(layer.self_attn, 2 * 2 * 3 * 3);
  check_draws(layer.dropout1, 2 * 3 * 6);
  check_draws(layer.dropout, 2 * 3 * 7);
  check_draws(layer.dropout2, 2 * 3 * 6);
  check_draws(layer.norm1, 0);
  // dropout2 drops the output of the feed-forward part, but not that of attention.
  nn::TransformerEncoderLayer silent(6, 2, {.dim_feedforward = 7, .dropout = 1});
  silent.eval();
  silent.dropout2.train();
  const Variable y = silent.norm1(x + silent.self_attn(x, x, x).output);
  CHECK(equal(silent(x).value(), silent.norm2(y).value()));
  silent.dropout2.eval();
  silent.dropout1.train();
  CHECK_FALSE(equal(silent(x).value(), silent.norm2(y).value()));
}

TEST_CASE("a causal mask hides later steps from each step") {
  manual_seed(5);
  nn::TransformerEncoder encoder(
      nn::TransformerEncoderLayer(4, 2, {.dim_feedforward = 8, .batch_first = true}), 2);
  encoder.eval();
  const Tensor x = randn({1, 5, 4});
  Tensor changed = x.clone();
  narrow(changed, 1, 3, 2).fill_(7);
  const Tensor mask = nn::causal_mask(5);
  const Tensor a = encoder(x, {.mask = mask}).value();
  const Tensor b = encoder(changed, {.mask = mask}).value();
  CHECK(allclose(narrow(a, 1, 0, 3), narrow(b, 1, 0, 3), 1e-6, 1e-7));
  CHECK_FALSE(allclose(narrow(a, 1, 3, 2), narrow(b, 1, 3, 2)));
}

TEST_CASE("positions are sines and cosines, or learned") {
  const nn::PositionalEncoding positions(6, {.max_len = 50, .batch_first = true});
  for (const std::int64_t t : {0, 1, 49}) {
    for (std::int64_t i = 0; i < 3; ++i) {
      const double angle =
          static_cast<double>(t) / std::pow(10000.0, 2 * static_cast<double>(i) / 6);
      CHECK(positions.table().item<float>({t, 2 * i}) == Approx(std::sin(angle)).margin(1e-6));
      CHECK(positions.table().item<float>({t, 2 * i + 1}) == Approx(std::cos(angle)).margin(1e-6));
    }
  }
  const Tensor x = randn({2, 4, 6});
  CHECK(equal(positions(x).value(), x + narrow(positions.table(), 0, 0, 4)));
  CHECK(positions.state_dict().size() == 0);
  const nn::PositionalEncoding steps_first(6);
  CHECK(allclose(steps_first(transpose(x, 0, 1)).value(), transpose(positions(x).value(), 0, 1)));

  const nn::LearnedPositions learned(6, {.max_len = 4});
  const Variable y = learned(zeros({3, 2, 6}));
  CHECK(equal(y.value()[2][1], learned.embedding.weight.value()[2]));
  sum(y).backward();
  CHECK(equal(select(learned.embedding.weight.grad(), 1, 0), tensor({2.0, 2.0, 2.0, 0.0})));
  CHECK(learned(zeros({4, 0, 6})).shape() == Shape{4, 0, 6});
  CHECK(positions(zeros({0, 4, 6})).shape() == Shape{0, 4, 6});
  CHECK(positions(zeros({2, 0, 6})).shape() == Shape{2, 0, 6});
  CHECK(error_text<ShapeError>([&] {
          learned(zeros({5, 2, 6}));
        }) == "LearnedPositions: x has 5 steps, needed 4 or fewer; raise max_len");
  CHECK(error_text<ShapeError>([&] {
          positions(zeros({2, 4, 5}));
        }) == "PositionalEncoding: x is (2, 4, 5), needed (batch, steps, 6)");
  CHECK_THROWS_AS(nn::PositionalEncoding(6)(ones({4, 6})), ShapeError);
  CHECK_THROWS_AS(nn::LearnedPositions(6)(ones({1, 2, 4, 6})), ShapeError);
  CHECK(error_text<ValueError>([] { nn::PositionalEncoding(5); }) ==
        "PositionalEncoding: dim is 5, needed an even number: sines and cosines come in pairs");
  CHECK(positions.description() == "PositionalEncoding(6, max_len=50)");
}

TEST_CASE("attention explains arguments that do not fit") {
  CHECK(error_text<ValueError>([] { nn::MultiheadAttention(6, 4); }) ==
        "MultiheadAttention: embed_dim 6 and 4 heads, needed a multiple of the heads");
  CHECK(error_text<ValueError>([] { nn::MultiheadAttention(6, 2, {.dropout = 2}); }) ==
        "MultiheadAttention: dropout is 2.000000, needed a probability in [0, 1]");
  CHECK(error_text<ValueError>([] { nn::MultiheadAttention(6, 2, {.kdim = 0}); }) ==
        "MultiheadAttention: kdim 0 and vdim 6, needed 1 or more");
  const nn::MultiheadAttention attention(6, 2);
  const Tensor x = zeros({4, 3, 6});
  const nn::MultiheadAttention wide(6, 2, {.add_bias_kv = true, .kdim = 2, .vdim = 5});
  CHECK(error_text<ShapeError>([&] {
          wide(x, zeros({4, 3, 2}), zeros({5, 3, 5}));
        }) ==
        "MultiheadAttention: query is (4, 3, 6), key (4, 3, 2), value (5, 3, 5), needed (steps, "
        "batch, 6), (steps, batch, 2), (steps, batch, 5), key and value with the same number of "
        "steps");
  CHECK(wide.description() == "MultiheadAttention(6, 2, kdim=2, vdim=5, add_bias_kv=true)");
  CHECK(error_text<ShapeError>([&] {
          attention(x, x, zeros({4, 3, 5}));
        }) ==
        "MultiheadAttention: query is (4, 3, 6), key (4, 3, 6), value (4, 3, 5), needed (steps, "
        "batch, 6), key and value of the same shape");
  CHECK(error_text<ShapeError>([&] {
          attention(x, zeros({4, 2, 6}), zeros({4, 2, 6}));
        }) ==
        "MultiheadAttention: query is (4, 3, 6), key (4, 2, 6), value (4, 2, 6), needed (steps, "
        "batch, 6), key and value of the same shape");
  CHECK(
      error_text<ShapeError>([&] {
        attention(x, x, x, {.key_padding_mask = zeros({4, 3}, boolean)});
      }) ==
      "MultiheadAttention: key_padding_mask is boolean (4, 3), needed (3, 4), boolean (true where "
      "a key is ignored) or floating-point (it is added to the scores)");
  CHECK(error_text<ShapeError>([&] {
          attention(x, x, x, {.key_padding_mask = zeros({3, 4}, int64)});
        }).find("key_padding_mask is int64 (3, 4), needed") != std::string::npos);
  CHECK(error_text<ShapeError>([&] {
          attention(x, x, x, {.attn_mask = zeros({4, 3}, boolean)});
        }) == "MultiheadAttention: attn_mask is (4, 3), needed (4, 4) or (6, 4, 4)");
  CHECK(error_text<DTypeError>([&] {
          attention(x, x, x, {.attn_mask = zeros({4, 4}, int64)});
        }) == "MultiheadAttention: attn_mask is int64, needed boolean or floating-point");
  CHECK(error_text<ShapeError>([] {
          scaled_dot_product_attention(zeros({2, 3}), zeros({4, 2}), zeros({4, 2}));
        }) ==
        "attention: query is (2, 3) and key (4, 2), needed (..., queries, width) and (..., "
        "keys, width)");
  CHECK(error_text<ShapeError>([] {
          scaled_dot_product_attention(zeros({2, 3}), zeros({4, 3}), zeros({5, 2}));
        }) ==
        "attention: key is (4, 3) and value (5, 2), needed (..., keys, width) and (..., keys, "
        "n)");
  CHECK(error_text<ShapeError>([] {
          attention_weights(zeros({2, 3}), zeros({4, 3}), {.mask = zeros({3, 4}, boolean)});
        }) == "attention: mask is (3, 4), needed one that broadcasts to the scores' (2, 4)");
  CHECK(attention.description() == "MultiheadAttention(6, 2)");
  CHECK(nn::TransformerEncoderLayer(4, 2, {.norm_first = true}).description() ==
        "TransformerEncoderLayer(relu, norm_first=true)");
}

// Lists -------------------------------------------------------------------------------------------

namespace {

struct Deep : nn::Module {
  nn::ModuleList<nn::Linear> steps;
  nn::ModuleDict<nn::Linear> heads;
  Deep()
      : steps(register_module("steps", nn::ModuleList<nn::Linear>())),
        heads(register_module("heads", nn::ModuleDict<nn::Linear>())) {
    for (int i = 0; i < 2; ++i) steps.push_back(nn::Linear(3, 3));
    heads.insert("topic", nn::Linear(3, 4, {.bias = false}));
    heads.insert("mood", nn::Linear(3, 2, {.bias = false}));
  }
};

}  // namespace

TEST_CASE("ModuleList and ModuleDict register their modules") {
  Deep model;
  std::string names;
  for (const NamedParameter& each : model.parameters()) names += each.name + " ";
  CHECK(names ==
        "steps.0.weight steps.0.bias steps.1.weight steps.1.bias heads.topic.weight "
        "heads.mood.weight ");
  CHECK(model.steps.size() == 2);
  CHECK(model.heads.size() == 2);
  CHECK(model.heads.contains("mood"));
  CHECK_FALSE(model.heads.contains("tone"));
  CHECK(model.heads["topic"](zeros({1, 3})).shape() == Shape{1, 4});
  CHECK(error_text<IndexError>([&] { model.steps[2]; }) ==
        "ModuleList: module 2 out of range for 2");
  CHECK(error_text<IndexError>([&] { model.heads["tone"]; }) ==
        "ModuleDict: no module 'tone'; there are 'topic', 'mood'");

  // A deep copy has its own modules. Loading changes the modules that the list returns.
  Deep copy = clone(model);
  copy.steps[0].weight.set_value(zeros({3, 3}));
  CHECK_FALSE(equal(model.steps[0].weight.value(), zeros({3, 3})));
  CHECK(equal(copy.state_dict().at("steps.0.weight"), zeros({3, 3})));
  model.load_state_dict(copy.state_dict());
  CHECK(equal(model.steps[0].weight.value(), zeros({3, 3})));

  Deep other;
  other.steps.push_back(nn::Linear(3, 3));
  struct Outer : nn::Module {
    Deep deep;
    Outer() : deep(register_module("deep", Deep())) {}
  };
  Outer outer;
  const Deep replacement;
  outer.replace_module("deep", replacement);
  CHECK(outer.deep.steps[1].weight.variable().node() ==
        replacement.steps[1].weight.variable().node());
  CHECK_THROWS_AS(outer.replace_module("deep", other), ValueError);
}
