// Layers of one byte for each weight: a user's program, the bound of the error, files and errors.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

struct Net : nn::Module {
  nn::Embedding words;
  nn::Linear head;
  Net()
      : words(register_module("words", nn::Embedding(500, 33, {.padding_idx = 0}))),
        head(register_module("head", nn::Linear(33, 4))) {}
  Variable operator()(const Tensor& ids) const { return head(mean(words(ids), 1)); }
};

struct SmallNet : nn::Module {
  nn::QuantizedEmbedding words;
  nn::QuantizedLinear head;
  explicit SmallNet(const Net& net)
      : words(register_module("words", nn::quantize_dynamic(net.words))),
        head(register_module("head", nn::quantize_dynamic(net.head))) {}
  Variable operator()(const Tensor& ids) const { return head(mean(words(ids), 1)); }
};

std::int64_t bytes_of(const StateDict& state) {
  std::int64_t bytes = 0;
  for (const auto& [name, x] : state) {
    bytes += x.numel() * static_cast<std::int64_t>(item_size(x.dtype()));
  }
  return bytes;
}

// Every element differs by at most half a scale, plus what rounding of the products adds.
void check_rows(const Tensor& dequantized, const Tensor& weight, const Tensor& scale) {
  const double epsilon = weight.dtype() == float32 ? std::numeric_limits<float>::epsilon()
                                                   : std::numeric_limits<double>::epsilon();
  const Tensor difference = abs(dequantized.to(float64) - weight.to(float64));
  const Tensor bound = unsqueeze(scale.to(float64), 1) * (0.5 + 127 * epsilon);
  CHECK(all(difference <= bound).item<bool>());
}

}  // namespace

// train, quantize, save; load ---------------------------------------------------------------------

TEST_CASE("quantization: a user's program") {
  manual_seed(4);
  Net net;
  optim::Adam adam(net.parameters(), {.lr = 0.01});
  const Tensor ids = randint(0, 500, {64, 7});
  const Tensor labels = remainder(select(ids, 1, 0), 4);
  for (int i = 0; i < 60; ++i) {
    adam.zero_grad();
    nn::cross_entropy(net(ids), labels).backward();
    adam.step();
  }
  const SmallNet small(net);
  CHECK(small.parameters().empty());
  const Tensor expected = net(ids).value();
  const Tensor found = small(ids).value();
  CHECK(equal(argmax(found, 1), argmax(expected, 1)));
  CHECK(max(abs(found - expected)).item<double>() < 0.05);
  CHECK_FALSE(equal(found, expected));

  // 40 bytes and a scale for each row of 33 elements, in place of 132 bytes.
  CHECK(bytes_of(net.state_dict()) == 504 * 33 * 4 + 4 * 4);
  CHECK(bytes_of(small.state_dict()) == 504 * (40 + 4) + 4 * 4);

  SmallNet other{Net()};
  CHECK_FALSE(equal(other(ids).value(), found));
  other.load_state_dict(small.state_dict());
  CHECK(equal(other(ids).value(), found));
  const SmallNet copy = clone(small);
  other.load_state_dict(SmallNet{Net()}.state_dict());
  CHECK(equal(copy(ids).value(), found));
}

TEST_CASE("quantization: known codes") {
  nn::Linear linear(3, 3);
  linear.weight.set_value(tensor({{127.0, -63.4, 0.5}, {0.0, 0.0, 0.0}, {-2.54, 1.27, 0.01}}));
  linear.bias.set_value(tensor({1.0, 2.0, 3.0}));
  const nn::QuantizedLinear small = nn::quantize_dynamic(linear);
  CHECK(small.scale->item<float>({0}) == 1.0f);
  CHECK(small.scale->item<float>({2}) == 2.54f / 127);
  const auto codes = unpack_bytes(select(*small.weight, 0, 0), 8);
  CHECK(codes == std::vector<std::uint8_t>{127, 256 - 63, 0, 0, 0, 0, 0, 0});  // 0.5 -> 0, even
  CHECK(allclose(small.dequantized_weight(),
                 tensor({{127.0, -63.0, 0.0}, {0.0, 0.0, 0.0}, {-2.54, 1.28, 0.0}})));
  CHECK(allclose(small(tensor({1.0, 1.0, 1.0})).value(), tensor({65.0, 2.0, 1.74})));
}

// The error ---------------------------------------------------------------------------------------

TEST_CASE("quantization: an element differs by at most half a scale") {
  manual_seed(5);
  for (const DType dtype : {float32, float64}) {
    for (const Shape& shape : {Shape{1, 1}, Shape{7, 8}, Shape{40, 33}, Shape{300, 300}}) {
      for (const double size : {1e-30, 1.0, 1e30}) {
        CAPTURE(dtype, shape, size);
        nn::Linear linear(shape[1], shape[0], {.dtype = dtype});
        linear.weight.set_value(randn(shape, dtype) * size);
        const nn::QuantizedLinear small(linear);
        check_rows(small.dequantized_weight(), linear.weight.value(), *small.scale);
        CHECK(allclose(*small.scale * 127.0, max(abs(linear.weight.value()), 1).values, 1e-6));
      }
    }
  }
  // Below the smallest normal number.
  nn::Linear tiny(2, 2);
  tiny.weight.set_value(tensor({{1e-44, -1e-40}, {0.0, 1e-38}}));
  const nn::QuantizedLinear small(tiny);
  check_rows(small.dequantized_weight(), tiny.weight.value(), *small.scale);
}

TEST_CASE("quantization: outputs differ by at most half the scale times the sum of |x|") {
  manual_seed(6);
  for (const DType dtype : {float32, float64}) {
    for (const std::int64_t width : {1, 5, 64, 1000}) {
      CAPTURE(dtype, width);
      const nn::Linear linear(width, 130, {.dtype = dtype});  // several blocks of rows
      const nn::QuantizedLinear small(linear);
      for (const Shape& shape : {Shape{width}, Shape{9, width}, Shape{2, 3, width}}) {
        const Tensor x = randn(shape, dtype);
        const Tensor expected = linear(x).value();
        const Tensor found = small(x).value();
        REQUIRE(found.shape() == expected.shape());
        const Tensor sizes = sum(abs(x), -1, true);
        CHECK(all(abs(found - expected) <= sizes * (*small.scale * 0.5 + 1e-6)).item<bool>());
        // The same product by the plain way.
        const Tensor plain = matmul(x, transpose(small.dequantized_weight())) + *small.bias;
        CHECK(allclose(found, plain, 1e-5, 1e-5));
      }
    }
  }
}

TEST_CASE("quantization: pruned weights stay zero") {
  manual_seed(7);
  nn::Linear linear(20, 10);
  nn::utils::prune::l1_unstructured(linear, "weight", 0.7);
  const nn::QuantizedLinear small(linear);
  CHECK(sum(small.dequantized_weight() == 0).item<std::int64_t>() >= 140);
  const Tensor mask = nn::utils::prune::mask(linear, "weight");
  CHECK(all(masked_select(small.dequantized_weight(), !mask) == 0).item<bool>());
}

// Embedding, gradients, sizes ---------------------------------------------------------------------

TEST_CASE("quantization: lookups are rows of the dequantized table") {
  manual_seed(8);
  const nn::Embedding words(40, 13, {.padding_idx = 3});
  const nn::QuantizedEmbedding small(words);
  check_rows(small.dequantized_weight(), words.weight.value(), *small.scale);
  const Tensor ids = tensor({{3, 39, 0}, {7, 7, 1}});
  const Tensor found = small(ids).value();
  CHECK(found.shape() == Shape{2, 3, 13});
  CHECK(equal(found, embedding(small.dequantized_weight(), ids)));
  CHECK(equal(select(select(found, 0, 0), 0, 0), zeros({13})));
  CHECK(small(tensor(5)).value().shape() == Shape{13});
  CHECK(small(zeros({0, 2}, int64)).value().shape() == Shape{0, 2, 13});
  CHECK(error_text<IndexError>([&] { small(tensor({1, 40})); }).find("QuantizedEmbedding") == 0);

  // Rows as lookups give them; the table itself does not change.
  const nn::Embedding limited(5, 4, {.max_norm = 0.5});
  const Tensor before = limited.weight.value();
  const Tensor norms = norm(nn::quantize_dynamic(limited).dequantized_weight(), 2, {1});
  CHECK(all(norms < 0.51).item<bool>());
  CHECK(equal(limited.weight.value(), before));
}

TEST_CASE("quantization: the gradient of the input goes through the dequantized weight") {
  manual_seed(9);
  nn::QuantizedLinear small(nn::Linear(6, 4));
  Variable x = parameter(randn({3, 6}));
  const Variable y = small(x);
  sum(y).backward();
  CHECK(allclose(x.grad(), matmul(ones({3, 4}), small.dequantized_weight())));
  CHECK(allclose(y.value(), small(x.value()).value(), 1e-5, 1e-6));
  const NoGrad guard;
  CHECK_FALSE(small(x).requires_grad());
}

TEST_CASE("quantization: modules are described, converted, and may be empty") {
  nn::QuantizedLinear small(nn::Linear(6, 4, false));
  CHECK(small.description() == "QuantizedLinear(6, 4, bias=false)");
  CHECK(nn::QuantizedLinear(3, 2).description() == "QuantizedLinear(3, 2)");
  CHECK(nn::QuantizedEmbedding(3, 2).description() == "QuantizedEmbedding(3, 2)");
  small.to(float64);
  CHECK(small(ones({2, 6}, float64)).dtype() == float64);
  CHECK(nn::QuantizedLinear(nn::Linear(0, 3))(zeros({2, 0})).shape() == Shape{2, 3});
  CHECK(nn::QuantizedLinear(nn::Linear(3, 0))(zeros({2, 3})).shape() == Shape{2, 0});
  CHECK(nn::QuantizedLinear(nn::Linear(3, 2))(zeros({0, 3})).shape() == Shape{0, 2});

  nn::Sequential model{nn::QuantizedLinear(4, 3), relu, nn::QuantizedLinear(3, 2)};
  model.replace_module("0", nn::quantize_dynamic(nn::Linear(9, 3)));
  CHECK(model(zeros({5, 9})).shape() == Shape{5, 2});
}

TEST_CASE("quantization: errors") {
  nn::Linear linear(3, 2);
  const nn::QuantizedLinear small(linear);
  CHECK(error_text<ShapeError>([&] {
          small(zeros({2, 4}));
        }) == "QuantizedLinear: got shape (2, 4), needed (..., 3)");
  CHECK(error_text<DTypeError>([&] {
          small(zeros({2, 3}, float64));
        }) == "QuantizedLinear: got float64, needed float32");
  CHECK_THROWS_AS(nn::QuantizedLinear(-1, 2), ValueError);
  CHECK_THROWS_AS(nn::QuantizedEmbedding(2, -1), ValueError);
  linear.weight.set_value(tensor({{1.0, 2.0, 3.0}, {1.0, std::nan(""), 3.0}}));
  CHECK(error_text<ValueError>([&] { nn::quantize_dynamic(linear); }) ==
        "QuantizedLinear: a weight is nan or infinite, needed finite weights");
  nn::QuantizedLinear loaded(3, 2);
  CHECK_THROWS_AS(loaded.load_state_dict(nn::Linear(3, 2).state_dict()), FormatError);
}
